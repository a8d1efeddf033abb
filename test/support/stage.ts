/** The whole set for a release: a cluster with Traefik and Prometheus, and Sluice's controller under its real rights. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { type Cluster, startCluster, type ClusterOptions } from './cluster.ts';
import { eventually } from './eventually.ts';
import { putNamespace } from './objects.ts';
import { freePort, type ServerProcess, startServer, temporaryDirectory } from './processes.ts';
import { type Prometheus, startPrometheus } from './prometheus.ts';
import { installProxyRights, startSluiceProxy } from './sluice-proxy.ts';
import { installTraefikCrds, startTraefik, type Traefik } from './traefik.ts';

/** StageOptions choose how Traefik treats services without endpoints, and what the cluster has. */
export interface StageOptions extends ClusterOptions {
  /** dataPlane is what routes the traffic: Traefik, or Sluice's own proxy. */
  readonly dataPlane?: 'Traefik' | 'Proxy';
  readonly allowEmptyServices?: boolean;
  /** targets are scraped by Prometheus beside Traefik, as `host:port`. */
  readonly targets?: readonly string[];
}

/** Controller is a running `sluice controller`. */
export interface Controller {
  readonly pid: number;
  /** metrics returns the text of /metrics. */
  metrics(): Promise<string>;
  /** log returns the JSON lines that it has written. */
  readonly logFile: string;
  /** stop ends it by SIGTERM. */
  stop(): Promise<void>;
  /** kill ends it by SIGKILL, at once. */
  kill(): Promise<void>;
}

/** ControllerChoice is what a test may want to be different. */
export interface ControllerChoice {
  /** kubeconfig replaces that of the ServiceAccount. */
  readonly kubeconfig?: string;
  /** args come last, so that they win. There is no leader election unless they ask for it: a killed leader keeps its lease. */
  readonly args?: readonly string[];
}

/** Stage is the running set. */
export interface Stage {
  readonly cluster: Cluster;
  readonly traefik: Traefik;
  readonly prometheus: Prometheus;
  /** startController starts the controller as the ServiceAccount of manifests/base, and resolves when it is ready. */
  startController(options?: ControllerChoice): Promise<Controller>;
  /** controllerKubeconfig is a kubeconfig of that ServiceAccount. */
  controllerKubeconfig(): Promise<string>;
  stop(): Promise<void>;
}

/** shopNamespace is where the shops of all tests live. */
export const shopNamespace = 'web';
const root = fileURLToPath(new URL('../..', import.meta.url));
const account = { namespace: 'sluice-system', name: 'sluice' } as const;

/** startStage starts everything but the controller. */
export async function startStage(options: StageOptions = {}): Promise<Stage> {
  const cluster = await startCluster(options);
  const started: { stop(): Promise<void> }[] = [cluster];
  const stop = async (): Promise<void> => {
    for (const part of started.splice(0).toReversed()) await part.stop();
  };
  try {
    await installTraefikCrds(cluster);
    await cluster.kubectl(['apply', '-k', path.join(root, 'manifests/base')]);
    await cluster.kubectl(['wait', '--for=condition=Established', '--timeout=30s', 'crd/rollouts.sluice.dev']);
    await putNamespace(cluster, shopNamespace);
    const traefik = await startDataPlane(cluster, options);
    started.push(traefik);
    const targets = [traefik.metricsAddress, ...(options.targets ?? [])];
    const prometheus = await startPrometheus({ targets, scrapeIntervalMs: 1000 });
    started.push(prometheus);
    await untilScraped(prometheus);
    const controllerKubeconfig = (): Promise<string> =>
      cluster.serviceAccountKubeconfig(account.namespace, account.name);
    return {
      cluster,
      traefik,
      prometheus,
      controllerKubeconfig,
      startController: async (choice = {}) => {
        const controller = await startController({
          kubeconfig: choice.kubeconfig ?? (await controllerKubeconfig()),
          prometheusUrl: prometheus.url,
          args: choice.args ?? [],
        });
        started.push(controller);
        return controller;
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startDataPlane(cluster: Cluster, options: StageOptions): Promise<Traefik> {
  if (options.dataPlane === 'Proxy') {
    await installProxyRights(cluster);
    return startSluiceProxy({ cluster, workers: 2 });
  }
  return startTraefik({
    cluster,
    ...(options.allowEmptyServices === undefined ? {} : { allowEmptyServices: options.allowEmptyServices }),
  });
}

/** untilScraped waits until Prometheus can tell what happened a few seconds ago, as it always can outside of tests. */
async function untilScraped({ url }: Prometheus): Promise<void> {
  const query = encodeURIComponent('count_over_time(up[1m]) >= 5');
  const isScraped = async (): Promise<boolean> => {
    const answer = await request(`${url}/api/v1/query?query=${query}`);
    const { data } = (await answer.body.json()) as { readonly data: { readonly result: readonly unknown[] } };
    return data.result.length > 0;
  };
  await eventually(isScraped, { timeoutMs: 20_000, describe: 'Prometheus to have scraped Traefik a few times' });
}

async function startController(options: {
  readonly kubeconfig: string;
  readonly prometheusUrl: string;
  readonly args: readonly string[];
}): Promise<Controller> {
  const directory = await temporaryDirectory('controller');
  const healthUrl = `http://127.0.0.1:${await freePort()}`;
  const server: ServerProcess = await startServer({
    name: 'sluice',
    command: process.execPath,
    directory: directory.path,
    args: [
      path.join(root, 'src/main.ts'),
      'controller',
      `--kubeconfig=${options.kubeconfig}`,
      `--prometheus-url=${options.prometheusUrl}`,
      '--prometheus-scrape-interval=1s',
      '--prometheus-block=1s',
      '--prometheus-lateness=2s',
      '--sample-interval=1s',
      '--user-queries=On',
      `--health-address=${healthUrl.slice('http://'.length)}`,
      '--leader-elect=false',
      ...options.args,
    ],
    isReady: async () => {
      const answer = await request(`${healthUrl}/readyz`);
      await answer.body.dump();
      return answer.statusCode === 200;
    },
  });
  const end = async (graceMs: number): Promise<void> => {
    await server.stop(graceMs);
    await directory.remove();
  };
  return {
    pid: server.pid,
    logFile: server.logFile,
    metrics: async () => (await request(`${healthUrl}/metrics`)).body.text(),
    stop: () => end(5000),
    kill: () => end(0),
  };
}
