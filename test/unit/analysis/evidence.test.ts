import { describe, expect, test } from 'vitest';
import { checkDueAtMs, evaluateCheck, type CheckResult, type CheckSpec } from '../../../src/analysis/check.ts';
import { decodeChecks } from '../../../src/analysis/check-text.ts';
import {
  addCheck,
  addSamples,
  startEvidence,
  watermarkMs,
  type Context,
  type Evidence,
} from '../../../src/analysis/evidence.ts';
import type { QueryOutcome, SampleOutcome } from '../../../src/analysis/metric-source.ts';
import { lastLook, play, startMs, usualSpec, type Traffic } from '../../support/judged-traffic.ts';

const blockMs = 15_000;
const context: Context = { spec: usualSpec, stage: { sinceMs: startMs, isAlone: false }, blockMs };
const check: CheckSpec = {
  name: 'depth',
  query: 'q',
  min: -1,
  max: 100,
  intervalMs: 30_000,
  consecutiveFailureLimit: 2,
  consecutiveErrorLimit: 4,
  onNoData: 'Hold',
};

function samples(requests: number, errors: number, untilMs: number): SampleOutcome {
  const arms = { stable: { requests: 10 * requests, errors: 0 }, canary: { requests, errors } };
  return {
    kind: 'Samples',
    blocks: [{ endMs: untilMs, arms }],
    untilMs,
    seen: { stable: true, canary: true },
    discarded: 0,
  };
}
function start(): Evidence {
  return startEvidence('release', startMs, usualSpec, { blocks: [] });
}
function add(evidence: Evidence, outcome: SampleOutcome, nowMs: number, change: Partial<Context> = {}): Evidence {
  return addSamples(evidence, outcome, { ...context, ...change }, nowMs);
}
function missing(untilMs?: number): SampleOutcome {
  const outcome = { kind: 'NoData', reason: 'SeriesAbsent', message: 'Nothing there.' } as const;
  return untilMs === undefined ? outcome : { ...outcome, untilMs };
}

describe('evidence', () => {
  test('starts empty with its watermark and its step at the start', () => {
    const { trials, ...rest } = start();
    expect(rest).toEqual({
      id: 'release',
      since: '2027-01-15T08:00:00.000Z',
      watermark: '2027-01-15T08:00:00.000Z',
      stable: { requests: 0, errors: 0 },
      canary: { requests: 0, errors: 0 },
      step: { since: '2027-01-15T08:00:00.000Z', stable: 0, canary: 0 },
    });
    expect(Object.keys(trials ?? {})).toEqual(['errors', 'guard']);
  });

  test('adds samples and moves the watermark, not the start', () => {
    const first = add(start(), samples(7, 1, startMs + 15_000), startMs + 50_000);
    const second = add(first, samples(3, 2, startMs + 30_000), startMs + 65_000);
    expect(second).toMatchObject({
      since: '2027-01-15T08:00:00.000Z',
      watermark: '2027-01-15T08:00:30.000Z',
      stable: { requests: 100, errors: 0 },
      canary: { requests: 10, errors: 3 },
      step: { since: '2027-01-15T08:00:00.000Z', stable: 100, canary: 10 },
    });
  });

  test('counts an answer once that comes twice', () => {
    const once = add(start(), samples(7, 1, startMs + 15_000), startMs + 50_000);
    expect(add(once, samples(7, 1, startMs + 15_000), startMs + 51_000)).toEqual(once);
  });

  test('keeps the first time without samples, the last reason, and the watermark', () => {
    const unreachable: SampleOutcome = { kind: 'NoData', reason: 'SourceUnreachable', message: 'Gone.' };
    const first = add(start(), unreachable, startMs + 1_000);
    const second = add(first, missing(), startMs + 2_000);
    expect(second.noData).toEqual({
      reason: 'SeriesAbsent',
      message: 'Nothing there.',
      since: '2027-01-15T08:00:01.000Z',
    });
    expect(watermarkMs(second)).toBe(startMs);
  });

  test('moves the watermark over a window that was read and held no series', () => {
    const evidence = add(start(), missing(startMs + 9_000), startMs + 40_000);
    expect(watermarkMs(evidence)).toBe(startMs + 9_000);
    expect(evidence.noData?.reason).toBe('SeriesAbsent');
  });

  test('forgets missing data with the first samples', () => {
    const gap = add(start(), missing(), startMs);
    expect(add(gap, samples(0, 0, startMs + 15_000), startMs)).not.toHaveProperty('noData');
  });
});

