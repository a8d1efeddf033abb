/** As much PromQL as a client needs to read raw samples: one selector with an optional range. */

/** Matcher is one label matcher; `values` holds the alternatives where they are plain texts. */
export interface Matcher {
  readonly label: string;
  readonly values: readonly string[] | undefined;
  readonly matches: (value: string) => boolean;
}

/** Selector is a parsed query; rangeMs is undefined for an instant one. */
export interface Selector {
  readonly matchers: readonly Matcher[];
  readonly rangeMs: number | undefined;
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const shape = /^\s*(?<name>[A-Za-z_:][\w:]*)?\s*(?:\{(?<matchers>.*)\}\s*)?(?:\[(?<range>[0-9a-z]+)\])?\s*$/s;
const matcherShape = /\s*([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)/sy;

/** parseSelector returns the selector, or undefined for any other query. The metric name is the matcher of `__name__`. */
export function parseSelector(promql: string): Selector | undefined {
  const groups = shape.exec(promql)?.groups;
  const matchers = groups && parseMatchers(groups['matchers'] ?? '');
  if (groups === undefined || matchers === undefined) return undefined;
  const { name, range } = groups;
  return {
    matchers: name === undefined ? matchers : [toMatcher('__name__', '=', name), ...matchers],
    rangeMs: range === undefined ? undefined : parseRangeMs(range),
  };
}

function parseMatchers(text: string): readonly Matcher[] | undefined {
  const matchers: Matcher[] = [];
  matcherShape.lastIndex = 0;
  while (matcherShape.lastIndex < text.trimEnd().length) {
    const [, label = '', operator = '', literal = ''] = matcherShape.exec(text) ?? [];
    if (label === '') return undefined;
    matchers.push(toMatcher(label, operator, JSON.parse(`"${literal}"`) as string));
  }
  return matchers;
}

function parseRangeMs(text: string): number {
  return [...text.matchAll(/([0-9]+)(ms|s|m|h)/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * (unitMs[unit ?? ''] ?? 0),
    0,
  );
}

function toMatcher(label: string, operator: string, text: string): Matcher {
  if (operator === '=') return { label, values: [text], matches: (value) => value === text };
  if (operator === '!=') return { label, values: undefined, matches: (value) => value !== text };
  const values = readAlternatives(text);
  const wanted = operator === '=~';
  if (values !== undefined) {
    const set = new Set(values);
    return { label, values: wanted ? values : undefined, matches: (value) => set.has(value) === wanted };
  }
  const pattern = new RegExp(`^(?:${text})$`);
  return { label, values: undefined, matches: (value) => pattern.test(value) === wanted };
}

/** readAlternatives returns the texts of `a|b`, anchored or not; undefined where the pattern is more than that. */
function readAlternatives(pattern: string): readonly string[] | undefined {
  const inner = /^\^?(?:\(\?:(.*)\)|(.*?))\$?$/s.exec(pattern);
  const alternatives = (inner?.[1] ?? inner?.[2] ?? '').split('|');
  const plain = alternatives.map((text) => text.replaceAll(/\\(.)/gs, (_all, character: string) => character));
  const isPlain = alternatives.every((text) => !/[.+*?()[\]{}^$]/.test(text.replaceAll(/\\./gs, '')));
  return isPlain ? plain : undefined;
}
