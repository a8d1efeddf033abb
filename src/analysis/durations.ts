/** Counted durations of requests, as the buckets of a histogram hold them, and what can honestly be said from them. */
import type { Counts } from './sample.ts';

/** Durations is how long good requests took: `within[i]` of `total` took at most the i-th bound; the bounds are kept beside it. */
export interface Durations {
  readonly total: number;
  /** within is cumulative, and one number for each finite bound. */
  readonly within: readonly number[];
}

/** QuantileRange says that a quantile lies above `aboveSeconds` (0: nothing known) and at or below `atMostSeconds` (Infinity: nothing known). */
export interface QuantileRange {
  readonly aboveSeconds: number;
  readonly atMostSeconds: number;
}

/** noDurations is zero requests, whatever the bounds. */
export const noDurations: Durations = { total: 0, within: [] };

/** addDurations returns the sum of two Durations of the same bounds. */
export function addDurations(left: Durations, right: Durations): Durations {
  const bounds = Math.max(left.within.length, right.within.length);
  return {
    total: left.total + right.total,
    within: Array.from({ length: bounds }, (_, index) => withinBound(left, index) + withinBound(right, index)),
  };
}

/**
 * clampDurations makes buckets cumulative again: the `_count` and `_bucket` series of one scrape may differ by a request
 * that ended in between, and a difference of two such scrapes may even fall. Counts become whole, as those of requests
 * are, and what is no number counts as no request.
 */
export function clampDurations(durations: Durations): Durations {
  const total = clamp(durations.total, 0, mostRequests);
  const within: number[] = [];
  for (const count of durations.within) within.push(clamp(count, within.at(-1) ?? 0, total));
  return { total, within };
}

/** slowerThan counts the requests above the bound at `index` as errors. A bound that was not counted has none. */
export function slowerThan(durations: Durations, index: number): Counts {
  return { requests: durations.total, errors: durations.total - withinBound(durations, index) };
}

/**
 * sloBound returns the index of the bound that stands for a limit of `underSeconds`: the largest at or below it, so that
 * a request is never called fast which was not. Undefined where every bound is above the limit: it cannot be judged.
 */
export function sloBound(bounds: readonly number[], underSeconds: number): number | undefined {
  const index = bounds.findLastIndex((bound) => bound <= underSeconds);
  return index === -1 ? undefined : index;
}

/**
 * quantileRange returns between which bounds the `p`-quantile lies (0 < p < 1), with 95 % confidence however often one
 * looks. It never interpolates: inside a bucket nothing is known. Bounds are in seconds, ascending.
 */
export function quantileRange(durations: Durations, bounds: readonly number[], p: number): QuantileRange {
  const needed = Math.log((2 * bounds.length) / (1 - confidence));
  const proven = (index: number, isSlower: boolean): boolean => {
    const { requests, errors } = slowerThan(durations, index);
    return errors > requests * (1 - p) === isSlower && evidenceAgainst(requests, errors, 1 - p) >= needed;
  };
  const above = bounds.findLastIndex((_, index) => proven(index, true));
  const atMost = bounds.findIndex((_, index) => index > above && proven(index, false));
  return { aboveSeconds: bounds[above] ?? 0, atMostSeconds: bounds[atMost] ?? Infinity };
}

/** formatQuantile writes a range as people read it: `p99 0.3-1.2s`, `p99 <=0.1s`, `p99 >5s`, `p99 unknown`. */
export function formatQuantile(range: QuantileRange, p: number): string {
  const name = `p${+(p * 100).toPrecision(6)}`;
  if (range.atMostSeconds < Infinity) {
    return range.aboveSeconds > 0
      ? `${name} ${range.aboveSeconds}-${range.atMostSeconds}s`
      : `${name} <=${range.atMostSeconds}s`;
  }
  return range.aboveSeconds > 0 ? `${name} >${range.aboveSeconds}s` : `${name} unknown`;
}

/** mostRequests of one block is beyond any traffic, and sums of it stay exact integers. */
const mostRequests = 1e12;
const confidence = 0.95;

/**
 * evidenceAgainst returns the log of an e-process against a share of `p`: the Krichevsky-Trofimov mixture, bounded from
 * below by the best share in hindsight less ln(n)/2 + ln 2 (Krichevsky and Trofimov 1981), which needs no gamma function.
 */
function evidenceAgainst(n: number, k: number, p: number): number {
  if (n <= 0) return 0;
  const best = xlogy(k, k / n / p) + xlogy(n - k, (n - k) / n / (1 - p));
  return best - Math.log(n) / 2 - Math.LN2;
}

function xlogy(x: number, y: number): number {
  return x === 0 ? 0 : x * Math.log(y);
}

function withinBound(durations: Durations, index: number): number {
  return durations.within[index] ?? durations.total;
}

function clamp(value: number, low: number, high: number): number {
  return value > low ? Math.min(Math.round(value), high) : low;
}
