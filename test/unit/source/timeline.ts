import type { Labels, Series } from '../../../src/source/series.ts';

/** Scrape is what one scrape of an instance saw: nothing (it failed), or a process start and counters by name. */
export interface Scrape {
  readonly atMs: number;
  readonly isUp: boolean;
  readonly startedSeconds?: number;
  /** counters maps `service/code` (or `service/protocol/code`) to a value. */
  readonly counters?: Readonly<Record<string, number>>;
}

/** Share is a bucket that holds so many of the requests of each counter: a ratio, rounded down. */
export interface Share {
  readonly le: string;
  readonly share: number;
}

/** traefikBuckets are Traefik's own bounds. */
export const traefikBuckets: readonly Share[] = [
  { le: '0.1', share: 0.5 },
  { le: '0.3', share: 0.8 },
  { le: '1.2', share: 0.95 },
  { le: '5.0', share: 0.99 },
  { le: '+Inf', share: 1 },
];

/** bucketsOf returns the buckets that stand beside counters of requests. */
export function bucketsOf(requests: readonly Series[], shares: readonly Share[] = traefikBuckets): readonly Series[] {
  return requests
    .filter(({ labels }) => labels['__name__'] === 'traefik_service_requests_total')
    .flatMap(({ labels, samples }) =>
      shares.map(({ le, share }) => ({
        labels: { ...labels, __name__: 'traefik_service_request_duration_seconds_bucket', le },
        samples: new Map([...samples].map(([atMs, value]) => [atMs, Math.floor(value * share)])),
      })),
    );
}

/** timeline returns the series that Prometheus stores for the scrapes of one instance. */
export function timeline(instance: string, scrapes: readonly Scrape[], extra: Labels = {}): readonly Series[] {
  const base = { instance, job: 'traefik', ...extra };
  const up = new Map(scrapes.map(({ atMs, isUp }) => [atMs, isUp ? 1 : 0]));
  const answered = scrapes.filter(({ isUp }) => isUp);
  const started = answered.flatMap(({ atMs, startedSeconds }) =>
    startedSeconds === undefined ? [] : [[atMs, startedSeconds] as const],
  );
  const names = new Set(answered.flatMap(({ counters }) => Object.keys(counters ?? {})));
  const requests = [...names].map((name): Series => {
    const [service = '', ...rest] = name.split('/');
    const [protocol, code] = rest.length > 1 ? rest : ['http', rest[0]];
    const labels = {
      __name__: 'traefik_service_requests_total',
      ...base,
      service,
      protocol: protocol ?? '',
      code: code ?? '',
    };
    const samples = answered.flatMap(({ atMs, counters }) => {
      const value = counters?.[name];
      return value === undefined ? [] : [[atMs, value] as const];
    });
    return { labels: { ...labels, method: 'GET' }, samples: new Map(samples) };
  });
  return [
    { labels: { __name__: 'up', ...base }, samples: up },
    { labels: { __name__: 'process_start_time_seconds', ...base }, samples: new Map(started) },
    {
      labels: { __name__: 'traefik_config_reloads_total', ...base },
      samples: new Map(answered.map(({ atMs }) => [atMs, 1])),
    },
    ...requests,
  ];
}
