import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { blockEndOf, lastBlockEnd, type Block } from '../../src/analysis/block.ts';
import { addSamples, startEvidence, watermarkMs, type Evidence, type Stage } from '../../src/analysis/evidence.ts';
import type { NoDataReason, QueryOutcome, SampleOutcome } from '../../src/analysis/metric-source.ts';
import { systemClock } from '../../src/clock.ts';
import { createPrometheusSource, prometheusDefaults, type PrometheusSource } from '../../src/source/prometheus.ts';
import { scopeUserQuery } from '../../src/source/user-query.ts';
import { eventually } from '../support/eventually.ts';
import { sampleMany, sampleOne, withSum } from '../support/metric-source.ts';
import { startPrometheus, type Prometheus } from '../support/prometheus.ts';
import { analysisSpec } from '../support/rollout-builders.ts';

const scrapeIntervalMs = 250;
const signal = new AbortController().signal;

/** Exporter is a /metrics endpoint that looks like a Traefik; a test sets what it shows. */
class Exporter {
  readonly #server: Server;
  /** scrapes counts the answers given. */
  scrapes = 0;
  isUp = true;
  startedSeconds = 1_000_000;
  /** counters maps `service/code` to a value. */
  counters: Readonly<Record<string, number>> = {};
  /** within maps `service/code` to how many took at most a tenth of a second, and at most one. */
  within: Readonly<Record<string, readonly [number, number]>> = {};
  /** gauges are further lines of the exposition. */
  gauges: readonly string[] = [];

  constructor() {
    this.#server = createServer((_request, response) => {
      this.scrapes += 1;
      response.writeHead(this.isUp ? 200 : 503, { 'content-type': 'text/plain; version=0.0.4' });
      response.end(this.#exposition());
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** scrapedAgain resolves when Prometheus has read the present state. */
  async scrapedAgain(): Promise<void> {
    const before = this.scrapes;
    await eventually(() => this.scrapes >= before + 2, { describe: 'two more scrapes' });
  }

  #exposition(): string {
    const requests = Object.entries(this.counters).map(([name, value]) => {
      const [service, code] = name.split('/');
      return `traefik_service_requests_total{code="${code}",method="GET",protocol="http",service="${service}"} ${value}`;
    });
    const buckets = Object.entries(this.within).flatMap(([name, [tenth, one]]) => {
      const [service, code] = name.split('/');
      const total = this.counters[name] ?? 0;
      return Object.entries({ '0.1': tenth, '1.0': one, '+Inf': total }).map(
        ([le, value]) =>
          `traefik_service_request_duration_seconds_bucket{code="${code}",method="GET",protocol="http",service="${service}",le="${le}"} ${value}`,
      );
    });
    return [
      `process_start_time_seconds ${this.startedSeconds}`,
      'traefik_config_reloads_total 1',
      ...requests,
      ...buckets,
      ...this.gauges,
      '',
    ].join('\n');
  }
}

/** Rollouts without any series, so many that the batch is cut into chunks; some names have to be escaped. */
const strangers = Array.from({ length: 40 }, (_, index) => ({ stable: [`a.${index}|b`], canary: [`"c\\${index}`] }));

const spec = analysisSpec();
/** Everything belongs to one step. */
const stage: Stage = { sinceMs: 0, isAlone: false };

/** Follower samples as the controller does: each window starts where the last one ended, and many rollouts ask together. */
class Follower {
  readonly #source: PrometheusSource;
  evidence: Evidence;
  discarded = 0;

  constructor(source: PrometheusSource) {
    this.#source = source;
    this.evidence = startEvidence('followed', systemClock.nowMs(), spec, { blocks: [] });
  }

