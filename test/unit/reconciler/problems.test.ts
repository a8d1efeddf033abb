import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resources, type EndpointSlice } from '../../../src/api/kubernetes.ts';
import type { Rollout } from '../../../src/api/rollout.ts';
import type { RolloutTarget } from '../../../src/api/rollout-status.ts';
import { readScene } from '../../../src/reconciler/observe.ts';
import { finalizer } from '../../../src/rollout/decision.ts';
import type { Problem } from '../../../src/rollout/observation.ts';
import type { UserQueryMode } from '../../../src/source/user-query.ts';
import { rollout, type WrittenSpec } from '../../support/rollout-builders.ts';
import { openWorld, service, shopRoute, slice } from './cluster.ts';
import type { MemoryStore } from './memory-store.ts';

let stop: AbortController;
beforeEach(() => {
  stop = new AbortController();
});
afterEach(() => stop.abort(new Error('the test is over')));

/** problemsOf returns what is wrong with a Rollout in a cluster that `prepare` has changed. */
async function problemsOf(
  subject: Rollout,
  prepare: (store: MemoryStore) => void = () => {},
  userQueries: UserQueryMode = 'Namespaced',
): Promise<readonly Problem[]> {
  const { watches } = await openWorld(stop.signal, (store) => {
    store.put(resources.rollouts, subject);
    prepare(store);
  });
  return readScene(subject, watches.caches, userQueries).problems;
}

/** other returns another Rollout of the namespace, which shares nothing with web/shop but what `spec` says. */
function other(
  spec: WrittenSpec = {},
  rest: Partial<Rollout> = {},
  metadata: Partial<Rollout['metadata']> = {},
): Rollout {
  const own = { route: { name: 'cart' }, stable: { service: 'cart-stable' }, canary: { service: 'cart-canary' } };
  const { metadata: common } = rollout();
  return rollout({ ...own, ...spec }, { ...rest, metadata: { ...common, name: 'cart', uid: 'cart-uid', ...metadata } });
}

const older = { creationTimestamp: '2026-11-21T08:59:59Z' };
const younger = { creationTimestamp: '2026-11-21T09:00:01Z' };
const sameRoute = { route: { name: 'shop' } };
const sameCanary = { canary: { service: 'shop-canary' } };

/** touching is the target of a rollout that has moved traffic on an IngressRoute. */
function touching(route: string, canary = 'cart-canary'): RolloutTarget {
  return { route, uid: 'u', stable: { service: 'cart-stable' }, canary: { service: canary }, baseline: { routes: [] } };
}

