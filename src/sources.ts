/** Makes the metric source that the settings ask for, with its secrets read from mounted files. */
import type { MetricSource } from './analysis/metric-source.ts';
import type { EndpointSlice } from './api/kubernetes.ts';
import type { Clock } from './clock.ts';
import type { ControllerSettings } from './config.ts';
import { createAccessFiles, type AccessSource } from './source/access-files.ts';
import type { Caches } from './reconciler/caches.ts';
import { createPrometheusSource, type PrometheusSource, type SourceOptions } from './source/prometheus.ts';
import type { ScrapeEndpoint } from './source/scrape-target.ts';
import { createScrapeSource, type ScrapeSource } from './source/scrape.ts';
import { createTraefikApi } from './source/traefik-api.ts';
import { Verifier, type VerifierOptions } from './reconciler/verifier.ts';
import type { Logger } from './telemetry/logger.ts';
import type { Metrics } from './telemetry/metrics.ts';

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
  const targets =
    service === undefined ? fixed(urls) : () => endpointsOf(caches.endpointSlices(service), { port, path: '/metrics' });
  const { clock, nowMs, source, logger } = parts;
  const onTarget = (target: string, problem: string | undefined): void => {
    if (problem === undefined) logger.info('traefik answers again', { target });
    else logger.warn('traefik cannot be scraped', { target, problem });
  };
  return createScrapeSource({ targets, intervalMs }, { clock, nowMs, queries: source, onTarget });
}

/** readTraefikAccess reads what authenticates Sluice to Traefik's API; it rejects as createSource does. */
export function readTraefikAccess({ traefikApi }: ControllerSettings, clock: Clock): Promise<AccessSource> {
  const { basicAuthFile, caFile } = traefikApi;
  const files = { basicAuthFile, caFile, bearerTokenFile: undefined, headersFile: undefined };
  return createAccessFiles(files, clock, 'traefik-api');
}

/** createVerifier returns what asks Traefik whether weights are in effect, or undefined where no Traefik is named. */
export function createVerifier(
  { traefikApi }: ControllerSettings,
  caches: Pick<Caches, 'endpointSlices'>,
  parts: Pick<VerifierOptions, 'clock' | 'nowMs' | 'onChange' | 'signal'> & {
    readonly access: AccessSource;
    readonly metrics: Metrics;
    readonly logger: Logger;
  },
): Verifier | undefined {
  const { service, port, urls } = traefikApi;
  if (service === undefined && urls.length === 0) return undefined;
  const { clock, access, metrics, logger } = parts;
  return new Verifier({
    ...parts,
    endpoints: () =>
      service === undefined
        ? fixed(urls)
        : endpointsOf(caches.endpointSlices(service).map(readyOf), { port, path: '' }),
    open: (endpoint) => createTraefikApi(endpoint, { clock, access }),
    onAsk: (kind) => metrics.replicaAsked(kind),
    onReplica: (replica, problem) => {
      if (problem === undefined) logger.info('traefik api answers', { replica });
      else logger.warn('traefik api cannot be asked', { replica, problem });
    },
  });
}

/** A Traefik that is being stopped, or has not begun, gets no new connections. */
function readyOf(slice: EndpointSlice): EndpointSlice {
  const isReady = ({ ready, terminating }: { ready?: boolean; terminating?: boolean } = {}): boolean =>
    ready !== false && terminating !== true;
  return { ...slice, endpoints: (slice.endpoints ?? []).filter(({ conditions }) => isReady(conditions)) };
}

function fixed(urls: readonly string[]): readonly ScrapeEndpoint[] {
  return urls.map((url) => ({ name: new URL(url).host, url }));
}

/** Also those that are not ready: a Traefik that is being stopped still has what its last requests were. */
function endpointsOf(
  slices: readonly EndpointSlice[],
  { port, path }: { readonly port: number; readonly path: string },
): readonly ScrapeEndpoint[] {
  const addresses = new Set(slices.flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses)));
  return [...addresses].map((address) => {
    const host = address.includes(':') ? `[${address}]` : address;
    return { name: `${host}:${port}`, url: `http://${host}:${port}${path}` };
  });
}
