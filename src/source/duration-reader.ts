/** Reads the buckets that the rollouts of a chunk need, with one query for all of them. */
import { blockEndOf, lastBlockEnd } from '../analysis/block.ts';
import { readBuckets, type BucketsByService } from './buckets.ts';
import type { Wanted } from './chunks.ts';
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
}

/** readDurations returns the buckets of all members that want bounds; undefined where none does. What is too much at once is read in halves. */
export async function readDurations(
  parts: DurationReaderParts,
  members: readonly Wanted[],
  signal: AbortSignal,
): Promise<ApiAnswer<BucketsByService> | undefined> {
  const wanting = members.filter(
    ({ bounds, sinceMs, untilMs }) => bounds !== undefined && blockEndOf(sinceMs, parts.blockMs) < untilMs,
  );
  if (wanting.length === 0) return undefined;
  const answer = await readSeries(parts, wanting, signal);
  if (answer.kind === 'Failure') return answer;
  const value = await parts.turns.take(() => readBuckets(mergeSeries(answer.value), parts.config.serviceLabel));
  return { kind: 'Answer', value };
}

async function readSeries(
  parts: DurationReaderParts,
  members: readonly Wanted[],
  signal: AbortSignal,
): Promise<ApiAnswer<readonly (readonly Series[])[]>> {
  const { config, grid, blockMs } = parts;
  const names = [...new Set(members.flatMap(({ services }) => [...services.keys()]))];
  const points = {
    fromMs: lastBlockEnd(Math.min(...members.map(({ sinceMs }) => sinceMs)), blockMs),
    toMs: Math.max(...members.map(({ untilMs }) => untilMs)),
    stepMs: blockMs,
  };
  const answer = await grid(durationsQuery(config, names, boundsOf(members)), points, signal);
  if (answer.kind === 'Answer') return { kind: 'Answer', value: [answer.value.series] };
  if (answer.isTooMuch === undefined || members.length === 1) return answer;
  const middle = Math.ceil(members.length / 2);
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
