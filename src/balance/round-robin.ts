/** RoundRobin chooses one after the other. It begins anywhere, so that many that begin together do not all ask the same one first. */
export class RoundRobin<T> {
  #items: readonly T[] = [];
  #next = 0;
  readonly #random: () => number;

  /** `random` returns numbers from 0 (included) to 1 (excluded). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * update takes over what there is to choose from now on. It goes on with the one that would have been next; when that
   * is gone, anywhere, so that its neighbour does not inherit all its turns.
   */
  update(items: readonly T[]): void {
    const next = this.#items[this.#next];
    const at = next === undefined ? -1 : items.indexOf(next);
    this.#items = items;
    this.#next = at === -1 ? Math.floor(this.#random() * items.length) : at;
  }

  /** next returns the one whose turn it is; undefined when there is none. */
  next(): T | undefined {
    const item = this.#items[this.#next];
    this.#next = this.#next + 1 < this.#items.length ? this.#next + 1 : 0;
    return item;
  }
}
