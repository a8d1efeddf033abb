/** Everything that takes the canary out: aborts, guards, verdicts, new revisions. Nothing here ever waits for more than a ready stable endpoint. */
import type { RollbackCause, RolloutTarget } from '../api/rollout-status.ts';
import { formatTime, parseTime } from '../clock.ts';
import {
  isAsked,
  lower,
  percentOf,
  place,
  raise,
  running,
  touched,
  unchanged,
  wait,
  whoAsked,
  type Question,
  type Running,
  type Touched,
} from './answer.ts';
import { ignored } from './brake.ts';
import type { Decision } from './decision.ts';
import type { Observation } from './observation.ts';
import { held } from './route.ts';
import { isAtRest, isHolding, type StatusChange } from './status.ts';
import { indexForWeight, printStep } from './steps.ts';
import { isIdleKnown, revisionAtRest } from './swap.ts';
import { isCopied, mayBeCopied } from './template.ts';

/** rollBack puts the route back in one patch, before anything else, or says what it is waiting for. */
export function rollBack(
  observation: Observation,
  found: Touched,
  cause: RollbackCause,
  options: { readonly command?: boolean } = {},
): Decision {
  const baseline = { kind: 'Baseline' } as const;
  const placement = place(observation, found, baseline);
  const command = options.command === true ? { command: true } : {};
  const pending = { ...pendingChange(observation, found, cause), ...command };
  if (placement.canaryPercent > 0 || isBothEmpty(observation)) return standBy(observation, found, pending);
  const isSettled = !placement.isPlaced || !mayStillBeRaised(observation, found);
  const change = { ...finalChange(observation, found, cause, placement.complete && isSettled), ...command };
  return placement.isPlaced ? wait(observation, change) : lower(observation, baseline, { change, pending });
}

/** kube-apiserver gives up a request after 60 s (--request-timeout); the rest is for clocks and queues. */
const maxRequestMs = 70_000;

/**
 * A first raise that was sent and not seen may yet be made: nothing has changed the route since, so that the API server
 * takes it. As long as that is possible the target is kept, and restorePending takes the canary out again.
 */
function mayStillBeRaised(observation: Observation, { status: { progress }, target }: Touched): boolean {
  const isUnseen = progress?.from === 0 && progress.appliedAt === undefined;
  return isUnseen && isRecentlyRaised(observation, target);
}

function isRecentlyRaised({ nowMs }: Observation, target: RolloutTarget): boolean {
  return nowMs < lateUntilMs(target);
}

function lateUntilMs({ raisedAt }: RolloutTarget): number {
  return (parseTime(raisedAt) ?? 0) + maxRequestMs;
}

/** untilRestored looks at rest again when such a raise can come no more: nothing else would let go of the route then. */
export function untilRestored({ nowMs }: Observation, decision: Decision): Decision {
  if (decision.kind !== 'Wait' || decision.status.target === undefined || !isAtRest(decision.status)) return decision;
  const leftMs = lateUntilMs(decision.status.target) - nowMs;
  if (leftMs <= 0) return decision;
  return { ...decision, requeueAfterMs: Math.min(decision.requeueAfterMs ?? Infinity, leftMs) };
}

/** standBy takes stable's entry out meanwhile: listed without a ready endpoint it makes Traefik drop the whole route. */
function standBy(observation: Observation, found: Touched, pending: StatusChange): Decision {
  const everything = { kind: 'Split', canaryPercent: 100 } as const;
  const placement = place(observation, found, everything);
  return placement.isPlaced ? wait(observation, pending) : raise(observation, everything, { ...pending, weight: 100 });
}

function isBothEmpty(observation: Observation): boolean {
  return observation.stable.readyEndpoints === 0 && observation.canary.readyEndpoints === 0;
}

