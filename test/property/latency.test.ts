import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clampDurations, quantileRange, type Durations } from '../../src/analysis/durations.ts';
import { planLatency, type LatencyPlan } from '../../src/analysis/latency-plan.ts';
import { decodeLatency, encodeLatency } from '../../src/analysis/latency-text.ts';
import {
  addToLatency,
  freshLatencySafetyEvidence,
  latencyRollbackEvidence,
  latencySafetyEvidence,
  startLatency,
  type LatencyBlock,
  type LatencyState,
} from '../../src/analysis/latency.ts';

const spec = { plannedBlocks: 20 };

function planOf(...bounds: readonly (readonly [seconds: number, share: number, points: number])[]): LatencyPlan {
  return {
    kind: 'Planned',
    resolution: 'Fine',
    bounds: bounds.map(([seconds, share, points]) => ({ seconds, share, factor: 1, points })),
  };
}

/** Shares of one arm above each bound, descending. */
type Shares = readonly number[];

interface Weighted {
  readonly durations: Durations;
  readonly probability: number;
}

/** everyOutcome lists all durations of `total` requests with their probabilities: a multinomial of the buckets. */
function everyOutcome(total: number, shares: Shares): Weighted[] {
  const buckets = [1 - (shares[0] ?? 0), ...shares.map((share, index) => share - (shares[index + 1] ?? 0))];
  const counts = (left: number, parts: number): number[][] =>
    parts === 1
      ? [[left]]
      : Array.from({ length: left + 1 }, (_, count) =>
          counts(left - count, parts - 1).map((rest) => [count, ...rest]),
        ).flat();
  return counts(total, buckets.length).map((outcome) => {
    let probability = factorial(total);
    for (const [index, count] of outcome.entries()) {
      probability *= (buckets[index] ?? 0) ** count / factorial(count);
    }
    let sum = 0;
    return { durations: { total, within: outcome.slice(0, -1).map((count) => (sum += count)) }, probability };
  });
}

function factorial(n: number): number {
  return n <= 1 ? 1 : n * factorial(n - 1);
}

interface Arm {
  readonly total: number;
  readonly shares: Shares;
}

/** expectation is the mean of e^evidence over every outcome of the next block. */
function expectation(
  plan: LatencyPlan,
  state: LatencyState,
  evidence: (state: LatencyState) => number,
  arms: { readonly stable: Arm; readonly canary: Arm },
): number {
  let mean = 0;
  for (const stable of everyOutcome(arms.stable.total, arms.stable.shares)) {
    for (const canary of everyOutcome(arms.canary.total, arms.canary.shares)) {
      const block = { stable: stable.durations, canary: canary.durations };
      mean += stable.probability * canary.probability * Math.exp(evidence(addToLatency(plan, spec, state, block)));
    }
  }
  return mean;
}

/** A state in which something was learned already, so that alternatives and dispersion are not those of a start. */
function learned(plan: LatencyPlan, blocks: readonly (readonly number[])[]): LatencyState {
  let state = startLatency(plan);
  for (const [slow = 0, slower = 0] of blocks) {
    const within = [10 - slow, 10 - Math.min(slow, slower)].slice(0, plan.bounds.length);
    state = addToLatency(plan, spec, state, {
      stable: { total: 40, within: within.map((count) => count + 30) },
      canary: { total: 10, within },
    });
  }
  return state;
}

const share = fc.double({ min: 0, max: 1, noNaN: true });
const past = fc.array(fc.tuple(fc.nat(10), fc.nat(10)), { maxLength: 4 });

