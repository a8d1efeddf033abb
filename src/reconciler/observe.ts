/** Gathers one Observation: caches, clock and evidence in, plain data out. */
import type { AnalysisSpec } from '../analysis/spec.ts';
import { judge, type Verdict } from '../analysis/verdict.ts';
import { fnv1a } from '../api/hash.ts';
import type { Rollout, StableRef } from '../api/rollout.ts';
import type { AnalysisEvidence } from '../api/rollout-evidence.ts';
import { splitKey } from '../api/kubernetes.ts';
import { parseTime } from '../clock.ts';
import { withAppliedAt } from '../rollout/applied.ts';
import type {
  ArmObservation,
  CopyObservation,
  MatchRouteObservation,
  Observation,
  Problem,
  RevisionObservation,
  RouteObservation,
  RouteWriter,
  SourceObservation,
} from '../rollout/observation.ts';
import { calendarAt, type FrozenTime } from '../rollout/schedule.ts';
import { noEvidenceYet } from '../rollout/status.ts';
import { verdictAtStep } from '../rollout/step-rules.ts';
import { planSteps } from '../rollout/steps.ts';
import { readCommand } from '../rollout/verbs.ts';
import type { UserQueryMode } from '../source/user-query.ts';
import { classOf, ownsServices, routeIn, type RouteId, type RouteObject } from '../traffic/route-object.ts';
import { isMember, readSplit, type Pair } from '../traffic/split.ts';
import { traefikRouterName, traefikServiceNames } from '../api/traefik-names.ts';
import { absoluteOnly, prepareAnalysis } from './analysis-spec.ts';
import type { Caches } from './caches.ts';
import { judgedOf, workloadOf, type Judged } from './judged.ts';
import type { Member } from './members.ts';
import { observeMatchRoute } from './observe-match-route.ts';
import { findProblems } from './problems.ts';
import { findAdvice } from './neighbours.ts';
import { readEffect, type RouteEffect } from './route-effect.ts';
import { assignRoles, pairIn, resolvePair } from './roles.ts';
import type { Verifier } from './verifier.ts';
import { imagesDiffer, imagesOf, revisionOf } from './workloads.ts';

/** Scene is what was read of a rollout before its evidence is known. */
export interface Scene {
  /** stored is the Rollout as the API server has it. */
  readonly stored: Rollout;
  /** rollout is `stored` with the services in their roles, and with what the route says about it. */
  readonly rollout: Rollout;
  /** isSwapped tells that the live service is the one that the stored spec calls canary. */
  readonly isSwapped: boolean;
  readonly route: RouteObservation | undefined;
  readonly routeObject: RouteObject | undefined;
  readonly pair: Pair;
  readonly matchRoute: MatchRouteObservation;
  readonly stable: Member;
  readonly canary: Member;
  readonly spec: AnalysisSpec;
  readonly problems: readonly Problem[];
  readonly canaryRevision: RevisionObservation | undefined;
  /** judged says what evidence counts now; undefined where none does. */
  readonly judged: Judged | undefined;
  readonly effect: RouteEffect;
}

/** routeIdOf says which route a Rollout has touched, else which one its spec names. */
export function routeIdOf({ metadata, spec, status }: Rollout): RouteId {
  const target = status?.target;
  return routeIn(metadata.namespace ?? '', target === undefined ? spec.route : { ...target, name: target.route });
}

