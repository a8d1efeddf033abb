import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SampleOutcome, SampleQuery } from '../../../src/analysis/metric-source.ts';
import { systemClock } from '../../../src/clock.ts';
import {
  createScrapeSource,
  type ScrapeCollaborators,
  type ScrapeConfig,
  type ScrapeSource,
} from '../../../src/source/scrape.ts';
import { eventually } from '../../support/eventually.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { sampleMany, sampleOne } from '../../support/metric-source.ts';
import { ScrapedTraefik } from './scraped-traefik.ts';

const intervalMs = 2_000;
const signal = new AbortController().signal;
const none = { requests: 0, errors: 0 };

let clock: ManualClock;
let startMs: number;
let traefiks: readonly ScrapedTraefik[];
const sources: ScrapeSource[] = [];
let problems: [string, string | undefined][];

beforeEach(async () => {
  clock = new ManualClock();
  startMs = clock.nowMs();
  traefiks = await Promise.all([ScrapedTraefik.start(), ScrapedTraefik.start(), ScrapedTraefik.start()]);
  problems = [];
});
afterEach(async () => {
  await Promise.all(sources.splice(0).map((source) => source.close()));
  await Promise.all(traefiks.map((traefik) => traefik.close()));
});

function endpoints(count: number): { name: string; url: string }[] {
  return traefiks.slice(0, count).map(({ url }, index) => ({ name: `traefik-${index}`, url }));
}

function create(config: Partial<ScrapeConfig> = {}, collaborators: Partial<ScrapeCollaborators> = {}): ScrapeSource {
  const onTarget = (name: string, problem: string | undefined): void => void problems.push([name, problem]);
  const source = createScrapeSource({ targets: endpoints(1), ...config }, { clock, onTarget, ...collaborators });
  sources.push(source);
  return source;
}

function traefik(index = 0): ScrapedTraefik {
  const found = traefiks[index];
  if (found === undefined) throw new Error(`There is no Traefik ${index}.`);
  return found;
}

/** Asks for everything since the test began, until now, of one rollout. */
function ask(source: ScrapeSource, query: Partial<SampleQuery> = {}): Promise<SampleOutcome> {
  return sampleOne(
    source,
    { stable: ['web'], canary: ['next'], sinceMs: startMs, untilMs: clock.nowMs(), ...query },
    signal,
  );
}

async function tick(ticks = 1): Promise<void> {
  await clock.advance(ticks * intervalMs);
}

function blockAt(tick: number, stable: object, canary: object): object {
  return { endMs: startMs + tick * intervalMs, arms: { stable, canary } };
}

