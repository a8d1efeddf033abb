/** The objects around the Rollout web/shop, and caches that real watches have filled with them. */
import {
  resources,
  type ControllerRevision,
  type DaemonSet,
  type Deployment,
  type EndpointSlice,
  type ObjectKey,
  type Service,
  type StatefulSet,
} from '../../../src/api/kubernetes.ts';
import type { IngressRoute } from '../../../src/api/traefik.ts';
import { startWatches, type Watches, type WatchesOptions } from '../../../src/reconciler/watches.ts';
import type { RouteId } from '../../../src/traffic/route-object.ts';
import { createLogger, type Logger } from '../../../src/telemetry/logger.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { shopRoutes } from '../../support/rollout-builders.ts';
import { MemoryStore } from './memory-store.ts';

type Endpoints = NonNullable<EndpointSlice['endpoints']>;

/** service returns a Service of the namespace web. */
export function service(
  name: string,
  ports: NonNullable<Service['spec']>['ports'] = [{ name: 'http', port: 80 }],
): Service {
  return { metadata: { name, namespace: 'web', uid: `uid-${name}` }, spec: { ports: ports ?? [] } };
}

/** slice returns an EndpointSlice of a Service; `ports` are its ports' names. */
export function slice(
  of: string,
  endpoints: Endpoints,
  { suffix = '1', ports = ['http'] }: { readonly suffix?: string; readonly ports?: readonly string[] } = {},
): EndpointSlice {
  const labels = { 'kubernetes.io/service-name': of };
  return {
    metadata: { name: `${of}-${suffix}`, namespace: 'web', uid: `uid-${of}-${suffix}`, labels },
    endpoints,
    ports: ports.map((name) => ({ ...(name === '' ? {} : { name }), port: 8080 })),
  };
}

/** deployment returns a Deployment that is fully rolled out with three pods. */
export function deployment(name: string, image: string, revision = '1'): Deployment {
  return {
    metadata: {
      name,
      namespace: 'web',
      uid: `${name}-uid-of-the-deployment`,
      generation: 4,
      annotations: { 'deployment.kubernetes.io/revision': revision },
    },
    spec: { replicas: 3, template: { spec: { containers: [{ name: 'app', image }] } } },
    status: { observedGeneration: 4, replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3 },
  };
}

/** shopRouteId is where the IngressRoute web/shop is. */
export const shopRouteId: RouteId = { resource: resources.ingressRoutes, key: 'web/shop' };
/** statefulSet returns a StatefulSet that is fully rolled out with three pods. */
export function statefulSet(name: string, image: string, updateRevision = `${name}-1`): StatefulSet {
  return {
    metadata: { name, namespace: 'web', uid: `${name}-uid-of-the-stateful-set`, generation: 4 },
    spec: { replicas: 3, template: { spec: { containers: [{ name: 'app', image }] } } },
    status: { observedGeneration: 4, updateRevision, replicas: 3, updatedReplicas: 3, readyReplicas: 3 },
  };
}

/** daemonSet returns a DaemonSet that is fully rolled out on three nodes. */
export function daemonSet(name: string, image: string): DaemonSet {
  return {
    metadata: { name, namespace: 'web', uid: `${name}-uid-of-the-daemon-set`, generation: 4, resourceVersion: '21' },
    spec: { template: { spec: { containers: [{ name: 'app', image }] } } },
    status: { observedGeneration: 4, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberReady: 3 },
  };
}

/** controllerRevision returns the revision of a DaemonSet with this number and hash. */
export function controllerRevision(of: string, revision: number, hash: string): ControllerRevision {
  const uid = `${of}-uid-of-the-daemon-set`;
  const owner = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: of, uid, controller: true };
  const labels = { 'controller-revision-hash': hash };
  return {
    metadata: { name: `${of}-${hash}`, namespace: 'web', uid: `uid-${of}-${hash}`, labels, ownerReferences: [owner] },
    revision,
  };
}

/** shopRoute returns the IngressRoute web/shop, last written by Helm. */
export function shopRoute(routes: IngressRoute['spec']['routes'] = shopRoutes): IngressRoute {
  const managedFields = [{ manager: 'helm', time: '2026-11-21T08:00:00Z', fieldsV1: { 'f:spec': { 'f:routes': {} } } }];
  return {
    metadata: { name: 'shop', namespace: 'web', uid: 'route-uid', managedFields },
    spec: { routes: routes ?? [] },
  };
}

/** World is a store with objects, and watches on it. */
export interface World {
  readonly store: MemoryStore;
  readonly clock: ManualClock;
  readonly watches: Watches;
  readonly logger: Logger;
  /** lines are what was logged, parsed. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  /** changed are the rollouts that a change concerned, in order. */
  readonly changed: ObjectKey[];
}

/** openWorld fills a store with everything that web/shop needs but the Rollout, lets `prepare` change it, and starts the watches. */
export async function openWorld(
  signal: AbortSignal,
  prepare: (store: MemoryStore) => void = () => {},
  { namespaces }: Pick<WatchesOptions, 'namespaces'> = {},
): Promise<World> {
  const store = new MemoryStore();
  for (const [name, address] of [
    ['shop-stable', '10.0.0.1'],
    ['shop-canary', '10.0.0.2'],
  ] as const) {
    store.put(resources.services, service(name));
    store.put(resources.endpointSlices, slice(name, [{ addresses: [address] }]));
    store.put(resources.deployments, deployment(name, `shop:${name}`));
  }
  store.put(resources.ingressRoutes, shopRoute());
  prepare(store);
  const lines: Readonly<Record<string, unknown>>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Readonly<Record<string, unknown>>);
  const logger = createLogger({ level: 'debug', destination: { write } });
  const clock = new ManualClock(Date.UTC(2026, 10, 21, 9, 30));
  const changed: ObjectKey[] = [];
  const watches = startWatches(
    { store, clock, random: () => 0.5, logger, namespaces, onChange: (key) => changed.push(key) },
    signal,
  );
  await watches.synced;
  return { store, clock, watches, logger, lines, changed };
}
