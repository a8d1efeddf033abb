import type { Http1Connection, Http1Request } from './http1-connection.ts';
import type { Connected, Http1Pool } from './http1-pool.ts';
import type { ResponseHandler, UpstreamCall, UpstreamExchange, UpstreamFailure } from './upstream.ts';

/** Http1Exchange is one request and its answer, on the connection that it finds, and on a second one if that was stale. */
export class Http1Exchange implements Http1Request, UpstreamExchange {
  readonly call: UpstreamCall;
  readonly headText: string;
  readonly handler: ResponseHandler;
  readonly #pool: Http1Pool;
  #connection: Http1Connection | undefined;
  #cancelDial: (() => void) | undefined;
  /** withheld is the end of an answer whose last piece the handler still looks at: resume tells it and frees the piece. */
  #withheld: { readonly trailers: readonly string[]; readonly pinned: Buffer } | undefined;

  constructor(request: Pick<Http1Request, 'call' | 'headText' | 'handler'>, pool: Http1Pool) {
    this.call = request.call;
    this.headText = request.headText;
    this.handler = request.handler;
    this.#pool = pool;
  }

  start(): void {
    const idle = this.#pool.take();
    if (idle === undefined) this.#connect();
    else this.#run(idle);
  }

  resume(): void {
    this.#connection?.resume();
    const withheld = this.#withheld;
    if (withheld === undefined) return;
    this.#withheld = undefined;
    this.#pool.giveBack(withheld.pinned);
    this.handler.onEnd(withheld.trailers);
  }

  abort(): void {
    this.#cancelDial?.();
    this.#cancelDial = undefined;
    this.#connection?.destroy();
    this.#connection = undefined;
    this.#withheld = undefined;
  }

  /** Only a connection that was used before is replayable, and the second one is new: this happens once. */
  failed(failure: UpstreamFailure, isReplayable: boolean): void {
    this.#connection = undefined;
    if (isReplayable) this.#connect();
    else this.handler.onError(failure);
  }

  ended(trailers: readonly string[], pinned: Buffer | undefined): void {
    this.#connection = undefined;
    if (pinned === undefined) this.handler.onEnd(trailers);
    else this.#withheld = { trailers, pinned };
  }

  #connect(): void {
    this.#cancelDial = this.#pool.connect((connected) => this.#onConnected(connected));
  }

  #onConnected(connected: Connected): void {
    this.#cancelDial = undefined;
    if ('failure' in connected) this.handler.onError(connected.failure);
    else this.#run(connected.connection);
  }

  #run(connection: Http1Connection): void {
    this.#connection = connection;
    connection.run(this);
  }
}
