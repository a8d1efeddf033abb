import { isDeepStrictEqual } from 'node:util';
import type { ItemChanges } from '../configuration.ts';
import type { Steps } from '../steps.ts';
import { createNames, isSameClaim, type Claim, type Names } from './names.ts';
import type { ObjectId } from './object-kind.ts';

/** Named is what is kept by its name. */
export interface Named {
  readonly name: string;
}

/** Items is one kind of things that have names (routers, services): who claims them, and what they are at present. */
export interface Items<T extends Named> {
  readonly names: Names<T>;
  /** current is by name. */
  readonly current: ReadonlyMap<string, T>;
  /** touch says that the claims to a name are about to change, or that its value may have. */
  touch(name: string): void;
  /** unitsOfChanged adds to `units` all that claim or read a touched name that stands for something else now. */
  unitsOfChanged(units: Set<ObjectId>): Steps<void>;
  /** compare returns what is different where the touched names are what `valueOf` their winners returns. */
  compare(valueOf: (name: string, winner: ObjectId) => T | undefined): Steps<ItemChanges<T>>;
  /** commit makes that the present state. */
  commit(changes: ItemChanges<T>): void;
}

/** createItems returns Items without any. */
export function createItems<T extends Named>(): Items<T> {
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
    *unitsOfChanged(units) {
      for (const [name, before] of touched) {
        yield;
        if (isSameClaim(before, names.winner(name))) continue;
        for (const unit of names.units(name)) units.add(unit);
      }
    },
    *compare(valueOf) {
      const set: T[] = [];
      const removed: string[] = [];
      for (const name of touched.keys()) {
        const winner = names.winner(name);
        const value = winner === undefined ? undefined : valueOf(name, winner.unit);
        const before = current.get(name);
        if (value === undefined) {
          if (before !== undefined) removed.push(name);
        } else if (before === undefined || !isDeepStrictEqual(before, value)) set.push(value);
        yield;
      }
      touched.clear();
      return { set, removed };
    },
    commit: (changes) => takeOver(current, changes),
  };
}

/** takeOver makes changes part of what is kept by name. */
export function takeOver<T extends Named>(current: Map<string, T>, { set, removed }: ItemChanges<T>): void {
  for (const name of removed) current.delete(name);
  for (const item of set) current.set(item.name, item);
}
