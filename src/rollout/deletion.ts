/** What deleting a Rollout does: a running rollout is undone; after success spec.onDelete decides. */
import { parseTime } from '../clock.ts';
import { lower, place, statusOf, touched, unchanged, wait, type Question, type Touched } from './answer.ts';
import { finalizer, type Decision } from './decision.ts';
import type { Observation } from './observation.ts';
import { isHolding } from './status.ts';
import { giveBack } from './swap-rest.ts';

/** giveUpMs bounds how long trouble with the route may hold up a deletion. */
const giveUpMs = 30_000;

/** beingDeleted puts the route back and then lets the object go. */
export const beingDeleted: Question = (observation) => {
  const { rollout, nowMs } = observation;
  const deletedMs = parseTime(rollout.metadata.deletionTimestamp);
  if (deletedMs === undefined) return undefined;
  if (rollout.metadata.finalizers?.includes(finalizer) !== true) return wait(observation, unchanged(observation));
  const back = giveBack(observation);
  if (back !== undefined) return back;
  const isKept = isHolding(statusOf(observation)) && rollout.spec.onDelete === 'Keep';
  const found = touched(observation);
  const remainingMs = deletedMs + giveUpMs - nowMs;
  const isOurs = found !== undefined && found.route.uid === found.target.uid;
  return isKept || !isOurs || remainingMs <= 0 ? { kind: 'Release' } : restore(observation, found, remainingMs);
};

/** isGivenUp tells whether trouble has held the deletion up for long enough. */
export function isGivenUp({ rollout, nowMs }: Observation): boolean {
  const deletedMs = parseTime(rollout.metadata.deletionTimestamp);
  return deletedMs !== undefined && nowMs >= deletedMs + giveUpMs;
}

function restore(observation: Observation, found: Touched, remainingMs: number): Decision {
  const placement = place(observation, found, { kind: 'Baseline' });
  if (placement.isPlaced && placement.canaryPercent === 0) return { kind: 'Release' };
  const message = 'The Rollout is being deleted; the route is put back.';
  const change = { phase: 'RollingBack', reason: 'Deleted', message } as const;
  if (placement.canaryPercent > 0 || placement.isPlaced)
    return wait(observation, change, { requeueAfterMs: remainingMs });
  return lower(observation, { kind: 'Baseline' }, { change, pending: change });
}
