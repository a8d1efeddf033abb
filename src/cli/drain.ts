/** What stands against an uninstallation, in words: Rollouts that are under way, or that nobody lets go. */
import { keyOf } from '../api/kubernetes.ts';
import type { Rollout } from '../api/rollout.ts';

const phases: readonly (string | undefined)[] = ['Progressing', 'Paused', 'Promoting', 'RollingBack', 'Degraded'];

/** rolloutsUnderWay are those whose deletion moves traffic now. */
export function rolloutsUnderWay(rollouts: readonly Rollout[]): readonly Rollout[] {
  return rollouts.filter(({ status }) => phases.includes(status?.phase));
}

/** underWayMessage says what would happen to Rollouts that are under way. */
export function underWayMessage(rollouts: readonly Rollout[]): string {
  const names = rollouts.map(
    (rollout) => `${keyOf(rollout)} (${rollout.status?.phase}, ${rollout.status?.weight ?? 0}%)`,
  );
  const [they, their] = rollouts.length === 1 ? ['is', 'its canary'] : ['are', 'their canaries'];
  return `${names.join(', ')} ${they} under way, and ${their} would lose all traffic at once; wait, or say --yes.`;
}

/** stuckMessage says which Rollouts still have a finalizer, and what to do. */
export function stuckMessage(rollouts: readonly Rollout[], timeout: string): string {
  const names = rollouts.map(keyOf).join(', ');
  const hint =
    'is a controller running? Nothing else was removed. docs/operations.md, "A Rollout that cannot be deleted"';
  return `${names} could not be deleted within ${timeout}; ${hint}, says what to do without one.`;
}
