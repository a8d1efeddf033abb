import type { Clock } from '../../clock.ts';

/** Watched has a time at which something is to happen to it, on the clock of its Sweep; Infinity: never. */
export interface Watched {
  readonly deadlineMs: number;
  expire(): void;
}

/** sweepEveryMs is how late a deadline may be noticed. */
const sweepEveryMs = 100;

/** Sweep looks after the deadlines of all connections with one timer: setting one is an assignment, not a timer per request. */
export class Sweep {
  readonly #clock: Clock;
  readonly #watched = new Set<Watched>();
  #nowMs = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** deadlineIn returns the deadline of something watched that may take `ms`; 0 is no limit. It never expires early. */
  deadlineIn(ms: number): number {
    return ms === 0 ? Infinity : this.#nowMs + ms + sweepEveryMs;
  }

  /** watch looks after `watched` until it is forgotten. Deadlines are to be taken after this call. */
  watch(watched: Watched): void {
    this.#watched.add(watched);
    if (this.#cancel === undefined) this.#schedule();
  }

  forget(watched: Watched): void {
    this.#watched.delete(watched);
    if (this.#watched.size > 0) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #schedule(): void {
    this.#nowMs = this.#clock.monotonicMs();
    this.#cancel = this.#clock.schedule(sweepEveryMs, () => this.#sweep());
  }

  #sweep(): void {
    this.#schedule();
    for (const watched of this.#watched) {
      if (watched.deadlineMs <= this.#nowMs) watched.expire();
    }
  }
}
