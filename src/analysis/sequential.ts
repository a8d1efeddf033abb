/**
 * Evidence that may be looked at after every block of counts: e-processes of two Bernoulli streams with a tolerated
 * margin. All rates are fractions of requests in 0..1, and all evidence is a natural logarithm.
 *
 * A block of counts is turned into a factor S whose expectation is at most 1 wherever the null hypothesis holds, so the
 * running product exceeds 1/alpha at any time with a probability of at most alpha (Ville's inequality). S is the ratio of
 * likelihoods of one alternative and of its projection on the null. Turner, Ly and Grünwald (Generic E-variables for
 * exact sequential k-sample tests, 2021) show this for two samples and convex nulls. Both nulls used here, "the canary
 * is at most the margin worse" and "it is at least the margin worse", are convex half-planes with the same border.
 */
import type { Arms, Counts } from './sample.ts';

/** Margin is how much worse than stable a canary may be: up to the rate `factor * stable + points`. */
export interface Margin {
  /** factor is 1 or more. */
  readonly factor: number;
  /** points is a difference of rates in 0..1: half a percentage point is 0.005. */
  readonly points: number;
}

/** ArmRates is one rate in 0..1 for each arm. */
export interface ArmRates {
  readonly canary: number;
  readonly stable: number;
}

/** Exposure is how many requests of a block each arm answered. */
export interface Exposure {
  readonly canary: number;
  readonly stable: number;
}

/**
 * noWealth stands for the logarithm of zero. e^-1000 is zero in double precision, so raising smaller values to it adds
 * nothing, while a state stays finite and short.
 */
export const noWealth = -1000;

const lowestRate = 1e-6;
const highestRate = 0.999;
/** border keeps logarithms of a projected rate finite. */
const border = 1e-15;
const maxSteps = 100;
const decimals = 1e4;

/** clampRate returns a rate that can be an alternative: one that rules nothing out. */
export function clampRate(rate: number): number {
  return Math.min(highestRate, Math.max(lowestRate, rate));
}

/** toleratedRate returns the canary's highest rate within the margin. It is above 1 where everything is tolerated. */
export function toleratedRate(margin: Margin, stable: number): number {
  return margin.factor * stable + margin.points;
}

/**
 * projectOnNull returns the point on the border `canary = factor * stable + points` that counts of this exposure tell
 * from the alternative least well: the nearest one by Kullback-Leibler divergence, weighted with the requests of each
 * arm. The alternative's rates come from clampRate and may lie on either side of the border. Where the border misses all
 * possible rates, the alternative itself is returned, so that nothing counts as evidence.
 */
export function projectOnNull(alternative: ArmRates, exposure: Exposure, margin: Margin): ArmRates {
  const { factor, points } = margin;
  const total = exposure.canary + exposure.stable;
  const highest = (1 - points) / factor;
  if (total <= 0 || highest <= border) return alternative;
  const crossing = (alternative.canary - points) / factor;
  const low = Math.max(0, Math.min(alternative.stable, crossing));
  const high = Math.min(highest, Math.max(alternative.stable, crossing));
  const share = exposure.canary / total;
  const stable = rootOf(low, high, (rate) => slopeAt(rate, share, alternative, margin));
  return { canary: Math.min(1 - border, toleratedRate(margin, stable)), stable: Math.max(border, stable) };
}

/**
 * logEvidence returns ln S: how much likelier the counts are under the alternative than under its projection on the null.
 * It is exactly 0 without requests on both arms: one arm alone says nothing about their difference.
 */
export function logEvidence(arms: Arms, alternative: ArmRates, nullPoint: ArmRates): number {
  const { canary, stable } = arms;
  if (canary.requests <= 0 || stable.requests <= 0) return 0;
  return (
    logLikelihoodRatio(canary, alternative.canary, nullPoint.canary) +
    logLikelihoodRatio(stable, alternative.stable, nullPoint.stable)
  );
}

/** logLikelihoodRatio returns how much likelier the counts are at one rate than at another, in nats. */
export function logLikelihoodRatio(counts: Counts, rate: number, thanRate: number): number {
  const good = counts.requests - counts.errors;
  return counts.errors * Math.log(rate / thanRate) + good * Math.log((1 - rate) / (1 - thanRate));
}

/** logAdd returns ln(e^left + e^right). */
export function logAdd(left: number, right: number): number {
  const most = Math.max(left, right);
  return most + Math.log1p(Math.exp(Math.min(left, right) - most));
}

/**
 * logMixture returns the logarithm of a weighted sum of what `logs` are the logarithms of. E-processes may be averaged
 * whatever they depend on: with weights that sum to 1 the average is one as well.
 */
export function logMixture(logs: readonly number[], weights: readonly number[]): number {
  let most = noWealth;
  for (const log of logs) if (log > most) most = log;
  let sum = 0;
  for (const [index, log] of logs.entries()) sum += (weights[index] ?? 0) * Math.exp(log - most);
  return sum > 0 ? most + Math.log(sum) : noWealth;
}

/**
 * multiplyWealth returns the logarithm of a product of evidence after one more factor: rounded down, never up, to four
 * decimals, so that a stored state continues exactly and rounding never counts as evidence. It stays above noWealth.
 */
export function multiplyWealth(logWealth: number, logFactor: number): number {
  const log = Math.floor((logWealth + logFactor) * decimals) / decimals;
  // Adding 0 turns -0, which text does not keep, into 0.
  return log > noWealth ? log + 0 : noWealth;
}

/**
 * startOrMultiply returns ln(S * (R + start)): what all products are worth that were started in this block or before.
 * Wealth that starts late has not lost anything to a long good past, so a regression after half an hour is found as fast
 * as one at the beginning. The starts of one alternative must sum to at most 1; what is not spent yet belongs to the
 * evidence too (restarted wealth, as in the e-detectors of Shin, Ramdas and Rinaldo, 2022).
 */
export function startOrMultiply(logWealth: number, logFactor: number, start: number): number {
  return multiplyWealth(start > 0 ? logAdd(logWealth, Math.log(start)) : logWealth, logFactor);
}

/**
 * slopeAt returns the derivative of the weighted divergence at a point of the border, times the four factors below the
 * fractions, which are positive between 0 and 1. It is a cubic with one root between the rates of the alternative.
 */
function slopeAt(stable: number, share: number, alternative: ArmRates, margin: Margin): number {
  const canary = margin.factor * stable + margin.points;
  return (
    share * margin.factor * (canary - alternative.canary) * stable * (1 - stable) +
    (1 - share) * (stable - alternative.stable) * canary * (1 - canary)
  );
}

/**
 * rootOf returns where a function crosses zero from below, by false position. An end that stays twice counts for half
 * (the Illinois rule), which makes it faster than linear. Without a change of sign the end nearer to zero is the answer.
 */
function rootOf(low: number, high: number, valueAt: (at: number) => number): number {
  let left = low;
  let right = high;
  let leftValue = valueAt(low);
  let rightValue = valueAt(high);
  if (leftValue >= 0) return low;
  if (rightValue <= 0) return high;
  let root = low;
  let side = 0;
  for (let step = 0; step < maxSteps; step++) {
    const next = left - (leftValue * (right - left)) / (rightValue - leftValue);
    if (Math.abs(next - root) <= next * Number.EPSILON) return next;
    root = next;
    const value = valueAt(root);
    if (value < 0) {
      if (side < 0) rightValue /= 2;
      [left, leftValue, side] = [root, value, -1];
    } else {
      if (side > 0) leftValue /= 2;
      [right, rightValue, side] = [root, value, 1];
    }
  }
  return root;
}
