/** What one Traefik showed in the last few minutes of the services that somebody wants. */
import { toBound } from './bounds.ts';
import { classifyCode } from './code-class.ts';
import { parseSeries } from './exposition-labels.ts';
import type { Labels } from './series.ts';

/** requestsMetric and bucketsMetric are what is kept of wanted services, startMetric is kept of every target (Traefik 3.6, pkg/observability/metrics/prometheus.go). */
export const requestsMetric = 'traefik_service_requests_total';
export const bucketsMetric = 'traefik_service_request_duration_seconds_bucket';
export const startMetric = 'process_start_time_seconds';

/** Scrape is one scrape of a target; `startedSeconds` is missing where it failed, or the target does not tell. */
export interface Scrape {
  readonly atMs: number;
  readonly isUp: boolean;
  readonly startedSeconds?: number | undefined;
}

/** Row is what the series of a service stood at; NaN and what lies beyond the end were not there. */
export interface Row {
  readonly atMs: number;
  readonly counters: readonly number[];
  readonly buckets: readonly number[];
}

/** ServiceHistory is what is kept of one service; `counters` and `bounds` name the columns of its rows. */
export interface ServiceHistory {
  /** sinceMs is the first scrape that kept it: before, nobody looked, and that is not the same as nothing there. */
  readonly sinceMs: number | undefined;
  readonly counters: readonly Labels[];
  /** bounds are in seconds, in the order in which they were seen. */
  readonly bounds: readonly number[];
  /** rows are ascending; a scrape that saw no series of the service has none. */
  readonly rows: readonly Row[];
}

interface Service extends ServiceHistory {
  sinceMs: number | undefined;
  readonly counters: Labels[];
  readonly bounds: number[];
  readonly rows: Row[];
}

/** Slot is where the value of a series belongs. */
type Slot =
  | { readonly kind: 'Counter' | 'Bucket'; readonly service: Service; readonly index: number }
  | { readonly kind: 'Start' | 'Ignored' };

const notKept: Slot = { kind: 'Ignored' };

/** Retention is for how long scrapes are kept; the last one that succeeded is kept for maxGapMs. */
export interface Retention {
  readonly keepMs: number;
  readonly maxGapMs: number;
  /** maxSeries is how many series may be known: who shows ever new ones is forgotten and starts again. */
  readonly maxSeries: number;
}

/** History is that of one target. */
export class History {
  readonly #instance: string;
  readonly #retention: Retention;
  readonly #services = new Map<string, Service>();
  /** #slots are found by the text of a series, so that its labels are read once and not at every scrape. */
  readonly #slots = new Map<string, Slot>();
  #scrapes: readonly Scrape[] = [];

  /** `instance` becomes the label of that name. */
  constructor(instance: string, retention: Retention) {
    this.#instance = instance;
    this.#retention = retention;
  }

  /** scrapes are ascending. */
  get scrapes(): readonly Scrape[] {
    return this.#scrapes;
  }

  /** service returns what is kept of a service. */
  service(name: string): ServiceHistory | undefined {
    return this.#services.get(name);
  }

  /** keepOnly makes these the services that are kept from the next scrape on; what is known of others is forgotten. */
  keepOnly(names: ReadonlySet<string>): void {
    const dropped = new Set<Service>();
    for (const [name, service] of this.#services) {
      if (names.has(name)) continue;
      dropped.add(service);
      this.#services.delete(name);
    }
    if (dropped.size > 0) this.#dropSlots(dropped);
    for (const name of names) {
      if (!this.#services.has(name)) {
        this.#services.set(name, { sinceMs: undefined, counters: [], bounds: [], rows: [] });
      }
    }
  }