  async step(): Promise<SampleOutcome> {
    const sinceMs = watermarkMs(this.evidence);
    const untilMs = Math.max(sinceMs, systemClock.nowMs() - this.#source.latenessMs);
    const names = [{ stable: ['S'], canary: ['C'] }, ...strangers, { stable: ['C'], canary: ['S'] }];
    const queries = names.map((arms) => ({ ...arms, sinceMs, untilMs }));
    const [outcome, ...others] = await sampleMany(this.#source, queries, signal);
    const mirrored = others.pop();
    if (outcome === undefined || mirrored === undefined) throw new Error('An answer is missing.');
    expect(mirrored).toMatchObject(mirror(outcome));
    expect(others.every(({ kind }) => kind === 'NoData')).toBe(true);
    const context = { spec, stage, blockMs: this.#source.blockMs };
    this.evidence = addSamples(this.evidence, outcome, context, systemClock.nowMs());
    if (outcome.kind === 'Samples') this.discarded += outcome.discarded;
    return outcome;
  }
}

/** mirror returns what the same requests are with the arms swapped. */
function mirror(outcome: SampleOutcome): object {
  if (outcome.kind === 'NoData') return { kind: 'NoData', reason: outcome.reason };
  const { blocks, seen } = outcome;
  return {
    ...outcome,
    blocks: blocks.map(({ endMs, arms }) => ({ endMs, arms: { stable: arms.canary, canary: arms.stable } })),
    seen: { stable: seen.canary, canary: seen.stable },
  };
}

/** Followers go through the same story with sources of different configuration. */
class Followers {
  readonly all: readonly Follower[];

  constructor(sources: readonly PrometheusSource[]) {
    this.all = sources.map((source) => new Follower(source));
  }

  /** until samples until `isTrue` holds for each. */
  async until(describe: string, isTrue: (outcome: SampleOutcome, follower: Follower) => boolean): Promise<void> {
    await Promise.all(
      this.all.map((follower) =>
        eventually(async () => isTrue(await follower.step(), follower), { describe, timeoutMs: 20_000 }),
      ),
    );
  }

  /** reach samples until the evidence of each holds exactly these counts, as `[requests, errors]`. */
  async reach(canary: readonly [number, number], stable: readonly [number, number]): Promise<void> {
    await Promise.all(
      this.all.map((follower) =>
        eventually(
          async () => {
            await follower.step();
            const { evidence } = follower;
            expect([evidence.canary.requests, evidence.canary.errors]).toEqual(canary);
            expect([evidence.stable.requests, evidence.stable.errors]).toEqual(stable);
            return true;
          },
          { describe: `canary ${canary.join('/')} and stable ${stable.join('/')}` },
        ),
      ),
    );
  }
}

const exporter = new Exporter();
let prometheus: Prometheus;
const sources: PrometheusSource[] = [];

beforeAll(async () => {
  await exporter.start();
  prometheus = await startPrometheus({ targets: [exporter.address], scrapeIntervalMs });
});
afterEach(async () => {
  await Promise.all(sources.splice(0).map((source) => source.close()));
});
afterAll(async () => {
  await prometheus.stop();
  await exporter.stop();
});

function connect(extraMatchers?: string): PrometheusSource {
  const config = { ...prometheusDefaults, url: prometheus.url, scrapeIntervalMs, blockMs: 500, latenessMs: 1_500 };
  const source = createPrometheusSource(
    extraMatchers === undefined ? config : { ...config, extraMatchers },
    systemClock,
  );
  sources.push(source);
  return source;
}

describe('the Prometheus source on a real Prometheus', () => {
  test('counts each request once, for many rollouts at once, through first errors, resets, removals and outages', async () => {
    exporter.startedSeconds = 1_000_000;
    exporter.counters = {};
    await exporter.scrapedAgain();
    const connected = [connect(), connect('job="traefik"')];
    const followers = new Followers(connected);
    const isNoData =
      (reason: NoDataReason) =>
      (outcome: SampleOutcome): boolean =>
        outcome.kind === 'NoData' && outcome.reason === reason;

    await followers.until('a scrape without the series', isNoData('SeriesAbsent'));
    // The first error of a series that did not exist before.
    exporter.counters = { 'C/500': 1, 'S/200': 3 };
    await followers.reach([1, 1], [3, 0]);

    // A restart: the values fall, and everything since counts.
    exporter.startedSeconds = systemClock.nowMs() / 1000;
    exporter.counters = { 'C/500': 1, 'C/200': 4, 'S/200': 2 };
    await followers.reach([6, 2], [5, 0]);

    // The canary leaves Traefik's configuration and returns at zero.
    exporter.counters = { 'S/200': 7 };
    await exporter.scrapedAgain();
    exporter.counters = { 'S/200': 7, 'C/200': 2 };
    await followers.reach([8, 2], [10, 0]);
    expect(followers.all.map(({ discarded }) => discarded)).toEqual([0, 0]);

    // A drop within one process is not trusted, nor is what stands beside it.
    exporter.counters = { 'S/200': 1, 'C/200': 2, 'C/500': 50 };
    await followers.until('a discarded block', (_outcome, { discarded }) => discarded > 0);
    exporter.counters = { 'S/200': 2, 'C/200': 3, 'C/500': 50 };
    await followers.reach([9, 2], [11, 0]);
    expect(followers.all.map(({ discarded }) => discarded)).toEqual([1, 1]);

    // Traefik cannot be scraped; what it counted meanwhile arrives once, with the first scrape after.
    exporter.isUp = false;
    exporter.counters = { 'S/200': 12, 'C/200': 6, 'C/500': 51 };
    await followers.until('the target to be seen as down', isNoData('TargetDown'));
    exporter.isUp = true;
    await followers.reach([13, 3], [21, 0]);

    for (const [index, { evidence }] of followers.all.entries()) {
      expect(evidence.noData).toBeUndefined();
      // The whole story in one call gives what its pieces gave.
      const { since, watermark, stable, canary } = evidence;
      const window = { sinceMs: Date.parse(since), untilMs: Date.parse(watermark) };
      const source = connected[index] ?? connect();
      expect(withSum(await sampleOne(source, { stable: ['S'], canary: ['C'], ...window }, signal))).toMatchObject({
        kind: 'Samples',
        arms: { stable, canary },
        discarded: 1,
      });
    }
  });

  test('tells how long good requests took, through first ones, resets and outages, the same at once and in pieces', async () => {
    [exporter.startedSeconds, exporter.counters, exporter.within] = [1_000_000, {}, {}];
    await exporter.scrapedAgain();
    const source = connect();
    const startMs = lastBlockEnd(systemClock.nowMs() - 2_000, source.blockMs);
    const totals = { stable: [0, 0, 0], canary: [0, 0, 0] };
    const blocks: Block[] = [];
    let sinceMs = startMs;
    const step = async (): Promise<void> => {
      const untilMs = systemClock.nowMs() - source.latenessMs;
      const query = { stable: ['S'], canary: ['C'], sinceMs, untilMs, bounds: [0.1, 1] };
      const outcome = await sampleOne(source, query, signal);
      if (outcome.kind === 'NoData') return;
      sinceMs = outcome.untilMs;
      blocks.push(...outcome.blocks);
      for (const { durations } of outcome.blocks) {
        for (const arm of ['stable', 'canary'] as const) {
          const { within, total } = durations?.[arm] ?? { within: [], total: 0 };
          totals[arm] = totals[arm].map((sum, index) => sum + ([...within, total][index] ?? 0));
        }
      }
    };
    const reach = (canary: readonly number[], stable: readonly number[]): Promise<unknown> =>
      eventually(
        async () => {
          await step();
          return expect(totals).toEqual({ canary, stable }) ?? true;
        },
        { describe: `canary ${canary.join('/')} and stable ${stable.join('/')}` },
      );

    // The first requests ever, and bad ones that took no time.
    exporter.counters = { 'C/200': 10, 'C/503': 100, 'S/200': 40 };
    exporter.within = { 'C/200': [4, 8], 'C/503': [100, 100], 'S/200': [20, 40] };
    await reach([4, 8, 10], [20, 40, 40]);
    exporter.startedSeconds = systemClock.nowMs() / 1000;
    exporter.counters = { 'C/200': 3, 'S/200': 5 };
    exporter.within = { 'C/200': [1, 2], 'S/200': [5, 5] };
    await reach([5, 10, 13], [25, 45, 45]);
    // The canary leaves the configuration of Traefik and returns at zero.
    [exporter.counters, exporter.within] = [{ 'S/200': 5 }, { 'S/200': [5, 5] }];
    await exporter.scrapedAgain();
    exporter.counters = { 'S/200': 6, 'C/200': 2 };
    exporter.within = { 'S/200': [5, 6], 'C/200': [0, 1] };
    await reach([5, 11, 15], [25, 46, 46]);
    // What is counted while the scrapes fail has no block of its own that it could be told in.
    exporter.isUp = false;
    await exporter.scrapedAgain();
    await exporter.scrapedAgain();
    await exporter.scrapedAgain();
    exporter.counters = { 'S/200': 100, 'C/200': 100 };
    exporter.within = { 'S/200': [90, 90], 'C/200': [90, 90] };
    exporter.isUp = true;
    await exporter.scrapedAgain();
    await exporter.scrapedAgain();
    exporter.counters = { 'S/200': 101, 'C/200': 102 };
    exporter.within = { 'S/200': [91, 91], 'C/200': [91, 92] };
    await reach([6, 13, 17], [26, 47, 47]);

    const whole = { stable: ['S'], canary: ['C'], sinceMs: startMs, untilMs: sinceMs };
    expect(await sampleOne(source, { ...whole, bounds: [0.1, 1] }, signal)).toMatchObject({ blocks });
    // Alone, as the minutes before a rollout are asked for.
    const history = await sampleOne(source, { ...whole, canary: [], bounds: 'All' }, signal);
    expect(history).toMatchObject({ bounds: [0.1, 1], seen: { stable: true, canary: false } });
  });

  test('counts hundreds of rollouts as each would be counted alone', async () => {
    const services = Array.from({ length: 300 }, (_, index) => [`S${index}`, `C${index}`] as const);
    const count = (times: number): void => {
      exporter.counters = Object.fromEntries(
        services.flatMap(([stable, canary], index) => [
          [`${stable}/200`, times * (index + 5)],
          [`${canary}/200`, times * (index + 1)],
          [`${canary}/500`, times],
        ]),
      );
    };
    count(1);
    await exporter.scrapedAgain();
    const source = connect();
    const sinceMs = systemClock.nowMs();
    count(3);
    await exporter.scrapedAgain();
    const untilMs = blockEndOf(systemClock.nowMs(), source.blockMs);
    const queries = services.map(([stable, canary]) => ({ stable: [stable], canary: [canary], sinceMs, untilMs }));
    for (const _call of ['in small chunks', 'in large ones', 'in the largest']) {
      for (const [index, outcome] of (await sampleMany(source, queries, signal)).entries()) {
        expect(withSum(outcome)).toMatchObject({
          kind: 'Samples',
          arms: {
            stable: { requests: 2 * (index + 5), errors: 0 },
            canary: { requests: 2 * (index + 2), errors: 2 },
          },
        });
      }
    }
    for (const index of [0, 150, 299]) {
      const query = queries[index];
      if (query === undefined) continue;
      expect(withSum(await sampleOne(source, query, signal))).toMatchObject({
        arms: { canary: { requests: 2 * (index + 2) } },
      });
    }
  });

  test('evaluates user queries within their namespace', async () => {
    exporter.gauges = ['queue_depth{namespace="web"} 7', 'queue_depth{namespace="other"} 9'];
    const source = connect();
    const ask = (promql: string): Promise<QueryOutcome> => {
      const scoped = scopeUserQuery('Namespaced', 'web', promql);
      if (scoped.kind === 'Problem') throw new Error(scoped.message);
      return source.query(scoped.promql, systemClock.nowMs(), signal);
    };
    await eventually(async () => expect(await ask('queue_depth')).toEqual({ kind: 'Value', value: 7 }) ?? true);
    const expected: Record<string, QueryOutcome['kind'] | number> = {
      'max(queue_depth)': 7,
      '{"queue_depth"}': 7,
      '{__name__=~"queue.*",}': 7,
      'queue_depth # {\n{ # }\n }': 7,
      'max_over_time(sum(queue_depth)[5s:100ms])': 7,
      'max(queue_depth) / on () group_left max(queue_depth)': 1,
      'queue_depth{namespace="other"}': 'NoData',
      'queue_depth{namespace="other"} or {__name__="queue_depth",namespace!="web"}': 'NoData',
      'absent(queue_depth{namespace="other"})': 1,
      '0 / (queue_depth - 7)': Number.NaN,
    };
    for (const [promql, want] of Object.entries(expected)) {
      await eventually(
        async () => {
          const outcome = await ask(promql);
          return expect(outcome.kind === 'Value' ? outcome.value : outcome.kind).toEqual(want) ?? true;
        },
        { describe: promql, timeoutMs: 5_000 },
      );
    }
    expect(await source.query('queue_depth', systemClock.nowMs(), signal)).toEqual({
      kind: 'Error',
      reason: 'NotOneNumber',
      message: 'The query returns 2 series, not one number; aggregate them, e.g. with max(…).',
    });
    expect(await source.query('sum(', systemClock.nowMs(), signal)).toEqual({
      kind: 'Error',
      reason: 'SourceRefused',
      message: expect.stringMatching(/answered 400 \(bad_data\): .*parse error/),
    });
  });

  test('shows nothing of a result in the message of an execution error', async () => {
    exporter.gauges = ['queue_depth{namespace="web",pod="a"} 7', 'queue_depth{namespace="web",pod="b"} 9'];
    const promql = 'queue_depth * on (namespace) queue_depth';
    const source = connect();
    const outcome = await eventually(async () => {
      const outcome = await source.query(promql, systemClock.nowMs(), signal);
      return outcome.kind === 'Error' && outcome.reason !== 'NotOneNumber' && outcome;
    });
    expect(outcome).toMatchObject({ reason: 'SourceRefused' });
    expect(outcome.message).toMatch(/answered 422 \(execution\): .*\{…\}$/);
    expect(outcome.message).not.toContain('web');
  });
});
