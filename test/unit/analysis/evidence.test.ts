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
import { judge } from '../../../src/analysis/verdict.ts';
import {
  begin,
  blocksOf,
  contextAt,
  lastLook,
  outcomeOf,
  play,
  startMs,
  usualSpec,
  type Traffic,
} from '../../support/judged-traffic.ts';

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

describe('pods that become ready later', () => {
  const slow: Traffic = { seed: 'pods', rps: 200, slownessAt: () => 1 };

  /** follow adds blocks with so many endpoints of the canary; each is known some seconds after its end. */
  function follow(traffic: Traffic, endpointsAt: (index: number) => number | undefined, count: number): Evidence[] {
    let evidence = begin(traffic);
    return blocksOf(traffic, 0, count).map((block, index) => {
      const canaryEndpoints = endpointsAt(index);
      const { stage, ...rest } = contextAt(traffic, index);
      const known = canaryEndpoints === undefined ? stage : { ...stage, canaryEndpoints };
      evidence = addSamples(evidence, outcomeOf(traffic, [block]), { ...rest, stage: known }, block.endMs + 5_000);
      return evidence;
    });
  }
  const changes = (all: readonly Evidence[], name: 'errors' | 'latency'): string =>
    all.map(({ trials }, at) => (trials?.[name] === all[at - 1]?.trials?.[name] ? '.' : 'x')).join('');

  test('put off the comparison of durations for another warm-up, and that of errors by nothing', () => {
    const all = follow(slow, (index) => (index < 12 ? 2 : 3), 24);
    expect(changes(all, 'errors')).toBe('x.....xxxxxxxxxxxxxxxxxx');
    expect(changes(all, 'latency')).toBe('x.....xxxxxx........xxxx');
    expect(all.at(-1)).toMatchObject({ endpoints: 3, warmUntil: '2027-01-15T08:03:15.000Z' });
  });

  test('are as good as the others where there is no warm-up', () => {
    const all = follow({ ...slow, spec: { warmupMs: 0 } }, (index) => (index < 12 ? 2 : 3), 24);
    expect(changes(all, 'latency')).toBe('xxxxxxxxxxxxxxxxxxxxxxxx');
  });

  test('are only those that make it more than ever', () => {
    const all = follow(slow, (index) => (index % 2 === 0 ? 3 : 1), 24);
    expect(changes(all, 'latency')).toBe('x.....xxxxxxxxxxxxxxxxxx');
  });

  test('are not told from others while the first ones warm up, nor where their number is not known', () => {
    expect(
      changes(
        follow(slow, (index) => Math.min(index, 5), 24),
        'latency',
      ),
    ).toBe('x.....xxxxxxxxxxxxxxxxxx');
    expect(
      changes(
        follow(slow, () => undefined, 24),
        'latency',
      ),
    ).toBe('x.....xxxxxxxxxxxxxxxxxx');
    expect(follow(slow, () => undefined, 24).at(-1)).not.toHaveProperty('endpoints');
  });

  test('that are slow while they are cold roll back nothing, and slow ones that stay so do', () => {
    const cold = (from: number, until: number): Traffic => ({
      ...slow,
      slownessAt: (arm, index) => (arm === 'canary' && index >= from && index < until ? 4 : 1),
    });
    const endpoints = (index: number): number => (index < 12 ? 2 : 4);
    const reasonOf = (traffic: Traffic): string => {
      const evidence = follow(traffic, endpoints, 30).at(-1) ?? begin(traffic);
      return judge(usualSpec, evidence, { weightPercent: 5, isComparable: true }, startMs).reason;
    };
    expect(reasonOf(cold(13, 18))).toMatch(/^(?:NotProvenYet|ProvenSafe)$/);
    expect(reasonOf(cold(13, 30))).toBe('Slower');
  });

  test('are told of', () => {
    const evidence = follow(slow, (index) => (index < 12 ? 2 : 3), 14).at(-1) ?? begin(slow);
    const { message } = judge(usualSpec, evidence, { weightPercent: 5, isComparable: true }, startMs);
    expect(message).toContain('New pods are warming up, so durations are not compared before 08:03:15Z.');
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
