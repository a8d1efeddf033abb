import { describe, expect, test } from 'vitest';
import { bucketShares, quantileOf } from '../../../bench/analysis/latency.ts';
import { createRandom } from '../../../bench/analysis/random.ts';
import { parseScenario, readScenarios } from '../../../bench/analysis/scenario-files.ts';
import { valueAt, type Scenario } from '../../../bench/analysis/scenario.ts';
import { createTraffic } from '../../../bench/analysis/traffic.ts';
import { blocksOf } from '../../../bench/analysis/judges/judge.ts';
import { sumCounts, sumDurations } from '../../../bench/analysis/sums.ts';

const plain: Scenario = {
  name: 'plain',
  title: '',
  table: 'Steady',
  order: 0,
  judged: ['Errors'],
  isBad: false,
  plan: 'Watch',
  steps: [{ weight: 10, seconds: 3600 }],
  rps: 100,
  errorPercent: 1,
  warmupSeconds: 0,
  expect: {},
};

function play(scenario: Scenario, { ticks = 2_000, weight = 10, history = 0 } = {}) {
  const traffic = createTraffic(scenario, createRandom(scenario.name), history);
  const played = Array.from({ length: ticks }, () => traffic(weight));
  const blocks = played.flatMap(blocksOf);
  return { played, blocks, stable: sumCounts(blocks, 'stable'), canary: sumCounts(blocks, 'canary') };
}

describe('the traffic of a scenario', () => {
  test('is shared by the weight and fails by the rate', () => {
    const { stable, canary } = play(plain);
    expect(stable.requests / 1_800_000).toBeCloseTo(1, 2);
    expect(canary.requests / 200_000).toBeCloseTo(1, 2);
    expect(canary.errors / canary.requests).toBeCloseTo(0.01, 3);
  });

  test('comes again with the same seed', () => {
    expect(play(plain, { ticks: 20 }).blocks).toEqual(play(plain, { ticks: 20 }).blocks);
  });

  test('lets the canary fail from its time and weight on, and counts only its fault as excess', () => {
    const bad = { ...plain, canary: { errorPercent: 5, fromSeconds: 1000, fromWeight: 10 } };
    const { blocks, played } = play(bad, { ticks: 200 });
    const [before, after] = [sumCounts(blocks.slice(0, 100), 'canary'), sumCounts(blocks.slice(100), 'canary')];
    expect(before.errors / before.requests).toBeLessThan(0.015);
    expect(after.errors / after.requests).toBeGreaterThan(0.04);
    const excess = played.reduce((sum, tick) => sum + tick.excessErrors, 0);
    expect(excess).toBeCloseTo(after.requests * 0.04, 3);
    const light = play(bad, { ticks: 200, weight: 5 });
    expect(light.canary.errors / light.canary.requests).toBeLessThan(0.015);
  });

  test('keeps the mean of errors that come in bursts or spikes, and spreads them', () => {
    const variance = (scenario: Scenario): number => {
      const errors = play(scenario, { ticks: 10_000 }).blocks.map(({ arms }) => arms.canary.errors);
      const mean = errors.reduce((sum, value) => sum + value, 0) / errors.length;
      expect(mean).toBeGreaterThan(0.85);
      expect(mean).toBeLessThan(1.15);
      return errors.reduce((sum, value) => sum + (value - mean) ** 2, 0) / errors.length;
    };
    expect(variance(plain)).toBeLessThan(1.2);
    // Geometric bursts of 5 on average spread a Poisson count by 2 * 5 - 1.
    const bursty = variance({ ...plain, burstErrors: 5 });
    expect(bursty).toBeGreaterThan(7.5);
    expect(bursty).toBeLessThan(10.5);
    expect(variance({ ...plain, spikes: { percent: 5, factor: 6.5 } })).toBeGreaterThan(1.5);
  });

  test('adds an incident to both arms', () => {
    const { blocks } = play({ ...plain, incidents: [{ fromSeconds: 500, seconds: 500, errorPercent: 20 }] });
    const during = blocks.slice(50, 100);
    for (const arm of ['stable', 'canary'] as const) {
      const { errors, requests } = sumCounts(during, arm);
      expect(errors / requests).toBeCloseTo(0.21, 1);
      expect(errors / requests).toBeGreaterThan(0.2);
    }
  });

  test('follows the weight slowly where clients stay, with the same mean', () => {
    const sessions = { seconds: 300, rps: 0.1, badPercent: 4, badErrorPercent: 25 };
    const { stable, canary } = play({ ...plain, sessions }, { ticks: 10_000 });
    expect(canary.requests / 1_000_000).toBeCloseTo(1, 1);
    expect(stable.errors / stable.requests).toBeCloseTo(0.01, 2);
    const traffic = createTraffic({ ...plain, sessions }, createRandom('slow'), 0);
    const early = Array.from({ length: 30 }, (_, index) => traffic(index < 5 ? 0 : 50)).flatMap(blocksOf);
    const shareAt = (index: number): number => {
      const { arms } = early[index]!;
      return arms.canary.requests / (arms.canary.requests + arms.stable.requests);
    };
    expect(shareAt(5)).toBeLessThan(0.1);
    expect(shareAt(29)).toBeGreaterThan(0.3);
  });
});

