/** The records in memory: what is durable and visible, and a draft of what comes next. */
import { resources, type EndpointSlice, type KubernetesObject } from '../api/kubernetes.ts';
import { isSame } from '../api/merge-patch.ts';
import { selector, type LoggedChange } from './change-log.ts';
import { objectOf, type ObjectRecord, type RecordId, type Stamp } from './object-record.ts';
import { presentUnprobed } from './slice-plan.ts';
import type { State } from './state-file.ts';

/** PresentedEndpoints are shown instead of those of a slice's file. */
export type PresentedEndpoints = Pick<EndpointSlice, 'endpoints'> & { readonly addressType?: string };

/** Row is a record, and what of the object is never stored. */
export interface Row {
  readonly record: ObjectRecord;
  readonly presented?: PresentedEndpoints;
  /** isTransient: the object lives in memory only. */
  readonly isTransient?: boolean;
}

/** After a restart versions go on above all that were given out, also to changes that were not stored. */
const reservedVersions = 100_000;

/** Version 1 is before anything that can be known. */
const firstVersion = 1_000;

/** ObjectTable has one draft at a time; nobody sees it before it is published. */
export class ObjectTable {
  /** isProbed: a slice of which nothing was presented yet is shown as if none of its probes had succeeded. */
  isProbed = false;
  readonly #rows: Map<RecordId, Row>;
  readonly #objects = new WeakMap<Row, KubernetesObject>();
  readonly #texts = new WeakMap<ObjectRecord, string>();
  #version: number;
  /** The version that the state file reserves: it must be stored anew before a greater one is seen. */
  #reserved: number;

  constructor(state: State | undefined) {
    this.#version = state?.version ?? firstVersion;
    this.#reserved = this.#version;
    this.#rows = new Map((state?.records ?? []).map((record) => [record.id, { record }]));
  }

  /** version is the last one that was given to a change. */
  get version(): number {
    return this.#version;
  }

  /** get returns what is visible. */
  get(id: RecordId): Row | undefined {
    return this.#rows.get(id);
  }

  /** rows iterates over all that is visible. */
  rows(): IterableIterator<Row> {
    return this.#rows.values();
  }

  /** object returns what a row is as an object; the same one each time. */
  object(row: Row): KubernetesObject {
    const known = this.#objects.get(row);
    if (known !== undefined) return known;
    const object = { ...objectOf(row.record), ...row.presented };
    this.#objects.set(row, object);
    return object;
  }

  /** draft begins the next change; `now` is its time. */
  draft(now: string): Draft {
    return new Draft(this.#rows, { version: this.#version, now, isProbed: this.isProbed });
  }

  /** mustStore tells whether a draft has to be on disk before it may be seen. */
  mustStore(draft: Draft): boolean {
    return draft.isDurable || draft.version > this.#reserved;
  }

  /** encoded returns the version to store, and the records of a draft as JSON. */
  encoded(draft: Draft): { readonly version: number; readonly records: readonly string[] } {
    const rows = [...draft.all()].filter(({ isTransient }) => isTransient !== true);
    return { version: draft.version + reservedVersions, records: rows.map(({ record }) => this.#text(record)) };
  }

  /** publish makes a draft visible and returns its changes. */
  publish(draft: Draft, storedVersion: number | undefined): readonly LoggedChange[] {
    const changes = draft.changes.map(({ version, type, row }) => ({ version, type, object: this.object(row) }));
    for (const [id, row] of draft.touched) {
      if (row === undefined) this.#rows.delete(id);
      else this.#rows.set(id, row);
    }
    this.#version = draft.version;
    this.#reserved = storedVersion ?? this.#reserved;
    return changes;
  }

  #text(record: ObjectRecord): string {
    const known = this.#texts.get(record) ?? JSON.stringify(record);
    this.#texts.set(record, known);
    return known;
  }
}

/** Draft collects changes, each with a version of its own. */
export class Draft {
  readonly touched = new Map<RecordId, Row | undefined>();
  readonly changes: { readonly version: number; readonly type: LoggedChange['type']; readonly row: Row }[] = [];
  readonly #rows: ReadonlyMap<RecordId, Row>;
  readonly #now: string;
  readonly #isProbed: boolean;
  #version: number;
  #isDurable = false;

  constructor(rows: ReadonlyMap<RecordId, Row>, { version, now, isProbed }: Stamp & { readonly isProbed: boolean }) {
    this.#rows = rows;
    this.#version = version;
    this.#now = now;
    this.#isProbed = isProbed;
  }

  /** version is that of the last change. */
  get version(): number {
    return this.#version;
  }

  /** isDurable tells whether anything has changed that is stored. */
  get isDurable(): boolean {
    return this.#isDurable;
  }

  get(id: RecordId): Row | undefined {
    return this.touched.has(id) ? this.touched.get(id) : this.#rows.get(id);
  }

  *all(): IterableIterator<Row> {
    for (const [id, row] of this.#rows) if (!this.touched.has(id)) yield row;
    for (const row of this.touched.values()) if (row !== undefined) yield row;
  }

  /** stamp is what the next change is made with. */
  stamp(): Stamp {
    return { version: this.#version + 1, now: this.#now };
  }

  /** put stores a row; nobody is told where its version is not a new one. */
  put(given: Row, { isStored = true }: { readonly isStored?: boolean } = {}): void {
    const row = this.#isProbed ? withPresented(given) : given;
    const { id, version } = row.record;
    const before = this.get(id);
    if (version > this.#version) {
      this.#version = version;
      this.changes.push({ version, type: before === undefined ? 'Added' : 'Modified', row });
    }
    this.touched.set(id, row);
    if (isStored && row.isTransient !== true) this.#isDurable = true;
  }

  /** present shows other endpoints of a slice; nothing happens where it has them, or is gone. */
  present(id: RecordId, presented: PresentedEndpoints): void {
    const row = this.get(id);
    if (row === undefined || isSame(row.presented, presented)) return;
    this.put({ ...row, presented, record: { ...row.record, version: this.#version + 1 } }, { isStored: false });
  }

  /** remove takes an object away, with a version for its end. */
  remove(row: Row): void {
    const { version } = this.stamp();
    this.#version = version;
    this.changes.push({ version, type: 'Deleted', row: { ...row, record: { ...row.record, version } } });
    this.touched.set(row.record.id, undefined);
    if (row.isTransient !== true) this.#isDurable = true;
  }
}

/** isSlice tells the ids of EndpointSlices. */
export const isSlice = selector(resources.endpointSlices, {});

/** A file may say that its servers are ready; nobody is to send them requests before they were asked. */
function withPresented(row: Row): Row {
  if (row.presented !== undefined || !isSlice(row.record.id)) return row;
  return { ...row, presented: presentUnprobed(objectOf(row.record)) };
}
