import { isDeepStrictEqual } from 'node:util';
import type { Server, Transport } from '../configuration.ts';
import type { ClientContext } from './dial.ts';
import { Http1Pool } from './http1-pool.ts';

/** Pools finds the pool of a server over a transport. */
export class Pools {
  readonly #context: ClientContext;
  readonly #byTransport = new WeakMap<Transport, TransportPools>();
  readonly #byName = new Map<string, TransportPools>();
  #isClosed = false;

  constructor(context: ClientContext) {
    this.#context = context;
  }

  /** find returns the pool of a server, a new one if there is none. */
  find(server: Server, transport: Transport): Http1Pool {
    const pools = this.#byTransport.get(transport) ?? this.#open(transport);
    return pools.find(server);
  }

  /** forget closes what leads to servers that are not in `urls`. */
  forget(urls: ReadonlySet<string>): void {
    for (const pools of this.#byName.values()) pools.forget(urls);
  }

  close(): void {
    this.#isClosed = true;
    for (const pools of this.#byName.values()) pools.retire();
  }

  /** A transport of the same name and content keeps its connections, even if it is another object; a changed one gets new ones. */
  #open(transport: Transport): TransportPools {
    const known = this.#byName.get(transport.name);
    if (known !== undefined && isDeepStrictEqual(known.transport, transport)) {
      this.#byTransport.set(transport, known);
      return known;
    }
    known?.retire();
    const pools = new TransportPools(transport, this.#context);
    if (this.#isClosed) pools.retire();
    this.#byTransport.set(transport, pools);
    this.#byName.set(transport.name, pools);
    return pools;
  }
}

class TransportPools {
  readonly transport: Transport;
  readonly #context: ClientContext;
  readonly #byUrl = new Map<string, Http1Pool>();
  #isRetired = false;

  constructor(transport: Transport, context: ClientContext) {
    this.transport = transport;
    this.#context = context;
  }

  find(server: Server): Http1Pool {
    return this.#byUrl.get(server.url) ?? this.#open(server);
  }

  forget(urls: ReadonlySet<string>): void {
    for (const [url, pool] of this.#byUrl) {
      if (urls.has(url)) continue;
      pool.retire();
      this.#byUrl.delete(url);
    }
  }

  retire(): void {
    this.#isRetired = true;
    for (const pool of this.#byUrl.values()) pool.retire();
  }

  #open(server: Server): Http1Pool {
    const target = { host: server.host, port: server.port, tls: undefined, timeoutMs: this.transport.dialTimeoutMs };
    const pool = new Http1Pool(target, this.transport, this.#context);
    if (this.#isRetired) pool.retire();
    this.#byUrl.set(server.url, pool);
    return pool;
  }
}
