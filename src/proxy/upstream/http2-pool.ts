import type { TLSSocket } from 'node:tls';
import type { Transport } from '../configuration.ts';
import { Dial, type ClientContext, type DialTarget } from './dial.ts';
import { Http2Connection, type Http2Owner } from './http2-connection.ts';
import type { UpstreamFailure } from './upstream.ts';
import type { Wire } from './wire.ts';

/** Http2Request waits for a connection. */
export interface Http2Request {
  run(connection: Http2Connection): void;
  refused(failure: UpstreamFailure): void;
}

/** Http2Pool is the HTTP/2 connections to one server over one transport: one, and another one when all are full. */
export class Http2Pool implements Http2Owner {
  readonly #target: DialTarget;
  readonly #transport: Transport;
  readonly #context: ClientContext;
  readonly #connections: Http2Connection[] = [];
  readonly #waiting = new Set<Http2Request>();
  /** beginning is how many connections are being made. */
  #beginning = 0;
  #isRetired = false;

  constructor(target: DialTarget, transport: Transport, context: ClientContext) {
    this.#target = target;
    this.#transport = transport;
    this.#context = context;
  }

  get idleTimeoutMs(): number {
    return this.#transport.idleTimeoutMs;
  }

  get responseHeaderTimeoutMs(): number {
    return this.#transport.responseHeaderTimeoutMs;
  }

  get context(): ClientContext {
    return this.#context;
  }

  /** send runs a request on a connection that has room, now or later. */
  send(request: Http2Request): void {
    const free = this.#connections.find((connection) => connection.isFree);
    if (free !== undefined) {
      request.run(free);
      return;
    }
    this.#waiting.add(request);
    if (this.#beginning === 0) this.#dial();
  }

  /** forget takes back a request that waits. */
  forget(request: Http2Request): void {
    this.#waiting.delete(request);
  }

  /** adopt makes a connection of a wire that is ready. */
  adopt(wire: Wire): void {
    this.#beginning += 1;
    // It tells `ready` or `removed`, in a later turn.
    void new Http2Connection(wire, this, this.#context);
  }

  ready(connection: Http2Connection): void {
    this.#beginning -= 1;
    this.#connections.push(connection);
    this.hasRoom();
    if (this.#isRetired) connection.close();
    else if (this.#waiting.size > 0 && this.#beginning === 0) this.#dial();
  }

  hasRoom(): void {
    for (const request of this.#waiting) {
      const free = this.#connections.find((connection) => connection.isFree);
      if (free === undefined) return;
      this.#waiting.delete(request);
      request.run(free);
    }
  }

  removed(connection: Http2Connection, failure: UpstreamFailure | undefined): void {
    const index = this.#connections.indexOf(connection);
    if (index !== -1) this.#connections.splice(index, 1);
    if (failure !== undefined) this.#failed(failure);
    else if (this.#waiting.size > 0 && this.#beginning === 0) this.#dial();
  }

  /** retire closes all connections after their requests. */
  retire(): void {
    this.#isRetired = true;
    for (const connection of this.#connections.splice(0)) connection.close();
  }

  #dial(): void {
    this.#beginning += 1;
    void new Dial(this.#target, this.#context, (result) => {
      if ('failure' in result) {
        this.#failed(result.failure);
        return;
      }
      const { wire } = result;
      if (this.#target.tls !== undefined && (wire.socket as TLSSocket).alpnProtocol !== 'h2') {
        wire.socket.destroy();
        this.#target.onFailure();
        this.#failed({ kind: 'Unreachable', detail: 'the server does not speak HTTP/2 any more' });
        return;
      }
      this.#beginning -= 1;
      this.adopt(wire);
    });
  }

  /** #failed tells all that wait: each of them would have to wait for the same again. */
  #failed(failure: UpstreamFailure): void {
    this.#beginning -= 1;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const request of waiting) request.refused(failure);
  }
}
