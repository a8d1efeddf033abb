/** How the routes were before the first touch, which is how they have to be again at rest. */
import type { Route, RouteService } from '../api/traefik.ts';
import { makeCounterpart } from './counterpart.ts';
import { weightOf, withWeight } from './entry.ts';
import { listsPair, pairWeight, roleOf, roleWeight, type Pair } from './split.ts';

/** BaselineRoute is one rule and the services that it had, verbatim. */
export interface BaselineRoute {
  readonly match: string;
  readonly services: readonly RouteService[];
}

/** Baseline holds each route that listed either service; it is plain JSON and fit to be stored. */
export interface Baseline {
  readonly routes: readonly BaselineRoute[];
}

/** takeBaseline keeps the services of each route in question that lists either service. */
export function takeBaseline(routes: readonly Route[], pair: Pair): Baseline {
  return { routes: routes.filter((route) => listsPair(route, pair)).map(asIs) };
}

/**
 * adoptBaseline is for routes that give the canary weight already when first seen, so that nobody knows how they were: the
 * pair's total is stable's there, and the canary is left out. A route that gives the canary nothing is kept as it is.
 */
export function adoptBaseline(routes: readonly Route[], pair: Pair): Baseline {
  return { routes: routes.filter((route) => listsPair(route, pair)).map((route) => adoptRoute(route, pair)) };
}

/**
 * extendBaseline adds the routes which came to list either service after `baseline` was taken, as adoptBaseline sees them;
 * `baseline` itself is returned where there are none. Stored before a raise it lets such a route be put back exactly.
 */
export function extendBaseline(routes: readonly Route[], pair: Pair, baseline: Baseline): Baseline {
  const { added } = matchBaseline(routes, pair, baseline);
  return added.length === 0 ? baseline : { routes: [...baseline.routes, ...added] };
}

function asIs(route: Route): BaselineRoute {
  return { match: route.match, services: route.services ?? [] };
}

function adoptRoute(route: Route, pair: Pair): BaselineRoute {
  const services = route.services ?? [];
  if ((roleWeight(services, pair, 'canary') ?? 0) === 0) return asIs(route);
  const firstStable = services.find((entry) => roleOf(entry, pair) === 'stable');
  return firstStable === undefined ? stableForCanary(route, pair) : canaryLeftOut(route, pair, firstStable);
}

/** canaryLeftOut adds the canary's weight to the first entry of stable. */
function canaryLeftOut({ match, services = [] }: Route, pair: Pair, firstStable: RouteService): BaselineRoute {
  const weight = weightOf(firstStable) + (roleWeight(services, pair, 'canary') ?? 0);
  const kept = services.filter((entry) => roleOf(entry, pair) !== 'canary');
  return { match, services: kept.map((entry) => (entry === firstStable ? withWeight(entry, weight) : entry)) };
}

/** stableForCanary puts an entry of stable where the first one of the canary is. */
function stableForCanary({ match, services = [] }: Route, pair: Pair): BaselineRoute {
  const [first, ...others] = services.filter((entry) => roleOf(entry, pair) === 'canary');
  if (first === undefined) return { match, services };
  const isImplicit = others.length === 0 && first.weight === undefined;
  const stable = withWeight(makeCounterpart(first, pair.stable), isImplicit ? undefined : pairWeight(services, pair));
  const kept = services.filter((entry) => !others.includes(entry));
  return { match, services: kept.map((entry) => (entry === first ? stable : entry)) };
}

/** BaselineMatch says which baseline belongs to which of the present routes. */
export interface BaselineMatch {
  /** byIndex has every route in question that lists either service, by its index. */
  readonly byIndex: ReadonlyMap<number, BaselineRoute>;
  /** added are the baselines made now, for routes that had none. */
  readonly added: readonly BaselineRoute[];
  /** unmatched are the rules whose route is gone or lists neither service any more. */
  readonly unmatched: readonly string[];
}

/**
 * matchBaseline finds the baseline of each route by the text of its rule. One route and one baseline left over are the same
 * route with an edited rule; any other route left over gets a baseline from what it is now.
 */
export function matchBaseline(routes: readonly Route[], pair: Pair, baseline: Baseline): BaselineMatch {
  const byIndex = new Map<number, BaselineRoute>();
  const unused = [...baseline.routes];
  const strangers: { readonly index: number; readonly route: Route }[] = [];
  for (const [index, route] of routes.entries()) {
    if (!listsPair(route, pair)) continue;
    const own = unused.find(({ match }) => match === route.match);
    if (own === undefined) strangers.push({ index, route });
    else {
      byIndex.set(index, own);
      unused.splice(unused.indexOf(own), 1);
    }
  }
  const [edited] = strangers;
  const [left] = unused;
  if (edited !== undefined && left !== undefined && strangers.length === 1 && unused.length === 1) {
    return { byIndex: byIndex.set(edited.index, left), added: [], unmatched: [] };
  }
  const added = strangers.map(({ index, route }) => ({ index, own: adoptRoute(route, pair) }));
  for (const { index, own } of added) byIndex.set(index, own);
  return { byIndex, added: added.map(({ own }) => own), unmatched: unused.map(({ match }) => match) };
}
