/** When a step ends and what it waits for: the rules alone, for a real rollout and for one that is only replayed. */
import type { Evidence, Stage } from '../analysis/evidence.ts';
import type { Verdict } from '../analysis/verdict.ts';
import { parseDuration } from '../api/duration.ts';
import type { RolloutSpec } from '../api/rollout.ts';
import type { RolloutProgress } from '../api/rollout-status.ts';
import { formatTime, parseTime } from '../clock.ts';
import { noEvidenceYet } from './status.ts';
import type { PlannedStep } from './steps.ts';

/** assumedEffectMs after it was seen in the IngressRoute a weight is taken to be in effect (Traefik's throttle is 2 s). */
export const assumedEffectMs = 5_000;

/** Standing is what of an Observation the rules look at. */
export interface Standing {
  readonly nowMs: number;
  readonly rollout: { readonly spec: Pick<RolloutSpec, 'analysis'> };
  readonly steps: readonly PlannedStep[];
  readonly verdict: Verdict;
}

/** StepPlace is where among its steps a rollout is, and since when. */
export type StepPlace = Pick<
  RolloutProgress,
  'index' | 'weight' | 'enteredAt' | 'appliedAt' | 'effectiveAt' | 'promoted' | 'full'
>;

/** StepMove says whether a step goes on: until a person ends it, until it is looked at again (`endMs` is its planned end), or no more. */
export type StepMove =
  | { readonly kind: 'Pause' }
  | { readonly kind: 'Watch'; readonly endMs: number; readonly lookAgainMs: number }
  | { readonly kind: 'Leave'; readonly endMs: number };

/** moveAt applies the times of a step: before minStep it stays, before its planned end it may be left with a proof, then it is over. */
export function moveAt(standing: Standing, place: StepPlace): StepMove {
  const endMs = stepEndMs(place, standing.steps[place.index]);
  if (endMs === undefined) return { kind: 'Pause' };
  const earlyMs = earlyEndMs(standing, place, endMs);
  if (standing.nowMs < earlyMs) return { kind: 'Watch', endMs, lookAgainMs: earlyMs };
  if (standing.nowMs < endMs && standing.verdict.kind !== 'Pass') return { kind: 'Watch', endMs, lookAgainMs: endMs };
  return { kind: 'Leave', endMs };
}

/** stepEndMs is when the time of a step is over; undefined means never by itself. */
function stepEndMs(place: StepPlace, step: PlannedStep | undefined): number | undefined {
  if (place.promoted === true) return 0;
  // Edited steps may all have greater weights: there is no time to wait for.
  if (step === undefined) return parseTime(place.enteredAt) ?? 0;
  // Whoever goes all the way still sees for a while what only shows at 100 %.
  if (place.full === true && (place.weight < 100 || step.kind === 'Pause')) return 0;
  if (step.durationMs === undefined) return undefined;
  const startMs = step.kind === 'Weight' ? effectMs(place) : (parseTime(place.enteredAt) ?? 0);
  return startMs + step.durationMs;
}

/** effectMs is since when the weight of a step is in effect: as it was found out, else as it is assumed. */
export function effectMs({ appliedAt, effectiveAt }: Pick<RolloutProgress, 'appliedAt' | 'effectiveAt'>): number {
  return parseTime(effectiveAt) ?? (parseTime(appliedAt) ?? 0) + assumedEffectMs;
}

/** earlyEndMs is when a step may end whose canary is proven safe. Pauses are for people, and 100 % for what only shows there. */
function earlyEndMs({ rollout, steps }: Standing, place: StepPlace, endMs: number): number {
  const { mode, pace, minStep } = rollout.spec.analysis;
  const isPaced = mode === 'Enforce' && pace === 'Evidence' && place.weight < 100;
  if (!isPaced || steps[place.index]?.kind !== 'Weight') return endMs;
  return Math.min(endMs, effectMs(place) + parseDuration(minStep));
}

/** findUnproven returns the verdict where it holds a step that is over: without data nothing is ever raised; a person may end a wait for more requests. */
export function findUnproven(standing: Standing, place: StepPlace, endMs: number): Verdict | undefined {
  const { rollout, verdict } = standing;
  if (rollout.spec.analysis.mode !== 'Enforce' || place.weight === 0 || verdict.kind === 'Pass') return undefined;
  if (place.full === true) return undefined;
  if (verdict.kind !== 'Inconclusive') return verdict;
  return isLetThrough(standing, place, endMs) ? undefined : verdict;
}

/**
 * isLetThrough: an unproven canary may go on after the planned time of a step in which it was judged, but not to 100 %,
 * where nothing is left to compare with, nor from there to success.
 */
function isLetThrough(standing: Standing, place: StepPlace, endMs: number): boolean {
  const { rollout, steps, verdict, nowMs } = standing;
  if (place.promoted === true) return true;
  const isTooLong = nowMs >= tooLongMs(standing, endMs);
  if (rollout.spec.analysis.onInconclusive === 'Promote' && isTooLong) return true;
  const next = steps[place.index + 1];
  const needsProof = next === undefined || (next.kind === 'Weight' && next.weight === 100);
  return verdict.mayRaise === true && !needsProof;
}

/** tooLongMs is until when a step that is over waits for its proof. */
function tooLongMs({ rollout }: Standing, endMs: number): number {
  return endMs + parseDuration(rollout.spec.analysis.inconclusiveAfter);
}

/** unprovenUntilMs is how long a step that findUnproven holds waits before it ends as onInconclusive says; undefined where a person is waited for. */
export function unprovenUntilMs(standing: Standing, endMs: number): number | undefined {
  const { rollout, verdict } = standing;
  const isLimited = verdict.kind === 'Inconclusive' && rollout.spec.analysis.onInconclusive !== 'Hold';
  return isLimited ? tooLongMs(standing, endMs) : undefined;
}

/** rollbackDueMs is when a step is rolled back because it is still not proven safe; undefined where it is not. */
export function rollbackDueMs(standing: Standing, place: StepPlace): number | undefined {
  if (standing.rollout.spec.analysis.onInconclusive !== 'Rollback') return undefined;
  const endMs = stepEndMs(place, standing.steps[place.index]);
  if (endMs === undefined || findUnproven(standing, place, endMs) === undefined) return undefined;
  return unprovenUntilMs(standing, endMs);
}

/** verdictAtStep: what was counted at another weight may show that the canary is bad, but not that it stands this one. */
export function verdictAtStep(verdict: Verdict, { step }: Pick<Evidence, 'step'>, { sinceMs }: Stage): Verdict {
  const isOfStep = sinceMs !== undefined && step.since === formatTime(sinceMs);
  return isOfStep || verdict.kind === 'Fail' || verdict.kind === 'NoData' ? verdict : noEvidenceYet;
}
