import type { Socket } from 'node:net';
import { getCACertificates } from 'node:tls';
import { buildConnector, Pool, ProxyAgent } from 'undici';
import type { Dispatcher } from 'undici';
import type { KubeConnection, TlsMaterial } from './connection.ts';

/**
 * Transport holds the connections to the API server: one pool for calls that end and one for watches, because watches
 * in a pool with a cap starve the calls behind them. HTTP/1.1 on purpose: an abort destroys the one socket it concerns,
 * while an HTTP/2 session that is half open takes all streams with it and undici has no time-out for its PING.
 */
export interface Transport {
  /**
   * dispatcher returns the pool to use for one request; ask for each request. Another `tls` than before opens new pools;
   * the requests of the old ones end there, and then their connections are closed.
   */
  dispatcher(use: Use, tls: TlsMaterial | undefined): Dispatcher;
  /** close destroys all connections; requests under way fail. */
  close(): Promise<void>;
}

/** Use says whether a request ends by itself. */
export type Use = 'Call' | 'Watch';

interface Pools extends Readonly<Record<Use, Dispatcher>> {
  readonly tls: TlsMaterial | undefined;
}

const connectTimeoutMs = 5000;

/** createTransport returns a Transport for `connection`; it opens no connection before the first request. */
export function createTransport(connection: KubeConnection): Transport {
  const retired = new Set<Dispatcher>();
  const closing = new AbortController();
  let pools: Pools | undefined;
  const retire = (pool: Dispatcher): void => {
    retired.add(pool);
    void pool.close().then(
      () => retired.delete(pool),
      () => retired.delete(pool),
    );
  };
  return {
    dispatcher: (use, tls) => {
      if (pools === undefined || pools.tls !== tls) {
        const old = pools;
        pools = openPools(connection, { tls, closing: closing.signal });
        if (old !== undefined) [old.Call, old.Watch].forEach(retire);
      }
      return pools[use];
    },
    close: async () => {
      const all = [...retired, ...(pools === undefined ? [] : [pools.Call, pools.Watch])];
      const destroyed = Promise.all(all.map((pool) => pool.destroy()));
      // undici forgets a connection that is being made, which then lasts until its time-out.
      closing.abort();
      await destroyed;
    },
  };
}

interface Security {
  readonly tls: TlsMaterial | undefined;
  /** closing destroys all sockets, also those that are not connected yet. */
  readonly closing: AbortSignal;
}

function openPools(connection: KubeConnection, security: Security): Pools {
  const shared = { allowH2: false, keepAliveTimeout: 4000, headersTimeout: 65_000 };
  return {
    tls: security.tls,
    Call: openPool(connection, security, { ...shared, connections: 8, bodyTimeout: 65_000 }),
    // The watch loop has limits of its own, which know what a bookmark is.
    Watch: openPool(connection, security, { ...shared, bodyTimeout: 0 }),
  };
}

function openPool(connection: KubeConnection, { tls, closing }: Security, limits: Pool.Options): Dispatcher {
  const { insecureSkipTlsVerify, proxy, server, tlsServerName } = connection;
  const socket = { allowH2: false, timeout: connectTimeoutMs, keepAlive: true, keepAliveInitialDelay: 15_000 };
  const serverTls = {
    ...socket,
    rejectUnauthorized: !insecureSkipTlsVerify,
    ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls?.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls?.key === undefined ? {} : { key: tls.key }),
    ...(tlsServerName === undefined ? {} : { servername: tlsServerName }),
  };
  const made = (connect: buildConnector.connector): buildConnector.connector => whileOpen(connect, closing);
  if (proxy === undefined) return new Pool(server.origin, { ...limits, connect: made(buildConnector(serverTls)) });
  // A company's proxy has a certificate of a public authority or, as with client-go, of the cluster's own.
  const proxyCa = tls?.ca === undefined ? {} : { ca: [...getCACertificates('default'), tls.ca] };
  return new ProxyAgent({
    ...limits,
    uri: proxy.href,
    requestTls: serverTls,
    proxyTls: { ...socket, ...proxyCa },
    // A CONNECT that is never answered would else keep one of the connections for the 300 s of undici's default.
    clientFactory: (origin, options: Pool.Options) =>
      new Pool(origin, {
        ...options,
        ...(typeof options.connect === 'function' ? { connect: made(options.connect) } : {}),
        headersTimeout: connectTimeoutMs,
      }),
  });
}

/**
 * whileOpen gives up the connections that are being made when `closing` aborts. Not by the `signal` of net.connect: Node
 * leaves its listener there when the socket has closed (lib/net.js), so that none of them would ever be collected.
 */
function whileOpen(connect: buildConnector.connector, closing: AbortSignal): buildConnector.connector {
  return (target, callback) => {
    let socket: Socket | undefined;
    const giveUp = (): void => void socket?.destroy(closing.reason);
    closing.addEventListener('abort', giveUp, { once: true });
    // undici returns the socket, and does not say so.
    socket = connect(target, (...result) => {
      closing.removeEventListener('abort', giveUp);
      callback(...result);
    }) as unknown as Socket | undefined;
  };
}
