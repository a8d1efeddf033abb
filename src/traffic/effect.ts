/** What the data plane has to show of a route once its weights are in effect, and whether it does. */
import { splitKey } from '../api/kubernetes.ts';
import { traefikObjectName, traefikRouterName, traefikServiceNames } from '../api/traefik-names.ts';
import type { RouteService } from '../api/traefik.ts';
import { weightOf } from './entry.ts';
import type { RouteObject } from './route-object.ts';
import { readSplit, roleOf, type Pair } from './split.ts';

/** Sockets are `address:port` of the ready endpoints of both services; without a port, every port of the address. */
export interface PairSockets {
  readonly stable: readonly string[];
  readonly canary: readonly string[];
}

/** ExpectedRoute is one rule, or a TraefikService: under which names the data plane shows it, and what has to be found there. */
export interface ExpectedRoute {
  /** service is the name of what the pair's entries become, with the provider. */
  readonly service: string;
  /** router is the name of the router, with the provider; undefined for a TraefikService, which any may use. */
  readonly router: string | undefined;
  /** weights are those of the pair's services by their names without the provider, 0 where one is not listed; undefined where a rule has one entry only. */
  readonly weights: Readonly<Record<string, number>> | undefined;
  /** strangers are the sockets that must not be served where the rule has one entry: those of the other service. */
  readonly strangers: readonly string[];
}

/** EffectQuestion asks whether the weights of a route are in effect; another `id` is another question. */
export interface EffectQuestion {
  readonly id: string;
  readonly routes: readonly ExpectedRoute[];
}

/** ShownService is a service as Traefik's API shows it; names are without the provider. */
export interface ShownService {
  readonly weights: readonly { readonly name: string; readonly weight: number }[] | undefined;
  /** servers are URLs. */
  readonly servers: readonly string[];
}

/** effectQuestion asks about every rule of a route that lists the pair. */
export function effectQuestion(
  { resource, key, routes }: Pick<RouteObject, 'resource' | 'key' | 'routes'>,
  pair: Pair,
  sockets: PairSockets,
): EffectQuestion {
  const { name } = splitKey(key);
  const expected = readSplit(routes, pair).routes.flatMap(({ index }): readonly ExpectedRoute[] => {
    const route = routes[index];
    if (route === undefined) return [];
    const { services = [], match } = route;
    if (resource.kind === 'TraefikService') {
      const service = traefikObjectName(pair.namespace, name);
      return [{ router: undefined, service, weights: weightsOf(services, pair), strangers: [] }];
    }
    const router = traefikRouterName(pair.namespace, name, match);
    return [{ router, service: router, ...expectedOf(services, pair, sockets) }];
  });
  return { id: JSON.stringify(expected.map(({ service, weights }) => [service, weights])), routes: expected };
}

/**
 * With one entry left in a rule Traefik builds no weighted service: the router's service is the only one, and which it is only
 * its servers tell (Traefik 3.6, pkg/provider/kubernetes/crd/kubernetes_http.go).
 */
function expectedOf(
  services: readonly RouteService[],
  pair: Pair,
  sockets: PairSockets,
): Pick<ExpectedRoute, 'weights' | 'strangers'> {
  const [only] = services;
  if (services.length === 1 && only !== undefined) {
    return { weights: undefined, strangers: roleOf(only, pair) === 'canary' ? sockets.stable : sockets.canary };
  }
  return { weights: weightsOf(services, pair), strangers: [] };
}

function weightsOf(services: readonly RouteService[], pair: Pair): NonNullable<ExpectedRoute['weights']> {
  const weights: Record<string, number> = {};
  for (const { service, ports } of [pair.stable, pair.canary]) {
    for (const name of namesOf({ namespace: pair.namespace, service, ports })) weights[name] = 0;
  }
  for (const entry of services) {
    if (roleOf(entry, pair) === undefined) continue;
    for (const name of namesOf({ namespace: pair.namespace, service: entry.name, ports: [entry.port ?? ''] })) {
      weights[name] = (weights[name] ?? 0) + weightOf(entry);
    }
  }
  return weights;
}

function namesOf(target: Parameters<typeof traefikServiceNames>[0]): readonly string[] {
  return traefikServiceNames(target).map(withoutProvider);
}

/** withoutProvider leaves out the provider of a name, as Traefik does where one object of a provider names another of it. */
export function withoutProvider(name: string): string {
  return name.replace(/@.*$/, '');
}

/** missesEffect returns what is shown instead, in words for people; undefined where the weights are in effect. */
export function missesEffect({ weights, strangers }: ExpectedRoute, shown: ShownService): string | undefined {
  if (weights === undefined) {
    if (shown.weights !== undefined) return describe(shown.weights);
    const found = shown.servers.find((url) => strangers.some((socket) => isOf(url, socket)));
    return found === undefined ? undefined : `only ${found}`;
  }
  if (shown.weights === undefined) return 'one service only';
  const sums = new Map<string, number>();
  for (const { name, weight } of shown.weights) sums.set(name, (sums.get(name) ?? 0) + weight);
  const isThere = Object.entries(weights).every(([name, weight]) => (sums.get(name) ?? 0) === weight);
  return isThere ? undefined : describe(shown.weights);
}

function describe(weights: NonNullable<ShownService['weights']>): string {
  return weights.map(({ name, weight }) => `${name} ${weight}`).join(', ') || 'no service';
}

function isOf(url: string, socket: string): boolean {
  const host = URL.parse(url)?.host ?? '';
  return host === socket || host.replace(/:[0-9]+$/, '') === socket;
}
