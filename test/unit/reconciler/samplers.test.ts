import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MetricSource, SampleOutcome } from '../../../src/analysis/metric-source.ts';
import type { ObjectKey } from '../../../src/api/kubernetes.ts';
import type { Rollout } from '../../../src/api/rollout.ts';
import { Sampler, type SamplePlan } from '../../../src/reconciler/sampler.ts';
import { Samplers, type SourceName } from '../../../src/reconciler/samplers.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { eachAlone } from '../../support/metric-source.ts';
import { analysisSpec, rollout } from '../../support/rollout-builders.ts';

const startMs = Date.UTC(2026, 10, 21, 9);
const key: ObjectKey = 'web/shop';

let clock: ManualClock;
let stop: AbortController;
/** asked are the sources that were asked for samples of the canary, in order. */
let asked: SourceName[];
beforeEach(() => {
  clock = new ManualClock(startMs);
  stop = new AbortController();
  asked = [];
});
afterEach(() => stop.abort(new Error('the test is over')));

function samplerOf(name: SourceName): Sampler {
  const source: MetricSource = {
    latenessMs: 0,
    blockMs: 5_000,
    resolutionMs: 5_000,
    sample: eachAlone(async ({ canary, untilMs }): Promise<SampleOutcome> => {
      if (canary.length > 0) asked.push(name);
      return { kind: 'Samples', blocks: [], untilMs, seen: { stable: true, canary: true }, discarded: 0 };
    }),
    query: async () => ({ kind: 'Value', value: 1 }),
  };
  const { signal } = stop;
  const nowMs = (): number => clock.nowMs();
  return new Sampler({ source, clock, nowMs, intervalMs: 5_000, onEvidence: () => {}, onSample: () => {}, signal });
}

function both(preferred: SourceName = 'Prometheus'): Samplers {
  const byName = new Map((['Prometheus', 'Scrape'] as const).map((name) => [name, samplerOf(name)]));
  return new Samplers(byName, preferred);
}

function from(source?: SourceName): Rollout {
  return rollout(source === undefined ? {} : { analysis: { source } });
}

function plan(id: string): SamplePlan {
  const stage = { sinceMs: clock.nowMs(), isAlone: false };
  const share = { weightPercent: 50, isComparable: true };
  return { id, stage, share, stable: ['S'], canary: ['C'], before: ['S'], spec: analysisSpec() };
}

describe('Samplers', () => {
  it.each([
    ['the one that it names', 'Scrape', 'Scrape'],
    ['the preferred one where it names none', undefined, 'Prometheus'],
  ] as const)('ask for a Rollout by %s', async (_name, named, expected) => {
    const samplers = both();
    samplers.follow(from(named), key, plan('first'), undefined);
    await clock.advance(5_000);
    expect(asked).toEqual([expected]);
    expect(samplers.evidence(from(named), key, 'first')).toBeDefined();
    expect(samplers.evidence(from(named), key, 'second')).toBeUndefined();
  });

  it('ask no more by the source that a Rollout had before, and take none of its evidence over', async () => {
    const samplers = both();
    samplers.follow(from('Scrape'), key, plan('first'), undefined);
    await clock.advance(5_000);
    samplers.follow(from('Prometheus'), key, plan('second'), undefined);
    await clock.advance(10_000);
    expect(asked).toEqual(['Scrape', 'Prometheus', 'Prometheus']);
    expect(samplers.evidence(from('Scrape'), key, 'first')).toBeUndefined();
  });

  it('end with all sources, and leave no timer', async () => {
    const samplers = both();
    samplers.follow(from('Scrape'), key, plan('first'), undefined);
    samplers.follow(from('Prometheus'), 'web/cart', plan('first'), undefined);
    expect(clock.pendingTimers).toBe(2);
    samplers.unfollow(key);
    samplers.unfollow('web/cart');
    expect(clock.pendingTimers).toBe(0);
  });

  it('know of a source that is configured what it says', async () => {
    const samplers = both();
    expect(samplers.knows(from('Scrape'), key, ['S'], 'shop-stable')).toBeUndefined();
    await clock.advance(0);
    expect(samplers.knows(from('Scrape'), key, ['S'], 'shop-stable')).toEqual({ kind: 'Ready' });
  });

  it('say what a Rollout names that the controller has no settings for, and sample nothing', async () => {
    const samplers = new Samplers(new Map([['Prometheus', samplerOf('Prometheus')]]), 'Prometheus');
    expect(samplers.knows(from('Scrape'), key, ['S'], 'shop-stable')).toEqual({
      kind: 'NotReady',
      reason: 'NoEvidenceSource',
      message: 'spec.analysis.source is Scrape, which this controller has no settings for; it has Prometheus.',
    });
    samplers.follow(from('Scrape'), key, plan('first'), undefined);
    await clock.advance(60_000);
    expect([asked, samplers.evidence(from('Scrape'), key, 'first'), clock.pendingTimers]).toEqual([[], undefined, 0]);
  });
});
