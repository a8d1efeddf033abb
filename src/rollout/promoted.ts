/** What a promoted canary runs: where that has changed since, it serves without having been judged. */
import { formatTime } from '../clock.ts';
import type { RolloutStatus } from '../api/rollout-status.ts';
import type { Observation } from './observation.ts';

/** isPromoted tells whether the canary has been promoted and has traffic: in a Hold, and on the way back to stable. */
function isPromoted({ progress, target, weight = 0 }: RolloutStatus): boolean {
  return target !== undefined && weight > 0 && (progress === undefined || progress.direction === 'Return');
}

/** hasUnprovenRevision tells whether a promoted canary has a revision since then that serves without having been judged. */
export function hasUnprovenRevision(status: RolloutStatus): boolean {
  return isPromoted(status) && status.revision !== undefined && status.revision !== status.promotedRevision;
}

/**
 * withUnproven says which revision a promoted canary runs, and since when one serves that was not judged; what was judged of
 * another one is forgotten. Whatever else is decided or waited for, that is seen with the same write.
 */
export function withUnproven(after: RolloutStatus, observation: Observation): RolloutStatus {
  if (!isPromoted(after)) {
    const { unprovenSince: _unprovenSince, ...rest } = after;
    return rest;
  }
  const seen = withRevision(after, observation);
  const isKnown = observation.rollout.status?.revision === seen.revision;
  const { unprovenSince, ...known } = isKnown ? seen : withoutVerdict(seen);
  if (!hasUnprovenRevision(seen)) return known;
  return { ...known, unprovenSince: (isKnown ? unprovenSince : undefined) ?? formatTime(observation.nowMs) };
}

/** Under a deletion only the route counts; with Swap the roles may be exchanged for it already. */
function withRevision(status: RolloutStatus, { canaryRevision, rollout }: Observation): RolloutStatus {
  if (canaryRevision === undefined || rollout.metadata.deletionTimestamp !== undefined) return status;
  return { ...status, revision: canaryRevision.value };
}

function withoutVerdict(status: RolloutStatus): RolloutStatus {
  const { analysis: _analysis, observed: _observed, verdict: _verdict, retries: _retries, ...rest } = status;
  return rest;
}
