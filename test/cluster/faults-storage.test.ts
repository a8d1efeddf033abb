/** What the API server's storage does to lists and watches: real compactions, a real restore, and large objects. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ProxiedRequest } from '../support/fault-exchange.ts';
import type { FaultProxy } from '../support/fault-proxy.ts';
import { holdUntil, on, status } from '../support/faults.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { startProxied, type Proxied } from '../support/proxied.ts';
import { equalsServer, until, type Observed } from '../support/truth.ts';
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
}

/** follow starts a reflector behind a proxy. */
async function follow(namespace: string): Promise<Scene> {
  const clock = new ManualClock();
  const proxy = await proxied.proxy();
  const observed = proxied.reflect({ store: proxied.store(proxy.connection(), clock), namespace, clock });
  return { clock, namespace, observed, proxy };
}

const resize = (namespace: string, name: string, size: number) =>
  proxied.direct.patch(widgets, `${namespace}/${name}`, [{ op: 'replace', path: '/spec/size', value: size }]);

const remove = (namespace: string, name: string) =>
  proxied.cluster.api('DELETE', `/apis/test.sluice.dev/v1/namespaces/${namespace}/widgets/${name}`);

/**
 * forgetPast makes etcd forget what was before now, and the API server too, which keeps old states of its own: it
 * restarts. A namespace more is the last write, because the API server cannot follow a deletion that is forgotten at once.
 */
async function forgetPast(): Promise<void> {
  const { cluster } = proxied;
  await cluster.api('POST', '/api/v1/namespaces', { metadata: { name: `last-${await cluster.etcd.revision()}` } });
  await cluster.killApiServer();
  await cluster.etcd.compact();
  await cluster.restartApiServer();
}

/** seed writes `count` Widgets past the API server. */
async function seed(namespace: string, count: number): Promise<void> {
  const entries = Array.from({ length: count }, (_, index) => {
    const { metadata, ...object } = widget(namespace, `w${index}`);
    const stored = { ...object, metadata: { ...metadata, uid: crypto.randomUUID(), generation: 1 } };
    return { key: `/registry/test.sluice.dev/widgets/${namespace}/w${index}`, value: JSON.stringify(stored) };
  });
  await proxied.cluster.etcd.put(entries);
}

