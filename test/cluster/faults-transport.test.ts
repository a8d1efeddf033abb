/** Faults of requests, put before a real API server; the rows are those of the fault matrix. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ObjectKey } from '../../src/api/kubernetes.ts';
import type { WriteOutcome } from '../../src/api/object-store.ts';
import { systemClock, type Clock } from '../../src/clock.ts';
import { runController } from '../../src/controller/controller.ts';
import { createRateLimiter } from '../../src/controller/rate-limiter.ts';
import { WorkQueue } from '../../src/controller/work-queue.ts';
import type { SluiceError } from '../../src/errors.ts';
import type { KubeObjectStore } from '../../src/kube/kube-object-store.ts';
import { eventually } from '../support/eventually.ts';
import type { FaultProxy } from '../support/fault-proxy.ts';
import { drop, loseAnswer, on, reply, status, swallow } from '../support/faults.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { advanceUntil, startProxied, type Proxied } from '../support/proxied.ts';
import { widgets, type Widget } from '../support/widgets.ts';

let shared: Proxied;

beforeAll(async () => {
  shared = await startProxied();
});

afterEach(() => shared.endTest());

afterAll(() => shared.stop());

const failed = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: unknown) => error,
  );

const count = (proxy: FaultProxy, verb: 'list' | 'watch' | 'patch' | 'get'): number =>
  proxy.requests.filter((request) => request.verb === verb).length;

const resize = (size: number) => [{ op: 'replace', path: '/spec/size', value: size }] as const;

/** resizeFrom fails where the object has another resourceVersion. */
const resizeFrom = (before: Widget | undefined, size: number) =>
  [
    { op: 'test', path: '/metadata/resourceVersion', value: before?.metadata.resourceVersion },
    ...resize(size),
  ] as const;

const read = (key: ObjectKey) => shared.direct.get<Widget>(widgets, key);

async function setup(clock: Clock = systemClock) {
  const proxy = await shared.proxy();
  const store = shared.store(proxy.connection(), clock);
  const namespace = await shared.namespaceWith('a');
  return { proxy, store, namespace, key: `${namespace}/a` as const };
}

async function manualSetup() {
  const clock = new ManualClock();
  const parts = await setup(clock);
  const reflect = () => shared.reflect({ store: parts.store, namespace: parts.namespace, clock });
  return { ...parts, clock, reflect };
}

/** waiting resolves when the next timer is `ms` away, as when the client waits before it tries again. */
const waiting = (clock: ManualClock, ms: number) =>
  eventually(() => clock.nextTimerInMs === ms, { describe: `a wait of ${ms} ms` });

describe('a half-open connection', () => {
  it('row 2: ends calls at their deadlines, leaves writes unknown, and is replaced after the heal', async () => {
    const { key, namespace, proxy, store } = await setup();
    await store.get(widgets, key);
    const before = await read(key);
    proxy.freeze();
    const startMs = performance.now();
    const deadlineMs = 700;
    const outcomes = await Promise.all([
      failed(store.get(widgets, key, { deadlineMs })),
      failed(store.list(widgets, { namespace, deadlineMs })),
      failed(store.patch(widgets, key, resize(2), { deadlineMs })),
    ]);
    expect(outcomes).toMatchObject([{ code: 'ApiTimeout' }, { code: 'ApiTimeout' }, { code: 'WriteUnknown' }]);
    expect(performance.now() - startMs).toBeLessThan(3000);
    // Their sockets are gone: nobody waits for what a dead connection may still bring.
    await eventually(() => proxy.connections().open === 0);
    proxy.thaw();
    expect(await store.get(widgets, key)).toEqual(before);
    expect(proxy.connections().open).toBe(1);
  });

  it('row 2: is left by a watch within 90 s, which makes the cache stale and recovers within 60 s of the heal', async () => {
    const { clock, key, proxy, reflect } = await manualSetup();
    const { cache, changes, reflector } = reflect();
    await reflector.synced;
    await eventually(() => proxy.exchanges(on('watch')).length === 1);
    const contactMs = reflector.lastContactMs;
    proxy.freeze();
    await shared.direct.patch(widgets, key, resize(2));
    await clock.advance(89_999);
    expect(proxy.requests.length).toBe(2);
    await clock.advance(1);
    await eventually(() => proxy.requests.length === 3, { describe: 'another request' });
    await advanceUntil(clock, 180_000, () => clock.monotonicMs() - reflector.lastContactMs > 180_000);
    expect(reflector.lastContactMs).toBe(contactMs);
    expect(proxy.connections().open).toBeLessThanOrEqual(2);
    expect(changes).toEqual(['a - → 1']);
    proxy.thaw();
    expect(await advanceUntil(clock, 60_000, () => cache.get(key)?.spec.size === 2)).toBeLessThanOrEqual(60_000);
    expect(changes).toEqual(['a - → 1', 'a 1 → 2']);
    expect(proxy.connections().open).toBeLessThanOrEqual(2);
  });
});

