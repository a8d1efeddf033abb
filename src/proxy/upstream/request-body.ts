import type { Readable } from 'node:stream';
import type { RequestBody } from '../downstream.ts';

/** continueTimeoutMs is how long a server may take to ask for an awaited body before it is sent unasked, as in Traefik. */
export const continueTimeoutMs = 1_000;

/** BodySink is where a body goes, framed as its protocol wants. */
export interface BodySink {
  /** write sends a piece; false: no more until `drained`. */
  write(bytes: Buffer): boolean;
  /** end finishes the body; it returns what is wrong with the trailers, if anything. */
  end(trailers: readonly string[]): string | undefined;
}

/** BodyOutcome is how sending a body ended: all of it was handed to the sink, or it broke off, with the reason. */
export type BodyOutcome = { readonly kind: 'Sent' } | { readonly kind: 'Broken'; readonly detail: string };

/** BodySender hands the body of one request to a sink as it comes, no faster than the sink takes it. */
export class BodySender {
  readonly #body: RequestBody;
  readonly #stream: Readable;
  readonly #sink: BodySink;
  readonly #onOutcome: (outcome: BodyOutcome) => void;
  #sentBytes = 0;
  #isStarted = false;
  #isOver = false;

  constructor(body: RequestBody, sink: BodySink, onOutcome: (outcome: BodyOutcome) => void) {
    this.#body = body;
    this.#stream = body.stream;
    this.#sink = sink;
    this.#onOutcome = onOutcome;
  }

  /** isConsumed: a part of the body, or its end, has been taken from the stream, so that it cannot be sent again. */
  get isConsumed(): boolean {
    return this.#sentBytes > 0 || this.#isOver;
  }

  /** start begins to read. */
  start(): void {
    if (this.#isStarted || this.#isOver) return;
    this.#isStarted = true;
    const stream = this.#stream;
    stream.on('data', this.#onData);
    stream.on('end', this.#onEnd);
    stream.on('error', this.#onBroken);
    stream.on('close', this.#onBroken);
    if (stream.readableEnded) queueMicrotask(this.#onEnd);
    else if (stream.destroyed) queueMicrotask(this.#onBroken);
    // A stream that somebody paused does not flow for its listeners alone.
    else stream.resume();
  }

  /** drained says that the sink takes more. */
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
    if (!this.#isStarted) return;
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
    } else if (bytes.length > 0 && !this.#sink.write(bytes)) {
      this.#stream.pause();
    }
  };

  readonly #onEnd = (): void => {
    if (this.#isOver) return;
    const isShort = this.#body.length !== undefined && this.#sentBytes !== this.#body.length;
    const problem = isShort ? 'the body is shorter than announced' : this.#sink.end(this.#body.trailers());
    this.#finish(problem === undefined ? { kind: 'Sent' } : { kind: 'Broken', detail: problem });
  };

  readonly #onBroken = (): void => {
    if (!this.#isOver) this.#finish({ kind: 'Broken', detail: 'the body broke off before its end' });
  };
}
