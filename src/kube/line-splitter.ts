import { SluiceError } from '../errors.ts';

const newline = 0x0a;

/** etcd refuses objects over 1.5 MB and a watch event wraps one; more than this is not a watch. */
const defaultMaxLineBytes = 8 * 1024 * 1024;

/** LineSplitter cuts a byte stream into lines of text at \n alone. */
export interface LineSplitter {
  /** push takes the next bytes and returns the lines that they complete; it throws WatchBroken over the line limit or for bytes that are not UTF-8. */
  push(chunk: Uint8Array): readonly string[];
  /** pendingBytes is the length of the line that has no end yet. */
  readonly pendingBytes: number;
}

/**
 * createLineSplitter splits at the byte \n, which never occurs inside a UTF-8 sequence, and decodes whole lines only:
 * so a character may be cut anywhere by the network. U+2028 and U+2029, at which readline splits too, stay in the line.
 */
export function createLineSplitter(maxLineBytes: number = defaultMaxLineBytes): LineSplitter {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;

  const keep = (part: Uint8Array): void => {
    pendingBytes += part.length;
    if (pendingBytes > maxLineBytes) {
      throw new SluiceError('WatchBroken', `A watch sent a line of more than ${maxLineBytes} bytes.`);
    }
    if (part.length > 0) pending.push(part);
  };
  const takeLine = (): string => {
    const bytes = pending.length === 1 ? pending[0] : Buffer.concat(pending);
    pending = [];
    pendingBytes = 0;
    try {
      return decoder.decode(bytes);
    } catch (error) {
      throw new SluiceError('WatchBroken', 'A watch sent a line that is not UTF-8.', { cause: error });
    }
  };

  return {
    get pendingBytes() {
      return pendingBytes;
    },
    push: (chunk) => {
      const lines: string[] = [];
      let start = 0;
      for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
        keep(chunk.subarray(start, end));
        lines.push(takeLine());
        start = end + 1;
      }
      keep(chunk.subarray(start));
      return lines;
    },
  };
}