const tooMany = status(429, 'TooManyRequests');

describe('a busy API server', () => {
  it('row 5: a list that is refused with 429 waits as long as it was asked to', async () => {
    const { clock, proxy, reflect } = await manualSetup();
    proxy.inject(on('list'), reply(429, tooMany, { 'retry-after': '3' }));
    const { errors, reflector } = reflect();
    await waiting(clock, 3000);
    await clock.advance(2999);
    expect(count(proxy, 'list')).toBe(1);
    await clock.advance(1);
    await reflector.synced;
    expect(count(proxy, 'list')).toBe(2);
    expect(errors).toEqual([]);
  });

  it.each([undefined, 'soon', 'Sat, 21 Nov 2026 09:00:00 GMT'])(
    'row 5: a list that is refused with 429 and Retry-After %j is made again after the back-off of its reflector',
    async (header) => {
      const { clock, proxy, reflect } = await manualSetup();
      proxy.inject(on('list'), reply(429, tooMany, header === undefined ? {} : { 'retry-after': header }));
      const { errors, reflector } = reflect();
      await waiting(clock, 800);
      expect(errors).toEqual(['ApiThrottled']);
      await clock.advance(799);
      expect(count(proxy, 'list')).toBe(1);
      await clock.advance(1);
      await reflector.synced;
      expect(count(proxy, 'list')).toBe(2);
    },
  );

  it('row 5: a list is tried ten times, and then again after a back-off', async () => {
    const { clock, proxy, reflect } = await manualSetup();
    const busy = proxy.inject(on('list'), reply(429, tooMany, { 'retry-after': '1' }), Infinity);
    const { errors, reflector } = reflect();
    for (let tries = 1; tries < 10; tries += 1) {
      await waiting(clock, 1000);
      expect(busy.hits).toBe(tries);
      await clock.advance(1000);
    }
    await eventually(() => errors.length === 1);
    expect(busy.hits).toBe(10);
    busy.remove();
    await waiting(clock, 1000);
    await clock.advance(1000);
    await reflector.synced;
    expect(errors).toEqual(['ApiThrottled']);
  });

  it('row 5: a watch that is refused with 429 is opened again when it was asked to, without another list', async () => {
    const { clock, key, proxy, reflect } = await manualSetup();
    proxy.inject(on('watch'), reply(429, tooMany, { 'retry-after': '3' }));
    const { changes, errors } = reflect();
    await waiting(clock, 3000);
    await clock.advance(2999);
    expect(count(proxy, 'watch')).toBe(1);
    await clock.advance(1);
    await eventually(() => proxy.exchanges(on('watch')).length === 1);
    await shared.direct.patch(widgets, key, resize(2));
    await eventually(() => changes.length === 2);
    expect(changes).toEqual(['a - → 1', 'a 1 → 2']);
    expect(errors).toEqual(['ApiThrottled']);
    expect([count(proxy, 'list'), count(proxy, 'watch')]).toEqual([1, 2]);
  });

  it('row 5: a write that is refused with 429 is made again by its reconcile, not sooner than asked', async () => {
    const { clock, key, proxy, store } = await manualSetup();
    const busy = proxy.inject(on('patch'), reply(429, tooMany, { 'retry-after': '3' }));
    const { errors, stop } = control(clock, key, async () => {
      await store.patch(widgets, key, resize(2));
    });
    await waiting(clock, 3000);
    expect(errors).toEqual(['ApiThrottled']);
    await clock.advance(2999);
    expect([busy.hits, count(proxy, 'patch')]).toEqual([1, 1]);
    expect((await read(key))?.spec.size).toBe(1);
    await clock.advance(1);
    await eventually(async () => (await read(key))?.spec.size === 2);
    await stop();
    expect(count(proxy, 'patch')).toBe(2);
  });

  it('row 5: twenty reads at once stay on eight connections, and those that were refused come back together once', async () => {
    const { clock, key, proxy, store } = await manualSetup();
    const busy = proxy.inject(on('get'), reply(429, tooMany, { 'retry-after': '3' }), 20);
    const reads = Promise.all(Array.from({ length: 20 }, () => store.get(widgets, key)));
    await eventually(() => busy.hits === 20 && clock.nextTimerInMs === 3000 && clock.pendingTimers === 40);
    await clock.advance(3000);
    await reads;
    expect(count(proxy, 'get')).toBe(40);
    expect(proxy.connections().open).toBeLessThanOrEqual(8);
  });
});

