import { beforeEach, describe, expect, it } from 'vitest';
import type { MetricSource, SampleOutcome, SampleQuery } from '../../../src/analysis/metric-source.ts';
import type { ObjectKey } from '../../../src/api/kubernetes.ts';
import { Sampler } from '../../../src/reconciler/sampler.ts';
import { eachAlone } from '../../support/metric-source.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const startMs = Date.UTC(2026, 10, 21, 9);
const latenessMs = 15_000;
const resolutionMs = 15_000;
const shop: ObjectKey = 'web/shop';

let clock: ManualClock;
let stop: AbortController;
let sampler: Sampler;
/** batches are the queries of each call of the source. */
let batches: (readonly SampleQuery[])[];
let told: string[];
/** How the source answers; a test may replace it. */
let sample: (query: SampleQuery) => Promise<SampleOutcome>;

beforeEach(() => {
  clock = new ManualClock(startMs);
  stop = new AbortController();
  [batches, told] = [[], []];
  sample = async ({ untilMs }) => samples(untilMs, true);
  const answered = eachAlone((query) => sample(query));
  const source: MetricSource = {
    latenessMs,
    blockMs: resolutionMs,
    resolutionMs,
    sample: (queries, signal) => {
      batches.push(queries);
      return answered(queries, signal);
    },
    query: async () => ({ kind: 'Value', value: 1 }),
  };
  sampler = new Sampler({
    source,
    clock,
    nowMs: () => clock.nowMs(),
    intervalMs: 5_000,
    onEvidence: (key, urgency) => told.push(`${key} ${urgency}`),
    onSample: () => {},
    signal: stop.signal,
  });
});

function samples(untilMs: number, stable: boolean): SampleOutcome {
  const counts = { requests: 0, errors: 0 };
  const arms = { stable: counts, canary: counts };
  return {
    kind: 'Samples',
    blocks: [{ endMs: untilMs, arms }],
    untilMs,
    seen: { stable, canary: false },
    discarded: 0,
  };
}

const unreachable: SampleOutcome = {
  kind: 'NoData',
  reason: 'SourceUnreachable',
  message: 'Prometheus did not answer.',
};

/** known asks, and once more when it is told to. */
async function known(names: readonly string[] = ['S']): Promise<ReturnType<Sampler['knows']>> {
  const before = told.length;
  const first = sampler.knows(shop, names, 'shop-stable');
  if (first !== undefined) return first;
  await clock.advance(500);
  expect(told.slice(before)).toEqual(['web/shop 0']);
  return sampler.knows(shop, names, 'shop-stable');
}

