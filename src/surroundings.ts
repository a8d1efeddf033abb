/** Reads a Rollout and what it refers to from the API server: single objects, so that rights in one namespace are enough. */
import { resources, type EndpointSlice, type ObjectKey, type ResourceKind } from './api/kubernetes.ts';
import type { ObjectStore } from './api/object-store.ts';
import type { Rollout, WorkloadRef } from './api/rollout.ts';
import { routeIdOf } from './reconciler/observe.ts';
import { serviceKeyOf, type KnownObject } from './reconciler/stores.ts';
import { matchRouteKeyOf } from './rollout/match-route.ts';

/** readSurroundings returns what there is of the route, the services with their endpoints, workloads and middlewares. */
export async function readSurroundings(
  store: Pick<ObjectStore, 'get' | 'list'>,
  rollout: Rollout,
  signal: AbortSignal,
): Promise<readonly KnownObject[]> {
  const { namespace = '' } = rollout.metadata;
  const { stable, canary } = rollout.spec;
  const services = [stable, canary].map(({ service }): ObjectKey => `${namespace}/${service}`);
  const route = routeIdOf(rollout);
  const wanted: readonly (readonly [ResourceKind, ObjectKey])[] = [
    [route.resource, route.key],
    ...(canary.match === undefined ? [] : [[resources.ingressRoutes, matchRouteKeyOf(rollout)] as const]),
    ...services.map((key) => [resources.services, key] as const),
    ...[stable.workload, canary.workload].flatMap((ref) => workload(namespace, ref)),
    ...(canary.middlewares ?? []).map(({ name }) => [resources.middlewares, `${namespace}/${name}`] as const),
  ];
  const [found, slices] = await Promise.all([
    Promise.all(wanted.map(async ([kind, key]) => ({ kind, object: await store.get(kind, key, { signal }) }))),
    store.list<EndpointSlice>(resources.endpointSlices, { namespace, signal }),
  ]);
  const objects = found.flatMap(({ kind, object }) => (object === undefined ? [] : [{ kind, object }]));
  const own = slices.items.filter((slice) => services.includes(serviceKeyOf(slice)));
  return [...objects, ...own.map((object) => ({ kind: resources.endpointSlices, object }))];
}

const workloadKinds: Readonly<Record<WorkloadRef['kind'], ResourceKind>> = {
  Deployment: resources.deployments,
  StatefulSet: resources.statefulSets,
  DaemonSet: resources.daemonSets,
};

function workload(namespace: string, ref: WorkloadRef | undefined): readonly (readonly [ResourceKind, ObjectKey])[] {
  return ref === undefined ? [] : [[workloadKinds[ref.kind], `${namespace}/${ref.name}`]];
}
