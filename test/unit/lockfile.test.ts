import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface LockEntry {
  readonly resolved?: string;
  readonly version?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const read = (file: string): unknown => JSON.parse(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'));
const { packages } = read('package-lock.json') as { readonly packages: Readonly<Record<string, LockEntry>> };
const manifest = read('package.json') as Manifest;

// npm >= 11.6 refuses `npm ci` when one is missing (npm/cli#9846), and other systems would get no binary.
test('every optional platform package that a parent names has its entry, also those that were not installed here', () => {
  const named = Object.entries(packages).flatMap(([parent, entry]) =>
    Object.keys(entry.optionalDependencies ?? {}).map((name) => ({ parent, name })),
  );
  expect(named.length).toBeGreaterThan(50);
  const missing = named.filter(
    ({ parent, name }) => !packages[`node_modules/${name}`] && !packages[`${parent}/node_modules/${name}`],
  );
  expect(missing, 'run `node scripts/complete-lockfile.mjs` after `npm install`').toEqual([]);
});

test('no entry records where it was downloaded from, so that everybody uses the registry that npm is set to', () => {
  const recorded = Object.entries(packages).filter(([, entry]) => entry.resolved?.includes('://'));
  expect(recorded.map(([name]) => name)).toEqual([]);
});

test('every dependency is pinned to the exact version that the lockfile has', () => {
  const wanted = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
  expect(wanted.length).toBeGreaterThan(10);
  const loose = wanted.filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version));
  expect(loose).toEqual([]);
  const locked = wanted.map(([name]) => [name, packages[`node_modules/${name}`]?.version]);
  expect(locked).toEqual(wanted);
});
