/** RateLimiter says how long a key that failed waits before it is tried again. */
export interface RateLimiter<K> {
  /** when counts one more failure of `key` and returns its delay in milliseconds. */
  when(key: K): number;
  /** forget resets `key` after a success. */
  forget(key: K): void;
  /** failures is the number of failures of `key` since the last success. */
  failures(key: K): number;
}

/**
 * createRateLimiter returns client-go's per-item limiter: `baseMs` times 2 to the number of earlier failures, at most
 * `maxMs` (5 ms and 1000 s; the 19th failure in a row reaches the cap). It has no bucket for all keys together: the API
 * server's priority and fairness protects itself, and one broken object must not slow down the others.
 */
export function createRateLimiter<K>(
  options: { readonly baseMs?: number; readonly maxMs?: number } = {},
): RateLimiter<K> {
  const { baseMs = 5, maxMs = 1_000_000 } = options;
  const failures = new Map<K, number>();
  return {
    when: (key) => {
      const earlier = failures.get(key) ?? 0;
      failures.set(key, earlier + 1);
      return Math.min(baseMs * 2 ** earlier, maxMs);
    },
    forget: (key) => {
      failures.delete(key);
    },
    failures: (key) => failures.get(key) ?? 0,
  };
}
