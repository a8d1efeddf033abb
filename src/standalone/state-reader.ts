/** Reads the objects of standalone mode from its state, as they were when they last changed; nothing is locked or written. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { KubernetesObject, ObjectKey, ResourceKind } from '../api/kubernetes.ts';
import { SluiceError } from '../errors.ts';
import { idOf, objectOf, type ObjectRecord } from './object-record.ts';
import { decodeState, stateFileName } from './state-file.ts';

/** StateReader sees the state anew at each call. */
export interface StateReader {
  get<T extends KubernetesObject>(kind: ResourceKind, key: ObjectKey): Promise<T | undefined>;
  list<T extends KubernetesObject>(kind: ResourceKind): Promise<readonly T[]>;
  /** fileOf says where below the folder an object is defined; undefined where Sluice has created it. */
  fileOf(kind: ResourceKind, key: ObjectKey): Promise<string | undefined>;
}

/** readStateOf returns a reader of a state directory; its calls throw ConfigInvalid where there is no state, or a damaged one. */
export function readStateOf(stateDirectory: string): StateReader {
  const file = path.join(stateDirectory, stateFileName);
  const find = async (kind: ResourceKind, key: ObjectKey): Promise<ObjectRecord | undefined> =>
    (await readRecords(file)).find(({ id }) => id === idOf(kind, key));
  return {
    get: async <T extends KubernetesObject>(kind: ResourceKind, key: ObjectKey) => {
      const record = await find(kind, key);
      return record === undefined ? undefined : (objectOf(record) as T);
    },
    list: async <T extends KubernetesObject>(kind: ResourceKind) => {
      const records = (await readRecords(file)).filter(({ id }) => id.startsWith(idOf(kind, '')));
      return records.map((record) => objectOf(record) as T);
    },
    fileOf: async (kind, key) => (await find(kind, key))?.file,
  };
}

/** The state is replaced by a rename, so that what is read is whole. */
async function readRecords(file: string): Promise<readonly ObjectRecord[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const found = error.code === 'ENOENT' ? 'does not exist' : `cannot be read (${error.code ?? error.message})`;
    throw new SluiceError(
      'ConfigInvalid',
      `The state ${file} ${found}; it is made by \`sluice standalone DIR\`, and --state says where it is if not in DIR/.sluice.`,
    );
  });
  return decodeState(text, file).records;
}
