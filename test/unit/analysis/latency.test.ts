import { describe, expect, test } from 'vitest';
import { createRandom, type Random } from '../../../bench/analysis/random.ts';
import { addDurations, noDurations, type Durations } from '../../../src/analysis/durations.ts';
import { planLatency, type LatencyPlan } from '../../../src/analysis/latency-plan.ts';
import { decodeLatency, encodeLatency } from '../../../src/analysis/latency-text.ts';
import {
  addToLatency,
  freshLatencySafetyEvidence,
  latencyDispersion,
  latencyRollbackEvidence,
  latencySafetyEvidence,
  restartFreshLatency,
  startLatency,
  type LatencyBlock,
  type LatencyState,
} from '../../../src/analysis/latency.ts';

/** Blocks are of 10 s, the canary has 5 % of the requests, and latencies are log-normal with a median of 50 ms. */
const fine = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2.5, 4, 6, 10];
const traefik = [0.1, 0.3, 1.2, 5];
const spec = { plannedBlocks: 360 };
const ln20 = Math.log(20);
const blockSeconds = 10;
const weight = 0.05;

interface Traffic {
  readonly bounds: readonly number[];
  readonly rps: number;
  /** canary is how long a request of the canary takes that would have taken stable `seconds`. */
  readonly canary: (seconds: number, random: Random) => number;
  /** pause is how many of `total` requests of one block are held up for long. */
  readonly pause?: (total: number, random: Random) => number;
  readonly minutes?: number;
  /** load is by how much both arms are slower than in the history. */
  readonly load?: number;
}

interface Outcome {
  readonly rollback: number;
  readonly safe: number;
}

function latencyOf(random: Random): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
  return 0.05 * Math.exp(0.5 * normal);
}

function durationsOf(
  random: Random,
  traffic: Traffic,
  mean: number,
  change: (seconds: number, random: Random) => number,
): Durations {
  const total = random.poisson(mean);
  const held = traffic.pause?.(total, random) ?? 0;
  const counts = Array.from({ length: traffic.bounds.length }, () => 0);
  for (let request = held; request < total; request++) {
    const seconds = change(latencyOf(random), random);
    const index = traffic.bounds.findIndex((bound) => seconds <= bound);
    if (index !== -1) counts[index] = (counts[index] ?? 0) + 1;
  }
  let sum = 0;
  return { total, within: counts.map((count) => (sum += count)) };
}

function atPlan(durations: Durations, bounds: readonly number[], plan: LatencyPlan): Durations {
  const within = plan.bounds.map(({ seconds }) => durations.within[bounds.indexOf(seconds)] ?? 0);
  return { total: durations.total, within };
}

/** Pools of blocks make long runs of much traffic affordable: stable's blocks are drawn from 240 that were simulated. */
function poolOf(traffic: Traffic, arm: keyof LatencyBlock, load = traffic.load ?? 1): readonly Durations[] {
  const random = createRandom(`${arm} ${traffic.rps} ${traffic.bounds.length} ${String(traffic.canary)}`);
  const share = arm === 'canary' ? weight : 1 - weight;
  const change = (seconds: number, each: Random): number =>
    load * (arm === 'canary' ? traffic.canary(seconds, each) : seconds);
  const size = traffic.rps > 50 ? (arm === 'canary' ? 400 : 120) : 2000;
  return Array.from({ length: size }, () => durationsOf(random, traffic, traffic.rps * blockSeconds * share, change));
}

const same = (seconds: number): number => seconds;

function planFrom(bounds: readonly number[], history: readonly Durations[]): LatencyPlan {
  const total = history.reduce(addDurations, noDurations);
  const plan = planLatency({ bounds, history: total, maxIncrease: 0.2, quantile: 'All' });
  if (plan.kind !== 'Planned') throw new Error(plan.kind);
  return plan;
}

