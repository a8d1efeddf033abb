/** The settings of the controller: read from flags and environment by main.ts, validated here, all problems at once. */
import { splitKey, type ObjectKey } from './api/kubernetes.ts';
import { electionTimingProblems, type ElectionTimings } from './controller/election-timings.ts';
import { sourceNames, type SourceName } from './reconciler/samplers.ts';
import {
  createSettingReader,
  isHttpUrl,
  refuseProblems,
  type ReadSettings,
  type SettingReader,
} from './setting-reader.ts';
import type { UserQueryMode } from './source/user-query.ts';
import { isCronExpression } from './telemetry/cron.ts';
import type { LogLevel } from './telemetry/logger.ts';

/** ControllerSettings is the whole configuration of `sluice controller`, in machine units. */
export interface ControllerSettings {
  /** kubeconfig is a path; undefined means in-cluster, else the default of kubectl. */
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  /** namespaces are those that are watched; undefined: all. */
  readonly namespaces: readonly string[] | undefined;
  /** source is where samples come from when a Rollout does not say. */
  readonly source: SourceName;
  readonly prometheus: PrometheusSettings;
  readonly scrape: ScrapeSettings;
  readonly traefikApi: TraefikApiSettings;
  readonly userQueries: UserQueryMode;
  /** freezesFile holds times at which nothing is raised. */
  readonly freezesFile: string | undefined;
  readonly sampleIntervalMs: number;
  readonly workers: number;
  readonly election: ElectionSettings;
  /** auditSchedule is a cron expression: when the caches are compared with the API server. */
  readonly auditSchedule: string;
  /** healthHost is empty for every address. */
  readonly healthHost: string;
  readonly healthPort: number;
  readonly logLevel: LogLevel;
}

/** PrometheusSettings say where the samples come from; what authenticates is read from mounted files. */
export interface PrometheusSettings {
  readonly url: string;
  readonly serviceLabel: string;
  /** matchers are put into each selector, e.g. `job="traefik"`. */
  readonly matchers: string | undefined;
  readonly scrapeIntervalMs: number;
  readonly latenessMs: number | undefined;
  /** blockMs is the length of a block of evidence, at least one scrape. */
  readonly blockMs: number | undefined;
  readonly timeoutMs: number;
  readonly bearerTokenFile: string | undefined;
  /** basicAuthFile holds `user:password`; not together with a bearer token. */
  readonly basicAuthFile: string | undefined;
  /** headersFile holds lines `Name: value`, e.g. the tenant of a Mimir. */
  readonly headersFile: string | undefined;
  readonly caFile: string | undefined;
}

/** ScrapeSettings say which Traefiks are scraped directly: those behind a Service, or those at fixed URLs; neither: none. */
export interface ScrapeSettings {
  /** service is `namespace/name` of a Service of Traefik; its endpoints are scraped at `port`. */
  readonly service: ObjectKey | undefined;
  readonly port: number;
  readonly urls: readonly string[];
  readonly intervalMs: number;
}

/** TraefikApiSettings say which replicas are asked whether weights are in effect: those behind a Service, or those at fixed URLs; neither: none. */
export interface TraefikApiSettings {
  /** service is `namespace/name` of a Service of Traefik; its ready endpoints are asked at `port`. */
  readonly service: ObjectKey | undefined;
  readonly port: number;
  readonly urls: readonly string[];
  /** basicAuthFile holds `user:password`. */
  readonly basicAuthFile: string | undefined;
  readonly caFile: string | undefined;
}

/** ElectionSettings say how replicas share the work. */
export interface ElectionSettings {
  /** isEnabled is false where there is never more than one controller. */
  readonly isEnabled: boolean;
  /** namespace of the Leases; undefined means that of the service account or the kubeconfig. */
  readonly namespace: string | undefined;
  /** name is the common part of the names of the Leases. */
  readonly name: string;
  readonly timings: ElectionTimings;
  /** shards is into how many parts the Rollouts are divided; every replica has to say the same. */
  readonly shards: number;
}

/** RawSettings are the texts of flags and environment; undefined and an empty text take the default. */
export type RawSettings = Readonly<Partial<Record<keyof typeof settingDefaults, string>>>;

