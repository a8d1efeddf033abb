/** What the buckets of request durations stood at on the grid, as query_range tells it. */
import { toBound } from './bounds.ts';
import type { Series } from './series.ts';
import { instanceOf, type Span } from './targets.ts';

/** Buckets are the values of one service on one instance, by bound in seconds (also infinity) and by time. */
export type Buckets = ReadonlyMap<number, ReadonlyMap<number, number>>;

/** BucketsByService holds Buckets by service label, and by instance. */
export type BucketsByService = ReadonlyMap<string, ReadonlyMap<string, Buckets>>;

/** readBuckets sorts the series of a durationsQuery; what has no bound is left out. */
export function readBuckets(series: readonly Series[], serviceLabel: string): BucketsByService {
  const services = new Map<string, Map<string, Map<number, ReadonlyMap<number, number>>>>();
  for (const { labels, samples } of series) {
    const bound = toBound(labels['le']);
    if (Number.isNaN(bound)) continue;
    const instances = entry(services, labels[serviceLabel] ?? '', () => new Map());
    const buckets = entry(instances, instanceOf(labels), () => new Map());
    const known = buckets.get(bound);
    buckets.set(bound, known === undefined ? samples : greatest(known, samples));
  }
  return services;
}

/** After an upgrade of Prometheus `1` becomes `1.0`, and the old series is shown for five minutes more: it stands still. */
function greatest(left: Series['samples'], right: Series['samples']): Series['samples'] {
  const values = new Map(left);
  for (const [atMs, value] of right) values.set(atMs, Math.max(value, values.get(atMs) ?? value));
  return values;
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

/** commonBounds returns the finite bounds that all instances have which show these services in a span, ascending. */
export function commonBounds(all: BucketsByService, services: Iterable<string>, span: Span): readonly number[] {
  const each = [...services]
    .flatMap((service) => [...(all.get(service)?.values() ?? [])])
    .map((buckets) => new Set([...buckets].filter(([, values]) => isShown(values, span)).map(([bound]) => bound)))
    .filter((bounds) => bounds.size > 0);
  const [first, ...others] = each;
  return [...(first ?? [])]
    .filter((bound) => Number.isFinite(bound) && others.every((bounds) => bounds.has(bound)))
    .sort((left, right) => left - right);
}

function isShown(values: ReadonlyMap<number, number>, { fromMs, toMs }: Span): boolean {
  for (const atMs of values.keys()) if (atMs >= fromMs && atMs <= toMs) return true;
  return false;
}
