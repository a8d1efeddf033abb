/**
 * The ObjectStore on a folder of manifests, which is never written to.
 *
 * An object is what its file says, with Sluice's own writes over it. These, the statuses, the objects that Sluice created
 * and what an API server would add (uid, resourceVersion, generation, times) are an overlay in the state directory. When a
 * file changes, its objects are merged (merge-edits.ts): what Sluice wrote stays where the file says nothing new; where it
 * does the file wins, as after `kubectl apply`, with the manager `file` in managedFields, and the controller judges it as
 * a write of somebody else. Editing the annotations of a route in the middle of a rollout does not touch its weights,
 * editing the weights takes them over. At rest, when Sluice has put back what it found, there is no overlay left.
 *
 * What may not change while a rollout runs is refused as by an API server; the file counts again when the rollout rests.
 *
 * An object that vanishes from the folder is deleted: at once, or while it has finalizers with a deletionTimestamp, and
 * then when the last one is removed. What it owns alone and Sluice has created goes with it. Defined again later it is
 * another object, with another uid; defined in another file it is the same.
 *
 * A write is answered when it is on disk, and not seen by anybody before that. Events live in memory.
 */
import { realpath, stat } from 'node:fs/promises';
import {
  resources,
  type EndpointSlice,
  type KubernetesObject,
  type ObjectKey,
  type ResourceKind,
} from '../api/kubernetes.ts';
import type {
  CallOptions,
  JsonPatchOperation,
  ListOptions,
  ObjectList,
  ObjectStore,
  WatchEvent,
  WriteOutcome,
} from '../api/object-store.ts';
import type { Clock } from '../clock.ts';
import { isSluiceError, SluiceError } from '../errors.ts';
import { ChangeLog, selector } from './change-log.ts';
import { CommitQueue } from './commit-queue.ts';
import { FolderDefinitions, type Apply } from './folder-definitions.ts';
import type { FolderProblem } from './folder-problem.ts';
export type { FolderProblem } from './folder-problem.ts';
import { FolderReader } from './folder-reader.ts';
import type { ManifestSchema } from './manifest-schema.ts';
import { contentIn, idOf, objectOf, type Content } from './object-record.ts';
import { isSlice, ObjectTable, type PresentedEndpoints } from './object-table.ts';
import { fileDisk, prepareDirectory, readState, type StateDisk } from './state-file.ts';
import { lockState } from './state-lock.ts';
import { createObject, deleteObject, patchStatusOf, patchWith, type Checks } from './write-object.ts';

/** FolderStoreOptions: `stateDirectory` may lie in `directory`; it is no part of it then. */
export interface FolderStoreOptions {
  readonly directory: string;
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly validate: ManifestSchema;
  /** onProblems is told all problems there are whenever they change; it must not throw. */
  readonly onProblems: (problems: readonly FolderProblem[]) => void;
  /** onError is told of a state directory that cannot be written; what came from the folder is tried again. */
  readonly onError?: ((error: SluiceError) => void) | undefined;
  /** disk wraps the disk of the state. */
  readonly disk?: ((disk: StateDisk) => StateDisk) | undefined;
}

/** FolderStore is the ObjectStore, and what only a folder has. */
export interface FolderStore extends ObjectStore {
  /** problems returns what of the folder cannot be used now; the last good state of those files is served. */
  problems(): readonly FolderProblem[];
  /** onSlices calls the listener with all EndpointSlices as the files have them, now and after each change, until the returned function is called. */
  onSlices(listener: (slices: readonly EndpointSlice[]) => void): () => void;
  /** presentEndpoints shows these endpoints of a slice instead of those of its file, until the next call; nothing is stored. */
  presentEndpoints(key: ObjectKey, presented: PresentedEndpoints): void;
  /** settled resolves when all that was presented until now is shown, which may have to wait for the disk. */
  settled(): Promise<void>;
  /** close ends all watches, settles what was written, and releases the state directory. */
  close(): Promise<void>;
}

/**
 * openFolderStore reads the folder and the state, and follows the folder until it is closed. It throws ConfigInvalid with
 * one sentence where the folder cannot be read, the state cannot be used, or another process uses it.
 */
