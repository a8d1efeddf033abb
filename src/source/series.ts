/** Raw samples as Prometheus stores them. */

/** Labels of a series. */
export type Labels = Readonly<Record<string, string>>;

/** Series is one time series: value by timestamp, in milliseconds since the epoch. */
export interface Series {
  readonly labels: Labels;
  readonly samples: ReadonlyMap<number, number>;
}

/** mergeSeries joins the parts of series that were read in several windows; samples that two windows share are the same sample. */
export function mergeSeries(windows: readonly (readonly Series[])[]): readonly Series[] {
  const filled = windows.filter((window) => window.length > 0);
  if (filled.length <= 1) return filled[0] ?? [];
  const merged = new Map<string, { readonly labels: Labels; readonly samples: Map<number, number> }>();
  for (const part of filled.flat()) {
    const key = JSON.stringify(Object.entries(part.labels).toSorted(([left], [right]) => (left < right ? -1 : 1)));
    const whole = merged.get(key) ?? { labels: part.labels, samples: new Map<number, number>() };
    for (const [atMs, value] of part.samples) whole.samples.set(atMs, value);
    merged.set(key, whole);
  }
  return [...merged.values()];
}

/** groupBy returns the series by what `keyOf` says of their labels, in their order. */
export function groupBy(
  series: readonly Series[],
  keyOf: (labels: Labels) => string,
): ReadonlyMap<string, readonly Series[]> {
  const groups = new Map<string, Series[]>();
  for (const one of series) {
    const key = keyOf(one.labels);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return groups;
}
