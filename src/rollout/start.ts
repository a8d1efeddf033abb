/** What happens at rest: a first look that moves nothing, and the start of a rollout when everything is in place. */
import type { RolloutTarget } from '../api/rollout-status.ts';
import { formatTime } from '../clock.ts';
import { isAsked, percentOf, raise, statusOf, targetFor, unchanged, wait, whoAsked, type Question } from './answer.ts';
import { braked, findBrake, ignored, untilOpen, type Brake } from './brake.ts';
import { awaitEndpoints } from './deadline.ts';
import type { Decision } from './decision.ts';
import type { Observation, Problem, RouteObservation } from './observation.ts';
import { openedMs } from './opening.ts';
import { otherRules } from './other-rules.ts';
import { baselineOf, held } from './route.ts';
import { targetOf } from './route-name.ts';
import { describePlan } from './steps.ts';
import { tooFewToStart } from './readiness.ts';
import { workloadsNow } from './renewal.ts';
import { jitterOf } from './schedule.ts';
import { isAtRest, type StatusChange } from './status.ts';
import { findIdleObstacle, isIdleKnown, isSwap, revisionAtRest, takeAsIs, wasSwapped } from './swap.ts';

/** sourceRetryMs is how often a start looks again at a source that does not answer. */
const sourceRetryMs = 5_000;

/** notReady says at rest what a person has to change; nothing is touched meanwhile. */
export const notReady: Question = (observation) => {
  const status = statusOf(observation);
  const [problem] = observation.problems;
  if (problem === undefined || !isAtRest(status)) return undefined;
  const isDone = status.phase === 'Succeeded' || status.phase === 'Failed';
  return wait(observation, isDone ? unchanged(observation) : pending(problem));
};

function pending(problem: Problem): StatusChange {
  return { phase: 'Pending', reason: problem.reason, message: problem.message, waitingSince: null };
}

/** firstSight looks at a Rollout without status: it never moves traffic, whatever the route says. */
export const firstSight: Question = (observation) => {
  const { route, canaryRevision: revision } = observation;
  if (statusOf(observation).revision !== undefined || route === undefined) return undefined;
  if (revision === undefined)
    return wait(
      observation,
      pending({ reason: 'RevisionUnknown', message: 'The revision of the canary is not known yet.' }),
    );
  if (route.split.canaryPercent > 0) return adopt(observation, route);
  const isNew = observation.rollout.spec.revision !== undefined || observation.imagesDiffer === true;
  if (isSwap(observation) && (!isNew || wasSwapped(observation, route))) return takeAsIs(observation, revision);
  if (isNew) {
    return wait(observation, {
      phase: 'Pending',
      reason: 'NewRevision',
      message: `Revision ${revision.value} is new.`,
      revision: revision.value,
    });
  }
  const message = `Revision ${revision.value} is taken as it is: the workloads do not differ. A new revision starts a rollout.`;
  return wait(observation, {
    phase: 'Succeeded',
    reason: 'Unchanged',
    message,
    revision: revision.value,
    promotedRevision: revision.value,
  });
};

function adopt(observation: Observation, route: RouteObservation): Decision {
  const weight = percentOf(route);
  const message = `The route gave the canary ${weight}% when it was first seen; it stays so until promote or abort.`;
  return wait(observation, {
    ...held(observation, undefined, { reason: 'Adopted', message, weight }),
    revision: observation.canaryRevision?.value ?? '',
    ...workloadsNow(observation),
    target: newTarget(observation, route),
  });
}

/** newTarget is the route as it is before the first write, with the services in their roles. */
export function newTarget(observation: Observation, route: RouteObservation): RolloutTarget {
  const { stable, canary } = observation.rollout.spec;
  return {
    ...targetOf(observation.rollout.spec.route),
    ...otherRules(route.routes, observation.pair),
    uid: route.uid,
    stable: { service: stable.service, ...(stable.port === undefined ? {} : { port: stable.port }) },
    canary: { service: canary.service, ...(canary.port === undefined ? {} : { port: canary.port }) },
    baseline: baselineOf(observation, route),
  };
}

