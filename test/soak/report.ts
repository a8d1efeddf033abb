/** What is printed of a soak: a line a minute, and a table at the end. */
import type { Reading } from './readings.ts';

/** Sample is a reading with its time since the start. */
export interface Sample {
  readonly atMs: number;
  readonly reading: Reading;
}

/**
 * Quarters are the medians of the first and the last quarter of the time; heapMinMiB are the least: what is left when V8
 * has just collected everything. In between it lets garbage lie as long as there is memory.
 */
export interface Quarters {
  readonly field: keyof Reading | 'heapMinMiB';
  readonly first: number;
  readonly last: number;
  readonly isGrown: boolean;
}

const fields = ['fds', 'sockets', 'rssMiB', 'heapMiB', 'timers', 'handles'] as const;

const maxGrowth = 1.2;
/** What is so little that it says nothing: a few connections more, a page of memory. */
const slack: Readonly<Record<Quarters['field'], number>> = {
  fds: 8,
  sockets: 8,
  rssMiB: 16,
  heapMiB: Number.POSITIVE_INFINITY,
  heapMinMiB: 4,
  timers: 8,
  handles: 10,
};

/** compareQuarters returns undefined where there are too few samples. */
export function compareQuarters(samples: readonly Sample[], totalMs: number): readonly Quarters[] | undefined {
  const firsts = samples.filter(({ atMs }) => atMs < totalMs / 4);
  const lasts = samples.filter(({ atMs }) => atMs >= (totalMs * 3) / 4);
  if (firsts.length < 3 || lasts.length < 3) return undefined;
  const compare = (field: Quarters['field'], of: (part: readonly Sample[]) => number): Quarters => {
    const [first, last] = [of(firsts), of(lasts)];
    return { field, first, last, isGrown: last > first * maxGrowth && last > first + slack[field] };
  };
  return [
    ...fields.map((field) => compare(field, (part) => median(part.map(({ reading }) => reading[field])))),
    compare('heapMinMiB', (part) => Math.min(...part.map(({ reading }) => reading.heapMiB))),
  ];
}

/** median returns the middle one of some numbers. */
export function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** describeQuarters returns lines of a table. */
export function describeQuarters(name: string, quarters: readonly Quarters[] | undefined): readonly string[] {
  if (quarters === undefined) return [`${name}: too few readings`];
  return [
    `${name.padEnd(10)} ${'first quarter'.padStart(14)} ${'last quarter'.padStart(14)}`,
    ...quarters.map(
      ({ field, first, last, isGrown }) =>
        `  ${field.padEnd(10)} ${number(first).padStart(14)} ${number(last).padStart(14)}${isGrown ? '  more' : ''}`,
    ),
  ];
}

/** describeCounts returns `name 3` for each, the most frequent first. */
export function describeCounts(counts: ReadonlyMap<string, number>): readonly string[] {
  return [...counts]
    .toSorted(([, left], [, right]) => right - left)
    .map(([name, count]) => `  ${String(count).padStart(6)}  ${name}`);
}

/** classesOf counts violations of the same kind: names, revisions and numbers are left out. */
export function classesOf(violations: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const violation of violations) {
    const text = violation
      .replace(/^app-\d+ at resourceVersion \d+: /, '')
      .replace(/ \(.*$/s, '')
      .replaceAll(/\br?\d[\d.]*/g, 'N')
      .slice(0, 160);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}

/** describeReading returns a reading in one line. */
export function describeReading({ fds, sockets, rssMiB, heapMiB, timers, handles }: Reading): string {
  return `fds ${fds} (${sockets} sockets) rss ${number(rssMiB)} heap ${number(heapMiB)} MiB timers ${timers} handles ${handles}`;
}

function number(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}
