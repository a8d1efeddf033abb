import { keyOf, type KubernetesObject } from '../api/kubernetes.ts';
import type { ObjectList, WatchEvent } from '../api/object-store.ts';
import { isSluiceError, SluiceError, type ErrorCode } from '../errors.ts';
import { createBackoff, type Backoff } from './backoff.ts';
import { createDelivery, type Delivery } from './delivery.ts';
import type { ListCause, ReflectorOptions } from './reflector-options.ts';
import { isOlder } from './resource-version.ts';

/** A watch that ends sooner than this has not worked, whatever it says. */
const shortWatchMs = 1000;

/** Bookmarks come about once a minute: a watch that was silent for longer may be one from the future, which says nothing. */
const silentWatchMs = 60_000;

/** After this long a version is compared with the server's before the next watch; watches last 5 to 10 minutes. */
const checkAfterMs = 300_000;

/** After a version that is gone the list follows at once, unless the last one was less than this ago, or both would spin. */
const listAgainMs = 30_000;

/** How long a kind that does not exist is left alone, plus up to as much again at random. */
const missingKindDelayMs = 30_000;

/** Handled in about a millisecond; then others have a turn. */
const changesInOneTurn = 250;

/** A server that is away or busy says nothing against a version: a list would only add to its load. */
const awayCodes: ReadonlySet<ErrorCode> = new Set(['ApiUnreachable', 'ApiThrottled', 'ApiTimeout']);

/**
 * Reflector keeps a Store equal to the API server: it lists, watches from there, and begins again when it must. It is
 * never finished by a failure, only by its signal, and calls nothing back after that.
 *
 * Every list is the truth and comes in pages. client-go begins with any state that an API server has cached, which may
 * be older than what this controller acted on before it was restarted (kubernetes/kubernetes#59848), and which comes as
 * one answer, however large.
 */
