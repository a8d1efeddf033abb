import { describe, expect, test } from 'vitest';
import { lastLook, play, secondsToFail, type Look, type Traffic } from '../../support/judged-traffic.ts';

type Unseeded = Omit<Traffic, 'seed'>;

const limits = { errorRatio: 0.05, latency: { underSeconds: 1, share: 0.99 } };
/** Steps of 4 minutes each. */
const steps = [5, 10, 25, 50, 100];
const inSteps = (index: number): number => steps[Math.floor(Math.max(0, index) / 24)] ?? 100;

function seeds(count: number): readonly string[] {
  return Array.from({ length: count }, (_none, index) => `traffic-${index}`);
}
function failures(traffic: Unseeded, runs: number, blocks: number): number {
  return seeds(runs).filter((seed) => secondsToFail({ ...traffic, seed }, blocks) !== undefined).length;
}
/** slowest is the time to the Fail that takes longest. */
function slowest(traffic: Unseeded, blocks: number, runs = 20): number {
  return Math.max(...seeds(runs).map((seed) => secondsToFail({ ...traffic, seed }, blocks) ?? Infinity));
}
function firstFail(traffic: Unseeded, blocks: number): Look | undefined {
  return [...play({ ...traffic, seed: 'first' }, blocks)].find(({ verdict }) => verdict.kind === 'Fail');
}
function canaryHas(ratio: number, from = 0): NonNullable<Unseeded['errorRatioAt']> {
  return (arm, index) => (arm === 'canary' && index >= from ? ratio : 0.005);
}

describe('a canary that is as good as stable', () => {
  /** At most alpha of the runs may fail at any look, and these streams lie well inside the margin: next to none does. */
  const few = 2;
  const streams: Record<string, [Unseeded, number]> = {
    'with 5 requests per second in steps': [
      { rps: 5, weightAt: inSteps, slownessAt: () => 1, spec: { slo: limits } },
      150,
    ],
    'with 5 requests per second at 5 %': [{ rps: 5, slownessAt: () => 1 }, 50],
    'with 500 requests per second in steps': [
      { rps: 500, weightAt: inSteps, slownessAt: () => 1, spec: { slo: limits } },
      150,
    ],
    'with 500 requests per second and no warm-up': [{ rps: 500, slownessAt: () => 1, spec: { warmupMs: 0 } }, 50],
  };
  test.each(Object.entries(streams))(
    '%s is hardly ever rolled back',
    (_name, [traffic, runs]) => {
      expect(failures(traffic, runs, 120)).toBeLessThanOrEqual(few);
    },
    60_000,
  );

  test('is rolled back in at most alpha of the runs exactly at the margin', () => {
    const atMargin: Unseeded = { rps: 500, weightAt: inSteps, errorRatioAt: canaryHas(0.01) };
    // 100 runs of which 5 % may fail: more than 11 happen once in two hundred times at that.
    expect(failures(atMargin, 100, 90)).toBeLessThanOrEqual(11);
  }, 60_000);

  test('passes at 500 requests per second within ten minutes', () => {
    for (const seed of seeds(10)) {
      expect(lastLook({ seed, rps: 500, slownessAt: () => 1, spec: { slo: limits } }, 60).verdict.reason).toBe(
        'ProvenSafe',
      );
    }
  });

  test('passes all the sooner when it is better than stable', () => {
    const better: Unseeded = {
      rps: 500,
      errorRatioAt: (arm) => (arm === 'canary' ? 0.001 : 0.02),
      slownessAt: (arm) => (arm === 'canary' ? 0.5 : 1),
    };
    for (const seed of seeds(10)) expect(lastLook({ ...better, seed }, 20).verdict.kind).toBe('Pass');
  });

  test('shares an incident with stable and is not rolled back', () => {
    const incident: Unseeded = {
      rps: 500,
      errorRatioAt: (_arm, index) => (index >= 30 && index < 60 ? 0.2 : 0.005),
      slownessAt: (_arm, index) => (index >= 30 && index < 60 ? 4 : 1),
    };
    expect(failures(incident, 20, 90)).toBe(0);
  });

  test('is not rolled back for being three times slower while it warms up', () => {
    const cold: Unseeded = { rps: 500, slownessAt: (arm, index) => (arm === 'canary' && index < 6 ? 3 : 1) };
    expect(failures(cold, 10, 60)).toBe(0);
    expect(failures({ ...cold, spec: { warmupMs: 0 } }, 10, 60)).toBe(10);
  });
});

describe('a canary that is worse', () => {
  test('by 4.5 points is rolled back within 30 s of the warm-up', () => {
    const worse: Unseeded = { rps: 500, errorRatioAt: canaryHas(0.05) };
    expect(slowest(worse, 30)).toBeLessThanOrEqual(90);
    expect(slowest({ ...worse, spec: { warmupMs: 0 } }, 30)).toBeLessThanOrEqual(30);
  });

  test('twice as slow is rolled back within 40 s of the warm-up, for that', () => {
    const slow: Unseeded = { rps: 500, slownessAt: (arm) => (arm === 'canary' ? 2 : 1) };
    expect(slowest(slow, 30)).toBeLessThanOrEqual(100);
    expect(firstFail(slow, 30)?.verdict.reason).toBe('Slower');
  });

  test('from the thirtieth minute on is rolled back within six minutes of that', () => {
    const late: Unseeded = { rps: 500, errorRatioAt: canaryHas(0.02, 180) };
    const seconds = slowest(late, 230, 10);
    expect(seconds).toBeGreaterThan(1800);
    expect(seconds).toBeLessThanOrEqual(2160);
  });

  test('is never called safe meanwhile', () => {
    const worse: Unseeded = { rps: 5, errorRatioAt: canaryHas(0.02) };
    const passed = seeds(40).filter((seed) =>
      [...play({ ...worse, seed }, 180)].some(({ verdict }) => verdict.kind === 'Pass'),
    );
    expect(passed.length).toBeLessThanOrEqual(2);
  }, 30_000);

  test('is rolled back later where more confidence is asked for', () => {
    const worse = (alpha: number): Unseeded => ({ rps: 50, errorRatioAt: canaryHas(0.05), spec: { alpha } });
    for (const seed of seeds(10)) {
      const usual = secondsToFail({ ...worse(0.05), seed }, 120) ?? Infinity;
      expect(secondsToFail({ ...worse(0.01), seed }, 120)).toBeGreaterThanOrEqual(usual);
    }
    expect(slowest(worse(0.01), 120)).toBeGreaterThan(slowest(worse(0.05), 120));
  });

  test('than an absolute limit is rolled back though stable is no better', () => {
    const both: Unseeded = { rps: 500, errorRatioAt: () => 0.2, slownessAt: () => 4 };
    expect(firstFail(both, 30)).toBeUndefined();
    expect(firstFail({ ...both, spec: { slo: { errorRatio: 0.05 } } }, 30)?.verdict.reason).toBe('ErrorRatioExceeded');
    const tooSlow = firstFail({ ...both, spec: { slo: { latency: { underSeconds: 0.3, share: 0.99 } } } }, 30);
    expect(tooSlow?.verdict.reason).toBe('LatencyExceeded');
  });
});
