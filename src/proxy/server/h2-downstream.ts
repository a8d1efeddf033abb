import type http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Downstream, Peer, RequestBody, TlsParameters } from '../downstream.ts';
import { headerValue } from './header-list.ts';
import type { Http2Admission } from './strictness.ts';

/** Pieces up to this size are copied rather than waited for. */
const copiedBytes = 16_384;

/** Http2Owner is the connection of a stream. */
export interface Http2Owner {
  readonly peer: Peer;
  readonly isTls: boolean;
  readonly tls: TlsParameters | undefined;
  /** closeSent closes a stream when the end of the answer is on its way. */
  closeSent(stream: http2.ServerHttp2Stream): void;
}

/** Http2Downstream is a stream that a client opened. */
export class Http2Downstream implements Downstream {
  readonly httpVersion = '2.0';
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly isTls: boolean;
  readonly tls: TlsParameters | undefined;
  readonly headers: readonly string[];
  readonly peer: Peer;
  readonly body: RequestBody | undefined;
  readonly upgrade = undefined;
  onDrain: (() => void) | undefined;
  onClose: ((status: number) => void) | undefined;

  readonly #connection: Http2Owner;
  readonly #stream: http2.ServerHttp2Stream;
  #bodyLeft = 0;
  #hasBody = false;
  #isLengthKnown = false;
  #hasHead = false;
  #isWaiting = false;
  #isOver = false;

  constructor(connection: Http2Owner, stream: http2.ServerHttp2Stream, admission: Http2Admission) {
    this.#connection = connection;
    this.#stream = stream;
    this.method = admission.method;
    this.target = admission.target;
    this.authority = admission.authority;
    this.headers = admission.headers;
    this.isTls = connection.isTls;
    this.tls = connection.tls;
    this.peer = connection.peer;
    this.body = stream.endAfterHeaders ? undefined : bodyOf(stream, admission);
  }

  informational(status: number, headers: readonly string[]): void {
    if (this.#isOver || this.#hasHead || this.#isGone()) return;
    this.#stream.additionalHeaders({ ':status': status, ...toRecord(headers) });
  }

  head(status: number, headers: readonly string[], bodyLength: number | undefined): void {
    if (this.#isGone()) return;
    const list: (string | number)[] = [':status', status];
    for (let index = 0; index < headers.length; index += 2) {
      list.push((headers[index] ?? '').toLowerCase(), headers[index + 1] ?? '');
    }
    const isBodyless = this.method === 'HEAD' || status === 204 || status === 304;
    if (bodyLength !== undefined && status !== 204) list.push('content-length', bodyLength);
    this.#hasBody = !isBodyless && bodyLength !== 0;
    this.#isLengthKnown = bodyLength !== undefined;
    this.#bodyLeft = bodyLength ?? 0;
    const waitForTrailers = this.#hasBody && bodyLength === undefined;
    // A list is what node takes here and its types do not know.
    this.#stream.respond(list as unknown as http2.OutgoingHttpHeaders, { endStream: !this.#hasBody, waitForTrailers });
    this.#hasHead = true;
  }

  write(chunk: Uint8Array, isOwned: boolean): boolean {
    const stream = this.#stream;
    if (this.#isOver || !this.#hasBody || this.#isGone()) return true;
    const isKept = isOwned || chunk.length <= copiedBytes;
    const piece = isOwned || !isKept ? chunk : Buffer.from(chunk);
    const isWhole = this.#isLengthKnown && chunk.length === this.#bodyLeft;
    this.#bodyLeft -= chunk.length;
    if (isWhole && isKept) return this.#writeLast(piece);
    const canTakeMore = stream.write(piece, this.#onWritten) && isKept;
    if (!canTakeMore) this.#isWaiting = true;
    return canTakeMore;
  }

  end(trailers: readonly string[]): void {
    if (this.#isOver) return;
    const stream = this.#stream;
    if (this.#hasBody && !this.#isGone()) {
      if (!this.#isLengthKnown) {
        stream.once('wantTrailers', () => {
          // None at all are an empty frame that ends the stream.
          if (!this.#isGone()) stream.sendTrailers(toRecord(trailers));
          this.#leaveBody();
        });
      }
      stream.end();
    }
    this.#finish();
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // To close it would end it in good order before it is reset, as if the answer were whole.
    this.#stream.destroy(new Error('The answer broke off'));
  }

  switchProtocols(): { readonly socket: Duplex; readonly head: Buffer } {
    throw new Error('A stream of HTTP/2 cannot be upgraded');
  }

  /** breakBody answers a request whose body does not come, if that is still possible. */
  breakBody(status: number): void {
    if (this.#isOver) return;
    const notify = this.onClose;
    this.onClose = undefined;
    if (this.#hasHead || this.#isGone()) {
      this.abort();
    } else {
      this.#isOver = true;
      this.#stream.respond({ ':status': status }, { endStream: true });
      this.#connection.closeSent(this.#stream);
    }
    notify?.(status);
  }

  /** gone: the stream is closed. */
  gone(): void {
    this.#isOver = true;
    const notify = this.onClose;
    this.onClose = undefined;
    notify?.(499);
  }

  /** A stream that was reset refuses everything by an exception, some time before its close is told. */
  #isGone(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  /** The last piece and the end of the stream share a frame. */
  #writeLast(piece: Uint8Array): boolean {
    this.#stream.end(piece);
    this.#finish();
    return true;
  }

  readonly #onWritten = (): void => {
    if (!this.#isWaiting || this.#isOver || this.#stream.writableLength > 0) return;
    this.#isWaiting = false;
    this.onDrain?.();
  };

  #finish(): void {
    this.#isOver = true;
    this.onClose = undefined;
    if (this.#isLengthKnown || !this.#hasBody) this.#leaveBody();
  }

  /** leaveBody tells a client that still sends that nobody needs it any more (RFC 9113, 8.1). */
  #leaveBody(): void {
    if (this.body === undefined || this.#stream.readableEnded) return;
    this.#stream.resume();
    this.#connection.closeSent(this.#stream);
  }
}

function bodyOf(stream: http2.ServerHttp2Stream, { contentLength, headers }: Http2Admission): RequestBody {
  let trailers: readonly string[] = [];
  stream.on('trailers', (_headers: unknown, _flags: unknown, raw: readonly string[]) => {
    trailers = raw;
  });
  return {
    stream,
    length: contentLength,
    isAwaited: headerValue(headers, 'expect')?.toLowerCase() === '100-continue',
    trailers: () => trailers,
  };
}

/** toRecord keeps every value of a name. */
function toRecord(list: readonly string[]): Record<string, string | string[]> {
  const record: Record<string, string | string[]> = {};
  for (let index = 0; index < list.length; index += 2) {
    const name = (list[index] ?? '').toLowerCase();
    const value = list[index + 1] ?? '';
    const before = record[name];
    record[name] = before === undefined ? value : [before, value].flat();
  }
  return record;
}
