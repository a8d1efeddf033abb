/** How a rollout walks its steps towards the canary, and what it waits for in each. */
import type { RollbackCause, RolloutProgress, RolloutTarget } from '../api/rollout-status.ts';
import { formatTime, parseTime } from '../clock.ts';
import {
  isAsked,
  raise,
  running,
  targetFor,
  unchanged,
  wait,
  whoAsked,
  type Question,
  type Running,
} from './answer.ts';
import { braked, findBrake, findClosed, ignored, untilOpen, type Brake } from './brake.ts';
import type { Decision } from './decision.ts';
import type { Observation, Problem } from './observation.ts';
import { openedMs } from './opening.ts';
import { lastRaiseMs, raiseSpacingMs } from './drift.ts';
import { tooFewForShare } from './readiness.ts';
import { rollBack } from './rollback.ts';
import type { StatusChange } from './status.ts';
import { isSwap, swapRoles } from './swap.ts';
import { assumedEffectMs, findUnproven, moveAt, rollbackDueMs, unprovenUntilMs } from './step-rules.ts';
import { describePlan, indexForWeight } from './steps.ts';
import { findUnseen, type Unseen } from './verification.ts';

/** planEdited finds the place in edited steps: the weight stays, the next step is the first with a greater weight. */
export const planEdited: Question = (observation) => {
  const found = running(observation, 'Forward');
  const plan = describePlan(observation.steps);
  if (found === undefined || found.progress.plan === plan) return undefined;
  const { progress } = found;
  const index = indexForWeight(observation.steps, progress.weight);
  const message = `The steps were edited; the canary stays at ${progress.weight}%.`;
  const next = { ...progress, index, plan, enteredAt: formatTime(observation.nowMs) };
  return wait(
    observation,
    { ...unchanged(observation), progress: next },
    { notices: [{ type: 'Normal', reason: 'StepsEdited', message }] },
  );
};

/** promoteAsked ends what the rollout waits for: a pause, a hold, or the rest of a step; in full, all of them. */
export const promoteAsked: Question = (observation) => {
  const found = running(observation, 'Forward');
  const isFull = isAsked(observation, 'promote-full');
  if (found === undefined || !(isFull || isAsked(observation, 'promote'))) return undefined;
  const closed = findClosed(observation, isFull);
  if (closed !== undefined)
    return ignored(observation, `${braked(closed, 'this rollout').message}; nothing is promoted.`);
  return wait(observation, promotion(observation, found, isFull));
};

function promotion(observation: Observation, found: Running, isFull: boolean): StatusChange {
  const { hold, ...rest } = found.progress;
  const isFailed = hold?.reason === 'AnalysisFailed';
  const progress = isFailed ? fromNow(observation, rest) : rest;
  const subject = `${whoAsked(observation)} promoted the rollout at ${progress.weight}%`;
  const how = isFull ? ' all the way: no steps, no proof; a canary that fails is still taken back' : '';
  const although = isFailed ? ', although its analysis had failed; its evidence begins anew' : '';
  // Who accepts a failure has the step watched again; who has seen enough ends it.
  const step = isFull ? { full: true } : isFailed ? {} : { promoted: true };
  return {
    phase: 'Progressing',
    reason: 'Promoted',
    message: `${subject}${how}${although}.`,
    progress: { ...progress, ...step },
    ...(isFailed ? { analysis: 'Forget' } : {}),
    ...(hold?.reason === 'Contested' ? { target: uncontested(found.target) } : {}),
    command: true,
  };
}

/** uncontested: who promotes has made the other writer ignore the weights; its next write is the first again. */
function uncontested({ corrections: _corrections, ...target }: RolloutTarget): RolloutTarget {
  return target;
}

/** fromNow: what was counted has failed the canary, and would again. */
function fromNow({ nowMs }: Observation, progress: RolloutProgress): RolloutProgress {
  const now = formatTime(nowMs);
  const { effectiveAt: _effectiveAt, ...rest } = progress;
  return { ...rest, startedAt: now, enteredAt: now, appliedAt: now };
}

/** forward is the step machine; it is asked last, when no guard objects. */
export const forward: Question = (observation) => {
  const found = running(observation, 'Forward');
  if (found === undefined) return undefined;
  const { progress } = found;
  if (progress.hold !== undefined)
    return wait(observation, { phase: 'Paused', reason: progress.hold.reason, message: progress.hold.message });
  if (progress.appliedAt === undefined) return settle(observation, found);
  const unseen = findUnseen(observation, progress);
  const isTimed = unseen === undefined || isBegun(observation, progress);
  // Before whatever holds the weight: a rollback asks for nothing of it, and for no endpoints either.
  const dueMs = isTimed ? rollbackDueMs(observation, progress) : undefined;
  if (dueMs !== undefined && observation.nowMs >= dueMs)
    return rollBack(observation, found, inconclusiveTooLong(observation));
  return sooner(observation, dueMs, walk(observation, found, unseen));
};

