import { parseTime, type Clock } from '../clock.ts';

/** The Date header has whole seconds, so that a smaller difference says nothing. */
const resolutionMs = 1000;

/** An answer that took longer than this says too little about when the server wrote its Date header. */
const maxRoundTripMs = 2000;

/** ServerClock measures how far the API server's wall clock is ahead of ours, from the Date header of its answers. */
export interface ServerClock {
  /** observe takes the Date header of an answer whose request was sent at `sentAtMs` (monotonic). */
  observe(dateHeader: string | undefined, sentAtMs: number): void;
  /** offsetMs is server time minus ours in milliseconds; 0 before the first answer and within the resolution of 1 s. */
  offsetMs(): number;
}

/**
 * createServerClock returns a ServerClock that trusts the last answer. From there it follows the monotonic clock: when our
 * wall clock is set, our time plus the offset stays the server's, also before the next answer comes.
 */
export function createServerClock(clock: Clock): ServerClock {
  let aheadOfMonotonicMs: number | undefined;
  return {
    observe: (dateHeader, sentAtMs) => {
      const nowMs = clock.monotonicMs();
      const roundTripMs = nowMs - sentAtMs;
      const dateMs = parseTime(dateHeader);
      if (dateMs === undefined || roundTripMs > maxRoundTripMs) return;
      // In the middle: the server cut up to a second off its time, and wrote the header half a round trip ago.
      aheadOfMonotonicMs = dateMs + resolutionMs / 2 - (nowMs - roundTripMs / 2);
    },
    offsetMs: () => {
      if (aheadOfMonotonicMs === undefined) return 0;
      const offsetMs = aheadOfMonotonicMs + clock.monotonicMs() - clock.nowMs();
      return Math.abs(offsetMs) <= resolutionMs ? 0 : Math.round(offsetMs);
    },
  };
}
