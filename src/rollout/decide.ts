/*
 * The state of a rollout is status.progress; the phase is its summary for people.
 *
 *             first sight                     new revision, everything in place
 *   (empty) ───────────────► at rest ─────────────────────────────────────────► Forward ── last step, Pass ──► Holding
 *      │                     Pending          ▲            ▲                    Progressing                    Succeeded
 *      │ canary has traffic  Succeeded        │            │                    Paused                            │
 *      └────────► Forward    Failed           │            │                      │                               │ stable is new,
 *                 Paused, Adopted             │            │ route as before      │ Fail, CanaryLost,             │ or promote
 *                                             │            │                      │ abort, new revision           ▼
 *                                             │            └── Back ◄─────────────┴─────────── abort ◄───────  Return
 *                                             │                RollingBack, Degraded                           Promoting
 *                                             └────────────────────────────────────────────────────────────────┘
 *
 * Return goes back to Holding where stable's workload turns out to be the old version again (stable-reverted.ts).
 * With promotion.mode Copy a Holding is Promoting: stable gets what was judged, and is new by that (copy.ts).
 *
 * Forward to Back usually takes one reconcile: the route is put back, then status says Failed. Back is stored only while
 * the rollback has to wait, for the first ready stable endpoint or a route that can be written.
 */
import { forward, planEdited, promoteAsked } from './advance.ts';
import { statusOf, unchanged, wait, type Question } from './answer.ts';
import { braked, findClosed, ignored, pauseAsked, resumeAsked } from './brake.ts';
import { copying, isStuck } from './copy.ts';
import { writeOverdue } from './deadline.ts';
import type { Decision } from './decision.ts';
import { finalizer } from './decision.ts';
import { beingDeleted } from './deletion.ts';
import { holding, returning } from './hold.ts';
import type { Observation } from './observation.ts';
import {
  abortAsked,
  analysisFailed,
  canaryLost,
  restorePending,
  revisionChanged,
  rollbackPending,
  untilRestored,
} from './rollback.ts';
import { drifted, stableLost } from './drift.ts';
import { withExposure } from './exposure.ts';
import { stableReverted } from './stable-reverted.ts';
import { unprovenFailed } from './unproven.ts';
import { routeGone, routeRecreated, ruleAdded } from './route.ts';
import { firstSight, isUndecided, notReady, resting, retryAsked } from './start.ts';
import { isAtRest, isWorthWriting, statusSchema } from './status.ts';
import { acceptLive, isOwedBack, liveChanged, modeEdited, rolesFollowed } from './swap-rest.ts';
import { retargeted } from './retarget.ts';

/** commandHandled removes the annotation of a command that status says was handled. */
const commandHandled: Question = ({ command }) => (command?.state === 'Handled' ? { kind: 'Acknowledge' } : undefined);

/** commandStale refuses a command that was meant for another object or revision, and says so. */
const commandStale: Question = (observation) => {
  const { command } = observation;
  if (command?.state !== 'Stale') return undefined;
  const text = `The command ${command.verb} is not executed: ${command.problem}.`;
  return wait(
    observation,
    { ...unchanged(observation), command: true },
    { notices: [{ type: 'Warning', reason: 'CommandStale', message: text }] },
  );
};

/** commandIdle answers a command that has nothing to act on in the present phase. */
const commandIdle: Question = (observation) => {
  const { command } = observation;
  if (command?.state !== 'New' || hasSubject(observation, command.verb)) return undefined;
  const closed = command.verb === 'promote' && isUndecided(observation) ? findClosed(observation, false) : undefined;
  const message =
    closed === undefined
      ? `The command ${command.verb} has nothing to do in phase ${unchanged(observation).phase}.`
      : `${braked(closed, 'this rollout').message}; nothing is promoted.`;
  return ignored(observation, message);
};

/** hasSubject tells whether a command has something to act on: a failure, a rollout that waits to begin, or one that runs or is held. */
function hasSubject(observation: Observation, verb: string): boolean {
  const status = statusOf(observation);
  if (verb === 'retry') return status.phase === 'Failed' || isStuck(status);
  const isIdle = status.progress === undefined && (status.weight ?? 0) === 0;
  // The command names the revision of the status; another one that has come since is not what was meant.
  const isMeant = status.revision === observation.canaryRevision?.value && isUndecided(observation);
  return !isIdle || (verb === 'promote-full' && isMeant);
}

