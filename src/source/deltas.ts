/**
 * Requests out of counters, purely. Prometheus' own increase() loses the first error of a series and invents fractions;
 * here every scrape of an instance is compared with the successful scrape of the same instance before it.
 *
 * The whole difference belongs to the timestamp of the later scrape and depends on nothing but these two scrapes, so
 * windows (a, b] and (b, c] together count exactly what (a, c] counts, as long as each was read from maxGapMs before
 * its start.
 */
import type { Arms } from '../analysis/sample.ts';
import type { Arm, Target } from './targets.ts';

/** DeltaWindow is (sinceMs, untilMs]; two scrapes further apart than maxGapMs are not compared. */
export interface DeltaWindow {
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly maxGapMs: number;
}

/** Tally is what a window adds. */
export interface Tally {
  readonly arms: Arms;
  /** discarded counts the scrapes of single instances that could not be trusted. */
  readonly discarded: number;
}

/** countDeltas sums the requests of all targets in a window. */
export function countDeltas(targets: readonly Target[], window: DeltaWindow): Tally {
  const sums: Sums = { stable: { requests: 0, errors: 0 }, canary: { requests: 0, errors: 0 } };
  let discarded = 0;
  for (const target of targets) {
    for (const [fromMs, toMs] of scrapePairs(target, window)) {
      if (!addBlock(sums, target, fromMs, toMs)) discarded += 1;
    }
  }
  return { arms: sums, discarded };
}

/** Sums are Arms that are being added up; a thousand rollouts make a hundred thousand additions at a tick. */
type Sums = Readonly<Record<Arm, { requests: number; errors: number }>>;

function scrapePairs({ scrapes }: Target, window: DeltaWindow): readonly (readonly [number, number])[] {
  const pairs: [number, number][] = [];
  for (const [index, toMs] of scrapes.entries()) {
    const fromMs = scrapes[index - 1] ?? Number.NEGATIVE_INFINITY;
    if (toMs > window.sinceMs && toMs <= window.untilMs && toMs - fromMs <= window.maxGapMs) pairs.push([fromMs, toMs]);
  }
  return pairs;
}

/**
 * addBlock adds what one instance counted from one scrape to the next, and returns whether it could be trusted. One
 * untrusted counter discards the whole block of its instance: dropping only the successes that went backwards would
 * leave the failures beside them, and turn a glitch into an error ratio of 100 %.
 */
function addBlock(sums: Sums, target: Target, fromMs: number, toMs: number): boolean {
  const process = compareProcess(target, fromMs, toMs);
  if (process === 'Other' || target.strays.some((atMs) => atMs > fromMs && atMs < toMs)) return false;
  const deltas: number[] = [];
  for (const { samples } of target.counters) {
    const delta = deltaOf(samples.get(fromMs), samples.get(toMs), process);
    if (delta === undefined) return false;
    deltas.push(delta);
  }
  for (const [index, { arm, quality }] of target.counters.entries()) {
    const delta = deltas[index] ?? 0;
    if (quality !== 'Neither') sums[arm].requests += delta;
    if (quality === 'Bad') sums[arm].errors += delta;
  }
  return true;
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

type ProcessChange = 'Same' | 'MaybeNew' | 'New' | 'Other';

/** The start time of one process moves by up to a tick when the kernel adjusts its boot time (/proc/stat btime). */
const startJitterSeconds = 2;

/** How far the clocks of Traefik's and Prometheus' hosts may disagree. */
const clockSkewSeconds = 10;

/**
 * A new process has started since the scrape before. One that was older than that scrape is another replica behind the
 * same address, whose counters have nothing to do with the ones before.
 */
function compareProcess(target: Target, fromMs: number, toMs: number): ProcessChange {
  const from = target.startedSeconds.get(fromMs);
  const to = target.startedSeconds.get(toMs);
  if (from === undefined || to === undefined || from === to) return 'Same';
  if (Math.abs(to - from) <= startJitterSeconds) return to > from ? 'MaybeNew' : 'Same';
  return to > from && to > fromMs / 1000 - clockSkewSeconds ? 'New' : 'Other';
}
