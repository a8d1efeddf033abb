import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SampleOutcome } from '../../../src/analysis/metric-source.ts';
import type { Wanted } from '../../../src/source/chunks.ts';
import { classifyCode } from '../../../src/source/code-class.ts';
import { countLate, maxGapMs } from '../../../src/source/count.ts';
import { countDeltas } from '../../../src/source/deltas.ts';
import { ExpositionReader } from '../../../src/source/exposition.ts';
import { SeriesFilter } from '../../../src/source/exposition-filter.ts';
import { dataOf, type Scraped } from '../../../src/source/scrape-data.ts';
import { bucketsMetric, History, requestsMetric, startMetric } from '../../../src/source/scrape-history.ts';
import type { Series } from '../../../src/source/series.ts';
import { addInstances, findTargets, type Arm } from '../../../src/source/targets.ts';
import { type Event, eventOf, historyStartMs, run } from './history.ts';
import { timeline, type Scrape } from './timeline.ts';

const blockMs = 10_000;
const services: ReadonlyMap<string, Arm> = new Map([
  ['web', 'stable'],
  ['next', 'canary'],
]);
const filter = new SeriesFilter({
  byService: [requestsMetric, bucketsMetric],
  whole: [startMetric],
  services: new Set(services.keys()),
});
const retention = { keepMs: Infinity, maxGapMs, maxSeries: 1_000 };
const names = ['web/200', 'web/500', 'next/200', 'next/500', 'next/499', 'other/200'];

function textOf({ startedSeconds = 1, counters = {} }: Scrape): string {
  const lines = Object.entries(counters).map(([name, value]) => {
    const [service, code] = name.split('/');
    return `${requestsMetric}{code="${code}",method="GET",protocol="http",service="${service}"} ${value}`;
  });
  return [`${startMetric} ${startedSeconds}`, ...lines, ''].join('\n');
}

function scrapeInto(history: History, scrape: Scrape): void {
  if (!scrape.isUp) return history.miss(scrape.atMs);
  const reading = history.startScrape();
  const reader = new ExpositionReader(filter, (series, value) => reading.add(series, value));
  reader.push(Buffer.from(textOf(scrape)));
  expect(reader.end().kind).toBe('Whole');
  history.add(scrape.atMs, reading);
}

function ask(targets: readonly Scraped[], sinceMs: number, untilMs: number): SampleOutcome | undefined {
  const span = { fromMs: sinceMs - maxGapMs, toMs: Math.max(untilMs, 10_000_000) };
  const wanted: Wanted = { index: 0, services, sinceMs, untilMs, askedUntilMs: untilMs, span };
  const data = dataOf(targets, wanted, blockMs);
  return data.requests.size === 0 ? undefined : countLate(wanted, data, { kind: 'Late', instances: [], unread: [] });
}

/** countAll counts from all that a Prometheus would have stored, with nothing of either source but the arithmetic. */
function countAll(series: readonly Series[], sinceMs: number, untilMs: number): ReturnType<typeof countDeltas> {
  const named = (name: string): Series[] => series.filter(({ labels }) => labels['__name__'] === name);
  const instances = { up: new Map(), started: new Map() };
  addInstances(instances, named('up'), named(startMetric));
  const requests = named(requestsMetric).filter(({ labels }) => services.has(labels['service'] ?? ''));
  const found = findTargets(
    { requests, instances },
    ({ labels, samples }) => ({
      arm: services.get(labels['service'] ?? '') ?? 'stable',
      quality: classifyCode(labels['protocol'], labels['code']),
      samples,
    }),
    () => ({ fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY }),
  );
  if (found.kind === 'Refused') throw new Error(found.message);
  return countDeltas(found.targets, { sinceMs, untilMs, maxGapMs, blockMs });
}

const histories = fc.array(fc.array(eventOf(names), { minLength: 5, maxLength: 30, size: 'max' }), {
  minLength: 1,
  maxLength: 3,
});
const cuts = fc.array(
  fc.integer({ min: -6, max: 60 }).map((block) => block * blockMs),
  { minLength: 2, maxLength: 6 },
);

