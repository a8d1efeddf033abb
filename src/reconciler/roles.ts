/** Which service of a Rollout is stable and which is the canary: as the spec says, or with Swap as the route says. */
import type { Rollout, RolloutSpec, StableRef } from '../api/rollout.ts';
import type { Route } from '../api/traefik.ts';
import { isOurs } from '../rollout/applied.ts';
import type { RouteObject } from '../traffic/route-object.ts';
import { roleOf, type OwnRoute, type Pair, type Role } from '../traffic/split.ts';
import type { RouteObservation } from '../rollout/observation.ts';
import { compact } from '../rollout/status.ts';
import type { Caches } from './caches.ts';
import { resolveMember, type Member } from './members.ts';
import { rulesInQuestion } from './rules.ts';

/** Roles is a Rollout with its services in their roles. */
export interface Roles {
  readonly rollout: Rollout;
  /** isSwapped tells that the live service is the one that the stored spec calls canary. */
  readonly isSwapped: boolean;
}

/** A spec in the caches stays the same object until it is edited, and what is remembered by it has to stay too. */
const exchanged = new WeakMap<RolloutSpec, RolloutSpec>();

/**
 * assignRoles is the one place where services get their roles. While the route is touched they stay as they were when that
 * began (status.target); else they follow the route.
 */
export function assignRoles(
  stored: Rollout,
  observed: (pair: Pair) => RouteObservation | undefined,
  caches: Caches,
): Roles {
  const { spec } = stored;
  if (spec.promotion.mode !== 'Swap' || !isSwapped(stored, observed, caches))
    return { rollout: stored, isSwapped: false };
  const other = exchanged.get(spec) ?? exchange(spec);
  exchanged.set(spec, other);
  return { rollout: { ...stored, spec: other }, isSwapped: true };
}

function exchange(spec: RolloutSpec): RolloutSpec {
  // What is said of a canary is said of whoever is one: nativeLB, match, middlewares.
  const { service, port, workload, ...asCanary } = spec.canary;
  const stable = compact<StableRef>({ service, port, workload });
  return { ...spec, stable, canary: { ...spec.stable, ...asCanary } };
}

function isSwapped(
  { metadata, spec, status }: Rollout,
  observed: (pair: Pair) => RouteObservation | undefined,
  caches: Caches,
): boolean {
  if (status?.target !== undefined) return status.target.stable.service === spec.canary.service;
  const namespace = metadata.namespace ?? '';
  const pair = {
    namespace,
    stable: resolveMember(caches, namespace, spec.stable),
    canary: resolveMember(caches, namespace, spec.canary),
  };
  return liveInRoute(observed(pair), pair, status?.liveService) === 'canary';
}

/** liveInRoute is who has everything; where that is nobody, who had it last as far as can be told. */
function liveInRoute(route: RouteObservation | undefined, pair: Pair, known: string | undefined): Role {
  const shares = route?.split.routes ?? [];
  if (route !== undefined && shares.length > 0) {
    if (shares.every(({ canaryPercent }) => canaryPercent === 100)) return 'canary';
    if (shares.every(({ canaryPercent }) => canaryPercent === 0)) return 'stable';
    // Sluice puts the canary behind stable.
    if (known === undefined && isWrittenByUs(route)) return firstListed(route.routes, pair);
  }
  return known === pair.canary.service ? 'canary' : 'stable';
}

function isWrittenByUs({ writer }: RouteObservation): boolean {
  return writer !== undefined && isOurs(writer.manager);
}

function firstListed(routes: readonly Route[], pair: Pair): Role {
  const roles = routes.map(({ services = [] }) => services.flatMap((entry) => roleOf(entry, pair) ?? []));
  return roles.find((listed) => listed.includes('stable') && listed.includes('canary'))?.[0] ?? 'stable';
}

/** ResolvedPair is the pair of a Rollout as the cluster has it. */
export interface ResolvedPair {
  readonly stable: Member;
  readonly canary: Member;
  readonly pair: Pair;
}

/** resolvePair resolves the services in their roles: those of the touched route if there is one, else those of the spec. */
export function resolvePair({ metadata, spec, status }: Rollout, caches: Caches): ResolvedPair {
  const { namespace = '' } = metadata;
  const { nativeLB } = spec.canary;
  // With Swap the stable entry is one that was added for a canary once.
  const lent = spec.promotion.mode === 'Swap' ? { nativeLB } : {};
  const stable = resolveMember(caches, namespace, { ...(status?.target?.stable ?? spec.stable), ...lent });
  const canary = resolveMember(caches, namespace, { ...(status?.target?.canary ?? spec.canary), nativeLB });
  const own = status?.idle?.routes as readonly OwnRoute[] | undefined;
  return { stable, canary, pair: { namespace, stable, canary: own === undefined ? canary : { ...canary, own } } };
}

/** pairIn is the pair, with the rules of the route that are in question where the Rollout names one. */
export function pairIn({ spec, status }: Rollout, route: RouteObject | undefined, pair: Pair): Pair {
  const target = status?.target;
  const wanted = (target ?? spec.route).match;
  if (wanted === undefined) return pair;
  const others = target && (target.others ?? []);
  return { ...pair, rules: rulesInQuestion(route?.routes ?? [], wanted, { pair, others }) };
}
