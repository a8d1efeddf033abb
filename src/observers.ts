/** Joins what the machinery reports with the metrics and the log. */
import type { ResourceKind } from './api/kubernetes.ts';
import type { Clock } from './clock.ts';
import type { WorkQueue, WorkQueueObserver } from './controller/work-queue.ts';
import type { KubeConfigSource } from './kube/config.ts';
import type { ReflectorObserver } from './kube/reflector-options.ts';
import type { RequestObserver } from './kube/request.ts';
import type { Watches } from './reconciler/watches.ts';
import type { SourceOptions } from './source/prometheus.ts';
import type { Logger } from './telemetry/logger.ts';
import type { Metrics } from './telemetry/metrics.ts';

/** observeRequests counts the requests to the API server. */
export function observeRequests(metrics: Metrics): RequestObserver {
  return { onRequest: (verb, status, ms) => metrics.apiRequest(verb, status, ms / 1000) };
}

/** observeWatches counts how watches end, and says when etcd was restored from a backup. */
export function observeWatches(metrics: Metrics, logger: Logger): ReflectorObserver {
  return {
    onWatchEnd: ({ kind }: ResourceKind, reason) => metrics.watchEnded(kind, reason),
    onList: ({ kind }, cause) => {
      if (cause !== 'Start') metrics.relisted(kind);
    },
    onRollback: ({ kind }, { seen, found }) => {
      metrics.rolledBack(kind);
      logger.warn('the API server is at an older version than before', { kind, seen, found });
    },
  };
}

/** observeCredentials says when a changed certificate is in use, or cannot be used. */
export function observeCredentials(logger: Logger): NonNullable<KubeConfigSource['onNotice']> {
  return ({ kind, message }) => {
    if (kind === 'Kept') logger.warn('credentials cannot be replaced', { why: message });
    else logger.info('credentials replaced', { what: message });
  };
}

/** observeSource says when Prometheus stops answering, and when it answers again. */
export function observeSource(logger: Logger): NonNullable<SourceOptions['onHealth']> {
  return (health) => {
    if (health.kind === 'Reachable') logger.info('prometheus answers again', {});
    else logger.warn('prometheus does not answer', { ...health });
  };
}

/** observeQueue counts what enters the queue and how long it waits. */
export function observeQueue(metrics: Metrics): WorkQueueObserver {
  return { onAdd: () => metrics.queueAdded(), onGet: (waitedMs) => metrics.queueWaited(waitedMs / 1000) };
}

/** QueueView is what is shown of a WorkQueue. */
type QueueView = Pick<WorkQueue<string>, 'depth' | 'delayed' | 'running' | 'longestRunningMs'>;

/** showState lets each scrape read the queue and the silence of the API server. */
export function showState(
  metrics: Metrics,
  { queue, watches, clock }: { readonly queue: QueueView; readonly watches: Watches; readonly clock: Clock },
): void {
  metrics.queueDepth(() => queue.depth);
  metrics.queueState(() => queue);
  metrics.lastContact(() =>
    watches.contacts().map(({ kind, atMs }) => ({ kind, silentMs: clock.monotonicMs() - atMs })),
  );
}
