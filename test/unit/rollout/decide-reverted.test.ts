import { describe, expect, it } from 'vitest';
import type { WorkloadKind } from '../../../src/reconciler/workloads.ts';
import { World } from '../../support/world.ts';

const steps = [
  { weight: 20, duration: '1m' },
  { weight: 50, duration: '1m' },
];
const oldImage = 'shop:1';

function inHold(kind: WorkloadKind = 'Deployment'): World {
  const world = new World({ kind, spec: { steps } });
  world.run(600_000);
  expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  return world;
}

/** returning returns a world that has made the first step back, 80 %, to revision 2 of stable. */
function returning(kind: WorkloadKind = 'Deployment'): World {
  const world = inHold(kind);
  world.release('stable', 2);
  world.settle();
  expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
  world.advance(10_000);
  return world;
}

/** revert puts the template of before the rollout back: a Deployment counts on, the others have their old hash. */
function revert(world: World, kind: WorkloadKind = 'Deployment'): void {
  world.release('stable', kind === 'Deployment' ? 3 : 1, true, oldImage);
}

describe('a Hold whose stable workload', () => {
  it.each<WorkloadKind>(['Deployment', 'StatefulSet', 'DaemonSet'])(
    '(a %s) is only restarted keeps the canary, and says so',
    (kind) => {
      const world = inHold(kind);
      world.release('stable', 2, true, oldImage);
      world.run(3_600_000);
      expect(world.state).toBe('Succeeded/StableReverted 100% route 100%');
      expect(world.status.message).toBe(
        'The workload of shop-stable runs again what it ran before the rollout (revision stable-2), so the canary keeps everything. Update it to what was promoted, or promote to send traffic back to it all the same.',
      );
      world.release('stable', 3);
      world.settle();
      expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
    },
  );

  it('is restarted lets a person send the traffic back all the same, all the way', () => {
    const world = inHold();
    world.release('stable', 2, true, oldImage);
    world.settle();
    world.command('promote');
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
  });

  it('has the images of the canary since before ends as ever: they tell nothing', () => {
    const world = new World({ spec: { steps, revision: 'v2' }, sameImages: true });
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    world.release('stable', 2, true, oldImage);
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
  });
});

describe('the way back to a stable that got a release without new images', () => {
  it('goes on, although the canary has got other images since', () => {
    const world = new World({ spec: { steps }, sameImages: true });
    world.settle();
    world.release('canary', 3, true, oldImage);
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    world.release('stable', 2, true, oldImage);
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
    world.release('canary', 4);
    world.run(600_000);
    const reasons = (world.status.history ?? []).map(({ reason }) => reason);
    expect(reasons).toContain('Returned');
    expect(reasons).not.toContain('StableReverted');
  });
});

describe('a canary that changed in a Hold and was lowered by hand', () => {
  it('waits once it is promoted for a stable that is newer than what it had by then', () => {
    const world = returning();
    world.release('canary', 3);
    world.settle();
    world.recreateRoute();
    world.writeWeight('kubectl-edit', 60);
    world.settle();
    expect(world.state).toBe('Paused/RouteRecreated 60% route 60%');
    world.command('promote');
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    expect(world.status.promotedRevision).toBe('canary-3');
  });
});

describe.each<WorkloadKind>(['Deployment', 'StatefulSet', 'DaemonSet'])('the way back to a %s', (kind) => {
  it('that goes back itself gives the canary everything again', () => {
    const world = returning(kind);
    revert(world, kind);
    world.settle();
    expect(world.state).toBe('Succeeded/StableReverted 100% route 100%');
    expect(world.status.progress).toBeUndefined();
    world.run(3_600_000);
    expect(world.state).toBe('Succeeded/StableReverted 100% route 100%');
    world.release('stable', 4);
    world.run(3_600_000);
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
  });

  it('does so while its pods are still replaced', () => {
    const world = returning(kind);
    world.release('stable', kind === 'Deployment' ? 3 : 1, false, oldImage);
    world.settle();
    expect(world.percent).toBe(100);
  });
});

