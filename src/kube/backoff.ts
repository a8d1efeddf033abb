import type { Clock } from '../clock.ts';

/** Constants of client-go's reflector: 0.8 s doubling to 30 s, each delay uniform in [d, 2d), fresh after 2 quiet minutes. */
const limits = { firstMs: 800, maxMs: 30_000, resetAfterMs: 120_000 } as const;

/** Backoff yields growing delays between failures. */
export interface Backoff {
  /** nextMs returns how long to wait now. */
  nextMs(): number;
}

/** createBackoff returns a Backoff that starts again once 2 minutes have passed without one of its delays. */
export function createBackoff(clock: Clock, random: () => number): Backoff {
  let baseMs: number = limits.firstMs;
  let quietSinceMs = Number.NEGATIVE_INFINITY;
  return {
    nextMs: () => {
      if (clock.monotonicMs() - quietSinceMs > limits.resetAfterMs) baseMs = limits.firstMs;
      const delayMs = baseMs * (1 + random());
      baseMs = Math.min(baseMs * 2, limits.maxMs);
      quietSinceMs = clock.monotonicMs() + delayMs;
      return delayMs;
    },
  };
}