/** outcomesOf returns after how many seconds evidence reaches 95 % in each run, Infinity for never. */
function outcomesOf(traffic: Traffic, runs: number): readonly Outcome[] {
  const stable = poolOf(traffic, 'stable');
  const canary = poolOf(traffic, 'canary');
  const before = poolOf(traffic, 'stable', 1);
  return Array.from({ length: runs }, (_, run) => {
    const random = createRandom(`run ${run}`);
    const pick = (pool: readonly Durations[]): Durations =>
      pool[Math.floor(random.uniform() * pool.length)] as Durations;
    const history = Array.from({ length: 60 }, () => pick(before));
    const plan = planFrom(traffic.bounds, history);
    const reduced = (durations: Durations): Durations => atPlan(durations, traffic.bounds, plan);
    const none = { total: 0, within: plan.bounds.map(() => 0) };
    let state = startLatency(plan);
    for (const block of history) state = addToLatency(plan, spec, state, { stable: reduced(block), canary: none });
    let safe = Infinity;
    for (let second = blockSeconds; second <= (traffic.minutes ?? 30) * 60; second += blockSeconds) {
      state = addToLatency(plan, spec, state, { stable: reduced(pick(stable)), canary: reduced(pick(canary)) });
      if (latencySafetyEvidence(state) >= ln20) safe = Math.min(safe, second);
      if (latencyRollbackEvidence(state) >= ln20) return { rollback: second, safe };
    }
    return { rollback: Infinity, safe };
  });
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const times = (factor: number) => (seconds: number) => seconds * factor;
const someSlow = (seconds: number, random: Random): number => (random.uniform() < 0.02 ? seconds + 1 : seconds);

describe.each([
  { name: 'fine bounds', bounds: fine },
  { name: "Traefik's default bounds", bounds: traefik },
])('with $name', ({ bounds }) => {
  test.each([5, 500])('a healthy canary is never rolled back at %i requests per second', (rps) => {
    const outcomes = outcomesOf({ bounds, rps, canary: same }, 100);
    expect(outcomes.filter(({ rollback }) => rollback < Infinity)).toEqual([]);
  });

  test('one that is 10 % slower is within a tolerance of 20 %', () => {
    for (const rps of [5, 500]) {
      const outcomes = outcomesOf({ bounds, rps, canary: times(1.1) }, 100);
      expect(
        outcomes.filter(({ rollback }) => rollback < Infinity),
        `${rps} rps`,
      ).toEqual([]);
    }
  });

  test.each([1.3, 1.5])('it is so too when a load makes both arms take x%d', (load) => {
    const outcomes = outcomesOf({ bounds, rps: 500, canary: times(1.1), load }, 20);
    expect(outcomes.filter(({ rollback }) => rollback < Infinity)).toEqual([]);
  });

  test.each([1.5, 2])('one that takes x%d is found in 20 s at 500 requests per second', (factor) => {
    const outcomes = outcomesOf({ bounds, rps: 500, canary: times(factor) }, 100);
    expect(medianOf(outcomes.map(({ rollback }) => rollback))).toBeLessThanOrEqual(20);
    expect(Math.max(...outcomes.map(({ rollback }) => rollback))).toBeLessThanOrEqual(60);
    expect(outcomes.filter(({ safe }) => safe < Infinity)).toEqual([]);
  });

  test('one that takes x1.5 is found in some 6 minutes at 5 requests per second', () => {
    const outcomes = outcomesOf({ bounds, rps: 5, canary: times(1.5) }, 100);
    expect(medianOf(outcomes.map(({ rollback }) => rollback))).toBeLessThanOrEqual(390);
    expect(outcomes.filter(({ rollback }) => rollback < Infinity).length).toBeGreaterThanOrEqual(98);
  });

  test('one in which 2 % of requests take a second more is found in 40 s', () => {
    const outcomes = outcomesOf({ bounds, rps: 500, canary: someSlow }, 100);
    expect(medianOf(outcomes.map(({ rollback }) => rollback))).toBeLessThanOrEqual(40);
  });

  test('a healthy one is proven safe in minutes at 500 requests per second', () => {
    const outcomes = outcomesOf({ bounds, rps: 500, canary: same, minutes: 10 }, 40);
    expect(medianOf(outcomes.map(({ safe }) => safe))).toBeLessThanOrEqual(180);
  });
});

describe('slow requests that come in clusters', () => {
  const pauses: Traffic = {
    bounds: fine,
    rps: 500,
    canary: same,
    // In one block of ten, 5 % of the requests wait for something.
    pause: (total, random) => (random.uniform() < 0.1 ? Math.round(total / 20) : 0),
  };

  test('do not roll back a canary that has as many of them as stable', () => {
    const outcomes = outcomesOf(pauses, 100);
    expect(outcomes.filter(({ rollback }) => rollback < Infinity).length).toBeLessThanOrEqual(5);
  });

  test('are told by the dispersion, and independent ones have next to none', () => {
    const dispersionAfter = (traffic: Traffic): number => {
      const pool = poolOf(traffic, 'stable').slice(0, 100);
      const plan = planFrom(fine, pool);
      let state = startLatency(plan);
      for (const block of pool) {
        const durations = atPlan(block, fine, plan);
        state = addToLatency(plan, spec, state, { stable: durations, canary: durations });
      }
      return latencyDispersion(state);
    };
    expect(dispersionAfter(pauses)).toBeGreaterThan(3);
    expect(dispersionAfter({ bounds: fine, rps: 500, canary: same })).toBeLessThan(1.5);
  });
});

describe('the state', () => {
  const traffic: Traffic = { bounds: fine, rps: 50, canary: times(1.15) };
  const random = createRandom('state');
  const history = Array.from({ length: 30 }, () => durationsOf(random, traffic, 500, same));
  const plan = planFrom(fine, history);
  const blocks = Array.from({ length: 200 }, () => ({
    stable: atPlan(durationsOf(random, traffic, 475, same), fine, plan),
    canary: atPlan(durationsOf(random, traffic, 25, traffic.canary), fine, plan),
  }));

  test('continues exactly when it is written and read after every block', () => {
    let kept = startLatency(plan);
    let restarted = kept;
    for (const [index, block] of blocks.entries()) {
      if (index === 90) [kept, restarted] = [restartFreshLatency(kept), restartFreshLatency(restarted)];
      kept = addToLatency(plan, spec, kept, block);
      restarted = decodeLatency(plan, encodeLatency(addToLatency(plan, spec, restarted, block))) as LatencyState;
      expect(restarted).toEqual(kept);
    }
    expect(plan.bounds).toHaveLength(4);
    expect(encodeLatency(kept).length).toBeLessThanOrEqual(400);
  });

  test('is refused as text of another plan, another state or none', () => {
    const text = encodeLatency(addToLatency(plan, spec, startLatency(plan), blocks[0] as LatencyBlock));
    expect(decodeLatency(plan, text)).toBeDefined();
    const other = { ...plan, bounds: plan.bounds.slice(1) };
    expect(decodeLatency(other, text)).toBeUndefined();
    for (const broken of ['', 'latency1', `${text} 0`, ` ${text}`, text.replace('latency1', 'latency0')]) {
      expect(decodeLatency(plan, broken)).toBeUndefined();
    }
    const words = text.split(' ');
    for (const index of words.keys()) {
      for (const word of ['', 'NaN', '?', '-zzzzzzz', '1.5', '007']) {
        const changed = words.with(index, word).join(' ');
        expect(decodeLatency(plan, changed), changed).toBeUndefined();
      }
    }
  });

  test('forgets only the fresh evidence at a restart of it', () => {
    let state = startLatency(plan);
    for (const block of blocks.slice(0, 20)) state = addToLatency(plan, spec, state, block);
    expect(freshLatencySafetyEvidence(state)).toBe(latencySafetyEvidence(state));
    const fresh = restartFreshLatency(state);
    expect(freshLatencySafetyEvidence(fresh)).toBe(0);
    expect(latencySafetyEvidence(fresh)).toBe(latencySafetyEvidence(state));
    expect(latencyRollbackEvidence(fresh)).toBe(latencyRollbackEvidence(state));
  });

  test('has no evidence from one arm alone, or from durations of other bounds', () => {
    const { stable, canary } = blocks[0] as LatencyBlock;
    const start = startLatency(plan);
    const none = { total: 0, within: plan.bounds.map(() => 0) };
    for (const block of [
      { stable, canary: none },
      { stable: none, canary },
      { stable, canary: { total: 100, within: [0] } },
    ]) {
      const state = addToLatency(plan, spec, start, block);
      expect(latencyRollbackEvidence(state)).toBe(0);
      expect(latencySafetyEvidence(state)).toBe(0);
      expect(state.rollback).toEqual(start.rollback);
    }
  });

  test('needs more than one block against a canary, however bad', () => {
    const dead = { total: 1000, within: plan.bounds.map(() => 0) };
    const { stable } = blocks[0] as LatencyBlock;
    const once = addToLatency(plan, spec, startLatency(plan), { stable, canary: dead });
    expect(latencyRollbackEvidence(once)).toBeLessThan(ln20);
    expect(latencyRollbackEvidence(addToLatency(plan, spec, once, { stable, canary: dead }))).toBeGreaterThan(ln20);
  });
});
