import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createPlainServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer, type Server as TlsServer, type ServerOptions } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { TLSSocket } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CredentialsNotice, KubeConnection } from '../../../src/kube/connection.ts';
import { createKubeClient, type KubeClient } from '../../../src/kube/request.ts';
import { createTlsFiles } from '../../../src/kube/tls-files.ts';
import { createAuthority } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const old = createAuthority('old');
const next = createAuthority('next');
const oldServer = old.issue('server');
const newServer = next.issue('server');

const ended: (() => Promise<unknown>)[] = [];
let directory = '';
let clock = new ManualClock();

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'sluice-transport-'));
  clock = new ManualClock();
});

afterEach(async () => {
  await Promise.all(ended.splice(0).map((end) => end()));
  await rm(directory, { recursive: true, force: true });
});

/** Started is a TLS server that answers with `{}` what `held` does not keep, and its URL. */
interface Started {
  readonly url: URL;
  readonly server: TlsServer;
  /** log is one text a request: method, path, and the client's certificate. */
  readonly log: string[];
  readonly held: ServerResponse[];
  readonly sockets: Set<Socket>;
}

async function startTlsServer(options: ServerOptions): Promise<Started> {
  const log: string[] = [];
  const held: ServerResponse[] = [];
  const server = createServer(options, (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url = '' } = request;
    const peer = String((request.socket as TLSSocket).getPeerCertificate().subject?.CN ?? 'nobody');
    log.push(`${method} ${url.split('?')[0] ?? ''} ${peer}`);
    if (url.includes('/not-for-alice') && peer === 'alice') response.statusCode = 401;
    if (url.includes('watch=true')) response.writeHead(200).write('{"a":1}\n');
    if (url.includes('held')) held.push(response);
    else request.resume().on('end', () => response.end('{}'));
  });
  const sockets = await listen(server);
  const { port } = server.address() as AddressInfo;
  return { url: new URL(`https://127.0.0.1:${port}`), server, log, held, sockets };
}

async function listen(server: Server | TlsServer): Promise<Set<Socket>> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.once('close', () => sockets.delete(socket)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ended.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return sockets;
}

const caFile = (): string => path.join(directory, 'ca.pem');

async function connectTo(url: URL, fields: Partial<KubeConnection> = {}) {
  const notices: CredentialsNotice[] = [];
  await writeFile(caFile(), old.cert);
  const onNotice = (notice: CredentialsNotice): void => void notices.push(notice);
  const tls = await createTlsFiles({ ca: { file: caFile() } }, { clock, owner: 'It', onNotice });
  const connection: KubeConnection = {
    server: url,
    tls,
    insecureSkipTlsVerify: false,
    authorization: () => Promise.resolve('Bearer t'),
    onUnauthorized: () => {},
    ...fields,
  };
  return { client: open(connection), notices };
}

function open(connection: KubeConnection): KubeClient {
  const client = createKubeClient(connection, { clock, version: '1' });
  ended.push(() => client.close());
  return client;
}

const get = (client: KubeClient, where = '/api/v1/pods') => client.request({ verb: 'get', path: where });

