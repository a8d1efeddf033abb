/** Faults of lists and watches, put before a real API server; the rows are those of the fault matrix of issue 4. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { CutMode } from '../support/fault-exchange.ts';
import type { Fault, FaultProxy } from '../support/fault-proxy.ts';
import { cutAfter, cutIn, editLines, on, reply, status } from '../support/faults.ts';
import { advanceUntil, startProxied, type Proxied } from '../support/proxied.ts';
import { equalsServer, until, type Observed } from '../support/truth.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { widget, widgets, type Widget } from '../support/widgets.ts';

let proxied: Proxied;
beforeAll(async () => {
  proxied = await startProxied();
});
afterEach(() => proxied.endTest());
afterAll(() => proxied.stop());

const watching = on('watch', 'widgets');
const listing = on('list', 'widgets');

interface Scene extends Observed {
  readonly proxy: FaultProxy;
  /** asked is what the proxy was asked since the first list: list, check, or the version that a watch starts from. */
  readonly asked: () => readonly string[];
  readonly create: (name: string) => Promise<string>;
  readonly resize: (name: string, size: number) => Promise<string>;
  readonly remove: (name: string) => Promise<void>;
}

/** play starts a reflector behind a proxy, on a namespace with the Widgets `names`; `fault` is for its first watch. */
async function play(names: readonly string[], fault?: Fault): Promise<Scene> {
  const clock = new ManualClock();
  const namespace = await proxied.namespaceWith(...names);
  const proxy = await proxied.proxy();
  if (fault !== undefined) proxy.inject(watching, fault);
  const { direct } = proxied;
  const store = proxied.store(proxy.connection(), clock);
  const observed = proxied.reflect({ store, namespace, clock });
  await observed.reflector.synced;
  await eventually(() => proxy.exchanges(watching).length === 1);
  observed.changes.length = 0;
  const versionOf = (outcome: Awaited<ReturnType<typeof direct.create<Widget>>>): string =>
    (outcome.kind === 'Written' ? outcome.object.metadata.resourceVersion : undefined) ?? '';
  return {
    clock,
    namespace,
    proxy,
    observed,
    asked: () =>
      proxy.requests.slice(1).map(({ verb, url }) => {
        if (verb === 'watch') return `watch ${url.searchParams.get('resourceVersion') ?? ''}`;
        return url.searchParams.get('limit') === '1' ? 'check' : verb;
      }),
    create: async (name) => versionOf(await direct.create(widgets, widget(namespace, name))),
    resize: async (name, size) =>
      versionOf(
        await direct.patch(widgets, `${namespace}/${name}`, [{ op: 'replace', path: '/spec/size', value: size }]),
      ),
    remove: async (name) => {
      await proxied.cluster.api('DELETE', `/apis/test.sluice.dev/v1/namespaces/${namespace}/widgets/${name}`);
    },
  };
}

const line = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;

