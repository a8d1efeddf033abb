import { describe, expect, test } from 'vitest';
import { sumBlocks } from '../../../src/analysis/block.ts';
import { classifyCode } from '../../../src/source/code-class.ts';
import { countDeltas } from '../../../src/source/deltas.ts';
import type { Series } from '../../../src/source/series.ts';
import { addInstances, findTargets, type Counter, type TargetsOutcome } from '../../../src/source/targets.ts';
import { timeline, type Scrape } from './timeline.ts';

const second = 1_000;
const bootSeconds = -1_000;
const always = { fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY };

function toCounter({ labels, samples }: Series): Counter {
  const arm = labels['service'] === 'C' ? 'canary' : 'stable';
  return { arm, quality: classifyCode(labels['protocol'], labels['code']), samples };
}
function targetsOf(series: readonly Series[]): TargetsOutcome {
  const named = (name: string): readonly Series[] => series.filter(({ labels }) => labels['__name__'] === name);
  const instances = { up: new Map(), started: new Map() };
  addInstances(instances, named('up'), named('process_start_time_seconds'));
  return findTargets({ requests: named('traefik_service_requests_total'), instances }, toCounter, () => always);
}
function count(...instances: readonly (readonly Series[])[]): {
  canary: [number, number];
  stable: [number, number];
  discarded: number;
} {
  const outcome = targetsOf(instances.flat());
  if (outcome.kind === 'Refused') throw new Error(outcome.message);
  const window = { sinceMs: 0, untilMs: 1_000 * second, maxGapMs: 600 * second, blockMs: 10 * second };
  const { blocks, discarded } = countDeltas(outcome.targets, window);
  const arms = sumBlocks(blocks);
  return {
    canary: [arms.canary.requests, arms.canary.errors],
    stable: [arms.stable.requests, arms.stable.errors],
    discarded,
  };
}
function up(atSeconds: number, counters: Record<string, number>, startedSeconds = bootSeconds): Scrape {
  return { atMs: atSeconds * second, isUp: true, startedSeconds, counters };
}
function down(atSeconds: number): Scrape {
  return { atMs: atSeconds * second, isUp: false };
}
function withoutStart({ startedSeconds: _dropped, ...scrape }: Scrape): Scrape {
  return scrape;
}

interface Expected {
  readonly canary: [number, number];
  readonly stable?: [number, number];
  readonly discarded?: number;
}

const cases: Record<string, [readonly Scrape[], Expected]> = {
  'the first error of a new series counts': [
    [up(0, { 'C/200': 5 }), up(15, { 'C/200': 9, 'C/500': 1 })],
    { canary: [5, 1] },
  ],
  'the first requests of a service count when its instance was scraped before': [
    [up(0, {}), up(15, { 'C/200': 3, 'S/500': 2 })],
    { canary: [3, 0], stable: [2, 2] },
  ],
  'the first scrape of an instance is a start, not a difference': [[up(15, { 'C/200': 1_000 })], { canary: [0, 0] }],
  'the part before the window is not counted': [
    [up(-15, { 'C/200': 1 }), up(0, { 'C/200': 50 }), up(15, { 'C/200': 52 })],
    { canary: [2, 0] },
  ],
  'a difference that straddles the start belongs to its end': [
    [up(-10, { 'C/200': 1 }), up(5, { 'C/200': 50 })],
    { canary: [49, 0] },
  ],
  'a missed scrape makes one longer difference': [
    [up(0, { 'C/200': 1 }), down(15), down(30), up(45, { 'C/200': 11, 'C/503': 2 })],
    { canary: [12, 2] },
  ],
  'a gap beyond the limit is not bridged': [
    [up(0, { 'C/200': 1 }), up(601, { 'C/200': 500 }), up(616, { 'C/200': 501 })],
    { canary: [1, 0] },
  ],
  'a new process counts from zero': [
    [up(0, { 'C/200': 1_000, 'C/500': 3 }), up(15, { 'C/200': 4, 'C/500': 1 }, 9)],
    { canary: [5, 1] },
  ],
  'a new process that has overtaken the old one counts from zero': [
    [up(0, { 'C/200': 2 }), up(15, { 'C/200': 9 }, 9)],
    { canary: [9, 0] },
  ],
  'a start time that only jitters is the same process': [
    [up(0, { 'C/200': 2 }), up(15, { 'C/200': 9 }, bootSeconds + 1)],
    { canary: [7, 0] },
  ],
  'a drop within one process discards the whole block': [
    [
      up(0, { 'C/200': 1_000, 'S/200': 5 }),
      up(15, { 'C/200': 30, 'C/500': 5, 'S/200': 9 }),
      up(30, { 'C/200': 31, 'C/500': 5, 'S/200': 10 }),
    ],
    { canary: [1, 0], stable: [1, 0], discarded: 1 },
  ],
  'a drop without a known start time discards the block': [
    [up(0, { 'C/200': 1_000 }), up(15, { 'C/200': 30 })].map(withoutStart),
    { canary: [0, 0], discarded: 1 },
  ],
  'another process behind the same address discards the block': [
    [up(0, { 'C/200': 10 }, -500), up(15, { 'C/200': 900 }, -900), up(30, { 'C/200': 12 }, -500)],
    { canary: [0, 0], discarded: 2 },
  ],
  'a series that was removed and returned counts from zero': [
    [up(0, { 'C/200': 1_000, 'S/200': 1 }), up(15, { 'S/200': 2 }), up(30, { 'C/200': 7, 'C/500': 1, 'S/200': 3 })],
    { canary: [8, 1], stable: [2, 0] },
  ],
  'a series that vanishes adds nothing': [[up(0, { 'C/200': 10 }), up(15, {})], { canary: [0, 0] }],
  'a value that is no number discards the block': [
    [up(0, { 'C/200': 10 }), up(15, { 'C/200': Number.NaN }), up(30, { 'C/200': 12 })],
    { canary: [0, 0], discarded: 2 },
  ],
  '499 is neither good nor bad': [[up(0, {}), up(15, { 'C/499': 9, 'C/200': 1 })], { canary: [1, 0] }],
  'websocket and SSE errors are HTTP codes': [
    [up(0, {}), up(15, { 'C/websocket/502': 1, 'C/sse/500': 1, 'C/websocket/101': 1 })],
    { canary: [3, 2] },
  ],
  'gRPC codes are statuses': [
    [
      up(0, {}),
      up(15, {
        'C/grpc/0': 1,
        'C/grpc/14': 1,
        'C/grpc/5': 1,
        'C/grpc-web/2': 1,
        'C/grpc/4': 1,
        'C/grpc/13': 1,
        'C/grpc/15': 1,
      }),
    ],
    { canary: [7, 5] },
  ],
};