/** settingDefaults lists every setting with its default text; an empty text means not set. */
export const settingDefaults = {
  kubeconfig: '',
  context: '',
  namespaces: '',
  source: 'Prometheus',
  prometheusUrl: 'http://prometheus.monitoring.svc:9090',
  prometheusServiceLabel: 'service',
  prometheusMatchers: '',
  prometheusScrapeInterval: '15s',
  prometheusLateness: '',
  prometheusBlock: '',
  prometheusTimeout: '10s',
  prometheusBearerTokenFile: '',
  prometheusBasicAuthFile: '',
  prometheusHeadersFile: '',
  prometheusCaFile: '',
  scrapeService: '',
  scrapePort: '9100',
  scrapeUrls: '',
  scrapeInterval: '2s',
  traefikApiService: '',
  traefikApiPort: '8080',
  traefikApiUrls: '',
  traefikApiBasicAuthFile: '',
  traefikApiCaFile: '',
  userQueries: 'Namespaced',
  freezesFile: '',
  sampleInterval: '5s',
  workers: '16',
  leaderElect: 'true',
  leaseNamespace: '',
  leaseName: 'sluice',
  leaseDuration: '15s',
  leaseRenewDeadline: '10s',
  leaseRetryPeriod: '2s',
  shards: '1',
  auditSchedule: '*/5 * * * *',
  healthAddress: ':8080',
  logLevel: 'info',
} as const;

type SettingName = keyof typeof settingDefaults;

/** parseSettings returns the settings; it throws ConfigInvalid with every problem in one message. */
export function parseSettings(raw: RawSettings): ControllerSettings {
  const { settings, problems } = readSettings(raw);
  refuseProblems(problems);
  return settings;
}

/** readSettings returns the settings and a sentence for each problem; with any of them the settings are of no use. */
export function readSettings(raw: RawSettings): ReadSettings<ControllerSettings> {
  const reader = createSettingReader<SettingName>(raw, settingDefaults);
  const { optionalText, durationMs, positiveMs, oneOf, matching, problems } = reader;
  const [healthHost, healthPort] = reader.address('healthAddress');
  const settings: ControllerSettings = {
    kubeconfig: optionalText('kubeconfig'),
    context: optionalText('context'),
    namespaces: parseNamespaces(reader),
    prometheus: Object.freeze({
      url: matching('prometheusUrl', isHttpUrl, 'an http or https URL without credentials'),
      serviceLabel: matching('prometheusServiceLabel', isLabelName, 'the name of a label'),
      matchers: optionalText('prometheusMatchers'),
      scrapeIntervalMs: positiveMs('prometheusScrapeInterval'),
      latenessMs: optionalText('prometheusLateness') === undefined ? undefined : durationMs('prometheusLateness'),
      blockMs: optionalText('prometheusBlock') === undefined ? undefined : positiveMs('prometheusBlock'),
      timeoutMs: positiveMs('prometheusTimeout'),
      bearerTokenFile: optionalText('prometheusBearerTokenFile'),
      basicAuthFile: optionalText('prometheusBasicAuthFile'),
      headersFile: optionalText('prometheusHeadersFile'),
      caFile: optionalText('prometheusCaFile'),
    }),
    source: oneOf('source', sourceNames),
    scrape: parseScrape(reader),
    traefikApi: parseTraefikApi(reader),
    userQueries: oneOf('userQueries', ['Off', 'Namespaced', 'On']),
    freezesFile: optionalText('freezesFile'),
    sampleIntervalMs: positiveMs('sampleInterval'),
    workers: Number(matching('workers', (count) => /^[1-9][0-9]?$/.test(count), 'a number from 1 to 99')),
    election: parseElection(reader),
    auditSchedule: matching('auditSchedule', isCronExpression, 'a cron expression like */5 * * * *'),
    healthHost,
    healthPort,
    logLevel: oneOf('logLevel', ['debug', 'info', 'warn', 'error', 'silent']),
  };
  problems.push(...prometheusProblems(settings.prometheus), ...namespaceProblems(settings));
  return { settings: Object.freeze(settings), problems };
}

function parseScrape(reader: Reader): ScrapeSettings {
  const { optionalText, positiveMs, problems } = reader;
  const replicas = parseReplicas(reader, { service: 'scrapeService', port: 'scrapePort', urls: 'scrapeUrls' });
  if (replicas.service !== undefined && replicas.urls.length > 0)
    problems.push('--scrape-service and --scrape-urls cannot both be set');
  if (optionalText('source') === 'Scrape' && replicas.service === undefined && replicas.urls.length === 0) {
    problems.push('--source is Scrape; it needs --scrape-service or --scrape-urls');
  }
  return Object.freeze({ ...replicas, intervalMs: positiveMs('scrapeInterval') });
}