describe('a scraped Traefik', () => {
  test('is counted from scrape to scrape, block by block, from when it was first asked about', async () => {
    const source = create();
    traefik().counters = { 'web/200': 100, 'web/500': 3, 'next/200': 10, 'other/200': 5 };
    expect(await ask(source)).toEqual({
      kind: 'Samples',
      blocks: [],
      untilMs: startMs,
      seen: { stable: true, canary: true },
      discarded: 0,
    });
    traefik().counters = { 'web/200': 150, 'web/500': 4, 'next/200': 12, 'other/200': 50 };
    await tick();
    const first = blockAt(1, { requests: 51, errors: 1 }, { requests: 2, errors: 0 });
    expect(await ask(source)).toMatchObject({ blocks: [first], untilMs: startMs + intervalMs });
    await tick();
    expect(await ask(source)).toMatchObject({
      blocks: [first, blockAt(2, none, none)],
      untilMs: startMs + 2 * intervalMs,
    });
    expect(await ask(source, { sinceMs: startMs + intervalMs })).toMatchObject({ blocks: [blockAt(2, none, none)] });
    expect(source).toMatchObject({ latenessMs: 0, blockMs: intervalMs, resolutionMs: intervalMs });
    expect(traefik().headers).toMatchObject({ 'accept-encoding': 'identity' });
    expect(traefik().scrapes).toBe(3);
  });

  test('has the first error of a series counted', async () => {
    const source = create();
    traefik().counters = { 'web/200': 100, 'next/200': 10 };
    await ask(source);
    traefik().counters = { 'web/200': 100, 'next/200': 10, 'next/500': 1, 'next/grpc/14': 1, 'next/499': 7 };
    await tick();
    expect(await ask(source)).toMatchObject({ blocks: [blockAt(1, none, { requests: 2, errors: 2 })], discarded: 0 });
  });

  test('may start again between two scrapes: what it then shows is new', async () => {
    const source = create();
    traefik().startedSeconds = startMs / 1000 - 5_000;
    traefik().counters = { 'web/200': 100, 'next/200': 10 };
    await ask(source);
    traefik().startedSeconds = startMs / 1000 + 1;
    traefik().counters = { 'web/200': 120, 'next/200': 3 };
    await tick();
    expect(await ask(source)).toMatchObject({
      blocks: [blockAt(1, { requests: 120, errors: 0 }, { requests: 3, errors: 0 })],
    });
  });

  test('whose counter falls in one process is not trusted for that time', async () => {
    const source = create();
    traefik().counters = { 'web/200': 100, 'next/200': 10 };
    await ask(source);
    traefik().counters = { 'web/200': 90, 'next/200': 11 };
    await tick();
    expect(await ask(source)).toMatchObject({ blocks: [], discarded: 1, untilMs: startMs + intervalMs });
  });

  test('may remove the series of a service and bring them back from 0', async () => {
    const source = create();
    traefik().counters = { 'web/200': 100, 'next/200': 10 };
    await ask(source);
    traefik().counters = { 'web/200': 101 };
    await tick();
    traefik().counters = { 'web/200': 102, 'next/500': 4 };
    await ask(source);
    await tick();
    expect(await ask(source)).toMatchObject({
      blocks: [
        blockAt(1, { requests: 1, errors: 0 }, none),
        blockAt(2, { requests: 1, errors: 0 }, { requests: 4, errors: 4 }),
      ],
    });
  });

  test('is read by the rules of Prometheus: gRPC has codes of its own, streams no durations, and 499 is neither good nor bad', async () => {
    const source = create();
    const kinds = {
      'http/200': 10,
      'http/404': 10,
      'http/503': 100,
      'http/499': 100,
      'websocket/101': 20,
      'websocket/502': 5,
      'sse/200': 20,
      'grpc/0': 10,
      'grpc/5': 10,
      'grpc/2': 1,
      'grpc/4': 1,
      'grpc/13': 1,
      'grpc/14': 1,
      'grpc-web/15': 1,
    };
    const entries = Object.entries(kinds);
    traefik().counters = { 'web/200': 1 };
    await ask(source, { bounds: 'All' });
    traefik().counters = {
      'web/200': 1,
      ...Object.fromEntries(entries.map(([kind, count]) => [`next/${kind}`, count])),
    };
    traefik().buckets = Object.fromEntries(
      entries.flatMap(([kind, count]) => [
        [`next/${kind}/0.1`, count / 2],
        [`next/${kind}/+Inf`, count],
      ]),
    );
    await tick();
    expect(await ask(source, { bounds: 'All' })).toMatchObject({
      blocks: [
        { arms: { canary: { requests: 190, errors: 110 } }, durations: { canary: { total: 40, within: [20] } } },
      ],
    });
  });

  test('tells how long good requests took', async () => {
    const source = create();
    const at = (count: number): Record<string, number> => ({
      'web/200/0.1': 10 * count,
      'web/200/1.2': 15 * count,
      'web/200/+Inf': 20 * count,
      'web/404/0.1': count,
      'web/404/1.2': count,
      'web/404/+Inf': count,
      'web/500/0.1': 100 * count,
      'web/500/+Inf': 100 * count,
    });
    traefik().counters = { 'web/200': 20 };
    traefik().buckets = at(1);
    await ask(source, { bounds: 'All' });
    traefik().counters = { 'web/200': 60 };
    traefik().buckets = { ...at(3), 'next/200/0.1': 0, 'next/200/1.2': 1, 'next/200/+Inf': 2 };
    await tick();
    const durations = { stable: { total: 42, within: [22, 32] }, canary: { total: 2, within: [0, 1] } };
    expect(await ask(source, { bounds: 'All' })).toMatchObject({ bounds: [0.1, 1.2], blocks: [{ durations }] });
    expect(await ask(source, { bounds: [1.2] })).toMatchObject({
      bounds: [1.2],
      blocks: [{ durations: { stable: { total: 42, within: [32] }, canary: { total: 2, within: [1] } } }],
    });
  });

  test('that shows no request of a service yet is told from one that is down', async () => {
    const source = create();
    traefik().counters = { 'other/200': 1 };
    expect(await ask(source)).toMatchObject({ kind: 'NoData', reason: 'SeriesAbsent', untilMs: startMs });
    traefik().reply = (response) => response.writeHead(503).end('busy');
    await tick();
    expect(await ask(source)).toEqual({
      kind: 'NoData',
      reason: 'TargetDown',
      message: 'No Traefik can be scraped: traefik-0 answered 503.',
    });
  });
});

