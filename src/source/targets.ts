/** Which counters belong to which scraped instance, and when that instance was scraped. */
import type { Quality } from './code-class.ts';
import { groupBy, type Labels, type Series } from './series.ts';

/** Arm is a side of the comparison. */
export type Arm = 'stable' | 'canary';

/** Counter is one series of requests: whose they are and what they say. */
export interface Counter {
  readonly arm: Arm;
  readonly quality: Quality;
  readonly samples: ReadonlyMap<number, number>;
}

/** Target is one scraped instance with everything that is known of it in a window; timestamps are milliseconds since the epoch. */
export interface Target {
  readonly labels: Labels;
  /** scrapes are the timestamps of its successful scrapes, ascending. */
  readonly scrapes: readonly number[];
  /** misses are the timestamps of scrapes that failed, ascending. */
  readonly misses: readonly number[];
  /** startedSeconds is `process_start_time_seconds` by scrape; empty where the instance does not export it. */
  readonly startedSeconds: ReadonlyMap<number, number>;
  readonly counters: readonly Counter[];
  /** strays are timestamps of counter samples that lie on none of the scrapes: the source mixes two scrapers. */
  readonly strays: readonly number[];
}

/** ScrapedTarget is what of a target is needed when its counters have been counted. */
export type ScrapedTarget = Omit<Target, 'counters' | 'strays'>;

/** Span is a stretch of time, both ends included, in milliseconds since the epoch. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Instances are the series that every target has, by their label `instance` (empty where it is missing). */
export interface Instances {
  readonly up: ReadonlyMap<string, readonly Series[]>;
  /** started are the series of `process_start_time_seconds`. */
  readonly started: ReadonlyMap<string, readonly Series[]>;
}

/** RawWindow is what was read for some services. */
export interface RawWindow {
  readonly requests: readonly Series[];
  readonly instances: Instances;
}

/** TargetsOutcome is the targets of a window, or why its series cannot be told apart. */
export type TargetsOutcome =
  | { readonly kind: 'Targets'; readonly targets: readonly Target[] }
  | { readonly kind: 'Refused'; readonly message: string };

/** Labels of the request metric itself; a target label of the same name is renamed or overwritten by Prometheus. */
const metricLabels: ReadonlySet<string> = new Set([
  '__name__',
  'code',
  'method',
  'protocol',
  'service',
  'exported_service',
]);

/** instanceOf returns the label `instance`, empty where it is missing. */
export function instanceOf(labels: Labels): string {
  return labels['instance'] ?? '';
}

/** addInstances puts the series of further instances into `into`. */
export function addInstances(
  into: { readonly up: Map<string, readonly Series[]>; readonly started: Map<string, readonly Series[]> },
  up: readonly Series[],
  started: readonly Series[],
): void {
  for (const [name, series] of groupBy(up, instanceOf)) into.up.set(name, series);
  for (const [name, series] of groupBy(started, instanceOf)) into.started.set(name, series);
}

/** hasSampleIn tells whether a series has a sample in a span. */
export function hasSampleIn({ samples }: Series, { fromMs, toMs }: Span): boolean {
  for (const atMs of samples.keys()) if (atMs >= fromMs && atMs <= toMs) return true;
  return false;
}

/**
 * findTargets joins counters with the `up` series of their target. A counter without `up`, and an instance that is
 * scraped twice at the same time (each request would count double), are refused. More may have been read than is
 * looked at: `spanOf` tells the part of an instance's samples that counts, and a series without a sample there is none.
 */
export function findTargets(
  { requests, instances }: RawWindow,
  toCounter: (series: Series) => Counter,
  spanOf: (instance: string) => Span,
): TargetsOutcome {
  const countersByUp = new Map<Series, Counter[]>();
  for (const series of requests) {
    const span = spanOf(instanceOf(series.labels));
    if (!hasSampleIn(series, span)) continue;
    const up = matchTarget(series, instances.up, span);
    if (up === undefined) return { kind: 'Refused', message: withoutUp(series) };
    const counters = countersByUp.get(up);
    if (counters === undefined) countersByUp.set(up, [toCounter(series)]);
    else counters.push(toCounter(series));
  }
  const targets = [...countersByUp].map(([up, counters]) => {
    const name = instanceOf(up.labels);
    const span = spanOf(name);
    const started = instances.started
      .get(name)
      ?.find((series) => hasSampleIn(series, span) && matchTarget(series, instances.up, span) === up);
    return makeTarget(up, { counters, startedSeconds: started?.samples ?? new Map() }, span);
  });
  const twice = findScrapedTwice(targets);
  return twice === undefined ? { kind: 'Targets', targets } : { kind: 'Refused', message: twice };
}

