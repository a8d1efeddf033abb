/** A real Prometheus that scrapes fixed targets often enough for a test. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { request } from 'undici';
import { toolPath } from './build-tools.ts';
import { freePort, startServer, temporaryDirectory } from './processes.ts';

/** PrometheusOptions name what is scraped: `targets` are `host:port` with metrics at /metrics. */
export interface PrometheusOptions {
  readonly targets: readonly string[];
  /** scrapeIntervalMs is 1000 if absent; scrapes time out after the same time. */
  readonly scrapeIntervalMs?: number;
  /** receives lets others write samples to it (remote-write.ts). */
  readonly receives?: boolean;
  /** groups are rules, evaluated as often as targets are scraped. */
  readonly groups?: readonly unknown[];
}

/** Prometheus is a running Prometheus; `url` has no trailing slash. */
export interface Prometheus {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** startPrometheus starts Prometheus with an empty database and returns when it answers queries. */
export async function startPrometheus({
  targets,
  scrapeIntervalMs = 1000,
  receives = false,
  groups = [],
}: PrometheusOptions): Promise<Prometheus> {
  const directory = await temporaryDirectory('prometheus');
  const configFile = path.join(directory.path, 'prometheus.yml');
  const rulesFile = path.join(directory.path, 'rules.yml');
  const interval = `${scrapeIntervalMs}ms`;
  const config = {
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: [rulesFile],
    scrape_configs: [{ job_name: 'traefik', static_configs: [{ targets }] }],
  };
  await writeFile(configFile, JSON.stringify(config));
  await writeFile(rulesFile, JSON.stringify({ groups }));
  const address = `127.0.0.1:${await freePort()}`;
  const server = await startServer({
    name: 'prometheus',
    command: await toolPath('prometheus'),
    directory: directory.path,
    args: [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${path.join(directory.path, 'data')}`,
      `--web.listen-address=${address}`,
      '--log.level=warn',
      ...(receives ? ['--web.enable-remote-write-receiver'] : []),
    ],
    isReady: async () => {
      const answer = await request(`http://${address}/-/ready`);
      await answer.body.dump();
      return answer.statusCode === 200;
    },
  }).catch(async (error: unknown) => {
    await directory.remove();
    throw error;
  });
  return {
    url: `http://${address}`,
    pid: server.pid,
    stop: async () => {
      await server.stop(0);
      await directory.remove();
    },
  };
}
