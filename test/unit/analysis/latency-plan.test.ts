import { describe, expect, test } from 'vitest';
import type { Durations } from '../../../src/analysis/durations.ts';
import {
  decodePlan,
  encodePlan,
  planLatency,
  type LatencyPlan,
  type PlannedBound,
} from '../../../src/analysis/latency-plan.ts';

const fine = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2.5, 4, 6, 10];
const traefik = [0.1, 0.3, 1.2, 5];

/** historyOf holds exactly the expected counts of a survival function. */
function historyOf(bounds: readonly number[], total: number, survival: (seconds: number) => number): Durations {
  return { total, within: bounds.map((bound) => Math.round(total * (1 - survival(bound)))) };
}

/** logLogistic resembles latencies: median `median`, and the greater `shape`, the narrower. */
function logLogistic(median: number, shape: number): (seconds: number) => number {
  return (seconds) => 1 / (1 + (seconds / median) ** shape);
}

/** slackOf is how much greater than stable's share in history the canary's may be. */
function slackOf(bound: PlannedBound | undefined): number {
  return bound === undefined ? Number.NaN : (bound.factor - 1) * bound.share + bound.points;
}

function planOf(
  bounds: readonly number[],
  history: Durations,
  changes: { readonly maxIncrease?: number; readonly quantile?: 'All' | number } = {},
): LatencyPlan {
  const plan = planLatency({ bounds, history, maxIncrease: 0.2, quantile: 'All', ...changes });
  if (plan.kind !== 'Planned') throw new Error(plan.kind);
  return plan;
}

describe('the tolerance', () => {
  const survival = logLogistic(0.05, 3);

  test('is close to the true share above a bound that is 20 % lower where buckets are fine', () => {
    const { bounds, resolution } = planOf(fine, historyOf(fine, 1e6, survival));
    expect(resolution).toBe('Fine');
    for (const bound of bounds) {
      const { seconds, share } = bound;
      const exact = survival(seconds / 1.2) - survival(seconds);
      expect(share).toBeCloseTo(survival(seconds), 4);
      // In the body, where the density rises, the line is a little strict; in the tail a little generous.
      expect(slackOf(bound) / Math.max(exact, 0.001), `${seconds} s`).toBeGreaterThan(0.75);
      expect(slackOf(bound) / Math.max(exact, 0.001), `${seconds} s`).toBeLessThan(1.25);
    }
  });

  test('is interpolated log-linearly, so that a wide bucket is no gift', () => {
    const { bounds } = planOf([0.1, 1.2], { total: 100_000, within: [50_000, 99_900] });
    const part = (1.2 / 1.2 - 0.1) / (1.2 - 0.1);
    const linear = (1 - part) * 0.5 + part * 0.001;
    expect(slackOf(bounds[1])).toBeCloseTo(0.5 ** (1 - part) * 0.001 ** part - 0.001, 4);
    expect(slackOf(bounds[1])).toBeLessThan(linear / 10);
  });

  test('below the first bound follows the same line from nothing', () => {
    const { bounds } = planOf([0.1], { total: 10_000, within: [9000] });
    expect(slackOf(bounds[0])).toBeCloseTo(0.1 ** (1 / 1.2) - 0.1, 4);
  });

  test('grows with the increase that is allowed', () => {
    const few = [0.05, 0.1, 0.3];
    const history = historyOf(few, 100_000, survival);
    const atTenth = (maxIncrease: number): number =>
      slackOf(planOf(few, history, { maxIncrease }).bounds.find(({ seconds }) => seconds === 0.1));
    expect(atTenth(0.1)).toBeLessThan(atTenth(0.2));
    expect(atTenth(0.2)).toBeLessThan(atTenth(0.5));
  });

  test('lets the mix of hits and misses change by as much where nothing lies between them', () => {
    // 70 % take about 10 ms, 30 % about 2 s: no request of stable lies between .05 and 1 s.
    const history: Durations = { total: 10_000, within: [6900, 7000, 7000, 7000, 9990] };
    const { bounds } = planOf([0.05, 0.1, 0.5, 1, 5], history);
    const flat = bounds.find(({ seconds }) => seconds === 0.5);
    expect(flat?.share).toBe(0.3);
    expect(slackOf(flat)).toBeCloseTo((1.2 * 0.3) / (1 + 0.2 * 0.3) - 0.3, 4);
  });

  test('never reaches every request, however much is allowed', () => {
    for (const maxIncrease of [0, 0.001, 1, 50]) {
      for (const bound of planOf(fine, historyOf(fine, 5000, survival), { maxIncrease }).bounds) {
        expect(slackOf(bound)).toBeGreaterThan(0.00095);
        expect(bound.share + slackOf(bound)).toBeLessThan(1);
      }
    }
  });
});

