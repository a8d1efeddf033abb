/** The deadline of what should take no time: the canary's first endpoints, and writes of the route. Steps, pauses and missing data do not count. */
import { parseDuration } from '../api/duration.ts';
import type { RolloutStatus } from '../api/rollout-status.ts';
import { formatTime, parseTime } from '../clock.ts';
import { running, statusOf, unchanged, wait, type Question } from './answer.ts';
import type { Decision } from './decision.ts';
import type { Observation, Problem } from './observation.ts';
import { rollBack } from './rollback.ts';
import { routeNameOf } from './route-name.ts';
import { nextStatus, noEvidenceYet } from './status.ts';

/** awaitEndpoints waits for a canary that has no ready endpoints yet, or not all of its revision; after the deadline people hear of it. */
export function awaitEndpoints(observation: Observation, obstacle: Problem): Decision {
  const { nowMs, rollout, canaryRevision } = observation;
  const { progressDeadline } = rollout.spec;
  const { waitingSince, revision } = statusOf(observation);
  const isKnown = waitingSince !== undefined && revision === canaryRevision?.value;
  const since = isKnown ? waitingSince : formatTime(nowMs);
  const leftMs = (parseTime(since) ?? nowMs) + parseDuration(progressDeadline) - nowMs;
  const change = { revision: canaryRevision?.value ?? null, weight: 0, waitingSince: since } as const;
  if (leftMs > 0) return wait(observation, { phase: 'Pending', ...obstacle, ...change }, { requeueAfterMs: leftMs });
  const message = `The canary is not ready ${progressDeadline} after it was first seen; it starts when it is. ${obstacle.message}`;
  // Pending, because in any other phase the spec could not be mended: nothing runs yet.
  return wait(observation, { phase: 'Pending', reason: 'ProgressDeadlineExceeded', message, ...change });
}

/** writeOverdue gives up a step whose weight the route has refused for too long: what is in force goes back as far as it can. */
export const writeOverdue: Question = (observation) => {
  const found = running(observation, 'Forward');
  const refusedMs = parseTime(found?.progress.refusedAt);
  if (found === undefined || refusedMs === undefined || found.progress.appliedAt !== undefined) return undefined;
  const { progressDeadline } = observation.rollout.spec;
  if (observation.nowMs < refusedMs + parseDuration(progressDeadline)) return undefined;
  const message = `${routeNameOf(found.target)} could not be written for ${progressDeadline}, so that the canary never got its ${found.progress.weight}%.`;
  return rollBack(observation, found, { reason: 'ProgressDeadlineExceeded', message, outcome: 'Failed' });
};

/** One raise or two may be lost to somebody who writes at the same moment; who writes all the time is in the way. */
const losingAfterMs = 10_000;

/** lostText is why a raise cannot be written that is lost again and again. */
export const lostText = 'its writes keep being lost to somebody else, or get no answer.';

/** isLosing tells whether a step has tried for so long to write its weight that people should hear of it. */
export function isLosing(observation: Observation): boolean {
  const { progress } = statusOf(observation);
  return observation.nowMs - (parseTime(progress?.enteredAt) ?? Infinity) >= losingAfterMs;
}

/** refusedRaise is the status where a raise could not be written; undefined where that is no step forward. */
export function refusedRaise(observation: Observation, why: string): RolloutStatus | undefined {
  const { phase, progress, target } = statusOf(observation);
  // Whoever stands in for the other version, or waits for a person, has more to say than that.
  if (phase !== 'Progressing' || progress?.direction !== 'Forward' || progress.appliedAt !== undefined)
    return undefined;
  const refusedAt = progress.refusedAt ?? formatTime(observation.nowMs);
  const message = `${routeNameOf(target)} does not take the canary's ${progress.weight}%: ${why}`;
  // What was observed before the step began is no verdict on it.
  const isNew = progress.enteredAt === formatTime(observation.nowMs);
  const seen = isNew ? { ...observation, evidence: undefined, verdict: noEvidenceYet } : observation;
  return nextStatus(seen, {
    ...unchanged(observation),
    reason: 'RouteNotWritten',
    message,
    progress: { ...progress, refusedAt },
  });
}
