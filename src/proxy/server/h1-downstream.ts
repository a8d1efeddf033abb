import http from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Downstream, Peer, RequestBody, TlsParameters } from '../downstream.ts';
import type { Admission } from './strictness.ts';

/** Http1Owner is the connection of a request. */
export interface Http1Owner {
  readonly peer: Peer;
  readonly isTls: boolean;
  readonly tls: TlsParameters | undefined;
  readonly isDraining: boolean;
  /** finished is told when the answer has been handed to the socket. */
  finished(): void;
  /** upgraded is told when the connection carries something else from now on. */
  upgraded(): void;
  /** linger ends the connection, in a moment also if the client does not. */
  linger(): void;
  /** reset closes the connection such that the client sees that the answer is not whole. */
  reset(): void;
}

/** Http1Parts: `head` is what came behind a request to upgrade; undefined for all others. */
interface Http1Parts {
  readonly request: http.IncomingMessage;
  readonly response: http.ServerResponse;
  readonly admission: Admission;
  readonly head: Buffer | undefined;
}

/** A body of this size or less shares a packet, and a write, with the head. */
const smallBytes = 4096;
/** Pieces up to this size are copied rather than waited for. */
const copiedBytes = 16_384;

/** Http1Downstream is a request that node's server parsed. */
export class Http1Downstream implements Downstream {
  readonly httpVersion: '1.0' | '1.1';
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly isTls: boolean;
  readonly tls: TlsParameters | undefined;
  readonly headers: readonly string[];
  readonly peer: Peer;
  readonly body: RequestBody | undefined;
  readonly upgrade: string | undefined;
  onDrain: (() => void) | undefined;
  onClose: ((status: number) => void) | undefined;

  readonly #connection: Http1Owner;
  readonly #request: http.IncomingMessage;
  readonly #response: http.ServerResponse;
  readonly #socket: Socket;
  readonly #early: Buffer | undefined;
  /** bodyLeft counts down to the end of an answer of known length. */
  #bodyLeft = 0;
  #hasBody = false;
  #hasHead = false;
  #isFlushed = false;
  #isLengthKnown = false;
  #isWaiting = false;
  #wasContinued = false;
  #isOver = false;

  constructor(connection: Http1Owner, { request, response, admission, head }: Http1Parts) {
    this.#connection = connection;
    this.#request = request;
    this.#response = response;
    this.#socket = request.socket;
    this.#early = head;
    this.httpVersion = request.httpVersion === '1.0' ? '1.0' : '1.1';
    this.method = request.method ?? '';
    this.target = admission.target;
    this.authority = admission.authority;
    this.isTls = connection.isTls;
    this.tls = connection.tls;
    this.headers = request.rawHeaders;
    this.peer = connection.peer;
    this.upgrade = head === undefined ? undefined : request.headers.upgrade;
    const { contentLength, isChunked } = admission;
    const hasBody = isChunked || (contentLength !== undefined && contentLength > 0);
    this.body = hasBody ? bodyOf(request, contentLength) : undefined;
  }

  /** isReceiving: the body of the request is not all here. */
  get isReceiving(): boolean {
    return this.body !== undefined && !this.#request.complete;
  }