/** sooner looks again when a rollback is due, also where nothing else would. */
function sooner({ nowMs }: Observation, dueMs: number | undefined, decision: Decision): Decision {
  if (dueMs === undefined || decision.kind !== 'Wait') return decision;
  return { ...decision, requeueAfterMs: Math.min(decision.requeueAfterMs ?? Infinity, dueMs - nowMs) };
}

/** walk holds the weight while something brakes it or a replica has another one, and else goes on where the step is over. */
function walk(observation: Observation, found: Running, unseen: Unseen | undefined): Decision {
  const { progress } = found;
  const brake = findBrake(observation);
  if (brake !== undefined) return paused(observation, found, brake);
  const move = moveAt(observation, progress);
  if (unseen !== undefined && (move.kind === 'Leave' || !isBegun(observation, progress)))
    return awaitEffect(observation, found, unseen);
  if (move.kind === 'Pause')
    return wait(observation, { phase: 'Paused', reason: 'PauseStep', message: pauseMessage(observation, found) });
  return move.kind === 'Watch' ? watchStep(observation, found, move) : leaveStep(observation, found, move.endMs);
}

/** settle stores that the route carries the weight where the route itself does not tell since when (applied.ts). */
function settle(observation: Observation, { progress }: Running): Decision {
  const appliedAt = formatTime(observation.nowMs);
  const message = `The canary gets ${progress.weight}% (step ${stepName(observation, progress)}).`;
  return wait(
    observation,
    { phase: 'Progressing', reason: 'StepStarted', message, progress: { ...progress, appliedAt } },
    { requeueAfterMs: assumedEffectMs },
  );
}

/** isBegun tells whether the clock of the present step runs: of a pause always, of a weight since it is in effect. */
function isBegun({ steps }: Observation, { index, effectiveAt }: RolloutProgress): boolean {
  return effectiveAt !== undefined || steps[index]?.kind === 'Pause';
}

/** awaitEffect holds the weight while a replica has another one. That is no failure: what it would send to the canary is less. */
function awaitEffect(observation: Observation, { progress }: Running, unseen: Unseen): Decision {
  const at = `${progress.weight}% (step ${stepName(observation, progress)})`;
  if (unseen.isLate) {
    const message = `Canary held at ${at}: ${unseen.message}`;
    return wait(observation, { phase: 'Progressing', reason: 'NotInEffect', message });
  }
  const message = `The canary gets ${at} as soon as every replica of Traefik has loaded it.`;
  const requeueAfterMs = unseen.lookAgainMs - observation.nowMs;
  return wait(observation, { phase: 'Progressing', reason: 'StepStarted', message }, { requeueAfterMs });
}

function paused(observation: Observation, { progress }: Running, brake: Brake): Decision {
  const change = braked(brake, `the canary at ${progress.weight}%`);
  const message = `${change.message}; analysis and rollback go on. ${observation.verdict.message}`;
  return wait(observation, { phase: 'Paused', ...change, message }, untilOpen(observation, brake));
}

function pauseMessage(observation: Observation, { progress }: Running): string {
  return `Paused at ${progress.weight}% (step ${stepName(observation, progress)}) until promoted. ${observation.verdict.message}`;
}

function watchStep(
  observation: Observation,
  { progress }: Running,
  { endMs, lookAgainMs }: { readonly endMs: number; readonly lookAgainMs: number },
): Decision {
  const isPause = observation.steps[progress.index]?.kind === 'Pause';
  const until = `until ${formatTime(endMs).slice(0, 19)}Z`;
  const message = `${isPause ? 'Paused' : 'Canary'} at ${progress.weight}% (step ${stepName(observation, progress)}) ${until}. ${observation.verdict.message}`;
  const change = {
    phase: isPause ? 'Paused' : 'Progressing',
    reason: isPause ? 'PauseStep' : 'StepStarted',
    message,
  } as const;
  return wait(observation, change, { requeueAfterMs: lookAgainMs - observation.nowMs });
}

/** leaveStep goes on if nothing holds the step: then to a pause, to the next weight, or to success. */
function leaveStep(observation: Observation, found: Running, endMs: number): Decision {
  const unproven = findUnproven(observation, found.progress, endMs);
  const untilMs = unproven === undefined ? undefined : unprovenUntilMs(observation, endMs);
  const obstacle = findObstacle(observation, found.progress, unproven);
  if (obstacle !== undefined) {
    const message = `Canary held at ${found.progress.weight}% (step ${stepName(observation, found.progress)}): ${obstacle.message}`;
    const again = untilMs === undefined ? {} : { requeueAfterMs: untilMs - observation.nowMs };
    return wait(observation, { phase: 'Progressing', reason: obstacle.reason, message }, again);
  }
  const index = nextIndex(observation, found.progress);
  const next = observation.steps[index];
  if (next === undefined) return succeed(observation, found);
  return next.kind === 'Pause'
    ? enterPause(observation, found, index)
    : raiseTo(observation, found, { index, weight: next.weight });
}