describe('what a Sampler knows of a source', () => {
  it('is asked without waiting, and is ready where the source answers and has series of stable', async () => {
    expect(sampler.knows(shop, ['S'], 'shop-stable')).toBeUndefined();
    expect(told).toEqual([]);
    await clock.advance(0);
    expect(told).toEqual(['web/shop 0']);
    expect(sampler.knows(shop, ['S'], 'shop-stable')).toEqual({ kind: 'Ready' });
    const untilMs = startMs - latenessMs;
    expect(batches).toEqual([[{ stable: ['S'], canary: [], sinceMs: untilMs - 240_000, untilMs }]]);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each<[string, () => Promise<SampleOutcome>, string]>([
    [
      'has no series of stable',
      async () => samples(startMs, false),
      'The metric source has no series of Service shop-stable; is traefik.metrics.prometheus.addServicesLabels on',
    ],
    ['does not answer', async () => unreachable, 'Prometheus did not answer.'],
    ['breaks its promise', () => Promise.reject(new Error('token abc')), 'The metric source failed unexpectedly.'],
  ])('is not ready where the source %s', async (_name, answer, sentence) => {
    sample = answer;
    const answered = await known();
    expect(answered).toMatchObject({ kind: 'NotReady', reason: 'NoEvidenceSource' });
    expect(answered?.kind === 'NotReady' && answered.message).toContain(sentence);
  });

  it('is kept for as long as nothing new can be there, for each set of names', async () => {
    await known(['S']);
    await known(['T']);
    await known(['S', 'router']);
    expect(batches).toHaveLength(3);
    await clock.advance(resolutionMs - 1_501);
    for (const names of [['S'], ['T'], ['S', 'router']]) await known(names);
    expect(batches).toHaveLength(3);
    await clock.advance(1);
    expect(sampler.knows(shop, ['S'], 'shop-stable')).toBeUndefined();
  });

  it('is asked in one call for all who want to know within half a second, and never twice for the same names', async () => {
    const key = (index: number): ObjectKey => `web/shop-${index}`;
    for (let index = 0; index < 1_000; index += 1) {
      // Two rollouts each share a stable service.
      sampler.knows(key(index), [`S${index >> 1}`], 'shop-stable');
      if (index % 2 === 1) await clock.advance(1);
    }
    await clock.advance(500);
    expect(batches.length).toBeLessThanOrEqual(3);
    expect(batches.flat()).toHaveLength(500);
    expect(told.toSorted()).toEqual(Array.from({ length: 1_000 }, (_, index) => `${key(index)} 0`).toSorted());
    for (let index = 0; index < 1_000; index += 1)
      expect(sampler.knows(key(index), [`S${index >> 1}`], 'shop-stable')).toEqual({ kind: 'Ready' });
    expect(clock.pendingTimers).toBe(0);
  });

  it('reaches whoever was told, however long the queue was, and only for a minute', async () => {
    sampler.knows(shop, ['S'], 'shop-stable');
    sampler.knows('web/cart', ['S'], 'shop-stable');
    await clock.advance(59_000);
    expect(sampler.knows(shop, ['S'], 'shop-stable')).toEqual({ kind: 'Ready' });
    expect(sampler.knows(shop, ['S'], 'shop-stable')).toBeUndefined();
    await clock.advance(0);
    sampler.knows(shop, ['S'], 'shop-stable');
    await clock.advance(61_000);
    expect(sampler.knows(shop, ['S'], 'shop-stable')).toBeUndefined();
  });

  it('is asked anew for all who still wait at once, however their asking is spread', async () => {
    sample = async () => unreachable;
    const keys = Array.from({ length: 20 }, (_, index): ObjectKey => `web/shop-${index}`);
    for (let second = 0; second < 120; second += 0.5) {
      // Each comes every five seconds, as `decide` asks for, and when it is told to.
      keys.forEach((key, index) => {
        const isDue = second >= index * 0.25 && (second * 2) % 10 === Math.floor(index / 2);
        if (isDue || told.includes(`${key} 0`)) sampler.knows(key, [key], 'shop-stable');
      });
      told = [];
      await clock.advance(500);
    }
    expect(batches.length).toBeGreaterThan(8);
    expect(batches.length).toBeLessThan(32);
    expect(batches.at(-1)).toHaveLength(20);
  });

  it('is not asked for one who waits already', async () => {
    const answer = Promise.withResolvers<SampleOutcome>();
    sample = () => answer.promise;
    sampler.knows(shop, ['S'], 'shop-stable');
    await clock.advance(10_000);
    sampler.knows(shop, ['S'], 'shop-stable');
    sampler.knows('web/cart', ['S'], 'shop-stable');
    await clock.advance(10_000);
    expect(batches.flat()).toHaveLength(1);
    answer.resolve(samples(startMs, true));
    await clock.advance(0);
    expect(told).toEqual(['web/shop 0', 'web/cart 0']);
  });

  it('asks and tells nothing after the abort, and leaves no timer', async () => {
    const answer = Promise.withResolvers<SampleOutcome>();
    sample = () => answer.promise;
    sampler.knows(shop, ['S'], 'shop-stable');
    await clock.advance(1);
    sampler.knows('web/cart', ['T'], 'cart-stable');
    expect(clock.pendingTimers).toBe(1);
    stop.abort(new Error('stop'));
    expect(clock.pendingTimers).toBe(0);
    answer.resolve(samples(startMs, true));
    sampler.knows('web/late', ['U'], 'late-stable');
    await clock.advance(60_000);
    expect([batches.length, told, clock.pendingTimers]).toEqual([1, [], 0]);
  });
});
