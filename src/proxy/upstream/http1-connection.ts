import { http1BodySink } from './http1-body.ts';
import { BodySender, continueTimeoutMs, type BodyOutcome } from './request-body.ts';
import { isIdempotent } from './replay.ts';
import { ResponseParser, type ResponseEvents } from './response-parser.ts';
import type { ParsedHead } from './response-head.ts';
import type { ClientContext } from './dial.ts';
import type { Watched } from './sweep.ts';
import type { ResponseHandler, UpstreamCall, UpstreamFailure } from './upstream.ts';
import type { Wire } from './wire.ts';

/** From here on a connection reads into a buffer of its own: when so much is still to come, or came in one read. */
const largeBodyBytes = 32 * 1024;
const largeReadBytes = 16 * 1024;

/** Http1Request is what a connection needs of an exchange. */
export interface Http1Request {
  readonly call: UpstreamCall;
  readonly headText: string;
  readonly handler: ResponseHandler;
  /** failed is told that the connection broke, with whether the request may be sent again on another one. */
  failed(failure: UpstreamFailure, isReplayable: boolean): void;
  /**
   * ended is told that the answer is over and the connection has been left. `pinned` is the buffer that holds the last
   * piece of the body while the handler wants no more: it must stay as it is until `resume`.
   */
  ended(trailers: readonly string[], pinned: Buffer | undefined): void;
}

/** ConnectionOwner keeps connections between requests. */
export interface ConnectionOwner {
  readonly idleTimeoutMs: number;
  readonly responseHeaderTimeoutMs: number;
  /** release takes a connection that may be used again; false: it is to be closed. */
  release(connection: Http1Connection): boolean;
  /** removed is told that a connection is closed. */
  removed(connection: Http1Connection): void;
}

/** Http1Connection sends one request after the other over a connected wire. */
export class Http1Connection implements ResponseEvents, Watched {
  readonly #wire: Wire;
  readonly #owner: ConnectionOwner;
  readonly #context: ClientContext;
  readonly #parser: ResponseParser;
  #request: Http1Request | undefined;
  #sender: BodySender | undefined;
  #head: ParsedHead | undefined;
  /** trailers are there when the answer has been read to its end. */
  #trailers: readonly string[] | undefined;
  #isReused = false;
  #isWritten = false;
  #isRequestSent = false;
  #hasAnswerBegun = false;
  #isPaused = false;
  #isContinued = false;
  #isGone = false;
  deadlineMs = Infinity;

