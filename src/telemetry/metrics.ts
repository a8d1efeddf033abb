/** The only file that knows prom-client. One registry an instance, so that several can run in one process. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { createRolloutSeries, type RolloutGauges } from './rollout-series.ts';

/** QueueState is what `/metrics` shows of the work queue; WorkQueue has it. */
export interface QueueState {
  readonly delayed: number;
  readonly running: number;
  readonly longestRunningMs: number;
}

/** Contact is how long the API server has been silent about a kind; Infinity before the first list. */
export interface Contact {
  readonly kind: string;
  readonly silentMs: number;
}

/** Metrics counts what the controller does; every name begins with `sluice_`, but for those of the process. */
export interface Metrics {
  reconciled(result: 'Success' | 'Error', seconds: number): void;
  failed(code: string): void;
  /** retried counts a failed key that comes back by itself. */
  retried(): void;
  queueDepth(read: () => number): void;
  queueState(read: () => QueueState): void;
  queueAdded(): void;
  /** queueWaited tells how long a key was ready before a worker took it. */
  queueWaited(seconds: number): void;
  apiRequest(verb: string, status: number, seconds: number): void;
  /** watchEnded: `reason` is the WatchEnd of src/kube/request.ts. */
  watchEnded(kind: string, reason: string): void;
  relisted(kind: string): void;
  rolledBack(kind: string): void;
  /** lastContact is read at each scrape. */
  lastContact(read: () => Iterable<Contact>): void;
  /** leader tells whether this replica holds a shard; a change of that is a transition. */
  leader(shard: string, isLeader: boolean): void;
  /** fenced counts a write that was not sent because the lease might be another's by the time it arrives. */
  fenced(verb: string): void;
  /** stalled counts a time in which nothing ran. */
  stalled(): void;
  audited(kind: string, result: 'Completed' | 'Failed'): void;
  auditRepaired(kind: string, repair: string): void;
  eventDropped(): void;
  write(
    kind: 'Route' | 'MatchRoute' | 'Status' | 'Metadata' | 'Template',
    result: 'Written' | 'Conflict' | 'Missing' | 'Unknown',
  ): void;
  sample(result: string): void;
  /** replicaAsked: `kind` is that of a ReplicaFinding. */
  replicaAsked(kind: string): void;
  transition(reason: string): void;
  rollout(gauges: RolloutGauges): void;
  /** forget removes the series of a rollout that is gone, or whose shard this replica has lost. */
  forget(namespace: string, name: string): void;
  /** text returns the exposition format. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** MetricsOptions: `process` adds what the process as a whole uses. That cannot be stopped, so only its owner asks for it. */
export interface MetricsOptions {
  readonly process?: boolean | undefined;
}

const durationBuckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10];

