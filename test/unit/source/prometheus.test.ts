import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lastBlockEnd, type Block } from '../../../src/analysis/block.ts';
import type { SampleOutcome, SampleQuery } from '../../../src/analysis/metric-source.ts';
import { systemClock } from '../../../src/clock.ts';
import { isSluiceError } from '../../../src/errors.ts';
import { createAccessFiles, type AccessSource } from '../../../src/source/access-files.ts';
import {
  createPrometheusSource,
  prometheusDefaults,
  type PrometheusConfig,
  type PrometheusSource,
} from '../../../src/source/prometheus.ts';
import { sampleMany, sampleOne, withSum } from '../../support/metric-source.ts';
import { CannedPrometheus, json, type Reply } from './canned-prometheus.ts';
import { bucketsOf, timeline, type Scrape } from './timeline.ts';

const startMs = 1_800_000_000_000;
const signal = new AbortController().signal;

let prometheus: CannedPrometheus;
let sources: PrometheusSource[];

beforeEach(async () => {
  prometheus = await CannedPrometheus.start();
  sources = [];
});
afterEach(async () => {
  await Promise.all(sources.map((source) => source.close()));
  await prometheus.close();
});

function connect(change: Partial<PrometheusConfig> = {}): PrometheusSource {
  const source = createPrometheusSource({ ...prometheusDefaults, url: prometheus.url, ...change }, systemClock);
  sources.push(source);
  return source;
}
function window(sinceSeconds: number, untilSeconds: number): SampleQuery {
  return {
    stable: ['S'],
    canary: ['C'],
    sinceMs: startMs + sinceSeconds * 1_000,
    untilMs: startMs + untilSeconds * 1_000,
  };
}
function sample(query: SampleQuery, change: Partial<PrometheusConfig> = {}): Promise<SampleOutcome> {
  return sampleOne(connect(change), query, signal);
}
async function summed(query: SampleQuery, change: Partial<PrometheusConfig> = {}): Promise<SampleOutcome> {
  return withSum(await sample(query, change));
}
/** every returns scrapes each 15 s; the canary answers one request a second, every tenth of them badly. */
function every(
  fromSeconds: number,
  untilSeconds: number,
  isUp: (atSeconds: number) => boolean = () => true,
): readonly Scrape[] {
  const length = Math.floor((untilSeconds - fromSeconds) / 15) + 1;
  return Array.from({ length }, (_, index) => fromSeconds + index * 15).map((atSeconds) => ({
    atMs: startMs + atSeconds * 1_000,
    isUp: isUp(atSeconds),
    startedSeconds: 1,
    counters: {
      'C/200': 10_000 + Math.ceil(atSeconds * 0.9),
      'C/500': 10_000 + Math.floor(atSeconds * 0.1),
      'S/200': 90_000 + atSeconds * 9,
    },
  }));
}
function answer(status: number, body: unknown): Reply {
  return (_request, response) => json(response, status, body);
}
function accessOf(headers: Readonly<Record<string, string>>): AccessSource {
  return { current: async () => ({ headers }), onRefused: () => {} };
}
function message(outcome: SampleOutcome): string {
  return outcome.kind === 'NoData' ? outcome.message : '';
}

