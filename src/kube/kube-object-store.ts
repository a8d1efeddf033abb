import { keyOf, splitKey, type KubernetesObject, type ObjectKey, type ResourceKind } from '../api/kubernetes.ts';
import type {
  CallOptions,
  JsonPatchOperation,
  ListOptions,
  ObjectList,
  ObjectStore,
  WatchEvent,
  WriteOutcome,
} from '../api/object-store.ts';
import type { Clock } from '../clock.ts';
import { isSluiceError, SluiceError } from '../errors.ts';
import type { KubeCall } from './call.ts';
import type { KubeConnection } from './connection.ts';
import { listMetadata, type MetadataOptions, type MetadataPage } from './metadata-list.ts';
import { createKubeClient, type KubeClient, type RequestObserver, type WatchEnd } from './request.ts';
import { isPatchNotApplicable } from './status-error.ts';
import { watchEvents } from './watch.ts';

/** As many as client-go takes: a page of 500 is parsed in 5 to 20 ms, and let go before the next one is asked for. */
const pageSize = '500';

/** KubeObjectStoreOptions: `fieldManager` is the name under which the API server records our writes. */
export interface KubeObjectStoreOptions {
  readonly clock: Clock;
  readonly fieldManager: 'sluice' | 'kubectl-sluice';
  /** version is what the User-Agent says. */
  readonly version: string;
  /** random returns a number in [0, 1). */
  readonly random: () => number;
  readonly observer?: RequestObserver | undefined;
}

/** KubeObjectStore is the ObjectStore of a real API server. */
export interface KubeObjectStore extends ObjectStore {
  /** client sends what is no plain read or write of an object, such as a lease or an access review. */
  readonly client: KubeClient;
  /** listMetadata yields which objects of a kind there are, as of one moment, without their content; of one namespace if given. */
  listMetadata(kind: ResourceKind, options: MetadataOptions): AsyncIterable<MetadataPage>;
  /** serverOffsetMs is the API server's wall clock minus ours; 0 while they are known to differ by no more than 1 s. */
  serverOffsetMs(): number;
  /** close ends all connections; calls under way fail. */
  close(): Promise<void>;
  /** watch is that of the ObjectStore; `onEnd` is told why it ended. */
  watch<T extends KubernetesObject>(
    kind: ResourceKind,
    options: Parameters<ObjectStore['watch']>[1] & { readonly onEnd?: ((reason: WatchEnd) => void) | undefined },
  ): AsyncIterable<WatchEvent<T>>;
}

/** createKubeObjectStore returns the ObjectStore of the API server behind `connection`; it opens no connection yet. */
export function createKubeObjectStore(connection: KubeConnection, options: KubeObjectStoreOptions): KubeObjectStore {
  const { clock, observer, random } = options;
  const client = createKubeClient(connection, options);
  // Strict: a field that the server does not know is our mistake or a missing CRD version, and must not be dropped silently.
  const query = { fieldManager: options.fieldManager, fieldValidation: 'Strict' };
  return {
    client,
    listMetadata: (kind, { namespace, signal }) =>
      listMetadata(client, { path: collectionPath(kind, namespace), labelSelector: kind.selector }, signal),
    serverOffsetMs: () => client.serverOffsetMs(),
    close: () => client.close(),
    get: (kind, key, callOptions) => get(client, objectPath(kind, key), callOptions),
    list: (kind, listOptions = {}) => list(client, kind, listOptions),
    watch: (kind, { namespace, name, ...watchOptions }) =>
      watchEvents(
        { client, clock, random, observer },
        { path: collectionPath(kind, namespace), ...selectorsOf(kind, name), ...watchOptions },
      ),
    patch: (kind, key, operations: readonly JsonPatchOperation[], callOptions) =>
      write(client, {
        verb: 'patch',
        path: objectPath(kind, key),
        query,
        body: operations,
        contentType: 'application/json-patch+json',
        ...callOptions,
      }),
    patchStatus: (kind, key, change, callOptions) =>
      write(client, {
        path: `${objectPath(kind, key)}/status`,
        query,
        ...statusWrite(kind, key, change),
        ...callOptions,
      }),
    create: (kind, object, callOptions) =>
      write(client, {
        verb: 'create',
        path: collectionPath(kind, object.metadata.namespace),
        query,
        body: object,
        ...callOptions,
      }),
    delete: async (kind, object, callOptions) => {
      const preconditions = { uid: object.metadata.uid };
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions };
      const path = objectPath(kind, keyOf(object));
      const outcome = await write<KubernetesObject>(client, { verb: 'delete', path, body, ...callOptions });
      // The answer is a Status where the object is gone at once.
      return outcome.kind === 'Written' ? { kind: 'Written', object } : outcome;
    },
  };
}

/**
 * statusWrite puts the whole status in place where it is known: that takes the API server 1.5 ms less than a merge patch,
 * for which it parses the object twice more. The rest of the object it takes from what is stored
 * (apiextensions-apiserver, pkg/registry/customresource/status_strategy.go).
 */
