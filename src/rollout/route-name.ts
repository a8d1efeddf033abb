/** How the route of a Rollout is named: in status, and in messages. */
import type { RouteRef } from '../api/rollout.ts';
import type { RolloutTarget } from '../api/rollout-status.ts';
import { isSameRule } from '../rule/same-rule.ts';

const defaultApiVersion = 'traefik.io/v1alpha1';
const defaultKind = 'IngressRoute';

/** routeNameOf returns the kind and the name of a touched route, e.g. `IngressRoute shop`. */
export function routeNameOf(target: RolloutTarget | undefined): string {
  return `${target?.kind ?? defaultKind} ${target?.route ?? ''}`;
}

/** targetOf returns what status says of the route that is touched now; what is usual is left out. */
export function targetOf(route: RouteRef): Pick<RolloutTarget, 'apiVersion' | 'kind' | 'route' | 'match'> {
  const { apiVersion, kind, name, match } = route;
  return {
    ...(apiVersion === defaultApiVersion ? {} : { apiVersion }),
    ...(kind === defaultKind ? {} : { kind }),
    route: name,
    ...(match === undefined ? {} : { match }),
  };
}

/** isTarget tells whether the spec still names the touched route; a rule that is written differently is the same one. */
export function isTarget(route: RouteRef, target: RolloutTarget): boolean {
  const { apiVersion = defaultApiVersion, kind = defaultKind, match } = target;
  if (route.apiVersion !== apiVersion || route.kind !== kind || route.name !== target.route) return false;
  if (match === undefined || route.match === undefined) return match === route.match;
  return isSameRule(match, route.match);
}