  informational(status: number, headers: readonly string[]): void {
    // HTTP/1.0 knows none of them (RFC 9110, 15.2).
    if (this.#isOver || this.httpVersion === '1.0' || this.#hasHead) return;
    if (status === 100) {
      this.#wasContinued = true;
      this.#response.writeContinue();
    } else {
      this.#socket.write(formatHead(status, headers), 'latin1');
    }
  }

  head(status: number, headers: readonly string[], bodyLength: number | undefined): void {
    const response = this.#response;
    const hasBody = mayHaveBody(this.method, status);
    const isChunked = bodyLength === undefined && hasBody && this.httpVersion === '1.1';
    const list = framed(status, isChunked ? headers : withoutTrailer(headers), bodyLength);
    const isLast = this.#isLast();
    // HTTP/1.1 stays open without being told so; node would say it with every answer.
    if (!isLast && response.shouldKeepAlive && this.httpVersion === '1.1') response.removeHeader('connection');
    const lines = isLast ? [...list, 'Connection', 'close'] : list;
    // A list of strings is what node takes here and its types do not know.
    response.writeHead(status, lines as unknown as http.OutgoingHttpHeader[]);
    this.#hasHead = true;
    this.#hasBody = bodyLength !== 0 && hasBody;
    this.#isLengthKnown = bodyLength !== undefined;
    this.#bodyLeft = bodyLength ?? 0;
    if (this.#hasBody) queueMicrotask(this.#flush);
  }

  write(chunk: Uint8Array, isOwned: boolean): boolean {
    if (this.#isOver || !this.#hasBody || this.#socket.destroyed) return true;
    const isWhole = this.#isLengthKnown && chunk.length === this.#bodyLeft;
    this.#bodyLeft -= chunk.length;
    if (isWhole && chunk.length <= smallBytes && !this.#isFlushed) {
      const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1');
      this.#response.end(text, 'latin1');
      this.#finish();
      return true;
    }
    this.#isFlushed = true;
    if (isOwned) return this.#settle(this.#response.write(chunk, this.#onWritten));
    if (chunk.length <= copiedBytes) return this.#settle(this.#response.write(Buffer.from(chunk), this.#onWritten));
    return this.#writeInPlace(chunk);
  }

  end(trailers: readonly string[]): void {
    if (this.#isOver) return;
    if (trailers.length > 0 && this.httpVersion === '1.1') this.#response.addTrailers(pairs(trailers));
    this.#response.end();
    this.#finish();
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#connection.reset();
  }

  switchProtocols(headers: readonly string[]): { readonly socket: Duplex; readonly head: Buffer } {
    const socket = this.#socket;
    this.#response.detachSocket(socket);
    this.#connection.upgraded();
    this.#isOver = true;
    this.onClose = undefined;
    socket.write(formatHead(101, headers), 'latin1');
    return { socket, head: this.#early ?? Buffer.alloc(0) };
  }

  /** breakBody answers a request whose body cannot be read, if that is still possible. */
  breakBody(status: number): void {
    if (this.#isOver) return;
    const notify = this.onClose;
    this.onClose = undefined;
    if (this.#hasHead) {
      this.abort();
    } else {
      this.#isOver = true;
      const text = `${status} ${http.STATUS_CODES[status] ?? ''}`;
      this.#response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' });
      this.#response.end(text);
      this.#request.resume();
      this.#connection.linger();
    }
    notify?.(status);
  }

  /** gone: the connection is closed. */
  gone(status: number): void {
    this.#isOver = true;
    const notify = this.onClose;
    this.onClose = undefined;
    notify?.(status);
  }

  /** Without the body that was never asked for, nobody could tell where the next request begins. */
  #isLast(): boolean {
    return this.#connection.isDraining || (this.body?.isAwaited === true && !this.#wasContinued);
  }

  /** Without a body that comes with it, the head does not wait for one. */
  readonly #flush = (): void => {
    if (this.#isOver || this.#isFlushed) return;
    this.#isFlushed = true;
    this.#response.flushHeaders();
  };

  /** What the kernel takes at once may be overwritten; for the rest its owner waits. */
  #writeInPlace(chunk: Uint8Array): boolean {
    const socket = this.#socket;
    socket.cork();
    this.#response.write(chunk, this.#onWritten);
    socket.uncork();
    return this.#settle(this.#response.writableLength === 0);
  }

  #settle(canTakeMore: boolean): boolean {
    if (!canTakeMore) this.#isWaiting = true;
    return canTakeMore;
  }

  /** node says `drain` only above its high-water mark; that a piece was written it always says. */
  readonly #onWritten = (): void => {
    if (!this.#isWaiting || this.#isOver || this.#response.writableLength > 0) return;
    this.#isWaiting = false;
    this.onDrain?.();
  };

  #finish(): void {
    this.#isOver = true;
    this.onClose = undefined;
    // What nobody reads any more has to be out of the way of the next request.
    if (this.body !== undefined) this.#request.resume();
    this.#connection.finished();
    if (this.#early !== undefined) this.#socket.destroySoon();
  }
}

function framed(status: number, headers: readonly string[], bodyLength: number | undefined): readonly string[] {
  if (bodyLength === undefined || status === 204) return headers;
  return [...headers, 'Content-Length', String(bodyLength)];
}

function mayHaveBody(method: string, status: number): boolean {
  return method !== 'HEAD' && status !== 204 && status !== 304;
}

/** Only chunks have trailers, and node refuses to announce any where there are none. */
function withoutTrailer(headers: readonly string[]): readonly string[] {
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? '';
    if (name.length !== 7 || name.toLowerCase() !== 'trailer') continue;
    return [...headers.slice(0, index), ...withoutTrailer(headers.slice(index + 2))];
  }
  return headers;
}

function bodyOf(request: http.IncomingMessage, length: number | undefined): RequestBody {
  const expectation = request.httpVersion === '1.0' ? undefined : request.headers.expect;
  return {
    stream: request,
    length,
    isAwaited: expectation?.toLowerCase() === '100-continue',
    trailers: () => request.rawTrailers,
  };
}

function formatHead(status: number, headers: readonly string[]): string {
  let text = `HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? ''}\r\n`;
  for (let index = 0; index < headers.length; index += 2) {
    const [name = '', value = ''] = [headers[index], headers[index + 1]];
    http.validateHeaderName(name);
    http.validateHeaderValue(name, value);
    text += `${name}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}

function pairs(list: readonly string[]): [string, string][] {
  const result: [string, string][] = [];
  for (let index = 0; index < list.length; index += 2) result.push([list[index] ?? '', list[index + 1] ?? '']);
  return result;
}
