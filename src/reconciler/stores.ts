/** The stores of all kinds that decide about rollouts, and the caches that read them. */
import {
  keyOf,
  resources,
  type EndpointSlice,
  type KubernetesObject,
  type ObjectKey,
  type ResourceKind,
  type Service,
} from '../api/kubernetes.ts';
import type { Rollout } from '../api/rollout.ts';
import { Store } from '../kube/store.ts';
import { routeResources } from '../traffic/route-object.ts';
import type { Caches } from './caches.ts';
import { keptEndpointSlice, keptMiddleware, keptRollout, keptService, serviceNameLabel } from './kept.ts';
import { middlewaresOf, placeOf, routesOf, servicesOf } from './rollout-index.ts';
import { createRouteStores, type RouteStores } from './route-stores.ts';
import { createWorkloadStores, workloadCaches, workloadsOf, type WorkloadStores } from './workload-stores.ts';
import type { WorkloadKind } from './workloads.ts';

/** keepFresh takes a newer state of an object that is there: the answer to a write may come after the watch saw it deleted. */
function keepFresh<T extends KubernetesObject>(store: Pick<Store<T>, 'get' | 'apply'>, object: T): void {
  if (store.get(keyOf(object))?.metadata.uid === object.metadata.uid) store.apply(object);
}

type RolloutIndex = 'Route' | 'Middleware' | 'Service' | WorkloadKind;

/** Stores hold the last known state of every kind that decides about rollouts. */
export interface Stores extends WorkloadStores {
  readonly rollouts: Store<Rollout, RolloutIndex>;
  readonly routes: RouteStores;
  readonly middlewares: Store<KubernetesObject>;
  readonly services: Store<Service>;
  readonly endpointSlices: Store<EndpointSlice, 'service'>;
}

/** createStores returns empty stores. */
export function createStores(): Stores {
  return {
    rollouts: new Store<Rollout, RolloutIndex>({
      indexes: {
        Route: routesOf,
        Middleware: middlewaresOf,
        Service: servicesOf,
        Deployment: workloadsOf('Deployment'),
        StatefulSet: workloadsOf('StatefulSet'),
        DaemonSet: workloadsOf('DaemonSet'),
      },
      transform: keptRollout,
    }),
    routes: createRouteStores(),
    middlewares: new Store<KubernetesObject>({ transform: keptMiddleware }),
    services: new Store<Service>({ transform: keptService }),
    endpointSlices: new Store<EndpointSlice, 'service'>({
      indexes: { service: (slice) => [serviceKeyOf(slice)] },
      transform: keptEndpointSlice,
    }),
    ...createWorkloadStores(),
  };
}

/** createCaches reads the stores. */
export function createCaches(stores: Stores): Caches {
  return {
    rollout: (key) => stores.rollouts.get(key),
    route: stores.routes.get,
    routesTo: stores.routes.listing,
    middleware: (key) => stores.middlewares.get(key),
    service: (key) => stores.services.get(key),
    ...workloadCaches(stores),
    endpointSlices: (key) => stores.endpointSlices.byIndex('service', key),
    rolloutsOn: (kind, key) => stores.rollouts.byIndex(kind, key).map(keyOf),
    rolloutsOnRoute: (id) => stores.rollouts.byIndex('Route', placeOf(id)).map(keyOf),
    remember: ({ rollout, route }) => {
      if (rollout !== undefined) keepFresh(stores.rollouts, rollout);
      if (route !== undefined) keepFresh(stores.routes.of(route.resource), route.object);
    },
    forget: ({ resource, object }) => void stores.routes.of(resource).delete(object),
  };
}

/** serviceKeyOf returns the key of the Service that an EndpointSlice is of. */
export function serviceKeyOf(slice: EndpointSlice): ObjectKey {
  return `${slice.metadata.namespace ?? ''}/${slice.metadata.labels?.[serviceNameLabel] ?? ''}`;
}

/** KnownObject is an object of a kind, as the API server or a file has it. */
export interface KnownObject {
  readonly kind: ResourceKind;
  readonly object: KubernetesObject;
}

/** cachesOf are the caches of a controller that knows these objects and no others. */
export function cachesOf(objects: readonly KnownObject[]): Caches {
  const stores = createStores();
  const byKind = new Map<ResourceKind, { apply(object: KubernetesObject): unknown }>([
    [resources.rollouts, stores.rollouts],
    ...routeResources.map((resource) => [resource, stores.routes.of(resource)] as const),
    [resources.middlewares, stores.middlewares],
    [resources.services, stores.services],
    [resources.endpointSlices, stores.endpointSlices],
    [resources.deployments, stores.deployments],
    [resources.statefulSets, stores.statefulSets],
    [resources.daemonSets, stores.daemonSets],
    [resources.controllerRevisions, stores.controllerRevisions],
    [resources.autoscalers, stores.autoscalers],
  ]);
  for (const { kind, object } of objects) byKind.get(kind)?.apply(object);
  return createCaches(stores);
}
