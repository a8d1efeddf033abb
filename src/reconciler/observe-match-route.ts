/** What is there of the IngressRoute of spec.canary.match, and what stands against it. */
import { keyOf, resources, splitKey } from '../api/kubernetes.ts';
import type { Rollout } from '../api/rollout.ts';
import { buildMatchRoute, isOwnedBy, matchRouteKeyOf } from '../rollout/match-route.ts';
import type { MatchRouteObservation, Problem } from '../rollout/observation.ts';
import { ingressRouteIn, type RouteObject } from '../traffic/route-object.ts';
import type { Pair } from '../traffic/split.ts';
import type { Caches } from './caches.ts';

/** MatchRouteInput is what a match route is found in, and made from. */
export interface MatchRouteInput {
  readonly rollout: Rollout;
  readonly route: RouteObject | undefined;
  readonly pair: Pair;
  readonly caches: Caches;
}

/** observeMatchRoute returns the match route as it is and as it has to be, and the problems for which it cannot be. */
export function observeMatchRoute({ rollout, route, pair, caches }: MatchRouteInput): {
  readonly observed: MatchRouteObservation;
  readonly problems: readonly Problem[];
} {
  const found = ingressRouteIn(caches.route({ resource: resources.ingressRoutes, key: matchRouteKeyOf(rollout) }));
  const isOurs = found !== undefined && isOwnedBy(found, rollout);
  const built = buildMatchRoute(rollout, ingressRouteIn(route), pair);
  const problems = [
    ...built.problems,
    ...missingMiddlewares(rollout, caches),
    ...(found === undefined || isOurs ? [] : taken(rollout)),
  ];
  return {
    observed: { present: isOurs ? found : undefined, wanted: problems.length > 0 ? undefined : built.wanted },
    problems,
  };
}

/** Traefik does not load a router one of whose middlewares does not exist. */
function missingMiddlewares(rollout: Rollout, caches: Caches): readonly Problem[] {
  const { namespace } = splitKey(keyOf(rollout));
  const { middlewares = [] } = rollout.spec.canary;
  return middlewares.flatMap(({ name }, index) => {
    if (caches.middleware(`${namespace}/${name}`) !== undefined) return [];
    const message = `spec.canary.middlewares[${index}]: Middleware ${name} does not exist in namespace ${namespace}; create it or correct the name.`;
    return [{ reason: 'MiddlewareNotFound', message }];
  });
}

function taken(rollout: Rollout): readonly Problem[] {
  if (rollout.spec.canary.match === undefined) return [];
  const { namespace, name } = splitKey(matchRouteKeyOf(rollout));
  const message = `spec.canary.match needs the name ${name}, but an IngressRoute of that name in namespace ${namespace} is not of this Rollout; rename or delete it, or rename the Rollout.`;
  return [{ reason: 'MatchRouteConflict', message }];
}
