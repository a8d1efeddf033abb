/** What happens when spec.route or the services are edited at rest: the old route is put back, then all begins anew. */
import { lower, place, statusOf, touched, wait, type Question } from './answer.ts';
import type { Observation } from './observation.ts';
import { isTarget, routeNameOf } from './route-name.ts';
import { isAtRest, isHolding } from './status.ts';

/** isRetargeted tells whether the spec names another route or pair than the touched one. */
export function isRetargeted({ rollout }: Pick<Observation, 'rollout'>): boolean {
  const target = rollout.status?.target;
  if (target === undefined) return false;
  const { route, stable, canary } = rollout.spec;
  return (
    !isTarget(route, target) || target.stable.service !== stable.service || target.canary.service !== canary.service
  );
}

/** retargeted restores the touched route and forgets it. */
export const retargeted: Question = (observation) => {
  const status = statusOf(observation);
  if (!isRetargeted(observation) || !(isAtRest(status) || isHolding(status))) return undefined;
  const message = `The spec names another route or service; ${routeNameOf(status.target)} is put back as it was.`;
  const change = {
    phase: 'Pending',
    reason: 'Retargeted',
    message,
    weight: 0,
    target: null,
    progress: null,
    revision: null,
    promotedRevision: null,
    stableRevision: null,
    stableImages: null,
    waitingSince: null,
    analysis: 'Forget',
  } as const;
  const found = touched(observation);
  if (found === undefined) return wait(observation, change);
  const placement = place(observation, found, { kind: 'Baseline' });
  if (placement.isPlaced && placement.canaryPercent === 0) return wait(observation, change);
  if (placement.isPlaced || placement.canaryPercent > 0) {
    const text = `The old route waits for a ready endpoint of ${observation.stable.service}.`;
    return wait(observation, { phase: status.phase ?? 'Succeeded', reason: 'StableUnavailable', message: text });
  }
  return lower(
    observation,
    { kind: 'Baseline' },
    { change, pending: { phase: 'Pending', reason: 'Retargeted', message } },
  );
};
