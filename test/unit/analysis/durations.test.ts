import { describe, expect, test } from 'vitest';
import {
  addDurations,
  clampDurations,
  formatQuantile,
  noDurations,
  quantileRange,
  sloBound,
  slowerThan,
} from '../../../src/analysis/durations.ts';

const traefik = [0.1, 0.3, 1.2, 5];

describe('counting', () => {
  test('adds bucket by bucket, and nothing changes nothing', () => {
    const sum = addDurations({ total: 10, within: [4, 9] }, { total: 5, within: [1, 5] });
    expect(sum).toEqual({ total: 15, within: [5, 14] });
    expect(addDurations(noDurations, sum)).toEqual(sum);
    expect(addDurations(sum, noDurations)).toEqual(sum);
  });

  test('counts what is slower than a bound as errors', () => {
    expect(slowerThan({ total: 10, within: [4, 9] }, 0)).toEqual({ requests: 10, errors: 6 });
    expect(slowerThan({ total: 10, within: [4, 9] }, 1)).toEqual({ requests: 10, errors: 1 });
  });

  test('a bound that was not counted has no slow requests', () => {
    expect(slowerThan({ total: 10, within: [4] }, 3)).toEqual({ requests: 10, errors: 0 });
  });

  test('makes falling buckets cumulative again and holds them under the total', () => {
    expect(clampDurations({ total: 10, within: [4, 3, 11] })).toEqual({ total: 10, within: [4, 4, 10] });
  });

  test('leaves sound buckets as they are', () => {
    const sound = { total: 10, within: [0, 4, 4, 10] };
    expect(clampDurations(sound)).toEqual(sound);
  });

  test('makes counts whole', () => {
    expect(clampDurations({ total: 9.6, within: [3.2, 9.7] })).toEqual({ total: 10, within: [3, 10] });
  });

  test('what is no number counts as no request', () => {
    expect(clampDurations({ total: NaN, within: [NaN, 3] })).toEqual({ total: 0, within: [0, 0] });
    expect(clampDurations({ total: 5, within: [-1, NaN, Infinity] })).toEqual({ total: 5, within: [0, 0, 5] });
    expect(clampDurations({ total: Infinity, within: [1] }).total).toBe(1e12);
  });
});

describe('the bound of an SLO', () => {
  test('is the largest at or below the limit', () => {
    expect(sloBound(traefik, 1)).toBe(1);
    expect(sloBound(traefik, 0.3)).toBe(1);
    expect(sloBound(traefik, 60)).toBe(3);
  });

  test('is none where every bound is above the limit', () => {
    expect(sloBound(traefik, 0.05)).toBeUndefined();
    expect(sloBound([], 1)).toBeUndefined();
  });
});

describe('a quantile', () => {
  test('lies in the bucket that many requests prove', () => {
    const range = quantileRange({ total: 10_000, within: [8000, 9800, 9990, 10_000] }, traefik, 0.99);
    expect(range).toEqual({ aboveSeconds: 0.3, atMostSeconds: 1.2 });
    expect(formatQuantile(range, 0.99)).toBe('p99 0.3-1.2s');
  });

  test('is given by more buckets while requests are few', () => {
    const range = quantileRange({ total: 200, within: [150, 197, 200, 200] }, traefik, 0.99);
    expect(range).toEqual({ aboveSeconds: 0.1, atMostSeconds: Infinity });
    expect(formatQuantile(range, 0.99)).toBe('p99 >0.1s');
  });

  test('below the first bound is no more than that', () => {
    const range = quantileRange({ total: 5000, within: [5000, 5000, 5000, 5000] }, traefik, 0.99);
    expect(formatQuantile(range, 0.99)).toBe('p99 <=0.1s');
  });

  test('is unknown without requests or bounds', () => {
    expect(formatQuantile(quantileRange(noDurations, traefik, 0.5), 0.5)).toBe('p50 unknown');
    expect(formatQuantile(quantileRange({ total: 100, within: [] }, [], 0.999), 0.999)).toBe('p99.9 unknown');
  });

  test('is hardly ever outside the range however often one looks', () => {
    // The true 0.9-quantile is exactly at 0.3 s, where a range that is too narrow is wrong most easily.
    const random = seededRandom(11);
    let wrong = 0;
    for (let run = 0; run < 400; run++) {
      const within = [0, 0, 0, 0];
      let isWrong = false;
      for (let total = 1; total <= 1000; total++) {
        const u = random();
        [0.5, 0.9, 0.95, 1].forEach((share, index) => (within[index] = (within[index] ?? 0) + (u < share ? 1 : 0)));
        const { aboveSeconds, atMostSeconds } = quantileRange({ total, within }, traefik, 0.9);
        isWrong ||= aboveSeconds >= 0.3 || atMostSeconds < 0.3;
      }
      wrong += isWrong ? 1 : 0;
    }
    expect(wrong / 400).toBeLessThanOrEqual(0.05);
  });
});

/** seededRandom is mulberry32, a generator of numbers in [0, 1). */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
