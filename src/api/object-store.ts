/** The port through which Sluice reads and writes objects: the real API server, or a folder of manifests. */
import type { KubernetesObject, ObjectKey, ResourceKind } from './kubernetes.ts';

/** JsonPatchOperation is one operation of RFC 6902 as Sluice uses it. */
export type JsonPatchOperation =
  | { readonly op: 'test' | 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/** WriteOutcome is what became of a write: `Conflict` and `Missing` are expected, and mean "read again, decide again". */
export type WriteOutcome<T> =
  | { readonly kind: 'Written'; readonly object: T }
  | { readonly kind: 'Conflict'; readonly message: string }
  | { readonly kind: 'Missing' };

/** WatchEvent is one change; a Bookmark only moves the resourceVersion. */
export type WatchEvent<T> =
  | { readonly type: 'Added' | 'Modified' | 'Deleted'; readonly object: T }
  | { readonly type: 'Bookmark'; readonly resourceVersion: string };

/** CallOptions bound one call; `deadlineMs` defaults per verb. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly deadlineMs?: number | undefined;
  /**
   * permit fences a write: it is asked in the very step that hands the request to the socket, each time that happens.
   * Where it says false nothing is sent, and the call fails with NotLeading.
   */
  readonly permit?: (() => boolean) | undefined;
}

/** ListOptions choose what is listed and how much of it is kept. */
export interface ListOptions<T> extends CallOptions {
  /** namespace limits the list to one; left out: all. */
  readonly namespace?: string | undefined;
  /** name limits the list to the one object of that name; it needs the right to that object only. */
  readonly name?: string | undefined;
  /** resourceVersion as in the Kubernetes API; left out, the list is the truth at the time of the request. */
  readonly resourceVersion?: string | undefined;
  /** keep returns what is kept of an item: the list holds that, so that the items need not be held all at once. */
  readonly keep?: ((item: T) => T) | undefined;
  /** limit: nobody looks at more items than this, so that a store may leave the others out. */
  readonly limit?: number | undefined;
}

/** ObjectList is one complete list with the resourceVersion that a watch continues from. */
export interface ObjectList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

/**
 * ObjectStore reads and writes objects as raw JSON. Unexpected answers throw a SluiceError; of a write, WriteUnknown means
 * that it may have been made.
 */
export interface ObjectStore {
  /** get returns the object, or undefined where there is none. */
  get<T extends KubernetesObject>(kind: ResourceKind, key: ObjectKey, options?: CallOptions): Promise<T | undefined>;
  /** list returns all objects of a kind, of one namespace if given. */
  list<T extends KubernetesObject>(kind: ResourceKind, options?: ListOptions<T>): Promise<ObjectList<T>>;
  /** watch yields changes after `resourceVersion` until the server ends it; it throws ApiGone when that is too old. */
  watch<T extends KubernetesObject>(
    kind: ResourceKind,
    options: {
      readonly namespace?: string | undefined;
      readonly name?: string | undefined;
      readonly resourceVersion: string;
      readonly signal: AbortSignal;
    },
  ): AsyncIterable<WatchEvent<T>>;
  /** patch applies a JSON Patch to the object; a failed `test` is a Conflict. */
  patch<T extends KubernetesObject>(
    kind: ResourceKind,
    key: ObjectKey,
    operations: readonly JsonPatchOperation[],
    options?: CallOptions,
  ): Promise<WriteOutcome<T>>;
  /**
   * patchStatus merges `status` into the object's status subresource if it still has that resourceVersion (null removes a
   * field). `whole` is what the status becomes by that, from who knows it: to put it in place is less work than to merge.
   */
  patchStatus<T extends KubernetesObject>(
    kind: ResourceKind,
    key: ObjectKey,
    change: { readonly resourceVersion: string; readonly status: object; readonly whole?: object },
    options?: CallOptions,
  ): Promise<WriteOutcome<T>>;
  /** create stores a new object; one that exists already is a Conflict. */
  create<T extends KubernetesObject>(kind: ResourceKind, object: T, options?: CallOptions): Promise<WriteOutcome<T>>;
  /**
   * delete removes the object that was read, whatever has changed in it since; another one of its name is a Conflict. With
   * finalizers it goes when the last one is removed.
   */
  delete<T extends KubernetesObject>(kind: ResourceKind, object: T, options?: CallOptions): Promise<WriteOutcome<T>>;
}
