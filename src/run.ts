/** run wires the controller together; nothing here is global, so several instances can run in one process. */
import { keyOf, type ObjectKey } from './api/kubernetes.ts';
import type { Rollout } from './api/rollout.ts';
import type { ObjectStore } from './api/object-store.ts';
import type { HistoryEntry } from './api/rollout-status.ts';
import { ownStore, openCluster, type Backing } from './backing.ts';
import { systemClock, type Clock } from './clock.ts';
import { parseSettings, type ControllerSettings, type RawSettings } from './config.ts';
import { runController } from './controller/controller.ts';
import { createRateLimiter } from './controller/rate-limiter.ts';
import { WorkQueue } from './controller/work-queue.ts';
import { createEventRecorder, type EventRecorder } from './kube/events.ts';
import { followFreezes, type Freezes } from './freezes.ts';
import type { Leadership } from './leadership.ts';
import { observeQueue, observeSource, observeWatches, showState } from './observers.ts';
import { createAudit, resyncPriority } from './reconciler/audit.ts';
import type { RecordEvent } from './reconciler/act.ts';
import { createReconciler, type Reconcile } from './reconciler/reconciler.ts';
import { Sampler } from './reconciler/sampler.ts';
import { Samplers, type SourceName } from './reconciler/samplers.ts';
import { startWatches, type Watches } from './reconciler/watches.ts';
import { readiness, untilSynced } from './readiness.ts';
import { createScrape, createSource, createVerifier, readTraefikAccess } from './sources.ts';
import type { MetricSource } from './analysis/metric-source.ts';
import type { AccessSource } from './source/access-files.ts';
import type { ScrapeSource } from './source/scrape.ts';
import type { PrometheusSource } from './source/prometheus.ts';
import { startHealthServer } from './telemetry/health.ts';
import { createLogger, type Logger } from './telemetry/logger.ts';
import { createMetrics, type Metrics } from './telemetry/metrics.ts';
import { watchStalls } from './telemetry/stall-watch.ts';
import { version } from './version.ts';

/** Transition is what a transition hook gets: the Rollout as it was before, and what its history says of the change. */
export interface Transition {
  readonly rollout: Rollout;
  readonly entry: HistoryEntry;
}

/** RunOptions are what only the host of the controller knows; all but `signal` have a default. */
export interface RunOptions {
  /** signal stops the controller. */
  readonly signal: AbortSignal;
  /** store is where the objects are; left out, the API server of the kubeconfig. Whoever gives one sees to it that nobody else works on it. */
  readonly store?: ObjectStore;
  /** logger writes JSON lines to standard output where left out. */
  readonly logger?: Logger;
  /** env is where KUBECONFIG and the pod's API server are looked up. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** isWholeProcess adds the metrics of the process; what collects them cannot be stopped. */
  readonly isWholeProcess?: boolean;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** onTransition is called after each transition that was stored, of phase, reason or weight; what it throws is logged. */
  readonly onTransition?: (transition: Transition) => void;
}

/** Running is a controller that was started; whoever awaits one of the promises hears of its failure. */
export interface Running {
  /** ready resolves when the caches are filled, also on a replica that only stands by. */
  readonly ready: Promise<{ readonly healthPort: number }>;
  /** stopped resolves when `signal` has aborted, all work has ended and the leases are given up. */
  readonly stopped: Promise<void>;
}

/** A rollback that the API server refuses is to be made soon after it no longer does, and a deadline noticed. */
const maxRetryMs = 30_000;

/** A block brings news of all rollouts at once. What says nothing against a canary comes after the steps that are due. */
const calmPriority = -1;

/**
 * run starts a controller with the settings of the flags of the same name, with the same defaults and checks. Both
 * promises reject with ConfigInvalid, all problems at once, where the settings cannot be used.
 */
export function run(settings: RawSettings, options: RunOptions): Running {
  const ready = Promise.withResolvers<{ readonly healthPort: number }>();
  const stopped = start(settings, options, ready.resolve);
  stopped.then(
    () => ready.reject(options.signal.reason ?? new Error('the controller stopped before it was ready')),
    ready.reject,
  );
  // Who awaits only one of the two must not end the process by the other.
  for (const promise of [ready.promise, stopped]) promise.catch(() => undefined);
  return { ready: ready.promise, stopped };
}

async function start(
  raw: RawSettings,
  options: RunOptions,
  onReady: (started: { readonly healthPort: number }) => void,
): Promise<void> {
  const settings = parseSettings(raw);
  const { clock = systemClock, random = Math.random } = options;
  const logger = options.logger ?? createLogger({ level: settings.logLevel });
  const metrics = createMetrics({ process: options.isWholeProcess });
  const { store } = options;
  const backing =
    store === undefined
      ? await openCluster(settings, { ...options, clock, random, logger, metrics })
      : ownStore(store, clock);
  const access = await readTraefikAccess(settings, clock);
  const source = await createSource(settings, clock, { random, onHealth: observeSource(logger) });
  try {
    await runWith({ settings, options, clock, random, logger, metrics, backing, access, source }, onReady);
    logger.info('stopped');
  } finally {
    await Promise.all([backing.close(), source.close()]);
  }
}

interface Parts {
  readonly settings: ControllerSettings;
  readonly options: RunOptions;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly backing: Backing;
  readonly access: AccessSource;
  readonly source: PrometheusSource;
}

