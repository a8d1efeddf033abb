import { describe, expect, it } from 'vitest';
import { shopRoutes } from '../../support/rollout-builders.ts';
import { World } from '../../support/world.ts';

const steps = [
  { weight: 20, duration: '1m' },
  { weight: 50, duration: '1m' },
];

function inStep(routes = shopRoutes): World {
  const world = new World({ spec: { steps }, routes });
  world.settle();
  world.run(10_000);
  return world;
}

function written(world: World): string {
  return JSON.stringify(world.routes);
}

describe('a rollback', () => {
  it.each<[string, (world: World) => void, string]>([
    ['a Fail', (world) => void (world.verdict = 'Fail'), 'Failed/MoreErrors'],
    ['abort', (world) => void world.command('abort'), 'Failed/Aborted'],
    ['CanaryLost', (world) => void (world.endpoints.canary = 0), 'Failed/CanaryLost'],
  ])('by %s gives the route back as it was and remembers the revision', (_name, cause, state) => {
    const world = inStep();
    cause(world);
    expect(world.step().decision.kind).toBe('Lower');
    world.settle();
    expect(world.state).toBe(`${state} 0% route 0%`);
    expect(written(world)).toBe(JSON.stringify(shopRoutes));
    expect(world.status).toMatchObject({ failedRevisions: ['canary-2'] });
    expect(world.status).not.toHaveProperty('target');
    expect(world.rollout?.metadata.finalizers).toEqual([]);
  });

  it.each([0, 1])('ends the same when the process dies after %i of its two writes', (crashAfter) => {
    const world = inStep();
    world.command('abort');
    world.step({ crashAfter });
    expect(world.percent).toBe(crashAfter === 0 ? 20 : 0);
    world.settle();
    expect(world.state).toBe('Failed/Aborted 0% route 0%');
  });

  it('takes a first raise back that arrives after the rollback, as long as one may be under way', () => {
    const world = new World({ spec: { steps } });
    while (world.status.weight !== 20) world.step({ crashAfter: 1 });
    expect(world.state).toBe('Progressing/StepStarted 20% route 0%');
    world.command('abort');
    world.settle();
    expect(world.state).toBe('Failed/Aborted 0% route 0%');
    world.writeWeight('sluice', 20);
    world.settle();
    expect(world.state).toBe('Failed/Aborted 0% route 0%');
    world.advance(71_000);
    world.settle();
    expect(world.status).not.toHaveProperty('target');
    expect(world.rollout?.metadata.finalizers).toEqual([]);
  });

  it('is completed as one when its cause did not outlive the crash', () => {
    const world = inStep();
    world.verdict = 'Fail';
    world.step({ crashAfter: 1 });
    world.verdict = 'NoData';
    expect(world.state).toBe('Progressing/StepStarted 20% route 0%');
    world.settle();
    expect(world.state).toBe('Failed/RollbackCompleted 0% route 0%');
    expect(world.status.failedRevisions).toEqual(['canary-2']);
  });

  it('goes before the refusal of a command, however that is written', () => {
    const world = inStep();
    world.annotate('abort');
    world.endpoints.canary = 0;
    expect(world.step().decision.kind).toBe('Lower');
    world.settle();
    expect(world.state).toBe('Failed/CanaryLost 0% route 0%');
    expect(world.rollout?.metadata.annotations).toEqual({});
  });

  it('is remembered where the route cannot be written, and made when it can', () => {
    const world = inStep();
    world.isRouteForbidden = true;
    world.verdict = 'Fail';
    world.step();
    expect(world.state).toBe('RollingBack/MoreErrors 20% route 20%');
    world.verdict = 'Pass';
    world.isRouteForbidden = false;
    world.settle();
    expect(world.state).toBe('Failed/MoreErrors 0% route 0%');
  });

  it('waits for nothing but a first ready stable endpoint, and the canary keeps the traffic meanwhile', () => {
    const world = inStep();
    world.endpoints.stable = 0;
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Degraded/StableUnavailable 100% route 100%');
    world.verdict = 'Pass';
    world.run(3_600_000);
    expect(world.state).toBe('Degraded/StableUnavailable 100% route 100%');
    world.endpoints.stable = 1;
    expect(world.step().decision.kind).toBe('Lower');
    world.settle();
    expect(world.state).toBe('Failed/MoreErrors 0% route 0%');
  });

  it('writes nothing while both sides are empty', () => {
    const world = inStep();
    const before = written(world);
    world.endpoints.stable = 0;
    world.endpoints.canary = 0;
    world.settle();
    expect(written(world)).toBe(before);
    expect(world.status.phase).toBe('Degraded');
    expect(world.status.message).toBe(
      'Rollback is waiting: neither Service shop-stable nor Service shop-canary has a ready endpoint. Service shop-canary lost its last ready endpoint at 20%; traffic goes back to shop-stable.',
    );
    world.endpoints.canary = 1;
    world.settle();
    expect(world.status.message).toContain(
      'Service shop-stable has no ready endpoint, so the canary keeps the traffic.',
    );
    world.endpoints.stable = 1;
    world.settle();
    expect(world.state).toBe('Failed/CanaryLost 0% route 0%');
  });

  it('keeps back an entry of the canary that was there before, until it has endpoints again', () => {
    const [route] = shopRoutes;
    const services = [...(route?.services ?? []), { name: 'shop-canary', port: 80, weight: 0 }];
    const world = inStep([{ match: 'Host(`a`)', services }]);
    world.endpoints.canary = 0;
    world.settle();
    expect(written(world)).not.toContain('shop-canary');
    world.endpoints.canary = 1;
    world.settle();
    expect(world.state).toBe('Failed/CanaryLost 0% route 0%');
    expect(written(world)).toBe(JSON.stringify([{ match: 'Host(`a`)', services }]));
  });
});

