/** When the route got the weight of the present step, read from the route itself: a write to status that is saved. */
import type { Rollout } from '../api/rollout.ts';
import type { RolloutProgress } from '../api/rollout-status.ts';
import { formatTime, parseTime } from '../clock.ts';
import { percentOf } from './answer.ts';
import type { RouteObservation } from './observation.ts';

/** fieldManager is the name under which the API server records the writes of Sluice in managedFields. */
export const fieldManager = 'sluice';

/** Times in managedFields are cut to whole seconds (metav1.Time). */
const resolutionMs = 1_000;

/**
 * withAppliedAt returns the Rollout as if status said when its weight was first seen in the route, where that can be
 * told from the route: it has the weight, and Sluice wrote its rules last, since the step began. The time is up to 1 s
 * early, which the 5 s until a weight is taken to be in effect allow for. Not in a first step: at 0 % only a stored
 * time tells a rollback whose status write was lost from a raise that was not made.
 */
export function withAppliedAt(rollout: Rollout, route: RouteObservation | undefined): Rollout {
  const { status } = rollout;
  if (status?.progress === undefined || route === undefined || route.uid !== status.target?.uid) return rollout;
  const appliedAt = readAppliedAt(status.progress, route);
  return appliedAt === undefined
    ? rollout
    : { ...rollout, status: { ...status, progress: { ...status.progress, appliedAt } } };
}

function readAppliedAt(progress: RolloutProgress, route: RouteObservation): string | undefined {
  const { appliedAt, direction, enteredAt, from, weight } = progress;
  if (appliedAt !== undefined || direction !== 'Forward' || from === 0) return undefined;
  if (percentOf(route) !== weight || !wroteSince(route, enteredAt, isOurs)) return undefined;
  return formatTime(Math.max(parseTime(enteredAt) ?? 0, route.writer?.timeMs ?? 0));
}

/** isPerson tells the managers behind whom a person stands: kubectl in all its verbs, and whoever edits a folder of manifests. */
export function isPerson(manager: string): boolean {
  return manager.startsWith('kubectl') || manager === 'file';
}

/** isOurs tells whether Sluice wrote. */
export function isOurs(manager: string): boolean {
  return manager.startsWith(fieldManager);
}

/** wroteSince tells whether the rules were last written since `enteredAt` by such a manager. */
export function wroteSince(route: RouteObservation, enteredAt: string, isSuch: (manager: string) => boolean): boolean {
  const { writer } = route;
  if (writer === undefined || !isSuch(writer.manager)) return false;
  return writer.timeMs + resolutionMs > (parseTime(enteredAt) ?? 0);
}
