import { ByteGatherer } from './byte-gatherer.ts';
import { ChunkedDecoder } from './chunked-decoder.ts';
import { isFraming, parseHeaderFields } from './header-fields.ts';
import { parseResponseHead, type ParsedHead } from './response-head.ts';

/** maxHeadBytes is how long a head may be, those of its informational answers included, and how long trailers may be. */
const maxHeadBytes = 64 * 1024;

const headStart = 'HTTP/1.';
const lineEnd = Buffer.from('\r\n');

/** ResponseEvents are what a ResponseParser finds, in their order. */
export interface ResponseEvents {
  onInformational(status: number, headers: readonly string[]): void;
  /** onHead: the head of a 101 is the last event. */
  onHead(head: ParsedHead): void;
  /** onData: the piece is a view of what was pushed. */
  onData(piece: Buffer): void;
  onEnd(trailers: readonly string[]): void;
  /** onMalformed: what came is not HTTP/1, or could be read in two ways. It is the last event. */
  onMalformed(detail: string): void;
}

/** State is what a ResponseParser stands before. Idle: nothing is expected. Empty: the end of an answer without a body. */
type State = 'Idle' | 'Head' | 'Empty' | 'Length' | 'Chunked' | 'Close' | 'Trailers';

const stateByFraming = { None: 'Empty', Length: 'Length', Chunked: 'Chunked', Close: 'Close' } as const;

/** ResponseParser reads one answer after the other from the bytes of a connection, whatever pieces they come in. */
export class ResponseParser {
  readonly #events: ResponseEvents;
  readonly #gatherer = new ByteGatherer();
  readonly #chunks = new ChunkedDecoder();
  readonly #onChunk: (piece: Buffer) => void;
  #state: State = 'Idle';
  #method = '';
  #remaining = 0;
  #headBytes = 0;

  constructor(events: ResponseEvents) {
    this.#events = events;
    this.#onChunk = (piece) => {
      // An earlier event may have stopped the reading in the middle of what came.
      if (this.#state !== 'Idle') events.onData(piece);
    };
  }

  /** begin expects an answer to a request with this method. */
  begin(method: string): void {
    this.#method = method;
    this.#state = 'Head';
    this.#headBytes = 0;
    this.#gatherer.clear();
  }

  /** expectsMoreThan is true when it is known that more than so many bytes of a body are to come. */
  expectsMoreThan(length: number): boolean {
    return this.#state === 'Length' && this.#remaining > length;
  }

  /** stop gives up: no event comes any more. */
  stop(): void {
    this.#state = 'Idle';
  }

  /** push takes the next bytes and returns how many of them belong to the answer: fewer than all once it is over. */
  push(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length && this.#state !== 'Idle') at = this.#advance(bytes, at);
    return at;
  }

  /** finish says that the connection has ended. It returns false when the answer was not over then. */
  finish(): boolean {
    if (this.#state === 'Close') this.#end([]);
    return this.#state === 'Idle';
  }

  #advance(bytes: Buffer, at: number): number {
    if (this.#state === 'Head') return this.#readHead(bytes, at);
    if (this.#state === 'Length') return this.#readLength(bytes, at);
    if (this.#state === 'Chunked') return this.#readChunks(bytes, at);
    if (this.#state === 'Trailers') return this.#readTrailers(bytes, at);
    this.#events.onData(at === 0 ? bytes : bytes.subarray(at));
    return bytes.length;
  }

  /** A head is nearly always whole within one read; only else it is gathered. */
  #readHead(bytes: Buffer, at: number): number {
    if (this.#gatherer.length === 0) {
      const end = bytes.indexOf('\r\n\r\n', at, 'latin1');
      if (end !== -1) {
        this.#takeHead(bytes.toString('latin1', at, end + 2));
        return end + 4;
      }
    }
    const taken = this.#gatherer.add(bytes.subarray(at));
    if (taken === -1) {
      this.#checkUnfinished();
      return bytes.length;
    }
    const text = this.#gatherer.text(this.#gatherer.length - 2);
    this.#gatherer.clear();
    this.#takeHead(text);
    return at + taken;
  }

  /** A head that has not ended may never end: what cannot become HTTP/1 is refused at once. */
  #checkUnfinished(): void {
    const start = this.#gatherer.text(headStart.length);
    if (!headStart.startsWith(start)) this.#fail('the answer does not begin with HTTP/1');
    else if (this.#gatherer.hasBareLf) this.#fail('a line of the head ends with a bare LF');
    else if (this.#headBytes + this.#gatherer.length > maxHeadBytes) this.#fail('the head is longer than 64 KiB');
  }

  #takeHead(text: string): void {
    this.#headBytes += text.length + 2;
    const head =
      this.#headBytes > maxHeadBytes ? 'the head is longer than 64 KiB' : parseResponseHead(text, this.#method);
    if (typeof head === 'string') {
      this.#fail(head);
    } else if (head.status < 200 && head.status !== 101) {
      this.#events.onInformational(head.status, head.headers);
    } else {
      this.#takeFinalHead(head);
    }
  }

  #takeFinalHead(head: ParsedHead): void {
    this.#state = head.status === 101 ? 'Idle' : stateByFraming[head.body];
    this.#remaining = head.bodyLength ?? 0;
    this.#chunks.reset();
    this.#events.onHead(head);
    if (this.#state === 'Empty') this.#end([]);
  }

  #readLength(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#remaining);
    this.#remaining -= end - at;
    this.#events.onData(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
    if (this.#remaining === 0 && this.#state === 'Length') this.#end([]);
    return end;
  }

  #readChunks(bytes: Buffer, at: number): number {
    const end = this.#chunks.decode(bytes, at, this.#onChunk);
    if (this.#state === 'Idle') return bytes.length;
    if (end === -1) {
      this.#fail('the body is not framed in chunks as announced');
      return bytes.length;
    }
    if (this.#chunks.isAtTrailers) {
      this.#state = 'Trailers';
      // The line end before the trailers belongs to the last chunk; with it they end with CRLF CRLF even if there are none.
      this.#gatherer.clear();
      this.#gatherer.add(lineEnd);
    }
    return end;
  }

  #readTrailers(bytes: Buffer, at: number): number {
    const taken = this.#gatherer.add(bytes.subarray(at));
    if (this.#gatherer.hasBareLf) this.#fail('a line of the trailers ends with a bare LF');
    else if (this.#gatherer.length > maxHeadBytes) this.#fail('the trailers are longer than 64 KiB');
    if (taken === -1 || this.#state === 'Idle') return bytes.length;
    const fields = parseHeaderFields(this.#gatherer.text(this.#gatherer.length - 2), lineEnd.length);
    if (typeof fields === 'string') this.#fail(fields);
    else if (isFraming(fields)) this.#fail('the trailers say how the body is framed');
    else this.#end(fields.headers);
    return at + taken;
  }

  #end(trailers: readonly string[]): void {
    this.#state = 'Idle';
    this.#events.onEnd(trailers);
  }

  #fail(detail: string): void {
    this.#state = 'Idle';
    this.#events.onMalformed(detail);
  }
}
