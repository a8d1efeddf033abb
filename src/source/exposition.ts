/**
 * Reads an exposition of metrics (Prometheus text format 0.0.4, OpenMetrics 1.0) as it arrives, and keeps the series that
 * somebody wants. A Traefik with a thousand services shows 50,000 series of which a rollout wants a few dozen, so a line is
 * looked at only as far as it takes to see that nobody wants it, and nothing is allocated for it.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/, https://prometheus.io/docs/specs/om/open_metrics_spec/
 */
import type { SeriesFilter, WantedMetric } from './exposition-filter.ts';
import { LabelCursor, skipBlanks } from './exposition-labels.ts';
import { parseValue } from './exposition-value.ts';

/** ExpositionLimits are what a target may send. */
export interface ExpositionLimits {
  readonly maxBytes: number;
  readonly maxLineBytes: number;
  /** maxSamples is how many samples may be kept. */
  readonly maxSamples: number;
}

/** expositionLimits are limits that no Traefik comes near: 50,000 series are 8 MB. */
export const expositionLimits: ExpositionLimits = {
  maxBytes: 64 * 1024 * 1024,
  maxLineBytes: 64 * 1024,
  maxSamples: 200_000,
};

/** ExpositionEnd is what there was: a whole exposition, or a reason to believe none of it, such as `line 12 is too long`. `hasEof` says that its last line was the `# EOF` of OpenMetrics. */
export type ExpositionEnd =
  | { readonly kind: 'Whole'; readonly samples: number; readonly hasEof: boolean }
  | { readonly kind: 'Refused'; readonly reason: string };

/** OnSample is told the text of a series, which is name and labels as they were written, and its value. */
export type OnSample = (series: string, value: number) => void;

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const hash = 0x23;
const eof = Buffer.from('# EOF');

/**
 * ExpositionReader reads one exposition, in pieces however it is cut. What it refuses it refuses as a whole: a counter
 * left out would look as if it had been reset. Timestamps and exemplars are ignored; Traefik writes none.
 */
export class ExpositionReader {
  readonly #filter: SeriesFilter;
  readonly #onSample: OnSample;
  readonly #limits: ExpositionLimits;
  readonly #cursor = new LabelCursor();
  /** #rest begins with #restLength bytes of a line that is not over. */
  #rest: Buffer = Buffer.alloc(0);
  #restLength = 0;
  #bytes = 0;
  #lines = 0;
  #samples = 0;
  #hasEof = false;
  #refusal: ExpositionEnd | undefined;

  constructor(filter: SeriesFilter, onSample: OnSample, limits: ExpositionLimits = expositionLimits) {
    this.#filter = filter;
    this.#onSample = onSample;
    this.#limits = limits;
  }

  /** push reads on; it returns false as soon as the exposition is refused, and nothing more needs to be read. */
  push(chunk: Uint8Array): boolean {
    if (this.#refusal !== undefined) return false;
    const left = this.#limits.maxBytes - this.#bytes;
    const isTooMuch = chunk.length > left;
    this.#bytes += chunk.length;
    this.#read(Buffer.from(chunk.buffer, chunk.byteOffset, isTooMuch ? left : chunk.length));
    if (isTooMuch) this.#refuse(`there are more than ${this.#limits.maxBytes} bytes`);
    return this.#refusal === undefined;
  }

  /** end reads what comes after the last line feed, and returns what there was. */
  end(): ExpositionEnd {
    this.#endRest();
    return this.#refusal ?? { kind: 'Whole', samples: this.#samples, hasEof: this.#hasEof };
  }

  #read(bytes: Buffer): void {
    let at = 0;
    let end = bytes.indexOf(lineFeed);
    if (this.#restLength > 0 && end !== -1) {
      this.#keepRest(bytes, 0, end);
      this.#endRest();
      at = end + 1;
      end = bytes.indexOf(lineFeed, at);
    }
    while (end !== -1 && this.#refusal === undefined) {
      this.#readLine(bytes, at, end);
      at = end + 1;
      end = bytes.indexOf(lineFeed, at);
    }
    this.#keepRest(bytes, at, bytes.length);
  }

  #keepRest(bytes: Buffer, from: number, to: number): void {
    const length = this.#restLength + to - from;
    if (length > this.#limits.maxLineBytes) return this.#refuseLine(this.#lines + 1, 'is too long');
    if (length > this.#rest.length) {
      const larger = Buffer.allocUnsafe(Math.max(1024, 2 * length));
      this.#rest.copy(larger, 0, 0, this.#restLength);
      this.#rest = larger;
    }
    bytes.copy(this.#rest, this.#restLength, from, to);
    this.#restLength = length;
  }

  #endRest(): void {
    if (this.#restLength > 0 && this.#refusal === undefined) this.#readLine(this.#rest, 0, this.#restLength);
    this.#restLength = 0;
  }

  #readLine(bytes: Buffer, from: number, lineEnd: number): void {
    this.#lines += 1;
    if (lineEnd - from > this.#limits.maxLineBytes) return this.#refuseLine(this.#lines, 'is too long');
    const end = bytes[lineEnd - 1] === carriageReturn && lineEnd > from ? lineEnd - 1 : lineEnd;
    const at = skipBlanks(bytes, from, end);
    if (at === end) return;
    this.#hasEof = bytes[at] === hash && end - at === eof.length && bytes.compare(eof, 0, eof.length, at, end) === 0;
    if (bytes[at] === hash) return;
    const metric = this.#filter.metricAt(bytes, at, end);
    if (metric === undefined) return;
    const problem = this.#readSample(metric, bytes, at, end);
    if (problem !== undefined) this.#refuseLine(this.#lines, `(${metric.name.toString()}) ${problem}`);
  }

  /** Returns what is wrong with the line. Of a series that nobody wants, no more is looked at than its labels up to `service`. */
  #readSample(metric: WantedMetric, bytes: Buffer, at: number, end: number): string | undefined {
    const cursor = this.#cursor;
    cursor.start(bytes, at + metric.name.length, end);
    let isWanted = !metric.isByService;
    let found = cursor.next();
    while (found === 'Label') {
      if (!isWanted && this.#filter.isServiceLabel(bytes, cursor)) {
        if (!this.#filter.wantsValue(bytes, cursor)) return undefined;
        isWanted = true;
      }
      found = cursor.next();
    }
    if (found === 'Malformed') return 'has malformed labels';
    if (!isWanted) return undefined;
    const value = parseValue(bytes, skipBlanks(bytes, cursor.at, end), end);
    if (value === undefined) return 'has no value that is a number';
    this.#samples += 1;
    if (this.#samples > this.#limits.maxSamples) return `is one more than ${this.#limits.maxSamples} wanted series`;
    this.#onSample(bytes.toString('utf8', at, cursor.at), value);
    return undefined;
  }

  #refuseLine(line: number, problem: string): void {
    this.#refuse(`line ${line} ${problem}`);
  }

  #refuse(reason: string): void {
    this.#refusal ??= { kind: 'Refused', reason };
  }
}
