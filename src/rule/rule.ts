/** RuleSyntax is the rule language: Traefik's of version 3, or that of version 2 (`syntax: v2`). */
export type RuleSyntax = 'v2' | 'v3';

/** ParsedRule is a rule that can be compiled, or what is wrong with the text. */
export type ParsedRule = Rule | InvalidRule;

/** Rule is a rule without mistakes: its regular expressions compile, its paths begin with a slash, its ranges are ranges. */
export interface Rule {
  readonly kind: 'Rule';
  readonly syntax: RuleSyntax;
  readonly root: RuleNode;
}

/** InvalidRule: `message` names the character (from 1) and what was expected there. */
export interface InvalidRule {
  readonly kind: 'Invalid';
  readonly message: string;
}

/** RuleNode is a part of a rule. Negations stand at the matchers only, and no And is within an And, no Or within an Or. */
export type RuleNode = MatcherNode | GroupNode;

/** GroupNode joins two or more parts. */
export interface GroupNode {
  readonly kind: 'And' | 'Or';
  readonly operands: readonly RuleNode[];
}

/** MatcherNode asks one question about a request. */
export interface MatcherNode {
  readonly kind: 'Matcher';
  /** name as Traefik documents it, e.g. `PathPrefix`, whatever case the text had. */
  readonly name: string;
  /** args are byte strings (bytes.ts), none of them empty. */
  readonly args: readonly string[];
  readonly isNegated: boolean;
}

/** defaultPriority returns the priority of a rule without one: its length in bytes. */
export function defaultPriority(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/** rulesEqual compares rules as parsed: spaces, quotes, parentheses and the case of names make no difference, order does. */
export function rulesEqual(a: ParsedRule, b: ParsedRule): boolean {
  return a.kind === 'Rule' && b.kind === 'Rule' && a.syntax === b.syntax && nodesEqual(a.root, b.root);
}

function nodesEqual(a: RuleNode, b: RuleNode): boolean {
  if (a.kind === 'Matcher' || b.kind === 'Matcher') {
    return a.kind === 'Matcher' && b.kind === 'Matcher' && matchersEqual(a, b);
  }
  return (
    a.kind === b.kind &&
    a.operands.length === b.operands.length &&
    a.operands.every((operand, index) => nodesEqual(operand, b.operands[index] as RuleNode))
  );
}

function matchersEqual(a: MatcherNode, b: MatcherNode): boolean {
  return (
    a.name === b.name &&
    a.isNegated === b.isNegated &&
    a.args.length === b.args.length &&
    a.args.every((arg, index) => arg === b.args[index])
  );
}
