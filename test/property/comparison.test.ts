import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRandom, type Random } from '../../bench/analysis/random.ts';
import {
  addToComparison,
  decodeComparison,
  dispersionOf,
  encodeComparison,
  freshSafetyEvidence,
  restartFreshSafety,
  rollbackEvidence,
  safetyEvidence,
  startComparison,
  type ComparisonSpec,
  type ComparisonState,
} from '../../src/analysis/comparison.ts';
import { addToLimit, breachEvidence, keptEvidence, startLimit } from '../../src/analysis/limit.ts';
import type { Arms, Counts } from '../../src/analysis/sample.ts';
import { toleratedRate, type ArmRates, type Exposure, type Margin } from '../../src/analysis/sequential.ts';

const margins: readonly Margin[] = [
  { factor: 1, points: 0.005 },
  { factor: 1.5, points: 0 },
  { factor: 1, points: 0.2 },
];
const grid = [0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 1];
const alpha = 0.05;

const counts = fc
  .record({ requests: fc.oneof(fc.nat(20), fc.nat(5_000)), share: fc.double({ min: 0, max: 1, noNaN: true }) })
  .map(({ requests, share }) => ({ requests, errors: Math.round(requests * share ** 4) }));
const block: fc.Arbitrary<Arms> = fc.record({ stable: counts, canary: counts });
const hostileCounts = fc
  .record({ requests: fc.constantFrom(0, 1, 2, 7, 1e9), share: fc.constantFrom(0, 1, 0.5) })
  .map(({ requests, share }) => ({ requests, errors: Math.floor(requests * share) }));
const hostileBlock: fc.Arbitrary<Arms> = fc.record({ stable: hostileCounts, canary: hostileCounts });
const margin = fc.record({
  factor: fc.double({ min: 1, max: 3, noNaN: true }),
  points: fc.double({ min: 0, max: 0.3, noNaN: true }),
});
const spec: fc.Arbitrary<ComparisonSpec> = fc.record({ margin, plannedBlocks: fc.integer({ min: 1, max: 1000 }) });

function stateOf(spec: ComparisonSpec, history: readonly Counts[], blocks: readonly Arms[]): ComparisonState {
  return blocks.reduce((state, arms) => addToComparison(spec, state, arms), startComparison(history));
}

function chance(requests: number, errors: number, rate: number): number {
  let all = 1;
  for (let error = 0; error < errors; error++) all *= (requests - error) / (error + 1);
  return all * rate ** errors * (1 - rate) ** (requests - errors);
}

function outcomesOf(requests: number, rate: number): { readonly counts: Counts; readonly chance: number }[] {
  return Array.from({ length: requests + 1 }, (_, errors) => ({
    counts: { requests, errors },
    chance: chance(requests, errors, rate),
  })).filter((outcome) => outcome.chance > 0);
}

/** expectationAfter goes through all that may happen in blocks of these exposures at these rates, one after another. */
function expectationAfter(
  state: ComparisonState,
  blocks: readonly TrueBlock[],
  add: (state: ComparisonState, arms: Arms) => ComparisonState,
  evidence: (state: ComparisonState) => number,
): number {
  const [first, ...rest] = blocks;
  if (first === undefined) return Math.exp(evidence(state));
  let sum = 0;
  for (const canary of outcomesOf(first.exposure.canary, first.truth.canary)) {
    for (const stable of outcomesOf(first.exposure.stable, first.truth.stable)) {
      const next = add(state, { canary: canary.counts, stable: stable.counts });
      sum += canary.chance * stable.chance * expectationAfter(next, rest, add, evidence);
    }
  }
  return sum;
}

/** nullPoints are rates within the margin, or beyond it, and those on its border. */
function nullPoints(margin: Margin, isBeyond: boolean): ArmRates[] {
  return grid.flatMap((stable) => {
    const edge = toleratedRate(margin, stable);
    const canaries = grid.filter((canary) => (isBeyond ? canary > edge : canary < edge));
    return (edge <= 1 ? [...canaries, edge] : canaries).map((canary) => ({ canary, stable }));
  });
}

/** TrueBlock is a block whose size and whose true rates are known. */
interface TrueBlock {
  readonly exposure: Exposure;
  readonly truth: ArmRates;
}

