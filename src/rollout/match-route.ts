/**
 * The IngressRoute by which the requests of spec.canary.match reach the canary: for each rule that gives the canary
 * something now, one that is true of those requests only and comes before it. The user's IngressRoute is not changed.
 */
import { keyOf, type ObjectKey } from '../api/kubernetes.ts';
import { isSame } from '../api/merge-patch.ts';
import type { MatchEntry, Rollout } from '../api/rollout.ts';
import { ingressClassAnnotation, type IngressRoute, type Route, type RouteService } from '../api/traefik.ts';
import { findConditionProblem, narrowRule, type RequestCondition } from '../rule/conditions.ts';
import { defaultPriority } from '../rule/rule.ts';
import { weightIn, withWeight } from '../traffic/entry.ts';
import { listsPair, roleOf, type Pair } from '../traffic/split.ts';
import type { Problem } from './observation.ts';

const nameSuffix = '-canary-match';
/** RFC 1123: the name of an object is at most a subdomain long. */
const maxName = 253;

/** matchRouteKeyOf returns the key of the IngressRoute for the requests of spec.canary.match, whether it is there or not. */
export function matchRouteKeyOf(rollout: Rollout): ObjectKey {
  return `${keyOf(rollout)}${nameSuffix}`;
}

/** rolloutKeyOf returns the key of the Rollout whose match route has that key; undefined where no match route is called so. */
export function rolloutKeyOf(key: ObjectKey): ObjectKey | undefined {
  return key.endsWith(nameSuffix) ? (key.slice(0, -nameSuffix.length) as ObjectKey) : undefined;
}

/** isOwnedBy tells whether Sluice has made an IngressRoute for this Rollout, and not for one of the same name before it. */
export function isOwnedBy({ metadata }: IngressRoute, rollout: Rollout): boolean {
  return (metadata.ownerReferences ?? []).some(({ kind, uid }) => kind === 'Rollout' && uid === rollout.metadata.uid);
}

/** MatchRoute is how the IngressRoute of spec.canary.match has to be. */
export interface MatchRoute {
  /** wanted is undefined where nothing is to be matched, no rule gives the canary anything, or there are problems. */
  readonly wanted: IngressRoute | undefined;
  readonly problems: readonly Problem[];
}

/** buildMatchRoute returns the match route of a Rollout, as `base`, the IngressRoute that it moves, has it now. */
export function buildMatchRoute(rollout: Rollout, base: IngressRoute | undefined, pair: Pair): MatchRoute {
  const { match } = rollout.spec.canary;
  if (match === undefined) return { wanted: undefined, problems: [] };
  const alternatives = match.map(conditionsOf);
  const ownProblems = [...alternatives.flatMap(conditionProblems), ...nameProblems(rollout)];
  if (ownProblems.length > 0) return { wanted: undefined, problems: ownProblems };
  const built = (base?.spec.routes ?? [])
    .filter((route) => listsPair(route, pair))
    .map((route) => narrow(rollout, route, { pair, alternatives }));
  const problems = built.flatMap(({ problem }) => problem ?? []);
  const routes = built.flatMap(({ route }) => route ?? []);
  if (base === undefined || routes.length === 0 || problems.length > 0) return { wanted: undefined, problems };
  return { wanted: { ...typeOf, metadata: metadataOf(rollout, base), spec: { ...base.spec, routes } }, problems };
}

const typeOf = { apiVersion: 'traefik.io/v1alpha1', kind: 'IngressRoute' } as const;

/** isAsWanted compares all that Sluice says of a match route; what others have added to its metadata is theirs. */
export function isAsWanted(present: IngressRoute, wanted: IngressRoute): boolean {
  return isSame(present.spec, wanted.spec) && classOf(present) === classOf(wanted);
}

function classOf({ metadata }: IngressRoute): string | undefined {
  return metadata.annotations?.[ingressClassAnnotation];
}

function metadataOf({ metadata }: Rollout, base: IngressRoute): IngressRoute['metadata'] {
  const { name, namespace = '', uid = '' } = metadata;
  const ingressClass = classOf(base);
  return {
    name: `${name}${nameSuffix}`,
    namespace,
    labels: { 'app.kubernetes.io/managed-by': 'sluice' },
    ...(ingressClass === undefined ? {} : { annotations: { [ingressClassAnnotation]: ingressClass } }),
    ownerReferences: [{ apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', name, uid, controller: true }],
  };
}

function conditionsOf({ headers = {}, cookies = {} }: MatchEntry): readonly RequestCondition[] {
  const of = (on: RequestCondition['on'], compared: MatchEntry['headers'] & object): readonly RequestCondition[] =>
    Object.entries(compared).map(([name, { exact, prefix, regex }]) => {
      if (exact !== undefined) return { on, name, comparison: 'Exact', value: exact };
      if (prefix !== undefined) return { on, name, comparison: 'Prefix', value: prefix };
      return { on, name, comparison: 'Regex', value: regex ?? '' };
    });
  return [...of('Header', headers), ...of('Cookie', cookies)];
}

function conditionProblems(conditions: readonly RequestCondition[], index: number): readonly Problem[] {
  return conditions.flatMap((condition) => {
    const found = findConditionProblem(condition);
    if (found === undefined) return [];
    const field = `spec.canary.match[${index}].${condition.on === 'Header' ? 'headers' : 'cookies'}.${condition.name}.regex`;
    const message = `${field} is no regular expression of RE2: ${found}. Correct it.`;
    return [{ reason: 'MatchInvalid', message }];
  });
}

function nameProblems({ metadata: { name } }: Rollout): readonly Problem[] {
  const most = maxName - nameSuffix.length;
  if (name.length <= most) return [];
  const message = `spec.canary.match needs an IngressRoute of the name ${name}${nameSuffix}, which is too long; give the Rollout a name of at most ${most} letters.`;
  return [{ reason: 'MatchInvalid', message }];
}

interface Narrowed {
  /** route is undefined where the rule gives the canary nothing. */
  readonly route?: Route;
  readonly problem?: Problem;
}

function narrow(
  { spec }: Rollout,
  route: Route,
  to: { readonly pair: Pair; readonly alternatives: readonly (readonly RequestCondition[])[] },
): Narrowed {
  const invalid = (found: string): Narrowed => {
    const message = `spec.canary.match cannot be added to the rule ${route.match} of IngressRoute ${spec.route.name}: ${found}.`;
    return { problem: { reason: 'MatchInvalid', message } };
  };
  const narrowed = narrowRule(route.match, route.syntax === 'v2' ? 'v2' : 'v3', to.alternatives);
  if (narrowed.kind === 'Invalid') return invalid(narrowed.message);
  const priority = priorityOf(route) + 1;
  if (!Number.isSafeInteger(priority)) return invalid(`its priority is greater than ${Number.MAX_SAFE_INTEGER - 1}`);
  const entry = canaryEntry(route, to.pair);
  if (entry === undefined) return {};
  const added = (spec.canary.middlewares ?? []).map(({ name }) => ({ name }));
  const middlewares = [...(route.middlewares ?? []), ...added];
  const services = [withWeight(entry, undefined)];
  const own = { ...route, match: narrowed.text, priority, services };
  return { route: middlewares.length === 0 ? own : { ...own, middlewares } };
}

/** Traefik takes 0 for none, and the length of the rule instead. */
function priorityOf({ match, priority = 0 }: Route): number {
  return priority === 0 ? defaultPriority(match) : priority;
}

function canaryEntry({ services = [] }: Route, pair: Pair): RouteService | undefined {
  return services.find((entry) => roleOf(entry, pair) === 'canary' && weightIn(services, entry) > 0);
}
