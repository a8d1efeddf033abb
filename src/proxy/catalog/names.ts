import { isDeepStrictEqual } from 'node:util';
import type { ObjectId } from './object-kind.ts';

/** Claim is one object's wish to define what a name stands for. */
export interface Claim<T> {
  readonly unit: ObjectId;
  /** createdAt (RFC 3339) of the object: among claims to a name the oldest wins, then the first by ObjectId. */
  readonly createdAt: string;
  /** identity is what the value is in the cluster; two with the same one may differ in options only. */
  readonly identity: string;
  readonly value: T;
}

/** Names holds who claims which name. Traefik lets the one that it happens to read last win; here it is always the same. */
export interface Names<T> {
  /** claim adds a claim of an object that has none to this name. */
  claim(name: string, claim: Claim<T>): void;
  release(name: string, unit: ObjectId): void;
  /** read and unread keep who uses a name without claiming it. */
  read(name: string, unit: ObjectId): void;
  unread(name: string, unit: ObjectId): void;
  winner(name: string): Claim<T> | undefined;
  /** units are all that claim or read the name. */
  units(name: string): Iterable<ObjectId>;
}

/** createNames returns Names without any. */
export function createNames<T>(): Names<T> {
  const entries = new Map<string, Entry<T>>();
  const entryOf = (name: string): Entry<T> => {
    const known = entries.get(name);
    if (known !== undefined) return known;
    const entry: Entry<T> = { winner: undefined, isOpen: false, others: undefined, readers: undefined };
    entries.set(name, entry);
    return entry;
  };
  const dropEmpty = (name: string, entry: Entry<T>): void => {
    if (entry.winner === undefined && !entry.isOpen && (entry.readers?.size ?? 0) === 0) entries.delete(name);
  };
  return {
    claim: (name, claim) => {
      addClaim(entryOf(name), claim);
    },
    release: (name, unit) => {
      const entry = entries.get(name);
      if (entry === undefined) return;
      removeClaim(entry, unit);
      dropEmpty(name, entry);
    },
    read: (name, unit) => {
      const entry = entryOf(name);
      entry.readers ??= new Set();
      entry.readers.add(unit);
    },
    unread: (name, unit) => {
      const entry = entries.get(name);
      if (entry === undefined) return;
      entry.readers?.delete(unit);
      dropEmpty(name, entry);
    },
    winner: (name) => {
      const entry = entries.get(name);
      return entry === undefined ? undefined : winnerOf(entry);
    },
    units: (name) => unitsOf(entries.get(name)),
  };
}

/** Most names have one claim and no reader: there are thousands of them, and a Map for each would be most of the memory. */
interface Entry<T> {
  winner: Claim<T> | undefined;
  /** isOpen: the winner is gone, and the next one among the others is looked for when somebody asks. Thousands may go at once. */
  isOpen: boolean;
  /** others are the claims that did not win. */
  others: Map<ObjectId, Claim<T>> | undefined;
  readers: Set<ObjectId> | undefined;
}

function addClaim<T>(entry: Entry<T>, claim: Claim<T>): void {
  const { winner } = entry;
  if (entry.isOpen) {
    entry.others?.set(claim.unit, claim);
    return;
  }
  if (winner === undefined) {
    entry.winner = claim;
    return;
  }
  const [first, second] = isFirst(claim, winner) ? [claim, winner] : [winner, claim];
  entry.winner = first;
  entry.others ??= new Map();
  entry.others.set(second.unit, second);
}

function removeClaim<T>(entry: Entry<T>, unit: ObjectId): void {
  if (entry.winner?.unit === unit) entry.winner = undefined;
  else entry.others?.delete(unit);
  entry.isOpen = entry.winner === undefined && (entry.others?.size ?? 0) > 0;
}

function winnerOf<T>(entry: Entry<T>): Claim<T> | undefined {
  if (!entry.isOpen) return entry.winner;
  entry.isOpen = false;
  entry.winner = firstOf(entry.others?.values() ?? []);
  if (entry.winner !== undefined) entry.others?.delete(entry.winner.unit);
  return entry.winner;
}

/** isSameClaim tells whether a name stands for the same as before. */
export function isSameClaim<T>(before: Claim<T> | undefined, after: Claim<T> | undefined): boolean {
  if (before === undefined || after === undefined) return before === after;
  return (
    before.unit === after.unit && before.identity === after.identity && isDeepStrictEqual(before.value, after.value)
  );
}

function* unitsOf<T>(entry: Entry<T> | undefined): Generator<ObjectId> {
  if (entry?.winner !== undefined) yield entry.winner.unit;
  yield* entry?.others?.keys() ?? [];
  yield* entry?.readers ?? [];
}

function firstOf<T>(claims: Iterable<Claim<T>>): Claim<T> | undefined {
  let first: Claim<T> | undefined;
  for (const claim of claims) if (first === undefined || isFirst(claim, first)) first = claim;
  return first;
}

function isFirst<T>(one: Claim<T>, other: Claim<T>): boolean {
  if (one.createdAt !== other.createdAt) return one.createdAt < other.createdAt;
  return one.unit <= other.unit;
}
