/** An ObjectStore in memory: plain data with resourceVersions, as the API server keeps them. */
import jsonPatch from 'fast-json-patch';
import { keyOf, type KubernetesObject, type ObjectKey, type ResourceKind } from '../../../src/api/kubernetes.ts';
import type {
  CallOptions,
  JsonPatchOperation,
  ListOptions,
  ObjectList,
  ObjectStore,
  WatchEvent,
  WriteOutcome,
} from '../../../src/api/object-store.ts';
import { SluiceError } from '../../../src/errors.ts';

/** Attempt is a write before it is made. */
export interface Attempt {
  readonly verb: 'create' | 'delete' | 'patch' | 'patchStatus';
  readonly kind: string;
}

type Stored = KubernetesObject & { readonly status?: object };

interface Write extends Pick<CallOptions, 'permit'> {
  readonly verb: Attempt['verb'];
  readonly apply: (object: Stored) => Stored | undefined;
}

/** MemoryStore counts one resourceVersion for all objects, and writes down what became of each write. */
export class MemoryStore implements ObjectStore {
  /** writes is one text a write, e.g. `patchStatus Rollout Written`. */
  readonly writes: string[] = [];
  /** reads is one text a get, e.g. `get IngressRoute`. */
  readonly reads: string[] = [];
  /** beforeWrite is called before each write; it may change objects, as a faster neighbour, or throw, as a broken server. */
  beforeWrite: (attempt: Attempt) => void = () => {};
  /** afterWrite is called after each write that was made; it may throw, as a connection that breaks before the answer. */
  afterWrite: (attempt: Attempt) => void = () => {};
  /** missingGroups are those of which the server knows no kind. */
  readonly missingGroups = new Set<string>();
  readonly #objects = new Map<string, Stored>();
  readonly #events: { readonly kind: string; readonly version: number; readonly event: WatchEvent<Stored> }[] = [];
  #version = 0;
  #changed = Promise.withResolvers<void>();

