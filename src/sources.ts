/** Makes the metric source that the settings ask for, with its secrets read from mounted files. */
import { readFile } from 'node:fs/promises';
import type { Clock } from './clock.ts';
import type { ControllerSettings } from './config.ts';
import { SluiceError } from './errors.ts';
import { createPrometheusSource, type PrometheusSource } from './source/prometheus.ts';

/** createSource rejects with ConfigInvalid where a file cannot be read. */
export async function createSource(settings: ControllerSettings, clock: Clock): Promise<PrometheusSource> {
  const { prometheus, userQueries } = settings;
  const [token, ca] = await Promise.all([
    readSetting(prometheus.bearerTokenFile, 'prometheus-bearer-token-file'),
    readSetting(prometheus.caFile, 'prometheus-ca-file'),
  ]);
  const config = {
    url: prometheus.url,
    serviceLabel: prometheus.serviceLabel,
    scrapeIntervalMs: prometheus.scrapeIntervalMs,
    timeoutMs: prometheus.timeoutMs,
    userQueries,
    ...(prometheus.matchers === undefined ? {} : { extraMatchers: prometheus.matchers }),
    ...(prometheus.latenessMs === undefined ? {} : { latenessMs: prometheus.latenessMs }),
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    ...(ca === undefined ? {} : { ca }),
  };
  return createPrometheusSource(config, clock);
}

async function readSetting(file: string | undefined, flag: string): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new SluiceError('ConfigInvalid', `--${flag}: the file ${file} cannot be read.`, { cause });
  });
  return text.trim();
}
