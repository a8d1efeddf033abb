import { beforeEach, describe, expect, it } from 'vitest';
import type { CheckSpec } from '../../../src/analysis/check.ts';
import { decodeChecks, type CheckStates } from '../../../src/analysis/check-text.ts';
import { decodeComparison } from '../../../src/analysis/comparison.ts';
import { startEvidence, type Stage } from '../../../src/analysis/evidence.ts';
import type { MetricSource, SampleOutcome, SampleQuery } from '../../../src/analysis/metric-source.ts';
import type { AnalysisEvidence } from '../../../src/api/rollout-evidence.ts';
import type { ObjectKey } from '../../../src/api/kubernetes.ts';
import { formatTime } from '../../../src/clock.ts';
import { Sampler, type SamplePlan } from '../../../src/reconciler/sampler.ts';
import { eachAlone } from '../../support/metric-source.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { analysisSpec } from '../../support/rollout-builders.ts';

const startMs = Date.UTC(2026, 10, 21, 9);
const intervalMs = 5_000;
const latenessMs = 15_000;
const shop: ObjectKey = 'web/shop';

let clock: ManualClock;
let stop: AbortController;
let sampler: Sampler;
interface Asked {
  readonly second: number;
  readonly query: SampleQuery;
}

/** What was asked of the source, with the second at which it was: about stable's past, and about the rollout. */
let histories: Asked[];
let asked: Asked[];
let checked: { readonly second: number; readonly promql: string }[];
let told: string[];
let results: string[];
/** How the source answers; a test may replace each. */
let history: (query: SampleQuery) => Promise<SampleOutcome>;
let sample: (query: SampleQuery) => Promise<SampleOutcome>;
let query: (promql: string) => ReturnType<MetricSource['query']>;

beforeEach(() => {
  clock = new ManualClock(startMs);
  stop = new AbortController();
  [histories, asked, checked, told, results] = [[], [], [], [], []];
  history = async () => absent;
  sample = async ({ untilMs }) => samples(untilMs);
  query = async () => ({ kind: 'Value', value: 1 });
  const source: MetricSource = {
    latenessMs,
    blockMs: intervalMs,
    resolutionMs: intervalMs,
    sample: eachAlone((of) => {
      const isHistory = of.canary.length === 0;
      (isHistory ? histories : asked).push({ second: second(), query: of });
      return isHistory ? history(of) : sample(of);
    }),
    query: (promql) => {
      checked.push({ second: second(), promql });
      return query(promql);
    },
  };
  sampler = new Sampler({
    source,
    clock,
    nowMs: () => clock.nowMs(),
    intervalMs,
    onEvidence: (key, urgency) => told.push(`${key} ${urgency}`),
    onSample: (result) => results.push(result),
    signal: stop.signal,
  });
});

const shown = (checks: readonly CheckSpec[]): CheckStates =>
  decodeChecks(checks, sampler.evidence(shop, 'first')?.checks);
const second = (): number => clock.monotonicMs() / 1_000;

const absent: SampleOutcome = { kind: 'NoData', reason: 'SeriesAbsent', message: 'Nothing is known.' };

/** samples is an answer of ten requests to each arm, one of the canary's bad. */
function samples(untilMs: number): SampleOutcome {
  const arms = { stable: { requests: 10, errors: 0 }, canary: { requests: 10, errors: 1 } };
  return {
    kind: 'Samples',
    blocks: [{ endMs: untilMs, arms }],
    untilMs,
    seen: { stable: true, canary: true },
    discarded: 0,
  };
}

function check(name: string, intervalMs: number): CheckSpec {
  const limits = { consecutiveFailureLimit: 2, consecutiveErrorLimit: 4 };
  return { name, query: `max(${name})`, max: 5, intervalMs, ...limits, onNoData: 'Hold' };
}

function plan(change: Partial<SamplePlan> = {}, checks: readonly CheckSpec[] = []): SamplePlan {
  return {
    id: 'first',
    stage: since(0),
    share: { weightPercent: 50, isComparable: true },
    stable: ['S'],
    canary: ['C'],
    before: ['S', 'router'],
    spec: analysisSpec({ checks }),
    ...change,
  };
}

/** since is a step whose weight was in effect `afterMs` after the start. */
function since(afterMs: number): Stage {
  return { sinceMs: startMs + afterMs, isAlone: false };
}

