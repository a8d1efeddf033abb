/** How the routes are once the canary has taken stable's place for good: its entry where stable's was, and the other one gone. */
import type { RouteService } from '../api/traefik.ts';
import type { Baseline, BaselineRoute } from './baseline.ts';
import { makeCounterpart, ownEntryOf } from './counterpart.ts';
import { withWeight } from './entry.ts';
import { pairWeight, roleOf, type OwnRoute, type Pair } from './split.ts';

/** Swapped is the state of rest after a swap. */
export interface Swapped {
  /** baseline is how the routes have to be at rest from now on. */
  readonly baseline: Baseline;
  /** left is how each rule listed the service that leaves, so that it can come back with all its fields. */
  readonly left: readonly OwnRoute[];
}

/** swapBaseline returns what becomes of `baseline` when the canary of `pair` takes the place and the weight of its stable service. */
export function swapBaseline({ routes }: Baseline, pair: Pair): Swapped {
  return {
    baseline: { routes: routes.map((route) => swapRoute(route, pair)) },
    left: routes.map(({ match, services }) => ({
      match,
      services: services.filter((entry) => roleOf(entry, pair) === 'stable'),
    })),
  };
}

function swapRoute({ match, services }: BaselineRoute, pair: Pair): BaselineRoute {
  const stable = stableIn(services, pair);
  if (stable === undefined) return { match, services };
  const members = services.filter((entry) => roleOf(entry, pair) !== undefined);
  const listed = members.find((entry) => roleOf(entry, pair) === 'canary');
  const own = listed ?? ownEntryOf(pair, match);
  // By ClusterIP goes who is not proven yet.
  const entry = makeCounterpart(stable, { ...pair.canary, nativeLB: false }, own);
  const isImplicit = members.length === 1 && stable.weight === undefined;
  const live = withWeight(entry, isImplicit ? undefined : pairWeight(services, pair));
  const kept = services.filter((each) => each === stable || !members.includes(each));
  return { match, services: kept.map((each) => (each === stable ? live : each)) };
}

function stableIn(services: readonly RouteService[], pair: Pair): RouteService | undefined {
  return services.find((entry) => roleOf(entry, pair) === 'stable');
}
