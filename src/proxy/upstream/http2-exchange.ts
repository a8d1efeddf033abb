import { constants, type ClientHttp2Stream } from 'node:http2';
import type { Http2Connection } from './http2-connection.ts';
import { parseFields, parseHttp2Head } from './http2-headers.ts';
import type { Http2Pool, Http2Request } from './http2-pool.ts';
import { http2BodySink } from './http2-body.ts';
import { isIdempotent } from './replay.ts';
import { hasHeader } from './request-head.ts';
import { BodySender, continueTimeoutMs, type BodyOutcome } from './request-body.ts';
import type { Watched } from './sweep.ts';
import type { ResponseHandler, UpstreamCall, UpstreamExchange, UpstreamFailure } from './upstream.ts';

/** PreparedCall is a call with the list for its HEADERS frame. */
export interface PreparedCall {
  readonly call: UpstreamCall;
  readonly headers: readonly string[];
  readonly handler: ResponseHandler;
}

/** Http2Exchange is one request and its answer on a stream, and on a second one if the server did not look at the first. */
export class Http2Exchange implements Http2Request, UpstreamExchange, Watched {
  readonly #prepared: PreparedCall;
  readonly #pool: Http2Pool;
  #connection: Http2Connection | undefined;
  #stream: ClientHttp2Stream | undefined;
  /** cancel is there when trailers will follow the body: see #leave. */
  #cancel: AbortController | undefined;
  #sender: BodySender | undefined;
  #trailers: readonly string[] = [];
  #hasHead = false;
  #isContinued = false;
  #isOnReused = false;
  #hasRetried = false;
  #isOver = false;
  deadlineMs = Infinity;

  constructor(prepared: PreparedCall, pool: Http2Pool) {
    this.#prepared = prepared;
    this.#pool = pool;
  }

  start(): void {
    this.#pool.send(this);
  }

  run(connection: Http2Connection): void {
    if (this.#isOver) return;
    const { call, headers } = this.#prepared;
    const { body } = call;
    const hasBody = body !== undefined && body.length !== 0;
    this.#connection = connection;
    this.#isOnReused = connection.isReused;
    const hasTrailers = hasBody && hasHeader(call.headers, 'trailer');
    this.#cancel = hasTrailers ? new AbortController() : undefined;
    try {
      this.#stream = connection.request(headers, {
        endStream: !hasBody,
        waitForTrailers: hasTrailers,
        ...(this.#cancel === undefined ? {} : { signal: this.#cancel.signal }),
      });
    } catch (error) {
      queueMicrotask(() => this.#fail({ kind: 'Malformed', detail: (error as Error).message }));
      return;
    }
    this.#listen(this.#stream);
    this.#pool.context.sweep.watch(this);
    if (body === undefined || !hasBody) return this.#awaitHead();
    const sink = http2BodySink(this.#stream, hasTrailers);
    this.#sender = new BodySender(body, sink, (outcome) => this.#onBodyOutcome(outcome));
    if (body.isAwaited) this.deadlineMs = this.#pool.context.sweep.deadlineIn(continueTimeoutMs);
    else this.#sender.start();
  }

  refused(failure: UpstreamFailure): void {
    this.#fail(failure);
  }

  resume(): void {
    this.#stream?.resume();
  }

  abort(): void {
    this.#pool.forget(this);
    this.#leave();
  }

  expire(): void {
    if (this.#isAwaitingContinue()) {
      this.#continue();
      this.#prepared.handler.onInformational(100, []);
    } else {
      this.#fail({ kind: 'TimedOut', detail: 'the head of the answer did not come in time' });
    }
  }

  #listen(stream: ClientHttp2Stream): void {
    const { handler, call } = this.#prepared;
    const isCurrent = (): boolean => this.#stream === stream && !this.#isOver;
    stream.on('headers', (_headers, _flags, raw: string[] = []) => {
      if (isCurrent()) this.#onInformational(raw);
    });
    stream.on('response', (_headers, flags, raw) => {
      if (!isCurrent()) return;
      this.#hasHead = true;
      this.deadlineMs = Infinity;
      handler.onHead(parseHttp2Head(raw, call.method, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0));
    });
    stream.on('trailers', (_headers, _flags, raw: string[] = []) => {
      this.#trailers = parseFields(raw);
    });
    stream.on('data', (piece: Buffer) => {
      if (isCurrent() && !handler.onData(piece, true)) stream.pause();
    });
    stream.on('drain', () => this.#sender?.drained());
    stream.on('error', (error) => {
      if (isCurrent()) this.#broke(stream, error.message);
    });
    const isWhole = watchEnd(stream);
    stream.on('end', () => {
      if (!isCurrent() || !this.#hasHead) return;
      if (isWhole()) this.#end();
      else this.#broke(stream, `the stream was reset, code ${stream.rstCode}`);
    });
    stream.on('close', () => {
      if (isCurrent()) this.#broke(stream, 'the stream was closed');
    });
  }

  #onInformational(raw: readonly string[]): void {
    const { status, headers } = parseHttp2Head(raw, '', false);
    if (status === 100) {
      const isOwnDoing = this.#isContinued;
      this.#continue();
      if (isOwnDoing) return;
    }
    this.#prepared.handler.onInformational(status, headers);
  }

  #isAwaitingContinue(): boolean {
    return this.#sender !== undefined && this.#prepared.call.body?.isAwaited === true && !this.#isContinued;
  }

  #continue(): void {
    if (!this.#isAwaitingContinue()) return;
    this.#isContinued = true;
    this.deadlineMs = Infinity;
    this.#sender?.start();
  }

  #onBodyOutcome(outcome: BodyOutcome): void {
    if (outcome.kind === 'Broken') this.#fail({ kind: 'ClientBody', detail: outcome.detail });
    else if (!this.#hasHead) this.#awaitHead();
  }

  #awaitHead(): void {
    this.deadlineMs = this.#pool.context.sweep.deadlineIn(this.#pool.responseHeaderTimeoutMs);
  }

