/**
 * Intervals of error ratios that hold however often one looks: for people to read and to refute a share, never to
 * decide on. They take all requests of an arm as one series, which the judge does not (it compares block by block).
 */
import type { Arms, Counts } from './sample.ts';

/** Interval is a range of ratios or of differences of ratios, ends included. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * anytimeInterval returns which error ratios are not refuted by the counts: the true one is inside at all looks together
 * with probability 1 - alpha (0 < alpha < 1). It is a mixture over Beta(.5, 5), which favours small ratios, against each
 * ratio p; a p at which the mixture is 1 / alpha times as likely is out (Ville's inequality; Robbins 1970). Counts need
 * not be whole. Without requests it is 0 to 1; errors beyond the requests, or what is no number, do not break it.
 */
export function anytimeInterval(counts: Counts, alpha: number): Interval {
  const requests = counts.requests > 0 && Number.isFinite(counts.requests) ? counts.requests : 0;
  const errors = counts.errors > 0 ? Math.min(counts.errors, requests) : 0;
  const good = requests - errors;
  const observed = requests > 0 ? errors / requests : 0;
  const mixture = lnBeta(errors + priorErrors, good + priorGood) - lnBeta(priorErrors, priorGood);
  const needed = -Math.log(alpha) - mixture;
  return {
    low: errors > 0 ? Math.min(observed, logistic(lowerRoot(errors, requests, needed))) : 0,
    high: good > 0 ? Math.max(observed, logistic(-lowerRoot(good, requests, needed))) : 1,
  };
}

/** anytimeExcess returns by how much the canary's error ratio may be above stable's, -1 to 1: each arm gets half of alpha. */
export function anytimeExcess(arms: Arms, alpha: number): Interval {
  const canary = anytimeInterval(arms.canary, alpha / 2);
  const stable = anytimeInterval(arms.stable, alpha / 2);
  return { low: canary.low - stable.high, high: canary.high - stable.low };
}

/** lnGamma returns ln Γ(z) for z > 0, to about 1e-13 (Stirling's series at 10 and above, the recurrence below). */
export function lnGamma(z: number): number {
  let product = 1;
  let shifted = z;
  for (; shifted < 10; shifted++) product *= shifted;
  const inverse = 1 / (shifted * shifted);
  const series = 1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse / 1188)));
  return (shifted - 0.5) * Math.log(shifted) - shifted + lnTwoPi / 2 + series / shifted - Math.log(product);
}

const priorErrors = 0.5;
const priorGood = 5;
const lnTwoPi = Math.log(2 * Math.PI);
const maxSteps = 100;

/**
 * lowerRoot returns the smaller x at which n ln(1 + e^x) - k x = needed, where x is the log-odds of a ratio. The left
 * side is convex, and the start is at or left of the root (the first term is positive), so that Newton's steps approach
 * it from one side and cannot leave it; ending early only makes the interval wider.
 */
function lowerRoot(k: number, n: number, needed: number): number {
  let x = -needed / k;
  for (let step = 0; step < maxSteps; step++) {
    const slope = n * logistic(x) - k;
    const distance = n * softplus(x) - k * x - needed;
    if (distance <= 0) return x;
    const next = x - distance / slope;
    if (next - x <= 1e-12 * Math.abs(next)) return next;
    x = next;
  }
  return x;
}

function lnBeta(a: number, b: number): number {
  return lnGamma(a) + lnGamma(b) - lnGamma(a + b);
}

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}
