/** Narrows a rule by conditions on headers and cookies, so that whatever they are compared with stays a value. */
import { RE2JS } from 're2js';
import { toBytes } from './bytes.ts';
import { joinNodes, parseRule } from './parse.ts';
import { createRegexpCache } from './regexp.ts';
import { rulesEqual, type InvalidRule, type MatcherNode, type RuleNode, type RuleSyntax } from './rule.ts';

/**
 * RequestCondition compares a header or a cookie with `value`, which is not empty. A regex finds its match anywhere in a
 * header, as Traefik's HeaderRegexp does, and has to match the whole of a cookie's value.
 */
export interface RequestCondition {
  readonly on: 'Header' | 'Cookie';
  readonly name: string;
  readonly comparison: 'Exact' | 'Prefix' | 'Regex';
  readonly value: string;
}

/** NarrowedRule is the text of a rule, or what is wrong with the one that was to be narrowed. */
export type NarrowedRule = { readonly kind: 'Text'; readonly text: string } | InvalidRule;

/**
 * narrowRule returns a rule that is true where `text` is and all conditions of one of `alternatives` are. It is read again
 * before it is given away: it has to be exactly that, whatever is in the values or in `text`.
 */
export function narrowRule(
  text: string,
  syntax: RuleSyntax,
  alternatives: readonly (readonly RequestCondition[])[],
): NarrowedRule {
  const base = parseRule(text, syntax);
  if (base.kind === 'Invalid') return base;
  const matchers = alternatives.map((conditions) => conditions.map((condition) => matcherOf(condition, syntax)));
  const choice = joinNodes(
    'Or',
    matchers.map((nodes) => joinNodes('And', nodes.map(asNode))),
  );
  // A line break at the end would end the rule within its parentheses, as in Go.
  const narrowed = `(${text.trim()}) && (${matchers.map(print).join(' || ')})`;
  const read = parseRule(narrowed, syntax);
  if (read.kind === 'Invalid') return read;
  if (rulesEqual(read, { kind: 'Rule', syntax, root: joinNodes('And', [base.root, choice]) }))
    return { kind: 'Text', text: narrowed };
  return { kind: 'Invalid', message: 'the rule cannot stand in parentheses; write it without comments' };
}

/** findConditionProblem says what is wrong with a condition's regular expression; undefined where nothing is. */
export function findConditionProblem({ comparison, value }: RequestCondition): string | undefined {
  if (comparison !== 'Regex') return undefined;
  const compiled = createRegexpCache(1).get(toBytes(value));
  return compiled.kind === 'Invalid' ? compiled.message : undefined;
}

/** Matcher is a matcher with arguments as text, of which each code point can be written. */
interface Matcher {
  readonly name: string;
  readonly args: readonly string[];
}

function matcherOf({ on, name, comparison, value }: RequestCondition, syntax: RuleSyntax): Matcher {
  const [exact, regexp] = syntax === 'v2' ? ['Headers', 'HeadersRegexp'] : ['Header', 'HeaderRegexp'];
  if (on === 'Cookie') return { name: regexp, args: ['Cookie', cookiePattern(name, comparison, value)] };
  if (comparison === 'Exact') return { name: exact, args: [name, value] };
  return { name: regexp, args: [name, comparison === 'Prefix' ? `^${RE2JS.quote(value)}` : value] };
}

/** RFC 6265, section 4.2.1: `name=value`, with `; ` between two of them. No matcher of Traefik's knows cookies. */
function cookiePattern(name: string, comparison: RequestCondition['comparison'], value: string): string {
  const start = `(?:^|;) *${RE2JS.quote(name)}=`;
  if (comparison === 'Prefix') return `${start}${RE2JS.quote(value)}`;
  return `${start}${comparison === 'Exact' ? RE2JS.quote(value) : `(?:${value})`} *(?:;|$)`;
}

function asNode({ name, args }: Matcher): RuleNode {
  return { kind: 'Matcher', name, args: args.map(toBytes), isNegated: false } satisfies MatcherNode;
}

function print(matchers: readonly Matcher[]): string {
  const texts = matchers.map(({ name, args }) => `${name}(${args.map(quoted).join(', ')})`);
  return texts.length === 1 ? texts.join('') : `(${texts.join(' && ')})`;
}

/** quoted writes a Go string literal (https://go.dev/ref/spec#String_literals) in printable ASCII, so that nothing ends it. */
export function quoted(value: string): string {
  const escaped = value.toWellFormed().replaceAll(/["\\]|[^ -~]/gu, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`;
    return `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`;
  });
  return `"${escaped}"`;
}