describe('sample', () => {
  test('counts both arms with exact, escaped service names', async () => {
    prometheus.series = timeline('a:8080', every(-60, 120));
    expect(await sample(window(0, 60))).toEqual({
      kind: 'Samples',
      blocks: [15_000, 30_000, 45_000, 60_000].map((atMs, index) => ({
        endMs: startMs + atMs,
        arms: { stable: { requests: 135, errors: 0 }, canary: { requests: 15, errors: 1 + (index % 2) } },
      })),
      untilMs: startMs + 60_000,
      seen: { stable: true, canary: true },
      discarded: 0,
    });
    await sample({ ...window(0, 60), canary: ['a.b"c'] });
    expect(prometheus.queries.at(-3)).toContain(String.raw`service=~"^(?:S|a\\.b\"c)$"`);
  });

  test('reads another service label, and the extra matchers everywhere', async () => {
    prometheus.series = timeline('a:8080', every(-60, 120)).map((series) => {
      const { service, ...labels } = series.labels;
      return service === undefined
        ? series
        : { ...series, labels: { ...labels, exported_service: service, service: 'traefik' } };
    });
    const config = { serviceLabel: 'exported_service', extraMatchers: 'job="traefik"' };
    expect(await summed(window(0, 60), config)).toMatchObject({ arms: { canary: { requests: 60, errors: 6 } } });
    expect(prometheus.queries.every((query) => query.includes(',job="traefik"}'))).toBe(true);
  });

  const histories: Record<string, [readonly Scrape[], number]> = {
    'a steady timeline': [every(-60, 1_200), 1_200],
    'a timeline with a gap of four minutes': [every(-60, 1_200, (at) => at < 300 || at > 540), 1_200],
    // Scrapes at 285 s and 1035 s are too far apart to be compared.
    'a timeline with a gap of twelve minutes': [every(-60, 1_200, (at) => at < 300 || at > 1_020), 450],
    'a timeline with every second scrape missed': [every(-60, 1_200, (at) => at % 30 === 0), 1_200],
  };
  test.each(Object.entries(histories))(
    'counts %s the same at once and in pieces',
    async (_name, [history, requests]) => {
      prometheus.series = timeline('a:8080', history);
      const source = connect();
      const whole = withSum(await sampleOne(source, window(0, 1_200), signal));
      const blocks: Block[] = [];
      let sinceMs = startMs;
      for (let at = 7; sinceMs < startMs + 1_200_000; at += 7) {
        const untilMs = Math.min(startMs + at * 1_000, startMs + 1_200_000);
        const part = await sampleOne(source, { ...window(0, 0), sinceMs, untilMs }, signal);
        if (part.kind === 'NoData') expect(part.reason).toBe('TargetDown');
        else {
          blocks.push(...part.blocks);
          expect(part.untilMs).toBe(Math.max(sinceMs, lastBlockEnd(untilMs, source.blockMs)));
          sinceMs = part.untilMs;
        }
      }
      expect(whole).toMatchObject({ kind: 'Samples', blocks, arms: { canary: { requests } } });
    },
  );

  test('reads a long window in pieces of five minutes', async () => {
    prometheus.series = timeline('a:8080', every(-60, 1_800));
    expect(await summed(window(0, 1_800))).toMatchObject({ arms: { canary: { requests: 1_800, errors: 180 } } });
    const lengths = prometheus.queries.map((query) => Number(/\[(\d+)ms\]/.exec(query)?.[1]));
    expect(Math.max(...lengths)).toBe(300_000);
  });

  test('replays at most an hour a call and says how far it came', async () => {
    prometheus.series = timeline('a:8080', every(-60, 7_200));
    const source = connect();
    const first = withSum(await sampleOne(source, window(0, 7_200), signal));
    expect(first).toMatchObject({ untilMs: startMs + 3_600_000, arms: { canary: { requests: 3_600 } } });
    expect(withSum(await sampleOne(source, window(3_600, 7_200), signal))).toMatchObject({
      arms: { canary: { requests: 3_600 } },
    });
  });

  test('skips in a replay what nobody knows any more, in one step, and says so', async () => {
    // The start is a full hour; Prometheus knows the last twenty minutes of thirty hours.
    const [hour, endSeconds] = [3_600, 30 * 3_600];
    prometheus.series = timeline('a:8080', every(endSeconds - 1_200, endSeconds));
    const source = connect();
    const first = await sampleOne(source, window(100, endSeconds), signal);
    const knownMs = startMs + (endSeconds - hour) * 1_000;
    expect(first).toEqual({
      kind: 'Samples',
      blocks: [],
      untilMs: knownMs,
      skipped: { fromMs: startMs + 100_000, toMs: knownMs },
      seen: { stable: false, canary: false },
      discarded: 0,
    });
    const second = await sampleOne(source, window(endSeconds - hour, endSeconds), signal);
    expect(withSum(second)).toMatchObject({
      untilMs: startMs + endSeconds * 1_000,
      arms: { canary: { requests: 1_200 } },
    });
    expect(second).not.toHaveProperty('skipped');
  });

  test('skips nothing of a replay where Traefik was scraped and these services had no request', async () => {
    prometheus.series = timeline('a:8080', every(0, 7_200)).filter(({ labels }) => labels['service'] === undefined);
    const outcome = await sample(window(0, 7_200));
    expect(outcome).toMatchObject({ kind: 'Samples', blocks: [], untilMs: startMs + 3_600_000 });
    expect(outcome).not.toHaveProperty('skipped');
  });

  test('a replay whose age is not known keeps its watermark', async () => {
    prometheus.series = timeline('a:8080', every(7_000, 7_200));
    prometheus.before = (promql) => (promql.includes('[3600000ms]') ? 503 : undefined);
    const outcome = await sample(window(0, 7_200));
    expect(outcome).toMatchObject({ kind: 'NoData', reason: 'SourceUnreachable' });
    expect(outcome).not.toHaveProperty('untilMs');
  });

  test('does not start a replay while Traefik is down', async () => {
    prometheus.series = timeline('a:8080', every(-60, 100));
    expect(await sample(window(0, 7_200))).toMatchObject({ kind: 'NoData', reason: 'TargetDown' });
    expect(prometheus.queries).toHaveLength(1);
  });

  test('counts nothing twice where a sample comes later than it may', async () => {
    const whole = every(-60, 120);
    const source = connect();
    prometheus.series = timeline(
      'a:8080',
      whole.filter(({ atMs }) => atMs !== startMs + 30_000),
    );
    const early = withSum(await sampleOne(source, window(0, 30), signal));
    prometheus.series = timeline('a:8080', whole);
    const late = withSum(await sampleOne(source, window(30, 60), signal));
    // What the scrape at 30 s saw is lost: its block was over, and the one after it begins with that scrape.
    expect([early, late]).toMatchObject([
      { arms: { canary: { requests: 15 } } },
      { arms: { canary: { requests: 30 } } },
    ]);
  });

  test('says which arm exists', async () => {
    prometheus.series = timeline('a:8080', every(-60, 120));
    expect(await sample({ ...window(0, 60), canary: ['missing'] })).toMatchObject({
      kind: 'Samples',
      seen: { stable: true, canary: false },
    });
  });

  test('tells absent series from a target that is down', async () => {
    prometheus.series = timeline('a:8080', every(-60, 120));
    const other = { ...window(0, 60), stable: ['X'], canary: ['Y'] };
    expect(await sample(other)).toEqual({
      kind: 'NoData',
      reason: 'SeriesAbsent',
      message: expect.stringMatching(/no traefik_service_requests_total with service X, Y/),
      untilMs: startMs + 60_000,
    });
    prometheus.series = timeline(
      'a:8080',
      every(-60, 120, () => false),
    );
    expect(await sample(window(0, 60), { extraMatchers: 'job="traefik"' })).toEqual({
      kind: 'NoData',
      reason: 'TargetDown',
      message: 'No target with job="traefik" was scraped successfully in the last 35 s.',
    });
  });

  test('a window without a complete block keeps the watermark and is no missing data', async () => {
    prometheus.series = timeline('a:8080', every(-60, 120));
    expect(await sample(window(1, 14))).toMatchObject({ kind: 'Samples', blocks: [], untilMs: startMs + 1_000 });
    expect(await sample(window(1, 29))).toMatchObject({
      kind: 'Samples',
      blocks: [{ endMs: startMs + 15_000 }],
      untilMs: startMs + 15_000,
    });
  });

  test('blocks are no shorter than a scrape, and ten seconds long where scrapes are close', async () => {
    expect([5_000, 10_000, 60_000].map((scrapeIntervalMs) => connect({ scrapeIntervalMs }).blockMs)).toEqual([
      10_000, 10_000, 60_000,
    ]);
    prometheus.series = timeline('a:8080', every(-60, 120));
    const outcome = await sample(window(0, 120), { blockMs: 60_000 });
    expect(outcome).toMatchObject({ blocks: [{ endMs: startMs + 60_000 }, { endMs: startMs + 120_000 }] });
  });

  test('leaves out blocks without a scrape and keeps those without requests', async () => {
    const still = every(-60, 120, (at) => at < 30 || at > 70).map((scrape) => ({
      ...scrape,
      counters: { 'S/200': 7, 'C/200': 1 },
    }));
    prometheus.series = timeline('a:8080', still);
    const arms = { stable: { requests: 0, errors: 0 }, canary: { requests: 0, errors: 0 } };
    expect(await sample(window(0, 120))).toMatchObject({
      blocks: [15_000, 75_000, 90_000, 105_000, 120_000].map((atMs) => ({ endMs: startMs + atMs, arms })),
    });
  });

  test('an empty window keeps the watermark', async () => {
    prometheus.series = timeline('a:8080', every(-60, 120));
    expect(await sample(window(30, 0))).toMatchObject({ kind: 'Samples', blocks: [], untilMs: startMs + 30_000 });
  });

  test('refuses a service label that stands for both arms', async () => {
    expect(await sample({ ...window(0, 60), canary: ['S'] })).toMatchObject({
      kind: 'NoData',
      reason: 'SourceRefused',
    });
  });
});

