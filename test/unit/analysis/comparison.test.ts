import { describe, expect, test } from 'vitest';
import { createRandom, type Random } from '../../../bench/analysis/random.ts';
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
} from '../../../src/analysis/comparison.ts';
import { decodeNumbers, encodeNumbers } from '../../../src/analysis/numbers.ts';
import type { Arms, Counts } from '../../../src/analysis/sample.ts';

/** Blocks are of 10 s; the canary has 5 % of the requests. */
const blockSeconds = 10;
const weight = 0.05;
const halfPoint: ComparisonSpec = { margin: { factor: 1, points: 0.005 }, plannedBlocks: 360 };
const guard: ComparisonSpec = { margin: { factor: 1, points: 0.2 }, plannedBlocks: 360 };
const ln20 = Math.log(20);
const usualRate = 0.005;

/** Traffic makes blocks: `rateOf` is the error rate of an arm in the block that ends at a second. */
interface Traffic {
  readonly requestsPerSecond: number;
  readonly rateOf: (arm: keyof Arms, second: number) => number;
  readonly burst?: number;
}

function usual(requestsPerSecond: number, canaryRate: number): Traffic {
  return { requestsPerSecond, rateOf: (arm) => (arm === 'canary' ? canaryRate : usualRate) };
}

function randomCounts(random: Random, traffic: Traffic, arm: keyof Arms, second: number): Counts {
  const share = arm === 'canary' ? weight : 1 - weight;
  const requests = random.poisson(traffic.requestsPerSecond * blockSeconds * share);
  const rate = traffic.rateOf(arm, second);
  const burst = traffic.burst ?? 1;
  if (rate === 1) return { requests, errors: requests };
  let errors = 0;
  for (let bursts = random.poisson((requests * rate) / burst); bursts > 0; bursts--) {
    errors += burst === 1 ? 1 : random.geometric(burst);
  }
  return { requests, errors: Math.min(requests, errors) };
}

/** historyOf is ten minutes of stable at its first rate. */
function historyOf(random: Random, traffic: Traffic): Counts[] {
  return Array.from({ length: 60 }, () => randomCounts(random, traffic, 'stable', 0));
}

/** secondsUntil returns when the evidence first reaches 95 %, undefined if it never does in an hour. */
function secondsUntil(
  evidence: (state: ComparisonState) => number,
  traffic: Traffic,
  seed: string,
): number | undefined {
  const random = createRandom(seed);
  let state = startComparison(historyOf(random, traffic));
  for (let second = blockSeconds; second <= 3600; second += blockSeconds) {
    const stable = randomCounts(random, traffic, 'stable', second);
    state = addToComparison(halfPoint, state, { stable, canary: randomCounts(random, traffic, 'canary', second) });
    if (evidence(state) >= ln20) return second;
  }
  return undefined;
}

/** outcomes returns the seconds of many runs, those that never reach 95 % as Infinity, in ascending order. */
function outcomes(evidence: (state: ComparisonState) => number, traffic: Traffic, runs: number): number[] {
  const seconds = Array.from({ length: runs }, (_, run) => secondsUntil(evidence, traffic, `run ${run}`) ?? Infinity);
  return seconds.toSorted((left, right) => left - right);
}