describe('a step', () => {
  const next = { stage: { sinceMs: startMs + 20_000, isAlone: false } };
  const first = add(start(), samples(7, 0, startMs + 15_000), startMs + 50_000);

  test('begins with the first block that lies wholly in it', () => {
    const torn = add(first, samples(5, 0, startMs + 30_000), startMs + 60_000, next);
    expect(torn.step).toEqual({ since: '2027-01-15T08:00:00.000Z', stable: 120, canary: 12 });
    const whole = add(torn, samples(3, 0, startMs + 45_000), startMs + 75_000, next);
    expect(whole.step).toEqual({ since: '2027-01-15T08:00:20.000Z', stable: 30, canary: 3 });
    expect(whole.canary.requests).toBe(15);
  });

  test('takes its blocks from the step before while the route is being changed', () => {
    const changing = add(first, samples(5, 0, startMs + 30_000), startMs + 60_000, {
      stage: { sinceMs: undefined, isAlone: false },
    });
    expect(changing.step).toEqual({ since: '2027-01-15T08:00:00.000Z', stable: 120, canary: 12 });
  });
});

describe('the warm-up', () => {
  test('begins with the block of the first request to the canary, and once', () => {
    const empty = add(start(), samples(0, 0, startMs + 15_000), startMs);
    expect(empty).not.toHaveProperty('warmUntil');
    const first = add(empty, samples(1, 0, startMs + 30_000), startMs);
    expect(first.warmUntil).toBe('2027-01-15T08:01:15.000Z');
    expect(add(first, samples(9, 0, startMs + 45_000), startMs).warmUntil).toBe(first.warmUntil);
  });

  test('keeps blocks that begin before its end from the comparison', () => {
    const [before, ...rest] = [...play({ seed: 'warm', rps: 50 }, 8)].map(({ evidence }) => evidence.trials);
    const isCompared = rest.map((trials) => trials?.errors !== before?.errors);
    expect(isCompared).toEqual([false, false, false, false, false, true, true]);
    expect(rest.map((trials) => trials?.guard !== before?.guard).slice(0, 5)).not.toContain(false);
  });
});

describe('the guard', () => {
  test('ends with the warm-up, and stays what it was then', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const texts = [...play({ seed: `guard-${seed}`, rps: 20 }, 30)].map(
        ({ evidence }) => evidence.trials?.guard ?? '',
      );
      const ended = texts.filter((text) => text.startsWith('ended1 '));
      expect(new Set(ended).size).toBe(1);
      expect(ended.length).toBeGreaterThanOrEqual(22);
    }
  });
});

describe('the size of status.analysis', () => {
  const traffic: Traffic = {
    seed: 'size',
    rps: 500,
    weightAt: (index) => (index < 60 ? 5 : index < 120 ? 25 : index < 180 ? 50 : 100),
    slownessAt: () => 1,
    spec: { slo: { errorRatio: 0.05, latency: { underSeconds: 1, share: 0.99 } } },
  };

  const looked = lastLook(traffic, 240).evidence;
  const small = lastLook({ ...traffic, spec: {}, weightAt: () => 25 }, 240).evidence;

  test('has every test and every bound', () => {
    const { trials = {} } = looked;
    expect(Object.keys(trials).toSorted()).toEqual(
      ['alone', 'errors', 'guard', 'latency', 'latencyPlan', 'latencySlo', 'slo'].toSorted(),
    );
    expect(trials.latencyPlan?.split(' ')).toHaveLength(5);
  });

  test('stays far below 2 KB with every test there is', () => {
    expect(JSON.stringify(looked).length).toBeLessThan(1300);
  });

  test('is below 1 KB with what is usual', () => {
    expect(JSON.stringify(small).length).toBeLessThan(1000);
  });
});

