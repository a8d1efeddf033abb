/** HTTP/1 clients: node's server parses and frames, on connections that the listener accepted. */
import http from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Peer, TlsParameters } from '../downstream.ts';
import type { Connection, ConnectionHost, HostOptions } from './connection.ts';
import { peerOf, tlsOf } from './connection.ts';
import { Http1Downstream, type Http1Owner } from './h1-downstream.ts';
import { admitHttp1 } from './strictness.ts';

/**
 * So many requests may be sent ahead of their answers. They are served one after the other: in parallel a second one could
 * overtake a first that it depends on (RFC 9112, 9.3.2).
 */
const maxPipelined = 128;

const lingerMs = 500;

/** createHttp1Host serves HTTP/1 on connections that are handed to it. */
export function createHttp1Host(options: HostOptions): ConnectionHost {
  const connections = new WeakMap<Duplex, Http1Connection>();
  const { readTimeoutMs } = options;
  const server = http.createServer({
    maxHeaderSize: options.maxHeaderBytes,
    headersTimeout: readTimeoutMs,
    requestTimeout: readTimeoutMs,
    connectionsCheckingInterval: Math.ceil(Math.min(1000, Math.max(20, readTimeoutMs / 8))),
    // The listener closes idle connections: a timer less to set with every request.
    keepAliveTimeout: 0,
    requireHostHeader: true,
    insecureHTTPParser: false,
    optimizeEmptyRequests: true,
    // Upgrade: h2c is ignored, as is everything that a server does not want to switch to (RFC 9110, 7.8).
    shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase().includes('h2c') !== true,
  });
  const serve = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    connections.get(request.socket)?.receive(request, response, undefined);
  };
  server.on('request', serve);
  server.on('checkContinue', serve);
  server.on('upgrade', (request, socket, head) => {
    const response = new http.ServerResponse(request);
    response.assignSocket(request.socket);
    response.shouldKeepAlive = false;
    connections.get(socket)?.receive(request, response, head);
    // Nobody reads from it yet; without this its end would not be seen before somebody does.
    request.socket.read(0);
  });
  server.on('connect', (_, socket) => connections.get(socket)?.refuse(501));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    connections.get(socket)?.refuse(statusOf(error.code ?? ''));
  });
  // The times of requests are watched from the moment a server listens; this one never does by itself.
  server.emit('listening');
  return {
    accept: (socket, onGone) => {
      const connection = new Http1Connection(socket, options);
      connections.set(socket, connection);
      socket.on('close', () => {
        connection.gone();
        onGone();
      });
      server.emit('connection', socket);
      // node ends its side when a client ends its own: nobody is left to be answered, as for Go.
      socket.on('end', () => connection.ended());
      return connection;
    },
    close: () => void server.close(),
  };
}

/** The status for what node's parser refuses; 0: the connection itself broke. */
function statusOf(code: string): number {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 431;
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 408;
    default:
      return code.startsWith('HPE_') ? 400 : 0;
  }
}

/** Http1Connection serves the requests of one client's connection in their order. */
class Http1Connection implements Connection, Http1Owner {
  readonly #socket: Socket;
  readonly #options: HostOptions;
  readonly peer: Peer;
  readonly tls: TlsParameters | undefined;
  /** The first one is being answered. */
  readonly #open: Http1Downstream[] = [];
  isDraining = false;
  /** The status that ends the connection once what came before is answered. */
  #refusal = 0;
  isUpgraded = false;

  constructor(socket: Socket, options: HostOptions) {
    this.#socket = socket;
    this.#options = options;
    this.peer = peerOf(socket);
    this.tls = tlsOf(socket);
  }

  get open(): number {
    return this.#open.length;
  }

  get isTls(): boolean {
    return this.#options.isTls;
  }

  receive(request: http.IncomingMessage, response: http.ServerResponse, head: Buffer | undefined): void {
    if (this.#refusal !== 0) return;
    const admission = admitHttp1({
      method: request.method ?? '',
      url: request.url ?? '',
      httpVersion: request.httpVersion,
      headers: request.rawHeaders,
    });
    if (admission.isRefused || this.#open.length >= maxPipelined) return this.refuse(400);
    const downstream = new Http1Downstream(this, { request, response, admission, head });
    this.#open.push(downstream);
    if (this.#open.length === 1) this.#options.onRequest(downstream);
  }

  /** finished is called when an answer is handed to the socket: the next request's turn. */
  finished(): void {
    this.#open.shift();
    const next = this.#open[0];
    if (next !== undefined) this.#options.onRequest(next);
    else if (this.#refusal !== 0) this.#writeRefusal();
  }

  /** refuse answers what cannot be read with this status, after what came before it, and ends the connection. */
  refuse(status: number): void {
    if (this.#refusal !== 0) return;
    if (status === 0) return this.destroy();
    this.#refusal = status;
    const last = this.#open.at(-1);
    if (last === undefined) this.#writeRefusal();
    // The parser gave up within the body of the last request: it is that request which cannot be answered otherwise.
    else if (last.isReceiving) last.breakBody(status);
  }

  upgraded(): void {
    this.isUpgraded = true;
  }

  drain(): void {
    this.isDraining = true;
  }

  closeIdle(): void {
    if (this.#open.length === 0 && !this.isUpgraded) this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** reset lets the client see that the answer is not whole, even where only the end of the connection would end it. */
  reset(): void {
    if (this.isTls) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  /** A server that holds a body back holds its client back: a write of nothing fails where that has reset the connection. */
  probe(raw: Socket): void {
    if (this.#open.at(-1)?.isReceiving === true && raw.writable) raw.write('');
  }

  ended(): void {
    if (!this.isUpgraded && this.#open.length > 0) this.#socket.destroy();
  }

  gone(): void {
    for (const downstream of this.#open.splice(0)) downstream.gone(499);
  }

  #writeRefusal(): void {
    const status = this.#refusal;
    const text = `${status} ${http.STATUS_CODES[status] ?? ''}`;
    const head = 'Content-Type: text/plain; charset=utf-8\r\nConnection: close';
    if (this.#socket.writable) this.#socket.write(`HTTP/1.1 ${text}\r\n${head}\r\n\r\n${text}`, 'latin1');
    this.linger();
  }

  /** linger reads for a moment what the client sends yet: closing at once would reset the connection and take the answer along. */
  linger(): void {
    this.#socket.end();
    const cancel = this.#options.clock.schedule(lingerMs, () => this.#socket.destroy());
    this.#socket.once('close', cancel);
  }
}
