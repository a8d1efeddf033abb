import { compileRule } from '../../rule/compile.ts';
import { narrow } from '../../rule/narrow.ts';
import { parseRule } from '../../rule/parse.ts';
import { createRegexpCache, type RegexpCache } from '../../rule/regexp.ts';
import type { RuleRequest } from '../../rule/request.ts';
import type { Router } from '../configuration.ts';
import type { Route } from './route.ts';
import { createRouteIndex, type RouteIndex } from './route-index.ts';

/** RouteTable holds the routers that serve and finds the one for a request. */
export interface RouteTable<H> {
  /** set adds a router or replaces that of the same name. Disabled ones, and those whose rule is Invalid, serve nothing. */
  set(router: Router): void;
  /** remove forgets a router; an unknown name is nothing. */
  remove(name: string): void;
  /** find returns the router that a scan in the order of priority, age and name would find first; undefined: none matches. */
  find(entryPoint: string, isTls: boolean, request: RuleRequest): Route<H> | undefined;
}

/** createRouteTable returns an empty table. `prepare` makes what is to be found with a router, e.g. its middlewares, at each set. */
export function createRouteTable<H>(
  prepare: (router: Router) => H,
  regexps: RegexpCache = createRegexpCache(),
): RouteTable<H> {
  const routes = new Map<string, Route<H>>();
  const plain = new Map<string, RouteIndex<H>>();
  const secure = new Map<string, RouteIndex<H>>();
  const indexesOf = (isTls: boolean): Map<string, RouteIndex<H>> => (isTls ? secure : plain);

  const remove = (name: string): void => {
    const route = routes.get(name);
    if (route === undefined) return;
    routes.delete(name);
    const indexes = indexesOf(route.router.isTls);
    for (const entryPoint of route.router.entryPoints) {
      indexes.get(entryPoint)?.remove(route);
      if (indexes.get(entryPoint)?.isEmpty() === true) indexes.delete(entryPoint);
    }
  };

  return {
    set: (router) => {
      remove(router.name);
      const route = buildRoute(router, prepare, regexps);
      if (route === undefined) return;
      routes.set(router.name, route);
      const indexes = indexesOf(router.isTls);
      for (const entryPoint of router.entryPoints) {
        const index = indexes.get(entryPoint) ?? createRouteIndex<H>();
        indexes.set(entryPoint, index);
        index.add(route);
      }
    },
    remove,
    find: (entryPoint, isTls, request) => (isTls ? secure : plain).get(entryPoint)?.find(request),
  };
}

function buildRoute<H>(router: Router, prepare: (router: Router) => H, regexps: RegexpCache): Route<H> | undefined {
  if (router.status === 'disabled') return undefined;
  const rule = parseRule(router.rule, router.syntax, regexps);
  if (rule.kind === 'Invalid') return undefined;
  return { router, handle: prepare(router), test: compileRule(rule, regexps), narrowing: narrow(rule) };
}
