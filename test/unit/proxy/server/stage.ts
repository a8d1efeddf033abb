/** A whole data plane in this process, on loopback: listeners, forwarder, upstream client, and a server behind them. */
import http from 'node:http';
import http2 from 'node:http2';
import net, { type AddressInfo, type Socket } from 'node:net';
import tls from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../../../src/clock.ts';
import type { LoadBalancer, Router, ServerSet } from '../../../../src/proxy/configuration.ts';
import type { RequestRecord } from '../../../../src/proxy/counters.ts';
import type { EntryPoint } from '../../../../src/proxy/entry-point.ts';
import { createRouteTable } from '../../../../src/proxy/routing/route-table.ts';
import { forward, type Handler } from '../../../../src/proxy/server/exchange.ts';
import { createForwarder } from '../../../../src/proxy/server/forward.ts';
import { createListener } from '../../../../src/proxy/server/listener.ts';
import { createServiceTable } from '../../../../src/proxy/services/service-table.ts';
import { createUpstreamClient } from '../../../../src/proxy/upstream/client.ts';
import { createAuthority } from '../../../support/certificates.ts';

/** StageOptions: `servers` are ports of this machine; none: the service is empty. */
export interface StageOptions {
  readonly servers: readonly number[];
  readonly scheme?: 'http' | 'https' | 'h2c';
  readonly entryPoint?: Partial<EntryPoint>;
  readonly leaf?: Partial<LoadBalancer>;
  readonly rule?: string;
  readonly handler?: Handler;
  /** responseHeaderTimeoutMs of the transport; 0: none. */
  readonly responseHeaderTimeoutMs?: number;
}

/** Stage is a running data plane. */
export interface Stage {
  /** web is the port without TLS, secure the one with it. */
  readonly web: number;
  readonly secure: number;
  readonly records: readonly RequestRecord[];
  openExchanges(): number;
  openConnections(): number;
  /** openStreams is what the service table counts. */
  openStreams(): number;
  drain(graceMs: number): Promise<void>;
  stop(): Promise<void>;
}

const certified = createAuthority('stage').issue('localhost');

/** certificate and key are for 127.0.0.1 and localhost. */
export const { cert: certificate, key } = certified;

/** startStage serves every host at both entry points, unless a rule says otherwise. */
export async function startStage(options: StageOptions): Promise<Stage> {
  const services = createServiceTable({ random: Math.random, nowMs: () => performance.now(), isStrict: false });
  const routes = createRouteTable<Handler>(() => options.handler ?? forward);
  const transport = { ...services.transport(undefined), name: 'stage', isInsecure: true };
  const { responseHeaderTimeoutMs = 0 } = options;
  services.apply({
    services: { set: [leafOf(options)], removed: [] },
    serverSets: { set: [serverSetOf(options)], removed: [] },
    transports: { set: [{ ...transport, responseHeaderTimeoutMs }], removed: [] },
  });
  for (const isTls of [false, true]) routes.set(routerOf(isTls, options.rule ?? 'PathPrefix(`/`)'));
  const upstream = createUpstreamClient({ clock: systemClock });
  const records: RequestRecord[] = [];
  const entryPoints = [entryPointOf('web', options), entryPointOf('websecure', options)];
  const forwarder = createForwarder({
    routes,
    services,
    upstream,
    clock: systemClock,
    hostname: 'stage',
    entryPoints,
    observe: (record) => records.push(record),
  });
  const listeners = entryPoints.map((entryPoint) =>
    createListener({ entryPoint, clock: systemClock, onRequest: forwarder.handle }),
  );
  const addresses = await Promise.all(listeners.map((listener) => listener.listen()));
  const drain = async (graceMs: number): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.drain({ graceMs })));
  };
  return {
    web: addresses[0]?.port ?? 0,
    secure: addresses[1]?.port ?? 0,
    records,
    openExchanges: () => forwarder.openExchanges(),
    openConnections: () => listeners.reduce((sum, listener) => sum + listener.openConnections(), 0),
    openStreams: () => services.openStreams().reduce((sum, [, open]) => sum + open, 0),
    drain,
    stop: async () => {
      await drain(0);
      upstream.close();
    },
  };
}

function serverSetOf({ servers, scheme = 'http' }: StageOptions): ServerSet {
  return {
    name: 'stage',
    servers: servers.map((port) => ({
      url: `${scheme}://127.0.0.1:${port}`,
      scheme,
      host: '127.0.0.1',
      port,
      isFenced: false,
    })),
  };
}

