import { describe, expect, it } from 'vitest';
import { World } from '../../support/world.ts';

const steps = [
  { weight: 20, duration: '1m' },
  { weight: 50, duration: '1m' },
];

function worldWith(endpoints: { stable: number; canary: number }, spec: object = {}): World {
  const world = new World({ spec: { steps, ...spec } });
  Object.assign(world.endpoints, endpoints);
  world.settle();
  return world;
}

describe('a canary that is too small', () => {
  it('waits before the next step for the share of the endpoints that stable has had', () => {
    const world = worldWith({ stable: 10, canary: 2 });
    expect(world.percent).toBe(20);
    world.run(70_000);
    expect(world.percent).toBe(50);
    world.run(3_600_000);
    expect(world.state).toBe('Progressing/CanaryUndersized 50% route 50%');
    expect(world.status.message).toBe(
      'Canary held at 50% (step 2 of 3): Service shop-canary has 2 ready endpoints; it needs 5, as many as 50% of the 10 of shop-stable.',
    );
    world.endpoints.canary = 5;
    world.settle();
    expect(world.percent).toBe(100);
  });

  it('is measured by the most that stable has had, not by what is left of it', () => {
    const world = worldWith({ stable: 10, canary: 5 });
    world.run(70_000);
    world.endpoints.stable = 4;
    world.run(70_000);
    expect(world.percent).toBe(100);
    world.run(3_600_000);
    expect(world.state).toBe('Progressing/CanaryUndersized 100% route 100%');
    world.endpoints.canary = 10;
    world.settle();
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  });

  it('is not measured by itself, where it was on the way back when the route was created again', () => {
    const world = worldWith({ stable: 4, canary: 10 });
    world.run(600_000);
    world.release('stable', 2);
    world.settle();
    expect(world.status.progress).toMatchObject({ direction: 'Return', mostReady: 10 });
    world.recreateRoute();
    world.settle();
    expect(world.status).toMatchObject({ reason: 'RouteRecreated', progress: { mostReady: 4 } });
  });

  it('does not grow with a surge of stable that lasts less than a minute', () => {
    const world = worldWith({ stable: 10, canary: 5 });
    world.run(65_000);
    expect(world.percent).toBe(50);
    for (const ready of [11, 13, 12, 10]) {
      world.endpoints.stable = ready;
      world.settle();
      world.advance(15_000);
    }
    world.run(20_000);
    expect(world.status.progress).toMatchObject({ mostReady: 10 });
    expect(world.status.progress?.moreReady).toBeUndefined();
    expect(world.percent).toBe(100);
  });

  it('grows with a stable that has more endpoints for a minute, by the fewest of that minute', () => {
    const world = worldWith({ stable: 10, canary: 5 });
    world.run(65_000);
    expect(world.percent).toBe(50);
    for (const ready of [20, 14, 16]) {
      world.endpoints.stable = ready;
      world.settle();
    }
    world.advance(66_000);
    world.endpoints.stable = 8;
    world.settle();
    expect(world.status.progress).toMatchObject({ mostReady: 14 });
    expect(world.state).toBe('Progressing/CanaryUndersized 50% route 50%');
    expect(world.status.message).toContain('it needs 7, as many as 50% of the 14 of shop-stable');
    world.endpoints.canary = 7;
    world.settle();
    expect(world.percent).toBe(100);
  });

  it('names the autoscaler that is at its maximum', () => {
    const world = worldWith({ stable: 10, canary: 2 });
    world.autoscaled.canary = 2;
    world.run(3_600_000);
    expect(world.status.message).toMatch(
      / HorizontalPodAutoscaler shop is at its maximum of 2; raise spec\.maxReplicas\.$/,
    );
  });

  it('waits for minReady before its first step, and that is no case for progressDeadline', () => {
    const world = worldWith({ stable: 2, canary: 2 }, { readiness: { minReady: 3 } });
    world.run(3_600_000);
    expect(world.state).toBe('Pending/CanaryUndersized 0% route 0%');
    expect(world.status.conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'True' }));
    world.endpoints.canary = 3;
    world.settle();
    expect(world.percent).toBe(20);
  });

  it('only needs minReady where the spec says so', () => {
    const world = worldWith({ stable: 10, canary: 1 }, { readiness: { policy: 'Minimum' } });
    world.run(3_600_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  });

  it('is rolled back all the same, and promoted by nobody', () => {
    const world = worldWith({ stable: 10, canary: 2 });
    world.run(600_000);
    for (const verb of ['promote', 'promote-full']) {
      world.command(verb);
      world.settle();
      expect(world.percent).toBe(50);
    }
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Failed/MoreErrors 0% route 0%');
  });
});

describe('a stable that is too small', () => {
  it('takes traffic back only as far as it can carry it', () => {
    const world = worldWith({ stable: 2, canary: 10 });
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    world.release('stable', 2);
    world.settle();
    expect(world.percent).toBe(80);
    world.run(600_000);
    expect(world.state).toBe('Promoting/StableUndersized 50% route 50%');
    expect(world.status.message).toBe(
      'Traffic returns no further than 50%: Service shop-stable has 2 ready endpoints; it needs 5, as many as 50% of the 10 of shop-canary.',
    );
    world.endpoints.stable = 5;
    world.settle();
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
  });

  it('is promoted by nobody, who is told why, and the step goes on', () => {
    const world = worldWith({ stable: 2, canary: 10 });
    world.run(600_000);
    world.release('stable', 2);
    world.settle();
    world.command('promote');
    world.settle();
    expect(world.percent).toBe(50);
    world.command('promote');
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 50% route 50%');
    expect(world.notices.at(-1)).toMatchObject({
      reason: 'CommandIgnored',
      message:
        'Traffic returns no further than 50%: Service shop-stable has 2 ready endpoints; it needs 5, as many as 50% of the 10 of shop-canary.',
    });
  });

  it('gets everything at once by an abort, which waits for nothing but an endpoint', () => {
    const world = worldWith({ stable: 1, canary: 10 });
    world.run(600_000);
    world.command('abort');
    world.settle();
    expect(world.state).toBe('Failed/Aborted 0% route 0%');
  });
});
