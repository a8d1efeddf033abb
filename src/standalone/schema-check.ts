/** Validation by a structural schema: ajv finds what is wrong, and the API server's words say it. */
import { Ajv, type ErrorObject } from 'ajv';
import { parseTime } from '../clock.ts';
import type { FieldPath, FieldProblem } from '../api/field-path.ts';
import type { StructuralSchema } from './structural-schema.ts';

/** SchemaProblem is a problem; while one is blocking the API server does not ask the CEL rules. */
export interface SchemaProblem extends FieldProblem {
  readonly isBlocking: boolean;
}

/** SchemaCheck returns all problems of a value. */
export type SchemaCheck = (value: unknown) => readonly SchemaProblem[];

/** compileSchema prepares a check; it throws where the schema is none. */
export function compileSchema(schema: StructuralSchema): SchemaCheck {
  const ajv = new Ajv({
    allErrors: true,
    verbose: true,
    ownProperties: true,
    strict: false,
    formats: { 'date-time': (text: string) => dateTime.test(text) && parseTime(text) !== undefined },
    validateSchema: false,
    meta: false,
    logger: false,
  });
  const validate = ajv.compile(jsonSchema(schema));
  return (value) => (validate(value) ? [] : tell(validate.errors ?? [], value));
}

/** RFC 3339, section 5.6; of the other formats none is obeyed. */
const dateTime = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** These keywords mean the same in a structural schema and in JSON Schema. */
const sameKeywords = [
  'required',
  'enum',
  'pattern',
  'minLength',
  'maxLength',
  'multipleOf',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
] as const;

function jsonSchema(schema: StructuralSchema): object {
  const { properties, additionalProperties, items, not, anyOf, oneOf, allOf } = schema;
  const isIntOrString = schema['x-kubernetes-int-or-string'] === true;
  const parts: readonly (readonly [string, unknown])[] = [
    ...sameKeywords.map((keyword) => [keyword, schema[keyword]] as const),
    ...limits(schema),
    ['type', typesOf(schema)],
    ['format', schema.format === 'date-time' ? schema.format : undefined],
    ['properties', properties && mapValues(properties)],
    ['additionalProperties', typeof additionalProperties === 'object' ? jsonSchema(additionalProperties) : undefined],
    ['items', items && jsonSchema(items)],
    ['not', not && jsonSchema(not)],
    ['anyOf', isIntOrString ? undefined : anyOf?.map(jsonSchema)],
    ['oneOf', oneOf?.map(jsonSchema)],
    ['allOf', isIntOrString ? undefined : allOf?.map(jsonSchema)],
  ];
  return Object.fromEntries(parts.filter(([, value]) => value !== undefined));
}

function mapValues(properties: Readonly<Record<string, StructuralSchema>>): object {
  return Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, jsonSchema(inner)]));
}

