/** Where the entries of a route stand, and which entry of the baseline each one is. */
import type { RouteService } from '../api/traefik.ts';
import { identityOf } from './entry.ts';
import { roleOf, type Pair, type Role } from './split.ts';

/** Slot is one entry of a route. */
export interface Slot {
  readonly entry: RouteService;
  /** role is undefined for a sibling: a service outside the pair. */
  readonly role: Role | undefined;
  /** baseIndex is the place of the same entry in the baseline, undefined where the baseline does not have it. */
  readonly baseIndex: number | undefined;
}

/** Alignment is a route's services now and in the baseline. */
export interface Alignment {
  readonly current: readonly RouteService[];
  readonly base: readonly RouteService[];
  readonly pair: Pair;
}

/**
 * alignSlots finds the entry of the baseline for each present entry by name, kind, namespace and port, those listed twice by
 * their order. An entry of the pair whose port was written differently meanwhile takes the first one left of its side.
 */
export function alignSlots({ current, base, pair }: Alignment): readonly Slot[] {
  const unused = base.map((entry, baseIndex) => ({
    role: roleOf(entry, pair),
    identity: identityOf(entry, pair.namespace),
    baseIndex,
  }));
  const take = (isWanted: (candidate: (typeof unused)[number]) => boolean): number | undefined => {
    const place = unused.findIndex(isWanted);
    return place === -1 ? undefined : unused.splice(place, 1)[0]?.baseIndex;
  };
  const exact = current.map((entry) => {
    const role = roleOf(entry, pair);
    const identity = identityOf(entry, pair.namespace);
    return { entry, role, baseIndex: take((candidate) => candidate.role === role && candidate.identity === identity) };
  });
  return exact.map((slot) => {
    if (slot.role === undefined || slot.baseIndex !== undefined) return slot;
    return { ...slot, baseIndex: take((candidate) => candidate.role === slot.role) };
  });
}

/** firstOf returns the first entry of one side of the pair. */
export function firstOf(slots: readonly Slot[], role: Role): Slot | undefined {
  return slots.find((slot) => slot.role === role);
}

/** insertAtBase puts `slot` behind the nearest entry that stood before it in the baseline, or first if there is none. */
export function insertAtBase(slots: readonly Slot[], slot: Slot): readonly Slot[] {
  const earlier = slots.filter(({ baseIndex = -1 }) => baseIndex !== -1 && baseIndex < (slot.baseIndex ?? 0));
  const nearest = earlier.toSorted((a, b) => (b.baseIndex ?? 0) - (a.baseIndex ?? 0))[0];
  return slots.toSpliced(nearest === undefined ? 0 : slots.indexOf(nearest) + 1, 0, slot);
}
