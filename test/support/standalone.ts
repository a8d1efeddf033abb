/** `sluice standalone` as a program, on a folder with one shop, and its state as it is on disk. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import type { RolloutStatus } from '../../src/api/rollout-status.ts';
import type { ObjectRecord } from '../../src/standalone/object-record.ts';
import { decodeState } from '../../src/standalone/state-file.ts';
import { type Backend, startBackend } from './backend.ts';
import { eventually } from './eventually.ts';
import { bindToParent, freePort } from './processes.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** shopHost is the host of the shop's only rule. */
export const shopHost = 'shop.localhost';

/** Ports are where one program listens. */
interface Ports {
  readonly web: number;
  readonly admin: number;
  readonly health: number;
}

/** StandaloneProgram is one process; `ready` and `ended` never reject. */
export interface StandaloneProgram {
  readonly pid: number;
  /** log returns what it wrote so far, to both outputs. */
  log(): string;
  /** ready resolves with true when it serves, and with false when it has ended before. */
  readonly ready: Promise<boolean>;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  signal(signal: NodeJS.Signals): void;
}

/** ShopRecord is the Rollout of the shop in the state. */
export type ShopRecord = ObjectRecord & { readonly status?: RolloutStatus };

/** StandaloneShop is a folder with a route, two Services and their backends; the Rollout is written by the test. */
export interface StandaloneShop {
  readonly directory: string;
  readonly state: string;
  readonly url: string;
  readonly stable: Backend;
  readonly canary: Backend;
  /** write replaces a file of the folder, as an editor does. */
  write(file: string, text: string): Promise<void>;
  /** writeRollout writes rollout.yaml; `annotations` stands in the flow style of YAML. */
  writeRollout(spec: object, annotations?: string): Promise<void>;
  /** snapshot returns all that the file system knows of the folder: contents, times, modes and inodes. */
  snapshot(): Promise<readonly unknown[]>;
  /** start starts the program on the folder and the state. */
  start(): StandaloneProgram;
  /** record returns the Rollout in the state as it is now, undefined where there is none yet; it throws where the state is damaged. */
  record(): Promise<ShopRecord | undefined>;
  /** until waits for a status, and returns it with the uid of the Rollout. */
  until(isMet: (status: RolloutStatus) => boolean, timeoutMs?: number): Promise<ShopRecord & { status: RolloutStatus }>;
  /** admin and health return what is answered at a path of the two ports that are not for clients. */
  admin(path: string): Promise<string>;
  health(path: string): Promise<string>;
  /** logs returns what all programs wrote. */
  logs(): string;
  /** close ends all programs and backends, and removes the folder. */
  close(): Promise<void>;
}

/** openStandaloneShop makes the folder, and starts the backends v1 and v2. */
export async function openStandaloneShop(): Promise<StandaloneShop> {
  const root = await mkdtemp(path.join(os.tmpdir(), 'sluice-standalone-'));
  const [directory, state] = [path.join(root, 'manifests'), path.join(root, 'state')];
  await mkdir(directory);
  const ports: Ports = { web: await freePort(), admin: await freePort(), health: await freePort() };
  const [stable, canary] = await Promise.all(
    ['v1', 'v2'].map(async (version) => startBackend({ address: '127.0.0.1', port: await freePort(), version })),
  );
  if (stable === undefined || canary === undefined) throw new TypeError('there are two');
  const programs: StandaloneProgram[] = [];
  const write = async (file: string, text: string): Promise<void> => {
    await writeFile(path.join(root, 'draft'), text);
    await rename(path.join(root, 'draft'), path.join(directory, file));
  };
  await write('route.yaml', routeText());
  await write('stable.yaml', serviceText('shop-stable', stable.port));
  await write('canary.yaml', serviceText('shop-canary', canary.port));
  const record = (): Promise<ShopRecord | undefined> => readShop(path.join(state, 'state.json'));
  return {
    directory,
    state,
    url: `http://127.0.0.1:${ports.web}/`,
    stable,
    canary,
    write,
    writeRollout: (spec, annotations = '{}') => write('rollout.yaml', rolloutText(spec, annotations)),
    snapshot: () => snapshotOf(directory),
    start: () => {
      const program = startProgram({ directory, state, ports });
      programs.push(program);
      return program;
    },
    record,
    until: (isMet, timeoutMs = 30_000) => untilMet(record, isMet, timeoutMs),
    admin: (at) => textAt(ports.admin, at),
    health: (at) => textAt(ports.health, at),
    logs: () => programs.map((program) => program.log()).join('\n'),
    close: async () => {
      for (const program of programs) program.signal('SIGKILL');
      await Promise.all(programs.map(({ ended }) => ended));
      await Promise.all([stable.stop(), canary.stop()]);
      await rm(root, { recursive: true, force: true });
    },
  };
}