describe('durations', () => {
  beforeEach(() => {
    const series = timeline('a:8080', every(-660, 120));
    prometheus.series = [...series, ...bucketsOf(series)];
  });

  test('come with the counters, at the bounds that were asked for', async () => {
    const outcome = await sample({ ...window(0, 60), bounds: [1.2, 0.1] });
    expect(outcome).toMatchObject({ kind: 'Samples', bounds: [0.1, 1.2] });
    const blocks = outcome.kind === 'Samples' ? outcome.blocks : [];
    expect(blocks.map(({ endMs }) => (endMs - startMs) / 1_000)).toEqual([15, 30, 45, 60]);
    // The scrape at the end of a block is the last one in it; nine of ten requests of the canary are good.
    expect(blocks.map(({ durations }) => durations?.stable.total)).toEqual([135, 135, 135, 135]);
    expect(blocks.map(({ durations }) => durations?.canary.total)).toEqual([14, 13, 14, 13]);
    expect(blocks[0]?.durations?.stable.within).toEqual([67, 128]);
    const [promql] = prometheus.queries.filter((query) => query.includes('_bucket'));
    expect(promql).toBe(
      'sum by (service, instance, le) (traefik_service_request_duration_seconds_bucket{service=~"^(?:S|C)$",' +
        'protocol!~"websocket|sse",code!~"5[0-9][0-9]|499|2|4|13|14|15",' +
        String.raw`le=~"0*0\\.10*|0*1(?:\\.0*)?[eE]-0*1|0*1\\.20*|0*1\\.20*[eE]\\+?0*0|\\+Inf"})`,
    );
  });

  test('are read for all bounds of the minutes before a rollout, without a canary', async () => {
    const outcome = await sample({ ...window(-600, 0), canary: [], bounds: 'All' });
    expect(outcome).toMatchObject({
      kind: 'Samples',
      bounds: [0.1, 0.3, 1.2, 5],
      seen: { stable: true, canary: false },
    });
    const blocks = outcome.kind === 'Samples' ? outcome.blocks : [];
    expect(blocks).toHaveLength(40);
    expect(blocks.every(({ durations }) => durations?.stable.total === 135 && durations.canary.total === 0)).toBe(true);
  });

  test('are the same at once and in pieces', async () => {
    const source = connect();
    const blocks: Block[] = [];
    let sinceMs = startMs - 600_000;
    for (const seconds of [-431, -430, -300, -299, -7, 60]) {
      const query = { ...window(0, seconds), sinceMs, bounds: [0.3] };
      const part = await sampleOne(source, query, signal);
      if (part.kind !== 'Samples') throw new Error(part.message);
      blocks.push(...part.blocks);
      sinceMs = part.untilMs;
    }
    expect(await sampleOne(source, { ...window(-600, 60), bounds: [0.3] }, signal)).toMatchObject({ blocks });
    expect(blocks.every(({ durations }) => durations !== undefined)).toBe(true);
  });

  test('that cannot be read hold up no counters', async () => {
    prometheus.before = (promql) => (promql.includes('_bucket') ? 503 : undefined);
    const outcome = await sample({ ...window(0, 60), bounds: [0.1] });
    expect(outcome).toMatchObject({ kind: 'Samples', missingDurations: { reason: 'SourceUnreachable' } });
    expect(outcome).not.toHaveProperty('bounds');
    expect(withSum(outcome)).toMatchObject({ arms: { canary: { requests: 60, errors: 6 } } });
  });

  test('that are too much at once are read in halves', async () => {
    const scrapes = every(-60, 120).map((scrape) => ({
      ...scrape,
      counters: Object.fromEntries(
        Object.entries(scrape.counters ?? {}).flatMap(([name, value]) =>
          [0, 1, 2].map((at) => [name.replace('/', `${at}/`), value]),
        ),
      ),
    }));
    const series = timeline('a:8080', scrapes);
    prometheus.series = [...series, ...bucketsOf(series)];
    prometheus.before = (promql) => (promql.includes('_bucket') && promql.includes('|S1|') ? 422 : undefined);
    const queries = [0, 1, 2].map((at) => ({
      ...window(0, 60),
      stable: [`S${at}`],
      canary: [`C${at}`],
      bounds: 'All' as const,
    }));
    for (const outcome of await sampleMany(connect(), queries, signal)) {
      const blocks = outcome.kind === 'Samples' ? outcome.blocks : [];
      expect(blocks.map(({ durations }) => durations?.stable.total)).toEqual([135, 135, 135, 135]);
    }
    expect(prometheus.queries.filter((promql) => promql.includes('_bucket')).length).toBeGreaterThan(2);
  });

  test('are not read where nobody asks for any, or no block is complete', async () => {
    await sample(window(0, 60));
    await sample({ ...window(1, 29), bounds: [0.1] });
    expect(prometheus.queries.filter((promql) => promql.includes('_bucket'))).toEqual([]);
  });
});