/** readScene reads the route and the pair that were touched if there are such, else those of the spec. */
export function readScene(
  stored: Rollout,
  caches: Caches,
  userQueries: UserQueryMode,
  verifier?: Pick<Verifier, 'findings'>,
): Scene {
  const namespace = stored.metadata.namespace ?? '';
  const routeObject = caches.route(routeIdOf(stored));
  const inQuestion = (pair: Pair): Pair => pairIn(stored, routeObject, pair);
  const observed = (pair: Pair): RouteObservation | undefined =>
    routeObject && observeRoute(routeObject, inQuestion(pair));
  const { rollout: assigned, isSwapped } = assignRoles(stored, observed, caches);
  const { spec } = assigned;
  const { stable, canary, ...resolved } = resolvePair(assigned, caches);
  const pair = inQuestion(resolved.pair);
  const route = observed(pair);
  const effect = readEffect(withAppliedAt(assigned, route), { routeObject, route, pair, stable, canary }, verifier);
  const { rollout } = effect;
  const analysis = prepareAnalysis(rollout, pair, userQueries);
  const found = { rollout, route: routeObject, pair, stable, canary, caches };
  const match = observeMatchRoute(found);
  return {
    stored,
    rollout,
    isSwapped,
    route,
    routeObject,
    pair,
    matchRoute: match.observed,
    stable,
    canary,
    spec: rollout.status?.unprovenSince === undefined ? analysis.spec : absoluteOnly(analysis.spec),
    problems: findProblems({ ...found, isSwapped, queries: analysis.problems, match: match.problems }),
    canaryRevision: canaryRevision(rollout, revisionOf(workloadOf(caches, namespace, spec.canary.workload))),
    judged: judgedOf(rollout, found),
    effect,
  };
}

/** spec.revision names the release; the workload still says whether its pods are all of it. */
function canaryRevision(rollout: Rollout, workload: RevisionObservation | undefined): RevisionObservation | undefined {
  const { revision, canary } = rollout.spec;
  if (revision === undefined) return workload;
  if (canary.workload === undefined) return { value: revision, settled: true, message: '' };
  return {
    value: revision,
    workload: workload?.value,
    settled: workload?.settled ?? false,
    message: workload?.message ?? `${canary.workload.kind} ${canary.workload.name} is not known yet.`,
  };
}

function armOf(
  { key, service, addresses }: Member,
  { workload }: Pick<StableRef, 'workload'>,
  caches: Caches,
): ArmObservation {
  const [namespace = ''] = key.split('/');
  const scaled = workload === undefined ? [] : caches.autoscalersOf(workload.kind, `${namespace}/${workload.name}`);
  const full = scaled.find(({ spec, status }) => (status?.desiredReplicas ?? 0) >= (spec?.maxReplicas ?? Infinity));
  const autoscaler = full && { name: full.metadata.name, maxReplicas: full.spec?.maxReplicas ?? 0 };
  return { service, readyEndpoints: addresses.length, autoscaler };
}

/** observe completes a Scene to the input of `decide`. */
export function observe(
  scene: Scene,
  caches: Caches,
  known: {
    readonly nowMs: number;
    readonly source: SourceObservation;
    readonly evidence: AnalysisEvidence | undefined;
    /** freezes are those of the operator, for all rollouts. */
    readonly freezes: readonly FrozenTime[];
    readonly copy?: CopyObservation | undefined;
  },
): Observation {
  const { rollout, stable, canary } = scene;
  const namespace = scene.pair.namespace;
  const stableWorkload = workloadOf(caches, namespace, rollout.spec.stable.workload);
  const canaryWorkload = workloadOf(caches, namespace, rollout.spec.canary.workload);
  return {
    nowMs: known.nowMs,
    calendar: calendarAt(known.nowMs, rollout.spec.schedule, known.freezes),
    rollout,
    isSwapped: scene.isSwapped,
    steps: planSteps(rollout.spec),
    problems: scene.problems,
    advice: findAdvice({ rollout, route: scene.routeObject, pair: scene.pair, caches }),
    route: scene.route,
    pair: scene.pair,
    matchRoute: scene.matchRoute,
    stable: armOf(stable, rollout.spec.stable, caches),
    canary: armOf(canary, rollout.spec.canary, caches),
    canaryRevision: scene.canaryRevision,
    stableRevision: revisionOf(stableWorkload),
    stableImages: stableWorkload && fnv1a(imagesOf(stableWorkload)).toString(16),
    imagesDiffer: imagesDiffer(stableWorkload, canaryWorkload),
    source: known.source,
    evidence: known.evidence,
    verdict: verdictOn(scene, known),
    command: readCommand(rollout),
    replicas: scene.effect.replicas,
    copy: known.copy,
  };
}

