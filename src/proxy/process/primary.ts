/** The primary reads the objects, tells the workers what to serve, adds up what they counted, and shows all of it. */
import type { KubernetesObject, ObjectKey } from '../../api/kubernetes.ts';
import type { ObjectStore } from '../../api/object-store.ts';
import type { Clock } from '../../clock.ts';
import type { ReflectorObserver, ReflectorSource } from '../../kube/reflector-options.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { createCatalog, type Catalog, type InvalidObject } from '../catalog/catalog.ts';
import type { ObjectChange, ObjectKind } from '../catalog/object-kind.ts';
import type { ConfigurationChange, ItemChanges } from '../configuration.ts';
import type { ProxyState } from '../metrics/exposition.ts';
import { createTotals, type Totals } from '../metrics/totals.ts';
import type { PlaneSettings, ProxySettings } from '../settings.ts';
import type { Steps } from '../steps.ts';
import { createStatusPublisher, type StatusPublisher } from './ingress-status.ts';
import type { ListeningAddress } from './messages.ts';
import { followObjects, type ProxyObjects } from './objects.ts';
import { createServerHealth, type ServerHealth } from './server-health.ts';
import { createTicketKeys, type TicketKeys } from './ticket-keys.ts';
import { inTurns } from './turns.ts';
import { WorkerPool, type WorkerPoolOptions } from './worker-pool.ts';

/** PrimaryOptions are the collaborators of the primary. */
export interface PrimaryOptions {
  readonly settings: ProxySettings;
  readonly source: ReflectorSource;
  /** store is where the status of Ingresses is written; without one none is. */
  readonly store?: Pick<ObjectStore, 'patchStatus'>;
  readonly spawn: WorkerPoolOptions['spawn'];
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly observer?: ReflectorObserver | undefined;
  /** onInvalid is told each thing that is wrong with an object once, as long as it is wrong. */
  readonly onInvalid: (invalid: InvalidObject, object: KubernetesObject) => void;
}

/** Primary is a running proxy. */
export interface Primary {
  readonly catalog: Catalog;
  /** serve resolves with the ports when everything is known and all workers serve; it rejects when one cannot. */
  serve(): Promise<readonly ListeningAddress[]>;
  /** isServing: everything was known once. It stays true, however long the API server is away. */
  isServing(): boolean;
  /** state is what `/metrics` shows. */
  state(): ProxyState;
  /** restart replaces the workers one by one. */
  restart(): Promise<void>;
  /** stop drains the workers, and resolves when they and all watches have ended. */
  stop(): Promise<void>;
}

/** Once a minute, what left the configuration an hour ago loses its series. */
const expiryMs = 60_000;

/** startPrimary begins to read objects; nothing is served before `serve`. */
export function startPrimary(options: PrimaryOptions): Primary {
  const { settings, clock, logger } = options;
  const catalog = createCatalog({ ...settings.objects, ...settings });
  const totals = createTotals();
  const reloads: Reloads = { generation: 0, lastMs: undefined };
  const stopped = new AbortController();
  const health = createServerHealth(clock);
  const tickets = createTicketKeys(clock, stopped.signal, (keys) => pool.send({ kind: 'TicketKeys', keys }));
  const parts: Parts = { catalog, totals, reloads, health, tickets };
  const pool: WorkerPool = createPool(options, parts);
  const objects: ProxyObjects = followObjects(
    {
      ...options,
      used: (kind) => catalog.used(kind),
      onChanges: (changes) => apply(changes),
    },
    stopped.signal,
  );
  const tellInvalid = createInvalidTeller(options, catalog, (kind, key) => objects.get(kind, key));
  const publisher = createPublisher(options, objects);
  const apply = async (changes: readonly ObjectChange[]): Promise<void> => {
    // Before anybody is served nobody has to wait.
    const change = isServing ? await inTurns(catalog.applying(changes), clock) : catalog.apply(changes);
    if (!isNothing(change)) {
      reloads.generation += 1;
      pool.send({ kind: 'Change', change, generation: reloads.generation });
      logger.debug('configuration changed', summaryOf(change));
    }
    await inTurns(tellInvalid(), clock);
    publisher?.changed(changes);
  };
  let isServing = false;
  expireOften(totals, catalog, clock, stopped.signal);
  return {
    catalog,
    isServing: () => isServing,
    restart: () => pool.restart(),
    state: () => stateOf({ ...parts, settings, pool, objects, clock }),
    serve: async () => {
      await objects.synced;
      const addresses = await pool.start();
      isServing = true;
      return addresses;
    },
    stop: async () => {
      await pool.stop();
      publisher?.stop();
      stopped.abort();
      await objects.stopped;
    },
  };
}

function createPublisher(options: PrimaryOptions, objects: ProxyObjects): StatusPublisher | undefined {
  const { settings, store } = options;
  const {
    publish,
    objects: { ingressClass },
  } = settings;
  return publish === undefined || store === undefined
    ? undefined
    : createStatusPublisher({ ...options, publish, ingressClass, store, objects });
}

