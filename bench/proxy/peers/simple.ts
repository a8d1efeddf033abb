/** Proxies that send everything to one upstream: what forwarding costs without any routes. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort, startServer } from '../../../test/support/processes.ts';
import { nginxConfiguration, upstreamAddress } from '../upstream.ts';
import { proxyCore, type Peer, type PeerName } from './peer.ts';
import type { Place } from './place.ts';

const upstream = `${upstreamAddress.host}:${upstreamAddress.port}`;
const here = fileURLToPath(new URL('.', import.meta.url));

type SimpleName = Exclude<PeerName, 'sluice' | 'traefik'>;

/** startSimple starts one of them. */
export async function startSimple(name: SimpleName, { directory }: Place): Promise<Peer> {
  const plainPort = await freePort();
  const [command, ...pin] = proxyCore;
  const server = await startServer({
    name,
    command,
    directory,
    env: { ...process.env, GOMAXPROCS: '1' },
    args: [...pin, ...(await commandOf(name, directory, plainPort))],
    isReady: async () => (await fetch(`http://127.0.0.1:${plainPort}/small`)).ok,
  });
  const pids = (): Promise<readonly number[]> => Promise.resolve([server.pid]);
  return { name, plainPort, tlsPort: undefined, pids, stop: () => server.stop(1000) };
}

async function commandOf(name: SimpleName, directory: string, port: number): Promise<readonly string[]> {
  if (name === 'nginx') return nginx(directory, port);
  if (name === 'haproxy') return haproxy(directory, port);
  if (name === 'go') return [await buildGo(directory), `127.0.0.1:${port}`, `http://${upstream}`];
  return [process.execPath, path.join(await installNodePeers(), `${name}.mjs`), String(port), `http://${upstream}`];
}

async function nginx(directory: string, port: number): Promise<readonly string[]> {
  const file = path.join(directory, 'nginx.conf');
  const http = `upstream up { server ${upstream}; keepalive 200; keepalive_requests 100000000; }
server { listen 127.0.0.1:${port} backlog=4096; location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; } }`;
  await writeFile(file, nginxConfiguration(directory, 'nginx', http));
  return ['nginx', '-c', file, '-p', directory, '-e', path.join(directory, 'nginx-error.log')];
}

async function haproxy(directory: string, port: number): Promise<readonly string[]> {
  const file = path.join(directory, 'haproxy.cfg');
  await writeFile(
    file,
    `global
  nbthread 1
  maxconn 2000
defaults
  mode http
  option forwardfor
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend in
  bind 127.0.0.1:${port}
  default_backend up
backend up
  server one ${upstream} maxconn 1000
`,
  );
  return ['haproxy', '-db', '-f', file];
}

async function buildGo(directory: string): Promise<string> {
  const file = path.join(directory, 'go-proxy');
  await promisify(execFile)('go', ['build', '-buildvcs=false', '-o', file, '.'], { cwd: path.join(here, '../go') });
  return file;
}

/** The proxies from npm are no dependencies of Sluice: they are installed beside it when the bench first runs. */
async function installNodePeers(): Promise<string> {
  const cache = process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache');
  const directory = path.join(cache, 'sluice', 'bench-peers');
  await mkdir(directory, { recursive: true });
  for (const [file, text] of Object.entries(nodeFiles)) await writeFile(path.join(directory, file), text);
  return directory;
}

/** installPeers fetches what needs the network, before the bench leaves it. */
export async function installPeers(): Promise<void> {
  const cwd = await installNodePeers();
  await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund'], { cwd });
}

const listen = `
import http from 'node:http';
const [, , port, target] = process.argv;
const agent = new http.Agent({ keepAlive: true, maxSockets: 200, noDelay: true });
`;

const nodeFiles: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({
    private: true,
    type: 'module',
    dependencies: { 'http-proxy-3': '2.0.1', 'fast-proxy': '2.2.0' },
  }),
  'http-proxy-3.mjs': `${listen}
import { createProxyServer } from 'http-proxy-3';
createProxyServer({ target, agent, xfwd: true }).listen(Number(port), '127.0.0.1');
`,
  'fast-proxy.mjs': `${listen}
import fastProxy from 'fast-proxy';
const { proxy } = fastProxy({ base: target, undici: { connections: 100, pipelining: 1 } });
http.createServer((req, res) => proxy(req, res, req.url, {})).listen(Number(port), '127.0.0.1');
`,
};
