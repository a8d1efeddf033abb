import { describe, expect, test } from 'vitest';
import type { CheckResult, CheckSpec } from '../../../src/analysis/check.ts';
import { encodeChecks } from '../../../src/analysis/check-text.ts';
import type { Evidence } from '../../../src/analysis/evidence.ts';
import type { AnalysisSpec } from '../../../src/analysis/spec.ts';
import { judge, urgencyOf, type Share, type Verdict } from '../../../src/analysis/verdict.ts';
import { begin, lastLook, startMs, usualSpec, type Traffic } from '../../support/judged-traffic.ts';

const nowMs = startMs + 1_200_000;
const share: Share = { weightPercent: 5, isComparable: true };

const check: CheckSpec = {
  name: 'queue-depth',
  query: 'max(queue_depth)',
  max: 100,
  intervalMs: 30_000,
  consecutiveFailureLimit: 2,
  consecutiveErrorLimit: 4,
  onNoData: 'Hold',
};
const withCheck: AnalysisSpec = { ...usualSpec, checks: [check] };
const failingCheck: Partial<Evidence> = checked({ state: 'Failing', value: 150 }, 3);

function checked(result: CheckResult, failures = 0): Pick<Evidence, 'checks'> {
  return { checks: encodeChecks([check], [{ ...result, failures, errors: 0, atMs: nowMs }]) };
}
function after(count: number, traffic: Partial<Traffic>): Evidence {
  return lastLook({ seed: 'verdict', rps: 500, ...traffic }, count).evidence;
}
const dead: Partial<Traffic> = { errorRatioAt: (arm) => (arm === 'canary' ? 1 : 0.005) };

const proven = after(60, {});
const unproven = after(30, { rps: 20 });
const few = after(12, { rps: 5 });
const failed = after(1, dead);
const notBegun = begin({ seed: 'verdict', rps: 500 });

function missing(evidence: Evidence, lastedMs: number): Evidence {
  const since = new Date(nowMs - lastedMs).toISOString();
  return { ...evidence, noData: { reason: 'SourceUnreachable', message: 'Prometheus did not answer.', since } };
}
function stepWith(evidence: Evidence, canary: number, stable: number): Evidence {
  return { ...evidence, step: { ...evidence.step, canary, stable } };
}

type Expected = Pick<Verdict, 'kind' | 'reason'> & { mayRaise?: boolean | undefined; message?: string | RegExp };

const requests: Record<string, [AnalysisSpec, Evidence, Expected]> = {
  'a canary that is proven safe passes': [usualSpec, proven, { kind: 'Pass', reason: 'ProvenSafe' }],
  'a canary that is not proven yet may go on': [
    usualSpec,
    unproven,
    { kind: 'Inconclusive', reason: 'NotProvenYet', mayRaise: true },
  ],
  'what was proven at a lower weight is proven again at the next': [
    usualSpec,
    after(121, { rps: 200, weightAt: (index) => (index < 120 ? 5 : 5.2) }),
    { kind: 'Inconclusive', reason: 'NotProvenYet', mayRaise: true },
  ],
  'and until then it is enough': [
    usualSpec,
    after(120, { rps: 200, weightAt: (index) => (index < 120 ? 5 : 5.2) }),
    { kind: 'Pass', reason: 'ProvenSafe' },
  ],
  'a canary that nobody asked anything at this weight may not go on': [
    usualSpec,
    stepWith(unproven, 0, 100),
    { kind: 'Inconclusive', reason: 'NotProvenYet', mayRaise: false },
  ],
  'too few requests are inconclusive, and say how many are needed': [
    usualSpec,
    few,
    {
      kind: 'Inconclusive',
      reason: 'TooFewRequests',
      mayRaise: true,
      message: /^Canary has answered 31 of 100 requests needed\. Canary 0\/31 bad/,
    },
  ],
  'no request at all may not go on': [
    usualSpec,
    notBegun,
    { kind: 'Inconclusive', reason: 'TooFewRequests', mayRaise: false },
  ],
  'a proof does not count below the minimum of requests': [
    { ...usualSpec, minRequests: 100_000 },
    proven,
    { kind: 'Inconclusive', reason: 'TooFewRequests', mayRaise: true },
  ],
  'a minimum of requests never delays a failure': [
    { ...usualSpec, minRequests: 100_000 },
    failed,
    { kind: 'Fail', reason: 'CanaryBroken', message: /^The canary is broken: / },
  ],
  'a stricter confidence needs more proof': [
    { ...usualSpec, alpha: 1e-12 },
    after(22, {}),
    { kind: 'Inconclusive', reason: 'NotProvenYet', mayRaise: true },
  ],
  'evidence without any test proves nothing, however little is asked for': [
    { ...usualSpec, minRequests: 0 },
    withoutTrials(notBegun),
    { kind: 'Inconclusive', reason: 'NotProvenYet', mayRaise: false },
  ],
  'a limit that was not tested is not kept': [
    { ...usualSpec, compare: 'None', minRequests: 0, slo: { errorRatio: 0.05 } },
    withoutTrials(proven),
    { kind: 'Inconclusive', reason: 'NotProvenYet', mayRaise: true },
  ],
  'nothing to judge by passes with enough requests, and says so': [
    { ...usualSpec, compare: 'None' },
    withoutTrials(proven),
    { kind: 'Pass', reason: 'NothingJudged' },
  ],
  'nothing to judge by is inconclusive below the minimum': [
    { ...usualSpec, compare: 'None' },
    withoutTrials(few),
    { kind: 'Inconclusive', reason: 'TooFewRequests', mayRaise: true },
  ],
};

