/** Routes of every kind, rules by name, and neighbours: what a Rollout's scene says of them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resources } from '../../../src/api/kubernetes.ts';
import type { Rollout, RouteRef } from '../../../src/api/rollout.ts';
import type { RolloutTarget } from '../../../src/api/rollout-status.ts';
import type { Route, RouteService, TraefikService } from '../../../src/api/traefik.ts';
import { armNames, observe, readScene, type Scene } from '../../../src/reconciler/observe.ts';
import type { Observation } from '../../../src/rollout/observation.ts';
import { hashRule } from '../../../src/rollout/other-rules.ts';
import { rollout } from '../../support/rollout-builders.ts';
import { openWorld, shopRoute, type World } from './cluster.ts';
import type { MemoryStore } from './memory-store.ts';

let stop: AbortController;
beforeEach(() => {
  stop = new AbortController();
});
afterEach(() => stop.abort(new Error('the test is over')));

const stable: RouteService = { name: 'shop-stable', port: 80 };
const canary: RouteService = { name: 'shop-canary', port: 80 };
const rule = (match: string, services: readonly RouteService[], syntax?: string): Route => ({
  match,
  kind: 'Rule',
  services,
  ...(syntax === undefined ? {} : { syntax }),
});

function traefikService(spec: NonNullable<TraefikService['spec']>, name = 'shop'): TraefikService {
  return { metadata: { name, namespace: 'web', uid: `${name}-uid` }, spec };
}

function on(route: Partial<RouteRef>, target?: Partial<RolloutTarget>): Rollout {
  const touched = {
    route: 'shop',
    uid: 'route-uid',
    stable: { service: 'shop-stable' },
    canary: { service: 'shop-canary' },
    baseline: { routes: [] },
    ...target,
  };
  return rollout({ route: { name: 'shop', ...route } }, target === undefined ? {} : { status: { target: touched } });
}

async function see(
  subject: Rollout,
  prepare: (store: MemoryStore) => void,
): Promise<{ readonly world: World; readonly scene: Scene; readonly observation: Observation }> {
  const world = await openWorld(stop.signal, (store) => {
    store.put(resources.rollouts, subject);
    prepare(store);
  });
  const { caches } = world.watches;
  const scene = readScene(subject, caches, 'Namespaced');
  const known = { nowMs: 0, source: { kind: 'Ready' }, evidence: undefined, freezes: [] } as const;
  return { world, scene, observation: observe(scene, caches, known) };
}

describe('a Rollout on a TraefikService', () => {
  const weighted = {
    services: [
      { ...stable, weight: 90 },
      { ...canary, weight: 10 },
    ],
  };

  it('sees its shares, whoever wrote them, and names every service by its own name', async () => {
    const managedFields = [
      {
        manager: 'helm',
        time: '2026-11-21T08:00:00Z',
        fieldsV1: { 'f:spec': { 'f:weighted': { '.': {}, 'f:services': {} } } },
      },
      {
        manager: 'kubectl',
        time: '2026-11-21T08:30:00Z',
        fieldsV1: { 'f:spec': { 'f:weighted': { 'f:sticky': {} } } },
      },
    ];
    const object = traefikService({ weighted });
    const { scene } = await see(on({ kind: 'TraefikService' }), (store) =>
      store.put(resources.traefikServices, { ...object, metadata: { ...object.metadata, managedFields } }),
    );
    expect(scene.problems).toEqual([]);
    expect(scene.route).toMatchObject({ uid: 'shop-uid', split: { canaryPercent: 10 }, writer: { manager: 'helm' } });
    // One service alone keeps its name in a TraefikService; that of a router is not in its metrics.
    expect(armNames(scene, 'Stable').stable).toEqual(['web-shop-stable-80@kubernetescrd']);
    expect(armNames(scene, 'Canary').canary).toEqual(['web-shop-canary-80@kubernetescrd']);
  });

  it.each<[string, object, boolean]>([
    ['without a cookie', {}, true],
    ['with a cookie of the services', { sticky: { cookie: { name: 'shop' } } }, false],
    ['with a cookie of the pods', { services: [{ ...stable, sticky: { cookie: {} } }, canary] }, false],
  ])('%s may be compared with its weights: %s', async (_name, change, isComparable) => {
    const { appliedAt, ...step } = { enteredAt: '2026-11-21T09:00:00Z', appliedAt: '2026-11-21T09:00:01Z' };
    const progress = { direction: 'Forward', index: 0, weight: 10, from: 0, plan: '', startedAt: appliedAt } as const;
    const subject = on({ kind: 'TraefikService' });
    const status = { revision: 'r2', weight: 10, progress: { ...progress, ...step, appliedAt } };
    const { scene } = await see({ ...subject, status }, (store) => {
      const services = [{ name: 'shop', kind: 'TraefikService' }];
      store.put(resources.ingressRoutes, shopRoute([rule('Host(`shop.example`)', services)]));
      store.put(resources.traefikServices, traefikService({ weighted: { ...weighted, ...change } }));
    });
    expect(scene.judged?.share.isComparable).toBe(isComparable);
  });

  it.each<[string, NonNullable<TraefikService['spec']>, string]>([
    ['mirrors', { mirroring: { name: 'shop-stable', port: 80 } }, 'its spec has mirroring'],
    ['shares by client', { highestRandomWeight: { services: [stable] } }, 'its spec has highestRandomWeight'],
    ['has an empty spec', {}, 'its spec has nothing'],
  ])('says what to do where it %s', async (_name, spec, found) => {
    const { scene } = await see(on({ kind: 'TraefikService' }), (store) =>
      store.put(resources.traefikServices, traefikService(spec)),
    );
    expect(scene.problems).toMatchObject([{ reason: 'RouteNotWeighted' }]);
    expect(scene.problems[0]?.message).toContain(
      `TraefikService shop is not weighted: ${found}. Name a TraefikService`,
    );
  });

  it.each<[string, readonly RouteService[], boolean]>([
    ['the only one is off', [{ ...stable, weight: 0 }], true],
    [
      'both are off',
      [
        { ...stable, weight: 0 },
        { ...canary, weight: 0 },
        { name: 'legacy', weight: 1 },
      ],
      true,
    ],
    ['stable alone has no weight of its own', [stable], false],
    [
      'the canary is off',
      [
        { ...stable, weight: 1 },
        { ...canary, weight: 0 },
      ],
      false,
    ],
  ])('is touched only where somebody reaches the pair: %s', async (_name, services, isProblem) => {
    const { scene } = await see(on({ kind: 'TraefikService' }), (store) =>
      store.put(resources.traefikServices, traefikService({ weighted: { services } })),
    );
    const message =
      'TraefikService shop gives shop-stable and shop-canary no weight, so that nobody reaches them by it. Give shop-stable a weight.';
    expect(scene.problems).toEqual(isProblem ? [{ reason: 'RouteWithoutWeight', message }] : []);
  });

  it.each<[string, readonly RouteService[], boolean]>([
    ['the only service of a rule gets everything whatever its weight', [{ ...stable, weight: 0 }], false],
    [
      'beside another one it gets nothing',
      [
        { ...stable, weight: 0 },
        { name: 'legacy', port: 80 },
      ],
      true,
    ],
  ])('is another thing than an IngressRoute: %s', async (_name, services, isProblem) => {
    const { scene } = await see(on({}), (store) =>
      store.put(resources.ingressRoutes, shopRoute([rule('Host(`shop.example`)', services)])),
    );
    expect(scene.problems.map(({ reason }) => reason)).toEqual(isProblem ? ['RouteWithoutWeight'] : []);
  });

  it('says what it lists instead', async () => {
    const { scene } = await see(on({ kind: 'TraefikService' }), (store) =>
      store.put(resources.traefikServices, traefikService({ weighted: { services: [{ name: 'legacy', port: 80 }] } })),
    );
    expect(scene.problems).toEqual([
      {
        reason: 'ServiceNotInRoute',
        message:
          'TraefikService shop lists neither shop-stable nor shop-canary with the ports of the Rollout; it lists legacy:80. Add shop-stable to spec.weighted.services.',
      },
    ]);
  });

  it.each<[string, readonly RouteService[], boolean]>([
    ['nobody', [], true],
    ['an IngressRoute that lists it as a Service', [{ name: 'shop' }], true],
    ['an IngressRoute', [{ name: 'shop', kind: 'TraefikService' }], false],
  ])('that is listed by %s hears so', async (_name, services, isUnused) => {
    const { observation } = await see(on({ kind: 'TraefikService' }), (store) => {
      store.put(resources.traefikServices, traefikService({ weighted }));
      store.put(resources.ingressRoutes, shopRoute([rule('Host(`shop.example`)', services)]));
    });
    expect(observation.advice.map(({ reason }) => reason)).toEqual(isUnused ? ['RouteUnused'] : []);
  });

  it('that was touched is followed although the spec names another route', async () => {
    const subject = on({ kind: 'IngressRoute' }, { kind: 'TraefikService' });
    const { scene, world } = await see(subject, (store) =>
      store.put(resources.traefikServices, traefikService({ weighted })),
    );
    expect(scene.route?.uid).toBe('shop-uid');
    world.changed.length = 0;
    world.store.put(resources.traefikServices, traefikService({ weighted: { services: [stable] } }));
    await world.clock.advance(0);
    expect(world.changed).toEqual(['web/shop']);
  });
});

describe('a Rollout on a route that is not there', () => {
  it.each<[string, Partial<RouteRef>, string]>([
    [
      'names the kind that has the name',
      { kind: 'TraefikService' },
      'spec.route.name: TraefikService shop does not exist in namespace web; but kind IngressRoute of traefik.io/v1alpha1 has that name: write apiVersion: traefik.io/v1alpha1 and kind: IngressRoute in spec.route, or correct the name.',
    ],
    [
      'names the group that has the name',
      { apiVersion: 'traefik.containo.us/v1alpha1' },
      'spec.route.name: IngressRoute shop of traefik.containo.us/v1alpha1 does not exist in namespace web; but kind IngressRoute of traefik.io/v1alpha1',
    ],
    [
      'names nothing where there is nothing',
      { name: 'till' },
      'spec.route.name: IngressRoute till does not exist in namespace web; create it or correct the name.',
    ],
  ])('%s', async (_name, route, message) => {
    const { scene } = await see(on(route), () => {});
    expect(scene.problems).toMatchObject([{ reason: 'RouteNotFound' }]);
    expect(scene.problems[0]?.message).toContain(message);
  });

  it('of the group of Traefik 2 is found where that is installed', async () => {
    const { scene } = await see(on({ apiVersion: 'traefik.containo.us/v1alpha1' }), (store) =>
      store.put(resources.oldIngressRoutes, shopRoute([rule('Host(`old.example`)', [stable])])),
    );
    expect(scene.problems).toEqual([]);
    expect(scene.route?.routes[0]?.match).toBe('Host(`old.example`)');
  });
});

describe('a Rollout on one rule', () => {
  const wanted = 'Host(`shop.example`) && PathPrefix(`/api`)';
  const written = '(Host("shop.example"))   && PathPrefix("/api")';
  const other = 'Host(`shop.example`)';

  it('sees that rule alone, however it is written', async () => {
    const { scene } = await see(on({ match: wanted }), (store) =>
      store.put(
        resources.ingressRoutes,
        shopRoute([
          rule(other, [{ ...canary }]),
          rule(written, [
            { ...stable, weight: 3 },
            { ...canary, weight: 1 },
          ]),
        ]),
      ),
    );
    expect(scene.problems).toEqual([]);
    expect(scene.route?.split).toMatchObject({ canaryPercent: 25, routes: [{ index: 1, match: written }] });
  });

  it('reads it in the language of the route', async () => {
    const { scene } = await see(on({ match: 'Host(`a.example`,`b.example`)' }), (store) =>
      store.put(resources.ingressRoutes, shopRoute([rule('Host("a.example", "b.example")', [stable], 'v2')])),
    );
    expect(scene.route?.split.routes).toHaveLength(1);
  });

  it.each([
    ['Host(`nowhere.example`)', 'no rule Host(`nowhere.example`); its rules are Host(`shop.example`). Correct'],
    ["Host('shop.example')", "no rule Host('shop.example'); its rules are Host(`shop.example`). It is no rule: at"],
  ])('lists the rules there are where there is no %s', async (match, message) => {
    const { scene } = await see(on({ match }), (store) =>
      store.put(resources.ingressRoutes, shopRoute([rule(other, [stable])])),
    );
    expect(scene.problems).toMatchObject([{ reason: 'RuleNotFound' }]);
    expect(scene.problems[0]?.message).toContain(`spec.route.match: IngressRoute shop has ${message}`);
  });

  it('says what that rule lists instead', async () => {
    const { scene } = await see(on({ match: other }), (store) =>
      store.put(
        resources.ingressRoutes,
        shopRoute([rule(wanted, [stable]), rule(other, [{ name: 'legacy', port: 80 }])]),
      ),
    );
    expect(scene.problems[0]?.message).toBe(
      'IngressRoute shop lists neither shop-stable nor shop-canary in the rule Host(`shop.example`) with the ports of the Rollout; it lists legacy:80. Add shop-stable to that rule.',
    );
  });

  it.each<[string, readonly Route[], readonly string[]]>([
    ['none where another rule leads to the canary alone', [rule('A', [stable]), rule('B', [canary])], []],
    ['the one with both', [rule('A', [stable]), rule('B', [stable, canary])], ['B']],
    ['the only one with the pair', [rule('A', [{ name: 'legacy' }]), rule('B', [stable])], ['B']],
    ['none of several', [rule('A', [stable, canary]), rule('B', [stable, canary])], []],
  ])('that was edited in mid-rollout is %s', async (_name, routes, rules) => {
    const { scene } = await see(on({ match: other }, { match: other }), (store) =>
      store.put(resources.ingressRoutes, shopRoute(routes)),
    );
    expect(scene.pair.rules).toEqual(rules);
  });

  it('that is gone is none of those that were there beside it', async () => {
    const [known, edited] = [rule('A', [stable]), rule('B', [stable])];
    const touched = on({ match: other }, { match: other, others: [hashRule('A')] });
    const put = (routes: readonly Route[]) =>
      see(touched, (store) => store.put(resources.ingressRoutes, shopRoute(routes)));
    expect((await put([known])).scene.pair.rules).toEqual([]);
    expect((await put([known, edited])).scene.pair.rules).toEqual(['B']);
  });

  it.each([
    ['names the same rule', { name: 'shop', match: written }, true],
    ['names the whole IngressRoute', { name: 'shop' }, true],
    ['names another rule', { name: 'shop', match: other }, false],
    ['names a TraefikService of that name', { name: 'shop', kind: 'TraefikService' as const }, false],
  ])('is in conflict with an older one that %s: %s', async (_name, route, isRival) => {
    const { metadata } = rollout();
    const rival = rollout(
      { route, stable: { service: 'cart-stable' }, canary: { service: 'cart-canary' } },
      { metadata: { ...metadata, name: 'cart', uid: 'cart', creationTimestamp: '2026-11-21T08:00:00Z' } },
    );
    const { scene } = await see(on({ match: wanted }), (store) => {
      store.put(resources.ingressRoutes, shopRoute([rule(wanted, [stable]), rule(other, [stable])]));
      store.put(resources.rollouts, rival);
    });
    expect(scene.problems.map(({ reason }) => reason)).toEqual(isRival ? ['Conflict'] : []);
  });
});

describe('a service that others list too', () => {
  const neighbour = (name: string, services: readonly RouteService[]) => ({
    ...shopRoute([rule('Host(`other.example`)', services)]),
    metadata: { name, namespace: 'web', uid: `${name}-uid` },
  });

  it('is named once, with who lists it', async () => {
    const { observation } = await see(on({}), (store) => {
      store.put(resources.ingressRoutes, neighbour('admin', [stable]));
      store.put(resources.traefikServices, traefikService({ mirroring: { ...stable, mirrors: [canary] } }, 'mirror'));
    });
    expect(observation.advice).toEqual([
      {
        reason: 'ServiceShared',
        message:
          'Service shop-stable is also listed by IngressRoute web/admin, TraefikService web/mirror, which stay as they are; the share that is observed is not compared with the weight.',
      },
      {
        reason: 'ServiceShared',
        message:
          'Service shop-canary is also listed by TraefikService web/mirror, which stay as they are; the share that is observed is not compared with the weight.',
      },
    ]);
  });

  it('is also shared with the rules of the same IngressRoute that do not take part', async () => {
    const { observation } = await see(on({ match: 'Path(`/a`)' }), (store) =>
      store.put(resources.ingressRoutes, shopRoute([rule('Path(`/a`)', [stable]), rule('Path(`/b`)', [stable])])),
    );
    expect(observation.advice).toMatchObject([
      { message: expect.stringContaining('Service shop-stable is also listed by the rule Path(`/b`)') as string },
    ]);
  });

  it('is not shared by two rules that both take part', async () => {
    const { observation } = await see(on({}), (store) =>
      store.put(resources.ingressRoutes, shopRoute([rule('Path(`/a`)', [stable]), rule('Path(`/b`)', [stable])])),
    );
    expect(observation.advice).toEqual([]);
  });

  it('is named with three of many', async () => {
    const { observation } = await see(on({}), (store) => {
      for (const name of ['a', 'b', 'c', 'd', 'e']) store.put(resources.ingressRoutes, neighbour(name, [stable]));
    });
    expect(observation.advice[0]?.message).toContain(
      'IngressRoute web/a, IngressRoute web/b, IngressRoute web/c and 2 more',
    );
  });
});
