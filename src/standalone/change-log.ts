/** The last changes of all objects in the order of their versions, and who waits for more. */
import type { KubernetesObject, ResourceKind } from '../api/kubernetes.ts';
import type { WatchEvent } from '../api/object-store.ts';
import type { Clock } from '../clock.ts';
import { SluiceError } from '../errors.ts';
import { recordId, type RecordId } from './object-record.ts';

/** LoggedChange is one change with the version that it made. */
export interface LoggedChange {
  readonly version: number;
  readonly type: 'Added' | 'Modified' | 'Deleted';
  readonly object: KubernetesObject;
}

/** Who is further behind than this has to list again, as with the watch cache of an API server. */
const maxChanges = 10_000;

/** As often as the API server, about. */
const bookmarkMs = 60_000;

/** WatchOptions are those of ObjectStore.watch. */
export interface WatchOptions {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
}

/** ChangeLog is filled by one writer and read by any number of watches. */
export class ChangeLog {
  readonly #clock: Clock;
  readonly #changes: { readonly id: RecordId; readonly change: LoggedChange }[] = [];
  readonly #waiting = new Set<() => void>();
  /** All changes after this one are known. */
  #floor: number;
  #version: number;
  #isClosed = false;

  constructor(version: number, clock: Clock) {
    this.#floor = version;
    this.#version = version;
    this.#clock = clock;
  }

  /** version is that of the last change. */
  get version(): number {
    return this.#version;
  }

  /** append takes changes in the order of their versions, all of them newer than `version`. */
  append(changes: readonly LoggedChange[]): void {
    for (const change of changes) {
      this.#changes.push({ id: recordId(change.object), change });
      this.#version = change.version;
    }
    const surplus = this.#changes.length - maxChanges;
    // Not one by one: moving the rest along costs more than keeping a few.
    if (surplus > maxChanges / 10) {
      this.#floor = this.#changes[surplus - 1]?.change.version ?? this.#floor;
      this.#changes.splice(0, surplus);
    }
    this.#wake();
  }

  /** close ends all watches. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  /** watch yields what follows `resourceVersion`; it throws ApiGone where that is not known, also for one from the future. */
  async *watch(
    kind: ResourceKind,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<KubernetesObject>, void, undefined> {
    const { resourceVersion, signal } = options;
    const isOver = (): boolean => signal.aborted || this.#isClosed;
    const isOurs = selector(kind, options);
    let seen = /^[1-9][0-9]*$/.test(resourceVersion) ? Number(resourceVersion) : 0;
    while (!isOver()) {
      if (seen < this.#floor || seen > this.#version) throw gone(kind, resourceVersion);
      const next = this.#changes[this.#after(seen)];
      if (next === undefined) {
        const hasChanged = await this.#changed(signal);
        if (!hasChanged && !isOver()) yield { type: 'Bookmark', resourceVersion: String(this.#version) };
        continue;
      }
      seen = next.change.version;
      if (isOurs(next.id)) yield { type: next.change.type, object: next.change.object };
    }
  }

  /** Where the first change after `version` is; the versions are in order, but not without gaps. */
  #after(version: number): number {
    let [low, high] = [0, this.#changes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#changes[middle]?.change.version ?? 0) > version) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Resolves with true at the next change, and with false when it is time for a bookmark, or for going. */
  #changed(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (hasChanged: boolean): void => {
        cancel();
        this.#waiting.delete(onChange);
        signal.removeEventListener('abort', onAbort);
        resolve(hasChanged);
      };
      const onChange = (): void => finish(true);
      const onAbort = (): void => finish(false);
      const cancel = this.#clock.schedule(bookmarkMs, () => finish(false));
      this.#waiting.add(onChange);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #wake(): void {
    // Each of them leaves the set.
    for (const wake of this.#waiting) wake();
  }
}

/** selector matches the ids of what a list or a watch is about. */
export function selector(
  { group, kind }: ResourceKind,
  { namespace, name }: { readonly namespace?: string | undefined; readonly name?: string | undefined },
): (id: RecordId) => boolean {
  const prefix = `${group}/${kind} ${namespace === undefined || namespace === '' ? '' : `${namespace}/`}`;
  const suffix = name === undefined ? '' : `/${name}`;
  return (id) => id.startsWith(prefix) && id.endsWith(suffix);
}

function gone({ plural }: ResourceKind, version: string): SluiceError {
  return new SluiceError('ApiGone', `The changes of ${plural} after version ${version} are not known (any more).`);
}
