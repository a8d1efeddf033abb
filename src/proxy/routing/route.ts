import type { RequestTest } from '../../rule/matcher.ts';
import type { Narrowing } from '../../rule/narrow.ts';
import type { Router } from '../configuration.ts';

/** Route is a router with its rule compiled and what the owner of the table made for it. */
export interface Route<H> {
  readonly router: Router;
  /** handle is what `prepare` returned for the router. */
  readonly handle: H;
  readonly test: RequestTest;
  readonly narrowing: Narrowing;
}

/** precedes tells whether `a` wins over `b` where both match: by priority, then by precedence, by age, and by name. */
export function precedes<H>(a: Route<H>, b: Route<H>): boolean {
  const [first, second] = [a.router, b.router];
  if (first.priority !== second.priority) return first.priority > second.priority;
  const [precedence = 0, otherPrecedence = 0] = [first.precedence, second.precedence];
  if (precedence !== otherPrecedence) return precedence > otherPrecedence;
  if (first.createdAt !== second.createdAt) return first.createdAt < second.createdAt;
  return first.name < second.name;
}

/** insertRoute inserts a route into a list that is in order. */
export function insertRoute<H>(list: Route<H>[], route: Route<H>): void {
  list.splice(positionOf(list, route), 0, route);
}

/** removeRoute removes the route of the same router name, priority and age from a list that is in order. */
export function removeRoute<H>(list: Route<H>[], route: Route<H>): void {
  const position = positionOf(list, route);
  if (list[position]?.router.name === route.router.name) list.splice(position, 1);
}

/** The index of the first route that `route` precedes or equals. */
function positionOf<H>(list: readonly Route<H>[], route: Route<H>): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (precedes(list[middle] as Route<H>, route)) low = middle + 1;
    else high = middle;
  }
  return low;
}
