import type { Clock } from '../../src/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly sequence: number;
  readonly callback: () => void;
}

/** ManualClock is a Clock that moves only when a test calls `advance`; wall clock and monotonic clock can be set apart. */
export class ManualClock implements Clock {
  #elapsedMs = 0;
  #wallStartMs: number;
  #sequence = 0;
  readonly #timers = new Set<Timer>();

  constructor(wallStartMs = Date.UTC(2026, 10, 21, 9, 0, 0)) {
    this.#wallStartMs = wallStartMs;
  }

  nowMs(): number {
    return this.#wallStartMs + this.#elapsedMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  /** pendingTimers is the number of callbacks that wait for their time. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** nextTimerInMs is the time until the next callback, or undefined when none waits. */
  get nextTimerInMs(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : Math.max(0, next.atMs - this.#elapsedMs);
  }

  /** jumpWallClock moves the wall clock alone, as an operator or NTP may. */
  jumpWallClock(ms: number): void {
    this.#wallStartMs += ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const onAbort = (): void => {
        cancel();
        reject(signal?.reason as Error);
      };
      const cancel = this.schedule(ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  schedule(ms: number, callback: () => void): () => void {
    this.#sequence += 1;
    const timer = { atMs: this.#elapsedMs + Math.max(0, ms), sequence: this.#sequence, callback };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  timeout(ms: number): AbortSignal {
    const controller = new AbortController();
    this.schedule(ms, () => controller.abort(new DOMException('The operation timed out.', 'TimeoutError')));
    return controller.signal;
  }

  /** advance moves time by `ms`, runs what becomes due in order of time, and lets promises settle after each callback. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms;
    await settle();
    for (let timer = this.#next(); timer !== undefined && timer.atMs <= untilMs; timer = this.#next()) {
      this.#elapsedMs = Math.max(this.#elapsedMs, timer.atMs);
      this.#timers.delete(timer);
      timer.callback();
      await settle();
    }
    this.#elapsedMs = untilMs;
    await settle();
  }

  #next(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      const isEarlier =
        first === undefined ||
        timer.atMs < first.atMs ||
        (timer.atMs === first.atMs && timer.sequence < first.sequence);
      if (isEarlier) first = timer;
    }
    return first;
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