describe('a watch', () => {
  it.each<CutMode>(['Reset', 'Fin', 'End'])(
    'row 1: goes on after the last whole event when it is cut in the middle of a line (%s), without a list',
    async (mode) => {
      const scene = await play(['a'], cutIn('"name":"c"', mode));
      const versions = [await scene.create('b'), await scene.create('c'), await scene.create('d')];
      await until(scene, () => scene.observed.changes.length === 3);
      expect(scene.observed.changes).toEqual(['b - → 1', 'c - → 1', 'd - → 1']);
      // A reset may be felt before what came before it has been read.
      expect(new Set(['WatchBroken', ...scene.observed.errors]).size).toBe(1);
      if (mode !== 'Reset') expect(scene.observed.errors.length).toBe(1);
      expect(scene.asked().slice(1)).toEqual([`watch ${versions[0]}`]);
      await equalsServer(scene, proxied.direct);
    },
  );

  it.each<CutMode>(['Reset', 'Fin', 'End'])('row 1: goes on when it is cut between two lines (%s)', async (mode) => {
    const scene = await play(['a']);
    const version = await scene.resize('a', 2);
    await until(scene, () => scene.observed.changes.length === 1);
    for (const exchange of scene.proxy.exchanges(watching)) exchange.cut(mode);
    await scene.resize('a', 3);
    await until(scene, () => scene.observed.changes.length === 2);
    expect(scene.observed.changes).toEqual(['a 1 → 2', 'a 2 → 3']);
    expect(scene.asked().slice(1)).toEqual([`watch ${version}`]);
  });

  it.each<CutMode>(['Reset', 'Fin'])('row 1: reads a list again that is cut in the middle (%s)', async (mode) => {
    const scene = await play(['a', 'b']);
    const cut = scene.proxy.inject(listing, cutAfter(600, mode));
    scene.proxy.exchanges(watching)[0]?.write(line('ERROR', status(410, 'Expired')));
    await scene.remove('b');
    await equalsServer(scene, proxied.direct);
    expect(cut.hits).toBe(1);
    expect(scene.observed.changes).toEqual(['b 1 → -']);
  });

  it('row 3: lists once when its version is refused as too old, and delivers exactly what has changed', async () => {
    const scene = await play(['changed', 'gone', 'same', 'recreated']);
    const before = scene.observed.cache.get(`${scene.namespace}/recreated`)?.metadata.uid;
    scene.proxy.inject(watching, async (exchange) => {
      await Promise.all([scene.resize('changed', 2), scene.remove('gone'), scene.create('new')]);
      await scene.remove('recreated');
      await scene.create('recreated');
      exchange.answer(410, status(410, 'Expired'));
    });
    await scene.clock.advance(1000);
    for (const exchange of scene.proxy.exchanges(watching)) exchange.cut('Reset');
    await until(scene, () => scene.observed.changes.length === 4);
    await equalsServer(scene, proxied.direct);
    expect([...scene.observed.changes].sort()).toEqual(['changed 1 → 2', 'gone 1 → -', 'new - → 1', 'recreated 1 → 1']);
    expect(scene.observed.cache.get(`${scene.namespace}/recreated`)?.metadata.uid).not.toBe(before);
    expect(scene.observed.errors).toEqual(['ApiGone']);
    await until(scene, () => scene.asked().length === 4);
    expect(scene.asked().map((each) => each.split(' ')[0])).toEqual(['watch', 'watch', 'list', 'watch']);
  });

  it.each([
    ['an error 500', line('ERROR', status(500, 'InternalError')), 'ApiFailed', ['list', 'watch']],
    ['an error 403', line('ERROR', status(403, 'Forbidden')), 'ApiForbidden', ['list', 'watch']],
    ['an error 504', line('ERROR', status(504, 'Timeout')), 'ApiTimeout', ['check', 'watch']],
    ['an error 410', line('ERROR', status(410, 'Gone')), 'ApiGone', ['list', 'watch']],
    ['an error that is no Status', line('ERROR', { oops: 1 }), 'ApiFailed', ['list', 'watch']],
    ['an event of an unknown type', line('RENAMED', { metadata: { name: 'x' } }), 'WatchBroken', ['watch']],
    ['an object without metadata', line('ADDED', { spec: {} }), 'WatchBroken', ['watch']],
    ['a line that is not JSON', '<html>\n', 'WatchBroken', ['watch']],
  ])('row 4: survives %s', async (_name, text, code, next) => {
    const scene = await play(['a']);
    scene.proxy.exchanges(watching)[0]?.write(text);
    await until(scene, () => scene.observed.errors.length === 1);
    await scene.resize('a', 2);
    await scene.create('b');
    await equalsServer(scene, proxied.direct);
    expect(scene.observed.errors).toEqual([code]);
    expect([...scene.observed.changes].sort()).toEqual(['a 1 → 2', 'b - → 1']);
    await eventually(
      () =>
        expect(
          scene
            .asked()
            .slice(1)
            .map((each) => each.split(' ')[0]),
        ).toEqual(next) ?? true,
    );
  });

  it('row 4: lists when the same event is unreadable twice', async () => {
    const unreadable = editLines((text) => [text.replace('"object"', '"objec')]);
    const scene = await play(['a'], unreadable);
    scene.proxy.inject(watching, unreadable);
    await scene.resize('a', 2);
    await equalsServer(scene, proxied.direct);
    expect(scene.observed.errors).toEqual(['WatchBroken', 'WatchBroken']);
    expect(scene.observed.changes).toEqual(['a 1 → 2']);
    expect(scene.asked().filter((each) => each === 'list').length).toBe(1);
  });

  it('row 9: finds out in 2 minutes that it is one from the future, in which the server is silent', async () => {
    const scene = await play(['a', 'b']);
    const future = { kind: 'Widget', metadata: { resourceVersion: '999999999' } };
    const [first] = scene.proxy.exchanges(watching);
    first?.write(line('BOOKMARK', future));
    await scene.resize('a', 2);
    // The event came after the bookmark, but is older.
    await until(scene, () => scene.observed.changes.length === 1);
    await scene.clock.advance(1000);
    first?.cut('End');
    await until(scene, () => scene.asked().at(-1) === 'watch 999999999');
    await scene.resize('a', 3);
    await scene.remove('b');
    const tookMs = await advanceUntil(scene.clock, 120_000, () => scene.observed.reflector.rollbacks === 1);
    expect(tookMs).toBeGreaterThan(80_000);
    await equalsServer(scene, proxied.direct);
    expect(scene.observed.changes).toEqual(['a 1 → 2', 'a 2 → 3', 'b 1 → -']);
  });

  it('row 9: lists again at once when a list is refused as too far in the future', async () => {
    const scene = await play(['a']);
    const tooLarge = { details: { causes: [{ reason: 'ResourceVersionTooLarge' }], retryAfterSeconds: 1 } };
    scene.proxy.inject(watching, reply(410, status(410, 'Expired')));
    const refused = scene.proxy.inject(listing, reply(504, status(504, 'Timeout', tooLarge)));
    await scene.clock.advance(1000);
    scene.proxy.exchanges(watching)[0]?.cut('Reset');
    await scene.resize('a', 2);
    await equalsServer(scene, proxied.direct);
    expect(refused.hits).toBe(1);
    expect(scene.observed.errors).toEqual(['ApiGone']);
    expect(scene.observed.changes).toEqual(['a 1 → 2']);
  });
});