describe('a cache before a real etcd', () => {
  it('row 3: reads a list in one part when its second page has expired, because etcd was compacted meanwhile', async () => {
    const namespace = await proxied.namespaceWith();
    await seed(namespace, 1200);
    const scene = await follow(namespace);
    const { observed, proxy } = scene;
    const held = proxy.inject(
      (request) => listing(request) && request.url.searchParams.has('continue'),
      holdUntil(async () => {
        await remove(namespace, 'w7');
        await forgetPast();
      }),
    );
    await until(scene, () => observed.reflector.hasSynced);
    expect(held.hits).toBe(1);
    const asked = proxy.requests.filter(listing).map(({ url: { searchParams: asks } }) => {
      return asks.has('continue') ? 'next' : (asks.get('limit') ?? 'all');
    });
    // An API server that has just started may ask for a second's patience: then the same is asked again.
    const turns = asked.filter((what, index) => what !== asked[index - 1]);
    expect(turns).toEqual(['500', 'next', 'all']);
    expect(observed.errors).toEqual([]);
    expect(observed.cache.size).toBe(1199);
    await resize(namespace, 'w8', 2);
    await equalsServer(scene, proxied.direct);
    expect(observed.changes.length).toBe(1200);
  });

  it('row 8: lists once after a compaction while it was disconnected, and tells exactly what has changed', async () => {
    const namespace = await proxied.namespaceWith('changed', 'gone', 'same', 'recreated');
    const scene = await follow(namespace);
    const { observed, proxy } = scene;
    await until(scene, () => proxy.exchanges(watching).length === 1);
    // A watch that has brought an event has worked, and is worth going on with.
    await resize(namespace, 'same', 2);
    await until(scene, () => observed.changes.at(-1) === 'same 1 → 2');
    observed.changes.length = 0;
    const before = proxy.requests.length;
    await proxy.refuse();
    await until(scene, () => observed.errors.includes('ApiUnreachable'));
    await Promise.all(['gone', 'recreated'].map((name) => remove(namespace, name)));
    await proxied.direct.create(widgets, widget(namespace, 'recreated', 5));
    await proxied.direct.create(widgets, widget(namespace, 'new'));
    await resize(namespace, 'changed', 2);
    await forgetPast();
    await proxy.accept();
    await equalsServer(scene, proxied.direct);
    expect([...observed.changes].sort()).toEqual(['changed 1 → 2', 'gone 1 → -', 'new - → 1', 'recreated 1 → 5']);
    // An API server that has just started may ask for a second's patience.
    expect(observed.errors.filter((code) => code === 'ApiGone').length).toBe(1);
    expect(new Set(['ApiUnreachable', 'ApiThrottled', 'ApiGone', ...observed.errors]).size).toBe(3);
    const lists = proxy.requests.slice(before).filter((request) => listing(request) && !isLook(request));
    expect(lists.length).toBe(1);
    expect(observed.reflector.rollbacks).toBe(0);
    await resize(namespace, 'same', 3);
    await until(scene, () => observed.changes.at(-1) === 'same 2 → 3');
  });

  it('row 8: notices that etcd was restored to an older state, and takes that over', async () => {
    const namespace = await proxied.namespaceWith('changed', 'gone', 'same');
    const scene = await follow(namespace);
    const { observed } = scene;
    await until(scene, () => observed.reflector.hasSynced);
    await proxied.cluster.saveEtcd();
    await remove(namespace, 'gone');
    await proxied.direct.create(widgets, widget(namespace, 'lost'));
    await resize(namespace, 'changed', 9);
    // More than what an API server writes when it starts: a version that was reached again would hide the restore.
    for (let round = 0; round < 200; round += 1) {
      await proxied.cluster.etcd.put([{ key: '/test/version', value: String(round) }]);
    }
    await resize(namespace, 'same', 2);
    await equalsServer(scene, proxied.direct);
    observed.changes.length = 0;
    await proxied.cluster.restoreEtcd();
    const backMs = scene.clock.monotonicMs();
    await until(scene, () => observed.reflector.rollbacks === 1);
    // At once after the absence, and not only when the watch has been silent for 90 s.
    expect(scene.clock.monotonicMs() - backMs).toBeLessThan(60_000);
    await equalsServer(scene, proxied.direct);
    expect([...observed.changes].sort()).toEqual(['changed 9 → 1', 'gone - → 1', 'lost 1 → -', 'same 2 → 1']);
    await resize(namespace, 'same', 3);
    await until(scene, () => observed.changes.at(-1) === 'same 1 → 3');
  });

  it('row 19: parses an object of 1.2 MB that comes in small parts, cut inside characters, with CRLF, and compressed', async () => {
    const namespace = await proxied.namespaceWith('small');
    // etcd takes 1.5 MB at most, and kubectl needs a little room beside it. The sign has four bytes.
    const text = '🚦'.repeat(300_000);
    const huge = (size: number): Widget => ({ ...widget(namespace, 'huge', size), spec: { size, extra: { text } } });
    await proxied.direct.create(widgets, huge(1));
    const scene = await follow(namespace);
    const { observed, proxy } = scene;
    await until(scene, () => observed.reflector.hasSynced);
    expect(observed.cache.get(`${namespace}/huge`)?.spec).toEqual(huge(1).spec);
    await until(scene, () => proxy.exchanges(watching).length === 1);
    proxy.inject(watching, (exchange) => exchange.forward({ edit: inParts }));
    proxy.exchanges(watching)[0]?.cut('Reset');
    await until(scene, () => proxy.exchanges(watching).length === 1);
    await resize(namespace, 'huge', 2);
    await until(scene, () => observed.cache.get(`${namespace}/huge`)?.spec.size === 2);
    expect(observed.cache.get(`${namespace}/huge`)?.spec).toEqual(huge(2).spec);

    const compressed = proxy.inject(listing, (exchange) =>
      exchange.forward({ headers: { 'accept-encoding': 'gzip' } }),
    );
    proxy.inject(watching, (exchange) => exchange.answer(410, status(410, 'Expired')));
    proxy.exchanges(watching)[0]?.cut('Reset');
    await until(scene, () => compressed.hits === 1);
    await resize(namespace, 'huge', 3);
    await equalsServer(scene, proxied.direct);
    expect(observed.cache.get(`${namespace}/huge`)?.spec).toEqual(huge(3).spec);
    expect(new Set(observed.errors)).toEqual(new Set(['ApiGone']));
  });
});

const isLook = ({ url }: ProxiedRequest): boolean => url.searchParams.get('limit') === '1';

/** inParts cuts a stream every 1021 bytes, which is inside most of the characters of four, and ends its lines with CRLF. */
async function* inParts(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  for await (const chunk of chunks) {
    const text = Buffer.from(Buffer.from(chunk).toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
    for (let start = 0; start < text.length; start += 1021) {
      yield text.subarray(start, start + 1021);
      // Each part in a packet of its own.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
