/** The two-sided Mann-Whitney interval of a shift in location, in the normal approximation with ties and continuity corrected, as in R's wilcox.test and in Kayenta. */

/** Shift is how much the values of `experiment` lie above those of `control`, with its interval. */
export interface Shift {
  readonly estimate: number;
  readonly lower: number;
  readonly upper: number;
}

/** Kayenta's tolerance of the root search. */
const tolerance = 1e-4;

/** findShift returns the shift; `z` is the normal quantile of the interval, 2.326 for 98 %. */
export function findShift(experiment: readonly number[], control: readonly number[], z: number): Shift {
  const x = experiment.toSorted((left, right) => left - right);
  const y = control.toSorted((left, right) => left - right);
  const from = (x[0] ?? 0) - (y.at(-1) ?? 0);
  const to = (x.at(-1) ?? 0) - (y[0] ?? 0);
  const root = (quantile: number, isCorrected: boolean): number =>
    findRoot((shift) => standardized({ x, y, shift, isCorrected }) - quantile, from, to);
  return { lower: root(z, true), upper: root(-z, true), estimate: root(0, false) };
}

/** The function falls in steps, so halving finds the same place as Kayenta's Brent search, within the tolerance. */
function findRoot(fall: (shift: number) => number, from: number, to: number): number {
  if (fall(from) <= 0) return from;
  if (fall(to) >= 0) return to;
  let [lower, upper] = [from, to];
  while (upper - lower > tolerance) {
    const middle = (lower + upper) / 2;
    if (fall(middle) > 0) lower = middle;
    else upper = middle;
  }
  return (lower + upper) / 2;
}

interface Shifted {
  /** x and y are ascending. */
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly shift: number;
  readonly isCorrected: boolean;
}

/** standardized is the rank sum of x - shift, less its mean, in standard deviations. */
function standardized({ x, y, shift, isCorrected }: Shifted): number {
  const size = x.length + y.length;
  let i = 0;
  let j = 0;
  let rankSum = 0;
  let ties = 0;
  while (i < x.length || j < y.length) {
    const value = Math.min((x[i] ?? Number.POSITIVE_INFINITY) - shift, y[j] ?? Number.POSITIVE_INFINITY);
    const [firstX, firstY] = [i, j];
    while (i < x.length && (x[i] ?? 0) - shift === value) i += 1;
    while (j < y.length && y[j] === value) j += 1;
    const tied = i - firstX + (j - firstY);
    // The mean of the ranks that the tied values share.
    rankSum += (i - firstX) * (firstX + firstY + (tied + 1) / 2);
    ties += tied ** 3 - tied;
  }
  const distance = rankSum - (x.length * (x.length + 1)) / 2 - (x.length * y.length) / 2;
  const variance = ((x.length * y.length) / 12) * (size + 1 - ties / (size * (size - 1)));
  const correction = isCorrected ? Math.sign(distance) * 0.5 : 0;
  return variance === 0 ? 0 : (distance - correction) / Math.sqrt(variance);
}