describe('the expectation of evidence over every outcome of a block', () => {
  const single = planOf([0.1, 0.1, 0.05]);
  const double = planOf([0.1, 0.3, 0.1], [0.5, 0.05, 0.02]);

  test('against a canary that is as slow as tolerated is no more than what was there', () => {
    fc.assert(
      fc.property(share, share, past, fc.integer({ min: 1, max: 12 }), (stable, part, blocks, total) => {
        const state = learned(single, blocks);
        const canary = part * Math.min(1, stable + 0.05);
        const arms = { stable: { total: 7, shares: [stable] }, canary: { total, shares: [canary] } };
        const mean = expectation(single, state, latencyRollbackEvidence, arms);
        expect(mean).toBeLessThanOrEqual(Math.exp(latencyRollbackEvidence(state)) * (1 + 1e-9));
      }),
      { numRuns: 150 },
    );
  });

  test('stays so at the border itself, whatever the share of stable', () => {
    for (let stable = 0; stable <= 0.95; stable += 0.05) {
      const arms = { stable: { total: 9, shares: [stable] }, canary: { total: 9, shares: [stable + 0.05] } };
      for (const state of [startLatency(single), learned(single, [[5], [1], [2]])]) {
        const mean = expectation(single, state, latencyRollbackEvidence, arms);
        expect(mean).toBeLessThanOrEqual(Math.exp(latencyRollbackEvidence(state)) * (1 + 1e-9));
      }
    }
  });

  test('stays so at the border of a tolerance that grows with the share of stable', () => {
    const steep: LatencyPlan = { ...single, bounds: [{ seconds: 0.1, share: 0.1, factor: 1.4, points: 0.03 }] };
    for (let stable = 0; stable <= 0.65; stable += 0.05) {
      const arms = { stable: { total: 9, shares: [stable] }, canary: { total: 9, shares: [1.4 * stable + 0.03] } };
      const safety = (state: LatencyState): number => latencySafetyEvidence(state);
      for (const evidence of [latencyRollbackEvidence, safety]) {
        const state = learned(steep, [[5], [1], [2]]);
        expect(expectation(steep, state, evidence, arms)).toBeLessThanOrEqual(Math.exp(evidence(state)) * (1 + 1e-9));
      }
    }
  });

  test('is no more where stable has become so slow that everything is tolerated', () => {
    let state = startLatency(single);
    const slow = { stable: { total: 500, within: [2] }, canary: { total: 20, within: [1] } };
    for (let block = 0; block < 4; block++) state = addToLatency(single, spec, state, slow);
    for (const canary of [0.2, 0.9, 1]) {
      const arms = { stable: { total: 9, shares: [0.99] }, canary: { total: 9, shares: [canary] } };
      const mean = expectation(single, state, latencyRollbackEvidence, arms);
      expect(mean).toBeLessThanOrEqual(Math.exp(latencyRollbackEvidence(state)) * (1 + 1e-9));
    }
  });

  test('is no more with two bounds that depend on each other', () => {
    fc.assert(
      fc.property(share, share, share, past, (slow, tail, part, blocks) => {
        const state = learned(double, blocks);
        const stable = [slow, slow * tail];
        const canary = [part * Math.min(1, slow + 0.1), part * Math.min(slow + 0.1, slow * tail + 0.02, 1)];
        const arms = { stable: { total: 4, shares: stable }, canary: { total: 4, shares: canary } };
        const mean = expectation(double, state, latencyRollbackEvidence, arms);
        expect(mean).toBeLessThanOrEqual(Math.exp(latencyRollbackEvidence(state)) * (1 + 1e-9));
      }),
      { numRuns: 60 },
    );
  });

  test('for a canary that is too slow at one bound is no more than what that bound had', () => {
    fc.assert(
      fc.property(share, share, past, (stable, part, blocks) => {
        const tolerated = stable + 0.05;
        fc.pre(tolerated < 1);
        const state = learned(single, blocks);
        const canary = tolerated + part * (1 - tolerated);
        const arms = { stable: { total: 7, shares: [stable] }, canary: { total: 9, shares: [canary] } };
        const safety = (state: LatencyState): number => latencySafetyEvidence(state);
        const mean = expectation(single, state, safety, arms);
        expect(mean).toBeLessThanOrEqual(Math.exp(safety(state)) * (1 + 1e-9));
      }),
      { numRuns: 150 },
    );
  });

  test('is above what was there for a canary that is much too slow, so that the test above can fail', () => {
    const arms = { stable: { total: 9, shares: [0.1] }, canary: { total: 9, shares: [0.6] } };
    expect(expectation(single, startLatency(single), latencyRollbackEvidence, arms)).toBeGreaterThan(1.5);
  });
});

describe('input that no source should give', () => {
  const count = fc.oneof(
    fc.nat(1000),
    fc.double(),
    fc.constantFrom(0, -0, NaN, Infinity, -Infinity, 1e300, -1, Number.MAX_SAFE_INTEGER),
  );
  const durationsOf = (bounds: number): fc.Arbitrary<Durations> =>
    fc.record({ total: count, within: fc.array(count, { minLength: 0, maxLength: bounds + 1 }) });

  test('leaves finite evidence, and a state that continues exactly', () => {
    const plan = planOf([0.1, 0.3, 0.05], [0.3, 0, 0.001], [1.2, 0.9, 0.099]);
    const durations = fc.record({ total: count, within: fc.array(count, { minLength: 3, maxLength: 3 }) });
    const block: fc.Arbitrary<LatencyBlock> = fc.oneof(
      fc.record({ stable: durations, canary: durations }),
      fc.record({ stable: durationsOf(3), canary: durationsOf(3) }),
    );
    fc.assert(
      fc.property(fc.array(block, { maxLength: 12 }), (blocks) => {
        let state = startLatency(plan);
        for (const each of blocks) {
          state = addToLatency(plan, spec, state, each);
          for (const evidence of [latencyRollbackEvidence, latencySafetyEvidence, freshLatencySafetyEvidence]) {
            expect(Number.isFinite(evidence(state))).toBe(true);
          }
          expect(decodeLatency(plan, encodeLatency(state))).toEqual(state);
        }
      }),
    );
  });

  test('gives a plan of sound tolerances or none, and a range in order', () => {
    const bounds = fc
      .uniqueArray(fc.double({ min: 1e-4, max: 100, noNaN: true }), { maxLength: 20 })
      .map((values) => values.toSorted((left, right) => left - right));
    const quantile = fc.oneof(fc.constant('All' as const), fc.double({ min: 0.01, max: 0.9999, noNaN: true }));
    fc.assert(
      fc.property(bounds, durationsOf(20), fc.double({ min: 0, max: 20 }), quantile, (each, history, increase, q) => {
        const plan = planLatency({ bounds: each, history, maxIncrease: increase, quantile: q });
        for (const { share, factor, points } of plan.kind === 'Planned' ? plan.bounds : []) {
          const tolerated = factor * share + points;
          expect(share).toBeGreaterThanOrEqual(0);
          expect(tolerated - share).toBeGreaterThan(0.00095);
          expect(tolerated).toBeLessThan(1);
        }
        const range = quantileRange(clampDurations(history), each, 0.9);
        expect(range.aboveSeconds).toBeLessThan(range.atMostSeconds);
      }),
      { numRuns: 300 },
    );
  });
});
