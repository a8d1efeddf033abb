/**
 * The three-way merge of what Sluice wrote and what the file says now, from what the file said when Sluice wrote.
 *
 * What only one of the two changed is as that one has it. Where both did, the file wins: somebody meant it, and the
 * controller sees a write by another manager and corrects the weights itself. Objects merge field by field, finalizers as
 * a set, the routes of an IngressRoute one by one, paired by their rule. The services of a route, and the weighted ones of a
 * TraefikService, merge entry by entry as
 * long as the file changes neither the weights nor which entries there are: half the weights of one and half of the other
 * would be a split that nobody has asked for. Every other list is one value.
 */
import { isSame } from '../api/merge-patch.ts';

type Json = Readonly<Record<string, unknown>>;

interface Versions {
  readonly base: unknown;
  readonly ours: unknown;
  readonly theirs: unknown;
}

/** mergeEdits merges two edits of `base`; undefined is what is not there. */
export function mergeEdits<T>(base: T, ours: T, theirs: T): T {
  return merge({ base, ours, theirs }, '') as T;
}

function merge({ base, ours, theirs }: Versions, path: string): unknown {
  if (isSame(ours, base)) return theirs;
  if (isSame(theirs, base)) return ours;
  if (isObject(ours) && isObject(theirs)) {
    return mergeFields(isObject(base) ? base : {}, ours, { theirs, path });
  }
  if (Array.isArray(ours) && Array.isArray(theirs)) {
    const known = Array.isArray(base) ? (base as readonly unknown[]) : [];
    return mergeLists(known, ours as readonly unknown[], { theirs: theirs as readonly unknown[], path });
  }
  return theirs;
}

function mergeFields(base: Json, ours: Json, { theirs, path }: { readonly theirs: Json; readonly path: string }): Json {
  const fields = new Set([...Object.keys(theirs), ...Object.keys(ours)]);
  const merged = [...fields].map((field) => {
    const versions = { base: own(base, field), ours: own(ours, field), theirs: own(theirs, field) };
    return [field, merge(versions, `${path}/${field}`)] as const;
  });
  return Object.fromEntries(merged.filter(([, value]) => value !== undefined));
}

interface Edited {
  readonly theirs: readonly unknown[];
  readonly path: string;
}

function mergeLists(base: readonly unknown[], ours: readonly unknown[], { theirs, path }: Edited): unknown {
  if (path === '/metadata/finalizers') return mergeSets(base, ours, theirs);
  if (path === '/spec/routes') return mergeRoutes(base, ours, theirs);
  if (path === '/spec/routes/services' || path === '/spec/weighted/services')
    return mergeServices(base, ours, theirs) ?? theirs;
  return theirs;
}

function mergeSets(base: readonly unknown[], ours: readonly unknown[], theirs: readonly unknown[]): readonly unknown[] {
  const kept = theirs.filter((item) => ours.includes(item) || !base.includes(item));
  return [...kept, ...ours.filter((item) => !base.includes(item) && !kept.includes(item))];
}

/** Sluice neither adds, removes nor moves a route: whichever of the file has no counterpart is as the file has it. */
function mergeRoutes(
  base: readonly unknown[],
  ours: readonly unknown[],
  theirs: readonly unknown[],
): readonly unknown[] {
  const before = pair(theirs, base);
  return theirs.map((route, index) => {
    const old = before[index];
    const written = old === undefined ? undefined : ours[placeOf(old, base, ours)];
    return written === undefined ? route : merge({ base: old, ours: written, theirs: route }, '/spec/routes');
  });
}

/** placeOf is where `ours` has the route of `base`: as many of the same rule stand before it. */
function placeOf(route: unknown, base: readonly unknown[], ours: readonly unknown[]): number {
  const turn = base.filter((other) => ruleOf(other) === ruleOf(route)).indexOf(route);
  const same = ours.flatMap((other, index) => (ruleOf(other) === ruleOf(route) ? [index] : []));
  return same[turn] ?? -1;
}

/** pair finds for each route the one of `known` with the same rule, else the one that stands where it does, if nothing was added or removed. */
function pair(routes: readonly unknown[], known: readonly unknown[]): readonly unknown[] {
  const free = new Set(known.keys());
  const byRule = routes.map((route) => {
    const index = [...free].find((place) => ruleOf(known[place]) === ruleOf(route));
    if (index !== undefined) free.delete(index);
    return index;
  });
  const isSameLength = routes.length === known.length;
  return byRule.map((found, place) => {
    const index = found ?? (isSameLength && free.has(place) ? place : undefined);
    return index === undefined ? undefined : known[index];
  });
}

function ruleOf(route: unknown): unknown {
  return isObject(route) ? own(route, 'match') : undefined;
}

/** mergeServices returns undefined where the file changed weights or entries, or something of an entry that Sluice took out. */
function mergeServices(
  base: readonly unknown[],
  ours: readonly unknown[],
  theirs: readonly unknown[],
): readonly unknown[] | undefined {
  if (!isSame(base.map(weighted), theirs.map(weighted))) return undefined;
  const places = theirs.map((entry, index) => ({
    index,
    isEdited: !isSame(entry, base[index]),
    place: ours.findIndex((other) => isSame(named(other), named(entry))),
  }));
  if (places.some(({ isEdited, place }) => isEdited && place === -1)) return undefined;
  return ours.map((entry, place) => {
    const edited = places.find((other) => other.place === place);
    if (edited === undefined) return entry;
    return merge({ base: base[edited.index], ours: entry, theirs: theirs[edited.index] }, '/spec/routes/services/0');
  });
}

function named(entry: unknown): unknown {
  if (!isObject(entry)) return entry;
  return ['name', 'kind', 'namespace', 'port'].map((field) => own(entry, field) ?? null);
}

function weighted(entry: unknown): unknown {
  return isObject(entry) ? [named(entry), own(entry, 'weight') ?? null] : entry;
}

function own(object: Json, field: string): unknown {
  return Object.hasOwn(object, field) ? object[field] : undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
