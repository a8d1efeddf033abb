/** How the routes have to look for a target: a strategic merge of weights into whatever the object is now. */
import type { Route, RouteService } from '../api/traefik.ts';
import { matchBaseline, type Baseline } from './baseline.ts';
import { ownEntryOf } from './counterpart.ts';
import { restoreServices, splitServices, type Merging } from './merge-services.ts';
import type { Ready } from './route-guard.ts';
import type { Pair } from './split.ts';

export type { Ready } from './route-guard.ts';

/** Target is what the pair's part of every route in question has to be. */
export type Target =
  /** canaryPercent is an integer from 1 to 100. */
  | { readonly kind: 'Split'; readonly canaryPercent: number }
  /** Baseline is as before the first touch. */
  | { readonly kind: 'Baseline' };

/** MergeResult is the routes as they have to be. */
export interface MergeResult {
  /** routes are complete and in their order; those that need no change are the same objects. */
  readonly routes: readonly Route[];
  /** complete is false where an entry is withheld because it has no ready endpoints. */
  readonly complete: boolean;
  /** unmatched are rules of the baseline whose route is gone or lists neither service any more. */
  readonly unmatched: readonly string[];
}

/** MergeContext is what the merge has to know besides the object and the target. */
export interface MergeContext {
  readonly pair: Pair;
  readonly baseline: Baseline;
  readonly ready: Ready;
}

/**
 * mergeRoutes computes `current` with the pair's entries and the siblings' weights as `target` wants them; everything else
 * is carried along. Merging its result again changes nothing. A route that lists neither service is left alone even if it
 * once did: somebody has put something else there.
 */
export function mergeRoutes(
  current: readonly Route[],
  target: Target,
  { pair, baseline, ready }: MergeContext,
): MergeResult {
  const { byIndex, unmatched } = matchBaseline(current, pair, baseline);
  const merged = current.map((route, index) => {
    const base = byIndex.get(index);
    if (base === undefined) return { route, complete: true };
    const own = ownEntryOf(pair, route.match);
    return mergeRoute(route, { current: route.services ?? [], base: base.services, pair, ready, own }, target);
  });
  return { routes: merged.map(({ route }) => route), complete: merged.every(({ complete }) => complete), unmatched };
}

function mergeRoute(route: Route, merging: Merging, target: Target): { route: Route; complete: boolean } {
  const services = mergeServices(merging, target);
  const aim = mergeServices({ ...merging, ready: { stable: true, canary: true } }, target);
  const isSame = JSON.stringify(services) === JSON.stringify(merging.current);
  return {
    route: isSame ? route : { ...route, services },
    complete: JSON.stringify(services) === JSON.stringify(aim),
  };
}

function mergeServices(merging: Merging, target: Target): readonly RouteService[] {
  return target.kind === 'Split' ? splitServices(merging, target.canaryPercent) : restoreServices(merging);
}