function verdictOn(
  scene: Scene,
  known: { readonly nowMs: number; readonly evidence: AnalysisEvidence | undefined },
): Verdict {
  if (scene.rollout.spec.analysis.mode === 'Disabled') {
    return { kind: 'Inconclusive', reason: 'Disabled', message: 'Analysis is disabled.' };
  }
  if (known.evidence === undefined) {
    return noEvidenceYet;
  }
  const share = scene.judged?.share ?? { weightPercent: 0, isComparable: false };
  const judgement = judge(scene.spec, known.evidence, share, known.nowMs);
  const verdict = scene.judged === undefined ? judgement : verdictAtStep(judgement, known.evidence, scene.judged.stage);
  // A check that cannot be asked has not passed, e.g. when user queries were switched off in the middle of a rollout.
  const broken = scene.problems.find((problem) => problem.reason === 'CheckInvalid');
  return broken !== undefined && verdict.kind === 'Pass' ? { kind: 'Inconclusive', ...broken } : verdict;
}

function observeRoute(route: RouteObject, pair: Pair): RouteObservation {
  const { uid = '', resourceVersion = '' } = route.object.metadata;
  const { routes } = route;
  const split = readSplit(routes, pair);
  const ingressClass = classOf(route);
  return { uid, resourceVersion, routes, split, writer: lastWriter(route), ingressClass };
}

/** lastWriter is the manager that owns the services: the last one who changed them. */
function lastWriter({ resource, object }: RouteObject): RouteWriter | undefined {
  const owners = (object.metadata.managedFields ?? [])
    .filter((entry) => ownsServices(resource, entry))
    .map((entry) => ({ manager: entry.manager ?? '', timeMs: parseTime(entry.time) ?? 0 }))
    .sort((a, b) => b.timeMs - a.timeMs);
  return owners[0];
}

/** ArmNames are the service labels that count for each arm. */
export interface ArmNames {
  readonly stable: readonly string[];
  readonly canary: readonly string[];
}

/**
 * armNames: with one service left in a rule Traefik names its series after the router, so at
 * 100 % the router's series are the canary's, and before the first step stable's. A service is named with its port as the
 * route writes it; half as many names are half as many queries.
 */
export function armNames(scene: Scene, only: 'Both' | 'Stable' | 'Canary'): ArmNames {
  const { namespace } = scene.pair;
  const names = (member: Member): readonly string[] =>
    traefikServiceNames({ namespace, service: member.service, ports: writtenPorts(scene, member) });
  const routers = routerNames(scene);
  return {
    stable: [...names(scene.stable), ...(only === 'Stable' ? routers : [])],
    canary: [...names(scene.canary), ...(only === 'Canary' ? routers : [])],
  };
}

/** writtenPorts are the spellings of a service's port in the route, and all that there are where it is not listed. */
function writtenPorts({ routeObject, pair }: Scene, member: Member): Member['ports'] {
  const entries = (routeObject?.routes ?? []).flatMap(({ services = [] }) => services);
  const written = entries.filter((entry) => isMember(entry, member, pair.namespace)).map(({ port }) => port);
  const ports = member.ports.filter((port) => written.includes(port));
  return ports.length === 0 ? member.ports : ports;
}

function routerNames({ routeObject, pair }: Scene): readonly string[] {
  // The services of a TraefikService keep their names, also the only one (Traefik 3.6, buildServicesLB).
  if (routeObject === undefined || routeObject.resource.kind === 'TraefikService') return [];
  const { name } = splitKey(routeObject.key);
  return readSplit(routeObject.routes, pair).routes.map((route) =>
    traefikRouterName(pair.namespace, name, route.match),
  );
}
