/** Under which other objects a Rollout is found in the cache. */
import type { Rollout } from '../api/rollout.ts';
import { routeIn, type RouteId } from '../traffic/route-object.ts';

/** routesOf: a Rollout is found by the route that it names and, while it has touched one, by what it named then. */
export function routesOf(rollout: Rollout): readonly string[] {
  return [...new Set(routeIdsOf(rollout).map(placeOf))];
}

/** routeIdsOf are these routes. */
export function routeIdsOf({ metadata, spec, status }: Rollout): readonly RouteId[] {
  const { target } = status ?? {};
  const names = [spec.route, ...(target === undefined ? [] : [{ ...target, name: target.route }])];
  return names.map((name) => routeIn(metadata.namespace ?? '', name));
}

/** placeOf is a RouteId as an index has it. */
export function placeOf({ resource, key }: RouteId): string {
  return `${resource.plural}.${resource.group} ${key}`;
}

/** middlewaresOf are the keys of what spec.canary.middlewares names. */
export function middlewaresOf({ metadata, spec }: Rollout): readonly string[] {
  const { middlewares = [] } = spec.canary;
  return inNamespace(
    metadata.namespace,
    middlewares.map(({ name }) => name),
  );
}

/** servicesOf are the keys of both services, and of those that it named when it touched the route. */
export function servicesOf({ metadata, spec, status }: Rollout): readonly string[] {
  return inNamespace(metadata.namespace, [
    spec.stable.service,
    spec.canary.service,
    status?.target?.stable.service,
    status?.target?.canary.service,
  ]);
}

function inNamespace(namespace: string | undefined, names: readonly (string | undefined)[]): readonly string[] {
  return [...new Set(names.filter((name) => name !== undefined).map((name) => `${namespace ?? ''}/${name}`))];
}
