import { parseRule } from '../../rule/parse.ts';
import type { RuleSyntax } from '../../rule/rule.ts';

/** RuleCheck says what is wrong with a rule; undefined: nothing. */
export type RuleCheck = (rule: string, syntax: RuleSyntax) => string | undefined;

/** More than anybody has; then it begins anew. */
const maxKept = 50_000;

/** createRuleCheck returns a RuleCheck that remembers: a route is compiled again each time its endpoints change. */
export function createRuleCheck(): RuleCheck {
  const kept = new Map<string, string | undefined>();
  return (rule, syntax) => {
    const key = `${syntax} ${rule}`;
    const known = kept.get(key);
    if (known !== undefined || kept.has(key)) return known;
    if (kept.size >= maxKept) kept.clear();
    const parsed = parseRule(rule, syntax);
    const problem = parsed.kind === 'Invalid' ? `the rule cannot be read: ${parsed.message}; correct it.` : undefined;
    kept.set(key, problem);
    return problem;
  };
}
