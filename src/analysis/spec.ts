/** What a canary is judged by, defaulted and in machine units. */
import type { CheckSpec, OnNoData } from './check.ts';
import type { Margin } from './sequential.ts';

/** AnalysisSpec holds rates in 0..1 and times in milliseconds. */
export interface AnalysisSpec {
  /** compare: Stable compares both arms in the same blocks; None leaves slo and checks. */
  readonly compare: 'Stable' | 'None';
  /** margin is how much more errors than stable's are tolerated. */
  readonly margin: Margin;
  readonly latency: LatencyMargin;
  readonly slo: Slo;
  /** alpha is how likely an unjust rollback may be, and as much an unjust promotion: 0.05 for a confidence of 95 %. */
  readonly alpha: number;
  /** minRequests is how many requests the canary must have answered before it may pass; it never delays a failure. */
  readonly minRequests: number;
  /** warmupMs is how long after its first request a canary is not compared. */
  readonly warmupMs: number;
  /** plannedMs is how long all steps together take; the readiness for a late regression is spread over it. */
  readonly plannedMs: number;
  readonly checks: readonly CheckSpec[];
  readonly onNoData: OnNoData;
  readonly noDataAfterMs: number;
}

/** LatencyMargin is how much slower than stable a canary may be: 0.2 is 20 %. */
export interface LatencyMargin {
  readonly maxIncrease: number;
  /** quantile: All compares at buckets over the whole distribution, a number in 0..1 at those around it. */
  readonly quantile: 'All' | number;
}

/** Slo holds the absolute limits. */
export interface Slo {
  readonly errorRatio?: number;
  /** latency: at least `share` of the good requests take at most `underSeconds`. */
  readonly latency?: { readonly underSeconds: number; readonly share: number };
}
