/** The user's own queries: when they are due, what a result means, and how results in a row are counted. */
import { formatTime, parseTime } from '../clock.ts';
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

/** CheckResult is what one evaluation of a check showed. */
export interface CheckResult {
  readonly state: 'Passing' | 'Failing' | 'Error' | 'NoData';
  readonly value?: string;
  /** reason is a code of ours for an Error; what the source wrote stays in the source. */
  readonly reason?: string;
}

/** CheckState is the last result of a check and its streaks, as kept in status. */
export interface CheckState {
  readonly name: string;
  /** value is the last number, as text, because Kubernetes' JSON has no portable floats. */
  readonly value?: string;
  readonly state: CheckResult['state'];
  readonly reason?: string;
  /** failures in a row; only a passing result ends the streak. */
  readonly failures: number;
  /** errors in a row; any answer ends the streak. */
  readonly errors: number;
  /** at is the RFC 3339 time of the last evaluation. */
  readonly at: string;
}

/** evaluateCheck compares the answer to a check's query with its bounds: NaN (0/0, no traffic) is no data, an infinite value an error. */
export function evaluateCheck(spec: CheckSpec, outcome: QueryOutcome): CheckResult {
  if (outcome.kind === 'Error') return { state: 'Error', reason: outcome.reason };
  if (outcome.kind === 'NoData') return { state: 'NoData' };
  const { value } = outcome;
  if (Number.isNaN(value)) return { state: 'NoData' };
  if (!Number.isFinite(value)) return { state: 'Error', reason: 'NotOneNumber' };
  const isOutside = (spec.min !== undefined && value < spec.min) || (spec.max !== undefined && value > spec.max);
  return { state: isOutside ? 'Failing' : 'Passing', value: String(value) };
}

/** nextCheckState adds a result to the streaks of `previous`. An error or missing data neither proves nor disproves a failure, so it leaves that streak alone. */
export function nextCheckState(
  name: string,
  previous: CheckState | undefined,
  result: CheckResult,
  nowMs: number,
): CheckState {
  const failures = previous?.failures ?? 0;
  return {
    name,
    ...result,
    failures: result.state === 'Passing' ? 0 : result.state === 'Failing' ? failures + 1 : failures,
    errors: result.state === 'Error' ? (previous?.errors ?? 0) + 1 : 0,
    at: formatTime(nowMs),
  };
}

/** checkDueAtMs returns when a check is due next: at once (`nowMs`) when it was never evaluated or its last time lies in the future, as after a clock step. */
export function checkDueAtMs(spec: CheckSpec, state: CheckState | undefined, nowMs: number): number {
  const atMs = parseTime(state?.at);
  return atMs === undefined || atMs > nowMs ? nowMs : atMs + spec.intervalMs;
}

/** dueChecks returns the checks to evaluate at `nowMs`, in the order of the spec. */
export function dueChecks(
  checks: readonly CheckSpec[],
  states: readonly CheckState[],
  nowMs: number,
): readonly CheckSpec[] {
  return checks.filter((spec) => checkDueAtMs(spec, findState(states, spec.name), nowMs) <= nowMs);
}

/** findState returns the state of the check with that name. */
export function findState(states: readonly CheckState[], name: string): CheckState | undefined {
  return states.find((state) => state.name === name);
}
