import { describe, expect, it } from 'vitest';
import { watchStalls } from '../../../src/telemetry/stall-watch.ts';
import type { Clock } from '../../../src/clock.ts';

/** LateClock fires the one timer that is set when a test says so, however late. */
class LateClock {
  #nowMs = 0;
  #timer: (() => void) | undefined;

  get hasTimer(): boolean {
    return this.#timer !== undefined;
  }

  readonly clock: Pick<Clock, 'monotonicMs' | 'schedule'> = {
    monotonicMs: () => this.#nowMs,
    schedule: (_ms, callback) => {
      this.#timer = callback;
      return () => {
        if (this.#timer === callback) this.#timer = undefined;
      };
    },
  };

  fireAfter(ms: number): void {
    this.#nowMs += ms;
    const timer = this.#timer;
    this.#timer = undefined;
    timer?.();
  }
}

function start() {
  const late = new LateClock();
  const stop = new AbortController();
  const stalls: number[] = [];
  watchStalls({ clock: late.clock as Clock, onStall: (stalledMs) => stalls.push(stalledMs) }, stop.signal);
  return { late, stop, stalls };
}

describe('watchStalls', () => {
  it('tells each time for which nothing ran for more than 5 s', () => {
    const { late, stalls } = start();
    for (const ms of [1000, 6000, 7000, 1000, 16_500]) late.fireAfter(ms);
    expect(stalls).toEqual([6000, 15_500]);
  });

  it('ends with its signal and leaves no timer', () => {
    const { late, stop, stalls } = start();
    late.fireAfter(1000);
    expect(late.hasTimer).toBe(true);
    stop.abort();
    expect(late.hasTimer).toBe(false);
    late.fireAfter(20_000);
    expect(stalls).toEqual([]);
  });

  it('does not begin after its signal', () => {
    const late = new LateClock();
    watchStalls({ clock: late.clock as Clock, onStall: () => {} }, AbortSignal.abort());
    expect(late.hasTimer).toBe(false);
  });

  it('ends where its observer aborts the signal', () => {
    const late = new LateClock();
    const stop = new AbortController();
    watchStalls({ clock: late.clock as Clock, onStall: () => stop.abort() }, stop.signal);
    late.fireAfter(9000);
    expect(late.hasTimer).toBe(false);
  });
});
