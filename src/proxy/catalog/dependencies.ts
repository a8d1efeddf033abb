import type { ObjectKey } from '../../api/kubernetes.ts';
import type { IngressPlace } from './ingress-index.ts';
import { kindOf, type ObjectId, type ObjectKind } from './object-kind.ts';

/**
 * Seen is what a compiled object may look at: an object, a ServerSet by its name, whether that is empty, all IngressClasses, or
 * the Ingresses of a place.
 */
export type Seen = ObjectId | `ServerSet ${string}` | `Emptiness ${string}` | 'IngressClasses all' | IngressPlace;

/** Dependencies is which compiled object looked at what. */
export interface Dependencies {
  /** replace says what `unit` looks at now, each once, and returns what nobody looks at any more. */
  replace(unit: ObjectId, uses: readonly Seen[]): readonly Seen[];
  /** users are the compiled objects that look at `id`. */
  users(id: Seen): Iterable<ObjectId>;
  isUsed(id: Seen): boolean;
  /** used returns the keys of all objects of a kind that somebody looks at, whether they exist or not. */
  used(kind: ObjectKind): readonly ObjectKey[];
}

/** createDependencies returns Dependencies without any. */
export function createDependencies(): Dependencies {
  const usesOf = new Map<ObjectId, readonly Seen[]>();
  // Most objects have one user; a Set for each would be a large part of the memory.
  const byKind = new Map<string, Map<Seen, ObjectId | Set<ObjectId>>>();
  const tableOf = (id: Seen): Map<Seen, ObjectId | Set<ObjectId>> => {
    const kind = kindOf(id);
    const table = byKind.get(kind) ?? new Map<Seen, ObjectId | Set<ObjectId>>();
    byKind.set(kind, table);
    return table;
  };
  const remove = (id: Seen, unit: ObjectId): void => {
    const usersOf = tableOf(id);
    const users = usersOf.get(id);
    if (users === unit) usersOf.delete(id);
    if (!(users instanceof Set)) return;
    users.delete(unit);
    if (users.size === 0) usersOf.delete(id);
  };
  const add = (id: Seen, unit: ObjectId): void => {
    const usersOf = tableOf(id);
    const users = usersOf.get(id);
    if (users === undefined) usersOf.set(id, unit);
    else if (users instanceof Set) users.add(unit);
    else if (users !== unit) usersOf.set(id, new Set([users, unit]));
  };
  return {
    replace: (unit, uses) => {
      const before = usesOf.get(unit) ?? [];
      for (const id of before) if (!uses.includes(id)) remove(id, unit);
      for (const id of uses) add(id, unit);
      if (uses.length === 0) usesOf.delete(unit);
      else usesOf.set(unit, uses);
      return before.filter((id) => !tableOf(id).has(id));
    },
    users: (id) => {
      const users = tableOf(id).get(id);
      if (users === undefined) return [];
      return users instanceof Set ? users : [users];
    },
    isUsed: (id) => tableOf(id).has(id),
    used: (kind) => {
      const ids = [...(byKind.get(kind)?.keys() ?? [])];
      return ids.map((id) => id.slice(kind.length + 1) as ObjectKey);
    },
  };
}
