/** Watches the kinds that decide about rollouts, keeps what is needed of them, and says which rollouts a change concerns. */
import {
  keyOf,
  resources,
  type ControllerRevision,
  type DaemonSet,
  type Deployment,
  type EndpointSlice,
  type HorizontalPodAutoscaler,
  type KubernetesObject,
  type ObjectKey,
  type ResourceKind,
  type Service,
  type StatefulSet,
} from '../api/kubernetes.ts';
import type { ObjectStore } from '../api/object-store.ts';
import type { Rollout } from '../api/rollout.ts';
import type { Clock } from '../clock.ts';
import type { ReflectorObserver, ReflectorOptions } from '../kube/reflector-options.ts';
import { Reflector } from '../kube/reflector.ts';
import type { Store, Change } from '../kube/store.ts';
import type { Logger } from '../telemetry/logger.ts';
import { rolloutKeyOf } from '../rollout/match-route.ts';
import { routeResources, type RouteSource } from '../traffic/route-object.ts';
import type { AuditedKind } from './audit.ts';
import type { Caches } from './caches.ts';
import { routeIdsOf, servicesOf } from './rollout-index.ts';
import { createCaches, createStores, serviceKeyOf } from './stores.ts';
import { daemonSetsOf } from './workload-stores.ts';

/** WatchesOptions are the collaborators of the watches; `onChange` gets the key of each rollout that is concerned. */
export interface WatchesOptions {
  readonly store: Pick<ObjectStore, 'list' | 'watch'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly observer?: ReflectorObserver | undefined;
  readonly onChange: (key: ObjectKey) => void;
  /** namespaces are those that are watched; left out: all. */
  readonly namespaces?: readonly string[] | undefined;
}

/** Watches are the running reflectors and what they have read. */
export interface Watches {
  readonly caches: Caches;
  /** rollouts returns all Rollouts in the cache. */
  rollouts(): Iterable<Rollout>;
  /** synced resolves when every kind has been listed once. */
  readonly synced: Promise<void>;
  /** contacts tells for each kind when its cache was last known to follow the server, in monotonic time. */
  contacts(): readonly { readonly kind: string; readonly atMs: number }[];
  /** audited are the kinds as an audit compares and repairs them. */
  readonly audited: readonly AuditedKind[];
  /** stopped resolves when the signal has ended all of them. */
  readonly stopped: Promise<void>;
}

/** startWatches lists and watches until `signal` aborts. */
export function startWatches(options: WatchesOptions, signal: AbortSignal): Watches {
  const stores = createStores();
  const caches = createCaches(stores);
  const follow = <T extends KubernetesObject>(
    kind: ResourceKind,
    cache: Store<T>,
    concerned: (object: T) => readonly ObjectKey[],
  ): readonly Followed[] =>
    (options.namespaces ?? [undefined]).map((namespace) => followKind(options, { kind, namespace, cache, concerned }));
  const all = [
    follow<Rollout>(resources.rollouts, stores.rollouts, (rollout) => [keyOf(rollout), ...rivalsOf(rollout, caches)]),
    ...routeResources.map((resource) =>
      follow<RouteSource>(resource, stores.routes.of(resource), (route) => [
        ...caches.rolloutsOnRoute({ resource, key: keyOf(route) }),
        ...matchedBy(route, caches),
      ]),
    ),
    follow<KubernetesObject>(resources.middlewares, stores.middlewares, (middleware) =>
      caches.rolloutsOn('Middleware', keyOf(middleware)),
    ),
    follow<Service>(resources.services, stores.services, (service) => caches.rolloutsOn('Service', keyOf(service))),
    follow<EndpointSlice>(resources.endpointSlices, stores.endpointSlices, (slice) =>
      caches.rolloutsOn('Service', serviceKeyOf(slice)),
    ),
    follow<Deployment>(resources.deployments, stores.deployments, (deployment) =>
      caches.rolloutsOn('Deployment', keyOf(deployment)),
    ),
    follow<StatefulSet>(resources.statefulSets, stores.statefulSets, (statefulSet) =>
      caches.rolloutsOn('StatefulSet', keyOf(statefulSet)),
    ),
    follow<DaemonSet>(resources.daemonSets, stores.daemonSets, (daemonSet) =>
      caches.rolloutsOn('DaemonSet', keyOf(daemonSet)),
    ),
    follow<ControllerRevision>(resources.controllerRevisions, stores.controllerRevisions, (revision) =>
      daemonSetsOf(revision).flatMap((key) => caches.rolloutsOn('DaemonSet', key)),
    ),
    // What it says only explains why pods are missing; their coming is told by their endpoints.
    follow<HorizontalPodAutoscaler>(resources.autoscalers, stores.autoscalers, () => []),
  ].flat();
  const stopped = Promise.all(all.map(({ reflector }) => reflector.start(signal))).then(() => undefined);
  return {
    caches,
    audited: all.map(({ audited }) => audited),
    rollouts: () => stores.rollouts.list(),
    synced: Promise.all(all.map(({ reflector }) => reflector.synced)).then(() => undefined),
    contacts: () => all.flatMap(contactOf),
    stopped,
  };
}

