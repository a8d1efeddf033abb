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

/** withUnproven says since when such a revision serves; what was judged of another one is forgotten. */
export function withUnproven(after: RolloutStatus, { rollout, nowMs }: Observation): RolloutStatus {
  if (!isPromoted(after)) {
    const { unprovenSince: _unprovenSince, ...rest } = after;
    return rest;
  }
  const isKnown = rollout.status?.revision === after.revision;
  const { unprovenSince, ...known } = isKnown ? after : withoutVerdict(after);
  if (!hasUnprovenRevision(after)) return known;
  return { ...known, unprovenSince: (isKnown ? unprovenSince : undefined) ?? formatTime(nowMs) };
}

function withoutVerdict(status: RolloutStatus): RolloutStatus {
  const { analysis: _analysis, observed: _observed, verdict: _verdict, ...rest } = status;
  return rest;
}