function leafOf({ leaf }: StageOptions): LoadBalancer {
  return {
    kind: 'LoadBalancer',
    name: 'web-shop-80@kubernetescrd',
    serverSet: 'stage',
    strategy: 'RoundRobin',
    passHostHeader: true,
    sticky: undefined,
    transport: 'stage',
    passiveHealth: undefined,
    status: 'enabled',
    errors: [],
    ...leaf,
  };
}

function routerOf(isTls: boolean, rule: string): Router {
  return {
    name: `web-shop-${isTls ? 'tls' : 'plain'}@kubernetescrd`,
    entryPoints: ['web', 'websecure'],
    rule,
    syntax: 'v3',
    priority: rule.length,
    createdAt: '2026-11-21T00:00:00Z',
    isTls,
    service: 'web-shop-80@kubernetescrd',
    middlewares: [],
    status: 'enabled',
    errors: [],
  };
}

function entryPointOf(name: string, { entryPoint }: StageOptions): EntryPoint {
  return {
    name,
    host: '127.0.0.1',
    port: 0,
    tls: name === 'web' ? undefined : { certificate, key },
    trustedIps: [],
    isInsecure: false,
    readTimeoutMs: 60_000,
    idleTimeoutMs: 180_000,
    maxHeaderBytes: 65_536,
    ...entryPoint,
  };
}

/** Running is a server of a test. */
export interface Running {
  readonly port: number;
  close(): Promise<void>;
}

/** startServer listens for what `handle` answers over HTTP/1. */
export async function startServer(handle: http.RequestListener, onUpgrade?: UpgradeListener): Promise<Running> {
  const server = http.createServer(handle);
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  if (onUpgrade !== undefined) server.on('upgrade', onUpgrade);
  return listening(server, () => sockets.forEach((socket) => socket.destroy()));
}

/** UpgradeListener gets the bare connection. */
export type UpgradeListener = (request: http.IncomingMessage, socket: Socket, head: Buffer) => void;

/** startHttp2Server listens for streams with prior knowledge. */
export async function startHttp2Server(
  onStream: (stream: http2.ServerHttp2Stream, raw: readonly string[]) => void,
): Promise<Running> {
  const server = http2.createServer();
  const sessions = new Set<http2.Http2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, _headers, _flags, raw) => {
    stream.on('error', () => undefined);
    onStream(stream as http2.ServerHttp2Stream, raw);
  });
  return listening(server, () => sessions.forEach((session) => session.destroy()));
}

/** startRawServer hands every connection to a test. */
export async function startRawServer(onConnection: (socket: Socket) => void): Promise<Running> {
  const sockets = new Set<Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  return listening(server, () => sockets.forEach((socket) => socket.destroy()));
}

async function listening(server: net.Server, closeAll: () => void): Promise<Running> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        closeAll();
      }),
  };
}

/** connect opens a bare connection, over TLS when `isTls`. */
export async function connect(port: number, isTls = false): Promise<Socket> {
  const socket = isTls
    ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
    : net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    socket.once(isTls ? 'secureConnect' : 'connect', () => resolve());
  });
  return socket;
}

/** Exchanged is what came back over a bare connection; `isReset`: it broke rather than ended. */
export interface Exchanged {
  readonly text: string;
  readonly isClosed: boolean;
  readonly isReset: boolean;
}

/** exchange sends `text` over a connection of its own and returns what came until it closed, or for `forMs`. */
export async function exchange(port: number, text: string, { isTls = false, forMs = 500 } = {}): Promise<Exchanged> {
  const socket = await connect(port, isTls);
  let received = '';
  let isReset = false;
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  socket.on('error', () => {
    isReset = true;
  });
  const closed = new Promise<boolean>((resolve) => {
    socket.once('end', () => resolve(true));
    socket.once('close', () => resolve(true));
  });
  socket.write(text, 'latin1');
  const isClosed = await Promise.race([closed, sleep(forMs, false)]);
  socket.destroy();
  return { text: received, isClosed, isReset };
}

/** until waits for a condition, at most two seconds. */
export async function until(condition: () => boolean, forMs = 2000): Promise<void> {
  const deadlineMs = performance.now() + forMs;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error('It did not come to that in time');
    await sleep(5);
  }
}