describe('the problems of a Rollout', () => {
  it('are none where everything is in place', async () => {
    expect(await problemsOf(rollout())).toEqual([]);
  });

  it.each<[string, WrittenSpec, (store: MemoryStore) => void, Problem]>([
    [
      'the route is missing',
      { route: { name: 'shpo' } },
      () => {},
      {
        reason: 'RouteNotFound',
        message: 'spec.route.name: IngressRoute shpo does not exist in namespace web; create it or correct the name.',
      },
    ],
    [
      'the route lists neither service',
      {},
      (store) => {
        const services = [{ name: 'shop-stable', port: 8080 }, { name: 'legacy' }];
        store.put(resources.ingressRoutes, shopRoute([{ match: 'PathPrefix(`/`)', services }]));
      },
      {
        reason: 'ServiceNotInRoute',
        message:
          'IngressRoute shop lists neither shop-stable nor shop-canary with the ports of the Rollout; it lists shop-stable:8080, legacy. Add shop-stable to a rule.',
      },
    ],
    [
      'the route lists nothing',
      {},
      (store) => store.put(resources.ingressRoutes, shopRoute([])),
      {
        reason: 'ServiceNotInRoute',
        message:
          'IngressRoute shop lists neither shop-stable nor shop-canary with the ports of the Rollout; it lists no service. Add shop-stable to a rule.',
      },
    ],
    [
      'the stable Service is missing',
      {},
      (store) => store.remove(resources.services, 'web/shop-stable'),
      {
        reason: 'ServiceNotFound',
        message: 'spec.stable.service: Service web/shop-stable does not exist; create it or correct the name.',
      },
    ],
    [
      'the canary Service is missing',
      {},
      (store) => store.remove(resources.services, 'web/shop-canary'),
      {
        reason: 'ServiceNotFound',
        message: 'spec.canary.service: Service web/shop-canary does not exist; create it or correct the name.',
      },
    ],
    [
      'the canary Service has another port',
      {},
      (store) => store.put(resources.services, service('shop-canary', [{ port: 81 }])),
      { reason: 'PortNotFound', message: 'spec.canary.port: Service shop-canary has no port 80; it has 81.' },
    ],
    [
      'a pod is behind both Services',
      {},
      (store) =>
        store.put(resources.endpointSlices, slice('shop-canary', [{ addresses: ['10.0.0.1'] }], { suffix: '2' })),
      {
        reason: 'SharedEndpoints',
        message:
          'The ready address 10.0.0.1 is behind both Service shop-stable and Service shop-canary; make their selectors exclude each other.',
      },
    ],
    [
      'a workload is missing',
      {},
      (store) => store.remove(resources.deployments, 'web/shop-canary'),
      {
        reason: 'WorkloadNotFound',
        message:
          'spec.canary.workload: Deployment shop-canary does not exist in namespace web; create it or correct the name.',
      },
    ],
    [
      'a workload of that kind is missing',
      { stable: { service: 'shop-stable', port: 80, workload: { kind: 'StatefulSet', name: 'shop-stable' } } },
      () => undefined,
      {
        reason: 'WorkloadNotFound',
        message:
          'spec.stable.workload: StatefulSet shop-stable does not exist in namespace web; create it or correct the name.',
      },
    ],
  ])('say that %s, and what to do', async (_name, spec, prepare, problem) => {
    expect(await problemsOf(rollout(spec), prepare)).toEqual([problem]);
  });

  it('do not name an address that is not ready behind both Services, as while a pod changes sides', async () => {
    const leaving = slice('shop-canary', [{ addresses: ['10.0.0.1'], conditions: { terminating: true } }], {
      suffix: '2',
    });
    expect(await problemsOf(rollout(), (store) => store.put(resources.endpointSlices, leaving))).toEqual([]);
  });

  it('do not name an address behind both Services with another port of each, as without a cluster', async () => {
    const beside: EndpointSlice = {
      ...slice('shop-canary', [{ addresses: ['10.0.0.1'] }], { suffix: '2' }),
      ports: [{ name: 'http', port: 9090 }],
    };
    expect(await problemsOf(rollout(), (store) => store.put(resources.endpointSlices, beside))).toEqual([]);
  });

  it('begin with the most basic one', async () => {
    const checks = [{ name: 'depth', query: 'up' }] as unknown as NonNullable<Rollout['spec']['analysis']['checks']>;
    const subject = rollout({ analysis: { checks } });
    const problems = await problemsOf(
      subject,
      (store) => {
        store.put(resources.rollouts, other(sameRoute, {}, older));
        store.remove(resources.ingressRoutes, 'web/shop');
        store.put(resources.services, service('shop-stable', [{ port: 81 }]));
        store.remove(resources.services, 'web/shop-canary');
        store.remove(resources.deployments, 'web/shop-stable');
      },
      'Off',
    );
    expect(problems.map(({ reason }) => reason)).toEqual([
      'Conflict',
      'RouteNotFound',
      'PortNotFound',
      'ServiceNotFound',
      'WorkloadNotFound',
      'CheckInvalid',
    ]);
  });
});

