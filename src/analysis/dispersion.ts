/**
 * Dispersion tells how much more the errors of one arm come in clusters than independent requests would: retries,
 * bursts, one bad replica. Evidence is divided by it, because ten errors with one cause are not ten observations.
 */
import type { Counts } from './sample.ts';

/**
 * Dispersion sums, over neighbouring blocks of one arm, what the difference of their error rates varies and what it would
 * vary with independent requests. A constant rate and a slow drift cancel in the differences, so a canary that is
 * steadily worse is not discounted for it.
 */
export interface Dispersion {
  /** observed and expected are variances of a single request, summed with the mean size of the two blocks as weight. */
  readonly observed: number;
  readonly expected: number;
  /** last is the latest block with requests. */
  readonly last: Counts;
}

/** noDispersion is that of an arm without a block. */
export const noDispersion: Dispersion = { observed: 0, expected: 0, last: { requests: 0, errors: 0 } };

/** stablePrior and canaryPrior are how much expected variance it takes until an arm's own blocks count for half. */
const stablePrior = 10;
const canaryPrior = 4;
const decimals = 1e4;

/**
 * outlier is from where on a difference of error rates is no dispersion but a change: the square of five standard
 * deviations of what the arm has shown so far. Without it the one jump of a canary that breaks late, thousands of times
 * what is expected, would discount all that it answers afterwards: after ten minutes in order a canary with 95 % errors
 * went unnoticed for nine blocks, now for three. Clusters that are far larger than those before come again and again, so
 * that the estimate, and with it what is let through, follows them.
 */
const outlier = 25;

/**
 * addToDispersion adds the next block of the arm; an empty one changes nothing. The variance expected is that of the two
 * blocks pooled with the factor N/(N-1) of an unbiased variance, without which blocks of one or two requests would look
 * clustered by themselves. Sums are rounded to four decimals so that a stored state continues exactly. For durations: a
 * pause that befalls one arm for a moment is as large as a change, and is to be discounted.
 */
export function addToDispersion(dispersion: Dispersion, block: Counts): Dispersion {
  return add(dispersion, block, Infinity);
}

/** addErrorsToDispersion does so for errors, of which a difference beyond any cluster so far counts as a change. */
export function addErrorsToDispersion(dispersion: Dispersion, block: Counts): Dispersion {
  return add(dispersion, block, outlier * Math.max(1, typicalFactor(dispersion)));
}

function add(dispersion: Dispersion, block: Counts, mostRatio: number): Dispersion {
  if (block.requests <= 0) return dispersion;
  const { last } = dispersion;
  if (last.requests <= 0) return { ...dispersion, last: block };
  const total = last.requests + block.requests;
  const weight = total / 2;
  const difference = block.errors / block.requests - last.errors / last.requests;
  const pooled = (block.errors + last.errors) / total;
  const observed = (weight * difference * difference) / (1 / block.requests + 1 / last.requests);
  const expected = (weight * pooled * (1 - pooled) * total) / Math.max(1, total - 1);
  // Where neither block has an error, or both have nothing else, nothing is expected and nothing observed.
  const counted = expected === 0 ? observed : Math.min(observed, mostRatio * expected);
  return {
    observed: rounded(dispersion.observed + counted),
    expected: rounded(dispersion.expected + expected),
    last: block,
  };
}

/**
 * typicalFactor returns how clustered errors are for a service in general, 1 being independent, from its stable arm or
 * its past. It may be below 1.
 */
export function typicalFactor(dispersion: Dispersion): number {
  return (dispersion.observed + stablePrior) / (dispersion.expected + stablePrior);
}

/**
 * dispersionFactor returns phi, 1 or more: what the logarithm of evidence about an arm is to be divided by. It is read
 * before a block is added, so that a block does not choose its own discount. Dividing by a factor of 1 or more keeps an
 * e-process one; that it makes up for clustered errors is true on average only.
 */
export function dispersionFactor(dispersion: Dispersion, typical: number): number {
  return Math.max(1, (dispersion.observed + canaryPrior * typical) / (dispersion.expected + canaryPrior));
}

function rounded(sum: number): number {
  return Math.round(sum * decimals) / decimals;
}
