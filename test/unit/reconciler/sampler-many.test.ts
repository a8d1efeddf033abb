import { beforeEach, describe, expect, it } from 'vitest';
import type { CheckSpec } from '../../../src/analysis/check.ts';
import { decodeChecks } from '../../../src/analysis/check-text.ts';
import type { MetricSource, SampleAnswer, SampleOutcome, SampleQuery } from '../../../src/analysis/metric-source.ts';
import type { ObjectKey } from '../../../src/api/kubernetes.ts';
import { Sampler, type SamplePlan } from '../../../src/reconciler/sampler.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { analysisSpec } from '../../support/rollout-builders.ts';

const startMs = Date.UTC(2026, 10, 21, 9);
const resolutionMs = 15_000;
const intervalMs = 5_000;

let clock: ManualClock;
let stop: AbortController;
let sampler: Sampler;
interface Call {
  readonly second: number;
  readonly queries: readonly SampleQuery[];
}

/** histories and calls are the calls of the source, about stable's past and about the rollouts. */
let histories: Call[];
let calls: Call[];
let checked: string[];
let told: { readonly key: ObjectKey; readonly urgency: number }[];
let results: string[];
/** How the source answers; a test replaces them. */
let answers: (queries: readonly SampleQuery[]) => AsyncIterable<readonly SampleAnswer[]>;
let query: (promql: string) => ReturnType<MetricSource['query']>;

beforeEach(() => {
  clock = new ManualClock(startMs);
  stop = new AbortController();
  [histories, calls, checked, told, results] = [[], [], [], [], []];
  answers = async function* (queries) {
    yield queries.map((one, index) => ({ index, outcome: samples(one, 0) }));
  };
  query = async () => ({ kind: 'Value', value: 1 });
  const source: MetricSource = {
    latenessMs: 0,
    blockMs: resolutionMs,
    resolutionMs,
    sample: (queries) => {
      const call = { second: clock.monotonicMs() / 1_000, queries };
      if (queries.every(({ canary }) => canary.length === 0)) {
        histories.push(call);
        return unknownPast(queries);
      }
      calls.push(call);
      return answers(queries);
    },
    query: (promql) => {
      checked.push(promql);
      return query(promql);
    },
  };
  sampler = new Sampler({
    source,
    clock,
    nowMs: () => clock.nowMs(),
    intervalMs,
    onEvidence: (key, urgency) => told.push({ key, urgency }),
    onSample: (result) => results.push(result),
    signal: stop.signal,
  });
});

async function* unknownPast(queries: readonly SampleQuery[]): AsyncIterable<readonly SampleAnswer[]> {
  const outcome = { kind: 'NoData', reason: 'SeriesAbsent', message: 'Nothing is known.' } as const;
  yield queries.map((_query, index) => ({ index, outcome }));
}

/** samples is an answer of a thousand requests to each arm, so many of the canary's bad. */
function samples({ untilMs }: SampleQuery, errors: number): SampleOutcome {
  const arms = { stable: { requests: 1_000, errors: 0 }, canary: { requests: 1_000, errors } };
  return {
    kind: 'Samples',
    blocks: [{ endMs: untilMs, arms }],
    untilMs,
    seen: { stable: true, canary: true },
    discarded: 0,
  };
}

function check(name: string, query = `max(${name})`): CheckSpec {
  const limits = { consecutiveFailureLimit: 0, consecutiveErrorLimit: 4 };
  return { name, query, max: 5, intervalMs: 5_000, ...limits, onNoData: 'Hold' };
}

const keyOf = (index: number): ObjectKey => `web/shop-${index}`;

function follow(count: number, checks: (index: number) => readonly CheckSpec[] = () => []): void {
  for (let index = 0; index < count; index += 1) {
    const plan: SamplePlan = {
      id: 'first',
      stage: { sinceMs: startMs, isAlone: false },
      share: { weightPercent: 50, isComparable: true },
      stable: [`S${index}`],
      canary: [`C${index}`],
      before: [`S${index}`],
      spec: analysisSpec({ warmupMs: 0, checks: checks(index) }),
    };
    sampler.follow(keyOf(index), plan, undefined);
  }
}

