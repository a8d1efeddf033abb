import { describe, expect, test } from 'vitest';
import type { CheckSpec, CheckState } from '../../../src/analysis/check.ts';
import { startEvidence, type Evidence } from '../../../src/analysis/evidence.ts';
import { judge, urgencyOf, type AnalysisSpec, type Verdict } from '../../../src/analysis/verdict.ts';

const startMs = 1_800_000_000_000;
const nowMs = startMs + 300_000;
const at = new Date(nowMs).toISOString();

const spec: AnalysisSpec = {
  slo: { errorRatio: 0.05 },
  minRequests: 100,
  checks: [],
  onNoData: 'Hold',
  noDataAfterMs: 300_000,
};
const check: CheckSpec = {
  name: 'queue-depth',
  query: 'max(queue_depth)',
  max: 100,
  intervalMs: 30_000,
  consecutiveFailureLimit: 2,
  consecutiveErrorLimit: 4,
  onNoData: 'Hold',
};

function evidence(change: Partial<Evidence> = {}): Evidence {
  return {
    ...startEvidence(startMs),
    canary: { requests: 240, errors: 2 },
    stable: { requests: 4310, errors: 3 },
    ...change,
  };
}
function canary(requests: number, errors: number): Evidence {
  return evidence({ canary: { requests, errors } });
}
function state(change: Partial<CheckState>): CheckState {
  return { name: 'queue-depth', value: '3', state: 'Passing', failures: 0, errors: 0, at, ...change };
}
function checked(change: Partial<CheckState>, specChange: Partial<CheckSpec> = {}): [AnalysisSpec, Evidence] {
  return [{ ...spec, checks: [{ ...check, ...specChange }] }, evidence({ checks: [state(change)] })];
}
function missing(lastedMs: number): Evidence {
  const since = new Date(nowMs - lastedMs).toISOString();
  return evidence({ noData: { reason: 'SourceUnreachable', message: 'Prometheus did not answer.', since } });
}

const cases: Record<
  string,
  [AnalysisSpec, Evidence, Pick<Verdict, 'kind' | 'reason'> & { message?: string | RegExp }]
> = {
  'a canary within its error ratio passes, with both arms in the message': [
    spec,
    evidence(),
    { kind: 'Pass', reason: 'WithinLimits', message: 'Canary 2/240 bad (0.83%), allowed 5%; stable 3/4310 (0.07%).' },
  ],
  'a canary above its error ratio fails': [
    spec,
    canary(240, 48),
    {
      kind: 'Fail',
      reason: 'ErrorRatioExceeded',
      message: 'Canary 48/240 bad (20.00%), allowed 5%; stable 3/4310 (0.07%).',
    },
  ],
  'a canary exactly at its error ratio passes': [spec, canary(200, 10), { kind: 'Pass', reason: 'WithinLimits' }],
  'a ratio that floating point cannot hold is still met exactly': [
    { ...spec, slo: { errorRatio: 0.29 } },
    canary(100, 29),
    { kind: 'Pass', reason: 'WithinLimits' },
  ],
  'too few requests are inconclusive': [
    spec,
    canary(37, 1),
    {
      kind: 'Inconclusive',
      reason: 'TooFewRequests',
      message: 'Canary has answered 37 of 100 requests needed, 1 of them bad.',
    },
  ],
  'a few errors that later requests can make good are inconclusive': [
    spec,
    canary(5, 5),
    { kind: 'Inconclusive', reason: 'TooFewRequests' },
  ],
  'errors that no later request can make good fail before the minimum is reached': [
    spec,
    canary(6, 6),
    { kind: 'Fail', reason: 'ErrorRatioExceeded' },
  ],
  'a limit of zero fails with the first error': [
    { ...spec, slo: { errorRatio: 0 } },
    canary(1, 1),
    { kind: 'Fail', reason: 'ErrorRatioExceeded' },
  ],
  'no request at all is inconclusive': [spec, canary(0, 0), { kind: 'Inconclusive', reason: 'TooFewRequests' }],
  'a stable without requests is said so': [
    spec,
    { ...canary(240, 2), stable: { requests: 0, errors: 0 } },
    { kind: 'Pass', reason: 'WithinLimits', message: /stable without requests\.$/ },
  ],
  'nothing to judge by passes with enough requests only, and says so': [
    { ...spec, slo: {} },
    canary(100, 90),
    { kind: 'Pass', reason: 'NothingJudged' },
  ],
  'nothing to judge by is inconclusive below the minimum': [
    { ...spec, slo: {} },
    canary(99, 0),
    { kind: 'Inconclusive', reason: 'TooFewRequests' },
  ],
  'missing samples are NoData by default, however short': [
    spec,
    missing(1_000),
    { kind: 'NoData', reason: 'SourceUnreachable', message: 'No samples for 1s: Prometheus did not answer.' },
  ],
  'missing samples are NoData by default, however long': [
    spec,
    missing(86_400_000),
    { kind: 'NoData', reason: 'SourceUnreachable' },
  ],
  'missing samples are not counted with Ignore': [
    { ...spec, onNoData: 'Ignore' },
    missing(86_400_000),
    { kind: 'Pass', reason: 'WithinLimits' },
  ],
  'missing samples hold with Rollback until noDataAfter': [
    { ...spec, onNoData: 'Rollback' },
    missing(299_999),
    { kind: 'NoData', reason: 'SourceUnreachable' },
  ],
  'missing samples fail with Rollback after noDataAfter': [
    { ...spec, onNoData: 'Rollback' },
    missing(300_000),
    { kind: 'Fail', reason: 'NoDataTooLong' },
  ],
  'a failure outranks missing samples': [
    spec,
    { ...missing(1_000), canary: { requests: 240, errors: 240 } },
    { kind: 'Fail', reason: 'ErrorRatioExceeded' },
  ],
  'missing samples outrank too few requests': [
    spec,
    { ...missing(1_000), canary: { requests: 0, errors: 0 } },
    { kind: 'NoData', reason: 'SourceUnreachable' },
  ],
  'a passing check changes nothing': [...checked({}), { kind: 'Pass', reason: 'WithinLimits' }],
  'a check never evaluated is inconclusive': [
    { ...spec, checks: [check] },
    evidence(),
    { kind: 'Inconclusive', reason: 'CheckPending' },
  ],
  'a check failing as often as tolerated is inconclusive': [
    ...checked({ state: 'Failing', value: '150', failures: 2 }),
    { kind: 'Inconclusive', reason: 'CheckFailing' },
  ],
  'a check failing once more than tolerated fails, with check, value and bound': [
    ...checked({ state: 'Failing', value: '150', failures: 3 }, { min: 1 }),
    {
      kind: 'Fail',
      reason: 'CheckFailed',
      message: 'Check queue-depth is 150, allowed at least 1 and at most 100: failed 3 in a row, tolerated 2.',
    },
  ],
  'a check in error as often as tolerated is inconclusive': [
    ...checked({ state: 'Error', errors: 4 }),
    { kind: 'Inconclusive', reason: 'CheckUnknown' },
  ],
  'a check in error once more than tolerated has no data': [
    ...checked({ state: 'Error', errors: 5 }),
    { kind: 'NoData', reason: 'CheckErrors' },
  ],
  'a check in error too often follows its onNoData': [
    ...checked({ state: 'Error', errors: 5 }, { onNoData: 'Rollback' }),
    { kind: 'Fail', reason: 'CheckErrors' },
  ],
  'a check without data holds by default': [...checked({ state: 'NoData' }), { kind: 'NoData', reason: 'CheckNoData' }],
  'a check without data is skipped with Ignore': [
    ...checked({ state: 'NoData' }, { onNoData: 'Ignore' }),
    { kind: 'Pass', reason: 'WithinLimits' },
  ],
  'a check without data fails with Rollback': [
    ...checked({ state: 'NoData' }, { onNoData: 'Rollback' }),
    { kind: 'Fail', reason: 'CheckNoData' },
  ],
  'a check that lost its data after too many failures still fails': [
    ...checked({ state: 'NoData', failures: 3 }, { onNoData: 'Ignore' }),
    { kind: 'Fail', reason: 'CheckFailed' },
  ],
  'the state of a check that the spec no longer has is not judged': [
    spec,
    evidence({ checks: [state({ name: 'gone', state: 'Failing', failures: 9 })] }),
    { kind: 'Pass', reason: 'WithinLimits' },
  ],
  'several failures name the first and count the others': [
    { ...spec, checks: [check] },
    { ...canary(240, 48), checks: [state({ state: 'Failing', value: '150', failures: 3 })] },
    { kind: 'Fail', reason: 'ErrorRatioExceeded', message: /stable 3\/4310 \(0\.07%\)\. And 1 more: CheckFailed\.$/ },
  ],
};

