/** A process that writes to a folder store until it is killed: `node folder-writer.ts DIRECTORY STATE` prints each number that is acknowledged. */
import { systemClock } from '../../src/clock.ts';
import { openFolderStore } from '../../src/standalone/folder-store.ts';
import { widgets, type Widget } from './widgets.ts';

const [directory = '', stateDirectory = ''] = process.argv.slice(2);
const store = await openFolderStore({
  directory,
  stateDirectory,
  clock: systemClock,
  validate: (document) => ({ kind: 'Valid', object: document as object }),
  onProblems: () => {},
});

let size = (await store.get<Widget>(widgets, 'web/one'))?.spec.size ?? 0;
for (;;) {
  const next = size + 1;
  const [patched, stored] = await Promise.all([
    store.patch(widgets, 'web/one', [{ op: 'replace', path: '/spec/size', value: next }]),
    store.create(widgets, { metadata: { name: `n${next}`, namespace: 'web' } }),
  ]);
  if (patched.kind !== 'Written' || stored.kind !== 'Written') throw new Error(JSON.stringify([patched, stored]));
  size = next;
  process.stdout.write(`${size}\n`);
}