const requests = (index: number): number | undefined => sampler.evidence(keyOf(index), 'first')?.canary.requests;

describe('a Sampler with many rollouts', () => {
  it('asks for all of them in one call, as often as there is something new', async () => {
    follow(200);
    await clock.advance(60_000);
    expect(calls.map(({ second, queries }) => [second, queries.length])).toEqual([
      [15, 200],
      [30, 200],
      [45, 200],
      [60, 200],
    ]);
    expect(histories.map(({ second, queries }) => [second, queries.length])).toEqual([[15, 200]]);
    expect(new Set(calls[0]?.queries.map(({ untilMs }) => untilMs))).toEqual(new Set([startMs + 15_000]));
    expect(requests(199)).toBe(4_000);
  });

  it('tells of a breach at once, the worst first, and of the others after it', async () => {
    const errors = [0, 300, 900, 0, 500];
    answers = async function* (queries) {
      yield queries.map((one, index) => ({ index, outcome: samples(one, errors[index] ?? 0) }));
    };
    follow(5);
    await clock.advance(15_000);
    // What is told first is that stable's past is known.
    const [begun, judged] = [told.slice(0, 5), told.slice(5)];
    expect(begun.map(({ urgency }) => urgency)).toEqual([0, 0, 0, 0, 0]);
    expect(judged.map(({ key }) => key)).toEqual([2, 4, 1, 0, 3].map(keyOf));
    const urgencies = judged.map(({ urgency }) => urgency);
    expect(urgencies.slice(3)).toEqual([0, 0]);
    for (const [index, expected] of [91, 51, 31].entries()) expect(urgencies[index]).toBeCloseTo(expected, 9);
  });

  it('believes an early answer where the canary fails by it, and otherwise waits for the whole one', async () => {
    const whole = Promise.withResolvers<void>();
    const errors = [0, 900];
    answers = async function* (queries) {
      const early = queries.map((one, index) => ({ index, outcome: samples(one, errors[index] ?? 0) }));
      yield early.map((one) => ({ ...one, isEarly: true }));
      await whole.promise;
      yield early;
    };
    follow(2);
    await clock.advance(15_000);
    // What is told first is that stable's past is known.
    const toldKeys = () => told.slice(2).map(({ key }) => key);
    expect([toldKeys(), requests(0), requests(1)]).toEqual([[keyOf(1)], 0, 1_000]);
    expect(results).toEqual(['SeriesAbsent', 'SeriesAbsent']);
    whole.resolve();
    await clock.advance(1);
    expect([toldKeys(), requests(0), requests(1)]).toEqual([[1, 1, 0].map(keyOf), 1_000, 1_000]);
    expect(results.slice(2)).toEqual(['Samples', 'Samples']);
  });

  it('tells of each answer when it comes, and asks nothing for those whose answer is still to come', async () => {
    const late = Promise.withResolvers<void>();
    answers = async function* (queries) {
      yield queries.slice(0, 2).map((one, index) => ({ index, outcome: samples(one, 0) }));
      if (queries.length > 2) await late.promise;
      yield queries.slice(2).map((one, index) => ({ index: index + 2, outcome: samples(one, 0) }));
    };
    follow(3);
    await clock.advance(30_000);
    expect(calls.map(({ queries }) => queries.map(({ stable }) => stable[0]))).toEqual([
      ['S0', 'S1', 'S2'],
      ['S0', 'S1'],
    ]);
    expect([0, 1, 2].map(requests)).toEqual([2_000, 2_000, 0]);
    late.resolve();
    await clock.advance(15_000);
    expect(calls.at(-1)?.queries.map(({ stable, sinceMs }) => [stable[0], sinceMs - startMs])).toEqual([
      ['S0', 30_000],
      ['S1', 30_000],
      ['S2', 15_000],
    ]);
  });

  it('takes those for missing that the source leaves out, throwing or not, and counts none twice', async () => {
    answers = async function* (queries) {
      const [first] = queries;
      if (first === undefined) return;
      yield [{ index: 0, outcome: samples(first, 0) }];
      yield [{ index: 0, outcome: samples(first, 0) }];
      if (calls.length === 1) throw new Error('token abc');
    };
    follow(3);
    await clock.advance(30_000);
    expect(results).toEqual([
      'SeriesAbsent',
      'SeriesAbsent',
      'SeriesAbsent',
      'Samples',
      'SourceUnreachable',
      'SourceUnreachable',
      'Samples',
      'SourceUnreachable',
      'SourceUnreachable',
    ]);
    expect([0, 1, 2].map(requests)).toEqual([2_000, 0, 0]);
    expect(sampler.evidence(keyOf(2), 'first')?.noData).toMatchObject({ reason: 'SourceUnreachable' });
  });
});

