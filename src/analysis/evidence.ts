/** What the verdict rests on, as plain data that lives in the status of a Rollout and continues exactly after a restart. */
import { formatTime, parseTime } from '../clock.ts';
import { sumBlocks } from './block.ts';
import { nextCheckState, type CheckResult, type CheckState, findState } from './check.ts';
import type { SampleOutcome } from './metric-source.ts';
import { addArms, noCounts, type Counts } from './sample.ts';

/** NoDataState says since when samples are missing, and why the last attempt got none. */
export interface NoDataState {
  readonly reason: string;
  readonly message: string;
  /** since is the RFC 3339 time of the first attempt in a row without samples. */
  readonly since: string;
}

/** Evidence is the content of `status.analysis`; all times are RFC 3339. */
export interface Evidence {
  /** since is where counting started. */
  readonly since: string;
  /** watermark is the end of the samples that are counted; the next query starts here. */
  readonly watermark: string;
  readonly stable: Counts;
  readonly canary: Counts;
  readonly checks?: readonly CheckState[];
  readonly noData?: NoDataState;
}

/** startEvidence returns evidence that counts from `nowMs` on. */
export function startEvidence(nowMs: number): Evidence {
  const now = formatTime(nowMs);
  return { since: now, watermark: now, stable: noCounts, canary: noCounts };
}

/**
 * addSamples adds the answer to a query that started at the watermark. An answer that ends at or before the watermark
 * is counted already (it came twice), so its counts are not added again.
 */
export function addSamples(evidence: Evidence, outcome: SampleOutcome, nowMs: number): Evidence {
  if (outcome.kind === 'NoData') {
    return moveWatermark({ ...evidence, noData: noDataState(evidence.noData, outcome, nowMs) }, outcome.untilMs);
  }
  const { noData: _ended, ...rest } = evidence;
  if (outcome.untilMs <= watermarkMs(evidence)) return rest;
  return moveWatermark({ ...rest, ...addArms(rest, sumBlocks(outcome.blocks)) }, outcome.untilMs);
}

/** addCheck adds a result of the check `name` that was evaluated at `nowMs`. */
export function addCheck(evidence: Evidence, name: string, result: CheckResult, nowMs: number): Evidence {
  const states = evidence.checks ?? [];
  const next = nextCheckState(name, findState(states, name), result, nowMs);
  const isNew = findState(states, name) === undefined;
  return {
    ...evidence,
    checks: isNew ? [...states, next] : states.map((state) => (state.name === name ? next : state)),
  };
}

/** watermarkMs returns the watermark in milliseconds since the epoch. */
export function watermarkMs(evidence: Evidence): number {
  return parseTime(evidence.watermark) ?? 0;
}

function noDataState(
  previous: NoDataState | undefined,
  outcome: { readonly reason: string; readonly message: string },
  nowMs: number,
): NoDataState {
  return { reason: outcome.reason, message: outcome.message, since: previous?.since ?? formatTime(nowMs) };
}

function moveWatermark(evidence: Evidence, untilMs: number | undefined): Evidence {
  if (untilMs === undefined || untilMs <= watermarkMs(evidence)) return evidence;
  return { ...evidence, watermark: formatTime(untilMs) };
}
