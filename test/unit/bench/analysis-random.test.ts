import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../bench/analysis/random.ts';

function momentsOf(values: readonly number[]): { readonly mean: number; readonly variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1) };
}

const draws = 40_000;

describe('createRandom', () => {
  test('gives the same stream for the same seed and another for another', () => {
    const stream = (seed: string): readonly number[] => {
      const random = createRandom(seed);
      return Array.from({ length: 5 }, () => random.uniform());
    };
    expect(stream('1/a/1')).toEqual(stream('1/a/1'));
    expect(stream('1/a/1')).not.toEqual(stream('1/a/2'));
  });

  test.each([0, 0.02, 0.7, 4, 9.9, 10.1, 25, 126, 250, 4750])(
    'draws Poisson counts with mean and variance %d',
    (mean) => {
      const random = createRandom(`poisson ${mean}`);
      const { mean: found, variance } = momentsOf(Array.from({ length: draws }, () => random.poisson(mean)));
      // Four standard errors; that of the variance of a Poisson count is sqrt((2 mean² + mean) / draws).
      expect(Math.abs(found - mean)).toBeLessThanOrEqual(4 * Math.sqrt(mean / draws));
      expect(Math.abs(variance - mean)).toBeLessThanOrEqual(4 * Math.sqrt((2 * mean * mean + mean) / draws));
    },
  );

  test.each([3, 30])('draws each Poisson count as often as its probability says, mean %d', (mean) => {
    const random = createRandom(`histogram ${mean}`);
    const seen = new Map<number, number>();
    for (let draw = 0; draw < draws; draw += 1) {
      const count = random.poisson(mean);
      seen.set(count, (seen.get(count) ?? 0) + 1);
    }
    let probability = Math.exp(-mean);
    for (let count = 0; count <= 2 * mean; count += 1) {
      const sd = Math.sqrt(draws * probability * (1 - probability));
      expect(Math.abs((seen.get(count) ?? 0) - draws * probability)).toBeLessThanOrEqual(4.5 * sd + 1);
      probability *= mean / (count + 1);
    }
  });

  test('draws geometric counts from 1 on with mean 5 and variance 20', () => {
    const random = createRandom('geometric');
    const values = Array.from({ length: draws }, () => random.geometric(5));
    const { mean, variance } = momentsOf(values);
    expect(Math.min(...values)).toBe(1);
    expect(Math.abs(mean - 5)).toBeLessThan(4 * Math.sqrt(20 / draws));
    expect(Math.abs(variance - 20)).toBeLessThan(1.5);
  });
});
