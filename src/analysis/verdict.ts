/** Evidence to verdict, purely. No data is never healthy, and too little is never proof. */
import { formatDuration } from '../api/duration.ts';
import { parseTime } from '../clock.ts';
import { findState, type CheckSpec, type CheckState, type OnNoData } from './check.ts';
import type { Evidence } from './evidence.ts';
import type { Counts } from './sample.ts';

/** AnalysisSpec is what to judge by, defaulted, in machine units: ratios in 0..1, milliseconds. */
export interface AnalysisSpec {
  readonly slo?: { readonly errorRatio?: number };
  /** minRequests is how many requests the canary must have answered before it may pass; it never delays a failure that is certain. */
  readonly minRequests: number;
  readonly checks: readonly CheckSpec[];
  readonly onNoData: OnNoData;
  readonly noDataAfterMs: number;
}

/** Verdict is the judgement with its reason (CamelCase, for conditions) and a sentence with the numbers. */
export interface Verdict {
  readonly kind: 'Pass' | 'Fail' | 'Inconclusive' | 'NoData';
  readonly reason: string;
  readonly message: string;
  /** excess is how far a Fail is beyond its limit: in points (0..100) of the error ratio, or in percent of a check's bound, at most 100. */
  readonly excess?: number;
}

/** urgencyOf returns how pressing a verdict is, for the order of work: 0 unless it is a Fail, else the more the farther it is beyond its limit. */
export function urgencyOf({ kind, excess = 0 }: Verdict): number {
  return kind === 'Fail' ? 1 + excess : 0;
}

/** kindsWorstFirst is the order in which parts of a verdict outrank each other. */
const kindsWorstFirst = ['Fail', 'NoData', 'Inconclusive', 'Pass'] as const;

/**
 * judge combines all parts of the evidence: any Fail is a Fail; else missing data is NoData; else anything unproven is
 * Inconclusive; else Pass. Requests come before checks, checks in the order of the spec.
 */
export function judge(spec: AnalysisSpec, evidence: Evidence, nowMs: number): Verdict {
  const requests = judgeRequests(spec, evidence);
  const parts = [
    requests,
    judgeNoData(spec, evidence, nowMs),
    ...spec.checks.map((check) => judgeCheck(check, findState(evidence.checks ?? [], check.name))),
  ].filter((part) => part !== undefined);
  const worst = parts.reduce((worst, part) => (rankOf(part) < rankOf(worst) ? part : worst), requests);
  const others = parts.filter((part) => part.kind === worst.kind && part !== worst);
  if (worst.kind === 'Pass' || others.length === 0) return worst;
  const message = `${worst.message} And ${others.length} more: ${reasonsOf(others)}.`;
  if (worst.kind !== 'Fail') return { ...worst, message };
  return { ...worst, message, excess: Math.max(...[worst, ...others].map((part) => part.excess ?? 0)) };
}

function rankOf(part: Verdict): number {
  return kindsWorstFirst.indexOf(part.kind);
}

function reasonsOf(parts: readonly Verdict[]): string {
  return [...new Set(parts.map((part) => part.reason))].join(', ');
}

function judgeRequests(spec: AnalysisSpec, evidence: Evidence): Verdict {
  const { canary } = evidence;
  const limit = spec.slo?.errorRatio;
  const ratio = canary.errors / Math.max(canary.requests, spec.minRequests);
  // Also before minRequests, once all the requests still to come cannot bring the ratio below the limit any more:
  // a dead canary is not kept alive until it has failed a hundred times.
  if (limit !== undefined && canary.errors > 0 && ratio > limit) {
    const excess = (ratio - limit) * 100;
    return { kind: 'Fail', reason: 'ErrorRatioExceeded', message: describe(evidence, limit), excess };
  }
  if (canary.requests < spec.minRequests) {
    return {
      kind: 'Inconclusive',
      reason: 'TooFewRequests',
      message: `Canary has answered ${canary.requests} of ${spec.minRequests} requests needed, ${canary.errors} of them bad.`,
    };
  }
  if (limit !== undefined) return { kind: 'Pass', reason: 'WithinLimits', message: describe(evidence, limit) };
  return {
    kind: 'Pass',
    reason: spec.checks.length === 0 ? 'NothingJudged' : 'EnoughRequests',
    message: `Canary has answered ${canary.requests} requests, ${canary.errors} of them bad; no error ratio is set.`,
  };
}

