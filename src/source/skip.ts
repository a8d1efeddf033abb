/** Finds out how far back a source knows anything at all: a long absence may be longer than its retention. */
import { blockEndOf, lastBlockEnd } from '../analysis/block.ts';
import type { SampleOutcome } from '../analysis/metric-source.ts';
import type { Wanted } from './chunks.ts';
import type { ApiAnswer } from './prometheus-api.ts';
import type { GridReader } from './prometheus-window.ts';
import { aliveQuery, type SelectorConfig } from './selectors.ts';

/** SkipParts are what asks. */
export interface SkipParts {
  readonly config: SelectorConfig;
  readonly grid: GridReader;
  readonly blockMs: number;
}

const hourMs = 3_600_000;

/** readAliveHours returns the ends of the hours since the earliest of these windows in which a Traefik was scraped, ascending. */
export async function readAliveHours(
  { config, grid }: SkipParts,
  members: readonly Wanted[],
  signal: AbortSignal,
): Promise<ApiAnswer<readonly number[]>> {
  const points = {
    fromMs: blockEndOf(Math.min(...members.map(({ sinceMs }) => sinceMs)), hourMs),
    toMs: blockEndOf(Math.max(...members.map(({ askedUntilMs }) => askedUntilMs)), hourMs),
    stepMs: hourMs,
  };
  const answer = await grid(aliveQuery(config, hourMs), points, signal);
  if (answer.kind === 'Failure') return answer;
  const alive = answer.value.series.flatMap(({ samples }) => [...samples].filter(([, count]) => count > 0));
  return { kind: 'Answer', value: alive.map(([atMs]) => atMs).sort((left, right) => left - right) };
}

/**
 * skipUnknown answers a window of a replay in which there is no series: it goes to its end, or on to the first hour in
 * which a Traefik was scraped, where that is later.
 */
export function skipUnknown(wanted: Wanted, aliveHours: readonly number[], blockMs: number): SampleOutcome {
  const { sinceMs, untilMs, askedUntilMs } = wanted;
  const empty = { kind: 'Samples', blocks: [], seen: { stable: false, canary: false }, discarded: 0 } as const;
  const aliveMs = aliveHours.find((atMs) => atMs > sinceMs) ?? Number.POSITIVE_INFINITY;
  const knownMs = lastBlockEnd(Math.min(aliveMs - hourMs, askedUntilMs), blockMs);
  if (knownMs <= sinceMs) return { ...empty, untilMs };
  return { ...empty, untilMs: Math.max(untilMs, knownMs), skipped: { fromMs: sinceMs, toMs: knownMs } };
}
