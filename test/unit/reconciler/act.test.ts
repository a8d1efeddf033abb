import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resources } from '../../../src/api/kubernetes.ts';
import type { Rollout } from '../../../src/api/rollout.ts';
import type { HistoryEntry, RolloutStatus, RolloutTarget } from '../../../src/api/rollout-status.ts';
import type { IngressRoute } from '../../../src/api/traefik.ts';
import { formatTime } from '../../../src/clock.ts';
import { SluiceError } from '../../../src/errors.ts';
import { act } from '../../../src/reconciler/act.ts';
import type { Acted } from '../../../src/reconciler/fenced-write.ts';
import type { Grant } from '../../../src/reconciler/ownership.ts';
import { finalizer, type Decision, type Notice } from '../../../src/rollout/decision.ts';
import { commandAnnotation, commandByAnnotation, readCommand } from '../../../src/rollout/verbs.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';
import { takeBaseline } from '../../../src/traffic/baseline.ts';
import type { Target } from '../../../src/traffic/merge.ts';
import { observation, rollout, shopPair, shopRoutes } from '../../support/rollout-builders.ts';
import { shopRouteId, openWorld, shopRoute, type World } from './cluster.ts';
import type { MemoryStore } from './memory-store.ts';

const target: RolloutTarget = {
  route: 'shop',
  uid: 'route-uid',
  stable: { service: 'shop-stable', port: 80 },
  canary: { service: 'shop-canary', port: 80 },
  baseline: takeBaseline(shopRoutes, shopPair),
};
const resting: RolloutStatus = { phase: 'Pending', reason: 'NewRevision', weight: 0, target };
const running: RolloutStatus = { phase: 'Progressing', reason: 'StepStarted', weight: 5, target };
const failed: RolloutStatus = {
  phase: 'Failed',
  reason: 'ErrorRatioExceeded',
  message: 'It did.',
  weight: 0,
  history: [entryTo('Failed')],
};
const rollingBack: RolloutStatus = { ...running, phase: 'RollingBack', reason: 'ErrorRatioExceeded' };
const notice: Notice = { type: 'Warning', reason: 'CommandStale', message: 'The command is stale.' };
const toFive: Target = { kind: 'Split', canaryPercent: 5 };
const toBaseline: Target = { kind: 'Baseline' };

let stop: AbortController;
let world: World;
let metrics: Metrics;
let events: string[];
let transitions: HistoryEntry[];
/** isPermitted is what the fence says; AtOnce permits only what needs no time. */
let isPermitted: boolean | 'AtOnce';
beforeEach(() => {
  stop = new AbortController();
  metrics = createMetrics();
  events = [];
  transitions = [];
  isPermitted = true;
});
afterEach(() => stop.abort(new Error('the test is over')));

function entryTo(to: string): HistoryEntry {
  return { time: '2026-11-21T09:30:00Z', from: 'Progressing', to, weight: 0, reason: 'Because', message: 'It did.' };
}

/** open stores web/shop with a status, and lets `prepare` change the store before it is watched. */
async function open(status: RolloutStatus, prepare: (store: MemoryStore) => void = () => {}): Promise<void> {
  world = await openWorld(stop.signal, (store) => {
    store.put(resources.rollouts, rollout({}, { status }));
    prepare(store);
  });
}

/** doAct carries out a decision on what the caches hold. */
function doAct(decision: Decision, isRetry = false): Promise<Acted> {
  const { caches } = world.watches;
  const subject = caches.rollout('web/shop');
  if (subject === undefined) throw new Error('web/shop is not in the cache');
  const actor = {
    store: world.store,
    caches,
    metrics,
    logger: world.logger,
    recordEvent: (_about: Rollout, { type, reason, message }: Notice) => events.push(`${type} ${reason}: ${message}`),
    onTransition: (_about: Rollout, entry: HistoryEntry) => transitions.push(entry),
  };
  const route = caches.route(shopRouteId);
  const observed = observation({ rollout: subject, command: readCommand(subject) });
  const permits = (deadlineMs: number): boolean => (isPermitted === 'AtOnce' ? deadlineMs === 0 : isPermitted);
  const grant: Grant = { signal: stop.signal, permits, writeDeadlineMs: 4_000 };
  return act(actor, { observation: observed, stored: subject, route, grant, isRetry }, decision);
}

function raise(status: RolloutStatus): Decision {
  return { kind: 'Raise', target: toFive, status, notices: [notice], requeueAfterMs: undefined };
}

function lower(status: RolloutStatus): Decision {
  return {
    kind: 'Lower',
    target: toBaseline,
    status,
    refused: { status: rollingBack, notices: [notice] },
    notices: [notice],
    requeueAfterMs: undefined,
  };
}