export async function openFolderStore(options: FolderStoreOptions): Promise<FolderStore> {
  await assertDirectory(options.directory);
  await prepareDirectory(options.stateDirectory);
  const lock = await lockState(options.stateDirectory, options.clock);
  try {
    const state = await readState(options.stateDirectory);
    const table = new ObjectTable(state);
    const disk = fileDisk(options.stateDirectory, () => lock.isHeld());
    const store = new OpenFolderStore(options, {
      table,
      disk: options.disk?.(disk) ?? disk,
      release: () => lock.release(),
    });
    await store.start();
    return store;
  } catch (error) {
    await lock.release();
    if (!isSluiceError(error, 'ApiFailed', 'WriteUnknown')) throw error;
    throw new SluiceError('ConfigInvalid', `${options.stateDirectory}: ${error.message}`, { cause: error });
  }
}

async function assertDirectory(directory: string): Promise<void> {
  const stats = await stat(await realpath(directory).catch(() => directory)).catch((error: NodeJS.ErrnoException) => {
    const found = error.code === 'ENOENT' ? 'does not exist' : `cannot be read (${error.code ?? error.message})`;
    throw new SluiceError('ConfigInvalid', `The folder ${directory} ${found}; name the folder of your manifests.`);
  });
  if (stats.isDirectory()) return;
  throw new SluiceError('ConfigInvalid', `${directory} is no folder; name the folder of your manifests.`);
}

