import { describe, expect, it } from 'vitest';
import { shopRoutes } from '../../support/rollout-builders.ts';
import { World } from '../../support/world.ts';

const steps = [{ weight: 20, duration: '1m' }, { pause: {} }, { weight: 50, duration: '1m' }];

/** inHold returns a world whose canary was promoted. */
function inHold(spec: ConstructorParameters<typeof World>[0] = {}): World {
  const world = new World({ ...spec, spec: { steps, ...spec.spec } });
  world.settle();
  world.run(120_000);
  world.command('promote');
  world.run(600_000);
  expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  return world;
}

/** returning returns a world that has just made the first step back, 80 %. */
function returning(): World {
  const world = inHold();
  world.release('stable', 2);
  world.settle();
  expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
  return world;
}

describe('a Hold', () => {
  it('lasts while nothing changes', () => {
    const world = inHold();
    world.run(86_400_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  });

  it('ends when stable has fully rolled out a new revision, not before', () => {
    const world = inHold();
    world.release('stable', 2, false);
    world.run(3_600_000);
    expect(world.percent).toBe(100);
    world.release('stable', 2);
    world.run(3_600_000);
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
    expect(JSON.stringify(world.routes)).toBe(JSON.stringify(shopRoutes));
    expect(world.rollout?.metadata.finalizers).toEqual([]);
  });

  it('ends in the same steps for the same times, without the pause', () => {
    const world = inHold();
    const before = world.routeWrites.length;
    world.release('stable', 2);
    world.run(3_600_000);
    const writes = world.routeWrites.slice(before);
    expect(writes.map(({ percent }) => percent)).toEqual([80, 50, 0]);
    const times = writes.map(({ atMs }) => atMs);
    expect(times.map((atMs, index) => atMs - (times[index - 1] ?? atMs))).toEqual([0, 65_000, 65_000]);
  });

  it('ends by promote, and a second promote ends a step of the way back', () => {
    const world = inHold();
    world.command('promote');
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
    world.command('promote');
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 50% route 50%');
  });

  it('does not end while stable has no endpoint, and says so to who asked', () => {
    const world = inHold();
    world.endpoints.stable = 0;
    world.command('promote');
    world.settle();
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    expect(world.notices.at(-1)?.reason).toBe('StableUnavailable');
    expect(world.rollout?.metadata.annotations).toEqual({});
  });

  it('does not end by itself while spec.paused', () => {
    const world = inHold();
    world.edit({ paused: true });
    world.release('stable', 2);
    world.run(3_600_000);
    expect(world.percent).toBe(100);
  });

  it('does not take a stable workload that is named only now for a new one', () => {
    const world = inHold({ spec: { stable: { service: 'shop-stable', port: 80 }, revision: 'v2' } });
    const workload = { kind: 'Deployment', name: 'shop-stable' } as const;
    world.edit({ stable: { service: 'shop-stable', port: 80, workload } });
    world.run(3_600_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    world.release('stable', 2);
    world.settle();
    expect(world.percent).toBe(80);
  });

  it('with a new canary revision is Degraded, because nobody has judged what everybody gets', () => {
    const world = inHold();
    world.release('canary', 3);
    world.settle();
    expect(world.state).toBe('Degraded/UnprovenRevision 100% route 100%');
    expect(world.status).toMatchObject({ revision: 'canary-3', promotedRevision: 'canary-2' });
    world.release('canary', 2);
    world.settle();
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    expect(world.status.revision).toBe('canary-2');
  });

  it('with a new canary revision ends as ever, and then that one is rolled out from the first step', () => {
    const world = inHold();
    world.release('canary', 3);
    world.settle();
    world.release('stable', 2);
    world.run(130_000);
    world.settle();
    expect(world.status).toMatchObject({ revision: 'canary-3', weight: 20 });
  });

  it.each<[string, (world: World) => void, string]>([
    ['abort', (world) => void world.command('abort'), 'Aborted'],
    ['the loss of the canary', (world) => void (world.endpoints.canary = 0), 'CanaryLost'],
  ])('is ended by %s as a failure of that revision, which a retry may start again', (_name, cause, reason) => {
    const world = inHold();
    cause(world);
    world.run(60_000);
    world.endpoints.canary = 2;
    world.run(60_000);
    expect(world.state).toBe(`Failed/${reason} 0% route 0%`);
    expect(world.status.failedRevisions).toEqual(['canary-2']);
    world.command('retry');
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
  });

  it('of a revision that nobody has judged fails that one by abort', () => {
    const world = inHold();
    world.release('canary', 3);
    world.settle();
    world.command('abort');
    world.run(3_600_000);
    expect(world.state).toBe('Failed/Aborted 0% route 0%');
    expect(world.status).toMatchObject({ failedRevisions: ['canary-3'], promotedRevision: 'canary-2' });
  });
});

describe('the way back to stable', () => {
  it.each([0, 1])('goes on in the same step when its first one was cut after %i writes', (crashAfter) => {
    const world = inHold();
    world.release('stable', 2);
    world.step({ crashAfter });
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
  });

  it('makes one step for one promote, whenever it is cut', () => {
    const world = inHold();
    world.command('promote');
    world.step({ crashAfter: 1 });
    world.settle();
    expect(world.percent).toBe(80);
    world.command('promote');
    world.step({ crashAfter: 1 });
    world.settle();
    expect(world.percent).toBe(50);
  });

  it('of one step only is not taken for a rollback when it was cut', () => {
    const world = new World({ spec: { steps: [{ weight: 100, duration: '1m' }] } });
    world.run(120_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    world.release('stable', 2);
    world.step({ crashAfter: 1 });
    world.settle();
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
    expect(world.status.failedRevisions).toBeUndefined();
  });

  it('never raises the canary again when the steps are edited', () => {
    const world = returning();
    world.run(66_000);
    expect(world.percent).toBe(50);
    world.edit({ steps: [1, 2, 3, 4, 5].map((weight) => ({ weight, duration: '1m' })) });
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
    expect(world.routeWrites.slice(-2).map(({ percent }) => percent)).toEqual([50, 0]);
  });

  it('gives the canary everything while stable has no endpoint, and goes on from where it was', () => {
    const world = returning();
    world.endpoints.stable = 0;
    world.settle();
    expect(world.state).toBe('Degraded/StableUnavailable 100% route 100%');
    world.endpoints.stable = 2;
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
  });

  it('is over at once when the canary is lost, and that is no failure', () => {
    const world = returning();
    world.endpoints.canary = 0;
    world.settle();
    expect(world.state).toBe('Succeeded/Reverted 0% route 0%');
    expect(world.status.failedRevisions).toBeUndefined();
  });

  it.each(['kubectl-edit', 'argocd-controller'])('takes a lower weight from %s as its own', (manager) => {
    const world = returning();
    world.writeWeight(manager, 30);
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 30% route 30%');
    world.run(66_000);
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
  });

  it('ends before a new canary revision starts', () => {
    const world = returning();
    world.release('canary', 3);
    world.run(60_000);
    expect(world.status.progress?.direction).toBe('Return');
    world.run(75_000);
    expect(world.routeWrites.map(({ percent }) => percent).slice(-3)).toEqual([50, 0, 20]);
  });

  it('stands still while spec.paused', () => {
    const world = returning();
    world.edit({ paused: true });
    world.run(3_600_000);
    expect(world.percent).toBe(80);
  });
});
