import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lastBlockEnd } from '../../src/analysis/block.ts';
import type { ArmDurations } from '../../src/source/duration-deltas.ts';
import type { Series } from '../../src/source/series.ts';
import { durationsIn, type Story } from '../unit/source/duration-story.ts';
import { eventOf, run, type Event } from '../unit/source/history.ts';
import { bucketsOf, timeline } from '../unit/source/timeline.ts';

const blockMs = 20_000;
const scrapeIntervalMs = 15_000;
const endMs = 300_000;
const event = eventOf(['C/200', 'C/404', 'C/500', 'S/200', 'S/503', 'S/499', 'S/websocket/101']);
const good = ['C/200', 'C/404', 'S/200'];
const histories = fc.array(fc.array(event, { minLength: 15, maxLength: 30 }), { minLength: 1, maxLength: 3 });
const cuts = fc.array(fc.integer({ min: 1, max: endMs - 1 }), { maxLength: 12 });

function storyOf(histories: readonly (readonly Event[])[]): Story {
  const series = histories.flatMap((events, index): readonly Series[] => {
    const one = timeline(`10.0.0.${index}:8080`, run(events));
    return [...one, ...bucketsOf(one)];
  });
  return { series, scrapeIntervalMs, blockMs, bounds: [0.1, 0.3, 1.2, 5] };
}

describe('countDurations', () => {
  test('finds the same blocks however a timeline is cut', () => {
    let blocks = 0;
    fc.assert(
      fc.property(histories, cuts, fc.integer({ min: 0, max: 50_000 }), (histories, cuts, startMs) => {
        const story = storyOf(histories);
        const pieces = new Map<number, ArmDurations>();
        let sinceMs = startMs;
        for (const cut of [...cuts.toSorted((left, right) => left - right), endMs]) {
          const untilMs = Math.max(sinceMs, lastBlockEnd(cut, blockMs));
          for (const [atMs, durations] of durationsIn(story, sinceMs, untilMs)) pieces.set(atMs, durations);
          sinceMs = untilMs;
        }
        expect(pieces).toEqual(durationsIn(story, startMs, endMs));
        blocks += pieces.size;
      }),
      { numRuns: 500 },
    );
    expect(blocks).toBeGreaterThan(1_000);
  });

  test('counts every good request of an instance that stays up', () => {
    const steady = event.map((one) => ({
      ...one,
      afterMs: 15_000,
      isUp: true,
      restarts: false,
      removed: [],
      glitch: false,
    }));
    fc.assert(
      fc.property(fc.array(steady, { minLength: 30, maxLength: 30 }), (events) => {
        const counted = [...durationsIn(storyOf([events]), 0, endMs).values()];
        const scrapes = run(events);
        const answered = (service: string): number => {
          const at = (limitMs: number): Readonly<Record<string, number>> =>
            scrapes.findLast(({ atMs }) => atMs <= limitMs)?.counters ?? {};
          const names = good.filter((name) => name.startsWith(service));
          return names.reduce((sum, name) => sum + (at(endMs)[name] ?? 0) - (at(0)[name] ?? 0), 0);
        };
        expect(counted.reduce((sum, { canary }) => sum + canary.total, 0)).toBe(answered('C'));
        expect(counted.reduce((sum, { stable }) => sum + stable.total, 0)).toBe(answered('S'));
      }),
    );
  });

  test('never counts more than was answered, and never less within a longer time', () => {
    const honest = event.map((one) => ({ ...one, glitch: false }));
    fc.assert(
      fc.property(fc.array(honest, { minLength: 1, maxLength: 40 }), (events) => {
        const counted = [...durationsIn(storyOf([events]), -60_000, 2 * endMs).values()];
        const answered = (service: string): number =>
          events
            .flatMap(({ added }) => good.filter((name) => name.startsWith(service)).map((name) => added[name] ?? 0))
            .reduce((sum, requests) => sum + requests, 0);
        expect(counted.reduce((sum, { canary }) => sum + canary.total, 0)).toBeLessThanOrEqual(answered('C'));
        expect(counted.reduce((sum, { stable }) => sum + stable.total, 0)).toBeLessThanOrEqual(answered('S'));
        for (const { within, total } of counted.flatMap(({ stable, canary }) => [stable, canary])) {
          expect([...within, total]).toEqual([...within, total].toSorted((left, right) => left - right));
        }
      }),
      { numRuns: 300 },
    );
  });
});
