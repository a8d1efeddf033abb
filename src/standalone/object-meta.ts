/** What the API server asks of the metadata of an object (k8s.io/apimachinery, pkg/api/validation/objectmeta.go). */
import type { FieldProblem } from '../api/field-path.ts';
import { compileSchema } from './schema-check.ts';
import { findUnknownFields, isFields, placed, type StructuralSchema, withoutNulls } from './structural-schema.ts';

const texts: StructuralSchema = { type: 'object', additionalProperties: { type: 'string' } };
const kept: StructuralSchema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const text: StructuralSchema = { type: 'string' };

const schema: StructuralSchema = {
  type: 'object',
  properties: {
    name: text,
    generateName: text,
    namespace: text,
    selfLink: text,
    uid: text,
    resourceVersion: text,
    generation: { type: 'integer' },
    creationTimestamp: text,
    deletionTimestamp: text,
    deletionGracePeriodSeconds: { type: 'integer' },
    labels: texts,
    annotations: texts,
    ownerReferences: { type: 'array', items: kept },
    finalizers: { type: 'array', items: text },
    managedFields: { type: 'array', items: kept },
  },
};

const check = compileSchema(schema);

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const qualifiedName = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

/** isSubdomain: an RFC 1123 subdomain of at most 253 characters, which is what most objects are named by. */
export function isSubdomain(name: string): boolean {
  return name.length <= 253 && subdomain.test(name);
}

/** isLabel: an RFC 1123 label of at most 63 characters, which is what namespaces, Services and ports are named by. */
export function isLabel(name: string): boolean {
  return name.length <= 63 && label.test(name);
}

/** NameForm is what the name of an object has to be. */
export type NameForm = 'Subdomain' | 'Label';

/** storedMetadata leaves out what is null. */
export function storedMetadata(metadata: unknown): unknown {
  return withoutNulls(schema, metadata ?? {});
}

/** checkMetadata returns what is wrong with `metadata`; paths begin with that field. */
export function checkMetadata(metadata: unknown, form: NameForm): readonly FieldProblem[] {
  const given = storedMetadata(metadata);
  const unknown = findUnknownFields(schema, given).map((path): FieldProblem => ({ path, message: 'unknown field' }));
  const wrong = check(given).map(({ path, message }): FieldProblem => ({ path, message }));
  const rules = wrong.length === 0 && isFields(given) ? rulesOf(given, form) : [];
  return placed('metadata', [...unknown, ...wrong, ...rules]);
}

interface Metadata {
  readonly name?: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

const forms: Readonly<Record<NameForm, { readonly isValid: (name: string) => boolean; readonly words: string }>> = {
  Subdomain: {
    isValid: isSubdomain,
    words: "write lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit, at most 253",
  },
  Label: {
    isValid: isLabel,
    words: "write lower-case letters, digits and '-', beginning and ending with a letter or digit, at most 63",
  },
};

function rulesOf({ name, namespace, labels, annotations }: Metadata, form: NameForm): readonly FieldProblem[] {
  return [
    ...(name === undefined || name === ''
      ? [{ path: ['name'], message: 'Required value' }]
      : nameProblems('name', name, form)),
    ...(namespace === undefined ? [] : nameProblems('namespace', namespace, 'Label')),
    ...Object.entries(labels ?? {}).flatMap(([key, value]) => labelProblems(key, value)),
    ...Object.keys(annotations ?? {}).flatMap((key) => keyProblems('annotations', key)),
  ];
}

function nameProblems(field: string, name: string, form: NameForm): readonly FieldProblem[] {
  const { isValid, words } = forms[form];
  return isValid(name) ? [] : [{ path: [field], message: `Invalid value: ${JSON.stringify(name)}: ${words}` }];
}

function labelProblems(key: string, value: string): readonly FieldProblem[] {
  const isValid = value === '' || (value.length <= 63 && qualifiedName.test(value));
  const words = "write letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, at most 63";
  const message = `Invalid value: ${JSON.stringify(value)}: ${words}`;
  return [...keyProblems('labels', key), ...(isValid ? [] : [{ path: ['labels', key], message }])];
}

function keyProblems(field: string, key: string): readonly FieldProblem[] {
  const slash = key.indexOf('/');
  const name = key.slice(slash + 1);
  const isValid = name.length <= 63 && qualifiedName.test(name) && (slash < 0 || isSubdomain(key.slice(0, slash)));
  const words = "write a name like app or example.com/app: letters, digits, '-', '_' and '.'";
  return isValid ? [] : [{ path: [field], message: `Invalid value: ${JSON.stringify(key)}: ${words}` }];
}
