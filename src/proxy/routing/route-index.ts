import { wildcardOf } from '../../rule/matcher.ts';
import type { Narrowing } from '../../rule/narrow.ts';
import type { RuleRequest } from '../../rule/request.ts';
import { createPrefixTree, type PrefixTree } from './prefix-tree.ts';
import { insertRoute, precedes, removeRoute, type Route } from './route.ts';

/**
 * RouteIndex holds the routes of one entry point, by host and then by path prefix. It leaves out only routes that cannot
 * match; among the rest it finds the one that a scan of all in their order would find first.
 */
export interface RouteIndex<H> {
  add(route: Route<H>): void;
  remove(route: Route<H>): void;
  find(request: RuleRequest): Route<H> | undefined;
  isEmpty(): boolean;
}

type RouteList<H> = Route<H>[];
type HostRoutes<H> = PrefixTree<RouteList<H>>;

// Routes for any host; no host is called so.
const anyHost = '';

/** createRouteIndex returns an empty index. */
export function createRouteIndex<H>(): RouteIndex<H> {
  const hosts = new Map<string, HostRoutes<H>>();
  let wildcards = 0;
  // Reused, so that finding makes no garbage.
  const lists: RouteList<H>[] = [];
  return {
    add: (route) => {
      for (const host of hostsOf(route.narrowing)) {
        const routes = hosts.get(host) ?? createPrefixTree<RouteList<H>>();
        if (!hosts.has(host)) {
          hosts.set(host, routes);
          if (host.startsWith('*')) wildcards += 1;
        }
        for (const prefix of prefixesOf(route.narrowing))
          insertRoute(
            routes.at(prefix, () => []),
            route,
          );
      }
    },
    remove: (route) => {
      for (const host of hostsOf(route.narrowing)) {
        const routes = hosts.get(host);
        if (routes === undefined) continue;
        for (const prefix of prefixesOf(route.narrowing)) removeFrom(routes, prefix, route);
        if (routes.isEmpty()) {
          hosts.delete(host);
          if (host.startsWith('*')) wildcards -= 1;
        }
      }
    },
    find: (request) => {
      lists.length = 0;
      hosts.get(anyHost)?.walk(request.path, lists);
      if (wildcards > 0) hosts.get(wildcardOf(request.host))?.walk(request.path, lists);
      if (request.host !== anyHost) hosts.get(request.host)?.walk(request.path, lists);
      return findFirst(lists, request);
    },
    isEmpty: () => hosts.size === 0,
  };
}

/** From the last list to the first: routes of a host with a long prefix mostly have the highest priority and spare tests. */
function findFirst<H>(lists: readonly RouteList<H>[], request: RuleRequest): Route<H> | undefined {
  let first: Route<H> | undefined;
  for (let index = lists.length - 1; index >= 0; index -= 1) {
    for (const route of lists[index] as RouteList<H>) {
      if (first !== undefined && !precedes(route, first)) break;
      if (route.test(request)) {
        first = route;
        break;
      }
    }
  }
  return first;
}

function removeFrom<H>(routes: HostRoutes<H>, prefix: string, route: Route<H>): void {
  const list = routes.get(prefix);
  if (list === undefined) return;
  removeRoute(list, route);
  if (list.length === 0) routes.remove(prefix);
}

function hostsOf(narrowing: Narrowing): readonly string[] {
  return narrowing.hosts ?? [anyHost];
}

function prefixesOf(narrowing: Narrowing): readonly string[] {
  return narrowing.prefixes ?? [''];
}