describe('the checks of many rollouts', () => {
  it('are asked once where their queries are equal, at their own interval, and answered to each rollout', async () => {
    follow(10, (index) => [check('depth', index < 9 ? 'max(depth)' : 'max(other)')]);
    await clock.advance(10_000);
    expect(checked.toSorted()).toEqual(['max(depth)', 'max(depth)', 'max(other)', 'max(other)']);
    for (let index = 0; index < 10; index += 1) {
      const text = sampler.evidence(keyOf(index), 'first')?.checks;
      expect(decodeChecks([check('depth', '')], text)).toMatchObject([{ state: 'Passing', value: 1 }]);
    }
    expect(calls).toEqual([]);
  });

  it('tell of a failure as urgent', async () => {
    query = async (promql) => ({ kind: 'Value', value: promql === 'max(1)' ? 9 : 1 });
    follow(2, (index) => [check('depth', `max(${index})`)]);
    await clock.advance(5_000);
    expect(told.find(({ key }) => key === keyOf(0))?.urgency).toBe(0);
    expect(told.find(({ key }) => key === keyOf(1))?.urgency).toBeCloseTo(81, 9);
  });

  it('are under way eight at a time, hold up no samples, and are not asked again while they are', async () => {
    const slow = Array.from({ length: 12 }, () => Promise.withResolvers<void>());
    query = async (promql) => {
      await slow[Number(/\d+/.exec(promql)?.[0])]?.promise;
      return { kind: 'Value', value: 1 };
    };
    follow(12, (index) => [check('depth', `max(${index})`)]);
    await clock.advance(15_000);
    expect(checked).toEqual(Array.from({ length: 8 }, (_, index) => `max(${index})`));
    expect(requests(11)).toBe(1_000);
    slow[3]?.resolve();
    await clock.advance(1);
    expect(checked.slice(8)).toEqual(['max(8)']);
    for (const { resolve } of slow) resolve();
    await clock.advance(1);
    expect(checked.slice(9)).toEqual(['max(9)', 'max(10)', 'max(11)']);
    await clock.advance(5_000);
    expect(checked).toHaveLength(24);
  });

  it('keep their interval although each answer comes a little after its tick', async () => {
    query = async () => {
      await clock.sleep(400);
      return { kind: 'Value', value: 1 };
    };
    follow(1, () => [check('depth')]);
    await clock.advance(60_000);
    expect(checked).toHaveLength(12);
  });

  it('hold a timer only while there are such', async () => {
    follow(1);
    expect(clock.pendingTimers).toBe(1);
    follow(2, (index) => (index === 1 ? [check('depth')] : []));
    expect(clock.pendingTimers).toBe(2);
    sampler.unfollow(keyOf(1));
    await clock.advance(5_000);
    expect(clock.pendingTimers).toBe(1);
    expect(checked).toEqual([]);
  });
});