describe('of several Traefiks', () => {
  test('one may be down: the others count, and it counts what it missed when it answers again', async () => {
    const source = create({ targets: endpoints(3) });
    for (const one of traefiks) one.counters = { 'web/200': 100, 'next/200': 10 };
    await ask(source);
    for (const one of traefiks) one.counters = { 'web/200': 110, 'next/200': 11 };
    traefik(1).reply = (response) => response.destroy();
    await tick();
    expect(await ask(source)).toMatchObject({
      kind: 'Samples',
      blocks: [blockAt(1, { requests: 20, errors: 0 }, { requests: 2, errors: 0 })],
      untilMs: startMs + intervalMs,
    });
    expect(problems).toEqual([['traefik-1', expect.stringContaining('did not answer') as string]]);
    traefik(1).reply = undefined;
    await tick();
    expect(await ask(source, { sinceMs: startMs + intervalMs })).toMatchObject({
      blocks: [blockAt(2, { requests: 10, errors: 0 }, { requests: 1, errors: 0 })],
      discarded: 0,
    });
    expect(problems.slice(1)).toEqual([['traefik-1', undefined]]);
  });

  test('those that hang hold up a block by no more than the time-out, and those that answer by nothing', async () => {
    const source = create({ targets: endpoints(3), timeoutMs: 500 });
    for (const one of traefiks) one.counters = { 'web/200': 100, 'next/200': 10 };
    await ask(source);
    for (const one of traefiks) one.counters = { 'web/200': 110, 'next/200': 11 };
    traefik(0).reply = () => undefined;
    traefik(1).reply = (response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write('traefik_service_requests_total{code="200",service="web"} 110\ntraefik_serv');
    };
    await tick();
    let outcome: SampleOutcome | undefined;
    const asking = ask(source).then((answer) => (outcome = answer));
    await eventually(() => traefiks.every(({ scrapes }) => scrapes === 2));
    await clock.advance(499);
    expect(outcome).toBeUndefined();
    await clock.advance(1);
    await asking;
    expect(outcome).toMatchObject({
      blocks: [blockAt(1, { requests: 10, errors: 0 }, { requests: 1, errors: 0 })],
      untilMs: startMs + intervalMs,
    });
    expect(problems.toSorted(([left], [right]) => left.localeCompare(right))).toEqual([
      ['traefik-0', 'did not answer in time'],
      ['traefik-1', 'did not answer in time'],
    ]);
  });

  test('those that hang leave the others their turn in the next round, however many they are', async () => {
    traefik(0).reply = () => undefined;
    const hanging = [1, 2, 3, 4, 5].map((index) => ({ name: `hanging-${index}`, url: `${traefik(0).url}?${index}` }));
    const source = create({ targets: [...hanging, ...endpoints(2).slice(1)] });
    traefik(1).counters = { 'web/200': 1 };
    const first = ask(source);
    await eventually(() => traefik(0).scrapes === 4, { intervalMs: 1 });
    await tick();
    expect(await first).toMatchObject({ reason: 'TargetDown' });
    expect(problems.map(([name]) => name)).not.toContain('traefik-1');
    await eventually(() => traefik(1).scrapes === 1, { intervalMs: 1 });
    expect(clock.nowMs()).toBe(startMs + intervalMs);
  });

  test('all may be down: nothing is known, and the time is counted later', async () => {
    const source = create({ targets: endpoints(2) });
    for (const one of traefiks) one.counters = { 'web/200': 100 };
    await ask(source);
    for (const one of traefiks) one.reply = (response) => response.destroy();
    await tick();
    expect(await ask(source)).toMatchObject({
      kind: 'NoData',
      reason: 'TargetDown',
      message: expect.stringMatching(/traefik-0 did not answer \(.*\) \(and 1 more\)/) as string,
    });
    for (const one of traefiks) [one.reply, one.counters] = [undefined, { 'web/200': 107 }];
    await tick();
    expect(await ask(source)).toMatchObject({ blocks: [blockAt(2, { requests: 14, errors: 0 }, none)] });
  });

  test('each is scraped from the round on in which it is listed, and counts to its last scrape', async () => {
    let listed = endpoints(2);
    const source = create({ targets: () => listed });
    for (const one of traefiks) one.counters = { 'web/200': 100 };
    await ask(source);
    for (const one of traefiks) one.counters = { 'web/200': 105 };
    await tick();
    await ask(source);
    listed = endpoints(3).slice(1);
    for (const one of traefiks) one.counters = { 'web/200': 112 };
    await tick();
    await ask(source);
    for (const one of traefiks) one.counters = { 'web/200': 113 };
    await tick();
    expect(await ask(source)).toMatchObject({
      blocks: [
        blockAt(1, { requests: 10, errors: 0 }, none),
        blockAt(2, { requests: 7, errors: 0 }, none),
        blockAt(3, { requests: 2, errors: 0 }, none),
      ],
    });
    expect(traefiks.map(({ scrapes }) => scrapes)).toEqual([2, 4, 2]);
  });

  test('one may have no durations yet, and none of the others is lost', async () => {
    const source = create({ targets: endpoints(2) });
    for (const one of traefiks) one.counters = { 'web/200': 1 };
    await ask(source, { bounds: 'All' });
    for (const one of traefiks) one.counters = { 'web/200': 3 };
    traefik(1).buckets = { 'web/200/0.1': 1, 'web/200/+Inf': 2 };
    await tick();
    expect(await ask(source, { bounds: 'All' })).toMatchObject({
      bounds: [0.1],
      blocks: [{ durations: { stable: { total: 2, within: [1] }, canary: { total: 0, within: [0] } } }],
    });
  });

  test('one may be listed twice', async () => {
    const [one] = endpoints(1);
    const url = one?.url.replace('http://', 'HTTP://') ?? '';
    const source = create({ targets: [...endpoints(1), { name: 'again', url }] });
    traefik().counters = { 'web/200': 1 };
    await ask(source);
    traefik().counters = { 'web/200': 2 };
    await tick();
    expect(await ask(source)).toMatchObject({ blocks: [blockAt(1, { requests: 1, errors: 0 }, none)] });
    expect(traefik().scrapes).toBe(2);
  });

  test('none may be listed', async () => {
    expect(await ask(create({ targets: [] }))).toMatchObject({
      kind: 'NoData',
      reason: 'TargetDown',
      message: 'There is no Traefik to scrape.',
    });
  });
});

