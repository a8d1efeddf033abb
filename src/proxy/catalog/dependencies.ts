import type { ObjectKey } from '../../api/kubernetes.ts';
import { kindOf, type ObjectId, type ObjectKind } from './object-kind.ts';

/** Dependencies is which compiled object looked at which other one. */
export interface Dependencies {
  /** replace says what `unit` looks at now, each once. */
  replace(unit: ObjectId, uses: readonly ObjectId[]): void;
  /** users are the compiled objects that look at `id`. */
  users(id: ObjectId): Iterable<ObjectId>;
  /** used returns the keys of all objects of a kind that somebody looks at, whether they exist or not. */
  used(kind: ObjectKind): readonly ObjectKey[];
}

/** createDependencies returns Dependencies without any. */
export function createDependencies(): Dependencies {
  const usesOf = new Map<ObjectId, readonly ObjectId[]>();
  // Most objects have one user; a Set for each would be a large part of the memory.
  const byKind = new Map<ObjectKind, Map<ObjectId, ObjectId | Set<ObjectId>>>();
  const tableOf = (id: ObjectId): Map<ObjectId, ObjectId | Set<ObjectId>> => {
    const kind = kindOf(id);
    const table = byKind.get(kind) ?? new Map<ObjectId, ObjectId | Set<ObjectId>>();
    byKind.set(kind, table);
    return table;
  };
  const remove = (id: ObjectId, unit: ObjectId): void => {
    const usersOf = tableOf(id);
    const users = usersOf.get(id);
    if (users === unit) usersOf.delete(id);
    if (!(users instanceof Set)) return;
    users.delete(unit);
    if (users.size === 0) usersOf.delete(id);
  };
  const add = (id: ObjectId, unit: ObjectId): void => {
    const usersOf = tableOf(id);
    const users = usersOf.get(id);
    if (users === undefined) usersOf.set(id, unit);
    else if (users instanceof Set) users.add(unit);
    else usersOf.set(id, new Set([users, unit]));
  };
  return {
    replace: (unit, uses) => {
      for (const id of usesOf.get(unit) ?? []) remove(id, unit);
      for (const id of uses) add(id, unit);
      if (uses.length === 0) usesOf.delete(unit);
      else usesOf.set(unit, uses);
    },
    users: (id) => {
      const users = tableOf(id).get(id);
      if (users === undefined) return [];
      return users instanceof Set ? users : [users];
    },
    used: (kind) => {
      const ids = [...(byKind.get(kind)?.keys() ?? [])];
      return ids.map((id) => id.slice(kind.length + 1) as ObjectKey);
    },
  };
}
