/** Sluice's own proxy as the data plane of a test, in the place of a Traefik. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import type { Cluster } from './cluster.ts';
import { freePort, startServer, temporaryDirectory } from './processes.ts';
import type { Traefik } from './traefik.ts';

/** ProxyOptions: `args` come last, so that they win. */
export interface ProxyOptions {
  readonly cluster: Cluster;
  readonly workers?: number;
  readonly args?: readonly string[];
}

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const account = { namespace: 'sluice-system', name: 'sluice-proxy' } as const;

/** installProxyRights gives the cluster the ServiceAccount and the rights of the proxy, as its overlay has them. */
export async function installProxyRights(cluster: Cluster): Promise<void> {
  const overlay = path.join(path.dirname(main), '../manifests/components/proxy');
  await cluster.kubectl(['apply', '-f', path.join(overlay, 'rbac.yaml')]);
}

/** startSluiceProxy starts the program under its own rights and waits until it serves. The result is shaped as a Traefik. */
export async function startSluiceProxy({ cluster, workers = 1, args = [] }: ProxyOptions): Promise<Traefik> {
  const [webPort, adminPort] = [await freePort(), await freePort()];
  const directory = await temporaryDirectory('proxy');
  const server = await startServer({
    name: 'sluice-proxy',
    command: process.execPath,
    directory: directory.path,
    args: [
      main,
      'proxy',
      `--kubeconfig=${await cluster.serviceAccountKubeconfig(account.namespace, account.name)}`,
      `--entry-point=web=127.0.0.1:${webPort}`,
      `--admin-address=127.0.0.1:${adminPort}`,
      `--workers=${workers}`,
      '--metrics-buckets=0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10',
      '--accept-grace=0s',
      '--grace=2s',
      ...args,
    ],
    isReady: async () => {
      const answer = await request(`http://127.0.0.1:${adminPort}/readyz`);
      await answer.body.dump();
      return answer.statusCode === 200;
    },
  }).catch(async (error: unknown) => {
    await directory.remove();
    throw error;
  });
  return {
    webUrl: `http://127.0.0.1:${webPort}`,
    apiUrl: `http://127.0.0.1:${adminPort}/api`,
    metricsUrl: `http://127.0.0.1:${adminPort}/metrics`,
    metricsAddress: `127.0.0.1:${adminPort}`,
    pid: server.pid,
    stop: async () => {
      await server.stop(5000);
      await directory.remove();
    },
  };
}
