/** Evaluates what the source asks as Prometheus does, with its staleness. */
import type { Series } from '../../../src/source/series.ts';

const lookbackMs = 300_000;
const form = /^(\w+)\{(.*)\}(?:\[(\d+)ms\])?$/;

/** isRangeSelector tells whether this is a selector with a range. */
export function isRangeSelector(promql: string): boolean {
  return form.exec(promql)?.[3] !== undefined;
}

/** selectRange returns the samples of a range selector. */
export function selectRange(series: readonly Series[], promql: string, atMs: number): readonly Series[] {
  const lengthMs = Number(form.exec(promql)?.[3]);
  return select(series, promql)
    .map(({ labels, samples }) => ({
      labels,
      samples: new Map([...samples].filter(([sampleMs]) => sampleMs > atMs - lengthMs && sampleMs <= atMs)),
    }))
    .filter(({ samples }) => samples.size > 0);
}

/**
 * sumOnGrid evaluates `sum by (…) (selector)` at each point; a series is stale from the first scrape of its instance on
 * that does not hold it, and from the samples of a series `gone` on: then the target left the configuration.
 */
export function sumOnGrid(
  series: readonly Series[],
  promql: string,
  { fromMs, toMs, stepMs }: { readonly fromMs: number; readonly toMs: number; readonly stepMs: number },
): readonly Series[] {
  const [, names = '', selector = ''] = /^sum by \((.*?)\) \((.*)\)$/.exec(promql) ?? [];
  const scrapesOf = scrapesByInstance(series);
  const sums = new Map<string, { labels: Record<string, string>; samples: Map<number, number> }>();
  for (const { labels, samples } of select(series, selector)) {
    const kept = Object.fromEntries(names.split(', ').map((name) => [name, labels[name] ?? '']));
    const sum = sums.get(JSON.stringify(kept)) ?? { labels: kept, samples: new Map<number, number>() };
    const scrapes = scrapesOf.get(labels['instance']) ?? [];
    for (let atMs = fromMs; atMs <= toMs; atMs += stepMs) {
      const value = valueAt(samples, scrapes, atMs);
      if (value !== undefined) sum.samples.set(atMs, (sum.samples.get(atMs) ?? 0) + value);
    }
    if (sum.samples.size > 0) sums.set(JSON.stringify(kept), sum);
  }
  return [...sums.values()];
}

function valueAt(samples: Series['samples'], scrapes: readonly number[], atMs: number): number | undefined {
  const scrapeMs = scrapes.findLast((oneMs) => oneMs <= atMs);
  return scrapeMs !== undefined && atMs - scrapeMs < lookbackMs ? samples.get(scrapeMs) : undefined;
}

function scrapesByInstance(series: readonly Series[]): ReadonlyMap<string | undefined, readonly number[]> {
  const ups = series.filter(({ labels }) => ['up', 'gone'].includes(labels['__name__'] ?? ''));
  return new Map(
    [...Map.groupBy(ups, ({ labels }) => labels['instance'])].map(([instance, own]) => [
      instance,
      own.flatMap(({ samples }) => [...samples.keys()]).toSorted((left, right) => left - right),
    ]),
  );
}

function select(series: readonly Series[], selector: string): readonly Series[] {
  const [, name, matchers] = form.exec(selector) ?? [];
  const tests = [...(matchers ?? '').matchAll(/(\w+)(=~|!~|=)("(?:[^"\\]|\\.)*")/g)].map(
    ([, label = '', operator, literal]) => {
      const value = JSON.parse(literal ?? '""') as string;
      const pattern = new RegExp(`^(?:${value})$`);
      return (of: Series['labels']): boolean => {
        const text = of[label] ?? '';
        return operator === '=' ? text === value : pattern.test(text) === (operator === '=~');
      };
    },
  );
  return series.filter(({ labels }) => labels['__name__'] === name && tests.every((isMatch) => isMatch(labels)));
}
