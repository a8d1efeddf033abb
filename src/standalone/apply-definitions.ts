/** What a change of the folder does to the objects: new ones, edited ones, and those that are gone. */
import { randomUUID } from 'node:crypto';
import { isSame } from '../api/merge-patch.ts';
import type { Definition } from './definitions.ts';
import { contentIn, definedRecord, hasFinalizers, withBase, withDeletion, type RecordId } from './object-record.ts';
import type { Draft, Row } from './object-table.ts';

/** Definitions by the id of their object. */
export type DefinitionsById = ReadonlyMap<RecordId, Definition>;

/** applyDefinitions makes the objects of the draft those of the folder; what is as before costs no version. */
export function applyDefinitions(draft: Draft, byId: DefinitionsById): void {
  for (const [id, definition] of byId) define(draft, id, definition);
  const gone = [...draft.all()].filter(({ record }) => record.base !== undefined && !byId.has(record.id));
  for (const row of gone) if (row.record.deletedAt === undefined) deleteRow(draft, row);
  if (gone.length > 0) collectOrphans(draft);
}

/** finishDeletion lets an object go whose last finalizer was removed; if it is defined again, it is another one from now on. */
export function finishDeletion(draft: Draft, row: Row, byId: DefinitionsById): void {
  draft.remove(row);
  const definition = byId.get(row.record.id);
  if (definition !== undefined) define(draft, row.record.id, definition);
  collectOrphans(draft);
}

function define(draft: Draft, id: RecordId, { file, base }: Definition): void {
  const row = draft.get(id);
  if (row === undefined) {
    draft.put({ record: definedRecord({ file, base }, randomUUID(), draft.stamp()) });
    return;
  }
  const { record } = row;
  // What is going has to go first: its finalizers are about the old one.
  if (record.deletedAt !== undefined || (record.file === file && isSame(record.base, base))) return;
  draft.put({ ...row, record: withBase(record, { file, base }, draft.stamp()) });
}

function deleteRow(draft: Draft, row: Row): void {
  if (hasFinalizers(row.record)) draft.put({ ...row, record: withDeletion(row.record, draft.stamp()) });
  else draft.remove(row);
}

/** What Sluice created for owners of which none is left goes with them, as by the garbage collector of a cluster. */
function collectOrphans(draft: Draft): void {
  for (let orphans = findOrphans(draft); orphans.length > 0; orphans = findOrphans(draft)) {
    for (const row of orphans) deleteRow(draft, row);
  }
}

function findOrphans(draft: Draft): readonly Row[] {
  const all = [...draft.all()];
  const uids = new Set(all.map(({ record }) => record.uid));
  return all.filter(({ record }) => {
    const owners = contentIn(record).metadata.ownerReferences ?? [];
    const isCreated = record.base === undefined && record.deletedAt === undefined;
    return isCreated && owners.length > 0 && owners.every(({ uid }) => !uids.has(uid));
  });
}
