/**
 * What three Traefik pods would have counted: every value is a function of its time, so nothing is stored. Each service
 * has 4 pairs of code and method and 7 buckets for each of them; a scrape comes every 15 s, at another second per pod.
 */
import { readServiceLabel, serviceLabel, type Version } from './apps.ts';

type Labels = Readonly<Record<string, string>>;

/** Series is one time series of the model. */
export interface Series {
  readonly labels: Labels;
  /** labelsText is `labels` as JSON. */
  readonly labelsText: string;
  readonly pod: Pod;
  /** breachable is the application whose breach shows in this series. */
  readonly breachable: number | undefined;
  readonly valueAt: (atMs: number) => number;
}

/** Pod is one Traefik. */
export interface Pod {
  readonly target: Labels;
  readonly offsetMs: number;
  readonly isFirst: boolean;
}

/** Breach is a canary that fails from now on, on one Traefik: `atMs` is the first scrape that shows errors of the time since the one before. */
export interface Breach {
  readonly atMs: number;
  readonly errorsPerSecond: number;
}

/** scrapeIntervalMs is how often each pod is scraped. */
export const scrapeIntervalMs = 15_000;

/** requestsPerSecond is what the three pods together answer for each service. */
export const requestsPerSecond = 21.66;

const outcomes = [
  { code: '200', method: 'GET', perSecond: 5 },
  { code: '200', method: 'POST', perSecond: 2 },
  { code: '404', method: 'GET', perSecond: 0.2 },
  { code: '500', method: 'GET', perSecond: 0.02 },
] as const;

const buckets = [
  { le: '0.05', share: 0.4 },
  { le: '0.1', share: 0.7 },
  { le: '0.25', share: 0.9 },
  { le: '0.5', share: 0.96 },
  { le: '1.0', share: 0.98 },
  { le: '5.0', share: 0.999 },
  { le: '+Inf', share: 1 },
] as const;

const pods: readonly Pod[] = [0, 1, 2].map((number) => ({
  target: {
    instance: `10.77.1.${number + 1}:9100`,
    job: 'traefik',
    namespace: 'traefik',
    pod: `traefik-7d9c5bd8f6-${['4kq2x', '8zv7m', 'p5wjc'][number] ?? ''}`,
  },
  offsetMs: 137 + 4_871 * number,
  isFirst: number === 0,
}));

/** scrapeTimes returns the times in (afterMs, untilMs] at which a pod was scraped. */
export function scrapeTimes(pod: Pod, afterMs: number, untilMs: number): readonly number[] {
  const times: number[] = [];
  const first = Math.floor((afterMs - pod.offsetMs) / scrapeIntervalMs) + 1;
  for (let tick = first; tick * scrapeIntervalMs + pod.offsetMs <= untilMs; tick += 1) {
    times.push(tick * scrapeIntervalMs + pod.offsetMs);
  }
  return times;
}

/** nextBreachMs is the scrape after `nowMs` in which a breach appears: that of the first pod. */
export function nextBreachMs(nowMs: number): number {
  const [pod] = pods;
  return pod === undefined ? nowMs : (scrapeTimes(pod, nowMs, nowMs + scrapeIntervalMs)[0] ?? nowMs);
}

/** TrafficModel knows the series of `rollouts` applications. */
export interface TrafficModel {
  /** targetSeries are the series of a metric that each pod has once; empty for another metric. */
  readonly targetSeries: (metric: string) => readonly Series[];
  /** serviceSeries are the series of a metric of services; without `labels` those of all services. */
  readonly serviceSeries: (metric: string, labels: readonly string[] | undefined) => readonly Series[];
  readonly breaches: Map<number, Breach>;
}

/** createTrafficModel returns a model whose Traefik pods started an hour before `nowMs`. */
export function createTrafficModel(rollouts: number, nowMs: number): TrafficModel {
  const startMs = nowMs - 3_600_000;
  const breaches = new Map<number, Breach>();
  const known = new Map<string, readonly Series[]>();
  const allLabels = (): readonly string[] =>
    Array.from({ length: rollouts }, (_none, index) => index).flatMap((index) => [
      serviceLabel(index, 'stable'),
      serviceLabel(index, 'canary'),
    ]);
  const seriesOf = (metric: string, label: string): readonly Series[] => {
    const service = readServiceLabel(label);
    if (service === undefined || service.index >= rollouts) return [];
    const key = `${metric} ${label}`;
    const series = known.get(key) ?? makeServiceSeries(metric, service, { startMs, breaches });
    known.set(key, series);
    return series;
  };
  return {
    breaches,
    targetSeries: (metric) => makeTargetSeries(metric, startMs),
    serviceSeries: (metric, labels) => (labels ?? allLabels()).flatMap((label) => seriesOf(metric, label)),
  };
}

function makeTargetSeries(metric: string, startMs: number): readonly Series[] {
  const values: Readonly<Record<string, number>> = {
    up: 1,
    process_start_time_seconds: startMs / 1000,
    traefik_config_reloads_total: 42,
  };
  const value = values[metric];
  if (value === undefined) return [];
  return pods.map((pod) =>
    toSeries({ __name__: metric, ...pod.target }, { pod, breachable: undefined, valueAt: () => value }),
  );
}

function toSeries(labels: Labels, rest: Omit<Series, 'labels' | 'labelsText'>): Series {
  return { labels, labelsText: JSON.stringify(labels), ...rest };
}

type Family = 'Count' | 'Sum' | 'Bucket';

const families: Readonly<Record<string, Family>> = {
  traefik_service_requests_total: 'Count',
  traefik_service_request_duration_seconds_count: 'Count',
  traefik_service_request_duration_seconds_sum: 'Sum',
  traefik_service_request_duration_seconds_bucket: 'Bucket',
};

function makeServiceSeries(
  metric: string,
  service: { readonly index: number; readonly version: Version },
  { startMs, breaches }: { readonly startMs: number; readonly breaches: ReadonlyMap<number, Breach> },
): readonly Series[] {
  const family = families[metric];
  if (family === undefined) return [];
  return pods.flatMap((pod) =>
    outcomes.flatMap(({ code, method, perSecond }) => {
      const breachable = pod.isFirst && code === '500' && service.version === 'canary' ? service.index : undefined;
      const labels = {
        __name__: metric,
        code,
        ...pod.target,
        method,
        protocol: 'http',
        service: serviceLabel(service.index, service.version),
      };
      const countAt = (atMs: number): number =>
        Math.floor(((atMs - startMs) / 1000) * perSecond) + errorsAt(breaches, breachable, atMs);
      const common = { pod, breachable };
      if (family === 'Count') return [toSeries(labels, { ...common, valueAt: countAt })];
      if (family === 'Sum') return [toSeries(labels, { ...common, valueAt: (atMs) => countAt(atMs) * 0.12 })];
      return buckets.map(({ le, share }) =>
        toSeries({ ...labels, le }, { ...common, valueAt: (atMs) => Math.floor(countAt(atMs) * share) }),
      );
    }),
  );
}

function errorsAt(breaches: ReadonlyMap<number, Breach>, index: number | undefined, atMs: number): number {
  const breach = index === undefined ? undefined : breaches.get(index);
  if (breach === undefined || atMs < breach.atMs) return 0;
  return Math.ceil(((atMs - breach.atMs + scrapeIntervalMs) / 1000) * breach.errorsPerSecond);
}
