import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesObject } from '../../../src/api/kubernetes.ts';
import { systemClock } from '../../../src/clock.ts';
import { openFolderStore } from '../../../src/standalone/folder-store.ts';
import { validateWidget } from '../../support/folders.ts';
import { eventually } from '../../support/eventually.ts';
import { widget, widgets } from '../../support/widgets.ts';
import { runObjectStoreContract } from '../../contract/object-store.ts';

runObjectStoreContract('A folder of manifests', async () => {
  const root = await mkdtemp(path.join(tmpdir(), 'sluice-folder-'));
  const directory = path.join(root, 'manifests');
  await mkdir(directory);
  const store = await openFolderStore({
    directory,
    stateDirectory: path.join(root, 'state'),
    clock: systemClock,
    validate: validateWidget,
    onProblems: (problems) => {
      if (problems.length > 0) throw new Error(JSON.stringify(problems));
    },
  });
  let namespaces = 0;
  return {
    store,
    kind: widgets,
    newNamespace: () => Promise.resolve(`n${(namespaces += 1)}`),
    object: widget,
    // A user deletes an object by deleting its manifest; what was created through the store gets one first.
    remove: async (key) => {
      const file = path.join(directory, `${key.replace('/', '.')}.json`);
      const { metadata, ...rest } = (await store.get(widgets, key)) as KubernetesObject;
      const { name, namespace, labels, annotations } = metadata;
      await writeFile(file, JSON.stringify({ ...rest, metadata: { name, namespace, labels, annotations } }));
      await sleep(300);
      await rm(file);
      await eventually(async () => {
        const left = await store.get(widgets, key);
        return left === undefined || left.metadata.deletionTimestamp !== undefined;
      });
    },
    stop: async () => {
      await store.close();
      await rm(root, { recursive: true });
    },
  };
});
