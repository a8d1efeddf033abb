import type { Clock } from '../clock.ts';

const intervalMs = 1000;

/** A lease is 15 s long and renewed within 10 s: who stood still for the 5 s between may have lost it without noticing. */
const limitMs = 5000;

/**
 * watchStalls calls `onStall` with the milliseconds for which nothing ran, each time they exceed 5 s, until `signal`
 * aborts: a blocked event loop, or a process or machine that was stopped. It sets a timer each second: use it while it
 * matters, as for a leader.
 */
export function watchStalls(
  options: { readonly clock: Clock; readonly onStall: (stalledMs: number) => void },
  signal: AbortSignal,
): void {
  const { clock, onStall } = options;
  let cancel = (): void => {};
  const look = (): void => {
    const dueMs = clock.monotonicMs() + intervalMs;
    cancel = clock.schedule(intervalMs, () => {
      const lateMs = clock.monotonicMs() - dueMs;
      look();
      if (lateMs > limitMs) onStall(lateMs);
    });
  };
  if (signal.aborted) return;
  look();
  signal.addEventListener('abort', () => cancel(), { once: true });
}