describe('a failed revision', () => {
  function failed(): World {
    const world = inStep();
    world.command('abort');
    world.settle();
    return world;
  }

  it('is not tried again, not even after another one', () => {
    const world = failed();
    world.release('canary', 3);
    world.settle();
    world.command('abort');
    world.settle();
    world.release('canary', 2);
    world.run(3_600_000);
    expect(world.state).toBe('Failed/FailedBefore 0% route 0%');
    expect(world.status.failedRevisions).toEqual(['canary-2', 'canary-3']);
  });

  it('starts again from the first step on retry', () => {
    const world = failed();
    world.command('retry');
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    expect(world.status.failedRevisions).toEqual([]);
  });

  it('gives way to a revision that was promoted before', () => {
    const world = failed();
    world.setStatus({ promotedRevision: 'canary-1' });
    world.release('canary', 1);
    world.settle();
    expect(world.state).toBe('Succeeded/Reverted 0% route 0%');
  });

  it('is remembered even if the next one came with the Fail', () => {
    const world = inStep();
    world.verdict = 'Fail';
    world.release('canary', 3);
    world.settle();
    expect(world.status.failedRevisions).toEqual(['canary-2']);
    expect(world.status).toMatchObject({ revision: 'canary-3', weight: 20 });
  });
});

describe('a new canary revision in mid-step', () => {
  it('takes the canary to 0 first, then starts at step 1 with new evidence when it has rolled out', () => {
    const world = inStep();
    world.run(65_000);
    expect(world.percent).toBe(50);
    world.release('canary', 3, false);
    world.settle();
    expect(world.state).toBe('Pending/WorkloadRollingOut 0% route 0%');
    expect(world.status).not.toHaveProperty('analysis');
    expect(world.status.failedRevisions).toBeUndefined();
    world.release('canary', 3);
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    expect(world.routeWrites.map(({ percent }) => percent)).toEqual([20, 50, 0, 20]);
  });

  it('that was promoted before ends the rollout without a failure', () => {
    const world = inStep();
    world.setStatus({ promotedRevision: 'canary-1' });
    world.release('canary', 1);
    world.settle();
    expect(world.state).toBe('Succeeded/Reverted 0% route 0%');
    expect(world.status.failedRevisions).toBeUndefined();
  });

  it('waits for a rollback that is on its way, and is not dropped', () => {
    const world = inStep();
    world.endpoints.stable = 0;
    world.verdict = 'Fail';
    world.settle();
    world.release('canary', 3);
    world.settle();
    expect(world.state).toBe('Degraded/StableUnavailable 100% route 100%');
    world.verdict = 'Pass';
    world.endpoints.stable = 1;
    world.settle();
    expect(world.status).toMatchObject({ failedRevisions: ['canary-2'], revision: 'canary-3', weight: 20 });
  });
});

describe('stable without endpoints', () => {
  it('leaves everything to the canary in mid-step, and takes its share back with the first ready one', () => {
    const world = inStep();
    world.endpoints.stable = 0;
    world.settle();
    expect(world.state).toBe('Degraded/StableUnavailable 100% route 100%');
    expect(written(world)).not.toContain('shop-stable');
    world.endpoints.stable = 1;
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
  });

  it('gives nothing to a canary that has had nothing yet', () => {
    const world = new World({ spec: { steps } });
    while (world.status.progress === undefined) world.step({ crashAfter: 1 });
    world.endpoints.stable = 0;
    world.run(60_000);
    expect(world.percent).toBe(0);
    world.endpoints.stable = 1;
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
  });

  it('keeps status above the route when the way back cannot be written', () => {
    const world = inStep();
    world.endpoints.stable = 0;
    world.settle();
    world.endpoints.stable = 1;
    world.isRouteForbidden = true;
    world.step();
    expect(world.status.weight).toBe(100);
  });
});

describe('a first raise that was decided and not seen', () => {
  it('is looked for until it can come no more; then the route is let go', () => {
    const world = new World({ spec: { steps: [{ weight: 20, duration: '1m' }] } });
    while (world.status.progress === undefined) world.step({ crashAfter: 1 });
    world.command('abort');
    world.settle();
    expect(world.state).toBe('Failed/Aborted 0% route 0%');
    expect(world.status.target).toBeDefined();
    expect(world.step().decision).toMatchObject({ kind: 'Wait', requeueAfterMs: 70_000 });
    world.run(70_000);
    expect(world.status.target).toBeUndefined();
    expect(world.rollout?.metadata.finalizers).toEqual([]);
  });
});