describe('of two Rollouts', () => {
  const conflict = (why: string): Problem => ({
    reason: 'Conflict',
    message: `Rollout cart ${why} the same route or canary; delete one of the two, or give this one a route and a canary of its own.`,
  });
  const isOlder = conflict('is older and uses');
  const hasMoved = conflict('has moved traffic on');
  const deleted = { deletionTimestamp: '2026-11-21T09:29:00Z' };

  it.each<[string, Rollout, Problem | undefined]>([
    ['on one route the older keeps it', other(sameRoute, {}, older), isOlder],
    ['on one canary the older keeps it', other(sameCanary, {}, older), isOlder],
    ['on one route the younger does not get it', other(sameRoute, {}, younger), undefined],
    ['of the same second the lower UID keeps it', other(sameRoute, {}, { uid: 'a' }), isOlder],
    ['of the same second the higher UID does not get it', other(sameRoute, {}, { uid: 'z' }), undefined],
    [
      'with one stable and two routes and canaries both are right',
      other({ stable: { service: 'shop-stable' } }, {}, older),
      undefined,
    ],
    [
      'of the same names in two namespaces both are right',
      other(sameRoute, {}, { ...older, namespace: 'other' }),
      undefined,
    ],
    ['the older keeps it after a success too', other(sameRoute, { status: { phase: 'Succeeded' } }, older), isOlder],
    ['the older keeps it after a failure too', other(sameRoute, { status: { phase: 'Failed' } }, older), isOlder],
    [
      'the older keeps it while it is deleted and still has to put the route back',
      other(sameRoute, {}, { ...older, ...deleted, finalizers: [finalizer] }),
      isOlder,
    ],
    [
      'the older has lost it when only the finalizers of others keep it',
      other(sameRoute, {}, { ...older, ...deleted, finalizers: ['foregroundDeletion'] }),
      undefined,
    ],
    [
      'the older keeps a route that it was pointed away from until that is as it was',
      other({}, { status: { target: touching('shop') } }, older),
      isOlder,
    ],
    [
      'the younger keeps the route on which it has moved traffic when an older one is pointed there',
      other(sameRoute, { status: { target: touching('shop') } }, younger),
      hasMoved,
    ],
    [
      'the younger keeps the canary to which it has moved traffic when an older one is pointed there',
      other(sameCanary, { status: { target: touching('cart', 'shop-canary') } }, younger),
      hasMoved,
    ],
  ])('%s', async (_name, rival, problem) => {
    const found = await problemsOf(rollout(), (store) => store.put(resources.rollouts, rival));
    expect(found).toEqual(problem === undefined ? [] : [problem]);
  });

  it('one that has moved traffic is not told to go by an older one that has not', async () => {
    const subject = rollout(
      {},
      { status: { target: { ...touching('shop', 'shop-canary'), stable: { service: 'shop-stable' } } } },
    );
    expect(await problemsOf(subject, (store) => store.put(resources.rollouts, other(sameRoute, {}, older)))).toEqual(
      [],
    );
  });

  it('never does each keep the other from going on', async () => {
    const states = [undefined, { target: touching('shop') }] as const;
    for (const mine of states) {
      for (const theirs of states) {
        const first = rollout({}, mine === undefined ? {} : { status: mine });
        const second = other(sameRoute, theirs === undefined ? {} : { status: theirs }, younger);
        const { watches } = await openWorld(stop.signal, (store) => {
          for (const one of [first, second]) store.put(resources.rollouts, one);
        });
        const conflicts = [first, second].map((one) =>
          readScene(one, watches.caches, 'On').problems.some(({ reason }) => reason === 'Conflict'),
        );
        expect(conflicts.filter(Boolean)).toHaveLength(1);
      }
    }
  });

  it('the oldest of three is named', async () => {
    const [message] = await problemsOf(rollout(), (store) => {
      store.put(resources.rollouts, other(sameRoute, {}, { ...older, name: 'second', uid: 'b' }));
      const oldest = { creationTimestamp: '2026-11-20T09:00:00Z', name: 'first', uid: 'z' };
      store.put(resources.rollouts, other(sameCanary, {}, oldest));
    });
    expect(message?.message).toContain('Rollout first is older');
  });
});
