/** Reads the buckets that the rollouts of a chunk need, with one query for all of them. */
import { lastBlockEnd } from '../analysis/block.ts';
import { readBuckets, type BucketsByService } from './buckets.ts';
import type { ChunkSize, Wanted } from './chunks.ts';
import type { ApiAnswer } from './prometheus-api.ts';
import type { GridReader } from './prometheus-window.ts';
import { durationsQuery, type SelectorConfig } from './selectors.ts';
import { mergeSeries, type Series } from './series.ts';
import type { Turns } from './turns.ts';

/** DurationReaderParts are what reads. */
export interface DurationReaderParts {
  readonly config: SelectorConfig;
  readonly grid: GridReader;
  readonly turns: Turns;
  readonly blockMs: number;
  /** bucketsSize is of one answer with buckets. */
  readonly bucketsSize: ChunkSize;
}

/** readDurations returns the buckets of members that all want bounds. What is too much at once is read in parts. */
export async function readDurations(
  parts: DurationReaderParts,
  members: readonly Wanted[],
  signal: AbortSignal,
): Promise<ApiAnswer<BucketsByService>> {
  const answer = await readSeries(parts, members, signal);
  if (answer.kind === 'Failure') return answer;
  const value = await parts.turns.take(() => readBuckets(mergeSeries(answer.value), parts.config.serviceLabel));
  return { kind: 'Answer', value };
}

type SeriesParts = readonly (readonly Series[])[];

async function readSeries(
  parts: DurationReaderParts,
  members: readonly Wanted[],
  signal: AbortSignal,
): Promise<ApiAnswer<SeriesParts>> {
  const { config, grid, blockMs, bucketsSize } = parts;
  const names = [...new Set(members.flatMap(({ services }) => [...services.keys()]))];
  const points = {
    fromMs: lastBlockEnd(Math.min(...members.map(({ sinceMs }) => sinceMs)), blockMs),
    toMs: Math.max(...members.map(({ untilMs }) => untilMs)),
    stepMs: blockMs,
  };
  const answer = await grid(durationsQuery(config, names, boundsOf(members)), points, signal);
  if (answer.kind === 'Answer') {
    bucketsSize.learn(names.length, answer.value.bytes);
    return { kind: 'Answer', value: [answer.value.series] };
  }
  if (answer.isTooMuch === undefined) return answer;
  bucketsSize.halve(names.length);
  const middle = Math.ceil(members.length / 2);
  if (members.length === 1) return answer;
  const first = await readSeries(parts, members.slice(0, middle), signal);
  if (first.kind === 'Failure') return first;
  const second = await readSeries(parts, members.slice(middle), signal);
  return second.kind === 'Failure' ? second : { kind: 'Answer', value: [...first.value, ...second.value] };
}

/** boundsOf returns the bounds of all members, or undefined where one wants all that there are. */
function boundsOf(members: readonly Wanted[]): readonly number[] | undefined {
  const bounds = new Set<number>();
  for (const one of members) {
    if (one.bounds === 'All') return undefined;
    for (const bound of one.bounds ?? []) bounds.add(bound);
  }
  return [...bounds].sort((left, right) => left - right);
}
