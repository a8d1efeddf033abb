/**
 * One object of the folder store, as the state file keeps it: what its file says (`base`), what it is with Sluice's
 * writes over that (`content`), its status, and what an API server adds. Pure: each function returns a new record.
 */
import type { KubernetesObject, ManagedFieldsEntry, ResourceKind } from '../api/kubernetes.ts';
import { isSame } from '../api/merge-patch.ts';
import { mergeEdits } from './merge-edits.ts';
import { changedFields, fieldsOf, fileManager, managedFieldsEntry, ownManager, valueAt } from './written-fields.ts';

/** Content is an object without its status and without what a server adds. */
export type Content = KubernetesObject & { readonly metadata: { readonly namespace: string } };

/** RecordId is `group/kind namespace/name`. */
export type RecordId = `${string}/${string} ${string}/${string}`;

/** ObjectRecord; times are RFC 3339 texts in whole seconds, as in metav1.Time. */
export interface ObjectRecord {
  readonly id: RecordId;
  readonly uid: string;
  readonly version: number;
  readonly generation: number;
  readonly createdAt: string;
  /** deletedAt is set while finalizers keep an object whose definition is gone. */
  readonly deletedAt?: string;
  /** file is where the object is or was defined, base what it says there; neither where Sluice has created it. */
  readonly file?: string;
  readonly base?: Content;
  /** baseAt is when the file last changed a field. */
  readonly baseAt?: string;
  /** content is missing where it is the same as base. */
  readonly content?: Content;
  readonly status?: object;
  readonly statusAt?: string;
  /** writtenAt and written are when and what Sluice wrote last: pointers of fields. */
  readonly writtenAt?: string;
  readonly written?: readonly string[];
}

/** Stamp is what a change is made with: the next version, and the time. */
export interface Stamp {
  readonly version: number;
  readonly now: string;
}

/** recordId names an object within the store; its version of the API is none of its identity. */
export function recordId(object: KubernetesObject): RecordId {
  const { apiVersion = '', kind = '', metadata } = object;
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  return `${group}/${kind} ${metadata.namespace ?? 'default'}/${metadata.name}`;
}

/** idOf is the recordId of a kind and a key. */
export function idOf({ group, kind }: ResourceKind, key: string): RecordId {
  return `${group}/${kind} ${key as `${string}/${string}`}`;
}

/** contentOf leaves out what is not the writer's to say: the status, and what a server fills in. */
export function contentOf(object: KubernetesObject & { readonly status?: unknown }): Content {
  const { status: _, metadata, ...rest } = object;
  const { name, namespace = 'default', labels, annotations, finalizers, ownerReferences } = metadata;
  const optional = Object.entries({ labels, annotations, finalizers, ownerReferences }).filter(
    ([, value]) => value !== undefined && value !== null,
  );
  return { ...rest, metadata: { name, namespace, ...Object.fromEntries(optional) } };
}

/** contentIn returns what an object is now. */
export function contentIn({ content, base }: ObjectRecord): Content {
  const found = content ?? base;
  if (found === undefined) throw new TypeError('a record has content or base');
  return found;
}

const unowned = new Set(['/apiVersion', '/kind', '/metadata/name', '/metadata/namespace']);

/** createdRecord is the record of an object that Sluice creates. */
export function createdRecord(content: Content, uid: string, { version, now }: Stamp): ObjectRecord {
  const written = fieldsOf(content).filter((field) => !unowned.has(field));
  return { id: recordId(content), uid, version, generation: 1, createdAt: now, content, writtenAt: now, written };
}

/** definedRecord is the record of an object that a file defines and that was not known before. */
export function definedRecord(
  defined: { readonly file: string; readonly base: Content },
  uid: string,
  stamp: Stamp,
): ObjectRecord {
  const { version, now } = stamp;
  return { id: recordId(defined.base), uid, version, generation: 1, createdAt: now, baseAt: now, ...defined };
}