/** stored is evidence as a status holds it: counted for 20 s from the start on. */
function stored(id = 'first'): AnalysisEvidence {
  return {
    ...startEvidence(id, startMs, analysisSpec(), { blocks: [] }),
    watermark: formatTime(startMs + 20_000),
    stable: { requests: 400, errors: 2 },
    canary: { requests: 40, errors: 1 },
  };
}

function canary(key: ObjectKey = shop, id = 'first'): object | undefined {
  return sampler.evidence(key, id)?.canary;
}

describe('what a Sampler counts', () => {
  it('continues the stored evidence of the same id, and asks for no history again', async () => {
    await clock.advance(60_000);
    sampler.follow(shop, plan({ stage: since(40_000) }), stored());
    expect(canary()).toEqual({ requests: 40, errors: 1 });
    await clock.advance(intervalMs);
    expect(asked.map(({ query }) => query)).toEqual([
      { stable: ['S'], canary: ['C'], sinceMs: startMs + 20_000, untilMs: startMs + 50_000, bounds: 'All' },
    ]);
    expect(histories).toEqual([]);
    expect(canary()).toEqual({ requests: 50, errors: 2 });
  });

  it('starts anew beside stored evidence of another id', async () => {
    await clock.advance(60_000);
    sampler.follow(shop, plan({ id: 'second', stage: since(5_000) }), stored());
    expect(canary(shop, 'second')).toEqual({ requests: 0, errors: 0 });
    expect(canary()).toBeUndefined();
    await clock.advance(intervalMs);
    expect([histories.length, asked[0]?.query.sinceMs]).toEqual([1, startMs + 5_000]);
  });

  it('starts anew with another id, and goes on when only the names or checks change', async () => {
    sampler.follow(shop, plan(), undefined);
    await clock.advance(20_000);
    sampler.follow(shop, plan({ canary: ['C', 'router'] }), undefined);
    expect(canary()).toEqual({ requests: 10, errors: 1 });
    await clock.advance(intervalMs);
    expect(asked.at(-1)?.query).toMatchObject({ canary: ['C', 'router'], sinceMs: startMs + 5_000 });
    expect(histories).toHaveLength(1);
    sampler.follow(shop, plan({ id: 'second', stage: since(25_000) }), undefined);
    expect([canary(), canary(shop, 'second')]).toEqual([undefined, { requests: 0, errors: 0 }]);
  });

  it('goes on over a step, while the route is changed and after, and counts the new step by itself', async () => {
    sampler.follow(shop, plan(), undefined);
    await clock.advance(25_000);
    sampler.follow(shop, plan({ stage: { sinceMs: undefined, isAlone: false } }), undefined);
    await clock.advance(intervalMs);
    expect(sampler.evidence(shop, 'first')).toMatchObject({
      canary: { requests: 30 },
      step: { since: formatTime(startMs), canary: 30, stable: 30 },
    });
    sampler.follow(shop, plan({ stage: since(20_000) }), undefined);
    await clock.advance(intervalMs);
    expect(sampler.evidence(shop, 'first')).toMatchObject({
      canary: { requests: 40 },
      step: { since: formatTime(startMs), canary: 40 },
    });
    await clock.advance(intervalMs);
    expect(sampler.evidence(shop, 'first')).toMatchObject({
      since: formatTime(startMs),
      canary: { requests: 50 },
      step: { since: formatTime(startMs + 20_000), canary: 10, stable: 10 },
    });
    expect(histories).toHaveLength(1);
  });

  it('begins nothing while the route is changed: it waits for a step to begin with', async () => {
    sampler.follow(shop, plan({ stage: { sinceMs: undefined, isAlone: false } }), stored('another'));
    await clock.advance(60_000);
    expect([sampler.evidence(shop, 'first'), asked, histories]).toEqual([undefined, [], []]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('asks for windows that touch, and never for what may still be incomplete', async () => {
    sampler.follow(shop, plan({ stage: since(5_000) }), undefined);
    await clock.advance(35_000);
    expect(asked.map(({ second, query }) => [second, query.sinceMs - startMs, query.untilMs - startMs])).toEqual([
      [25, 5_000, 10_000],
      [30, 10_000, 15_000],
      [35, 15_000, 20_000],
    ]);
    expect(told).toEqual(['web/shop 0', 'web/shop 0', 'web/shop 0', 'web/shop 0']);
    expect(results).toEqual(['SeriesAbsent', 'Samples', 'Samples', 'Samples']);
  });

  it('asks for a block as soon as it is complete, and not before', async () => {
    clock.jumpWallClock(3_000);
    sampler.follow(shop, plan({ stage: since(4_000) }), undefined);
    await clock.advance(30_000);
    expect(asked.map(({ second, query }) => [second, query.sinceMs - startMs, query.untilMs - startMs])).toEqual([
      [17, 4_000, 5_000],
      [22, 5_000, 10_000],
      [27, 10_000, 15_000],
    ]);
  });
});

describe('how evidence begins', () => {
  /** past is an answer of 100 blocks of stable with 1 % errors. */
  const past = async ({ untilMs }: SampleQuery): Promise<SampleOutcome> => ({
    kind: 'Samples',
    blocks: Array.from({ length: 100 }, (_none, index) => ({
      endMs: untilMs - (99 - index) * intervalMs,
      arms: { stable: { requests: 1_000, errors: 10 }, canary: { requests: 0, errors: 0 } },
    })),
    untilMs,
    seen: { stable: true, canary: false },
    discarded: 0,
  });

  it('with ten minutes of what stable answered under its names of before, asked once, and the first block in the same tick', async () => {
    history = past;
    sampler.follow(shop, plan({ stage: since(2_000) }), undefined);
    await clock.advance(15_000);
    expect([histories, asked]).toEqual([[], []]);
    await clock.advance(intervalMs);
    const untilMs = startMs + 2_000;
    expect(histories).toEqual([
      {
        second: 20,
        query: { stable: ['S', 'router'], canary: [], sinceMs: untilMs - 600_000, untilMs, bounds: 'All' },
      },
    ]);
    expect(asked.map(({ second }) => second)).toEqual([20]);
    expect(canary()).toEqual({ requests: 10, errors: 1 });
    await clock.advance(60_000);
    expect([histories.length, asked.length]).toEqual([1, 13]);
  });

  it.each<[string, Partial<SamplePlan>]>([
    ['a comparison', {}],
    [
      'a limit of durations',
      { spec: analysisSpec({ compare: 'None', slo: { latency: { underSeconds: 1, share: 0.9 } } }) },
    ],
  ])('with durations where %s needs them', async (_name, change) => {
    sampler.follow(shop, plan(change), undefined);
    await clock.advance(20_000);
    expect([histories, asked].map(([first]) => first?.query.bounds)).toEqual(['All', 'All']);
  });

  it('without durations where nothing is judged by them', async () => {
    sampler.follow(shop, plan({ spec: analysisSpec({ compare: 'None', slo: { errorRatio: 0.05 } }) }), undefined);
    await clock.advance(20_000);
    expect([histories, asked].map(([first]) => first && 'bounds' in first.query)).toEqual([false, false]);
  });

  it('with what was read of the past: the comparison knows the rate of stable, of which nothing is counted', async () => {
    history = past;
    sampler.follow(shop, plan(), undefined);
    sampler.follow('web/cart', plan({ before: [] }), undefined);
    history = (query) => (query.stable.length > 0 ? past(query) : Promise.resolve(absent));
    await clock.advance(20_000);
    const [known, unknown] = [sampler.evidence(shop, 'first'), sampler.evidence('web/cart', 'first')];
    expect(known?.stable).toEqual({ requests: 10, errors: 0 });
    expect({ ...known, trials: {} }).toEqual({ ...unknown, trials: {} });
    expect(decodeComparison(known?.trials?.guard ?? '')?.history).toEqual({ requests: 100_000, errors: 1_000 });
    expect(decodeComparison(unknown?.trials?.guard ?? '')?.history).toEqual({ requests: 0, errors: 0 });
  });

  it.each(['SeriesAbsent', 'TargetDown'] as const)(
    'without any past where the source says %s of it: that will not change',
    async (reason) => {
      history = async () => ({ kind: 'NoData', reason, message: 'Nothing was there.' });
      sampler.follow(shop, plan(), undefined);
      await clock.advance(30_000);
      expect([histories.length, asked.length]).toEqual([1, 3]);
      expect(sampler.evidence(shop, 'first')?.noData).toBeUndefined();
      expect(canary()).toEqual({ requests: 30, errors: 3 });
    },
  );

  it.each(['SourceUnreachable', 'SourceRefused', 'SourcePartial'] as const)(
    'not before the past could be read: after %s it is asked again, at every tick',
    async (reason) => {
      history = async () => ({ kind: 'NoData', reason, message: 'No answer.' });
      const checks = [check('depth', 60_000)];
      sampler.follow(shop, plan({}, checks), undefined);
      await clock.advance(30_000);
      expect([histories.map(({ second }) => second), asked]).toEqual([[20, 25, 30], []]);
      expect(sampler.evidence(shop, 'first')).toMatchObject({
        watermark: formatTime(startMs),
        canary: { requests: 0, errors: 0 },
        noData: { reason, since: formatTime(startMs + 20_000) },
      });
      history = past;
      await clock.advance(intervalMs);
      expect([histories.length, asked.map(({ query }) => query.sinceMs - startMs)]).toEqual([4, [0]]);
      expect(sampler.evidence(shop, 'first')).toMatchObject({ canary: { requests: 10 } });
      expect(shown(checks)).toMatchObject([{ atMs: startMs + 5_000 }]);
      expect(sampler.evidence(shop, 'first')).not.toHaveProperty('noData');
    },
  );

  it('with the past also where the controller was started again before it could be read', async () => {
    history = async () => ({ kind: 'NoData', reason: 'SourceUnreachable', message: 'No answer.' });
    sampler.follow(shop, plan(), undefined);
    await clock.advance(20_000);
    const unread = sampler.evidence(shop, 'first');
    sampler.unfollow(shop);
    history = past;
    sampler.follow(shop, plan(), JSON.parse(JSON.stringify(unread)) as AnalysisEvidence);
    await clock.advance(intervalMs);
    expect(histories).toHaveLength(2);
    expect(decodeComparison(sampler.evidence(shop, 'first')?.trials?.guard ?? '')?.history.requests).toBe(100_000);
  });

  it('at once for those whose past is known while that of another takes long, and asks none of them twice', async () => {
    const late = Promise.withResolvers<SampleOutcome>();
    history = ({ stable }) => (stable.includes('slow') ? late.promise : Promise.resolve(absent));
    sampler.follow(shop, plan(), undefined);
    sampler.follow('web/slow', plan({ before: ['slow'], canary: ['D'] }), undefined);
    await clock.advance(30_000);
    const seconds = (name: string) => asked.filter(({ query }) => query.canary[0] === name).map(({ second }) => second);
    expect(seconds('C')).toEqual([20, 25, 30]);
    sample = () => new Promise(() => {});
    await clock.advance(intervalMs);
    late.resolve(absent);
    await clock.advance(1);
    expect([seconds('C'), seconds('D')]).toEqual([[20, 25, 30, 35], [35]]);
  });
});

describe('the checks of a Sampler', () => {
  it('are asked at their own intervals, from the start of the step on', async () => {
    const checks = [check('slow', 30_000), check('fast', 10_000)];
    sampler.follow(shop, plan({ stage: since(7_000) }, checks), undefined);
    await clock.advance(45_000);
    const seconds = (name: string) =>
      checked.filter(({ promql }) => promql === `max(${name})`).map(({ second }) => second);
    expect(seconds('slow')).toEqual([10, 40]);
    expect(seconds('fast')).toEqual([10, 20, 30, 40]);
    expect(shown(checks)).toMatchObject([
      { state: 'Passing', value: 1, atMs: startMs + 40_000 },
      { state: 'Passing', value: 1, atMs: startMs + 40_000 },
    ]);
  });

  it('do not hold up what the requests say while one is slow', async () => {
    query = () => new Promise(() => {});
    await clock.advance(60_000);
    sampler.follow(shop, plan({}, [check('slow', 30_000)]), stored());
    await clock.advance(intervalMs);
    expect(checked).toHaveLength(1);
    expect(canary()).toEqual({ requests: 50, errors: 2 });
    expect(told).toEqual(['web/shop 0']);
  });

  it('are asked all at once, so that a rollout waits for one time-out and not for the sum of them', async () => {
    query = async (promql) => {
      if (promql !== 'max(third)') await clock.sleep(10_000);
      return { kind: 'Value', value: 9 };
    };
    const checks = ['first', 'second', 'third'].map((name) => check(name, 60_000));
    sampler.follow(shop, plan({}, checks), undefined);
    await clock.advance(15_000);
    expect(checked.map(({ second }) => second)).toEqual([5, 5, 5]);
    expect(shown(checks).map((state) => state?.state)).toEqual(['Failing', 'Failing', 'Failing']);
  });
});

describe('a Sampler with a source in trouble', () => {
  it.each<[string, () => Promise<SampleOutcome>]>([
    ['rejects', () => Promise.reject(new Error('token abc'))],
    [
      'throws',
      () => {
        throw new Error('token abc');
      },
    ],
  ])('goes on ticking where it %s, and takes it for missing data', async (_name, fail) => {
    sample = fail;
    sampler.follow(shop, plan(), stored());
    await clock.advance(45_000);
    expect(asked.map(({ second }) => second)).toEqual([40, 45]);
    expect(results).toEqual(['SourceUnreachable', 'SourceUnreachable']);
    expect(sampler.evidence(shop, 'first')).toMatchObject({
      watermark: formatTime(startMs + 20_000),
      noData: { reason: 'SourceUnreachable', since: formatTime(startMs + 40_000) },
    });
    expect(JSON.stringify(sampler.evidence(shop, 'first'))).not.toContain('token');
    sample = async ({ untilMs }) => samples(untilMs);
    await clock.advance(intervalMs);
    expect(sampler.evidence(shop, 'first')?.noData).toBeUndefined();
    expect(canary()).toEqual({ requests: 50, errors: 2 });
  });

  it('counts a check that cannot be asked as an error of it', async () => {
    query = () => Promise.reject(new Error('defect'));
    const checks = [check('broken', 5_000)];
    sampler.follow(shop, plan({}, checks), undefined);
    await clock.advance(10_000);
    expect(shown(checks)).toMatchObject([{ state: 'Error', reason: 'SourceUnreachable', errors: 2 }]);
  });

  it('tells the reason of missing data as the source gives it', async () => {
    sample = async () => ({ kind: 'NoData', reason: 'TargetDown', message: 'No Traefik was scraped.' });
    sampler.follow(shop, plan(), undefined);
    await clock.advance(20_000);
    expect(results).toEqual(['SeriesAbsent', 'TargetDown']);
    expect(sampler.evidence(shop, 'first')?.noData).toMatchObject({ reason: 'TargetDown' });
  });

  it('asks for the others at every tick while the queries of one rollout run into their time-outs', async () => {
    sample = async ({ untilMs, canary }) => {
      if (canary[0] === 'slow') await clock.sleep(60_000);
      return samples(untilMs);
    };
    sampler.follow('web/slow', plan({ canary: ['slow'] }), undefined);
    sampler.follow(shop, plan(), undefined);
    await clock.advance(45_000);
    const seconds = (name: string) => asked.filter(({ query }) => query.canary[0] === name).map(({ second }) => second);
    expect(seconds('C')).toEqual([20, 25, 30, 35, 40, 45]);
    expect(seconds('slow')).toEqual([20]);
  });
});

describe('the end of sampling', () => {
  it('leaves no timer: there is one only while something is followed', async () => {
    expect(clock.pendingTimers).toBe(0);
    sampler.follow(shop, plan(), undefined);
    sampler.follow('web/cart', plan(), undefined);
    expect(clock.pendingTimers).toBe(1);
    sampler.unfollow(shop);
    expect(clock.pendingTimers).toBe(1);
    sampler.unfollow('web/cart');
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(60_000);
    expect(asked).toEqual([]);
    sampler.follow(shop, plan(), undefined);
    await clock.advance(intervalMs);
    expect(asked).toHaveLength(1);
  });

  it('drops the answer to a query that was under way', async () => {
    const answer = Promise.withResolvers<SampleOutcome>();
    sample = () => answer.promise;
    sampler.follow(shop, plan(), undefined);
    await clock.advance(20_000);
    told = [];
    sampler.unfollow(shop);
    sampler.follow(shop, plan({ id: 'second', stage: since(20_000) }, [check('late', 1_000)]), undefined);
    answer.resolve(samples(startMs + 5_000));
    await clock.advance(1);
    expect(canary(shop, 'second')).toEqual({ requests: 0, errors: 0 });
    expect([told, checked]).toEqual([[], []]);
  });

  it('asks and tells nothing after the abort, and leaves no timer', async () => {
    const answer = Promise.withResolvers<SampleOutcome>();
    sample = () => answer.promise;
    sampler.follow(shop, plan({}, [check('late', 60_000)]), stored());
    await clock.advance(40_000);
    [checked, told] = [[], []];
    stop.abort(new Error('stop'));
    expect(clock.pendingTimers).toBe(0);
    answer.resolve(samples(startMs + 25_000));
    sampler.follow('web/cart', plan(), undefined);
    await clock.advance(60_000);
    expect([asked.length, checked, told, results]).toEqual([1, [], [], []]);
    expect(clock.pendingTimers).toBe(0);
  });
});
