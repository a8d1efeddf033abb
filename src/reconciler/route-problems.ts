/** What is wrong with the route that a Rollout names: it is not there, or has no place for the pair. */
import type { Rollout } from '../api/rollout.ts';
import type { RouteService } from '../api/traefik.ts';
import type { Problem } from '../rollout/observation.ts';
import { parseRule } from '../rule/parse.ts';
import { weightOf } from '../traffic/entry.ts';
import { apiVersionOf, routeIn, routeResources, type RouteObject } from '../traffic/route-object.ts';
import { listsPair, readSplit, roleOf, type Pair } from '../traffic/split.ts';
import type { Caches } from './caches.ts';

/** RouteProblemInput is what the problems of a route are found in; `route` is undefined where it does not exist. */
export interface RouteProblemInput {
  readonly rollout: Rollout;
  readonly route: RouteObject | undefined;
  readonly pair: Pair;
  readonly caches: Caches;
}

/** findRouteProblems returns the most basic thing that a person has to change about the route, or about its name. */
export function findRouteProblems({ rollout, route, pair, caches }: RouteProblemInput): readonly Problem[] {
  if (route === undefined) return [notFound(rollout, caches)];
  const problem =
    notWeighted(route) ?? ruleNotFound(rollout, route, pair) ?? notListed(route, pair) ?? withoutWeight(route, pair);
  return problem === undefined ? [] : [problem];
}

/** notFound also looks where the name stands under another kind or group: that is the usual mistake. */
function notFound({ metadata: { namespace = '' }, spec }: Rollout, caches: Caches): Problem {
  const { resource, key } = routeIn(namespace, spec.route);
  const elsewhere = routeResources.find((other) => caches.route({ resource: other, key }) !== undefined);
  const advice =
    elsewhere === undefined
      ? 'create it or correct the name'
      : `but kind ${elsewhere.kind} of ${apiVersionOf(elsewhere)} has that name: write apiVersion: ${apiVersionOf(elsewhere)} and kind: ${elsewhere.kind} in spec.route, or correct the name`;
  const of = resource.group === 'traefik.io' ? '' : ` of ${apiVersionOf(resource)}`;
  const message = `spec.route.name: ${resource.kind} ${spec.route.name}${of} does not exist in namespace ${namespace}; ${advice}.`;
  return { reason: 'RouteNotFound', message };
}

/** notWeighted: Sluice changes weights, and does not make a way that shares by weight out of another one. */
function notWeighted({ resource, object, routes }: RouteObject): Problem | undefined {
  if (resource.kind !== 'TraefikService' || routes.length > 0) return undefined;
  const ways = Object.keys(object.spec ?? {}).join(', ');
  const { name } = object.metadata;
  const message = `TraefikService ${name} is not weighted: its spec has ${ways === '' ? 'nothing' : ways}. Name a TraefikService with spec.weighted.services, e.g. one that ${name} lists instead of the Service.`;
  return { reason: 'RouteNotWeighted', message };
}

function ruleNotFound({ spec, status }: Rollout, { routes, object }: RouteObject, pair: Pair): Problem | undefined {
  if (pair.rules === undefined || pair.rules.length > 0) return undefined;
  const wanted = (status?.target ?? spec.route).match ?? '';
  const parsed = parseRule(wanted, 'v3');
  const isUnreadable = parsed.kind === 'Invalid' && parseRule(wanted, 'v2').kind === 'Invalid';
  const found = routes.map(({ match }) => match).join(' and ');
  const why = isUnreadable && parsed.kind === 'Invalid' ? ` It is no rule: ${parsed.message}.` : '';
  const message = `spec.route.match: IngressRoute ${object.metadata.name} has no rule ${wanted}; its rules are ${found === '' ? 'none' : found}.${why} Correct spec.route.match.`;
  return { reason: 'RuleNotFound', message };
}

function notListed({ resource, object, routes }: RouteObject, pair: Pair): Problem | undefined {
  if (readSplit(routes, pair).routes.length > 0) return undefined;
  const inQuestion = pair.rules === undefined ? routes : routes.filter(({ match }) => pair.rules?.includes(match));
  const listed = inQuestion.flatMap(({ services = [] }) => services).map(written);
  const where = pair.rules === undefined ? '' : ` in the rule ${pair.rules.join(' and ')}`;
  const place = resource.kind === 'IngressRoute' ? 'a rule' : 'spec.weighted.services';
  const message = `${resource.kind} ${object.metadata.name} lists neither ${pair.stable.service} nor ${pair.canary.service}${where} with the ports of the Rollout; it lists ${listed.join(', ') || 'no service'}. Add ${pair.stable.service} to ${pair.rules === undefined ? place : 'that rule'}.`;
  return { reason: 'ServiceNotInRoute', message };
}

/** withoutWeight: where nobody reaches the pair there is nothing to share, and a weight would let them. */
function withoutWeight({ resource, object, routes }: RouteObject, pair: Pair): Problem | undefined {
  const lists = routes.filter((route) => listsPair(route, pair)).map(({ services = [] }) => services);
  // A rule with one service needs no balancer; a weighted TraefikService always has one (Traefik 3.6, loadbalancer/wrr).
  const isOff = (services: readonly RouteService[]): boolean =>
    (resource.kind === 'TraefikService' || services.length > 1) &&
    services.every((entry) => roleOf(entry, pair) === undefined || weightOf(entry) <= 0);
  if (!lists.every(isOff)) return undefined;
  const { stable, canary } = pair;
  const message = `${resource.kind} ${object.metadata.name} gives ${stable.service} and ${canary.service} no weight, so that nobody reaches them by it. Give ${stable.service} a weight.`;
  return { reason: 'RouteWithoutWeight', message };
}

function written({ name, port }: RouteService): string {
  return port === undefined ? name : `${name}:${port}`;
}
