import { describe, expect, test } from 'vitest';
import {
  addToLimit,
  breachEvidence,
  decodeLimit,
  encodeLimit,
  freshKeptEvidence,
  keptEvidence,
  restartFreshKept,
  startLimit,
  type LimitSpec,
  type LimitState,
} from '../../../src/analysis/limit.ts';
import type { Counts } from '../../../src/analysis/sample.ts';

const onePercent: LimitSpec = { highestRate: 0.01, plannedBlocks: 360 };
const ln20 = Math.log(20);

function stateOf(spec: LimitSpec, blocks: readonly Counts[], history: readonly Counts[] = []): LimitState {
  return blocks.reduce((state, block) => addToLimit(spec, state, block), startLimit(history));
}

function repeat(count: number, block: Counts): Counts[] {
  return Array.from({ length: count }, () => block);
}

/** cleanUntilKept returns how many requests without an error show that the limit is kept, in blocks of this size. */
function cleanUntilKept(requests: number): number {
  let state = startLimit([]);
  let total = 0;
  while (keptEvidence(state) < ln20) {
    state = addToLimit(onePercent, state, { requests, errors: 0 });
    total += requests;
  }
  return total;
}

/** isBroken says whether `errors` spread evenly over `requests`, one request at a time, show that the limit is broken. */
function isBroken(errors: number, requests: number): boolean {
  const blocks = Array.from({ length: requests }, (_, index) => ({
    requests: 1,
    errors: Math.floor(((index + 1) * errors) / requests) - Math.floor((index * errors) / requests),
  }));
  return breachEvidence(stateOf(onePercent, blocks)) >= ln20;
}

describe('keptEvidence', () => {
  test('needs about 400 requests without an error for 1 % at 95 %', () => {
    // 298 is the least that any valid test needs (ln 20 / -ln 0.99).
    expect(cleanUntilKept(1)).toBeGreaterThan(390);
    expect(cleanUntilKept(1)).toBeLessThan(410);
    expect(cleanUntilKept(10)).toBe(410);
  });

  test('needs more in large blocks, because a rate is only learned between blocks', () => {
    expect(cleanUntilKept(100)).toBe(500);
  });

  test('is not reached with as many errors as the limit allows', () => {
    expect(keptEvidence(stateOf(onePercent, repeat(500, { requests: 100, errors: 1 })))).toBeLessThan(0);
  });

  test('is reached with half as many errors as the limit allows', () => {
    expect(keptEvidence(stateOf(onePercent, repeat(50, { requests: 200, errors: 1 })))).toBeGreaterThan(ln20);
  });
});

describe('breachEvidence', () => {
  test.each([
    [2, 2],
    [2, 5],
    [3, 20],
    [4, 50],
    [6, 100],
    [13, 500],
  ])('needs %i errors of %i, spread evenly, for a limit of 0.01', (errors, requests) => {
    expect(isBroken(errors, requests)).toBe(true);
    expect(isBroken(errors - 1, requests)).toBe(false);
  });

  test('needs fewer errors if they come one after another, because a product may start late', () => {
    const clean = repeat(97, { requests: 1, errors: 0 });
    const dead = repeat(3, { requests: 1, errors: 1 });
    expect(breachEvidence(stateOf(onePercent, [...clean, ...dead]))).toBeGreaterThan(ln20);
    expect(isBroken(3, 100)).toBe(false);
  });

  test('is never reached by one error, however early, or by one block, however bad', () => {
    expect(breachEvidence(stateOf(onePercent, [{ requests: 1, errors: 1 }]))).toBeLessThan(ln20);
    const capped = breachEvidence(stateOf(onePercent, [{ requests: 1e9, errors: 1e9 }]));
    expect(capped).toBeLessThanOrEqual(Math.log(0.6 * Math.exp(4.3) + 0.4));
    const few = breachEvidence(stateOf(onePercent, [{ requests: 9, errors: 9 }]));
    expect(few).toBeLessThanOrEqual(Math.log(0.6 * Math.exp(4) + 0.4));
  });

  test('comes soon after a late onset', () => {
    const good = stateOf(onePercent, repeat(180, { requests: 500, errors: 1 }));
    const bad = repeat(12, { requests: 500, errors: 15 }).reduce(
      (state, block) => addToLimit(onePercent, state, block),
      good,
    );
    expect(breachEvidence(good)).toBeLessThan(0);
    expect(breachEvidence(bad)).toBeGreaterThan(ln20);
  });

  test('comes later where errors come in bursts', () => {
    const bursts = Array.from({ length: 60 }, (_, index) => ({ requests: 500, errors: index % 10 === 0 ? 30 : 1 }));
    const bad = [0, 22, 2, 25, 4, 31].map((errors) => ({ requests: 500, errors }));
    expect(breachEvidence(stateOf(onePercent, bad, bursts))).toBeLessThan(breachEvidence(stateOf(onePercent, bad)));
  });
});

