/** One of several controllers, behind a proxy of its own, so that it alone can be killed, stopped or cut off. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { request } from 'undici';
import type { Cluster } from './cluster.ts';
import { kubeconfigText } from './control-plane.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { freePort, type ServerProcess, startServer } from './processes.ts';

/** ReplicaOptions: `program` is the main.ts to start. */
export interface ReplicaOptions {
  readonly cluster: Cluster;
  /** name is that of its log file. */
  readonly name: string;
  readonly program: string;
  readonly prometheusUrl: string;
  /** token is its credential; one of its own tells it apart in the audit log. */
  readonly token: string;
  readonly args: readonly string[];
  /** nodeFlags are those of Node itself. */
  readonly nodeFlags?: readonly string[];
}

/** Replica is a `sluice controller` that is started, ended and started again. */
export interface Replica {
  readonly name: string;
  readonly proxy: FaultProxy;
  readonly logFile: string;
  /** pid is undefined while it does not run. */
  readonly pid: number | undefined;
  /** isLost tells whether it has ended although nobody asked it to. */
  readonly isLost: boolean;
  /** start resolves when it is ready. */
  start(): Promise<void>;
  /** kill ends it by SIGKILL. */
  kill(): Promise<void>;
  /** stop ends it by SIGTERM and returns how long that took in milliseconds. */
  stop(): Promise<number>;
  signal(signal: NodeJS.Signals): void;
  /** metrics returns the text of /metrics. */
  metrics(): Promise<string>;
  /** close ends it and its proxy. */
  close(): Promise<void>;
}

/** createReplica starts the proxy, not yet the controller. */
export async function createReplica(options: ReplicaOptions): Promise<Replica> {
  const { cluster, name, token } = options;
  const proxy = await startFaultProxy(cluster);
  const kubeconfig = path.join(cluster.dataDir, `${name}.kubeconfig`);
  const address = { url: proxy.url.origin, caFile: cluster.caFile };
  await writeFile(kubeconfig, kubeconfigText(address, { user: name, token }), { mode: 0o600 });
  const health = `127.0.0.1:${await freePort()}`;
  let server: ServerProcess | undefined;
  const end = async (graceMs: number): Promise<void> => {
    const ending = server;
    server = undefined;
    // A process that is stopped does not see that it has to go.
    ending?.signal('SIGCONT');
    await ending?.stop(graceMs);
  };
  return {
    name,
    proxy,
    logFile: path.join(cluster.dataDir, `${name}.log`),
    get pid() {
      return server?.pid;
    },
    get isLost() {
      return server?.isAlive() === false;
    },
    start: async () => {
      await end(0);
      server = await startProgram({ ...options, kubeconfig, health });
    },
    kill: () => end(0),
    stop: async () => {
      const startMs = performance.now();
      await end(30_000);
      return performance.now() - startMs;
    },
    signal: (signal) => server?.signal(signal),
    metrics: async () => {
      const answer = await request(`http://${health}/metrics`, { headersTimeout: 2000, bodyTimeout: 2000 });
      return answer.body.text();
    },
    close: async () => {
      await end(0);
      await proxy.stop();
    },
  };
}

function startProgram(
  options: ReplicaOptions & { readonly kubeconfig: string; readonly health: string },
): Promise<ServerProcess> {
  const { cluster, name, program, prometheusUrl, args, nodeFlags = [], kubeconfig, health } = options;
  return startServer({
    name,
    command: process.execPath,
    directory: cluster.dataDir,
    env: { PATH: process.env['PATH'], NODE_ENV: 'production' },
    args: [
      ...nodeFlags,
      program,
      'controller',
      `--kubeconfig=${kubeconfig}`,
      `--prometheus-url=${prometheusUrl}`,
      '--prometheus-scrape-interval=1s',
      '--prometheus-block=1s',
      '--prometheus-lateness=2s',
      '--sample-interval=1s',
      `--health-address=${health}`,
      '--lease-namespace=sluice-system',
      ...args,
    ],
    isReady: async () => {
      const answer = await request(`http://${health}/readyz`);
      await answer.body.dump();
      return answer.statusCode === 200;
    },
  });
}
