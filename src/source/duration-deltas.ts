/**
 * Durations out of buckets, purely. A bucket is known only as it stood at the ends of blocks, so an instance adds to a
 * block where it was up at the last scrape before either end. Where it was not, Prometheus shows nothing (it marks the
 * series of a failed scrape as stale) or what it saw up to five minutes before, and `up` tells which.
 */
import { blockEndOf, type Block } from '../analysis/block.ts';
import type { Durations } from '../analysis/durations.ts';
import type { Buckets, BucketsByService } from './buckets.ts';
import { compareProcess, type ProcessChange } from './process-change.ts';
import { instanceOf, type Arm, type ScrapedTarget } from './targets.ts';

/** DurationWindow is the whole blocks in (sinceMs, untilMs], for some services and bounds (finite, ascending, in seconds). */
export interface DurationWindow {
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly blockMs: number;
  /** scrapeIntervalMs: after so long without a scrape, what Prometheus does not show may still be there. */
  readonly scrapeIntervalMs: number;
  readonly services: ReadonlyMap<string, Arm>;
  readonly bounds: readonly number[];
}

/** ArmDurations is what `durations` of a Block holds. */
export type ArmDurations = NonNullable<Block['durations']>;

/** countDurations returns by end of block how long the requests of both arms took; a block in which no instance could be compared is left out. */
export function countDurations(
  targets: readonly ScrapedTarget[],
  all: BucketsByService,
  window: DurationWindow,
): ReadonlyMap<number, ArmDurations> {
  const { sinceMs, untilMs, blockMs } = window;
  const counted = new Map<number, ArmDurations>();
  const instances = [...Map.groupBy(targets, ({ labels }) => instanceOf(labels))];
  // A block that the window cuts off at its start has a part that must not count.
  for (let fromMs = blockEndOf(sinceMs, blockMs); fromMs + blockMs <= untilMs; fromMs += blockMs) {
    const added = instances.flatMap(([name, same]) => compareInstance({ name, same }, all, window, fromMs) ?? []);
    if (added.length > 0) counted.set(fromMs + blockMs, sumArms(added, window.bounds.length));
  }
  return counted;
}

/** Increase is what the buckets of a service on one instance grew by: one number for each bound, and one for all requests. */
interface Increase {
  readonly arm: Arm;
  readonly values: readonly number[];
}

/** One bucket that cannot be trusted discards the instance for both arms: the block must not say more of one than of the other. */
function compareInstance(
  { name, same }: { readonly name: string; readonly same: readonly ScrapedTarget[] },
  all: BucketsByService,
  window: DurationWindow,
  fromMs: number,
): readonly Increase[] | undefined {
  const ends = findEnds(same, window, fromMs);
  if (ends === undefined) return undefined;
  const each = [...window.services].map(([service, arm]) => ({
    arm,
    buckets: all.get(service)?.get(name) ?? noBuckets,
  }));
  const readAll = (end: End): Reading =>
    readAt(
      each.map(({ buckets }) => buckets),
      end,
      window,
    );
  const [before, after] = [readAll(ends.from), readAll(ends.to)];
  // As with counters: a scrape that saw none of them says nothing about the services.
  if (before === undefined || after === undefined || after.every(isAbsent)) return undefined;
  const increases = each.map(({ arm }, index) => ({
    arm,
    values: subtract(before[index], after[index], ends.process),
  }));
  return increases.every(isKnown) ? increases : undefined;
}

/** End is an end of a block, and the last scrape of an instance before it. */
interface End {
  readonly atMs: number;
  readonly scrapedMs: number;
}