/** twoBlocks pairs each of the rates with itself and with some other, in blocks of another size. */
function twoBlocks(points: readonly ArmRates[]): (readonly TrueBlock[])[] {
  return points.flatMap((truth, index) =>
    [truth, points[(index * 7 + 3) % points.length] ?? truth].map((later) => [
      { exposure: { canary: 2, stable: 4 }, truth },
      { exposure: { canary: 4, stable: 2 }, truth: later },
    ]),
  );
}

describe('evidence of a whole state', () => {
  const history = [
    { requests: 40, errors: 1 },
    { requests: 60, errors: 4 },
  ];

  for (const margin of margins) {
    const name = `factor ${margin.factor} and ${margin.points} points`;
    const spec: ComparisonSpec = { margin, plannedBlocks: 2 };
    const add = (state: ComparisonState, arms: Arms): ComparisonState => addToComparison(spec, state, arms);

    test(`against a canary within ${name} is expected to be at most 1 after two blocks, if rates change between`, () => {
      const points = nullPoints(margin, false);
      for (const before of [[], history]) {
        const expectations = twoBlocks(points).map((blocks) =>
          expectationAfter(startComparison(before), blocks, add, rollbackEvidence),
        );
        expect(Math.max(...expectations)).toBeLessThanOrEqual(1 + 1e-9);
        expect(Math.max(...expectations)).toBeGreaterThan(0.9);
      }
    });

    test(`for a canary beyond ${name} is expected to be at most 1 after two blocks, if rates change between`, () => {
      const points = nullPoints(margin, true);
      for (const evidence of [safetyEvidence, freshSafetyEvidence]) {
        const expectations = twoBlocks(points).map((blocks) =>
          expectationAfter(startComparison(history), blocks, add, evidence),
        );
        expect(Math.max(...expectations)).toBeLessThanOrEqual(1 + 1e-9);
        expect(Math.max(...expectations)).toBeGreaterThan(0.9);
      }
    });
  }

  test('about a limit is expected to be at most 1 on the other side of it after two blocks', () => {
    const expectation = (highestRate: number, rates: readonly number[], isBroken: boolean): number => {
      const spec = { highestRate, plannedBlocks: 2 };
      let sum = 0;
      for (const one of outcomesOf(6, rates[0] ?? 0)) {
        for (const other of outcomesOf(12, rates[1] ?? 0)) {
          const state = addToLimit(spec, addToLimit(spec, startLimit([]), one.counts), other.counts);
          sum += one.chance * other.chance * Math.exp(isBroken ? breachEvidence(state) : keptEvidence(state));
        }
      }
      return sum;
    };
    for (const limit of [0.001, 0.01, 0.1, 0.5]) {
      for (const rate of grid) {
        expect(expectation(limit, [rate, limit], rate <= limit)).toBeLessThanOrEqual(1 + 1e-9);
        expect(expectation(limit, [limit, rate], rate <= limit)).toBeLessThanOrEqual(1 + 1e-9);
      }
    }
  });
});

/** Stream is random traffic whose canary is as good or as bad as `canaryRateOf` the rate of stable. */
interface Stream {
  readonly random: Random;
  readonly requestsPerBlock: number;
  readonly canaryRateOf: (stableRate: number) => number;
}

/** randomArms draws the weight and the rate of each block anew, so that nothing but the margin stays the same. */
function randomArms({ random, requestsPerBlock, canaryRateOf }: Stream): Arms {
  const stableRate = 0.001 + 0.05 * random.uniform() ** 3;
  const weight = random.uniform() < 0.5 ? 0.05 : 0.5;
  const draw = (mean: number, rate: number): Counts => {
    const requests = random.poisson(mean);
    let errors = 0;
    let at = random.geometric(1 / rate);
    for (; at <= requests; at += random.geometric(1 / rate)) errors++;
    return { requests, errors };
  };
  return {
    stable: draw(requestsPerBlock * (1 - weight), stableRate),
    canary: draw(requestsPerBlock * weight, canaryRateOf(stableRate)),
  };
}