function limits({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: StructuralSchema) {
  return [
    [exclusiveMinimum === true ? 'exclusiveMinimum' : 'minimum', minimum],
    [exclusiveMaximum === true ? 'exclusiveMaximum' : 'maximum', maximum],
  ] as const;
}

function typesOf(schema: StructuralSchema): readonly string[] | undefined {
  const types = schema['x-kubernetes-int-or-string'] === true ? ['integer', 'string'] : [schema.type ?? ''];
  if (types[0] === '') return undefined;
  return schema.nullable === true ? [...types, 'null'] : types;
}

/** An alternative that does not fit is no problem of its own; the API server looks no further at a text than its first one. */
function tell(errors: readonly ErrorObject[], root: unknown): readonly SchemaProblem[] {
  const textKeywords = ['maxLength', 'minLength', 'pattern'];
  const rank = ({ keyword }: ErrorObject): number => textKeywords.indexOf(keyword);
  return errors
    .filter(({ schemaPath }) => !/\/(?:anyOf|oneOf|not)\//.test(schemaPath))
    .filter((error) => {
      const isAbove = (other: ErrorObject): boolean =>
        other.instancePath === error.instancePath && rank(other) >= 0 && rank(other) < rank(error);
      return !errors.some(isAbove);
    })
    .map((error) => describe(error, readPointer(error.instancePath, root)));
}

/** readPointer tells the indexes of lists from the names of fields, which a JSON pointer does not. */
function readPointer(pointer: string, root: unknown): FieldPath {
  const names = pointer.split('/').slice(1);
  const path: (string | number)[] = [];
  let value = root;
  for (const name of names.map((text) => text.replaceAll('~1', '/').replaceAll('~0', '~'))) {
    path.push(Array.isArray(value) ? Number(name) : name);
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return path;
}

function describe(error: ErrorObject, path: FieldPath): SchemaProblem {
  const { keyword, params } = error;
  if (keyword === 'required') {
    const { missingProperty } = params as { readonly missingProperty: string };
    return { path: [...path, missingProperty], message: 'Required value', isBlocking: true };
  }
  const { message, isBlocking = false } = wordings[keyword]?.(error) ?? { message: `Invalid value: ${error.message}` };
  return { path, message, isBlocking };
}

interface Wording {
  readonly message: string;
  readonly isBlocking?: boolean;
}

const wordings: Readonly<Record<string, ((error: ErrorObject) => Wording) | undefined>> = {
  type: ({ data, schema }) => {
    const expected = [schema as string | readonly string[]].flat().filter((type) => type !== 'null');
    const found = `"${typeName(data)}"`;
    return { message: `Invalid value: ${found}: must be of type ${expected.join(',')}: ${found}`, isBlocking: true };
  },
  enum: ({ data, schema }) => {
    const supported = (schema as readonly unknown[]).map((value) =>
      JSON.stringify(typeof value === 'string' ? value : JSON.stringify(value)),
    );
    const message = `Unsupported value: ${JSON.stringify(data)}: supported values: ${supported.join(', ')}`;
    return { message, isBlocking: true };
  },
  maxLength: ({ schema }) => ({
    message: `Too long: may not be more than ${String(schema)} ${schema === 1 ? 'byte' : 'bytes'}`,
    isBlocking: true,
  }),
  maxItems: ({ data, schema }) => tooMany((data as readonly unknown[]).length, schema as number),
  maxProperties: ({ data, schema }) => tooMany(Object.keys(data as object).length, schema as number),
  minItems: ({ data, schema }) => ({
    message: `Invalid value: ${(data as readonly unknown[]).length}: should have at least ${String(schema)} items`,
  }),
  minProperties: ({ data, schema }) => ({
    message: `Invalid value: ${Object.keys(data as object).length}: should have at least ${String(schema)} properties`,
  }),
  minLength: ({ data, schema }) => invalid(data, `should be at least ${String(schema)} chars long`),
  format: ({ data, schema }) => ({
    ...invalid(data, `must be of type ${String(schema)}: ${JSON.stringify(data)}`),
    isBlocking: true,
  }),
  pattern: ({ data, schema }) => invalid(data, `should match '${String(schema)}'`),
  minimum: ({ data, schema }) => invalid(data, `should be greater than or equal to ${String(schema)}`),
  maximum: ({ data, schema }) => invalid(data, `should be less than or equal to ${String(schema)}`),
  exclusiveMinimum: ({ data, schema }) => invalid(data, `should be greater than ${String(schema)}`),
  exclusiveMaximum: ({ data, schema }) => invalid(data, `should be less than ${String(schema)}`),
  multipleOf: ({ data, schema }) => invalid(data, `should be a multiple of ${String(schema)}`),
  uniqueItems: () => ({ message: `Invalid value: "": shouldn't contain duplicates` }),
  anyOf: () => ({ message: 'Invalid value: must validate at least one schema (anyOf)' }),
  oneOf: () => ({ message: 'Invalid value: must validate one and only one schema (oneOf)' }),
  not: () => ({ message: 'Invalid value: must not validate the schema (not)' }),
};

function invalid(data: unknown, detail: string): Wording {
  return { message: `Invalid value: ${JSON.stringify(data)}: ${detail}` };
}

function tooMany(found: number, most: number): Wording {
  const noun = most === 1 ? 'item' : 'items';
  return { message: `Too many: ${found}: must have at most ${most} ${noun}`, isBlocking: true };
}

/** typeName names the type as the API server names what it found. */
export function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}