function findEnds(
  same: readonly ScrapedTarget[],
  window: DurationWindow,
  fromMs: number,
): { readonly from: End; readonly to: End; readonly process: ProcessChange } | undefined {
  const toMs = fromMs + window.blockMs;
  const before = lastScrape(same, fromMs, window);
  const after = lastScrape(same, toMs, window);
  if (before === undefined || after === undefined || after <= fromMs) return undefined;
  const started = new Map(same.flatMap(({ startedSeconds }) => [...startedSeconds]));
  const process = compareProcess(started, before, after);
  if (process === 'Other') return undefined;
  return { from: { atMs: fromMs, scrapedMs: before }, to: { atMs: toMs, scrapedMs: after }, process };
}

const noBuckets: Buckets = new Map();

/**
 * lastScrape returns the last scrape of an instance up to `atMs`, or undefined where there is none or it failed. Two
 * scrapes back is as far as every window that holds the block can look.
 */
function lastScrape(
  same: readonly ScrapedTarget[],
  atMs: number,
  { scrapeIntervalMs }: DurationWindow,
): number | undefined {
  const lastOf = (times: (target: ScrapedTarget) => readonly number[]): number =>
    Math.max(...same.map((target) => times(target).findLast((oneMs) => oneMs <= atMs) ?? Number.NEGATIVE_INFINITY));
  const scrapedMs = lastOf(({ scrapes }) => scrapes);
  const isUp = scrapedMs > lastOf(({ misses }) => misses) && atMs - scrapedMs <= 2 * scrapeIntervalMs;
  return isUp ? scrapedMs : undefined;
}

/** Reading is what the buckets of each service stood at, with the number of all requests at the end; empty where there were none. */
type Reading = readonly (readonly number[])[] | undefined;

/**
 * readAt returns undefined where it is not known what the buckets stood at. Those of a service that are not shown were
 * not there, as no request had been counted or Traefik had removed the service: if those of the other one are shown, or
 * shortly after a scrape. Later the whole target may be stale. Some bounds without the others are an instance with other
 * bounds.
 */
function readAt(
  each: readonly Buckets[],
  { atMs, scrapedMs }: End,
  { bounds, scrapeIntervalMs }: DurationWindow,
): Reading {
  const wanted = [...bounds, Number.POSITIVE_INFINITY];
  const reading = each.map((buckets) => wanted.flatMap((bound) => buckets.get(bound)?.get(atMs) ?? []));
  const isWhole = (values: readonly number[]): boolean =>
    values.length === wanted.length && values.every(Number.isFinite);
  if (!reading.every((values) => isAbsent(values) || isWhole(values))) return undefined;
  return reading.every(isAbsent) && atMs - scrapedMs > scrapeIntervalMs ? undefined : reading;
}

function isAbsent(values: readonly number[]): boolean {
  return values.length === 0;
}

/** subtract returns undefined where a bucket fell within one process. */
function subtract(
  before: readonly number[] = [],
  after: readonly number[] = [],
  process: ProcessChange,
): readonly number[] | undefined {
  if (process === 'New') return after;
  const values = after.map((value, index) => value - (before[index] ?? 0));
  if (values.every((value) => value >= 0)) return values;
  return process === 'MaybeNew' ? after : undefined;
}

function isKnown(increase: {
  readonly arm: Arm;
  readonly values: readonly number[] | undefined;
}): increase is Increase {
  return increase.values !== undefined;
}

function sumArms(added: readonly Increase[], bounds: number): ArmDurations {
  const sumOf = (arm: Arm): Durations => {
    const sums = Array.from({ length: bounds + 1 }, () => 0);
    for (const { values } of added.filter((one) => one.arm === arm)) {
      for (const [index, value] of values.entries()) sums[index] = (sums[index] ?? 0) + value;
    }
    return toDurations(sums);
  };
  return { stable: sumOf('stable'), canary: sumOf('canary') };
}

/** Traefik adds to the buckets of a histogram one after another, so a scrape may see one of them without the next. */
function toDurations(sums: readonly number[]): Durations {
  const total = sums.at(-1) ?? 0;
  let most = 0;
  const within = sums.slice(0, -1).map((value) => {
    most = Math.min(total, Math.max(most, value));
    return most;
  });
  return { total, within };
}
