import { describe, expect, it } from 'vitest';
import type { Route } from '../../../src/api/traefik.ts';
import { shopRoutes, type WrittenSpec } from '../../support/rollout-builders.ts';
import { World } from '../../support/world.ts';

const steps = [
  { weight: 20, duration: '1m' },
  { weight: 50, duration: '1m' },
];
const hour = 3_600_000;

function open(spec: WrittenSpec = {}, routes: readonly Route[] = shopRoutes): World {
  return new World({ routes, spec: { steps, promotion: { mode: 'Swap' }, ...spec } });
}

/** swapped returns a world in which shop-canary has become the live service, with revision canary-2. */
function swapped(spec: WrittenSpec = {}, routes?: readonly Route[]): World {
  const world = open(spec, routes);
  world.run(hour);
  expect(world.state).toBe('Succeeded/Swapped 0% route 100%');
  return world;
}

describe('Swap', () => {
  it('makes the canary the stable one: its entry alone, where the other one was and as it was', () => {
    const world = swapped();
    expect(world.status).toMatchObject({
      liveService: 'shop-canary',
      revision: 'canary-2',
      promotedRevision: 'canary-2',
      stableRevision: 'canary-2',
      idle: { revision: 'stable-1' },
      schema: 2,
    });
    expect(world.status.target).toBeUndefined();
    expect(world.routes[0]?.services).toEqual([
      { name: 'legacy', port: 80, weight: 2 },
      { name: 'shop-canary', port: 80, passHostHeader: true },
    ]);
    expect(world.status.message).toContain('Deploy the next release to Deployment shop-stable.');
  });

  it('stays so while nothing is released', () => {
    const world = swapped();
    const writes = world.routeWrites.length;
    world.run(24 * hour);
    expect(world.state).toBe('Succeeded/Swapped 0% route 100%');
    expect(world.routeWrites).toHaveLength(writes);
  });

  it('sends the next release to the other service in the same steps, and ends with the route as it was', () => {
    const world = swapped();
    const before = world.routeWrites.length;
    world.release('stable', 3);
    world.run(hour);
    expect(world.state).toBe('Succeeded/Swapped 0% route 0%');
    expect(JSON.stringify(world.routes)).toBe(JSON.stringify(shopRoutes));
    expect(world.routeWrites.slice(before).map(({ percent }) => percent)).toEqual([80, 50, 0, 0]);
    expect(world.status).toMatchObject({
      liveService: 'shop-stable',
      revision: 'stable-3',
      idle: { revision: 'canary-2' },
    });
    expect(world.rollout?.metadata.finalizers).toEqual([]);
  });

  it('brings a service back with every field that its entry had', () => {
    const entry = {
      name: 'shop-stable',
      port: 'http',
      weight: 3,
      healthCheck: { path: '/up' },
      sticky: { cookie: {} },
    };
    const routes = [{ match: 'Host(`shop.example`)', kind: 'Rule', services: [entry] }];
    const world = swapped({}, routes);
    expect(world.routes[0]?.services).toEqual([{ name: 'shop-canary', port: 80, sticky: { cookie: {} }, weight: 3 }]);
    world.release('stable', 3);
    world.run(hour);
    expect(JSON.stringify(world.routes)).toBe(JSON.stringify(routes));
  });

  it('takes the way by ClusterIP off the entry that is proven', () => {
    const world = swapped({
      canary: {
        service: 'shop-canary',
        port: 80,
        nativeLB: true,
        workload: { kind: 'Deployment', name: 'shop-canary' },
      },
    });
    expect(JSON.stringify(world.routes)).not.toContain('nativeLB');
    world.release('stable', 3);
    world.settle();
    expect(world.routes[0]?.services?.find(({ name }) => name === 'shop-stable')?.nativeLB).toBe(true);
    world.run(hour);
    expect(JSON.stringify(world.routes)).toBe(JSON.stringify(shopRoutes));
  });
});

