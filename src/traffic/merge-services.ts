/** The merge of one route's services: which entries of the pair it lists, where, and at what weight. */
import type { RouteService } from '../api/traefik.ts';
import { makeCounterpart } from './counterpart.ts';
import { weightOf, withWeight } from './entry.ts';
import { guardWeights, type PairWeights, type Ready } from './route-guard.ts';
import { alignSlots, firstOf, insertAtBase, type Slot } from './slots.ts';
import { pairWeight, roleOf, roleWeight, type Pair, type Role } from './split.ts';

/** Merging is one route: its services now and in the baseline. Both list at least one service of the pair. */
export interface Merging {
  readonly current: readonly RouteService[];
  readonly base: readonly RouteService[];
  readonly pair: Pair;
  readonly ready: Ready;
  /** own is how the rule listed the canary when it was listed last. */
  readonly own: RouteService | undefined;
}

/**
 * splitServices gives the canary `canaryPercent` of what the pair had together, as integers, and never more: all weights of
 * the route are scaled up by one factor that depends on the baseline alone, so that it is the same in every step.
 */
export function splitServices(merging: Merging, canaryPercent: number): readonly RouteService[] {
  const { base, pair, ready } = merging;
  const total = pairWeight(base, pair) * scaleOf(merging);
  const canary = Math.floor((total * canaryPercent) / 100);
  const weights = guardWeights({ stable: total - canary, canary }, ready);
  if (weights === undefined) return merging.current;
  return withCanary(withStable(alignSlots(merging), merging), merging).flatMap((slot, _index, slots) =>
    slot.role === undefined ? [scaleSibling(slot, merging)] : placeMember(slot, slots, weights),
  );
}

/**
 * scaleOf is the least factor with which a hundredth of the pair's weight is an integer; 1 beside siblings if the weight is
 * fine enough as it is, because scaling would touch their entries too.
 */
function scaleOf({ base, pair }: Merging): number {
  const total = pairWeight(base, pair);
  const hasSiblings = base.some((entry) => roleOf(entry, pair) === undefined);
  return hasSiblings && total >= 100 ? 1 : 100 / greatestCommonDivisor(total, 100);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function withStable(slots: readonly Slot[], { base, pair }: Merging): readonly Slot[] {
  if (firstOf(slots, 'stable') !== undefined) return slots;
  const baseIndex = base.findIndex((entry) => roleOf(entry, pair) === 'stable');
  const own = base[baseIndex];
  if (own !== undefined) return insertAtBase(slots, { entry: own, role: 'stable', baseIndex });
  const canary = firstOf(slots, 'canary');
  if (canary === undefined) return slots;
  return slots.toSpliced(slots.indexOf(canary) + 1, 0, {
    entry: makeCounterpart(canary.entry, pair.stable),
    role: 'stable',
    baseIndex: undefined,
  });
}

function withCanary(slots: readonly Slot[], { base, pair, own: before }: Merging): readonly Slot[] {
  if (firstOf(slots, 'canary') !== undefined) return slots;
  const baseIndex = base.findIndex((entry) => roleOf(entry, pair) === 'canary');
  const own = base[baseIndex];
  if (own !== undefined) return insertAtBase(slots, { entry: own, role: 'canary', baseIndex });
  const stable = firstOf(slots, 'stable');
  if (stable === undefined) return slots;
  return slots.toSpliced(slots.indexOf(stable) + 1, 0, {
    entry: makeCounterpart(stable.entry, pair.canary, before),
    role: 'canary',
    baseIndex: undefined,
  });
}

/** placeMember writes a side's whole weight on its first entry; a Service listed twice gets the sum from Traefik anyway. */
function placeMember(slot: Slot, slots: readonly Slot[], weights: PairWeights): readonly RouteService[] {
  if (slot.role === undefined || slot !== firstOf(slots, slot.role) || weights[slot.role] === 0) return [];
  return [withWeight(slot.entry, weights[slot.role])];
}

/** scaleSibling keeps a sibling's share, unless somebody gave it another weight meanwhile. */
function scaleSibling({ entry, baseIndex }: Slot, merging: Merging): RouteService {
  const own = baseIndex === undefined ? undefined : merging.base[baseIndex];
  const scale = scaleOf(merging);
  if (own === undefined || scale === 1 || entry.weight !== own.weight) return entry;
  return withWeight(entry, weightOf(own) * scale);
}

/**
 * restoreServices puts the pair's entries and the siblings' weights back. It never raises: where the baseline's stable has
 * no ready endpoint the route stays as it is, so that the canary keeps the traffic.
 */
export function restoreServices(merging: Merging): readonly RouteService[] {
  const { base, pair, ready } = merging;
  const leader: Role = roleWeight(base, pair, 'stable') === undefined ? 'canary' : 'stable';
  if (!ready[leader]) return merging.current;
  const kept = alignSlots(merging).filter((slot) => slot.role === undefined || slot.baseIndex !== undefined);
  const isMissing = (index: number): boolean => kept.every((slot) => slot.baseIndex !== index);
  const missing = base.flatMap((entry, baseIndex) => {
    const role = roleOf(entry, pair);
    return role !== undefined && isMissing(baseIndex) ? [{ entry, role, baseIndex }] : [];
  });
  const slots = missing.reduce<readonly Slot[]>(insertAtBase, kept);
  const withheld = leader === 'stable' && !ready.canary ? (roleWeight(base, pair, 'canary') ?? 0) : 0;
  const heir = firstOf(slots, 'stable');
  return slots.flatMap((slot) => {
    if (slot.role === undefined) return [unscaleSibling(slot, merging)];
    if (slot.role === 'canary' && !ready.canary) return [];
    return [restoreMember(withoutLoan(slot, merging), merging, slot === heir ? withheld : 0)];
  });
}

/** withoutLoan: after a swap the stable service still has the way by ClusterIP that it had as the canary. */
function withoutLoan(slot: Slot, { base, pair }: Merging): Slot {
  const own = slot.baseIndex === undefined ? undefined : base[slot.baseIndex];
  const isLent = slot.role === 'stable' && pair.stable.nativeLB === true && slot.entry.nativeLB === true;
  if (!isLent || own === undefined || own.nativeLB !== undefined) return slot;
  const { nativeLB: _nativeLB, ...entry } = slot.entry;
  return { ...slot, entry };
}

/** restoreMember gives a member's entry its weight of the baseline, and what a withheld entry leaves to it. */
function restoreMember({ entry, baseIndex }: Slot, { base }: Merging, inherited: number): RouteService {
  const own = (baseIndex === undefined ? undefined : base[baseIndex]) ?? entry;
  return withWeight(entry, inherited === 0 ? own.weight : weightOf(own) + inherited);
}

/** unscaleSibling takes the factor back where the weight is still the scaled one. */
function unscaleSibling({ entry, baseIndex }: Slot, merging: Merging): RouteService {
  const own = baseIndex === undefined ? undefined : merging.base[baseIndex];
  const scale = scaleOf(merging);
  if (own === undefined || scale === 1 || entry.weight !== weightOf(own) * scale) return entry;
  return withWeight(entry, own.weight);
}