describe('countDeltas', () => {
  test.each(Object.entries(cases))('%s', (_name, [scrapes, expected]) => {
    expect(count(timeline('a:8080', scrapes))).toEqual({ stable: [0, 0], discarded: 0, ...expected });
  });

  test('instances are compared with their own scrapes only', () => {
    const first = timeline('a:8080', [up(0, { 'C/200': 5 }), up(15, { 'C/200': 7 })]);
    const second = timeline('b:8080', [up(3, { 'C/200': 100 }), up(18, { 'C/200': 101, 'C/500': 1 })]);
    expect(count(first, second)).toEqual({ canary: [4, 1], stable: [0, 0], discarded: 0 });
  });

  test('a sample beside the scrapes of its target discards the block it lies in', () => {
    const series = timeline('a:8080', [up(0, {}), up(15, { 'C/200': 500 })]).map((one) =>
      one.labels['code'] === undefined ? one : { ...one, samples: new Map([[7 * second, 499], ...one.samples]) },
    );
    expect(count(series)).toEqual({ canary: [0, 0], stable: [0, 0], discarded: 1 });
  });

  test('labels that only up has do not part a series from its target', () => {
    const series = timeline('a:8080', [up(0, {}), up(15, { 'C/200': 5 })]).map((one) =>
      one.labels['__name__'] === 'up'
        ? { ...one, labels: { ...one.labels, pod: 'traefik-0', service: 'traefik' } }
        : one,
    );
    expect(count(series).canary).toEqual([5, 0]);
  });
});

describe('findTargets', () => {
  const scrapes = [up(0, {}), up(15, { 'C/200': 5 })];

  test('refuses an instance that is scraped twice, naming the label that differs', () => {
    const twice = [...timeline('a:8080', scrapes), ...timeline('a:8080', scrapes, { prometheus_replica: 'b' })];
    expect(targetsOf([...twice, ...timeline('a:8080', scrapes, { job: 'pods' })])).toMatchObject({ kind: 'Refused' });
    const jobs = [...timeline('a:8080', scrapes), ...timeline('a:8080', scrapes, { job: 'pods' })];
    expect(targetsOf(jobs)).toEqual({
      kind: 'Refused',
      message: expect.stringMatching(/^Instance a:8080 is scraped twice \(its series differ in job\)/),
    });
  });

  test('accepts an address that a later pod uses again', () => {
    const later = [up(100, {}), up(115, { 'C/200': 2 })];
    const series = [...timeline('a:8080', scrapes, { pod: 'one' }), ...timeline('a:8080', later, { pod: 'two' })];
    expect(count(series).canary).toEqual([7, 0]);
  });

  test('refuses counters without an up series', () => {
    const series = timeline('a:8080', scrapes).filter(({ labels }) => labels['__name__'] !== 'up');
    expect(targetsOf(series)).toEqual({
      kind: 'Refused',
      message: expect.stringMatching(/of instance a:8080 but no `up` series/),
    });
  });
});
