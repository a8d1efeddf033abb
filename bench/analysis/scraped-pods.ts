/** Traefik pods with counters that a Prometheus scrapes: its samples go through the production code that subtracts them. */
import type { SampleOutcome } from '../../src/analysis/metric-source.ts';
import { countLate, lookAt, noData } from '../../src/source/count.ts';
import type { Labels, Series } from '../../src/source/series.ts';
import type { Arm as ArmName } from '../../src/source/targets.ts';
import { createArm, tickSeconds, type Arm, type Answered } from './arm.ts';
import type { ArmLoads } from './loads.ts';
import type { Pods } from './pods.ts';
import type { Random } from './random.ts';
import type { Scenario, Scraping } from './scenario.ts';

const serviceLabel = 'service';
const services: ReadonlyMap<string, ArmName> = new Map([
  ['web-stable-80@kubernetescrd', 'stable'],
  ['web-canary-80@kubernetescrd', 'canary'],
]);

/** keptSamples is how much of its past a series keeps: more than the longest gap that is bridged. */
const keptSamples = 70;

/** lookbackMs is how far before its window a query reads, as the Prometheus source does with a scrape every 10 s. */
const lookbackMs = 25_000;

/** createScrapedPods returns pods that share the traffic evenly; each is scraped once a tick, at a moment of its own. */
export function createScrapedPods(scenario: Scenario, random: Random): Pods {
  const { scraping } = scenario;
  if (scraping === undefined) throw new Error(`${scenario.name} has no scraping.`);
  const pods = Array.from({ length: scraping.pods }, (_, index) => createPod(scenario, scraping, { index, random }));
  const scraped = pods.slice(scraping.unscrapedPods ?? 0);
  const requests = new Map(
    [...services.keys()].map((service) => [service, scraped.flatMap((pod) => pod.seriesOf(service))]),
  );
  const instances = {
    up: new Map(scraped.map((pod) => [pod.name, [pod.up]])),
    started: new Map(scraped.map((pod) => [pod.name, [pod.started]])),
  };
  let watermark = Number.NaN;
  return (loads, endMs) => {
    if (Number.isNaN(watermark)) watermark = endMs - tickSeconds * 1000;
    let canaryRequests = 0;
    for (const pod of pods) canaryRequests += pod.tick(loads, endMs);
    const span = { fromMs: watermark - lookbackMs, toMs: endMs };
    const wanted = { index: 0, services, sinceMs: watermark, untilMs: endMs, askedUntilMs: endMs, span };
    const outcome = read(wanted, { serviceLabel, blockMs: tickSeconds * 1000, requests, instances });
    watermark = outcome.untilMs ?? watermark;
    return { outcome, canaryRequests };
  };
}

function read(wanted: Parameters<typeof lookAt>[0], data: Parameters<typeof lookAt>[1]): SampleOutcome {
  const look = lookAt(wanted, data);
  if (look.kind === 'Counted') return look.outcome;
  return look.kind === 'Late' ? countLate(wanted, data, look) : noData('SeriesAbsent', 'No series yet.');
}

interface Pod {
  readonly name: string;
  readonly up: Series;
  readonly started: Series;
  seriesOf(service: string): readonly Series[];
  /** tick serves and scrapes, and returns the requests of the canary. */
  tick(loads: ArmLoads, endMs: number): number;
}

/** Sampled is a series that grows. */
type Sampled = Series & { readonly samples: Map<number, number> };

interface Counter {
  readonly service: string;
  readonly code: string;
  readonly series: Sampled;
  value: number;
}

function createPod(
  scenario: Scenario,
  scraping: Scraping,
  { index, random }: { readonly index: number; readonly random: Random },
): Pod {
  const name = `traefik-${index}`;
  const phaseMs = Math.round((index * tickSeconds * 1000) / scraping.pods);
  const [up, started] = ['up', 'process_start_time_seconds'].map((metric) =>
    seriesOf({ __name__: metric, instance: name }),
  );
  const counters = [...services.keys()].flatMap((service) =>
    ['200', '500'].map((code) => createCounter(name, service, code)),
  );
  const arms: Readonly<Record<ArmName, Arm>> = {
    stable: createArm(scenario, random),
    canary: createArm(scenario, random),
  };
  if (up === undefined || started === undefined) throw new Error('A pod without series.');
  let startedSeconds = 0;
  const tick = (loads: ArmLoads, endMs: number): number => {
    const atMs = endMs - phaseMs;
    if (startedSeconds === 0) startedSeconds = atMs / 1000 - 86_400;
    const restartShare = tickSeconds / (scraping.restartSeconds ?? Number.POSITIVE_INFINITY);
    // What was counted since the last scrape is lost with the process.
    const keptShare = random.uniform() < restartShare ? random.uniform() : 1;
    if (keptShare < 1) {
      for (const counter of counters) counter.value = 0;
      startedSeconds = Math.floor(atMs / 1000 - keptShare * tickSeconds);
    }
    const isMissed = random.uniform() < (scraping.missedPercent ?? 0) / 100;
    const canaryRequests = serve({ counters, arms, loads }, 1 / scraping.pods, keptShare);
    record(up, atMs, isMissed ? 0 : 1);
    if (isMissed) return canaryRequests;
    record(started, atMs, startedSeconds);
    for (const { series, value } of counters) if (value > 0) record(series, atMs, value);
    return canaryRequests;
  };
  const ofService = (service: string): readonly Series[] =>
    counters.filter((counter) => counter.service === service).map(({ series }) => series);
  return { name, up, started, seriesOf: ofService, tick };
}

function serve(
  {
    counters,
    arms,
    loads,
  }: {
    readonly counters: readonly Counter[];
    readonly arms: Readonly<Record<ArmName, Arm>>;
    readonly loads: ArmLoads;
  },
  podShare: number,
  keptShare: number,
): number {
  let canaryRequests = 0;
  for (const [service, arm] of services) {
    const load = loads[arm];
    const lost = keptShare < 1 ? draw(arms[arm], load, podShare * (1 - keptShare)) : undefined;
    const kept = draw(arms[arm], load, podShare * keptShare);
    if (arm === 'canary') canaryRequests = kept.counts.requests + (lost?.counts.requests ?? 0);
    for (const counter of counters) {
      if (counter.service !== service) continue;
      counter.value += counter.code === '500' ? kept.counts.errors : kept.counts.requests - kept.counts.errors;
    }
  }
  return canaryRequests;
}

function draw(arm: Arm, load: ArmLoads['stable'], share: number): Answered {
  return arm({ ...load, requests: load.requests * share });
}

function createCounter(instance: string, service: string, code: string): Counter {
  const labels = {
    __name__: 'traefik_service_requests_total',
    instance,
    service,
    code,
    method: 'GET',
    protocol: 'http',
  };
  return { service, code, series: seriesOf(labels), value: 0 };
}

function seriesOf(labels: Labels): Sampled {
  return { labels, samples: new Map() };
}

function record({ samples }: Sampled, atMs: number, value: number): void {
  samples.set(atMs, value);
  if (samples.size <= keptSamples) return;
  const oldest = samples.keys().next().value;
  if (oldest !== undefined) samples.delete(oldest);
}
