/** Counted durations of requests, as the buckets of a histogram hold them. */

/** Durations is how long good requests took: `within[i]` of `total` took at most the i-th bound; the bounds are kept beside it. */
export interface Durations {
  readonly total: number;
  /** within is cumulative, and one number for each finite bound. */
  readonly within: readonly number[];
}
