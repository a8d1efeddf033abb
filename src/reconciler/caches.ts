/** What the reconciler may read without asking the API server; filled by the watches. */
import type {
  EndpointSlice,
  HorizontalPodAutoscaler,
  KubernetesObject,
  ObjectKey,
  Service,
} from '../api/kubernetes.ts';
import type { Rollout } from '../api/rollout.ts';
import type { RouteId, RouteObject } from '../traffic/route-object.ts';
import type { Listed } from './route-stores.ts';
import type { Workload, WorkloadKind } from './workloads.ts';

/** Caches are the last known objects; an object that the server has deleted is undefined. */
export interface Caches {
  rollout(key: ObjectKey): Rollout | undefined;
  route(id: RouteId): RouteObject | undefined;
  /** routesTo returns the routes of every kind that list a Service or a TraefikService. */
  routesTo(kind: Listed, key: ObjectKey): readonly RouteObject[];
  middleware(key: ObjectKey): KubernetesObject | undefined;
  service(key: ObjectKey): Service | undefined;
  workload(kind: WorkloadKind, key: ObjectKey): Workload | undefined;
  /** autoscalersOf returns those that scale a workload. */
  autoscalersOf(kind: WorkloadKind, key: ObjectKey): readonly HorizontalPodAutoscaler[];
  /** endpointSlices returns the slices of a Service. */
  endpointSlices(service: ObjectKey): readonly EndpointSlice[];
  /** rolloutsOn returns the keys of the Rollouts that name a Middleware, a Service or a workload. */
  rolloutsOn(kind: 'Middleware' | 'Service' | WorkloadKind, key: ObjectKey): readonly ObjectKey[];
  /** rolloutsOnRoute returns the keys of the Rollouts that name a route, or have touched it. */
  rolloutsOnRoute(id: RouteId): readonly ObjectKey[];
  /** remember keeps the answer to an own write, so that the next decision does not rest on what was before it. */
  remember(written: { readonly rollout?: Rollout; readonly route?: RouteObject }): void;
  /** forget drops what an own write has deleted, unless something newer is there. */
  forget(route: RouteObject): void;
}
