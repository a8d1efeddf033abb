import { describe, expect, test } from 'vitest';
import type { Series } from '../../../src/source/series.ts';
import { durationsIn } from './duration-story.ts';
import { bucketsOf, timeline, type Scrape, type Share } from './timeline.ts';

const second = 1_000;
const bootSeconds = -1_000;
const shares: readonly Share[] = [
  { le: '0.1', share: 0.5 },
  { le: '1.2', share: 0.9 },
  { le: '+Inf', share: 1 },
];

/** Scrapes come three seconds after each multiple of ten, blocks are ten seconds long. */
function up(atSeconds: number, counters: Record<string, number>, startedSeconds = bootSeconds): Scrape {
  return { atMs: (atSeconds + 3) * second, isUp: true, startedSeconds, counters };
}
function down(atSeconds: number): Scrape {
  return { atMs: (atSeconds + 3) * second, isUp: false };
}
function seriesOf(scrapes: readonly Scrape[], instance = 'a:8080'): readonly Series[] {
  const series = timeline(instance, scrapes);
  return [...series, ...bucketsOf(series, shares)];
}
/** count returns the requests of both arms by second of the end of the block, each as [within 0.1 s, within 1.2 s, all]. */
function count(series: readonly Series[], bounds = [0.1, 1.2], sinceMs = 0): Record<string, Record<string, number[]>> {
  const story = { series, scrapeIntervalMs: 10 * second, blockMs: 10 * second, bounds };
  return Object.fromEntries(
    [...durationsIn(story, sinceMs, 50 * second)].map(([endMs, { stable, canary }]) => [
      endMs / second,
      { S: [...stable.within, stable.total], C: [...canary.within, canary.total] },
    ]),
  );
}

const none = [0, 0, 0];
const cases: Record<string, [readonly Scrape[], object]> = {
  'requests count in the block of the scrape that shows them': [
    [
      up(-10, { 'C/200': 10, 'S/200': 100 }),
      up(0, { 'C/200': 30, 'S/200': 140 }),
      up(10, { 'C/200': 30, 'S/200': 160 }),
    ],
    { 10: { S: [20, 36, 40], C: [10, 18, 20] }, 20: { S: [10, 18, 20], C: none } },
  ],
  'bad requests, streams and clients that went away do not count': [
    [
      up(-10, {}),
      up(0, {
        'C/200': 10,
        'C/404': 10,
        'C/503': 100,
        'C/499': 100,
        'C/websocket/101': 100,
        'C/sse/200': 100,
        'C/grpc/14': 100,
        'C/grpc/2': 100,
        'C/grpc/5': 10,
      }),
    ],
    { 10: { S: none, C: [15, 27, 30] } },
  ],
  'the first requests of a service count where its instance was scraped before': [
    [up(-10, { 'S/200': 1 }), up(0, { 'S/200': 1, 'C/200': 20 })],
    { 10: { S: none, C: [10, 18, 20] } },
  ],
  'the first scrape of an instance is a start, not a difference': [
    [up(0, { 'C/200': 1_000 }), up(10, { 'C/200': 1_010 })],
    { 20: { S: none, C: [5, 9, 10] } },
  ],
  'a missed scrape costs the blocks on both of its sides': [
    [up(-10, { 'C/200': 0 }), up(0, { 'C/200': 10 }), down(10), up(20, { 'C/200': 50 }), up(30, { 'C/200': 60 })],
    { 10: { S: none, C: [5, 9, 10] }, 40: { S: none, C: [5, 9, 10] } },
  ],
  'a scrape that failed last hides what the one before it saw': [
    [up(-10, { 'C/200': 0 }), up(0, { 'C/200': 10 }), up(10, { 'C/200': 20 }), down(15), up(20, { 'C/200': 50 })],
    { 10: { S: none, C: [5, 9, 10] } },
  ],
  'a block without a scrape says nothing, and the next one says it all': [
    [up(-10, { 'C/200': 0 }), up(0, { 'C/200': 10 }), up(20, { 'C/200': 50 })],
    { 10: { S: none, C: [5, 9, 10] }, 30: { S: none, C: [20, 36, 40] } },
  ],
  'a new process counts from zero': [
    [up(-10, { 'C/200': 1_000 }), up(0, { 'C/200': 20 }, -1), up(10, { 'C/200': 40 }, -1)],
    { 10: { S: none, C: [10, 18, 20] }, 20: { S: none, C: [10, 18, 20] } },
  ],
  'a new process that has overtaken the old one counts from zero': [
    [up(-10, { 'C/200': 10 }), up(0, { 'C/200': 20 }, -1)],
    { 10: { S: none, C: [10, 18, 20] } },
  ],
  'a drop within one process discards both arms of that instance': [
    [
      up(-10, { 'C/200': 1_000, 'S/200': 100 }),
      up(0, { 'C/200': 20, 'S/200': 200 }),
      up(10, { 'C/200': 30, 'S/200': 210 }),
    ],
    { 20: { S: [5, 9, 10], C: [5, 9, 10] } },
  ],
  'another process behind the same address discards the block': [
    [up(-10, { 'C/200': 10 }, -500), up(0, { 'C/200': 900 }, -900), up(10, { 'C/200': 20 }, -500)],
    {},
  ],
  'a service that was removed and returned counts from zero': [
    [up(-10, { 'C/200': 1_000, 'S/200': 0 }), up(0, { 'S/200': 10 }), up(10, { 'C/200': 20, 'S/200': 20 })],
    { 10: { S: [5, 9, 10], C: none }, 20: { S: [5, 9, 10], C: [10, 18, 20] } },
  ],
  'a scrape that sees neither service says nothing': [
    [up(-10, { 'C/200': 10 }), up(0, {}), up(10, { 'C/200': 20 })],
    { 20: { S: none, C: [10, 18, 20] } },
  ],
};

