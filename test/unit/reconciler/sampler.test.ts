import { beforeEach, describe, expect, it } from 'vitest';
import type { CheckSpec } from '../../../src/analysis/check.ts';
import type { MetricSource, SampleOutcome, SampleQuery } from '../../../src/analysis/metric-source.ts';
import type { AnalysisSpec } from '../../../src/analysis/verdict.ts';
import type { AnalysisEvidence } from '../../../src/api/rollout-status.ts';
import type { ObjectKey } from '../../../src/api/kubernetes.ts';
import { formatTime } from '../../../src/clock.ts';
import { Sampler, type SamplePlan } from '../../../src/reconciler/sampler.ts';
import { eachAlone } from '../../support/metric-source.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const startMs = Date.UTC(2026, 10, 21, 9);
const intervalMs = 5_000;
const latenessMs = 15_000;
const shop: ObjectKey = 'web/shop';

let clock: ManualClock;
let stop: AbortController;
let sampler: Sampler;
/** What was asked of the source, with the second at which it was. */
let asked: { readonly second: number; readonly query: SampleQuery }[];
let checked: { readonly second: number; readonly promql: string }[];
let told: string[];
let results: string[];
/** How the source answers; a test may replace either. */
let sample: (query: SampleQuery) => Promise<SampleOutcome>;
let query: (promql: string) => ReturnType<MetricSource['query']>;

