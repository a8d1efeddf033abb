/** Whether a version has the ready endpoints that its share of the traffic needs. A rollback never asks. */
import type { RolloutProgress } from '../api/rollout-status.ts';
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
  const { minReady, policy } = rollout.spec.readiness;
  const isReturn = progress.direction === 'Return';
  const [gainer, giver] = isReturn ? [stable, canary] : [canary, stable];
  const percent = isReturn ? 100 - progress.weight : progress.weight;
  const most = Math.max(progress.mostReady ?? 0, giver.readyEndpoints);
  const share = policy === 'Proportional' ? Math.ceil((percent * most) / 100) : 0;
  const needed = Math.max(minReady, share);
  if (gainer.readyEndpoints >= needed) return undefined;
  const why = share > minReady ? `, as many as ${percent}% of the ${most} of ${giver.service}` : '';
  const message = `Service ${gainer.service} has ${countOf(gainer)}; it needs ${needed}${why}.${limitOf(gainer)}`;
  return { reason: isReturn ? 'StableUndersized' : 'CanaryUndersized', message };
}

/** withMostReady remembers the most endpoints of the version that gives traffic away; the same object where nothing is new. */
export function withMostReady(progress: RolloutProgress, { stable, canary }: Observation): RolloutProgress {
  if (progress.direction === 'Back') return progress;
  const { readyEndpoints } = progress.direction === 'Return' ? canary : stable;
  return readyEndpoints > (progress.mostReady ?? 0) ? { ...progress, mostReady: readyEndpoints } : progress;
}

function countOf({ readyEndpoints }: ArmObservation): string {
  return `${readyEndpoints} ready endpoint${readyEndpoints === 1 ? '' : 's'}`;
}

/** limitOf names the autoscaler that cannot give more by itself. */
function limitOf({ autoscaler }: ArmObservation): string {
  if (autoscaler === undefined) return '';
  return ` HorizontalPodAutoscaler ${autoscaler.name} is at its maximum of ${autoscaler.maxReplicas}; raise spec.maxReplicas.`;
}
