/** Hold: the promoted canary keeps everything until stable runs a new revision; then traffic returns in the same steps. */
import type { RolloutProgress } from '../api/rollout-status.ts';
import { formatTime } from '../clock.ts';
import { braked, findBrake, ignored, untilOpen } from './brake.ts';
import {
  isAsked,
  lower,
  percentOf,
  running,
  statusOf,
  targetFor,
  touched,
  unchanged,
  wait,
  whoAsked,
  type Question,
  type Running,
  type Touched,
} from './answer.ts';
import type { Decision } from './decision.ts';
import type { Observation, Problem } from './observation.ts';
import { tooFewForShare } from './readiness.ts';
import { goalOf, isStableRenewed, renewal, stableNow } from './renewal.ts';
import { revertedInHold } from './stable-reverted.ts';
import { isHolding, type StatusChange } from './status.ts';
import { effectMs } from './step-rules.ts';
import { isSwap, swapRoles } from './swap.ts';
import { describePlan, indexForWeight, nextReturn, returnSteps } from './steps.ts';
import { unprovenChange } from './unproven.ts';

/** holding keeps the canary at 100 % and says what ends it. */
export const holding: Question = (observation) => {
  const found = touched(observation);
  if (found === undefined || !isHolding(found.status)) return undefined;
  // What was promoted under Hold is the live one from here on.
  if (isSwap(observation)) return swapRoles(observation, found);
  const isPromote = isAsked(observation, 'promote') || isAsked(observation, 'promote-full');
  const hindrance = findHindrance(observation);
  const isReturning = isStableNew(observation) && hindrance === undefined;
  if (isPromote || isReturning) return startReturn(observation, found, isPromote);
  const brake = findBrake(observation);
  const options = brake === undefined ? {} : untilOpen(observation, brake);
  return wait(observation, { ...holdChange(observation, hindrance), ...firstStable(observation) }, options);
};

function holdChange(observation: Observation, hindrance: Hindrance | undefined): StatusChange {
  const { canaryRevision } = observation;
  const { promotedRevision = '' } = statusOf(observation);
  if (canaryRevision !== undefined && canaryRevision.value !== promotedRevision)
    return unprovenChange(observation, hindrance?.message);
  if (hindrance === undefined) return revertedInHold(observation) ?? heldChange(observation);
  const message = `Revision ${promotedRevision} was promoted and keeps everything. ${hindrance.message}`;
  return { ...hindrance, phase: 'Succeeded', message };
}

/** Hindrance is what keeps traffic from returning to a stable that is new; `message` is a sentence. */
type Hindrance = Pick<StatusChange, 'reason' | 'message' | 'opensAt'>;

/** findHindrance returns what a person or stable's pods put in the way of a return; undefined where stable is not new. */
export function findHindrance(observation: Observation): Hindrance | undefined {
  if (!hasNewStable(observation)) return undefined;
  const brake = findBrake(observation);
  if (brake === undefined) return tooFewToReturn(observation);
  const change = braked(brake, `the return to ${observation.stable.service}`);
  return { ...change, message: `${change.message}.` };
}

/** firstStable: a stable workload that is named only now has not changed. It is what a change will be told by. */
function firstStable(observation: Observation): Pick<StatusChange, 'stableRevision' | 'stableImages'> {
  const isFirst = statusOf(observation).stableRevision === undefined && observation.stableRevision !== undefined;
  if (!isFirst) return {};
  const isPromoted = observation.canaryRevision?.value === statusOf(observation).promotedRevision;
  return stableNow(isPromoted ? observation : { ...observation, imagesDiffer: undefined });
}

/** isStableNew tells whether stable has fully rolled out what it had not when the rollout began, and nothing holds the return. */
export function isStableNew(observation: Observation): boolean {
  return hasNewStable(observation) && findBrake(observation) === undefined;
}

function hasNewStable(observation: Observation): boolean {
  return observation.stableRevision?.settled === true && isStableRenewed(observation);
}

function heldChange(observation: Observation): StatusChange {
  const { reason, message, promotedRevision: revision = '' } = statusOf(observation);
  const text = `Revision ${revision} was promoted and keeps everything. Update ${observation.stable.service} next.`;
  return {
    phase: 'Succeeded',
    reason: 'Holding',
    message: reason === 'Holding' && message !== undefined ? message : text,
  };
}

/** startReturn makes the first step back to stable, or says what stable lacks for it; `isPromote` is on the word of a person. */
export function startReturn(observation: Observation, found: Touched, isPromote: boolean): Decision {
  const command = isPromote ? { command: true } : {};
  const progress = beginReturn(observation);
  if (isAsked(observation, 'promote-full') && observation.stable.readyEndpoints > 0)
    return returnInFull(observation, { ...found, progress });
  const short = tooFewToReturn(observation);
  if (short === undefined) return returnTo(observation, { ...found, progress }, command);
  const notices = [{ type: 'Warning', ...short }] as const;
  return wait(observation, { ...unchanged(observation), ...command }, { notices });
}

/** tooFewToReturn says that stable has not the endpoints that it needs before it gets traffic. */
export function tooFewToReturn(observation: Observation): Problem | undefined {
  const short = tooFewForShare(observation, beginReturn(observation));
  if (short === undefined) return undefined;
  const reason = observation.stable.readyEndpoints === 0 ? 'StableUnavailable' : short.reason;
  return { reason, message: `Traffic cannot return: ${short.message}` };
}