function stored(): RolloutStatus | undefined {
  return (world.store.read(resources.rollouts, 'web/shop') as Rollout | undefined)?.status;
}

/** weights are those of the stored route, by service. */
function weights(): object {
  const route = world.store.read(resources.ingressRoutes, 'web/shop') as IngressRoute | undefined;
  const services = route?.spec.routes?.[0]?.services ?? [];
  return Object.fromEntries(services.map(({ name, weight }) => [name, weight]));
}

/** afterRaise is the route at 5 percent. */
async function openAtFive(prepare: (store: MemoryStore) => void = () => {}): Promise<void> {
  await open(resting);
  await doAct(raise(running));
  const route = world.store.read(resources.ingressRoutes, 'web/shop') as IngressRoute;
  events = [];
  await open(running, (store) => {
    store.put(resources.ingressRoutes, route);
    prepare(store);
  });
}

/** versionOf is the resourceVersion of web/shop as the store has it. */
function versionOf(kind: (typeof resources)['rollouts'] | (typeof resources)['ingressRoutes']): string | undefined {
  return world.store.read(kind, 'web/shop')?.metadata.resourceVersion;
}

/** touch changes an object as somebody else would, so that its resourceVersion is another one. */
function touch(store: MemoryStore, kind: (typeof resources)['rollouts'] | (typeof resources)['ingressRoutes']): void {
  const object = store.read(kind, 'web/shop');
  if (object !== undefined) {
    store.put(kind, { ...object, metadata: { ...object.metadata, labels: { touched: String(store.writes.length) } } });
  }
}

describe('a raise', () => {
  it('writes the status and then the route', async () => {
    await open(resting);
    expect(await doAct(raise(running))).toBe('Written');
    expect(world.store.writes).toEqual(['patchStatus Rollout Written', 'patch IngressRoute Written']);
    expect(stored()).toEqual(running);
    expect(weights()).toEqual({ legacy: 200, 'shop-stable': 95, 'shop-canary': 5 });
  });

  it('does not write the route where the status was lost, and reads the Rollout again', async () => {
    await open(resting);
    world.store.beforeWrite = () => touch(world.store, resources.rollouts);
    expect(await doAct(raise(running))).toBe('Lost');
    expect(world.store.writes).toEqual(['patchStatus Rollout Conflict']);
    expect(world.store.reads).toEqual(['get Rollout']);
    expect(world.watches.caches.rollout('web/shop')?.metadata.resourceVersion).toBe(versionOf(resources.rollouts));
    expect([stored(), events]).toEqual([resting, []]);
  });

  it('does not write the route where the status could not be written', async () => {
    await open(resting);
    world.store.beforeWrite = () => {
      throw new SluiceError('ApiUnreachable', 'The API server did not answer.');
    };
    await expect(doAct(raise(running))).rejects.toMatchObject({ code: 'ApiUnreachable' });
    expect(world.store.writes).toEqual([]);
  });

  it('is lost where somebody else has changed the route meanwhile, and reads it again', async () => {
    await open(resting);
    world.store.beforeWrite = ({ kind }) => {
      if (kind === 'IngressRoute') touch(world.store, resources.ingressRoutes);
    };
    expect(await doAct(raise(running))).toBe('Lost');
    expect(world.store.writes).toEqual(['patchStatus Rollout Written', 'patch IngressRoute Conflict']);
    expect(world.store.reads).toEqual(['get IngressRoute']);
    expect(world.watches.caches.route(shopRouteId)?.object.metadata.resourceVersion).toBe(
      versionOf(resources.ingressRoutes),
    );
    expect(stored()).toEqual(running);
  });

  it('writes only the route where the status says it already, as after a crash between the two', async () => {
    await open(running);
    expect(await doAct(raise(running))).toBe('Written');
    expect(world.store.writes).toEqual(['patch IngressRoute Written']);
  });

  it('has changed the world by its status alone where the route needs nothing', async () => {
    await openAtFive();
    expect(await doAct(raise({ ...running, step: '1/4' }))).toBe('Written');
    expect(world.store.writes).toEqual(['patchStatus Rollout Written']);
  });

  it('fails where the API server stores other weights than it was sent, instead of being made again at once', async () => {
    await open(resting);
    // The store answers with what an admission webhook has made of the write.
    const patch = world.store.patch.bind(world.store);
    const mutated = async (...written: Parameters<MemoryStore['patch']>): Promise<object> => {
      const outcome = await patch(...written);
      const isRoute = outcome.kind === 'Written' && written[0].kind === 'IngressRoute';
      return isRoute ? { ...outcome, object: { ...outcome.object, spec: { routes: shopRoutes } } } : outcome;
    };
    world.store.patch = mutated as MemoryStore['patch'];
    await expect(doAct(raise(running))).rejects.toMatchObject({
      code: 'ApiInvalid',
      message:
        'IngressRoute shop gives the canary 0% right after 5% was written; look for an admission webhook that changes it.',
    });
  });

  it.each([
    ['at first', false, 60_000, 'StepStarted'],
    ['again, but soon after the step began', true, 9_999, 'StepStarted'],
    ['again and again', true, 10_000, 'RouteNotWritten'],
  ])('that is lost %s shows so that a deadline can count', async (_title, isRetry, sinceMs, reason) => {
    const { nowMs } = observation();
    const began = formatTime(nowMs - sinceMs);
    const times = { startedAt: began, enteredAt: began };
    const progress = { direction: 'Forward', index: 0, weight: 5, from: 0, plan: '', ...times } as const;
    await open({ ...running, progress });
    world.store.beforeWrite = ({ kind }) => {
      if (kind === 'IngressRoute') throw new SluiceError('WriteUnknown', 'No answer.');
    };
    expect(await doAct(raise({ ...running, progress }), isRetry)).toBe('Lost');
    expect(stored()?.reason).toBe(reason);
    expect(stored()?.progress?.refusedAt).toBe(reason === 'StepStarted' ? undefined : formatTime(nowMs));
  });

  it('is lost without a route or a target to write', async () => {
    await open(running, (store) => store.remove(resources.ingressRoutes, 'web/shop'));
    expect(await doAct(raise(running))).toBe('Lost');
    await open({});
    expect(await doAct(raise({ phase: 'Progressing' }))).toBe('Lost');
    expect(world.store.writes).toEqual(['patchStatus Rollout Written']);
  });
});