describe('a rotated certificate authority', () => {
  it.each(['get', 'patch'] as const)('is found when a %s meets a certificate it does not know', async (verb) => {
    const { log, server, sockets, url } = await startTlsServer(oldServer);
    const { client, notices } = await connectTo(url);
    await get(client);
    server.setSecureContext(newServer);
    await writeFile(caFile(), next.cert);
    for (const socket of sockets) socket.destroy();
    await eventually(() => sockets.size === 0);
    log.length = 0;
    // No minute has passed: the failed handshake is the reason to look, and nothing was sent before it.
    expect(await client.request({ verb, path: '/api/v1/pods/a', body: verb === 'get' ? undefined : [] })).toEqual({});
    expect(log).toEqual([`${verb.toUpperCase()} /api/v1/pods/a nobody`]);
    expect(notices.map((notice) => notice.kind)).toEqual(['Reloaded']);
  });

  it('is not looked for a second time where the files say the same', async () => {
    const { log, server, url } = await startTlsServer(newServer);
    const { client } = await connectTo(url);
    let connections = 0;
    server.on('connection', () => (connections += 1));
    const error = await get(client).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'ApiUnreachable' });
    expect((error as Error).message).toMatch(/UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED|UNABLE_TO_GET_ISSUER/);
    expect(connections).toBe(1);
    expect(log).toEqual([]);
  });

  it('is in use within 60 s, while what runs on the old connections ends there, and they are closed then', async () => {
    const { held, sockets, url } = await startTlsServer(oldServer);
    const { client, notices } = await connectTo(url);
    await clock.advance(59_999);
    const slow = get(client, '/held');
    const abort = new AbortController();
    const watch = { verb: 'watch', path: '/held', query: { watch: 'true' }, signal: abort.signal } as const;
    const chunks = (await client.stream(watch))[Symbol.asyncIterator]();
    await chunks.next();
    await eventually(() => held.length === 2);
    expect(sockets.size).toBe(2);
    await writeFile(caFile(), `${old.cert}${next.cert}`);
    await clock.advance(1);
    await get(client);
    expect(sockets.size).toBe(3);
    expect(notices.map((notice) => notice.kind)).toEqual(['Reloaded']);
    held[0]?.end('{}');
    expect(await slow).toEqual({});
    await eventually(() => sockets.size === 2, { describe: 'the old connection for calls to be closed' });
    held[1]?.write('{"a":2}\n');
    expect(String((await chunks.next()).value)).toContain('2');
    abort.abort();
    await chunks.next().catch(() => {});
    await eventually(() => sockets.size === 1, { describe: 'the old connection for watches to be closed' });
  });

  it('leaves no connection behind when the client is closed in the middle of it', async () => {
    const { held, sockets, url } = await startTlsServer(oldServer);
    const { client } = await connectTo(url);
    await clock.advance(59_999);
    const slow = get(client, '/held').catch((error: unknown) => error);
    await eventually(() => held.length === 1);
    await writeFile(caFile(), `${old.cert}${next.cert}`);
    await clock.advance(1);
    await get(client);
    expect(sockets.size).toBe(2);
    await client.close();
    expect(await slow).toMatchObject({ code: 'ApiUnreachable' });
    await eventually(() => sockets.size === 0);
  });
});

describe('a connection that has ended', () => {
  /** collect runs the garbage collector, which only a new context has by that name. */
  const collect = (): void => {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
  };

  it('is forgotten, however long the client lives', async () => {
    const { sockets, url } = await startTlsServer(oldServer);
    const made: WeakRef<object>[] = [];
    const onConnected = (message: unknown): void =>
      void made.push(new WeakRef((message as { readonly socket: Socket }).socket));
    subscribe('undici:client:connected', onConnected);
    try {
      const { client } = await connectTo(url);
      for (let count = 0; count < 5; count += 1) {
        await get(client);
        for (const socket of sockets) socket.destroy();
        await eventually(() => sockets.size === 0);
      }
      expect(made.length).toBeGreaterThanOrEqual(5);
      // undici's pool and its timers look at the last one for a while.
      await eventually(() => {
        collect();
        return made.filter((socket) => socket.deref() !== undefined).length <= 2;
      });
    } finally {
      unsubscribe('undici:client:connected', onConnected);
    }
  });
});

describe('a rotated client certificate', () => {
  it('is used for new connections, and at once when the old one was refused', async () => {
    const { log, url } = await startTlsServer({ ...oldServer, requestCert: true, ca: old.cert });
    const [alice, bob] = [old.issue('alice'), old.issue('bob')];
    const [cert, key] = [path.join(directory, 'cert.pem'), path.join(directory, 'key.pem')];
    await Promise.all([writeFile(cert, alice.cert), writeFile(key, alice.key)]);
    const inputs = { ca: { pem: old.cert }, cert: { file: cert }, key: { file: key } };
    const tls = await createTlsFiles(inputs, { clock, owner: 'It' });
    const { client } = await connectTo(url, { tls, authorization: () => Promise.resolve(undefined) });
    await get(client);
    await Promise.all([writeFile(cert, bob.cert), writeFile(key, bob.key)]);
    await get(client);
    await get(client, '/not-for-alice');
    expect(log.map((line) => line.split(' ')[2])).toEqual(['alice', 'alice', 'alice', 'bob']);
  });
});