function withoutTrials({ trials: _trials, ...rest }: Evidence): Evidence {
  return rest;
}

const parts: Record<string, [AnalysisSpec, Evidence, Expected]> = {
  'missing samples are NoData by default, however short': [
    usualSpec,
    missing(proven, 1_000),
    { kind: 'NoData', reason: 'SourceUnreachable', message: 'No samples for 1s: Prometheus did not answer.' },
  ],
  'missing samples are NoData by default, however long': [
    usualSpec,
    missing(proven, 86_400_000),
    { kind: 'NoData', reason: 'SourceUnreachable' },
  ],
  'missing samples are not counted with Ignore': [
    { ...usualSpec, onNoData: 'Ignore' },
    missing(proven, 86_400_000),
    { kind: 'Pass', reason: 'ProvenSafe' },
  ],
  'missing samples hold with Rollback until noDataAfter': [
    { ...usualSpec, onNoData: 'Rollback' },
    missing(proven, 299_999),
    { kind: 'NoData', reason: 'SourceUnreachable' },
  ],
  'missing samples fail with Rollback after noDataAfter': [
    { ...usualSpec, onNoData: 'Rollback' },
    missing(proven, 300_000),
    { kind: 'Fail', reason: 'NoDataTooLong' },
  ],
  'a failure outranks missing samples': [usualSpec, missing(failed, 1_000), { kind: 'Fail', reason: 'CanaryBroken' }],
  'missing samples outrank too few requests, and nothing goes on without them': [
    usualSpec,
    missing(few, 1_000),
    { kind: 'NoData', reason: 'SourceUnreachable', mayRaise: undefined },
  ],
  'a passing check changes nothing, and tells its value': [
    withCheck,
    { ...proven, ...checked({ state: 'Passing', value: 3 }) },
    { kind: 'Pass', reason: 'ProvenSafe', message: / Check queue-depth is 3, allowed at most 100\.$/ },
  ],
  'a check that fails but not often enough holds a canary that is proven safe': [
    withCheck,
    { ...proven, ...checked({ state: 'Failing', value: 150 }, 2) },
    { kind: 'Inconclusive', reason: 'CheckFailing', mayRaise: false },
  ],
  'a check that fails but not often enough holds a canary that may go on': [
    withCheck,
    { ...unproven, ...checked({ state: 'Failing', value: 150 }, 2) },
    { kind: 'Inconclusive', reason: 'NotProvenYet', mayRaise: false, message: / And 1 more: CheckFailing\.$/ },
  ],
  'a check that was never evaluated holds a canary that may go on': [
    withCheck,
    unproven,
    { kind: 'Inconclusive', reason: 'NotProvenYet', mayRaise: false },
  ],
  'a passing check lets a canary go on that may': [
    withCheck,
    { ...unproven, ...checked({ state: 'Passing', value: 3 }) },
    { kind: 'Inconclusive', reason: 'NotProvenYet', mayRaise: true },
  ],
  'a check without data outranks a canary that may go on': [
    withCheck,
    { ...unproven, ...checked({ state: 'NoData' }) },
    { kind: 'NoData', reason: 'CheckNoData', mayRaise: undefined },
  ],
  'a check alone fails a canary that is proven safe': [
    withCheck,
    { ...proven, ...failingCheck },
    { kind: 'Fail', reason: 'CheckFailed' },
  ],
  'several failures name the first and count the others': [
    withCheck,
    { ...failed, ...failingCheck },
    { kind: 'Fail', reason: 'CanaryBroken', message: / And 1 more: CheckFailed\.$/ },
  ],
  'the state of a check that the spec no longer has is not judged': [
    usualSpec,
    { ...proven, ...checked({ state: 'Failing', value: 150 }, 9) },
    { kind: 'Pass', reason: 'ProvenSafe' },
  ],
};

