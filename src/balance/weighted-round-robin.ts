/** Shares turns out by weight, earliest deadline first, evenly interleaved and without a first pick that everybody shares. */

/** WeightedItem is something to choose. Its key says across updates which one it is. */
export interface WeightedItem<T> {
  readonly key: string;
  /** weight is relative to the others; without a positive one an item is never chosen. */
  readonly weight: number;
  readonly item: T;
}

/** WeightedRoundRobinOptions: `random` returns numbers from 0 (included) to 1 (excluded). */
export interface WeightedRoundRobinOptions<T> {
  readonly random: () => number;
  /** isRestarting makes each update begin a new cycle with every deadline at its weight, as Traefik does at each reload. */
  readonly isRestarting: boolean;
  /** isUsable is asked at each choice. */
  readonly isUsable: (item: T) => boolean;
}

interface Entry<T> {
  readonly key: string;
  weight: number;
  item: T;
  deadline: number;
  /** order decides among equal deadlines: who was chosen longer ago comes first. */
  order: number;
}

/** Beyond this a double no longer tells deadlines of large weights apart. */
const maxTime = 2 ** 20;

/**
 * WeightedRoundRobin runs on a time of its own, in which an item of weight w has a turn every 1/w (as Traefik's
 * balancer, pkg/server/service/loadbalancer/wrr). A new item begins anywhere in its cycle, so that a small weight is not
 * starved by updates that come faster than its turns; one that stays keeps its place, scaled to its new weight.
 *
 * An unusable item whose turn comes waits at the head of the queue: it is the next to be chosen once it can be used, one
 * time, and then has a turn every 1/w again. So it loses no more than the time that it was away, and never catches up in
 * a burst. The others share meanwhile in the proportion of their weights.
 *
 * Choosing costs a look at each item, which for the few that routes have is cheaper than a heap.
 */
export class WeightedRoundRobin<T> {
  readonly #options: WeightedRoundRobinOptions<T>;
  #entries: Entry<T>[] = [];
  #time = 0;
  #order = 0;

  constructor(options: WeightedRoundRobinOptions<T>) {
    this.#options = options;
  }

  /** update takes over what there is to choose from now on. Weights of the same key add up; its last item is kept. */
  update(items: readonly WeightedItem<T>[]): void {
    const before = new Map(this.#entries.map((entry) => [entry.key, entry]));
    const after = new Map<string, Entry<T>>();
    for (const { key, weight, item } of items) {
      if (!(weight > 0)) continue;
      const present = after.get(key);
      const total = weight + (present?.weight ?? 0);
      after.set(key, { key, weight: total, item, deadline: 0, order: 0 });
    }
    const { isRestarting } = this.#options;
    if (isRestarting) this.#time = 0;
    for (const entry of after.values()) this.#place(entry, isRestarting ? undefined : before.get(entry.key));
    this.#entries = [...after.values()];
  }

  /** next returns the usable item whose turn it is, or undefined when none is usable. */
  next(): T | undefined {
    const { isUsable } = this.#options;
    let chosen: Entry<T> | undefined;
    for (const entry of this.#entries) {
      if ((chosen === undefined || isBefore(entry, chosen)) && isUsable(entry.item)) chosen = entry;
    }
    return this.#take(chosen);
  }

  /** nextOfAll returns the item whose turn it is, usable or not; undefined when there is none. */
  nextOfAll(): T | undefined {
    let chosen: Entry<T> | undefined;
    for (const entry of this.#entries) {
      if (chosen === undefined || isBefore(entry, chosen)) chosen = entry;
    }
    return this.#take(chosen);
  }

  #take(entry: Entry<T> | undefined): T | undefined {
    if (entry === undefined) return undefined;
    // What waited while it was unusable has a deadline in the past.
    if (entry.deadline > this.#time) this.#time = entry.deadline;
    entry.deadline = this.#time + 1 / entry.weight;
    entry.order = this.#order;
    this.#order += 1;
    if (this.#time > maxTime) this.#shiftTime();
    return entry.item;
  }

  #place(entry: Entry<T>, before: Entry<T> | undefined): void {
    const { isRestarting, random } = this.#options;
    if (before === undefined) {
      const phase = isRestarting ? 1 : 1 - random();
      entry.deadline = this.#time + phase / entry.weight;
      // Among items that begin together chance decides, as in Traefik, which shuffles them.
      entry.order = random() - 1;
      return;
    }
    const rest = before.deadline - this.#time;
    // The same weight must not even be rounded anew.
    const isSame = before.weight === entry.weight;
    entry.deadline = isSame ? before.deadline : this.#time + rest * (before.weight / entry.weight);
    entry.order = before.order;
  }

  /** The present becomes 0. */
  #shiftTime(): void {
    for (const entry of this.#entries) entry.deadline -= this.#time;
    this.#time = 0;
  }
}

function isBefore<T>(left: Entry<T>, right: Entry<T>): boolean {
  return left.deadline < right.deadline || (left.deadline === right.deadline && left.order < right.order);
}
