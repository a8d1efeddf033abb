/** Counts one rollout in what was read for many, purely. */
import { lastBlockEnd } from '../analysis/block.ts';
import type { NoDataReason, SampleOutcome, SamplesOutcome } from '../analysis/metric-source.ts';
import { commonBounds, type BucketsByService } from './buckets.ts';
import { wantsDurations, type Wanted } from './chunks.ts';
import { classifyCode } from './code-class.ts';
import { countDeltas } from './deltas.ts';
import { countDurations } from './duration-deltas.ts';
import type { ApiAnswer } from './prometheus-api.ts';
import { groupBy, mergeSeries, type Labels, type Series } from './series.ts';
import {
  addInstances,
  findTargets,
  hasSampleIn,
  instanceOf,
  scrapesIn,
  type Counter,
  type Instances,
  type ScrapedTarget,
  type Span,
  type Target,
} from './targets.ts';

/** Data is what was read for a chunk: counters by service label, and the instances they are of. */
export interface Data {
  readonly serviceLabel: string;
  readonly blockMs: number;
  /** durations are buckets at the ends of the blocks; left out where nobody wants any. */
  readonly durations?: { readonly read: ApiAnswer<BucketsByService>; readonly scrapeIntervalMs: number };
  readonly requests: ReadonlyMap<string, readonly Series[]>;
  readonly instances: Instances;
}

/** A longer gap between two scrapes of an instance is not bridged; it bounds how far back a window must be read. */
export const maxGapMs = 600_000;

/** Late are instances of which the span does not hold the scrape before the window, and those of them of which nothing that was read does. */
export interface Late {
  readonly kind: 'Late';
  readonly instances: readonly string[];
  readonly unread: readonly string[];
}

/** Look is what the span of a rollout shows: nothing, an answer, or instances that need more than the span. */
export type Look = { readonly kind: 'Absent' } | Counted | Late;

/** Counted is an answer, without durations, and the targets that it is of; it may wait for durations, so it does not hold the counters. */
export interface Counted {
  readonly kind: 'Counted';
  readonly outcome: SampleOutcome;
  readonly targets: readonly ScrapedTarget[];
}

/** lookAt counts a rollout if its span holds all that this needs. */
export function lookAt(wanted: Wanted, data: Data): Look {
  const requests = requestsOf(wanted, data);
  if (requests.length === 0) return { kind: 'Absent' };
  const targets = targetsOf(wanted, data, { requests, spanOf: () => wanted.span });
  if ('kind' in targets) return { kind: 'Counted', outcome: targets, targets: [] };
  if (targets.every((target) => target.scrapes.length === 0)) {
    const message = 'No scrape of a Traefik instance that served these services has succeeded.';
    return { kind: 'Counted', outcome: noData('TargetDown', message), targets: [] };
  }
  const late = targets.filter((target) => isLate(target, wanted));
  if (late.length === 0) return counted(count(wanted, data, { targets, requests }), targets);
  const unread = late.filter(({ labels }) => !isRead(labels, wanted, data));
  return { kind: 'Late', instances: late.map(nameOf), unread: unread.map(nameOf) };
}

/** recount counts a rollout with all that was read of its late instances. */
export function recount(wanted: Wanted, data: Data, { instances }: Late): Counted {
  const longer = { fromMs: wanted.sinceMs - maxGapMs, toMs: wanted.span.toMs };
  const spanOf = (instance: string): Span => (instances.includes(instance) ? longer : wanted.span);
  const requests = [...wanted.services.keys()].flatMap((name) => data.requests.get(name) ?? []);
  const targets = targetsOf(wanted, data, { requests, spanOf });
  if ('kind' in targets) return { kind: 'Counted', outcome: targets, targets: [] };
  return counted(count(wanted, data, { targets, requests: requestsOf(wanted, data) }), targets);
}

function counted(outcome: SampleOutcome, targets: readonly Target[]): Counted {
  const scraped = targets.map(({ labels, scrapes, misses, startedSeconds }): ScrapedTarget => {
    return { labels, scrapes, misses, startedSeconds };
  });
  return { kind: 'Counted', outcome, targets: scraped };
}

/** countLate is recount for a source that has everything at once, durations too. */
export function countLate(wanted: Wanted, data: Data, late: Late): SampleOutcome {
  return addDurations(recount(wanted, data, late), wanted, data);
}

/**
 * lastScrapeBefore returns when an instance was last scraped successfully, at `atMs` or up to maxGapMs before it. Where
 * it has several `up` series, because its labels have changed, that is the earliest of their last scrapes.
 */
export function lastScrapeBefore({ up }: Instances, instance: string, atMs: number): number | undefined {
  const span = { fromMs: atMs - maxGapMs, toMs: atMs };
  const last = (up.get(instance) ?? []).flatMap((series) => scrapesIn(series, span).at(-1) ?? []);
  return last.length === 0 ? undefined : Math.min(...last);
}

