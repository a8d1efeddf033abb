import { describe, expect, test } from 'vitest';
import { judgeCheck, type CheckVerdict } from '../../../src/analysis/check-verdict.ts';
import type { CheckResult, CheckSpec, CheckState } from '../../../src/analysis/check.ts';

const check: CheckSpec = {
  name: 'queue-depth',
  query: 'max(queue_depth)',
  max: 100,
  intervalMs: 30_000,
  consecutiveFailureLimit: 2,
  consecutiveErrorLimit: 4,
  onNoData: 'Hold',
};

/** Streaks are the failures and errors in a row. */
type Streaks = Partial<Pick<CheckState, 'failures' | 'errors'>>;

function judged(state: CheckResult & Streaks, spec: Partial<CheckSpec> = {}): CheckVerdict | undefined {
  return judgeCheck({ ...check, ...spec }, { failures: 0, errors: 0, atMs: 0, ...state });
}

const three = { state: 'Passing', value: 3 } as const;
const refused = { state: 'Error', reason: 'SourceRefused' } as const;

const cases: Record<string, [CheckResult & Streaks, Partial<CheckSpec>, Partial<CheckVerdict> | undefined]> = {
  'a check within its bounds passes': [
    three,
    {},
    { kind: 'Pass', reason: 'CheckPassing', message: 'Check queue-depth is 3, allowed at most 100.' },
  ],
  'a check failing as often as tolerated is inconclusive': [
    { state: 'Failing', value: 150, failures: 2 },
    {},
    { kind: 'Inconclusive', reason: 'CheckFailing' },
  ],
  'a check failing once more than tolerated fails, with check, value and bound': [
    { state: 'Failing', value: 150, failures: 3 },
    { min: 1 },
    {
      kind: 'Fail',
      reason: 'CheckFailed',
      message: 'Check queue-depth is 150, allowed at least 1 and at most 100: failed 3 in a row, tolerated 2.',
    },
  ],
  'a check in error as often as tolerated is inconclusive': [
    { ...refused, errors: 4 },
    {},
    { kind: 'Inconclusive', reason: 'CheckUnknown' },
  ],
  'a check in error once more than tolerated has no data, and says why': [
    { ...refused, errors: 5 },
    {},
    {
      kind: 'NoData',
      reason: 'CheckErrors',
      message: 'Check queue-depth could not be evaluated 5 times in a row (SourceRefused), tolerated 4.',
    },
  ],
  'a check in error too often follows its onNoData': [
    { ...refused, errors: 5 },
    { onNoData: 'Rollback' },
    { kind: 'Fail', reason: 'CheckErrors' },
  ],
  'a check in error too often is skipped with Ignore': [{ ...refused, errors: 5 }, { onNoData: 'Ignore' }, undefined],
  'a check without data holds by default': [{ state: 'NoData' }, {}, { kind: 'NoData', reason: 'CheckNoData' }],
  'a check without data is skipped with Ignore': [{ state: 'NoData' }, { onNoData: 'Ignore' }, undefined],
  'a check without data fails with Rollback': [
    { state: 'NoData' },
    { onNoData: 'Rollback' },
    { kind: 'Fail', reason: 'CheckNoData' },
  ],
  'a check that lost its data after too many failures still fails': [
    { state: 'NoData', failures: 3 },
    { onNoData: 'Ignore' },
    { kind: 'Fail', reason: 'CheckFailed' },
  ],
};

describe('a check', () => {
  test.each(Object.entries(cases))('%s', (_name, [state, spec, expected]) => {
    const verdict = judged(state, spec);
    if (expected === undefined) expect(verdict).toBeUndefined();
    else expect(verdict).toMatchObject(expected);
  });

  test('without bounds passes with any number', () => {
    const { max: _max, ...unbounded } = check;
    const state: CheckState = { ...three, value: 1e9, failures: 0, errors: 0, atMs: 0 };
    expect(judgeCheck(unbounded, state)?.message).toBe('Check queue-depth is 1000000000, without bounds.');
  });

  test('that was never evaluated is inconclusive', () => {
    expect(judgeCheck(check, undefined)).toMatchObject({ kind: 'Inconclusive', reason: 'CheckPending' });
  });
});

describe('the excess of a failing check', () => {
  const excesses: Record<string, [number, Partial<CheckSpec>, number]> = {
    'is in percent of the upper bound': [150, {}, 50],
    'is in percent of the lower bound': [-15, { min: -10 }, 50],
    'is at most a hundred': [1e9, {}, 100],
    'is a hundred where the bound is zero': [0.001, { max: 0 }, 100],
    'is nothing within the bounds': [3, {}, 0],
  };
  test.each(Object.entries(excesses))('%s', (_name, [value, spec, expected]) => {
    expect(judged({ state: 'Failing', value, failures: 3 }, spec)?.excess).toBeCloseTo(expected, 9);
  });

  test('is nothing where the value is gone', () => {
    expect(judged({ state: 'NoData', failures: 3 })?.excess).toBe(0);
  });
});