describe('judge', () => {
  test.each(Object.entries(requests))('%s', (_name, given) => expectVerdict(...given));
});

describe('judge of several parts', () => {
  test.each(Object.entries(parts))('%s', (_name, given) => expectVerdict(...given));
});

function expectVerdict(spec: AnalysisSpec, evidence: Evidence, { message, mayRaise, ...expected }: Expected): void {
  const verdict = judge(spec, evidence, share, nowMs);
  expect(verdict).toMatchObject(expected);
  expect(verdict.mayRaise).toBe(mayRaise);
  if (message !== undefined)
    expect(verdict.message).toEqual(message instanceof RegExp ? expect.stringMatching(message) : message);
}

describe('the share of the canary', () => {
  const judged = (evidence: Evidence, change: Partial<Share> = {}): Verdict =>
    judge(usualSpec, evidence, { ...share, ...change }, nowMs);

  test('holds a canary that is proven safe when it is off', () => {
    const verdict = judged(stepWith(proven, 10, 4990));
    expect(verdict).toMatchObject({ kind: 'Inconclusive', reason: 'ShareOff', mayRaise: false });
    expect(verdict.message).toBe(
      'The canary answered 10 of 5000 requests (0.2%) at a weight of 5%: the weights may not be in effect.',
    );
  });

  test('explains why requests are missing, and nothing goes on', () => {
    const verdict = judged(stepWith(few, 0, 5000));
    expect(verdict).toMatchObject({ kind: 'Inconclusive', reason: 'ShareOff', mayRaise: false });
    expect(verdict.message).toBe(
      'The canary answered 0 of 5000 requests (0.0%) at a weight of 5%: the canary gets no traffic. And 1 more: TooFewRequests.',
    );
    expect(judged(stepWith(unproven, 10, 4990)).mayRaise).toBe(false);
  });

  test('never hides a failure, nor missing data', () => {
    expect(judged(stepWith(failed, 10, 4990)).reason).toBe('CanaryBroken');
    expect(judged(stepWith(missing(proven, 1_000), 10, 4990)).kind).toBe('NoData');
  });

  test('is not looked at where requests choose by more than weight, nor at 0 and 100 %', () => {
    const off = stepWith(proven, 10, 4990);
    expect(judged(off, { isComparable: false }).kind).toBe('Pass');
    expect(judged(off, { weightPercent: 0 }).kind).toBe('Pass');
    expect(judged(off, { weightPercent: 100 }).kind).toBe('Pass');
  });
});

describe('a step without requests', () => {
  const quiet: Partial<Traffic> = { rps: 0 };
  const onlyCanary = (canary: number): Evidence => stepWith(after(6, quiet), canary, 0);
  const reasonOf = (evidence: Evidence, spec = usualSpec, weightPercent = 5): string =>
    judge(spec, evidence, { weightPercent, isComparable: false }, nowMs).reason;

  test('is missing data after a minute, with a reason of its own', () => {
    expect(reasonOf(after(5, quiet))).toBe('TooFewRequests');
    expect(judge(usualSpec, after(6, quiet), share, nowMs)).toEqual({
      kind: 'NoData',
      reason: 'NoRequests',
      message: 'No request for 1m, since this step began: Traefik is scraped, and nobody calls the service.',
    });
    expect(reasonOf(begin({ seed: 'verdict', rps: 0 }))).toBe('TooFewRequests');
  });

  test('is none where only the canary has no requests, as a small share of few', () => {
    expect(reasonOf(stepWith(after(6, quiet), 0, 3))).toBe('TooFewRequests');
  });

  test('is one at 100 % whatever stable answers', () => {
    expect(reasonOf(stepWith(after(6, quiet), 0, 3), usualSpec, 100)).toBe('NoRequests');
    expect(reasonOf(onlyCanary(3), usualSpec, 100)).toBe('TooFewRequests');
  });

  test('of stable is missing data where stable is compared with', () => {
    expect(judge(usualSpec, onlyCanary(7), share, nowMs)).toEqual({
      kind: 'NoData',
      reason: 'StableIdle',
      message:
        'Stable has answered no request for 1m, since this step began, and the canary 7: there is nothing to compare with.',
    });
    expect(reasonOf(onlyCanary(7), { ...usualSpec, compare: 'None' })).toBe('TooFewRequests');
  });

  test('is what the spec says of missing data', () => {
    const rollback: AnalysisSpec = { ...usualSpec, onNoData: 'Rollback' };
    expect(reasonOf(after(6, quiet), rollback)).toBe('NoRequests');
    expect(reasonOf(after(30, quiet), rollback)).toBe('NoDataTooLong');
    expect(reasonOf(after(30, quiet), { ...usualSpec, onNoData: 'Ignore' })).toBe('TooFewRequests');
  });

  test('is told after why there are no samples', () => {
    expect(reasonOf(missing(after(30, quiet), 1_000))).toBe('SourceUnreachable');
  });
});

