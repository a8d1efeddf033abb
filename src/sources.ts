/** Makes the metric source that the settings ask for, with its secrets read from mounted files. */
import type { MetricSource } from './analysis/metric-source.ts';
import type { EndpointSlice } from './api/kubernetes.ts';
import type { Clock } from './clock.ts';
import type { ControllerSettings } from './config.ts';
import { createAccessFiles } from './source/access-files.ts';
import type { Caches } from './reconciler/caches.ts';
import { createPrometheusSource, type PrometheusSource, type SourceOptions } from './source/prometheus.ts';
import type { ScrapeEndpoint } from './source/scrape-target.ts';
import { createScrapeSource, type ScrapeSource } from './source/scrape.ts';
import type { Logger } from './telemetry/logger.ts';

/** createSource rejects with ConfigInvalid where a file cannot be read. */
export async function createSource(
  settings: ControllerSettings,
  clock: Clock,
  options: SourceOptions = {},
): Promise<PrometheusSource> {
  const { prometheus, userQueries } = settings;
  const access = await createAccessFiles(prometheus, clock);
  const config = {
    url: prometheus.url,
    serviceLabel: prometheus.serviceLabel,
    scrapeIntervalMs: prometheus.scrapeIntervalMs,
    timeoutMs: prometheus.timeoutMs,
    userQueries,
    ...(prometheus.matchers === undefined ? {} : { extraMatchers: prometheus.matchers }),
    ...(prometheus.blockMs === undefined ? {} : { blockMs: prometheus.blockMs }),
    ...(prometheus.latenessMs === undefined ? {} : { latenessMs: prometheus.latenessMs }),
    access,
  };
  return createPrometheusSource(config, clock, options);
}

/** createScrape returns the source that scrapes Traefik itself, or undefined where no Traefik is named. */
export function createScrape(
  { scrape }: ControllerSettings,
  caches: Pick<Caches, 'endpointSlices'>,
  parts: {
    readonly clock: Clock;
    readonly nowMs: () => number;
    readonly source: MetricSource;
    readonly logger: Logger;
  },
): ScrapeSource | undefined {
  const { service, port, urls, intervalMs } = scrape;
  if (service === undefined && urls.length === 0) return undefined;
  const fixed = urls.map((url) => ({ name: new URL(url).host, url }));
  const targets = service === undefined ? fixed : () => endpointsOf(caches.endpointSlices(service), port);
  const { clock, nowMs, source, logger } = parts;
  const onTarget = (target: string, problem: string | undefined): void => {
    if (problem === undefined) logger.info('traefik answers again', { target });
    else logger.warn('traefik cannot be scraped', { target, problem });
  };
  return createScrapeSource({ targets, intervalMs }, { clock, nowMs, queries: source, onTarget });
}

/** Also those that are not ready: a Traefik that is being stopped still has what its last requests were. */
function endpointsOf(slices: readonly EndpointSlice[], port: number): readonly ScrapeEndpoint[] {
  const addresses = new Set(slices.flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses)));
  return [...addresses].map((address) => {
    const host = address.includes(':') ? `[${address}]` : address;
    return { name: `${host}:${port}`, url: `http://${host}:${port}/metrics` };
  });
}