describe('a lowering', () => {
  it('writes the route and then the status', async () => {
    await openAtFive();
    expect(await doAct(lower(failed))).toBe('Written');
    expect(world.store.writes).toEqual(['patch IngressRoute Written', 'patchStatus Rollout Written']);
    expect(stored()).toEqual(failed);
    expect(weights()).toEqual({ legacy: 2, 'shop-stable': undefined });
  });

  it('gets through at the second attempt although somebody else changes something else of the route all the time', async () => {
    await openAtFive();
    world.store.beforeWrite = ({ kind }) => {
      if (kind === 'IngressRoute') touch(world.store, resources.ingressRoutes);
    };
    expect(await doAct(lower(failed))).toBe('Lost');
    expect(await doAct(lower(failed), true)).toBe('Written');
  });

  it.each([
    ['the end of the way back to stable is lost', { ...failed, phase: 'Succeeded', reason: 'Returned' }, 'Lost'],
    ['a rollback gets through', failed, 'Written'],
  ] as const)('%s where the weights are other ones by now', async (_name, status, expected) => {
    await openAtFive();
    world.store.beforeWrite = ({ kind }) => {
      const services = [
        { name: 'legacy', weight: 2 },
        { name: 'shop-stable', port: 80, weight: 60 },
        { name: 'shop-canary', port: 80, weight: 40 },
      ];
      const moved = shopRoute(shopRoutes.map((route) => ({ ...route, services })));
      if (kind === 'IngressRoute') world.store.put(resources.ingressRoutes, moved);
    };
    expect(await doAct(lower(status), true)).toBe(expected);
  });

  it('stores what is pending where the route could not be written, and says why it could not', async () => {
    await openAtFive();
    const refused = new SluiceError('ApiForbidden', 'ingressroutes.traefik.io is forbidden.');
    world.store.beforeWrite = ({ kind }) => {
      if (kind === 'IngressRoute') throw refused;
    };
    await expect(doAct(lower(failed))).rejects.toBe(refused);
    expect(world.store.writes).toEqual(['patchStatus Rollout Written']);
    expect(stored()).toEqual(rollingBack);
  });

  it('removes a command that is handled already, also where the route could not be written', async () => {
    const text = 'promote n1 rollout-uid r1';
    const annotations = { [commandAnnotation]: text, [commandByAnnotation]: 'ann' };
    const handled = { ...running, handledCommand: 'n1' };
    await openAtFive((store) =>
      store.put(resources.rollouts, rollout({}, { status: handled, metadata: { annotations } as never })),
    );
    world.store.beforeWrite = ({ kind }) => {
      if (kind === 'IngressRoute') throw new SluiceError('ApiForbidden', 'ingressroutes.traefik.io is forbidden.');
    };
    await expect(doAct(lower(failed))).rejects.toMatchObject({ code: 'ApiForbidden' });
    expect(world.store.writes).toEqual(['patchStatus Rollout Written', 'patch Rollout Written']);
    expect(world.store.read(resources.rollouts, 'web/shop')?.metadata.annotations ?? {}).toEqual({});
  });

  it('does not touch the status where the rules of the route are other ones now, and reads the route again', async () => {
    await openAtFive();
    world.store.beforeWrite = ({ kind }) => {
      const moved = shopRoute([{ match: 'Host(`other.example`)', services: [] }, ...shopRoutes]);
      if (kind === 'IngressRoute') world.store.put(resources.ingressRoutes, moved);
    };
    expect(await doAct(lower(failed))).toBe('Lost');
    expect(world.store.writes).toEqual(['patch IngressRoute Conflict']);
    expect(world.watches.caches.route(shopRouteId)?.routes).toHaveLength(2);
    expect(stored()).toEqual(running);
  });

  it('leaves the status behind where that is lost: a weight below status is completed as a lowering', async () => {
    await openAtFive();
    world.store.beforeWrite = ({ kind }) => {
      if (kind === 'Rollout') touch(world.store, resources.rollouts);
    };
    expect(await doAct(lower(failed))).toBe('Lost');
    expect(world.store.writes).toEqual(['patch IngressRoute Written', 'patchStatus Rollout Conflict']);
    expect([stored(), weights()]).toEqual([running, { legacy: 2, 'shop-stable': undefined }]);
    expect(events).toEqual([]);
  });

  it('has changed the world by its route alone where the status stays', async () => {
    await openAtFive();
    expect(await doAct(lower(running))).toBe('Written');
    expect(world.store.writes).toEqual(['patch IngressRoute Written']);
  });
});

