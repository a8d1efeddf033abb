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

test.each(['base', 'components/proxy', 'components/daemonset'])(
  'manifests/%s names the image of this version',
  (folder) => {
    const { images } = parse(read(`manifests/${folder}/kustomization.yaml`)) as {
      images: readonly { newTag: string }[];
    };
    expect(images.map(({ newTag }) => newTag)).toEqual([version]);
  },
);

test('the chart has this version, and names the images of it', () => {
  const chart = parse(read('charts/sluice/Chart.yaml')) as { version: string; appVersion: string };
  expect([chart.version, chart.appVersion]).toEqual([version, version]);
});