/** withWrite returns the record after a write of Sluice. */
export function withWrite(record: ObjectRecord, content: Content, { version, now }: Stamp): ObjectRecord {
  const changed = changedFields(contentIn(record), content);
  const { content: _, ...rest } = record;
  return {
    ...rest,
    ...(isSame(content, record.base) ? {} : { content }),
    version,
    generation: record.generation + (isSpecChange(changed) ? 1 : 0),
    writtenAt: now,
    written: [...new Set([...(record.written ?? []), ...changed])],
  };
}

/** withStatus returns the record with another status. */
export function withStatus(record: ObjectRecord, status: object, { version, now }: Stamp): ObjectRecord {
  return { ...record, version, status, statusAt: now };
}

/**
 * withBase returns the record after its file has said something else. A field is the file's from then on where it is as
 * the file has it; what still is as Sluice wrote it stays Sluice's, however much was edited around it.
 */
export function withBase(
  record: ObjectRecord,
  defined: { readonly file: string; readonly base: Content },
  { version, now }: Stamp,
): ObjectRecord {
  const { base } = defined;
  const before = contentIn(record);
  // A file that defines what Sluice has created says nothing of what it leaves out, as with kubectl apply.
  const merged = mergeEdits<Content | object>(record.base ?? {}, before, base) as Content;
  const changed = changedFields(before, merged);
  const { content: _, ...rest } = record;
  const defining = { ...rest, ...defined, ...(isSame(merged, base) ? {} : { content: merged }) };
  if (changed.length === 0) return defining;
  const taken = new Set(changed.filter((field) => isSame(valueAt(merged, field), valueAt(base, field))));
  return {
    ...defining,
    version,
    generation: record.generation + (isSpecChange(changed) ? 1 : 0),
    baseAt: now,
    ...(record.written === undefined ? {} : { written: record.written.filter((field) => !taken.has(field)) }),
  };
}

/** withDeletion marks the record as one that goes with its last finalizer. */
export function withDeletion(record: ObjectRecord, { version, now }: Stamp): ObjectRecord {
  return { ...record, version, deletedAt: now, generation: record.generation + 1 };
}

/** hasFinalizers tells whether somebody holds the object back. */
export function hasFinalizers(record: ObjectRecord): boolean {
  return (contentIn(record).metadata.finalizers ?? []).length > 0;
}

function isSpecChange(changed: readonly string[]): boolean {
  return changed.some((field) => !field.startsWith('/metadata/'));
}

/** objectOf returns the object as an API server would show it. */
export function objectOf(record: ObjectRecord): KubernetesObject {
  const { metadata, ...rest } = contentIn(record);
  return {
    ...rest,
    metadata: {
      ...metadata,
      uid: record.uid,
      resourceVersion: String(record.version),
      generation: record.generation,
      creationTimestamp: record.createdAt,
      ...(record.deletedAt === undefined ? {} : { deletionTimestamp: record.deletedAt }),
      managedFields: managersOf(record),
    },
    ...(record.status === undefined ? {} : { status: record.status }),
  };
}

function managersOf(record: ObjectRecord): readonly ManagedFieldsEntry[] {
  const content = contentIn(record);
  const written = new Set(record.written);
  const fields = fieldsOf(content).filter((field) => !unowned.has(field));
  const own = fields.filter((field) => written.has(field));
  const others = fields.filter((field) => !written.has(field));
  const entries = [
    managedFieldsEntry({ manager: fileManager, time: record.baseAt ?? record.createdAt }, others),
    managedFieldsEntry({ manager: ownManager, time: record.writtenAt ?? record.createdAt }, own),
    managedFieldsEntry(
      { manager: ownManager, time: record.statusAt ?? record.createdAt, subresource: 'status' },
      record.status === undefined ? [] : fieldsOf({ status: record.status }),
    ),
  ];
  return entries.filter((entry) => entry !== undefined);
}