describe('a limit', () => {
  test('of nothing or of everything gives finite evidence', () => {
    for (const highestRate of [0, 1e-9, 0.5, 0.999, 1]) {
      for (const block of [
        { requests: 1, errors: 0 },
        { requests: 1, errors: 1 },
        { requests: 1e9, errors: 5e8 },
      ]) {
        const state = stateOf({ highestRate, plannedBlocks: 0 }, repeat(3, block));
        expect(Number.isFinite(breachEvidence(state)) && Number.isFinite(keptEvidence(state))).toBe(true);
        expect(decodeLimit(encodeLimit(state))).toStrictEqual(state);
      }
    }
  });

  test('of nothing is broken by errors and not by anything else', () => {
    const none: LimitSpec = { highestRate: 0, plannedBlocks: 360 };
    expect(breachEvidence(stateOf(none, repeat(2, { requests: 100, errors: 2 })))).toBeGreaterThan(ln20);
    expect(breachEvidence(stateOf(none, repeat(2, { requests: 100, errors: 0 })))).toBeLessThanOrEqual(0);
  });

  test('of everything is never broken', () => {
    const dead = repeat(100, { requests: 100, errors: 100 });
    expect(breachEvidence(stateOf({ highestRate: 1, plannedBlocks: 100 }, dead))).toBeLessThanOrEqual(0);
  });

  test('is told nothing by an empty block', () => {
    const state = stateOf(onePercent, [{ requests: 10, errors: 1 }]);
    expect(addToLimit(onePercent, state, { requests: 0, errors: 0 })).toBe(state);
  });

  test('can be judged anew at a new weight', () => {
    const state = restartFreshKept(stateOf(onePercent, repeat(100, { requests: 100, errors: 0 })));
    expect(freshKeptEvidence(state)).toBeCloseTo(0, 12);
    expect(keptEvidence(state)).toBeGreaterThan(ln20);
    const next = addToLimit(onePercent, state, { requests: 100, errors: 0 });
    expect(freshKeptEvidence(next)).toBeGreaterThan(0);
  });

  test('continues exactly from its text after any block', () => {
    const blocks = Array.from({ length: 200 }, (_, index) => ({ requests: index % 7, errors: index % 7 > 4 ? 1 : 0 }));
    let state = startLimit(repeat(20, { requests: 30, errors: 1 }));
    for (const block of blocks) {
      state = addToLimit(onePercent, state, block);
      const text = encodeLimit(state);
      expect(text.length).toBeLessThan(250);
      expect(decodeLimit(text)).toStrictEqual(state);
    }
  });

  test('refuses text that it did not write', () => {
    const text = encodeLimit(stateOf(onePercent, [{ requests: 10, errors: 1 }]));
    for (const wrong of ['', 'limit1', `${text} 0`, text.replace('limit1', 'limit0'), text.replace(/ \S+$/, '')]) {
      expect(decodeLimit(wrong)).toBeUndefined();
    }
  });
});