describe('traffic through counters', () => {
  const pods = 3;

  test('is counted completely, also when scrapes are missed', () => {
    for (const missedPercent of [0, 40]) {
      const { stable, canary } = play({ ...plain, scraping: { pods, missedPercent } });
      expect(stable.requests / 1_800_000).toBeCloseTo(1, 2);
      expect(canary.requests / 200_000).toBeCloseTo(1, 1);
      expect(canary.errors / canary.requests).toBeCloseTo(0.01, 2);
    }
  });

  test('loses what a restarted pod had not shown, and never counts a total twice', () => {
    const { stable, canary } = play({ ...plain, scraping: { pods, restartSeconds: 50 } });
    // A fifth of the ticks of a pod has a restart, and loses half of it.
    expect(stable.requests / 1_800_000).toBeCloseTo(0.9, 1);
    expect(stable.requests).toBeLessThan(1_800_000 * 0.95);
    expect(canary.errors / canary.requests).toBeCloseTo(0.01, 2);
  });

  test('lacks the pod that is not scraped', () => {
    const { stable } = play({ ...plain, scraping: { pods, unscrapedPods: 1 } });
    expect(stable.requests / 1_200_000).toBeCloseTo(1, 2);
  });
});

describe('latencies', () => {
  const latency = { medianMs: 50, sigma: 0.6, buckets: 'Fine' } as const;

  test('are lognormal, with a tail that is slower by a second', () => {
    const shares = bucketShares(latency);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    // Half of them within the median, which is the fourth bound; 1 % beyond 202 ms.
    expect(shares.slice(0, 4).reduce((sum, share) => sum + share, 0)).toBeCloseTo(0.5, 6);
    expect(shares.slice(8).reduce((sum, share) => sum + share, 0)).toBeCloseTo(0.0104, 3);
    const tail = bucketShares(latency, { slowPercent: 2, slowMs: 1000 });
    expect(tail.slice(14).reduce((sum, share) => sum + share, 0)).toBeCloseTo(0.02, 4);
  });

  test('are counted in cumulative buckets, good requests only', () => {
    const { blocks, stable } = play({ ...plain, latency }, { ticks: 200 });
    const durations = sumDurations(blocks, 'stable');
    expect(durations.total).toBe(stable.requests - stable.errors);
    expect((durations.within[3] ?? 0) / durations.total).toBeCloseTo(0.5, 1);
    expect(durations.within.toSorted((left, right) => left - right)).toEqual(durations.within);
  });

  test('are longer on both arms in an incident, and on one arm in a pause', () => {
    const slowShares = (scenario: Scenario): readonly (readonly [stable: number, canary: number])[] =>
      play({ ...plain, latency, ...scenario }, { ticks: 100 }).blocks.map(({ durations }) => {
        const { stable, canary } = durations!;
        return [1 - stable.within[5]! / stable.total, 1 - canary.within[5]! / canary.total];
      });
    // 12 % take longer than 100 ms, three times as slow 75 %.
    const isSlow = (share: number): boolean => share > 0.5;
    const incident = { fromSeconds: 500, seconds: 100, latencyFactor: 3 };
    const shared = slowShares({ ...plain, incidents: [incident] });
    expect(shared.map((shares) => shares.map(isSlow).join())).toEqual(
      shared.map((_, index) => (index >= 50 && index < 60 ? 'true,true' : 'false,false')),
    );
    const paused = slowShares({ ...plain, pauses: { percent: 20, factor: 3 } });
    const alone = paused.filter(([stable, canary]) => isSlow(stable) !== isSlow(canary));
    expect(alone.length).toBeGreaterThan(15);
    expect(alone.length).toBeLessThan(50);
  });

  test('have the quantiles that Prometheus gives', () => {
    const bounds = [0.1, 0.3, 1.2];
    expect(quantileOf(0.5, bounds, { total: 100, within: [100, 100, 100] })).toBeCloseTo(0.05, 12);
    expect(quantileOf(0.99, bounds, { total: 100, within: [90, 98, 100] })).toBeCloseTo(0.75, 12);
    expect(quantileOf(0.99, bounds, { total: 100, within: [90, 95, 95] })).toBe(1.2);
    expect(quantileOf(0.99, bounds, { total: 0, within: [0, 0, 0] })).toBeUndefined();
  });
});

describe('scenario files', () => {
  test('are all sound, and state what is expected of Sluice', () => {
    const scenarios = readScenarios();
    expect(scenarios.length).toBeGreaterThan(40);
    expect(scenarios.filter(({ expect }) => expect['sluice'] === undefined)).toEqual([]);
  });

  test('with a misspelt, missing or wrong key are refused by name', () => {
    const sound = readScenarios()[0]!;
    const { name: _name, ...content } = sound;
    const parse = (changed: object): Scenario => parseScenario('x', JSON.stringify({ ...content, ...changed }));
    expect(parse({})).toEqual({ ...sound, name: 'x' });
    expect(() => parse({ errorPct: 1 })).toThrow('x.errorPct is unknown');
    expect(() => parse({ rps: undefined })).toThrow('x.rps is missing');
    expect(() => parse({ canary: { latencyFactor: 'two' } })).toThrow('x.canary.latencyFactor is not a number');
    expect(() => parse({ plan: 'Look' })).toThrow('x.plan is not one of Watch, Rollout');
    expect(() => parse({ expect: { sluice: { rollbackPercent: [1] } } })).toThrow('x.expect.sluice.rollbackPercent');
  });

  test('have profiles that change evenly between their points', () => {
    expect(
      [-5, 0, 50, 100, 150].map((seconds) =>
        valueAt(
          [
            [0, 1],
            [100, 3],
          ],
          seconds,
        ),
      ),
    ).toEqual([1, 1, 2, 3, 3]);
    expect(valueAt(7, 50)).toBe(7);
  });
});