export class Reflector<T extends KubernetesObject> {
  /** synced resolves when the first list has been delivered; it rejects with Aborted when the reflector was stopped before. */
  readonly synced: Promise<void>;
  readonly #options: ReflectorOptions<T>;
  readonly #backoff: Backoff;
  readonly #deliver: Delivery<T>;
  readonly #sync = Promise.withResolvers<void>();
  #hasSynced = false;
  #isKindMissing = false;
  #lastContactMs = Number.NEGATIVE_INFINITY;
  /** The newest version that was seen, where the next watch starts; undefined before the first list. */
  #version: string | undefined;
  /** Why a list comes next; undefined when a watch does. */
  #listCause: ListCause | undefined = 'Start';
  #brokenAt: string | undefined;
  /** Why the server may have gone back; its version is looked at before the next watch. */
  #doubt: 'Silence' | 'Absence' | undefined;
  #checkedMs = Number.NEGATIVE_INFINITY;
  #listedMs = Number.NEGATIVE_INFINITY;
  #rollbacks = 0;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#backoff = createBackoff(options.clock, options.random);
    this.#deliver = createDelivery(options, (error) => this.#report(error, 0));
    this.synced = this.#sync.promise;
    // Nobody has to wait for it: a stop before the first list is no unhandled rejection.
    this.synced.catch(() => {});
  }

  /** hasSynced tells whether the first list has been delivered. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** isKindMissing tells whether the API server does not know the kind; the cache is empty then and counts as synced. */
  get isKindMissing(): boolean {
    return this.#isKindMissing;
  }

  /** lastContactMs is the monotonic time when the cache was last known to follow the server; -Infinity before the first list. */
  get lastContactMs(): number {
    return this.#lastContactMs;
  }

  /** version is up to which resourceVersion all changes have been delivered; undefined before the first list. */
  get version(): string | undefined {
    return this.#version;
  }

  /** rollbacks counts how often the server was older than what had been seen: etcd was restored. */
  get rollbacks(): number {
    return this.#rollbacks;
  }

  /** start runs until `signal` aborts, then resolves; it never rejects. Call it once. */
  async start(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const delayMs = await this.#step(signal);
      if (delayMs > 0) await this.#options.clock.sleep(delayMs, signal).catch(() => {});
    }
    if (this.#hasSynced) return;
    const { plural } = this.#options.kind;
    this.#sync.reject(new SluiceError('Aborted', `The reflector of ${plural} was stopped before its first list.`));
  }

  /** Lists, checks or watches once; returns how long to wait before the next step. */
  #step(signal: AbortSignal): Promise<number> {
    if (this.#listCause !== undefined) return this.#list(this.#listCause, signal);
    const isCheckDue = this.#options.clock.monotonicMs() - this.#checkedMs >= checkAfterMs;
    return this.#doubt !== undefined || isCheckDue ? this.#check(signal) : this.#watch(signal);
  }

  async #list(cause: ListCause, signal: AbortSignal): Promise<number> {
    const { cache, kind, namespace, name, observer, source } = this.#options;
    try {
      const list = await source.list<T>(kind, { namespace, name, keep: cache.keep, signal });
      if (signal.aborted) return 0;
      observer?.onList?.(kind, cause);
      await this.#onList(list, signal);
      return 0;
    } catch (error) {
      return signal.aborted ? 0 : this.#onListError(asSluiceError(error), signal);
    }
  }

  async #onList({ items, resourceVersion }: ObjectList<T>, signal: AbortSignal): Promise<void> {
    // Between the check and the list a busy server may have caught up: the check counts.
    if (this.#listCause !== 'Rollback' && isOlder(resourceVersion, this.#version)) this.#onRollback(resourceVersion);
    const isRollback = this.#listCause === 'Rollback';
    this.#isKindMissing = false;
    this.#listCause = undefined;
    this.#version = resourceVersion;
    this.#onChecked();
    this.#lastContactMs = this.#checkedMs;
    this.#listedMs = this.#checkedMs;
    await this.#replace(items, { resourceVersion, isRollback }, signal);
  }

  async #onListError(error: SluiceError, signal: AbortSignal): Promise<number> {
    if (error.code === 'ApiNotFound') return this.#onMissingKind(error, signal);
    return this.#report(error, this.#delayAfter(error));
  }

  async #replace(
    items: readonly T[],
    list: { readonly resourceVersion?: string; readonly isRollback?: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    let handled = 0;
    const { cache, namespace } = this.#options;
    for (const changes of cache.replacing(items, { ...list, namespace })) {
      this.#deliver(changes, signal);
      handled += changes.length;
      if (handled >= changesInOneTurn) {
        handled = 0;
        await this.#options.clock.sleep(0, signal).catch(() => {});
      }
      if (signal.aborted) return;
    }
    this.#hasSynced = true;
    this.#sync.resolve();
  }

  /** What a CRD that went away held is believed to be gone at the second answer only: a proxy may say 404 once. */
  async #onMissingKind(error: SluiceError, signal: AbortSignal): Promise<number> {
    const { cache, random } = this.#options;
    const isGone = this.#isKindMissing || cache.size === 0;
    this.#isKindMissing = true;
    this.#listCause = 'Missing';
    const delayMs = this.#report(error, missingKindDelayMs * (1 + random()));
    if (isGone) await this.#replace([], {}, signal);
    return delayMs;
  }

  /** Compares versions with the server: a watch from a version that it has not reached (again) is silent, without an error. */
  async #check(signal: AbortSignal): Promise<number> {
    const { kind, namespace, name, source } = this.#options;
    try {
      const { resourceVersion } = await source.list<T>(kind, { namespace, name, limit: 1, signal });
      if (signal.aborted) return 0;
      if (isOlder(resourceVersion, this.#version)) this.#onRollback(resourceVersion);
      // A watch that could not be opened leaves the cache as old as it was.
      if (this.#doubt !== 'Absence') this.#lastContactMs = this.#options.clock.monotonicMs();
      this.#onChecked();
      return 0;
    } catch (error) {
      return signal.aborted ? 0 : this.#onWatchError(asSluiceError(error), 0);
    }
  }

  #onRollback(found: string): void {
    const { kind, observer } = this.#options;
    this.#rollbacks += 1;
    this.#listCause = 'Rollback';
    observer?.onRollback?.(kind, { seen: this.#version ?? '', found });
  }

  #onChecked(): void {
    this.#doubt = undefined;
    this.#checkedMs = this.#options.clock.monotonicMs();
  }

  async #watch(signal: AbortSignal): Promise<number> {
    const { clock, kind, namespace, name, observer, source } = this.#options;
    const startMs = clock.monotonicMs();
    let seen = 0;
    try {
      const events = source.watch<T>(kind, {
        namespace,
        name,
        resourceVersion: this.#version ?? '',
        signal,
        onEnd: (reason) => observer?.onWatchEnd?.(kind, reason),
      });
      for await (const event of events) {
        if (signal.aborted) return 0;
        seen += 1;
        this.#onEvent(event, signal);
      }
      return signal.aborted ? 0 : this.#onWatchEnd(clock.monotonicMs() - startMs, seen);
    } catch (error) {
      return signal.aborted ? 0 : this.#onWatchError(asSluiceError(error), clock.monotonicMs() - startMs);
    }
  }

  /** Nothing here waits: what comes faster than it is handled would be held in memory. */
  #onEvent(event: WatchEvent<T>, signal: AbortSignal): void {
    const { cache, clock } = this.#options;
    this.#lastContactMs = clock.monotonicMs();
    const version = event.type === 'Bookmark' ? event.resourceVersion : event.object.metadata.resourceVersion;
    const isLate = isOlder(version, this.#version);
    if (event.type !== 'Bookmark') {
      if (isLate && event.type !== 'Deleted') this.#refuseUnknown(event.object);
      const change = event.type === 'Deleted' ? cache.delete(event.object) : cache.apply(event.object);
      if (change !== undefined) this.#deliver([change], signal);
    }
    if (version !== undefined && !isLate) this.#version = version;
  }

  /** An old state of an object that is not there may be of one that was deleted since: only a list can tell. */
  #refuseUnknown(object: T): void {
    if (this.#options.cache.get(keyOf(object)) !== undefined) return;
    this.#brokenAt = this.#version;
    const found = `an event of ${keyOf(object)} that is older than one before it`;
    throw new SluiceError('WatchBroken', `The watch of ${this.#options.kind.plural} sent ${found}.`);
  }

  /** The server ended the watch, or it was silent: go on from the last version, unless that does not lead anywhere. */
  #onWatchEnd(lastedMs: number, seen: number): number {
    if (lastedMs < shortWatchMs) {
      if (seen === 0) this.#listCause = 'ShortWatch';
      return this.#backoff.nextMs();
    }
    if (seen === 0 && lastedMs >= silentWatchMs) this.#doubt = 'Silence';
    return 0;
  }

  #onWatchError(error: SluiceError, lastedMs: number): number {
    if (error.code === 'WatchBroken') {
      // The same event twice: it will not get better, and must not be skipped.
      const isRepeated = this.#brokenAt === this.#version;
      if (isRepeated) this.#listCause = 'Broken';
      this.#brokenAt = this.#version;
      return this.#report(error, isRepeated || lastedMs < shortWatchMs ? this.#backoff.nextMs() : 0);
    }
    if (!awayCodes.has(error.code)) this.#listCause = error.code === 'ApiGone' ? 'Gone' : 'Failed';
    // Who was away may come back with an older state; who is only busy has been there all the time.
    else if (error.code !== 'ApiThrottled') this.#doubt = 'Absence';
    // A server that was away for long comes back with Gone: its answer need not wait for the delays of its absence.
    const isAnswerAtLast = error.code === 'ApiGone' && this.#options.clock.monotonicMs() - this.#listedMs > listAgainMs;
    return this.#report(error, isAnswerAtLast ? 0 : this.#delayAfter(error));
  }

  #delayAfter(error: SluiceError): number {
    return Math.max(this.#backoff.nextMs(), error.retryAfterMs ?? 0);
  }

  #report(error: SluiceError, retryInMs: number): number {
    this.#options.onError?.(error, { retryInMs });
    return retryInMs;
  }
}

function asSluiceError(error: unknown): SluiceError {
  if (isSluiceError(error)) return error;
  const found = error instanceof Error ? error.message : String(error);
  return new SluiceError('Internal', `A reflector failed unexpectedly: ${found}`, { cause: error });
}
