import type { Scope } from './counters.ts';
import { escapeLabel, type SeriesTotal, type TlsTotal, type Totals } from './totals.ts';

/** expositionType is the Content-Type of what `exposition` returns. */
export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

/** ProxyState is what `/metrics` shows of the primary. */
export interface ProxyState {
  readonly totals: Totals;
  readonly bucketsSeconds: readonly number[];
  readonly configReloads: number;
  /** lastReloadMs is when all workers served the last change (since the epoch); undefined: none did yet. */
  readonly lastReloadMs: number | undefined;
  /** configAgeMs is how long nothing was heard of the API server; undefined: nothing ever was. */
  readonly configAgeMs: number | undefined;
  readonly invalidObjects: readonly InvalidObject[];
  /** servers are those that passive health left alone once. */
  readonly servers: readonly ServerState[];
  readonly workers: WorkerCounts;
}

/** ServerState: a server that is not up is not asked for now. */
export interface ServerState {
  readonly service: string;
  readonly url: string;
  readonly isUp: boolean;
}

/** WorkerCounts: `serving` at present, and `died` since the start, those that were told to end left out. */
interface WorkerCounts {
  readonly serving: number;
  readonly died: number;
}

/** InvalidObject is an object that is not served as it says. */
export interface InvalidObject {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/**
 * exposition returns the text of `/metrics` in pieces of some hundred series. Names and labels are Traefik's (pkg/observability/metrics/prometheus.go).
 * It is written here rather than by prom-client, which takes some ten times as long for the same text.
 */
export function* exposition(state: ProxyState): Generator<string> {
  const { totals } = state;
  yield proxyMetrics(state);
  yield retriesMetric(totals);
  yield serversMetric(state);
  const series = [...totals.series];
  const tls = [...totals.tls];
  const bounds = [...state.bucketsSeconds.map(String), '+Inf'];
  for (const scope of scopes) {
    const own = series.filter((one) => one.scope === scope.scope);
    if (own.length === 0) continue;
    for (const counter of counters) yield* counterMetric(scope, counter, own);
    yield tlsMetric(
      scope,
      tls.filter((one) => one.scope === scope.scope),
    );
    yield* durationMetric(scope, own, bounds);
  }
}

interface ScopeText {
  readonly scope: Scope;
  readonly prefix: string;
  readonly where: string;
}

const scopes: readonly ScopeText[] = [
  { scope: 'entryPoint', prefix: 'traefik_entrypoint', where: 'on an entry point' },
  { scope: 'router', prefix: 'traefik_router', where: 'on a router' },
  { scope: 'service', prefix: 'traefik_service', where: 'on a service' },
];

interface CounterText {
  readonly suffix: string;
  readonly what: string;
  readonly read: (total: SeriesTotal) => number;
}

const counters: readonly CounterText[] = [
  { suffix: 'requests_total', what: 'Requests', read: ({ requests }) => requests },
  { suffix: 'requests_bytes_total', what: 'Bytes of request bodies', read: ({ requestBytes }) => requestBytes },
  { suffix: 'responses_bytes_total', what: 'Bytes of response bodies', read: ({ responseBytes }) => responseBytes },
];

const seriesPerPiece = 500;

function* counterMetric(
  { prefix, where }: ScopeText,
  { suffix, what, read }: CounterText,
  series: readonly SeriesTotal[],
): Generator<string> {
  const name = `${prefix}_${suffix}`;
  yield header(name, `${what} ${where}.`, 'counter');
  yield* pieces(series, (total) => `${name}{${total.labels}} ${read(total)}\n`);
}

function* durationMetric(
  { prefix, where }: ScopeText,
  series: readonly SeriesTotal[],
  bounds: readonly string[],
): Generator<string> {
  const name = `${prefix}_request_duration_seconds`;
  yield header(name, `Duration of requests ${where}.`, 'histogram');
  yield* pieces(series, ({ labels, buckets, seconds, requests }) => {
    let text = '';
    let count = 0;
    for (const [index, bound] of bounds.entries()) {
      count += buckets[index] ?? 0;
      text += `${name}_bucket{${labels},le="${bound}"} ${count}\n`;
    }
    return `${text}${name}_sum{${labels}} ${seconds}\n${name}_count{${labels}} ${requests}\n`;
  });
}

function tlsMetric({ prefix, where }: ScopeText, series: readonly TlsTotal[]): string {
  const name = `${prefix}_requests_tls_total`;
  const lines = series.map(({ labels, requests }) => `${name}{${labels}} ${requests}\n`);
  return metric(name, `Requests over TLS ${where}.`, 'counter', lines);
}

function* pieces(series: readonly SeriesTotal[], write: (total: SeriesTotal) => string): Generator<string> {
  for (let from = 0; from < series.length; from += seriesPerPiece) {
    yield series
      .slice(from, from + seriesPerPiece)
      .map(write)
      .join('');
  }
}

function proxyMetrics(state: ProxyState): string {
  const { totals, configReloads, lastReloadMs, configAgeMs, invalidObjects, workers } = state;
  const connections = [...totals.connections].map(
    ([name, open]) => `traefik_open_connections{entrypoint="${escapeLabel(name)}",protocol="TCP"} ${open}\n`,
  );
  const streams = [...totals.streams].map(
    ([name, open]) => `sluice_proxy_open_streams{service="${escapeLabel(name)}"} ${open}\n`,
  );
  const invalid = invalidObjects.map(({ kind, namespace, name }) => {
    const labels = `kind="${escapeLabel(kind)}",name="${escapeLabel(name)}",namespace="${escapeLabel(namespace)}"`;
    return `sluice_proxy_invalid_objects{${labels}} 1\n`;
  });
  const age = configAgeMs === undefined ? [] : [`sluice_proxy_config_age_seconds ${configAgeMs / 1000}\n`];
  return [
    metric('traefik_config_reloads_total', 'Changes of the configuration.', 'counter', [
      `traefik_config_reloads_total ${configReloads}\n`,
    ]),
    metric('traefik_config_last_reload_success', 'When the last change was served, in Unix time.', 'gauge', [
      `traefik_config_last_reload_success ${Math.floor((lastReloadMs ?? 0) / 1000)}\n`,
    ]),
    metric('traefik_open_connections', 'Open connections of clients.', 'gauge', connections),
    metric('sluice_proxy_open_streams', 'Exchanges with servers that are under way.', 'gauge', streams),
    metric('sluice_proxy_invalid_objects', 'Objects that are not served as they say.', 'gauge', invalid),
    metric('sluice_proxy_config_age_seconds', 'Since the API server was last heard.', 'gauge', age),
    metric('sluice_proxy_workers', 'Workers that serve.', 'gauge', [`sluice_proxy_workers ${workers.serving}\n`]),
    metric('sluice_proxy_worker_deaths_total', 'Workers that ended without being told to.', 'counter', [
      `sluice_proxy_worker_deaths_total ${workers.died}\n`,
    ]),
  ].join('');
}

function retriesMetric({ retries }: Totals): string {
  const name = 'traefik_service_retries_total';
  const lines = [...retries].map(([service, count]) => `${name}{service="${escapeLabel(service)}"} ${count}\n`);
  return metric(name, 'Further attempts of requests at a service.', 'counter', lines);
}

function serversMetric({ servers }: ProxyState): string {
  const name = 'traefik_service_server_up';
  const lines = servers.map(
    ({ service, url, isUp }) =>
      `${name}{service="${escapeLabel(service)}",url="${escapeLabel(url)}"} ${isUp ? 1 : 0}\n`,
  );
  return metric(name, 'Whether a server that failed too often is asked again.', 'gauge', lines);
}

function metric(...[name, help, type, lines]: readonly [string, string, string, readonly string[]]): string {
  return lines.length === 0 ? '' : header(name, help, type) + lines.join('');
}

function header(name: string, help: string, type: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}
