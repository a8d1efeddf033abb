import { childrenOf } from '../../../test/support/children.ts';
import { readEntrypoint } from '../../../test/support/image-entrypoint.ts';
import { freePort, startServer } from '../../../test/support/processes.ts';
import { proxyCore, type Peer } from './peer.ts';
import type { Place } from './place.ts';

/** startSluice starts the program as the image does, with one worker. */
export async function startSluice({ directory, cluster, certFile, keyFile, program }: Place): Promise<Peer> {
  const [plainPort, tlsPort, adminPort] = [await freePort(), await freePort(), await freePort()];
  const [command, ...pin] = proxyCore;
  const { environment, nodeFlags, args } = await readEntrypoint('proxy');
  const server = await startServer({
    name: 'sluice',
    command,
    directory,
    env: { PATH: process.env['PATH'], ...environment },
    args: [
      ...pin,
      process.execPath,
      ...nodeFlags,
      program,
      ...args,
      `--kubeconfig=${await cluster.serviceAccountKubeconfig('default', 'traefik-ingress-controller')}`,
      `--entry-point=web=127.0.0.1:${plainPort} websecure=127.0.0.1:${tlsPort},tls`,
      `--tls-cert-file=${certFile}`,
      `--tls-key-file=${keyFile}`,
      `--admin-address=127.0.0.1:${adminPort}`,
      '--workers=1',
      '--accept-grace=0s',
      '--grace=1s',
      '--log-level=warn',
      ...(process.env['SLUICE_BENCH_FLAGS'] ?? '').split(' ').filter((flag) => flag !== ''),
    ],
    isReady: async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).ok,
  });
  return {
    name: 'sluice',
    plainPort,
    tlsPort,
    // With several workers, they are children of the primary.
    pids: async () => [server.pid, ...(await childrenOf(server.pid))],
    stop: () => server.stop(5000),
  };
}
