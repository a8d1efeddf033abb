import { describe, expect, it } from 'vitest';
import { World } from '../../support/world.ts';

const steps = [
  { weight: 20, duration: '1m' },
  { weight: 50, duration: '1m' },
];

/** inStep returns a world whose rollout has just got its first weight, 20 %. */
function inStep(options: ConstructorParameters<typeof World>[0] = {}): World {
  const world = new World({ ...options, spec: { steps, ...options.spec } });
  world.settle();
  return world;
}

/** inHold returns a world whose canary was promoted and keeps everything. */
function inHold(): World {
  const world = inStep();
  world.run(600_000);
  expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  return world;
}

/** order gives a command and lets it be carried out. */
function order(world: World, verb: string): void {
  world.command(verb);
  world.settle();
}

/** raisePending is in the second step, the raise of which was stored, but did not reach the route. */
function raisePending(spec: object = {}): World {
  const world = inStep({ spec });
  world.advance(70_000);
  world.step({ crashAfter: 1 });
  expect(world.state).toBe('Progressing/StepStarted 50% route 20%');
  return world;
}

function annotations(world: World): object {
  return world.rollout?.metadata.annotations ?? {};
}

describe('a command given while something waits', () => {
  it('to a rollback that waits for stable is refused with an event, all but a pause', () => {
    const world = inStep();
    world.advance(10_000);
    world.endpoints.stable = 0;
    world.verdict = 'Fail';
    world.settle();
    expect(world.status.message).toMatch(/^Rollback is waiting: /);
    order(world, 'promote');
    expect(annotations(world)).toEqual({});
    expect(world.notices.at(-1)).toMatchObject({ type: 'Warning', reason: 'CommandIgnored' });
    expect(world.notices.at(-1)?.message).toMatch(/^The command promote is not executed: Rollback is waiting: /);
    order(world, 'fly');
    expect(world.notices.at(-1)).toMatchObject({ type: 'Warning', reason: 'CommandStale' });
    order(world, 'pause');
    expect(world.status.pause).toMatchObject({ who: 'ann' });
    expect(annotations(world)).toEqual({});
    world.endpoints.stable = 2;
    world.settle();
    expect(world.state).toBe('Failed/MoreErrors 0% route 0%');
  });

  it('to a Rollout with a problem is refused with what is wrong', () => {
    const world = inStep();
    world.advance(10_000);
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Failed/MoreErrors 0% route 0%');
    world.deleteRoute();
    world.settle();
    order(world, 'retry');
    expect(annotations(world)).toEqual({});
    expect(world.notices.at(-1)?.message).toMatch(
      /^The command retry is not executed: spec\.route\.name: IngressRoute shop does not exist/,
    );
    world.recreateRoute();
    world.settle();
    expect(world.state).toBe('Failed/MoreErrors 0% route 0%');
  });

  it('to promote a step whose raise is still to be made counts, whatever holds the raise', () => {
    const world = raisePending();
    world.verdict = 'NoData';
    world.settle();
    expect(world.percent).toBe(20);
    order(world, 'promote-full');
    expect(annotations(world)).toEqual({});
    world.run(10_000);
    expect(world.percent).toBe(100);
  });

  it('to promote while the canary stands in for stable counts, too', () => {
    const world = inStep();
    world.endpoints.stable = 0;
    world.settle();
    expect(world.state).toBe('Degraded/StableUnavailable 100% route 100%');
    order(world, 'promote');
    expect(annotations(world)).toEqual({});
    expect(world.state).toBe('Degraded/StableUnavailable 100% route 100%');
    expect(world.status.progress?.promoted).toBe(true);
  });

  it('to go on with the return while stable is lost is refused', () => {
    const world = inHold();
    world.release('stable', 2);
    world.settle();
    expect(world.percent).toBe(80);
    world.endpoints.stable = 0;
    world.settle();
    order(world, 'promote');
    expect(annotations(world)).toEqual({});
    expect(world.percent).toBe(100);
  });
});

describe('promote-full', () => {
  it('in a Hold without a ready stable endpoint moves nothing, and says so', () => {
    const world = inHold();
    world.endpoints.stable = 0;
    world.settle();
    order(world, 'promote-full');
    expect(world.percent).toBe(100);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    expect(world.notices.at(-1)).toMatchObject({ type: 'Warning', reason: 'StableUnavailable' });
  });

  it('whose stable endpoints go before the route is written waits for the next one', () => {
    const world = inHold();
    world.command('promote-full');
    world.step();
    world.endpoints.stable = 0;
    world.settle();
    expect(world.status.weight).toBe(100);
    expect(world.status.phase).not.toBe('Succeeded');
    world.endpoints.stable = 2;
    world.settle();
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
  });

  it('ends a pause that follows 100 %', () => {
    const world = inStep({ spec: { steps: [{ weight: 100, duration: '1m' }, { pause: {} }] } });
    world.run(120_000);
    expect(world.state).toBe('Paused/PauseStep 100% route 100%');
    order(world, 'promote-full');
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  });
});