function statusWrite(
  kind: ResourceKind,
  key: ObjectKey,
  { resourceVersion, status, whole }: Parameters<ObjectStore['patchStatus']>[2],
): Pick<KubeCall, 'verb' | 'body' | 'contentType'> {
  if (whole !== undefined) {
    return {
      verb: 'update',
      body: { ...typeOf(kind), metadata: { ...splitKey(key), resourceVersion }, status: whole },
    };
  }
  return {
    verb: 'patch',
    body: { metadata: { resourceVersion }, status },
    contentType: 'application/merge-patch+json',
  };
}

async function get<T extends KubernetesObject>(
  client: KubeClient,
  path: string,
  options: CallOptions | undefined,
): Promise<T | undefined> {
  try {
    return (await client.request({ verb: 'get', path, ...options })) as T;
  } catch (error) {
    if (isSluiceError(error, 'ApiNotFound')) return undefined;
    throw error;
  }
}

/** Conflict and Missing are outcomes; a JSON Patch that no longer fits the object is a conflict too. */
async function write<T extends KubernetesObject>(client: KubeClient, call: KubeCall): Promise<WriteOutcome<T>> {
  try {
    return { kind: 'Written', object: (await client.request(call)) as T };
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    if (error.code === 'ApiNotFound') return { kind: 'Missing' };
    if (error.code === 'ApiConflict' || isPatchNotApplicable(error)) {
      return { kind: 'Conflict', message: error.message };
    }
    throw error;
  }
}

interface Page {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly KubernetesObject[] | null;
}

async function list<T extends KubernetesObject>(
  client: KubeClient,
  kind: ResourceKind,
  options: ListOptions<T>,
): Promise<ObjectList<T>> {
  const { namespace, name, resourceVersion = '', keep = (item: T) => item, limit, ...callOptions } = options;
  const call = { verb: 'list', path: collectionPath(kind, namespace), ...callOptions } as const;
  const query = {
    resourceVersion: resourceVersion === '' ? undefined : resourceVersion,
    ...selectorsOf(kind, name),
  };
  const keepItem = (item: KubernetesObject): T => keep(withKind(item, kind) as T);
  if (limit !== undefined) {
    const page = await readPage(client, { ...call, query: { ...query, limit: String(limit) } });
    return { items: page.items.map(keepItem), resourceVersion: page.resourceVersion };
  }
  // A limit takes the list from the server's watch cache to etcd where the version is neither "" nor "0" (client-go pages alike).
  const isPaged = resourceVersion === '' || resourceVersion === '0';
  try {
    return await readPages(client, { ...call, query: { ...query, limit: isPaged ? pageSize : undefined } }, keepItem);
  } catch (error) {
    if (!isPaged || !isSluiceError(error, 'ApiGone')) throw error;
    // The continue token expired between two pages: one list that needs none.
    return readPages(client, { ...call, query }, keepItem);
  }
}

/** What is not kept of a page can be collected before the next one is parsed. */
async function readPages<T extends KubernetesObject>(
  client: KubeClient,
  first: KubeCall,
  keepItem: (item: KubernetesObject) => T,
): Promise<ObjectList<T>> {
  const items: T[] = [];
  for (let call = first; ;) {
    const page = await readPage(client, call);
    for (const item of page.items) items.push(keepItem(item));
    if (page.next === '') return { items, resourceVersion: page.resourceVersion };
    const { fieldSelector, labelSelector } = first.query ?? {};
    call = { ...first, query: { continue: page.next, limit: pageSize, fieldSelector, labelSelector } };
  }
}

async function readPage(client: KubeClient, call: KubeCall) {
  const { items, metadata } = (await client.request(call)) as Page;
  const { continue: next = '', resourceVersion = '' } = metadata ?? {};
  if (resourceVersion !== '') return { items: items ?? [], next, resourceVersion };
  throw new SluiceError('ApiFailed', `GET ${call.path} was answered with something that is not a list.`);
}

/** Items of built-in kinds come without apiVersion and kind in a list but with them in a watch: one shape for both. */
function withKind(item: KubernetesObject, kind: ResourceKind): KubernetesObject {
  if (item.kind !== undefined && item.apiVersion !== undefined) return item;
  return { ...typeOf(kind), ...item };
}

function typeOf({ group, version, kind }: ResourceKind): { readonly apiVersion: string; readonly kind: string } {
  return { apiVersion: group === '' ? version : `${group}/${version}`, kind };
}

function selectorsOf({ selector }: ResourceKind, name: string | undefined) {
  return { fieldSelector: name === undefined ? undefined : `metadata.name=${name}`, labelSelector: selector };
}

function collectionPath(kind: ResourceKind, namespace: string | undefined): string {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const scope = (namespace ?? '') === '' ? '' : `/namespaces/${encodeURIComponent(namespace ?? '')}`;
  return `${root}${scope}/${kind.plural}`;
}

function objectPath(kind: ResourceKind, key: ObjectKey): string {
  const { namespace, name } = splitKey(key);
  return `${collectionPath(kind, namespace)}/${encodeURIComponent(name)}`;
}
