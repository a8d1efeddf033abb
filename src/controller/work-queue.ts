import type { Clock } from '../clock.ts';
import { KeyedHeap } from './keyed-heap.ts';

/** A delayed key is looked at again this often at the latest, however far its time is: client-go's guard against clock jumps. */
const heartbeatMs = 10_000;

/** WorkQueueObserver is told how long keys waited; both methods must return quickly and not throw. */
export interface WorkQueueObserver {
  /** onAdd is called when a key enters the queue; an add that was merged into a waiting one is not reported. */
  onAdd?(): void;
  /** onGet is called when a worker takes a key that had been ready for `waitedMs`. */
  onGet?(waitedMs: number): void;
}

/** Entry is a key that waits: for a worker since `atMs`, or until `atMs`; `sequence` is the order in which keys came. */
interface Entry<K extends string> {
  readonly key: K;
  readonly priority: number;
  readonly sequence: number;
  readonly atMs: number;
}

interface Run {
  readonly sinceMs: number;
  readonly priority: number;
}

/**
 * WorkQueue hands keys to workers and promises four things: of the keys that wait, one with the highest priority comes
 * out, and among equals the one that became ready first; a key that is added again before a worker takes it is handed
 * out once, with the highest priority asked for; a key never runs twice at the same time; and however often it is added
 * while it runs, it runs exactly once more. Priorities are numbers, 0 where none is given, as in controller-runtime's
 * priority queue; one that is not a number counts as 0. A low priority may wait for ever while higher ones keep coming.
 */
export class WorkQueue<K extends string> {
  readonly #clock: Clock;
  readonly #observer: WorkQueueObserver;
  /** What will run and does not run yet. */
  readonly #queue = new KeyedHeap<Entry<K>>(isMoreUrgent);
  /** What was added while it runs, and goes back into the queue when it is done, with its priority then. */
  readonly #again = new Map<K, number>();
  /** In the order in which the runs began. */
  readonly #running = new Map<K, Run>();
  readonly #delayed = new KeyedHeap<Entry<K>>(isEarlier);
  readonly #waiting: ((key: K | undefined) => void)[] = [];
  #sequence = 0;
  #willDispatch = false;
  #cancelTimer: (() => void) | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #isShutDown = false;

  constructor(options: { readonly clock: Clock; readonly observer?: WorkQueueObserver | undefined }) {
    this.#clock = options.clock;
    this.#observer = options.observer ?? {};
  }

  /** depth is the number of keys that are ready and that no worker has taken yet. */
  get depth(): number {
    return this.#queue.size;
  }

  /** delayed is the number of keys whose time has not come. */
  get delayed(): number {
    return this.#delayed.size;
  }

  /** running is the number of keys that workers hold. */
  get running(): number {
    return this.#running.size;
  }

  /** longestRunningMs is how long the oldest of the present runs has lasted; 0 while nothing runs. */
  get longestRunningMs(): number {
    const [oldest] = this.#running.values();
    return oldest === undefined ? 0 : this.#clock.monotonicMs() - oldest.sinceMs;
  }

  /** runningPriority is the priority with which `key` was handed out; 0 where it does not run. */
  runningPriority(key: K): number {
    return this.#running.get(key)?.priority ?? 0;
  }

  /** add makes `key` ready now, or raises it where it waits with a lower priority; nothing happens after shutDown. */
  add(key: K, priority = 0): void {
    if (this.#isShutDown) return;
    const asked = numberOr0(priority);
    if (this.#running.has(key)) {
      const before = this.#again.get(key);
      if (before === undefined) this.#observer.onAdd?.();
      this.#again.set(key, Math.max(before ?? asked, asked));
      return;
    }
    const waiting = this.#queue.get(key);
    if (waiting === undefined) {
      this.#observer.onAdd?.();
      this.#enqueue(key, asked);
    } else if (asked > waiting.priority) {
      this.#queue.put({ ...waiting, priority: asked });
    }
  }

  /** addAfter makes `key` ready after `delayMs`; of several delays of one key the earliest end and the highest priority win. */
  addAfter(key: K, delayMs: number, priority = 0): void {
    if (this.#isShutDown) return;
    // Not `delayMs <= 0`, so that NaN means now instead of never.
    if (!(delayMs > 0)) {
      this.add(key, priority);
      return;
    }
    const entry = this.#entry(key, numberOr0(priority), this.#clock.monotonicMs() + delayMs);
    const known = this.#delayed.get(key) ?? entry;
    this.#delayed.put({
      ...known,
      priority: Math.max(known.priority, entry.priority),
      atMs: Math.min(known.atMs, entry.atMs),
    });
    this.#armTimer();
  }

