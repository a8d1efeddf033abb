/** What the reconciler may read without asking the API server; filled by the watches. */
import type { Deployment, EndpointSlice, HorizontalPodAutoscaler, ObjectKey, Service } from '../api/kubernetes.ts';
import type { Rollout } from '../api/rollout.ts';
import type { IngressRoute } from '../api/traefik.ts';

/** Caches are the last known objects; an object that the server has deleted is undefined. */
export interface Caches {
  rollout(key: ObjectKey): Rollout | undefined;
  ingressRoute(key: ObjectKey): IngressRoute | undefined;
  /** ingressRoutesTo returns the keys of the IngressRoutes that list a Service. */
  ingressRoutesTo(service: ObjectKey): readonly ObjectKey[];
  service(key: ObjectKey): Service | undefined;
  deployment(key: ObjectKey): Deployment | undefined;
  /** autoscalersOf returns those that scale a Deployment. */
  autoscalersOf(deployment: ObjectKey): readonly HorizontalPodAutoscaler[];
  /** endpointSlices returns the slices of a Service. */
  endpointSlices(service: ObjectKey): readonly EndpointSlice[];
  /** rolloutsOn returns the keys of the Rollouts that name an IngressRoute, a Service or a Deployment. */
  rolloutsOn(kind: 'IngressRoute' | 'Service' | 'Deployment', key: ObjectKey): readonly ObjectKey[];
  /** remember keeps the answer to an own write, so that the next decision does not rest on what was before it. */
  remember(written: { readonly rollout?: Rollout; readonly ingressRoute?: IngressRoute }): void;
}