/** createMetrics returns a Metrics with a registry of its own. */
export function createMetrics(options: MetricsOptions = {}): Metrics {
  const registry = new Registry();
  if (options.process === true) addProcessMetrics(registry);
  const factory = createFactory(registry);
  return {
    ...createLoopMetrics(factory),
    ...createApiMetrics(factory),
    ...createOutcomeMetrics(factory),
    ...createRolloutSeries(factory.gauge),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

type Factory = ReturnType<typeof createFactory>;

function createFactory(registry: Registry) {
  return {
    counter: <L extends string>(name: string, help: string, ...labelNames: readonly L[]) =>
      new Counter({ name: `sluice_${name}`, help, labelNames, registers: [registry] }),
    histogram: <L extends string>(name: string, help: string, ...labelNames: readonly L[]) =>
      new Histogram({ name: `sluice_${name}`, help, labelNames, buckets: durationBuckets, registers: [registry] }),
    gauge: <L extends string>(name: string, help: string, ...labelNames: readonly L[]) =>
      new Gauge({ name: `sluice_${name}`, help, labelNames, registers: [registry] }),
    /** readGauge is a gauge whose series are set anew by `collect` at each scrape. */
    readGauge: <L extends string>(
      [name, help, ...labelNames]: readonly [string, string, ...L[]],
      collect: (set: (labels: Record<L, string>, value: number) => void) => void,
    ): void => {
      const gauge: Gauge<L> = new Gauge<L>({
        name: `sluice_${name}`,
        help,
        labelNames,
        registers: [registry],
        collect: (): void => collect((labels, value) => gauge.set(labels, value)),
      });
    },
  };
}

function createLoopMetrics({ counter, histogram, readGauge }: Factory) {
  const reconciles = histogram('reconcile_duration_seconds', 'Time of a reconcile by result.', 'result');
  const errors = counter('reconcile_errors_total', 'Failed reconciles by code of the error table.', 'code');
  const retries = counter('queue_retries_total', 'Failed reconciles that are tried again by themselves.');
  const adds = counter('queue_adds_total', 'Rollouts that became ready for a reconcile.');
  const waits = histogram('queue_wait_seconds', 'Time from ready to the start of the reconcile.');
  const stalls = counter('event_loop_stalls_total', 'Times in which nothing ran for more than 5 s.');
  return {
    reconciled: (result, seconds) => reconciles.observe({ result }, seconds),
    failed: (code) => errors.inc({ code }),
    retried: () => retries.inc(),
    queueAdded: () => adds.inc(),
    queueWaited: (seconds) => waits.observe(seconds),
    queueDepth: (read) => readGauge(['queue_depth', 'Rollouts waiting for a reconcile.'], (set) => set({}, read())),
    queueState: (read) => {
      readGauge(['queue_delayed', 'Rollouts whose next reconcile has a time.'], (set) => set({}, read().delayed));
      readGauge(['queue_running', 'Reconciles that run now.'], (set) => set({}, read().running));
      readGauge(['queue_longest_running_seconds', 'How long the oldest reconcile that runs now has run.'], (set) =>
        set({}, read().longestRunningMs / 1000),
      );
    },
    stalled: () => stalls.inc(),
  } satisfies Partial<Metrics>;
}

function createApiMetrics({ counter, gauge, histogram, readGauge }: Factory) {
  const requests = counter('api_requests_total', 'Requests to the API server.', 'verb', 'status');
  // Not by status: 8 buckets for each pair of verb and status would be the most numerous series of all.
  const durations = histogram('api_request_duration_seconds', 'Time of a request to the API server.', 'verb');
  const watches = counter('watch_restarts_total', 'Watches that ended, by why.', 'kind', 'reason');
  const relists = counter('relists_total', 'Lists after the first one.', 'kind');
  const rollbacks = counter('resource_version_rollbacks_total', 'Lists older than what had been seen.', 'kind');
  const leads = gauge('leader', 'Whether this replica works on a shard.', 'shard');
  const changes = counter('leader_transitions_total', 'Shards that this replica took or lost.', 'shard');
  const fenced = counter('writes_fenced_total', 'Writes that were not sent for want of a lease.', 'verb');
  const held = new Map<string, boolean>();
  return {
    apiRequest: (verb, status, seconds) => {
      requests.inc({ verb, status: String(status) });
      durations.observe({ verb }, seconds);
    },
    watchEnded: (kind, reason) => watches.inc({ kind, reason }),
    relisted: (kind) => relists.inc({ kind }),
    rolledBack: (kind) => rollbacks.inc({ kind }),
    lastContact: (read) =>
      readGauge(['api_last_contact_seconds', 'Since the API server was last heard about a kind.', 'kind'], (set) => {
        for (const { kind, silentMs } of read()) set({ kind }, silentMs / 1000);
      }),
    leader: (shard, isLeader) => {
      leads.set({ shard }, Number(isLeader));
      if ((held.get(shard) ?? false) !== isLeader) changes.inc({ shard });
      held.set(shard, isLeader);
    },
    fenced: (verb) => fenced.inc({ verb }),
  } satisfies Partial<Metrics>;
}

function createOutcomeMetrics({ counter }: Factory) {
  const writes = counter('writes_total', 'Writes by what was written and what became of it.', 'kind', 'result');
  const samples = counter('samples_total', 'Looks at the metric source by result.', 'result');
  const asked = counter(
    'traefik_api_asks_total',
    'Questions to replicas whether a weight is in effect, by result.',
    'result',
  );
  const transitions = counter('transitions_total', 'Transitions of rollouts by reason.', 'reason');
  const audits = counter('audits_total', 'Comparisons of a cache with a list.', 'kind', 'result');
  const repairs = counter('audit_repairs_total', 'What the audit had to repair in a cache.', 'kind', 'repair');
  const dropped = counter('events_dropped_total', 'Events that were not recorded.');
  return {
    write: (kind, result) => writes.inc({ kind, result }),
    sample: (result) => samples.inc({ result }),
    replicaAsked: (result) => asked.inc({ result }),
    transition: (reason) => transitions.inc({ reason }),
    audited: (kind, result) => audits.inc({ kind, result }),
    auditRepaired: (kind, repair) => repairs.inc({ kind, repair }),
    eventDropped: () => dropped.inc(),
  } satisfies Partial<Metrics>;
}

/**
 * Ten looks a second cost 20 ms of CPU a minute. The 100 that prom-client takes by default cost 110 ms, a tenth of what
 * an idle controller may use (measured with Node 26, 2026-11).
 */
const delayIntervalMs = 100;

/** createProcessMetrics shows what is known of the process alone, for programs that count by other means. */
export function createProcessMetrics(): { readonly text: () => Promise<string> } {
  const registry = new Registry();
  addProcessMetrics(registry);
  return { text: () => registry.metrics() };
}

function addProcessMetrics(registry: Registry): void {
  // Its own delays include the time between two looks, so that an idle process seems to be late; ours do not.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1000 });
  for (const { name } of registry.getMetricsAsArray()) {
    if (name.startsWith('nodejs_eventloop_lag')) registry.removeSingleMetric(name);
  }
  const delays = monitorEventLoopDelay({ resolution: delayIntervalMs });
  delays.enable();
  const seconds = (nanoseconds: number): number =>
    delays.count === 0 ? 0 : Math.max(0, nanoseconds / 1e9 - delayIntervalMs / 1000);
  const help = 'How late timers were since the last scrape, sampled ten times a second.';
  createFactory(registry).readGauge(['event_loop_delay_seconds', help, 'quantile'], (set) => {
    for (const percent of [50, 99]) set({ quantile: String(percent / 100) }, seconds(delays.percentile(percent)));
    set({ quantile: '1' }, seconds(delays.max));
    delays.reset();
  });
}
