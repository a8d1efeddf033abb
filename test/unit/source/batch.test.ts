import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SampleOutcome, SampleQuery } from '../../../src/analysis/metric-source.ts';
import { systemClock } from '../../../src/clock.ts';
import { createPrometheusSource, prometheusDefaults, type PrometheusSource } from '../../../src/source/prometheus.ts';
import type { Series } from '../../../src/source/series.ts';
import { sampleMany, withSum } from '../../support/metric-source.ts';
import { CannedPrometheus } from './canned-prometheus.ts';
import { bucketsOf, timeline, type Scrape } from './timeline.ts';

const startMs = 1_800_000_000_000;
const signal = new AbortController().signal;

let prometheus: CannedPrometheus;
let source: PrometheusSource;

beforeEach(async () => {
  prometheus = await CannedPrometheus.start();
  source = createPrometheusSource({ ...prometheusDefaults, url: prometheus.url }, systemClock);
});
afterEach(async () => {
  await source.close();
  await prometheus.close();
});

/** rollout returns the query of one rollout: a minute, of services that only it has. */
function rollout(index: number, change: Partial<SampleQuery> = {}): SampleQuery {
  return {
    stable: [`S${index}`],
    canary: [`C${index}`],
    sinceMs: startMs,
    untilMs: startMs + 60_000,
    ...change,
  };
}

/** shop returns the scrapes of a Traefik: each canary has index + 1 requests a scrape, and one more that fails; stable has ten times as many. */
function shop(
  rollouts: number,
  {
    from = -60,
    to = 120,
    isUp = (_at: number): boolean => true,
  }: { from?: number; to?: number; isUp?: (at: number) => boolean } = {},
): readonly Scrape[] {
  return Array.from({ length: Math.floor((to - from) / 15) + 1 }, (_, number) => {
    const at = from + number * 15;
    const ticks = at / 15 + 10_000;
    const counters: Record<string, number> = {};
    for (let index = 0; index < rollouts; index += 1) {
      counters[`C${index}/200`] = ticks * (index + 1);
      counters[`C${index}/500`] = ticks;
      counters[`S${index}/200`] = ticks * 10 * (index + 1);
    }
    return { atMs: startMs + at * 1_000, isUp: isUp(at), startedSeconds: 1, counters };
  });
}

/** expected is what `rollout(index)` counts in so many scrapes of the shop. */
function expected(index: number, scrapes = 4): object {
  const stable = { requests: scrapes * 10 * (index + 1), errors: 0 };
  return { kind: 'Samples', arms: { stable, canary: { requests: scrapes * (index + 2), errors: scrapes } } };
}

/** sampleAll asks for all of them at once, and adds up the blocks of each. */
async function sampleAll(queries: readonly SampleQuery[]): Promise<readonly SampleOutcome[]> {
  return (await sampleMany(source, queries, signal)).map(withSum);
}

const asked = (part: string): readonly string[] => prometheus.queries.filter((promql) => promql.includes(part));
const lengthsOf = (queries: readonly string[]): readonly number[] =>
  queries.map((promql) => Number(/\[(\d+)ms\]/.exec(promql)?.[1]));

