/** The server behind all proxies: nginx with a body of 50 bytes and one of 1 MiB. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startServer, type ServerProcess } from '../../test/support/processes.ts';
import { otherCore } from './peers/peer.ts';

/** upstreamAddress is no loopback address, which EndpointSlices refuse. */
export const upstreamAddress = { host: '10.77.0.5', port: 9000 } as const;

/** smallBody is what `/small` answers. */
export const smallBody = `${'0123456789'.repeat(4)}012345678\n`;

/** startUpstream starts it on the core of the load. */
export async function startUpstream(directory: string): Promise<ServerProcess> {
  const root = path.join(directory, 'upstream');
  await mkdir(root, { recursive: true });
  await writeFile(path.join(root, 'small'), smallBody);
  await writeFile(path.join(root, 'large'), Buffer.alloc(1024 * 1024, 'x'));
  const file = path.join(directory, 'upstream.conf');
  const { host, port } = upstreamAddress;
  await writeFile(
    file,
    nginxConfiguration(
      directory,
      'upstream',
      `sendfile on; tcp_nopush on; open_file_cache max=10;
       server { listen ${host}:${port} backlog=4096; root ${root}; default_type text/plain;
         location = /small { return 200 "${smallBody.trimEnd()}\\n"; } }`,
    ),
  );
  const [command, ...pin] = otherCore;
  return startServer({
    name: 'upstream',
    command,
    args: [...pin, 'nginx', '-c', file, '-p', directory, '-e', path.join(directory, 'upstream-error.log')],
    directory,
    isReady: async () => (await fetch(`http://${host}:${port}/small`)).ok,
  });
}

/** nginxConfiguration is one of a single process in the foreground that keeps connections. */
export function nginxConfiguration(directory: string, name: string, http: string): string {
  return `daemon off; worker_processes 1; pid ${directory}/${name}.pid; user root;
events { worker_connections 20000; }
http { access_log off; keepalive_timeout 180s; keepalive_requests 100000000;
${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${directory}/${name}-${kind};`).join('\n')}
${http} }\n`;
}