describe('a source that fails', () => {
  const answers: Record<string, [Reply, { reason: string; message: RegExp }]> = {
    'a partial response': [
      answer(200, { status: 'success', data: { resultType: 'matrix', result: [] }, warnings: ['store 3 is away'] }),
      { reason: 'SourcePartial', message: /may be partial: store 3 is away$/ },
    ],
    'a refused query, cut to 200 characters': [
      answer(400, { status: 'error', errorType: 'bad_data', error: 'x'.repeat(5_000) }),
      { reason: 'SourceRefused', message: /answered 400 \(bad_data\): x{200}$/ },
    ],
    'an execution error without the series that it names': [
      answer(422, {
        status: 'error',
        errorType: 'execution',
        error: 'duplicate series for {ns="secret", a="}"} and {b="secret',
      }),
      { reason: 'SourceRefused', message: /answered 422 \(execution\): duplicate series for \{…\}$/ },
    ],
    'an overloaded server': [
      answer(503, { status: 'error', errorType: 'timeout', error: 'query timed out' }),
      { reason: 'SourceUnreachable', message: /answered 503 \(timeout\): query timed out$/ },
    ],
    'a login page': [
      (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      { reason: 'SourceRefused', message: /answered 200; it is not the answer of a Prometheus API\.$/ },
    ],
    'a redirect, which is not followed': [
      (_request, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/steal?token=t0ken' }).end(),
      { reason: 'SourceRefused', message: /answered 302, a redirect; configure the URL that it leads to\.$/ },
    ],
    'a broken connection': [
      (request) => request.socket.destroy(),
      { reason: 'SourceUnreachable', message: /did not answer \(UND_ERR_SOCKET\)\.$/ },
    ],
    'an answer that stops half-way': [
      (_request, response) => {
        response.writeHead(200, { 'content-length': 1_000 });
        response.write('{"status":', () => response.destroy());
      },
      { reason: 'SourceUnreachable', message: /did not answer/ },
    ],
    'an answer of another type': [
      answer(200, { status: 'success', data: { resultType: 'vector', result: [] } }),
      { reason: 'SourceRefused', message: /did not answer a range with a matrix/ },
    ],
  };
  test.each(Object.entries(answers))('%s is no data and has no watermark', async (_name, [reply, expected]) => {
    prometheus.reply = reply;
    const outcome = await sample(window(0, 60));
    expect(outcome).toMatchObject({ kind: 'NoData', reason: expected.reason });
    expect(message(outcome)).toMatch(expected.message);
    expect(outcome).not.toHaveProperty('untilMs');
  });

  test('one that does not answer in time is unreachable', async () => {
    prometheus.reply = () => undefined;
    const outcome = await sample(window(0, 60), { timeoutMs: 50 });
    expect(message(outcome)).toBe(`Prometheus at ${prometheus.url} did not answer within 50 ms.`);
  });

  test('one that nobody listens for is unreachable', async () => {
    const source = connect({ url: 'http://127.0.0.1:1' });
    expect(await sampleOne(source, window(0, 60), signal)).toEqual({
      kind: 'NoData',
      reason: 'SourceUnreachable',
      message: 'Prometheus at http://127.0.0.1:1 did not answer (ECONNREFUSED).',
    });
  });

  test('one that fails time and again is asked once for all, says since when, and is asked again when it answers', async () => {
    prometheus.series = timeline('a:8080', every(-60, 120));
    prometheus.reply = answer(503, { status: 'error', errorType: 'unavailable', error: 'starting' });
    const changes: string[] = [];
    const source = createPrometheusSource({ ...prometheusDefaults, url: prometheus.url }, systemClock, {
      random: () => 0,
      onHealth: ({ kind }) => changes.push(kind),
    });
    sources.push(source);
    const sinceMs = systemClock.nowMs();
    for (let call = 0; call < 4; call += 1) await sampleOne(source, window(0, 60), signal);
    expect(changes).toEqual(['Unreachable']);
    const health = source.health();
    expect(health).toMatchObject({ kind: 'Unreachable', message: expect.stringMatching(/answered 503/) });
    expect(health.kind === 'Unreachable' && Math.abs(health.sinceMs - sinceMs) < 1_000).toBe(true);

    prometheus.queries.length = 0;
    const many = Array.from({ length: 20 }, () => sampleOne(source, window(0, 60), signal));
    for (const outcome of await Promise.all(many)) {
      expect(message(outcome)).toMatch(/answered 503 .*It has been unreachable since 20/);
    }
    expect(await Promise.all([...many, source.query('up', startMs, signal)])).toHaveLength(21);
    expect(prometheus.queries).toEqual(['vector(1)', 'vector(1)']);

    prometheus.reply = undefined;
    expect(await sampleOne(source, window(0, 60), signal)).toMatchObject({ kind: 'Samples' });
    expect([source.health(), changes]).toEqual([{ kind: 'Reachable' }, ['Unreachable', 'Reachable']]);
  });

  test('one whose connections were closed while they rested is asked again at once', async () => {
    prometheus.series = timeline('a:8080', every(-60, 120));
    let isFirst = true;
    prometheus.reply = (request) => {
      if (isFirst) request.socket.destroy();
      isFirst = false;
      prometheus.reply = undefined;
    };
    expect(await sample(window(0, 60))).toMatchObject({ kind: 'Samples' });
  });

  test('a cancelled call throws Aborted', async () => {
    const controller = new AbortController();
    prometheus.reply = () => controller.abort();
    const error: unknown = await sampleOne(connect(), window(0, 60), controller.signal).catch(
      (reason: unknown) => reason,
    );
    expect(isSluiceError(error, 'Aborted')).toBe(true);
  });

  test('credentials reach the server and no message', async () => {
    const seen: (string | undefined)[] = [];
    prometheus.reply = (request, response) => {
      seen.push(request.headers.authorization, request.headers['x-scope'] as string, request.url);
      const echo = `no access for ${request.headers.authorization} of ${String(request.headers['x-scope'])}`;
      json(response, 403, { status: 'error', errorType: 'denied', error: echo });
    };
    const url = `${prometheus.url.replace('http://', 'http://user:p%40ssword@')}/prefix/?dedup=false`;
    const basic = message(await sample(window(0, 60), { url, access: accessOf({ 'x-scope': 'tenant-1' }) }));
    expect(seen).toEqual([`Basic ${btoa('user:p@ssword')}`, 'tenant-1', '/prefix/api/v1/query?dedup=false']);
    expect(basic).toBe(`Prometheus at ${prometheus.url} answered 403 (denied): no access for *** of ***`);
    const bearer = message(await sample(window(0, 60), { access: accessOf({ authorization: 'Bearer t0ken' }) }));
    expect(bearer).toContain('no access for *** of undefined');
  });
});

describe('credentials in files', () => {
  test('are read again when the server has refused them', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'sluice-source-'));
    const bearerTokenFile = path.join(folder, 'token');
    await writeFile(bearerTokenFile, 'old');
    const files = { bearerTokenFile, basicAuthFile: undefined, headersFile: undefined, caFile: undefined };
    const source = connect({ access: await createAccessFiles(files, systemClock) });
    prometheus.reply = (request, response) => {
      const isKnown = request.headers.authorization === 'Bearer new';
      const data = { resultType: 'vector', result: [{ metric: {}, value: [1, '7'] }] };
      json(response, isKnown ? 200 : 401, isKnown ? { status: 'success', data } : { status: 'error', error: 'who?' });
    };
    await writeFile(bearerTokenFile, 'new');
    expect(await source.query('up', startMs, signal)).toMatchObject({ kind: 'Error', reason: 'SourceRefused' });
    expect(await source.query('up', startMs, signal)).toEqual({ kind: 'Value', value: 7 });
    await rm(folder, { recursive: true });
  });
});

