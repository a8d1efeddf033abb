import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { resources, type ObjectKey } from '../../../src/api/kubernetes.ts';
import type { Rollout } from '../../../src/api/rollout.ts';
import type { FolderProblem, FolderStore } from '../../../src/standalone/folder-store.ts';
import { createManifestSchema, readCrds } from '../../../src/standalone/manifest-schema.ts';
import { eventually } from '../../support/eventually.ts';
import { type Folder, makeFolder } from '../../support/folders.ts';

const validate = createManifestSchema(await readCrds(fileURLToPath(new URL('../../../crds', import.meta.url))));
const shop: ObjectKey = 'default/shop';

/** rolloutText has spec in line 5. */
const rolloutText = (canary: string, confidence = '95%', finalizers = ''): string => `# the shop
apiVersion: sluice.dev/v1alpha1
kind: Rollout
metadata: {name: shop${finalizers}}
spec:
  route: {name: shop}
  stable: {service: shop-stable}
  canary: {service: ${canary}}
  revision: v2
  analysis: {confidence: ${confidence}}
`;
const refusal = (file = 'shop.yaml'): FolderProblem => ({
  file,
  line: 5,
  message:
    'spec: Forbidden: spec.route, spec.stable, spec.canary and spec.promotion cannot change while a rollout runs; abort it first',
});

async function read(store: FolderStore): Promise<Rollout> {
  const found = await store.get<Rollout>(resources.rollouts, shop);
  if (found === undefined) throw new Error('the Rollout is gone');
  return found;
}

async function setPhase(store: FolderStore, phase: string): Promise<void> {
  const { metadata } = await read(store);
  const { resourceVersion = '' } = metadata;
  await store.patchStatus(resources.rollouts, shop, { resourceVersion, status: { phase } });
}

const canaryOf = async (store: FolderStore): Promise<string> => (await read(store)).spec.canary.service;

async function openRunning(): Promise<{ folder: Folder; store: FolderStore; told: (readonly FolderProblem[])[] }> {
  const folder = await makeFolder();
  await folder.write('shop.yaml', rolloutText('shop-canary'));
  const told: (readonly FolderProblem[])[] = [];
  const store = await folder.open({ validate, onProblems: (problems) => told.push(problems) });
  await setPhase(store, 'Progressing');
  return { folder, store, told };
}

test('the canary of a rollout that runs is not taken from an edited file, which is named, until it rests', async () => {
  const { folder, store, told } = await openRunning();
  await folder.write('shop.yaml', rolloutText('other', '99%'));
  await eventually(() => told.length === 1);
  expect(told).toEqual([[refusal()]]);
  expect(store.problems()).toEqual([refusal()]);
  const kept = await read(store);
  expect(kept.spec).toMatchObject({ canary: { service: 'shop-canary' }, analysis: { confidence: '95%' } });
  await setPhase(store, 'RollingBack');
  await sleep(100);
  expect(told).toHaveLength(1);
  await setPhase(store, 'Failed');
  await eventually(() => told.length === 2);
  expect(told[1]).toEqual([]);
  const taken = await read(store);
  expect(taken.spec).toMatchObject({ canary: { service: 'other' }, analysis: { confidence: '99%' } });
  expect(taken.metadata.uid).toBe(kept.metadata.uid);
});

test('at rest the canary is taken at once, and while it runs everything else is', async () => {
  const { folder, store, told } = await openRunning();
  await folder.write('shop.yaml', rolloutText('shop-canary', '99%'));
  await eventually(async () => (await read(store)).spec.analysis?.confidence === '99%');
  await setPhase(store, 'Succeeded');
  await folder.write('shop.yaml', rolloutText('other', '99%'));
  await eventually(async () => (await canaryOf(store)) === 'other');
  expect(told).toEqual([]);
});

test('a refused file that is put back is no problem any more', async () => {
  const { folder, store, told } = await openRunning();
  await folder.write('shop.yaml', rolloutText('other'));
  await eventually(() => told.length === 1);
  await folder.write('shop.yaml', rolloutText('shop-canary'));
  await eventually(() => told.length === 2);
  expect(told[1]).toEqual([]);
  await setPhase(store, 'Succeeded');
  await sleep(100);
  expect(await canaryOf(store)).toBe('shop-canary');
});

test('an edit that was made while nothing ran here is refused after the start', async () => {
  const { folder, store, told } = await openRunning();
  const { metadata } = await read(store);
  await store.close();
  await folder.write('shop.yaml', rolloutText('other'));
  const second = await folder.open({ validate, onProblems: (problems) => told.push(problems) });
  expect(told).toEqual([[refusal()]]);
  expect(await read(second)).toMatchObject({
    metadata: { uid: metadata.uid, resourceVersion: expect.any(String) as string },
    spec: { canary: { service: 'shop-canary' } },
    status: { phase: 'Progressing' },
  });
});

test('a running Rollout that moves to another file with such an edit stays what it is', async () => {
  const { folder, store } = await openRunning();
  const { metadata } = await read(store);
  await folder.write('moved.yaml', rolloutText('other'));
  await folder.remove('shop.yaml');
  await eventually(() => store.problems().length === 1 && store.problems()[0]?.line === 5);
  expect(store.problems()).toEqual([refusal('moved.yaml')]);
  expect(await read(store)).toMatchObject({
    metadata: { uid: metadata.uid },
    spec: { canary: { service: 'shop-canary' } },
  });
  await setPhase(store, 'Succeeded');
  await eventually(async () => (await canaryOf(store)) === 'other');
  expect((await read(store)).metadata.uid).toBe(metadata.uid);
});

test('one that is going does not hold back the one that comes after it', async () => {
  const folder = await makeFolder();
  await folder.write('shop.yaml', rolloutText('shop-canary', '95%', ', finalizers: [sluice.dev/restore-route]'));
  const store = await folder.open({ validate });
  await setPhase(store, 'Progressing');
  const { metadata } = await read(store);
  await folder.remove('shop.yaml');
  await eventually(async () => (await read(store)).metadata.deletionTimestamp !== undefined);
  await folder.write('shop.yaml', rolloutText('other'));
  await sleep(300);
  expect(store.problems()).toEqual([]);
  await store.patch(resources.rollouts, shop, [{ op: 'remove', path: '/metadata/finalizers' }]);
  const next = await read(store);
  expect(next).toMatchObject({ spec: { canary: { service: 'other' } } });
  expect(next.metadata.uid).not.toBe(metadata.uid);
});

test('Sluice itself cannot change the canary of a rollout that runs either', async () => {
  const { store } = await openRunning();
  const patch = store.patch(resources.rollouts, shop, [
    { op: 'replace', path: '/spec/canary/service', value: 'other' },
  ]);
  await expect(patch).rejects.toMatchObject({ code: 'ApiInvalid' });
  const annotated = await store.patch(resources.rollouts, shop, [
    { op: 'add', path: '/metadata/annotations', value: { a: 'b' } },
  ]);
  expect(annotated.kind).toBe('Written');
});