describe('a check', () => {
  const outcomes: Record<string, [QueryOutcome, CheckResult]> = {
    'passes at its upper bound': [
      { kind: 'Value', value: 100 },
      { state: 'Passing', value: 100 },
    ],
    'passes at its lower bound': [
      { kind: 'Value', value: -1 },
      { state: 'Passing', value: -1 },
    ],
    'fails above its upper bound': [
      { kind: 'Value', value: 100.5 },
      { state: 'Failing', value: 100.5 },
    ],
    'fails below its lower bound': [
      { kind: 'Value', value: -1.5 },
      { state: 'Failing', value: -1.5 },
    ],
    'has no data with NaN': [{ kind: 'Value', value: Number.NaN }, { state: 'NoData' }],
    'is an error with +Inf': [
      { kind: 'Value', value: Number.POSITIVE_INFINITY },
      { state: 'Error', reason: 'NotOneNumber' },
    ],
    'is an error with -Inf': [
      { kind: 'Value', value: Number.NEGATIVE_INFINITY },
      { state: 'Error', reason: 'NotOneNumber' },
    ],
    'has no data without a result': [{ kind: 'NoData', message: 'x' }, { state: 'NoData' }],
    'is an error without an answer': [
      { kind: 'Error', reason: 'SourceUnreachable', message: 'secret' },
      { state: 'Error', reason: 'SourceUnreachable' },
    ],
  };
  test.each(Object.entries(outcomes))('%s', (_name, [outcome, expected]) => {
    expect(evaluateCheck(check, outcome)).toEqual(expected);
  });

  test('without bounds never passes NaN or Inf', () => {
    const { min: _min, max: _max, ...unbounded } = check;
    expect(evaluateCheck(unbounded, { kind: 'Value', value: Number.NaN }).state).toBe('NoData');
    expect(evaluateCheck(unbounded, { kind: 'Value', value: Number.POSITIVE_INFINITY }).state).toBe('Error');
  });

  test('rounds its value to seven digits, after it has been compared', () => {
    const result = evaluateCheck(check, { kind: 'Value', value: 100.000_001_23 });
    expect(result).toEqual({ state: 'Failing', value: 100 });
    expect(evaluateCheck(check, { kind: 'Value', value: -0 })).toStrictEqual({ state: 'Passing', value: 0 });
  });

  test('counts failures and errors in a row', () => {
    const failing = { state: 'Failing', value: 150 } as const;
    const error = { state: 'Error', reason: 'SourceRefused' } as const;
    const passing = { state: 'Passing', value: 1 } as const;
    const results: [CheckResult, number, number][] = [
      [failing, 1, 0],
      [failing, 2, 0],
      [error, 2, 1],
      [error, 2, 2],
      [failing, 3, 0],
      [{ state: 'NoData' }, 3, 0],
      [passing, 0, 0],
      [error, 0, 1],
      [{ state: 'NoData' }, 0, 0],
    ];
    let evidence = start();
    for (const [result, failures, errors] of results) {
      evidence = addCheck(evidence, [check], { check, result }, startMs);
      expect(decodeChecks([check], evidence.checks)).toEqual([{ ...result, failures, errors, atMs: startMs }]);
    }
  });

  test('keeps its place among others and drops an old value', () => {
    const two = { ...check, name: 'two' };
    const checks = [check, two];
    let evidence = addCheck(start(), checks, { check: two, result: { state: 'Passing', value: 2 } }, startMs);
    expect(decodeChecks(checks, evidence.checks)[0]).toBeUndefined();
    evidence = addCheck(evidence, checks, { check, result: { state: 'Passing', value: 1 } }, startMs);
    evidence = addCheck(evidence, checks, { check, result: { state: 'NoData' } }, startMs + 1_000);
    expect(decodeChecks(checks, evidence.checks)).toEqual([
      { state: 'NoData', failures: 0, errors: 0, atMs: startMs + 1_000 },
      { state: 'Passing', value: 2, failures: 0, errors: 0, atMs: startMs },
    ]);
  });

  test('is due at once, then after each interval, and at once when its time lies in the future', () => {
    const result = { state: 'Passing', value: 1 } as const;
    const [state] = decodeChecks([check], addCheck(start(), [check], { check, result }, startMs).checks);
    expect(checkDueAtMs(check, undefined, startMs)).toBe(startMs);
    expect(checkDueAtMs(check, state, startMs + 1)).toBe(startMs + 30_000);
    expect(checkDueAtMs(check, state, startMs - 1)).toBe(startMs - 1);
  });
});