describe('countDurations', () => {
  test.each(Object.entries(cases))('%s', (_name, [scrapes, expected]) => {
    expect(count(seriesOf(scrapes))).toEqual(expected);
  });

  test('adds up instances, and goes on with those that can be compared', () => {
    const steady = [up(-10, {}), up(0, { 'C/200': 20 }), up(10, { 'C/200': 40 })];
    const flaky = [up(-10, {}), up(0, { 'C/200': 10 }), down(10)];
    expect(count([...seriesOf(steady), ...seriesOf(flaky, 'b:8080')])).toEqual({
      10: { S: none, C: [15, 27, 30] },
      20: { S: none, C: [10, 18, 20] },
    });
  });

  test('counts nothing of a block that has begun before the window', () => {
    const scrapes = [up(-10, {}), up(0, { 'C/200': 20 }), up(10, { 'C/200': 40 })];
    expect(Object.keys(count(seriesOf(scrapes), [0.1, 1.2], 1))).toEqual(['20']);
  });

  test('takes a bound for the same number however it is written', () => {
    const later: readonly Share[] = shares.map(({ le, share }) => ({ le: le === '+Inf' ? le : `${le}0`, share }));
    const scrapes = [up(-10, {}), up(0, { 'C/200': 20 })];
    const series = timeline('a:8080', scrapes);
    expect(count([...series, ...bucketsOf(series, later)])).toEqual({ 10: { S: none, C: [10, 18, 20] } });
  });

  test('does not count a bucket twice that an upgrade of Prometheus has renamed', () => {
    const scrapes = [up(-10, { 'C/200': 0 }), up(0, { 'C/200': 20 }), up(10, { 'C/200': 40 })];
    const series = seriesOf(scrapes).flatMap((one) => {
      if (one.labels['le'] !== '1.2') return [one];
      const [old, young] = ['1.2', '1.20'].map((le) => ({ ...one, labels: { ...one.labels, le } }));
      // The old one stands still where it was, as it does until the look-back of Prometheus ends.
      return old === undefined || young === undefined
        ? []
        : [{ ...old, samples: new Map([...one.samples].map(([atMs, value]) => [atMs, Math.min(value, 18)])) }, young];
    });
    expect(count(series)['20']).toEqual({ S: none, C: [10, 18, 20] });
  });

  test('discards an instance that does not have one of the bounds', () => {
    const scrapes = [up(-10, {}), up(0, { 'C/200': 20 })];
    const others = timeline('b:8080', scrapes);
    const series = [...seriesOf(scrapes), ...others, ...bucketsOf(others, shares.slice(1))];
    expect(count(series)).toEqual({ 10: { S: none, C: [10, 18, 20] } });
  });

  test('never says that fewer took longer than a shorter time than took longer than a longer one', () => {
    const scrapes = [up(-10, {}), up(0, { 'C/200': 20 })];
    const series = timeline('a:8080', scrapes);
    const torn: readonly Share[] = [
      { le: '0.1', share: 0.6 },
      { le: '1.2', share: 0.5 },
      { le: '+Inf', share: 0.55 },
    ];
    expect(count([...series, ...bucketsOf(series, torn)])).toEqual({ 10: { S: none, C: [11, 11, 11] } });
  });

  test('does not take for zero what is not shown long after a scrape', () => {
    const scrapes = [up(-10, { 'C/200': 1_000 }), up(10, { 'C/200': 1_020 }), up(20, { 'C/200': 1_030 })];
    const series = seriesOf(scrapes);
    expect(count(series)).toEqual({ 20: { S: none, C: [10, 18, 20] }, 30: { S: none, C: [5, 9, 10] } });
    // The target had left the configuration of Prometheus for a while: no scrape failed, and its series were stale.
    const gone: Series = { labels: { __name__: 'gone', instance: 'a:8080' }, samples: new Map([[4 * second, 1]]) };
    expect(count([...series, gone])).toEqual({ 30: { S: none, C: [5, 9, 10] } });
  });
});
