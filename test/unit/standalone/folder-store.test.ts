import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { resources, type EndpointSlice, type KubernetesObject, type ObjectKey } from '../../../src/api/kubernetes.ts';
import type { WriteOutcome } from '../../../src/api/object-store.ts';
import type { IngressRoute } from '../../../src/api/traefik.ts';
import type { FolderProblem, FolderStore } from '../../../src/standalone/folder-store.ts';
import { eventually } from '../../support/eventually.ts';
import { makeFolder } from '../../support/folders.ts';
import { widget, widgets, type Widget } from '../../support/widgets.ts';

const { events, ingressRoutes, rollouts } = resources;

const route = (spec: object = {}, metadata: object = {}) => ({
  apiVersion: 'traefik.io/v1alpha1',
  kind: 'IngressRoute',
  metadata: { name: 'shop', ...metadata },
  spec: { routes: [{ match: 'Host(`shop`)', services: [{ name: 'shop-stable', port: 80 }] }], ...spec },
});
const rollout = (metadata: object = {}) => ({
  apiVersion: 'sluice.dev/v1alpha1',
  kind: 'Rollout',
  metadata: { name: 'shop', ...metadata },
  spec: { route: { name: 'shop' } },
});
const shop: ObjectKey = 'default/shop';
const weights = [
  { name: 'shop-stable', port: 80, weight: 75 },
  { name: 'shop-canary', port: 80, weight: 25 },
];

function written<T>(outcome: WriteOutcome<T>): T {
  if (outcome.kind !== 'Written') throw new Error(JSON.stringify(outcome));
  return outcome.object;
}

async function shift(store: FolderStore, services: readonly object[] = weights): Promise<IngressRoute> {
  const operations = [{ op: 'replace', path: '/spec/routes/0/services', value: services }] as const;
  return written(await store.patch<IngressRoute>(ingressRoutes, shop, operations));
}

const readRoute = async (store: FolderStore): Promise<IngressRoute> =>
  (await store.get<IngressRoute>(ingressRoutes, shop)) as IngressRoute;

const writerOf = (object: IngressRoute): string | undefined =>
  object.metadata.managedFields?.find((entry) => JSON.stringify(entry.fieldsV1 ?? {}).includes('"f:routes"'))?.manager;

const until = <T>(check: () => Promise<T>, timeoutMs = 1_000) => eventually(check, { timeoutMs, intervalMs: 10 });

