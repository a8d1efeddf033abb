/** How the next status is made from the present one: transitions, conditions and the numbers people read. */
import { formatTime, parseTime } from '../clock.ts';
import type { AnalysisEvidence } from '../api/rollout-evidence.ts';
import type {
  CopyState,
  HistoryEntry,
  IdleState,
  PauseState,
  RolloutProgress,
  RolloutStatus,
  RolloutTarget,
} from '../api/rollout-status.ts';
import type { Verdict } from '../analysis/verdict.ts';
import { isSame } from '../api/merge-patch.ts';
import { nextConditions } from './conditions.ts';
import type { Observation } from './observation.ts';
import { isOpenedEarly } from './opening.ts';
import { withUnproven } from './promoted.ts';
import { withMostReady } from './readiness.ts';
import { liveServiceOf } from './live-service.ts';
import { printStep } from './steps.ts';

/** statusSchema is the newest version of the status that this controller knows. */
export const statusSchema = 2;
const maxHistory = 20;
/** A plan of a few steps is kept whole; of a ramp, each write of which would carry them, the last two. */
const fewSteps = 5;
const maxStepsOfRamp = 2;
const maxFailed = 10;

/** noEvidenceYet is the verdict on a step of which nothing has been counted. */
export const noEvidenceYet: Verdict = {
  kind: 'Inconclusive',
  reason: 'NoEvidenceYet',
  message: 'Nothing has been counted at this step yet.',
};

/** Phase is the summary for people. */
export type Phase = NonNullable<RolloutStatus['phase']>;

/** StatusChange says what the next status differs in; `null` removes a field, a missing one stays. */
export interface StatusChange {
  readonly phase: Phase;
  readonly reason: string;
  readonly message: string;
  readonly weight?: number;
  readonly revision?: string | null;
  readonly promotedRevision?: string | null;
  readonly stableRevision?: string | null;
  readonly stableImages?: string | null;
  readonly workloadRevision?: string | null;
  /** copy stays until the rollout is at rest. */
  readonly copy?: CopyState | null;
  /** liveService and idle are for Swap (swap.ts). */
  readonly liveService?: string | null;
  readonly idle?: IdleState | null;
  readonly failedRevision?: string;
  /** forgiven is a failed revision that a retry lets run again. */
  readonly forgiven?: string;
  readonly progress?: RolloutProgress | null;
  readonly target?: RolloutTarget | null;
  /** analysis: Forget drops the evidence; NewStep stores it, as does a change without it, and begins a step unproven. */
  readonly analysis?: 'Forget' | 'NewStep';
  /** command: true marks the observed command as handled. */
  readonly command?: boolean;
  /** heard is what history says of a command that changes neither phase nor weight. */
  readonly heard?: { readonly reason: string; readonly message: string };
  readonly pause?: PauseState | null;
  readonly waitingSince?: string | null;
  /** opensAt is when what forbids raising now ends by itself. */
  readonly opensAt?: string | undefined;
}

/** isHolding tells whether the canary has been promoted and keeps everything. */
export function isHolding(status: RolloutStatus): boolean {
  return status.progress === undefined && status.target !== undefined && (status.weight ?? 0) > 0;
}

/** isAtRest tells whether the canary has nothing and nothing is going on. */
export function isAtRest(status: RolloutStatus): boolean {
  return status.progress === undefined && !isHolding(status);
}

/** nextStatus returns the status after `change`, with history, conditions and printed columns. */
export function nextStatus(observation: Observation, change: StatusChange): RolloutStatus {
  const before = observation.rollout.status ?? {};
  const wanted = change.progress === undefined ? before.progress : (change.progress ?? undefined);
  const progress = wanted === undefined ? undefined : withMostReady(wanted, observation);
  const status = compact<RolloutStatus>({
    ...before,
    schema: schemaOf(observation),
    observedGeneration: observation.rollout.metadata.generation ?? before.observedGeneration,
    phase: change.phase,
    reason: change.reason,
    message: change.message,
    weight: change.weight ?? before.weight ?? 0,
    revision: kept(change.revision, before.revision),
    promotedRevision: kept(rejected(before, change), before.promotedRevision),
    stableRevision: kept(change.stableRevision, before.stableRevision),
    stableImages: kept(change.stableImages, before.stableImages),
    workloadRevision: kept(change.workloadRevision, before.workloadRevision),
    copy: kept(change.copy, before.copy),
    liveService: kept(change.liveService, liveServiceOf(observation)),
    idle: kept(change.idle, before.idle),
    failedRevisions: rememberFailed(before.failedRevisions, change),
    progress,
    target: kept(change.target, before.target),
    pause: kept(change.pause, before.pause),
    opensAt: change.opensAt,
    openedAt: openedAt(observation, change),
    retries: retries(before, change),
    ...placeOf(progress, { observation, waitingSince: kept(change.waitingSince, before.waitingSince) }),
    handledCommand: change.command === true ? observation.command?.nonce : before.handledCommand,
    ...judged(observation, change),
  });
  const current = withUnproven(rested(status), observation);
  const complete = { ...current, ...withHistory(observation, current, change.heard) };
  const seen = isUnproven(observation, change) ? { ...observation, verdict: noEvidenceYet } : observation;
  return { ...complete, conditions: nextConditions(seen, complete) };
}

