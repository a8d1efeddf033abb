import { keyOf, type KubernetesObject, type ObjectKey } from '../api/kubernetes.ts';
import { isOlder } from './resource-version.ts';
import { reuse } from './reuse.ts';

/** Change is one difference to the store; `before` is undefined for a new object, `after` for a deleted one. */
export interface Change<T> {
  readonly key: ObjectKey;
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/** StoreOptions name the indexes and say what is kept of each object. */
export interface StoreOptions<T, I extends string> {
  /** indexes map an object to the values under which it can be found. */
  readonly indexes?: Readonly<Record<I, (object: T) => readonly string[]>> | undefined;
  /**
   * transform returns what is kept of an object; left out: all but metadata.managedFields. It must keep name, namespace,
   * uid and resourceVersion, and change nothing when it is applied to what it has returned.
   */
  readonly transform?: ((object: T) => T) | undefined;
  /** freeze makes stored objects deeply immutable, so that a test finds who writes to them. */
  readonly freeze?: boolean | undefined;
}

/** So many changes are made and handled in about a millisecond. */
const partSize = 250;

/**
 * Store holds the last known state of one kind of objects. It never goes back: a state older than the one it holds is
 * ignored, also that of another object of the name, which is one that was there before. Stored objects are shared and
 * must not be changed.
 */
export class Store<T extends KubernetesObject, I extends string = never> {
  readonly #objects = new Map<ObjectKey, T>();
  readonly #indexes: readonly Index<T>[];
  readonly #transform: (object: T) => T;
  readonly #isFrozen: boolean;

  constructor(options: StoreOptions<T, I> = {}) {
    const functions = Object.entries<(object: T) => readonly string[]>(options.indexes ?? {});
    this.#indexes = functions.map(([name, valuesOf]) => ({ name, valuesOf, keys: new Map() }));
    this.#transform = options.transform ?? dropManagedFields;
    this.#isFrozen = options.freeze === true;
  }

  /** size is the number of objects. */
  get size(): number {
    return this.#objects.size;
  }

  /** get returns the object, or undefined. */
  get(key: ObjectKey): T | undefined {
    return this.#objects.get(key);
  }

  /** list returns all objects, in no particular order. */
  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  /** byIndex returns the objects that the index function `name` put under `value`. */
  byIndex(name: I, value: string): readonly T[] {
    const keys = this.#indexes.find((index) => index.name === name)?.keys.get(value) ?? [];
    return [...keys].map((key) => this.#objects.get(key)).filter((object) => object !== undefined);
  }

  /** keep returns what the store would keep of an object, for who reads many and cannot hold them all. */
  readonly keep = (object: T): T => this.#transform(object);

  /** apply stores an added or modified object; undefined when what the store holds is as new or newer. */
  apply(object: T): Change<T> | undefined {
    const key = keyOf(object);
    const before = this.#objects.get(key);
    if (isSameVersion(before, object)) return undefined;
    if (isOlder(object.metadata.resourceVersion, before?.metadata.resourceVersion)) return undefined;
    return this.#put(key, before, reuse(before, this.#transform(object)));
  }

  /** delete removes the object that `last` was the last state of; undefined when it is not there or has been replaced by a newer one. */
  delete(last: T): Change<T> | undefined {
    const key = keyOf(last);
    const before = this.#objects.get(key);
    if (before === undefined || isOlder(last.metadata.resourceVersion, before.metadata.resourceVersion)) {
      return undefined;
    }
    return this.#put(key, before, undefined);
  }

  /**
   * replacing makes the store equal to a list, part by part as the caller asks for the next one, and yields the changes
   * of each part. `kept` is what `keep` returned. What the store knows to be newer than the whole list stays: a list may
   * be behind a watch, and one under way behind a write of ours. With `isRollback` the list is the truth although it is
   * older, as after etcd was restored from a backup. With `namespace` the list says nothing of other ones.
   */
  *replacing(
    kept: readonly T[],
    list: {
      readonly resourceVersion?: string | undefined;
      readonly isRollback?: boolean | undefined;
      readonly namespace?: string | undefined;
    } = {},
  ): Generator<readonly Change<T>[], void, undefined> {
    const isNewer = (object: T | undefined): boolean =>
      list.isRollback !== true && isOlder(list.resourceVersion, object?.metadata.resourceVersion);
    const listed = new Set<ObjectKey>();
    for (let start = 0; start < kept.length; start += partSize) {
      const changes: Change<T>[] = [];
      for (const item of kept.slice(start, start + partSize)) {
        const key = keyOf(item);
        const before = this.#objects.get(key);
        listed.add(key);
        if (!isNewer(before) && !isSameVersion(before, item)) changes.push(this.#put(key, before, item));
      }
      yield changes;
    }
    const isMeant = ({ metadata }: T): boolean => list.namespace === undefined || metadata.namespace === list.namespace;
    const gone = [...this.#objects].filter(([key, object]) => !listed.has(key) && isMeant(object) && !isNewer(object));
    for (let start = 0; start < gone.length; start += partSize) {
      yield gone.slice(start, start + partSize).map(([key, before]) => this.#put(key, before, undefined));
    }
  }

  #put(key: ObjectKey, before: T | undefined, after: T | undefined): Change<T> {
    for (const index of this.#indexes) {
      if (before !== undefined) removeFromIndex(index, key, before);
      if (after !== undefined) addToIndex(index, key, after);
    }
    if (after === undefined) this.#objects.delete(key);
    else this.#objects.set(key, this.#isFrozen ? freezeDeep(structuredClone(after)) : after);
    return { key, before, after: this.#objects.get(key) };
  }
}

function isSameVersion(before: KubernetesObject | undefined, after: KubernetesObject): boolean {
  const { uid, resourceVersion } = after.metadata;
  return (
    resourceVersion !== undefined &&
    before?.metadata.uid === uid &&
    before?.metadata.resourceVersion === resourceVersion
  );
}

interface Index<T> {
  readonly name: string;
  readonly valuesOf: (object: T) => readonly string[];
  readonly keys: Map<string, Set<ObjectKey>>;
}

function addToIndex<T>(index: Index<T>, key: ObjectKey, object: T): void {
  for (const value of index.valuesOf(object)) {
    const keys = index.keys.get(value);
    if (keys === undefined) index.keys.set(value, new Set([key]));
    else keys.add(key);
  }
}

function removeFromIndex<T>(index: Index<T>, key: ObjectKey, object: T): void {
  for (const value of index.valuesOf(object)) {
    const keys = index.keys.get(value);
    keys?.delete(key);
    if (keys?.size === 0) index.keys.delete(value);
  }
}

/** managedFields are often half of an object, and only who asks "who wrote this?" needs them. */
function dropManagedFields<T extends KubernetesObject>(object: T): T {
  if (object.metadata.managedFields === undefined) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function freezeDeep<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) freezeDeep(part);
  return value;
}