describe('what cannot be used', () => {
  test.each([
    [
      'a body that is too large',
      (response: Response) => flood(response),
      'answered what cannot be used: there are more',
    ],
    ['a page', (response: Response) => send(response, 'text/html', '<html>'), 'something other than metrics'],
    [
      'a malformed line',
      (response: Response) => send(response, 'text/plain', `${requests}{service="web} 1\n`),
      'line 1',
    ],
    [
      'a label twice',
      (response: Response) => send(response, 'text/plain', `${requests}{service="web",service="a"} 1\n`),
      'a label twice',
    ],
    ['a body that is cut', (response: Response) => cut(response), 'did not answer'],
    [
      'OpenMetrics without an end',
      (response: Response) => send(response, openMetrics, `${requests}{service="web"} 1\n`),
      'without an end',
    ],
    [
      'compressed metrics',
      (response: Response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
      'encoding',
    ],
    ['a redirect', (response: Response) => response.writeHead(302, { location: '/' }).end(), 'answered 302'],
  ])('is %s, and says nothing about the services', async (_, reply, problem) => {
    const source = create({ targets: endpoints(2) });
    for (const one of traefiks) one.counters = { 'web/200': 100 };
    await ask(source);
    for (const one of traefiks) one.counters = { 'web/200': 101 };
    traefik(1).reply = reply;
    await tick();
    expect(await ask(source)).toMatchObject({ blocks: [blockAt(1, { requests: 1, errors: 0 }, none)] });
    expect(problems).toEqual([['traefik-1', expect.stringContaining(problem) as string]]);
    traefik(1).reply = undefined;
    await tick();
    expect(await ask(source, { sinceMs: startMs + intervalMs })).toMatchObject({
      blocks: [blockAt(2, { requests: 1, errors: 0 }, none)],
    });
  });

  test('is no URL of a web server', async () => {
    const targets = [
      { name: 'a', url: 'no url' },
      { name: 'b', url: 'ftp://127.0.0.1/metrics' },
    ];
    expect(await ask(create({ targets }))).toMatchObject({ reason: 'TargetDown' });
    expect(problems).toEqual([
      ['a', 'has no URL of http or https'],
      ['b', 'has no URL of http or https'],
    ]);
  });

  test('may be OpenMetrics if they are whole', async () => {
    const source = create();
    traefik().contentType = openMetrics;
    traefik().counters = { 'web/200': 1 };
    traefik().reply = (response) => send(response, openMetrics, `${requests}{service="web",code="200"} 1\n# EOF\n`);
    expect(await ask(source)).toMatchObject({ kind: 'Samples', seen: { stable: true, canary: false } });
  });
});

describe('the source', () => {
  test('scrapes only while somebody asks, and starts anew afterwards', async () => {
    const source = create();
    traefik().counters = { 'web/200': 100 };
    await tick(3);
    expect(traefik().scrapes).toBe(0);
    await ask(source);
    for (let ticks = 1; ticks <= 40; ticks += 1) {
      await tick();
      if (ticks <= 30) await eventually(() => traefik().scrapes === ticks + 1, { intervalMs: 1 });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(traefik().scrapes).toBe(31);
    expect(clock.nextTimerInMs ?? Infinity).toBeGreaterThan(intervalMs);
    traefik().counters = { 'web/200': 900 };
    const sinceMs = clock.nowMs() - intervalMs;
    expect(await ask(source, { sinceMs })).toMatchObject({ kind: 'Samples', blocks: [] });
    traefik().counters = { 'web/200': 901 };
    await tick();
    expect(await ask(source, { sinceMs })).toMatchObject({ blocks: [{ arms: { stable: { requests: 1 } } }] });
  });

  test('counts a rollout that comes later from the first scrape that looked for its services', async () => {
    const source = create();
    traefik().counters = { 'web/200': 100, 'next/200': 10, 'late/200': 1_000, 'later/500': 50 };
    await ask(source);
    await tick();
    await ask(source);
    traefik().counters = { 'web/200': 101, 'next/200': 10, 'late/200': 1_001, 'later/500': 51 };
    const late = { stable: ['late'], canary: ['later'], sinceMs: clock.nowMs() };
    const asking = ask(source, late);
    await tick();
    expect(await asking).toMatchObject({ kind: 'Samples', blocks: [], seen: { stable: true, canary: true } });
    traefik().counters = { 'web/200': 102, 'next/200': 10, 'late/200': 1_003, 'later/500': 52 };
    await tick();
    expect(await ask(source, late)).toMatchObject({
      blocks: [blockAt(3, { requests: 2, errors: 0 }, { requests: 1, errors: 1 })],
    });
    // Its stable service alone is known for longer, but the arms are compared only where both are.
    expect(await ask(source, { stable: ['web'], canary: ['later'] })).toMatchObject({
      blocks: [blockAt(3, { requests: 1, errors: 0 }, { requests: 1, errors: 1 })],
    });
    expect(await ask(source)).toMatchObject({ blocks: [{}, {}, {}] });
  });

  test('answers windows however cut as it answers the whole', async () => {
    const source = create({ targets: endpoints(2) });
    const parts: unknown[] = [];
    let sinceMs = startMs;
    await ask(source);
    for (let ticks = 1; ticks <= 12; ticks += 1) {
      for (const [index, one] of traefiks.entries()) {
        one.counters = { 'web/200': ticks * 7 * (index + 1), 'web/502': Math.floor(ticks / 3), 'next/200': ticks };
        one.reply = (ticks + index) % 4 === 0 ? (response) => response.destroy() : undefined;
      }
      await tick();
      const outcome =
        ticks % 3 === 0 ? await ask(source, { sinceMs }) : await ask(source, { stable: ['web'], canary: [] });
      if (ticks % 3 !== 0 || outcome.kind !== 'Samples') continue;
      parts.push(...outcome.blocks);
      sinceMs = outcome.untilMs;
    }
    const whole = await ask(source);
    expect(sinceMs).toBe(clock.nowMs());
    expect(whole).toMatchObject({ kind: 'Samples', blocks: parts });
    expect(parts).toHaveLength(12);
  });

  test('answers those that are ready before those that have to wait', async () => {
    const source = create();
    traefik().counters = { 'web/200': 100, 'late/200': 100 };
    await ask(source);
    const untilMs = clock.nowMs();
    const query = { stable: ['web'], canary: [], sinceMs: startMs, untilMs };
    const queries = [{ ...query, stable: ['late'] }, query, { ...query, canary: ['web'] }, { ...query, stable: [] }];
    const came: number[] = [];
    const reading = (async () => {
      for await (const answers of source.sample(queries, signal)) came.push(...answers.map(({ index }) => index));
    })();
    await eventually(() => came.length === 3);
    expect(came).toEqual([2, 3, 1]);
    await tick();
    await reading;
    expect(came).toEqual([2, 3, 1, 0]);
    const [, , shared, empty] = await sampleMany(source, queries, signal);
    expect(shared).toMatchObject({ kind: 'NoData', reason: 'SourceRefused' });
    expect(empty).toMatchObject({ kind: 'NoData', reason: 'SeriesAbsent' });
  });

  test('answers by its own clock where the one of the question is ahead', async () => {
    const source = create();
    traefik().counters = { 'web/200': 100 };
    const ahead = (): Partial<SampleQuery> => ({ untilMs: clock.nowMs() + 60_000 });
    await ask(source, ahead());
    traefik().counters = { 'web/200': 101 };
    const asking = ask(source, ahead());
    await tick();
    expect(await asking).toMatchObject({
      blocks: [blockAt(1, { requests: 1, errors: 0 }, none)],
      untilMs: startMs + intervalMs,
    });
  });

  test('does without the time that a clock jumps', async () => {
    const source = create();
    traefik().counters = { 'web/200': 100 };
    await ask(source);
    clock.jumpWallClock(-3_600_000);
    traefik().counters = { 'web/200': 200 };
    await tick();
    const sinceMs = clock.nowMs();
    expect(await ask(source, { sinceMs })).toMatchObject({ kind: 'Samples', blocks: [], untilMs: sinceMs });
    traefik().counters = { 'web/200': 201 };
    await tick();
    expect(await ask(source, { sinceMs })).toMatchObject({ blocks: [{ arms: { stable: { requests: 1 } } }] });
    clock.jumpWallClock(3_600_000);
    traefik().counters = { 'web/200': 300 };
    await tick();
    expect(await ask(source, { sinceMs: clock.nowMs() - intervalMs })).toMatchObject({ blocks: [] });
  });

  test('throws Aborted when it is told to, and answers nothing after it is closed', async () => {
    const source = create();
    const { promise: isAsked, resolve } = Promise.withResolvers<void>();
    traefik().reply = () => resolve();
    const controller = new AbortController();
    const query = { stable: ['web'], canary: ['next'], sinceMs: startMs, untilMs: startMs };
    const aborted = sampleOne(source, query, controller.signal);
    const closed = ask(source);
    await isAsked;
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'Aborted' });
    await source.close();
    expect(await closed).toMatchObject({ kind: 'NoData', reason: 'SourceUnreachable' });
    expect(await ask(source)).toMatchObject({ kind: 'NoData', reason: 'SourceUnreachable' });
    await tick(5);
    expect(traefik().scrapes).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });

  test('refuses what users ask for, unless somebody else answers it', async () => {
    expect(await create().query('up', startMs, signal)).toMatchObject({
      kind: 'Error',
      reason: 'SourceRefused',
      message: expect.stringContaining('Checks need Prometheus') as string,
    });
    const queries = { query: (promql: string) => Promise.resolve({ kind: 'Value', value: promql.length } as const) };
    expect(await create({}, { queries }).query('up', startMs, signal)).toEqual({ kind: 'Value', value: 2 });
  });

  test('does not keep the process alive', async () => {
    traefik().counters = { 'web/200': 1 };
    const script = `
      import { systemClock } from './src/clock.ts';
      import { createScrapeSource } from './src/source/scrape.ts';
      const source = createScrapeSource({ targets: [{ name: 'one', url: '${traefik().url}' }] }, { clock: systemClock });
      const query = { stable: ['web'], canary: [], sinceMs: 0, untilMs: 0 };
      for await (const [{ outcome }] of source.sample([query], AbortSignal.timeout(20_000))) console.log(outcome.kind);
    `;
    const options = { timeout: 15_000, cwd: fileURLToPath(new URL('../../..', import.meta.url)) };
    const run = promisify(execFile)(process.execPath, ['--input-type=module-typescript', '-e', script], options);
    expect((await run).stdout).toBe('Samples\n');
  });

  test('scrapes by the real clock too', async () => {
    const source = create({ intervalMs: 100 }, { clock: systemClock });
    traefik().counters = { 'web/200': 1 };
    const sinceMs = systemClock.nowMs();
    const query = (): SampleQuery => ({ stable: ['web'], canary: [], sinceMs, untilMs: systemClock.nowMs() });
    await sampleOne(source, query(), signal);
    traefik().counters = { 'web/200': 6 };
    const counted = await eventually(async () => {
      const outcome = await sampleOne(source, query(), signal);
      return outcome.kind === 'Samples' && outcome.blocks.length >= 3 ? outcome : undefined;
    });
    expect(counted.blocks.reduce((sum, { arms }) => sum + arms.stable.requests, 0)).toBe(5);
    expect(counted.blocks.every(({ endMs }) => endMs % 100 === 0)).toBe(true);
  });
});

type Response = Parameters<NonNullable<ScrapedTraefik['reply']>>[0];
const requests = 'traefik_service_requests_total';
const openMetrics = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

function send(response: Response, type: string, text: string): void {
  response.writeHead(200, { 'content-type': type });
  response.end(text);
}

function flood(response: Response): void {
  response.writeHead(200, { 'content-type': 'text/plain' });
  const line = Buffer.from('some_metric 1\n'.repeat(5_000));
  const more = (): void => {
    while (!response.destroyed && response.write(line));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
}

function cut(response: Response): void {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 1_000 });
  response.write(`${requests}{service="web",code="200"} 1`, () => response.destroy());
}