  /** put stores an object whatever was there, and returns it with its new resourceVersion. */
  put<T extends KubernetesObject>(kind: ResourceKind, object: T): T {
    this.#version += 1;
    const stored = structuredClone({
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(this.#version) },
    });
    const place = placeOf(kind, keyOf(object));
    this.#emit(kind, { type: this.#objects.has(place) ? 'Modified' : 'Added', object: stored });
    this.#objects.set(place, stored);
    return stored;
  }

  /** remove deletes an object at once, whatever its finalizers. */
  remove(kind: ResourceKind, key: ObjectKey): void {
    const object = this.read(kind, key);
    if (object === undefined) return;
    this.#version += 1;
    this.#objects.delete(placeOf(kind, key));
    const metadata = { ...object.metadata, resourceVersion: String(this.#version) };
    this.#emit(kind, { type: 'Deleted', object: { ...object, metadata } });
  }

  /** read returns an object without writing that down. */
  read(kind: ResourceKind, key: ObjectKey): Stored | undefined {
    return this.#objects.get(placeOf(kind, key));
  }

  async get<T extends KubernetesObject>(kind: ResourceKind, key: ObjectKey): Promise<T | undefined> {
    this.reads.push(`get ${kind.kind}`);
    return this.read(kind, key) as KubernetesObject as T | undefined;
  }

  async list<T extends KubernetesObject>(
    kind: ResourceKind,
    { keep = (object) => object, namespace = '' }: ListOptions<T> = {},
  ): Promise<ObjectList<T>> {
    if (this.missingGroups.has(kind.group)) throw new SluiceError('ApiNotFound', `no ${kind.plural}.${kind.group}`);
    const places = [...this.#objects].filter(([place]) => place.startsWith(placeIn(kind, namespace)));
    return {
      items: places.map(([, object]) => keep(object as KubernetesObject as T)),
      resourceVersion: String(this.#version),
    };
  }

  async *watch<T extends KubernetesObject>(
    kind: ResourceKind,
    {
      namespace,
      resourceVersion,
      signal,
    }: {
      readonly namespace?: string | undefined;
      readonly resourceVersion: string;
      readonly signal: AbortSignal;
    },
  ): AsyncIterable<WatchEvent<T>> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    for (let next = 0; !signal.aborted;) {
      for (; next < this.#events.length; next += 1) {
        const found = this.#events[next];
        if (found?.kind !== placeOf(kind, '') || found.version <= Number(resourceVersion)) continue;
        const event = found.event as WatchEvent<T>;
        const isThere = event.type !== 'Bookmark' && event.object.metadata.namespace === namespace;
        if (namespace === undefined || isThere) yield event;
      }
      await Promise.race([this.#changed.promise, aborted]);
    }
  }

  async patch<T extends KubernetesObject>(
    kind: ResourceKind,
    key: ObjectKey,
    operations: readonly JsonPatchOperation[],
    options: CallOptions = {},
  ): Promise<WriteOutcome<T>> {
    const apply = (object: Stored): Stored | undefined => {
      try {
        return jsonPatch.applyPatch(structuredClone(object), structuredClone([...operations]), true).newDocument;
      } catch {
        return undefined;
      }
    };
    return this.#write(kind, key, { verb: 'patch', apply, ...options });
  }

  async patchStatus<T extends KubernetesObject>(
    kind: ResourceKind,
    key: ObjectKey,
    change: { readonly resourceVersion: string; readonly status: object },
    options: CallOptions = {},
  ): Promise<WriteOutcome<T>> {
    const apply = (object: Stored): Stored | undefined =>
      object.metadata.resourceVersion === change.resourceVersion
        ? { ...object, status: merged(object.status ?? {}, change.status) }
        : undefined;
    return this.#write(kind, key, { verb: 'patchStatus', apply, ...options });
  }

  async create<T extends KubernetesObject>(
    kind: ResourceKind,
    object: T,
    options: CallOptions = {},
  ): Promise<WriteOutcome<T>> {
    const isThere = this.read(kind, keyOf(object)) !== undefined;
    return this.#change({ kind, verb: 'create', isRefused: isThere, ...options }, () => {
      const uid = `uid-${this.#version + 1}`;
      return this.put(kind, { ...object, metadata: { ...object.metadata, uid } });
    });
  }

  async delete<T extends KubernetesObject>(
    kind: ResourceKind,
    object: T,
    options: CallOptions = {},
  ): Promise<WriteOutcome<T>> {
    const present = this.read(kind, keyOf(object));
    if (present === undefined) {
      this.writes.push(`delete ${kind.kind} Missing`);
      return { kind: 'Missing' };
    }
    const isRefused = present.metadata.uid !== object.metadata.uid;
    return this.#change({ kind, verb: 'delete', isRefused, ...options }, () => {
      this.remove(kind, keyOf(object));
      return object;
    });
  }

  /** #change makes a write that is refused or made whole. */
  #change<T extends KubernetesObject>(
    attempt: {
      readonly kind: ResourceKind;
      readonly verb: 'create' | 'delete';
      readonly isRefused: boolean;
      readonly permit?: CallOptions['permit'];
    },
    make: () => T,
  ): WriteOutcome<T> {
    const { kind, verb, isRefused, permit } = attempt;
    this.beforeWrite({ verb, kind: kind.kind });
    if (permit?.() === false) throw new SluiceError('NotLeading', `The ${verb} was not permitted.`);
    this.writes.push(`${verb} ${kind.kind} ${isRefused ? 'Conflict' : 'Written'}`);
    if (isRefused) return { kind: 'Conflict', message: 'another object has the name' };
    const object = make();
    this.afterWrite({ verb, kind: kind.kind });
    return { kind: 'Written', object };
  }

  #write<T extends KubernetesObject>(
    kind: ResourceKind,
    key: ObjectKey,
    { verb, apply, permit }: Write,
  ): WriteOutcome<T> {
    this.beforeWrite({ verb, kind: kind.kind });
    if (permit?.() === false) throw new SluiceError('NotLeading', `The ${verb} of ${key} was not permitted.`);
    const before = this.read(kind, key);
    const after = before === undefined ? undefined : apply(before);
    const outcome = before === undefined ? 'Missing' : after === undefined ? 'Conflict' : 'Written';
    this.writes.push(`${verb} ${kind.kind} ${outcome}`);
    if (outcome === 'Missing') return { kind: 'Missing' };
    if (after === undefined) return { kind: 'Conflict', message: 'the object has changed' };
    const object = this.put(kind, after) as KubernetesObject as T;
    this.afterWrite({ verb, kind: kind.kind });
    return { kind: 'Written', object };
  }

  #emit(kind: ResourceKind, event: WatchEvent<Stored>): void {
    this.#events.push({ kind: placeOf(kind, ''), version: this.#version, event });
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}

/** placeOf tells the kinds of two groups apart. */
function placeIn(kind: ResourceKind, namespace: string): string {
  return placeOf(kind, namespace === '' ? '' : `${namespace}/`);
}

function placeOf({ kind, group }: ResourceKind, key: string): string {
  return `${kind}.${group} ${key}`;
}

/** merged applies a JSON Merge Patch (RFC 7386). */
function merged(target: object, patch: object): object {
  const result = new Map(Object.entries(target));
  for (const [field, value] of Object.entries(patch) as [string, unknown][]) {
    if (value === null) result.delete(field);
    else result.set(field, isObject(value) ? merged(asObject(result.get(field)), value) : value);
  }
  return Object.fromEntries(result);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asObject(value: unknown): object {
  return isObject(value) ? value : {};
}