/** shareThatCrosses returns in how many of 300 runs of 120 blocks the evidence ever reaches 1/alpha. */
function shareThatCrosses(
  evidence: (state: ComparisonState) => number,
  requestsPerBlock: number,
  canaryRateOf: (stableRate: number) => number,
): number {
  const spec: ComparisonSpec = { margin: { factor: 1, points: 0.005 }, plannedBlocks: 120 };
  let crossed = 0;
  for (let run = 0; run < 300; run++) {
    const stream = { random: createRandom(`${requestsPerBlock} ${run}`), requestsPerBlock, canaryRateOf };
    let state = startComparison([]);
    for (let block = 0; block < 120; block++) {
      state = addToComparison(spec, state, randomArms(stream));
      if (evidence(state) < Math.log(1 / alpha)) continue;
      crossed++;
      break;
    }
  }
  return crossed / 300;
}

describe('evidence looked at after every block', () => {
  for (const requestsPerBlock of [20, 300, 3_000]) {
    test(`rarely rolls back a healthy canary, at ${requestsPerBlock} requests a block`, () => {
      expect(shareThatCrosses(rollbackEvidence, requestsPerBlock, (rate) => rate)).toBeLessThanOrEqual(alpha / 5);
    });

    test(`rolls back a canary at the very edge of the margin in at most 5 %, at ${requestsPerBlock} a block`, () => {
      const share = shareThatCrosses(rollbackEvidence, requestsPerBlock, (rate) => rate + 0.005);
      expect(share).toBeLessThanOrEqual(alpha);
    });

    test(`promotes a canary at the very edge of the margin in at most 5 %, at ${requestsPerBlock} a block`, () => {
      const share = shareThatCrosses(safetyEvidence, requestsPerBlock, (rate) => rate + 0.005);
      expect(share).toBeLessThanOrEqual(alpha);
    });
  }
});

describe('addToComparison', () => {
  test('gives the same evidence if the controller restarts after any block', () => {
    fc.assert(
      fc.property(
        spec,
        fc.array(counts),
        fc.array(block, { maxLength: 40 }),
        fc.nat(40),
        (spec, history, blocks, at) => {
          let straight = startComparison(history);
          let restarted = startComparison(history);
          for (const [index, arms] of blocks.entries()) {
            straight = addToComparison(spec, straight, arms);
            restarted = addToComparison(spec, decodeComparison(encodeComparison(restarted)) ?? restarted, arms);
            if (index === at) [straight, restarted] = [restartFreshSafety(straight), restartFreshSafety(restarted)];
            expect(restarted).toStrictEqual(straight);
            expect(decodeComparison(encodeComparison(restarted))).toStrictEqual(straight);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('never counts one more canary error for the canary, nor one more stable error against it', () => {
    fc.assert(
      fc.property(spec, fc.array(counts), fc.array(block, { maxLength: 10 }), block, (spec, history, blocks, arms) => {
        const { stable, canary } = arms;
        const state = stateOf(spec, history, blocks);
        const usual = addToComparison(spec, state, arms);
        if (canary.errors < canary.requests) {
          const worse = addToComparison(spec, state, { stable, canary: { ...canary, errors: canary.errors + 1 } });
          expect(rollbackEvidence(worse)).toBeGreaterThanOrEqual(rollbackEvidence(usual) - 2e-4);
          expect(safetyEvidence(worse)).toBeLessThanOrEqual(safetyEvidence(usual) + 2e-4);
        }
        if (stable.errors < stable.requests) {
          const better = addToComparison(spec, state, { canary, stable: { ...stable, errors: stable.errors + 1 } });
          expect(rollbackEvidence(better)).toBeLessThanOrEqual(rollbackEvidence(usual) + 2e-4);
          expect(safetyEvidence(better)).toBeGreaterThanOrEqual(safetyEvidence(usual) - 2e-4);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('stays finite and continues exactly whatever the counts and the margin are', () => {
    const hostileMargin = fc.record({
      factor: fc.constantFrom(1, 1.5, 1000),
      points: fc.constantFrom(0, 1e-12, 0.2, 0.999, 1),
    });
    const hostile = fc.record({ margin: hostileMargin, plannedBlocks: fc.constantFrom(0, 1, 1e12) });
    fc.assert(
      fc.property(hostile, fc.array(hostileCounts), fc.array(hostileBlock), (spec, history, blocks) => {
        const state = stateOf(spec, history, blocks);
        for (const evidence of [rollbackEvidence, safetyEvidence, freshSafetyEvidence, dispersionOf]) {
          expect(Number.isFinite(evidence(state))).toBe(true);
        }
        expect(decodeComparison(encodeComparison(state))).toStrictEqual(state);
      }),
      { numRuns: 1_000 },
    );
  });
});
