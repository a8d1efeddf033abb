import type { Clock } from '../clock.ts';

/** SpamLimits: so many at once, then one each `refillMs`. */
export interface SpamLimits {
  readonly burst: number;
  readonly refillMs: number;
}

interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

/** SpamFilter limits how many events of one kind there are. */
export interface SpamFilter {
  /** accept takes a token of `id` and tells whether there was one. */
  accept(id: string): boolean;
}

/** createSpamFilter returns a SpamFilter that remembers the `maxIds` ids which had events last. */
export function createSpamFilter(clock: Clock, maxIds: number, { burst, refillMs }: SpamLimits): SpamFilter {
  const buckets = new Map<string, Bucket>();
  return {
    accept: (id) => {
      const nowMs = clock.monotonicMs();
      const bucket = buckets.get(id) ?? { tokens: burst, atMs: nowMs };
      const tokens = Math.min(burst, bucket.tokens + (nowMs - bucket.atMs) / refillMs);
      const isAccepted = tokens >= 1;
      buckets.delete(id);
      buckets.set(id, { tokens: isAccepted ? tokens - 1 : tokens, atMs: nowMs });
      const oldest = buckets.keys().next();
      if (buckets.size > maxIds && oldest.done !== true) buckets.delete(oldest.value);
      return isAccepted;
    },
  };
}
