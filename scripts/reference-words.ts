/** What the schema of a field says, in words for a page of Markdown. */
import type { Schema } from './crd-schema.ts';

/** linkTo is given the path of an object and returns where its section is. */
export type LinkTo = (path: string) => string;

/** anchorOf is how GitHub names a heading. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

/** describe returns what a schema says of itself; the name of its type, with which that of an object begins, is left out. */
export function describe({ description = '', properties }: Schema): string {
  const text = properties === undefined ? description : description.replace(/^[A-Z][A-Za-z]+ (?:(?:is|are) )?/, '');
  return marked(text.slice(0, 1).toUpperCase() + text.slice(1));
}

/** describeEntry is describe for the object that a list holds many of. */
export function describeEntry({ description = '' }: Schema): string {
  return marked(description.replace(/^[A-Z][A-Za-z]+ /, 'Each '));
}

/** firstSentence is enough where the rest is a link away. */
export function firstSentence(text: string): string {
  return /^.*?\.(?= [A-Z]|$)/.exec(text)?.[0] ?? text;
}

/** rulesOf returns what the API server answers to what is wrong, as sentences. */
export function rulesOf(schema: Schema): readonly string[] {
  const messages = (schema['x-kubernetes-validations'] ?? []).map(({ message }) => sentence(message, schema));
  const isExplained = messages.length > 0 || schema.pattern === undefined;
  return isExplained ? messages : [`Pattern: \`${schema.pattern}\`.`];
}

/** A name of a field stays as it is, in the style of code; any other sentence begins with a capital. */
function sentence(message: string, { properties = {} }: Schema): string {
  const [first = '', ...rest] = message.split(' ');
  const isName = Object.hasOwn(properties, first);
  const text = isName ? [`\`${first}\``, ...rest].join(' ') : marked(message);
  const begun = /^[a-z]+[ ,]/.test(text) ? text.slice(0, 1).toUpperCase() + text.slice(1) : text;
  return begun.endsWith('.') ? begun : `${begun}.`;
}

/** marked puts templates and paths of fields into the style of code, and makes links of pages. */
function marked(text: string): string {
  const fields =
    /\{\{[^}]*\}\}|\b(?:spec|status|stable|canary|analysis|slo|errorRatio|latency)\.(?!md\b)[a-zA-Z.]*[a-zA-Z]/g;
  return text.replaceAll(fields, '`$&`').replaceAll(/\bdocs\/([\w-]+)\.md/g, '[docs/$1.md](../$1.md)');
}

/** typeOf names the type of a field with its limits, e.g. `whole number from 1 to 100`. */
export function typeOf(schema: Schema, objectPath: string | undefined, linkTo: LinkTo): string {
  return [nameOf(schema, objectPath, linkTo), ...limitsOf(schema)].join(', ');
}

function nameOf(schema: Schema, objectPath: string | undefined, linkTo: LinkTo): string {
  const { items, additionalProperties } = schema;
  const object = objectPath === undefined ? 'object' : `[object](${linkTo(objectPath)})`;
  if (schema['x-kubernetes-int-or-string']) return 'whole number or text';
  if (schema.enum !== undefined) return alternatives(schema.enum);
  if (items !== undefined) return `list: ${nameOf(items, objectPath, linkTo)}`;
  if (additionalProperties !== undefined) return `by name: ${nameOf(additionalProperties, objectPath, linkTo)}`;
  if (schema.type === 'object') return object;
  return (
    { integer: 'whole number', number: 'number', boolean: '`true` or `false`' }[schema.type ?? ''] ?? kindOf(schema)
  );
}

function kindOf({ format, pattern = '' }: Schema): string {
  if (format === 'date-time') return 'time';
  if (pattern.includes('(h|m|s|ms)')) return 'duration';
  if (pattern.endsWith('%$')) return 'percentage';
  return pattern.endsWith('pp$') ? 'percentage points' : 'text';
}

function alternatives(values: readonly string[]): string {
  const quoted = values.map((value) => `\`${value}\``);
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
}

/** limitsOf returns the limits of a field, e.g. `1 to 30 entries`. */
export function limitsOf(schema: Schema): readonly string[] {
  const counted = (least: number | undefined, most: number | undefined, what: string): readonly string[] => {
    if (least !== undefined && most !== undefined) return [`${least} to ${most}${what}`];
    if (most !== undefined) return [`at most ${most}${what}`];
    return least === undefined ? [] : [`at least ${least}${what}`];
  };
  return [
    ...counted(schema.minimum, schema.maximum, ''),
    ...counted(schema.minLength, schema.maxLength, ' characters'),
    ...counted(schema.minItems, schema.maxItems, ' entries'),
    ...counted(schema.minProperties, schema.maxProperties, ' entries'),
  ];
}

/** defaultOf returns what a field is where it is left out; an object of defaults says so at its own fields. */
export function defaultOf({ default: value }: Schema): string {
  return value === undefined || typeof value === 'object'
    ? ''
    : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

/** cell makes a text fit for a cell of a table. */
export function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ');
}
