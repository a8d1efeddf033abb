import { describe, expect, test } from 'vitest';
import type { Arms } from '../../../src/analysis/sample.ts';
import {
  clampRate,
  logAdd,
  logEvidence,
  logMixture,
  multiplyWealth,
  noWealth,
  projectOnNull,
  startOrMultiply,
  toleratedRate,
  type ArmRates,
  type Exposure,
  type Margin,
} from '../../../src/analysis/sequential.ts';

const margins: readonly Margin[] = [
  { factor: 1, points: 0.005 },
  { factor: 1.5, points: 0 },
  { factor: 1, points: 0.2 },
  { factor: 1.2, points: 0.01 },
];
const rates = [0.000001, 0.001, 0.005, 0.02, 0.1, 0.3, 0.5, 0.8, 0.95, 0.999];
const grid = [0, 0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.99, 1];
const exposures: readonly Exposure[] = [
  { canary: 1, stable: 1 },
  { canary: 1, stable: 12 },
  { canary: 12, stable: 1 },
  { canary: 3, stable: 7 },
  { canary: 12, stable: 12 },
];

/** divergence is what projectOnNull minimizes along the border. */
function divergence(alternative: ArmRates, point: ArmRates, exposure: Exposure): number {
  const ofArm = (from: number, to: number): number =>
    from * Math.log(from / to) + (1 - from) * Math.log((1 - from) / (1 - to));
  return (
    exposure.canary * ofArm(alternative.canary, point.canary) +
    exposure.stable * ofArm(alternative.stable, point.stable)
  );
}

/** probabilities returns those of 0..n errors of n requests. */
function probabilities(requests: number, rate: number): number[] {
  let all = [1];
  for (let request = 0; request < requests; request++) {
    const next = Array<number>(all.length + 1).fill(0);
    all.forEach((chance, errors) => {
      next[errors] = (next[errors] ?? 0) + chance * (1 - rate);
      next[errors + 1] = (next[errors + 1] ?? 0) + chance * rate;
    });
    all = next;
  }
  return all;
}

/** expectationOf returns E S by going through every possible count of errors. */
function expectationOf(alternative: ArmRates, exposure: Exposure, margin: Margin): (truth: ArmRates) => number {
  const point = projectOnNull(alternative, exposure, margin);
  return (truth) => {
    let sum = 0;
    const ofStable = probabilities(exposure.stable, truth.stable);
    probabilities(exposure.canary, truth.canary).forEach((canaryChance, canaryErrors) => {
      ofStable.forEach((stableChance, stableErrors) => {
        const arms: Arms = {
          canary: { requests: exposure.canary, errors: canaryErrors },
          stable: { requests: exposure.stable, errors: stableErrors },
        };
        sum += canaryChance * stableChance * Math.exp(logEvidence(arms, alternative, point));
      });
    });
    return sum;
  };
}

/** pairs are all alternatives of the rates. */
const pairs: readonly ArmRates[] = rates.flatMap((stable) => rates.map((canary) => ({ canary, stable })));

/** nullPoints are points of the grid where the null holds, and its whole border. */
function nullPoints(margin: Margin, isWorse: boolean): ArmRates[] {
  return grid.flatMap((stable) => {
    const edge = toleratedRate(margin, stable);
    const canaries = grid.filter((canary) => (isWorse ? canary > edge : canary < edge));
    return (edge <= 1 ? [...canaries, edge] : canaries).map((canary) => ({ canary, stable }));
  });
}

/** worstExpectation returns the largest E S over all alternatives on one side and all null points on the other. */
function worstExpectation(margin: Margin, exposure: Exposure, nullIsWorse: boolean): number {
  const points = nullPoints(margin, nullIsWorse);
  const alternatives = pairs.filter(({ canary, stable }) => canary > toleratedRate(margin, stable) !== nullIsWorse);
  return Math.max(
    ...alternatives.map((alternative) => {
      const expectation = expectationOf(alternative, exposure, margin);
      return Math.max(...points.map(expectation));
    }),
  );
}