/** retryAsked lets a failed revision run once more. */
export const retryAsked: Question = (observation) => {
  const status = statusOf(observation);
  if (!isAsked(observation, 'retry') || status.phase !== 'Failed') return undefined;
  const revision = status.revision ?? '';
  const message = `Revision ${revision} is tried again on the word of ${whoAsked(observation)} (try ${(status.retries ?? 0) + 2}).`;
  return wait(observation, { phase: 'Pending', reason: 'Retry', message, forgiven: revision, command: true });
};

/** isUndecided tells whether the canary's revision has neither been promoted nor failed, so that it will be rolled out. */
export function isUndecided(observation: Pick<Observation, 'rollout' | 'canaryRevision'>): boolean {
  const { rollout, canaryRevision } = observation;
  const value = canaryRevision?.value;
  const { promotedRevision, failedRevisions } = rollout.status ?? {};
  if (value === undefined || value === promotedRevision || isIdleKnown(observation)) return false;
  return failedRevisions?.includes(value) !== true;
}

/** resting decides at rest whether the present revision starts a rollout, and what it still waits for. */
export const resting: Question = (observation) => {
  const status = statusOf(observation);
  const { route, canaryRevision: revision } = observation;
  if (!isAtRest(status) || route === undefined || revision === undefined)
    return wait(observation, unchanged(observation));
  if (revision.value === status.promotedRevision || isIdleKnown(observation))
    return wait(observation, promotedBefore(observation, revision.value));
  if (status.failedRevisions?.includes(revision.value) === true)
    return wait(observation, failedBefore(observation, revision.value));
  if (isAsked(observation, 'promote-full')) return startInFull(observation, route);
  const obstacle = findObstacle(observation);
  return obstacle === undefined ? startWhenAllowed(observation, route) : awaitObstacle(observation, obstacle);
};

function awaitObstacle(observation: Observation, obstacle: Problem): Decision {
  if (firstEndpoints.includes(obstacle.reason)) return awaitEndpoints(observation, obstacle);
  const options = observation.source.kind === 'NotReady' ? { requeueAfterMs: sourceRetryMs } : {};
  return wait(observation, { ...pending(obstacle), ...unstarted(observation) }, options);
}

/** unstarted is what a status says of a revision that has not started, and waits for something else than its endpoints. */
function unstarted({ canaryRevision }: Observation): Pick<StatusChange, 'revision' | 'weight' | 'waitingSince'> {
  return { revision: canaryRevision?.value ?? null, weight: 0, waitingSince: null };
}

function startWhenAllowed(observation: Observation, route: RouteObservation): Decision {
  const brake = findBrake(observation) ?? findCrowd(observation);
  if (brake === undefined) return start(observation, route);
  const change = braked(brake, 'the rollout before its first step');
  const pendingChange = {
    phase: 'Pending',
    ...change,
    message: `${change.message}.`,
    ...unstarted(observation),
  } as const;
  return wait(observation, pendingChange, untilOpen(observation, brake));
}

/** startInFull begins without analysis and outside of all windows; what else a start needs is not waited for: ask again. */
function startInFull(observation: Observation, route: RouteObservation): Decision {
  const obstacle = findObstacle({ ...observation, source: { kind: 'Ready' } });
  if (obstacle !== undefined) return ignored(observation, `${obstacle.message} Nothing is promoted.`);
  const brake = findBrake(observation, true);
  if (brake !== undefined)
    return ignored(observation, `${braked(brake, 'this rollout').message}; nothing is promoted.`);
  return start(observation, route, { full: true });
}

