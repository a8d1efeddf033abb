/** The settings of `sluice standalone`: its own, and those of controller and proxy that mean something without a cluster. */
import path from 'node:path';
import { readSettings, settingDefaults, type RawSettings } from './config.ts';
import { proxySettingDefaults, readProxySettings, type RawProxySettings } from './proxy-config.ts';
import type { ProxySettings } from './proxy/settings.ts';
import { refuseProblems } from './setting-reader.ts';

/** StandaloneSettings is the whole configuration; controller and proxy get the texts that were found to be right. */
export interface StandaloneSettings extends Pick<ProxySettings, 'adminHost' | 'logLevel'> {
  /** directory holds the manifests; it is never written to. */
  readonly directory: string;
  /** stateDirectory holds weights and status. */
  readonly stateDirectory: string;
  readonly proxy: RawProxySettings;
  /** controller lacks the URL that is scraped, which is known when the proxy listens. */
  readonly controller: RawSettings;
}

/** There is no API server to name, and one process serves. */
const proxyNames = [
  'entryPoint',
  'tlsCertFile',
  'tlsKeyFile',
  'sniStrict',
  'allowCrossNamespace',
  'allowExternalNameServices',
  'strictTraefik',
  'acceptGrace',
  'grace',
  'adminAddress',
  'metricsBuckets',
  'metricsRouters',
  'accessLog',
  'accessLogQuery',
  'logLevel',
] as const satisfies readonly (keyof RawProxySettings)[];

/** The samples are the proxy's own; Prometheus is there for checks, or instead. */
const controllerNames = [
  'source',
  'prometheusUrl',
  'prometheusServiceLabel',
  'prometheusMatchers',
  'prometheusScrapeInterval',
  'prometheusLateness',
  'prometheusBlock',
  'prometheusTimeout',
  'prometheusBearerTokenFile',
  'prometheusBasicAuthFile',
  'prometheusHeadersFile',
  'prometheusCaFile',
  'scrapeInterval',
  'userQueries',
  'freezesFile',
  'sampleInterval',
  'healthAddress',
] as const satisfies readonly (keyof RawSettings)[];

/** standaloneSettingDefaults lists every setting with its default text; an empty text means not set. */
export const standaloneSettingDefaults = {
  state: '',
  ...pick(proxySettingDefaults, proxyNames),
  ...pick(settingDefaults, controllerNames),
  source: 'Scrape',
  acceptGrace: '0s',
  healthAddress: '127.0.0.1:8081',
} as const;

/** RawStandaloneSettings are the folder, and the texts of flags and environment; undefined and an empty text take the default. */
export interface RawStandaloneSettings extends Readonly<
  Partial<Record<keyof typeof standaloneSettingDefaults, string | undefined>>
> {
  readonly directory: string;
}

/** parseStandaloneSettings returns the settings; it throws ConfigInvalid with every problem in one message. */
export function parseStandaloneSettings(raw: RawStandaloneSettings): StandaloneSettings {
  const texts = { ...standaloneSettingDefaults, ...given(raw) };
  const proxy = pick(texts, proxyNames);
  const controller = { ...pick(texts, controllerNames), logLevel: texts.logLevel, leaderElect: 'false' };
  const { settings, problems } = readProxySettings(proxy, 1);
  // The URL only stands in for the one that is not known yet.
  const rest = readSettings({ ...controller, scrapeUrls: 'http://127.0.0.1/metrics' }).problems;
  refuseProblems([...new Set([...problems, ...rest])]);
  return {
    directory: path.resolve(raw.directory),
    stateDirectory: path.resolve(texts.state === '' ? path.join(raw.directory, '.sluice') : texts.state),
    proxy,
    controller,
    adminHost: settings.adminHost,
    logLevel: settings.logLevel,
  };
}

function pick<T extends object, const N extends keyof T>(from: T, names: readonly N[]): Pick<T, N> {
  return Object.fromEntries(names.map((name) => [name, from[name]])) as Pick<T, N>;
}

/** given leaves out what is not set, so that the default stays. */
function given(raw: RawStandaloneSettings): Partial<Record<keyof typeof standaloneSettingDefaults, string>> {
  return Object.fromEntries(Object.entries(raw).filter(([, text]) => text !== undefined && text !== ''));
}