describe('logEvidence against the projection', () => {
  for (const margin of margins) {
    const name = `factor ${margin.factor} and ${margin.points} points`;
    test(`is expected to be at most 1 for every canary within ${name}`, () => {
      for (const exposure of exposures) {
        const worst = worstExpectation(margin, exposure, false);
        expect(worst).toBeLessThanOrEqual(1 + 1e-9);
        expect(worst).toBeGreaterThan(0.999);
      }
    });

    test(`is expected to be at most 1 for every canary worse than ${name}`, () => {
      for (const exposure of exposures) {
        const worst = worstExpectation(margin, exposure, true);
        expect(worst).toBeLessThanOrEqual(1 + 1e-9);
        expect(worst).toBeGreaterThan(0.999);
      }
    });
  }

  test('is expected to be at most 1 for counts that are too many to go through, too', () => {
    // Of n independent requests with the error rate r, E (t/x)^errors ((1-t)/(1-x))^others is (1 + (r-x)(t-x)/(x(1-x)))^n.
    const ofArm = (requests: number, rate: number, alternative: number, point: number): number =>
      requests * Math.log1p(((rate - point) * (alternative - point)) / (point * (1 - point)));
    for (const margin of margins) {
      for (const alternative of pairs) {
        const points = nullPoints(margin, alternative.canary <= toleratedRate(margin, alternative.stable));
        for (const exposure of [
          { canary: 5e7, stable: 9.5e8 },
          { canary: 9e8, stable: 1e5 },
        ]) {
          const point = projectOnNull(alternative, exposure, margin);
          const logs = points.map(
            (truth) =>
              ofArm(exposure.canary, truth.canary, alternative.canary, point.canary) +
              ofArm(exposure.stable, truth.stable, alternative.stable, point.stable),
          );
          // A rate is rounded in its last bit (0.1 + 0.2 is above 0.3), which counts once for each request.
          expect(Math.max(...logs)).toBeLessThanOrEqual((exposure.canary + exposure.stable) * Number.EPSILON);
        }
      }
    }
  });

  test('is exactly nothing where one arm had no requests', () => {
    const none = { requests: 0, errors: 0 };
    const some = { requests: 10, errors: 10 };
    const margin = { factor: 1, points: 0.2 };
    for (const arms of [
      { canary: some, stable: none },
      { canary: none, stable: some },
      { canary: none, stable: none },
    ]) {
      const exposure = { canary: arms.canary.requests, stable: arms.stable.requests };
      // The second can not be projected by changing stable alone: no rate of stable tolerates so little.
      for (const alternative of [
        { canary: 0.5, stable: 0.01 },
        { canary: 0.001, stable: 0.01 },
      ]) {
        expect(logEvidence(arms, alternative, projectOnNull(alternative, exposure, margin))).toBe(0);
      }
    }
  });
});

describe('projectOnNull', () => {
  test('finds the least divergence on the border, whatever the rates and the exposure', () => {
    const unequal = [...exposures, { canary: 1, stable: 1e9 }, { canary: 1e9, stable: 1 }];
    for (const margin of margins) {
      const border = Array.from({ length: 199 }, (_, step) => {
        const stable = ((1 - margin.points) / margin.factor) * ((step + 1) / 200);
        return { canary: toleratedRate(margin, stable), stable };
      });
      for (const alternative of pairs) {
        for (const exposure of unequal) {
          const found = divergence(alternative, projectOnNull(alternative, exposure, margin), exposure);
          const least = Math.min(...border.map((point) => divergence(alternative, point, exposure)));
          expect((found - least) / (exposure.canary + exposure.stable)).toBeLessThan(1e-12);
        }
      }
    }
  });

  test('stays between 0 and 1 for hostile rates, margins and exposures', () => {
    const hostile = [...margins, { factor: 1, points: 0 }, { factor: 1, points: 1 }, { factor: 100, points: 0.99 }];
    const ends = [0, 1e-300, 0.5, 1].map(clampRate);
    const alternatives = ends.flatMap((stable) => ends.map((canary) => ({ canary, stable })));
    for (const margin of hostile) {
      for (const alternative of alternatives) {
        for (const canary of [0, 1, 1e9]) {
          const point = projectOnNull(alternative, { canary, stable: 7 }, margin);
          expect(point.stable > 0 && point.stable < 1 && point.canary > 0 && point.canary < 1).toBe(true);
        }
      }
    }
  });

  test('counts nothing where everything is tolerated', () => {
    const alternative = { canary: 0.2, stable: 0.1 };
    expect(projectOnNull(alternative, { canary: 5, stable: 5 }, { factor: 1, points: 1 })).toEqual(alternative);
  });
});

describe('wealth', () => {
  test('is added in logarithms without losing the smaller part', () => {
    expect(logAdd(Math.log(3), Math.log(4))).toBeCloseTo(Math.log(7), 12);
    expect(logAdd(noWealth, Math.log(0.6))).toBe(Math.log(0.6));
    expect(logAdd(1e6, 1e6)).toBeCloseTo(1e6 + Math.LN2, 6);
  });

  test('is mixed by weight', () => {
    expect(logMixture([Math.log(10), Math.log(2)], [0.25, 0.75])).toBeCloseTo(Math.log(4), 12);
    expect(logMixture([5000, noWealth], [0.5, 0.5])).toBeCloseTo(5000 - Math.LN2, 9);
    expect(logMixture([noWealth, noWealth], [0.5, 0.5])).toBe(noWealth);
  });

  test('is rounded down, so that rounding is never evidence', () => {
    expect(multiplyWealth(0, 0.00019)).toBe(0.0001);
    expect(multiplyWealth(0, -0.00001)).toBe(-0.0001);
    expect(Object.is(multiplyWealth(0.5, -0.5), 0)).toBe(true);
    expect(Object.is(multiplyWealth(-0, -0), 0)).toBe(true);
  });

  test('keeps a state that nothing is left of finite', () => {
    expect(multiplyWealth(-999, -5)).toBe(noWealth);
    expect(multiplyWealth(noWealth, -1e12)).toBe(noWealth);
  });

  test('that is started late gains at once what was lost before', () => {
    expect(startOrMultiply(noWealth, 0, 0.6)).toBeCloseTo(Math.log(0.6), 3);
    expect(startOrMultiply(-500, 4, 0.001)).toBeCloseTo(4 + Math.log(0.001), 3);
    expect(startOrMultiply(-500, 4, 0)).toBe(-496);
  });
});
