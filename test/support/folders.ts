/** Folders of manifests for tests of the folder store. */
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { KubernetesObject } from '../../src/api/kubernetes.ts';
import { systemClock } from '../../src/clock.ts';
import { openFolderStore, type FolderStore, type FolderStoreOptions } from '../../src/standalone/folder-store.ts';
import type { ManifestSchema } from '../../src/standalone/manifest-schema.ts';

/** validateWidget checks the little that the schema of test/support/widgets.ts says, and takes every other kind as it is. */
export const validateWidget: ManifestSchema = (document) => {
  if (typeof document !== 'object' || document === null) {
    return { kind: 'Invalid', problems: [{ path: [], message: 'Invalid value: write an object' }] };
  }
  const { metadata, spec } = document as Partial<KubernetesObject> & { readonly spec?: Record<string, unknown> };
  if (typeof metadata?.name !== 'string') {
    return { kind: 'Invalid', problems: [{ path: ['metadata', 'name'], message: 'Required value' }] };
  }
  if (spec?.['paused'] !== undefined && typeof spec['paused'] !== 'boolean') {
    return { kind: 'Invalid', problems: [{ path: ['spec', 'paused'], message: 'Invalid value: must be a boolean' }] };
  }
  return { kind: 'Valid', object: document };
};

/** Folder is a folder of manifests with its state, both removed when the test is over. */
export interface Folder {
  readonly directory: string;
  readonly stateDirectory: string;
  /** write replaces a file as an editor does, by a rename; the folders above it are made. */
  write(name: string, ...objects: readonly (object | string)[]): Promise<void>;
  remove(name: string): Promise<void>;
  /** open opens the store, which is closed when the test is over. */
  open(options?: Partial<FolderStoreOptions>): Promise<FolderStore>;
  /** stateText returns the state file as it is. */
  stateText(): Promise<string>;
  /** copyState copies the state directory as a crash would leave it. */
  copyState(): Promise<string>;
}

/** makeFolder returns an empty folder. */
export async function makeFolder(): Promise<Folder> {
  const root = await mkdtemp(path.join(tmpdir(), 'sluice-folder-'));
  const [directory, stateDirectory] = [path.join(root, 'manifests'), path.join(root, 'state')];
  await mkdir(directory);
  const stores: FolderStore[] = [];
  onTestFinished(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await rm(root, { recursive: true, force: true });
  });
  let copies = 0;
  return {
    directory,
    stateDirectory,
    write: async (name, ...objects) => {
      const file = path.join(directory, name);
      await mkdir(path.dirname(file), { recursive: true });
      const texts = objects.map((object) => (typeof object === 'string' ? object : JSON.stringify(object)));
      await writeFile(path.join(root, 'new'), texts.join('\n---\n'));
      await rename(path.join(root, 'new'), file);
    },
    remove: (name) => rm(path.join(directory, name)),
    open: async (options) => {
      const store = await openFolderStore({
        directory,
        stateDirectory,
        clock: systemClock,
        validate: validateWidget,
        onProblems: () => {},
        ...options,
      });
      stores.push(store);
      return store;
    },
    stateText: () => readFile(path.join(stateDirectory, 'state.json'), 'utf8'),
    copyState: async () => {
      copies += 1;
      const copy = path.join(root, `state-${copies}`);
      await cp(stateDirectory, copy, { recursive: true, filter: (name) => !name.endsWith('/lock') });
      return copy;
    },
  };
}
