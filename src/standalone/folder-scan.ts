/** Which manifests there are below a folder, and which state of each: nothing is opened for writing, nor read. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';

/** FolderScan is one look at the folder; paths are relative to it and have forward slashes. */
export interface FolderScan {
  /** root says which folder it is: one that was removed and made again is another. */
  readonly root: string;
  /** files maps each manifest to what tells one state of it from another. */
  readonly files: ReadonlyMap<string, string>;
  /** directories maps each folder, the root included as '', to what tells it from another of the same name. */
  readonly directories: ReadonlyMap<string, string>;
  /** unreadable maps what could not be looked at to the code of the error. */
  readonly unreadable: ReadonlyMap<string, string>;
}

const manifestName = /\.(?:ya?ml|json)$/;

/**
 * scanFolder finds `*.yaml`, `*.yml` and `*.json` at any depth. Names that begin with a dot are left out, as what editors,
 * Git and Kubernetes' atomic writer (`..data`) put there, and so is the folder `except`. Links are followed.
 */
export async function scanFolder(directory: string, except: string): Promise<FolderScan> {
  const found = {
    files: new Map<string, string>(),
    directories: new Map<string, string>(),
    unreadable: new Map<string, string>(),
  };
  await visit('', []);
  return { root: found.directories.get('') ?? '', ...found };

  async function visit(relative: string, parents: readonly string[]): Promise<void> {
    const absolute = path.join(directory, relative);
    try {
      const { dev, ino } = await stat(absolute, { bigint: true });
      const identity = `${dev}:${ino}`;
      // A link that leads up again.
      if (parents.includes(identity)) return;
      const names = await readdir(absolute);
      found.directories.set(relative, identity);
      await Promise.all(names.sort().map((name) => look(relative, name, [...parents, identity])));
    } catch (error) {
      note(relative, error);
    }
  }

  async function look(parent: string, name: string, parents: readonly string[]): Promise<void> {
    const relative = parent === '' ? name : `${parent}/${name}`;
    const absolute = path.join(directory, relative);
    if (name.startsWith('.') || path.resolve(absolute) === path.resolve(except)) return;
    try {
      const stats = await stat(absolute, { bigint: true });
      if (stats.isDirectory()) await visit(relative, parents);
      else if (stats.isFile() && manifestName.test(name)) {
        found.files.set(relative, [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(':'));
      }
    } catch (error) {
      note(relative, error);
    }
  }

  function note(relative: string, error: unknown): void {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    // What went between two looks, and links to nothing, are not there; a folder that nobody can enter is.
    if (relative === '' || (code !== 'ENOENT' && code !== 'ENOTDIR')) found.unreadable.set(relative, code);
  }
}
