/** Which Rollouts this replica may act on, and the fence before each of its writes (docs/architecture.md, rule 4). */

/** Tenure is the right of one replica to write for one shard, until it is lost or given up. */
export interface Tenure {
  /** signal aborts when the right ends. */
  readonly signal: AbortSignal;
  /** permits tells whether a write that is given up after `deadlineMs` may still start. */
  permits(deadlineMs: number): boolean;
}

/** Grant is the right to act on one Rollout, for the time of one reconcile. */
export interface Grant extends Tenure {
  /** writeDeadlineMs is how long a write may take: one that hangs must not be applied when another replica has the right. */
  readonly writeDeadlineMs: number;
}

/** Ownership hands out grants and knows what runs under them. */
export interface Ownership {
  /**
   * guard runs `work` under a grant for the Rollout with `uid`, whose signal aborts with `signal` too; undefined where
   * another replica acts on it. The tenure behind the grant is another one whenever others may have acted meanwhile.
   */
  guard<T>(
    uid: string,
    signal: AbortSignal,
    work: (grant: Grant, tenure: Tenure) => Promise<T>,
  ): Promise<T | undefined>;
  /** drain grants nothing for `shard` any more, and resolves when nothing runs under its grants. */
  drain(shard: number): Promise<void>;
  /** reopen grants for `shard` again. */
  reopen(shard: number): void;
}

/** OwnershipOptions: `shardOf` maps the uid of a Rollout to its shard, `tenureOf` says under what right this replica has it. */
export interface OwnershipOptions {
  readonly shardOf: (uid: string) => number;
  readonly tenureOf: (shard: number) => Tenure | undefined;
  /** writeDeadlineMs is 4 s where left out: with a lease of 15 s a write may start until 10 s after the last renewal began. */
  readonly writeDeadlineMs?: number | undefined;
}

const defaultWriteDeadlineMs = 4_000;

/** createOwnership returns an Ownership without anything running. */
export function createOwnership(options: OwnershipOptions): Ownership {
  const { shardOf, tenureOf, writeDeadlineMs = defaultWriteDeadlineMs } = options;
  const running = new Map<number, Set<Promise<unknown>>>();
  const draining = new Set<number>();
  return {
    guard: async (uid, signal, work) => {
      const shard = shardOf(uid);
      const tenure = draining.has(shard) ? undefined : tenureOf(shard);
      if (tenure === undefined) return undefined;
      const shared = running.get(shard) ?? new Set();
      running.set(shard, shared);
      const done = withEither(tenure.signal, signal, (either) =>
        work(
          {
            signal: either,
            permits: (deadlineMs) => !either.aborted && tenure.permits(deadlineMs),
            writeDeadlineMs,
          },
          tenure,
        ),
      );
      shared.add(done);
      try {
        return await done;
      } finally {
        shared.delete(done);
      }
    },
    drain: async (shard) => {
      draining.add(shard);
      const jobs = running.get(shard);
      if (jobs !== undefined) await Promise.allSettled(jobs);
    },
    reopen: (shard) => {
      draining.delete(shard);
    },
  };
}

/** soleOwnership is that of a controller without leader election: everything is its own, always. */
export function soleOwnership(): Ownership {
  const forever: Tenure = { signal: new AbortController().signal, permits: () => true };
  return createOwnership({ shardOf: () => 0, tenureOf: () => forever });
}

/** withEither runs `work` with a signal that aborts with either of two; unlike AbortSignal.any it leaves nothing behind. */
async function withEither<T>(
  first: AbortSignal,
  second: AbortSignal,
  work: (either: AbortSignal) => Promise<T>,
): Promise<T> {
  const either = new AbortController();
  const sources = [first, second].map((source) => ({ source, onAbort: () => either.abort(source.reason) }));
  try {
    for (const { source, onAbort } of sources) {
      if (source.aborted) onAbort();
      else source.addEventListener('abort', onAbort, { once: true });
    }
    return await work(either.signal);
  } finally {
    for (const { source, onAbort } of sources) source.removeEventListener('abort', onAbort);
  }
}
