/** Whether a version has the ready endpoints that its share of the traffic needs. A rollback never asks. */
import type { RolloutSpec } from '../api/rollout.ts';
import type { RolloutProgress } from '../api/rollout-status.ts';
import { formatTime, parseTime } from '../clock.ts';
import type { ArmObservation, Observation, Problem } from './observation.ts';

/** tooFewToStart says that the canary has not even the fewest endpoints that it needs. */
export function tooFewToStart({ rollout, canary }: Observation): Problem | undefined {
  const { minReady } = rollout.spec.readiness;
  if (canary.readyEndpoints >= minReady) return undefined;
  const message = `Service ${canary.service} has ${countOf(canary)}; spec.readiness wants ${minReady}.${limitOf(canary)}`;
  return { reason: 'CanaryUndersized', message };
}

/**
 * tooFewForShare says that the version which gains traffic cannot carry more yet: it needs its present share of the most
 * endpoints that the other one has had, because that many were enough for everything.
 */
export function tooFewForShare(observation: Observation, progress: RolloutProgress): Problem | undefined {
  const { rollout, stable, canary } = observation;
  const { minReady } = rollout.spec.readiness;
  const isReturn = progress.direction === 'Return';
  const [gainer, giver] = isReturn ? [stable, canary] : [canary, stable];
  const percent = isReturn ? 100 - progress.weight : progress.weight;
  const most = Math.max(withMostReady(progress, observation).mostReady ?? 0, giver.readyEndpoints);
  const needed = neededEndpoints(rollout.spec.readiness, percent, most);
  if (gainer.readyEndpoints >= needed) return undefined;
  const why = needed > minReady ? `, as many as ${percent}% of the ${most} of ${giver.service}` : '';
  const message = `Service ${gainer.service} has ${countOf(gainer)}; it needs ${needed}${why}.${limitOf(gainer)}`;
  return { reason: isReturn ? 'StableUndersized' : 'CanaryUndersized', message };
}

/** tooFewForAll says that a canary which gets everything again has not as many endpoints as when it had everything. */
export function tooFewForAll(
  { rollout, canary }: Observation,
  { mostReady = 0 }: RolloutProgress,
): Problem | undefined {
  const { minReady, policy } = rollout.spec.readiness;
  const needed = Math.max(minReady, policy === 'Proportional' ? mostReady : 0);
  if (canary.readyEndpoints >= needed) return undefined;
  const message = `Service ${canary.service} has ${countOf(canary)}; it needs ${needed}, as many as it has had.${limitOf(canary)}`;
  return { reason: 'CanaryUndersized', message };
}

/** neededEndpoints is how many a version needs for more than `percent`, where `most` were enough for everything. */
export function neededEndpoints({ minReady, policy }: RolloutSpec['readiness'], percent: number, most: number): number {
  return Math.max(minReady, policy === 'Proportional' ? Math.ceil((percent * most) / 100) : 0);
}

/** A rolling update has more pods than it needs for a while (maxSurge); what lasts is what the traffic asks for. */
const lastingMs = 60_000;

/**
 * withMostReady remembers the most endpoints of the version that gives traffic away: those that it began with, and more
 * once they have lasted for a minute. The same object where nothing is new.
 */
export function withMostReady(progress: RolloutProgress, observation: Observation): RolloutProgress {
  if (progress.direction === 'Back') return progress;
  const { readyEndpoints } = progress.direction === 'Return' ? observation.canary : observation.stable;
  const { mostReady, moreReady, ...rest } = progress;
  if (mostReady === undefined) return { ...rest, mostReady: readyEndpoints };
  if (moreReady === undefined)
    return readyEndpoints > mostReady ? began(progress, observation, readyEndpoints) : progress;
  const isLasting = observation.nowMs - (parseTime(moreReady.since) ?? 0) >= lastingMs;
  // Until it was looked at again nothing had changed: each change of endpoints wakes the rollout.
  const most = isLasting ? moreReady.endpoints : mostReady;
  if (readyEndpoints <= most) return { ...rest, mostReady: most };
  if (isLasting) return began({ ...rest, mostReady: most }, observation, readyEndpoints);
  return readyEndpoints < moreReady.endpoints
    ? { ...progress, moreReady: { ...moreReady, endpoints: readyEndpoints } }
    : progress;
}

/** readySeen is what a progress that is made anew, from the route, keeps of the former one. */
export function readySeen(progress: RolloutProgress | undefined): Pick<RolloutProgress, 'mostReady' | 'moreReady'> {
  const { mostReady, moreReady } = progress ?? {};
  return { ...(mostReady === undefined ? {} : { mostReady }), ...(moreReady === undefined ? {} : { moreReady }) };
}

function began(progress: RolloutProgress, { nowMs }: Observation, endpoints: number): RolloutProgress {
  return { ...progress, moreReady: { endpoints, since: formatTime(nowMs) } };
}

function countOf({ readyEndpoints }: ArmObservation): string {
  return `${readyEndpoints} ready endpoint${readyEndpoints === 1 ? '' : 's'}`;
}

/** limitOf names the autoscaler that cannot give more by itself. */
function limitOf({ autoscaler }: ArmObservation): string {
  if (autoscaler === undefined) return '';
  return ` HorizontalPodAutoscaler ${autoscaler.name} is at its maximum of ${autoscaler.maxReplicas}; raise spec.maxReplicas.`;
}
