/**
 * Requests out of counters, purely. Prometheus' own increase() loses the first error of a series and invents fractions;
 * here every scrape of an instance is compared with the successful scrape of the same instance before it.
 *
 * The whole difference belongs to the timestamp of the later scrape and depends on nothing but these two scrapes, so
 * windows (a, b] and (b, c] together count exactly what (a, c] counts, as long as each was read from maxGapMs before
 * its start.
 */
import { blockEndOf, type Block } from '../analysis/block.ts';
import { compareProcess, type ProcessChange } from './process-change.ts';
import type { Arm, Target } from './targets.ts';

/** DeltaWindow is (sinceMs, untilMs] in blocks of blockMs; two scrapes further apart than maxGapMs are not compared. */
export interface DeltaWindow {
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly maxGapMs: number;
  readonly blockMs: number;
}

/** Tally is what a window adds. */
export interface Tally {
  /** blocks are those in which a difference ends that could be trusted, ascending. */
  readonly blocks: readonly Block[];
  /** discarded counts the scrapes of single instances that could not be trusted. */
  readonly discarded: number;
}

/** countDeltas sums the requests of all targets in a window, block by block. */
export function countDeltas(targets: readonly Target[], window: DeltaWindow): Tally {
  const sums = new Map<number, Sums>();
  let discarded = 0;
  for (const target of targets) {
    for (const [fromMs, toMs] of scrapePairs(target, window)) {
      const deltas = compare(target, fromMs, toMs);
      if (deltas === 'Untrusted') discarded += 1;
      else if (deltas !== 'Absent') addDeltas(sumsOf(sums, blockEndOf(toMs, window.blockMs)), target, deltas);
    }
  }
  const blocks = [...sums].map(([endMs, arms]): Block => ({ endMs, arms }));
  return { blocks: blocks.sort((left, right) => left.endMs - right.endMs), discarded };
}

/** Sums are Arms that are being added up; a thousand rollouts make a hundred thousand additions at a tick. */
type Sums = Readonly<Record<Arm, { requests: number; errors: number }>>;

function sumsOf(blocks: Map<number, Sums>, endMs: number): Sums {
  const known = blocks.get(endMs);
  if (known !== undefined) return known;
  const sums: Sums = { stable: { requests: 0, errors: 0 }, canary: { requests: 0, errors: 0 } };
  blocks.set(endMs, sums);
  return sums;
}

function scrapePairs({ scrapes }: Target, window: DeltaWindow): readonly (readonly [number, number])[] {
  const pairs: [number, number][] = [];
  for (const [index, toMs] of scrapes.entries()) {
    const fromMs = scrapes[index - 1] ?? Number.NEGATIVE_INFINITY;
    if (toMs > window.sinceMs && toMs <= window.untilMs && toMs - fromMs <= window.maxGapMs) pairs.push([fromMs, toMs]);
  }
  return pairs;
}

/**
 * compare returns what each counter of one instance added from one scrape to the next. One untrusted counter discards
 * the whole difference of its instance: dropping only the successes that went backwards would leave the failures beside
 * them, and turn a glitch into an error ratio of 100 %. A scrape that saw no counter says nothing about the services;
 * were it to depend on the scrape before whether it counts, it would depend on where the window starts.
 */
function compare(target: Target, fromMs: number, toMs: number): readonly number[] | 'Untrusted' | 'Absent' {
  if (!target.counters.some(({ samples }) => samples.has(toMs))) return 'Absent';
  const process = compareProcess(target.startedSeconds, fromMs, toMs);
  if (process === 'Other' || target.strays.some((atMs) => atMs > fromMs && atMs < toMs)) return 'Untrusted';
  const deltas: number[] = [];
  for (const { samples } of target.counters) {
    const delta = deltaOf(samples.get(fromMs), samples.get(toMs), process);
    if (delta === undefined) return 'Untrusted';
    deltas.push(delta);
  }
  return deltas;
}

function addDeltas(sums: Sums, { counters }: Target, deltas: readonly number[]): void {
  for (const [index, { arm, quality }] of counters.entries()) {
    const delta = deltas[index] ?? 0;
    if (quality !== 'Neither') sums[arm].requests += delta;
    if (quality === 'Bad') sums[arm].errors += delta;
  }
}

/**
 * A counter that was absent at a successful scrape was 0 there: a first error counts, and so does a series that Traefik
 * removed with its service and brought back. A value that fell is a new process, or else not to be trusted.
 */
function deltaOf(from: number | undefined, to: number | undefined, process: ProcessChange): number | undefined {
  if (to === undefined) return 0;
  if (!Number.isFinite(to) || !Number.isFinite(from ?? 0)) return undefined;
  if (process === 'New') return to;
  const delta = to - (from ?? 0);
  if (delta >= 0) return delta;
  return process === 'MaybeNew' ? to : undefined;
}
