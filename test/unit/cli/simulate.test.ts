import { describe, expect, test } from 'vitest';
import type { Block } from '../../../src/analysis/block.ts';
import { judgeRelease } from '../../../src/cli/simulate-release.ts';
import { replay, type Past } from '../../../src/cli/simulate-replay.ts';
import type { Plan } from '../../../src/cli/simulate-walk.ts';
import { createRandom, drawBinomial } from '../../../src/cli/simulate-split.ts';
import { releaseText, simulationText } from '../../../src/cli/simulate-text.ts';
import { simulate, type Simulation } from '../../../src/cli/simulate.ts';
import { prepareAnalysis } from '../../../src/reconciler/analysis-spec.ts';
import { planSteps } from '../../../src/rollout/steps.ts';
import { rollout, type WrittenSpec } from '../../support/rollout-builders.ts';

const blockMs = 10_000;
const replays = 12;
const startMs = Date.parse('2026-11-20T00:00:00Z');
const fine = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10];
const traefiks = [0.1, 0.3, 1.2, 5];

interface Traffic {
  readonly requestsPerSecond: number;
  readonly hours: number;
  readonly errorRatio?: number;
  readonly bounds?: readonly number[];
}

/** traffic is a service with a median of 50 ms, each request independent of the others. */
function traffic({ requestsPerSecond, hours, errorRatio = 0.005, bounds = fine }: Traffic): Past {
  const random = createRandom(11);
  const none = { requests: 0, errors: 0 };
  const blocks = Array.from({ length: hours * 360 }, (_, index): Block => {
    const requests = drawBinomial(random, requestsPerSecond * 20, 0.5);
    const errors = drawBinomial(random, requests, errorRatio);
    const stable = durationsOf(random, requests - errors, bounds);
    const canary = { total: 0, within: bounds.map(() => 0) };
    const endMs = startMs + (index + 1) * blockMs;
    return { endMs, arms: { stable: { requests, errors }, canary: none }, durations: { stable, canary } };
  });
  return { blocks, bounds, blockMs, latenessMs: 15_000 };
}

/** Nearly log-normal: the logistic function is close to the normal distribution. */
function shareWithin(seconds: number): number {
  return 1 / (1 + Math.exp((-1.702 * Math.log(seconds / 0.05)) / 0.6));
}

function durationsOf(random: () => number, total: number, bounds: readonly number[]) {
  let within = 0;
  let share = 0;
  const counts = bounds.map((bound) => {
    const next = shareWithin(bound);
    within += drawBinomial(random, total - within, (next - share) / (1 - share));
    share = next;
    return within;
  });
  return { total, within: counts };
}

function planOf(written: WrittenSpec = {}): Plan {
  const object = rollout(written);
  const pair = {
    namespace: 'web',
    stable: { service: 'shop-stable', ports: [80] },
    canary: { service: 'shop-canary', ports: [80] },
  };
  const { spec } = prepareAnalysis(object, pair, 'Off');
  return { spec, rollout: object, steps: planSteps(object.spec) };
}

function simulated(past: Past, plan = planOf(), options = { replays, seed: 1 }): Simulation {
  const report = simulate(past, plan, options);
  if ('kind' in report) throw new Error('The past is too short.');
  return report;
}