/** followKind begins nothing yet; `concerned` says which rollouts an object concerns. */
function followKind<T extends KubernetesObject>(
  { store: source, clock, random, observer, logger, onChange: wake }: WatchesOptions,
  followed: {
    readonly kind: ResourceKind;
    readonly namespace: string | undefined;
    readonly cache: Store<T>;
    readonly concerned: (object: T) => readonly ObjectKey[];
  },
): Followed {
  const { kind, namespace, cache, concerned } = followed;
  const onChange = (_key: ObjectKey, before: T | undefined, after: T | undefined): void => {
    const keys = [before, after].flatMap((object) => (object === undefined ? [] : concerned(object)));
    for (const key of new Set(keys)) wake(key);
  };
  const onError: ReflectorOptions<T>['onError'] = ({ code, message }, { retryInMs }) => {
    if (code === 'ApiNotFound' && isOptional(kind)) return;
    logger.warn('watch failed', {
      kind: nameOf(kind),
      namespace,
      code,
      error: message,
      retryInMs: Math.round(retryInMs),
    });
  };
  const reflector = new Reflector<T>({ source, kind, namespace, cache, clock, random, observer, onChange, onError });
  const isServed = (): boolean => !(reflector.isKindMissing && isOptional(kind));
  const version = (): string | undefined => reflector.version;
  return { kind, reflector, audited: auditedKind({ kind, namespace, cache, version, isServed, onChange }) };
}

/** isOptional: nearly every cluster is without the group of Traefik 2; where it is installed later, the reflector finds it within a minute. */
function isOptional(kind: ResourceKind): boolean {
  return kind === resources.oldIngressRoutes || kind === resources.oldTraefikServices;
}

/** nameOf tells the two IngressRoutes apart. */
function nameOf(kind: ResourceKind): string {
  return isOptional(kind) ? `${kind.kind}.${kind.group}` : kind.kind;
}

function contactOf({ kind, reflector, audited }: Followed): ReturnType<Watches['contacts']> {
  return audited.isServed() ? [{ kind: nameOf(kind), atMs: reflector.lastContactMs }] : [];
}

interface Followed {
  readonly kind: ResourceKind;
  readonly reflector: Pick<Reflector<never>, 'start' | 'synced' | 'lastContactMs'>;
  readonly audited: AuditedKind;
}

/** auditedKind lets the audit repair a cache as the watch changes it: who follows the changes hears of it. */
function auditedKind<T extends KubernetesObject>(options: {
  readonly kind: ResourceKind;
  readonly namespace: string | undefined;
  readonly cache: Store<T>;
  readonly version: () => string | undefined;
  readonly isServed: () => boolean;
  readonly onChange: (key: ObjectKey, before: T | undefined, after: T | undefined) => void;
}): AuditedKind {
  const { kind, namespace, cache, version, isServed, onChange } = options;
  const isWatched = ({ metadata }: T): boolean => namespace === undefined || metadata.namespace === namespace;
  const tell = (change: Change<T> | undefined): void => {
    if (change !== undefined) onChange(change.key, change.before, change.after);
  };
  return {
    kind,
    namespace,
    version,
    isServed,
    cache: {
      list: () => cache.list().filter(isWatched),
      get: (key) => cache.get(key),
      apply: (object) => tell(cache.apply(object as T)),
      delete: (last) => tell(cache.delete(last as T)),
    },
  };
}

/** matchedBy is the Rollout whose match route is called so, whoever has made it. */
function matchedBy(route: RouteSource, caches: Caches): readonly ObjectKey[] {
  const key = rolloutKeyOf(keyOf(route));
  return key === undefined || caches.rollout(key) === undefined ? [] : [key];
}

/** rivalsOf: when a Rollout changes or goes, another one on its route or services may become the one that keeps it. */
function rivalsOf(rollout: Rollout, caches: Caches): readonly ObjectKey[] {
  const routes = routeIdsOf(rollout).flatMap((id) => caches.rolloutsOnRoute(id));
  const services = servicesOf(rollout).flatMap((key) => caches.rolloutsOn('Service', key as ObjectKey));
  return [...routes, ...services].filter((key) => inConflict(caches.rollout(key)));
}

/** inConflict reads the condition: a Rollout that has succeeded or failed keeps that as its reason. */
function inConflict(rollout: Rollout | undefined): boolean {
  return (rollout?.status?.conditions ?? []).some(({ type, reason }) => type === 'Ready' && reason === 'Conflict');
}
