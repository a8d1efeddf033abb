import type { Lease } from '../api/lease.ts';
import type { Clock } from '../clock.ts';
import { durationMsOf, holderOf } from './lease-record.ts';

/** SeenLease is a Lease as this replica saw it last; all times are monotonic, and its own. */
export interface SeenLease {
  readonly name: string;
  /** lease is undefined where none was ever seen. */
  readonly lease: Lease | undefined;
  /** isMissing tells that the last list did not have it. */
  readonly isMissing: boolean;
  /** changedAtMs is when this replica saw the last change. */
  readonly changedAtMs: number;
  /** freeAtMs is from when on nobody can believe any more that he holds it. */
  readonly freeAtMs: number;
}

/** LeaseTableOptions: `missingWaitMs` is how long to leave a Lease that was never seen to others who may create it. */
export interface LeaseTableOptions {
  readonly clock: Clock;
  readonly identity: string;
  readonly leaseDurationMs: number;
  readonly missingWaitMs: number;
}

/**
 * LeaseTable remembers when this replica saw each Lease change, by its own monotonic clock. The times that stand in a
 * Lease are never compared with anything, as in client-go, so that no difference between clocks matters, only their rates.
 */
export class LeaseTable {
  readonly #options: LeaseTableOptions;
  readonly #seen = new Map<string, SeenLease>();

  constructor(options: LeaseTableOptions) {
    this.#options = options;
  }

  /** entries returns all that is remembered. */
  entries(): readonly SeenLease[] {
    return [...this.#seen.values()];
  }

  /** get returns what is remembered of one Lease. */
  get(name: string): SeenLease | undefined {
    return this.#seen.get(name);
  }

  /** replace takes a complete list; the Leases named in `expected` are remembered even where they do not exist. */
  replace(leases: readonly Lease[], expected: readonly string[]): void {
    for (const lease of leases) this.observe(lease);
    const present = new Set(leases.map((lease) => lease.metadata.name));
    const nowMs = this.#options.clock.monotonicMs();
    for (const seen of this.#seen.values()) {
      if (present.has(seen.name)) continue;
      // A deleted Lease says nothing about its holder, who may not have noticed yet: it is held as long as it would have been.
      if (seen.freeAtMs > nowMs || expected.includes(seen.name)) this.#set({ ...seen, isMissing: true });
      else this.#seen.delete(seen.name);
    }
    for (const name of expected) {
      if (this.#seen.has(name)) continue;
      const freeAtMs = nowMs + this.#options.missingWaitMs;
      this.#set({ name, lease: undefined, isMissing: true, changedAtMs: nowMs, freeAtMs });
    }
  }

  /** observe takes one Lease as the server has it. */
  observe(lease: Lease): void {
    const { name, uid, resourceVersion } = lease.metadata;
    const before = this.#seen.get(name);
    const known = before?.lease?.metadata;
    // Any write counts as a sign of life: two renewals may carry the same time when the holder's clock was set back.
    const isSame = known?.resourceVersion === resourceVersion && known?.uid === uid;
    if (before !== undefined && isSame) {
      if (before.isMissing) this.#set({ ...before, isMissing: false });
      return;
    }
    const changedAtMs = this.#options.clock.monotonicMs();
    const freeAtMs = this.#freeAtMs(lease, before, changedAtMs);
    this.#set({ name, lease, isMissing: false, changedAtMs, freeAtMs });
  }

  #freeAtMs(lease: Lease, before: SeenLease | undefined, nowMs: number): number {
    const holder = holderOf(lease);
    if (holder === '') return nowMs;
    // What we wrote ourselves does not end the time for which someone before us may still hold it.
    if (holder === this.#options.identity) return before?.freeAtMs ?? nowMs;
    return nowMs + durationMsOf(lease, this.#options.leaseDurationMs);
  }

  #set(seen: SeenLease): void {
    this.#seen.set(seen.name, seen);
  }
}
