import type { Clock } from '../clock.ts';

/** Ticker calls `onTick` every `periodMs` while it is started; stopped it holds no timer. */
export class Ticker {
  readonly #options: { readonly clock: Clock; readonly periodMs: number; readonly onTick: () => void };
  #cancel: (() => void) | undefined;

  constructor(options: { readonly clock: Clock; readonly periodMs: number; readonly onTick: () => void }) {
    this.#options = options;
  }

  /** start has the first tick after one period; a ticker that is started goes on as before. */
  start(): void {
    const { clock, periodMs, onTick } = this.#options;
    this.#cancel ??= clock.schedule(periodMs, () => {
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