describe('the bounds', () => {
  test('are at most four, from the body to where stable has next to nothing', () => {
    const many = Array.from({ length: 60 }, (_, index) => 0.005 * 1.15 ** index);
    const { bounds } = planOf(many, historyOf(many, 100_000, logLogistic(0.05, 3)));
    expect(bounds).toHaveLength(4);
    expect(bounds[0]?.share).toBeGreaterThan(0.7);
    expect(bounds.at(-1)?.share).toBeLessThan(0.001);
    const odds = bounds.map(({ share }) => Math.log(share / (1 - share)));
    const steps = odds.slice(1).map((value, index) => (odds[index] ?? 0) - value);
    expect(Math.max(...steps) / Math.min(...steps)).toBeLessThan(2.5);
  });

  test('of a service that answers far below the first one are only that, for slow tails', () => {
    const plan = planOf(traefik, { total: 5000, within: [5000, 5000, 5000, 5000] });
    expect(plan).toEqual({
      kind: 'Planned',
      resolution: 'Coarse',
      bounds: [{ seconds: 0.1, share: 0, factor: 1.5, points: 0.001 }],
    });
  });

  test('leave out those beyond which nothing is left to see', () => {
    const { bounds } = planOf(traefik, { total: 5000, within: [4000, 5000, 5000, 5000] });
    expect(bounds.map(({ seconds }) => seconds)).toEqual([0.1, 0.3]);
  });

  test("of Traefik's default are coarse", () => {
    expect(planOf(traefik, historyOf(traefik, 5000, logLogistic(0.05, 3))).resolution).toBe('Coarse');
  });

  test('for a quantile lie on both sides of it', () => {
    const history = historyOf(fine, 100_000, logLogistic(0.05, 3));
    const { bounds } = planOf(fine, history, { quantile: 0.99 });
    // The 0.99-quantile is .05 * 99^(1/3) = .231 s, and 20 % more is .278 s.
    expect(bounds.map(({ seconds }) => seconds)).toEqual([0.25, 0.3]);
    // Above it, one in a hundred is allowed.
    expect((bounds[1]?.share ?? 0) + slackOf(bounds[1])).toBeCloseTo(0.01, 4);
  });

  test('for a quantile beyond what is counted are the last ones', () => {
    expect(planOf(traefik, { total: 5000, within: [4000, 4900, 4950, 4970] }, { quantile: 0.9999 }).bounds).toEqual([
      expect.objectContaining({ seconds: 5 }),
    ]);
  });
});

describe('a history that says too little', () => {
  test('is told with what is needed', () => {
    const history: Durations = { total: 60, within: [50, 60, 60, 60] };
    expect(planLatency({ bounds: traefik, history, maxIncrease: 0.2, quantile: 'All' })).toEqual({
      kind: 'TooFewData',
      requests: 60,
      needed: 200,
    });
  });

  test('has no usable bound where there is none or all requests are above', () => {
    const input = { maxIncrease: 0.2, quantile: 'All' } as const;
    expect(planLatency({ bounds: [], history: { total: 900, within: [] }, ...input }).kind).toBe('NoUsableBound');
    expect(planLatency({ bounds: [1], history: { total: 900, within: [3] }, ...input }).kind).toBe('NoUsableBound');
  });

  test.each<Durations>([
    { total: 0, within: [0, 0, 0, 0] },
    { total: NaN, within: [1, 2, 3, 4] },
    { total: 1000, within: [] },
    { total: 1000, within: [900, 20, NaN, 5000] },
    { total: Infinity, within: [1, 1, 1, 1] },
    { total: -5, within: [-1, -2, -3, -4] },
  ])('gives no NaN and no share outside 0 to 1: %j', (history) => {
    const plan = planLatency({ bounds: traefik, history, maxIncrease: 0.2, quantile: 'All' });
    for (const bound of plan.kind === 'Planned' ? plan.bounds : []) {
      expect(bound.share).toBeGreaterThanOrEqual(0);
      expect(slackOf(bound)).toBeGreaterThan(0.00095);
      expect(bound.share + slackOf(bound)).toBeLessThan(1);
    }
  });
});

describe('the text of a plan', () => {
  test('comes back as the plan, and is short', () => {
    for (const median of [0.002, 0.05, 0.4, 3]) {
      const plan = planOf(fine, historyOf(fine, 3456, logLogistic(median, 2.5)));
      expect(decodePlan(encodePlan(plan))).toEqual(plan);
      expect(encodePlan(plan).length).toBeLessThan(100);
    }
  });

  test.each([
    '',
    'Fine',
    'Great 0.1:10:1:20',
    'Fine 0.1:10:1',
    'Fine 0.1:10:1:0',
    'Fine 0.1:10:0.5:20',
    'Fine 0.1:10:9:20',
    'Fine 0.1:10:1:20 0.1:10:1:20',
    'Fine 0.3:10:1:20 0.1:10:1:20',
    'Fine x:10:1:20',
    'Fine 1e999:10:1:20',
    'Fine -1:10:1:20',
    'Fine 0.1:200000:1:20',
    'Fine 1:1:1:1 2:1:1:1 3:1:1:1 4:1:1:1 5:1:1:1',
  ])('is refused where it is none: %j', (text) => {
    expect(decodePlan(text)).toBeUndefined();
  });
});
