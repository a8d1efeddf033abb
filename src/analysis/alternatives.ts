/** Alternatives are the error rates that a canary may have if it is not within, or not beyond, what is tolerated. */
import type { Counts } from './sample.ts';
import { clampRate } from './sequential.ts';

/**
 * distances are where between the tolerated rate and 1 a canary that is too bad is looked for, on a scale of logarithms:
 * from slightly too bad to dead.
 */
const distances: readonly number[] = [0.08, 0.18, 0.32, 0.5, 0.7, 0.9, 0.985];

/** badWeights are those of the rates of badRates: most regressions are small. */
export const badWeights: readonly number[] = [0.15, 0.3, 0.2, 0.12, 0.06, 0.05, 0.05, 0.07];

/** leastBad and mostGood keep the rate that was observed apart from the tolerated one. */
const leastBad = 1.15;
const mostGood = 0.95;
const priorErrors = 0.25;
const priorRequests = 50;

/** estimatedRate returns the error rate of counts, 0.5 % without any: a usual rate, which 50 requests outweigh. */
export function estimatedRate(counts: Counts): number {
  return clampRate((counts.errors + priorErrors) / (counts.requests + priorRequests));
}

/** badRates returns the rates of a canary that is too bad, in the order of badWeights; the last is the observed one. */
export function badRates(tolerated: number, observed: number): readonly number[] {
  const log = Math.log(tolerated);
  const rates = distances.map((distance) => clampRate(Math.exp(log * (1 - distance))));
  rates.push(clampRate(Math.max(observed, leastBad * tolerated)));
  return rates;
}

/** goodRates returns the rates of a canary that is good enough: two that were expected, and the observed one. */
export function goodRates(tolerated: number, expected: number, observed: number): readonly number[] {
  return [expected, expected / 2, Math.min(observed, mostGood * tolerated)].map(clampRate);
}
