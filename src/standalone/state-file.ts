/**
 * The state on disk: one file that is replaced whole, so that it is always the old one or the new one (write, fsync,
 * rename, fsync of the directory). Its first line says the format and the digest of the second, which is the state.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { SluiceError } from '../errors.ts';
import type { ObjectRecord } from './object-record.ts';

/** State is what outlives the process; no version up to `version` is given to a change again. */
export interface State {
  readonly version: number;
  readonly records: readonly ObjectRecord[];
}

/** StateDisk makes the steps of a save; after the last one the text is there for good. */
export interface StateDisk {
  /** writeTemporary stores the text beside the state, and fsyncs it. */
  writeTemporary(text: string): Promise<void>;
  /** replace puts it in the place of the state. */
  replace(): Promise<void>;
  /** settle fsyncs the directory. */
  settle(): Promise<void>;
}

/** stateFileName is what the state is called in its directory. */
export const stateFileName = 'state.json';
const temporaryName = 'state.json.tmp';
const format = 1;

/** prepareDirectory makes the state directory, for this user only; ConfigInvalid where that cannot be. */
export async function prepareDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    throw new SluiceError(
      'ConfigInvalid',
      `The state directory ${directory} cannot be made (${error.code ?? error.message}).`,
    );
  });
}

/** fileDisk returns the disk of a state directory; `isHeld` is asked before the state is replaced. */
export function fileDisk(directory: string, isHeld: () => Promise<boolean>): StateDisk {
  const temporary = path.join(directory, temporaryName);
  return {
    writeTemporary: async (text) => {
      const file = await open(temporary, 'w', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
    },
    replace: async () => {
      if (!(await isHeld())) {
        throw new Error('its lock is gone: the directory was removed, or another process has taken it; start again');
      }
      await rename(temporary, path.join(directory, stateFileName));
    },
    settle: () => syncDirectory(directory),
  };
}

async function syncDirectory(directory: string): Promise<void> {
  let handle;
  try {
    handle = await open(directory, 'r');
  } catch (error) {
    // Windows opens no directories; its renames are in the journal.
    if (['EISDIR', 'EPERM', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return;
    throw error;
  }
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** readState returns the state of a directory, undefined where there is none yet; ConfigInvalid where it cannot be read. */
export async function readState(directory: string): Promise<State | undefined> {
  const file = path.join(directory, stateFileName);
  // What a crash has left of a save that was never acknowledged.
  await rm(path.join(directory, temporaryName), { force: true });
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw refuse(file, `cannot be read (${error.code ?? error.message})`);
  });
  return text === undefined ? undefined : decodeState(text, file);
}

/** decodeState reads what encodeState wrote; `file` is named in the ConfigInvalid that it throws otherwise. */
export function decodeState(text: string, file: string): State {
  const end = text.indexOf('\n');
  const header = parseHeader(text.slice(0, Math.max(0, end)));
  if (header === undefined) throw refuse(file, 'is no state of Sluice, or damaged');
  if (header.sluiceState !== format) {
    const message = `The state file ${file} has format ${String(header.sluiceState)}, and this version of Sluice knows ${format}; use the version that wrote it.`;
    throw new SluiceError('ConfigInvalid', message);
  }
  const body = text.slice(end + 1);
  if (digest(body) !== header.sha256) throw refuse(file, 'is damaged: its digest is another one');
  return JSON.parse(body) as State;
}

/** encodeState takes the records as JSON, so that those that have not changed need not be written anew. */
export function encodeState(version: number, records: readonly string[]): string {
  const body = `{"version":${version},"records":[${records.join(',\n')}]}\n`;
  return `${JSON.stringify({ sluiceState: format, sha256: digest(body) })}\n${body}`;
}

function parseHeader(line: string): { readonly sluiceState: unknown; readonly sha256: unknown } | undefined {
  try {
    const header = JSON.parse(line) as { sluiceState?: unknown; sha256?: unknown } | null;
    return header?.sluiceState === undefined ? undefined : { sluiceState: header.sluiceState, sha256: header.sha256 };
  } catch {
    return undefined;
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function refuse(file: string, found: string): SluiceError {
  return new SluiceError(
    'ConfigInvalid',
    `The state file ${file} ${found}. Sluice does not begin anew by itself, since that would forget the weights and where each rollout stands: restore the file, or move it away to begin anew.`,
  );
}
