/** Credentials that change, an API server that goes away, and stops at bad times; the rows are those of the fault matrix. */
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ObjectKey } from '../../src/api/kubernetes.ts';
import { runController } from '../../src/controller/controller.ts';
import { createRateLimiter } from '../../src/controller/rate-limiter.ts';
import { WorkQueue } from '../../src/controller/work-queue.ts';
import { loadKubeConfig } from '../../src/kube/config.ts';
import type { CredentialsNotice } from '../../src/kube/connection.ts';
import type { KubeObjectStore } from '../../src/kube/kube-object-store.ts';
import { createAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import type { FaultProxy } from '../support/fault-proxy.ts';
import { on, reply, swallow } from '../support/faults.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { advanceUntil, startProxied, type Proxied, type Reflected } from '../support/proxied.ts';
import { widget, widgets, type Widget } from '../support/widgets.ts';

let shared: Proxied;

beforeAll(async () => {
  shared = await startProxied();
});

afterEach(() => shared.endTest());

afterAll(() => shared.stop());

const resize = (key: ObjectKey, size: number) =>
  shared.direct.patch(widgets, key, [{ op: 'replace', path: '/spec/size', value: size }]);

const failed = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

const watches = (proxy: FaultProxy): number => proxy.requests.filter(({ verb }) => verb === 'watch').length;
const openWatches = (proxy: FaultProxy): number => proxy.exchanges(on('watch')).length;

/** directoryOf returns a new folder of a test. */
async function directoryOf(name: string): Promise<string> {
  const directory = path.join(shared.cluster.dataDir, name);
  await mkdir(directory);
  return directory;
}

/** inPod loads the configuration as a pod with `proxy` as its API server does, from files in a folder of its own. */
async function inPod(proxy: FaultProxy, name: string, files: { readonly ca: string; readonly token: string }) {
  const directory = await directoryOf(name);
  const put = (file: string, text: string): Promise<void> => writeFile(path.join(directory, file), text);
  await put('ca.crt', files.ca);
  await put('token', files.token);
  const clock = new ManualClock();
  const notices: CredentialsNotice[] = [];
  const connection = await loadKubeConfig({
    env: { KUBERNETES_SERVICE_HOST: proxy.url.hostname, KUBERNETES_SERVICE_PORT: proxy.url.port },
    serviceAccountDir: directory,
    clock,
    onNotice: (notice) => notices.push(notice),
  });
  const drop = (file: string): Promise<void> => rm(path.join(directory, file));
  return { clock, store: shared.store(connection, clock), notices, put, drop };
}

describe('credentials', () => {
  it('row 10: a new certificate authority is in use within 60 s, and at once when the server shows its new certificate', async () => {
    const [old, next] = [createAuthority('old'), createAuthority('next')];
    const proxy = await shared.proxy(old.issue('apiserver'));
    const key = `${await shared.namespaceWith('a')}/a` as const;
    const pod = await inPod(proxy, 'ca', { ca: old.cert, token: shared.cluster.adminToken });
    const { cache, errors, reflector } = shared.reflect({ ...pod, namespace: key.split('/')[0] ?? '' });
    await reflector.synced;
    await eventually(() => openWatches(proxy) === 1);
    // As a cluster rotates it: both authorities, then the new certificate, then the new authority alone.
    await pod.put('ca.crt', `${old.cert}${next.cert}`);
    await pod.clock.advance(60_000);
    await pod.store.get(widgets, key);
    expect(pod.notices.map(({ kind }) => kind)).toEqual(['Reloaded']);
    proxy.present(next.issue('apiserver'));
    await pod.put('ca.crt', next.cert);
    // The watch goes on over its old connection.
    await resize(key, 2);
    await eventually(() => cache.get(key)?.spec.size === 2);
    await proxy.refuse();
    await proxy.accept();
    await advanceUntil(pod.clock, 60_000, () => openWatches(proxy) === 1);
    await resize(key, 3);
    await eventually(() => cache.get(key)?.spec.size === 3);
    expect((await pod.store.get<Widget>(widgets, key))?.spec.size).toBe(3);
    expect(errors.filter((code) => code !== 'ApiUnreachable')).toEqual([]);
    // Now one that is not known yet: the handshake fails, the file is read, and the call is answered all the same.
    const last = createAuthority('last');
    proxy.present(last.issue('apiserver'));
    await pod.put('ca.crt', last.cert);
    await proxy.refuse();
    await proxy.accept();
    const patched = await eventually(() =>
      pod.store.patch<Widget>(widgets, key, [{ op: 'replace', path: '/spec/size', value: 4 }]),
    );
    expect(patched).toMatchObject({ kind: 'Written', object: { spec: { size: 4 } } });
    expect(pod.notices.every(({ kind }) => kind === 'Reloaded')).toBe(true);
  });

  it('row 10: a half-written certificate authority leaves the old one in use, and is reported once', async () => {
    const authority = createAuthority('one');
    const proxy = await shared.proxy(authority.issue('apiserver'));
    const key = `${await shared.namespaceWith('a')}/a` as const;
    const pod = await inPod(proxy, 'half', { ca: authority.cert, token: shared.cluster.adminToken });
    await pod.store.get(widgets, key);
    await pod.put('ca.crt', authority.cert.slice(0, 200));
    for (let minute = 0; minute < 3; minute += 1) {
      await pod.clock.advance(60_000);
      expect(await pod.store.get(widgets, key)).toBeDefined();
    }
    expect(pod.notices).toMatchObject([{ kind: 'Kept' }]);
  });

  it('row 10: a rotated token is read once for many refusals, and the old one serves while its file is missing', async () => {
    const proxy = await shared.proxy(createAuthority('x').issue('apiserver'));
    const authority = createAuthority('one');
    proxy.present(authority.issue('apiserver'));
    const key = `${await shared.namespaceWith('a')}/a` as const;
    const pod = await inPod(proxy, 'token', { ca: authority.cert, token: 'expired' });
    // The first call finds the old token, which the API server refuses to it and to all others together.
    expect(await failed(pod.store.get(widgets, key))).toMatchObject({ code: 'ApiUnauthorized' });
    await pod.put('token', shared.cluster.adminToken);
    const before = proxy.requests.length;
    await pod.clock.advance(1);
    await Promise.all(Array.from({ length: 10 }, () => pod.store.get(widgets, key)));
    const tokens = proxy.requests.slice(before).map(({ headers }) => headers.authorization);
    const refused = tokens.filter((token) => token === 'Bearer expired').length;
    // Each is made again once at most, and each with the new token.
    expect([refused <= 10, tokens.length - refused]).toEqual([true, 10]);
    await pod.drop('token');
    for (let second = 0; second < 60; second += 5) {
      await pod.clock.advance(5000);
      expect(await pod.store.get(widgets, key)).toBeDefined();
    }
    await pod.put('token', 'expired');
    await pod.clock.advance(50_000);
    expect(await failed(pod.store.get(widgets, key))).toMatchObject({ code: 'ApiUnauthorized' });
    await pod.put('token', shared.cluster.adminToken);
    await pod.clock.advance(1);
    expect(await pod.store.get(widgets, key)).toBeDefined();
  });

  it('row 10: a credential plugin runs once for ten calls, again after a 401, and no more often while it fails', async () => {
    const proxy = await shared.proxy();
    const key = `${await shared.namespaceWith('a')}/a` as const;
    const directory = await directoryOf('plugin');
    const token = path.join(directory, 'token');
    const runsFile = path.join(directory, 'runs');
    const runs = async (): Promise<number> => (await readFile(runsFile, 'utf8')).split('\n').length - 1;
    const plugin = path.join(directory, 'plugin.sh');
    const answer = `echo "{\\"status\\": {\\"token\\": \\"$(cat ${token})\\"}}"`;
    await writeFile(plugin, `#!/bin/sh\necho run >> ${runsFile}\ncat ${token} > /dev/null || exit 1\n${answer}\n`);
    await chmod(plugin, 0o755);
    await writeFile(token, shared.cluster.adminToken);
    const clock = new ManualClock();
    const file = path.join(directory, 'kubeconfig');
    await writeFile(
      file,
      kubeconfig(proxy.url, { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: plugin } }),
    );
    const connection = await loadKubeConfig({ kubeconfig: file, env: { PATH: process.env['PATH'] }, clock });
    const store = shared.store(connection, clock);
    const tenGets = () => Promise.all(Array.from({ length: 10 }, () => failed(store.get(widgets, key))));
    expect(await tenGets()).toMatchObject(Array.from({ length: 10 }, () => ({ kind: 'Widget' })));
    expect(await runs()).toBe(1);
    // The API server refuses the token from now on, as after it has been revoked, and the plugin has a new one.
    proxy.inject(() => true, reply(401, { kind: 'Status', code: 401, reason: 'Unauthorized' }), 10);
    await clock.advance(1);
    expect(await tenGets()).toMatchObject(Array.from({ length: 10 }, () => ({ kind: 'Widget' })));
    expect(await runs()).toBe(2);
    await rm(token);
    await clock.advance(5000);
    proxy.inject(() => true, reply(401, { kind: 'Status', code: 401, reason: 'Unauthorized' }), 10);
    await clock.advance(1);
    for (const error of await tenGets()) expect(error).toMatchObject({ code: 'ApiUnauthorized' });
    for (const error of await tenGets()) expect(error).toMatchObject({ code: 'ApiUnauthorized' });
    expect(await runs()).toBe(3);
    await writeFile(token, shared.cluster.adminToken);
    await clock.advance(5000);
    expect(await tenGets()).toMatchObject(Array.from({ length: 10 }, () => ({ kind: 'Widget' })));
    expect(await runs()).toBe(4);
  });
});

