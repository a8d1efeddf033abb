import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Block } from '../../../src/analysis/block.ts';
import { createRandom, drawBinomial, splitBlock } from '../../../src/cli/simulate-split.ts';

const draws = (count: number, probability: number): readonly number[] => {
  const random = createRandom(42);
  return Array.from({ length: 4_000 }, () => drawBinomial(random, count, probability));
};

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('drawing requests at random', () => {
  test.each([
    [1, 0.05],
    [20, 0.5],
    [300, 0.01],
    [390, 0.95],
    [100_000, 0.05],
  ])('has the mean and the variance of %i requests at %d', (count, probability) => {
    const drawn = draws(count, probability);
    const average = mean(drawn);
    const variance = mean(drawn.map((value) => (value - average) ** 2));
    const expected = count * probability * (1 - probability);
    expect(Math.abs(average - count * probability)).toBeLessThan(4 * Math.sqrt(expected / drawn.length));
    expect(variance / expected).toBeGreaterThan(0.85);
    expect(variance / expected).toBeLessThan(1.15);
  });

  test('draws nobody at 0 and everybody at 1', () => {
    expect(draws(50, 0).every((drawn) => drawn === 0)).toBe(true);
    expect(draws(50, 1).every((drawn) => drawn === 50)).toBe(true);
  });

  test('is the same for the same seed, and another for another', () => {
    const numbers = (seed: number): readonly number[] => Array.from({ length: 5 }, createRandom(seed));
    expect(numbers(7)).toEqual(numbers(7));
    expect(numbers(7)).not.toEqual(numbers(8));
  });
});

describe('splitting a block of stable', () => {
  const counts = fc
    .record({
      requests: fc.integer({ min: 0, max: 5_000 }),
      errors: fc.integer({ min: 0, max: 5_000 }),
      within: fc.array(fc.integer({ min: 0, max: 2_000 }), { minLength: 1, maxLength: 8 }),
      slower: fc.integer({ min: 0, max: 100 }),
    })
    .map(({ requests, errors, within, slower }) => {
      const ascending = within.toSorted((left, right) => left - right);
      const durations = { total: (ascending.at(-1) ?? 0) + slower, within: ascending };
      const stable = { requests, errors: Math.min(requests, errors) };
      const none = { total: 0, within: ascending.map(() => 0) };
      const block: Block = {
        endMs: 10_000,
        arms: { stable, canary: { requests: 0, errors: 0 } },
        durations: { stable: durations, canary: none },
      };
      return block;
    });

  test('loses no request and invents none, of any kind and in any bucket', () => {
    fc.assert(
      fc.property(counts, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(), (block, share, seed) => {
        const indexes = (block.durations?.stable.within ?? []).map((_, index) => index);
        const { arms, durations } = splitBlock(block, { random: createRandom(seed), share, indexes });
        expect(arms.canary.requests + arms.stable.requests).toBe(block.arms.stable.requests);
        expect(arms.canary.errors + arms.stable.errors).toBe(block.arms.stable.errors);
        for (const arm of [arms.canary, arms.stable]) {
          expect(arm.errors).toBeGreaterThanOrEqual(0);
          expect(arm.errors).toBeLessThanOrEqual(arm.requests);
        }
        const { canary, stable } = durations ?? { canary: { total: 0, within: [] }, stable: { total: 0, within: [] } };
        expect(canary.within.map((count, index) => count + (stable.within[index] ?? 0))).toEqual(
          block.durations?.stable.within,
        );
        for (const { total, within } of [canary, stable]) {
          expect([0, ...within, total]).toEqual([0, ...within, total].toSorted((left, right) => left - right));
        }
      }),
    );
  });

  test('keeps the bounds that are asked for', () => {
    const block: Block = {
      endMs: 10_000,
      arms: { stable: { requests: 9, errors: 0 }, canary: { requests: 0, errors: 0 } },
      durations: { stable: { total: 9, within: [1, 4, 8] }, canary: { total: 0, within: [0, 0, 0] } },
    };
    const { durations } = splitBlock(block, { random: createRandom(1), share: 1, indexes: [0, 2] });
    expect(durations?.canary).toEqual({ total: 9, within: [1, 8] });
    expect(durations?.stable).toEqual({ total: 0, within: [0, 0] });
  });
});
