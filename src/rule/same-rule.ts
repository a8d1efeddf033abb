/** Whether two texts are the same rule. */
import { parseRule } from './parse.ts';
import { rulesEqual } from './rule.ts';

/**
 * isSameRule compares the texts of two rules as parsed, so that spaces, quotes and parentheses make no difference. `syntax`
 * is that of the route whose rule one of them is; without it both are tried. What cannot be parsed is the same as its text.
 */
export function isSameRule(one: string, other: string, syntax?: string): boolean {
  if (one === other) return true;
  const languages =
    syntax === undefined ? (['v3', 'v2'] as const) : [syntax === 'v2' ? ('v2' as const) : ('v3' as const)];
  return languages.some((language) => rulesEqual(parseRule(one, language), parseRule(other, language)));
}
