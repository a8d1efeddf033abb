import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyOf, type ObjectKey } from '../../src/api/kubernetes.ts';
import type { FolderStore } from '../../src/standalone/folder-store.ts';
import type { StateDisk } from '../../src/standalone/state-file.ts';
import { makeFolder, type Folder } from '../support/folders.ts';
import { widget, widgets, type Widget } from '../support/widgets.ts';

const names = ['a', 'b', 'c'] as const;
type Name = (typeof names)[number];

/** Numbers that only grow: what was acknowledged may be followed by what was not, but never be missing. */
interface Numbers {
  /** size is Sluice's to write, phase the status's; of made all are to be there. */
  readonly size: Readonly<Record<Name, number>>;
  readonly phase: Readonly<Record<Name, number>>;
  readonly made: readonly string[];
  readonly version: number;
  readonly uids: Readonly<Record<string, string>>;
}

interface Crash {
  readonly state: string;
  readonly acknowledged: Numbers;
}

type Step =
  | { readonly kind: 'Write' | 'Status' | 'Edit'; readonly name: Name }
  | { readonly kind: 'Create' }
  | { readonly kind: 'Rest'; readonly ms: number };

const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constantFrom('Write', 'Status', 'Edit'), name: fc.constantFrom(...names) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('Create' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('Rest' as const), ms: fc.integer({ min: 0, max: 150 }) }) },
  ),
  { minLength: 10, maxLength: 40 },
) as fc.Arbitrary<readonly Step[]>;

/** crashing copies the state before and after each step of a save, and in the middle of its first. */
function crashing(disk: StateDisk, folder: Folder, onCrash: () => Promise<void>): StateDisk {
  return {
    writeTemporary: async (text) => {
      await writeFile(path.join(folder.stateDirectory, 'state.json.tmp'), text.slice(0, text.length / 2));
      await onCrash();
      await disk.writeTemporary(text);
      await onCrash();
    },
    replace: async () => {
      await disk.replace();
      await onCrash();
    },
    settle: async () => {
      await disk.settle();
      await onCrash();
    },
  };
}

/** perform makes the steps, most of them without waiting for the one before, and notes what was acknowledged. */
async function perform(folder: Folder, script: readonly Step[]): Promise<readonly Crash[]> {
  const crashes: Crash[] = [];
  const submitted = { size: { a: 0, b: 0, c: 0 }, phase: { a: 0, b: 0, c: 0 }, made: 0, edits: { a: 0, b: 0, c: 0 } };
  const size: Record<Name, number> = { a: 0, b: 0, c: 0 };
  const phase: Record<Name, number> = { a: 0, b: 0, c: 0 };
  const made: string[] = [];
  const uids: Record<string, string> = {};
  let version = 0;
  const note = (object: Widget): void => {
    version = Math.max(version, Number(object.metadata.resourceVersion));
    uids[object.metadata.name] = object.metadata.uid ?? '';
  };
  const store = await folder.open({
    disk: (disk) =>
      crashing(disk, folder, async () => {
        const acknowledged = structuredClone({ size, phase, made, version, uids });
        crashes.push({ state: await folder.copyState(), acknowledged });
      }),
  });
  const write = async (name: Name): Promise<void> => {
    submitted.size[name] += 1;
    const value = submitted.size[name];
    const outcome = await store.patch<Widget>(widgets, `web/${name}`, [{ op: 'replace', path: '/spec/size', value }]);
    if (outcome.kind !== 'Written') throw new Error(JSON.stringify(outcome));
    size[name] = Math.max(size[name], value);
    note(outcome.object);
  };
  const status = async (name: Name): Promise<void> => {
    const before = (await store.get<Widget>(widgets, `web/${name}`)) as Widget;
    const value = Number(before.status?.phase ?? 0) + 1;
    const outcome = await store.patchStatus<Widget>(widgets, `web/${name}`, {
      resourceVersion: before.metadata.resourceVersion ?? '',
      status: { phase: String(value) },
    });
    if (outcome.kind !== 'Written') return;
    phase[name] = Math.max(phase[name], value);
    note(outcome.object);
  };
  const create = async (): Promise<void> => {
    submitted.made += 1;
    const outcome = await store.create<Widget>(widgets, widget('web', `made-${submitted.made}`));
    if (outcome.kind !== 'Written') throw new Error(JSON.stringify(outcome));
    made.push(outcome.object.metadata.name);
    note(outcome.object);
  };
  const running: Promise<void>[] = [];
  for (const step of script) {
    if (step.kind === 'Rest') await sleep(step.ms);
    else if (step.kind === 'Create') running.push(create());
    else if (step.kind === 'Write') running.push(write(step.name));
    else if (step.kind === 'Status') running.push(status(step.name));
    else {
      submitted.edits[step.name] += 1;
      await folder.write(`${step.name}.yaml`, manifest(step.name, submitted.edits[step.name]));
    }
  }
  await Promise.all(running);
  await store.close();
  crashes.push({ state: folder.stateDirectory, acknowledged: { size, phase, made, version, uids } });
  return crashes;
}

