/** What happens when the route and status disagree: a crash between two writes, a person, a GitOps tool, a stable without pods. */
import type { RolloutProgress } from '../api/rollout-status.ts';
import { formatTime, parseTime } from '../clock.ts';
import { fieldManager, isPerson, wroteSince } from './applied.ts';
import {
  isAsked,
  lower,
  percentOf,
  place,
  raise,
  targetFor,
  touched,
  unchanged,
  wait,
  type Question,
  type Running,
  type Touched,
} from './answer.ts';
import { braked, findBrake, untilOpen, type Brake } from './brake.ts';
import type { Decision } from './decision.ts';
import { ignoreAdvice } from './ignore-advice.ts';
import type { Observation } from './observation.ts';
import { readySeen } from './readiness.ts';
import { rollBack } from './rollback.ts';
import { held } from './route.ts';
import { routeNameOf } from './route-name.ts';
import { goalOf } from './renewal.ts';
import { isAtRest, type StatusChange } from './status.ts';
import { describePlan, indexForWeight, nextReturn } from './steps.ts';

const correctionWindowMs = 600_000;
const maxCorrections = 3;
const remembered = 10;
/** raiseSpacingMs keeps two raises of one route apart: Traefik's provider throttle is 2 s. */
export const raiseSpacingMs = 2_500;

/** stableLost leaves stable's entry out while it has no ready endpoint: one empty entry is 404 for everybody (docs/concepts.md, Guards). */
export const stableLost: Question = (observation) => {
  const found = touched(observation);
  const progress = found?.status.progress;
  if (found === undefined || progress === undefined || progress.direction === 'Back') return undefined;
  const isLost = observation.stable.readyEndpoints === 0;
  if (isLost) return standIn(observation, { ...found, progress });
  return (found.status.weight ?? 0) > progress.weight ? stepDown(observation, { ...found, progress }) : undefined;
};

/** standIn gives the canary everything, if it has traffic already. */
function standIn(observation: Observation, found: Running): Decision | undefined {
  const { weight } = found.progress;
  const canServe = observation.canary.readyEndpoints > 0 && found.route.split.canaryPercent > 0;
  const isPlaced = place(observation, found, targetFor(weight)).isPlaced;
  if (!canServe || (weight === 100 && isPlaced)) return undefined;
  const message = `Service ${observation.stable.service} has no ready endpoint; the canary gets everything until it has one.`;
  const stalled = { phase: 'Degraded', reason: 'StableUnavailable', message, weight: 100 } as const;
  const change = { ...stalled, ...unhurried(found.progress) };
  return isPlaced ? wait(observation, change) : raise(observation, targetFor(weight), change);
}

function stepDown(observation: Observation, { progress }: Running): Decision {
  const message = `Service ${observation.stable.service} is ready again; the canary is back at ${progress.weight}%.`;
  const phase = progress.direction === 'Return' ? 'Promoting' : 'Progressing';
  const pending: StatusChange = { phase, reason: 'StableRecovered', message };
  return lower(observation, targetFor(progress.weight), { change: { ...pending, weight: progress.weight }, pending });
}

/** drifted compares the route with status: downwards it is corrected at once, upwards only with care (docs/concepts.md, Drift). */
export const drifted: Question = (observation) => {
  const found = touched(observation);
  if (found === undefined || isAtRest(found.status)) return undefined;
  const weight = found.status.progress?.weight ?? found.status.weight ?? 0;
  const placement = place(observation, found, targetFor(weight));
  if (placement.isPlaced) return undefined;
  const drift = driftOf(found, weight);
  return drift.percent > Math.max(weight, placement.canaryPercent)
    ? correctDownwards(observation, found, drift)
    : driftedDown(observation, found, drift);
};

function driftedDown(observation: Observation, found: Touched, drift: Drift): Decision | undefined {
  const isHeld = found.status.progress?.hold !== undefined;
  if (isHeld || (drift.percent === 0 && drift.weight === 0)) return undefined;
  const isTakenBack = drift.percent < drift.weight && !isPendingRaise(found);
  return (isTakenBack ? takenBack(observation, found, drift) : undefined) ?? recover(observation, found, drift);
}

/** Drift is the weight that status wants, the percentage that the route gives, and who wrote it. */
interface Drift {
  readonly weight: number;
  readonly percent: number;
  readonly manager: string;
}

function driftOf({ route }: Touched, weight: number): Drift {
  return { weight, percent: percentOf(route), manager: route.writer?.manager ?? 'somebody' };
}