  /** get resolves with the next key, which runs until `done(key)`; with undefined once the queue is shut down and empty. */
  get(): Promise<K | undefined> {
    const key = this.#take();
    if (key !== undefined || this.#isShutDown) return Promise.resolve(key);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** done ends the run of `key`; if it was added meanwhile, it is ready again. */
  done(key: K): void {
    this.#running.delete(key);
    const priority = this.#again.get(key);
    this.#again.delete(key);
    if (priority !== undefined) this.#enqueue(key, priority);
    this.#releaseWaiting();
  }

  /** shutDown ignores further adds and delayed keys; keys that are ready still come out of `get`. */
  shutDown(): void {
    this.#isShutDown = true;
    this.#delayed.clear();
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#releaseWaiting();
  }

  #entry(key: K, priority: number, atMs: number): Entry<K> {
    this.#sequence += 1;
    return { key, priority, sequence: this.#sequence, atMs };
  }

  #enqueue(key: K, priority: number): void {
    this.#queue.put(this.#entry(key, priority, this.#clock.monotonicMs()));
    this.#dispatchSoon();
  }

  /** Not at once: of many keys that one tick adds, the most urgent ones go to the workers that wait, not the first ones. */
  #dispatchSoon(): void {
    if (this.#willDispatch || this.#waiting.length === 0) return;
    this.#willDispatch = true;
    queueMicrotask(() => {
      this.#willDispatch = false;
      while (this.#waiting.length > 0 && this.#queue.size > 0) this.#waiting.shift()?.(this.#take());
      this.#releaseWaiting();
    });
  }

  #take(): K | undefined {
    const next = this.#queue.pop();
    if (next === undefined) return undefined;
    const nowMs = this.#clock.monotonicMs();
    this.#running.set(next.key, { sinceMs: nowMs, priority: next.priority });
    this.#observer.onGet?.(nowMs - next.atMs);
    return next.key;
  }

  /** Whoever waits at shutdown waits on: a running key may still come back once. */
  #releaseWaiting(): void {
    if (!this.#isShutDown || this.#again.size > 0 || this.#queue.size > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve(undefined);
  }

  /** One timer serves all delayed keys, and none exists while nothing is delayed. */
  #armTimer(): void {
    const nextMs = this.#delayed.first?.atMs;
    if (nextMs === undefined || nextMs >= this.#timerAtMs) return;
    const nowMs = this.#clock.monotonicMs();
    this.#cancelTimer?.();
    this.#timerAtMs = Math.min(nextMs, nowMs + heartbeatMs);
    // Timers have whole milliseconds and may fire a fraction early: rounding up never finds the key not yet ready.
    const delayMs = Math.max(1, Math.ceil(this.#timerAtMs - nowMs));
    this.#cancelTimer = this.#clock.schedule(delayMs, () => this.#onTimer());
  }

  #onTimer(): void {
    this.#cancelTimer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.monotonicMs();
    for (let next = this.#delayed.first; next !== undefined && next.atMs <= nowMs; next = this.#delayed.first) {
      this.#delayed.pop();
      this.add(next.key, next.priority);
    }
    this.#armTimer();
  }
}

function isMoreUrgent(a: Entry<string>, b: Entry<string>): boolean {
  return a.priority === b.priority ? a.sequence < b.sequence : a.priority > b.priority;
}

function isEarlier(a: Entry<string>, b: Entry<string>): boolean {
  return a.atMs === b.atMs ? a.sequence < b.sequence : a.atMs < b.atMs;
}

/** NaN has no place in an order, and one such key would bring all others out of theirs. */
function numberOr0(priority: number): number {
  return Number.isNaN(priority) ? 0 : priority;
}
