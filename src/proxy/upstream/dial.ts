import type { ReadBuffers } from './read-buffers.ts';
import type { Sweep, Watched } from './sweep.ts';
import type { UpstreamFailure } from './upstream.ts';
import { Wire, type WireTarget } from './wire.ts';

/** ClientContext is what all connections of a client share. */
export interface ClientContext {
  readonly sweep: Sweep;
  readonly buffers: ReadBuffers;
}

/** DialTarget is where to connect to and how long that may take; 0 is no limit. */
export interface DialTarget extends WireTarget {
  readonly timeoutMs: number;
  /** onFailure is called before a failure is reported. */
  onFailure(): void;
}

/** handshakeTimeoutMs is how long a TLS handshake may take, as in Traefik; it is not configurable there either. */
const handshakeTimeoutMs = 10_000;

/** DialResult is a connected wire, after its TLS handshake, or why there is none. */
export type DialResult = { readonly wire: Wire } | { readonly failure: UpstreamFailure };

/** Dial is an attempt to connect. It calls back once, unless it is cancelled before. */
export class Dial implements Watched {
  readonly #sweep: Sweep;
  readonly #done: (result: DialResult) => void;
  #wire: Wire | undefined;
  readonly #target: DialTarget;
  #isOver = false;
  deadlineMs = Infinity;

  constructor(target: DialTarget, context: ClientContext, done: (result: DialResult) => void) {
    this.#sweep = context.sweep;
    this.#done = done;
    this.#target = target;
    this.#sweep.watch(this);
    this.deadlineMs = this.#sweep.deadlineIn(target.timeoutMs);
    try {
      this.#wire = new Wire(target, context.buffers);
      this.#listen(this.#wire, target.tls !== undefined);
    } catch (error) {
      // A port or a certificate that cannot be: no reason to throw at the caller.
      queueMicrotask(() => this.#onError(error as Error));
    }
  }

  /** cancel gives up without a result. */
  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#sweep.forget(this);
    this.#wire?.socket.destroy();
  }

  expire(): void {
    this.#fail({ kind: 'TimedOut', detail: 'the connection was not made in time' });
  }

  /** The listener for errors stays, so that none goes without a listener between two owners of the socket. */
  #listen({ socket }: Wire, isTls: boolean): void {
    socket.on('error', this.#onError);
    socket.once('close', () => this.#onError(new Error('the connection was closed before it was ready')));
    socket.once(isTls ? 'secureConnect' : 'connect', this.#onReady);
    if (!isTls) return;
    socket.once('connect', () => {
      this.deadlineMs = this.#sweep.deadlineIn(handshakeTimeoutMs);
    });
  }

  readonly #onReady = (): void => {
    if (this.#isOver || this.#wire === undefined) return;
    this.#isOver = true;
    this.#sweep.forget(this);
    this.#done({ wire: this.#wire });
  };

  readonly #onError = (error: Error): void => this.#fail({ kind: 'Unreachable', detail: error.message });

  #fail(failure: UpstreamFailure): void {
    if (this.#isOver) return;
    this.cancel();
    this.#target.onFailure();
    this.#done({ failure });
  }
}
