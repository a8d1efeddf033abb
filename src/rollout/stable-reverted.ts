/** When stable's workload runs again what it ran before the rollout: traffic does not return to that, unless a person says so. */
import type { RolloutProgress } from '../api/rollout-status.ts';
import { formatTime } from '../clock.ts';
import {
  isAsked,
  place,
  raise,
  running,
  statusOf,
  targetFor,
  unchanged,
  wait,
  type Question,
  type Running,
} from './answer.ts';
import { braked, findBrake, untilOpen } from './brake.ts';
import type { Decision } from './decision.ts';
import { lastRaiseMs, raiseSpacingMs } from './drift.ts';
import type { Observation } from './observation.ts';
import { tooFewForAll } from './readiness.ts';
import { isStableRenewed } from './renewal.ts';
import type { StatusChange } from './status.ts';

/** revertedInHold is the status of a Hold whose stable workload has changed back, or has only been restarted; undefined in any other. */
export function revertedInHold(observation: Observation): StatusChange | undefined {
  const { stableRevision: stable } = observation;
  const { stableRevision: known, reason } = statusOf(observation);
  if (stable === undefined || known === undefined || isStableRenewed(observation)) return undefined;
  // The revision of the beginning has come back only where there was another one.
  return stable.value === known && reason !== 'StableReverted' ? undefined : reverted(observation);
}

function reverted({ stable, stableRevision }: Observation): StatusChange {
  const message = `The workload of ${stable.service} runs again what it ran before the rollout (revision ${stableRevision?.value ?? ''}), so the canary keeps everything. Update it to what was promoted, or promote to send traffic back to it all the same.`;
  return { phase: 'Succeeded', reason: 'StableReverted', message };
}

/** stableReverted gives the canary everything again, when the version that traffic returns to is the old one after all. */
export const stableReverted: Question = (observation) => {
  const found = running(observation, 'Return');
  const isOld = observation.stableRevision !== undefined && !isStableRenewed(observation);
  if (found?.progress.renewed !== true || !isOld) return undefined;
  if (isAsked(observation, 'promote') || isAsked(observation, 'promote-full')) return undefined;
  const change = reverted(observation);
  const isPlaced = place(observation, found, targetFor(100)).isPlaced;
  if (isPlaced) return wait(observation, { ...change, weight: 100, progress: null });
  return waitToRaise(observation, found, change) ?? raiseAgain(observation, found, change);
};

/** waitToRaise: it is a raise, and waits as every other one for whom brakes it, and for endpoints. */
function waitToRaise(observation: Observation, found: Running, change: StatusChange): Decision | undefined {
  const { progress } = found;
  const at = `the canary at ${progress.weight}%`;
  const held = { phase: 'Degraded', reason: change.reason } as const;
  const brake = findBrake(observation);
  if (brake !== undefined) {
    const { message, opensAt } = braked(brake, at);
    const text = `${change.message} ${message}.`;
    return wait(observation, { ...held, message: text, opensAt }, untilOpen(observation, brake));
  }
  const obstacle = unjudged(observation, found) ?? tooFewForAll(observation, progress)?.message;
  if (obstacle !== undefined) {
    const message = `${change.message} Until then it waits with ${at}: ${obstacle}`;
    return wait(observation, { ...held, message });
  }
  // One that was decided and not made, because of a crash or a conflict, is the last one.
  const isDecided = progress.appliedAt === undefined;
  const spacingMs = isDecided ? 0 : raiseSpacingMs - (observation.nowMs - lastRaiseMs(found));
  return spacingMs > 0 ? wait(observation, unchanged(observation), { requeueAfterMs: spacingMs }) : undefined;
}

/** unjudged: the canary was promoted, but not with what it runs now. */
function unjudged({ canaryRevision }: Observation, { status: { promotedRevision } }: Running): string | undefined {
  if (canaryRevision === undefined || canaryRevision.value === promotedRevision) return undefined;
  return `revision ${canaryRevision.value} of it was never judged.`;
}

/** raiseAgain: the progress stays until the route has the weight, so that a crash in between changes nothing. */
function raiseAgain(observation: Observation, { progress, target }: Running, change: StatusChange): Decision {
  const now = formatTime(observation.nowMs);
  const { appliedAt: _appliedAt, full: _full, ...rest } = progress;
  const raised: RolloutProgress = { ...rest, index: -1, from: progress.weight, weight: 100, enteredAt: now };
  return raise(observation, targetFor(100), {
    ...change,
    weight: 100,
    progress: progress.weight === 100 ? progress : raised,
    target: { ...target, raisedAt: now },
  });
}