function kubeconfig(server: URL, user: object): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'test', cluster: { server: server.origin } }],
    users: [{ name: 'test', user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
  });
}

/** seeded returns numbers that look random and are always the same. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

/** fiveReflectors start together over the connections of one store, as in the controller. */
async function fiveReflectors(proxy: FaultProxy, clock: ManualClock) {
  const namespace = await shared.namespaceWith('a', 'b');
  const store = shared.store(proxy.connection(), clock);
  const random = seeded(7);
  const all = Array.from({ length: 5 }, () => shared.reflect({ store, namespace, clock, random }));
  await Promise.all(all.map(({ reflector }) => reflector.synced));
  await eventually(() => openWatches(proxy) === 5);
  // A watch that ends within its first second is taken for one that never worked.
  await clock.advance(1000);
  return { all, namespace, store };
}

/** equalsServer tells whether all caches hold what a fresh list holds. */
async function equalsServer(all: readonly Reflected[], namespace: string): Promise<boolean> {
  const versions = (items: readonly Widget[]): readonly string[] =>
    items.map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion ?? ''}`).sort();
  const { items } = await shared.direct.list<Widget>(widgets, { namespace });
  return all.every(({ cache }) => JSON.stringify(versions(cache.list())) === JSON.stringify(versions(items)));
}

describe('an API server that goes away', () => {
  it('row 7: for ten minutes, killed: five reflectors ask ever less often, and are whole within 60 s of its return', async () => {
    const clock = new ManualClock();
    const proxy = await shared.proxy();
    const { all, namespace } = await fiveReflectors(proxy, clock);
    const startMs = clock.monotonicMs();
    const triedAtMs: number[] = [];
    const before = proxy.requests.length;
    await shared.cluster.killApiServer();
    await eventually(() => all.every(({ errors }) => errors.length > 0));
    let seen = proxy.connections().total;
    const isOver = (): boolean => {
      const { total } = proxy.connections();
      for (; seen < total; seen += 1) triedAtMs.push(clock.monotonicMs() - startMs);
      return clock.monotonicMs() - startMs >= 600_000;
    };
    await advanceUntil(clock, 700_000, isOver, 3000);
    // At the shortest each waits 0.8, 1.6, … 25.6 and then 30 s: 25 tries in ten minutes; at the longest 13.
    expect(triedAtMs.length).toBeGreaterThan(5 * 9);
    // A read whose connection is reset is made once more, so that each try may be two connections.
    expect(triedAtMs.length).toBeLessThanOrEqual(5 * 26 * 2);
    for (let fromMs = 120_000; fromMs < 600_000; fromMs += 15_000) {
      const inWindow = triedAtMs.filter((atMs) => atMs >= fromMs && atMs < fromMs + 15_000).length;
      expect(inWindow, `tries in the 15 s from ${fromMs / 1000} s on`).toBeLessThanOrEqual(10);
    }
    expect(all.map(({ cache }) => cache.size)).toEqual([2, 2, 2, 2, 2]);
    await shared.cluster.restartApiServer();
    await resize(`${namespace}/a`, 5);
    await shared.direct.create(widgets, widget(namespace, 'c'));
    const backMs = await advanceUntil(clock, 61_000, () => all.every(({ cache }) => cache.size === 3));
    expect(backMs).toBeLessThanOrEqual(60_000);
    await eventually(() => equalsServer(all, namespace));
    // No storm: at most one list of everything each, as the server may say Gone, one watch, and as many connections.
    const lists = proxy.requests.slice(before).filter(({ verb }) => verb === 'list');
    expect(lists.filter(({ url }) => url.searchParams.get('limit') !== '1').length).toBeLessThanOrEqual(5);
    expect(proxy.connections().open).toBeLessThanOrEqual(5 + 8);
    expect(openWatches(proxy)).toBe(5);
    for (const { changes } of all) expect(changes.slice(2).sort()).toEqual(['a 1 → 5', 'c - → 1']);
  });

  it('row 7: by SIGTERM and a restart: all come back by themselves, and lose and repeat nothing', async () => {
    const clock = new ManualClock();
    const proxy = await shared.proxy();
    const { all, namespace, store } = await fiveReflectors(proxy, clock);
    const before = watches(proxy);
    await shared.cluster.restartApiServer();
    await resize(`${namespace}/a`, 6);
    await advanceUntil(clock, 60_000, () => all.every(({ cache }) => cache.get(`${namespace}/a`)?.spec.size === 6));
    await eventually(() => equalsServer(all, namespace));
    expect((await store.get<Widget>(widgets, `${namespace}/a`))?.spec.size).toBe(6);
    expect(watches(proxy) - before).toBeLessThanOrEqual(5 * 8);
    expect(proxy.connections().open).toBeLessThanOrEqual(5 + 8);
    for (const { changes } of all) expect(changes.slice(2)).toEqual(['a 1 → 6']);
  });
});

/** openSockets is how many sockets of this process are open, of servers and clients. */
const openSockets = (): number => process.getActiveResourcesInfo().filter((name) => /^(?:TCP|TLS)/.test(name)).length;

/** Stage is a proxy and a store in a phase, and what the phase looks like from outside. */
interface Stage {
  readonly proxy: FaultProxy;
  readonly store: KubeObjectStore;
  readonly namespace: string;
  readonly reflected: Reflected;
}

/** pageOne is the first page of a list that goes on. */
const pageOne = {
  kind: 'WidgetList',
  apiVersion: 'test.sluice.dev/v1',
  metadata: { resourceVersion: '1', continue: 'more' },
  items: [],
};

/** phases bring a reflector there; each returns when it is there. */
const phases: Readonly<
  Record<string, (stage: Omit<Stage, 'reflected'>, reflect: () => Reflected) => Promise<Reflected>>
> = {
  listing: async ({ proxy }, reflect) => {
    const list = proxy.inject(on('list'), swallow());
    const reflected = reflect();
    await eventually(() => list.hits === 1);
    return reflected;
  },
  paging: async ({ proxy }, reflect) => {
    const second = proxy.inject(on('list'), swallow());
    const first = proxy.inject(
      ({ verb, url }) => verb === 'list' && !url.searchParams.has('continue'),
      reply(200, pageOne),
    );
    const reflected = reflect();
    await eventually(() => first.hits + second.hits === 2);
    return reflected;
  },
  'waiting to list again': async ({ proxy }, reflect) => {
    await proxy.refuse();
    const reflected = reflect();
    await eventually(() => reflected.errors.length === 1);
    await proxy.accept();
    return reflected;
  },
  'waiting as the server asked': async ({ proxy }, reflect) => {
    const list = proxy.inject(on('list'), reply(429, { kind: 'Status', code: 429 }, { 'retry-after': '5' }));
    const reflected = reflect();
    await eventually(() => list.hits === 1 && proxy.exchanges().length === 0);
    return reflected;
  },
  'opening a watch': async ({ proxy }, reflect) => {
    const watch = proxy.inject(on('watch'), swallow());
    const reflected = reflect();
    await eventually(() => watch.hits === 1);
    return reflected;
  },
  'waiting to watch again': async ({ proxy }, reflect) => {
    proxy.inject(on('watch'), reply(429, { kind: 'Status', code: 429 }, { 'retry-after': '5' }));
    const reflected = reflect();
    await eventually(() => reflected.errors.length === 1);
    return reflected;
  },
  streaming: async ({ proxy, namespace }, reflect) => {
    const reflected = reflect();
    await reflected.reflector.synced;
    await resize(`${namespace}/a`, 2);
    await eventually(() => reflected.changes.length === 2 && openWatches(proxy) === 1);
    return reflected;
  },
  'streaming over a half-open connection': async ({ proxy }, reflect) => {
    const reflected = reflect();
    await eventually(() => openWatches(proxy) === 1);
    proxy.freeze();
    return reflected;
  },
};

describe('a stop', () => {
  it.each(Object.keys(phases))(
    'row 15: while %s ends at once, calls nothing back and leaves nothing behind',
    async (name) => {
      const proxy = await shared.proxy();
      const namespace = await shared.namespaceWith('a');
      const clock = new ManualClock();
      const before = openSockets();
      const store = shared.store(proxy.connection(), clock);
      const stage = { proxy, store, namespace };
      const reflected = (await phases[name]?.(stage, () => shared.reflect({ ...stage, clock }))) as Reflected;
      const heard = [...reflected.changes, ...reflected.errors];
      expect(clock.pendingTimers).toBeGreaterThan(0);
      const startMs = performance.now();
      await reflected.stop();
      expect(performance.now() - startMs).toBeLessThan(1000);
      expect(clock.pendingTimers).toBe(0);
      await store.close();
      await eventually(() => proxy.connections().open === 0 && openSockets() <= before);
      proxy.thaw();
      await resize(`${namespace}/a`, 3);
      await shared.direct.create(widgets, widget(namespace, 'b'));
      await clock.advance(600_000);
      expect([...reflected.changes, ...reflected.errors]).toEqual(heard);
      await expect(store.get(widgets, `${namespace}/a`)).rejects.toMatchObject({ code: 'ApiUnreachable' });
    },
  );

  it('row 15: while connecting ends at once and leaves no socket', async () => {
    // A server that accepts and never says a word: the handshake hangs.
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => sockets.add(socket.resume().on('close', () => sockets.delete(socket))));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const namespace = await shared.namespaceWith('a');
    const before = openSockets();
    const proxy = await shared.proxy();
    const clock = new ManualClock();
    const store = shared.store({ ...proxy.connection(), server: new URL(`https://127.0.0.1:${port}`) }, clock);
    const reflected = shared.reflect({ store, namespace, clock });
    await eventually(() => sockets.size === 1);
    const startMs = performance.now();
    await reflected.stop();
    await store.close();
    await eventually(() => sockets.size === 0);
    expect(performance.now() - startMs).toBeLessThan(2000);
    await proxy.stop();
    await eventually(() => openSockets() <= before);
    expect(clock.pendingTimers).toBe(0);
    expect(reflected.errors).toEqual([]);
    await new Promise((resolve) => silent.close(resolve));
  });

  it('row 15: while reconciling lets the write end, drains the queue, and starts nothing more', async () => {
    const proxy = await shared.proxy();
    const namespace = await shared.namespaceWith('a', 'b', 'c');
    const before = openSockets();
    const clock = new ManualClock();
    const store = shared.store(proxy.connection(), clock);
    const queue = new WorkQueue<ObjectKey>({ clock });
    const answered = Promise.withResolvers<void>();
    const held = proxy.inject(on('patch'), async (exchange) => {
      await answered.promise;
      await exchange.forward();
    });
    const stop = new AbortController();
    const done: string[] = [];
    const controller = runController<ObjectKey>({
      queue,
      rateLimiter: createRateLimiter(),
      reconcile: async (key, signal) => {
        await store.patch(widgets, key, [{ op: 'replace', path: '/spec/size', value: 9 }], { signal });
        done.push(key);
        return { requeueAfterMs: 1 };
      },
      workers: 1,
      signal: stop.signal,
      clock,
      onError: (key, { code }) => done.push(`${key} ${code}`),
    });
    for (const name of ['a', 'b'] as const) queue.add(`${namespace}/${name}`);
    await eventually(() => held.hits === 1);
    stop.abort();
    queue.add(`${namespace}/c`);
    answered.resolve();
    expect(await controller).toEqual({ unfinished: [] });
    expect(done).toEqual([`${namespace}/a`, `${namespace}/b`]);
    await store.close();
    await eventually(() => proxy.connections().open === 0);
    await eventually(() => openSockets() <= before);
    expect(clock.pendingTimers).toBe(0);
    expect(done.length).toBe(2);
    expect((await shared.direct.get<Widget>(widgets, `${namespace}/c`))?.spec.size).toBe(1);
  });

  it('row 15: while a reconcile hangs aborts its write when the time to drain is over', async () => {
    const proxy = await shared.proxy();
    const namespace = await shared.namespaceWith('a');
    const store = shared.store(proxy.connection());
    const clock = new ManualClock();
    const queue = new WorkQueue<ObjectKey>({ clock });
    const held = proxy.inject(on('patch'), swallow());
    const stop = new AbortController();
    const ended: unknown[] = [];
    const controller = runController<ObjectKey>({
      queue,
      rateLimiter: createRateLimiter(),
      reconcile: async (key, signal) => {
        ended.push(await failed(store.patch(widgets, key, [], { signal })));
        return {};
      },
      workers: 1,
      signal: stop.signal,
      clock,
      onError: () => {},
    });
    queue.add(`${namespace}/a`);
    await eventually(() => held.hits === 1);
    stop.abort();
    await clock.advance(29_999);
    expect(ended).toEqual([]);
    await clock.advance(1);
    expect(await controller).toEqual({ unfinished: [] });
    expect(ended).toMatchObject([{ code: 'Aborted' }]);
    await eventually(() => proxy.connections().open === 0);
  });
});