describe('a status write', () => {
  const waiting = (status: RolloutStatus): Decision => ({
    kind: 'Wait',
    status,
    notices: [notice],
    requeueAfterMs: undefined,
  });

  it('is not made where nothing differs, and tells nobody', async () => {
    await open(running);
    expect(await doAct(waiting({ ...running }))).toBe('Unchanged');
    expect([world.store.writes, events]).toEqual([[], []]);
  });

  it('is followed by its notices and the event of its transition, logged and counted', async () => {
    await open(running);
    expect(await doAct(waiting({ ...failed, target }))).toBe('Written');
    expect(events).toEqual(['Warning CommandStale: The command is stale.', 'Warning Because: It did.']);
    expect(transitions).toEqual(failed.history);
    expect(await metrics.text()).toContain('sluice_transitions_total{reason="Because"} 1');
    expect(world.lines.filter(({ msg }) => msg === 'transition')).toMatchObject([
      { rollout: 'web/shop', level: 'info', to: 'Failed', reason: 'Because' },
    ]);
  });

  it('is no event where neither phase nor reason nor weight has changed', async () => {
    const history = [entryTo('Progressing')];
    await open({ ...running, history });
    await doAct({ kind: 'Wait', status: { ...running, history, step: '2/4' }, notices: [], requeueAfterMs: undefined });
    expect([world.store.writes.length, events, transitions]).toEqual([1, [], []]);
  });

  it('is Normal for a success', async () => {
    await open(running);
    const history = [{ ...entryTo('Succeeded'), reason: 'Holding' }];
    const status = { ...running, phase: 'Succeeded', reason: 'Holding', message: 'It did.', history } as const;
    await doAct({ kind: 'Wait', status, notices: [], requeueAfterMs: undefined });
    expect(events).toEqual(['Normal Holding: It did.']);
  });

  it('removes what the next status does not have', async () => {
    await open({ ...running, message: 'x', observed: '5.0%' });
    await doAct(waiting({ phase: 'Succeeded', weight: 100 }));
    expect(stored()).toEqual({ phase: 'Succeeded', weight: 100 });
  });

  it('tells nobody where the Rollout is gone', async () => {
    await open(running);
    world.store.beforeWrite = () => world.store.remove(resources.rollouts, 'web/shop');
    expect(await doAct(waiting(failed))).toBe('Unchanged');
    expect([world.store.writes, events]).toEqual([['patchStatus Rollout Missing'], []]);
  });

  it('is in the cache at once, so that the next decision does not rest on what was before it', async () => {
    await open(running);
    await doAct(waiting(failed));
    expect(world.watches.caches.rollout('web/shop')?.status).toEqual(failed);
  });
});