describe('the way back to a stable that is reverted', () => {
  it.each([0, 1, 2])('gives the canary everything also when the controller stops after %i writes', (crashAfter) => {
    const world = returning();
    revert(world);
    world.step({ crashAfter });
    expect(world.percent).toBeLessThanOrEqual(world.status.weight ?? 0);
    world.settle();
    expect(world.state).toBe('Succeeded/StableReverted 100% route 100%');
    expect(world.status.progress).toBeUndefined();
  });

  it('goes on when stable is new again before the route was written', () => {
    const world = returning();
    revert(world);
    world.step({ crashAfter: 1 });
    expect(world.state).toBe('Succeeded/StableReverted 100% route 80%');
    world.release('stable', 4);
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
  });

  it('waits with a raise for 2.5 s after the last one, as ever', () => {
    const world = inHold();
    world.release('stable', 2);
    world.settle();
    revert(world);
    world.settle();
    expect(world.percent).toBe(80);
    world.run(2_500);
    expect(world.state).toBe('Succeeded/StableReverted 100% route 100%');
  });

  it('stops, and waits under a pause and in a freeze: it would be a raise', () => {
    const world = returning();
    world.edit({ paused: true });
    revert(world);
    world.run(3_600_000);
    expect(world.state).toBe('Degraded/StableReverted 80% route 80%');
    expect(world.status.message).toContain('spec.paused holds the canary at 80%.');
    world.edit({ paused: false });
    world.freezes = [{ fromMs: world.nowMs, toMs: world.nowMs + 60_000, reason: undefined }];
    world.run(50_000);
    expect(world.state).toBe('Degraded/StableReverted 80% route 80%');
    world.run(20_000);
    expect(world.state).toBe('Succeeded/StableReverted 100% route 100%');
  });

  it('stops, and waits for as many endpoints as the canary had with everything', () => {
    const world = returning();
    world.endpoints.canary = 1;
    revert(world);
    world.settle();
    expect(world.state).toBe('Degraded/StableReverted 80% route 80%');
    expect(world.status.message).toContain(
      'Service shop-canary has 1 ready endpoint; it needs 2, as many as it has had.',
    );
    world.endpoints.canary = 2;
    world.settle();
    expect(world.state).toBe('Succeeded/StableReverted 100% route 100%');
  });

  it('stops, and gives nothing more to a canary that has changed meanwhile', () => {
    const world = returning();
    world.release('canary', 3);
    revert(world);
    world.run(60_000);
    expect(world.state).toBe('Degraded/StableReverted 80% route 80%');
    expect(world.status.message).toContain('revision canary-3 of it was never judged.');
    expect(world.status).toMatchObject({ revision: 'canary-3', unprovenSince: expect.any(String) });
    world.release('canary', 2);
    world.settle();
    expect(world.state).toBe('Succeeded/StableReverted 100% route 100%');
    expect(world.status.revision).toBe('canary-2');
  });

  it.each(['promote', 'promote-full'])('goes on by %s, to the end', (verb) => {
    const world = returning();
    world.edit({ paused: true });
    revert(world);
    world.settle();
    world.command(verb);
    world.settle();
    world.edit({ paused: false });
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
  });

  it.each(['promote', 'promote-full'])('goes on by %s from what the route has, when the raise was refused', (verb) => {
    const world = returning();
    world.run(70_000);
    expect(world.state).toBe('Promoting/ReturningToStable 50% route 50%');
    world.isRouteForbidden = true;
    revert(world);
    for (let round = 0; round < 3; round += 1) world.step();
    expect(world.state).toBe('Succeeded/StableReverted 100% route 50%');
    world.isRouteForbidden = false;
    world.command(verb);
    world.settle();
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
    expect(world.routeWrites.at(-1)?.percent).toBe(0);
    expect(world.notices.map(({ reason }) => reason)).not.toContain('CommandIgnored');
  });

  it('goes on from where a person has put the weight', () => {
    const world = returning();
    revert(world);
    world.writeWeight('kubectl-edit', 30);
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
  });

  it('ends by abort', () => {
    const world = returning();
    world.edit({ paused: true });
    revert(world);
    world.settle();
    world.command('abort');
    world.settle();
    expect(world.percent).toBe(0);
  });

  it('that a person has begun with the old version is none', () => {
    const world = inHold();
    world.command('promote');
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
    world.release('stable', 2, true, oldImage);
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
  });
});
