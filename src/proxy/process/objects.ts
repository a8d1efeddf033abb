import { splitKey, type KubernetesObject, type ObjectKey, type ResourceKind } from '../../api/kubernetes.ts';
import type { Clock } from '../../clock.ts';
import type { ReflectorObserver, ReflectorOptions, ReflectorSource } from '../../kube/reflector-options.ts';
import { Reflector } from '../../kube/reflector.ts';
import { Store } from '../../kube/store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { ObjectChange, ObjectKind } from '../catalog/object-kind.ts';
import { guardSource } from './guarded-source.ts';

/** ObjectsOptions: `onChanges` gets everything at once when it is known, and what has changed from then on. */
export interface ObjectsOptions {
  readonly source: ReflectorSource;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly observer?: ReflectorObserver | undefined;
  /** It resolves when that has been taken in; what changes meanwhile comes together after it. */
  readonly onChanges: (changes: readonly ObjectChange[]) => Promise<void>;
  /** used returns the objects of a kind of which only those are watched that something refers to. */
  readonly used: (kind: NamedKind) => readonly ObjectKey[];
}

/** NamedKind is watched object by object: nobody should be able to read all Secrets for the sake of one. */
export type NamedKind = 'Secret' | 'ConfigMap';

/** ProxyObjects are the running watches. */
export interface ProxyObjects {
  /** synced resolves when everything has been handed to onChanges once; a kind that does not exist is empty. */
  readonly synced: Promise<void>;
  /** get returns an object that is watched with all of its kind. */
  get(kind: ObjectKind, key: ObjectKey): KubernetesObject | undefined;
  /** all returns those of such a kind. */
  all(kind: ObjectKind): readonly KubernetesObject[];
  /** lastContactMs is the monotonic time when all of it was last known to follow the server. */
  lastContactMs(): number;
  readonly stopped: Promise<void>;
}

/** ingressKind is where Ingresses are. */
export const ingressKind = {
  group: 'networking.k8s.io',
  version: 'v1',
  plural: 'ingresses',
  kind: 'Ingress',
} as const satisfies ResourceKind;

