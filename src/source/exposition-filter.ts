/** Which series of an exposition are kept, decided on bytes. */
import { type LabelCursor, valueOf } from './exposition-labels.ts';

/** WantedSeries are metrics of which the series with a label `service` out of `services` are kept, and metrics of which all series are. */
export interface WantedSeries {
  readonly byService: readonly string[];
  readonly whole: readonly string[];
  readonly services: ReadonlySet<string>;
}

/** WantedMetric is one of these metrics, with its name in bytes. */
export interface WantedMetric {
  readonly name: Buffer;
  readonly isByService: boolean;
}

const serviceLabel = Buffer.from('service');

/** SeriesFilter is WantedSeries prepared for comparing; made once, it serves many expositions. */
export class SeriesFilter {
  readonly #metrics: readonly WantedMetric[];
  readonly #services: ReadonlySet<string>;
  readonly #byHash: ReadonlyMap<number, readonly Buffer[]>;

  constructor({ byService, whole, services }: WantedSeries) {
    this.#metrics = [
      ...byService.map((name) => ({ name: Buffer.from(name), isByService: true })),
      ...whole.map((name) => ({ name: Buffer.from(name), isByService: false })),
    ];
    this.#services = services;
    const names = [...services].map((service) => Buffer.from(service));
    this.#byHash = Map.groupBy(names, (name) => hashOf(name, 0, name.length));
  }

  /** metricAt returns the wanted metric whose name begins at `at` of a line that ends before `end`. */
  metricAt(bytes: Uint8Array, at: number, end: number): WantedMetric | undefined {
    for (const metric of this.#metrics) {
      const nameTo = at + metric.name.length;
      // The byte behind the name differs for nearly all the others, and is looked at before the name itself.
      if (nameTo < end && endsName(bytes[nameTo] ?? 0) && isAt(bytes, at, metric.name)) return metric;
    }
    return undefined;
  }

  /** isServiceLabel tells whether the cursor stands on the label `service`. */
  isServiceLabel(bytes: Uint8Array, { nameFrom, nameTo }: LabelCursor): boolean {
    return nameTo - nameFrom === serviceLabel.length && isAt(bytes, nameFrom, serviceLabel);
  }

  /** wantsValue tells whether the value of the label that the cursor stands on is a wanted service. */
  wantsValue(bytes: Buffer, cursor: LabelCursor): boolean {
    if (cursor.hasEscape) return this.#services.has(valueOf(bytes, cursor));
    const { valueFrom, valueTo } = cursor;
    const names = this.#byHash.get(hashOf(bytes, valueFrom, valueTo));
    return names?.some((name) => name.length === valueTo - valueFrom && isAt(bytes, valueFrom, name)) ?? false;
  }
}

/** A name ends before its labels, or before a blank. */
function endsName(byte: number): boolean {
  return byte === 0x7b || byte === 0x20 || byte === 0x09;
}

function isAt(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let index = 0; index < expected.length; index += 1) {
    if (bytes[at + index] !== expected[index]) return false;
  }
  return true;
}

/** FNV-1a, cut to what a Map holds as a small integer (http://www.isthe.com/chongo/tech/comp/fnv/). */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let index = from; index < to; index += 1) hash = Math.imul(hash ^ (bytes[index] ?? 0), 0x01000193);
  return hash & 0x3fffffff;
}
