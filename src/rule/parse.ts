import { readTokens, type Token } from './lexer.ts';
import { buildTest, matcherName } from './matchers.ts';
import { createRegexpCache, type RegexpCache } from './regexp.ts';
import type { GroupNode, MatcherNode, ParsedRule, RuleNode, RuleSyntax } from './rule.ts';

/**
 * parseRule reads a rule. Rules are Go expressions: `!` binds closer than `&&`, that closer than `||`. All that Traefik would
 * refuse when it loads the rule makes it Invalid: also unknown matchers, wrong numbers of arguments, regular expressions that
 * do not compile. `regexps` keeps those that did for compileRule.
 */
export function parseRule(text: string, syntax: RuleSyntax, regexps: RegexpCache = createRegexpCache()): ParsedRule {
  const reader: Reader = { tokens: readTokens(text), syntax, regexps, next: 0, depth: 0, problem: undefined };
  const root = readOr(reader, false);
  if (root !== undefined) {
    if (peek(reader).kind === 'Newline') reader.next += 1;
    if (peek(reader).kind !== 'End') expected(reader, '&&, || or the end');
  }
  if (reader.problem !== undefined) return { kind: 'Invalid', message: reader.problem };
  return { kind: 'Rule', syntax, root: root as RuleNode };
}

interface Reader {
  readonly tokens: readonly Token[];
  readonly syntax: RuleSyntax;
  readonly regexps: RegexpCache;
  next: number;
  depth: number;
  /** problem is the first one; once it is there, every reader returns undefined. */
  problem: string | undefined;
}

// Readers call themselves for each parenthesis; deeper ones than anybody writes would overflow the stack.
const maxDepth = 200;

function readOr(reader: Reader, isNegated: boolean): RuleNode | undefined {
  return readChain(reader, isNegated, '||');
}

/** A chain of operands; negated, it is one of the other kind with each operand negated (De Morgan). */
function readChain(reader: Reader, isNegated: boolean, operator: '&&' | '||'): RuleNode | undefined {
  const operands: RuleNode[] = [];
  for (;;) {
    const operand = operator === '||' ? readChain(reader, isNegated, '&&') : readUnary(reader, isNegated);
    if (operand === undefined) return undefined;
    operands.push(operand);
    if (peek(reader).kind !== operator) break;
    reader.next += 1;
  }
  return joinNodes((operator === '&&') === isNegated ? 'Or' : 'And', operands);
}

/** joinNodes returns what a chain of operands is as a node: itself where it is one, and no And within an And, no Or within an Or. */
export function joinNodes(kind: GroupNode['kind'], operands: readonly RuleNode[]): RuleNode {
  const [only] = operands;
  if (operands.length === 1 && only !== undefined) return only;
  return { kind, operands: operands.flatMap((operand) => (operand.kind === kind ? operand.operands : [operand])) };
}

function readUnary(reader: Reader, isNegated: boolean): RuleNode | undefined {
  let isOperandNegated = isNegated;
  while (peek(reader).kind === '!') {
    reader.next += 1;
    isOperandNegated = !isOperandNegated;
  }
  if (peek(reader).kind === '(') return readGroup(reader, isOperandNegated);
  if (peek(reader).kind === 'Name') return readMatcher(reader, isOperandNegated);
  return expected(reader, 'a matcher, ! or (');
}

function readGroup(reader: Reader, isNegated: boolean): RuleNode | undefined {
  if (reader.depth >= maxDepth) return fail(reader, peek(reader).at, `more than ${maxDepth} parentheses are open`);
  reader.depth += 1;
  reader.next += 1;
  const node = readOr(reader, isNegated);
  reader.depth -= 1;
  if (node === undefined) return undefined;
  return accept(reader, ')') ? node : expected(reader, '&&, || or )');
}

function readMatcher(reader: Reader, isNegated: boolean): MatcherNode | undefined {
  const { text, at } = peek(reader);
  reader.next += 1;
  if (!accept(reader, '(')) return expected(reader, `( after ${text}`);
  const args = readArguments(reader);
  if (args === undefined) return undefined;
  const name = matcherName(text, reader.syntax);
  if (name === undefined) return fail(reader, at, `${text} is no matcher of syntax ${reader.syntax}`);
  const node: MatcherNode = { kind: 'Matcher', name, args, isNegated };
  const test = buildTest(node, reader.syntax, reader.regexps);
  return test.kind === 'Invalid' ? fail(reader, at, `${name}: ${test.message}`) : node;
}

/** A comma may follow the last argument, as in Go. */
function readArguments(reader: Reader): readonly string[] | undefined {
  const args: string[] = [];
  while (!accept(reader, ')')) {
    const { kind, text } = peek(reader);
    if (kind !== 'String') return expected(reader, args.length === 0 ? 'a string' : 'a string or )');
    reader.next += 1;
    args.push(text);
    if (!accept(reader, ',') && peek(reader).kind !== ')') return expected(reader, ', or )');
  }
  return args;
}

function peek(reader: Reader): Token {
  return reader.tokens[reader.next] as Token;
}

function accept(reader: Reader, kind: Token['kind']): boolean {
  if (peek(reader).kind !== kind) return false;
  reader.next += 1;
  return true;
}

function expected(reader: Reader, what: string): undefined {
  const { kind, text, at } = peek(reader);
  if (kind === 'Unknown') return fail(reader, at, text);
  const found = kind === 'String' ? 'a string' : text;
  return fail(reader, at, `expected ${what}, found ${found}`);
}

function fail(reader: Reader, at: number, message: string): undefined {
  reader.problem ??= `at character ${at + 1}: ${message}`;
}
