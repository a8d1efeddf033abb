import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { resources, type HorizontalPodAutoscaler } from '../../../src/api/kubernetes.ts';
import type { RolloutStatus } from '../../../src/api/rollout-status.ts';
import { rollout } from '../../support/rollout-builders.ts';
import type { RouteId } from '../../../src/traffic/route-object.ts';
import {
  controllerRevision,
  daemonSet,
  deployment,
  openWorld,
  service,
  shopRoute,
  slice,
  statefulSet,
  type World,
} from './cluster.ts';

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

  it('reads nothing but the namespaces that it is told to', async () => {
    const other = { metadata: { ...rollout().metadata, namespace: 'other', uid: 'other' } };
    const prepare = (store: World['store']): void => {
      store.put(resources.rollouts, rollout());
      store.put(resources.rollouts, rollout({}, other));
    };
    const world = await openWorld(stop.signal, prepare, { namespaces: ['web', 'empty'] });
    expect([...world.watches.rollouts()].map(({ metadata }) => metadata.namespace)).toEqual(['web']);
    expect(await concerned(world, () => world.store.put(resources.rollouts, rollout({}, other)))).toEqual([]);
    expect(await concerned(world, () => world.store.remove(resources.rollouts, 'web/shop'))).toEqual(['web/shop']);
    const audited = world.watches.audited.filter(({ kind }) => kind === resources.services);
    expect(audited.map(({ namespace, cache }) => [namespace, cache.list().length])).toEqual([
      ['web', 2],
      ['empty', 0],
    ]);
  });

  it('wakes the rollouts whose workloads have changed, by kind and name, and those of the DaemonSet of a revision', async () => {
    const world = await openWorld(stop.signal, (store) => {
      const stable = { service: 'shop-stable', workload: { kind: 'DaemonSet', name: 'shop-stable' } } as const;
      const canary = { service: 'shop-canary', workload: { kind: 'StatefulSet', name: 'shop-canary' } } as const;
      store.put(resources.rollouts, rollout({ stable, canary }));
    });
    const { store } = world;
    const wakes = (change: () => void) => concerned(world, change);
    const shop = ['web/shop'];
    expect(await wakes(() => store.put(resources.deployments, deployment('shop-stable', 'x')))).toEqual([]);
    expect(await wakes(() => store.put(resources.daemonSets, daemonSet('shop-stable', 'x')))).toEqual(shop);
    expect(await wakes(() => store.put(resources.daemonSets, daemonSet('shop-canary', 'x')))).toEqual([]);
    expect(await wakes(() => store.put(resources.statefulSets, statefulSet('shop-canary', 'x')))).toEqual(shop);
    const revision = (of: string) => store.put(resources.controllerRevisions, controllerRevision(of, 1, 'a'));
    expect(await wakes(() => revision('shop-stable'))).toEqual(shop);
    expect(await wakes(() => revision('other'))).toEqual([]);
  });

  it('knows the workload of a kind, and of a DaemonSet the revision with the greatest number', async () => {
    const { store, clock, watches } = await openWorld(stop.signal, (store) => {
      store.put(resources.daemonSets, daemonSet('shop', 'shop:1'));
      for (const [number, hash] of [
        [3, 'c'],
        [10, 'a'],
        [9, 'b'],
      ] as const)
        store.put(resources.controllerRevisions, controllerRevision('shop', number, hash));
      store.put(resources.controllerRevisions, controllerRevision('other', 99, 'z'));
    });
    const { caches } = watches;
    const newest = (): number | undefined => {
      const found = caches.workload('DaemonSet', 'web/shop');
      return found?.kind === 'DaemonSet' ? found.newest?.revision : undefined;
    };
    expect(newest()).toBe(10);
    // Back to an older template: its revision gets the next number.
    store.put(resources.controllerRevisions, controllerRevision('shop', 11, 'b'));
    await clock.advance(0);
    expect(newest()).toBe(11);
    expect(caches.workload('Deployment', 'web/shop')).toBeUndefined();
    expect(caches.workload('Deployment', 'web/shop-canary')?.object.metadata.name).toBe('shop-canary');
    expect(caches.workload('StatefulSet', 'web/shop-canary')).toBeUndefined();
  });

  it('finds the autoscaler of a workload by its kind and name', async () => {
    const { watches } = await openWorld(stop.signal, (store) => {
      for (const kind of ['Deployment', 'StatefulSet']) {
        const scaleTargetRef = { kind, name: 'shop' };
        const metadata = { name: `shop-${kind.toLowerCase()}`, namespace: 'web', uid: kind };
        const autoscaler: HorizontalPodAutoscaler = { metadata, spec: { scaleTargetRef } };
        store.put(resources.autoscalers, autoscaler);
      }
    });
    const namesOf = (kind: 'StatefulSet' | 'DaemonSet') =>
      watches.caches.autoscalersOf(kind, 'web/shop').map(({ metadata }) => metadata.name);
    expect(namesOf('StatefulSet')).toEqual(['shop-statefulset']);
    expect(namesOf('DaemonSet')).toEqual([]);
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

  it('does without the group of Traefik 2, in silence, and finds it when it is there', async () => {
    const old = { resource: resources.oldIngressRoutes, key: 'web/shop' } as const;
    const subject = rollout({ route: { name: 'shop', apiVersion: 'traefik.containo.us/v1alpha1' } });
    const { store, watches, lines, clock, changed } = await openWorld(stop.signal, (store) => {
      store.put(resources.rollouts, subject);
      store.missingGroups.add('traefik.containo.us');
    });
    expect(watches.caches.route(old)).toBeUndefined();
    expect(lines).toEqual([]);
    const kinds = (): readonly string[] => watches.contacts().map(({ kind }) => kind);
    expect(kinds()).not.toContain('IngressRoute.traefik.containo.us');
    expect(watches.contacts().every(({ atMs }) => atMs >= 0)).toBe(true);
    expect(watches.audited.filter((audited) => !audited.isServed())).toHaveLength(2);
    store.missingGroups.clear();
    store.put(resources.oldIngressRoutes, shopRoute());
    changed.length = 0;
    await clock.advance(60_000);
    await eventually(() => watches.caches.route(old) !== undefined);
    expect(changed).toContain('web/shop');
    expect(kinds()).toContain('IngressRoute.traefik.containo.us');
  });

  it('complains of a kind that it cannot do without', async () => {
    const { lines, watches } = await openWorld(stop.signal, (store) => store.missingGroups.add('autoscaling'));
    expect(lines).toMatchObject([{ kind: 'HorizontalPodAutoscaler', code: 'ApiNotFound' }]);
    expect(watches.audited.every((audited) => audited.isServed())).toBe(true);
  });

  it('stops with the signal', async () => {
    const { watches } = await openWorld(stop.signal);
    stop.abort(new Error('stop'));
    await expect(watches.stopped).resolves.toBeUndefined();
  });
});
