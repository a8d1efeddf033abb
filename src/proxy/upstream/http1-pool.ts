import type { Transport } from '../configuration.ts';
import { Dial, type ClientContext, type DialTarget } from './dial.ts';
import { Http1Connection, type ConnectionOwner } from './http1-connection.ts';
import type { UpstreamFailure } from './upstream.ts';
import type { Wire } from './wire.ts';

/** Connected is a new connection, or why there is none. */
export type Connected = { readonly connection: Http1Connection } | { readonly failure: UpstreamFailure };

/** Http1Pool keeps the idle HTTP/1.1 connections to one server over one transport. */
export class Http1Pool implements ConnectionOwner {
  readonly #target: DialTarget;
  readonly #transport: Transport;
  readonly #context: ClientContext;
  /** idle ends with the connection that was used last, the one that the server is least likely to have closed. */
  readonly #idle: Http1Connection[] = [];
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

  /** take returns an idle connection, if there is one. */
  take(): Http1Connection | undefined {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.isUsable) return connection;
    }
    return undefined;
  }

  /** connect makes a new connection; the returned function gives it up. */
  connect(done: (connected: Connected) => void): () => void {
    const dial = new Dial(this.#target, this.#context, (result) => {
      done('failure' in result ? result : { connection: this.#open(result.wire) });
    });
    return () => dial.cancel();
  }

  /** add makes an idle connection of a wire that is ready. */
  add(wire: Wire): void {
    this.#open(wire).becomeIdle();
  }

  #open(wire: Wire): Http1Connection {
    return new Http1Connection(wire, this, this.#context);
  }

  /** giveBack takes a buffer that nobody looks into any more. */
  giveBack(buffer: Buffer): void {
    this.#context.buffers.giveBack(buffer);
  }

  release(connection: Http1Connection): boolean {
    if (this.#isRetired || this.#idle.length >= this.#transport.maxIdlePerHost || !connection.isUsable) return false;
    this.#idle.push(connection);
    return true;
  }

  removed(connection: Http1Connection): void {
    const index = this.#idle.indexOf(connection);
    if (index !== -1) this.#idle.splice(index, 1);
  }

  /** retire closes the idle connections, and the others after their exchange. */
  retire(): void {
    this.#isRetired = true;
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }
}
