import { type BuildMatcher, type BuiltTest, invalid } from './matcher.ts';
import { matchersV2 } from './matchers-v2.ts';
import { matchersV3 } from './matchers-v3.ts';
import type { RegexpCache } from './regexp.ts';
import type { MatcherNode, RuleSyntax } from './rule.ts';

/** matcherName returns the documented name of a matcher; Traefik also takes names in lower, upper and title case. */
export function matcherName(written: string, syntax: RuleSyntax): string | undefined {
  return spellings[syntax].get(written);
}

/** buildTest builds the test of a matcher node, without its negation. */
export function buildTest({ name, args }: MatcherNode, syntax: RuleSyntax, regexps: RegexpCache): BuiltTest {
  if (args.length === 0) return invalid('there are no arguments');
  if (args.includes('')) return invalid('an argument is empty');
  return (matchers[syntax].get(name) as BuildMatcher)(args, regexps);
}

const matchers: Readonly<Record<RuleSyntax, ReadonlyMap<string, BuildMatcher>>> = { v2: matchersV2, v3: matchersV3 };

const spellings: Readonly<Record<RuleSyntax, ReadonlyMap<string, string>>> = {
  v2: spellingsOf(matchersV2.keys()),
  v3: spellingsOf(matchersV3.keys()),
};

function spellingsOf(names: Iterable<string>): ReadonlyMap<string, string> {
  return new Map(
    [...names].flatMap((name) => {
      const lower = name.toLowerCase();
      const title = `${lower.slice(0, 1).toUpperCase()}${lower.slice(1)}`;
      return [name, lower, lower.toUpperCase(), title].map((spelling) => [spelling, name] as const);
    }),
  );
}
