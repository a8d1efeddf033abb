import type { RequestTest } from './matcher.ts';
import { buildTest } from './matchers.ts';
import { createRegexpCache, type RegexpCache } from './regexp.ts';
import type { GroupNode, MatcherNode, Rule, RuleNode, RuleSyntax } from './rule.ts';

/** compileRule turns a rule into a function that tells whether a request matches. */
export function compileRule(rule: Rule, regexps: RegexpCache = createRegexpCache()): RequestTest {
  return compileNode(rule.root, rule.syntax, regexps);
}

function compileNode(node: RuleNode, syntax: RuleSyntax, regexps: RegexpCache): RequestTest {
  return node.kind === 'Matcher' ? compileMatcher(node, syntax, regexps) : compileGroup(node, syntax, regexps);
}

function compileMatcher(node: MatcherNode, syntax: RuleSyntax, regexps: RegexpCache): RequestTest {
  const built = buildTest(node, syntax, regexps);
  // parseRule has built the same test before.
  if (built.kind === 'Invalid') return () => false;
  const { test } = built;
  return node.isNegated ? (request) => !test(request) : test;
}

function compileGroup({ kind, operands }: GroupNode, syntax: RuleSyntax, regexps: RegexpCache): RequestTest {
  const tests = operands.map((operand) => compileNode(operand, syntax, regexps));
  const [first, second] = tests;
  // Two operands are what nearly every rule has; a call of `every` costs more than both tests.
  if (first !== undefined && second !== undefined && tests.length === 2) {
    if (kind === 'And') return (request) => first(request) && second(request);
    return (request) => first(request) || second(request);
  }
  if (kind === 'And') return (request) => tests.every((test) => test(request));
  return (request) => tests.some((test) => test(request));
}