describe('query', () => {
  const vector = (...values: readonly string[]): unknown => ({
    status: 'success',
    data: { resultType: 'vector', result: values.map((value) => ({ metric: {}, value: [1, value] })) },
  });
  const answers: Record<string, [unknown, unknown]> = {
    'one series is a value': [vector('1.5'), { kind: 'Value', value: 1.5 }],
    'a scalar is a value': [
      { status: 'success', data: { resultType: 'scalar', result: [1, '2'] } },
      { kind: 'Value', value: 2 },
    ],
    'NaN stays NaN': [vector('NaN'), { kind: 'Value', value: Number.NaN }],
    'infinity stays infinite': [vector('+Inf'), { kind: 'Value', value: Number.POSITIVE_INFINITY }],
    'nothing is no data': [vector(), { kind: 'NoData', message: 'The query returned nothing.' }],
    'several series are an error': [vector('1', '2'), { kind: 'Error', reason: 'NotOneNumber' }],
    'a histogram is an error': [
      { status: 'success', data: { resultType: 'vector', result: [{ metric: {}, histogram: [1, {}] }] } },
      { kind: 'Error', reason: 'NotOneNumber' },
    ],
    'a string is an error': [
      { status: 'success', data: { resultType: 'string', result: [1, 'x'] } },
      { kind: 'Error', reason: 'NotOneNumber' },
    ],
    'a partial response is an error': [
      { ...(vector('1') as object), warnings: ['partial'] },
      { kind: 'Error', reason: 'SourcePartial' },
    ],
  };
  test.each(Object.entries(answers))('%s', async (_name, [body, expected]) => {
    prometheus.reply = answer(200, body);
    expect(await connect().query('up', startMs, signal)).toMatchObject(expected as object);
  });

  test('over a time is a value, nothing or an error at each of its points', async () => {
    const series = (values: readonly [number, string][]) => ({ metric: {}, values });
    const at = (second: number): number => startMs / 1000 + second;
    const result = [
      series([
        [at(0), '1'],
        [at(60), '3'],
      ]),
      series([[at(60), '4']]),
    ];
    prometheus.reply = answer(200, { status: 'success', data: { resultType: 'matrix', result } });
    const grid = { fromMs: startMs, toMs: startMs + 60_000, stepMs: 30_000 };
    expect(await connect().queryOver('max(x)', grid, signal)).toMatchObject([
      { kind: 'Value', value: 1 },
      { kind: 'NoData' },
      { kind: 'Error', reason: 'NotOneNumber' },
    ]);
    prometheus.reply = answer(400, { status: 'error', errorType: 'bad_data', error: 'parse error' });
    const refused = { kind: 'Error', reason: 'SourceRefused' };
    expect(await connect().queryOver('max(', grid, signal)).toMatchObject([refused, refused, refused]);
  });

  test('over a long time is asked for in parts', async () => {
    prometheus.reply = answer(200, { status: 'success', data: { resultType: 'matrix', result: [] } });
    const grid = { fromMs: startMs, toMs: startMs + 24_999_000, stepMs: 1_000 };
    expect(await connect().queryOver('max(x)', grid, signal)).toHaveLength(25_000);
    expect(prometheus.queries).toHaveLength(3);
  });

  test('Off sends nothing', async () => {
    expect(await connect({ userQueries: 'Off' }).query('up', startMs, signal)).toMatchObject({ kind: 'Error' });
    expect(prometheus.queries).toEqual([]);
  });

  test('the lateness is two scrapes and at least 15 s, unless configured', () => {
    expect(connect().latenessMs).toBe(30_000);
    expect(connect({ scrapeIntervalMs: 1_000 }).latenessMs).toBe(15_000);
    expect(connect({ latenessMs: 1 }).latenessMs).toBe(1);
  });
});