/** nextIndex is the step after this one; in full the last weight, or none after that. */
function nextIndex({ steps }: Observation, { index, weight, full }: RolloutProgress): number {
  if (full !== true) return index + 1;
  return weight < 100 ? steps.findIndex((step) => step.kind === 'Weight' && step.weight === 100) : steps.length;
}

function findObstacle(
  observation: Observation,
  progress: RolloutProgress,
  unproven: Problem | undefined,
): Problem | undefined {
  const { stable, canary } = observation;
  if (canary.readyEndpoints === 0)
    return { reason: 'CanaryNotReady', message: `Service ${canary.service} has no ready endpoint.` };
  // Without stable's entry any weight is everything.
  if (stable.readyEndpoints === 0 && progress.weight < 100)
    return { reason: 'StableUnavailable', message: `Service ${stable.service} has no ready endpoint.` };
  return tooFewForShare(observation, progress) ?? unproven ?? findStale(observation, progress);
}

/** findStale: after a night or a freeze what was counted before says little; one block from after it has to agree. */
function findStale(observation: Observation, { full }: RolloutProgress): Problem | undefined {
  const sinceMs = openedMs(observation);
  const { evidence, rollout } = observation;
  if (sinceMs === undefined || full === true || rollout.spec.analysis.mode !== 'Enforce') return undefined;
  if ((parseTime(evidence?.watermark) ?? 0) > sinceMs) return undefined;
  const message = `raising is allowed again since ${formatTime(sinceMs)}; samples from after that are awaited.`;
  return { reason: 'WindowOpened', message };
}

function inconclusiveTooLong({ rollout, verdict }: Observation): RollbackCause {
  const { inconclusiveAfter } = rollout.spec.analysis;
  const message = `Not proven safe ${inconclusiveAfter} after the end of the step. ${verdict.message}`;
  return { reason: 'InconclusiveTooLong', message, outcome: 'Failed' };
}

function enterPause(observation: Observation, found: Running, index: number): Decision {
  const { promoted: _promoted, ...rest } = found.progress;
  const progress = { ...rest, index, enteredAt: formatTime(observation.nowMs) };
  const message = `Paused at ${progress.weight}% (step ${stepName(observation, progress)}).`;
  return wait(observation, { phase: 'Paused', reason: 'PauseStep', message, progress });
}

function raiseTo(observation: Observation, found: Running, step: { index: number; weight: number }): Decision {
  const { target, progress } = found;
  const sinceRaiseMs = observation.nowMs - lastRaiseMs(found);
  if (sinceRaiseMs < raiseSpacingMs) {
    return wait(observation, unchanged(observation), { requeueAfterMs: raiseSpacingMs - sinceRaiseMs });
  }
  const now = formatTime(observation.nowMs);
  const { appliedAt: _applied, effectiveAt: _effective, promoted: _promoted, refusedAt: _refused, ...rest } = progress;
  const next = { ...rest, index: step.index, from: progress.weight, weight: step.weight, enteredAt: now };
  const verdict = observation.rollout.spec.analysis.mode === 'Disabled' ? '' : ` ${observation.verdict.message}`;
  const change: StatusChange = {
    phase: 'Progressing',
    reason: 'StepStarted',
    message: `The canary goes from ${progress.weight}% to ${step.weight}% (step ${stepName(observation, next)}).${verdict}`,
    weight: step.weight,
    progress: next,
    target: { ...target, raisedAt: now },
    analysis: 'NewStep',
  };
  return raise(observation, targetFor(step.weight), change);
}

function succeed(observation: Observation, found: Running): Decision {
  if (isSwap(observation)) return swapRoles(observation, found);
  const { status, progress } = found;
  const revision = status.revision ?? '';
  const { promotion, stable } = observation.rollout.spec;
  const next =
    promotion.mode === 'Copy'
      ? `It is copied to ${stable.workload?.kind} ${stable.workload?.name}; traffic returns when it has rolled out there.`
      : `Update ${observation.stable.service} next: traffic returns to it when it has rolled out, or with the command promote.`;
  const message = `Revision ${revision} was promoted and keeps ${progress.weight}%. ${next} ${observation.verdict.message}`;
  return wait(observation, {
    ...(promotion.mode === 'Copy' ? copyingPhase : holdingPhase),
    message,
    weight: progress.weight,
    progress: null,
    promotedRevision: revision,
  });
}

const holdingPhase = { phase: 'Succeeded', reason: 'Holding' } as const;
const copyingPhase = { phase: 'Promoting', reason: 'Copying' } as const;

function stepName(observation: Observation, progress: RolloutProgress): string {
  return `${progress.index + 1} of ${observation.steps.length}`;
}
