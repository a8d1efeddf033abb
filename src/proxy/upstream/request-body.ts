import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { RequestBody } from '../downstream.ts';
import { formatTrailers } from './request-head.ts';

/** BodyOutcome is how sending a body ended: all of it was handed to the socket, or it broke off, with the reason. */
export type BodyOutcome = { readonly kind: 'Sent' } | { readonly kind: 'Broken'; readonly detail: string };

/** BodySender writes the body of one request to a socket as it comes, no faster than the socket takes it. */
export class BodySender {
  readonly #socket: Socket;
  readonly #body: RequestBody;
  readonly #stream: Readable;
  readonly #onOutcome: (outcome: BodyOutcome) => void;
  #sentBytes = 0;
  #isStarted = false;
  #isOver = false;

  constructor(socket: Socket, body: RequestBody, onOutcome: (outcome: BodyOutcome) => void) {
    this.#socket = socket;
    this.#body = body;
    this.#stream = body.stream;
    this.#onOutcome = onOutcome;
  }

  /** isConsumed: a part of the body, or its end, has been taken from the stream, so that it cannot be sent again. */
  get isConsumed(): boolean {
    return this.#sentBytes > 0 || this.#isOver;
  }

  /** start begins to read. The socket should be corked if the head is to share a packet with the first piece. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const stream = this.#stream;
    stream.on('data', this.#onData);
    stream.on('end', this.#onEnd);
    stream.on('error', this.#onBroken);
    stream.on('close', this.#onBroken);
    if (stream.destroyed && !stream.readableEnded) queueMicrotask(this.#onBroken);
    else if (stream.readableEnded) queueMicrotask(this.#onEnd);
    // A stream that was paused by someone does not flow for its listeners alone.
    else stream.resume();
  }

  /** drained is to be called when the socket takes more. */
  drained(): void {
    if (this.#isStarted && !this.#isOver) this.#stream.resume();
  }

  /** stop ends the reading: the rest of the body stays where it is. */
  stop(): void {
    if (this.#isStarted && !this.#isOver) this.#stream.pause();
    this.#leave();
  }

  /** The listener for errors stays: an error without one would end the process. */
  #leave(): void {
    this.#isOver = true;
    this.#stream.off('data', this.#onData);
    this.#stream.off('end', this.#onEnd);
    this.#stream.off('close', this.#onBroken);
  }

  #finish(outcome: BodyOutcome): void {
    this.#leave();
    this.#onOutcome(outcome);
  }

  readonly #onData = (piece: Buffer | string): void => {
    if (this.#isOver) return;
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
    this.#sentBytes += bytes.length;
    if (this.#body.length !== undefined && this.#sentBytes > this.#body.length) {
      this.#finish({ kind: 'Broken', detail: 'the body is longer than announced' });
    } else if (bytes.length > 0 && !this.#write(bytes)) {
      this.#stream.pause();
    }
  };

  #write(bytes: Buffer): boolean {
    const socket = this.#socket;
    if (this.#body.length !== undefined) return socket.write(bytes);
    socket.cork();
    socket.write(`${bytes.length.toString(16)}\r\n`, 'latin1');
    socket.write(bytes);
    const takesMore = socket.write('\r\n', 'latin1');
    socket.uncork();
    return takesMore;
  }

  readonly #onEnd = (): void => {
    if (this.#isOver) return;
    if (this.#body.length !== undefined) {
      const isWhole = this.#sentBytes === this.#body.length;
      this.#finish(isWhole ? { kind: 'Sent' } : { kind: 'Broken', detail: 'the body is shorter than announced' });
      return;
    }
    const trailers = formatTrailers(this.#body.trailers());
    if ('problem' in trailers) {
      this.#finish({ kind: 'Broken', detail: trailers.problem });
      return;
    }
    this.#socket.write(`0\r\n${trailers.text}`, 'latin1');
    this.#finish({ kind: 'Sent' });
  };

  readonly #onBroken = (): void => {
    if (!this.#isOver) this.#finish({ kind: 'Broken', detail: 'the body broke off before its end' });
  };
}