/** startProxy answers CONNECT and keeps what it was asked for. */
async function startProxy(certificate?: ServerOptions) {
  const asked: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const server = certificate === undefined ? createPlainServer() : createServer(certificate);
  server.on('connect', (request: IncomingMessage, client: Socket, head: Buffer) => {
    asked.push(request.url ?? '');
    authorizations.push(request.headers['proxy-authorization']);
    const [host, port] = (request.url ?? '').split(':');
    const upstream = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    for (const end of [upstream, client]) end.on('error', () => end.destroy());
  });
  await listen(server);
  const { port } = server.address() as AddressInfo;
  return { asked, authorizations, port };
}

describe('a proxy', () => {
  it.each(['http', 'https'] as const)(
    'over %s carries all requests, and the server is still checked',
    async (scheme) => {
      const { log, url } = await startTlsServer(oldServer);
      const { asked, authorizations, port } = await startProxy(scheme === 'https' ? old.issue('proxy') : undefined);
      const { client } = await connectTo(url, { proxy: new URL(`${scheme}://bob:p%40w@localhost:${port}`) });
      await Promise.all(Array.from({ length: 20 }, () => get(client)));
      expect(log.length).toBe(20);
      expect(new Set(asked)).toEqual(new Set([url.host]));
      expect(asked.length).toBeLessThanOrEqual(8);
      expect(authorizations[0]).toBe(`Basic ${Buffer.from('bob:p@w').toString('base64')}`);
      const { url: impostor } = await startTlsServer(newServer);
      const wrong = await connectTo(impostor, { proxy: new URL(`${scheme}://localhost:${port}`) });
      expect(await get(wrong.client).catch((error: unknown) => error)).toMatchObject({ code: 'ApiUnreachable' });
    },
  );

  it('carries watches and fences writes as a direct connection does', async () => {
    const { held, log, url } = await startTlsServer(oldServer);
    const { port } = await startProxy();
    const { client } = await connectTo(url, { proxy: new URL(`http://127.0.0.1:${port}`) });
    const chunks = (await client.stream({ verb: 'watch', path: '/held', query: { watch: 'true' } }))[
      Symbol.asyncIterator
    ]();
    expect(String((await chunks.next()).value)).toBe('{"a":1}\n');
    const reads = Array.from({ length: 8 }, () => get(client, '/held'));
    await eventually(() => held.length === 9);
    let isLeading = true;
    const write = client.request({ verb: 'patch', path: '/late', body: [], permit: () => isLeading });
    const refused = write.catch((error: unknown) => error);
    await clock.advance(0);
    isLeading = false;
    for (const response of held.slice(1)) response.end('{}');
    await Promise.all(reads);
    expect(await refused).toMatchObject({ code: 'NotLeading' });
    expect(log.filter((line) => line.includes('/late'))).toEqual([]);
  });

  it('that refuses or is gone is an API server that cannot be reached, without the password of the proxy', async () => {
    const { url } = await startTlsServer(oldServer);
    const refusing = createPlainServer();
    refusing.on('connect', (_request: IncomingMessage, socket: Socket) => {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    });
    await listen(refusing);
    const { port } = refusing.address() as AddressInfo;
    for (const where of [port, 1]) {
      const { client } = await connectTo(url, { proxy: new URL(`http://bob:hunter2@127.0.0.1:${where}`) });
      const error = (await get(client).catch((thrown: unknown) => thrown)) as Error;
      expect(error).toMatchObject({ code: 'ApiUnreachable' });
      expect(error.message).not.toContain('hunter2');
    }
  });

  it('that never answers gives its connection up after 5 s', { timeout: 20_000 }, async () => {
    const { url } = await startTlsServer(oldServer);
    const silent = createPlainServer();
    silent.on('connect', (_request: IncomingMessage, socket: Socket) => socket.resume().on('end', () => socket.end()));
    const sockets = await listen(silent);
    const { port } = silent.address() as AddressInfo;
    const { client } = await connectTo(url, { proxy: new URL(`http://127.0.0.1:${port}`) });
    const error = get(client).catch((thrown: unknown) => thrown);
    await eventually(() => sockets.size === 1);
    expect(await error).toMatchObject({ code: 'ApiTimeout' });
    await eventually(() => sockets.size === 0);
  });
});
