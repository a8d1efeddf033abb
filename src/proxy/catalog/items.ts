import { isDeepStrictEqual } from 'node:util';
import type { ItemChanges } from '../configuration.ts';
import { createNames, isSameClaim, type Claim, type Names } from './names.ts';
import type { ObjectId } from './object-kind.ts';

/** Items is one kind of things that have names (routers, services): who claims them, and what they are at present. */
export interface Items<T> {
  readonly names: Names<T>;
  /** current is by name. */
  readonly current: ReadonlyMap<string, T>;
  /** touch says that the claims to a name are about to change, or that its value may have. */
  touch(name: string): void;
  /** unitsOfChanged are all that claim or read a touched name that stands for something else now. */
  unitsOfChanged(): ReadonlySet<ObjectId>;
  /** commit makes the touched names what `valueOf` their winners returns, and returns what is different. */
  commit(valueOf: (name: string, winner: ObjectId) => T | undefined): ItemChanges<T>;
}

/** createItems returns Items without any. */
export function createItems<T>(): Items<T> {
  const names = createNames<T>();
  const current = new Map<string, T>();
  /** By name: its winner before. */
  const touched = new Map<string, Claim<T> | undefined>();
  return {
    names,
    current,
    touch: (name) => {
      if (!touched.has(name)) touched.set(name, names.winner(name));
    },
    unitsOfChanged: () => {
      const units = new Set<ObjectId>();
      for (const [name, before] of touched) {
        if (isSameClaim(before, names.winner(name))) continue;
        for (const unit of names.units(name)) units.add(unit);
      }
      return units;
    },
    commit: (valueOf) => {
      const set: T[] = [];
      const removed: string[] = [];
      for (const name of touched.keys()) {
        const winner = names.winner(name);
        const value = winner === undefined ? undefined : valueOf(name, winner.unit);
        const before = current.get(name);
        if (value === undefined) {
          if (current.delete(name)) removed.push(name);
        } else if (before === undefined || !isDeepStrictEqual(before, value)) {
          current.set(name, value);
          set.push(value);
        }
      }
      touched.clear();
      return { set, removed };
    },
  };
}