describe('what traffic can prove', () => {
  test('a canary that is just like stable is promoted in time where there is traffic, and never rolled back', () => {
    const plan = planOf();
    const report = simulated(traffic({ requestsPerSecond: 100, hours: 3 }), plan);
    expect(report.replays).toMatchObject({
      count: replays,
      promoted: replays,
      promotedInTime: replays,
      held: 0,
      rolledBack: {},
    });
    expect(report.replays.seconds.p90).toBeLessThan(plan.spec.plannedMs / 1000);
    expect(report.steps.map(({ weight }) => weight)).toEqual([5, 25, 50, 100]);
    const [, , half] = report.steps;
    expect(half).toMatchObject({ reached: replays, proven: replays });
    expect(half?.secondsToProof.median).toBeGreaterThan(0);
    expect(report.history).toMatchObject({ from: '2026-11-20T00:00:00.000Z', until: '2026-11-20T03:00:00.000Z' });
    expect(report.history.requestsPerSecond).toBeCloseTo(100, -1);
    expect(report.history.errorRatio).toBeCloseTo(0.005, 3);
    expect(report.latency.resolution).toBe('Fine');
    expect(report.proposal.longer).toBeUndefined();
    expect(report.proposal.margins?.errorMargin).toBeLessThanOrEqual(0.005);
    expect(report.proposal.margins?.latencyMargin).toBe(0.2);
  });

  test('where traffic is low no rollout is proven in time, and a wider margin is proposed that is', () => {
    const past = traffic({ requestsPerSecond: 4, hours: 6 });
    const report = simulated(past);
    expect(report.replays.promotedInTime).toBeLessThan(0.9 * replays);
    expect(report.replays.rolledBack).toEqual({});
    const { margins } = report.proposal;
    expect(margins?.errorMargin).toBeGreaterThan(0.005);
    const wider = {
      errorRatio: { maxIncrease: `${100 * (margins?.errorMargin ?? 0)}pp`, maxIncreaseRelative: '0%' },
      latency: { maxIncrease: `${100 * (margins?.latencyMargin ?? 0)}%`, quantile: 'All' },
    };
    const followed = simulated(past, planOf({ analysis: wider }));
    expect(followed.replays.promotedInTime).toBeGreaterThanOrEqual(0.9 * replays);
  });

  test('where next to nobody asks it says that nothing can be proven', () => {
    const report = simulated(traffic({ requestsPerSecond: 0.05, hours: 3, errorRatio: 0.1 }));
    expect(report.replays).toMatchObject({ promoted: 0, held: replays, rolledBack: {} });
    expect(report.proposal).toEqual({ margins: undefined, longer: undefined });
    const text = simulationText(report, 'web/shop', planOf().steps);
    expect(text).toContain('No margin up to 10 points can be proven in 26m');
  });

  test('says how much longer the steps would have to be for the margins of the spec', () => {
    const report = simulated(
      traffic({ requestsPerSecond: 10, hours: 2 }),
      planOf({ analysis: { minRequests: 7_000 } }),
    );
    expect(report.replays.promotedInTime).toBe(0);
    const { longer } = report.proposal;
    expect(longer?.factor).toBeGreaterThanOrEqual(2);
    expect(longer?.seconds).toBe((longer?.factor ?? 0) * 26 * 60);
    expect(simulationText(report, 'web/shop', planOf().steps)).toContain(
      `make the steps ${longer?.factor} times as long`,
    );
  });

  test('says the same again with the same seed, and other numbers with another', () => {
    const past = traffic({ requestsPerSecond: 20, hours: 2 });
    const withSeed = (seed: number): Simulation => simulated(past, planOf(), { replays: 3, seed });
    expect(withSeed(5)).toEqual(withSeed(5));
    expect(withSeed(5).steps).not.toEqual(withSeed(6).steps);
  });

  test('names coarse buckets and says which to set', () => {
    const report = simulated(traffic({ requestsPerSecond: 50, hours: 1, bounds: traefiks }), planOf(), {
      replays: 2,
      seed: 1,
    });
    expect(report.latency.resolution).toBe('Coarse');
    expect(simulationText(report, 'web/shop', planOf().steps)).toContain('--metrics.prometheus.buckets=0.005,');
  });

  test('names the limit that stable itself is beyond as the reason of false rollbacks', () => {
    const plan = planOf({ analysis: { slo: { errorRatio: '1%' } } });
    const report = simulated(traffic({ requestsPerSecond: 100, hours: 2, errorRatio: 0.03 }), plan, {
      replays: 4,
      seed: 1,
    });
    expect(report.replays.rolledBack).toEqual({ ErrorRatioExceeded: 4 });
    expect(simulationText(report, 'web/shop', plan.steps)).toMatch(/rolled back +4 +ErrorRatioExceeded 4/);
  });

  test('proposes no margin where nothing is compared', () => {
    const plan = planOf({ analysis: { compare: 'None', slo: { errorRatio: '5%' } } });
    const report = simulated(traffic({ requestsPerSecond: 50, hours: 1 }), plan, { replays: 4, seed: 1 });
    expect(report.replays).toMatchObject({ promotedInTime: 4, rolledBack: {} });
    const text = simulationText(report, 'web/shop', plan.steps);
    expect(text).toContain('Nothing is compared');
    expect(text).not.toContain('maxIncrease');
  });

  test('says how long a past is needed that is too short', () => {
    const report = simulate(traffic({ requestsPerSecond: 1, hours: 0.25 }), planOf(), { replays: 3, seed: 1 });
    expect(report).toMatchObject({ kind: 'NotEnough', haveMs: 915_000 });
  });
});