function expectSame(
  instances: readonly (readonly Scrape[])[],
  wantedFromMs: number,
  places: readonly number[],
): number {
  const series = instances.flatMap((scrapes, index) =>
    timeline(
      `t${index}`,
      scrapes.filter(({ atMs }) => atMs >= wantedFromMs),
    ),
  );
  const targets = instances.map((scrapes, index) => {
    const history = new History(`t${index}`, retention);
    for (const [at, scrape] of scrapes.entries()) {
      if (scrape.atMs >= wantedFromMs) history.keepOnly(new Set(services.keys()));
      else history.keepOnly(new Set(at % 2 === 0 ? ['web', 'other'] : ['web']));
      scrapeInto(history, scrape);
    }
    return { instance: `t${index}`, history };
  });
  const ends = places.toSorted((left, right) => left - right);
  let counted = 0;
  for (const [index, sinceMs] of ends.entries()) {
    const untilMs = ends[index + 1] ?? sinceMs;
    const outcome = ask(targets, sinceMs, untilMs);
    const { blocks, discarded } = countAll(series, sinceMs, untilMs);
    if (outcome?.kind === 'Samples') expect(outcome).toMatchObject({ blocks, discarded, untilMs });
    else expect({ outcome, blocks }).toEqual({ outcome: undefined, blocks: [] });
    counted += blocks.length;
  }
  return counted;
}

describe('a history of scrapes', () => {
  test('is counted as a Prometheus that scraped at the same times would be, through restarts, misses and glitches', () => {
    let counted = 0;
    fc.assert(
      fc.property(histories, cuts, (events: readonly (readonly Event[])[], places) => {
        counted += expectSame(events.map(run), Number.NEGATIVE_INFINITY, places);
      }),
      { numRuns: 500 },
    );
    expect(counted).toBeGreaterThan(1_000);
  });

  test('of a service begins when it is wanted, as if nobody had scraped before', () => {
    fc.assert(
      fc.property(histories, cuts, fc.integer({ min: historyStartMs, max: 300_000 }), (events, places, fromMs) => {
        expectSame(events.map(run), fromMs, places);
      }),
      { numRuns: 500 },
    );
  });

  test('trusts no value that is not a number', () => {
    for (const value of [Number.NaN, Infinity]) {
      const history = new History('t', retention);
      history.keepOnly(new Set(services.keys()));
      for (const [index, web] of [10, value, 30, 31].entries()) {
        scrapeInto(history, { atMs: index * blockMs, isUp: true, counters: { 'web/200': web, 'next/200': index } });
      }
      const arms = { stable: { requests: 1, errors: 0 }, canary: { requests: 1, errors: 0 } };
      expect(ask([{ instance: 't', history }], 0, 3 * blockMs)).toMatchObject({
        blocks: [{ endMs: 3 * blockMs, arms }],
        discarded: 2,
      });
    }
  });

  test('keeps some minutes, and its last success for longer', () => {
    const history = new History('t', { ...retention, keepMs: 60_000 });
    history.keepOnly(new Set(['web']));
    const counters = { 'web/200': 5 };
    for (let atMs = 0; atMs <= 120_000; atMs += 10_000) scrapeInto(history, { atMs, isUp: true, counters });
    expect(history.forgetOld(120_000)).toBe(true);
    expect(history.scrapes.map(({ atMs }) => atMs)[0]).toBe(60_000);
    expect(history.service('web')?.rows.map(({ atMs }) => atMs)[0]).toBe(60_000);
    for (let atMs = 130_000; atMs <= 700_000; atMs += 10_000) scrapeInto(history, { atMs, isUp: false });
    expect(history.forgetOld(700_000)).toBe(true);
    expect(history.service('web')?.rows.map(({ atMs }) => atMs)).toEqual([120_000]);
    expect(history.forgetOld(721_000)).toBe(true);
    expect(history.service('web')?.rows).toEqual([]);
    expect(history.scrapes.every(({ isUp }) => !isUp)).toBe(true);
    expect(history.forgetOld(800_000)).toBe(false);
  });

  test('shares what does not change', () => {
    const history = new History('t', retention);
    history.keepOnly(new Set(['web']));
    for (const [atMs, value] of [5, 5, 6].entries()) {
      scrapeInto(history, { atMs, isUp: true, counters: { 'web/200': value } });
    }
    const [first, second, third] = history.service('web')?.rows ?? [];
    expect(second?.counters).toBe(first?.counters);
    expect(third?.counters).toEqual([6]);
  });

  test('starts anew where a target shows ever new series', () => {
    const history = new History('t', { ...retention, maxSeries: 50 });
    history.keepOnly(new Set(['web']));
    for (let atMs = 0; atMs < 1_000; atMs += 1) {
      scrapeInto(history, { atMs, isUp: true, counters: { [`web/${atMs}`]: 1 } });
      expect(history.service('web')?.counters.length).toBeLessThanOrEqual(50);
    }
    expect(history.scrapes.length).toBeLessThan(50);
  });
});
