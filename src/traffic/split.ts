/** What the routes of an IngressRoute give the two services of a Rollout now. */
import type { Route, RouteService } from '../api/traefik.ts';
import { isServiceKind, weightIn } from './entry.ts';

/** PairMember is one service of the pair. */
export interface PairMember {
  readonly service: string;
  /** ports lists all spellings of one Service port, the one to write first, e.g. `[80, 'http']`; empty matches any port. */
  readonly ports: readonly (number | string)[];
  /** nativeLB makes an entry that Sluice adds go by ClusterIP. */
  readonly nativeLB?: boolean;
  /** own is how the rules listed the service before it left them. */
  readonly own?: readonly OwnRoute[];
}

/** OwnRoute is a rule and the entries that it had of one service. */
export interface OwnRoute {
  readonly match: string;
  readonly services: readonly RouteService[];
}

/** Pair is the two services that share the traffic. */
export interface Pair {
  /** namespace of the IngressRoute and of both services. */
  readonly namespace: string;
  readonly stable: PairMember;
  readonly canary: PairMember;
  /** rules are the texts of the only rules in question; without it every route that lists either service is. */
  readonly rules?: readonly string[];
}

/** Role is the side of the pair that an entry belongs to. */
export type Role = 'stable' | 'canary';

/** RouteShare is the pair's part of one route. */
export interface RouteShare {
  /** index is the place in `spec.routes`. */
  readonly index: number;
  readonly match: string;
  /** stableWeight is the sum of the service's entries, undefined where it is not listed. A missing weight counts 1. */
  readonly stableWeight?: number;
  /** canaryWeight is the same of the canary. */
  readonly canaryWeight?: number;
  /** canaryPercent is the canary's part of the pair, 0 to 100, maybe fractional. */
  readonly canaryPercent: number;
}

/** Split is the pair's part of all routes in question. */
export interface Split {
  /** routes is empty where no route in question lists either service. */
  readonly routes: readonly RouteShare[];
  /** canaryPercent is the highest of the routes. */
  readonly canaryPercent: number;
  readonly stableListed: boolean;
  readonly canaryListed: boolean;
}

/** readSplit reads the shares of the pair from every route in question that lists either service. */
export function readSplit(routes: readonly Route[], pair: Pair): Split {
  const shares = routes.flatMap((route, index) => (listsPair(route, pair) ? [readShare(route, index, pair)] : []));
  return {
    routes: shares,
    canaryPercent: Math.max(0, ...shares.map((share) => share.canaryPercent)),
    stableListed: shares.some((share) => share.stableWeight !== undefined),
    canaryListed: shares.some((share) => share.canaryWeight !== undefined),
  };
}

function readShare(route: Route, index: number, pair: Pair): RouteShare {
  const services = route.services ?? [];
  const stableWeight = roleWeight(services, pair, 'stable');
  const canaryWeight = roleWeight(services, pair, 'canary');
  const total = (stableWeight ?? 0) + (canaryWeight ?? 0);
  return {
    index,
    match: route.match,
    ...(stableWeight === undefined ? {} : { stableWeight }),
    ...(canaryWeight === undefined ? {} : { canaryWeight }),
    canaryPercent: total === 0 ? 0 : (100 * (canaryWeight ?? 0)) / total,
  };
}

/** roleWeight adds up the weights of one side, because Traefik does so where a Service is listed twice; undefined = not listed. */
export function roleWeight(services: readonly RouteService[], pair: Pair, role: Role): number | undefined {
  const entries = services.filter((entry) => roleOf(entry, pair) === role);
  return entries.length === 0 ? undefined : entries.reduce((sum, entry) => sum + weightIn(services, entry), 0);
}

/** pairWeight is what the pair has together in one route. */
export function pairWeight(services: readonly RouteService[], pair: Pair): number {
  return (roleWeight(services, pair, 'stable') ?? 0) + (roleWeight(services, pair, 'canary') ?? 0);
}

/** listsPair tells whether `route` is in question and lists either service. */
export function listsPair(route: Route, pair: Pair): boolean {
  if (pair.rules !== undefined && !pair.rules.includes(route.match)) return false;
  return (route.services ?? []).some((entry) => roleOf(entry, pair) !== undefined);
}

/** roleOf returns the side of the pair that `entry` is on. A member with ports wins over one that takes any port. */
export function roleOf(entry: RouteService, pair: Pair): Role | undefined {
  const isStable = isMember(entry, pair.stable, pair.namespace);
  const isCanary = isMember(entry, pair.canary, pair.namespace);
  if (isStable && isCanary) return pair.stable.ports.length === 0 && pair.canary.ports.length > 0 ? 'canary' : 'stable';
  if (isStable) return 'stable';
  return isCanary ? 'canary' : undefined;
}

/**
 * isMember tells whether `entry` is the Service and port of `member`. A number and a string are different ports, as in
 * Traefik, which looks up a number among the Service's port numbers and a string among its port names.
 */
export function isMember(entry: RouteService, member: PairMember, namespace: string): boolean {
  const { name, kind, namespace: entryNamespace, port } = entry;
  if (name !== member.service || !isServiceKind(kind)) return false;
  if ((entryNamespace ?? '') !== '' && entryNamespace !== namespace) return false;
  return member.ports.length === 0 || (port !== undefined && member.ports.includes(port));
}
