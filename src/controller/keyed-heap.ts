interface Node<E> {
  entry: E;
  position: number;
}

/**
 * KeyedHeap is a binary heap with one entry a key, found through an index, so that an entry can move instead of leaving a
 * stale one behind. All operations cost O(log n). Its order is `isBefore`, which must be strict.
 */
export class KeyedHeap<E extends { readonly key: string }> {
  readonly #isBefore: (a: E, b: E) => boolean;
  readonly #nodes: Node<E>[] = [];
  readonly #byKey = new Map<E['key'], Node<E>>();

  constructor(isBefore: (a: E, b: E) => boolean) {
    this.#isBefore = isBefore;
  }

  /** size is the number of entries. */
  get size(): number {
    return this.#nodes.length;
  }

  /** first is the entry that no other is before, or undefined. */
  get first(): E | undefined {
    return this.#nodes[0]?.entry;
  }

  /** get returns the entry with `key`, or undefined. */
  get(key: E['key']): E | undefined {
    return this.#byKey.get(key)?.entry;
  }

  /** put adds `entry`, in the place of the one with the same key where there is one. */
  put(entry: E): void {
    const known = this.#byKey.get(entry.key);
    const node = known ?? { entry, position: this.#nodes.length };
    node.entry = entry;
    if (known === undefined) {
      this.#nodes.push(node);
      this.#byKey.set(entry.key, node);
    }
    this.#rise(node);
    this.#sink(node);
  }

  /** pop removes and returns the first entry, or undefined. */
  pop(): E | undefined {
    const [first] = this.#nodes;
    const last = this.#nodes.pop();
    if (first === undefined || last === undefined) return undefined;
    this.#byKey.delete(first.entry.key);
    if (last !== first) {
      this.#place(last, 0);
      this.#sink(last);
    }
    return first.entry;
  }

  /** clear forgets all entries. */
  clear(): void {
    this.#nodes.length = 0;
    this.#byKey.clear();
  }

  #place(node: Node<E>, position: number): void {
    this.#nodes[position] = node;
    node.position = position;
  }

  #rise(node: Node<E>): void {
    for (let position = node.position; position > 0; position = node.position) {
      const parent = this.#nodes[(position - 1) >> 1];
      if (parent === undefined || !this.#isBefore(node.entry, parent.entry)) return;
      this.#place(node, parent.position);
      this.#place(parent, position);
    }
  }

  #sink(node: Node<E>): void {
    for (let child = this.#firstChild(node); child !== undefined; child = this.#firstChild(node)) {
      if (!this.#isBefore(child.entry, node.entry)) return;
      const { position } = node;
      this.#place(node, child.position);
      this.#place(child, position);
    }
  }

  #firstChild(node: Node<E>): Node<E> | undefined {
    const left = this.#nodes[2 * node.position + 1];
    const right = this.#nodes[2 * node.position + 2];
    if (left === undefined || right === undefined) return left;
    return this.#isBefore(right.entry, left.entry) ? right : left;
  }
}
