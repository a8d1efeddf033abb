/**
 * Reads manifests as kubectl does: its YAML library (go-yaml v2 in sigs.k8s.io/yaml) takes plain scalars as YAML 1.1
 * mostly does, so that `on` is true and 0755 a number, but knows neither times nor numbers of base 60. It lets the last
 * of two equal keys win; here they are a problem, as for `kubectl apply` with its default validation.
 */
import { isMap, isNode, isScalar, isSeq, LineCounter, parseAllDocuments } from 'yaml';
import type { Document, ScalarTag } from 'yaml';
import type { FieldPath } from '../api/field-path.ts';

/** Place is where something stands in a text; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** ManifestDocument is one object of a file, as JSON; those of a List are one each. */
export interface ManifestDocument {
  readonly value: unknown;
  /** placeOf returns the place of what `path` leads to, or of the nearest thing around it. */
  readonly placeOf: (path: FieldPath) => Place;
}

/** ManifestText is what a file holds; with problems the documents are those that can be read. */
export interface ManifestText {
  readonly documents: readonly ManifestDocument[];
  readonly problems: readonly (Place & { readonly message: string })[];
}

const customTags: (ScalarTag | 'null' | 'merge')[] = [
  'null',
  'merge',
  {
    tag: 'tag:yaml.org,2002:bool',
    default: true,
    test: /^(?:[yYnN]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/,
    resolve: (text) => /^(?:y|yes|true|on)$/i.test(text),
  },
  {
    tag: 'tag:yaml.org,2002:int',
    default: true,
    test: /^[-+]?[0-9][0-9a-fA-FxXoO_]*$/,
    resolve: (text) => readNumber(text) ?? text,
  },
  {
    tag: 'tag:yaml.org,2002:float',
    default: true,
    test: /^[-+]?[.0-9][0-9_]*\.?[0-9_]*(?:[eE][-+]?[0-9_]+)?$/,
    resolve: (text) => readNumber(text) ?? text,
  },
  {
    tag: 'tag:yaml.org,2002:float',
    default: true,
    format: 'INFINITE',
    test: /^(?:[-+]?\.(?:inf|Inf|INF)|\.nan|\.NaN|\.NAN)$/,
    resolve: (text, onError) => {
      onError(`${text} is no number that JSON knows`);
      return text;
    },
  },
  { tag: 'tag:yaml.org,2002:binary', resolve: (text) => Buffer.from(text, 'base64').toString('utf8') },
];

/** readNumber reads a number as Go does (strconv.ParseInt with base 0, then the floats of YAML), undefined where it is none. */
function readNumber(text: string): number | undefined {
  const plain = text.replaceAll('_', '');
  const sign = plain.startsWith('-') ? -1 : 1;
  const digits = plain.replace(/^[-+]/, '');
  if (/^(?:0|[1-9][0-9]*|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+)$/.test(digits)) return sign * Number(digits);
  if (/^0[0-7]+$/.test(digits)) return sign * Number.parseInt(digits, 8);
  if (/^(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(digits)) return sign * Number(digits);
  return undefined;
}

/** parseManifests never throws: what cannot be read is a problem with its line. */
export function parseManifests(text: string): ManifestText {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, {
    lineCounter: lines,
    schema: 'failsafe',
    customTags,
    version: '1.1',
    uniqueKeys: true,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const results = (Array.isArray(parsed) ? (parsed as Document[]) : []).map((document) =>
    readDocument(document, lines),
  );
  return {
    documents: results.flatMap(({ documents }) => documents),
    problems: results.flatMap(({ problems }) => problems),
  };
}

function readDocument(document: Document, lines: LineCounter): ManifestText {
  if (document.errors.length > 0) {
    const problems = document.errors.map(({ message, pos }) => ({
      ...placeAt(lines, pos[0]),
      message: `This is no YAML that kubectl would take: ${unquoted(message)}.`,
    }));
    return { documents: [], problems: problems.slice(0, 1) };
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    if (value === null || value === undefined) return { documents: [], problems: [] };
    return { documents: flatten(value, (path) => placeOf(document, lines, path)), problems: [] };
  } catch (error) {
    // Aliases that unfold to more than anybody writes.
    return {
      documents: [],
      problems: [{ ...placeOf(document, lines, []), message: `${unquoted((error as Error).message)}.` }],
    };
  }
}

/** The parser quotes what it stumbles over: a tag, an alias, the head of a text. That may be a password which nobody quoted. */
function unquoted(message: string): string {
  return message.replaceAll(/!\S+/g, '!…').replace(/(?<=[a-z)]): .*$| \\.*$/s, '');
}

/** flatten takes the items of a List as objects of their own, as kubectl does. */
function flatten(value: unknown, placeOf: ManifestDocument['placeOf']): readonly ManifestDocument[] {
  const { kind, items } = value as { readonly kind?: unknown; readonly items?: unknown };
  if (typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)) {
    return items.flatMap((item, index) => flatten(item, (path) => placeOf(['items', index, ...path])));
  }
  return [{ value, placeOf }];
}

function placeOf(document: Document, lines: LineCounter, path: FieldPath): Place {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const step of path) {
    const found = childOf(node, step);
    if (found === undefined) break;
    offset = startOf(found.key) ?? startOf(found.value) ?? offset;
    node = found.value;
  }
  return placeAt(lines, offset);
}

function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

function childOf(
  node: unknown,
  step: string | number,
): { readonly key?: unknown; readonly value: unknown } | undefined {
  if (isSeq(node)) {
    const value = node.items[Number(step)];
    return value === undefined ? undefined : { value };
  }
  if (!isMap(node)) return undefined;
  // The keys of maps stand in brackets in the paths of rules.
  const name = /^\[(.*)\]$/.exec(String(step))?.[1];
  const isKey = (key: unknown): boolean => isScalar(key) && [name, String(step)].includes(String(key.value));
  const pair = node.items.find(({ key }) => isKey(key));
  return pair === undefined ? undefined : { key: pair.key, value: pair.value };
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node.range?.[0] ?? undefined) : undefined;
}