beforeEach(() => {
  clock = new ManualClock(startMs);
  stop = new AbortController();
  [asked, checked, told, results] = [[], [], [], []];
  sample = async ({ untilMs }) => samples(untilMs);
  query = async () => ({ kind: 'Value', value: 1 });
  const source: MetricSource = {
    latenessMs,
    blockMs: intervalMs,
    resolutionMs: intervalMs,
    sample: eachAlone((of) => {
      asked.push({ second: second(), query: of });
      return sample(of);
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

const second = (): number => clock.monotonicMs() / 1_000;

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
  const spec: AnalysisSpec = { minRequests: 100, checks, onNoData: 'Hold', noDataAfterMs: 300_000 };
  return { sinceMs: startMs, stable: ['S'], canary: ['C'], spec, ...change };
}

/** stored is evidence as a status holds it: counted from `sinceMs` on for 20 s. */
function stored(sinceMs: number): AnalysisEvidence {
  const counts = { stable: { requests: 400, errors: 2 }, canary: { requests: 40, errors: 1 } };
  return { since: formatTime(sinceMs), watermark: formatTime(sinceMs + 20_000), ...counts };
}

function canary(key: ObjectKey = shop, sinceMs = startMs): object | undefined {
  return sampler.evidence(key, sinceMs)?.canary;
}

describe('what a Sampler counts', () => {
  it('continues the stored evidence of the same start', async () => {
    await clock.advance(60_000);
    sampler.follow(shop, plan(), stored(startMs));
    expect(canary()).toEqual({ requests: 40, errors: 1 });
    await clock.advance(intervalMs);
    expect(asked.map(({ query }) => query)).toEqual([
      { stable: ['S'], canary: ['C'], sinceMs: startMs + 20_000, untilMs: startMs + 50_000 },
    ]);
    expect(canary()).toEqual({ requests: 50, errors: 2 });
  });

  it('starts anew beside stored evidence of another start', async () => {
    await clock.advance(60_000);
    sampler.follow(shop, plan({ sinceMs: startMs + 5_000 }), stored(startMs));
    expect(canary(shop, startMs + 5_000)).toEqual({ requests: 0, errors: 0 });
    expect(canary()).toBeUndefined();
    await clock.advance(intervalMs);
    expect(asked[0]?.query.sinceMs).toBe(startMs + 5_000);
  });

  it('starts anew when the step changes, and goes on when only the names or checks do', async () => {
    sampler.follow(shop, plan(), undefined);
    await clock.advance(20_000);
    sampler.follow(shop, plan({ canary: ['C', 'router'] }), undefined);
    expect(canary()).toEqual({ requests: 10, errors: 1 });
    await clock.advance(intervalMs);
    expect(asked.at(-1)?.query).toMatchObject({ canary: ['C', 'router'], sinceMs: startMs + 5_000 });
    sampler.follow(shop, plan({ sinceMs: startMs + 25_000 }), undefined);
    expect([canary(), canary(shop, startMs + 25_000)]).toEqual([undefined, { requests: 0, errors: 0 }]);
  });

  it('asks for windows that touch, and never for what may still be incomplete', async () => {
    sampler.follow(shop, plan({ sinceMs: startMs + 5_000 }), undefined);
    await clock.advance(35_000);
    expect(asked.map(({ second, query }) => [second, query.sinceMs - startMs, query.untilMs - startMs])).toEqual([
      [25, 5_000, 10_000],
      [30, 10_000, 15_000],
      [35, 15_000, 20_000],
    ]);
    expect(told).toEqual(['web/shop 0', 'web/shop 0', 'web/shop 0']);
    expect(results).toEqual(['Samples', 'Samples', 'Samples']);
  });

  it('asks for a block as soon as it is complete, and not before', async () => {
    clock.jumpWallClock(3_000);
    sampler.follow(shop, plan({ sinceMs: startMs + 4_000 }), undefined);
    await clock.advance(30_000);
    expect(asked.map(({ second, query }) => [second, query.sinceMs - startMs, query.untilMs - startMs])).toEqual([
      [17, 4_000, 5_000],
      [22, 5_000, 10_000],
      [27, 10_000, 15_000],
    ]);
  });
});

describe('the checks of a Sampler', () => {
  it('are asked at their own intervals, from the start of the step on', async () => {
    sampler.follow(shop, plan({ sinceMs: startMs + 7_000 }, [check('slow', 30_000), check('fast', 10_000)]), undefined);
    await clock.advance(45_000);
    const seconds = (name: string) =>
      checked.filter(({ promql }) => promql === `max(${name})`).map(({ second }) => second);
    expect(seconds('slow')).toEqual([10, 40]);
    expect(seconds('fast')).toEqual([10, 20, 30, 40]);
    expect(sampler.evidence(shop, startMs + 7_000)?.checks).toMatchObject([
      { name: 'slow', state: 'Passing', value: '1' },
      { name: 'fast', state: 'Passing', value: '1' },
    ]);
  });

  it('do not hold up what the requests say while one is slow', async () => {
    query = () => new Promise(() => {});
    await clock.advance(60_000);
    sampler.follow(shop, plan({}, [check('slow', 30_000)]), stored(startMs));
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
    sampler.follow(
      shop,
      plan(
        {},
        ['first', 'second', 'third'].map((name) => check(name, 60_000)),
      ),
      undefined,
    );
    await clock.advance(15_000);
    expect(checked.map(({ second }) => second)).toEqual([5, 5, 5]);
    const states = sampler.evidence(shop, startMs)?.checks ?? [];
    expect(states.map(({ name, state }) => `${name} ${state}`).toSorted()).toEqual([
      'first Failing',
      'second Failing',
      'third Failing',
    ]);
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
    sampler.follow(shop, plan(), stored(startMs));
    await clock.advance(45_000);
    expect(asked.map(({ second }) => second)).toEqual([40, 45]);
    expect(results).toEqual(['SourceUnreachable', 'SourceUnreachable']);
    expect(sampler.evidence(shop, startMs)).toMatchObject({
      watermark: formatTime(startMs + 20_000),
      noData: { reason: 'SourceUnreachable', since: formatTime(startMs + 40_000) },
    });
    expect(JSON.stringify(sampler.evidence(shop, startMs))).not.toContain('token');
    sample = async ({ untilMs }) => samples(untilMs);
    await clock.advance(intervalMs);
    expect(sampler.evidence(shop, startMs)?.noData).toBeUndefined();
    expect(canary()).toEqual({ requests: 50, errors: 2 });
  });

  it('counts a check that cannot be asked as an error of it', async () => {
    query = () => Promise.reject(new Error('defect'));
    sampler.follow(shop, plan({}, [check('broken', 5_000)]), undefined);
    await clock.advance(10_000);
    expect(sampler.evidence(shop, startMs)?.checks).toMatchObject([
      { name: 'broken', state: 'Error', reason: 'SourceUnreachable', errors: 2 },
    ]);
  });

  it('tells the reason of missing data as the source gives it', async () => {
    sample = async () => ({ kind: 'NoData', reason: 'TargetDown', message: 'No Traefik was scraped.' });
    sampler.follow(shop, plan(), undefined);
    await clock.advance(20_000);
    expect(results).toEqual(['TargetDown']);
    expect(sampler.evidence(shop, startMs)?.noData).toMatchObject({ reason: 'TargetDown' });
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
    sampler.unfollow(shop);
    sampler.follow(shop, plan({ sinceMs: startMs + 20_000 }, [check('late', 1_000)]), undefined);
    answer.resolve(samples(startMs + 5_000));
    await clock.advance(1);
    expect(canary(shop, startMs + 20_000)).toEqual({ requests: 0, errors: 0 });
    expect([told, checked]).toEqual([[], []]);
  });

  it('asks and tells nothing after the abort, and leaves no timer', async () => {
    const answer = Promise.withResolvers<SampleOutcome>();
    sample = () => answer.promise;
    sampler.follow(shop, plan({}, [check('late', 60_000)]), stored(startMs));
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
