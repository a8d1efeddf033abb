import { describe, expect, test } from 'vitest';
import {
  addErrorsToDispersion,
  dispersionFactor,
  noDispersion,
  typicalFactor,
} from '../../../src/analysis/dispersion.ts';
import { addSamples, startEvidence } from '../../../src/analysis/evidence.ts';
import { judge } from '../../../src/analysis/verdict.ts';
import { usualSpec } from '../../support/judged-traffic.ts';

const blockMs = 15_000;
const startMs = 1_800_000_000_000;
const spec = { ...usualSpec, warmupMs: 0, plannedMs: 12 * 3_600_000 };
const stage = { sinceMs: startMs, isAlone: false };
const good = { requests: 325, errors: 1 };

/** blocksUntilFail is how many failing blocks it takes after `goodBlocks` in order; the canary retries, so that it counts more requests. */
function blocksUntilFail(goodBlocks: number, errorRatio: number): number {
  const past = Array.from({ length: 40 }, (_none, index) => ({
    endMs: startMs - (40 - index) * blockMs,
    arms: { stable: good, canary: { requests: 0, errors: 0 } },
  }));
  let evidence = startEvidence('late', startMs, spec, { blocks: past });
  for (let block = 1; block <= goodBlocks + 60; block += 1) {
    const errors = block > goodBlocks ? Math.round((325 * errorRatio) / (1 - errorRatio)) : 1;
    const canary = block > goodBlocks ? { requests: 325 + errors, errors } : good;
    const endMs = startMs + block * blockMs;
    const outcome = {
      kind: 'Samples',
      blocks: [{ endMs, arms: { stable: good, canary } }],
      discarded: 0,
      untilMs: endMs,
      seen: { stable: true, canary: true },
    } as const;
    evidence = addSamples(evidence, outcome, { spec, stage, blockMs }, endMs);
    if (judge(spec, evidence, { weightPercent: 50, isComparable: false }, endMs).kind === 'Fail')
      return block - goodBlocks;
  }
  return Infinity;
}

describe('a canary that breaks after minutes in order', () => {
  test.each([
    [4, 0.95, 2],
    [40, 0.95, 3],
    [40, 0.5, 3],
    [40, 0.2, 3],
    [40, 0.05, 5],
    [200, 0.95, 4],
  ])('after %i blocks with %f errors is found within %i blocks', (goodBlocks, errorRatio, most) => {
    expect(blocksUntilFail(goodBlocks, errorRatio)).toBeLessThanOrEqual(most);
  });

  test('is not found sooner the less it breaks', () => {
    const needed = [0.02, 0.05, 0.2, 0.95].map((errorRatio) => blocksUntilFail(40, errorRatio));
    expect(needed).toEqual(needed.toSorted((one, other) => other - one));
  });
});

test('clusters that keep coming raise the estimate, however large they are', () => {
  const bursts = Array.from({ length: 200 }, (_none, index) => ({
    requests: 1_000,
    errors: index % 20 === 0 ? 400 : 2,
  }));
  const dispersion = bursts.reduce((sum, block) => addErrorsToDispersion(sum, block), noDispersion);
  expect(dispersionFactor(dispersion, typicalFactor(dispersion))).toBeGreaterThan(50);
});
