/**
 * What the API server does with a structural schema before it validates: unknown fields, nulls and defaults, and the
 * keys of lists after it. The rules are those of k8s.io/apiextensions-apiserver, pkg/apiserver/schema.
 */
import { isDeepStrictEqual } from 'node:util';
import type { FieldPath, FieldProblem } from '../api/field-path.ts';

/** StructuralSchema is the part of apiextensions.k8s.io/v1 JSONSchemaProps that is obeyed; formats but `date-time`, and CEL, are not. */
export interface StructuralSchema {
  readonly type?: string;
  readonly nullable?: boolean;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly additionalProperties?: StructuralSchema | boolean;
  readonly items?: StructuralSchema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly multipleOf?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly anyOf?: readonly StructuralSchema[];
  readonly oneOf?: readonly StructuralSchema[];
  readonly allOf?: readonly StructuralSchema[];
  readonly not?: StructuralSchema;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;

/** isFields: a mapping, neither null nor a list. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** schemaOf returns the schema of a field; `constructor` and the like are fields as all others. */
function schemaOf(schema: StructuralSchema | undefined, name: string): StructuralSchema | undefined {
  if (schema?.properties !== undefined && Object.hasOwn(schema.properties, name)) return schema.properties[name];
  const others = schema?.additionalProperties;
  return typeof others === 'object' ? others : undefined;
}

/**
 * findUnknownFields returns the paths of all fields that the schema does not have, as strict field validation does. What
 * no schema describes has no fields.
 */
export function findUnknownFields(schema: StructuralSchema | undefined, value: unknown): readonly FieldPath[] {
  if (schema?.['x-kubernetes-preserve-unknown-fields'] === true) return findBelowKept(schema, value);
  if (Array.isArray(value)) return fieldsOfItems(value, (item) => findUnknownFields(schema?.items, item));
  if (!isFields(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    knows(schema, name) ? below(name, findUnknownFields(schemaOf(schema, name), inner)) : [[name]],
  );
}

/** Where unknown fields are kept, the known ones may still say that they keep none. */
function findBelowKept(schema: StructuralSchema | undefined, value: unknown): readonly FieldPath[] {
  if (schema === undefined) return [];
  if (Array.isArray(value)) return fieldsOfItems(value, (item) => findBelowKept(schema.items, item));
  if (!isFields(value)) return [];
  return Object.entries(value)
    .filter(([name]) => knows(schema, name))
    .flatMap(([name, inner]) => below(name, findUnknownFields(schemaOf(schema, name), inner)));
}

function knows(schema: StructuralSchema | undefined, name: string): boolean {
  if (schema?.properties !== undefined && Object.hasOwn(schema.properties, name)) return true;
  return Boolean(schema?.additionalProperties ?? false);
}

function fieldsOfItems(items: readonly unknown[], find: (item: unknown) => readonly FieldPath[]): readonly FieldPath[] {
  return items.flatMap((item, index) => below(index, find(item)));
}

function below(part: string | number, paths: readonly FieldPath[]): readonly FieldPath[] {
  return paths.map((path) => [part, ...path]);
}

/** withoutNulls leaves out fields that are null where the schema knows neither null nor a default. */
export function withoutNulls(schema: StructuralSchema | undefined, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutNulls(schema?.items, item));
  if (!isFields(value)) return value;
  const kept = Object.entries(value).filter(([name, inner]) => {
    const known = inner === null ? schemaOf(schema, name) : undefined;
    return known === undefined || known.nullable === true || known.default !== undefined;
  });
  return Object.fromEntries(kept.map(([name, inner]) => [name, withoutNulls(schemaOf(schema, name), inner)]));
}

/** withDefaults fills in the defaults, from the outside in: a default may bring fields that have defaults themselves. */
export function withDefaults(schema: StructuralSchema | undefined, value: unknown): unknown {
  if (schema === undefined) return value;
  if (Array.isArray(value)) return value.map((item) => withDefaults(schema.items, orDefault(schema.items, item)));
  if (!isFields(value)) return value;
  const missing = Object.entries(schema.properties ?? {}).filter(([name, inner]) => {
    return inner.default !== undefined && !Object.hasOwn(value, name);
  });
  const entries = [...Object.entries(value), ...missing.map(([name]) => [name, null] as const)];
  return Object.fromEntries(
    entries.map(([name, inner]) => {
      const known = schemaOf(schema, name);
      return [name, withDefaults(known, orDefault(known, inner))];
    }),
  );
}

function orDefault(schema: StructuralSchema | undefined, value: unknown): unknown {
  if (value !== null || schema === undefined || schema.nullable === true) return value;
  const given = schema.default ?? null;
  return typeof given === 'object' ? structuredClone(given) : given;
}

/** findDuplicates returns the items of sets, and of lists with keys, that are there already. */
export function findDuplicates(schema: StructuralSchema | undefined, value: unknown): readonly FieldProblem[] {
  if (schema === undefined) return [];
  if (Array.isArray(value)) {
    const inner = value.flatMap((item, index) => placed(index, findDuplicates(schema.items, item)));
    return [...repeated(schema, value), ...inner];
  }
  if (!isFields(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) => placed(name, findDuplicates(schemaOf(schema, name), inner)));
}

/** Only the second of several equal items is named. */
function repeated(schema: StructuralSchema, items: readonly unknown[]): readonly FieldProblem[] {
  const type = schema['x-kubernetes-list-type'];
  if (type !== 'map' && type !== 'set') return [];
  if (type === 'map' && items.some((item) => item !== null && !isFields(item))) return [];
  const keys = items.map((item) => (type === 'set' ? item : keyOf(schema, item)));
  return keys.flatMap((key, index): FieldProblem[] => {
    const earlier = keys.slice(0, index).filter((other) => isDeepStrictEqual(other, key)).length;
    return earlier === 1 ? [{ path: [index], message: `Duplicate value: ${JSON.stringify(key)}` }] : [];
  });
}

function keyOf(schema: StructuralSchema, item: unknown): Fields {
  const names = schema['x-kubernetes-list-map-keys'] ?? [];
  const fields = isFields(item) ? item : {};
  return Object.fromEntries(names.filter((name) => Object.hasOwn(fields, name)).map((name) => [name, fields[name]]));
}

/** placed puts problems below a field. */
export function placed(part: string | number, problems: readonly FieldProblem[]): readonly FieldProblem[] {
  return problems.map(({ path, message }) => ({ path: [part, ...path], message }));
}