interface Reloads {
  generation: number;
  /** lastMs is when all workers had the newest generation, on the wall clock. */
  lastMs: number | undefined;
}

interface Parts {
  readonly catalog: Catalog;
  readonly totals: Totals;
  readonly reloads: Reloads;
  readonly health: ServerHealth;
  readonly tickets: TicketKeys;
}

function createPool({ settings, spawn, clock, logger }: PrimaryOptions, parts: Parts): WorkerPool {
  const { catalog, totals, reloads, health } = parts;
  return new WorkerPool({
    count: settings.workers,
    spawn,
    clock,
    logger,
    graceMs: settings.graceMs,
    start: () => ({
      kind: 'Start',
      settings: planeSettings(settings),
      change: wholeOf(catalog),
      generation: reloads.generation,
      ticketKeys: parts.tickets.keys(),
    }),
    onCounters: ({ name }, { delta, open }) => {
      totals.add(delta);
      totals.setOpen(name, open);
    },
    onGone: ({ name }) => totals.forgetWorker(name),
    onServerDown: (down) => health.down(down),
    onApplied: (generation) => {
      if (generation === reloads.generation) reloads.lastMs = clock.nowMs();
    },
  });
}

function planeSettings({ entryPoints, isStrict, isSniStrict, metrics, accessLog }: ProxySettings): PlaneSettings {
  return { entryPoints, isStrict, isSniStrict, metrics, accessLog };
}

function wholeOf({ configuration }: Catalog): ConfigurationChange {
  const all = <T>(items: ReadonlyMap<string, T>): ItemChanges<T> => ({ set: [...items.values()], removed: [] });
  const { routers, services, serverSets, transports, certificates } = configuration;
  return {
    routers: all(routers),
    services: all(services),
    serverSets: all(serverSets),
    transports: all(transports),
    certificates: all(certificates),
  };
}

function isNothing(change: ConfigurationChange): boolean {
  return Object.values(change).every(
    ({ set, removed }: ItemChanges<unknown>) => set.length === 0 && removed.length === 0,
  );
}

function summaryOf({ routers, services, serverSets, transports, certificates }: ConfigurationChange) {
  const count = ({ set, removed }: ItemChanges<unknown>): number => set.length + removed.length;
  return {
    routers: count(routers),
    services: count(services),
    serverSets: count(serverSets),
    transports: count(transports),
    certificates: count(certificates),
  };
}

interface Shown extends Parts {
  readonly settings: ProxySettings;
  readonly pool: WorkerPool;
  readonly objects: ProxyObjects;
  readonly clock: Clock;
}

function stateOf(parts: Shown): ProxyState {
  const { settings, catalog, totals, reloads, health, pool, objects, clock } = parts;
  const silentMs = clock.monotonicMs() - objects.lastContactMs();
  return {
    totals,
    bucketsSeconds: settings.metrics.bucketsSeconds,
    configReloads: reloads.generation,
    lastReloadMs: reloads.lastMs,
    configAgeMs: silentMs === Infinity ? undefined : silentMs,
    invalidObjects: catalog.invalidObjects(),
    servers: health.states(catalog.configuration),
    workers: { serving: pool.serving, died: pool.died },
  };
}

function expireOften(totals: Totals, { configuration }: Catalog, clock: Clock, signal: AbortSignal): void {
  const isConfigured: Parameters<Totals['expire']>[0] = (scope, name) =>
    scope === 'entryPoint' || (scope === 'router' ? configuration.routers : configuration.services).has(name);
  let cancel = (): void => undefined;
  const again = (): void => {
    cancel = clock.schedule(expiryMs, () => {
      totals.expire(isConfigured, clock.monotonicMs());
      again();
    });
  };
  again();
  signal.addEventListener('abort', () => cancel(), { once: true });
}

/** createInvalidTeller returns what tells what has become wrong since it was called last. */
function createInvalidTeller(
  { onInvalid }: PrimaryOptions,
  catalog: Catalog,
  get: (kind: ObjectKind, key: ObjectKey) => KubernetesObject | undefined,
): () => Steps<void> {
  const told = new Map<string, ReadonlySet<string>>();
  return function* () {
    for (const { id, problems } of catalog.changedInvalid()) {
      const before = told.get(id);
      for (const invalid of problems) {
        const object = before?.has(textOf(invalid)) === true ? undefined : get(invalid.kind, keyOfInvalid(invalid));
        if (object !== undefined) onInvalid(invalid, object);
      }
      if (problems.length === 0) told.delete(id);
      else told.set(id, new Set(problems.map(textOf)));
      yield;
    }
  };
}

function textOf({ reason, message }: InvalidObject): string {
  return `${reason} ${message}`;
}

function keyOfInvalid({ namespace, name }: InvalidObject): ObjectKey {
  return `${namespace}/${name}`;
}
