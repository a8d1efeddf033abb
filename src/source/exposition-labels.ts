/** The labels of one line of an exposition, read from its bytes. */
import type { Labels } from './series.ts';

const openBrace = 0x7b;
const closeBrace = 0x7d;
const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const equals = 0x3d;

/**
 * LabelCursor walks over labels without allocating anything, because most are those of series that nobody wants. One
 * cursor reads many lines; after `next` said `Label`, its fields say where in the bytes that label is.
 */
export class LabelCursor {
  nameFrom = 0;
  nameTo = 0;
  /** valueFrom and valueTo are inside the quotes. */
  valueFrom = 0;
  valueTo = 0;
  hasEscape = false;
  /** at is where the labels go on; after `End` it is behind them. */
  at = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #end = 0;
  #isOpen = false;

  /** start begins at `at`, right behind the name of a metric; the line ends before `end`. */
  start(bytes: Uint8Array, at: number, end: number): void {
    this.#bytes = bytes;
    this.#end = end;
    const next = skipBlanks(bytes, at, end);
    this.#isOpen = next < end && bytes[next] === openBrace;
    this.at = this.#isOpen ? next + 1 : at;
  }

  /** next goes to the next label. Labels are separated by commas, and one may come after the last. */
  next(): 'Label' | 'End' | 'Malformed' {
    if (!this.#isOpen) return 'End';
    const bytes = this.#bytes;
    const end = this.#end;
    this.nameFrom = skipBlanks(bytes, this.at, end);
    if (this.nameFrom < end && bytes[this.nameFrom] === closeBrace) return this.#close(this.nameFrom);
    if (!this.#findName() || !this.#findEndOfValue()) return 'Malformed';
    this.at = skipBlanks(bytes, this.valueTo + 1, end);
    if (this.at >= end) return 'Malformed';
    if (bytes[this.at] === comma) this.at += 1;
    else if (bytes[this.at] !== closeBrace) return 'Malformed';
    return 'Label';
  }

  #close(at: number): 'End' {
    this.at = at + 1;
    this.#isOpen = false;
    return 'End';
  }

  #findName(): boolean {
    const bytes = this.#bytes;
    const end = this.#end;
    this.nameTo = endOfName(bytes, this.nameFrom, end);
    const equalsAt = skipBlanks(bytes, this.nameTo, end);
    if (this.nameTo === this.nameFrom || equalsAt >= end || bytes[equalsAt] !== equals) return false;
    const quoteAt = skipBlanks(bytes, equalsAt + 1, end);
    this.valueFrom = quoteAt + 1;
    return quoteAt < end && bytes[quoteAt] === quote;
  }

  #findEndOfValue(): boolean {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.valueFrom;
    this.hasEscape = false;
    while (at < end) {
      const byte = bytes[at];
      if (byte === quote) {
        this.valueTo = at;
        return true;
      }
      if (byte === backslash) {
        this.hasEscape = true;
        at += 1;
      }
      at += 1;
    }
    return false;
  }
}

/** ParsedSeries is the name and the labels of a series. */
export interface ParsedSeries {
  readonly metric: string;
  readonly labels: Labels;
}

/** parseSeries reads the text of a series as it stands before its value; undefined where a label comes twice or something is malformed. */
export function parseSeries(text: string): ParsedSeries | undefined {
  const bytes = Buffer.from(text);
  const nameTo = endOfName(bytes, 0, bytes.length);
  const cursor = new LabelCursor();
  cursor.start(bytes, nameTo, bytes.length);
  const labels: Record<string, string> = Object.create(null) as Record<string, string>;
  for (;;) {
    const found = cursor.next();
    if (found === 'End') return { metric: bytes.toString('latin1', 0, nameTo), labels };
    if (found === 'Malformed') return undefined;
    const name = bytes.toString('latin1', cursor.nameFrom, cursor.nameTo);
    if (name in labels) return undefined;
    labels[name] = valueOf(bytes, cursor);
  }
}

/** valueOf returns the value of the label that the cursor stands on. */
export function valueOf(bytes: Buffer, { valueFrom, valueTo, hasEscape }: LabelCursor): string {
  const text = bytes.toString('utf8', valueFrom, valueTo);
  return hasEscape ? text.replace(/\\([\\"n])/g, (_, char: string) => (char === 'n' ? '\n' : char)) : text;
}

/** skipBlanks returns the first place at or after `at` that holds neither space nor tab. */
export function skipBlanks(bytes: Uint8Array, at: number, end: number): number {
  let next = at;
  while (next < end && (bytes[next] === 0x20 || bytes[next] === 0x09)) next += 1;
  return next;
}

/** endOfName returns where the name of a metric or label that begins at `at` ends. */
export function endOfName(bytes: Uint8Array, at: number, end: number): number {
  let next = at;
  while (next < end && isNameByte(bytes[next] ?? 0)) next += 1;
  return next;
}

/** Letters, digits, `_`, and `:` which only names of metrics have. */
function isNameByte(byte: number): boolean {
  const lower = byte | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || (byte >= 0x30 && byte <= 0x3a) || byte === 0x5f;
}
