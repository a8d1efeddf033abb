/** Where a controller's objects are, and what depends on that: whose time status is in, and who works on them. */
import type { KubernetesObject, ResourceKind } from './api/kubernetes.ts';
import type { ObjectStore } from './api/object-store.ts';
import type { Clock } from './clock.ts';
import type { ControllerSettings } from './config.ts';
import { loadKubeConfig } from './kube/config.ts';
import { createKubeObjectStore } from './kube/kube-object-store.ts';
import type { MetadataOptions, MetadataPage } from './kube/metadata-list.ts';
import { startLeadership, type Leadership, type LeadershipOptions } from './leadership.ts';
import { observeCredentials, observeRequests } from './observers.ts';
import type { AuditSource } from './reconciler/audit.ts';
import { soleOwnership } from './reconciler/ownership.ts';
import type { Logger } from './telemetry/logger.ts';
import type { Metrics } from './telemetry/metrics.ts';
import { version } from './version.ts';

/** Backing is what a controller works on. */
export interface Backing {
  readonly store: ObjectStore;
  /** audited is what an audit compares the caches with. */
  readonly audited: AuditSource;
  /** nowMs is the time that status is written in: the API server's where there is one. */
  readonly nowMs: () => number;
  /** lead takes part in the election, or owns everything where nobody else can work on the same objects. */
  readonly lead: (options: Pick<LeadershipOptions, 'rollouts' | 'wake'>) => Leadership;
  readonly close: () => Promise<void>;
}

/** ClusterOptions are the collaborators of a cluster; `env` is where KUBECONFIG and the pod's API server are looked up. */
export interface ClusterOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** openCluster connects to the API server that the settings name; it rejects with ConfigInvalid where they name none. */
export async function openCluster(settings: ControllerSettings, options: ClusterOptions): Promise<Backing> {
  const { env = {}, clock, random, logger, metrics } = options;
  const connection = await loadKubeConfig({ ...settings, env, clock, onNotice: observeCredentials(logger) });
  const observer = observeRequests(metrics);
  const store = createKubeObjectStore(connection, { clock, random, version, fieldManager: 'sluice', observer });
  const namespace = connection.namespace ?? 'sluice-system';
  return {
    store,
    audited: store,
    nowMs: () => clock.nowMs() + store.serverOffsetMs(),
    lead: (follow) =>
      startLeadership(settings.election, {
        ...follow,
        client: store.client,
        namespace,
        clock,
        random,
        logger,
        metrics,
      }),
    close: () => store.close(),
  };
}

/** ownStore is a store that only this process works on; who opened it closes it. */
export function ownStore(store: ObjectStore, clock: Clock): Backing {
  return {
    store,
    audited: {
      listMetadata: (kind, options) => listIdentities(store, kind, options),
      get: (kind, key, options) => store.get(kind, key, options),
    },
    nowMs: () => clock.nowMs(),
    lead: () => ({ ownership: soleOwnership(), stop: () => Promise.resolve() }),
    close: () => Promise.resolve(),
  };
}

async function* listIdentities(
  store: ObjectStore,
  kind: ResourceKind,
  options: MetadataOptions,
): AsyncGenerator<MetadataPage, void, undefined> {
  const { resourceVersion, items } = await store.list<KubernetesObject>(kind, options);
  yield {
    resourceVersion,
    items: items.map(({ metadata: { namespace = '', name, uid = '', resourceVersion = '' } }) => {
      return { namespace, name, uid, resourceVersion };
    }),
  };
}