/**
 * released removes the finalizer once the route is as it was and nothing will start: a start would claim it again. It
 * stays where a deletion has to give traffic back.
 */
const released: Question = (observation) => {
  const status = statusOf(observation);
  const isIdle = status.target === undefined && isAtRest(status) && !isUndecided(observation);
  if (isOwedBack(observation)) return isIdle && !isClaimed(observation) ? { kind: 'Claim' } : undefined;
  return isIdle && isClaimed(observation) ? { kind: 'Release' } : undefined;
};

function isClaimed({ rollout }: Observation): boolean {
  return rollout.metadata.finalizers?.includes(finalizer) === true;
}

/** The order is the specification: what takes traffic back comes before what waits, and that before what raises. */
const questions: readonly Question[] = [
  beingDeleted,
  retargeted,
  routeRecreated,
  rollbackPending,
  abortAsked,
  analysisFailed,
  unprovenFailed,
  revisionChanged,
  canaryLost,
  writeOverdue,
  commandHandled,
  commandStale,
  pauseAsked,
  resumeAsked,
  restorePending,
  released,
  notReady,
  routeGone,
  acceptLive,
  commandIdle,
  ruleAdded,
  stableLost,
  drifted,
  planEdited,
  promoteAsked,
  forward,
  stableReverted,
  returning,
  copying,
  holding,
  modeEdited,
  rolesFollowed,
  firstSight,
  retryAsked,
  liveChanged,
  resting,
];

/** decide answers an Observation: pure, synchronous, and Wait again when it is asked about its own result. */
export function decide(observation: Observation): Decision {
  for (const question of questions) {
    const decision = question(observation);
    if (decision !== undefined) return completed(observation, answered(observation, fence(observation, decision)));
  }
  return completed(observation, wait(observation, unchanged(observation)));
}

/** completed adds what depends on no question: the match route, and when to look for a raise that was late. */
function completed(observation: Observation, decision: Decision): Decision {
  return withExposure(observation, untilRestored(observation, decision));
}

/** These answer a command also where something else decides, and go on deciding: a rollback that waits, a stable that is gone. */
const answers: readonly Question[] = [
  commandHandled,
  commandStale,
  pauseAsked,
  resumeAsked,
  promoteAsked,
  (observation) =>
    ignored(observation, `The command ${observation.command?.verb} is not executed: ${why(observation)}`),
];

/** answered: nobody's command is left until what is waited for has come, and it is a surprise. What is not stored yet comes first. */
function answered(observation: Observation, decision: Decision): Decision {
  if (observation.command === undefined || !('status' in decision)) return decision;
  if (decision.kind === 'Lower') return answeredWhenRefused(observation, decision);
  return isWorthWriting(statusOf(observation), decision.status) ? decision : (answer(observation) ?? decision);
}

/**
 * answeredWhenRefused answers with the write that follows where the route does not take a lowering, from the second time
 * on. Before, the lowering would wait for it.
 */
function answeredWhenRefused(observation: Observation, decision: Decision & { readonly kind: 'Lower' }): Decision {
  if (isWorthWriting(statusOf(observation), decision.refused.status)) return decision;
  const found = answer(observation);
  return found?.kind === 'Wait' ? { ...decision, refused: found } : decision;
}

function answer(observation: Observation): Decision | undefined {
  return answers.map((question) => question(observation)).find((found) => found !== undefined);
}

function why({ problems, rollout }: Observation): string {
  return problems[0]?.message ?? rollout.status?.message ?? '';
}

/**
 * fence keeps an older controller from raising or copying what a newer one has begun (version skew), and anyone from
 * raising a route that a deletion of the Rollout would not put back.
 */
function fence(observation: Observation, decision: Decision): Decision {
  if (decision.kind !== 'Raise' && decision.kind !== 'Copy') return decision;
  if ((statusOf(observation).schema ?? statusSchema) > statusSchema) return wait(observation, unchanged(observation));
  return isClaimed(observation) ? decision : { kind: 'Claim' };
}
