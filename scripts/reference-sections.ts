/** The schema of a Rollout as a reader meets it: a section for each object, with its fields. */
import type { Schema } from './crd-schema.ts';

/** Field is one field of an object; `path` counts from spec or status, as in `steps[].pause`. */
export interface Field {
  readonly name: string;
  readonly path: string;
  readonly schema: Schema;
  readonly isRequired: boolean;
}

/** Section is one object, or a field at the top that is none; its `fields` are empty then. */
export interface Section {
  readonly path: string;
  /** schemas are what is said of it: by the list that holds it, and by itself. */
  readonly schemas: readonly Schema[];
  readonly isRequired: boolean;
  readonly fields: readonly Field[];
}

/** sectionsOf returns the section of a field, and those of the objects inside, in the order of the schema. */
export function sectionsOf({ path, schema, isRequired }: Omit<Field, 'name'>): readonly Section[] {
  const fields = fieldsOf(schema, path);
  const inside = fields.filter((field) => objectIn(field) !== undefined).flatMap((field) => insideOf(field));
  return [{ path, schemas: [schema], isRequired, fields }, ...inside];
}

/** topSections returns the sections of a field of spec or status itself. */
export function topSections(field: Field): readonly Section[] {
  return objectIn(field) === undefined ? sectionsOf(field) : insideOf(field);
}

function insideOf(field: Field): readonly Section[] {
  const found = objectIn(field);
  if (found === undefined) return [];
  const [section, ...inside] = sectionsOf({ ...field, ...found });
  if (section === undefined || found.schema === field.schema) return section === undefined ? [] : [section, ...inside];
  return [{ ...section, schemas: [field.schema, found.schema] }, ...inside];
}

/** fieldsOf returns the fields of an object; `path` is empty for spec and status themselves. */
export function fieldsOf(schema: Schema, path: string): readonly Field[] {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).map(([name, property]) => ({
    name,
    path: path === '' ? name : `${path}.${name}`,
    schema: property,
    isRequired: required.has(name),
  }));
}

/** objectIn returns the object with fields of its own that a field is, or holds: in a list, or by name. */
export function objectIn({ path, schema }: Pick<Field, 'path' | 'schema'>): Pick<Field, 'path' | 'schema'> | undefined {
  if (schema.properties !== undefined) return { path, schema };
  if (schema.items !== undefined) return objectIn({ path: `${path}[]`, schema: schema.items });
  if (schema.additionalProperties !== undefined)
    return objectIn({ path: `${path}.<name>`, schema: schema.additionalProperties });
  return undefined;
}
