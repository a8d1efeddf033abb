/** The caches of the objects that share requests out, one a kind, and which of them list what. */
import type { KubernetesObject, ObjectKey } from '../api/kubernetes.ts';
import type { IngressRoute, RouteService, TraefikService } from '../api/traefik.ts';
import { Store } from '../kube/store.ts';
import { isServiceKind } from '../traffic/entry.ts';
import {
  asRoute,
  routeResources,
  type RouteId,
  type RouteObject,
  type RouteResource,
  type RouteSource,
} from '../traffic/route-object.ts';
import { keptIngressRoute, keptTraefikService } from './kept.ts';

/** RouteStore is the cache of one kind, with an index of what its objects list. */
export type RouteStore = Store<RouteSource, 'listed'>;

/** Listed is what a route can list. */
export type Listed = 'Service' | 'TraefikService';

/** RouteStores are the caches of all kinds. */
export interface RouteStores {
  readonly of: (resource: RouteResource) => RouteStore;
  readonly get: (id: RouteId) => RouteObject | undefined;
  /** listing returns the routes of every kind that list a Service or a TraefikService. */
  readonly listing: (kind: Listed, key: ObjectKey) => readonly RouteObject[];
}

/** createRouteStores returns empty caches. */
export function createRouteStores(): RouteStores {
  const stores = new Map(routeResources.map((resource) => [resource, createStore(resource)]));
  const of: RouteStores['of'] = (resource) => stores.get(resource) as RouteStore;
  return {
    of,
    get: ({ resource, key }) => {
      const found = of(resource).get(key);
      return found && asRoute(resource, found);
    },
    listing: (kind, key) =>
      routeResources.flatMap((resource) => {
        const found = of(resource).byIndex('listed', `${kind} ${key}`);
        return found.map((object) => asRoute(resource, object));
      }),
  };
}

function createStore(resource: RouteResource): RouteStore {
  const isIngressRoute = resource.kind === 'IngressRoute';
  return new Store<RouteSource, 'listed'>({
    indexes: {
      listed: (object) => listedIn(object, isIngressRoute ? ofRules(object as IngressRoute) : ofWays(object)),
    },
    transform: (object) =>
      isIngressRoute ? keptIngressRoute(resource, object as IngressRoute) : keptTraefikService(resource, object),
  });
}

/** listedIn names the Services and TraefikServices of `services`, also those in other namespaces. */
function listedIn({ metadata }: KubernetesObject, services: readonly RouteService[]): readonly string[] {
  const names = services.map(({ kind, name, namespace = '' }) => {
    return `${isServiceKind(kind) ? 'Service' : kind} ${namespace === '' ? metadata.namespace : namespace}/${name}`;
  });
  return [...new Set(names)];
}

function ofRules({ spec }: IngressRoute): readonly RouteService[] {
  return (spec.routes ?? []).flatMap(({ services = [] }) => services);
}

/** ofWays are the services of a TraefikService, whichever way it shares requests out (Traefik 3.7, TraefikServiceSpec). */
function ofWays({ spec = {} }: TraefikService): readonly RouteService[] {
  const { weighted, highestRandomWeight, mirroring, failover } = spec as Readonly<Record<string, Way | undefined>>;
  const { service, fallback } = failover ?? {};
  return [
    ...(weighted?.services ?? []),
    ...(highestRandomWeight?.services ?? []),
    ...(mirroring === undefined ? [] : [mirroring as RouteService, ...(mirroring.mirrors ?? [])]),
    ...[service, fallback].filter((entry) => entry !== undefined),
  ].filter(({ name }) => typeof name === 'string');
}

interface Way {
  readonly services?: readonly RouteService[];
  readonly mirrors?: readonly RouteService[];
  readonly service?: RouteService;
  readonly fallback?: RouteService;
}
