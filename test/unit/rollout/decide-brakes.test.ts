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

/** order gives a command and lets it be carried out. */
function order(world: World, verb: string): void {
  world.command(verb);
  world.settle();
}

describe('the command pause', () => {
  it('stops raising and nothing else, and the history says who and when', () => {
    const world = inStep();
    order(world, 'pause');
    expect(world.status.pause).toEqual({ who: 'ann', since: new Date(world.nowMs).toISOString() });
    world.run(3_600_000);
    expect(world.state).toBe('Paused/PausedByCommand 20% route 20%');
    expect(world.status.message).toMatch(/^The pause by ann holds the canary at 20%; /);
    expect(world.status.history?.filter(({ who }) => who === 'ann')).toEqual([
      expect.objectContaining({ from: 'Progressing', to: 'Paused', reason: 'PausedByCommand', weight: 20 }),
    ]);
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Failed/MoreErrors 0% route 0%');
  });

  it('ends by resume, which leaves spec.paused alone', () => {
    const world = inStep();
    order(world, 'pause');
    world.edit({ paused: true });
    world.run(120_000);
    order(world, 'resume');
    expect(world.status.pause).toBeUndefined();
    expect(world.state).toBe('Paused/PausedBySpec 20% route 20%');
    world.edit({ paused: false });
    world.settle();
    expect(world.percent).toBe(50);
  });

  it('stays when spec.paused goes', () => {
    const world = inStep({ spec: { paused: false } });
    world.edit({ paused: true });
    world.settle();
    order(world, 'pause');
    world.edit({ paused: false });
    world.run(600_000);
    expect(world.state).toBe('Paused/PausedByCommand 20% route 20%');
    order(world, 'resume');
    expect(world.percent).toBe(50);
  });

  it('outlives a new revision, which then waits before its first step', () => {
    const world = inStep();
    order(world, 'pause');
    world.release('canary', 3);
    world.run(60_000);
    expect(world.state).toBe('Pending/PausedByCommand 0% route 0%');
    order(world, 'resume');
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
  });

  it('can be given at rest, and holds the next rollout', () => {
    const world = new World({ spec: { steps }, sameImages: true });
    world.settle();
    order(world, 'pause');
    expect(world.state).toBe('Succeeded/Unchanged 0% route 0%');
    expect(world.status.history?.at(-1)).toMatchObject({ reason: 'PausedByCommand', who: 'ann' });
    world.release('canary', 3);
    world.settle();
    expect(world.state).toBe('Pending/PausedByCommand 0% route 0%');
  });

  it('holds the return to stable too, but not a promote of it', () => {
    const world = inStep();
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    order(world, 'pause');
    world.release('stable', 2);
    world.run(600_000);
    expect(world.percent).toBe(100);
    order(world, 'promote');
    expect(world.percent).toBe(80);
  });

  it('leaves a promoted step where it is until resumed', () => {
    const world = inStep();
    order(world, 'pause');
    order(world, 'promote');
    world.run(600_000);
    expect(world.percent).toBe(20);
    order(world, 'resume');
    expect(world.percent).toBe(50);
  });

  it.each([
    ['pause', 'pause', /^The rollout is paused since /],
    [undefined, 'resume', /^No command has paused the rollout\. /],
  ])('after %s says of %s that there is nothing to do', (before, verb, message) => {
    const world = inStep();
    if (before !== undefined) order(world, before);
    order(world, verb);
    expect(world.notices.at(-1)).toMatchObject({ type: 'Warning', reason: 'CommandIgnored' });
    expect(world.notices.at(-1)?.message).toMatch(message);
  });
});

