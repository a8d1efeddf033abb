import { readRawString, readQuotedString } from './string-literal.ts';

/**
 * Token is a word of a rule. Newline is where Go would end the statement: a line break after a name, a string or `)`; rules
 * are Go expressions (go/parser), so they may go on in the next line only after an operator, a comma or `(`.
 */
export interface Token {
  readonly kind: 'Name' | 'String' | '&&' | '||' | '!' | '(' | ')' | ',' | 'Newline' | 'End' | 'Unknown';
  /** text as written; for strings their value, a byte string; for Unknown what is wrong. */
  readonly text: string;
  /** at is the index of its first character. */
  readonly at: number;
}

const namePattern = /[A-Za-z_][A-Za-z_0-9]*/y;
const symbols = ['&&', '||', '!', '(', ')', ','] as const;

/** readTokens reads a rule up to its end or to the first thing that no rule has; the last token is End or Unknown. */
export function readTokens(rule: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    const gap = skipGap(rule, at);
    const last = tokens.at(-1)?.kind;
    if (gap.hasLineBreak && (last === 'Name' || last === 'String' || last === ')')) {
      tokens.push({ kind: 'Newline', text: 'the end of the line', at });
    }
    const { token, end } = readToken(rule, gap.end);
    tokens.push(token);
    if (token.kind === 'End' || token.kind === 'Unknown') return tokens;
    at = end;
  }
}

/** Spaces and Go's comments. */
function skipGap(rule: string, start: number): { readonly end: number; readonly hasLineBreak: boolean } {
  let hasLineBreak = false;
  for (let at = start; ;) {
    const character = rule[at];
    if (character === '\n') hasLineBreak = true;
    if (character === ' ' || character === '\t' || character === '\r' || character === '\n') at += 1;
    else {
      const end = commentEnd(rule, at);
      if (end === undefined) return { end: at, hasLineBreak };
      if (rule.slice(at, end).includes('\n')) hasLineBreak = true;
      at = end;
    }
  }
}

function commentEnd(rule: string, at: number): number | undefined {
  if (rule.startsWith('//', at)) {
    const end = rule.indexOf('\n', at);
    return end === -1 ? rule.length : end;
  }
  if (!rule.startsWith('/*', at)) return undefined;
  const end = rule.indexOf('*/', at + 2);
  return end === -1 ? undefined : end + 2;
}

interface ReadToken {
  readonly token: Token;
  readonly end: number;
}

function readToken(rule: string, at: number): ReadToken {
  if (at >= rule.length) return { token: { kind: 'End', text: 'the end', at }, end: at };
  const symbol = symbols.find((candidate) => rule.startsWith(candidate, at));
  if (symbol !== undefined) return { token: { kind: symbol, text: symbol, at }, end: at + symbol.length };
  if (rule[at] === '`' || rule[at] === '"') return readString(rule, at);
  namePattern.lastIndex = at;
  const name = namePattern.exec(rule)?.[0];
  if (name !== undefined) return { token: { kind: 'Name', text: name, at }, end: at + name.length };
  return unknown(describeCharacter(rule, at), at);
}

function readString(rule: string, at: number): ReadToken {
  const literal = rule[at] === '`' ? readRawString(rule, at) : readQuotedString(rule, at);
  if (literal.kind === 'Invalid') return unknown(literal.message, literal.at);
  return { token: { kind: 'String', text: literal.value, at }, end: literal.end };
}

function unknown(text: string, at: number): ReadToken {
  return { token: { kind: 'Unknown', text, at }, end: at };
}

function describeCharacter(rule: string, at: number): string {
  const character = String.fromCodePoint(rule.codePointAt(at) ?? 0);
  if (character === "'") return 'strings stand in backticks or double quotes, not in single quotes';
  return `${JSON.stringify(character)} means nothing in a rule`;
}
