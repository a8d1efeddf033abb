import type { ObjectKey } from '../../api/kubernetes.ts';
import type { ObjectId, ObjectKind } from './object-kind.ts';

/** Dependencies is which compiled object looked at which other one. */
export interface Dependencies {
  /** replace says what `unit` looks at now; undefined: it is gone. */
  replace(unit: ObjectId, uses: ReadonlySet<ObjectId> | undefined): void;
  /** users are the compiled objects that look at `id`. */
  users(id: ObjectId): Iterable<ObjectId>;
  /** used returns the keys of all objects of a kind that somebody looks at, whether they exist or not. */
  used(kind: ObjectKind): readonly ObjectKey[];
}

/** createDependencies returns Dependencies without any. */
export function createDependencies(): Dependencies {
  const usesOf = new Map<ObjectId, ReadonlySet<ObjectId>>();
  const usersOf = new Map<ObjectId, Set<ObjectId>>();
  const none = new Set<ObjectId>();
  const remove = (id: ObjectId, unit: ObjectId): void => {
    const users = usersOf.get(id);
    users?.delete(unit);
    if (users?.size === 0) usersOf.delete(id);
  };
  const add = (id: ObjectId, unit: ObjectId): void => {
    const users = usersOf.get(id);
    if (users === undefined) usersOf.set(id, new Set([unit]));
    else users.add(unit);
  };
  return {
    replace: (unit, uses) => {
      const before = usesOf.get(unit) ?? none;
      const after = uses ?? none;
      for (const id of before) if (!after.has(id)) remove(id, unit);
      for (const id of after) if (!before.has(id)) add(id, unit);
      if (uses === undefined) usesOf.delete(unit);
      else usesOf.set(unit, uses);
    },
    users: (id) => usersOf.get(id) ?? none,
    used: (kind) => {
      const prefix = `${kind} `;
      const ids = [...usersOf.keys()].filter((id) => id.startsWith(prefix));
      return ids.map((id) => id.slice(prefix.length) as ObjectKey);
    },
  };
}
