/** Counts durations out of scrapes as the source does: what it reads of a window, evaluated as Prometheus does. */
import { lastBlockEnd } from '../../../src/analysis/block.ts';
import { readBuckets } from '../../../src/source/buckets.ts';
import { countDurations, type ArmDurations } from '../../../src/source/duration-deltas.ts';
import { durationsQuery } from '../../../src/source/selectors.ts';
import type { Series } from '../../../src/source/series.ts';
import { addInstances, findTargets, type Arm } from '../../../src/source/targets.ts';
import { sumOnGrid } from './evaluate.ts';

/** Story is what there is to be read, and how; times are milliseconds. */
export interface Story {
  /** series are counters, buckets, `up` and process starts; S is stable, C the canary. */
  readonly series: readonly Series[];
  readonly scrapeIntervalMs: number;
  readonly blockMs: number;
  readonly bounds: readonly number[];
}

const services = new Map<string, Arm>([
  ['S', 'stable'],
  ['C', 'canary'],
]);
const config = { serviceLabel: 'service' };

/** durationsIn returns by end of block what (sinceMs, untilMs] holds. */
export function durationsIn(
  { series, scrapeIntervalMs, blockMs, bounds }: Story,
  sinceMs: number,
  untilMs: number,
): ReadonlyMap<number, ArmDurations> {
  const span = { fromMs: sinceMs - 2 * scrapeIntervalMs - 5_000, toMs: untilMs };
  const named = (name: string): readonly Series[] => series.filter(({ labels }) => labels['__name__'] === name);
  const instances = { up: new Map(), started: new Map() };
  addInstances(instances, named('up'), named('process_start_time_seconds'));
  const found = findTargets(
    { requests: named('traefik_service_requests_total'), instances },
    ({ labels, samples }) => ({ arm: services.get(labels['service'] ?? '') ?? 'stable', quality: 'Good', samples }),
    () => span,
  );
  if (found.kind === 'Refused') throw new Error(found.message);
  const grid = { fromMs: lastBlockEnd(sinceMs, blockMs), toMs: untilMs, stepMs: blockMs };
  const buckets = readBuckets(sumOnGrid(series, durationsQuery(config, ['S', 'C'], bounds), grid), 'service');
  return countDurations(found.targets, buckets, { sinceMs, untilMs, blockMs, scrapeIntervalMs, services, bounds });
}