/** pendingChange is the status while the canary has to keep the traffic, because stable has no ready endpoint. */
function pendingChange(observation: Observation, { status }: Touched, cause: RollbackCause): StatusChange {
  const now = formatTime(observation.nowMs);
  const weight = status.weight ?? 0;
  const base = status.progress ?? { index: -1, weight, from: weight, plan: '', startedAt: now, enteredAt: now };
  const { hold: _hold, ...progress } = { hold: undefined, ...base };
  const common = { progress: { ...progress, direction: 'Back' as const, cause } };
  if (observation.stable.readyEndpoints > 0) {
    return { ...common, phase: 'RollingBack', reason: cause.reason, message: `Rolling back: ${cause.message}` };
  }
  const { stable, canary } = observation;
  const why = isBothEmpty(observation)
    ? `neither Service ${stable.service} nor Service ${canary.service} has a ready endpoint.`
    : `Service ${stable.service} has no ready endpoint, so the canary keeps the traffic.`;
  const message = `Rollback is waiting: ${why} ${cause.message}`;
  return { ...common, phase: 'Degraded', reason: 'StableUnavailable', message };
}

function finalChange(
  observation: Observation,
  { status }: Touched,
  cause: RollbackCause,
  isComplete: boolean,
): StatusChange {
  const rest = { weight: 0, progress: null, message: cause.message, ...(isComplete ? { target: null } : {}) };
  const value = observation.canaryRevision?.value ?? status.revision ?? '';
  switch (cause.outcome) {
    case 'Failed':
      return { ...rest, phase: 'Failed', reason: cause.reason, failedRevision: status.revision ?? value };
    case 'Reverted':
      return { ...rest, phase: 'Succeeded', reason: 'Reverted', revision: revisionAtRest(observation, value) };
    case 'Superseded':
      return { ...rest, phase: 'Pending', reason: cause.reason, revision: value, analysis: 'Forget' };
    default:
      return cause.outcome satisfies never;
  }
}

/** rollbackPending goes on with a rollback that could not be made at once. */
export const rollbackPending: Question = (observation) => {
  const found = running(observation, 'Back');
  const cause = found?.progress.cause;
  return found === undefined || cause === undefined ? undefined : rollBack(observation, found, cause);
};

/** abortAsked rolls back on command, in a rollout as well as in a Hold. */
export const abortAsked: Question = (observation) => {
  const found = touched(observation);
  if (found === undefined || !isAsked(observation, 'abort')) return undefined;
  if (found.status.progress === undefined && !isHolding(found.status)) return undefined;
  if (mayBeCopied(observation)) return ignored(observation, copiedMessage(observation));
  const message = `Revision ${found.status.revision ?? ''} was aborted by ${whoAsked(observation)} at ${found.status.weight ?? 0}%.`;
  return rollBack(observation, found, { reason: 'Aborted', message, outcome: 'Failed' }, { command: true });
};

function copiedMessage(observation: Observation): string {
  const { spec, status } = observation.rollout;
  const { kind, name } = spec.stable.workload ?? {};
  const revision = status?.promotedRevision ?? '';
  if (isCopied(observation))
    return `The command abort is not executed: ${kind} ${name} has the pod template of revision ${revision} already, so that there is nothing to go back to. Release the version before as a new revision.`;
  return `The command abort is not executed: ${kind} ${name} may have the pod template of revision ${revision} already: nobody can tell now whether it was written. Give abort again in a moment.`;
}

/** revisionChanged ends a rollout whose canary is not what it was: the next one starts from the first step. */
export const revisionChanged: Question = (observation) => {
  const found = running(observation, 'Forward');
  const value = observation.canaryRevision?.value;
  if (found === undefined || value === undefined || value === found.status.revision) return undefined;
  if (value === found.status.promotedRevision || isIdleKnown(observation)) {
    const message = `The canary is back at revision ${value}, which was promoted before.`;
    return rollBack(observation, found, { reason: 'Reverted', message, outcome: 'Reverted' });
  }
  const message = `Revision ${value} replaces ${found.status.revision ?? ''} at ${found.status.weight ?? 0}%; the canary starts anew.`;
  return rollBack(observation, found, { reason: 'NewRevision', message, outcome: 'Superseded' });
};

/** canaryLost is the guard on the canary's side: an entry without ready endpoints makes Traefik drop the whole route. */
export const canaryLost: Question = (observation) => {
  const found = touched(observation);
  if (found === undefined || observation.canary.readyEndpoints > 0) return undefined;
  const isOut = (found.status.weight ?? 0) === 0 || found.status.progress?.direction === 'Back';
  return isOut ? undefined : rollBack(observation, found, lossOf(observation, found));
};

