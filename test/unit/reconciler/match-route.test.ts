import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { resources } from '../../../src/api/kubernetes.ts';
import type { CanaryRef, Rollout } from '../../../src/api/rollout.ts';
import type { RolloutStatus } from '../../../src/api/rollout-status.ts';
import type { IngressRoute } from '../../../src/api/traefik.ts';
import { SluiceError } from '../../../src/errors.ts';
import { act } from '../../../src/reconciler/act.ts';
import { readScene } from '../../../src/reconciler/observe.ts';
import type { Acted } from '../../../src/reconciler/fenced-write.ts';
import type { Decision, Notice } from '../../../src/rollout/decision.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';
import { takeBaseline } from '../../../src/traffic/baseline.ts';
import { eventually } from '../../support/eventually.ts';
import { observation, rollout, rolloutSpec, shopPair, shopRoutes } from '../../support/rollout-builders.ts';
import { ingressRouteIn } from '../../../src/traffic/route-object.ts';
import { openWorld, shopRoute, shopRouteId, type World } from './cluster.ts';
import type { MemoryStore } from './memory-store.ts';

const canary: CanaryRef = { ...rolloutSpec().canary, match: [{ headers: { 'X-Canary': { exact: 'always' } } }] };
const [shop] = shopRoutes;
const split = [{ ...shop, match: 'Host(`shop.example`)', services: [{ name: 'shop-canary', port: 80, weight: 5 }] }];
const status: RolloutStatus = {
  phase: 'Progressing',
  reason: 'StepStarted',
  weight: 5,
  target: {
    route: 'shop',
    uid: 'route-uid',
    stable: { service: 'shop-stable', port: 80 },
    canary: { service: 'shop-canary', port: 80 },
    baseline: takeBaseline(shopRoutes, shopPair),
  },
};
const key = 'web/shop-canary-match';
const foreign: IngressRoute = { metadata: { name: 'shop-canary-match', namespace: 'web', uid: 'x' }, spec: {} };
const id = { resource: resources.ingressRoutes, key } as const;

let stop: AbortController;
let metrics: Metrics;
let events: string[];
let isPermitted: boolean;
let world: World;
beforeEach(async () => {
  stop = new AbortController();
  metrics = createMetrics();
  events = [];
  isPermitted = true;
  world = await open();
});
afterEach(() => stop.abort(new Error('the test is over')));

function open(over: Partial<CanaryRef> = {}, prepare: (store: MemoryStore) => void = () => {}): Promise<World> {
  return openWorld(stop.signal, (store) => {
    store.put(resources.rollouts, rollout({ canary: { ...canary, ...over } }, { status }));
    store.put(resources.ingressRoutes, shopRoute(split));
    prepare(store);
  });
}

function scene() {
  const { caches } = world.watches;
  return readScene(caches.rollout('web/shop')!, caches, 'Off');
}

function wanted(): IngressRoute {
  const { matchRoute } = scene();
  if (matchRoute.wanted === undefined) throw new Error('no match route is wanted');
  return matchRoute.wanted;
}

function read(): IngressRoute | undefined {
  return world.store.read(resources.ingressRoutes, key) as IngressRoute | undefined;
}

function phase(): string | undefined {
  return (world.store.read(resources.rollouts, 'web/shop') as Rollout | undefined)?.status?.phase;
}

async function doAct(decision: Decision): Promise<Acted> {
  const { caches } = world.watches;
  const stored = caches.rollout('web/shop')!;
  const actor = {
    store: world.store,
    caches,
    metrics,
    logger: world.logger,
    recordEvent: (_about: Rollout, { type, reason }: Notice) => void events.push(`${type} ${reason}`),
    onTransition: () => {},
  };
  const grant = { signal: stop.signal, permits: () => isPermitted, writeDeadlineMs: 4_000 };
  const observed = observation({ rollout: stored });
  return act(actor, { observation: observed, stored, route: caches.route(shopRouteId), grant }, decision);
}

function expose(present?: IngressRoute, ingressRoute = wanted()): Promise<Acted> {
  return doAct({ kind: 'Expose', ingressRoute, present, requeueAfterMs: 10_000 });
}

/** exposed lets the match route be there, and seen. */
async function exposed(): Promise<IngressRoute> {
  await expose();
  await eventually(() => world.watches.caches.route(id) !== undefined, { describe: 'the match route to be seen' });
  events.length = 0;
  world.changed.length = 0;
  return ingressRouteIn(world.watches.caches.route(id))!;
}

