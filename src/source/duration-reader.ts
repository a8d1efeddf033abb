/** Reads the buckets that the rollouts of a chunk need, with one query for all of them. */
import { lastBlockEnd } from '../analysis/block.ts';
import { readBuckets, type BucketsByService } from './buckets.ts';
import { cutChunks, wantsDurations, type ChunkSize, type Wanted } from './chunks.ts';
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

/** readDurations returns the buckets of all members that want bounds; undefined where none does. What is too much at once is read in parts. */
export async function readDurations(
  parts: DurationReaderParts,
  members: readonly Wanted[],
  signal: AbortSignal,
): Promise<ApiAnswer<BucketsByService> | undefined> {
  const wanting = members.filter((member) => wantsDurations(member, parts.blockMs));
  if (wanting.length === 0) return undefined;
  const answer = await readParts(parts, cutChunks(wanting, parts.bucketsSize.maxNames), signal);
  if (answer.kind === 'Failure') return answer;
  const value = await parts.turns.take(() => readBuckets(mergeSeries(answer.value), parts.config.serviceLabel));
  return { kind: 'Answer', value };
}

type SeriesParts = readonly (readonly Series[])[];

async function readParts(
  parts: DurationReaderParts,
  chunks: readonly (readonly Wanted[])[],
  signal: AbortSignal,
): Promise<ApiAnswer<SeriesParts>> {
  const read: SeriesParts[] = [];
  for (const chunk of chunks) {
    const answer = await readSeries(parts, chunk, signal);
    if (answer.kind === 'Failure') return answer;
    read.push(answer.value);
  }
  return { kind: 'Answer', value: read.flat() };
}

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
  return members.length === 1 ? answer : readParts(parts, [members.slice(0, middle), members.slice(middle)], signal);
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
