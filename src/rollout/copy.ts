/**
 * Copy: when the canary has everything, the pod template that was judged replaces that of the stable workload, which rolls
 * out while it has no traffic; then traffic returns as from a Hold. That it will be written is stored first, with what the
 * template was. The write is made once: the same template again is no difference, so that after a crash the workload itself
 * tells that it was made.
 */
import { parseDuration } from '../api/duration.ts';
import type { Rollout } from '../api/rollout.ts';
import type { RolloutStatus } from '../api/rollout-status.ts';
import { formatTime, parseTime } from '../clock.ts';
import { isAsked, statusOf, touched, unchanged, wait, whoAsked, type Question, type Touched } from './answer.ts';
import { braked, findBrake, ignored, untilOpen, type Brake } from './brake.ts';
import type { Decision } from './decision.ts';
import { findHindrance, isStableNew, startReturn, tooFewToReturn } from './hold.ts';
import type { CopyObservation, CopyRead, Observation, PodTemplate } from './observation.ts';
import { isHolding, nextStatus, type StatusChange } from './status.ts';
import { hashTemplate, isCopied } from './template.ts';
import { unprovenChange } from './unproven.ts';

/** Rights may be granted, and a refusal mended, without an event that would tell. */
const refusedRetryMs = 30_000;
/** What could not be read for now tells nothing of the rollout of stable either. */
const unreadRetryMs = 5_000;

/** isCopyDue tells whether a Rollout holds for a Copy, so that the workloads have to be read. */
export function isCopyDue({ spec, status = {} }: Rollout): boolean {
  return spec.promotion.mode === 'Copy' && isHolding(status);
}

/** isStuck tells whether a copy waits for a person: only then it is tried again on command. */
export function isStuck({ reason, progress }: RolloutStatus): boolean {
  return progress === undefined && (reason === 'CopyFailed' || reason === 'StableChanged');
}

/** copying takes a promoted revision to the stable workload, and traffic back to it. */
export const copying: Question = (observation) => {
  const found = touched(observation);
  const { copy: seen, rollout } = observation;
  if (found === undefined || seen === undefined || !isCopyDue(rollout)) return undefined;
  if (isAsked(observation, 'retry') && isStuck(found.status)) return tryAgain(observation);
  const isPromote = isAsked(observation, 'promote') || isAsked(observation, 'promote-full');
  return isPromote ? promoted(observation, found, seen) : proceed(observation, found, seen);
};

function proceed(observation: Observation, found: Touched, seen: CopyObservation): Decision {
  if (seen.kind === 'Refused') return failed(observation, seen.message, { requeueAfterMs: refusedRetryMs });
  if (seen.kind === 'Unread') return unread(observation, seen.message);
  if (found.status.copy?.template !== undefined) return rollingOut(observation, found, seen);
  return isCopied(observation) ? noted(observation, seen.template) : replace(observation, found, seen);
}

/** promoted sends traffic back to stable as it is, where nothing better can be waited for: a person has looked. */
function promoted(observation: Observation, found: Touched, seen: CopyObservation): Decision {
  const isStopped = isStuck(found.status) || seen.kind === 'Refused';
  if (seen.kind === 'Unread' && !isStopped)
    return ignored(observation, `The command ${observation.command?.verb} is not executed: ${seen.message}`);
  const isManaged = seen.kind === 'Read' && seen.applier !== undefined;
  if (isStopped || isManaged || isCopied(observation)) return startReturn(observation, found, true);
  const text = `The command ${observation.command?.verb} is not executed: revision ${promotedOf(observation)} has not been copied to ${stableOf(observation)} yet. Traffic returns by itself when it runs there; abort takes it back at once.`;
  return ignored(observation, text);
}

function tryAgain(observation: Observation): Decision {
  const message = `${whoAsked(observation)} has revision ${promotedOf(observation)} copied to ${stableOf(observation)} again.`;
  // It may have got it: what it is now, and was before, is looked at again.
  const isWritten = statusOf(observation).copy?.template !== undefined;
  const copy = isWritten ? { copy: { since: formatTime(observation.nowMs) } } : {};
  return wait(observation, { phase: 'Promoting', reason: 'Copying', message, ...copy, command: true });
}

/** unread says so and nothing else: what was waited for has neither come nor failed. */
function unread(observation: Observation, why: string): Decision {
  const change = { ...unchanged(observation), message: `The canary keeps everything: ${why}` };
  return wait(observation, change, { requeueAfterMs: unreadRetryMs });
}

function replace(observation: Observation, found: Touched, seen: CopyRead): Decision {
  const brake = findBrake(observation);
  if (seen.applier !== undefined) return managed(observation, found, seen);
  if (seen.judged === undefined) return failed(observation, goneMessage(observation));
  if (brake !== undefined) return held(observation, brake, `the copy to ${seen.workload}`);
  const before = hashTemplate(seen.template);
  if (found.status.copy?.before !== before) return intended(observation, before);
  return {
    kind: 'Copy',
    template: seen.judged,
    status: nextStatus(observation, copiedChange(observation, seen.judged)),
    notices: [],
    requeueAfterMs: refusedRetryMs,
  };
}

/** intended stores that the template will be written: also where the answer is lost, an abort has to know. */
function intended(observation: Observation, before: string): Decision {
  return wait(observation, { ...unchanged(observation), copy: { since: formatTime(observation.nowMs), before } });
}

/** noted stores that the template is there: it was the same before, or a crash took the write of the status. */
function noted(observation: Observation, template: PodTemplate): Decision {
  return wait(observation, copiedChange(observation, template));
}

