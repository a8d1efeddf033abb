/** Makes the metric source that the settings ask for, with its secrets read from mounted files. */
import type { Clock } from './clock.ts';
import type { ControllerSettings } from './config.ts';
import { createAccessFiles } from './source/access-files.ts';
import { createPrometheusSource, type PrometheusSource, type SourceOptions } from './source/prometheus.ts';

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
