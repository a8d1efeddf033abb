/** The Rollouts of manifests/examples: which fields they set, and the part of one that shows a field. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Document, isMap, isSeq, parseAllDocuments, YAMLMap, YAMLSeq, type Node } from 'yaml';

/** Example is one file of manifests/examples. */
export interface Example {
  /** file is its name, e.g. `ramp.yaml`. */
  readonly file: string;
  /** about is the comment at its beginning. */
  readonly about: string;
  /** specs are those of its Rollouts. */
  readonly specs: readonly YAMLMap[];
}

/** readExamples reads the files of a folder, by name. */
export function readExamples(folder: string): readonly Example[] {
  return globSync('*.yaml', { cwd: folder })
    .toSorted()
    .map((file) => readExample(file, readFileSync(path.join(folder, file), 'utf8')));
}

/** readExample reads the text of one file. */
export function readExample(file: string, text: string): Example {
  const lines = text.split('\n');
  const about = lines
    .slice(
      0,
      lines.findIndex((line) => !line.startsWith('# ')),
    )
    .map((line) => line.slice(2));
  const specs = parseAllDocuments(text)
    .filter((document) => document.get('kind') === 'Rollout')
    .flatMap((document) => {
      const spec = document.get('spec');
      return isMap(spec) ? [spec] : [];
    });
  return { file, about: about.join(' '), specs };
}

/** keysOf splits the path of a field, as in `steps[].pause` or `headers.<name>.exact`; `[]` and `<name>` are any entry. */
export function keysOf(fieldPath: string): readonly string[] {
  return fieldPath.split('.').flatMap((key) => (key.endsWith('[]') ? [key.slice(0, -2), '[]'] : [key]));
}

/** valuesAt returns every value that a Rollout gives to a field. */
export function valuesAt(value: unknown, [key, ...rest]: readonly string[]): readonly unknown[] {
  if (key === undefined) return [value];
  if (key === '[]') return Array.isArray(value) ? value.flatMap((entry) => valuesAt(entry, rest)) : [];
  if (typeof value !== 'object' || value === null) return [];
  if (key === '<name>') return Object.values(value).flatMap((entry) => valuesAt(entry, rest));
  return key in value ? valuesAt((value as Readonly<Record<string, unknown>>)[key], rest) : [];
}

/** sizeOf counts the values in a spec: the example with the fewest shows a field best. */
export function sizeOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce((sum: number, entry) => sum + sizeOf(entry), 1);
}

/** fragmentOf returns the part of a spec at a path as YAML, with what leads to it and as it is written there. */
export function fragmentOf(spec: YAMLMap, keys: readonly string[]): string {
  const document = new Document(pruned(spec, keys));
  return document.toString({ flowCollectionPadding: false, indentSeq: false, lineWidth: 0 });
}

function pruned(node: Node, [key, ...rest]: readonly string[]): Node {
  if (key === undefined || (key === '[]' && rest.length === 0)) return node;
  if (key === '[]' && isSeq<Node>(node)) {
    const sequence = new YAMLSeq<Node>();
    sequence.flow = node.flow === true;
    sequence.items = node.items.filter((item) => hasKeys(item, rest)).map((item) => pruned(item, rest));
    return sequence;
  }
  if (!isMap<Node, Node>(node)) return node;
  const map = new YAMLMap<Node, Node>();
  map.flow = node.flow === true;
  map.items = node.items
    .filter((pair) => (key === '<name>' || String(pair.key) === key) && hasKeys(pair.value, rest))
    .map((pair) => {
      const copy = pair.clone();
      if (pair.value !== null) copy.value = pruned(pair.value, rest);
      return copy;
    });
  return map;
}

function hasKeys(node: Node | null, keys: readonly string[]): boolean {
  return valuesAt(node?.toJS(new Document()), keys).length > 0;
}