/** scrapesIn returns the timestamps of the scrapes that `up` tells of in a span, of those that were successful or of the others, ascending. */
export function scrapesIn(up: Series, { fromMs, toMs }: Span, areUp = true): number[] {
  const scrapes: number[] = [];
  for (const [atMs, value] of up.samples) {
    if ((value === 1) === areUp && atMs >= fromMs && atMs <= toMs) scrapes.push(atMs);
  }
  return scrapes.sort((left, right) => left - right);
}

function makeTarget(
  up: Series,
  { counters, startedSeconds }: Pick<Target, 'counters' | 'startedSeconds'>,
  span: Span,
): Target {
  const scrapes = scrapesIn(up, span);
  const isScrape = new Set(scrapes);
  const strays: number[] = [];
  for (const { samples } of counters) {
    for (const atMs of samples.keys())
      if (!isScrape.has(atMs) && atMs >= span.fromMs && atMs <= span.toMs) strays.push(atMs);
  }
  return { labels: up.labels, scrapes, misses: scrapesIn(up, span, false), startedSeconds, counters, strays };
}

/**
 * The `up` of a series has the same instance and contradicts none of its labels; of several, the one that shares most.
 * Equality of all labels would be too strict: metric_relabel_configs may drop labels of the series, never those of `up`.
 */
function matchTarget(series: Series, ups: Instances['up'], span: Span): Series | undefined {
  let best: Series | undefined;
  let bestScore = 0;
  for (const up of ups.get(instanceOf(series.labels)) ?? []) {
    const score = hasSampleIn(up, span) ? sharedLabels(series.labels, up.labels) : 0;
    if (score > bestScore) [best, bestScore] = [up, score];
  }
  return best;
}

function sharedLabels(series: Labels, up: Labels): number {
  if (series['instance'] === undefined || series['instance'] !== up['instance']) return 0;
  let shared = 0;
  for (const name in up) {
    if (metricLabels.has(name) || series[name] === undefined) continue;
    if (series[name] !== up[name]) return 0;
    shared += 1;
  }
  return shared;
}

function findScrapedTwice(targets: readonly Target[]): string | undefined {
  for (const [index, target] of targets.entries()) {
    const other = targets.slice(index + 1).find((other) => isSameInstance(target, other) && overlap(target, other));
    if (other === undefined) continue;
    const labels = Object.keys(target.labels).filter((name) => target.labels[name] !== other.labels[name]);
    return (
      `Instance ${target.labels['instance']} is scraped twice (its series differ in ${labels.join(', ')}), ` +
      'so each request would count double. Set the extra matchers of the Prometheus source so that one is left.'
    );
  }
  return undefined;
}

function isSameInstance(left: Target, right: Target): boolean {
  return left.labels['instance'] === right.labels['instance'];
}

function overlap(left: Target, right: Target): boolean {
  return firstOf(left) <= lastOf(right) && firstOf(right) <= lastOf(left);
}

function firstOf(target: Target): number {
  return target.scrapes[0] ?? Number.POSITIVE_INFINITY;
}

function lastOf(target: Target): number {
  return target.scrapes.at(-1) ?? Number.NEGATIVE_INFINITY;
}

function withoutUp(series: Series): string {
  return (
    `Prometheus has ${series.labels['__name__'] ?? 'counters'} of instance ${series.labels['instance'] ?? '(none)'} ` +
    'but no `up` series for it, so a missing sample cannot be told from a missed scrape. Query the Prometheus that scrapes Traefik.'
  );
}
