/**
 * PowerOfTwo chooses the less busy of two chosen at random, the first of them when both are as busy: nearly as good as
 * the least busy of all, without everybody running to that one (M. Mitzenmacher, The power of two choices, 2001).
 */
export class PowerOfTwo<T> {
  #items: readonly T[] = [];
  readonly #random: () => number;
  readonly #busyOf: (item: T) => number;

  /** `random` returns numbers from 0 (included) to 1 (excluded). */
  constructor(random: () => number, busyOf: (item: T) => number) {
    this.#random = random;
    this.#busyOf = busyOf;
  }

  /** update takes over what there is to choose from now on. */
  update(items: readonly T[]): void {
    this.#items = items;
  }

  /** next returns the chosen one; undefined when there is none. */
  next(): T | undefined {
    const items = this.#items;
    if (items.length < 2) return items[0];
    const at = Math.floor(this.#random() * items.length);
    // One of the others, each as likely.
    const other = (at + 1 + Math.floor(this.#random() * (items.length - 1))) % items.length;
    const [first, second] = [items[at], items[other]];
    if (first === undefined || second === undefined) return first;
    return this.#busyOf(second) < this.#busyOf(first) ? second : first;
  }
}
