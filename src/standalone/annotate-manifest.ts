/** Writes annotations into the text of a manifest, and leaves every other character as it is. */
import { isMap, isScalar, isSeq, parseAllDocuments, type Document, type Pair, type YAMLMap } from 'yaml';

/** Annotated names the object. */
export interface Annotated {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** annotateManifest returns the text with these annotations set; undefined where the object is not found, or not written plainly. */
export function annotateManifest(
  text: string,
  object: Annotated,
  annotations: Readonly<Record<string, string>>,
): string | undefined {
  return Object.entries(annotations).reduce<string | undefined>(
    (edited, [key, value]) => (edited === undefined ? undefined : setAnnotation(edited, object, [key, value])),
    text,
  );
}

function setAnnotation(text: string, object: Annotated, [key, value]: readonly [string, string]): string | undefined {
  const documents = parseAllDocuments(text, { logLevel: 'silent' });
  const roots = Array.isArray(documents) ? (documents as Document[]).map(({ contents }) => contents) : [];
  const metadata = roots.flatMap(itemsOf).flatMap((root) => metadataOf(root, object))[0];
  if (metadata === undefined) return undefined;
  const found = pairIn(metadata, 'annotations');
  if (found === undefined) return insert(text, metadata, `annotations: {${quoted(key)}: ${quoted(value)}}`);
  if (!isMap(found.value)) return undefined;
  const pair = pairIn(found.value, key);
  if (pair === undefined) {
    const isEmpty = found.value.items.length === 0;
    return insert(text, found.value, `${quoted(key)}: ${quoted(value)}`, isEmpty);
  }
  const [start, end] = (isScalar(pair.value) ? pair.value.range : undefined) ?? [];
  return start === undefined || end === undefined ? undefined : splice(text, [start, end], quoted(value));
}

/** JSON's quotes are YAML's, in both of its styles. */
function quoted(text: string): string {
  return JSON.stringify(text);
}

/** The objects of a List stand in its items. */
function itemsOf(root: unknown): readonly YAMLMap[] {
  if (!isMap(root)) return [];
  const items = pairIn(root, 'items')?.value;
  return isSeq(items) ? [root, ...items.items.flatMap(itemsOf)] : [root];
}

function metadataOf(root: YAMLMap, { kind, namespace, name }: Annotated): readonly YAMLMap[] {
  const metadata = pairIn(root, 'metadata')?.value;
  if (!isMap(metadata) || root.get('kind') !== kind) return [];
  const isIt = metadata.get('name') === name && (metadata.get('namespace') ?? 'default') === namespace;
  return isIt ? [metadata] : [];
}

function pairIn(map: YAMLMap, key: string): Pair | undefined {
  return map.items.find((pair) => isScalar(pair.key) && pair.key.value === key);
}

/** insert puts an entry in front of the others, in the style of the map: in its braces, or on a line of its own. */
function insert(text: string, map: YAMLMap, entry: string, isEmpty = false): string | undefined {
  const start = map.range?.[0];
  if (start === undefined) return undefined;
  if (map.flow === true) {
    // JSON has its keys in quotes, which YAML takes too.
    const json = entry.replace(/^annotations:/, '"annotations":');
    return splice(text, [start + 1, start + 1], isEmpty ? json : `${json}, `);
  }
  const lineStart = text.lastIndexOf('\n', start - 1) + 1;
  const indent = text.slice(lineStart, start);
  return /^ *$/.test(indent) ? splice(text, [start, start], `${entry}\n${indent}`) : undefined;
}

function splice(text: string, [start, end]: readonly [number, number], inserted: string): string {
  return text.slice(0, start) + inserted + text.slice(end);
}
