/** The rules of a route that a Rollout which names one of them is not about: none of these is taken for the named one, edited. */
import { fnv1a } from '../api/hash.ts';
import type { Route } from '../api/traefik.ts';
import type { RolloutTarget } from '../api/rollout-status.ts';
import { isSameRule } from '../rule/same-rule.ts';
import { listsPair, type Pair } from '../traffic/split.ts';

/** A route with more rules of the same pair than that is not known to exist; status has to end somewhere. */
const maxOthers = 100;

/** hashRule is a short text for that of a rule. */
export function hashRule(match: string): string {
  return fnv1a(match).toString(16);
}

/** otherRules returns hashes of the rules that list the pair and are not in question; nothing where all are. */
export function otherRules(routes: readonly Route[], { rules, ...pair }: Pair): Pick<RolloutTarget, 'others'> {
  if (rules === undefined) return {};
  const others = routes.filter((route) => listsPair(route, pair) && !rules.includes(route.match));
  return others.length === 0 ? {} : { others: others.map(({ match }) => hashRule(match)).slice(0, maxOthers) };
}

/** withOtherRules adds those that have come since, as long as the named rule itself is there; undefined where there are none. */
export function withOtherRules(routes: readonly Route[], pair: Pair, target: RolloutTarget): RolloutTarget | undefined {
  const { match: wanted, others: known = [] } = target;
  if (wanted === undefined || !routes.some(({ match, syntax }) => isSameRule(match, wanted, syntax))) return undefined;
  const others = [...new Set([...known, ...(otherRules(routes, pair).others ?? [])])].slice(0, maxOthers);
  return others.length === known.length ? undefined : { ...target, others };
}
