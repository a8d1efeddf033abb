/**
 * A proxy before a real API server that passes every request on, except where a test says otherwise. It speaks HTTP/1.1
 * to the client, plain or with a certificate of the test's choice, and TLS with the cluster's CA to the server.
 * The usual faults are built by the functions of faults.ts.
 */
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { Agent } from 'undici';
import type { KubeConnection } from '../../src/kube/connection.ts';
import type { Cluster } from './cluster.ts';
import { createExchange, parseRequest, type Exchange, type ProxiedRequest } from './fault-exchange.ts';
import { createTap } from './tap.ts';

/** Fault does with one request what it likes; it ends when the answer does. */
export type Fault = (exchange: Exchange) => void | Promise<void>;

/** Injection is a fault that waits for its requests. */
export interface Injection {
  /** hits is the number of requests that it has met. */
  readonly hits: number;
  /** remove lets the next requests pass; those that it has met stay as they are. */
  remove(): void;
}

/** Certificate is what the proxy shows to its clients, PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** FaultProxy is a running proxy. */
export interface FaultProxy {
  readonly url: URL;
  /** connection returns a connection through the proxy as the cluster's administrator. */
  connection(fields?: Partial<KubeConnection>): KubeConnection;
  /** requests are all that have come, also those that were not passed on, in order. */
  readonly requests: readonly ProxiedRequest[];
  /** forget empties `requests`: in a long run they would be all that there is in memory. */
  readonly forget: () => void;
  /** exchanges are the requests whose answers are not complete yet, such as watches, oldest first. */
  exchanges(matches?: (request: ProxiedRequest) => boolean): readonly Exchange[];
  /** inject lets `fault` deal with the next requests that match, as many as `times` (1) says; the latest injection is asked first. */
  inject(matches: (request: ProxiedRequest) => boolean, fault: Fault, times?: number): Injection;
  /** freeze makes every connection half open: nothing passes in either direction, nothing is closed, new ones are accepted. */
  readonly freeze: () => void;
  /**
   * thaw lets everything pass again, with what has waited since. A request whose client has left meanwhile is dropped,
   * or carried out late if `late` says so: both happen after a partition.
   */
  readonly thaw: (late?: 'Drop' | 'Deliver') => void;
  /** refuse resets all connections and refuses new ones until accept. */
  refuse(): Promise<void>;
  accept(): Promise<void>;
  /** connections are the clients' connections that are open, and all that ever were. */
  connections(): { readonly open: number; readonly total: number };
  /** present changes the certificate for new connections; only for a proxy that was started with one. */
  present(certificate: Certificate): void;
  stop(): Promise<void>;
}

/** startFaultProxy listens on a free loopback port, with TLS if it gets a certificate. */
export async function startFaultProxy(
  cluster: Pick<Cluster, 'url' | 'caFile' | 'adminToken'>,
  certificate?: Certificate,
): Promise<FaultProxy> {
  const upstream = new Agent({
    connect: { ca: await readFile(cluster.caFile) },
    allowH2: false,
    bodyTimeout: 0,
    headersTimeout: 0,
  });
  const traffic = createTraffic(cluster.url, upstream);
  const server = certificate === undefined ? createServer() : createTlsServer(certificate);
  // The client decides when an idle connection ends, as with a real API server, which waits 90 s.
  server.keepAliveTimeout = 90_000;
  server.on('request', (incoming, outgoing) => void traffic.handle(incoming, outgoing));
  const sockets = countSockets(server);
  const port = await listen(server, 0);
  const url = new URL(`${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${port}`);
  const refuse = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    sockets.reset();
    await closed;
  };
  return {
    ...traffic,
    url,
    connection: (fields = {}) => ({
      server: url,
      insecureSkipTlsVerify: false,
      authorization: () => Promise.resolve(`Bearer ${cluster.adminToken}`),
      onUnauthorized: () => {},
      ...fields,
    }),
    refuse,
    accept: async () => {
      await listen(server, port);
    },
    connections: sockets.count,
    present: (next) => {
      if (!(server instanceof TlsServer)) throw new Error('The proxy was started without a certificate.');
      server.setSecureContext(next);
    },
    stop: async () => {
      traffic.thaw();
      if (server.listening) await refuse();
      await upstream.destroy();
    },
  };
}

/** Traffic is what passes: the requests so far, those under way, and what waits for the next ones. */
function createTraffic(target: string, upstream: Agent) {
  const requests: ProxiedRequest[] = [];
  const underWay = new Set<Exchange>();
  const injections: { readonly take: (request: ProxiedRequest) => Fault | undefined }[] = [];
  const tap = createTap();
  let late: 'Drop' | 'Deliver' = 'Drop';
  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const request = await parseRequest(incoming);
    requests.push(request);
    await tap.passed();
    if (outgoing.destroyed && late === 'Drop') return;
    const exchange = createExchange({ request, outgoing, tap, target, upstream });
    underWay.add(exchange);
    outgoing.once('close', () => underWay.delete(exchange));
    const fault = injections.map(({ take }) => take(request)).find((each) => each !== undefined);
    try {
      await (fault ?? ((each: Exchange) => each.forward()))(exchange);
    } catch {
      // The server has broken off, or the client has left: the other side learns it.
      exchange.cut('Reset');
    }
  };
  return {
    handle,
    requests,
    forget: () => {
      requests.length = 0;
    },
    exchanges: (matches: (request: ProxiedRequest) => boolean = () => true) =>
      [...underWay].filter(({ request }) => matches(request)),
    freeze: tap.close,
    thaw: (which: 'Drop' | 'Deliver' = 'Drop') => {
      late = which;
      tap.open();
    },
    inject: (matches: (request: ProxiedRequest) => boolean, fault: Fault, times = 1): Injection => {
      const state = { hits: 0 };
      const take = (request: ProxiedRequest): Fault | undefined => {
        if (state.hits >= times || !matches(request)) return undefined;
        state.hits += 1;
        return fault;
      };
      const injection = { take };
      injections.unshift(injection);
      const remove = (): void => {
        if (injections.includes(injection)) injections.splice(injections.indexOf(injection), 1);
      };
      return {
        get hits() {
          return state.hits;
        },
        remove,
      };
    },
  };
}

function countSockets(server: Server | TlsServer) {
  const open = new Set<Socket>();
  let total = 0;
  server.on('connection', (socket: Socket) => {
    total += 1;
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return {
    count: () => ({ open: open.size, total }),
    reset: () => {
      for (const socket of open) socket.resetAndDestroy();
    },
  };
}

function listen(server: Server | TlsServer, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