  #end(): void {
    const { handler } = this.#prepared;
    const trailers = this.#trailers;
    this.#leave();
    handler.onEnd(trailers);
  }

  /**
   * A stream that was refused has not been looked at (RFC 9113, 8.7): any request may be sent again then. One whose
   * connection broke is as one on a kept connection of HTTP/1.1.
   */
  #broke(stream: ClientHttp2Stream, detail: string): void {
    const isRefused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
    const isStale = this.#isOnReused && this.#connection?.isBroken === true;
    const mayRetry = isRefused || (isStale && isIdempotent(this.#prepared.call));
    if (this.#hasHead || this.#hasRetried || this.#sender?.isConsumed === true || !mayRetry) {
      this.#fail({ kind: 'Reset', detail });
      return;
    }
    this.#hasRetried = true;
    this.#sender?.stop();
    this.#stream = undefined;
    this.#pool.send(this);
  }

  #fail(failure: UpstreamFailure): void {
    if (this.#isOver) return;
    this.#leave();
    this.#prepared.handler.onError(failure);
  }

  /**
   * #leave cancels what is left of the stream: nothing when both sides have ended it. To close a stream that waits for
   * trailers ends the whole process in node 26.10 (`Assertion failed: !this->is_destroyed()` in Http2Stream::OnTrailers,
   * when the answer was over before the body); to abort it does not.
   */
  #leave(): void {
    this.#isOver = true;
    this.#pool.context.sweep.forget(this);
    this.#sender?.stop();
    const stream = this.#stream;
    if (stream === undefined || stream.closed) return;
    if (this.#cancel === undefined) stream.close(constants.NGHTTP2_CANCEL);
    else this.#cancel.abort();
  }
}

/**
 * watchEnd returns whether the server has ended the stream. 'end' does not say so: node emits it after RST_STREAM too, and
 * when the connection breaks. It marks the stream as closed before it ends its readable side then.
 */
function watchEnd(stream: ClientHttp2Stream): () => boolean {
  let isWhole = false;
  const push = stream.push.bind(stream);
  stream.push = (piece: Buffer | null, encoding?: BufferEncoding) => {
    if (piece === null && !stream.closed) isWhole = true;
    return push(piece, encoding);
  };
  return () => isWhole;
}