  constructor(wire: Wire, owner: ConnectionOwner, context: ClientContext) {
    this.#wire = wire;
    this.#owner = owner;
    this.#context = context;
    this.#parser = new ResponseParser(this);
    const { socket } = wire;
    wire.onBytes = (bytes) => this.#onBytes(bytes);
    socket.on('end', () => this.#onEof());
    socket.on('error', (error) => this.#broke(error.message));
    socket.on('close', () => this.#broke('the server closed the connection'));
    socket.on('drain', () => this.#sender?.drained());
    context.sweep.watch(this);
  }

  /** isUsable: nothing is known against sending a request. */
  get isUsable(): boolean {
    return !this.#isGone && this.#wire.socket.writable;
  }

  /** run sends a request; the connection must be usable and without another one. */
  run(request: Http1Request): void {
    const { socket } = this.#wire;
    const { call } = request;
    this.#request = request;
    this.#head = undefined;
    this.#trailers = undefined;
    this.#hasAnswerBegun = false;
    this.#isContinued = false;
    this.deadlineMs = Infinity;
    this.#parser.begin(call.method);
    const hasBody = call.body !== undefined && call.body.length !== 0;
    this.#sender =
      call.body !== undefined && hasBody
        ? new BodySender(call.body, http1BodySink(socket, call.body), (outcome) => this.#onBodyOutcome(outcome))
        : undefined;
    // The first piece of the body goes into the same packet if it is there already.
    if (hasBody) socket.cork();
    socket.write(request.headText, 'latin1');
    // A write that fails at once has not sent anything.
    this.#isWritten = socket.errored === null;
    this.#startBody(call);
    if (hasBody) queueMicrotask(() => socket.uncork());
  }

  #startBody(call: UpstreamCall): void {
    this.#isRequestSent = this.#sender === undefined;
    if (this.#isRequestSent) this.deadlineMs = this.#context.sweep.deadlineIn(this.#owner.responseHeaderTimeoutMs);
    else if (call.body?.isAwaited === true) this.deadlineMs = this.#context.sweep.deadlineIn(continueTimeoutMs);
    else this.#sender?.start();
  }

  /** becomeIdle leaves the connection to its owner until the next request. */
  becomeIdle(): void {
    this.deadlineMs = this.#context.sweep.deadlineIn(this.#owner.idleTimeoutMs);
    if (!this.#owner.release(this)) this.destroy();
  }

  /** resume reads on after the handler wanted no more. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#wire.socket.resume();
  }

  /** destroy closes the connection at once; a request on it is told nothing. */
  destroy(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#leaveBuffer();
    this.#leaveRequest();
    this.#context.sweep.forget(this);
    this.#owner.removed(this);
    this.#wire.socket.destroy();
  }

  expire(): void {
    const request = this.#request;
    if (request === undefined) {
      this.destroy();
    } else if (this.#isAwaitingContinue()) {
      // The client waits for the word to send; the server, which may not know it, for the body.
      this.#continue();
      request.handler.onInformational(100, []);
    } else {
      this.#fail({ kind: 'TimedOut', detail: 'the head of the answer did not come in time' });
    }
  }

  onInformational(status: number, headers: readonly string[]): void {
    if (status === 100) {
      const isOwnDoing = this.#isContinued;
      this.#continue();
      if (isOwnDoing) return;
    }
    this.#request?.handler.onInformational(status, headers);
  }

  onHead(head: ParsedHead): void {
    this.#head = head;
    this.deadlineMs = Infinity;
    if (head.status === 101) return;
    this.#request?.handler.onHead(head);
  }

  onData(piece: Buffer): void {
    const isBorrowed = this.#wire.hasOwnBuffer;
    const wantsMore = this.#request?.handler.onData(isBorrowed ? piece : Buffer.from(piece), !isBorrowed);
    if (wantsMore === false) this.#isPaused = true;
  }

  onEnd(trailers: readonly string[]): void {
    this.#trailers = trailers;
  }

  onMalformed(detail: string): void {
    this.#fail({ kind: 'Malformed', detail });
  }

  #isAwaitingContinue(): boolean {
    return this.#sender !== undefined && this.#request?.call.body?.isAwaited === true && !this.#isContinued;
  }

  #continue(): void {
    if (!this.#isAwaitingContinue()) return;
    this.#isContinued = true;
    this.deadlineMs = Infinity;
    this.#sender?.start();
  }

  #onBodyOutcome(outcome: BodyOutcome): void {
    if (outcome.kind === 'Broken') {
      this.#fail({ kind: 'ClientBody', detail: outcome.detail });
      return;
    }
    this.#isRequestSent = true;
    if (this.#head === undefined) this.deadlineMs = this.#context.sweep.deadlineIn(this.#owner.responseHeaderTimeoutMs);
  }

  #onBytes(bytes: Buffer): boolean {
    if (this.#request === undefined) {
      // Nobody asked: whatever it is, the next answer on this connection could not be told from it.
      this.destroy();
      return true;
    }
    this.#hasAnswerBegun = true;
    const taken = this.#parser.push(bytes);
    if (this.#trailers !== undefined) this.#complete(taken === bytes.length);
    else if (this.#head?.status === 101) this.#switchProtocols(bytes.subarray(taken));
    else if (this.#needsOwnBuffer(bytes.length)) this.#wire.borrowBuffer();
    return !this.#isPaused;
  }

  #needsOwnBuffer(readBytes: number): boolean {
    if (this.#request === undefined) return false;
    return readBytes >= largeReadBytes || this.#parser.expectsMoreThan(largeBodyBytes);
  }

  /** #complete leaves the connection before it tells the handler, so that the next request finds it. */
  #complete(isWhole: boolean): void {
    const request = this.#request;
    const trailers = this.#trailers ?? [];
    const pinned = this.#leaveBuffer();
    const mayKeep = isWhole && this.#isRequestSent && this.#head?.isReusable === true;
    this.#leaveRequest();
    this.#isReused = true;
    if (mayKeep) this.becomeIdle();
    else this.destroy();
    request?.ended(trailers, pinned);
  }

  /** #leaveBuffer returns the own buffer if it holds what the handler still looks at. */
  #leaveBuffer(): Buffer | undefined {
    const own = this.#wire.leaveBuffer();
    if (own === undefined || this.#isPaused) return own;
    this.#context.buffers.giveBack(own);
    return undefined;
  }

  #switchProtocols(rest: Buffer): void {
    const request = this.#request;
    const head = this.#head;
    if (request === undefined || head === undefined) return;
    if (head.upgrade?.toLowerCase() !== request.call.upgrade?.toLowerCase() || !this.#isRequestSent) {
      this.#fail({ kind: 'Malformed', detail: 'the server switches to a protocol that was not asked for' });
      return;
    }
    this.#isGone = true;
    this.#leaveRequest();
    this.#context.sweep.forget(this);
    this.#owner.removed(this);
    const { socket } = this.#wire;
    this.#wire.onBytes = (bytes) => socket.push(Buffer.from(bytes));
    request.handler.onUpgrade(head, socket, Buffer.from(rest));
  }

  #onEof(): void {
    if (this.#request !== undefined && this.#parser.finish() && this.#trailers !== undefined) this.#complete(false);
    else this.#broke('the server closed the connection');
  }

  #broke(detail: string): void {
    if (this.#request === undefined) this.destroy();
    else this.#fail({ kind: 'Reset', detail });
  }

  #fail(failure: UpstreamFailure): void {
    const request = this.#request;
    const isReplayable = failure.kind === 'Reset' && this.#isReplayable();
    this.destroy();
    request?.failed(failure, isReplayable);
  }

  #isReplayable(): boolean {
    if (!this.#isReused || this.#hasAnswerBegun || this.#sender?.isConsumed === true) return false;
    return !this.#isWritten || (this.#request !== undefined && isIdempotent(this.#request.call));
  }

  #leaveRequest(): void {
    this.#parser.stop();
    this.#sender?.stop();
    this.#sender = undefined;
    this.#request = undefined;
    this.#isPaused = false;
  }
}