/** openedAt is kept until the next raise, or until raising is forbidden again: what was counted before it does not count for that. */
function openedAt(observation: Observation, change: StatusChange): string | undefined {
  if (observation.calendar.kind === 'Closed') return undefined;
  if (isOpenedEarly(observation)) return formatTime(observation.nowMs);
  return change.analysis === undefined ? observation.rollout.status?.openedAt : undefined;
}

/** retries counts for one revision. */
function retries({ revision, retries: before }: RolloutStatus, change: StatusChange): number | undefined {
  if (change.forgiven !== undefined) return (before ?? 0) + 1;
  return change.revision === undefined || change.revision === revision ? before : undefined;
}

/** rested forgets a copy at rest: the next rollout copies anew. */
function rested(status: RolloutStatus): RolloutStatus {
  const { copy: _copy, ...rest } = status;
  return isAtRest(status) ? rest : status;
}

/**
 * schemaOf is the version that what the status says needs: who knows no roles would take the live service for a canary that
 * may be sent from 100 % to the first step. So an older controller may go on with all others.
 */
function schemaOf({ rollout }: Observation): number {
  const before = rollout.status?.schema ?? 1;
  if (before > statusSchema) return before;
  return rollout.spec.promotion.mode === 'Swap' ? 2 : 1;
}

/** placeOf: who is on the way is at a step, and has had the endpoints that a start waits for. */
function placeOf(
  progress: RolloutProgress | undefined,
  { observation, waitingSince }: { readonly observation: Observation; readonly waitingSince: string | undefined },
): Loose<RolloutStatus> {
  if (progress === undefined) return { waitingSince, step: undefined };
  return { waitingSince: undefined, step: printStep(progress.index, observation.steps) };
}

/** judged keeps the last evidence at rest too, so that an hour later the status still says why. */
function judged(observation: Observation, change: StatusChange): Loose<RolloutStatus> {
  if (change.analysis !== undefined) {
    const verdict = isUnproven(observation, change) ? noEvidenceYet.kind : undefined;
    // The write is made anyway: with the evidence in it a quick ramp needs no other.
    const analysis = change.analysis === 'NewStep' ? (observation.evidence ?? stored(observation)) : undefined;
    return { analysis, observed: undefined, verdict };
  }
  const { evidence } = observation;
  if (evidence === undefined) return {};
  const observed = isOfStep(evidence, observation.rollout.status?.progress) ? observedShare(evidence.step) : undefined;
  return { analysis: evidence, observed, verdict: observation.verdict.kind };
}

function stored({ rollout }: Observation): AnalysisEvidence | undefined {
  return rollout.status?.analysis;
}

/** The share at another weight says nothing about the present one; at rest the last one stays. */
function isOfStep({ step }: AnalysisEvidence, progress: RolloutProgress | undefined): boolean {
  if (progress === undefined) return true;
  return (parseTime(step.since) ?? 0) >= (parseTime(progress.appliedAt) ?? Infinity);
}

/** A step begins unproven; without saying so in the write that begins it, its first look at the samples would cost another. */
function isUnproven({ rollout }: Observation, change: StatusChange): boolean {
  return (
    change.analysis !== undefined && (change.progress ?? null) !== null && rollout.spec.analysis.mode !== 'Disabled'
  );
}

function kept<T>(change: T | null | undefined, before: T | undefined): T | undefined {
  return change === undefined ? before : (change ?? undefined);
}

/** isTransition tells whether people should hear of the change from `before` to `after`. */
export function isTransition(before: RolloutStatus, after: RolloutStatus): boolean {
  return before.phase !== after.phase || before.reason !== after.reason || (before.weight ?? 0) !== (after.weight ?? 0);
}

