/** Which rules of a route a Rollout is about, where it names one. */
import type { Route } from '../api/traefik.ts';
import { hashRule } from '../rollout/other-rules.ts';
import { isSameRule } from '../rule/same-rule.ts';
import { listsPair, roleOf, type Pair } from '../traffic/split.ts';

/**
 * rulesInQuestion returns the texts of the rules that are `wanted`, compared as parsed. Of a route that was touched and has
 * no such rule any more, it is the only one that lists both of the pair, or else either, and was not there before (`others`,
 * as hashes; undefined where the route was not touched): somebody has edited the rule, and what is in it has to be put back.
 * A rule that always led to the canary alone is not it.
 */
export function rulesInQuestion(
  routes: readonly Route[],
  wanted: string,
  { pair, others }: { readonly pair: Pair; readonly others: readonly string[] | undefined },
): readonly string[] {
  const same = routes.filter(({ match, syntax }) => isSameRule(match, wanted, syntax)).map(({ match }) => match);
  if (same.length > 0 || others === undefined) return same;
  const listing = routes.filter((route) => listsPair(route, pair) && !others.includes(hashRule(route.match)));
  const both = listing.filter(({ services = [] }) => {
    const roles = services.map((entry) => roleOf(entry, pair));
    return roles.includes('stable') && roles.includes('canary');
  });
  const edited = [both, listing].find(({ length }) => length === 1) ?? [];
  return edited.map(({ match }) => match);
}