describe('one replay', () => {
  test('goes by the time of the steps where the spec says so', () => {
    const past = traffic({ requestsPerSecond: 100, hours: 2 });
    const run = { startMs: startMs + 600_000, untilMs: startMs + 7_200_000, random: createRandom(3) };
    const paced = replay(past, planOf(), run);
    const timed = replay(past, planOf({ analysis: { pace: 'Time' } }), { ...run, random: createRandom(3) });
    expect(timed.end).toBe('Promoted');
    // Four weights, each 5 s until it is in effect.
    expect(timed.tookMs).toBe((26 * 60 + 4 * 5) * 1000);
    expect(paced.end).toBe('Promoted');
    expect(paced.tookMs).toBeLessThan(timed.tookMs);
  });

  test('takes no proof of one weight for that of the next, however soon a step may be left', () => {
    const past = traffic({ requestsPerSecond: 200, hours: 2 });
    const run = { startMs: startMs + 600_000, untilMs: startMs + 7_200_000, random: createRandom(3) };
    const { end, proofs } = replay(past, planOf({ analysis: { minStep: '1s' } }), run);
    expect(end).toBe('Promoted');
    // The first block that lies wholly in the step, once it is known.
    for (const { afterMs = 0 } of proofs.slice(1)) expect(afterMs).toBeGreaterThanOrEqual(blockMs + past.latenessMs);
  });

  test('ends by a rollback where the spec waits for no person', () => {
    const past = traffic({ requestsPerSecond: 2, hours: 2 });
    const plan = planOf({ analysis: { onInconclusive: 'Rollback', inconclusiveAfter: '10m' } });
    const run = { startMs: startMs + 600_000, untilMs: startMs + 7_200_000, random: createRandom(3) };
    const ended = replay(past, plan, run);
    expect(ended).toMatchObject({ end: 'RolledBack', reason: 'InconclusiveTooLong' });
    expect(ended.tookMs).toBe((25 * 60 + 3 * 5 + 10 * 60) * 1000);
    expect(ended.unproven).toContain('errors');
  });

  test('survives a time without any scrape', () => {
    const past = traffic({ requestsPerSecond: 100, hours: 2 });
    const gap = past.blocks.filter(({ endMs }) => endMs < startMs + 900_000 || endMs > startMs + 1_200_000);
    const run = { startMs: startMs + 600_000, untilMs: startMs + 7_200_000, random: createRandom(3) };
    expect(replay({ ...past, blocks: gap }, planOf(), run).end).toBe('Promoted');
  });
});

describe('a past release', () => {
  /** release gives the canary a tenth of the traffic with its own share of errors. */
  function release(badRatio: number) {
    const random = createRandom(9);
    const past = traffic({ requestsPerSecond: 200, hours: 1 });
    const blocks = past.blocks.map((block): Block => {
      const requests = drawBinomial(random, block.arms.stable.requests, 0.1);
      const canary = { requests, errors: drawBinomial(random, requests, badRatio) };
      return { endMs: block.endMs, arms: { stable: block.arms.stable, canary } };
    });
    const fromMs = startMs + 600_000;
    const before = { blocks: blocks.slice(0, 60), bounds: [] };
    return { fromMs, blocks: blocks.slice(60), bounds: [], blockMs, latenessMs: 15_000, before, checks: [] };
  }
  const { spec } = planOf();

  test('that was bad is named, with when it would have been rolled back', () => {
    const report = judgeRelease(release(0.03), spec);
    expect(report.last).toMatchObject({ kind: 'Fail', reason: 'MoreErrors' });
    expect(report.provenAt).toBeUndefined();
    const afterMs = Date.parse(report.rollBackAt ?? '') - (startMs + 600_000);
    expect(afterMs).toBeGreaterThan(60_000);
    expect(afterMs).toBeLessThan(300_000);
    expect(releaseText(report, 'web/shop')).toMatch(/It would have been rolled back at 2026-11-20T00:1\d:\d\dZ\./);
  });

  test('that was good is proven safe and never a Fail', () => {
    const report = judgeRelease(release(0.005), { ...spec, margin: { factor: 1, points: 0.01 } });
    expect(report.rollBackAt).toBeUndefined();
    expect(report.changes.map(({ kind }) => kind)).not.toContain('Fail');
    expect(report.provenAt).toBeDefined();
    expect(releaseText(report, 'web/shop')).toContain('It was proven safe at');
  });
});