function copiedChange(observation: Observation, template: PodTemplate): StatusChange {
  const { nowMs } = observation;
  const message = `${stableOf(observation)} has the pod template of revision ${promotedOf(observation)} now; traffic returns when it has rolled out.`;
  const copy = { since: formatTime(nowMs), template: hashTemplate(template) };
  return described(observation, { phase: 'Promoting', reason: 'Copied', message, copy });
}

/** refusedCopy is the status where the API server does not let the template be copied. */
export function refusedCopy(observation: Observation, why: string): RolloutStatus {
  return nextStatus(observation, failedChange(why));
}

/** withTemplate is the status after a copy, with what the pod template became by it. */
export function withTemplate(status: RolloutStatus, template: PodTemplate): RolloutStatus {
  return status.copy?.template === undefined
    ? status
    : { ...status, copy: { ...status.copy, template: hashTemplate(template) } };
}

/** rollingOut waits until stable runs the template everywhere, and then sends traffic back to it. */
function rollingOut(observation: Observation, found: Touched, seen: CopyRead): Decision {
  const { copy } = found.status;
  if (copy !== undefined && hashTemplate(seen.template) !== copy.template) return changed(observation, seen);
  const isSettled = seen.revision?.settled === true;
  const short = isSettled ? tooFewToReturn(observation) : undefined;
  const obstacle = isSettled ? short?.message : (seen.revision?.message ?? `${seen.workload} has no revision yet.`);
  if (obstacle !== undefined) return awaited(observation, seen, obstacle);
  const brake = findBrake(observation);
  return brake === undefined
    ? startReturn(observation, found, false)
    : held(observation, brake, `the return to ${observation.stable.service}`);
}

function awaited(observation: Observation, { workload, trouble }: CopyRead, obstacle: string): Decision {
  const { progressDeadline } = observation.rollout.spec;
  const sinceMs = parseTime(statusOf(observation).copy?.since) ?? observation.nowMs;
  const leftMs = sinceMs + parseDuration(progressDeadline) - observation.nowMs;
  if (trouble !== undefined) return failed(observation, trouble, leftMs > 0 ? { requeueAfterMs: leftMs } : {});
  const text = `${workload} is not ready ${progressDeadline} after it got the pod template of revision ${promotedOf(observation)}. ${obstacle}`;
  if (leftMs <= 0) return failed(observation, text);
  const message = `Revision ${promotedOf(observation)} is copied. ${obstacle}`;
  const change = described(observation, { phase: 'Promoting', reason: 'Copied', message });
  return wait(observation, change, { requeueAfterMs: leftMs });
}

function changed(observation: Observation, { workload, writer = 'somebody' }: CopyRead): Decision {
  const message = `${writer} changed the pod template of ${workload} after revision ${promotedOf(observation)} was copied to it; the canary keeps everything. Give the command retry to copy it again, or promote to return traffic to what is there.`;
  return wait(observation, { phase: 'Degraded', reason: 'StableChanged', message });
}

/** managed is a Hold with a reason: who applies the template would put his own back after traffic has returned. */
function managed(observation: Observation, found: Touched, { workload, applier }: CopyRead): Decision {
  const hindrance = findHindrance(observation);
  if (isStableNew(observation) && hindrance === undefined) return startReturn(observation, found, false);
  const brake = findBrake(observation);
  const options = brake === undefined ? {} : untilOpen(observation, brake);
  if (isUnproven(observation)) return wait(observation, unprovenChange(observation, hindrance?.message), options);
  const next = hindrance?.message ?? 'Update it there; traffic returns when it has rolled out.';
  const message = `Revision ${promotedOf(observation)} was promoted and keeps everything, but is not copied: ${applier} applies the pod template of ${workload} and would put its own back. ${next}`;
  return wait(observation, { phase: 'Succeeded', reason: 'StableIsManaged', message }, options);
}

function isUnproven(observation: Observation): boolean {
  return (observation.canaryRevision?.value ?? promotedOf(observation)) !== promotedOf(observation);
}

function held(observation: Observation, brake: Brake, what: string): Decision {
  const change = braked(brake, what);
  const text = { phase: 'Promoting', ...change, message: `${change.message}.` } as const;
  return wait(observation, described(observation, text), untilOpen(observation, brake));
}

function failed(observation: Observation, why: string, again: { readonly requeueAfterMs?: number } = {}): Decision {
  return wait(observation, failedChange(why), again);
}

function failedChange(why: string): StatusChange {
  const message = `The canary keeps everything: ${why}`;
  return { phase: 'Degraded', reason: 'CopyFailed', message };
}

function goneMessage(observation: Observation): string {
  const { workload } = observation.rollout.spec.canary;
  return `the pod template of revision ${promotedOf(observation)} does not exist any more; ${workload?.kind} ${workload?.name} keeps the last spec.revisionHistoryLimit of them. Update ${stableOf(observation)} yourself, then promote.`;
}

/** described says so where the canary has a revision that nobody has judged: the copy goes on and ends that. */
function described(observation: Observation, change: StatusChange): StatusChange {
  if (!isUnproven(observation)) return change;
  const message = `Revision ${observation.canaryRevision?.value ?? ''} of the canary already serves everybody and nobody has judged it; it is rolled out step by step when traffic is back on stable. ${change.message}`;
  return { ...change, phase: 'Degraded', reason: 'UnprovenRevision', message };
}

function promotedOf(observation: Observation): string {
  return statusOf(observation).promotedRevision ?? '';
}

function stableOf({ rollout }: Observation): string {
  const { workload } = rollout.spec.stable;
  return `${workload?.kind} ${workload?.name}`;
}