describe('the queries of a batch', () => {
  test('are shared: one for each chunk of rollouts, and one of each kind for the instances of all', async () => {
    prometheus.series = timeline('a:8080', shop(96));
    const queries = Array.from({ length: 96 }, (_, index) => rollout(index));
    const outcomes = await sampleAll(queries);
    for (const [index, outcome] of outcomes.entries()) expect(outcome).toMatchObject(expected(index));
    expect(asked('traefik_service_requests_total')).toHaveLength(3);
    expect(asked('up{')).toHaveLength(1);
    expect(asked('process_start_time_seconds')).toHaveLength(1);
    expect(prometheus.queries).toHaveLength(5);
  });

  test('name a service once that several rollouts have, and count it for each of them', async () => {
    prometheus.series = timeline('a:8080', shop(3));
    const shared = ['S2'];
    const queries = [rollout(0, { stable: shared }), rollout(1, { stable: shared, canary: ['C0'] })];
    const [first, second] = await sampleAll(queries);
    expect(first).toMatchObject({ arms: { stable: { requests: 120 }, canary: { requests: 8, errors: 4 } } });
    expect(second).toEqual(first);
    expect(asked('requests_total')).toEqual([expect.stringContaining('service=~"^(?:S2|C0)$"')]);
  });

  test('ask once whether Traefik is scraped, however many rollouts have no series', async () => {
    prometheus.series = timeline('a:8080', shop(1));
    const queries = Array.from({ length: 50 }, (_, index) => rollout(index + 1));
    const outcomes = await sampleAll([rollout(0), ...queries]);
    expect(outcomes[0]).toMatchObject(expected(0));
    expect(outcomes[50]).toMatchObject({
      reason: 'SeriesAbsent',
      message: expect.stringContaining('service S50, C50:'),
    });
    expect(new Set(outcomes.slice(1).map((outcome) => outcome.kind))).toEqual(new Set(['NoData']));
    expect(asked('traefik_config_reloads_total')).toHaveLength(1);
  });

  test('are few and short for all others while one rollout is an hour behind', async () => {
    prometheus.series = timeline('a:8080', shop(40, { from: -6_990 }));
    const late = rollout(39, { sinceMs: startMs - 3_000_000 });
    const queries = [
      late,
      ...Array.from({ length: 39 }, (_, index) => rollout(index, { sinceMs: startMs - index * 700 })),
    ];
    const [caughtUp, ...others] = await sampleAll(queries);
    expect(caughtUp).toMatchObject(expected(39, 204));
    for (const [index, outcome] of others.entries()) {
      // Scrapes at -15 s and, from 15 s before on, another one.
      expect(outcome).toMatchObject(expected(index, 4 + Math.ceil((index * 700) / 15_000)));
    }
    const isReplay = (promql: string): boolean => promql.includes('C39');
    const requests = asked('requests_total');
    const fresh = requests.filter((promql) => !isReplay(promql));
    expect(fresh).toHaveLength(2);
    expect(Math.max(...lengthsOf(fresh))).toBeLessThan(125_000);
    expect(requests.filter(isReplay)).toHaveLength(11);
    expect(requests.filter(isReplay).some((promql) => /[(|]C0[|)]/.test(promql))).toBe(false);
  });

  test('read the time before once for all when scrapes were missed', async () => {
    prometheus.series = timeline('a:8080', shop(40, { from: -300, isUp: (at) => at < -120 || at >= 15 }));
    const outcomes = await sampleAll(Array.from({ length: 40 }, (_, index) => rollout(index)));
    // The first difference is that from -135 s to 15 s: all that was counted in ten scrapes' time.
    for (const [index, outcome] of outcomes.entries()) expect(outcome).toMatchObject(expected(index, 13));
    const before = asked('instance=~').filter((promql) => promql.includes('requests_total'));
    expect(before).toHaveLength(2);
    expect(Math.max(...lengthsOf(before))).toBeLessThan(125_000);
    expect(asked('up{')).toHaveLength(3);
  });

  test('read the time before for nobody where it was read for another', async () => {
    prometheus.series = timeline('a:8080', shop(2, { isUp: (at) => at < -30 || at >= 15 }));
    const outcomes = await sampleAll([rollout(0), rollout(1, { sinceMs: startMs - 20_000 })]);
    for (const [index, outcome] of outcomes.entries()) expect(outcome).toMatchObject(expected(index, 7));
    expect(prometheus.queries).toHaveLength(3);
  });

  test('read no counters of the time before for a pod that was not there', async () => {
    prometheus.series = [...timeline('a:8080', shop(40)), ...timeline('b:8080', shop(40, { from: 30 }))];
    const outcomes = await sampleAll(Array.from({ length: 40 }, (_, index) => rollout(index)));
    for (const [index, outcome] of outcomes.entries()) expect(outcome).toMatchObject(expected(index, 6));
    expect(asked('requests_total')).toHaveLength(2);
    expect(asked('up{')).toHaveLength(3);
  });

  test('of known instances go beside those of the counters, and those of new ones after', async () => {
    prometheus.series = timeline('a:8080', shop(1));
    await sampleAll([rollout(0)]);
    prometheus.series = [...prometheus.series, ...timeline('b:8080', shop(1))];
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    const early: string[] = [];
    prometheus.before = (promql) => {
      if (promql.includes('requests_total')) return asked;
      early.push(promql);
      if (early.length === 2) resolve();
      return undefined;
    };
    const [outcome] = await sampleAll([rollout(0)]);
    expect(outcome).toMatchObject({ arms: { canary: { requests: 16 } } });
    expect(early.map((promql) => /^\w+/.exec(promql)?.[0])).toEqual([
      'up',
      'process_start_time_seconds',
      'up',
      'process_start_time_seconds',
    ]);
    expect(early.map((promql) => /\(\?:(.*)\)/.exec(promql)?.[1])).toEqual(['a:8080', 'a:8080', 'b:8080', 'b:8080']);
  });

  test('hold more rollouts where answers are small, up to what Prometheus looks up', async () => {
    prometheus.series = timeline('a:8080', shop(1));
    const queries = Array.from({ length: 400 }, (_, index) => rollout(index));
    const chunks: number[] = [];
    for (let tick = 0; tick < 4; tick += 1) {
      prometheus.queries.length = 0;
      await sampleAll(queries);
      chunks.push(asked('requests_total').length);
    }
    expect(chunks).toEqual([13, 7, 4, 4]);
  });
});

