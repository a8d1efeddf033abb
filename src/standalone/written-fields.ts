/** Who wrote which fields, as metadata.managedFields says it. */
import type { ManagedFieldsEntry } from '../api/kubernetes.ts';
import { isSame } from '../api/merge-patch.ts';

/** ownManager is the manager of Sluice's own writes, fileManager of what the files say. */
export const ownManager = 'sluice';
export const fileManager = 'file';

type Json = Readonly<Record<string, unknown>>;

/** fieldsOf returns the JSON pointers of the fields of `object`; a list is one field, as is an empty object. */
export function fieldsOf(object: object): readonly string[] {
  return Object.entries(object).flatMap(([field, value]) => nested(`/${escape(field)}`, value));
}

function nested(path: string, value: unknown): readonly string[] {
  if (value === undefined) return [];
  if (!isObject(value) || Object.keys(value).length === 0) return [path];
  return fieldsOf(value).map((rest) => path + rest);
}

/** changedFields returns the fields that differ, those included that only one of the two has. */
export function changedFields(before: object, after: object): readonly string[] {
  const fields = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...fields].flatMap((field) => {
    const path = `/${escape(field)}`;
    const [old, now] = [ownField(before, field), ownField(after, field)];
    if (isSame(old, now)) return [];
    if (isObject(old) && isObject(now)) return changedFields(old, now).map((rest) => path + rest);
    return [...new Set([...nested(path, old), ...nested(path, now)])];
  });
}

/** valueAt returns what a pointer of fieldsOf leads to. */
export function valueAt(object: object, pointer: string): unknown {
  return stepsOf(pointer).reduce<unknown>(
    (value, step) => (isObject(value) ? ownField(value, step) : undefined),
    object,
  );
}

/** managedFieldsEntry returns an entry of metadata.managedFields, undefined where the manager has no field. */
export function managedFieldsEntry(
  by: { readonly manager: string; readonly time: string; readonly subresource?: 'status' },
  pointers: readonly string[],
): ManagedFieldsEntry | undefined {
  if (pointers.length === 0) return undefined;
  const fieldsV1: Tree = {};
  for (const pointer of pointers) {
    let tree = fieldsV1;
    for (const step of stepsOf(pointer)) tree = tree[`f:${step}`] ??= {};
  }
  return { ...by, operation: 'Update', fieldsV1 };
}

interface Tree {
  [field: string]: Tree;
}

function stepsOf(pointer: string): readonly string[] {
  return pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function escape(field: string): string {
  return field.replaceAll('~', '~0').replaceAll('/', '~1');
}

function ownField(object: object, field: string): unknown {
  return Object.hasOwn(object, field) ? (object as Json)[field] : undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