function correctDownwards(observation: Observation, found: Touched, { weight, percent, manager }: Drift): Decision {
  const list = corrections(observation, found);
  const target = { ...found.target, corrections: list };
  const message = `${manager} raised the canary to ${percent}%; it is put back to ${weight}%.`;
  const isContested = list.length > maxCorrections && isRaising(found);
  const change = isContested ? contested(observation, found, { weight, manager }) : unchanged(observation);
  return lower(observation, targetFor(weight), {
    change: { ...change, target },
    pending: unchanged(observation),
    notices: [{ type: 'Warning', reason: 'Drift', message }],
  });
}

function isRaising({ status: { progress } }: Touched): boolean {
  return progress?.direction === 'Forward' && progress.hold === undefined;
}

/** contested stops raising while somebody else keeps writing; the lower of the two weights wins. */
function contested(
  observation: Observation,
  found: Touched,
  { weight, manager }: Omit<Drift, 'percent'>,
): StatusChange {
  const advice = ignoreAdvice(manager, observation.pair.namespace, found.target);
  const message = `${manager} keeps changing the weights of ${routeNameOf(found.target)}; the canary stays at ${weight}%. ${advice} Then promote or abort.`;
  return held(observation, found, { reason: 'Contested', message, weight });
}

/** corrections is the list in status with one more for now. */
function corrections({ nowMs }: Observation, { target }: Touched): readonly string[] {
  const recent = (target.corrections ?? []).filter((time) => nowMs - (parseTime(time) ?? 0) < correctionWindowMs);
  return [...recent, formatTime(nowMs)].slice(-remembered);
}

/** isPendingRaise tells a raise whose route write has not happened (crash, conflict) from a weight that was taken back. */
function isPendingRaise({ status, route }: Touched): boolean {
  const { progress } = status;
  // On the way back that is a canary which gets everything again (stable-reverted.ts).
  if (progress === undefined || progress.direction === 'Back' || progress.appliedAt !== undefined) return false;
  // A person who put it back to exactly that is not to be fought; another writer only touched something else.
  const isByHand = progress.from > 0 && wroteSince(route, progress.enteredAt, isPerson);
  return percentOf(route) === progress.from && !isByHand;
}

/** takenBack answers a weight that was seen in the route, or would have been, and is lower now. */
function takenBack(observation: Observation, found: Touched, drift: Drift): Decision | undefined {
  const { weight, percent, manager } = drift;
  if (found.status.progress?.direction === 'Return') return continueReturn(observation, found, drift);
  if (isPerson(manager)) {
    const message = `${manager} lowered the canary from ${weight}% to ${percent}%; Sluice leaves it there. Promote to go on, or abort.`;
    return wait(observation, held(observation, found, { reason: 'LoweredByHand', message, weight: percent }));
  }
  return manager === fieldManager ? completeLowering(observation, found, drift) : undefined;
}

/** completeLowering stores what a lowering has done to the route just before a crash took its status write. */
function completeLowering(observation: Observation, found: Touched, drift: Drift): Decision {
  const { progress, revision = '', weight = 0 } = found.status;
  const firstReturn = nextReturn(observation.steps, 100)?.weight ?? 0;
  if (progress === undefined && (drift.percent > 0 || firstReturn === 0))
    return continueReturn(observation, found, drift);
  const message = `Revision ${revision} was rolled back at ${weight}% just before the controller stopped.`;
  return rollBack(observation, found, { reason: 'RollbackCompleted', message, outcome: 'Failed' });
}

/** continueReturn takes the weight that the route has for a step of the return; a promote that led to it is handled with it. */
function continueReturn(observation: Observation, { status }: Touched, { percent, manager }: Drift): Decision {
  const command = manager === fieldManager && isAsked(observation, 'promote') ? { command: true } : {};
  if (percent === 0) {
    const message = `All traffic is back on ${observation.stable.service}.`;
    const change = { phase: 'Succeeded', reason: 'Returned', message, weight: 0, progress: null } as const;
    return wait(observation, { ...change, ...command });
  }
  const now = formatTime(observation.nowMs);
  const progress: RolloutProgress = {
    direction: 'Return',
    index: indexForWeight(observation.steps, 100 - percent),
    weight: percent,
    from: status.progress?.weight ?? 100,
    startedAt: status.progress?.startedAt ?? now,
    enteredAt: now,
    appliedAt: now,
    plan: describePlan(observation.steps),
    ...readySeen(status.progress),
    // A person who sends traffic back sends it to whatever stable is.
    ...(isPerson(manager) ? {} : goalOf(observation, status.progress, isAsked(observation, 'promote'))),
  };
  const message = `Traffic returns to ${observation.stable.service}; the canary is at ${percent}%.`;
  const change = { phase: 'Promoting', reason: 'ReturningToStable', message, weight: percent, progress } as const;
  return wait(observation, { ...change, ...command });
}