describe('the folder store', () => {
  it('serves what is below the folder, in the namespace default where none is said, and leaves out what editors put there', async () => {
    const folder = await makeFolder();
    await folder.write('a.yaml', 'apiVersion: v1\nkind: Service\nmetadata: {name: one}\n---\n', widget('web', 'two'));
    await folder.write(
      'deep/er/b.yml',
      'apiVersion: v1\nkind: ServiceList\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: three}}\n',
    );
    await folder.write('c.json', JSON.stringify(widget('web', 'four')));
    for (const name of ['.a.yaml.swp', '.hidden.yaml', 'a.yaml~', '#a.yaml#', '4913', 'README.md', '..data/x.yaml']) {
      await folder.write(name, widget('web', 'no'));
    }
    const store = await folder.open();
    expect(store.problems()).toEqual([]);
    const services = (await store.list(resources.services)).items.map(({ metadata }) => metadata);
    expect(services).toMatchObject([{ name: 'one', namespace: 'default' }, { name: 'three' }]);
    expect((await store.list(widgets)).items.map(({ metadata }) => metadata.name).sort()).toEqual(['four', 'two']);
  });

  it('never writes to the folder', async () => {
    const folder = await makeFolder();
    await folder.write('route.yaml', route());
    await folder.write('sub/rollout.yaml', rollout());
    const snapshot = async (): Promise<unknown> => {
      const names = ['', ...(await readdir(folder.directory, { recursive: true })).sort()];
      return Promise.all(
        names.map(async (name) => {
          const file = path.join(folder.directory, name);
          const { mode, size, ino, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
          return [name, mode, size, ino, mtimeNs, ctimeNs, name.endsWith('.yaml') ? await readFile(file, 'utf8') : ''];
        }),
      );
    };
    const before = await snapshot();
    const store = await folder.open();
    await shift(store);
    const { metadata } = (await store.get(rollouts, shop)) as KubernetesObject;
    written(
      await store.patchStatus(rollouts, shop, {
        resourceVersion: metadata.resourceVersion ?? '',
        status: { phase: 'Progressing' },
      }),
    );
    written(await store.create(widgets, widget('default', 'made')));
    await store.close();
    await (await folder.open()).close();
    expect(await snapshot()).toEqual(before);
  });

  it('has the same objects, weights, statuses and uids after a restart, and greater versions for what changes then', async () => {
    const folder = await makeFolder();
    await folder.write('all.yaml', route(), rollout());
    const first = await folder.open();
    const shifted = await shift(first);
    const { metadata } = (await first.get(rollouts, shop)) as KubernetesObject;
    const status = { phase: 'Progressing' };
    written(await first.patchStatus(rollouts, shop, { resourceVersion: metadata.resourceVersion ?? '', status }));
    const made = written(await first.create(widgets, widget('default', 'made')));
    written(await first.create(events, { apiVersion: 'events.k8s.io/v1', kind: 'Event', metadata: { name: 'e' } }));
    const seen = Number((await first.list(events)).resourceVersion);
    const before = [await readRoute(first), await first.get(rollouts, shop), made];
    await first.close();
    const second = await folder.open();
    expect([
      await readRoute(second),
      await second.get(rollouts, shop),
      await second.get(widgets, 'default/made'),
    ]).toEqual(before);
    expect(before[0]).toEqual(shifted);
    expect(Number((await second.list(events)).resourceVersion)).toBeGreaterThan(seen);
    const again = await shift(second, [weights[0] as object]);
    expect(Number(again.metadata.resourceVersion)).toBeGreaterThan(seen);
    expect(again.metadata.uid).toBe(shifted.metadata.uid);
  });

  it('follows edits of the files within a second, and counts a generation for each change that is not metadata', async () => {
    const folder = await makeFolder();
    await folder.write('route.yaml', route());
    const store = await folder.open();
    const before = await readRoute(store);
    await folder.write('route.yaml', route({}, { annotations: { a: '1' } }));
    const annotated = await until(async () => {
      const now = await readRoute(store);
      return now.metadata.annotations === undefined ? undefined : now;
    });
    expect(annotated.metadata).toMatchObject({ uid: before.metadata.uid, generation: before.metadata.generation });
    await folder.write('route.yaml', route({ entryPoints: ['web'] }));
    const edited = await until(async () => {
      const now = await readRoute(store);
      return now.spec.entryPoints === undefined ? undefined : now;
    });
    expect(edited.metadata).toMatchObject({
      uid: before.metadata.uid,
      generation: (before.metadata.generation ?? 0) + 1,
    });
    expect(edited.metadata.annotations).toBeUndefined();
    expect(edited.metadata.managedFields?.map(({ manager }) => manager)).toEqual(['file']);
  });

  it('keeps the weights of Sluice through edits around them, and says that they are still its own', async () => {
    const folder = await makeFolder();
    await folder.write('route.yaml', route());
    const store = await folder.open();
    expect(writerOf(await readRoute(store))).toBe('file');
    const shifted = await shift(store);
    expect(writerOf(shifted)).toBe('sluice');
    const edited = route({ entryPoints: ['web'], routes: [{ ...route().spec.routes[0], priority: 7 }] });
    await folder.write('route.yaml', edited);
    const now = await until(async () => {
      const found = await readRoute(store);
      return found.spec.entryPoints === undefined ? undefined : found;
    });
    expect(now.spec.routes).toEqual([{ match: 'Host(`shop`)', services: weights, priority: 7 }]);
    expect(writerOf(now)).toBe('sluice');
    await store.close();
    expect((await readRoute(await folder.open())).spec).toEqual(now.spec);
  });

  it('takes over the weights of the file where they are edited, as a write of the manager file, also while it was not running', async () => {
    const folder = await makeFolder();
    await folder.write('route.yaml', route());
    const store = await folder.open();
    await shift(store);
    const byHand = [{ name: 'shop-stable', port: 80, weight: 100 }];
    await folder.write('route.yaml', route({ routes: [{ match: 'Host(`shop`)', services: byHand }] }));
    const now = await until(async () => {
      const found = await readRoute(store);
      return found.spec.routes?.[0]?.services?.length === 1 ? found : undefined;
    });
    expect(now.spec.routes?.[0]?.services).toEqual(byHand);
    expect(writerOf(now)).toBe('file');
    await shift(store);
    await store.close();
    await folder.write('route.yaml', route());
    const after = await readRoute(await folder.open());
    expect(after.spec.routes?.[0]?.services).toEqual(route().spec.routes[0]?.services);
    expect(writerOf(after)).toBe('file');
  });

  it('has no overlay left when Sluice has put back what the file says', async () => {
    const folder = await makeFolder();
    await folder.write('route.yaml', route());
    const store = await folder.open();
    await shift(store);
    expect(await folder.stateText()).toContain('shop-canary');
    await shift(store, [...(route().spec.routes[0]?.services ?? [])]);
    expect(await folder.stateText()).not.toContain('shop-canary');
    await folder.write('route.yaml', route({ routes: [] }));
    await until(async () => (await readRoute(store)).spec.routes?.length === 0);
  });

  it('lets a Rollout with finalizers go only when they are removed, and what it owns with it', async () => {
    const folder = await makeFolder();
    await folder.write('rollout.yaml', rollout());
    await folder.write('other.yaml', widget('default', 'other'));
    const store = await folder.open();
    const finalizers = { op: 'add', path: '/metadata/finalizers', value: ['sluice.dev/undo'] } as const;
    const held = written(await store.patch(rollouts, shop, [finalizers]));
    const owner = { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', name: 'shop', uid: held.metadata.uid ?? '' };
    const owned = widget('default', 'owned');
    await store.create(widgets, { ...owned, metadata: { ...owned.metadata, ownerReferences: [owner] } });
    await folder.remove('rollout.yaml');
    const going = await until(async () => {
      const found = await store.get(rollouts, shop);
      return found?.metadata.deletionTimestamp === undefined ? undefined : found;
    });
    expect(going.metadata.finalizers).toEqual(['sluice.dev/undo']);
    expect(await store.get(widgets, 'default/owned')).toBeDefined();
    // Defined again while it goes: it has to go first.
    await folder.write('rollout.yaml', rollout({ labels: { again: 'yes' } }));
    await sleep(300);
    expect((await store.get(rollouts, shop))?.metadata.labels).toBeUndefined();
    await store.close();
    const later = await folder.open();
    written(await later.patch(rollouts, shop, [{ op: 'remove', path: '/metadata/finalizers' }]));
    const again = await later.get(rollouts, shop);
    expect(again?.metadata).toMatchObject({ labels: { again: 'yes' }, generation: 1 });
    expect(again?.metadata.uid).not.toBe(held.metadata.uid);
    expect(again?.metadata.deletionTimestamp).toBeUndefined();
    expect(await later.get(widgets, 'default/owned')).toBeUndefined();
    expect(await later.get(widgets, 'default/other')).toBeDefined();
  });

  it('gives an object that was deleted and defined again another uid, and one that moved to another file the same', async () => {
    const folder = await makeFolder();
    await folder.write('a.yaml', route());
    const store = await folder.open();
    const { uid } = (await readRoute(store)).metadata;
    await rename(path.join(folder.directory, 'a.yaml'), path.join(folder.directory, 'b.yaml'));
    await sleep(500);
    expect((await readRoute(store)).metadata.uid).toBe(uid);
    await folder.remove('b.yaml');
    await until(async () => (await store.get(ingressRoutes, shop)) === undefined);
    await folder.write('b.yaml', route());
    const again = await until(() => store.get(ingressRoutes, shop));
    expect(again.metadata.uid).not.toBe(uid);
  });

  it('names what is broken with file and line, and serves the last good state of that file, also after a restart', async () => {
    const folder = await makeFolder();
    await folder.write('a.yaml', widget('web', 'one'), widget('web', 'two'));
    const told: (readonly FolderProblem[])[] = [];
    const store = await folder.open({ onProblems: (problems) => told.push(problems) });
    await folder.write(
      'a.yaml',
      'apiVersion: test.sluice.dev/v1\nkind: Widget\nmetadata: {name: one, namespace: web}\nspec:\n  paused: maybe\n',
    );
    await until(async () => store.problems().length > 0);
    expect(store.problems()).toEqual([
      { file: 'a.yaml', line: 5, message: expect.stringContaining('spec.paused') as string },
    ]);
    expect(told).toEqual([store.problems()]);
    expect((await store.list(widgets)).items).toHaveLength(2);
    await folder.write('a.yaml', 'kind: Widget\nspec: [\n');
    await until(async () => store.problems()[0]?.message.includes('YAML'));
    await store.close();
    const later = await folder.open();
    expect(later.problems()).toHaveLength(1);
    expect((await later.list(widgets)).items).toHaveLength(2);
    await folder.write('a.yaml', widget('web', 'one'));
    await until(async () => (await later.list(widgets)).items.length === 1);
    expect(later.problems()).toEqual([]);
  });

  it('names both places of an object that is defined twice, and takes the first', async () => {
    const folder = await makeFolder();
    await folder.write('b.yaml', widget('web', 'x'), widget('web', 'one', 2));
    await folder.write('a.yaml', widget('web', 'one', 1));
    const store = await folder.open();
    expect(store.problems()).toEqual([
      {
        file: 'b.yaml',
        line: 3,
        message: expect.stringMatching(/Widget web\/one.* a\.yaml at line 1 .*b\.yaml at line 3/) as string,
      },
    ]);
    expect((await store.get<Widget>(widgets, 'web/one'))?.spec.size).toBe(1);
  });

  it('serves the last state while the folder is gone, and while it is an empty one in its place', async () => {
    const folder = await makeFolder();
    await folder.write('a.yaml', widget('web', 'one'));
    const store = await folder.open();
    const { metadata } = (await store.get(widgets, 'web/one')) as Widget;
    await rename(folder.directory, `${folder.directory}-away`);
    await until(async () => store.problems().length > 0);
    expect(store.problems()[0]).toMatchObject({ file: '', message: expect.stringContaining('ENOENT') as string });
    await mkdir(folder.directory);
    await until(async () => store.problems()[0]?.message.includes('without manifests'));
    expect(await store.get(widgets, 'web/one')).toMatchObject({ metadata });
    await folder.write('b.yaml', widget('web', 'one'), widget('web', 'two'));
    await until(() => store.get(widgets, 'web/two'));
    expect(store.problems()).toEqual([]);
    expect((await store.get(widgets, 'web/one'))?.metadata.uid).toBe(metadata.uid);
  });

  it('believes an empty folder after a restart only when something is put into it', async () => {
    const folder = await makeFolder();
    await folder.write('a.yaml', widget('web', 'one'));
    const { uid } = (await (await folder.open()).get(widgets, 'web/one'))?.metadata ?? {};
    const again = await makeFolder();
    const copy = await folder.copyState();
    const store = await again.open({ stateDirectory: copy });
    expect(store.problems()).toHaveLength(1);
    expect((await store.get(widgets, 'web/one'))?.metadata.uid).toBe(uid);
  });

  it('follows the swap of a link as Kubernetes mounts a ConfigMap', async () => {
    const folder = await makeFolder();
    const at = (name: string): string => path.join(folder.directory, name);
    await folder.write('..1/a.yaml', widget('web', 'one', 1));
    await folder.write('..2/a.yaml', widget('web', 'one', 2));
    await symlink('..1', at('..data'));
    await symlink('..data/a.yaml', at('a.yaml'));
    const store = await folder.open();
    await symlink('..2', at('..data_tmp'));
    await rename(at('..data_tmp'), at('..data'));
    await until(async () => (await store.get<Widget>(widgets, 'web/one'))?.spec.size === 2);
    expect((await store.get(widgets, 'web/one'))?.metadata.generation).toBe(2);
  });

  it('does not take a file that is being written, nor the moment in which it is not there', async () => {
    const folder = await makeFolder();
    await folder.write('a.yaml', widget('web', 'one'), widget('web', 'two'));
    const store = await folder.open();
    const before = await store.list(widgets);
    const file = path.join(folder.directory, 'a.yaml');
    for (let i = 0; i < 10; i += 1) {
      await writeFile(file, JSON.stringify(widget('web', 'one')));
      await sleep(30);
      await rm(file);
      await sleep(30);
    }
    await writeFile(
      file,
      [widget('web', 'one'), widget('web', 'two')].map((one) => JSON.stringify(one)).join('\n---\n'),
    );
    await sleep(400);
    expect(await store.list(widgets)).toEqual(before);
  });

  it('refuses a second process on the same state in one sentence, and a state that it cannot read', async () => {
    const folder = await makeFolder();
    const store = await folder.open();
    await expect(folder.open()).rejects.toMatchObject({
      code: 'ConfigInvalid',
      message: expect.stringMatching(
        new RegExp(`${folder.stateDirectory} is in use by process ${process.pid};.*--state`),
      ) as string,
    });
    written(await store.create(widgets, widget('web', 'one')));
    await store.close();
    const whole = await folder.stateText();
    for (const text of [
      '',
      whole.slice(0, -5),
      whole.replace('"web"', '"wob"'),
      '{}',
      whole.replace('"sluiceState":1', '"sluiceState":2'),
    ]) {
      await writeFile(path.join(folder.stateDirectory, 'state.json'), text);
      await expect(folder.open()).rejects.toMatchObject({
        code: 'ConfigInvalid',
        message: expect.stringContaining('state.json') as string,
      });
    }
    await writeFile(path.join(folder.stateDirectory, 'state.json'), whole);
    await writeFile(path.join(folder.stateDirectory, 'state.json.tmp'), whole.slice(0, 100));
    const again = await folder.open();
    expect(await again.get(widgets, 'web/one')).toBeDefined();
    expect(await readdir(folder.stateDirectory)).not.toContain('state.json.tmp');
  });

  it('names the folder that it cannot read', async () => {
    const folder = await makeFolder();
    await expect(folder.open({ directory: '/no/such/folder' })).rejects.toMatchObject({
      code: 'ConfigInvalid',
      message: expect.stringContaining('/no/such/folder') as string,
    });
  });

  it('asks for permission in the step in which a write begins, and makes none without it', async () => {
    const folder = await makeFolder();
    await folder.write('a.yaml', route());
    const store = await folder.open();
    const operations = [{ op: 'add', path: '/metadata/labels', value: { a: 'b' } }] as const;
    const refused = store.patch(ingressRoutes, shop, operations, { permit: () => false });
    await expect(refused).rejects.toMatchObject({ code: 'NotLeading' });
    expect((await readRoute(store)).metadata.labels).toBeUndefined();
  });

  it('answers a write whose disk refuses with an error, and goes on when it works again', async () => {
    const folder = await makeFolder();
    let isFull = false;
    const errors: string[] = [];
    const store = await folder.open({
      onError: ({ message }) => errors.push(message),
      disk: (disk) => ({
        ...disk,
        writeTemporary: (text) => (isFull ? Promise.reject(new Error('ENOSPC')) : disk.writeTemporary(text)),
      }),
    });
    isFull = true;
    await expect(store.create(widgets, widget('web', 'one'))).rejects.toMatchObject({ code: 'ApiFailed' });
    expect(await store.get(widgets, 'web/one')).toBeUndefined();
    await folder.write('a.yaml', widget('web', 'two'));
    await eventually(() => errors.length > 1);
    isFull = false;
    await until(() => store.get(widgets, 'web/two'), 3_000);
    written(await store.create(widgets, widget('web', 'one')));
  });

  it('shows nobody a write that is not on disk, and says WriteUnknown for one that hangs', async () => {
    const folder = await makeFolder();
    const gate = Promise.withResolvers<void>();
    let isHanging = false;
    const store = await folder.open({
      disk: (disk) => ({ ...disk, settle: () => (isHanging ? gate.promise.then(() => disk.settle()) : disk.settle()) }),
    });
    isHanging = true;
    const write = store.create(widgets, widget('web', 'one'), { deadlineMs: 100 });
    await expect(write).rejects.toMatchObject({ code: 'WriteUnknown' });
    const late = store.create(widgets, widget('web', 'three'), { deadlineMs: 100 });
    await expect(late).rejects.toMatchObject({ code: 'ApiTimeout' });
    expect((await store.list(widgets)).items).toEqual([]);
    gate.resolve();
    await until(() => store.get(widgets, 'web/one'));
    expect(await store.get(widgets, 'web/three')).toBeUndefined();
  });

  it('tells of the slices as the files have them, shows the endpoints that it is given, and stores none of these', async () => {
    const folder = await makeFolder();
    const slice = (address: string): EndpointSlice & { readonly addressType: string } => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'shop', labels: { 'kubernetes.io/service-name': 'shop' } },
      addressType: 'FQDN',
      endpoints: [{ addresses: [address] }],
    });
    await folder.write('a.yaml', slice('one.test'));
    const store = await folder.open();
    const told: (readonly string[])[] = [];
    const stop = store.onSlices((slices) =>
      told.push(slices.flatMap(({ endpoints }) => endpoints?.[0]?.addresses ?? [])),
    );
    expect(told).toEqual([['one.test']]);
    const { resourceVersion } = await store.list(resources.endpointSlices);
    const presented = { addressType: 'IPv4', endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }] };
    store.presentEndpoints(shop, presented);
    const shown = await until(async () => {
      const found = await store.get(resources.endpointSlices, shop);
      return found?.metadata.resourceVersion === resourceVersion ? undefined : found;
    });
    expect(shown).toMatchObject(presented);
    store.presentEndpoints(shop, structuredClone(presented));
    await sleep(50);
    expect(await store.get(resources.endpointSlices, shop)).toEqual(shown);
    expect(told).toHaveLength(1);
    await folder.write('a.yaml', slice('two.test'));
    await until(async () => told.length === 2);
    expect(told[1]).toEqual(['two.test']);
    expect(await store.get(resources.endpointSlices, shop)).toMatchObject(presented);
    expect(await folder.stateText()).not.toContain('127.0.0.1');
    stop();
    await folder.remove('a.yaml');
    await until(async () => (await store.get(resources.endpointSlices, shop)) === undefined);
    expect(told).toHaveLength(2);
  });

  it('shows a slice that comes while they are probed without a ready endpoint, until something is presented of it', async () => {
    const folder = await makeFolder();
    const slice = (name: string, endpoints: readonly object[]) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, labels: { 'kubernetes.io/service-name': 'shop' } },
      addressType: 'IPv4',
      endpoints,
      ports: [{ port: 80 }],
    });
    await folder.write('old.yaml', slice('old', [{ addresses: ['10.0.0.1'] }]));
    const store = await folder.open();
    const stopProbing = store.onSlices(() => {});
    const { resourceVersion } = await store.list(resources.endpointSlices);
    const stop = new AbortController();
    const seen: unknown[] = [];
    const watching = (async () => {
      const options = { resourceVersion, signal: stop.signal };
      for await (const event of store.watch<EndpointSlice>(resources.endpointSlices, options)) {
        if (event.type !== 'Bookmark') seen.push(event.object.endpoints);
      }
    })();
    await folder.write(
      'shop.yaml',
      slice('shop', [{ addresses: ['10.0.0.2'], conditions: { ready: true } }, { addresses: ['shop.test'] }]),
    );
    await until(async () => seen.length > 0);
    const notReady = [{ addresses: ['10.0.0.2'], conditions: { ready: false, serving: false } }];
    expect(seen).toEqual([notReady]);
    expect(await store.get(resources.endpointSlices, shop)).toMatchObject({ endpoints: notReady });
    const ready = [{ addresses: ['10.0.0.2'], conditions: { ready: true } }];
    store.presentEndpoints(shop, { endpoints: ready });
    await until(async () => seen.length > 1);
    expect(seen[1]).toEqual(ready);
    stopProbing();
    await folder.write('new.yaml', slice('new', [{ addresses: ['10.0.0.3'] }]));
    await until(async () => seen.length > 2);
    expect(seen[2]).toEqual([{ addresses: ['10.0.0.3'] }]);
    stop.abort();
    await watching;
  });

  it('tells of the slices of the state at once when nothing has changed since', async () => {
    const folder = await makeFolder();
    await folder.write('shop.yaml', {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'shop' },
      endpoints: [{ addresses: ['10.0.0.1'] }],
    });
    await (await folder.open()).close();
    const store = await folder.open();
    const told: (readonly EndpointSlice[])[] = [];
    store.onSlices((slices) => told.push(slices));
    expect(told).toMatchObject([[{ metadata: { name: 'shop' }, endpoints: [{ addresses: ['10.0.0.1'] }] }]]);
  });

  it('settles when what was presented is shown, however long the disk takes over what came before', async () => {
    const folder = await makeFolder();
    await folder.write('shop.yaml', {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'shop' },
      endpoints: [{ addresses: ['10.0.0.1'] }],
    });
    const store = await folder.open({
      disk: (disk) => ({ ...disk, writeTemporary: (text) => sleep(200).then(() => disk.writeTemporary(text)) }),
    });
    const creating = store.create(widgets, widget('default', 'made'));
    await sleep(20);
    const endpoints = [{ addresses: ['10.0.0.1'], conditions: { ready: true } }];
    store.presentEndpoints(shop, { endpoints });
    await sleep(20);
    expect(await store.get(resources.endpointSlices, shop)).not.toMatchObject({ endpoints });
    await store.settled();
    expect(await store.get(resources.endpointSlices, shop)).toMatchObject({ endpoints });
    written(await creating);
  });

  it('keeps the newest 1000 events, in memory', async () => {
    const folder = await makeFolder();
    const store = await folder.open();
    const event = { apiVersion: 'events.k8s.io/v1', kind: 'Event', metadata: { generateName: 'e-', namespace: 'web' } };
    await Promise.all(Array.from({ length: 1_010 }, () => store.create(events, event as unknown as KubernetesObject)));
    const { items } = await store.list(events);
    expect(items).toHaveLength(1_000);
    expect(await folder.stateText()).not.toContain('"e-');
  });
});
