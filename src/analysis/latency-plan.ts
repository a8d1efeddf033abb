/** What of a latency can be compared: bounds of buckets and tolerated shares, from how stable answered before the rollout. */
import { clampDurations, slowerThan, type Durations } from './durations.ts';

/** PlannedBound is one bound that both arms are compared at: how many requests take longer. */
export interface PlannedBound {
  readonly seconds: number;
  /** share is what part of stable's requests took longer, 0 to 1. */
  readonly share: number;
  /** factor and points are the tolerance: the canary's share may be up to factor * stable's share + points. */
  readonly factor: number;
  readonly points: number;
}

/** LatencyPlan is made once, when a rollout starts: tolerances that moved with the data would follow a regression. */
export interface LatencyPlan {
  readonly kind: 'Planned';
  /** resolution is Coarse where tolerances rest on the shape assumed within wide buckets. */
  readonly resolution: 'Fine' | 'Coarse';
  /** bounds are 1 to 4, ascending. */
  readonly bounds: readonly PlannedBound[];
}

/** TooFewData is a history that says too little: ask again when stable has answered `needed` requests. */
export interface TooFewData {
  readonly kind: 'TooFewData';
  readonly requests: number;
  readonly needed: number;
}

/** NoUsableBound is a histogram that tells nothing: no finite bound, or nearly every request of stable is above all of them. */
export interface NoUsableBound {
  readonly kind: 'NoUsableBound';
}

/** LatencyHistory is what a plan is made from. */
export interface LatencyHistory {
  /** bounds are in seconds, ascending and finite. */
  readonly bounds: readonly number[];
  /** history is how stable answered at these bounds, some 10 minutes long. */
  readonly history: Durations;
  /** maxIncrease is how much slower the canary may be: 0.2 is 20 %. */
  readonly maxIncrease: number;
  readonly quantile: 'All' | number;
}

interface Candidate {
  readonly seconds: number;
  readonly share: number;
  /** points is how much greater than `share` the canary's may be. */
  readonly points: number;
  /** tolerated is stable's share above seconds / (1 + maxIncrease), which is the most the canary may have above seconds. */
  readonly tolerated: number;
  readonly isWide: boolean;
}

/** With 6 the same regressions of simulated latencies are found no sooner, and the state is half as long again. */
const maxBounds = 4;
/** At 200 requests a tolerance of 20 % is known to about 5 (the difference of two shares, some .07, has an error of .02). */
const neededRequests = 200;
const largestShare = 0.9;
/** smallestShare is also the least tolerance: what befalls fewer than one request in a thousand is not looked for. */
const smallestShare = 0.001;
/** steepest: a steeper line would take very many requests of stable to know what it tolerates. */
const steepest = 1.5;
/** widestFine separates buckets of .01, .025, .05 from Traefik's default .1, .3, 1.2, 5. */
const widestFine = 2.5;

/**
 * planLatency chooses where to compare. A canary that is at most `maxIncrease` slower has P(X > b) no greater than stable's
 * P(X > b / (1 + maxIncrease)) at every bound b, so it is compared at bounds where that share is neither everything nor
 * nothing, and at the first bound above which stable has next to nothing. The last one sees a new slow tail, and is all
 * there is to see of a service that answers far below the first bound.
 */
export function planLatency(input: LatencyHistory): LatencyPlan | TooFewData | NoUsableBound {
  const history = clampDurations(input.history);
  if (history.total < neededRequests) {
    return { kind: 'TooFewData', requests: history.total, needed: neededRequests };
  }
  const smallest = Math.max(smallestShare, emptyShare(history));
  const all = candidatesOf(input, history);
  const usable = all.filter(({ tolerated }) => tolerated > smallest && tolerated < largestShare);
  const guard = all.find(({ tolerated }) => tolerated <= smallest);
  const offered = guard === undefined ? usable : [...usable, guard];
  if (offered.length === 0) return { kind: 'NoUsableBound' };
  const chosen = input.quantile === 'All' ? spread(offered) : around(offered, 1 - input.quantile);
  const isCoarse = usable.length === 0 || chosen.some((bound) => bound !== guard && bound.isWide);
  return {
    kind: 'Planned',
    resolution: isCoarse ? 'Coarse' : 'Fine',
    bounds: chosen.map(({ seconds, share, points }) => plannedBound(seconds, share, points, emptyShare(history))),
  };
}

/**
 * plannedBound turns what is tolerated at stable's share into a line. Where both arms become slower together, as under more
 * load, a shift by the same percentage moves more requests above a bound: of exponential latencies, S^c instead of S. The
 * tangent of that curve is above it everywhere, so that no canary within the tolerance is beyond the line.
 */
function plannedBound(seconds: number, share: number, points: number, leastShare: number): PlannedBound {
  const from = Math.max(share, leastShare);
  const tolerated = from + points;
  const slope = (Math.log(tolerated) / Math.log(from)) * (tolerated / from);
  const factor = Math.round(Math.min(steepest, Math.max(1, slope)) * 100) / 100;
  return {
    seconds,
    share: rounded(share),
    factor,
    points: Math.max(1 / unit, rounded(share + points - factor * share)),
  };
}

/** encodePlan writes a plan as a short text for the status of a Rollout. */
export function encodePlan(plan: LatencyPlan): string {
  const bounds = plan.bounds.map(
    ({ seconds, share, factor, points }) => `${seconds}:${units(share)}:${factor}:${units(points)}`,
  );
  return [plan.resolution, ...bounds].join(' ');
}