describe('judge', () => {
  test.each(Object.entries(cases))('%s', (_name, [given, evidence, { message, ...expected }]) => {
    const verdict = judge(given, evidence, nowMs);
    expect(verdict).toMatchObject(expected);
    if (message !== undefined)
      expect(verdict.message).toEqual(message instanceof RegExp ? expect.stringMatching(message) : message);
  });
});

describe('the excess of a failure', () => {
  const failing = (value: string, bounds: Partial<CheckSpec>): [AnalysisSpec, Evidence] =>
    checked({ state: 'Failing', value, failures: 3 }, bounds);
  const excesses: Record<string, [AnalysisSpec, Evidence, number]> = {
    'is in points of the error ratio': [spec, canary(200, 50), 20],
    'counts requests that are still to come as good': [spec, canary(50, 30), 25],
    'is in percent of the upper bound of a check': [...failing('150', {}), 50],
    'is in percent of the lower bound of a check': [...failing('-15', { min: -10, max: 100 }), 50],
    'is at most a hundred': [...failing('1e9', {}), 100],
    'is a hundred where the bound is zero': [...failing('0.001', { max: 0 }), 100],
    'is nothing where the value is gone': [...checked({ state: 'NoData', failures: 3 }), 0],
    'is that of the worst part': [
      { ...spec, checks: [check] },
      { ...canary(200, 50), checks: [state({ state: 'Failing', value: '190', failures: 3 })] },
      90,
    ],
  };
  test.each(Object.entries(excesses))('%s', (_name, [given, evidence, expected]) => {
    const verdict = judge(given, evidence, nowMs);
    expect(verdict.kind).toBe('Fail');
    expect(verdict.excess ?? 0).toBeCloseTo(expected, 9);
    expect(urgencyOf(verdict)).toBeCloseTo(1 + expected, 9);
  });

  test('is given to failures only, and only these are urgent', () => {
    const notFailing: [AnalysisSpec, Evidence][] = [
      [spec, evidence()],
      [spec, canary(5, 5)],
      [spec, missing(1_000)],
      checked({ state: 'Failing', value: '150', failures: 2 }),
    ];
    for (const [given, evidence] of notFailing) {
      const verdict = judge(given, evidence, nowMs);
      expect(verdict).not.toHaveProperty('excess');
      expect(urgencyOf(verdict)).toBe(0);
    }
    const gone = { ...missing(300_000) };
    expect(urgencyOf(judge({ ...spec, onNoData: 'Rollback' }, gone, nowMs))).toBe(1);
  });
});
