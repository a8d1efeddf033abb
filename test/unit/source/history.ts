/** Histories of scraped instances for property tests: restarts, missed scrapes, removed series, glitches. */
import * as fc from 'fast-check';
import type { Scrape } from './timeline.ts';

/** historyStartMs is where every history begins, before the time 0. */
export const historyStartMs = -60_000;

/** Event is what happens to an instance between two scrapes. */
export interface Event {
  readonly afterMs: number;
  readonly isUp: boolean;
  readonly restarts: boolean;
  readonly removed: readonly string[];
  readonly added: Readonly<Record<string, number>>;
  /** glitch lowers one counter without a restart, as a switch between two Prometheus does. */
  readonly glitch: boolean;
}

/** eventOf returns events that change counters of these names (`service/code`). */
export function eventOf(names: readonly string[]): fc.Arbitrary<Event> {
  return fc.record({
    afterMs: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 13_000, max: 17_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 90_000 }) },
    ),
    isUp: fc.boolean().chain((rarely) => (rarely ? fc.constant(true) : fc.boolean())),
    restarts: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
    removed: fc.oneof({ weight: 5, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.subarray([...names]) }),
    added: fc.dictionary(fc.constantFrom(...names), fc.integer({ min: 0, max: 50 }), { maxKeys: 3 }),
    glitch: fc.integer({ min: 0, max: 19 }).map((dice) => dice === 0),
  });
}

/** run plays events; what it returns is what the scrapes saw. */
export function run(events: readonly Event[]): readonly Scrape[] {
  let counters: Record<string, number> = {};
  let startedSeconds = -5_000;
  let atMs = historyStartMs;
  return events.map(({ afterMs, isUp, restarts, removed, added, glitch }) => {
    if (restarts) [counters, startedSeconds] = [{}, (atMs + afterMs) / 1000 - 0.001];
    atMs += afterMs;
    counters = Object.fromEntries(Object.entries(counters).filter(([name]) => !removed.includes(name)));
    for (const [name, more] of Object.entries(added)) counters[name] = (counters[name] ?? 0) + more;
    const shown = glitch
      ? Object.fromEntries(Object.entries(counters).map(([name, value]) => [name, value >> 1]))
      : counters;
    return { atMs, isUp, startedSeconds, counters: { ...shown } };
  });
}