describe('a write of metadata', () => {
  const { metadata } = rollout();
  const read = () => world.store.read(resources.rollouts, 'web/shop')?.metadata;
  const openWith = (change: Partial<Rollout['metadata']>) =>
    open(resting, (store) => store.put(resources.rollouts, rollout({}, { metadata: { ...metadata, ...change } })));

  it('adds the finalizer behind those of others, and takes only its own away', async () => {
    await openWith({ finalizers: ['other'] });
    expect(await doAct({ kind: 'Claim' })).toBe('Written');
    expect(read()?.finalizers).toEqual(['other', finalizer]);
    expect(await doAct({ kind: 'Claim' })).toBe('Written');
    expect(read()?.finalizers).toEqual(['other', finalizer]);
    expect(await doAct({ kind: 'Release' })).toBe('Written');
    expect(read()?.finalizers).toEqual(['other']);
  });

  it.each([
    ['both annotations of a command', { [commandAnnotation]: 'abort n', [commandByAnnotation]: 'ann', keep: 'x' }],
    ['the only annotation of a command', { [commandAnnotation]: 'abort n', keep: 'x' }],
  ])('removes %s when it is acknowledged', async (_name, annotations) => {
    await openWith({ annotations });
    expect(await doAct({ kind: 'Acknowledge' })).toBe('Written');
    expect(read()?.annotations).toEqual({ keep: 'x' });
  });

  it('is lost where the Rollout has changed meanwhile', async () => {
    await openWith({ annotations: { [commandAnnotation]: 'abort n' } });
    world.store.beforeWrite = () => touch(world.store, resources.rollouts);
    expect(await doAct({ kind: 'Acknowledge' })).toBe('Lost');
    expect(read()?.annotations).toEqual({ [commandAnnotation]: 'abort n' });
    expect(world.store.reads).toEqual(['get Rollout']);
  });
});

describe('a write of unknown outcome', () => {
  const breakAfter = (kind: string): void => {
    world.store.afterWrite = (attempt) => {
      if (attempt.kind === kind) throw new SluiceError('WriteUnknown', 'The write got no answer.');
    };
  };

  it('of the status is read again, and reported when it was made', async () => {
    await open(running);
    breakAfter('Rollout');
    expect(await doAct({ kind: 'Wait', status: failed, notices: [], requeueAfterMs: undefined })).toBe('Written');
    expect(world.store.reads).toEqual(['get Rollout']);
    expect(world.watches.caches.rollout('web/shop')?.status).toEqual(failed);
    expect(events).toHaveLength(1);
  });

  it('of the status is lost when it was not made', async () => {
    await open(running);
    world.store.beforeWrite = () => {
      throw new SluiceError('WriteUnknown', 'The write got no answer.');
    };
    expect(await doAct({ kind: 'Wait', status: failed, notices: [], requeueAfterMs: undefined })).toBe('Lost');
    expect([stored(), events]).toEqual([running, []]);
  });

  it('of the route is read again before anything else is decided', async () => {
    await open(resting);
    breakAfter('IngressRoute');
    expect(await doAct(raise(running))).toBe('Lost');
    expect(world.store.reads).toEqual(['get IngressRoute']);
    expect(world.watches.caches.route(shopRouteId)?.object).toEqual(
      world.store.read(resources.ingressRoutes, 'web/shop'),
    );
  });
});

describe('the fence', () => {
  it('keeps a replica that may be replaced from raising', async () => {
    await open(resting);
    isPermitted = false;
    await expect(doAct(raise(running))).rejects.toMatchObject({ code: 'NotLeading' });
    expect(world.store.writes).toEqual([]);
  });

  it('keeps it from raising the route when it closes between the two writes', async () => {
    await open(resting);
    world.store.afterWrite = ({ kind }) => {
      if (kind === 'Rollout') isPermitted = false;
    };
    await expect(doAct(raise(running))).rejects.toMatchObject({ code: 'NotLeading' });
    expect(world.store.writes).toEqual(['patchStatus Rollout Written']);
    expect(await metrics.text()).toContain('sluice_writes_fenced_total{verb="patch"} 1');
  });

  it('keeps a replica that was stopped meanwhile from lowering by what it knew before', async () => {
    await openAtFive();
    isPermitted = false;
    await expect(doAct(lower(failed))).rejects.toMatchObject({ code: 'NotLeading' });
    expect(world.store.writes).toEqual([]);
  });

  it('lets a lowering of the route pass as long as the lease is held, and keeps its status', async () => {
    await openAtFive();
    isPermitted = 'AtOnce';
    await expect(doAct(lower(failed))).rejects.toMatchObject({ code: 'NotLeading' });
    expect(world.store.writes).toEqual(['patch IngressRoute Written']);
  });
});