describe('Expose', () => {
  test('creates the match route and says so; its coming wakes the Rollout', async () => {
    expect(await expose()).toBe('Unchanged');
    expect(read()).toMatchObject({ ...wanted() });
    expect(events).toEqual(['Normal MatchRouteAdded']);
    await eventually(() => world.changed.includes('web/shop'), { describe: 'the Rollout to be woken' });
    expect(scene().matchRoute.present?.spec).toEqual(wanted().spec);
    expect(scene().problems).toEqual([]);
  });

  test('leaves it to the watch where one of the name is there already', async () => {
    world.store.put(resources.ingressRoutes, foreign);
    expect(await expose()).toBe('Unchanged');
    expect(read()?.metadata.uid).toBe('x');
    expect(events).toEqual([]);
  });

  test('replaces what is there, and knows it at once', async () => {
    const present = await exposed();
    const spec = { ...wanted().spec, entryPoints: ['other'] };
    const annotations = { 'kubernetes.io/ingress.class': 'other' };
    const other = { ...wanted(), metadata: { ...wanted().metadata, annotations }, spec };
    expect(await expose(present, other)).toBe('Written');
    expect(read()).toMatchObject({ metadata: { uid: present.metadata.uid, annotations }, spec });
    expect(world.watches.caches.route(id)?.object.spec).toEqual(spec);
    expect(events).toEqual([]);
  });

  test('reads again where somebody was faster, and writes nothing', async () => {
    const present = await exposed();
    world.store.put(resources.ingressRoutes, { ...read()!, spec: { routes: [] } });
    expect(await expose(present, { ...wanted(), spec: {} })).toBe('Lost');
    expect(read()?.spec).toEqual({ routes: [] });
    expect(world.watches.caches.route(id)?.object.spec).toEqual({ routes: [] });
  });

  test('does not try again at once what is changed on its way', async () => {
    const present = await exposed();
    const patch = world.store.patch.bind(world.store);
    world.store.patch = (kind, at, operations, options) =>
      patch(kind, at, [...operations, { op: 'add', path: '/spec/entryPoints', value: ['hooked'] }], options);
    expect(await expose(present, { ...wanted(), spec: { ...wanted().spec, entryPoints: ['x'] } })).toBe('Unchanged');
    expect(events).toEqual(['Warning MatchRouteNotWritten']);
  });

  test('holds nothing up where it is forbidden: an event says so', async () => {
    world.store.beforeWrite = () => {
      throw new SluiceError('ApiForbidden', 'ingressroutes.traefik.io is forbidden');
    };
    expect(await expose()).toBe('Unchanged');
    expect(read()).toBeUndefined();
    expect(events).toEqual(['Warning MatchRouteNotWritten']);
  });

  test('is not sent without the right to write', async () => {
    isPermitted = false;
    await expect(expose()).rejects.toThrow('not permitted');
    expect(read()).toBeUndefined();
    expect(events).toEqual([]);
  });
});

describe('Conceal', () => {
  test('deletes the match route, says so, and knows it at once', async () => {
    const present = await exposed();
    // What is known now no watch has brought.
    stop.abort(new Error('the watches are over'));
    expect(await doAct({ kind: 'Conceal', ingressRoute: present, otherwise: undefined })).toBe('Written');
    expect(read()).toBeUndefined();
    expect(scene().matchRoute.present).toBeUndefined();
    expect(events).toEqual(['Normal MatchRouteRemoved']);
    expect(await doAct({ kind: 'Conceal', ingressRoute: present, otherwise: undefined })).toBe('Written');
    expect(events).toHaveLength(1);
  });

  test('that fails leaves undone nothing that need not wait for it', async () => {
    const present = await exposed();
    world.store.beforeWrite = ({ verb }) => {
      if (verb === 'delete') throw new SluiceError('ApiForbidden', 'ingressroutes.traefik.io is forbidden');
    };
    const said: RolloutStatus = { ...status, phase: 'Degraded', reason: 'StableUnavailable' };
    const otherwise = { kind: 'Wait', status: said, notices: [], requeueAfterMs: undefined } as const;
    await expect(doAct({ kind: 'Conceal', ingressRoute: present, otherwise })).rejects.toThrow('forbidden');
    expect(phase()).toBe('Degraded');
  });

  test('deletes no other object of the name', async () => {
    const present = await exposed();
    world.store.put(resources.ingressRoutes, { ...read()!, metadata: { ...read()!.metadata, uid: 'other' } });
    expect(await doAct({ kind: 'Conceal', ingressRoute: present, otherwise: undefined })).toBe('Written');
    expect(read()?.metadata.uid).toBe('other');
    expect(events).toEqual([]);
  });

  test('fails where it cannot be done, and looks again where the answer was lost', async () => {
    const present = await exposed();
    world.store.beforeWrite = () => {
      throw new SluiceError('ApiForbidden', 'ingressroutes.traefik.io is forbidden');
    };
    await expect(doAct({ kind: 'Conceal', ingressRoute: present, otherwise: undefined })).rejects.toThrow('forbidden');
    world.store.beforeWrite = () => {
      throw new SluiceError('WriteUnknown', 'the connection broke');
    };
    expect(await doAct({ kind: 'Conceal', ingressRoute: present, otherwise: undefined })).toBe('Lost');
  });
});

