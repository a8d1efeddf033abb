import type { Clock } from '../clock.ts';

/** TickerOptions: `elapsedMs` returns the time since a tick would have been due; without it the first one is due after a period. */
export interface TickerOptions {
  readonly clock: Clock;
  readonly periodMs: number;
  readonly onTick: () => void;
  readonly elapsedMs?: () => number;
}

/** Ticker calls `onTick` every `periodMs` while it is started; stopped it holds no timer. */
export class Ticker {
  readonly #options: TickerOptions;
  #cancel: (() => void) | undefined;

  constructor(options: TickerOptions) {
    this.#options = options;
  }

  /** start begins to tick; a ticker that is started goes on as before. */
  start(): void {
    const { clock, periodMs, onTick, elapsedMs } = this.#options;
    const delayMs = periodMs - (elapsedMs === undefined ? 0 : elapsedMs() % periodMs);
    this.#cancel ??= clock.schedule(delayMs, () => {
      this.#cancel = undefined;
      this.start();
      onTick();
    });
  }

  /** stop ends the ticks. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
