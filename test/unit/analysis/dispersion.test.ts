import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../bench/analysis/random.ts';
import {
  addToDispersion,
  dispersionFactor,
  noDispersion,
  typicalFactor,
  type Dispersion,
} from '../../../src/analysis/dispersion.ts';

function dispersionOf(blocks: readonly (readonly [requests: number, errors: number])[]): Dispersion {
  return blocks.map(([requests, errors]) => ({ requests, errors })).reduce(addToDispersion, noDispersion);
}

/** randomBlocks have errors that come one by one or in bursts of 5 on average, at a rate that `rateAt` gives. */
function randomBlocks(seed: string, burst: number, rateAt: (block: number) => number): [number, number][] {
  const random = createRandom(seed);
  return Array.from({ length: 360 }, (_, block) => {
    let errors = 0;
    for (let bursts = random.poisson((500 * rateAt(block)) / burst); bursts > 0; bursts--) {
      errors += burst === 1 ? 1 : random.geometric(burst);
    }
    return [500, Math.min(500, errors)];
  });
}

describe('dispersionFactor', () => {
  test('is 1 before anything was counted', () => {
    expect(dispersionFactor(noDispersion, typicalFactor(noDispersion))).toBe(1);
  });

  test('is about 1 for independent errors', () => {
    const factor = typicalFactor(dispersionOf(randomBlocks('independent', 1, () => 0.01)));
    expect(factor).toBeGreaterThan(0.85);
    expect(factor).toBeLessThan(1.15);
  });

  test('is about 1 for independent errors in blocks of a single request', () => {
    const random = createRandom('single');
    const blocks = Array.from({ length: 4_000 }, () => [1, random.uniform() < 0.1 ? 1 : 0] as const);
    const factor = typicalFactor(dispersionOf(blocks));
    expect(factor).toBeGreaterThan(0.85);
    expect(factor).toBeLessThan(1.15);
  });

  test('is about the sum of squares of bursts over the sum of their sizes', () => {
    // A geometric size of mean 5 has a mean square of 45, so one error stands for 45 / 5 of them.
    const factor = dispersionFactor(dispersionOf(randomBlocks('bursts', 5, () => 0.01)), 1);
    expect(factor).toBeGreaterThan(6);
    expect(factor).toBeLessThan(12);
  });

  test('is not raised by a rate that is steadily high, or that drifts', () => {
    const high = dispersionOf(randomBlocks('high', 1, () => 0.2));
    const drifting = dispersionOf(randomBlocks('drift', 1, (block) => 0.002 + (block / 360) * 0.05));
    expect(dispersionFactor(high, 1)).toBeLessThan(1.15);
    expect(dispersionFactor(drifting, 1)).toBeLessThan(1.15);
  });

  test('is raised by a rate that jumps to and fro', () => {
    const flapping = dispersionOf([0, 1, 0, 1, 0, 1].map((dead) => [20, dead * 20] as const));
    expect(dispersionFactor(flapping, 1)).toBeGreaterThan(10);
  });

  test('starts from what is typical for the service, and learns from the arm itself', () => {
    const independent = dispersionOf(randomBlocks('independent', 1, () => 0.01));
    expect(dispersionFactor(noDispersion, 9)).toBe(9);
    expect(dispersionFactor(independent, 9)).toBeLessThan(1.2);
  });

  test('is never below 1, because errors too regular to be random are no more evidence', () => {
    const regular = dispersionOf(Array.from({ length: 100 }, () => [100, 5] as const));
    expect(typicalFactor(regular)).toBeLessThan(0.1);
    expect(dispersionFactor(regular, typicalFactor(regular))).toBe(1);
  });
});

describe('addToDispersion', () => {
  test('skips empty blocks', () => {
    const withEmpty = dispersionOf([
      [10, 1],
      [0, 0],
      [20, 8],
      [0, 0],
    ]);
    expect(withEmpty).toEqual(
      dispersionOf([
        [10, 1],
        [20, 8],
      ]),
    );
    expect(dispersionOf([[0, 0]])).toBe(noDispersion);
  });

  test('compares only neighbours', () => {
    const { observed, expected } = dispersionOf([
      [10, 1],
      [20, 8],
    ]);
    expect(observed).toBeCloseTo((15 * 0.3 ** 2) / (1 / 10 + 1 / 20), 4);
    expect(expected).toBeCloseTo(15 * 0.3 * 0.7 * (30 / 29), 4);
  });

  test('keeps numbers that are short as text', () => {
    const { observed, expected } = dispersionOf([
      [7, 1],
      [13, 3],
      [11, 2],
      [17, 1],
    ]);
    for (const sum of [observed, expected]) expect(String(sum)).toMatch(/^\d+\.\d{1,4}$/);
  });

  test('stays finite for huge counts', () => {
    const huge = dispersionOf([
      [1e9, 0],
      [1e9, 1e9],
      [1, 1],
      [1e9, 0],
    ]);
    expect(Number.isFinite(dispersionFactor(huge, typicalFactor(huge)))).toBe(true);
  });
});