function withHistory(
  observation: Observation,
  after: RolloutStatus,
  heard: StatusChange['heard'],
): { readonly history?: readonly HistoryEntry[] } {
  const before = observation.rollout.status ?? {};
  if (!isTransition(before, after) && heard === undefined) return {};
  const isCommand = after.handledCommand !== before.handledCommand;
  const entry = compact<HistoryEntry>({
    time: formatTime(observation.nowMs),
    from: before.phase ?? '',
    to: after.phase ?? '',
    weight: after.weight ?? 0,
    revision: after.revision,
    ...(heard ?? saidBy(after)),
    who: isCommand ? (observation.command?.who ?? 'unknown') : undefined,
  });
  return { history: withoutOldSteps([...(before.history ?? []), entry], observation).slice(-maxHistory) };
}

/** A ramp of a hundred steps would fill the history with sentences that say what the weights say. */
function saidBy({ reason = '', message }: RolloutStatus): Loose<HistoryEntry> {
  return { reason, message: reason === 'StepStarted' ? undefined : message };
}

/**
 * withoutOldSteps keeps the last of the steps that a history ends with: a ramp of a hundred would push out what happened
 * before it, and every write would carry twenty of them.
 */
function withoutOldSteps(history: readonly HistoryEntry[], { steps }: Observation): readonly HistoryEntry[] {
  const maxSteps = steps.length > fewSteps ? maxStepsOfRamp : fewSteps;
  const lastOther = history.findLastIndex(({ reason }) => reason !== 'StepStarted');
  const surplus = history.length - 1 - lastOther - maxSteps;
  return surplus > 0 ? history.toSpliced(lastOther + 1, surplus) : history;
}

/** rejected forgets a promotion when the same revision is rolled back after all, from a Hold; else a retry could not start it. */
function rejected(before: RolloutStatus, change: StatusChange): string | null | undefined {
  const isRejected = change.failedRevision !== undefined && change.failedRevision === before.promotedRevision;
  return isRejected ? null : change.promotedRevision;
}

function rememberFailed(failed: readonly string[] | undefined, change: StatusChange): readonly string[] | undefined {
  if (change.failedRevision !== undefined) {
    return [...(failed ?? []).filter((other) => other !== change.failedRevision), change.failedRevision].slice(
      -maxFailed,
    );
  }
  return change.forgiven === undefined ? failed : failed?.filter((other) => other !== change.forgiven);
}

function observedShare({ canary, stable }: { canary: number; stable: number }): string | undefined {
  const total = canary + stable;
  return total === 0 ? undefined : `${((100 * canary) / total).toFixed(1)}%`;
}

/** Loose is T with undefined allowed where a field may be missing. */
type Loose<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** compact drops the fields that are undefined: in JSON a missing field and an undefined one are the same. */
export function compact<T extends object>(value: Loose<T>): T {
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as T;
}

/** volatileFields are the fields that change with every sample; they ride on other writes. */
const volatileFields: readonly (keyof RolloutStatus)[] = ['analysis', 'observed', 'message', 'conditions', 'verdict'];
/** Four blocks of a scrape each: what a thousand rollouts in long steps cost the API server is mostly this. */
const evidenceWriteIntervalMs = 60_000;

/**
 * isWorthWriting tells whether `after` has to be stored now: at once for anything durable, every 60 s for evidence,
 * because samples can be read again from the watermark on.
 */
export function isWorthWriting(before: RolloutStatus, after: RolloutStatus): boolean {
  if (!isSame(durable(before), durable(after)) || conditionText(before) !== conditionText(after)) return true;
  if (before.verdict !== after.verdict) return true;
  if (after.progress === undefined && after.unprovenSince === undefined) return before.message !== after.message;
  return after.analysis !== undefined && isEvidenceDue(before.analysis, after.analysis);
}

function isEvidenceDue(before: AnalysisEvidence | undefined, after: AnalysisEvidence): boolean {
  if ((before?.noData === undefined) !== (after.noData === undefined)) return true;
  const countedMs = (parseTime(after.watermark) ?? 0) - (parseTime(before?.watermark ?? after.since) ?? 0);
  return countedMs >= evidenceWriteIntervalMs;
}

function durable(status: RolloutStatus): object {
  return Object.fromEntries(
    Object.entries(status).filter(([field]) => !volatileFields.includes(field as keyof RolloutStatus)),
  );
}

function conditionText(status: RolloutStatus): string {
  return (status.conditions ?? [])
    .map(
      ({ type, status, reason }) =>
        `${type}=${status}/${type === 'AnalysisPassing' && status === 'Unknown' ? '' : reason}`,
    )
    .join(' ');
}