describe('a release in a pair that takes turns', () => {
  it('that fails goes back to the live service, is not tried again until retry, and leaves the roles', () => {
    const world = swapped();
    world.release('stable', 3);
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 80%');
    world.verdict = 'Fail';
    world.run(10_000);
    expect(world.state).toBe('Failed/MoreErrors 0% route 100%');
    expect(world.status).toMatchObject({ liveService: 'shop-canary', failedRevisions: ['stable-3'] });
    expect(JSON.stringify(world.routes)).toBe(JSON.stringify(restingAt('shop-canary')));
    world.verdict = 'Pass';
    world.run(hour);
    expect(world.state).toBe('Failed/MoreErrors 0% route 100%');
    world.command('retry');
    world.run(hour);
    expect(world.state).toBe('Succeeded/Swapped 0% route 0%');
  });

  it.each<[string, (world: World) => void, string]>([
    ['abort', (world) => void world.command('abort'), 'Failed/Aborted 0% route 100%'],
    ['the loss of its endpoints', (world) => void (world.endpoints.stable = 0), 'Failed/CanaryLost 0% route 100%'],
    ['its old revision', (world) => world.release('stable', 1), 'Succeeded/Reverted 0% route 100%'],
  ])('is taken out by %s', (_name, cause, state) => {
    const world = swapped();
    world.release('stable', 3);
    world.run(100_000);
    expect(world.state).toBe('Progressing/StepStarted 50% route 50%');
    cause(world);
    world.run(10_000);
    expect(world.state).toBe(state);
    expect(JSON.stringify(world.routes)).toBe(JSON.stringify(restingAt('shop-canary')));
  });

  it('that is replaced by the old revision is about what is live again', () => {
    const world = swapped();
    world.release('stable', 3);
    world.settle();
    world.release('stable', 1);
    world.settle();
    expect(world.status).toMatchObject({ reason: 'Reverted', revision: 'canary-2', promotedRevision: 'canary-2' });
    expect(world.status.conditions?.find(({ type }) => type === 'Promoted')?.status).toBe('True');
  });

  it('that is replaced by another one starts from the first step', () => {
    const world = swapped();
    world.release('stable', 3);
    world.run(100_000);
    world.release('stable', 4);
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 80%');
    expect(world.status.revision).toBe('stable-4');
  });

  it('is not what comes to the live workload while it runs: that is rolled out when the roles have changed', () => {
    const world = open();
    world.run(100_000);
    expect(world.state).toBe('Progressing/StepStarted 50% route 50%');
    world.release('stable', 5);
    world.run(200_000);
    expect(world.status.history?.map(({ reason }) => reason)).toContain('Swapped');
    world.run(hour);
    expect(world.state).toBe('Succeeded/Swapped 0% route 0%');
    expect(world.status.revision).toBe('stable-5');
    expect(weightsSince(world, 'Swapped')).toEqual([20, 50, 100]);
  });

  it('waits for the source and the endpoints as ever, and moves nothing meanwhile', () => {
    const world = swapped();
    const writes = world.routeWrites.length;
    world.release('stable', 3, false);
    world.settle();
    expect(world.state).toBe('Pending/WorkloadRollingOut 0% route 100%');
    world.release('stable', 3);
    world.endpoints.stable = 0;
    world.settle();
    expect(world.state).toBe('Pending/CanaryNotReady 0% route 100%');
    expect(world.routeWrites).toHaveLength(writes);
  });

  it.each([1, 2, 3, 4, 5, 6])('ends the same when the process dies after every %i writes', (every) => {
    const world = open();
    let left = every;
    for (let round = 0; round < 400 && world.status.reason !== 'Swapped'; round += 1) {
      const before = world.routeWrites.length;
      const { acted, writes } = world.step({ crashAfter: left });
      left = acted === 'Crashed' || left - writes <= 0 ? every : left - writes;
      expect(world.routeWrites.length - before).toBeLessThanOrEqual(1);
      if (writes === 0) world.advance(5_000);
    }
    world.settle();
    expect(world.state).toBe('Succeeded/Swapped 0% route 100%');
    expect(JSON.stringify(world.routes)).toBe(JSON.stringify(restingAt('shop-canary')));
  });
});

