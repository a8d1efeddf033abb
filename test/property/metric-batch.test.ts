import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SampleOutcome, SampleQuery } from '../../src/analysis/metric-source.ts';
import { systemClock } from '../../src/clock.ts';
import { classifyCode } from '../../src/source/code-class.ts';
import { countDeltas } from '../../src/source/deltas.ts';
import { createPrometheusSource, prometheusDefaults, type PrometheusSource } from '../../src/source/prometheus.ts';
import type { Series } from '../../src/source/series.ts';
import { addInstances, findTargets } from '../../src/source/targets.ts';
import { sampleMany, sampleOne } from '../support/metric-source.ts';
import { CannedPrometheus } from '../unit/source/canned-prometheus.ts';
import { eventOf, run } from '../unit/source/history.ts';
import { bucketsOf, timeline } from '../unit/source/timeline.ts';

const signal = new AbortController().signal;
const maxGapMs = 600_000;
/** Names so long that a few of them fill an expression: the batch is cut into several chunks. */
const services = ['A', 'B', 'C', 'D', 'E', 'F'].map((letter) => letter + 'x'.repeat(8_000));
const event = eventOf(services.flatMap((service) => [`${service}/200`, `${service}/500`]));
const histories = fc.array(fc.array(event, { minLength: 20, maxLength: 40 }), { minLength: 1, maxLength: 3 });

/** Some rollouts share services, some are hours behind, some have nothing to count yet. */
const query: fc.Arbitrary<SampleQuery> = fc
  .record({
    stable: fc.subarray(services, { minLength: 0, maxLength: 2 }),
    canary: fc.subarray(services, { minLength: 0, maxLength: 2 }),
    sinceMs: fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(240_000, 255_000, 285_000) },
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 400_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: -7_200_000, max: 0 }) },
    ),
    untilMs: fc.oneof(
      { weight: 5, arbitrary: fc.constant(300_000) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 600_000 }) },
    ),
    bounds: fc.constantFrom(undefined, 'All' as const, [0.1], [0.3, 5]),
  })
  .map(({ bounds, ...given }) => ({
    ...given,
    untilMs: Math.max(given.sinceMs, given.untilMs),
    ...(bounds === undefined ? {} : { bounds }),
  }));

let prometheus: CannedPrometheus;
let source: PrometheusSource;
beforeAll(async () => {
  prometheus = await CannedPrometheus.start();
  source = createPrometheusSource({ ...prometheusDefaults, url: prometheus.url }, systemClock);
});
afterAll(async () => {
  await source.close();
  await prometheus.close();
});

/** count counts from the whole history at once, with nothing of the source but its arithmetic. */
function count(series: readonly Series[], { stable, canary, sinceMs, untilMs }: SampleQuery): object {
  const named = (name: string): Series[] => series.filter(({ labels }) => labels['__name__'] === name);
  const instances = { up: new Map(), started: new Map() };
  addInstances(instances, named('up'), named('process_start_time_seconds'));
  const requests = named('traefik_service_requests_total').filter(({ labels }) =>
    [...stable, ...canary].includes(labels['service'] ?? ''),
  );
  const found = findTargets(
    { requests, instances },
    ({ labels, samples }) => ({
      arm: canary.includes(labels['service'] ?? '') ? 'canary' : 'stable',
      quality: classifyCode(labels['protocol'], labels['code']),
      samples,
    }),
    () => ({ fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY }),
  );
  if (found.kind === 'Refused') throw new Error(found.message);
  return countDeltas(found.targets, { sinceMs, untilMs, maxGapMs, blockMs: source.blockMs });
}

describe('a batch of samples', () => {
  test('holds for each rollout what it would be told alone, and what its whole history says', async () => {
    const kinds = new Set<string>();
    let durations = 0;
    await fc.assert(
      fc.asyncProperty(histories, fc.array(query, { minLength: 1, maxLength: 7 }), async (events, queries) => {
        const series = events.flatMap((one, index) => timeline(`10.0.0.${index}:8080`, run(one)));
        prometheus.series = [...series, ...bucketsOf(series)];
        const together = await sampleMany(source, queries, signal);
        const alone: SampleOutcome[] = [];
        for (const one of queries) alone.push(await sampleOne(source, one, signal));
        expect(together).toEqual(alone);
        for (const [index, outcome] of together.entries()) {
          const asked = queries[index];
          kinds.add(outcome.kind === 'NoData' ? outcome.reason : outcome.kind);
          if (asked === undefined || outcome.kind !== 'Samples') continue;
          const { blocks, discarded, untilMs } = outcome;
          durations += blocks.filter((block) => block.durations !== undefined).length;
          expect(outcome.bounds === undefined || asked.bounds !== undefined).toBe(true);
          const counted = blocks.map(({ endMs, arms }) => ({ endMs, arms }));
          expect({ blocks: counted, discarded }).toEqual(count(series, { ...asked, untilMs }));
        }
      }),
      { numRuns: 60 },
    );
    expect(durations).toBeGreaterThan(50);
    expect([...kinds].toSorted()).toEqual(['Samples', 'SeriesAbsent', 'SourceRefused', 'TargetDown']);
  });
});
