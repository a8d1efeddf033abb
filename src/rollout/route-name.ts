/** How messages name the route that a Rollout has touched. */
import type { RolloutTarget } from '../api/rollout-status.ts';

/** routeNameOf returns the kind and the name of a touched route, e.g. `IngressRoute shop`. */
export function routeNameOf(target: RolloutTarget | undefined): string {
  return `IngressRoute ${target?.route ?? ''}`;
}