function median(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function reached(sorted: readonly number[]): number {
  return sorted.filter(Number.isFinite).length / sorted.length;
}

function add(spec: ComparisonSpec, state: ComparisonState, blocks: readonly Arms[]): ComparisonState {
  return blocks.reduce((sum, arms) => addToComparison(spec, sum, arms), state);
}

/** arms are counts of [requests, errors] of each arm. */
function arms(canary: readonly [number, number], stable: readonly [number, number]): Arms {
  return {
    canary: { requests: canary[0], errors: canary[1] },
    stable: { requests: stable[0], errors: stable[1] },
  };
}

describe('rollbackEvidence', () => {
  for (const spec of [halfPoint, guard]) {
    test(`finds a dead canary at 500 requests/s in one block, with ${spec.margin.points} points`, () => {
      for (const history of [[], Array.from({ length: 60 }, () => ({ requests: 5000, errors: 25 }))]) {
        const state = add(spec, startComparison(history), [arms([250, 250], [4750, 24])]);
        expect(rollbackEvidence(state)).toBeGreaterThan(ln20);
      }
    });

    test(`finds a dead canary at 0.25 requests/s in two blocks; three errors of three in one may have one cause, with ${spec.margin.points} points`, () => {
      for (const history of [[], Array.from({ length: 60 }, () => ({ requests: 50, errors: 0 }))]) {
        const first = add(spec, startComparison(history), [arms([3, 3], [47, 0])]);
        expect(rollbackEvidence(first)).toBeLessThan(ln20);
        expect(rollbackEvidence(add(spec, first, [arms([2, 2], [48, 1])]))).toBeGreaterThan(ln20);
      }
    });
  }

  test('is enough after fifteen errors of fifteen in one block with half of the capital, and not after nine of nine', () => {
    const half = (requests: number): number => {
      const one = add(halfPoint, startComparison([]), [arms([requests, requests], [19 * requests, 0])]);
      return rollbackEvidence(one) + Math.log(0.5);
    };
    expect(half(15)).toBeGreaterThan(ln20);
    expect(half(9)).toBeLessThan(ln20);
  });

  test('finds a canary that answers 10 % badly after about three minutes of 0.25 requests/s', () => {
    const seconds = outcomes(rollbackEvidence, usual(5, 0.1), 60);
    expect(reached(seconds)).toBe(1);
    expect(median(seconds)).toBeGreaterThanOrEqual(90);
    expect(median(seconds)).toBeLessThanOrEqual(240);
  });

  test('finds a canary that answers 2 % badly after about a minute of 25 requests/s', () => {
    const seconds = outcomes(rollbackEvidence, usual(500, 0.02), 40);
    expect(reached(seconds)).toBe(1);
    expect(median(seconds)).toBeLessThanOrEqual(90);
  });

  test('finds a canary that turns bad after half an hour within three minutes', () => {
    const late: Traffic = {
      requestsPerSecond: 500,
      rateOf: (arm, second) => (arm === 'canary' && second > 1800 ? 0.02 : usualRate),
    };
    const seconds = outcomes(rollbackEvidence, late, 30);
    expect(seconds[0]).toBeGreaterThan(1800);
    expect(median(seconds)).toBeLessThanOrEqual(1980);
  });

  test('finds a canary that turns bad long after the planned end', () => {
    // 17 blocks, where 12 are needed within the plan; without a reserve of starting capital it takes 550.
    const healthy = Array.from({ length: 1000 }, () => arms([250, 1], [4750, 24]));
    const bad = Array.from({ length: 20 }, () => arms([250, 5], [4750, 24]));
    const before = add({ ...halfPoint, plannedBlocks: 300 }, startComparison([]), healthy);
    expect(rollbackEvidence(before)).toBeLessThan(-2);
    expect(rollbackEvidence(add({ ...halfPoint, plannedBlocks: 300 }, before, bad))).toBeGreaterThan(ln20);
  });

  test('is not reached by an incident that both arms share', () => {
    const incident: Traffic = {
      requestsPerSecond: 500,
      rateOf: (_arm, second) => (second > 1200 && second <= 1500 ? 0.2 : usualRate),
    };
    expect(reached(outcomes(rollbackEvidence, incident, 30))).toBe(0);
  });

  test('is not reached by a rising rate of both arms while the weight is raised', () => {
    // Pooled over all blocks, this canary has three times the errors of stable: most of its requests are late ones.
    const blocks = Array.from({ length: 360 }, (_, block) => {
      const rate = 0.002 + (block / 360) * 0.028;
      const canary = Math.round(5000 * (block < 180 ? 0.01 : 0.5));
      return arms([canary, Math.round(canary * rate)], [5000 - canary, Math.round((5000 - canary) * rate)]);
    });
    const state = add(halfPoint, startComparison([]), blocks);
    const { canary, stable } = state.counted;
    expect(canary.errors / canary.requests).toBeGreaterThan(stable.errors / stable.requests + 0.005);
    expect(rollbackEvidence(state)).toBeLessThan(0);
  });

  test('is rarely reached by bursts of errors', () => {
    // Undiscounted, every single run of these would be rolled back.
    const bursts: Traffic = { ...usual(500, usualRate), burst: 5 };
    expect(reached(outcomes(rollbackEvidence, bursts, 60))).toBeLessThanOrEqual(0.05);
  });

  test('is still reached in bursts of errors by a canary that has more of them', () => {
    const seconds = outcomes(rollbackEvidence, { ...usual(500, 0.02), burst: 5 }, 30);
    expect(reached(seconds)).toBe(1);
    expect(median(seconds)).toBeLessThanOrEqual(420);
  });

  test('is not reached by a dead canary where more than that is tolerated', () => {
    const spec: ComparisonSpec = { margin: { factor: 1, points: 0.8 }, plannedBlocks: 360 };
    const history = Array.from({ length: 60 }, () => ({ requests: 500, errors: 200 }));
    const dead = Array.from({ length: 60 }, () => arms([50, 50], [450, 180]));
    expect(rollbackEvidence(add(spec, startComparison(history), dead))).toBeLessThanOrEqual(0);
  });

  test('is not moved far by one glitch, however large', () => {
    const healthy = add(halfPoint, startComparison([]), Array<Arms>(30).fill(arms([250, 1], [4750, 24])));
    expect(rollbackEvidence(add(halfPoint, healthy, [arms([1e6, 1e6], [4750, 24])]))).toBeLessThan(ln20);
  });
});

describe('safetyEvidence', () => {
  test('is reached by a healthy canary at 25 requests/s in a minute or two', () => {
    const seconds = outcomes(safetyEvidence, usual(500, usualRate), 40);
    expect(reached(seconds)).toBe(1);
    expect(median(seconds)).toBeLessThanOrEqual(150);
  });

  test('is seldom reached by a healthy canary at 0.25 requests/s: an hour has too few requests to know', () => {
    const share = reached(outcomes(safetyEvidence, usual(5, usualRate), 80));
    expect(share).toBeGreaterThan(0.05);
    expect(share).toBeLessThan(0.5);
  });

  test('is not reached by a canary beyond the margin', () => {
    expect(reached(outcomes(safetyEvidence, usual(500, 0.02), 40))).toBeLessThanOrEqual(0.05);
  });

  test('starts anew when asked to, and the rest of the state stays', () => {
    const healthy = Array<Arms>(20).fill(arms([250, 1], [4750, 24]));
    const before = add(halfPoint, startComparison([]), healthy);
    const after = restartFreshSafety(before);
    expect(freshSafetyEvidence(before)).toBe(safetyEvidence(before));
    expect(freshSafetyEvidence(after)).toBeCloseTo(0, 12);
    expect(safetyEvidence(after)).toBe(safetyEvidence(before));
    expect(rollbackEvidence(after)).toBe(rollbackEvidence(before));
    const later = add(halfPoint, after, healthy);
    expect(freshSafetyEvidence(later)).toBeGreaterThan(0);
    expect(freshSafetyEvidence(later)).toBeLessThan(safetyEvidence(later));
  });
});

describe('addToComparison', () => {
  test('only counts a block in which one arm had no requests', () => {
    const state = add(halfPoint, startComparison([]), [arms([10, 1], [90, 0])]);
    for (const block of [arms([0, 0], [50, 50]), arms([50, 50], [0, 0]), arms([0, 0], [0, 0])]) {
      const next = addToComparison(halfPoint, state, block);
      expect(rollbackEvidence(next)).toBe(rollbackEvidence(state));
      expect(safetyEvidence(next)).toBe(safetyEvidence(state));
      expect(next.counted.canary.requests).toBe(10 + block.canary.requests);
    }
  });

  test('keeps the history of stable apart from what is counted', () => {
    const state = startComparison([{ requests: 100, errors: 1 }]);
    expect(state.counted.stable).toEqual({ requests: 0, errors: 0 });
    expect(state.history).toEqual({ requests: 100, errors: 1 });
  });

  test('knows bursts from the history of stable', () => {
    const bursts = Array.from({ length: 60 }, (_, block) => ({ requests: 5000, errors: block % 2 === 0 ? 60 : 5 }));
    expect(dispersionOf(startComparison([]))).toBe(1);
    expect(dispersionOf(startComparison(bursts))).toBeGreaterThan(4);
  });

  test('gives the same whether the state was stored in between or not', () => {
    const traffic: Traffic = { ...usual(50, 0.02), burst: 2 };
    const random = createRandom('stored');
    let state = startComparison(historyOf(random, traffic));
    for (let second = blockSeconds; second <= 3600; second += blockSeconds) {
      const stable = randomCounts(random, traffic, 'stable', second);
      state = addToComparison(halfPoint, state, { stable, canary: randomCounts(random, traffic, 'canary', second) });
      const text = encodeComparison(state);
      expect(text.length).toBeLessThanOrEqual(250);
      expect(String(state.rollback.spent)).toMatch(/^[01](\.\d{1,9})?$/);
      expect(decodeComparison(text)).toStrictEqual(state);
    }
  });
});

describe('decodeComparison', () => {
  const text = encodeComparison(add(halfPoint, startComparison([]), [arms([10, 1], [90, 0])]));
  const numbers = decodeNumbers('comparison1', text) ?? [];
  const written = (...changed: readonly number[]): string => encodeNumbers('comparison1', changed);

  test('returns what was encoded', () => {
    expect(encodeComparison(decodeComparison(text) ?? startComparison([]))).toBe(text);
  });

  test.each([
    ['nothing', () => ''],
    ['a number too few', () => written(...numbers.slice(0, -1))],
    ['a number too many', () => written(...numbers, 0)],
    ['a second space', () => text.replace(' ', '  ')],
    ['another version', () => text.replace('comparison1', 'comparison0')],
    ['a word that has no end', () => text.replace(/.$/, 'z')],
    ['another character', () => text.replace(/.$/, '.')],
    ['a number in another form', () => text.replace('AA', 'gAA')],
    ['a number beyond all that there are', () => `${text}${'_'.repeat(300)}B`],
    ['more errors than requests', () => written(...numbers.slice(0, -2), 1, 2)],
    ['a negative count', () => written(...numbers.slice(0, -2), -1, -1)],
    ['wealth below nothing', () => written(-1001, ...numbers.slice(1))],
  ])('refuses %s', (_name, change) => {
    expect(change()).not.toBe(text);
    expect(decodeComparison(change())).toBeUndefined();
  });
});