/** recover gives the route the weight of status again, unless something stands against any raise. */
function recover(observation: Observation, found: Touched, drift: Drift): Decision | undefined {
  const { progress, weight: allowed = 0 } = found.status;
  // The next step of a return writes the route anyway.
  if (progress?.direction === 'Return') return undefined;
  // What was promoted is not raised again, brake or not: it stays where it is, and people hear of it.
  const isGivenUp = progress === undefined && drift.percent < drift.weight;
  const brake = isGivenUp ? undefined : findBrake(observation);
  if (brake !== undefined)
    return progress === undefined ? undefined : pausedAt(observation, drift, { brake, progress });
  const placement = place(observation, found, targetFor(drift.weight));
  if (placement.canaryPercent > allowed) return wait(observation, unchanged(observation));
  if (!isPendingRaise(found)) return correctUpwards(observation, found, drift);
  if (!isBlind(observation, found)) return raise(observation, targetFor(drift.weight), goingOn(observation, drift));
  return wait(observation, { ...unchanged(observation), ...unhurried(progress) }, { requeueAfterMs: raiseSpacingMs });
}

/** goingOn: what held the raise holds it no more; from here on it counts whether the route takes it (deadline.ts). */
function goingOn(observation: Observation, { percent, weight }: Drift): StatusChange {
  const before = unchanged(observation);
  if (before.phase === 'Progressing') return before;
  const message = `The canary goes from ${percent}% to ${weight}%.`;
  return { phase: 'Progressing', reason: 'StepStarted', message };
}

/** unhurried: while no write is tried, the time that it may take does not run. */
function unhurried(progress: RolloutProgress | undefined): { readonly progress?: RolloutProgress } {
  if (progress?.refusedAt === undefined) return {};
  const { refusedAt: _refusedAt, ...rest } = progress;
  return { progress: rest };
}

/** isBlind is where no raise may be made, also none that was decided when there was still data. */
function isBlind({ rollout, verdict }: Observation, { status }: Touched): boolean {
  const isJudged = rollout.spec.analysis.mode === 'Enforce' && status.progress?.direction === 'Forward';
  // Who promotes all the way has been told that nobody judges.
  const isMissed = verdict.kind === 'NoData' && status.progress?.full !== true;
  return isJudged && (isMissed || verdict.kind === 'Fail');
}

function pausedAt(
  observation: Observation,
  { percent }: Drift,
  { brake, progress }: { readonly brake: Brake; readonly progress: RolloutProgress },
): Decision {
  const change = braked(brake, `the canary at ${percent}%`);
  const message = `${change.message}; analysis and rollback go on.`;
  const paused = { phase: 'Paused', ...change, message, ...unhurried(progress) } as const;
  return wait(observation, paused, untilOpen(observation, brake));
}

/** correctUpwards raises again only after a verdict that is not Fail, never on missing data, and not for ever against another writer. */
function correctUpwards(observation: Observation, found: Touched, { weight, percent, manager }: Drift): Decision {
  const list = corrections(observation, found);
  const { progress } = found.status;
  if (list.length > maxCorrections || (progress === undefined && percent < weight))
    return wait(observation, contested(observation, found, { weight: percent, manager }));
  const spacingMs = raiseSpacingMs - (observation.nowMs - lastRaiseMs(found));
  if (isBlind(observation, found)) return wait(observation, unchanged(observation), { requeueAfterMs: raiseSpacingMs });
  if (spacingMs > 0) return wait(observation, unchanged(observation), { requeueAfterMs: spacingMs });
  const target = { ...found.target, corrections: list, raisedAt: formatTime(observation.nowMs) };
  return raise(observation, targetFor(weight), {
    ...unchanged(observation),
    target,
    ...givenAgain(observation, found),
  });
}

/** givenAgain: the clock of a step runs while its weight is in effect, and so it begins anew with it. */
function givenAgain(
  { nowMs }: Observation,
  { status: { progress } }: Touched,
): { readonly progress?: RolloutProgress } {
  if (progress === undefined) return {};
  const { effectiveAt: _effectiveAt, ...rest } = progress;
  return { progress: { ...rest, appliedAt: formatTime(nowMs) } };
}

/** lastRaiseMs is when the route was last raised: decided, or seen in the route if that was later (crash, conflict). */
export function lastRaiseMs({ status, target }: Touched): number {
  return Math.max(parseTime(target.raisedAt) ?? 0, parseTime(status.progress?.appliedAt) ?? 0);
}