const kinds: Readonly<Record<Exclude<ObjectKind, NamedKind>, ResourceKind>> = {
  IngressRoute: traefik('ingressroutes', 'IngressRoute'),
  TraefikService: traefik('traefikservices', 'TraefikService'),
  ServersTransport: traefik('serverstransports', 'ServersTransport'),
  TLSStore: traefik('tlsstores', 'TLSStore'),
  Middleware: traefik('middlewares', 'Middleware'),
  Ingress: ingressKind,
  IngressClass: { group: 'networking.k8s.io', version: 'v1', plural: 'ingressclasses', kind: 'IngressClass' },
  Service: { group: '', version: 'v1', plural: 'services', kind: 'Service' },
  EndpointSlice: { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices', kind: 'EndpointSlice' },
};

const namedKinds: Readonly<Record<NamedKind, ResourceKind>> = {
  Secret: { group: '', version: 'v1', plural: 'secrets', kind: 'Secret' },
  ConfigMap: { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap' },
};

function traefik(plural: string, kind: string): ResourceKind {
  return { group: 'traefik.io', version: 'v1alpha1', plural, kind };
}

/** followObjects lists and watches until `signal` aborts. */
export function followObjects(options: ObjectsOptions, signal: AbortSignal): ProxyObjects {
  const stores = new Map<string, Store<KubernetesObject>>();
  const size = ({ kind }: ResourceKind): number => stores.get(kind)?.size ?? 0;
  const source = guardSource(options.source, { clock: options.clock, size });
  const batch = createBatch(options);
  const follow: Follow = (kind, resource, part) => {
    const cache = new Store<KubernetesObject>({ transform: kept });
    if (part === undefined) stores.set(kind, cache);
    const reflector = new Reflector<KubernetesObject>({
      ...options,
      // One object that is not there is nothing to doubt.
      source: part === undefined ? source : options.source,
      ...part,
      kind: resource,
      cache,
      onChange: (key, _before, object) => batch.add({ kind, key, object }),
      onError: ({ code, message }, { retryInMs }) =>
        options.logger.warn('watch failed', { kind, code, error: message, retryInMs: Math.round(retryInMs) }),
    });
    return { kind, reflector };
  };
  const all = Object.entries(kinds).map(([kind, resource]) => follow(kind as ObjectKind, resource));
  const running = all.map(({ reflector }) => reflector.start(signal));
  // Nobody hears of it any more, so that what was known of it must not be used again.
  const forget = (kind: ObjectKind, key: ObjectKey): void => batch.add({ kind, key, object: undefined });
  const named = createNamed(options, { follow, forget }, signal);
  batch.onFlushed = named.adjust;
  const sync = async (): Promise<void> => {
    await Promise.all(all.map(({ reflector }) => reflector.synced));
    await batch.open();
    await named.synced();
    await batch.flush();
  };
  const reflectors = (): readonly Followed[] => [...all, ...named.followed()];
  const synced = sync();
  synced.catch(() => undefined);
  return {
    synced,
    get: (kind, key) => stores.get(kind)?.get(key),
    all: (kind) => stores.get(kind)?.list() ?? [],
    lastContactMs: () => Math.min(...reflectors().map(({ reflector }) => reflector.lastContactMs)),
    stopped: Promise.all(running).then(named.stopped),
  };
}

type Follow = (
  kind: ObjectKind,
  resource: ResourceKind,
  part?: Required<Pick<ReflectorOptions<KubernetesObject>, 'namespace' | 'name'>>,
) => Followed;

interface Followed {
  readonly kind: ObjectKind;
  readonly reflector: Reflector<KubernetesObject>;
}

/** createBatch hands on together what changes in one turn; before `open` everything is the first batch. */
function createBatch({ clock, onChanges }: ObjectsOptions) {
  let changes = new Map<string, ObjectChange>();
  let isOpen = false;
  let isScheduled = false;
  let flushed = Promise.resolve();
  const batch = {
    onFlushed: (): void => undefined,
    add: (change: ObjectChange): void => {
      changes.set(`${change.kind} ${change.key}`, change);
      if (!isOpen || isScheduled) return;
      isScheduled = true;
      clock.schedule(0, () => void batch.flush());
    },
    open: (): Promise<void> => {
      isOpen = true;
      return batch.flush();
    },
    flush: (): Promise<void> => {
      flushed = flushed.then(handOn);
      return flushed;
    },
  };
  const handOn = async (): Promise<void> => {
    isScheduled = false;
    const together = [...changes.values()];
    changes = new Map();
    await onChanges(together);
    batch.onFlushed();
  };
  return batch;
}

/** createNamed watches the single objects that are used, no more and no less. */
function createNamed(
  { used }: ObjectsOptions,
  { follow, forget }: { readonly follow: Follow; readonly forget: (kind: ObjectKind, key: ObjectKey) => void },
  signal: AbortSignal,
) {
  interface Watched extends Followed {
    readonly key: ObjectKey;
    readonly stop: AbortController;
    readonly ended: Promise<void>;
  }
  const watched = new Map<string, Watched>();
  const start = (kind: NamedKind, key: ObjectKey): Watched => {
    const followed = follow(kind, namedKinds[kind], splitKey(key));
    const stop = new AbortController();
    return { ...followed, key, stop, ended: followed.reflector.start(AbortSignal.any([signal, stop.signal])) };
  };
  const adjust = (): void => {
    const wanted = new Set<string>();
    for (const kind of Object.keys(namedKinds) as readonly NamedKind[]) {
      for (const key of used(kind)) {
        const id = `${kind} ${key}`;
        wanted.add(id);
        if (!watched.has(id)) watched.set(id, start(kind, key));
      }
    }
    for (const [id, { kind, key, stop }] of watched) {
      if (wanted.has(id)) continue;
      stop.abort();
      watched.delete(id);
      forget(kind, key);
    }
  };
  return {
    adjust,
    followed: (): readonly Followed[] => [...watched.values()],
    synced: () => Promise.all([...watched.values()].map(({ reflector }) => reflector.synced)),
    stopped: async (): Promise<void> => void (await Promise.all([...watched.values()].map(({ ended }) => ended))),
  };
}

/** Annotations that are read, by how their names begin. */
const annotationPrefixes = [
  'kubernetes.io/ingress.class',
  'ingressclass.kubernetes.io/',
  'nginx.ingress.kubernetes.io/',
  'sluice.dev/',
  'traefik.ingress.kubernetes.io/',
];

/** kept leaves out who wrote what, and what kubectl remembers: both are often longer than the rest. */
function kept(object: KubernetesObject): KubernetesObject {
  const { managedFields: _, annotations, labels, ownerReferences: __, finalizers: ___, ...metadata } = object.metadata;
  const read = annotations === undefined ? [] : Object.entries(annotations).filter(([name]) => isRead(name));
  return {
    ...object,
    metadata: {
      ...metadata,
      ...(labels === undefined ? {} : { labels }),
      ...(read.length === 0 ? {} : { annotations: Object.fromEntries(read) }),
    },
  };
}

function isRead(annotation: string): boolean {
  return annotationPrefixes.some((prefix) => annotation.startsWith(prefix));
}
