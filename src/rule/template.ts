/**
 * Templates of the v2 syntax, which Traefik leaves to gorilla/mux: text with variables in braces, `{name}` or `{name:pattern}`.
 * All strings are byte strings.
 */

/** Template is a template as a regular expression. */
export interface Template {
  readonly kind: 'Template';
  /** pattern has to match, see `anchors`. */
  readonly pattern: string;
  /** literal is the text before the first variable. */
  readonly literal: string;
  /** names and variablePatterns are those of the variables in order; each pattern has to compile on its own too. */
  readonly names: readonly string[];
  readonly variablePatterns: readonly string[];
}

/** TemplateKind says what a variable without pattern matches and where the text ends. */
export type TemplateKind = 'Host' | 'Path' | 'PathPrefix' | 'Query';

const defaultPatterns: Readonly<Record<TemplateKind, string>> = {
  Host: '[^.]+',
  Path: '[^/]+',
  PathPrefix: '[^/]+',
  Query: '.*',
};

/** parseTemplate reads a template. That of a Query is `key=value`; an empty value is any. */
export function parseTemplate(
  text: string,
  kind: TemplateKind,
): Template | { readonly kind: 'Invalid'; readonly message: string } {
  const variables = findVariables(text);
  if (variables === undefined) return { kind: 'Invalid', message: 'the braces are not balanced' };
  let pattern = kind === 'Host' ? '(?i)^' : '^';
  let end = 0;
  const names: string[] = [];
  const variablePatterns: string[] = [];
  for (const { from, to } of variables) {
    const [name, variablePattern] = splitVariable(text.slice(from + 1, to - 1), defaultPatterns[kind]);
    if (name === '' || variablePattern === '') {
      return { kind: 'Invalid', message: 'a variable in braces has no name or no pattern' };
    }
    pattern += `${quote(text.slice(end, from))}(?P<v${names.length}>${variablePattern})`;
    names.push(name);
    variablePatterns.push(`^${variablePattern}$`);
    end = to;
  }
  pattern += quote(text.slice(end));
  if (kind === 'Query' && text.endsWith('=') && text.indexOf('=') === text.length - 1) pattern += defaultPatterns.Query;
  if (kind !== 'PathPrefix') pattern += '$';
  return { kind: 'Template', pattern, literal: text.slice(0, variables[0]?.from), names, variablePatterns };
}

/** literalPrefix returns the text before the first brace: what everything that matches begins with. */
export function literalPrefix(text: string): string {
  const brace = text.indexOf('{');
  return brace === -1 ? text : text.slice(0, brace);
}

interface Span {
  readonly from: number;
  readonly to: number;
}

/** The outermost pairs of braces; patterns may have braces of their own, `{id:[0-9]{3}}`. */
function findVariables(text: string): readonly Span[] | undefined {
  const spans: Span[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '{') {
      if (depth === 0) from = at;
      depth += 1;
    } else if (text[at] === '}') {
      depth -= 1;
      if (depth < 0) return undefined;
      if (depth === 0) spans.push({ from, to: at + 1 });
    }
  }
  return depth === 0 ? spans : undefined;
}

function splitVariable(text: string, defaultPattern: string): readonly [string, string] {
  const colon = text.indexOf(':');
  return colon === -1 ? [text, defaultPattern] : [text.slice(0, colon), text.slice(colon + 1)];
}

function quote(text: string): string {
  return text.replaceAll(/[\\.+*?()|[\]{}^$]/g, String.raw`\$&`);
}
