import { toBytes } from './bytes.ts';

/** StringLiteral is the value of a Go string literal as a byte string with the index after it, or what is wrong and where. */
export type StringLiteral =
  | { readonly kind: 'String'; readonly value: string; readonly end: number }
  | { readonly kind: 'Invalid'; readonly message: string; readonly at: number };

/** readRawString reads from a backtick to the next one. Carriage returns are dropped, as Go does. */
export function readRawString(rule: string, start: number): StringLiteral {
  const end = rule.indexOf('`', start + 1);
  if (end === -1) return { kind: 'Invalid', message: 'the string has no closing backtick', at: start };
  return { kind: 'String', value: toBytes(rule.slice(start + 1, end).replaceAll('\r', '')), end: end + 1 };
}

/** readQuotedString reads from a double quote to the next one that is not escaped, on one line. */
export function readQuotedString(rule: string, start: number): StringLiteral {
  let value = '';
  for (let at = start + 1; at < rule.length && rule[at] !== '\n';) {
    if (rule[at] === '"') return { kind: 'String', value, end: at + 1 };
    if (rule[at] === '\\') {
      const escape = readEscape(rule, at);
      if (escape === undefined) {
        return {
          kind: 'Invalid',
          message: 'this escape is none of Go (write a backslash as \\\\, or use backticks)',
          at,
        };
      }
      value += escape.bytes;
      at = escape.end;
    } else {
      const end = plainEnd(rule, at);
      value += toBytes(rule.slice(at, end));
      at = end;
    }
  }
  return { kind: 'Invalid', message: 'the string has no closing double quote on its line', at: start };
}

const plain = /[^"\\\n]+/y;

function plainEnd(rule: string, at: number): number {
  plain.lastIndex = at;
  plain.exec(rule);
  return plain.lastIndex;
}

const simpleEscapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
};

// https://go.dev/ref/spec#Rune_literals: octal and \x are bytes, \u and \U code points.
const numericEscapes = [
  { pattern: /\\([0-7]{3})/y, radix: 8, isByte: true },
  { pattern: /\\x([0-9a-fA-F]{2})/y, radix: 16, isByte: true },
  { pattern: /\\u([0-9a-fA-F]{4})/y, radix: 16, isByte: false },
  { pattern: /\\U([0-9a-fA-F]{8})/y, radix: 16, isByte: false },
] as const;

function readEscape(rule: string, at: number): { readonly bytes: string; readonly end: number } | undefined {
  const simple = simpleEscapes[rule[at + 1] ?? ''];
  if (simple !== undefined) return { bytes: simple, end: at + 2 };
  for (const { pattern, radix, isByte } of numericEscapes) {
    pattern.lastIndex = at;
    const digits = pattern.exec(rule)?.[1];
    if (digits !== undefined) {
      const bytes = escapedBytes(Number.parseInt(digits, radix), isByte);
      return bytes === undefined ? undefined : { bytes, end: pattern.lastIndex };
    }
  }
  return undefined;
}

function escapedBytes(code: number, isByte: boolean): string | undefined {
  if (isByte) return code > 0xff ? undefined : String.fromCharCode(code);
  const isSurrogate = code >= 0xd800 && code <= 0xdfff;
  return code > 0x10ffff || isSurrogate ? undefined : toBytes(String.fromCodePoint(code));
}
