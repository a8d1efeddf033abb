/** Joins the election with what it decides: which Rollouts this replica works on. */
import { hostname } from 'node:os';
import type { Rollout } from './api/rollout.ts';
import type { Clock } from './clock.ts';
import type { ElectionSettings } from './config.ts';
import { startElection } from './controller/leader-elector.ts';
import { shardOf } from './controller/shard-of.ts';
import { createKubeLeaseStore } from './kube/lease.ts';
import type { KubeClient } from './kube/request.ts';
import { createOwnership, soleOwnership, type Ownership } from './reconciler/ownership.ts';
import type { Logger } from './telemetry/logger.ts';
import type { Metrics } from './telemetry/metrics.ts';

/** LeadershipOptions are the collaborators; `namespace` is where the Leases live if the settings do not say. */
export interface LeadershipOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** rollouts are those in the caches. */
  readonly rollouts: () => Iterable<Rollout>;
  /** wake is called for each Rollout whose shard came or went. */
  readonly wake: (rollout: Rollout) => void;
}

/** Leadership is this replica's part of the election. */
export interface Leadership {
  readonly ownership: Ownership;
  /** stop gives up what is held; only after all work under it has ended. */
  stop(): Promise<void>;
}

/** A write gets 4 of the 15 s of a lease, and as large a part of a shorter one. */
const writeShare = 4 / 15;
const maxWriteDeadlineMs = 4_000;

/** startLeadership takes part in the election, or owns everything where there is none. */
export function startLeadership(settings: ElectionSettings, options: LeadershipOptions): Leadership {
  if (!settings.isEnabled) return { ownership: soleOwnership(), stop: async () => undefined };
  const { client, clock, random, logger, metrics } = options;
  const { shards, name, timings } = settings;
  const wakeShard = (shard: number): void => {
    for (const rollout of options.rollouts()) {
      if (shardOf(rollout.metadata.uid ?? '', shards) === shard) options.wake(rollout);
    }
  };
  const ownership = createOwnership({
    shardOf: (uid) => shardOf(uid, shards),
    tenureOf: (shard) => election.tenure(shard),
    writeDeadlineMs: Math.min(maxWriteDeadlineMs, timings.leaseDurationMs * writeShare),
  });
  const namespace = settings.namespace ?? options.namespace;
  const election = startElection({
    leases: createKubeLeaseStore(client, { namespace, election: name }),
    name,
    identity: hostname(),
    shards,
    timings,
    clock,
    random,
    onAcquired: ({ shard }) => {
      metrics.leader(String(shard), true);
      logger.info('leading', { shard, shards });
      ownership.reopen(shard);
      wakeShard(shard);
    },
    onLost: (shard, { reason, message }) => {
      metrics.leader(String(shard), false);
      const isWanted = reason === 'Stopped' || reason === 'HandedOver';
      logger[isWanted ? 'info' : 'warn']('not leading any more', { shard, reason, why: message });
      wakeShard(shard);
    },
    drain: (shard) => ownership.drain(shard),
    onState: ({ leading, members, standby }) => {
      if (leading.length === 0 && standby !== undefined) logger.info('standing by', { why: standby });
      else logger.debug('election', { leading, members });
    },
    onError: (error) => logger.debug('election request failed', { error: messageOf(error) }),
  });
  return { ownership, stop: () => election.stop() };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
