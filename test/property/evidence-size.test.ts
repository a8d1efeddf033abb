import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evaluateCheck, nextCheckState, type CheckSpec, type CheckState } from '../../src/analysis/check.ts';
import { decodeChecks, encodeChecks, type CheckStates } from '../../src/analysis/check-text.ts';
import { addCheck, addSamples, type Evidence } from '../../src/analysis/evidence.ts';
import type { NoDataOutcome, QueryOutcome } from '../../src/analysis/metric-source.ts';
import { decodeNumbers, encodeNumbers } from '../../src/analysis/numbers.ts';
import { begin, contextAt, blocksOf, outcomeOf, startMs, type Traffic } from '../support/judged-traffic.ts';

/** The limits of the CRD: 20 checks, names of 63 characters, 1000 failures and errors in a row, intervals of days. */
const checks: readonly CheckSpec[] = Array.from({ length: 20 }, (_none, index) => ({
  name: `${index}`.padEnd(63, 'x'),
  query: 'q',
  max: 100,
  intervalMs: 99_999 * 3_600_000,
  consecutiveFailureLimit: 1_000,
  consecutiveErrorLimit: 1_000,
  onNoData: 'Hold',
}));

const outcome: fc.Arbitrary<QueryOutcome> = fc.oneof(
  fc.record({ kind: fc.constant('Value' as const), value: fc.double() }),
  fc.record({ kind: fc.constant('NoData' as const), message: fc.string() }),
  fc.record({
    kind: fc.constant('Error' as const),
    reason: fc.constantFrom('SourceUnreachable', 'SourceRefused', 'SourcePartial', 'NotOneNumber'),
    message: fc.string(),
  }),
);

const state: fc.Arbitrary<CheckState> = fc
  .record({
    outcome,
    failures: fc.integer({ min: 0, max: 1_000 }),
    errors: fc.integer({ min: 0, max: 1_000 }),
    atMs: fc.integer({ min: startMs, max: startMs + 7 * 86_400_000 }),
  })
  .map(({ outcome, failures, errors, atMs }) => ({
    ...nextCheckState(undefined, evaluateCheck(checks[0] as CheckSpec, outcome), atMs),
    failures,
    errors,
  }));

const states: fc.Arbitrary<CheckStates> = fc.array(fc.option(state, { nil: undefined }), {
  minLength: checks.length,
  maxLength: checks.length,
});

describe('the text of checks', () => {
  test('has exactly what was shown, of these checks and of no others', () => {
    fc.assert(
      fc.property(states, (states) => {
        const text = encodeChecks(checks, states);
        expect(decodeChecks(checks, text)).toStrictEqual(states);
        expect(decodeChecks(checks.toReversed(), text)).toStrictEqual(Array(checks.length).fill(undefined));
        expect(decodeChecks(checks.slice(1), text)).toStrictEqual(Array(checks.length - 1).fill(undefined));
      }),
    );
  });

  test('that nobody wrote shows nothing', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constantFrom('checks1', 'checks1 ', 'checks1 AAAA')), (text) => {
        expect(decodeChecks(checks, text)).toStrictEqual(Array(checks.length).fill(undefined));
      }),
    );
  });
});

describe('the text of numbers', () => {
  const decimals = fc.record({ digits: fc.maxSafeInteger(), scale: fc.constantFrom(1, 1e4, 1e9) });
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Math.abs(value) < 2 ** 53 ? 0 : value)),
    decimals.map(({ digits, scale }) => Math.round(digits / 1e3) / scale),
  );

  test('keeps counts of any size, and nine decimals', () => {
    fc.assert(
      fc.property(fc.array(number), (numbers) => {
        const kept = numbers.map((each) => each + 0);
        expect(decodeNumbers('tag', encodeNumbers('tag', kept))).toStrictEqual(kept);
      }),
      { numRuns: 1_000 },
    );
  });

  test('is read only as it was written', () => {
    const alphabet = fc.constantFrom(...'ABCDEFghijkl012+/=. -_'.split(''));
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 8 }), (word) => {
        const numbers = decodeNumbers('tag', `tag ${word}`);
        if (numbers !== undefined) expect(encodeNumbers('tag', numbers)).toBe(`tag ${word}`);
      }),
      { numRuns: 1_000 },
    );
  });
});

const weights = [5, 25, 50, 100];
const traffic: fc.Arbitrary<Traffic> = fc
  .record({
    seed: fc.string({ minLength: 1, maxLength: 8 }),
    rps: fc.constantFrom(0.2, 50, 5_000, 1_000_000),
    canaryRatio: fc.constantFrom(0.005, 0.3, 1),
    slowness: fc.constantFrom(1, 3),
    warmupMs: fc.constantFrom(0, 60_000, 86_400_000),
  })
  .map(({ seed, rps, canaryRatio, slowness, warmupMs }) => ({
    seed,
    rps,
    weightAt: (index) => weights[Math.floor(index / 12)] ?? 100,
    errorRatioAt: (arm) => (arm === 'canary' ? canaryRatio : 0.005),
    slownessAt: (arm) => (arm === 'canary' ? slowness : 1),
    spec: { warmupMs, checks, slo: { errorRatio: 0.05, latency: { underSeconds: 0.75, share: 0.99 } } },
  }));

describe('status.analysis', () => {
  test('is smaller than 2 KB whatever a legal spec asks for, however it goes', () => {
    const missing: NoDataOutcome = { kind: 'NoData', reason: 'SourceUnreachable', message: 'x'.repeat(1_000) };
    fc.assert(
      fc.property(traffic, states, (given, states) => {
        let evidence: Evidence = { ...begin(given), id: 'ffffffff', checks: encodeChecks(checks, states) };
        for (const [index, block] of blocksOf(given, 0, 48).entries()) {
          const usual = contextAt(given, index);
          const context = { ...usual, stage: { ...usual.stage, canaryEndpoints: 1_000 + index } };
          evidence = addSamples(evidence, outcomeOf(given, [block]), context, block.endMs);
          const last = addSamples(evidence, missing, context, block.endMs);
          expect(Buffer.byteLength(JSON.stringify(last))).toBeLessThan(2048);
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  test('has what each check showed last', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(checks.length - 1), outcome), { maxLength: 40 }), (asked) => {
        let evidence: Evidence = begin({ seed: 'checks', rps: 1 });
        const last = new Map<number, CheckState>();
        for (const [at, [index, outcome]] of asked.entries()) {
          const check = checks[index] as CheckSpec;
          const result = evaluateCheck(check, outcome);
          evidence = addCheck(evidence, checks, { check, result }, startMs + at);
          last.set(index, nextCheckState(last.get(index), result, startMs + at));
        }
        expect(decodeChecks(checks, evidence.checks)).toStrictEqual(checks.map((_, index) => last.get(index)));
      }),
    );
  });
});
