import http2, { type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { ClientContext } from './dial.ts';
import type { Watched } from './sweep.ts';
import type { UpstreamFailure } from './upstream.ts';
import type { Wire } from './wire.ts';

/** settingsTimeoutMs is how long a server may take to begin HTTP/2 on a connection that is there. */
const settingsTimeoutMs = 10_000;

/** streamWindowBytes is how much of an answer may wait here for a slow reader, and how much may be under way to a fast one. */
const streamWindowBytes = 256 * 1024;
const connectionWindowBytes = 16 * 1024 * 1024;

/** Http2Owner keeps connections. */
export interface Http2Owner {
  readonly idleTimeoutMs: number;
  /** ready is told that the server has begun HTTP/2. */
  ready(connection: Http2Connection): void;
  /** hasRoom is told that another request may be sent. */
  hasRoom(): void;
  /** removed is told that the connection takes no more requests; `failure` when it never took one. */
  removed(connection: Http2Connection, failure: UpstreamFailure | undefined): void;
}

/** Http2Connection is an HTTP/2 session over a wire that is ready. */
export class Http2Connection implements Watched {
  readonly #session: ClientHttp2Session;
  readonly #owner: Http2Owner;
  readonly #context: ClientContext;
  #maxStreams = 0;
  #openStreams = 0;
  #isReady = false;
  #isReused = false;
  #isClosing = false;
  #failure: UpstreamFailure = { kind: 'Unreachable', detail: 'the server does not speak HTTP/2' };
  deadlineMs: number;

  constructor(wire: Wire, owner: Http2Owner, context: ClientContext) {
    this.#owner = owner;
    this.#context = context;
    context.sweep.watch(this);
    this.deadlineMs = context.sweep.deadlineIn(settingsTimeoutMs);
    // The authority here names nothing: each request brings its own.
    const options = {
      createConnection: () => wire.socket,
      settings: { enablePush: false, initialWindowSize: streamWindowBytes },
      // A client may say twice what should be said once: that is for the server to judge.
      strictSingleValueFields: false,
    };
    this.#session = http2.connect('http://upstream', options);
    this.#session.on('connect', () => this.#session.setLocalWindowSize(connectionWindowBytes));
    this.#session.on('remoteSettings', ({ maxConcurrentStreams }) => this.#onSettings(maxConcurrentStreams));
    this.#session.on('goaway', () => this.#leave());
    this.#session.on('error', (error) => {
      if (!this.#isReady) this.#failure = { kind: 'Unreachable', detail: error.message };
    });
    this.#session.on('close', () => this.#onClose());
  }

  /** isFree: another request may be sent. */
  get isFree(): boolean {
    return this.#isReady && !this.#isClosing && this.#openStreams < this.#maxStreams && !this.#session.destroyed;
  }

  /** isReused: it has had a request before. */
  get isReused(): boolean {
    return this.#isReused;
  }

  /** isBroken: the connection is no more, and neither are its streams. */
  get isBroken(): boolean {
    return this.#session.destroyed;
  }

  /** request opens a stream; it throws for headers that HTTP/2 does not have. */
  request(headers: readonly string[], options: { endStream: boolean; waitForTrailers: boolean }): ClientHttp2Stream {
    const stream = this.#session.request(headers, options);
    this.#openStreams += 1;
    this.#isReused = true;
    this.deadlineMs = Infinity;
    stream.once('close', () => this.#onStreamClosed());
    return stream;
  }

  /** close ends the connection once its streams are over. */
  close(): void {
    this.#leave();
    this.#session.close();
  }

  expire(): void {
    if (!this.#isReady) this.#failure = { kind: 'TimedOut', detail: 'the server did not begin HTTP/2 in time' };
    this.#leave();
    this.#session.destroy();
  }

  #onSettings(maxConcurrentStreams: number | undefined): void {
    this.#maxStreams = maxConcurrentStreams ?? Infinity;
    if (this.#isReady) {
      this.#owner.hasRoom();
      return;
    }
    this.#isReady = true;
    this.deadlineMs = this.#context.sweep.deadlineIn(this.#owner.idleTimeoutMs);
    this.#owner.ready(this);
  }

  #onStreamClosed(): void {
    this.#openStreams -= 1;
    if (this.#openStreams === 0) this.deadlineMs = this.#context.sweep.deadlineIn(this.#owner.idleTimeoutMs);
    if (!this.#isClosing) this.#owner.hasRoom();
  }

  #leave(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#owner.removed(this, this.#isReady ? undefined : this.#failure);
  }

  #onClose(): void {
    this.#leave();
    this.#context.sweep.forget(this);
  }
}
