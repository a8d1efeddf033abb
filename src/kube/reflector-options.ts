import type { KubernetesObject, ObjectKey, ResourceKind } from '../api/kubernetes.ts';
import type { ObjectStore, WatchEvent } from '../api/object-store.ts';
import type { Clock } from '../clock.ts';
import type { SluiceError } from '../errors.ts';
import type { WatchEnd } from './request.ts';
import type { Store } from './store.ts';

/** ReflectorOptions: `source` is read into `cache`; the callbacks are called in order and one at a time. */
export interface ReflectorOptions<T extends KubernetesObject> {
  readonly source: ReflectorSource;
  readonly kind: ResourceKind;
  /** namespace limits the reflector to one; left out: all. */
  readonly namespace?: string | undefined;
  /** name limits the reflector to one object; left out: all. */
  readonly name?: string | undefined;
  readonly cache: Pick<Store<T>, 'replacing' | 'apply' | 'delete' | 'get' | 'keep' | 'size'>;
  readonly clock: Clock;
  /** random returns a number in [0, 1). */
  readonly random: () => number;
  /**
   * onChange is called after the cache has changed. What it throws or rejects with goes to onError and loses nothing
   * else; nobody waits for a promise that it returns.
   */
  readonly onChange?: ((key: ObjectKey, before: T | undefined, after: T | undefined) => void) | undefined;
  /** onError is told each failure and what it was followed by; it must not throw. */
  readonly onError?: ((error: SluiceError, next: { readonly retryInMs: number }) => void) | undefined;
  readonly observer?: ReflectorObserver | undefined;
}

/** ReflectorSource is what is read; a source that knows why a watch ended says so. */
export interface ReflectorSource extends Pick<ObjectStore, 'list'> {
  watch<T extends KubernetesObject>(
    kind: ResourceKind,
    options: Parameters<ObjectStore['watch']>[1] & { readonly onEnd?: ((reason: WatchEnd) => void) | undefined },
  ): AsyncIterable<WatchEvent<T>>;
}

/**
 * ListCause says why there was a list: the first one; the version was Gone; the watch Failed otherwise, was Broken twice at
 * one place, or was a ShortWatch without an event; the server had gone back (Rollback); the kind had been Missing.
 */
export type ListCause = 'Start' | 'Gone' | 'Failed' | 'Broken' | 'ShortWatch' | 'Rollback' | 'Missing';

/** ReflectorObserver counts for metrics; it must not throw. */
export interface ReflectorObserver {
  /** onWatchEnd is told why a watch is over; another one, or a list, follows unless it was Left. */
  onWatchEnd?(kind: ResourceKind, reason: WatchEnd): void;
  /** onList is told about each complete list. */
  onList?(kind: ResourceKind, cause: ListCause): void;
  /** onRollback: the server was at resourceVersion `found` after `seen` had been seen; etcd was restored from a backup. */
  onRollback?(kind: ResourceKind, versions: { readonly seen: string; readonly found: string }): void;
}