describe('a cache', () => {
  it('row 13: takes each event once when the watch says everything twice', async () => {
    const scene = await play(
      ['a'],
      editLines((text) => [text, text]),
    );
    await scene.resize('a', 2);
    await scene.remove('a');
    await scene.create('a');
    await until(scene, () => scene.observed.changes.length === 3);
    await equalsServer(scene, proxied.direct);
    expect(scene.observed.changes).toEqual(['a 1 → 2', 'a 2 → -', 'a - → 1']);
  });

  it('row 13: ends with the newest state when events come in the wrong order, and asks where it cannot tell', async () => {
    const kept: string[] = [];
    // Two events at a time, the second one first.
    const swapped = editLines((text) => (kept.push(text) % 2 === 1 ? [] : kept.splice(0).reverse()));
    const scene = await play(['a', 'b'], swapped);
    await scene.resize('a', 2);
    await scene.resize('a', 3);
    await until(scene, () => scene.observed.changes.length === 1);
    expect(scene.observed.changes).toEqual(['a 1 → 3']);
    await scene.resize('b', 2);
    await scene.remove('b');
    await equalsServer(scene, proxied.direct);
    expect(scene.observed.changes).toEqual(['a 1 → 3', 'b 1 → -']);
    await until(scene, () => scene.asked().includes('list'));
    await scene.create('b');
    await equalsServer(scene, proxied.direct);
    expect(scene.observed.cache.size).toBe(2);
  });

  it('row 13: finds a deletion that the watch has not told on the next list', async () => {
    const scene = await play(
      ['a', 'b'],
      editLines((text) => (text.includes('"DELETED"') ? [] : [text])),
    );
    await scene.remove('b');
    await scene.resize('a', 2);
    await until(scene, () => scene.observed.changes.length === 1);
    expect(scene.observed.cache.size).toBe(2);
    scene.proxy.exchanges(watching)[0]?.write(line('ERROR', status(410, 'Expired')));
    await equalsServer(scene, proxied.direct);
    expect(scene.observed.changes).toEqual(['a 1 → 2', 'b 1 → -']);
  });

  it('row 17: goes on from the last bookmark, and stays right without any', async () => {
    const withoutBookmarks = editLines((text) => (text.includes('"BOOKMARK"') ? [] : [text]));
    const scene = await play(['a'], withoutBookmarks);
    // Another kind's write moves the version of the whole server.
    await proxied.cluster.api('POST', '/api/v1/namespaces', { metadata: { name: `${scene.namespace}-other` } });
    const version = String(await proxied.cluster.etcd.revision());
    await scene.clock.advance(1000);
    const [first] = scene.proxy.exchanges(watching);
    first?.write(line('BOOKMARK', { kind: 'Widget', metadata: { resourceVersion: version } }));
    await until(scene, () => scene.observed.reflector.version === version);
    first?.cut('End');
    await until(scene, () => scene.asked().at(-1) === `watch ${version}`);
    scene.proxy.inject(watching, withoutBookmarks);
    const looks = () => scene.asked().filter((each) => each === 'check').length;
    await advanceUntil(scene.clock, 120_000, () => looks() === 1);
    await until(scene, () => scene.asked().at(-1) === `watch ${version}`);
    await scene.resize('a', 2);
    await equalsServer(scene, proxied.direct);
    expect(scene.observed.changes).toEqual(['a 1 → 2']);
    expect(scene.observed.errors).toEqual([]);
    // Nothing is asked for that a server could refuse or ignore.
    expect(scene.proxy.requests.some(({ url }) => url.searchParams.has('sendInitialEvents'))).toBe(false);
  });
});
