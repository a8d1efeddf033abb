import { compileRule } from '../../rule/compile.ts';
import { narrow } from '../../rule/narrow.ts';
import { parseRule } from '../../rule/parse.ts';
import { createRegexpCache, type RegexpCache } from '../../rule/regexp.ts';
import type { RuleRequest } from '../../rule/request.ts';
import type { ItemChanges, Router } from '../configuration.ts';
import type { Steps } from '../steps.ts';
import type { Route } from './route.ts';
import { createRouteIndex, type RouteIndex } from './route-index.ts';

/** RouteTable holds the routers that serve and finds the one for a request. */
export interface RouteTable<H> {
  /** set adds a router or replaces that of the same name. Disabled ones, and those whose rule is Invalid, serve nothing. */
  set(router: Router): void;
  /** remove forgets a router; an unknown name is nothing. */
  remove(name: string): void;
  /**
   * applying prepares changes in pieces, and returns what takes them over, in a time that does not grow with them. No
   * other change may come between.
   */
  applying(changes: ItemChanges<Router>): Steps<() => void>;
  /** find returns the router that a scan in the order of priority, age and name would find first; undefined: none matches. */
  find(entryPoint: string, isTls: boolean, request: RuleRequest): Route<H> | undefined;
}

/** So few routers are inserted in a fraction of a millisecond; for more a new table is built beside the one that is used. */
const fewRouters = 100;

/** createRouteTable returns an empty table. `prepare` makes what is to be found with a router, e.g. its middlewares, at each set. */
export function createRouteTable<H>(
  prepare: (router: Router) => H,
  regexps: RegexpCache = createRegexpCache(),
): RouteTable<H> {
  let present = createRoutes<H>();
  return {
    set: (router) => replace(present, router.name, buildRoute(router, prepare, regexps)),
    remove: (name) => replace(present, name, undefined),
    *applying({ set, removed }) {
      const changed = new Map<string, Route<H> | undefined>(removed.map((name) => [name, undefined]));
      for (const router of set) {
        changed.set(router.name, buildRoute(router, prepare, regexps));
        yield;
      }
      if (changed.size <= fewRouters) {
        return () => {
          for (const [name, route] of changed) replace(present, name, route);
        };
      }
      const next = createRoutes<H>();
      for (const route of [...present.byName.values(), ...changed.values()]) {
        const isGone =
          route === undefined || (changed.has(route.router.name) && changed.get(route.router.name) !== route);
        if (!isGone) replace(next, route.router.name, route);
        yield;
      }
      return () => {
        present = next;
      };
    },
    find: (entryPoint, isTls, request) => (isTls ? present.secure : present.plain).get(entryPoint)?.find(request),
  };
}

/** Routes are by entry point, with TLS and without. */
interface Routes<H> {
  readonly byName: Map<string, Route<H>>;
  readonly plain: Map<string, RouteIndex<H>>;
  readonly secure: Map<string, RouteIndex<H>>;
}

function createRoutes<H>(): Routes<H> {
  return { byName: new Map(), plain: new Map(), secure: new Map() };
}

/** replace puts a route where that of this name was; undefined: there is none any more. */
function replace<H>(routes: Routes<H>, name: string, route: Route<H> | undefined): void {
  const before = routes.byName.get(name);
  if (before !== undefined) {
    routes.byName.delete(name);
    const indexes = indexesOf(routes, before);
    for (const entryPoint of before.router.entryPoints) {
      indexes.get(entryPoint)?.remove(before);
      if (indexes.get(entryPoint)?.isEmpty() === true) indexes.delete(entryPoint);
    }
  }
  if (route === undefined) return;
  routes.byName.set(name, route);
  const indexes = indexesOf(routes, route);
  for (const entryPoint of route.router.entryPoints) {
    const index = indexes.get(entryPoint) ?? createRouteIndex<H>();
    indexes.set(entryPoint, index);
    index.add(route);
  }
}

function indexesOf<H>({ plain, secure }: Routes<H>, { router }: Route<H>): Map<string, RouteIndex<H>> {
  return router.isTls ? secure : plain;
}

function buildRoute<H>(router: Router, prepare: (router: Router) => H, regexps: RegexpCache): Route<H> | undefined {
  if (router.status === 'disabled') return undefined;
  const rule = parseRule(router.rule, router.syntax, regexps);
  if (rule.kind === 'Invalid') return undefined;
  return { router, handle: prepare(router), test: compileRule(rule, regexps), narrowing: narrow(rule) };
}