function lossOf(observation: Observation, { status, route }: Touched): RollbackCause {
  const { service } = observation.canary;
  const { progress, weight = 0 } = status;
  if (progress?.direction === 'Return' || mayBeCopied(observation)) {
    const message = `Service ${service} has no ready endpoint any more; all traffic goes to ${observation.stable.service}.`;
    return { reason: 'Reverted', message, outcome: 'Reverted' };
  }
  const hadTraffic =
    progress === undefined || progress.from > 0 || progress.appliedAt !== undefined || route.split.canaryPercent > 0;
  if (!hadTraffic) {
    const message = `Service ${service} lost its last ready endpoint before it got traffic.`;
    return { reason: 'CanaryNotReady', message, outcome: 'Superseded' };
  }
  const message = `Service ${service} lost its last ready endpoint at ${weight}%; traffic goes back to ${observation.stable.service}.`;
  return { reason: 'CanaryLost', message, outcome: 'Failed' };
}

/** analysisFailed rolls back on a Fail, also while paused; or it stops and waits for a person, where the spec says so. */
export const analysisFailed: Question = (observation) => {
  const found = running(observation, 'Forward');
  const { verdict, rollout } = observation;
  if (found === undefined || verdict.kind !== 'Fail' || rollout.spec.analysis.mode !== 'Enforce') return undefined;
  if (rollout.spec.onFailure === 'Pause') return stopAtFailure(observation, found);
  const message = `${verdict.message} Rolled back at ${found.status.weight ?? 0}% (step ${found.status.step ?? ''}).`;
  return rollBack(observation, found, { reason: verdict.reason, message, outcome: 'Failed' });
};

/** stopAtFailure holds the canary where it is. A second failure says nothing new, and a person may come between. */
function stopAtFailure(observation: Observation, found: Running): Decision | undefined {
  const { progress, status } = found;
  // A canary that is gone is taken out whatever the spec says (canaryLost).
  if (progress.hold?.reason === 'AnalysisFailed' || observation.canary.readyEndpoints === 0) return undefined;
  if (progress.appliedAt === undefined) return stopBeforeRaise(observation, found);
  const why = { reason: 'AnalysisFailed', message: stopMessage(observation, progress.weight, status.step) } as const;
  const hold = { ...why, since: formatTime(observation.nowMs) };
  const { full: _full, promoted: _promoted, ...rest } = progress;
  return wait(observation, { phase: 'Paused', ...why, progress: { ...rest, hold } });
}

/** stopBeforeRaise holds the canary where it was: a raise that was decided and not made is not made any more. */
function stopBeforeRaise(observation: Observation, found: Running): Decision {
  const percent = percentOf(found.route);
  // More than before is only what stable cannot serve.
  const weight = Math.min(percent, found.progress.from);
  const step = printStep(indexForWeight(observation.steps, weight), observation.steps);
  const why = { reason: 'AnalysisFailed', message: stopMessage(observation, weight, step), weight } as const;
  return wait(observation, { ...held(observation, found, why), weight: percent });
}

function stopMessage({ verdict }: Observation, weight: number, step = ''): string {
  return `${verdict.message} The canary stays at ${weight}% (step ${step}) until promote or abort, as spec.onFailure says.`;
}

/** restorePending finishes putting the route back as it was, once an entry that was withheld has ready endpoints again. */
export const restorePending: Question = (observation) => {
  const found = touched(observation);
  if (found === undefined || found.status.progress !== undefined || (found.status.weight ?? 0) > 0) return undefined;
  const placement = place(observation, found, { kind: 'Baseline' });
  if (!placement.complete || (placement.isPlaced && isRecentlyRaised(observation, found.target))) return undefined;
  const change = { ...unchanged(observation), target: null };
  return placement.isPlaced
    ? wait(observation, change)
    : lower(observation, { kind: 'Baseline' }, { change, pending: unchanged(observation) });
};
