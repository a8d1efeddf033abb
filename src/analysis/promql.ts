/** PromQL as text: the few rules of its lexer that decide how a value may be written into a query. */

/** Problem says why a text cannot be used and what to change; it is an expected outcome, not an error. */
export interface Problem {
  readonly kind: 'Problem';
  readonly message: string;
}

/** QueryText is a query that is ready for the source. */
export interface QueryText {
  readonly kind: 'Query';
  readonly promql: string;
}

/** Quote is a quote of PromQL: `"` and `'` know the escapes of Go, a backtick knows none. */
export type Quote = '"' | "'" | '`';

/** isQuote tells whether a character opens a string literal. */
export function isQuote(character: string | undefined): character is Quote {
  return character === '"' || character === "'" || character === '`';
}

/** problem returns a Problem with that message. */
export function problem(message: string): Problem {
  return { kind: 'Problem', message };
}

/** escapeIn returns `value` as it must stand between two of `quote`, or undefined where that is impossible (a backtick between backticks). */
export function escapeIn(quote: Quote, value: string): string | undefined {
  if (quote === '`') return value.includes('`') ? undefined : value;
  return value.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`).replaceAll('\n', '\\n').replaceAll('\r', '\\r');
}

/** quoted returns `value` as a double-quoted PromQL string literal. */
export function quoted(value: string): string {
  return `"${escapeIn('"', value)}"`;
}

/** escapeRegex returns an RE2 pattern that matches exactly `value`. */
export function escapeRegex(value: string): string {
  return value.replace(/[\\.+*?()|[\]{}^$]/g, String.raw`\$&`);
}