describe('the end of a swap', () => {
  it('puts the route in order after a crash that came between', () => {
    const world = open();
    while (world.status.liveService !== 'shop-canary') {
      const { writes } = world.step();
      if (writes === 0) world.advance(5_000);
    }
    expect(world.status).toMatchObject({
      reason: 'Swapped',
      weight: 0,
      target: { stable: { service: 'shop-canary' } },
    });
    expect(JSON.stringify(world.routes)).toContain('"weight":200');
    world.step({ crashAfter: 1 });
    expect(JSON.stringify(world.routes)).toBe(JSON.stringify(restingAt('shop-canary')));
    world.settle();
    expect(world.status.target).toBeUndefined();
  });

  it('leaves the route alone while the live service has no endpoint', () => {
    const world = open();
    while (world.status.liveService !== 'shop-canary') {
      const { writes } = world.step();
      if (writes === 0) world.advance(5_000);
    }
    const before = JSON.stringify(world.routes);
    world.endpoints.canary = 0;
    world.run(hour);
    expect(JSON.stringify(world.routes)).toBe(before);
    world.endpoints.canary = 2;
    world.settle();
    expect(JSON.stringify(world.routes)).toBe(JSON.stringify(restingAt('shop-canary')));
  });

  it('sends nobody to the idle service when the live one dies', () => {
    const world = swapped();
    world.endpoints.canary = 0;
    world.run(hour);
    expect(world.percent).toBe(100);
  });

  it('is not undone by abort', () => {
    const world = swapped();
    world.command('abort');
    world.settle();
    expect(world.state).toBe('Succeeded/Swapped 0% route 100%');
    expect(world.notices.at(-1)?.reason).toBe('CommandIgnored');
  });
});

describe('an empty status of a pair that takes turns', () => {
  it.each(['helm', 'sluice'])(
    'takes the service that has everything for the live one (%s wrote), and moves nothing',
    (manager) => {
      const world = open();
      world.writeWeight(manager, 100);
      const before = JSON.stringify(world.routes);
      world.run(24 * hour);
      expect(world.state).toBe('Succeeded/Unchanged 0% route 100%');
      expect(JSON.stringify(world.routes)).toBe(before);
      expect(world.status).toMatchObject({
        liveService: 'shop-canary',
        revision: 'canary-2',
        stableRevision: 'canary-2',
        idle: { revision: 'stable-1' },
      });
      world.release('stable', 2);
      world.run(hour);
      expect(world.state).toBe('Succeeded/Swapped 0% route 0%');
    },
  );

  it.each([1, 2])('rolls no old version out after %i swaps', (swaps) => {
    const world = swapped();
    if (swaps === 2) {
      world.release('stable', 3);
      world.run(hour);
    }
    const before = JSON.stringify(world.routes);
    world.loseStatus();
    world.run(24 * hour);
    expect(world.state).toBe(`Succeeded/Unchanged 0% route ${swaps === 1 ? 100 : 0}%`);
    expect(JSON.stringify(world.routes)).toBe(before);
  });

  it('rolls no old version out either where spec.revision names what is live', () => {
    const world = swapped({ revision: 'v2' });
    world.loseStatus();
    world.run(24 * hour);
    expect(world.state).toBe('Succeeded/Unchanged 0% route 100%');
    expect(world.status).toMatchObject({ revision: 'v2', stableRevision: 'canary-2' });
  });

  it('in mid-rollout is adopted with the same roles, and abort goes back to the live one', () => {
    const world = swapped();
    world.release('stable', 3);
    world.settle();
    expect(world.percent).toBe(80);
    world.loseStatus();
    world.run(hour);
    expect(world.state).toBe('Paused/Adopted 20% route 80%');
    expect(world.status.liveService).toBe('shop-canary');
    world.command('abort');
    world.settle();
    expect(world.state).toBe('Failed/Aborted 0% route 100%');
  });

  it('that somebody else has split is adopted as the spec has it', () => {
    const world = open();
    world.writeWeight('helm', 30);
    world.run(hour);
    expect(world.state).toBe('Paused/Adopted 30% route 30%');
    world.command('promote');
    world.run(hour);
    expect(world.state).toBe('Succeeded/Swapped 0% route 100%');
  });
});

