/** Probes of endpoints: real sockets on loopback; the resolver and time are given where they matter. */
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { keyOf, type EndpointSlice, type ObjectKey } from '../../src/api/kubernetes.ts';
import { systemClock } from '../../src/clock.ts';
import { createHostNames, type HostNames, type Resolve } from '../../src/standalone/host-names.ts';
import { readProbe, tcpProbe } from '../../src/standalone/probe-spec.ts';
import { startProbes, type EndpointChange, type ProbedStore } from '../../src/standalone/probes.ts';
import { planSlice, presentSlice, type PresentedEndpoints } from '../../src/standalone/slice-plan.ts';
import { createAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { connectionsTo } from '../support/sockets.ts';

type Endpoint = NonNullable<EndpointSlice['endpoints']>[number];

type Endpoints = EndpointSlice['endpoints'];

interface SliceChanges {
  readonly addresses?: readonly string[];
  readonly endpoints?: Endpoints;
  readonly ports?: EndpointSlice['ports'];
  readonly probe?: string | undefined;
  readonly name?: string;
}

/** sliceOf returns an EndpointSlice of the Service `shop`, with a port that nobody listens on. */
function sliceOf(changes: SliceChanges = {}): EndpointSlice {
  const { addresses = ['127.0.0.1'], probe, name = 'shop', ports = [{ port: 1 }] } = changes;
  return {
    metadata: {
      name,
      namespace: 'web',
      labels: { 'kubernetes.io/service-name': 'shop' },
      ...(probe === undefined ? {} : { annotations: { 'sluice.dev/probe': probe } }),
    },
    addressType: 'IPv4',
    endpoints: changes.endpoints ?? addresses.map((address) => ({ addresses: [address] })),
    ports,
  };
}

describe('the annotation sluice.dev/probe', () => {
  const specOf = (text: string | undefined) => {
    const reading = readProbe(text);
    return reading.kind === 'Spec' ? reading.spec : reading.message;
  };

  test('is a TCP connect each second where it is left out', () => {
    expect(specOf(undefined)).toEqual({ request: undefined, port: undefined, intervalMs: 1000, timeoutMs: 1000 });
    expect(specOf('TCP')).toEqual(tcpProbe);
  });

  test('asks for a path, with options in any order', () => {
    expect(specOf('GET /healthz')).toEqual({
      ...tcpProbe,
      request: { scheme: 'http', path: '/healthz', host: undefined },
    });
    expect(specOf(' GET  /a?b=c%20d timeout=2s port=8081 host=shop.example scheme=https interval=1m ')).toEqual({
      request: { scheme: 'https', path: '/a?b=c%20d', host: 'shop.example' },
      port: 8081,
      intervalMs: 60_000,
      timeoutMs: 2000,
    });
    expect(specOf('TCP port=admin interval=500ms')).toEqual({ ...tcpProbe, port: 'admin', intervalMs: 500 });
  });

  test.each([
    ['', 'found ""; write e.g. "GET /healthz"'],
    ['/healthz', 'found "/healthz"; write e.g. "GET /healthz"'],
    ['http://:8080/healthz', 'found "http://:8080/healthz"; write e.g.'],
    ['get /healthz', 'found "get /healthz"; write e.g.'],
    ['GET', 'found the path ""; write one that begins with /'],
    ['GET healthz', 'found the path "healthz"; write one that begins with /'],
    ['GET /a#b', 'found the path "/a#b"'],
    ['GET /ä', 'found the path "/ä"'],
    ['GET / HTTP/1.1', 'found "HTTP/1.1"; what may follow is port=, interval=, timeout=, scheme=, host='],
    ['TCP /healthz', 'found "/healthz"; what may follow is port=, interval=, timeout='],
    ['TCP host=a', 'found "host=a"; what may follow is'],
    ['GET / port', 'found "port"; what may follow is'],
    ['GET / port=0', 'found "port=0"; port is a number from 1 to 65535'],
    ['GET / port=65536', 'found "port=65536"; port is a number'],
    ['GET / port=HTTP', 'found "port=HTTP"; port is a number from 1 to 65535, or the name of a port of the slice'],
    ['GET / port=1 port=2', 'found "port=2"; write port once'],
    ['GET / timeout=5', 'found "timeout=5"; timeout is a duration from 100ms to 1m'],
    ['GET / timeout=2m', 'found "timeout=2m"; timeout is a duration'],
    ['TCP interval=1ms', 'found "interval=1ms"; interval is a duration'],
    ['GET / scheme=ftp', 'found "scheme=ftp"; scheme is http or https'],
    ['GET / host=a/b', 'found "host=a/b"; host is what the Host header has to be'],
  ])('"%s" is refused in a sentence', (text, message) => {
    expect(specOf(text)).toContain(`annotation sluice.dev/probe: ${message}`);
    expect(specOf(text)).toMatch(/^[^\n]*\.$/);
  });
});

describe('an EndpointSlice', () => {
  const nothing = { addressesOf: () => [], isReady: () => false };
  const present = (
    slice: EndpointSlice,
    addresses: Readonly<Record<string, readonly string[]>>,
    up: readonly string[],
  ) =>
    presentSlice(planSlice(slice, undefined), {
      addressesOf: (name) => addresses[name] ?? [],
      isReady: ({ address, port }) => up.includes(address) || up.includes(`${address}:${port}`),
    });
  const addressesIn = ({ endpoints }: PresentedEndpoints) =>
    (endpoints ?? []).map(({ addresses, conditions }) => `${addresses.join()} ${conditions?.ready}`);

  test.each<[Endpoint['conditions'], boolean, boolean]>([
    [{ ready: false }, false, false],
    [{ ready: false, serving: true, terminating: true }, false, true],
    [{ ready: true, serving: false }, true, false],
    [{ serving: true, terminating: true }, false, true],
    [{ ready: false, terminating: true }, false, false],
    [{}, true, true],
    [undefined, true, true],
  ])('with conditions %j that answers is ready: %s, serving: %s', (conditions, ready, serving) => {
    const slice = sliceOf({
      endpoints: [conditions === undefined ? { addresses: ['10.0.0.1'] } : { addresses: ['10.0.0.1'], conditions }],
    });
    const terminating = conditions?.terminating === undefined ? {} : { terminating: conditions.terminating };
    const found = present(slice, {}, ['10.0.0.1']).endpoints?.[0]?.conditions;
    expect(found).toEqual({ ready, serving, ...terminating });
    // What does not answer is neither, whatever the file says.
    expect(presentSlice(planSlice(slice, undefined), nothing).endpoints?.[0]?.conditions).toEqual({
      ready: false,
      serving: false,
      ...terminating,
    });
  });

  test('keeps the other fields of an endpoint, and has one for each address', () => {
    const endpoint = { addresses: ['10.0.0.1', '10.0.0.2'], targetRef: { kind: 'Pod', name: 'a' }, zone: 'z' };
    expect(present(sliceOf({ endpoints: [endpoint] }), {}, ['10.0.0.2'])).toEqual({
      addressType: 'IPv4',
      endpoints: [
        { ...endpoint, addresses: ['10.0.0.1'], conditions: { ready: false, serving: false } },
        { ...endpoint, addresses: ['10.0.0.2'], conditions: { ready: true, serving: true } },
      ],
    });
  });

  test('is ready where each of its TCP ports is', () => {
    const ports = [
      { name: 'http', port: 80 },
      { name: 'admin', port: 81, protocol: 'TCP' },
      { name: 'h3', port: 82, protocol: 'UDP' },
    ];
    const slice = sliceOf({ addresses: ['10.0.0.1', '10.0.0.2'], ports });
    expect(addressesIn(present(slice, {}, ['10.0.0.1:80', '10.0.0.1:81', '10.0.0.2:80']))).toEqual([
      '10.0.0.1 true',
      '10.0.0.2 false',
    ]);
  });

  test('has the addresses of host names, and the type of these', () => {
    const names = { 'shop-v1': ['10.0.0.1', '10.0.0.2'], six: ['fd00::1'] };
    const four = present(sliceOf({ addresses: ['Shop-V1'] }), names, ['10.0.0.2']);
    expect(addressesIn(four)).toEqual(['10.0.0.1 false', '10.0.0.2 true']);
    expect(four.addressType).toBe('IPv4');
    expect(present(sliceOf({ addresses: ['six'] }), names, []).addressType).toBe('IPv6');
    expect(present({ ...sliceOf({ addresses: ['six', 'shop-v1'] }), addressType: 'FQDN' }, names, []).addressType).toBe(
      'FQDN',
    );
    expect(present(sliceOf({ addresses: ['unknown.example'] }), names, [])).toEqual({
      addressType: 'IPv4',
      endpoints: [],
    });
  });

  test('has one family of a name with both: IPv4, unless only IPv6 answers', () => {
    const both = { both: ['10.0.0.1', 'fd00::1'] };
    const slice = sliceOf({ addresses: ['both'] });
    expect(addressesIn(present(slice, both, []))).toEqual(['10.0.0.1 false']);
    expect(addressesIn(present(slice, both, ['10.0.0.1', 'fd00::1']))).toEqual(['10.0.0.1 true']);
    expect(addressesIn(present(slice, both, ['fd00::1']))).toEqual(['fd00::1 true']);
  });

  test.each<[SliceChanges, string | undefined]>([
    [{}, undefined],
    [{ ports: [] }, 'it has no TCP port; list one under ports.'],
    [{ ports: [{ port: 53, protocol: 'UDP' }] }, 'it has no TCP port; list one under ports.'],
    [
      {
        probe: 'GET /',
        ports: [
          { name: 'http', port: 80 },
          { name: 'admin', port: 81 },
        ],
      },
      'it has the ports http (80), admin (81); say with port= in sluice.dev/probe which one is asked.',
    ],
    [
      { probe: 'TCP port=admin', ports: [{ name: 'http', port: 80 }] },
      'it has no port of the name admin, which sluice.dev/probe asks for; it has http (80).',
    ],
    [{ probe: 'GET / port=81', ports: [] }, undefined],
    [{ probe: 'GET' }, 'annotation sluice.dev/probe: found the path "";'],
    [{ addresses: ['http://shop:8080'] }, 'the address "http://shop:8080" is neither an IP address nor a host name;'],
    [{ addresses: ['10.0.0.1:80'] }, 'the address "10.0.0.1:80" is neither'],
    [{ addresses: ['10.0.1'] }, 'the address "10.0.1" is neither'],
    [{ addresses: ['256.1.1.1'] }, 'the address "256.1.1.1" is neither'],
    [{ addresses: ['[::1]'] }, 'the address "[::1]" is neither'],
    [{ addresses: ['shop_v1', 'Shop.Example.', 'fd00::1', '10.0.0.1', 'v1-2.a'] }, undefined],
  ])('with %j has the problem %s', (changes, message) => {
    const { problems } = planSlice(sliceOf(changes), undefined);
    if (message === undefined) expect(problems).toEqual([]);
    else expect(problems).toEqual([expect.stringContaining(`EndpointSlice web/shop: ${message}`)]);
  });

  test('without the label of its Service says so', () => {
    const slice = sliceOf();
    const { problems } = planSlice({ ...slice, metadata: { ...slice.metadata, labels: {} } }, undefined);
    expect(problems).toEqual([expect.stringContaining('the label kubernetes.io/service-name is missing')]);
  });
});

describe('a host name', () => {
  /** Names are asked for by `answer`, which a test changes; `questions` has all that were asked. */
  function followed(names: readonly string[], random = () => 0.5) {
    const clock = new ManualClock();
    const state = { answer: (async () => []) as Resolve, questions: [] as number[], changes: 0 };
    const hosts = createHostNames({
      clock,
      random,
      resolve: (name) => {
        state.questions.push(clock.monotonicMs());
        return state.answer(name);
      },
      onChange: () => (state.changes += 1),
    });
    const follow = async (): Promise<void> => {
      hosts.follow(new Set(names));
      await clock.advance(0);
    };
    const addresses = (): readonly string[] => hosts.get(names[0] ?? '').addresses;
    return { clock, state, hosts, follow, addresses };
  }
  const failWith =
    (code: string): Resolve =>
    () =>
      Promise.reject(Object.assign(new Error(code), { code }));
  const found =
    (...addresses: readonly string[]): Resolve =>
    () =>
      Promise.resolve(addresses);

  test('is asked for at once and then each 10 s', async () => {
    const { clock, state, follow, addresses } = followed(['shop']);
    state.answer = found('10.0.0.2', '10.0.0.1');
    await follow();
    expect(addresses()).toEqual(['10.0.0.1', '10.0.0.2']);
    await clock.advance(30_000);
    expect(state.questions).toEqual([0, 10_000, 20_000, 30_000]);
    expect(state.changes).toBe(1);
  });

  test('keeps its addresses while the resolver fails, and is asked for each second then', async () => {
    const { clock, state, hosts, follow, addresses } = followed(['shop']);
    state.answer = found('10.0.0.1');
    await follow();
    state.answer = failWith('EAI_AGAIN');
    await clock.advance(60_000);
    expect(addresses()).toEqual(['10.0.0.1']);
    expect(hosts.get('shop').problem).toBe('the resolver failed (EAI_AGAIN)');
    expect(state.questions).toHaveLength(52);
    state.answer = found('10.0.0.1');
    await clock.advance(1000);
    expect(hosts.get('shop').problem).toBeUndefined();
  });

  test.each([['no such name', failWith('ENOTFOUND')] as const, ['no address', found()] as const])(
    'has none after two answers in a row with %s',
    async (_, nothing) => {
      const { clock, state, hosts, follow, addresses } = followed(['shop']);
      state.answer = found('10.0.0.1');
      await follow();
      state.answer = nothing;
      await clock.advance(10_000);
      expect(addresses()).toEqual(['10.0.0.1']);
      await clock.advance(1000);
      expect(addresses()).toEqual([]);
      expect(hosts.get('shop').problem).toContain('does not exist');
      state.answer = found('10.0.0.1');
      await clock.advance(1000);
      expect(addresses()).toEqual(['10.0.0.1']);
    },
  );

  test('takes a new address at once, and leaves an old one when two answers lack it', async () => {
    const { clock, state, follow, addresses } = followed(['shop']);
    state.answer = found('10.0.0.1');
    await follow();
    state.answer = found('10.0.0.2');
    await clock.advance(10_000);
    expect(addresses()).toEqual(['10.0.0.1', '10.0.0.2']);
    await clock.advance(1000);
    expect(addresses()).toEqual(['10.0.0.2']);
    // Then it is known what there is, and 10 s are enough again.
    await clock.advance(20_000);
    expect(state.questions).toEqual([0, 10_000, 11_000, 21_000, 31_000]);
  });

  test('of which an address is doubted is asked for at once, once a second', async () => {
    const { clock, state, hosts, follow } = followed(['shop', 'other']);
    state.answer = (name) => Promise.resolve(name === 'shop' ? ['10.0.0.1'] : ['10.0.0.9']);
    await follow();
    await clock.advance(5000);
    for (let i = 0; i < 30; i += 1) {
      hosts.doubt('10.0.0.1');
      await clock.advance(100);
    }
    expect(state.questions).toEqual([0, 0, 5000, 6000, 7000, 8000]);
  });

  test('counts as asked for after 5 s without an answer, and a late answer counts too', async () => {
    const { clock, state, hosts, follow, addresses } = followed(['shop']);
    const late = Promise.withResolvers<readonly string[]>();
    state.answer = () => late.promise;
    await follow();
    await clock.advance(4999);
    expect(hosts.get('shop').isAsked).toBe(false);
    await clock.advance(1);
    expect(hosts.get('shop')).toEqual({ isAsked: true, addresses: [], problem: 'the resolver does not answer' });
    late.resolve(['10.0.0.1']);
    await clock.advance(0);
    expect(addresses()).toEqual(['10.0.0.1']);
  });

  test('that is followed no more is not asked for again, and leaves no timer', async () => {
    const { clock, state, hosts, follow, addresses } = followed(['shop']);
    const late = Promise.withResolvers<readonly string[]>();
    state.answer = () => late.promise;
    await follow();
    hosts.stop();
    late.resolve(['10.0.0.1']);
    await clock.advance(60_000);
    expect(addresses()).toEqual([]);
    expect(state.questions).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  test('is one of four at most that are asked for at the same time', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `shop-${i}`);
    const { clock, state, follow } = followed(names);
    const gate = Promise.withResolvers<readonly string[]>();
    state.answer = () => gate.promise;
    await follow();
    expect(state.questions).toHaveLength(4);
    gate.resolve(['10.0.0.1']);
    await clock.advance(0);
    expect(state.questions).toHaveLength(20);
  });

  test('of this machine is found by the resolver of the system', async () => {
    const seen = Promise.withResolvers<void>();
    const hosts: HostNames = createHostNames({
      clock: systemClock,
      random: Math.random,
      onChange: () => seen.resolve(),
    });
    hosts.follow(new Set(['localhost']));
    await seen.promise;
    expect(hosts.get('localhost').addresses).toContain('127.0.0.1');
    hosts.stop();
  });
});

/** FolderSlices is a store as the folder's: what the files have, and what is presented instead. */
class FolderSlices implements ProbedStore {
  #slices: readonly EndpointSlice[];
  readonly #listeners = new Set<(slices: readonly EndpointSlice[]) => void>();
  readonly presented = new Map<ObjectKey, PresentedEndpoints>();
  /** events counts how often something was presented. */
  events = 0;

  constructor(...slices: readonly EndpointSlice[]) {
    this.#slices = slices;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  onSlices(listener: (slices: readonly EndpointSlice[]) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#slices);
    return () => this.#listeners.delete(listener);
  }

  presentEndpoints(key: ObjectKey, presented: PresentedEndpoints): void {
    this.events += 1;
    this.presented.set(key, presented);
  }

  edit(...slices: readonly EndpointSlice[]): void {
    this.#slices = slices;
    for (const listener of this.#listeners) listener(slices);
  }

  /** ready returns the addresses that are presented as ready. */
  ready(slice: EndpointSlice = sliceOf()): readonly string[] {
    const endpoints = this.presented.get(keyOf(slice))?.endpoints ?? [];
    return endpoints.filter(({ conditions }) => conditions?.ready).flatMap(({ addresses }) => addresses);
  }
}

describe('probes', () => {
  const cleanups: (() => Promise<unknown> | void)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });

  type Listening = { readonly port: number; connections: number; readonly close: () => Promise<void> };

  async function listen(server: net.Server | https.Server, host = '127.0.0.1', port = 0): Promise<Listening> {
    const open = new Set<net.Socket>();
    const listening: Listening = {
      port: 0,
      connections: 0,
      close: () =>
        new Promise((resolve) => {
          for (const socket of open) socket.destroy();
          server.close(() => resolve());
        }),
    };
    server.on('connection', (socket: net.Socket) => {
      listening.connections += 1;
      open.add(socket);
      socket.on('error', () => undefined).on('close', () => open.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, host, resolve);
    });
    cleanups.push(() => listening.close());
    return Object.assign(listening, { port: (server.address() as AddressInfo).port });
  }

  const tcpServer = (host?: string, port?: number): Promise<Listening> =>
    listen(
      net.createServer((socket) => socket.resume()),
      host,
      port,
    );
  const httpServer = (answer: http.RequestListener): Promise<Listening> => listen(http.createServer(answer));

  function start(store: FolderSlices, options: Partial<Parameters<typeof startProbes>[0]> = {}) {
    const stop = new AbortController();
    const changes: EndpointChange[] = [];
    const problems: (readonly string[])[] = [];
    const { first } = startProbes(
      {
        store,
        clock: systemClock,
        onChange: (change) => changes.push(change),
        onProblems: (all) => problems.push(all),
        ...options,
      },
      stop.signal,
    );
    cleanups.push(() => stop.abort());
    return { first, changes, problems, stop: () => stop.abort() };
  }

  const fast = 'TCP interval=100ms';

  test('present an endpoint as not ready until its first connect, and then as ready', async () => {
    const { port } = await tcpServer();
    const store = new FolderSlices(sliceOf({ ports: [{ port }] }));
    const { first, changes } = start(store);
    expect(store.presented.get('web/shop')?.endpoints).toEqual([
      { addresses: ['127.0.0.1'], conditions: { ready: false, serving: false } },
    ]);
    await first;
    expect(store.ready()).toEqual(['127.0.0.1']);
    expect(changes).toEqual([
      { slices: ['web/shop'], endpoint: `127.0.0.1:${port}`, isReady: true, reason: undefined },
    ]);
  });

  test('find a refused connection with the first probe', async () => {
    const { port, close } = await tcpServer();
    await close();
    const store = new FolderSlices(sliceOf({ ports: [{ port }] }));
    const { first, changes } = start(store);
    await first;
    expect(store.ready()).toEqual([]);
    expect(changes).toEqual([
      { slices: ['web/shop'], endpoint: `127.0.0.1:${port}`, isReady: false, reason: 'connection refused' },
    ]);
  });

  test('take an endpoint out after two failures in a row, and back with the first success', async () => {
    const server = await tcpServer();
    const slice = sliceOf({ ports: [{ port: server.port }], probe: fast });
    const store = new FolderSlices(slice);
    const { first, changes } = start(store);
    await first;
    await server.close();
    const closedMs = performance.now();
    await eventually(() => store.ready().length === 0, { intervalMs: 5 });
    expect(performance.now() - closedMs).toBeLessThan(2000);
    await tcpServer('127.0.0.1', server.port);
    await eventually(() => store.ready().length === 1);
    expect(changes.map(({ isReady }) => isReady)).toEqual([true, false, true]);
    expect(store.events).toBe(4);
  });

  test('do not mind one failure', async () => {
    let answers = 0;
    const { port } = await httpServer((_, answer) => {
      answers += 1;
      answer.writeHead(answers % 3 === 0 ? 500 : 200).end();
    });
    const store = new FolderSlices(sliceOf({ ports: [{ port }], probe: 'GET / interval=100ms' }));
    const { changes } = start(store);
    await eventually(() => answers > 12);
    expect(changes.map(({ isReady }) => isReady)).toEqual([true]);
  });

  test('probe each second without an annotation', async () => {
    const server = await tcpServer();
    const startMs = performance.now();
    start(new FolderSlices(sliceOf({ ports: [{ port: server.port }] })), { random: () => 0.5 });
    await eventually(() => server.connections >= 4, { intervalMs: 5 });
    // At once, after half a second, and then each second.
    expect(performance.now() - startMs).toBeGreaterThan(2_400);
  });

  test.each([
    [200, true],
    [204, true],
    [302, true],
    [399, true],
    [400, false],
    [404, false],
    [503, false],
  ])('take a GET that is answered with %i for ready: %s', async (status, isReady) => {
    const { port } = await httpServer((request, answer) => {
      const isAsked = request.url === '/healthz?full=1' && request.method === 'GET';
      answer.writeHead(isAsked ? status : 418, { location: 'http://127.0.0.1:1/' }).end();
    });
    const store = new FolderSlices(sliceOf({ ports: [{ port }], probe: 'GET /healthz?full=1' }));
    const { first, changes } = start(store);
    await first;
    expect(store.ready()).toEqual(isReady ? ['127.0.0.1'] : []);
    expect(changes.map(({ reason }) => reason)).toEqual([isReady ? undefined : `answered ${status}`]);
  });

  test('send the Host header that the slice has, or the one that is asked for', async () => {
    const hosts: (string | undefined)[] = [];
    const { port } = await httpServer((request, answer) => {
      hosts.push(request.headers.host);
      answer.end();
    });
    const by = (name: string, address: string, host = ''): EndpointSlice =>
      sliceOf({ name, addresses: [address], ports: [{ port }], probe: `GET /${name}${host}` });
    const { first } = start(
      new FolderSlices(by('a', '127.0.0.1'), by('b', 'localhost'), by('c', '127.0.0.1', ' host=shop.example')),
    );
    await first;
    expect(new Set(hosts)).toEqual(new Set([`127.0.0.1:${port}`, `localhost:${port}`, 'shop.example']));
  });

  test('ask another port than that of the slice where the annotation says so, by number or name', async () => {
    const health = await httpServer((_, answer) => answer.end());
    const byNumber = sliceOf({ name: 'a', probe: `GET / port=${health.port}` });
    const ports = [
      { name: 'http', port: 1 },
      { name: 'health', port: health.port },
    ];
    const byName = sliceOf({ name: 'b', ports, probe: 'GET / port=health' });
    const store = new FolderSlices(byNumber, byName);
    await start(store).first;
    expect([store.ready(byNumber), store.ready(byName)]).toEqual([['127.0.0.1'], ['127.0.0.1']]);
  });

  test('ask by https where they are told to, whoever signed the certificate', async () => {
    const server = https.createServer(createAuthority('ca').issue('shop'), (_, answer) => answer.end());
    const { port } = await listen(server);
    const store = new FolderSlices(sliceOf({ ports: [{ port }], probe: 'GET / scheme=https' }));
    await start(store).first;
    expect(store.ready()).toEqual(['127.0.0.1']);
  });

  test.each([
    ['says nothing', () => undefined, 'no answer within 200ms'],
    ['hangs up', (socket: net.Socket) => socket.destroy(), /connection reset|hang up|closed without/],
    ['speaks something else', (socket: net.Socket) => socket.end('SSH-2.0-x\r\n'), /HPE_/],
    [
      'upgrades',
      (socket: net.Socket) => socket.end('HTTP/1.1 101 a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
      /./,
    ],
  ])('say why a server that %s is not ready', async (_, behave, reason) => {
    const { port } = await listen(net.createServer((socket) => void socket.once('data', () => behave(socket))));
    const store = new FolderSlices(sliceOf({ ports: [{ port }], probe: 'GET / timeout=200ms interval=100ms' }));
    const { first, changes } = start(store);
    await first;
    expect(store.ready()).toEqual([]);
    expect(changes[0]?.reason).toMatch(reason);
  });

  test('read no more of an answer than they need', async () => {
    let written = 0;
    const { port } = await httpServer((_, answer) => {
      const more = (error?: Error | null): void => {
        if (error) return;
        written += 65_536;
        answer.write(Buffer.alloc(65_536), more);
      };
      more();
    });
    const store = new FolderSlices(sliceOf({ ports: [{ port }], probe: 'GET /' }));
    await start(store).first;
    expect(store.ready()).toEqual(['127.0.0.1']);
    expect(written).toBeLessThan(16 * 1024 * 1024);
    await eventually(() => connectionsTo(port) === 0);
  });

  test('are not misled by an event loop that was held up for longer than the timeout', async () => {
    const { port } = await tcpServer();
    const store = new FolderSlices(sliceOf({ ports: [{ port }], probe: 'TCP timeout=100ms interval=100ms' }));
    const { first, changes } = start(store);
    await first;
    for (let i = 0; i < 10; i += 1) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150);
      await sleep(3);
    }
    expect(changes.map(({ isReady }) => isReady)).toEqual([true]);
  });

  test('probe what several slices have only once, until the last of them goes', async () => {
    const server = await tcpServer();
    const [one, two] = ['one', 'two'].map((name) => {
      return sliceOf({ name, ports: [{ port: server.port }], probe: 'TCP interval=1m' });
    }) as [EndpointSlice, EndpointSlice];
    const store = new FolderSlices(one, two);
    const { first } = start(store, { random: () => 0.5 });
    await first;
    expect(server.connections).toBe(1);
    expect([store.ready(one), store.ready(two)]).toEqual([['127.0.0.1'], ['127.0.0.1']]);
    store.edit(sliceOf({ name: 'two', ports: [{ port: server.port }], probe: fast }));
    await eventually(() => server.connections > 3);
    store.edit();
    await eventually(() => connectionsTo(server.port) === 0);
    const { connections } = server;
    await sleep(500);
    expect(server.connections).toBe(connections);
  });

  test('keep what they know of an endpoint when its file is edited, and present new ones as not ready at once', async () => {
    const [one, two] = [await tcpServer(), await tcpServer('127.0.0.2')];
    const ports = [{ port: one.port }];
    const store = new FolderSlices(sliceOf({ ports }));
    const { first } = start(store);
    await first;
    store.edit(sliceOf({ addresses: ['127.0.0.1', '127.0.0.2'], ports }));
    expect(store.ready()).toEqual(['127.0.0.1']);
    expect(store.presented.get('web/shop')?.endpoints).toHaveLength(2);
    await two.close();
    await tcpServer('127.0.0.2', one.port);
    await eventually(() => store.ready().length === 2);
  });

  test('report a probe that cannot be read, and go on with the last one that could', async () => {
    const { port } = await httpServer((request, answer) => {
      answer.writeHead(request.url === '/healthz' ? 200 : 500).end();
    });
    const withProbe = (probe: string): EndpointSlice => sliceOf({ ports: [{ port }], probe });
    const store = new FolderSlices(withProbe('GET healthz'));
    const { first, problems } = start(store);
    await first;
    expect(store.ready()).toEqual([]);
    store.edit(withProbe('GET /healthz interval=100ms'));
    await eventually(() => store.ready().length === 1);
    store.edit(withProbe('GET /other intervall=100ms'));
    await sleep(400);
    expect(store.ready()).toEqual(['127.0.0.1']);
    expect(problems.map((all) => all.length)).toEqual([1, 0, 1]);
    expect(problems[0]?.[0]).toContain('EndpointSlice web/shop: annotation sluice.dev/probe: found the path "healthz"');
  });

  test('do not probe what the file holds back', async () => {
    const server = await tcpServer();
    const endpoints = [{ addresses: ['127.0.0.1'], conditions: { ready: false } }];
    const store = new FolderSlices(sliceOf({ endpoints, ports: [{ port: server.port }], probe: fast }));
    await start(store).first;
    await sleep(300);
    expect(server.connections).toBe(0);
    expect(store.ready()).toEqual([]);
  });

  test('resolve host names, also in a slice of IPv4, and follow one that moves', async () => {
    const before = await tcpServer('127.0.0.1');
    const after = await tcpServer('127.0.0.2', before.port);
    const questions: string[] = [];
    let address = '127.0.0.1';
    const store = new FolderSlices(sliceOf({ addresses: ['shop-v1'], ports: [{ port: before.port }], probe: fast }));
    const { first } = start(store, {
      resolve: (name) => {
        questions.push(name);
        return Promise.resolve([address]);
      },
    });
    await first;
    expect(store.ready()).toEqual(['127.0.0.1']);
    address = '127.0.0.2';
    await before.close();
    // Long before the next question was due: what does not answer is asked for again.
    await eventually(() => store.ready().join() === '127.0.0.2', { timeoutMs: 4000 });
    expect(store.presented.get('web/shop')?.addressType).toBe('IPv4');
    await eventually(() => store.presented.get('web/shop')?.endpoints?.length === 1);
    expect(after.connections).toBeGreaterThan(0);
    expect(questions.length).toBeLessThan(8);
  });

  test('say that a name does not exist, and are ready when it does', async () => {
    const { port } = await tcpServer();
    let doesExist = false;
    const store = new FolderSlices(sliceOf({ addresses: ['shop-v1'], ports: [{ port }] }));
    const { first, changes } = start(store, { resolve: () => Promise.resolve(doesExist ? ['127.0.0.1'] : []) });
    await first;
    expect(store.ready()).toEqual([]);
    expect(changes).toEqual([
      {
        slices: ['web/shop'],
        endpoint: 'shop-v1',
        isReady: false,
        reason: 'the name does not exist (ENOTFOUND)',
      },
    ]);
    doesExist = true;
    await eventually(() => store.ready().length === 1);
  });

  test('find by the resolver of the system what listens on this machine', async () => {
    const { port } = await tcpServer();
    const store = new FolderSlices(sliceOf({ addresses: ['localhost'], ports: [{ port }] }));
    await start(store).first;
    expect(store.ready()).toEqual(['127.0.0.1']);
  });

  test('are over at once where there is nothing to probe', async () => {
    await start(new FolderSlices()).first;
  });

  const thousand = Array.from({ length: 1000 }, (_, i) => `127.0.${1 + Math.floor(i / 250)}.${1 + (i % 250)}`);

  test('of a thousand endpoints are never more than 64 under way', async () => {
    let [underWay, most] = [0, 0];
    const server = http.createServer((_, answer) => {
      underWay += 1;
      most = Math.max(most, underWay);
      setTimeout(() => {
        underWay -= 1;
        answer.end();
      }, 20);
    });
    const { port } = await listen(server, '0.0.0.0');
    const store = new FolderSlices(
      sliceOf({ addresses: thousand, ports: [{ port }], probe: 'GET / timeout=10s interval=500ms' }),
    );
    const { first } = start(store);
    await first;
    expect(store.ready()).toHaveLength(1000);
    await sleep(2000);
    expect(most).toBeGreaterThan(16);
    expect(most).toBeLessThanOrEqual(64);
  });

  test('of a thousand endpoints present nothing while nothing changes', async () => {
    let probes = 0;
    const server = net.createServer((socket) => {
      probes += 1;
      socket.resume();
    });
    const { port } = await listen(server, '0.0.0.0');
    const store = new FolderSlices(
      sliceOf({ addresses: thousand, ports: [{ port }], probe: 'TCP timeout=10s interval=1s' }),
    );
    const { first, changes } = start(store);
    await first;
    expect(store.ready()).toHaveLength(1000);
    expect(changes).toHaveLength(1000);
    expect(store.events).toBeLessThan(500);
    const { events } = store;
    const before = probes;
    await eventually(() => probes >= before + 3000);
    expect(store.events).toBe(events);
  });

  test('of endpoints that do not answer do not keep those that do from being probed', async () => {
    const answering = await tcpServer();
    const silent = await listen(http.createServer(() => undefined));
    // Each path is another target: two hundred requests that are never answered.
    const all = Array.from({ length: 200 }, (_, i) =>
      sliceOf({ name: `stuck-${i}`, ports: [{ port: silent.port }], probe: `GET /${i} timeout=1m` }),
    );
    const good = sliceOf({ name: 'good', ports: [{ port: answering.port }], probe: fast });
    const store = new FolderSlices(good);
    const { first } = start(store);
    await first;
    store.edit(good, ...all);
    await eventually(() => silent.connections >= 32);
    const before = answering.connections;
    await eventually(() => answering.connections > before + 5);
    expect(silent.connections).toBeLessThanOrEqual(64);
  });

  test('stop with the signal: no timer, no socket and no listener is left, and `first` does not hang', async () => {
    const silent = await listen(http.createServer(() => undefined));
    const clock = new ManualClock();
    const store = new FolderSlices(
      sliceOf({ addresses: ['127.0.0.1', 'shop-v1'], ports: [{ port: silent.port }], probe: 'GET /' }),
    );
    const { first, stop, changes } = start(store, { clock, resolve: () => new Promise(() => undefined) });
    await clock.advance(0);
    await eventually(() => silent.connections === 1);
    expect(clock.pendingTimers).toBeGreaterThan(0);
    stop();
    await first;
    await eventually(() => connectionsTo(silent.port) === 0 && clock.pendingTimers === 0);
    expect(store.listeners).toBe(0);
    const { events } = store;
    store.edit(sliceOf());
    await clock.advance(60_000);
    expect([store.events, changes.length, silent.connections]).toEqual([events, 0, 1]);
  });

  test('do nothing where the signal has aborted before', async () => {
    const store = new FolderSlices(sliceOf());
    const { first } = startProbes({ store, clock: systemClock }, AbortSignal.abort());
    await first;
    expect([store.listeners, store.events]).toEqual([0, 0]);
  });

  test('do not leak: started and stopped a hundred times, the process has what it had', async () => {
    const { port } = await tcpServer();
    const resources = (): number => process.getActiveResourcesInfo().length;
    const before = resources();
    for (let i = 0; i < 100; i += 1) {
      const { first, stop } = start(
        new FolderSlices(sliceOf({ addresses: ['127.0.0.1', '127.0.0.9'], ports: [{ port }] })),
      );
      if (i % 2 === 0) await first;
      stop();
    }
    await eventually(() => connectionsTo(port) === 0 && resources() <= before + 1);
  });
});
