import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort, startServer } from '../../../test/support/processes.ts';
import { toolPath } from '../../../test/support/build-tools.ts';
import { proxyCore, type Peer } from './peer.ts';
import type { Place } from './place.ts';

/** startTraefik reads the routes from the API server, with metrics of services on, since a canary cannot be judged without. */
export async function startTraefik({ directory, cluster, certFile, keyFile }: Place): Promise<Peer> {
  const [plainPort, tlsPort, adminPort] = [await freePort(), await freePort(), await freePort()];
  const [command, ...pin] = proxyCore;
  const token = await cluster.serviceAccountToken('default', 'traefik-ingress-controller');
  const file = path.join(directory, 'traefik-tls.yml');
  await writeFile(
    file,
    `tls: {stores: {default: {defaultCertificate: {certFile: ${certFile}, keyFile: ${keyFile}}}}}\n`,
  );
  const server = await startServer({
    name: 'traefik',
    command,
    directory,
    // The runtime counts all cores, whatever the process may use: one thread at a time is what it has here.
    env: { PATH: process.env['PATH'], GOMAXPROCS: '1' },
    args: [
      ...pin,
      await toolPath('traefik'),
      `--entrypoints.web.address=127.0.0.1:${plainPort}`,
      `--entrypoints.websecure.address=127.0.0.1:${tlsPort}`,
      `--entrypoints.traefik.address=127.0.0.1:${adminPort}`,
      '--global.checknewversion=false',
      '--global.sendanonymoususage=false',
      '--api.insecure=true',
      '--metrics.prometheus=true',
      '--metrics.prometheus.addserviceslabels=true',
      '--providers.kubernetescrd=true',
      `--providers.kubernetescrd.endpoint=${cluster.url}`,
      `--providers.kubernetescrd.token=${token}`,
      `--providers.kubernetescrd.certauthfilepath=${cluster.caFile}`,
      `--providers.file.filename=${file}`,
      '--log.level=ERROR',
    ],
    isReady: async () => (await fetch(`http://127.0.0.1:${adminPort}/api/http/routers?search=main`)).ok,
  });
  return {
    name: 'traefik',
    plainPort,
    tlsPort,
    pids: () => Promise.resolve([server.pid]),
    stop: () => server.stop(1000),
  };
}
