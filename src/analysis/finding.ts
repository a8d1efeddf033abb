/** What the tests of a rollout are kept as, what a block is tested under, and what a test has found. */
import {
  breachEvidence,
  decodeLimit,
  encodeLimit,
  keptEvidence,
  restartFreshKept,
  startLimit,
  type LimitState,
} from './limit.ts';
import type { AnalysisSpec } from './spec.ts';

/** Place says how a block of a rollout is to be looked at. */
export interface Place {
  readonly spec: AnalysisSpec;
  /** plannedBlocks is how many blocks the whole rollout takes. */
  readonly plannedBlocks: number;
  /** bounds are those of the block's durations, in seconds. */
  readonly bounds: readonly number[];
  /** isWarm is false while the canary is not compared yet. */
  readonly isWarm: boolean;
  /** isAlone is true where stable has no traffic any more by intent. */
  readonly isAlone: boolean;
}

/** Finding is what one test has shown, as logarithms; `safe` and `fresh` are missing where the test cannot prove safety. */
export interface Finding {
  readonly name: TrialName;
  readonly rollback: number;
  /** safe is the evidence that the canary is good enough, since the rollout began. */
  readonly safe?: number;
  /** fresh is the same since the present step began. */
  readonly fresh?: number;
}

/** TrialName names a test that may speak for a rollback. */
export type TrialName = 'errors' | 'guard' | 'alone' | 'slo' | 'latency' | 'latencySlo';

/** limitFinding reads the test of an absolute limit; what was proven at one weight stands at the next. */
export function limitFinding(name: 'slo' | 'latencySlo', state: LimitState): Finding {
  return { name, rollback: breachEvidence(state), safe: keptEvidence(state) };
}

/** readLimit reads the test of a limit. What is no evidence of ours, e.g. a status edited by hand, starts anew. */
export function readLimit(text: string | undefined): LimitState {
  return decodeLimit(text ?? '') ?? startLimit([]);
}

/** writeLimit is what readLimit reads. Fresh evidence of a limit is asked for by nobody, and zeros are short. */
export function writeLimit(state: LimitState): string {
  return encodeLimit(restartFreshKept(state));
}
