/** What the schema cannot see: references that are missing or wrong. Each names the object and what to change. */
import { keyOf } from '../api/kubernetes.ts';
import type { Rollout } from '../api/rollout.ts';
import { parseTime } from '../clock.ts';
import { finalizer } from '../rollout/decision.ts';
import type { Problem } from '../rollout/observation.ts';
import { scheduleProblems } from '../rollout/schedule.ts';
import { isSameRoute, routeIn, type RouteId, type RouteObject } from '../traffic/route-object.ts';
import type { Pair, Role } from '../traffic/split.ts';
import { isSameRule } from '../rule/same-rule.ts';
import type { Caches } from './caches.ts';
import { findRouteProblems } from './route-problems.ts';
import type { Member, Socket } from './members.ts';

/** ProblemInput is what the problems of a rollout are found in. */
export interface ProblemInput {
  /** rollout has its services in their roles. */
  readonly rollout: Rollout;
  /** isSwapped tells that the stored spec calls them the other way round. */
  readonly isSwapped: boolean;
  readonly route: RouteObject | undefined;
  readonly pair: Pair;
  readonly stable: Member;
  readonly canary: Member;
  readonly caches: Caches;
  /** queries are the problems of the user's checks. */
  readonly queries: readonly Problem[];
  /** match are the problems of spec.canary.match. */
  readonly match: readonly Problem[];
}

/** findProblems returns everything that a person has to change, most basic first. */
export function findProblems(input: ProblemInput): readonly Problem[] {
  return [
    ...rival(input),
    ...findRouteProblems(input),
    ...memberProblems(input.stable, fieldOf('stable', input)),
    ...memberProblems(input.canary, fieldOf('canary', input)),
    ...sharedEndpoints(input),
    ...workloadProblems(input),
    ...scheduleProblems(input.rollout.spec.schedule).map((text) => ({
      reason: 'ScheduleInvalid',
      message: `${text}.`,
    })),
    ...input.match,
    ...input.queries,
  ];
}

/** fieldOf is where the spec names the service of a role. */
function fieldOf(role: Role, { isSwapped }: Pick<ProblemInput, 'isSwapped'>): Role {
  if (!isSwapped) return role;
  return role === 'stable' ? 'canary' : 'stable';
}

/**
 * rival: of two Rollouts on one route or canary the older keeps it; but one that has traffic on it already is not pushed
 * off by an older one that was pointed there later, or both would write the same weights.
 */
function rival({ rollout, caches, stable, canary }: ProblemInput): readonly Problem[] {
  const namespace = rollout.metadata.namespace ?? '';
  const keys = [
    ...caches.rolloutsOnRoute(routeIn(namespace, rollout.spec.route)),
    ...[stable, canary].flatMap(({ key }) => caches.rolloutsOn('Service', key)),
  ];
  const others = keys.filter((key) => key !== keyOf(rollout)).flatMap((key) => caches.rollout(key) ?? []);
  const keeper = others
    .filter((other) => clashes(rollout, other) && !isGoing(other) && rank(other) < rank(rollout))
    .sort((a, b) => (rank(a) < rank(b) ? -1 : 1))[0];
  if (keeper === undefined) return [];
  const why = ageOf(keeper) < ageOf(rollout) ? 'is older and uses' : 'has moved traffic on';
  const message = `Rollout ${keeper.metadata.name} ${why} the same route or canary; delete one of the two, or give this one a route and a canary of its own.`;
  return [{ reason: 'Conflict', message }];
}

function clashes(one: Rollout, other: Rollout): boolean {
  const canaries = canariesOf(other);
  if (canariesOf(one).some((canary) => canaries.includes(canary))) return true;
  const routes = namedRoutes(other);
  return namedRoutes(one).some((route) => routes.some((used) => isSamePlace(route, used)));
}

function canariesOf({ spec, status }: Rollout): readonly string[] {
  // Those that take turns are both a canary at times.
  const turns = spec.promotion.mode === 'Swap' ? [spec.stable.service] : [];
  return [spec.canary.service, ...turns, ...(status?.target === undefined ? [] : [status.target.canary.service])];
}

interface NamedRoute extends RouteId {
  readonly match: string | undefined;
}

/** namedRoutes are the route that the spec names and the one that was touched. */
function namedRoutes({ metadata: { namespace = '' }, spec, status }: Rollout): readonly NamedRoute[] {
  const { target } = status ?? {};
  const names = [spec.route, ...(target === undefined ? [] : [{ ...target, name: target.route }])];
  return names.map((name) => ({ ...routeIn(namespace, name), match: name.match }));
}

/** isSamePlace: two Rollouts may share an IngressRoute where each names another rule of it. */
function isSamePlace(one: NamedRoute, other: NamedRoute): boolean {
  if (!isSameRoute(one, other)) return false;
  return one.match === undefined || other.match === undefined || isSameRule(one.match, other.match);
}

/** isGoing: a Rollout that is deleted and has let its route go only waits for the finalizers of others. */
function isGoing({ metadata }: Rollout): boolean {
  return metadata.deletionTimestamp !== undefined && metadata.finalizers?.includes(finalizer) !== true;
}

/** rank sorts who keeps the route first: who has touched it, then the older, and in the same second the lower UID. */
function rank(rollout: Rollout): string {
  return `${rollout.status?.target === undefined ? 1 : 0} ${ageOf(rollout)}`;
}

function ageOf({ metadata }: Rollout): string {
  return `${String(parseTime(metadata.creationTimestamp) ?? 0).padStart(15, '0')} ${metadata.uid ?? ''}`;
}

function memberProblems(member: Member, role: Role): readonly Problem[] {
  if (!member.exists) {
    return [
      {
        reason: 'ServiceNotFound',
        message: `spec.${role}.service: Service ${member.key} does not exist; create it or correct the name.`,
      },
    ];
  }
  return member.portProblem === undefined
    ? []
    : [{ reason: 'PortNotFound', message: `spec.${role}.port: ${member.portProblem}` }];
}

/** sharedEndpoints: a pod behind both services would be compared with itself. */
function sharedEndpoints({ stable, canary }: ProblemInput): readonly Problem[] {
  const shared = stable.sockets.find((one) => canary.sockets.some((other) => isSame(one, other)));
  if (shared === undefined) return [];
  const message = `The ready address ${shared.address} is behind both Service ${stable.service} and Service ${canary.service}; make their selectors exclude each other.`;
  return [{ reason: 'SharedEndpoints', message }];
}

function isSame(one: Socket, other: Socket): boolean {
  return one.address === other.address && (one.port ?? other.port) === (other.port ?? one.port);
}

function workloadProblems({ rollout, caches, pair, isSwapped }: ProblemInput): readonly Problem[] {
  const refs = [
    ['stable', rollout.spec.stable.workload],
    ['canary', rollout.spec.canary.workload],
  ] as const;
  return refs.flatMap(([role, ref]) => {
    if (ref === undefined || caches.workload(ref.kind, `${pair.namespace}/${ref.name}`) !== undefined) return [];
    const message = `spec.${fieldOf(role, { isSwapped })}.workload: ${ref.kind} ${ref.name} does not exist in namespace ${pair.namespace}; create it or correct the name.`;
    return [{ reason: 'WorkloadNotFound', message }];
  });
}