function judgeNoData(spec: AnalysisSpec, evidence: Evidence, nowMs: number): Verdict | undefined {
  const { noData } = evidence;
  if (noData === undefined || spec.onNoData === 'Ignore') return undefined;
  const lastedMs = Math.max(0, nowMs - (parseTime(noData.since) ?? nowMs));
  const message = `No samples for ${formatDuration(lastedMs)}: ${noData.message}`;
  if (spec.onNoData === 'Rollback' && lastedMs >= spec.noDataAfterMs) {
    return { kind: 'Fail', reason: 'NoDataTooLong', message };
  }
  return { kind: 'NoData', reason: noData.reason, message };
}

function judgeCheck(check: CheckSpec, state: CheckState | undefined): Verdict | undefined {
  if (state === undefined) {
    return { kind: 'Inconclusive', reason: 'CheckPending', message: `Check ${check.name} has not been evaluated yet.` };
  }
  if (state.failures > check.consecutiveFailureLimit) {
    const excess = excessOf(check, Number(state.value ?? Number.NaN));
    return { kind: 'Fail', reason: 'CheckFailed', message: failureMessage(check, state), excess };
  }
  if (state.state === 'NoData') {
    return judgeMissingCheck(check, 'CheckNoData', `Check ${check.name} has no data: its query returned nothing.`);
  }
  if (state.state === 'Error') {
    const message = `Check ${check.name} could not be evaluated ${state.errors} times in a row (${state.reason ?? 'unknown'}), tolerated ${check.consecutiveErrorLimit}.`;
    if (state.errors > check.consecutiveErrorLimit) return judgeMissingCheck(check, 'CheckErrors', message);
    return { kind: 'Inconclusive', reason: 'CheckUnknown', message };
  }
  if (state.state === 'Failing') {
    return { kind: 'Inconclusive', reason: 'CheckFailing', message: failureMessage(check, state) };
  }
  return {
    kind: 'Pass',
    reason: 'CheckPassing',
    message: `Check ${check.name} is ${state.value}, ${boundsOf(check)}.`,
  };
}

function judgeMissingCheck(check: CheckSpec, reason: string, message: string): Verdict | undefined {
  if (check.onNoData === 'Ignore') return undefined;
  return { kind: check.onNoData === 'Rollback' ? 'Fail' : 'NoData', reason, message };
}

/** excessOf is how far a value is outside the bounds, in percent of the bound that it breaks, at most 100: checks have units of their own. */
function excessOf({ min, max }: CheckSpec, value: number): number {
  const distances = [
    ...(max !== undefined && value > max ? [(value - max) / Math.abs(max)] : []),
    ...(min !== undefined && value < min ? [(min - value) / Math.abs(min)] : []),
  ];
  return Math.min(100, 100 * Math.max(0, ...distances));
}

function failureMessage(check: CheckSpec, state: CheckState): string {
  const value = state.value === undefined ? 'failed before its data went missing' : `is ${state.value}`;
  return `Check ${check.name} ${value}, ${boundsOf(check)}: failed ${state.failures} in a row, tolerated ${check.consecutiveFailureLimit}.`;
}

function boundsOf(check: CheckSpec): string {
  const bounds = [
    check.min === undefined ? '' : `at least ${check.min}`,
    check.max === undefined ? '' : `at most ${check.max}`,
  ].filter((bound) => bound !== '');
  return bounds.length === 0 ? 'without bounds' : `allowed ${bounds.join(' and ')}`;
}

function describe(evidence: Evidence, limit: number): string {
  const { canary, stable } = evidence;
  return `Canary ${countsText(canary, 'bad ')}, allowed ${percentText(limit)}; stable ${countsText(stable, '')}.`;
}

function countsText(counts: Counts, word: string): string {
  if (counts.requests === 0) return 'without requests';
  return `${counts.errors}/${counts.requests} ${word}(${((counts.errors / counts.requests) * 100).toFixed(2)}%)`;
}

/** percentText writes a limit as the user did: 0.05 is `5%`, 0.0025 is `0.25%`. */
function percentText(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(12))}%`;
}
