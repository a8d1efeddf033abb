import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anytimeInterval, type Interval } from '../../src/analysis/interval.ts';

const alpha = 0.05;
const counts = fc
  .tuple(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([requests, share]) => ({ requests, errors: Math.round(requests * share) }));

/** lnMixture is the chance of one series of these counts, request by request: each is bad with (errors + .5) / (requests + 5.5). */
function lnMixture(requests: number, errors: number): number {
  let ln = 0;
  for (let index = 0; index < requests; index++) {
    const [weight, seen] = index < errors ? [0.5, index] : [5, index - errors];
    ln += Math.log((weight + seen) / (5.5 + index));
  }
  return ln;
}

/** missedEver is the exact chance that `p` is outside at any look, a look after each request up to the last of `intervals`. */
function missedEver(intervals: readonly (readonly Interval[])[], p: number): number {
  let missed = 0;
  let chances: readonly number[] = [1];
  for (const atErrors of intervals) {
    chances = atErrors.map(({ low, high }, errors) => {
      const chance = (chances[errors] ?? 0) * (1 - p) + (chances[errors - 1] ?? 0) * p;
      if (p >= low && p <= high) return chance;
      missed += chance;
      return 0;
    });
  }
  return missed;
}

describe('the interval', () => {
  test('holds at all looks together with the promised probability, by enumeration', () => {
    const intervals = Array.from({ length: 400 }, (_, index) =>
      Array.from({ length: index + 2 }, (_, errors) => anytimeInterval({ requests: index + 1, errors }, alpha)),
    );
    const missed = [0.0001, 0.001, 0.005, 0.02, 0.1, 0.3, 0.5, 0.8, 0.99].map((p) => missedEver(intervals, p));
    expect(Math.max(...missed)).toBeLessThanOrEqual(alpha);
    // Not empty promises either: an interval that never fails would be of no use.
    expect(Math.max(...missed)).toBeGreaterThan(alpha / 10);
  });

  test('ends where the mixture is 1 / alpha times as likely', () => {
    fc.assert(
      fc.property(counts, ({ requests, errors }) => {
        const { low, high } = anytimeInterval({ requests, errors }, alpha);
        for (const end of [low, high].filter((end) => end > 0 && end < 1)) {
          const likelihood = errors * Math.log(end) + (requests - errors) * Math.log1p(-end);
          expect(lnMixture(requests, errors) - likelihood).toBeCloseTo(Math.log(1 / alpha), 6);
        }
      }),
    );
  });

  test('lies in 0 to 1 around the observed ratio, and narrows with more of the same', () => {
    fc.assert(
      fc.property(counts, fc.integer({ min: 2, max: 100_000 }), ({ requests, errors }, times) => {
        const few = anytimeInterval({ requests, errors }, alpha);
        const many = anytimeInterval({ requests: requests * times, errors: errors * times }, alpha);
        expect(few.low).toBeGreaterThanOrEqual(0);
        expect(few.high).toBeLessThanOrEqual(1);
        expect(many.low).toBeLessThanOrEqual(errors / requests);
        expect(many.high).toBeGreaterThanOrEqual(errors / requests);
        expect(many.high - many.low).toBeLessThan(few.high - few.low);
      }),
    );
  });

  test('moves up with each error, and is wider where less error is allowed', () => {
    fc.assert(
      fc.property(counts, ({ requests, errors }) => {
        const { low, high } = anytimeInterval({ requests, errors }, alpha);
        const strict = anytimeInterval({ requests, errors }, alpha / 10);
        expect(strict.low).toBeLessThanOrEqual(low);
        expect(strict.high).toBeGreaterThanOrEqual(high);
        if (errors === requests) return;
        const worse = anytimeInterval({ requests, errors: errors + 1 }, alpha);
        expect(worse.low).toBeGreaterThan(low);
        expect(worse.high).toBeGreaterThanOrEqual(high);
      }),
    );
  });
});