/** findCrowd spreads the starts that one opening lets go. */
function findCrowd(observation: Observation): Brake | undefined {
  const { calendar, rollout, nowMs } = observation;
  const sinceMs = openedMs(observation);
  if (calendar.kind === 'Closed' || sinceMs === undefined) return undefined;
  const untilMs = sinceMs + jitterOf(rollout.metadata.uid ?? '');
  return nowMs < untilMs
    ? { reason: 'WindowOpened', text: 'The queue of those that waited for an opening', untilMs }
    : undefined;
}

/** firstEndpoints are what a canary comes with; all else that a start waits for is other people's. */
const firstEndpoints: readonly string[] = ['WorkloadRollingOut', 'CanaryNotReady'];

function promotedBefore(observation: Observation, revision: string): StatusChange {
  const status = statusOf(observation);
  const atRest = { waitingSince: null, revision: revisionAtRest(observation, revision) } as const;
  if (status.phase === 'Succeeded') return { ...unchanged(observation), ...atRest };
  const why = isIdleKnown(observation) ? 'is not new' : 'was promoted before';
  const message = `The canary is at revision ${revision}, which ${why}.`;
  return { ...atRest, phase: 'Succeeded', reason: 'Reverted', message };
}

function failedBefore(observation: Observation, revision: string): StatusChange {
  const status = statusOf(observation);
  if (status.phase === 'Failed' && status.revision === revision) return unchanged(observation);
  const message = `Revision ${revision} failed before and is not tried again; release another one, or give the command retry.`;
  return { phase: 'Failed', reason: 'FailedBefore', message, revision, waitingSince: null };
}

/** findObstacle is the ordered list of what a start needs, so that nobody is exposed to an unjudged canary. */
function findObstacle(observation: Observation): Problem | undefined {
  const { canaryRevision: revision, stable, canary, source, rollout } = observation;
  if (revision?.settled === false) return { reason: 'WorkloadRollingOut', message: revision.message };
  const unchangedIdle = findIdleObstacle(observation);
  if (unchangedIdle !== undefined) return unchangedIdle;
  if (stable.readyEndpoints === 0)
    return { reason: 'StableUnavailable', message: `Service ${stable.service} has no ready endpoint.` };
  if (canary.readyEndpoints === 0)
    return { reason: 'CanaryNotReady', message: `Service ${canary.service} has no ready endpoint yet.` };
  const short = tooFewToStart(observation);
  if (short !== undefined) return short;
  if (rollout.spec.analysis.mode === 'Disabled' || source.kind === 'Ready') return undefined;
  // Nobody counts requests that nobody can send: this is what to change.
  const unused = observation.advice.find(({ reason }) => reason === 'RouteUnused');
  return unused ?? { reason: source.reason, message: source.message };
}

function start(observation: Observation, route: RouteObservation, way: { readonly full?: true } = {}): Decision {
  const now = formatTime(observation.nowMs);
  const status = statusOf(observation);
  const [first] = observation.steps;
  const weight = first?.kind === 'Weight' ? first.weight : 100;
  const revision = observation.canaryRevision?.value ?? '';
  const said =
    way.full === true
      ? {
          reason: 'Promoted',
          message: `${whoAsked(observation)} starts revision ${revision} all the way: no steps, no proof; a canary that fails is still taken back.`,
          command: true,
        }
      : {
          reason: 'StepStarted',
          message: `Revision ${revision} starts: the canary goes from 0% to ${weight}% (step 1 of ${observation.steps.length}).`,
        };
  const change: StatusChange = {
    phase: 'Progressing',
    ...said,
    weight,
    revision,
    ...workloadsNow(observation),
    progress: {
      direction: 'Forward',
      index: 0,
      weight,
      from: 0,
      startedAt: now,
      enteredAt: now,
      plan: describePlan(observation.steps),
      ...way,
    },
    target: { ...(status.target?.uid === route.uid ? status.target : newTarget(observation, route)), raisedAt: now },
    analysis: 'Forget',
  };
  const notices = observation.advice.map((advice) => ({ type: 'Warning' as const, ...advice }));
  return raise(observation, targetFor(weight), change, notices);
}
