/** The lognormal latencies of the generator, and quantiles out of buckets as Prometheus gives them. */
import type { Durations } from '../../src/analysis/durations.ts';
import type { Canary, Latency } from './scenario.ts';

const boundsByName: Readonly<Record<Latency['buckets'], readonly number[]>> = {
  // What docs/analysis.md recommends.
  Fine: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2.5, 5, 7.5, 10],
  // Traefik's default (pkg/types/metrics.go).
  Traefik: [0.1, 0.3, 1.2, 5],
};

/** boundsOf returns the finite bucket bounds in seconds, ascending. */
export function boundsOf({ buckets }: Latency): readonly number[] {
  return boundsByName[buckets];
}

/** bucketShares returns the probability of each bucket, the last one without a bound; `canary` is what makes it slower. */
export function bucketShares(latency: Latency, canary: Canary = {}): readonly number[] {
  const { latencyFactor = 1, slowPercent = 0, slowMs = 0 } = canary;
  const slow = slowPercent / 100;
  const within = (seconds: number): number => {
    if (seconds <= 0) return 0;
    return normalCdf(Math.log((seconds * 1000) / (latency.medianMs * latencyFactor)) / latency.sigma);
  };
  const cumulative = boundsOf(latency).map(
    (bound) => (1 - slow) * within(bound) + slow * within(bound - slowMs / 1000),
  );
  return [...cumulative, 1].map((share, index) => share - (cumulative[index - 1] ?? 0));
}

/**
 * quantileOf is `histogram_quantile` of Prometheus (promql/quantile.go): linear within a bucket, the last finite bound
 * for what is beyond it; undefined without requests.
 */
export function quantileOf(quantile: number, bounds: readonly number[], durations: Durations): number | undefined {
  if (durations.total === 0) return undefined;
  const rank = quantile * durations.total;
  const index = durations.within.findIndex((within) => within >= rank);
  const upper = bounds[index];
  if (upper === undefined) return bounds.at(-1);
  const lower = bounds[index - 1] ?? 0;
  const before = durations.within[index - 1] ?? 0;
  const inside = (durations.within[index] ?? 0) - before;
  return lower + ((upper - lower) * (rank - before)) / inside;
}

/** normalCdf uses the Chebyshev fit of erfc of Numerical Recipes (6.2), relative error below 1.2e-7 also in the tails. */
function normalCdf(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + x / 2);
  const polynomial = erfcCoefficients.reduce((sum, coefficient) => sum * t + coefficient, 0);
  const erfc = t * Math.exp(-x * x + polynomial);
  return z > 0 ? 1 - erfc / 2 : erfc / 2;
}

/** Of powers of t, the highest first. */
const erfcCoefficients = [
  0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
  -1.26551223,
];