function startProgram(options: {
  readonly directory: string;
  readonly state: string;
  readonly ports: Ports;
}): StandaloneProgram {
  const { web, admin, health } = options.ports;
  const settings = {
    state: options.state,
    'entry-point': `web=127.0.0.1:${web}`,
    'admin-address': `127.0.0.1:${admin}`,
    'health-address': `127.0.0.1:${health}`,
    // Blocks of evidence that are over soon.
    'scrape-interval': '300ms',
    'sample-interval': '300ms',
  };
  const flags = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  const [command, ...args] = bindToParent([process.execPath, main, 'standalone', options.directory, ...flags]);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += String(chunk)));
  const ended = new Promise<Awaited<StandaloneProgram['ended']>>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal })),
  );
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  const ready = (async () => {
    while (isRunning()) {
      if (
        await textAt(health, '/readyz').then(
          () => true,
          () => false,
        )
      )
        return isRunning();
      await sleep(20);
    }
    return false;
  })();
  return { pid: child.pid ?? 0, log: () => log, ready, ended, signal: (signal) => void child.kill(signal) };
}

async function textAt(port: number, at: string): Promise<string> {
  const { statusCode, body } = await request(`http://127.0.0.1:${port}${at}`);
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`${at} answered ${statusCode}: ${text}`);
  return text;
}

async function readShop(file: string): Promise<ShopRecord | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  return decodeState(text, file).records.find(({ id }) => id === 'sluice.dev/Rollout default/shop');
}

function untilMet(
  read: StandaloneShop['record'],
  isMet: (status: RolloutStatus) => boolean,
  timeoutMs: number,
): Promise<ShopRecord & { status: RolloutStatus }> {
  return eventually(
    async () => {
      const found = await read();
      const status = found?.status;
      if (found !== undefined && status !== undefined && isMet(status)) return { ...found, status };
      const { phase, weight, reason, message, verdict } = status ?? {};
      throw new Error(JSON.stringify({ phase, weight, reason, message, verdict }));
    },
    { timeoutMs, intervalMs: 20, describe: 'a status' },
  );
}

async function snapshotOf(directory: string): Promise<readonly unknown[]> {
  const names = ['', ...(await readdir(directory, { recursive: true })).sort()];
  return Promise.all(
    names.map(async (name) => {
      const file = path.join(directory, name);
      const { mode, size, ino, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
      return [name, mode, size, ino, mtimeNs, ctimeNs, name === '' ? '' : await readFile(file, 'base64')];
    }),
  );
}

function routeText(): string {
  return `# what the shop serves
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: shop}
spec:
  entryPoints: [web]
  routes:
  - kind: Rule
    match: Host(\`${shopHost}\`)
    services:
    - {name: shop-stable, port: 80}
`;
}

function serviceText(name: string, port: number): string {
  return `apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec:
  ports:
  - {name: http, port: 80}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${name}
  labels: {kubernetes.io/service-name: ${name}}
addressType: IPv4
endpoints:
- {addresses: [127.0.0.1]}
ports:
- {name: http, port: ${port}}
`;
}

function rolloutText(spec: object, annotations: string): string {
  const pair = { route: { name: 'shop' }, stable: { service: 'shop-stable' }, canary: { service: 'shop-canary' } };
  return `apiVersion: sluice.dev/v1alpha1
kind: Rollout
metadata:
  name: shop
  annotations: ${annotations}
spec: ${JSON.stringify({ ...pair, revision: 'v2', ...spec })}
`;
}