class OpenFolderStore implements FolderStore {
  readonly #options: FolderStoreOptions;
  readonly #table: ObjectTable;
  readonly #log: ChangeLog;
  readonly #queue: CommitQueue;
  readonly #reader: FolderReader;
  readonly #definitions: FolderDefinitions;
  readonly #release: () => Promise<void>;
  readonly #stop = new AbortController();
  readonly #sliceListeners = new Set<(slices: readonly EndpointSlice[]) => void>();
  #apply: Apply = (change) => this.#queue.write('The first look', change);
  #slices: readonly EndpointSlice[] = [];
  /** What the slices were made of, to see when they are others. */
  #sliceContents: readonly Content[] = [];
  #following: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(
    options: FolderStoreOptions,
    parts: { readonly table: ObjectTable; readonly disk: StateDisk; readonly release: () => Promise<void> },
  ) {
    const { clock } = options;
    this.#options = options;
    this.#table = parts.table;
    this.#release = parts.release;
    this.#log = new ChangeLog(parts.table.version, clock);
    this.#queue = new CommitQueue({
      ...parts,
      clock,
      log: this.#log,
      onCommit: () => this.#onCommit(),
      onError: (error) => options.onError?.(error),
    });
    this.#definitions = new FolderDefinitions({ ...options, table: parts.table });
    this.#reader = new FolderReader({
      directory: options.directory,
      except: options.stateDirectory,
      clock,
      isExpected: [...parts.table.rows()].length > 0,
      onReading: (reading) => this.#definitions.take(reading, this.#apply),
    });
  }

  /** start delivers the first reading, and follows from there. */
  async start(): Promise<void> {
    await this.#reader.read();
    // Where nothing has changed since the last process there was no commit that told of them.
    this.#tellSlices();
    // From now on what the folder says is tried until the disk takes it.
    this.#apply = (change) => this.#queue.apply(change);
    this.#following = this.#reader.follow(this.#stop.signal);
  }

  async get<T extends KubernetesObject>(
    kind: ResourceKind,
    key: ObjectKey,
    options: CallOptions = {},
  ): Promise<T | undefined> {
    this.#assertOpen(`Reading ${kind.kind} ${key}`, options);
    const row = this.#table.get(idOf(kind, key));
    return row === undefined ? undefined : (this.#table.object(row) as T);
  }

  async list<T extends KubernetesObject>(kind: ResourceKind, options: ListOptions<T> = {}): Promise<ObjectList<T>> {
    const what = `Listing ${kind.plural}`;
    this.#assertOpen(what, options);
    const { keep = (object) => object, resourceVersion = '0' } = options;
    if (Number(resourceVersion) > this.#table.version) {
      throw new SluiceError('ApiGone', `${what}: version ${resourceVersion} is not reached yet.`);
    }
    const isListed = selector(kind, options);
    const rows = [...this.#table.rows()].filter(({ record }) => isListed(record.id));
    return {
      items: rows.map((row) => keep(this.#table.object(row) as T)),
      resourceVersion: String(this.#table.version),
    };
  }

  async *watch<T extends KubernetesObject>(
    kind: ResourceKind,
    options: Parameters<ObjectStore['watch']>[1],
  ): AsyncGenerator<WatchEvent<T>, void, undefined> {
    if (options.signal.aborted) return;
    this.#assertOpen(`Watching ${kind.plural}`, {});
    yield* this.#log.watch(kind, options) as AsyncGenerator<WatchEvent<T>, void, undefined>;
  }

  async patch<T extends KubernetesObject>(
    kind: ResourceKind,
    key: ObjectKey,
    operations: readonly JsonPatchOperation[],
    options?: CallOptions,
  ): Promise<WriteOutcome<T>> {
    const write = patchWith(this.#checks(kind), idOf(kind, key), operations);
    return (await this.#queue.write(`The patch of ${kind.kind} ${key}`, write, options)) as WriteOutcome<T>;
  }

  async patchStatus<T extends KubernetesObject>(
    kind: ResourceKind,
    key: ObjectKey,
    change: { readonly resourceVersion: string; readonly status: object },
    options?: CallOptions,
  ): Promise<WriteOutcome<T>> {
    const write = patchStatusOf(this.#checks(kind), idOf(kind, key), change);
    return (await this.#queue.write(`The status of ${kind.kind} ${key}`, write, options)) as WriteOutcome<T>;
  }

  async create<T extends KubernetesObject>(
    kind: ResourceKind,
    object: T,
    options?: CallOptions,
  ): Promise<WriteOutcome<T>> {
    const write = createObject(this.#checks(kind), object);
    const what = `The creation of ${kind.kind} ${object.metadata.name}`;
    return (await this.#queue.write(what, write, options)) as WriteOutcome<T>;
  }

  async delete<T extends KubernetesObject>(
    kind: ResourceKind,
    object: T,
    options?: CallOptions,
  ): Promise<WriteOutcome<T>> {
    const what = `The deletion of ${kind.kind} ${object.metadata.name}`;
    return (await this.#queue.write(what, deleteObject(this.#checks(kind), object), options)) as WriteOutcome<T>;
  }

  problems(): readonly FolderProblem[] {
    return this.#definitions.problems;
  }

  onSlices(listener: (slices: readonly EndpointSlice[]) => void): () => void {
    this.#sliceListeners.add(listener);
    this.#table.isProbed = true;
    listener(this.#slices);
    return () => {
      this.#sliceListeners.delete(listener);
      this.#table.isProbed = this.#sliceListeners.size > 0;
    };
  }

  presentEndpoints(key: ObjectKey, presented: PresentedEndpoints): void {
    void this.#queue.apply((draft) => draft.present(idOf(resources.endpointSlices, key), presented));
  }

  async settled(): Promise<void> {
    await this.#queue.apply(() => undefined);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stop.abort();
    this.#log.close();
    await this.#queue.close();
    await this.#following;
    await this.#release();
  }

  #checks(kind: ResourceKind): Checks {
    return {
      kind,
      validate: this.#options.validate,
      definitions: () => this.#definitions.byId,
      objectOf: (row) => this.#table.object(row),
    };
  }

  #assertOpen(what: string, { signal }: CallOptions): void {
    if (signal?.aborted === true) throw new SluiceError('Aborted', `${what} was cancelled.`, { cause: signal.reason });
    if (this.#isClosed) throw new SluiceError('ApiUnreachable', 'The folder store is closed.');
  }

  #onCommit(): void {
    this.#tellSlices();
    void this.#definitions.onCommit((change) => this.#queue.apply(change));
  }

  #tellSlices(): void {
    const records = [...this.#table.rows()].map(({ record }) => record).filter(({ id }) => isSlice(id));
    const contents = records.map(contentIn);
    const isOther = (content: Content, index: number): boolean => content !== this.#sliceContents[index];
    if (contents.length === this.#sliceContents.length && !contents.some(isOther)) return;
    this.#sliceContents = contents;
    this.#slices = records.map((record) => objectOf(record));
    for (const listener of this.#sliceListeners) listener(this.#slices);
  }
}