function beginReturn(observation: Observation): RolloutProgress {
  const { nowMs, steps } = observation;
  const now = formatTime(nowMs);
  const times = { startedAt: now, enteredAt: now, appliedAt: now };
  return {
    direction: 'Return',
    index: -1,
    weight: 100,
    from: 100,
    ...times,
    plan: describePlan(steps),
    ...renewal(observation),
  };
}

/** returnInFull only stores what is wanted: a route that is all stable's again would else look like a rollback after a crash. */
function returnInFull(observation: Observation, { progress: { renewed: _renewed, ...progress } }: Running): Decision {
  const message = `${whoAsked(observation)} sends all traffic back to ${observation.stable.service} at once.`;
  const change = { phase: 'Promoting', reason: 'ReturningToStable', message, command: true } as const;
  return wait(observation, { ...change, progress: { ...progress, ...renewal(observation), full: true } });
}

/** returning walks the steps back; it is guarded by stable's readiness only. */
export const returning: Question = (observation) => {
  const found = running(observation, 'Return');
  if (found === undefined) return undefined;
  if (isAsked(observation, 'promote-full')) return returnInFull(observation, found);
  const { progress } = found;
  if (progress.appliedAt === undefined && progress.full !== true) return notRaised(observation, found);
  const text = {
    phase: 'Promoting',
    reason: 'ReturningToStable',
    message: `Traffic returns to ${observation.stable.service}; the canary is at ${progress.weight}%.`,
  } as const;
  const isPromote = isAsked(observation, 'promote');
  return (
    (isPromote || progress.full === true ? undefined : waitInReturn(observation, progress, text)) ??
    leaveReturnStep(observation, found, text)
  );
};

/**
 * notRaised forgets that the canary was to get everything again (stable-reverted.ts), which was decided, not made, and is not
 * wanted any more: the next step goes on from what the route has, or it would be a raise that nothing brakes.
 */
function notRaised(observation: Observation, { progress, route }: Running): Decision {
  const weight = percentOf(route);
  const now = formatTime(observation.nowMs);
  const index = indexForWeight(observation.steps, 100 - weight);
  const message = `Traffic returns to ${observation.stable.service}; the canary stays at ${weight}%.`;
  return wait(observation, {
    phase: 'Promoting',
    reason: 'ReturningToStable',
    message,
    weight,
    progress: { ...progress, index, weight, from: weight, enteredAt: now, appliedAt: now },
  });
}

type ReturnText = Pick<StatusChange, 'phase' | 'reason' | 'message'>;

/** waitInReturn waits for the end of a step, and for what brakes; undefined where neither holds it. */
function waitInReturn(observation: Observation, progress: RolloutProgress, text: ReturnText): Decision | undefined {
  const brake = findBrake(observation);
  if (brake !== undefined) {
    const { message, opensAt } = braked(brake, `the canary at ${progress.weight}%`);
    return wait(observation, { ...text, message: `${message}.`, opensAt }, untilOpen(observation, brake));
  }
  const step = returnSteps(observation.steps).findLast(({ weight }) => weight >= progress.weight);
  const endMs = effectMs(progress) + (step?.durationMs ?? 0);
  const leftMs = endMs - observation.nowMs;
  return leftMs > 0 ? wait(observation, text, { requeueAfterMs: leftMs }) : undefined;
}

/** leaveReturnStep gives stable its next share, once it has the endpoints that its present one needs. */
function leaveReturnStep(observation: Observation, found: Running, text: ReturnText): Decision {
  const { progress } = found;
  const command = isAsked(observation, 'promote') ? { command: true } : {};
  // All the way asks for no share; but without any endpoint the route would stay as it is.
  const isEnough = progress.full === true && observation.stable.readyEndpoints > 0;
  const short = isEnough ? undefined : tooFewForShare(observation, progress);
  if (short === undefined) return returnTo(observation, found, command);
  const message = `Traffic returns no further than ${100 - progress.weight}%: ${short.message}`;
  // Before the end of the step it would be said once, and then no more.
  const isEarly = command.command === true && waitInReturn(observation, progress, text) !== undefined;
  if (isEarly) return ignored(observation, message);
  return wait(observation, { ...text, ...command, reason: short.reason, message });
}

/** returnTo makes the next step of the return; the last one leaves the route as it was before the rollout. */
function returnTo(observation: Observation, found: Running, command: { readonly command?: boolean }): Decision {
  const { renewed: _renewed, ...progress } = found.progress;
  const weight = progress.full === true ? 0 : (nextReturn(observation.steps, progress.weight)?.weight ?? 0);
  const index = indexForWeight(observation.steps, 100 - weight);
  const now = formatTime(observation.nowMs);
  if (weight === 0) {
    const change = {
      phase: 'Succeeded',
      reason: 'Returned',
      message: `All traffic is back on ${observation.stable.service}.`,
      weight: 0,
      progress: null,
      ...command,
    } as const;
    return lower(observation, targetFor(0), {
      change,
      pending: { phase: 'Promoting', reason: 'ReturningToStable', message: change.message },
    });
  }
  const message = `Traffic returns to ${observation.stable.service}; the canary goes from ${progress.weight}% to ${weight}%.`;
  const plan = describePlan(observation.steps);
  const { effectiveAt: _effectiveAt, ...rest } = progress;
  const goal = goalOf(observation, found.progress, command.command === true);
  const next = { ...rest, ...goal, index, from: progress.weight, weight, enteredAt: now, appliedAt: now, plan };
  const change = {
    phase: 'Promoting',
    reason: 'ReturningToStable',
    message,
    weight,
    progress: next,
    ...command,
  } as const;
  return lower(observation, targetFor(weight), {
    change,
    pending: { phase: 'Promoting', reason: 'ReturningToStable', message },
  });
}
