/**
 * Makes changes durable, then visible, then answers: in this order, so that nobody acts on what a crash could take back.
 * What comes while a save is under way shares the next one, so that the disk sets the pace and nobody's event loop.
 */
import type { CallOptions } from '../api/object-store.ts';
import { formatTime, type Clock } from '../clock.ts';
import { isSluiceError, SluiceError } from '../errors.ts';
import type { ChangeLog } from './change-log.ts';
import type { Draft, ObjectTable } from './object-table.ts';
import { encodeState, type StateDisk } from './state-file.ts';

/** Writes of a client wait for the disk as long as they would for an API server. */
const writeDeadlineMs = 10_000;

/** How long to leave a disk alone that refused; what came from the folder is tried again, what came from a client is not. */
const retryMs = 1_000;

/** CommitQueueOptions: `onCommit` is told after each change that it is visible; `onError` of a disk that refused. */
export interface CommitQueueOptions {
  readonly table: ObjectTable;
  readonly log: ChangeLog;
  readonly disk: StateDisk;
  readonly clock: Clock;
  readonly onCommit: () => void;
  readonly onError: (error: SluiceError) => void;
}

/** Change works on a draft: it returns its result or throws, and has changed nothing where it throws. */
type Change<T> = (draft: Draft) => T;

interface Entry {
  readonly change: Change<unknown>;
  /** check throws where the change may not be made any more. */
  readonly check: () => void;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  /** isPersistent: it is tried again until the disk takes it. */
  readonly isPersistent: boolean;
  state: 'Waiting' | 'UnderWay' | 'Over';
}

/** CommitQueue runs one draft at a time. */
export class CommitQueue {
  readonly #options: CommitQueueOptions;
  #entries: Entry[] = [];
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: CommitQueueOptions) {
    this.#options = options;
  }

  /** write makes a change for a client, within the bounds of its call; `what` names it in messages. */
  write<T>(what: string, change: Change<T>, options: CallOptions = {}): Promise<T> {
    const { clock } = this.#options;
    const { signal, permit, deadlineMs = writeDeadlineMs } = options;
    if (signal?.aborted === true) return Promise.reject(aborted(what, signal));
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        if (entry.state === 'Over') return;
        entry.state = 'Over';
        cancel();
        signal?.removeEventListener('abort', onAbort);
        settle();
      };
      const check = (): void => {
        if (permit?.() === false)
          throw new SluiceError('NotLeading', `${what} was not permitted; nothing was written.`);
      };
      const entry: Entry = {
        change,
        check,
        resolve: (result) => finish(() => resolve(result as T)),
        reject: (error) => finish(() => reject(error)),
        isPersistent: false,
        state: 'Waiting',
      };
      const leave = (error: SluiceError): void => entry.reject(entry.state === 'UnderWay' ? unknown(error) : error);
      const onAbort = (): void => leave(aborted(what, signal));
      const cancel = clock.schedule(deadlineMs, () => leave(late(what, deadlineMs)));
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#submit(entry);
    });
  }

  /** apply makes a change that comes from the folder, however long it takes; it resolves with undefined when the queue is closed. */
  apply<T>(change: Change<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      this.#submit({
        change,
        check: () => {},
        resolve: (result) => resolve(result as T | undefined),
        reject,
        isPersistent: true,
        state: 'Waiting',
      });
    });
  }

  /** close refuses what comes from now on, and resolves when what has come before is settled. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  #submit(entry: Entry): void {
    if (this.#isClosed) {
      refuse(entry);
      return;
    }
    this.#entries.push(entry);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // Who makes several changes in one go should not pay for each.
    await Promise.resolve();
    while (this.#entries.length > 0) {
      const entries = this.#entries.filter(({ state }) => state !== 'Over');
      this.#entries = [];
      const again = await this.#commit(entries);
      if (again.length === 0) continue;
      this.#entries = [...again, ...this.#entries];
      if (this.#isClosed) this.#entries.splice(0).forEach(refuse);
      else await this.#options.clock.sleep(retryMs);
    }
    this.#running = undefined;
  }

  /** Returns what has to be tried again. */
  async #commit(entries: readonly Entry[]): Promise<readonly Entry[]> {
    const { table, log, clock, onCommit } = this.#options;
    const draft = table.draft(formatTime(clock.nowMs()).replace(/\.[0-9]+Z$/, 'Z'));
    const settled = entries.map((entry) => attempt(entry, draft));
    const stored = table.mustStore(draft) ? await this.#store(draft) : { kind: 'Stored' as const, version: undefined };
    if (stored.kind === 'Refused') {
      entries.filter(({ isPersistent }) => !isPersistent).forEach(({ reject }) => reject(stored.error));
      return entries.filter(({ isPersistent }) => isPersistent);
    }
    log.append(table.publish(draft, stored.version));
    for (const settle of settled) settle(stored.kind === 'Unsettled' ? stored.error : undefined);
    if (draft.touched.size > 0) onCommit();
    return [];
  }

  /** Stored; or Unsettled: it is on disk now, but a power cut may take it back; or Refused: the old state is. */
  async #store(draft: Draft): Promise<Stored> {
    const { table, disk, onError } = this.#options;
    const { version, records } = table.encoded(draft);
    let isReplaced = false;
    try {
      await disk.writeTemporary(encodeState(version, records));
      await disk.replace();
      isReplaced = true;
      await disk.settle();
      return { kind: 'Stored', version };
    } catch (cause) {
      const found = cause instanceof Error ? cause.message : String(cause);
      const error = new SluiceError(
        isReplaced ? 'WriteUnknown' : 'ApiFailed',
        `The state cannot be written: ${found}.`,
        {
          cause,
        },
      );
      onError(error);
      return isReplaced ? { kind: 'Unsettled', version, error } : { kind: 'Refused', error };
    }
  }
}

type Stored =
  | { readonly kind: 'Stored'; readonly version: number | undefined }
  | { readonly kind: 'Unsettled'; readonly version: number; readonly error: SluiceError }
  | { readonly kind: 'Refused'; readonly error: SluiceError };

/** attempt makes one change on the draft, and returns how to answer once that is stored, or stored for all that is known. */
function attempt(entry: Entry, draft: Draft): (doubt: SluiceError | undefined) => void {
  try {
    entry.check();
    entry.state = 'UnderWay';
    const result = entry.change(draft);
    return (doubt) => (doubt === undefined || entry.isPersistent ? entry.resolve(result) : entry.reject(doubt));
  } catch (error) {
    return () => entry.reject(error as Error);
  }
}

function refuse(entry: Entry): void {
  if (entry.isPersistent) entry.resolve(undefined);
  else entry.reject(new SluiceError('ApiUnreachable', 'The folder store is closed.'));
}

function aborted(what: string, signal: AbortSignal | undefined): SluiceError {
  return new SluiceError('Aborted', `${what} was cancelled.`, { cause: signal?.reason });
}

function late(what: string, deadlineMs: number): SluiceError {
  return new SluiceError('ApiTimeout', `${what} was not stored within ${deadlineMs / 1000} s.`);
}

/** A write that is left while the disk works on it may be made. */
function unknown(error: SluiceError): SluiceError {
  if (!isSluiceError(error, 'ApiTimeout')) return error;
  return new SluiceError('WriteUnknown', `${error.message} It may be later: read again before deciding anything.`);
}