describe('onFailure: Pause', () => {
  it('does not put off the rollback of a canary that is gone', () => {
    const world = inStep({ spec: { onFailure: 'Pause' } });
    world.advance(10_000);
    world.verdict = 'Fail';
    world.endpoints.canary = 0;
    world.step();
    expect(world.state).toBe('Failed/CanaryLost 0% route 0%');
  });

  it('of a step whose raise was not made stops where the traffic is, and goes on from there', () => {
    const world = raisePending({ onFailure: 'Pause' });
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Paused/AnalysisFailed 20% route 20%');
    expect(world.status.message).toMatch(/ The canary stays at 20% /);
    world.verdict = 'Pass';
    order(world, 'promote');
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    world.run(80_000);
    expect(world.percent).toBe(50);
  });

  it('of such a step goes back to there also when the canary stands in for stable meanwhile', () => {
    const world = raisePending({ onFailure: 'Pause' });
    world.endpoints.stable = 0;
    world.settle();
    world.verdict = 'Fail';
    world.settle();
    expect(world.status.progress?.hold?.reason).toBe('AnalysisFailed');
    expect(world.state).toBe('Degraded/StableUnavailable 100% route 100%');
    world.endpoints.stable = 2;
    world.settle();
    expect(world.state).toBe('Paused/AnalysisFailed 20% route 20%');
  });

  it('watches the step again also where it was promoted before it failed', () => {
    const world = inStep({ spec: { onFailure: 'Pause', readiness: { minReady: 2, policy: 'Proportional' } } });
    world.endpoints.canary = 1;
    order(world, 'promote');
    expect(world.state).toBe('Progressing/CanaryUndersized 20% route 20%');
    world.advance(10_000);
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Paused/AnalysisFailed 20% route 20%');
    world.endpoints.canary = 2;
    world.verdict = 'Pass';
    order(world, 'promote');
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
  });
});

describe('what waits', () => {
  it('for a route that refuses the weight has proven nothing at it', () => {
    const world = inStep();
    world.advance(70_000);
    world.isRouteForbidden = true;
    world.step();
    expect(world.state).toBe('Progressing/RouteNotWritten 50% route 20%');
    expect(world.status.verdict).toBe('Inconclusive');
    const passing = world.status.conditions?.find(({ type }) => type === 'AnalysisPassing');
    expect(passing).toMatchObject({ status: 'Unknown', reason: 'NoEvidenceYet' });
  });

  it('for a route that refuses the weight says so also after a brake', () => {
    const world = raisePending({ progressDeadline: '10m' });
    world.edit({ paused: true });
    world.settle();
    expect(world.state).toBe('Paused/PausedBySpec 50% route 20%');
    world.isRouteForbidden = true;
    world.edit({ paused: false });
    world.step();
    world.step();
    expect(world.state).toBe('Progressing/RouteNotWritten 50% route 20%');
    expect(world.status.progress?.refusedAt).toBeDefined();
  });

  it('is rolled back when it is inconclusive for too long, also without the endpoints for more', () => {
    const world = inStep({
      spec: {
        steps: steps.slice(0, 1),
        analysis: { onInconclusive: 'Rollback', inconclusiveAfter: '10m' },
        readiness: { minReady: 2, policy: 'Proportional' },
      },
    });
    world.verdict = 'Inconclusive';
    world.endpoints.canary = 1;
    world.run(65_001);
    expect(world.state).toBe('Progressing/CanaryUndersized 20% route 20%');
    world.run(600_000);
    expect(world.state).toBe('Failed/InconclusiveTooLong 0% route 0%');
  });

  it('for first endpoints does not count the time of a problem', () => {
    const world = new World({ spec: { steps, progressDeadline: '10m' } });
    world.endpoints.canary = 0;
    world.settle();
    world.run(400_000);
    const { routes } = world;
    world.deleteRoute();
    world.run(3_600_000);
    world.recreateRoute(routes);
    world.run(400_000);
    expect(world.state).toBe('Pending/CanaryNotReady 0% route 0%');
  });

  it('for first endpoints past the deadline is stalled, and not reconciling', () => {
    const world = new World({ spec: { steps, progressDeadline: '10m' } });
    world.endpoints.canary = 0;
    world.settle();
    world.run(601_000);
    expect(world.state).toBe('Pending/ProgressDeadlineExceeded 0% route 0%');
    expect(world.status.conditions).toContainEqual(expect.objectContaining({ type: 'Stalled', status: 'True' }));
    expect(world.status.conditions).toContainEqual(expect.objectContaining({ type: 'Reconciling', status: 'False' }));
  });

  it('on the way back keeps the most endpoints that the canary has had, also after a crash', () => {
    const world = inHold();
    world.release('stable', 2);
    world.settle();
    world.endpoints.canary = 1;
    world.advance(70_000);
    world.step({ crashAfter: 1 });
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 50% route 50%');
    expect(world.status.progress?.mostReady).toBe(2);
  });

  it('for a person keeps the most endpoints that stable has had', () => {
    const world = new World({ spec: { steps } });
    world.endpoints.stable = 10;
    world.settle();
    world.endpoints.stable = 4;
    world.writeWeight('kubectl-edit', 10);
    world.settle();
    expect(world.state).toBe('Paused/LoweredByHand 10% route 10%');
    expect(world.status.progress?.mostReady).toBe(10);
  });
});
