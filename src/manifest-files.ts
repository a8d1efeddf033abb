/** Manifests from files, folders and standard input. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ManifestFile } from './cli/read-manifests.ts';
import { SluiceError } from './errors.ts';
import { scanFolder } from './standalone/folder-scan.ts';
import { createManifestSchema, readCrds, type ManifestSchema } from './standalone/manifest-schema.ts';

const crds = new URL('../crds/', import.meta.url);

/** readManifestSchema prepares the schemas of the kinds that Sluice reads, as this build has them. */
export async function readManifestSchema(): Promise<ManifestSchema> {
  return createManifestSchema(await readCrds(fileURLToPath(crds)));
}

/**
 * readManifestFiles reads files, the manifests of folders at any depth, and standard input for `-`. It throws ConfigInvalid
 * with a sentence that names what cannot be read.
 */
export async function readManifestFiles(
  names: readonly string[],
  readInput: () => Promise<string>,
): Promise<readonly ManifestFile[]> {
  const read = await Promise.all(
    names.map(async (name) =>
      name === '-' ? [{ name: 'stdin', text: await readInput(), isNamed: true }] : readPath(name),
    ),
  );
  return read.flat();
}

async function readPath(name: string): Promise<readonly ManifestFile[]> {
  const found = await stat(name).catch((error: unknown) => refuse(name, error));
  if (!found.isDirectory()) return [{ name, text: await readText(name), isNamed: true }];
  const { files, unreadable } = await scanFolder(name, '');
  for (const [inner, code] of unreadable) refuse(path.join(name, inner), { code });
  if (files.size === 0) {
    throw new SluiceError(
      'ConfigInvalid',
      `${name} holds no *.yaml, *.yml or *.json; name the files or another folder.`,
    );
  }
  const inner = [...files.keys()].sort().map((file) => path.join(name, file));
  return Promise.all(inner.map(async (file) => ({ name: file, text: await readText(file), isNamed: false })));
}

function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: unknown) => refuse(file, error));
}

function refuse(name: string, error: unknown): never {
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  throw new SluiceError('ConfigInvalid', `${name} cannot be read (${code}).`);
}