describe('Lower', () => {
  const failed: RolloutStatus = { ...status, phase: 'Failed', reason: 'Aborted', weight: 0 };
  const pending: RolloutStatus = { ...status, phase: 'RollingBack', reason: 'Aborted' };
  const lower = (conceal: IngressRoute): Decision => ({
    kind: 'Lower',
    target: { kind: 'Baseline' },
    status: failed,
    refused: { status: pending, notices: [] },
    notices: [],
    requeueAfterMs: undefined,
    conceal,
  });
  test('writes the weights, deletes the match route, and then says so', async () => {
    const present = await exposed();
    world.store.writes.length = 0;
    expect(await doAct(lower(present))).toBe('Written');
    expect(world.store.writes).toEqual([
      'patch IngressRoute Written',
      'delete IngressRoute Written',
      'patchStatus Rollout Written',
    ]);
    expect(phase()).toBe('Failed');
  });

  test('does not say that it is over while the match route cannot be deleted', async () => {
    const present = await exposed();
    let deletions = 0;
    world.store.beforeWrite = ({ verb }) => {
      if (verb !== 'delete') return;
      deletions += 1;
      throw new SluiceError('ApiForbidden', 'ingressroutes.traefik.io is forbidden');
    };
    await expect(doAct(lower(present))).rejects.toThrow('forbidden');
    expect(phase()).toBe('RollingBack');
    expect(deletions).toBe(1);
  });
});

describe('what is seen', () => {
  test('is a Middleware that is missing, until it is there; its coming wakes the Rollout', async () => {
    world = await open({ middlewares: [{ name: 'mark' }] });
    expect(scene().matchRoute.wanted).toBeUndefined();
    expect(scene().problems).toEqual([
      {
        reason: 'MiddlewareNotFound',
        message:
          'spec.canary.middlewares[0]: Middleware mark does not exist in namespace web; create it or correct the name.',
      },
    ]);
    world.changed.length = 0;
    world.store.put(resources.middlewares, { metadata: { name: 'mark', namespace: 'web', uid: 'm' } });
    await eventually(() => world.changed.includes('web/shop'), { describe: 'the Rollout to be woken' });
    expect(scene().problems).toEqual([]);
    expect(wanted().spec.routes?.[0]?.middlewares).toEqual([{ name: 'mark' }]);
  });

  test('is an object of somebody else under the name, until it goes', async () => {
    world = await open({}, (store) => void store.put(resources.ingressRoutes, foreign));
    expect(scene().matchRoute).toEqual({ present: undefined, wanted: undefined });
    expect(scene().problems).toEqual([
      {
        reason: 'MatchRouteConflict',
        message:
          'spec.canary.match needs the name shop-canary-match, but an IngressRoute of that name in namespace web is not of this Rollout; rename or delete it, or rename the Rollout.',
      },
    ]);
    world.changed.length = 0;
    world.store.remove(resources.ingressRoutes, key);
    await eventually(() => world.changed.includes('web/shop'), { describe: 'the Rollout to be woken' });
    expect(scene().problems).toEqual([]);
  });

  test('is none of it where nothing is to be matched', async () => {
    const { match: _match, ...plain } = canary;
    world = await openWorld(stop.signal, (store) => {
      store.put(resources.rollouts, rollout({ canary: plain }, { status }));
      store.put(resources.ingressRoutes, foreign);
    });
    expect(scene().problems).toEqual([]);
  });

  test('leaves the observed share comparable: its requests are counted under a name of their own', async () => {
    const started = '2026-11-21T09:00:00Z';
    const progress = {
      direction: 'Forward',
      index: 0,
      weight: 5,
      from: 0,
      plan: '',
      startedAt: started,
      enteredAt: started,
    };
    const running = { ...status, progress: { ...progress, appliedAt: started } } as RolloutStatus;
    world = await openWorld(stop.signal, (store) => {
      store.put(resources.rollouts, rollout({ canary }, { status: running }));
      store.put(resources.ingressRoutes, shopRoute(split));
    });
    await exposed();
    expect(scene().judged?.share.isComparable).toBe(true);
    const neighbour = { ...shopRoute(split), metadata: { name: 'neighbour', namespace: 'web', uid: 'n' } };
    world.store.put(resources.ingressRoutes, neighbour);
    await eventually(() => scene().judged?.share.isComparable === false, { describe: 'the neighbour to be seen' });
  });
});
