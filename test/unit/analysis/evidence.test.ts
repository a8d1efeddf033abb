import { describe, expect, test } from 'vitest';
import {
  checkDueAtMs,
  dueChecks,
  evaluateCheck,
  type CheckResult,
  type CheckSpec,
} from '../../../src/analysis/check.ts';
import { addCheck, addSamples, startEvidence, watermarkMs } from '../../../src/analysis/evidence.ts';
import type { QueryOutcome, SampleOutcome } from '../../../src/analysis/metric-source.ts';

const startMs = 1_800_000_000_000;
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
function missing(untilMs?: number): SampleOutcome {
  const outcome = { kind: 'NoData', reason: 'SeriesAbsent', message: 'Nothing there.' } as const;
  return untilMs === undefined ? outcome : { ...outcome, untilMs };
}

describe('evidence', () => {
  test('starts empty with its watermark at the start', () => {
    expect(startEvidence(startMs)).toEqual({
      since: '2027-01-15T08:00:00.000Z',
      watermark: '2027-01-15T08:00:00.000Z',
      stable: { requests: 0, errors: 0 },
      canary: { requests: 0, errors: 0 },
    });
  });

  test('adds samples and moves the watermark, not the start', () => {
    const first = addSamples(startEvidence(startMs), samples(7, 1, startMs + 15_000), startMs + 50_000);
    const second = addSamples(first, samples(3, 2, startMs + 30_000), startMs + 65_000);
    expect(second).toEqual({
      since: '2027-01-15T08:00:00.000Z',
      watermark: '2027-01-15T08:00:30.000Z',
      stable: { requests: 100, errors: 0 },
      canary: { requests: 10, errors: 3 },
    });
  });

  test('counts an answer once that comes twice', () => {
    const once = addSamples(startEvidence(startMs), samples(7, 1, startMs + 15_000), startMs + 50_000);
    expect(addSamples(once, samples(7, 1, startMs + 15_000), startMs + 51_000)).toEqual(once);
  });

  test('keeps the first time without samples, the last reason, and the watermark', () => {
    const unreachable: SampleOutcome = { kind: 'NoData', reason: 'SourceUnreachable', message: 'Gone.' };
    const first = addSamples(startEvidence(startMs), unreachable, startMs + 1_000);
    const second = addSamples(first, missing(), startMs + 2_000);
    expect(second.noData).toEqual({
      reason: 'SeriesAbsent',
      message: 'Nothing there.',
      since: '2027-01-15T08:00:01.000Z',
    });
    expect(watermarkMs(second)).toBe(startMs);
  });

  test('moves the watermark over a window that was read and held no series', () => {
    const evidence = addSamples(startEvidence(startMs), missing(startMs + 9_000), startMs + 40_000);
    expect(watermarkMs(evidence)).toBe(startMs + 9_000);
    expect(evidence.noData?.reason).toBe('SeriesAbsent');
  });

  test('forgets missing data with the first samples', () => {
    const gap = addSamples(startEvidence(startMs), missing(), startMs);
    expect(addSamples(gap, samples(0, 0, startMs + 15_000), startMs)).not.toHaveProperty('noData');
  });
});

describe('a check', () => {
  const outcomes: Record<string, [QueryOutcome, CheckResult]> = {
    'passes at its upper bound': [
      { kind: 'Value', value: 100 },
      { state: 'Passing', value: '100' },
    ],
    'passes at its lower bound': [
      { kind: 'Value', value: -1 },
      { state: 'Passing', value: '-1' },
    ],
    'fails above its upper bound': [
      { kind: 'Value', value: 100.5 },
      { state: 'Failing', value: '100.5' },
    ],
    'fails below its lower bound': [
      { kind: 'Value', value: -1.5 },
      { state: 'Failing', value: '-1.5' },
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

  test('counts failures and errors in a row', () => {
    const results: [CheckResult['state'], number, number][] = [
      ['Failing', 1, 0],
      ['Failing', 2, 0],
      ['Error', 2, 1],
      ['Error', 2, 2],
      ['Failing', 3, 0],
      ['NoData', 3, 0],
      ['Passing', 0, 0],
      ['Error', 0, 1],
      ['NoData', 0, 0],
    ];
    let evidence = startEvidence(startMs);
    for (const [state, failures, errors] of results) {
      evidence = addCheck(evidence, 'depth', { state }, startMs);
      expect(evidence.checks).toEqual([{ name: 'depth', state, failures, errors, at: '2027-01-15T08:00:00.000Z' }]);
    }
  });

  test('keeps its place among others and drops an old value', () => {
    let evidence = addCheck(startEvidence(startMs), 'one', { state: 'Passing', value: '1' }, startMs);
    evidence = addCheck(evidence, 'two', { state: 'Passing', value: '2' }, startMs);
    evidence = addCheck(evidence, 'one', { state: 'Error' }, startMs + 1_000);
    expect(evidence.checks?.map(({ name, value }) => [name, value])).toEqual([
      ['one', undefined],
      ['two', '2'],
    ]);
  });

  test('is due at once, then after each interval, and at once when its time lies in the future', () => {
    const evidence = addCheck(startEvidence(startMs), 'depth', { state: 'Passing' }, startMs);
    const due = (nowMs: number): number => dueChecks([check], evidence.checks ?? [], nowMs).length;
    expect(dueChecks([check], [], startMs)).toEqual([check]);
    expect([due(startMs + 29_999), due(startMs + 30_000), due(startMs - 1)]).toEqual([0, 1, 1]);
    expect(checkDueAtMs(check, evidence.checks?.[0], startMs + 1)).toBe(startMs + 30_000);
  });
});