/** decodePlan reads what encodePlan wrote; undefined for anything else. */
export function decodePlan(text: string): LatencyPlan | undefined {
  const [resolution, ...parts] = text.split(' ');
  if (resolution !== 'Fine' && resolution !== 'Coarse') return undefined;
  const bounds = parts.map(decodeBound);
  const isSound = bounds.every((bound, index) => bound.seconds > (bounds[index - 1]?.seconds ?? 0));
  if (!isSound || bounds.length === 0 || bounds.length > maxBounds) return undefined;
  return { kind: 'Planned', resolution, bounds };
}

/** decodeBound gives a malformed bound 0 seconds, which no plan has. */
function decodeBound(text: string): PlannedBound {
  const numbers = /^([0-9.e+-]+):(\d{1,6}):([1-9][0-9.]{0,3}):(\d{1,6})$/.exec(text)?.slice(1).map(Number) ?? [];
  const [seconds = 0, share = 0, factor = 0, points = 0] = numbers;
  const isSound = Number.isFinite(seconds) && share <= unit && factor <= steepest && points > 0 && points <= unit;
  return { seconds: isSound ? seconds : 0, share: share / unit, factor, points: points / unit };
}

function candidatesOf(input: LatencyHistory, history: Durations): Candidate[] {
  const { bounds, quantile } = input;
  const maxIncrease = Math.max(0, input.maxIncrease);
  return bounds.map((seconds, index) => {
    const { requests, errors } = slowerThan(history, index);
    const share = errors / requests;
    const faster = seconds / (1 + maxIncrease);
    const tolerated = survivalAt(bounds, history, faster);
    const points = Math.max(
      smallestShare,
      tolerated - share,
      // Between two kinds of requests, say hits and misses of a cache, the survival function is flat, and the difference
      // above is nothing: any change of their mix would be a regression. The odds may change by maxIncrease there, which
      // is what a shift by maxIncrease does to the heaviest of latencies (log-logistic with shape 1).
      (maxIncrease * share * (1 - share)) / (1 + maxIncrease * share),
      // A quantile says nothing about what lies beyond it.
      quantile === 'All' || tolerated > 1 - quantile ? 0 : 1 - quantile - share,
    );
    return { seconds, share, points, tolerated, isWide: isWide(bounds, faster) };
  });
}

/**
 * survivalAt returns the share of requests above `seconds`, log-linear between bounds as in an exponential distribution:
 * linear interpolation, as in PromQL's histogram_quantile, puts far too many requests at the upper end of wide buckets.
 * Below the first bound the same line starts at 1 for 0 seconds. Beyond the last finite bound nothing is asked for.
 * The log needs more than nothing: an empty share counts as half a request.
 */
function survivalAt(bounds: readonly number[], history: Durations, seconds: number): number {
  const upper = bounds.findIndex((bound) => bound >= seconds);
  const survival = (index: number): number => {
    const { requests, errors } = slowerThan(history, index);
    return Math.max(errors / requests, emptyShare(history));
  };
  const from = upper === 0 ? { seconds: 0, share: 1 } : { seconds: bounds[upper - 1] ?? 0, share: survival(upper - 1) };
  const part = (seconds - from.seconds) / ((bounds[upper] ?? seconds) - from.seconds);
  return from.share ** (1 - part) * survival(upper) ** part;
}

function emptyShare(history: Durations): number {
  return 0.5 / history.total;
}

/** isWide says whether the shape within the bucket of `seconds` matters to what was interpolated there. */
function isWide(bounds: readonly number[], seconds: number): boolean {
  const upper = bounds.findIndex((bound) => bound >= seconds);
  const edge = bounds[upper] ?? seconds;
  return edge !== seconds && edge > widestFine * (bounds[upper - 1] ?? 0);
}

/**
 * spread keeps at most 4 candidates: both ends, then whichever is farthest from those kept. Distances are in log-odds of
 * the shares, in which one part in ten and one in a hundred are as far apart as one in a hundred and one in a thousand.
 */
function spread(candidates: readonly Candidate[]): Candidate[] {
  if (candidates.length <= maxBounds) return [...candidates];
  const kept = new Set([0, candidates.length - 1]);
  const distance = (index: number): number =>
    Math.min(...[...kept].map((other) => Math.abs(logOdds(candidates, index) - logOdds(candidates, other))));
  while (kept.size < maxBounds) {
    const rest = [...candidates.keys()].filter((index) => !kept.has(index));
    kept.add(rest.reduce((best, index) => (distance(index) > distance(best) ? index : best)));
  }
  return candidates.filter((_, index) => kept.has(index));
}

function logOdds(candidates: readonly Candidate[], index: number): number {
  const { tolerated } = candidates[index] ?? { tolerated: 0.5 };
  return Math.log(tolerated / (1 - tolerated));
}

/** around keeps the candidate on each side of a share: they hold the quantile between them. */
function around(candidates: readonly Candidate[], share: number): Candidate[] {
  const above = candidates.findLastIndex(({ tolerated }) => tolerated > share);
  return candidates.slice(Math.max(0, above), above + 2);
}

const unit = 1e5;

/** rounded makes a plan equal to what comes back from its text. */
function rounded(value: number): number {
  return units(value) / unit;
}

function units(value: number): number {
  return Math.min(unit, Math.round(value * unit));
}