/** noData returns a window about which nothing is known. */
export function noData(reason: NoDataReason, message: string): SampleOutcome {
  return { kind: 'NoData', reason, message };
}

/** An instance whose first scrape in the window has no predecessor in the span: a scrape was missed, or the pod is new. */
function isLate({ scrapes }: Target, { sinceMs }: Wanted): boolean {
  const [first] = scrapes;
  return first !== undefined && first > sinceMs;
}

/** Others of the chunk may have needed the time before the span. */
function isRead(labels: Labels, { sinceMs }: Wanted, { instances }: Data): boolean {
  const up = instances.up.get(instanceOf(labels))?.find((series) => series.labels === labels);
  return up !== undefined && scrapesIn(up, { fromMs: sinceMs - maxGapMs, toMs: sinceMs }).length > 0;
}

function nameOf({ labels }: Target): string {
  return instanceOf(labels);
}

function requestsOf({ services, span }: Wanted, { requests }: Data): readonly Series[] {
  const found: Series[] = [];
  for (const name of services.keys()) {
    for (const series of requests.get(name) ?? []) if (hasSampleIn(series, span)) found.push(series);
  }
  return found;
}

function targetsOf(
  { services }: Wanted,
  { serviceLabel, instances }: Data,
  { requests, spanOf }: { readonly requests: readonly Series[]; readonly spanOf: (instance: string) => Span },
): readonly Target[] | SampleOutcome {
  const toCounter = ({ labels, samples }: Series): Counter => ({
    arm: services.get(labels[serviceLabel] ?? '') ?? 'stable',
    quality: classifyCode(labels['protocol'], labels['code']),
    samples,
  });
  const found = findTargets({ requests, instances }, toCounter, spanOf);
  return found.kind === 'Targets' ? found.targets : noData('SourceRefused', found.message);
}

function seenIn({ services }: Wanted, { serviceLabel }: Data, requests: readonly Series[]): SamplesOutcome['seen'] {
  const arms = new Set(requests.map(({ labels }) => services.get(labels[serviceLabel] ?? '')));
  return { stable: arms.has('stable'), canary: arms.has('canary') };
}

function count(
  wanted: Wanted,
  data: Data,
  { targets, requests }: { readonly targets: readonly Target[]; readonly requests: readonly Series[] },
): SamplesOutcome {
  const { sinceMs, untilMs } = wanted;
  const tally = countDeltas(targets, { sinceMs, untilMs, maxGapMs, blockMs: data.blockMs });
  return { kind: 'Samples', ...tally, untilMs, seen: seenIn(wanted, data, requests) };
}

/** addDurations adds to what was counted how long it took, where that was asked for. What is not known of durations spoils nothing of the counts. */
export function addDurations(
  { outcome, targets }: Pick<Counted, 'outcome' | 'targets'>,
  query: Wanted,
  { durations, blockMs }: Pick<Data, 'durations' | 'blockMs'>,
): SampleOutcome {
  if (durations === undefined || outcome.kind === 'NoData' || !wantsDurations(query, blockMs)) return outcome;
  const { services, sinceMs, untilMs, bounds: wanted = [] } = query;
  const { read, scrapeIntervalMs } = durations;
  if (read.kind === 'Failure') return { ...outcome, missingDurations: { reason: read.reason, message: read.message } };
  const span = { fromMs: lastBlockEnd(sinceMs, blockMs), toMs: untilMs };
  const bounds = wanted === 'All' ? commonBounds(read.value, services.keys(), span) : wanted;
  const window = { services, sinceMs, untilMs, blockMs, scrapeIntervalMs, bounds };
  const counted = countDurations(targets, read.value, window);
  const blocks = outcome.blocks.map((block) => {
    const durations = counted.get(block.endMs);
    return durations === undefined ? block : { ...block, durations };
  });
  return { ...outcome, blocks, bounds };
}

/** joinBefore adds what was read of the instances `names` before the span. */
export function joinBefore(data: Data, requests: readonly Series[], before: Instances, names: readonly string[]): Data {
  const isJoined = new Set(names);
  const byService = new Map(data.requests);
  for (const [service, earlier] of groupBy(requests, (labels) => labels[data.serviceLabel] ?? '')) {
    const present = byService.get(service) ?? [];
    const others = present.filter(({ labels }) => !isJoined.has(instanceOf(labels)));
    const same = present.filter(({ labels }) => isJoined.has(instanceOf(labels)));
    byService.set(service, [...others, ...mergeSeries([earlier, same])]);
  }
  const instances = { up: new Map(data.instances.up), started: new Map(data.instances.started) };
  for (const name of names) {
    addInstances(
      instances,
      mergeSeries([before.up.get(name) ?? [], data.instances.up.get(name) ?? []]),
      mergeSeries([before.started.get(name) ?? [], data.instances.started.get(name) ?? []]),
    );
  }
  return { ...data, requests: byService, instances };
}