describe('the command promote-full', () => {
  it('goes to 100 without steps, pauses and proofs, watches it for its time, and succeeds', () => {
    const world = inStep({ spec: { steps: [{ weight: 20, duration: '1h' }, { pause: {} }, { weight: 50 }] } });
    world.verdict = 'Inconclusive';
    order(world, 'promote-full');
    world.run(10_000);
    expect(world.state).toBe('Progressing/StepStarted 100% route 100%');
    world.run(70_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    expect(world.status.history?.some(({ reason, who }) => reason === 'Promoted' && who === 'ann')).toBe(true);
  });

  it('goes on without data, because a person has said so', () => {
    const world = inStep();
    world.verdict = 'NoData';
    world.run(600_000);
    expect(world.percent).toBe(20);
    order(world, 'promote-full');
    world.run(100_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  });

  it('is taken back when the canary fails', () => {
    const world = inStep();
    order(world, 'promote-full');
    world.run(10_000);
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Failed/MoreErrors 0% route 0%');
  });

  it('does not pass a pause, nor a canary without endpoints', () => {
    const world = inStep();
    order(world, 'pause');
    order(world, 'promote-full');
    world.run(600_000);
    expect(world.state).toBe('Paused/PausedByCommand 20% route 20%');
    order(world, 'resume');
    expect(world.percent).toBe(100);
  });

  it('is for one rollout: the next one walks its steps', () => {
    const world = inStep();
    order(world, 'promote-full');
    world.release('canary', 3);
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    world.run(30_000);
    expect(world.percent).toBe(20);
  });

  it('in a Hold gives everything back to stable at once', () => {
    const world = inStep();
    world.run(600_000);
    order(world, 'promote-full');
    world.settle();
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
  });
});

describe('onFailure: Pause', () => {
  it('keeps the weight of a canary that fails, and waits for a person', () => {
    const world = inStep({ spec: { onFailure: 'Pause' } });
    world.advance(10_000);
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Paused/AnalysisFailed 20% route 20%');
    expect(world.status.conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'False' }));
    world.verdict = 'Pass';
    world.run(3_600_000);
    expect(world.state).toBe('Paused/AnalysisFailed 20% route 20%');
    order(world, 'abort');
    expect(world.state).toBe('Failed/Aborted 0% route 0%');
  });

  it('begins the step and its evidence anew when somebody promotes', () => {
    const world = inStep({ spec: { onFailure: 'Pause' } });
    const first = world.status.progress?.startedAt;
    world.advance(30_000);
    world.verdict = 'Fail';
    world.settle();
    world.advance(30_000);
    world.verdict = 'Pass';
    order(world, 'promote');
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    expect(world.status.progress?.startedAt).not.toBe(first);
    expect(world.status.analysis?.canary.requests).toBe(0);
    world.run(80_000);
    expect(world.percent).toBe(50);
  });

  it('takes out a canary that is gone all the same', () => {
    const world = inStep({ spec: { onFailure: 'Pause' } });
    world.endpoints.canary = 0;
    world.settle();
    expect(world.state).toBe('Failed/CanaryLost 0% route 0%');
  });

  it('stops one that is promoted all the way, too', () => {
    const world = inStep({ spec: { onFailure: 'Pause' } });
    order(world, 'promote-full');
    world.run(10_000);
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Paused/AnalysisFailed 100% route 100%');
  });
});

describe('progressDeadline', () => {
  const waiting = (): World => {
    const world = new World({ spec: { steps, progressDeadline: '10m' } });
    world.endpoints.canary = 0;
    world.settle();
    return world;
  };

  it('says that the first endpoints do not come, and starts when they do', () => {
    const world = waiting();
    world.run(599_000);
    expect(world.state).toBe('Pending/CanaryNotReady 0% route 0%');
    world.run(2_000);
    expect(world.state).toBe('Pending/ProgressDeadlineExceeded 0% route 0%');
    expect(world.status.message).toMatch(
      /^The canary is not ready 10m after it was first seen; it starts when it is\. /,
    );
    expect(world.status.conditions).toContainEqual(expect.objectContaining({ type: 'Stalled', status: 'True' }));
    world.endpoints.canary = 2;
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    expect(world.status.waitingSince).toBeUndefined();
  });

  it('begins anew with each revision, and does not count other waits', () => {
    const world = waiting();
    world.run(400_000);
    world.release('canary', 3);
    world.run(400_000);
    expect(world.state).toBe('Pending/CanaryNotReady 0% route 0%');
    world.endpoints.canary = 2;
    world.edit({ paused: true });
    world.run(3_600_000);
    expect(world.state).toBe('Pending/PausedBySpec 0% route 0%');
    world.endpoints.canary = 0;
    world.run(400_000);
    expect(world.state).toBe('Pending/CanaryNotReady 0% route 0%');
  });

  it('rolls back a step whose weight the route refuses', () => {
    const world = inStep({ spec: { progressDeadline: '10m' } });
    world.isRouteForbidden = true;
    world.advance(70_000);
    for (let minute = 0; minute < 9; minute += 1) {
      world.step();
      world.step();
      expect(world.state).toBe('Progressing/RouteNotWritten 50% route 20%');
      world.advance(60_000);
    }
    expect(world.status.message).toBe(
      'IngressRoute shop does not take the canary\'s 50%: ingressroutes.traefik.io "shop" is forbidden',
    );
    world.advance(120_000);
    world.step();
    expect(world.state).toBe('RollingBack/ProgressDeadlineExceeded 50% route 20%');
    world.isRouteForbidden = false;
    world.settle();
    expect(world.state).toBe('Failed/ProgressDeadlineExceeded 0% route 0%');
  });

  it('goes on where the route takes the weight in time', () => {
    const world = inStep({ spec: { progressDeadline: '10m' } });
    world.isRouteForbidden = true;
    world.advance(70_000);
    world.step();
    world.advance(300_000);
    world.isRouteForbidden = false;
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 50% route 50%');
    world.run(1_000_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  });

  it('does not count a Prometheus that is gone', () => {
    const world = inStep({ spec: { progressDeadline: '1m' } });
    world.advance(65_000);
    world.step({ crashAfter: 1 });
    world.verdict = 'NoData';
    world.run(3_600_000);
    expect(world.state).toBe('Progressing/StepStarted 50% route 20%');
    world.verdict = 'Pass';
    world.settle();
    expect(world.percent).toBe(50);
  });
});
