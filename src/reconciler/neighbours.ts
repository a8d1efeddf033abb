/** Who else sends requests to the pair, and whether anybody sends any to the route: what a person should know of. */
import { resources, type ObjectKey } from '../api/kubernetes.ts';
import type { Rollout } from '../api/rollout.ts';
import { matchRouteKeyOf } from '../rollout/match-route.ts';
import type { Problem } from '../rollout/observation.ts';
import { isSameRoute, type RouteId, type RouteObject } from '../traffic/route-object.ts';
import { listsPair, roleOf, type Pair } from '../traffic/split.ts';
import type { Caches } from './caches.ts';

/** Neighbourhood is what others are looked for in; `route` is undefined where it does not exist. */
export interface Neighbourhood {
  readonly rollout: Rollout;
  readonly route: RouteObject | undefined;
  readonly pair: Pair;
  readonly caches: Caches;
}

/** Sharer is a service of the pair, and who else lists it. */
interface Sharer {
  readonly service: string;
  readonly by: string;
}

/** findSharers returns who lists a service of the pair besides the rules in question. */
export function findSharers({ rollout, route, pair, caches }: Neighbourhood): readonly Sharer[] {
  if (route === undefined) return [];
  // The match route lists one service, so that its requests are counted under the name of its router.
  const matchRoute: RouteId = { resource: resources.ingressRoutes, key: matchRouteKeyOf(rollout) };
  const isForeign = (other: RouteObject): boolean => ![route, matchRoute].some((own) => isSameRoute(own, other));
  return (['stable', 'canary'] as const).flatMap((role) => {
    const { service } = pair[role];
    const others = caches.routesTo('Service', `${pair.namespace}/${service}`);
    const foreign = others.filter(isForeign).map(nameOf);
    const rules = route.routes
      .filter((rule) => !listsPair(rule, pair))
      .filter(({ services = [] }) => services.some((entry) => roleOf(entry, pair) === role));
    return [...foreign, ...rules.map(({ match }) => `the rule ${match}`)].map((by) => ({ service, by }));
  });
}

function nameOf({ resource, key }: RouteObject): string {
  return `${resource.kind} ${key}`;
}

const maxNamed = 3;

/** findAdvice returns what is no problem of a rollout and yet explains what people will wonder about. */
export function findAdvice(around: Neighbourhood): readonly Problem[] {
  const { route, caches } = around;
  return route === undefined ? [] : [...unused(route, caches), ...shared(findSharers(around))];
}

function unused(route: RouteObject, caches: Caches): readonly Problem[] {
  if (route.resource.kind !== 'TraefikService' || isListed(route.key, caches)) return [];
  const name = route.object.metadata.name;
  const message = `No IngressRoute lists TraefikService ${name}, so that nothing in this cluster sends it requests; add {name: ${name}, kind: TraefikService} to the services of a rule.`;
  return [{ reason: 'RouteUnused', message }];
}

function isListed(key: ObjectKey, caches: Caches): boolean {
  return caches.routesTo('TraefikService', key).length > 0;
}

function shared(sharers: readonly Sharer[]): readonly Problem[] {
  return [...new Set(sharers.map(({ service }) => service))].map((service) => {
    const names = sharers.filter((sharer) => sharer.service === service).map(({ by }) => by);
    const more = names.length > maxNamed ? ` and ${names.length - maxNamed} more` : '';
    const message = `Service ${service} is also listed by ${names.slice(0, maxNamed).join(', ')}${more}, which stay as they are; the share that is observed is not compared with the weight.`;
    return { reason: 'ServiceShared', message };
  });
}
