/** The writes of the ObjectStore port, each as a change of a draft. */
import { randomBytes, randomUUID } from 'node:crypto';
import { formatFieldPath } from '../api/field-path.ts';
import { keyOf, type KubernetesObject, type ResourceKind } from '../api/kubernetes.ts';
import { applyMergePatch, isSame } from '../api/merge-patch.ts';
import type { JsonPatchOperation, WriteOutcome } from '../api/object-store.ts';
import { SluiceError } from '../errors.ts';
import { finishDeletion, type DefinitionsById } from './apply-definitions.ts';
import type { ManifestSchema } from './manifest-schema.ts';
import {
  contentIn,
  contentOf,
  createdRecord,
  hasFinalizers,
  idOf,
  objectOf,
  recordId,
  withDeletion,
  withStatus,
  withWrite,
  type Content,
  type RecordId,
} from './object-record.ts';
import type { Draft, Row } from './object-table.ts';
import { patchObject } from './patch-object.ts';

/** The API server keeps events for an hour; here the newest are kept. */
const maxEvents = 1_000;

/** Checks are what a write has to know besides the draft. */
export interface Checks {
  readonly kind: ResourceKind;
  readonly validate: ManifestSchema;
  readonly definitions: () => DefinitionsById;
  readonly objectOf: (row: Row) => KubernetesObject;
}

type Write = (draft: Draft) => WriteOutcome<KubernetesObject>;

/** patchWith applies a JSON Patch; what is the status's or the server's it leaves alone. */
export function patchWith(checks: Checks, id: RecordId, operations: readonly JsonPatchOperation[]): Write {
  return (draft) => {
    const row = draft.get(id);
    if (row === undefined) return { kind: 'Missing' };
    const outcome = patchObject(checks.objectOf({ record: row.record }), operations);
    if ('conflict' in outcome) return { kind: 'Conflict', message: outcome.conflict };
    const content = validated(checks, row, outcome.patched);
    if (isSame(content, contentIn(row.record))) return written(checks, row);
    const next: Row = { ...row, record: withWrite(row.record, content, draft.stamp()) };
    if (row.record.deletedAt !== undefined && !hasFinalizers(next.record))
      finishDeletion(draft, next, checks.definitions());
    else draft.put(next);
    return written(checks, next);
  };
}

/** patchStatusOf merges a status into an object that still has the version of the change. */
export function patchStatusOf(
  checks: Checks,
  id: RecordId,
  change: { readonly resourceVersion: string; readonly status: object },
): Write {
  return (draft) => {
    const row = draft.get(id);
    if (row === undefined) return { kind: 'Missing' };
    const { record } = row;
    if (change.resourceVersion !== String(record.version)) {
      return {
        kind: 'Conflict',
        message: `${nameOf(contentIn(record))} has changed since version ${change.resourceVersion}.`,
      };
    }
    const status = applyMergePatch(record.status ?? {}, change.status);
    if (isSame(status, record.status)) return written(checks, row);
    const next: Row = { ...row, record: withStatus(record, status, draft.stamp()) };
    draft.put(next);
    return written(checks, next);
  };
}

/** createObject stores a new object; a name may be left to `metadata.generateName`. */
export function createObject(checks: Checks, object: KubernetesObject): Write {
  return (draft) => {
    const isTransient = checks.kind.kind === 'Event';
    const given = contentOf(named(withKind(object, checks.kind)));
    const content = isTransient ? given : contentOf(assertValid(checks, given));
    const id = recordId(content);
    if (draft.get(id) !== undefined) return { kind: 'Conflict', message: `${nameOf(content)} exists already.` };
    if (isTransient) dropOldest(draft);
    const record = createdRecord(content, randomUUID(), draft.stamp());
    const row: Row = isTransient ? { record, isTransient } : { record };
    draft.put(row);
    return written(checks, row);
  };
}

/** deleteObject removes an object; what a file defines is there again at once, as another object. */
export function deleteObject(checks: Checks, object: KubernetesObject): Write {
  return (draft) => {
    const row = draft.get(idOf(checks.kind, keyOf(object)));
    if (row === undefined) return { kind: 'Missing' };
    const { record } = row;
    if (record.uid !== object.metadata.uid) {
      return { kind: 'Conflict', message: `${nameOf(contentIn(record))} is another object by now.` };
    }
    if (!hasFinalizers(record)) finishDeletion(draft, row, checks.definitions());
    else if (record.deletedAt === undefined) draft.put({ ...row, record: withDeletion(record, draft.stamp()) });
    return { kind: 'Written', object };
  };
}

function written({ objectOf }: Checks, row: Row): WriteOutcome<KubernetesObject> {
  return { kind: 'Written', object: objectOf(row) };
}

function validated(checks: Checks, row: Row, patched: KubernetesObject): Content {
  const before = contentIn(row.record);
  const { apiVersion, kind, metadata } = (patched ?? {}) as Partial<KubernetesObject>;
  const isSameObject =
    apiVersion === before.apiVersion &&
    kind === before.kind &&
    metadata?.name === before.metadata.name &&
    metadata.namespace === before.metadata.namespace;
  if (!isSameObject) {
    throw new SluiceError('ApiInvalid', `${nameOf(before)} cannot be renamed, nor made another kind of object.`);
  }
  const content = contentOf(patched);
  return row.isTransient === true ? content : contentOf(assertValid(checks, content, objectOf(row.record)));
}

function assertValid({ validate }: Checks, content: KubernetesObject, stored?: KubernetesObject): KubernetesObject {
  const result = validate(content, stored);
  if (result.kind === 'Valid') return result.object as KubernetesObject;
  if (result.kind === 'Ignored') return content;
  const found = result.problems.map(({ path, message }) => `${formatFieldPath(path)}: ${message}`).join('; ');
  throw new SluiceError('ApiInvalid', `${nameOf(content)} would be invalid: ${found}`);
}

function withKind(object: KubernetesObject, { group, version, kind }: ResourceKind): KubernetesObject {
  return { apiVersion: group === '' ? version : `${group}/${version}`, kind, ...object };
}

function named(object: KubernetesObject): KubernetesObject {
  const { name = '', generateName } = object.metadata as Partial<KubernetesObject['metadata']> & {
    readonly generateName?: string;
  };
  if (name !== '' || generateName === undefined) return object;
  return { ...object, metadata: { ...object.metadata, name: `${generateName}${randomBytes(4).toString('hex')}` } };
}

function nameOf({ kind = '', metadata }: KubernetesObject): string {
  return `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
}

function dropOldest(draft: Draft): void {
  const events = [...draft.all()].filter(({ isTransient }) => isTransient === true);
  events.sort((a, b) => a.record.version - b.record.version);
  for (const row of events.slice(0, Math.max(0, events.length - maxEvents + 1))) draft.remove(row);
}
