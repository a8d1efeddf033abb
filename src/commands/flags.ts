/** The settings of the programs as flags and variables of the environment. */
import { Option } from 'commander';
import { settingDefaults } from '../config.ts';
import type { proxySettingDefaults } from '../proxy-config.ts';

/** SettingName is the name of a setting of the controller. */
export type SettingName = keyof typeof settingDefaults;

/** flags says what each setting of the controller is for. */
export const flags: Readonly<Record<SettingName, string>> = {
  kubeconfig: 'kubeconfig file; default: KUBECONFIG, the service account of the pod, ~/.kube/config',
  context: 'context of the kubeconfig',
  namespaces: 'namespaces that are watched, with commas between them; default: all',
  source: 'where samples come from when a Rollout does not say: Prometheus or Scrape (Traefik itself)',
  prometheusUrl: 'base URL of the Prometheus that scrapes Traefik',
  prometheusServiceLabel: 'label that holds the Traefik service (exported_service with some ServiceMonitors)',
  prometheusMatchers: 'matchers put into each selector, e.g. job="traefik"',
  prometheusScrapeInterval: 'how often Prometheus scrapes Traefik',
  prometheusLateness: 'how long a sample may take to become visible; default: two scrapes, at least 15s',
  prometheusBlock: 'length of a block of evidence; default: one scrape, at least 10s',
  prometheusTimeout: 'deadline of a query',
  prometheusBearerTokenFile: 'file with a bearer token for Prometheus',
  prometheusBasicAuthFile: 'file with user:password for Prometheus',
  prometheusHeadersFile: 'file with further headers for Prometheus, a line `Name: value` each',
  prometheusCaFile: 'file with the CA of Prometheus',
  scrapeService: 'namespace/name of a Service of Traefik whose endpoints are scraped',
  scrapePort: 'port of the metrics of those endpoints',
  scrapeUrls: 'instead: URLs of the metrics of single Traefiks, with commas between them',
  scrapeInterval: 'how often they are scraped while a rollout runs',
  traefikApiService: 'namespace/name of a Service of Traefik whose endpoints are asked whether weights are in effect',
  traefikApiPort: 'port of the API of those endpoints',
  traefikApiUrls: 'instead: base URLs of the API of single Traefiks, with commas between them',
  traefikApiBasicAuthFile: 'file with user:password for that API',
  traefikApiCaFile: 'file with its CA',
  userQueries: 'queries in Rollouts: Off, Namespaced (only series of their own namespace) or On',
  freezesFile: 'file with times at which nothing is raised: a list of {from, to, reason}',
  sampleInterval: 'how often checks are looked at',
  workers: 'reconciles at the same time',
  leaderElect: 'whether replicas elect a leader: true or false',
  leaseNamespace: 'namespace of the Leases; default: that of the service account or the kubeconfig',
  leaseName: 'name of the Leases',
  leaseDuration: 'how long others wait for a leader that is silent',
  leaseRenewDeadline: 'how long a leader that cannot renew goes on',
  leaseRetryPeriod: 'time between two renewals',
  shards: 'parts that the replicas share the Rollouts out by; the same for all of them',
  auditSchedule: 'cron expression: when the caches are compared with the API server',
  healthAddress: 'host:port of /healthz, /readyz, /metrics and /config',
  logLevel: 'debug, info, warn, error or silent',
};

/** settingNames are all of them, in the order of --help. */
export const settingNames = Object.keys(flags) as readonly SettingName[];

/** settingOption is the flag of a setting, with its variable of the environment. */
export function settingOption(name: SettingName): Option {
  return optionOf(name, flags[name], settingDefaults[name]);
}

/** optionOf is a flag with a default, which --help shows and the environment may set. */
export function optionOf(name: string, help: string, value: string): Option {
  const dashed = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const shown = value === '' ? help : `${help} (default: ${value})`;
  return new Option(`--${dashed} <value>`, shown).env(`SLUICE_${dashed.replaceAll('-', '_').toUpperCase()}`);
}

/** proxyFlags says what each setting of the proxy is for. */
export const proxyFlags: Readonly<Record<keyof typeof proxySettingDefaults, string>> = {
  kubeconfig: flags.kubeconfig,
  context: flags.context,
  entryPoint: 'entry points, with blanks between them: name=address[,tls][,trusted-ips=CIDR;CIDR][,read-timeout=60s]…',
  tlsCertFile: 'file with the default certificate of entry points with tls',
  tlsKeyFile: 'file with its key',
  sniStrict: 'whether TLS clients are refused that ask for a name without a certificate, or for none: true or false',
  ingressClass: 'only objects of this class; default: IngressRoutes without one or of class traefik, and our Ingresses',
  publishAddress: 'addresses or names of the proxy for the status of Ingresses, with commas between',
  publishService: 'or its Service, as namespace/name',
  allowCrossNamespace: 'whether routes may use services of other namespaces: true or false',
  allowExternalNameServices: 'whether Services of type ExternalName are served: true or false',
  strictTraefik: 'whether to do as Traefik where Sluice would do better: true or false',
  workers: 'processes that serve, under one more; 1: a single process; default: one for each core, at most 4',
  acceptGrace: 'how long connections are still taken after SIGTERM',
  grace: 'how long open requests then have',
  adminAddress: 'host:port of /metrics, /api, /healthz, /readyz and /config',
  metricsBuckets: 'bounds of the histograms of durations, in seconds',
  metricsRouters: 'whether there are series for routers too: true or false',
  accessLog: 'a line for each request: Off, Common or Json',
  accessLogQuery: 'whether that line has the query string: true or false',
  logLevel: flags.logLevel,
};

/** proxySettingNames are all of them, in the order of --help. */
export const proxySettingNames = Object.keys(proxyFlags) as readonly (keyof typeof proxySettingDefaults)[];