/** control runs one key through the loop of the controller. */
function control(clock: Clock, key: ObjectKey, reconcile: (signal: AbortSignal) => Promise<void>) {
  const queue = new WorkQueue<ObjectKey>({ clock });
  const abort = new AbortController();
  const errors: string[] = [];
  const controller = runController<ObjectKey>({
    queue,
    rateLimiter: createRateLimiter(),
    reconcile: async (_key, signal) => {
      await reconcile(signal);
      return {};
    },
    workers: 1,
    signal: abort.signal,
    clock,
    onError: (_key, { code }) => errors.push(code),
  });
  queue.add(key);
  const stop = async (): Promise<void> => {
    abort.abort();
    await controller;
  };
  return { errors, queue, stop };
}

const badGateway = '<html><h1>502 Bad Gateway</h1>token=hunter2</html>';

describe('a failing API server', () => {
  it.each([500, 503])('row 6: a read that met %i is made again if the server says when, and else not', async (code) => {
    const { clock, key, proxy, store } = await manualSetup();
    proxy.inject(on('get'), reply(code, status(code, 'InternalError'), { 'retry-after': '2' }));
    const result = store.get<Widget>(widgets, key);
    await waiting(clock, 2000);
    await clock.advance(2000);
    expect((await result)?.spec.size).toBe(1);
    expect(count(proxy, 'get')).toBe(2);
    proxy.inject(on('get'), reply(code, status(code, 'InternalError')));
    expect(await failed(store.get(widgets, key))).toMatchObject({ code: 'ApiFailed', status: code });
    expect(count(proxy, 'get')).toBe(3);
    expect(clock.pendingTimers).toBe(0);
  });

  it('row 6: HTML from a load balancer is an error of one line that quotes nothing of it', async () => {
    const { key, proxy, store } = await setup();
    const html = reply(502, badGateway, { 'content-type': 'text/html' });
    proxy.inject(on('get'), html);
    proxy.inject(on('patch'), html);
    const outcomes = [
      await failed(store.get(widgets, key)),
      await failed(store.patch(widgets, key, resize(2))),
    ] as Error[];
    // The load balancer may have passed the write on.
    expect(outcomes).toMatchObject([
      { code: 'ApiFailed', status: 502 },
      { code: 'WriteUnknown', status: 502 },
    ]);
    for (const error of outcomes) {
      expect(error.message).toContain('the answer was not a Kubernetes Status');
      expect(error.message + JSON.stringify(error)).not.toMatch(/html|hunter2|\n/);
    }
    expect([count(proxy, 'get'), count(proxy, 'patch')]).toEqual([1, 1]);
  });

  it('row 6: a watch that met HTML is opened again after a list, and nothing is lost', async () => {
    const { clock, key, proxy, reflect } = await manualSetup();
    proxy.inject(on('watch'), reply(502, badGateway, { 'content-type': 'text/html' }));
    const { changes, errors, reflector } = reflect();
    await reflector.synced;
    await eventually(() => errors.length === 1);
    await shared.direct.patch(widgets, key, resize(2));
    await waiting(clock, 800);
    await clock.advance(800);
    await eventually(() => changes.length === 2);
    expect(errors).toEqual(['ApiFailed']);
    await eventually(() => proxy.exchanges(on('watch')).length === 1);
    expect([count(proxy, 'list'), count(proxy, 'watch')]).toEqual([2, 2]);
  });

  it('row 6: a read whose connection is reset is made again a second later, a write is not', async () => {
    const { clock, key, proxy, store } = await manualSetup();
    proxy.inject(on('get'), drop());
    const result = store.get<Widget>(widgets, key);
    await waiting(clock, 1000);
    await clock.advance(1000);
    expect((await result)?.spec.size).toBe(1);
    proxy.inject(on('patch'), drop());
    expect(await failed(store.patch(widgets, key, resize(2)))).toMatchObject({ code: 'WriteUnknown' });
    expect([count(proxy, 'get'), count(proxy, 'patch')]).toEqual([2, 1]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('row 6: a write whose answer is lost was made once', async () => {
    const { key, proxy, store } = await setup();
    proxy.inject(on('patch'), loseAnswer());
    const before = await read(key);
    expect(await failed(store.patch(widgets, key, resize(2)))).toMatchObject({ code: 'WriteUnknown' });
    const after = await read(key);
    expect(after?.spec.size).toBe(2);
    expect(after?.metadata.generation).toBe((before?.metadata.generation ?? 0) + 1);
    expect(count(proxy, 'patch')).toBe(1);
  });
});

/** managedBy returns what the API server has recorded of a manager's fields, as text. */
const managedBy = (object: Widget | undefined, manager: string): string =>
  JSON.stringify(object?.metadata.managedFields?.filter((entry) => entry.manager === manager));

/** foreignField lets another manager own a field, by server-side apply. */
async function foreignField(namespace: string): Promise<void> {
  const { apiVersion, kind } = { apiVersion: 'test.sluice.dev/v1', kind: 'Widget' };
  const note = 'Grüße \u2028 <b> 1.0e3';
  const body = { apiVersion, kind, metadata: { name: 'a', namespace, annotations: { 'example.com/note': note } } };
  const path = `/apis/test.sluice.dev/v1/namespaces/${namespace}/widgets/a?fieldManager=other`;
  const answer = await shared.cluster.api('PATCH', path, body, 'application/apply-patch+yaml');
  expect(answer.status).toBe(200);
}

/** step is a reconcile that makes a widget bigger by one until it is 4, and reads again before it decides again. */
async function step(store: KubeObjectStore, key: ObjectKey): Promise<WriteOutcome<Widget> | undefined> {
  const object = await store.get<Widget>(widgets, key);
  const size = object?.spec.size ?? 0;
  if (size >= 4) return undefined;
  return store.patch<Widget>(widgets, key, resizeFrom(object, size + 1), { deadlineMs: 500 });
}

describe('a write of unknown outcome', () => {
  it('row 16: is found by the next read when it was made, and made again when it was not: no step twice, none lost', async () => {
    const { key, namespace, proxy, store } = await setup();
    await foreignField(namespace);
    const before = await read(key);
    // Made but not answered in time; made but the connection lost; not made at all.
    const faults = [swallow(true), loseAnswer(), drop()];
    proxy.inject(on('patch'), (exchange) => faults.shift()?.(exchange), faults.length);
    const { errors, queue, stop } = control(systemClock, key, async () => {
      const outcome = await step(store, key);
      if (outcome !== undefined) queue.addAfter(key, 1);
    });
    await eventually(async () => (await read(key))?.spec.size === 4);
    await eventually(() => queue.depth + queue.delayed + queue.running === 0);
    await stop();
    expect(errors).toEqual(['WriteUnknown', 'WriteUnknown', 'WriteUnknown']);
    const after = await read(key);
    // 1 → 2 → 3 → 4: the server counts each change of the spec.
    expect(after?.metadata.generation).toBe((before?.metadata.generation ?? 0) + 3);
    expect(after?.spec.size).toBe(4);
    expect(JSON.stringify(after?.spec.extra)).toBe(JSON.stringify(before?.spec.extra));
    expect(JSON.stringify(after?.metadata.annotations)).toBe(JSON.stringify(before?.metadata.annotations));
    expect(managedBy(after, 'other')).toBe(managedBy(before, 'other'));
    expect(managedBy(after, 'other')).toContain('example.com/note');
  });

  it('row 16: repeated blindly it is a conflict and changes nothing', async () => {
    const { key, proxy, store } = await setup();
    const before = await read(key);
    proxy.inject(on('patch'), swallow(true));
    const operations = resizeFrom(before, 2);
    const lost = await failed(store.patch(widgets, key, operations, { deadlineMs: 300 }));
    expect(lost).toMatchObject({ code: 'WriteUnknown' });
    const after = await read(key);
    expect(after?.spec.size).toBe(2);
    expect(await store.patch(widgets, key, operations)).toMatchObject({ kind: 'Conflict' });
    expect(await read(key)).toEqual(after);
  });

  it('row 16: delivered late, after somebody else was faster, it changes nothing', async () => {
    const { key, proxy, store } = await setup();
    const healed = Promise.withResolvers<void>();
    const late = Promise.withResolvers<number>();
    proxy.inject(on('patch'), async (exchange) => {
      await healed.promise;
      late.resolve(await exchange.ask());
    });
    const write = store.patch(widgets, key, resizeFrom(await read(key), 2), { deadlineMs: 300 });
    expect(await failed(write)).toMatchObject({ code: 'WriteUnknown' });
    await shared.direct.patch(widgets, key, resize(7));
    healed.resolve();
    expect(await late.promise).toBe(422);
    expect((await read(key))?.spec.size).toBe(7);
  });

  it.each(['patch', 'create', 'update'] as const)(
    'row 16: a %s tells the API server its deadline, which the server accepts and keeps to',
    async (verb) => {
      const { key, namespace, proxy, store } = await setup();
      const path = `/apis/test.sluice.dev/v1/namespaces/${namespace}/widgets`;
      const object = await read(key);
      const other = { ...object, metadata: { name: 'b', namespace } };
      const call = {
        patch: { verb, path: `${path}/a`, body: resize(3), contentType: 'application/json-patch+json' },
        update: { verb, path: `${path}/a`, body: { ...object, spec: { size: 3 } } },
        create: { verb, path, body: other },
      }[verb];
      expect(await store.client.request({ ...call, deadlineMs: 4000 })).toMatchObject({ kind: 'Widget' });
      const sent = proxy.requests.findLast((request) => request.verb === verb);
      expect(Number(sent?.url.searchParams.get('timeout')?.replace(/ms$/, ''))).toBeGreaterThan(3000);
      // As late as it can be: the server has a nanosecond, and gives up by itself.
      const query = { timeout: '1ns' };
      const late = {
        ...call,
        query,
        ...(verb === 'create' ? { body: { ...other, metadata: { name: 'c', namespace } } } : {}),
      };
      const error = (await failed(store.client.request(late))) as SluiceError;
      expect(error.status, error.message).toBeGreaterThanOrEqual(500);
      // Admission, which comes before the storage, may be the first to notice: then it is known that nothing was written.
      const { reason } = (error.cause ?? {}) as { readonly reason?: string };
      expect(error.code, error.message).toBe(reason === 'InternalError' ? 'ApiFailed' : 'WriteUnknown');
      expect(await read(`${namespace}/c`)).toBeUndefined();
    },
  );
});

describe('a wall clock that is set', () => {
  it.each([3_600_000, -3_600_000])(
    'row 18: by %i ms wakes nothing, ends nothing and changes no time',
    async (jumpMs) => {
      const { clock, jump } = jumpingClock();
      const { key, namespace, proxy, store } = await setup(clock);
      const { errors, reflector } = shared.reflect({ store, namespace, clock });
      await reflector.synced;
      await eventually(() => proxy.exchanges(on('watch')).length === 1);
      const queue = new WorkQueue<ObjectKey>({ clock });
      for (let index = 0; index < 1000; index += 1) queue.addAfter(`web/${index}`, 600_000 + index);
      proxy.inject(on('get'), async (exchange) => {
        jump(jumpMs);
        await exchange.forward();
      });
      const serverMs = (): number => clock.nowMs() + store.serverOffsetMs();
      const before = { serverMs: serverMs(), monotonicMs: clock.monotonicMs() };
      // The jump comes in the middle of this call, which neither ends nor lasts longer for it.
      expect(await store.get(widgets, key, { deadlineMs: 5000 })).toBeDefined();
      const elapsedMs = clock.monotonicMs() - before.monotonicMs;
      expect(Math.abs(serverMs() - before.serverMs - elapsedMs)).toBeLessThan(2000);
      expect(Math.abs(clock.nowMs() - Date.now())).toBe(Math.abs(jumpMs));
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect([queue.depth, queue.delayed]).toEqual([0, 1000]);
      expect(errors).toEqual([]);
      expect([count(proxy, 'list'), count(proxy, 'watch')]).toEqual([1, 1]);
      queue.shutDown();
    },
  );
});

/** jumpingClock is the system's, with a wall clock that can be set. */
function jumpingClock(): { readonly clock: Clock; readonly jump: (ms: number) => void } {
  let offsetMs = 0;
  return {
    clock: { ...systemClock, nowMs: () => systemClock.nowMs() + offsetMs },
    jump: (ms) => {
      offsetMs += ms;
    },
  };
}
