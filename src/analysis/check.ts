/** The user's own queries: when they are due, what a result means, and how results in a row are counted. */
import type { QueryOutcome } from './metric-source.ts';

/** OnNoData says what missing data means. */
export type OnNoData = 'Hold' | 'Rollback' | 'Ignore';

/** CheckSpec is a user's query with its bounds; a value outside [min, max] fails. */
export interface CheckSpec {
  readonly name: string;
  /** query is PromQL with its variables replaced. */
  readonly query: string;
  readonly min?: number;
  readonly max?: number;
  readonly intervalMs: number;
  /** consecutiveFailureLimit failures in a row are tolerated; one more is a Fail. */
  readonly consecutiveFailureLimit: number;
  /** consecutiveErrorLimit errors in a row are tolerated; with one more the check has no data. */
  readonly consecutiveErrorLimit: number;
  readonly onNoData: OnNoData;
}

/** CheckProblem says why a check could not be evaluated: a code of ours; what the source wrote stays in the source. */
export type CheckProblem = Extract<QueryOutcome, { kind: 'Error' }>['reason'];

/** CheckResult is what one evaluation of a check showed; `value` has at most seven digits. */
export type CheckResult =
  | { readonly state: 'Passing' | 'Failing'; readonly value: number }
  | { readonly state: 'Error'; readonly reason: CheckProblem }
  | { readonly state: 'NoData' };

/** CheckState is the last result of a check and its streaks. */
export type CheckState = CheckResult & {
  /** failures in a row; only a passing result ends the streak. */
  readonly failures: number;
  /** errors in a row; any answer ends the streak. */
  readonly errors: number;
  /** atMs is when it was evaluated last, in milliseconds since the epoch. */
  readonly atMs: number;
};

/** evaluateCheck compares the answer to a check's query with its bounds: NaN (0/0, no traffic) is no data, an infinite value an error. */
export function evaluateCheck(spec: CheckSpec, outcome: QueryOutcome): CheckResult {
  if (outcome.kind === 'Error') return { state: 'Error', reason: outcome.reason };
  if (outcome.kind === 'NoData') return { state: 'NoData' };
  const { value } = outcome;
  if (Number.isNaN(value)) return { state: 'NoData' };
  if (!Number.isFinite(value)) return { state: 'Error', reason: 'NotOneNumber' };
  const isOutside = (spec.min !== undefined && value < spec.min) || (spec.max !== undefined && value > spec.max);
  // Adding 0 turns -0, which text does not keep, into 0.
  return { state: isOutside ? 'Failing' : 'Passing', value: Number(value.toPrecision(valueDigits)) + 0 };
}

/** valueDigits is how exactly a value is told. */
const valueDigits = 7;

/** nextCheckState adds a result to the streaks of `previous`. An error or missing data neither proves nor disproves a failure, so it leaves that streak alone. */
export function nextCheckState(previous: CheckState | undefined, result: CheckResult, nowMs: number): CheckState {
  const failures = previous?.failures ?? 0;
  return {
    ...result,
    failures: result.state === 'Passing' ? 0 : result.state === 'Failing' ? failures + 1 : failures,
    errors: result.state === 'Error' ? (previous?.errors ?? 0) + 1 : 0,
    atMs: nowMs,
  };
}

/** checkDueAtMs returns when a check is due next: at once (`nowMs`) when it was never evaluated or its last time lies in the future, as after a clock step. */
export function checkDueAtMs(spec: CheckSpec, state: CheckState | undefined, nowMs: number): number {
  return state === undefined || state.atMs > nowMs ? nowMs : state.atMs + spec.intervalMs;
}
