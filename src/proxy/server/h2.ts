/** HTTP/2 clients: nghttp2, by way of node's core API, on connections that the listener accepted. */
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import type { Peer, TlsParameters } from '../downstream.ts';
import { peerOf, tlsOf, type Connection, type ConnectionHost, type HostOptions } from './connection.ts';
import { Http2Downstream } from './h2-downstream.ts';
import { admitHttp2 } from './strictness.ts';

/** As Traefik's entry points (`http2.maxConcurrentStreams`). */
const maxConcurrentStreams = 250;
/** A client may send more than node's 128 headers, but not without end; their size is bounded apart from that. */
const maxHeaderPairs = 1000;
/** Between the two GOAWAY of a drain a client may still open streams that it began before it saw the first (RFC 9113, 6.8). */
const goawayMs = 1000;
const lingerMs = 500;
const lookAgainMs = 20;

/** createHttp2Host serves HTTP/2 on connections that are handed to it, the preface included. */
export function createHttp2Host(options: HostOptions): ConnectionHost {
  const connections = new WeakMap<http2.Http2Session, Http2Connection>();
  const server = http2.createServer({
    maxHeaderListPairs: maxHeaderPairs,
    // Streams that are reset as soon as they are opened: 1,000 at once, then 33/s (nghttp2's defaults, CVE-2023-44487).
    streamResetBurst: 1000,
    streamResetRate: 33,
    maxSettings: 32,
    settings: { maxConcurrentStreams, maxHeaderListSize: options.maxHeaderBytes, enableConnectProtocol: false },
  });
  server.on('stream', (stream, _headers, _flags, rawHeaders) => {
    // A stream may be over before it is told of; its error, without a listener, would end the process.
    stream.on('error', () => undefined);
    const { session } = stream;
    if (session !== undefined) connections.get(session)?.receive(stream as http2.ServerHttp2Stream, rawHeaders);
  });
  // A client's fault closes its connection, and there is nothing else to do about it.
  server.on('sessionError', () => undefined);
  return {
    accept: (socket, onGone) => {
      const connection = new Http2Connection(socket, options);
      socket.on('error', () => undefined);
      socket.on('close', onGone);
      // The listener's sockets are half-open; a client of HTTP/2 that ends its side is gone.
      socket.on('end', () => connection.destroy());
      server.once('session', (session) => {
        connections.set(session, connection);
        connection.session = session;
        session.once('close', () => connection.linger());
      });
      server.emit('connection', socket);
      return connection;
    },
    close: () => void server.close(),
  };
}

/** Http2Connection serves the streams of one client's connection. */
class Http2Connection implements Connection {
  readonly isUpgraded = false;
  readonly #socket: Socket;
  readonly #options: HostOptions;
  readonly peer: Peer;
  readonly tls: TlsParameters | undefined;
  readonly #streams = new Set<http2.ServerHttp2Stream>();
  session: http2.Http2Session | undefined;

  constructor(socket: Socket, options: HostOptions) {
    this.#socket = socket;
    this.#options = options;
    this.peer = peerOf(socket);
    this.tls = tlsOf(socket);
  }

  get open(): number {
    return this.#streams.size;
  }

  get isTls(): boolean {
    return this.#options.isTls;
  }

  receive(stream: http2.ServerHttp2Stream, raw: readonly string[]): void {
    if (stream.destroyed) return;
    const admission = admitHttp2(raw);
    if (admission.isRefused) return stream.close(http2.constants.NGHTTP2_PROTOCOL_ERROR);
    if (admission.method === 'CONNECT') return stream.respond({ ':status': 501 }, { endStream: true });
    this.#streams.add(stream);
    const downstream = new Http2Downstream(this, stream, admission);
    stream.once('close', () => {
      this.#streams.delete(stream);
      downstream.gone();
    });
    stream.once('aborted', () => stream.destroy());
    this.#watchBody(stream, downstream);
    this.#options.onRequest(downstream);
  }

  drain(): void {
    const { session } = this;
    if (session === undefined || session.closed) return;
    session.goaway(http2.constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1);
    const cancel = this.#options.clock.schedule(goawayMs, () => session.close());
    session.once('close', cancel);
  }

  /** A stream that a client closes without an error stays in node for ever where something waited to be sent or read. */
  probe(): void {
    for (const stream of this.#streams) if (stream.closed) stream.destroy();
  }

  /** What waits to be sent when a stream is closed is dropped, trailers too. */
  closeSent(stream: http2.ServerHttp2Stream): void {
    const { clock } = this.#options;
    const look = (): void => {
      if (stream.destroyed || stream.closed) return;
      if (stream.state.localClose === 1) stream.close(http2.constants.NGHTTP2_NO_ERROR);
      else clock.schedule(lookAgainMs, look);
    };
    clock.schedule(0, look);
  }

  closeIdle(): void {
    if (this.#streams.size === 0) this.session?.close();
  }

  /** linger closes in a moment what a client does not close: at once would reset it, with the last answer still on its way. */
  linger(): void {
    const cancel = this.#options.clock.schedule(lingerMs, () => this.#socket.destroy());
    this.#socket.once('close', cancel);
  }

  destroy(): void {
    this.session?.destroy();
    this.#socket.destroy();
  }

  #watchBody(stream: http2.ServerHttp2Stream, downstream: Http2Downstream): void {
    const { readTimeoutMs, clock } = this.#options;
    if (downstream.body === undefined || readTimeoutMs === 0) return;
    const cancel = clock.schedule(readTimeoutMs, () => downstream.breakBody(408));
    stream.once('end', cancel);
    stream.once('close', cancel);
  }
}
