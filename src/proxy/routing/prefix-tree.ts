/**
 * PrefixTree finds all prefixes of a text among many. It is a radix tree: an edge carries the characters up to where the
 * next prefixes part, so finding takes as long as reading the text once, however many prefixes there are.
 */
export interface PrefixTree<T> {
  /** at returns the value of a prefix, made by `make` if there is none. */
  at(prefix: string, make: () => T): T;
  /** get returns the value of a prefix. */
  get(prefix: string): T | undefined;
  /** remove forgets a prefix. */
  remove(prefix: string): void;
  /** walk calls `visit` with the values of all prefixes of a text, shortest first. */
  walk(text: string, found: T[]): void;
  isEmpty(): boolean;
}

interface TreeNode<T> {
  /** label is what the edge to this node adds to the prefix. */
  label: string;
  value: T | undefined;
  /** children by the code of their label's first character. */
  children: Map<number, TreeNode<T>> | undefined;
}

/** createPrefixTree returns an empty tree. */
export function createPrefixTree<T>(): PrefixTree<T> {
  const root: TreeNode<T> = { label: '', value: undefined, children: undefined };
  return {
    at: (prefix, make) => {
      const node = insert(root, prefix);
      node.value ??= make();
      return node.value;
    },
    get: (prefix) => trailTo(root, prefix)?.at(-1)?.value,
    remove: (prefix) => {
      const trail = trailTo(root, prefix);
      if (trail === undefined) return;
      (trail.at(-1) as TreeNode<T>).value = undefined;
      prune(trail);
    },
    walk: (text, found) => walk(root, text, found),
    isEmpty: () => root.value === undefined && root.children === undefined,
  };
}

function walk<T>(root: TreeNode<T>, text: string, found: T[]): void {
  let node: TreeNode<T> | undefined = root;
  let at = 0;
  for (;;) {
    if (node.value !== undefined) found.push(node.value);
    if (node.children === undefined || at >= text.length) return;
    node = node.children.get(text.charCodeAt(at));
    if (node === undefined || !text.startsWith(node.label, at)) return;
    at += node.label.length;
  }
}

/** The nodes from the root to that of a prefix; undefined if there is none. */
function trailTo<T>(root: TreeNode<T>, prefix: string): readonly TreeNode<T>[] | undefined {
  const trail = [root];
  for (let at = 0, node = root; at < prefix.length; at += node.label.length) {
    const next = node.children?.get(prefix.charCodeAt(at));
    if (next === undefined || !prefix.startsWith(next.label, at)) return undefined;
    trail.push(next);
    node = next;
  }
  return trail;
}

function insert<T>(root: TreeNode<T>, prefix: string): TreeNode<T> {
  let node = root;
  let at = 0;
  while (at < prefix.length) {
    node.children ??= new Map();
    const code = prefix.charCodeAt(at);
    const next = node.children.get(code);
    if (next === undefined) {
      const leaf: TreeNode<T> = { label: prefix.slice(at), value: undefined, children: undefined };
      node.children.set(code, leaf);
      return leaf;
    }
    const shared = sharedLength(next.label, prefix, at);
    if (shared < next.label.length) split(next, shared);
    node = next;
    at += shared;
  }
  return node;
}

function sharedLength(label: string, text: string, at: number): number {
  const most = Math.min(label.length, text.length - at);
  let length = 0;
  while (length < most && label.charCodeAt(length) === text.charCodeAt(at + length)) length += 1;
  return length;
}

/** The node keeps the first characters of its label; the rest goes to a new node below, with all that it had. */
function split<T>(node: TreeNode<T>, length: number): void {
  const lower: TreeNode<T> = { label: node.label.slice(length), value: node.value, children: node.children };
  node.label = node.label.slice(0, length);
  node.value = undefined;
  node.children = new Map([[lower.label.charCodeAt(0), lower]]);
}

/** Takes out nodes without value: those without children, and those with one, which it joins with their child. */
function prune<T>(trail: readonly TreeNode<T>[]): void {
  for (let index = trail.length - 1; index > 0; index -= 1) {
    const node = trail[index] as TreeNode<T>;
    if (node.value !== undefined) return;
    if (node.children !== undefined) {
      join(node);
      return;
    }
    const parent = trail[index - 1] as TreeNode<T>;
    parent.children?.delete(node.label.charCodeAt(0));
    if (parent.children?.size === 0) parent.children = undefined;
    else {
      if (index > 1) join(parent);
      return;
    }
  }
}

function join<T>(node: TreeNode<T>): void {
  if (node.value !== undefined || node.children?.size !== 1) return;
  const [child] = node.children.values() as Iterable<TreeNode<T>>;
  if (child === undefined) return;
  node.label += child.label;
  node.value = child.value;
  node.children = child.children;
}