describe('chunks of a batch', () => {
  const queries = Array.from({ length: 96 }, (_, index) => rollout(index));
  const isFirst = (promql: string): boolean => /[(|]C0[|)]/.test(promql);
  beforeEach(() => {
    prometheus.series = timeline('a:8080', shop(96));
  });

  test.each([
    [503, 'SourceUnreachable'],
    [400, 'SourceRefused'],
  ])('that are answered with %i leave the others whole', async (status, reason) => {
    prometheus.before = (promql) => (isFirst(promql) ? status : undefined);
    const outcomes = await sampleAll(queries);
    for (const [index, outcome] of outcomes.entries()) {
      if (index < 32) expect(outcome).toMatchObject({ kind: 'NoData', reason });
      else expect(outcome).toMatchObject(expected(index));
    }
  });

  test('that are slow hold up no others', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    prometheus.before = (promql) => (isFirst(promql) ? released : undefined);
    const indexes: number[] = [];
    for await (const answers of source.sample(queries, signal)) {
      indexes.push(...answers.map(({ index }) => index));
      if (indexes.length === 64) {
        expect(indexes.toSorted((left, right) => left - right)).toEqual(Array.from({ length: 64 }, (_, at) => at + 32));
        release();
      }
    }
    expect(indexes).toHaveLength(96);
  });

  test('about the past of many hold up nobody who only wants the last minute', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    prometheus.before = (promql) => ((lengthsOf([promql])[0] ?? 0) > 200_000 ? released : undefined);
    const past = Array.from({ length: 600 }, (_, index) =>
      rollout(1_000 + index, { sinceMs: startMs - 600_000, untilMs: startMs, canary: [] }),
    );
    const histories = sampleAll(past);
    expect((await sampleAll(queries))[95]).toMatchObject(expected(95));
    release();
    await histories;
  });

  test('tell errors of canaries before the durations are there, and all of it after', async () => {
    prometheus.series = timeline('a:8080', shop(2)).flatMap((one) => {
      const { service, code } = one.labels;
      // The second canary has no errors.
      return service === 'C1' && code === '500' ? [] : [one, ...bucketsOf([one])];
    });
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    prometheus.before = (promql) => (promql.includes('_bucket') ? released : undefined);
    const come: [number, boolean, boolean][] = [];
    const bounded = [0, 1].map((index) => rollout(index, { bounds: [0.1] }));
    for await (const answers of source.sample([...bounded, rollout(0)], signal)) {
      for (const { index, outcome, isEarly = false } of answers) {
        expect(withSum(outcome)).toMatchObject({ arms: { canary: { errors: index === 1 ? 0 : 4 } } });
        come.push([index, isEarly, outcome.kind === 'Samples' && outcome.blocks.every(({ durations }) => durations)]);
      }
      if (come.length === 2) release();
    }
    expect(come).toEqual([
      [0, true, false],
      [2, false, false],
      [0, false, true],
      [1, false, true],
    ]);
  });

  test('that are slow hold up the durations of no others', async () => {
    prometheus.series = [...prometheus.series, ...bucketsOf(prometheus.series)];
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    prometheus.before = (promql) => (promql.includes('requests_total') && isFirst(promql) ? released : undefined);
    let whole = 0;
    for await (const answers of source.sample(
      queries.map((one) => ({ ...one, bounds: [0.1] })),
      signal,
    )) {
      whole += answers.filter(({ isEarly = false }) => !isEarly).length;
      if (whole === 64) release();
    }
    expect(whole).toBe(96);
  });

  test('whose answer cannot be read end the call after the others are delivered', async () => {
    const unreadable: Series = {
      labels: { __name__: 'traefik_service_requests_total', instance: 'a:8080', service: 'C0' },
      samples: new Map([[startMs, 1]]),
    };
    // Not what Prometheus ever says: a series without labels.
    Object.defineProperty(unreadable.labels, 'toJSON', { value: () => null });
    prometheus.series = [...prometheus.series, unreadable];
    const outcomes: SampleOutcome[] = [];
    const read = (async () => {
      for await (const answers of source.sample(queries, signal))
        outcomes.push(...answers.map(({ outcome }) => outcome));
    })();
    await expect(read).rejects.toThrow(TypeError);
    expect(outcomes).toHaveLength(64);
    expect(outcomes.every(({ kind }) => kind === 'Samples')).toBe(true);
  });

  test('become smaller at once when they were too much, and stay so', async () => {
    prometheus.before = (promql) => (promql.split('|').length > 16 ? 422 : undefined);
    const counts: number[] = [];
    for (let call = 0; call < 4; call += 1) {
      prometheus.queries.length = 0;
      const outcomes = await sampleAll(queries);
      for (const [index, outcome] of outcomes.entries()) expect(outcome).toMatchObject(expected(index));
      counts.push(asked('requests_total').length);
    }
    expect(counts).toEqual([21, 12, 12, 12]);
  });
});

describe('slow queries of users', () => {
  test('hold up no samples', async () => {
    prometheus.series = timeline('a:8080', shop(1));
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    prometheus.before = (promql) => (promql === 'vector(1)' ? released : undefined);
    const slow = Array.from({ length: 20 }, () => source.query('vector(1)', startMs, signal));
    expect(await sampleAll([rollout(0)])).toMatchObject([expected(0)]);
    release();
    await Promise.all(slow);
  });

  test('may answer with no more than a number needs', async () => {
    prometheus.reply = (_request, response) =>
      response.end(JSON.stringify({ status: 'success', more: 'x'.repeat(2 ** 20) }));
    expect(await source.query('up', startMs, signal)).toMatchObject({
      kind: 'Error',
      reason: 'SourceRefused',
      message: expect.stringMatching(/answered more than 1048576 bytes\.$/),
    });
  });
});
