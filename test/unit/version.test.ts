import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { version } from '../../src/version.ts';

const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

test('the program, the package and the lockfile have one version', () => {
  const manifest = JSON.parse(read('package.json')) as { version: string };
  const lockfile = JSON.parse(read('package-lock.json')) as { version: string };
  expect([manifest.version, lockfile.version]).toEqual([version, version]);
});

test('the manifests name the image of this version', () => {
  const { images } = parse(read('manifests/base/kustomization.yaml')) as { images: readonly { newTag: string }[] };
  expect(images.map(({ newTag }) => newTag)).toEqual([version]);
});