/** `spec.size` is what Sluice writes; the file edits around it. */
function manifest(name: string, edit: number): Widget {
  const object = widget('web', name, 0);
  return { ...object, spec: { ...object.spec, extra: { edit } } };
}

async function verify(store: FolderStore, { acknowledged }: Crash): Promise<void> {
  const objects = new Map<ObjectKey, Widget>();
  for (const object of (await store.list<Widget>(widgets)).items) objects.set(keyOf(object), object);
  for (const name of names) {
    const object = objects.get(`web/${name}`);
    expect(object?.spec.size).toBeGreaterThanOrEqual(acknowledged.size[name]);
    expect(Number(object?.status?.phase ?? 0)).toBeGreaterThanOrEqual(acknowledged.phase[name]);
  }
  expect([...objects.keys()]).toEqual(expect.arrayContaining(acknowledged.made.map((name) => `web/${name}`)));
  for (const [name, uid] of Object.entries(acknowledged.uids))
    expect(objects.get(`web/${name}`)?.metadata.uid).toBe(uid);
  const next = await store.create<Widget>(widgets, widget('web', `next-${randomUUID()}`));
  const version = next.kind === 'Written' ? Number(next.object.metadata.resourceVersion) : 0;
  expect(version).toBeGreaterThan(acknowledged.version);
}

describe('the folder store', () => {
  it(
    'never loses an acknowledged write, wherever it crashes while files are edited',
    { timeout: 120_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(steps, fc.infiniteStream(fc.nat()), async (script, chance) => {
          const folder = await makeFolder();
          for (const name of names) await folder.write(`${name}.yaml`, manifest(name, 0));
          const crashes = await perform(folder, script);
          expect(crashes.length).toBeGreaterThan(1);
          for (const pick of chance.take(4)) {
            const crash = crashes[pick % crashes.length] as Crash;
            const store = await folder.open({ stateDirectory: crash.state });
            await verify(store, crash);
            await store.close();
          }
        }),
        { numRuns: 12 },
      );
    },
  );

  it(
    'goes on after kill -9 at any moment, without a leftover lock and with all that was acknowledged',
    { timeout: 60_000 },
    async () => {
      const folder = await makeFolder();
      await folder.write('one.yaml', widget('web', 'one', 0));
      const program = fileURLToPath(new URL('../support/folder-writer.ts', import.meta.url));
      let acknowledged = 0;
      for (let round = 0; round < 8; round += 1) {
        const child = spawn(process.execPath, [program, folder.directory, folder.stateDirectory]);
        let text = '';
        child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
        child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
        await once(child.stdout, 'data');
        await sleep(Math.random() * 60);
        child.kill('SIGKILL');
        await once(child, 'close');
        const last = Number(text.trimEnd().split('\n').at(-1));
        expect(last, text).toBeGreaterThan(acknowledged);
        acknowledged = last;
        const store = await folder.open();
        const { items } = await store.list<Widget>(widgets);
        const size = items.find(({ metadata }) => metadata.name === 'one')?.spec.size ?? 0;
        expect(size).toBeGreaterThanOrEqual(acknowledged);
        // Both writes of a number were made in one save, or neither.
        expect(items).toHaveLength(size + 1);
        await store.close();
      }
    },
  );
});
