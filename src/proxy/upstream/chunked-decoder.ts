/** What a ChunkedDecoder stands before. */
const atSize = 0;
const inExtension = 1;
const afterSizeCr = 2;
const inData = 3;
const atDataCr = 4;
const atDataLf = 5;
const atTrailers = 6;

/** maxExtensionBytes is how long the extension of one chunk may be, as in node. */
const maxExtensionBytes = 16 * 1024;

/** No chunk is longer than this many hexadecimal digits can say, so that its size stays a safe integer. */
const maxSizeDigits = 13;

/** ChunkedDecoder takes chunked framing (RFC 9112, 7.1) apart, whatever pieces it comes in. Extensions are dropped. */
export class ChunkedDecoder {
  #state = atSize;
  #remaining = 0;
  #digits = 0;
  #extensionBytes = 0;

  /** reset begins a new body. */
  reset(): void {
    this.#state = atSize;
    this.#remaining = 0;
    this.#digits = 0;
  }

  /** isAtTrailers: the last chunk is over; what follows are trailer lines and the empty line. */
  get isAtTrailers(): boolean {
    return this.#state === atTrailers;
  }

  /**
   * decode reads `bytes` from `from`, hands each piece of data to `onData`, and returns where it stopped: the end of
   * `bytes`, or where the trailers begin. It returns -1 for what is no chunked framing.
   */
  decode(bytes: Buffer, from: number, onData: (piece: Buffer) => void): number {
    let at = from;
    while (at < bytes.length && this.#state !== atTrailers) {
      if (this.#state === inData) {
        const end = Math.min(bytes.length, at + this.#remaining);
        this.#remaining -= end - at;
        if (this.#remaining === 0) this.#state = atDataCr;
        onData(bytes.subarray(at, end));
        at = end;
      } else {
        if (!this.#step(bytes[at] ?? 0)) return -1;
        at += 1;
      }
    }
    return at;
  }

  #step(byte: number): boolean {
    switch (this.#state) {
      case atSize:
        return this.#stepSize(byte);
      case inExtension:
        return this.#stepExtension(byte);
      case afterSizeCr:
        return byte === 10 && this.#endSize();
      case atDataCr:
        this.#state = atDataLf;
        return byte === 13;
      default:
        this.#state = atSize;
        return byte === 10;
    }
  }

  #stepSize(byte: number): boolean {
    const digit = hexDigit(byte);
    if (digit !== -1) {
      this.#digits += 1;
      this.#remaining = this.#remaining * 16 + digit;
      return this.#digits <= maxSizeDigits;
    }
    this.#extensionBytes = 0;
    this.#state = byte === 13 ? afterSizeCr : inExtension;
    return this.#digits > 0 && (byte === 13 || byte === 59);
  }

  #stepExtension(byte: number): boolean {
    this.#extensionBytes += 1;
    if (byte === 13) this.#state = afterSizeCr;
    return this.#extensionBytes <= maxExtensionBytes && (byte === 13 || byte === 9 || (byte >= 32 && byte !== 127));
  }

  #endSize(): boolean {
    this.#digits = 0;
    this.#state = this.#remaining === 0 ? atTrailers : inData;
    return true;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