async function runWith(parts: Parts, onReady: (started: { readonly healthPort: number }) => void): Promise<void> {
  const { settings, metrics, backing, clock, random, logger, options } = parts;
  const { store } = backing;
  const { signal } = options;
  const queue = new WorkQueue<ObjectKey>({ clock, observer: observeQueue(metrics) });
  const watches = startWatches(
    {
      store,
      clock,
      random,
      logger,
      namespaces: settings.namespaces,
      observer: observeWatches(metrics, logger),
      onChange: (key) => queue.add(key),
    },
    signal,
  );
  showState(metrics, { queue, watches, clock });
  const health = await startHealthServer({
    host: settings.healthHost,
    port: settings.healthPort,
    metrics,
    config: settings,
    isReady: readiness(watches, clock),
  });
  const recorder = createRecorder(parts);
  const scrape = createScrape(settings, watches.caches, { ...parts, nowMs: backing.nowMs });
  let leadership: Leadership | undefined;
  let auditing: Promise<void> | undefined;
  try {
    await untilSynced(watches, signal);
    if (signal.aborted) return;
    logger.info('ready', { version, healthPort: health.port });
    leadership = backing.lead({
      rollouts: () => watches.rollouts(),
      wake: (rollout) => queue.add(keyOf(rollout)),
    });
    onReady({ healthPort: health.port });
    auditing = startAudit(parts, watches, queue);
    const wake = (): void => {
      for (const rollout of watches.rollouts()) queue.add(keyOf(rollout), resyncPriority);
    };
    const freezes = await followFreezes(settings.freezesFile, { ...parts, wake }, signal);
    await reconcileAll(parts, queue, createReconcile(parts, { watches, queue, recorder, leadership, scrape, freezes }));
  } finally {
    await recorder.flush();
    // Last, because whoever takes over must not meet anything of this replica under way.
    await leadership?.stop();
    await Promise.all([health.close(), watches.stopped, auditing, scrape?.close()]);
  }
}

function createRecorder({ backing, clock, random, metrics, logger }: Parts): EventRecorder {
  return createEventRecorder(backing.store, {
    clock,
    random,
    component: 'sluice',
    instance: `sluice-${Math.floor(random() * 1e9).toString(36)}`,
    onDrop: ({ reason }, why) => {
      metrics.eventDropped();
      logger.debug('event dropped', { reason, why });
    },
  });
}

interface Machinery {
  readonly watches: Watches;
  readonly queue: WorkQueue<ObjectKey>;
  readonly recorder: EventRecorder;
  readonly leadership: Leadership;
  readonly scrape: ScrapeSource | undefined;
  readonly freezes: Freezes;
}

function createReconcile(
  parts: Parts,
  { watches, queue, recorder, leadership, scrape, freezes }: Machinery,
): Reconcile {
  const { settings, options, clock, logger, metrics, source } = parts;
  const { store, nowMs } = parts.backing;
  const samplerOf = (source: MetricSource): Sampler =>
    new Sampler({
      source,
      clock,
      nowMs,
      intervalMs: settings.sampleIntervalMs,
      onEvidence: (key, urgency) => queue.add(key, urgency > 0 ? urgency : calmPriority),
      onSample: (result) => metrics.sample(result),
      signal: options.signal,
    });
  const onChange = (key: ObjectKey): void => queue.add(key, calmPriority);
  const samplers = new Map<SourceName, Sampler>([['Prometheus', samplerOf(source)]]);
  if (scrape !== undefined) samplers.set('Scrape', samplerOf(scrape));
  const recordEvent: RecordEvent = (regarding, { type, reason, message }) =>
    recorder.record({ regarding, type, reason, note: message, action: reason });
  return createReconciler({
    store,
    caches: watches.caches,
    metrics,
    logger,
    recordEvent,
    onTransition: (rollout, entry) => callHook(parts, { rollout, entry }),
    samplers: new Samplers(samplers, settings.source),
    nowMs,
    userQueries: settings.userQueries,
    freezes,
    verifier: createVerifier(settings, watches.caches, { ...options, ...parts, nowMs, onChange }),
    ownership: leadership.ownership,
  });
}

/** A hook is the host's code: a defect of it must not look like one of a rollout. */
function callHook({ options, logger }: Parts, transition: Transition): void {
  try {
    options.onTransition?.(transition);
  } catch (error) {
    const rollout = keyOf(transition.rollout);
    logger.error('transition hook failed', { rollout, error: error instanceof Error ? error.message : String(error) });
  }
}

async function reconcileAll(
  { settings, options, clock, metrics, logger }: Parts,
  queue: WorkQueue<ObjectKey>,
  reconcile: Reconcile,
): Promise<void> {
  await runController({
    queue,
    rateLimiter: createRateLimiter({ maxMs: maxRetryMs }),
    reconcile,
    workers: settings.workers,
    signal: options.signal,
    clock,
    onError: (key, error, retryInMs) => {
      metrics.failed(error.code);
      if (retryInMs !== undefined) metrics.retried();
      logger.error('reconcile failed', { rollout: key, code: error.code, error: error.message, retryInMs });
    },
    onDone: (_key, { durationMs }) => metrics.reconciled('Success', durationMs / 1000),
  });
}

/** startAudit compares the caches of this replica with the API server, and looks at all Rollouts again meanwhile. */
function startAudit(parts: Parts, watches: Watches, queue: WorkQueue<ObjectKey>): Promise<void> {
  const { settings, options, clock, random, logger, metrics } = parts;
  watchStalls({ clock, onStall: (stalledMs) => onStall(parts, stalledMs) }, options.signal);
  const audit = createAudit({
    schedule: settings.auditSchedule,
    kinds: watches.audited,
    source: parts.backing.audited,
    resync: {
      keys: () => [...watches.rollouts()].map(keyOf),
      add: (key) => queue.add(key, resyncPriority),
    },
    observer: metrics,
    clock,
    random,
    logger,
  });
  return audit.start(options.signal);
}

function onStall({ logger, metrics }: Parts, stalledMs: number): void {
  metrics.stalled();
  logger.warn('nothing ran for a while', { stalledMs: Math.round(stalledMs) });
}