  /** startScrape returns what takes the samples of one scrape. */
  startScrape(): Reading {
    return new Reading((text) => this.#slots.get(text) ?? this.#addSlot(text));
  }

  /** add ends a scrape that succeeded. */
  add(atMs: number, reading: Reading): void {
    if (this.#slots.size > this.#retention.maxSeries) return this.#forget();
    for (const [, service] of this.#services) service.sinceMs ??= atMs;
    for (const [service, { counters, buckets }] of reading.rows) {
      const last = service.rows.at(-1);
      service.rows.push({ atMs, counters: shared(last?.counters, counters), buckets: shared(last?.buckets, buckets) });
    }
    this.#addScrape({ atMs, isUp: true, startedSeconds: reading.startedSeconds });
  }

  /** miss ends a scrape that failed. */
  miss(atMs: number): void {
    this.#addScrape({ atMs, isUp: false });
  }

  /** forgetOld drops what is too old at `nowMs`; what it returns tells whether anything is left. */
  forgetOld(nowMs: number): boolean {
    const { keepMs, maxGapMs } = this.#retention;
    const lastUpMs = this.#scrapes.findLast(({ isUp }) => isUp)?.atMs ?? Number.NEGATIVE_INFINITY;
    const fromMs = Math.min(nowMs - keepMs, lastUpMs < nowMs - maxGapMs ? Infinity : lastUpMs);
    this.#scrapes = this.#scrapes.filter(({ atMs }) => atMs >= fromMs);
    for (const { rows } of this.#services.values()) {
      const first = rows.findIndex(({ atMs }) => atMs >= fromMs);
      rows.splice(0, first === -1 ? rows.length : first);
    }
    return this.#scrapes.length > 0;
  }

  #addScrape(scrape: Scrape): void {
    this.#scrapes = [...this.#scrapes, scrape];
  }

  #forget(): void {
    const names = new Set(this.#services.keys());
    this.#scrapes = [];
    this.#slots.clear();
    this.#services.clear();
    this.keepOnly(names);
  }

  #dropSlots(dropped: ReadonlySet<Service>): void {
    for (const [text, slot] of this.#slots) {
      if ('service' in slot ? dropped.has(slot.service) : slot.kind === 'Ignored') this.#slots.delete(text);
    }
  }

  #addSlot(text: string): Slot | undefined {
    const slot = this.#findSlot(text);
    // A service that is not kept now may be kept from the next scrape on.
    if (slot !== undefined && slot !== notKept) this.#slots.set(text, slot);
    return slot;
  }

  #findSlot(text: string): Slot | undefined {
    const series = parseSeries(text);
    if (series === undefined) return undefined;
    const { metric, labels } = series;
    if (metric === startMetric) return { kind: 'Start' };
    const service = this.#services.get(labels['service'] ?? '');
    if (service === undefined) return notKept;
    if (metric === requestsMetric) {
      const index = service.counters.push({ ...labels, __name__: metric, instance: this.#instance }) - 1;
      return { kind: 'Counter', service, index };
    }
    const bound = toBound(labels['le']);
    if (Number.isNaN(bound) || !isTimed(labels)) return { kind: 'Ignored' };
    const known = service.bounds.indexOf(bound);
    return { kind: 'Bucket', service, index: known === -1 ? service.bounds.push(bound) - 1 : known };
  }
}

/** Reading gathers the samples of one scrape; it counts only if the scrape succeeds to its end. */
export class Reading {
  readonly #slotOf: (text: string) => Slot | undefined;
  readonly rows = new Map<Service, { readonly counters: number[]; readonly buckets: number[] }>();
  startedSeconds: number | undefined;
  /** isMalformed is true where a series has labels that cannot be. */
  isMalformed = false;

  constructor(slotOf: (text: string) => Slot | undefined) {
    this.#slotOf = slotOf;
  }

  /** add takes one sample. */
  add(text: string, value: number): void {
    const slot = this.#slotOf(text);
    if (slot === undefined) this.isMalformed = true;
    else if (slot.kind === 'Start') this.startedSeconds = value;
    else if (slot.kind === 'Counter') setAt(this.#rowOf(slot.service).counters, slot.index, value);
    else if (slot.kind === 'Bucket') {
      const { buckets } = this.#rowOf(slot.service);
      setAt(buckets, slot.index, value + (buckets[slot.index] || 0));
    }
  }

  #rowOf(service: Service): { readonly counters: number[]; readonly buckets: number[] } {
    const known = this.rows.get(service);
    if (known !== undefined) return known;
    const row = { counters: [], buckets: [] };
    this.rows.set(service, row);
    return row;
  }
}

/** NaN says that there was no series, so a value that is none becomes infinite: nobody trusts that either. */
function setAt(row: number[], index: number, value: number): void {
  while (row.length < index) row.push(Number.NaN);
  row[index] = Number.isFinite(value) ? value : Number.POSITIVE_INFINITY;
}

/** Most services are quiet from one scrape to the next, and then share one row. */
function shared(last: readonly number[] | undefined, row: readonly number[]): readonly number[] {
  const isSame = last?.length === row.length && last.every((value, index) => Object.is(value, row[index]));
  return isSame ? last : row;
}

/** Durations are those of good requests; of a websocket or an event stream they are how long it was open. */
function isTimed(labels: Labels): boolean {
  const protocol = labels['protocol'];
  return protocol !== 'websocket' && protocol !== 'sse' && classifyCode(protocol, labels['code']) === 'Good';
}
