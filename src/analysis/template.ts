/** Variables in a user's query: a closed list, each value escaped for where it stands. */
import { escapeIn, escapeRegex, isQuote, problem, type Problem, type Quote, type QueryText } from './promql.ts';

/** templateVariables is the closed list of names that `{{ … }}` may hold. */
export const templateVariables = [
  'rollout',
  'namespace',
  'revision',
  'stable.service',
  'stable.port',
  'canary.service',
  'canary.port',
] as const;

/** TemplateVariable is a name of the closed list. */
export type TemplateVariable = (typeof templateVariables)[number];

/** TemplateValues holds the value of each variable; one that is missing (a port that the Service does not name) is a Problem where it is used. */
export type TemplateValues = Readonly<Partial<Record<TemplateVariable, string | number>>>;

/** Place is where in PromQL a character stands: in a string literal (of a regular expression or not), in a comment, or between them. */
type Place =
  | { readonly kind: 'Code' | 'Comment' }
  | { readonly kind: 'String'; readonly quote: Quote; readonly isRegex: boolean };

const code: Place = { kind: 'Code' };

/** renderQuery replaces `{{ name }}` in PromQL. An unknown or unclosed variable, or a value that cannot stand where it is used, is a Problem. */
export function renderQuery(text: string, values: TemplateValues): QueryText | Problem {
  let promql = '';
  let place = code;
  for (let at = 0; at < text.length;) {
    if (text.startsWith('{{', at)) {
      const end = text.indexOf('}}', at);
      if (end < 0)
        return problem(`The variable that starts with ${excerpt(text, at)} is not closed by }}; ${allowed}.`);
      const value = renderVariable(text.slice(at + 2, end).trim(), values, place);
      if (typeof value !== 'string') return value;
      promql += value;
      at = end + 2;
      continue;
    }
    const length = place.kind === 'String' && place.quote !== '`' && text[at] === '\\' ? 2 : 1;
    if (length === 1) place = nextPlace(place, text, at);
    promql += text.slice(at, at + length);
    at += length;
  }
  return { kind: 'Query', promql };
}

const allowed = `allowed are ${templateVariables.join(', ')}`;

function renderVariable(name: string, values: TemplateValues, place: Place): string | Problem {
  if (!isVariable(name)) return problem(`The variable {{ ${excerpt(name, 0)} }} is unknown; ${allowed}.`);
  const value = values[name];
  if (value === undefined) return problem(`The variable {{ ${name} }} has no value here; write the value itself.`);
  const written = writeValue(String(value), place);
  if (written !== undefined) return written;
  return problem(`The value of {{ ${name} }} cannot stand where it is used; put it into a double-quoted string.`);
}

function writeValue(value: string, place: Place): string | undefined {
  if (place.kind === 'String') return escapeIn(place.quote, place.isRegex ? escapeRegex(value) : value);
  // Outside a string only what can be nothing but one operand or one name.
  return /^(?:[0-9]+(?:\.[0-9]+)?|[A-Za-z_:][A-Za-z0-9_:]*)$/.test(value) ? value : undefined;
}

function nextPlace(place: Place, text: string, at: number): Place {
  const character = text[at];
  if (place.kind === 'String') return character === place.quote ? code : place;
  // Prometheus ends a comment at either character (promql/parser/lex.go, isEndOfLine).
  if (place.kind === 'Comment') return character === '\n' || character === '\r' ? code : place;
  if (character === '#') return { kind: 'Comment' };
  if (!isQuote(character)) return code;
  return { kind: 'String', quote: character, isRegex: /[=!]~\s*$/.test(text.slice(Math.max(0, at - 64), at)) };
}

function isVariable(name: string): name is TemplateVariable {
  return (templateVariables as readonly string[]).includes(name);
}

function excerpt(text: string, at: number): string {
  return text.slice(at, at + 40);
}