function parseTraefikApi(reader: Reader): TraefikApiSettings {
  const { optionalText, problems } = reader;
  const names = { service: 'traefikApiService', port: 'traefikApiPort', urls: 'traefikApiUrls' } as const;
  const replicas = parseReplicas(reader, names);
  if (replicas.service !== undefined && replicas.urls.length > 0)
    problems.push('--traefik-api-service and --traefik-api-urls cannot both be set');
  const caFile = optionalText('traefikApiCaFile');
  // The endpoints of a Service are asked by http: a certificate would have to name their addresses.
  if (caFile !== undefined && !replicas.urls.some((url) => url.startsWith('https:')))
    problems.push('--traefik-api-ca-file is of no use without an https URL in --traefik-api-urls');
  return Object.freeze({ ...replicas, basicAuthFile: optionalText('traefikApiBasicAuthFile'), caFile });
}

function parseNamespaces({ matching }: Reader): readonly string[] | undefined {
  const listOf = (text: string): readonly string[] => [...new Set(text.split(',').filter((name) => name !== ''))];
  const areNames = (text: string): boolean =>
    listOf(text).every((name) => /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name));
  const names = listOf(matching('namespaces', areNames, 'names of namespaces, with commas between them'));
  return names.length === 0 ? undefined : Object.freeze(names);
}

/** namespaceProblems: the endpoints of a Service of Traefik are known where its namespace is watched. */
function namespaceProblems({ namespaces, scrape, traefikApi }: ControllerSettings): readonly string[] {
  if (namespaces === undefined) return [];
  const services = { '--scrape-service': scrape.service, '--traefik-api-service': traefikApi.service };
  return Object.entries(services)
    .filter(([, key]) => key !== undefined && !namespaces.includes(splitKey(key).namespace))
    .map(([flag, key]) => `${flag} is ${key}; with --namespaces its namespace has to be one of them`);
}

/** parseReplicas reads which Traefiks are meant: a Service with a port, or URLs. */
function parseReplicas(
  { matching }: Reader,
  names: { readonly service: SettingName; readonly port: SettingName; readonly urls: SettingName },
): Pick<ScrapeSettings, 'service' | 'port' | 'urls'> {
  const isKey = (key: string): boolean =>
    key === '' || /^[a-z0-9]([-a-z0-9]*[a-z0-9])?\/[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(key);
  const urlsOf = (text: string): readonly string[] => text.split(',').filter((url) => url !== '');
  const isUrls = (text: string): boolean => urlsOf(text).every(isHttpUrl);
  const isPort = (port: string): boolean => /^[1-9][0-9]{0,4}$/.test(port) && Number(port) <= 65_535;
  const service = matching(names.service, isKey, 'namespace/name of a Service');
  const want = 'http or https URLs without credentials, with commas between them';
  return {
    service: service === '' ? undefined : (service as ObjectKey),
    port: Number(matching(names.port, isPort, 'a port')),
    urls: Object.freeze(urlsOf(matching(names.urls, isUrls, want))),
  };
}

/** prometheusProblems says which settings contradict each other; a duration that is none is 0, and reported already. */
function prometheusProblems({
  blockMs = 0,
  scrapeIntervalMs,
  bearerTokenFile,
  basicAuthFile,
}: PrometheusSettings): readonly string[] {
  return [
    ...(bearerTokenFile !== undefined && basicAuthFile !== undefined
      ? ['--prometheus-bearer-token-file and --prometheus-basic-auth-file cannot both be set']
      : []),
    ...(blockMs > 0 && blockMs < scrapeIntervalMs
      ? ['--prometheus-block is shorter than --prometheus-scrape-interval, so that most blocks would be empty']
      : []),
  ];
}

function parseElection({ optionalText, positiveMs, oneOf, matching, problems }: Reader): ElectionSettings {
  const found = problems.length;
  const timings = {
    leaseDurationMs: positiveMs('leaseDuration'),
    renewDeadlineMs: positiveMs('leaseRenewDeadline'),
    retryPeriodMs: positiveMs('leaseRetryPeriod'),
  };
  const isName = (name: string): boolean => /^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/.test(name);
  // Among durations that are none there is nothing to compare.
  if (problems.length === found) problems.push(...electionTimingProblems(timings).map(withFlags));
  return Object.freeze({
    isEnabled: oneOf('leaderElect', ['true', 'false']) === 'true',
    namespace: optionalText('leaseNamespace'),
    name: matching('leaseName', isName, 'a DNS label of at most 40 characters'),
    timings: Object.freeze(timings),
    shards: Number(matching('shards', (count) => /^[1-9][0-9]?$/.test(count), 'a number from 1 to 99')),
  });
}

/** withFlags puts into a sentence how the user writes the settings. */
function withFlags(sentence: string): string {
  return sentence
    .replaceAll('leaseDurationMs', '--lease-duration in ms')
    .replaceAll('renewDeadlineMs', '--lease-renew-deadline in ms')
    .replaceAll('retryPeriodMs', '--lease-retry-period in ms');
}

type Reader = SettingReader<SettingName>;

function isLabelName(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(text);
}
