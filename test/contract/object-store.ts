/** What every ObjectStore has to do alike: the real API server and a folder of manifests pass the same suite. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { KubernetesObject, ObjectKey, ResourceKind } from '../../src/api/kubernetes.ts';
import type { ObjectStore, WatchEvent, WriteOutcome } from '../../src/api/object-store.ts';
import { eventually } from '../support/eventually.ts';

/** ContractObject is what the suite needs of its kind: `spec.paused`, `status.phase` and `status.message`. */
export interface ContractObject extends KubernetesObject {
  readonly spec: { readonly paused?: boolean };
  readonly status?: { readonly phase?: string; readonly message?: string };
}

/** ObjectStoreHarness is one store under test and the ways to its objects that are not the store's. */
export interface ObjectStoreHarness {
  readonly store: ObjectStore;
  /** kind has a status subresource and refuses text in `spec.paused`. */
  readonly kind: ResourceKind;
  /** newNamespace returns a namespace without objects. */
  readonly newNamespace: () => Promise<string>;
  /** object returns a valid object with `spec.paused: false` and as many other fields as its kind has, also unusual ones. */
  readonly object: (namespace: string, name: string) => ContractObject;
  /** remove deletes an object as a user would. */
  readonly remove: (key: ObjectKey) => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** runObjectStoreContract declares the suite; `skips` names tests that do not apply, each with its reason. */
export function runObjectStoreContract(
  name: string,
  open: () => Promise<ObjectStoreHarness>,
  skips: Readonly<Record<string, string>> = {},
): void {
  describe(`${name} is an ObjectStore: it`, () => {
    let harness: ObjectStoreHarness;
    let namespace = '';
    beforeAll(async () => {
      harness = await open();
    });
    afterAll(() => harness.stop());
    beforeEach(async () => {
      namespace = await harness.newNamespace();
    });
    for (const [title, run] of Object.entries(contract)) {
      it.skipIf(skips[title] !== undefined)(title, () =>
        run({ ...harness, namespace, ...shortcuts(harness, namespace) }),
      );
    }
  });
}

type Context = ObjectStoreHarness & { readonly namespace: string } & ReturnType<typeof shortcuts>;

function shortcuts({ store, kind, object }: ObjectStoreHarness, namespace: string) {
  const keyFor = (name: string): ObjectKey => `${namespace}/${name}`;
  return {
    keyFor,
    get: (name: string) => store.get<ContractObject>(kind, keyFor(name)),
    add: async (name: string): Promise<ContractObject> => written(await store.create(kind, object(namespace, name))),
  };
}

function written<T>(outcome: WriteOutcome<T>): T {
  if (outcome.kind === 'Written') return outcome.object;
  throw new Error(`The write was not made: ${JSON.stringify(outcome)}`);
}

function versionOf(object: KubernetesObject | undefined): string {
  const version = object?.metadata.resourceVersion;
  if (version === undefined) throw new Error('The object has no resourceVersion.');
  return version;
}

/** withoutVersion leaves out what a write may change by itself. */
function withoutVersion(object: ContractObject | undefined): unknown {
  if (object === undefined) return undefined;
  const { resourceVersion: _, generation: __, managedFields: ___, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** collect watches from `resourceVersion` until stop(), and keeps what came; stop() fails as the watch did. */
function collect({ store, kind, namespace }: Context, resourceVersion: string, name?: string) {
  const abort = new AbortController();
  const events: WatchEvent<ContractObject>[] = [];
  const read = async (): Promise<void> => {
    const stream = store.watch<ContractObject>(kind, { namespace, name, resourceVersion, signal: abort.signal });
    for await (const event of stream) if (event.type !== 'Bookmark') events.push(event);
  };
  const ended = read();
  ended.catch(() => {});
  const summary = (): readonly string[] =>
    events.flatMap((event) => (event.type === 'Bookmark' ? [] : `${event.type} ${event.object.metadata.name}`));
  return {
    events,
    summary,
    until: (count: number) => eventually(() => events.length >= count, { describe: `${count} events` }),
    stop: () => {
      abort.abort();
      return ended;
    },
  };
}

const contract: Readonly<Record<string, (context: Context) => Promise<void>>> = {
  'returns undefined for an object that does not exist': async ({ get }) => {
    expect(await get('missing')).toBeUndefined();
  },

  'stores a new object whole and returns it with uid and version': async ({ add, get, namespace, object }) => {
    const created = await add('a');
    expect(created.metadata.uid).toBeTypeOf('string');
    expect(created).toMatchObject(object(namespace, 'a'));
    expect(await get('a')).toEqual(created);
  },

  'refuses to create what exists as a Conflict, and leaves it alone': async ({
    add,
    get,
    kind,
    namespace,
    object,
    store,
  }) => {
    const created = await add('a');
    const outcome = await store.create(kind, object(namespace, 'a'));
    expect(outcome.kind).toBe('Conflict');
    expect(await get('a')).toEqual(created);
  },

  'lists all objects of a namespace, and only those': async (context) => {
    const { add, kind, namespace, newNamespace, object, store } = context;
    const other = await newNamespace();
    await store.create(kind, object(other, 'other'));
    expect((await store.list(kind, { namespace })).items).toEqual([]);
    const objects = [await add('a'), await add('b')];
    const list = await store.list(kind, { namespace });
    expect([...list.items].sort((a, b) => a.metadata.name.localeCompare(b.metadata.name))).toEqual(objects);
    const everywhere = (await store.list(kind)).items.map((item) => item.metadata.namespace);
    expect(everywhere).toEqual(expect.arrayContaining([namespace, other]));
  },

  'lists at least the state of a version that it has returned': async ({ add, kind, namespace, store }) => {
    const created = await add('a');
    const list = await store.list(kind, { namespace, resourceVersion: versionOf(created) });
    expect(list.items).toEqual([created]);
  },

  'keeps of each listed object what it is told': async ({ add, kind, namespace, store }) => {
    const created = [await add('a'), await add('b')];
    const keep = ({ metadata, spec }: ContractObject): ContractObject => ({ metadata, spec });
    const { items } = await store.list<ContractObject>(kind, { namespace, keep });
    expect([...items].sort((a, b) => a.metadata.name.localeCompare(b.metadata.name))).toEqual(created.map(keep));
  },

  'tells the version of now in a list of which nobody wants more than one object': async (context) => {
    const { add, kind, namespace, store } = context;
    await add('a');
    await add('b');
    const { items, resourceVersion } = await store.list(kind, { namespace, limit: 1 });
    expect(items.length).toBeGreaterThanOrEqual(1);
    const watch = collect(context, resourceVersion);
    await add('c');
    await watch.until(1);
    await watch.stop();
    expect(watch.summary()).toEqual(['Added c']);
  },

  'watches each change after a list, in order, without a gap and without a repetition': async (context) => {
    const { add, keyFor, kind, namespace, remove, store } = context;
    await add('before');
    const list = await store.list(kind, { namespace });
    await add('between');
    const watch = collect(context, list.resourceVersion);
    await watch.until(1);
    await add('a');
    await store.patch(kind, keyFor('a'), [{ op: 'replace', path: '/spec/paused', value: true }]);
    await remove(keyFor('a'));
    await watch.until(4);
    await watch.stop();
    expect(watch.summary()).toEqual(['Added between', 'Added a', 'Modified a', 'Deleted a']);
    expect(watch.events[2]).toMatchObject({ object: { spec: { paused: true } } });
  },

  'watches the same objects that it lists and gets': async (context) => {
    const { add, get, kind, namespace, store } = context;
    const { resourceVersion } = await store.list(kind, { namespace });
    await add('a');
    const watch = collect(context, resourceVersion);
    await watch.until(1);
    await watch.stop();
    const expected = await get('a');
    expect(watch.events).toEqual([{ type: 'Added', object: expected }]);
    expect((await store.list(kind, { namespace })).items).toEqual([expected]);
  },

  'lists and watches one object by its name': async (context) => {
    const { add, keyFor, kind, namespace, remove, store } = context;
    const listOne = async (): Promise<readonly string[]> =>
      (await store.list(kind, { namespace, name: 'b' })).items.map(({ metadata }) => metadata.name);
    await add('a');
    const { resourceVersion } = await store.list(kind, { namespace, name: 'b' });
    expect(await listOne()).toEqual([]);
    const watch = collect(context, resourceVersion, 'b');
    await add('c');
    await add('b');
    expect(await listOne()).toEqual(['b']);
    await remove(keyFor('a'));
    await remove(keyFor('b'));
    await watch.until(2);
    await watch.stop();
    expect(watch.summary()).toEqual(['Added b', 'Deleted b']);
  },

  'does not watch other namespaces': async (context) => {
    const { add, kind, namespace, newNamespace, object, store } = context;
    const { resourceVersion } = await store.list(kind, { namespace });
    const watch = collect(context, resourceVersion);
    await store.create(kind, object(await newNamespace(), 'other'));
    await add('a');
    await watch.until(1);
    await watch.stop();
    expect(watch.summary()).toEqual(['Added a']);
  },

  'ends a watch without an error when its signal aborts': async (context) => {
    const { kind, namespace, store } = context;
    const { resourceVersion } = await store.list(kind, { namespace });
    const watch = collect(context, resourceVersion);
    await watch.stop();
    expect(watch.events).toEqual([]);
  },

  'refuses to watch from a version that is too old as ApiGone': async ({ kind, namespace, store }) => {
    const signal = AbortSignal.timeout(20_000);
    const events = store.watch(kind, { namespace, resourceVersion: '1', signal })[Symbol.asyncIterator]();
    await expect(events.next()).rejects.toMatchObject({ code: 'ApiGone' });
  },

  'patches exactly what the operations name': async ({ add, get, keyFor, kind, store }) => {
    const before = await add('a');
    const outcome = await store.patch<ContractObject>(kind, keyFor('a'), [
      { op: 'test', path: '/metadata/resourceVersion', value: versionOf(before) },
      { op: 'test', path: '/spec/paused', value: false },
      { op: 'replace', path: '/spec/paused', value: true },
      { op: 'add', path: '/metadata/annotations', value: { 'example.com/gone': '1' } },
      { op: 'add', path: '/metadata/annotations/example.com~1kept', value: '2' },
      { op: 'remove', path: '/metadata/annotations/example.com~1gone' },
    ]);
    const after = written(outcome);
    expect(after).toEqual(await get('a'));
    expect(versionOf(after)).not.toBe(versionOf(before));
    const expected = {
      ...before,
      metadata: { ...before.metadata, annotations: { 'example.com/kept': '2' } },
      spec: { ...before.spec, paused: true },
    };
    expect(withoutVersion(after)).toEqual(withoutVersion(expected));
  },

  'tests a text as it is, whatever characters it holds': async ({ add, keyFor, kind, store }) => {
    await add('a');
    // The API server compares a test as text with its own encoding of the object, which escapes some of these.
    const text = 'Host(`a.test`) && !Path(`/<b>`) "q" \\ / \u2028\u2029 \u0001\t\r\n\b\f\u007f é 中 😀';
    const path = '/metadata/annotations';
    written(await store.patch(kind, keyFor('a'), [{ op: 'add', path, value: { text } }]));
    const outcome = await store.patch<ContractObject>(kind, keyFor('a'), [
      { op: 'test', path: `${path}/text`, value: text },
      { op: 'replace', path: '/spec/paused', value: true },
    ]);
    expect(written(outcome)).toMatchObject({ metadata: { annotations: { text } }, spec: { paused: true } });
  },

  'takes a failed test of a patch as a Conflict and changes nothing at all': async ({
    add,
    get,
    keyFor,
    kind,
    store,
  }) => {
    const before = await add('a');
    const outcome = await store.patch(kind, keyFor('a'), [
      { op: 'replace', path: '/spec/paused', value: true },
      { op: 'test', path: '/metadata/name', value: 'b' },
    ]);
    expect(outcome.kind).toBe('Conflict');
    expect(await get('a')).toEqual(before);
  },

  'takes a patch for an older version as a Conflict': async ({ add, get, keyFor, kind, store }) => {
    const before = await add('a');
    const pause = { op: 'replace', path: '/spec/paused', value: true } as const;
    await store.patch(kind, keyFor('a'), [pause]);
    const outcome = await store.patch(kind, keyFor('a'), [
      { op: 'test', path: '/metadata/resourceVersion', value: versionOf(before) },
      { op: 'replace', path: '/spec/paused', value: false },
    ]);
    expect(outcome.kind).toBe('Conflict');
    expect((await get('a'))?.spec.paused).toBe(true);
  },

  'takes a patch of a place that is not there as a Conflict': async ({ add, get, keyFor, kind, store }) => {
    const before = await add('a');
    // Not `replace` of a missing member: RFC 6902 refuses it, but the API server's library (evanphx/json-patch) adds it.
    for (const operation of [
      { op: 'remove', path: '/metadata/annotations/no~1such' },
      { op: 'add', path: '/metadata/annotations/no~1parent', value: '1' },
      { op: 'replace', path: '/metadata/annotations/no~1parent', value: '1' },
      { op: 'test', path: '/spec/nothing/here', value: 1 },
    ] as const) {
      expect((await store.patch(kind, keyFor('a'), [operation])).kind).toBe('Conflict');
    }
    expect(await get('a')).toEqual(before);
  },

  'lets exactly one of many patches for the same version through': async ({ add, keyFor, kind, store }) => {
    const before = await add('a');
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        store.patch(kind, keyFor('a'), [
          { op: 'test', path: '/metadata/resourceVersion', value: versionOf(before) },
          { op: 'add', path: '/metadata/labels', value: { winner: String(index) } },
        ]),
      ),
    );
    expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual([...Array<string>(7).fill('Conflict'), 'Written']);
  },

  'refuses a patch that makes the object invalid as ApiInvalid, which is no Conflict': async ({
    add,
    get,
    keyFor,
    kind,
    store,
  }) => {
    const before = await add('a');
    const patch = store.patch(kind, keyFor('a'), [{ op: 'replace', path: '/spec/paused', value: 'maybe' }]);
    await expect(patch).rejects.toMatchObject({ code: 'ApiInvalid' });
    expect(await get('a')).toEqual(before);
  },

  'returns Missing for a patch of an object that does not exist': async ({ keyFor, kind, store }) => {
    const operations = [{ op: 'add', path: '/metadata/labels', value: {} }] as const;
    expect(await store.patch(kind, keyFor('missing'), operations)).toEqual({ kind: 'Missing' });
    const change = { resourceVersion: '1', status: { phase: 'Progressing' } };
    expect(await store.patchStatus(kind, keyFor('missing'), change)).toEqual({ kind: 'Missing' });
  },

  'merges a status, removes what is null, and leaves the rest of the object alone': async ({
    add,
    get,
    keyFor,
    kind,
    store,
  }) => {
    const created = await add('a');
    const first = written(
      await store.patchStatus<ContractObject>(kind, keyFor('a'), {
        resourceVersion: versionOf(created),
        status: { phase: 'Progressing', message: 'Five percent.' },
      }),
    );
    expect(first.status).toEqual({ phase: 'Progressing', message: 'Five percent.' });
    const second = written(
      await store.patchStatus<ContractObject>(kind, keyFor('a'), {
        resourceVersion: versionOf(first),
        status: { phase: 'Paused', message: null },
      }),
    );
    expect(second.status).toEqual({ phase: 'Paused' });
    expect(await get('a')).toEqual(second);
    expect(second.metadata.generation).toBe(created.metadata.generation);
    expect(withoutVersion(second)).toEqual(withoutVersion({ ...created, status: { phase: 'Paused' } }));
  },

  'takes a status that is given whole too, and leaves the rest of the object alone': async ({
    add,
    get,
    keyFor,
    kind,
    store,
  }) => {
    const created = await add('a');
    const first = { phase: 'Progressing', message: 'Five percent.' };
    const change = { resourceVersion: versionOf(created), status: first, whole: first };
    const before = written(await store.patchStatus<ContractObject>(kind, keyFor('a'), change));
    const second = { resourceVersion: versionOf(before), status: { phase: 'Paused', message: null } };
    const whole = { phase: 'Paused' };
    const after = written(await store.patchStatus<ContractObject>(kind, keyFor('a'), { ...second, whole }));
    expect(await get('a')).toEqual(after);
    expect(withoutVersion(after)).toEqual(withoutVersion({ ...created, status: whole }));
    const late = await store.patchStatus<ContractObject>(kind, keyFor('a'), { ...change, whole: first });
    expect([late.kind, (await get('a'))?.status]).toEqual(['Conflict', whole]);
    const missing = await store.patchStatus(kind, keyFor('missing'), { ...change, whole: first });
    expect(missing).toEqual({ kind: 'Missing' });
  },

  'takes a status for an older version as a Conflict and keeps the newer one': async ({
    add,
    get,
    keyFor,
    kind,
    store,
  }) => {
    const created = await add('a');
    const resourceVersion = versionOf(created);
    await store.patchStatus(kind, keyFor('a'), { resourceVersion, status: { phase: 'Progressing' } });
    const outcome = await store.patchStatus(kind, keyFor('a'), { resourceVersion, status: { phase: 'Failed' } });
    expect(outcome.kind).toBe('Conflict');
    expect((await get('a'))?.status?.phase).toBe('Progressing');
  },

  'does not let a patch of the object change its status': async ({ add, get, keyFor, kind, store }) => {
    const created = await add('a');
    await store.patchStatus(kind, keyFor('a'), {
      resourceVersion: versionOf(created),
      status: { phase: 'Progressing' },
    });
    await store.patch(kind, keyFor('a'), [
      { op: 'replace', path: '/status/phase', value: 'Failed' },
      { op: 'replace', path: '/spec/paused', value: true },
    ]);
    expect(await get('a')).toMatchObject({ spec: { paused: true }, status: { phase: 'Progressing' } });
  },

  'does not take a status with a new object': async ({ get, kind, namespace, object, store }) => {
    written(await store.create<ContractObject>(kind, { ...object(namespace, 'a'), status: { phase: 'Failed' } }));
    expect((await get('a'))?.status?.phase).toBeUndefined();
  },

  'records its writes under the field manager sluice': async ({ add, get, keyFor, kind, store }) => {
    const created = await add('a');
    await store.patch(kind, keyFor('a'), [{ op: 'replace', path: '/spec/paused', value: true }]);
    const resourceVersion = versionOf(await get('a'));
    await store.patchStatus(kind, keyFor('a'), { resourceVersion, status: { phase: 'Progressing' } });
    expect(created.metadata.managedFields?.map(({ manager }) => manager)).toEqual(['sluice']);
    const entries = (await get('a'))?.metadata.managedFields ?? [];
    expect(new Set(entries.map(({ manager }) => manager))).toEqual(new Set(['sluice']));
    const ofSpec = entries.filter(({ fieldsV1 }) => JSON.stringify(fieldsV1?.['f:spec'] ?? {}).includes('f:paused'));
    expect(ofSpec).toHaveLength(1);
    expect(entries.find(({ subresource }) => subresource === 'status')?.fieldsV1).toMatchObject({ 'f:status': {} });
  },

  'counts a generation for a change of the spec, and none for labels': async ({ add, keyFor, kind, store }) => {
    const { generation = 0 } = (await add('a')).metadata;
    const labels = { op: 'add', path: '/metadata/labels', value: { a: 'b' } } as const;
    const labelled = written(await store.patch(kind, keyFor('a'), [labels]));
    expect(labelled.metadata.generation).toBe(generation);
    const paused = { op: 'replace', path: '/spec/paused', value: true } as const;
    expect(written(await store.patch(kind, keyFor('a'), [paused])).metadata.generation).toBe(generation + 1);
  },

  'leaves an object alone that a patch does not change': async ({ add, get, keyFor, kind, store }) => {
    const created = await add('a');
    const outcome = await store.patch(kind, keyFor('a'), [{ op: 'replace', path: '/spec/paused', value: false }]);
    expect(written(outcome)).toEqual(created);
    expect(await get('a')).toEqual(created);
  },

  'gives an object that is made again another uid': async ({ add, keyFor, remove }) => {
    const first = await add('a');
    await remove(keyFor('a'));
    const second = await add('a');
    expect(second.metadata.uid).not.toBe(first.metadata.uid);
  },

  'lets a deleted object go only with its last finalizer': async (context) => {
    const { add, get, keyFor, kind, remove, store } = context;
    await add('a');
    const finalizers = { op: 'add', path: '/metadata/finalizers', value: ['sluice.dev/test'] } as const;
    const held = written(await store.patch<ContractObject>(kind, keyFor('a'), [finalizers]));
    const watch = collect(context, versionOf(held));
    await remove(keyFor('a'));
    await watch.until(1);
    const going = await get('a');
    expect(going?.metadata.deletionTimestamp).toBeTypeOf('string');
    expect(going?.metadata).toMatchObject({ uid: held.metadata.uid, finalizers: ['sluice.dev/test'] });
    written(await store.patch(kind, keyFor('a'), [{ op: 'remove', path: '/metadata/finalizers' }]));
    await watch.until(2);
    await watch.stop();
    expect(await get('a')).toBeUndefined();
    expect(watch.summary()).toEqual(['Modified a', 'Deleted a']);
  },

  'deletes the object that was read, although it has changed since': async (context) => {
    const { add, get, keyFor, kind, store } = context;
    const read = await add('a');
    written(await store.patch(kind, keyFor('a'), [{ op: 'replace', path: '/spec/paused', value: true }]));
    const watch = collect(context, versionOf(await get('a')));
    expect(await store.delete(kind, read)).toEqual({ kind: 'Written', object: read });
    await watch.until(1);
    await watch.stop();
    expect(await get('a')).toBeUndefined();
    expect(watch.summary()).toEqual(['Deleted a']);
    expect((await store.delete(kind, read)).kind).toBe('Missing');
  },

  'deletes no other object of the name': async ({ add, get, keyFor, kind, remove, store }) => {
    const first = await add('a');
    await remove(keyFor('a'));
    const second = await add('a');
    expect((await store.delete(kind, first)).kind).toBe('Conflict');
    expect(await get('a')).toEqual(second);
  },

  'lets what it deletes go only with its last finalizer': async ({ add, get, keyFor, kind, store }) => {
    await add('a');
    const finalizers = { op: 'add', path: '/metadata/finalizers', value: ['sluice.dev/test'] } as const;
    const held = written(await store.patch<ContractObject>(kind, keyFor('a'), [finalizers]));
    expect((await store.delete(kind, held)).kind).toBe('Written');
    expect((await store.delete(kind, held)).kind).toBe('Written');
    expect((await get('a'))?.metadata.deletionTimestamp).toBeTypeOf('string');
    written(await store.patch(kind, keyFor('a'), [{ op: 'remove', path: '/metadata/finalizers' }]));
    expect(await get('a')).toBeUndefined();
  },

  'makes no write that is not permitted, and asks in the step in which it would begin': async ({
    add,
    get,
    keyFor,
    kind,
    namespace,
    object,
    store,
  }) => {
    const created = await add('a');
    let asked = 0;
    const permit = (): boolean => {
      asked += 1;
      return false;
    };
    const change = { resourceVersion: versionOf(created), status: { phase: 'Failed' } };
    const writes = [
      store.patch(kind, keyFor('a'), [{ op: 'replace', path: '/spec/paused', value: true }], { permit }),
      store.patchStatus(kind, keyFor('a'), change, { permit }),
      store.create(kind, object(namespace, 'b'), { permit }),
    ];
    for (const write of writes) await expect(write).rejects.toMatchObject({ code: 'NotLeading' });
    expect(asked).toBe(3);
    expect(await get('a')).toEqual(created);
    expect(await get('b')).toBeUndefined();
  },

  'refuses to rename an object, and what is no JSON pointer, as ApiInvalid': async ({
    add,
    get,
    keyFor,
    kind,
    store,
  }) => {
    const before = await add('a');
    for (const operation of [
      { op: 'replace', path: '/metadata/name', value: 'b' },
      { op: 'add', path: 'spec/paused', value: true },
    ] as const) {
      await expect(store.patch(kind, keyFor('a'), [operation])).rejects.toMatchObject({ code: 'ApiInvalid' });
    }
    expect(await get('a')).toEqual(before);
  },

  'rejects a call with Aborted when its signal has aborted': async ({ keyFor, kind, store }) => {
    const signal = AbortSignal.abort();
    await expect(store.get(kind, keyFor('a'), { signal })).rejects.toMatchObject({ code: 'Aborted' });
    await expect(store.list(kind, { signal })).rejects.toMatchObject({ code: 'Aborted' });
  },
};