describe('a margin', () => {
  const rarely = (ratio: number): Evidence => after(60, { errorRatioAt: () => ratio });
  const judged = (evidence: Evidence): Verdict => judge(usualSpec, evidence, share, nowMs);

  test('is called wide where stable has hardly any errors, with what to change', () => {
    const verdict = judged(rarely(0.0001));
    expect(verdict).toMatchObject({ kind: 'Pass', reason: 'MarginWide' });
    expect(verdict.message).toMatch(
      / The margin is more than ten times the error ratio of stable: lower analysis\.errorRatio\.maxIncrease\.$/,
    );
  });

  test('is not called wide at a tenth of it', () => {
    expect(judged(rarely(0.001)).reason).toBe('ProvenSafe');
  });

  test('is not called wide by few requests without errors', () => {
    const evidence = rarely(0);
    expect(judged({ ...evidence, stable: { requests: 1_000, errors: 0 } }).reason).toBe('ProvenSafe');
    expect(judged({ ...evidence, stable: { requests: 20_000, errors: 0 } }).reason).toBe('MarginWide');
  });

  const strict = (change: Partial<Traffic>, factor = 1): Verdict =>
    lastLook({ seed: 'strict', rps: 500, spec: { margin: { factor, points: 0 } }, ...change }, 360).verdict;
  const advice =
    / ever proven to be while nothing is tolerated: set analysis\.errorRatio\.maxIncrease, e\.g\. 0\.5pp\.$/;

  test('of nothing is never proven, however long, and the message says what to write', () => {
    expect(strict({})).toMatchObject({ kind: 'Inconclusive', reason: 'NotProvenYet', message: advice });
  });

  test('of a part of stable is nothing where stable has no errors', () => {
    expect(strict({ errorRatioAt: () => 0 }, 1.5)).toMatchObject({ reason: 'NotProvenYet', message: advice });
    expect(strict({ errorRatioAt: () => 0.05 }, 1.5)).toMatchObject({ kind: 'Pass', reason: 'ProvenSafe' });
    expect(strict({ errorRatioAt: () => 0.001, rps: 20 }, 1.5).message).not.toContain('while nothing is tolerated');
  });
});

describe('the excess of a failure', () => {
  const excessOf = (spec: AnalysisSpec, evidence: Evidence): Verdict => {
    const verdict = judge(spec, evidence, share, nowMs);
    expect(verdict.kind).toBe('Fail');
    expect(urgencyOf(verdict)).toBe(1 + (verdict.excess ?? 0));
    return verdict;
  };
  const counted = (canary: number, stable: number): Evidence => ({
    ...failed,
    canary: { requests: 200, errors: canary },
    stable: { requests: 1000, errors: stable },
  });

  test('is in points above stable', () => {
    expect(excessOf(usualSpec, counted(50, 50)).excess).toBeCloseTo(20, 9);
  });

  test('is nothing where the counts of the whole rollout are no worse', () => {
    expect(excessOf(usualSpec, counted(2, 50)).excess).toBe(0);
  });

  test('is that of the worst part', () => {
    const failing = checked({ state: 'Failing', value: 190 }, 3);
    expect(excessOf(withCheck, { ...counted(50, 50), ...failing }).excess).toBeCloseTo(90, 9);
  });

  test('is given to failures only, and only these are urgent', () => {
    const rollback: AnalysisSpec = { ...usualSpec, onNoData: 'Rollback' };
    for (const evidence of [proven, few, missing(proven, 1_000)]) {
      const verdict = judge(rollback, evidence, share, nowMs);
      expect(verdict).not.toHaveProperty('excess');
      expect(urgencyOf(verdict)).toBe(0);
    }
    expect(urgencyOf(judge(rollback, missing(proven, 300_000), share, nowMs))).toBe(1);
  });
});