describe('the live workload', () => {
  it('with a new revision is Degraded, because nobody has judged what everybody gets, until it is as before', () => {
    const world = swapped();
    world.release('canary', 3);
    world.run(hour);
    expect(world.state).toBe('Degraded/UnprovenRevision 0% route 100%');
    expect(world.status).toMatchObject({ revision: 'canary-3', promotedRevision: 'canary-2' });
    expect(world.status.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('False');
    world.release('canary', 2);
    world.settle();
    expect(world.state).toBe('Succeeded/Reverted 0% route 100%');
    expect(world.status.revision).toBe('canary-2');
  });

  it('with a new revision is accepted by promote', () => {
    const world = swapped();
    world.release('canary', 3);
    world.settle();
    world.command('promote');
    world.settle();
    expect(world.state).toBe('Succeeded/Promoted 0% route 100%');
    expect(world.status).toMatchObject({ promotedRevision: 'canary-3', stableRevision: 'canary-3' });
    world.run(hour);
    expect(world.state).toBe('Succeeded/Promoted 0% route 100%');
  });

  it('with a new revision does not hold up a release to the idle one', () => {
    const world = swapped();
    world.release('canary', 3);
    world.settle();
    world.release('stable', 4);
    world.run(hour);
    expect(world.state).toBe('Succeeded/Swapped 0% route 0%');
    expect(world.status.idle?.revision).toBe('canary-3');
  });
});

describe('spec.revision in a pair that takes turns', () => {
  it('starts nothing on an idle workload that is what it was', () => {
    const world = swapped({ revision: 'v2' });
    expect(world.status).toMatchObject({ promotedRevision: 'v2', stableRevision: 'canary-2' });
    world.edit({ revision: 'v3' });
    world.run(hour);
    expect(world.state).toBe('Pending/IdleUnchanged 0% route 100%');
    expect(world.status.message).toContain('Deployment shop-stable of the idle service shop-stable');
    world.release('stable', 3);
    world.run(hour);
    expect(world.state).toBe('Succeeded/Swapped 0% route 0%');
    expect(world.status).toMatchObject({ promotedRevision: 'v3', idle: { revision: 'canary-2' } });
  });

  it('is what starts: a new idle workload alone does not', () => {
    const world = swapped({ revision: 'v2' });
    world.release('stable', 3);
    world.run(hour);
    expect(world.state).toBe('Succeeded/Swapped 0% route 100%');
  });
});

describe('a route that is edited at rest', () => {
  it('makes the service with everything the live one, and starts nothing', () => {
    const world = swapped();
    world.writeWeight('argocd-controller', 0);
    world.run(hour);
    expect(world.state).toBe('Succeeded/Swapped 0% route 0%');
    expect(world.notices.at(-1)).toMatchObject({ type: 'Warning', reason: 'LiveServiceChanged' });
    expect(world.status).toMatchObject({
      liveService: 'shop-stable',
      stableRevision: 'stable-1',
      idle: { revision: 'canary-2' },
    });
  });

  it('says so where that service has what nobody has judged', () => {
    const world = swapped();
    world.source = { kind: 'NotReady', reason: 'NoEvidenceSource', message: 'Prometheus does not answer.' };
    world.release('stable', 3);
    world.settle();
    world.writeWeight('kubectl-edit', 0);
    world.run(hour);
    expect(world.status.liveService).toBe('shop-stable');
    expect(world.percent).toBe(0);
    expect(world.status.reason).toBe('UnprovenRevision');
  });
});

describe('spec.promotion.mode edited at rest', () => {
  it('to Swap in a Hold makes what was promoted the live one; no traffic moves', () => {
    const world = new World({ spec: { steps } });
    world.run(hour);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    world.edit({ promotion: { mode: 'Swap' } });
    world.run(hour);
    expect(world.state).toBe('Succeeded/Swapped 0% route 100%');
    expect(JSON.stringify(world.routes)).toBe(JSON.stringify(restingAt('shop-canary')));
    world.release('stable', 2);
    world.run(hour);
    expect(world.state).toBe('Succeeded/Swapped 0% route 0%');
  });

  it('to Swap with everything on stable waits for the next release', () => {
    const world = new World({ spec: { steps }, sameImages: true });
    world.settle();
    world.edit({ promotion: { mode: 'Swap' } });
    world.run(hour);
    expect(world.state).toBe('Succeeded/Unchanged 0% route 0%');
    expect(world.status).toMatchObject({ liveService: 'shop-stable', idle: { revision: 'canary-2' } });
    world.release('canary', 3);
    world.run(hour);
    expect(world.state).toBe('Succeeded/Swapped 0% route 100%');
  });

  it('to Hold after one swap is adopted, after two of them it holds nothing', () => {
    const world = swapped();
    world.edit({ promotion: { mode: 'Hold' } });
    world.run(hour);
    expect(world.state).toBe('Paused/Adopted 100% route 100%');
    expect(world.status).not.toHaveProperty('liveService');
    const twice = swapped();
    twice.release('stable', 3);
    twice.run(hour);
    twice.edit({ promotion: { mode: 'Hold' } });
    twice.run(hour);
    expect(twice.percent).toBe(0);
    expect(twice.status).toMatchObject({ phase: 'Succeeded', promotedRevision: 'canary-2', schema: 1 });
    expect(twice.status).not.toHaveProperty('idle');
    twice.release('canary', 4);
    twice.settle();
    expect(twice.percent).toBe(20);
  });
});

describe('a pair that takes turns, deleted', () => {
  it.each<['Keep' | 'Restore', number]>([
    ['Keep', 100],
    ['Restore', 0],
  ])('at rest with onDelete: %s leaves the canary of the spec %i%%', (onDelete, percent) => {
    const world = swapped({ onDelete });
    world.deleteRollout();
    world.settle();
    expect(world.rollout).toBeUndefined();
    expect(world.percent).toBe(percent);
    if (percent === 0) expect(JSON.stringify(world.routes)).toBe(JSON.stringify(shopRoutes));
  });

  it.each([0, 1, 2])('gives back the same when the process dies after %i writes', (crashAfter) => {
    const world = swapped({ onDelete: 'Restore' });
    world.deleteRollout();
    world.step({ crashAfter });
    world.step({ crashAfter });
    world.settle();
    expect(world.rollout).toBeUndefined();
    expect(JSON.stringify(world.routes)).toBe(JSON.stringify(shopRoutes));
  });

  it('gives no traffic to what nobody has judged', () => {
    const world = swapped({ onDelete: 'Restore' });
    world.release('stable', 3, false);
    world.settle();
    world.deleteRollout();
    world.settle();
    expect(world.rollout).toBeUndefined();
    expect(world.percent).toBe(100);
  });

  it('waits 30 s for an idle service without endpoints, and then leaves the route', () => {
    const world = swapped({ onDelete: 'Restore' });
    world.endpoints.stable = 0;
    world.deleteRollout();
    world.settle();
    expect(world.rollout).toBeDefined();
    world.run(31_000);
    expect(world.rollout).toBeUndefined();
    expect(world.percent).toBe(100);
  });

  it('in mid-rollout goes back to the live one', () => {
    const world = swapped({ onDelete: 'Restore' });
    world.release('stable', 3);
    world.settle();
    world.deleteRollout();
    world.settle();
    expect(world.rollout).toBeUndefined();
    expect(JSON.stringify(world.routes)).toBe(JSON.stringify(restingAt('shop-canary')));
  });

  it('claims the object again where onDelete is edited at rest', () => {
    const world = swapped();
    expect(world.rollout?.metadata.finalizers).toEqual([]);
    world.edit({ onDelete: 'Restore' });
    world.settle();
    expect(world.rollout?.metadata.finalizers).toEqual(['sluice.dev/route']);
    world.edit({ onDelete: 'Keep' });
    world.settle();
    expect(world.rollout?.metadata.finalizers).toEqual([]);
  });
});

describe('an older controller', () => {
  it('is told by the version of the status, and by that of no other Rollout', () => {
    expect(swapped().status.schema).toBe(2);
    const hold = new World({ spec: { steps } });
    hold.run(hour);
    expect(hold.status.schema).toBe(1);
  });
});

/** restingAt is the route of the user with another service in the place of stable. */
function restingAt(name: string): readonly Route[] {
  return JSON.parse(JSON.stringify(shopRoutes).replace('shop-stable', name)) as readonly Route[];
}

/** weightsSince are the weights in history after the last entry with `reason`, without repetitions. */
function weightsSince(world: World, reason: string): readonly number[] {
  const { history = [] } = world.status;
  const first = history.findIndex((entry) => entry.reason === reason);
  const weights = history.slice(first + 1).map(({ weight }) => weight);
  return weights.filter((weight, index) => weight > 0 && weight !== weights[index - 1]);
}
