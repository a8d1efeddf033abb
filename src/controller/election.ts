/** What a replica gives to an election, and what it gets from it. */
import type { LeaseStore } from '../api/lease.ts';
import type { Clock } from '../clock.ts';
import type { ElectionTimings } from './election-timings.ts';
import type { Loss, Tenure } from './held-lease.ts';

/** ElectionOptions wires an election; none of the callbacks may throw, but `drain` may reject. */
export interface ElectionOptions {
  readonly leases: LeaseStore;
  /** name is the stem of the Leases' names, and the value of their label. */
  readonly name: string;
  /** identity names this replica for people, e.g. the pod; it is made unique to this start. */
  readonly identity: string;
  /** shards is the number of parts of the work, the same for all replicas. */
  readonly shards: number;
  readonly timings: ElectionTimings;
  readonly clock: Clock;
  /** random returns a number in [0, 1). */
  readonly random: () => number;
  /**
   * newLeaseWaitMs is how long this replica renews a Lease that it had to create before it leads: somebody may have held
   * one that was deleted. With the lease duration, its default, not even then two replicas lead; with less, the first
   * start in a cluster is sooner. A Lease that was left by replicas with another number of shards needs the same wait.
   */
  readonly newLeaseWaitMs?: number | undefined;
  /** onAcquired: this replica leads `tenure.shard` from now on. */
  readonly onAcquired: (tenure: Tenure) => void;
  /** onLost: the tenure of `shard` has ended, for whatever reason; its signal has aborted. */
  readonly onLost: (shard: number, loss: Loss) => void;
  /** drain takes no new work of `shard` and resolves when what runs has ended; the tenure lasts that long. */
  readonly drain: (shard: number) => Promise<void>;
  /** onState is called when the state has changed. */
  readonly onState?: ((state: ElectionState) => void) | undefined;
  /** onError is told each request that failed; the election goes on. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** ElectionState is what one replica leads; `standby` is a sentence that says why it leads nothing. */
export interface ElectionState {
  /** leading are the shards, ascending. */
  readonly leading: readonly number[];
  /** members counts the live replicas that share the shards, this one included; 1 where there is one shard. */
  readonly members: number;
  readonly standby: string | undefined;
}

/** Election is the part of one replica in an election. */
export interface Election {
  /** identity is what stands in the Leases that this replica holds. */
  readonly identity: string;
  /** tenure returns the tenure of a shard while it lasts. */
  tenure(shard: number): Tenure | undefined;
  /** stop drains and releases all shards, so that others take over at once, and resolves when nothing is left to do. */
  stop(): Promise<void>;
}
