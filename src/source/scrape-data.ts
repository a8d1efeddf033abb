/** Puts what was scraped into the shape in which Prometheus answers, so that one arithmetic counts both. */
import type { Buckets } from './buckets.ts';
import { maxGapMs, type Data } from './count.ts';
import type { Wanted } from './chunks.ts';
import type { History, Row, ServiceHistory } from './scrape-history.ts';
import type { Series } from './series.ts';
import type { Span } from './targets.ts';

/** Scraped is one target and what it showed; `instance` is one of its own. */
export interface Scraped {
  readonly instance: string;
  readonly history: History;
}

/** dataOf returns what one query needs to be counted: of every target the scrapes in its span, but of those before the window only the last that succeeded. Services without any series are left out. */
export function dataOf(targets: readonly Scraped[], wanted: Wanted, blockMs: number): Data {
  const up = new Map<string, readonly Series[]>();
  const started = new Map<string, readonly Series[]>();
  const requests = new Map<string, Series[]>();
  const buckets = new Map<string, Map<string, Buckets>>();
  for (const { instance, history } of targets) {
    const services = [...wanted.services.keys()].map((name) => ({ name, kept: history.service(name) }));
    const span = spanOf(history, services, wanted);
    if (span === undefined) continue;
    const labels = { instance };
    const scrapes = history.scrapes.filter(({ atMs }) => isIn(span, atMs));
    up.set(instance, [{ labels, samples: new Map(scrapes.map(({ atMs, isUp }) => [atMs, isUp ? 1 : 0])) }]);
    const starts = scrapes.flatMap(({ atMs, startedSeconds }) =>
      startedSeconds === undefined ? [] : [[atMs, startedSeconds] as const],
    );
    started.set(instance, [{ labels, samples: new Map(starts) }]);
    for (const { name, kept } of services) {
      if (kept === undefined) continue;
      const rows = kept.rows.filter(({ atMs }) => isIn(span, atMs));
      const series = seriesOf(kept, rows);
      if (series.length > 0) entry(requests, name, () => []).push(...series);
      const durations = wanted.bounds === undefined ? noBuckets : bucketsOf(kept, rows);
      // An instance without buckets has no bounds that the others could share.
      if (durations.size > 0) entry(buckets, name, () => new Map()).set(instance, durations);
    }
  }
  const durations = { read: { kind: 'Answer', value: buckets }, scrapeIntervalMs: blockMs } as const;
  const counters = { serviceLabel: 'service', blockMs, requests, instances: { up, started } };
  return wanted.bounds === undefined ? counters : { ...counters, durations };
}

/** hasAnswered tells whether a scrape in (sinceMs, untilMs] succeeded; undefined where there was none. */
export function hasAnswered(targets: readonly Scraped[], { sinceMs, untilMs }: Wanted): boolean | undefined {
  const scrapes = targets.flatMap(({ history }) =>
    history.scrapes.filter(({ atMs }) => atMs > sinceMs && atMs <= untilMs),
  );
  return scrapes.length === 0 ? undefined : scrapes.some(({ isUp }) => isUp);
}

/** Returns undefined where a service has not been looked for: a difference of the others alone would compare one arm with nothing. */
function spanOf(
  { scrapes }: History,
  services: readonly { readonly kept: ServiceHistory | undefined }[],
  { sinceMs, span: { toMs } }: Wanted,
): Span | undefined {
  const keptMs = Math.max(...services.map(({ kept }) => kept?.sinceMs ?? Number.POSITIVE_INFINITY));
  const before = scrapes.findLast(({ atMs, isUp }) => isUp && atMs <= sinceMs);
  const fromMs = Math.max(keptMs, before?.atMs ?? sinceMs - maxGapMs);
  return fromMs > toMs ? undefined : { fromMs, toMs };
}

function seriesOf({ counters }: ServiceHistory, rows: readonly Row[]): readonly Series[] {
  return counters
    .map((labels, index) => ({ labels, samples: columnOf(rows, (row) => row.counters[index]) }))
    .filter(({ samples }) => samples.size > 0);
}

function bucketsOf({ bounds }: ServiceHistory, rows: readonly Row[]): Buckets {
  const columns = bounds.map((bound, index) => [bound, columnOf(rows, (row) => row.buckets[index])] as const);
  return new Map(columns.filter(([, samples]) => samples.size > 0));
}

const noBuckets: Buckets = new Map();

function columnOf(rows: readonly Row[], valueOf: (row: Row) => number | undefined): Map<number, number> {
  const samples = new Map<number, number>();
  for (const row of rows) {
    const value = valueOf(row) ?? Number.NaN;
    if (!Number.isNaN(value)) samples.set(row.atMs, value);
  }
  return samples;
}

function isIn({ fromMs, toMs }: Span, atMs: number): boolean {
  return atMs >= fromMs && atMs <= toMs;
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
