import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { resources } from '../../../src/api/kubernetes.ts';
import type { RolloutStatus } from '../../../src/api/rollout-status.ts';
import { rollout } from '../../support/rollout-builders.ts';
import type { RouteId } from '../../../src/traffic/route-object.ts';
import { deployment, openWorld, service, shopRoute, slice, type World } from './cluster.ts';

const routeId = (key: RouteId['key']): RouteId => ({ resource: resources.ingressRoutes, key });

let stop: AbortController;
beforeEach(() => {
  stop = new AbortController();
});
afterEach(() => stop.abort(new Error('the test is over')));

/** concerned returns the rollouts that `change` wakes. */
async function concerned(world: World, change: () => void): Promise<readonly string[]> {
  world.changed.length = 0;
  change();
  await world.clock.advance(0);
  return world.changed.toSorted();
}

function ready(reason: string): RolloutStatus {
  const lastTransitionTime = '2026-11-21T09:00:00Z';
  return {
    reason: 'Holding',
    conditions: [{ type: 'Ready', status: 'False', reason, message: '', lastTransitionTime }],
  };
}

describe('startWatches', () => {
  it('wakes the rollouts that name what has changed, and no others', async () => {
    const { metadata } = rollout();
    const cart = { ...metadata, name: 'cart', uid: 'cart' };
    const own = { route: { name: 'cart' }, stable: { service: 'cart-stable' }, canary: { service: 'cart-canary' } };
    const world = await openWorld(stop.signal, (store) => {
      store.put(resources.rollouts, rollout());
      store.put(resources.rollouts, rollout(own, { metadata: cart }));
    });
    const { store } = world;
    const shop = ['web/shop'];
    expect(await concerned(world, () => store.put(resources.services, service('shop-stable')))).toEqual(shop);
    expect(await concerned(world, () => store.put(resources.endpointSlices, slice('shop-canary', [])))).toEqual(shop);
    expect(await concerned(world, () => store.put(resources.ingressRoutes, shopRoute()))).toEqual(shop);
    expect(await concerned(world, () => store.put(resources.deployments, deployment('shop-canary', 'x')))).toEqual(
      shop,
    );
    expect(await concerned(world, () => store.remove(resources.services, 'web/shop-canary'))).toEqual(shop);
    expect(await concerned(world, () => store.put(resources.services, service('legacy')))).toEqual([]);
    expect(await concerned(world, () => store.put(resources.services, service('cart-canary')))).toEqual(['web/cart']);
  });

  it.each([
    ['wakes the rival that waits for the route, though it has ended, when a Rollout goes', ready('Conflict'), true],
    ['leaves a rival in peace that has no conflict', ready('Holding'), false],
  ])('%s', async (_name, status, isWoken) => {
    const { metadata } = rollout();
    const world = await openWorld(stop.signal, (store) => {
      store.put(resources.rollouts, rollout());
      store.put(resources.rollouts, rollout({}, { status, metadata: { ...metadata, name: 'rival', uid: 'rival' } }));
    });
    const woken = await concerned(world, () => world.store.remove(resources.rollouts, 'web/shop'));
    expect(woken).toEqual(isWoken ? ['web/rival', 'web/shop'] : ['web/shop']);
  });

  it('still finds a Rollout by the route and the services that it has touched before it was edited', async () => {
    const target = {
      route: 'old',
      uid: 'u',
      stable: { service: 'old-stable' },
      canary: { service: 'old-canary' },
      baseline: { routes: [] },
    };
    const { watches } = await openWorld(stop.signal, (store) =>
      store.put(resources.rollouts, rollout({}, { status: { target } })),
    );
    expect(watches.caches.rolloutsOnRoute(routeId('web/old'))).toEqual(['web/shop']);
    expect(watches.caches.rolloutsOn('Service', 'web/old-canary')).toEqual(['web/shop']);
    expect(watches.caches.rolloutsOnRoute(routeId('web/shop'))).toEqual(['web/shop']);
    expect(watches.caches.rolloutsOnRoute(routeId('other/shop'))).toEqual([]);
  });

  it('remembers an own write before the watch has told of it, and does not go back', async () => {
    const { store, watches } = await openWorld(stop.signal, (store) => store.put(resources.rollouts, rollout()));
    const before = watches.caches.rollout('web/shop');
    const written = store.put(resources.rollouts, rollout({ paused: true }));
    watches.caches.remember({ rollout: written });
    expect(watches.caches.rollout('web/shop')?.spec.paused).toBe(true);
    watches.caches.remember(before === undefined ? {} : { rollout: before });
    expect(watches.caches.rollout('web/shop')?.spec.paused).toBe(true);
  });

  it('does not bring back what was deleted before the answer to an own write came', async () => {
    const { store, watches } = await openWorld(stop.signal, (store) => store.put(resources.rollouts, rollout()));
    const late = watches.caches.rollout('web/shop');
    if (late === undefined) throw new Error('web/shop is not in the caches');
    store.remove(resources.rollouts, 'web/shop');
    await eventually(() => watches.caches.rollout('web/shop') === undefined);
    watches.caches.remember({ rollout: late });
    expect(watches.caches.rollout('web/shop')).toBeUndefined();
    expect(watches.caches.rolloutsOnRoute(routeId('web/shop'))).toEqual([]);
  });

  it('stops with the signal', async () => {
    const { watches } = await openWorld(stop.signal);
    stop.abort(new Error('stop'));
    await expect(watches.stopped).resolves.toBeUndefined();
  });
});
