/**
 * `npm run bench:proxy -- [--seconds N] [--rounds N] [--scenario NAME]... [--proxy NAME]... [--json]`: Sluice's proxy beside
 * others. One proxy at a time is under load; all have the first core, the load, the upstream and the API server the other.
 * Traefik and Sluice read the same routes from the same API server. Everything runs in a network of its own.
 */
import { spawn, spawnSync } from 'node:child_process';
import cluster from 'node:cluster';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buildTools } from '../../test/support/build-tools.ts';
import { createAuthority } from '../../test/support/certificates.ts';
import { startCluster } from '../../test/support/cluster.ts';
import { inNetworkNamespace } from '../../test/support/network-namespace.ts';
import { temporaryDirectory } from '../../test/support/processes.ts';
import { copyProgram } from '../../test/support/program-copy.ts';
import { installTraefikCrds } from '../../test/support/traefik.ts';
import { measureApply, serveApply } from './apply.ts';
import { measure } from './measure.ts';
import { parseOptions, usage, type BenchOptions } from './options.ts';
import type { Peer, PeerName } from './peers/peer.ts';
import type { Place } from './peers/place.ts';
import { installPeers, startSimple } from './peers/simple.ts';
import { startSluice } from './peers/sluice.ts';
import { startTraefik } from './peers/traefik.ts';
import { putMainRoutes, putManyRoutes } from './routes.ts';
import { scenarios } from './scenarios.ts';
import { formatApply, formatTable, type ApplyResults, type Results } from './table.ts';
import { startUpstream } from './upstream.ts';

const startedMs = performance.now();
const insideVariable = 'SLUICE_BENCH_INSIDE';

// The workers of `apply` are processes of this program.
if (cluster.isWorker) await serveApply();
else process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: BenchOptions;
  try {
    options = parseOptions(args);
  } catch (error) {
    say(`${(error as Error).message}\n${usage}`);
    return 2;
  }
  if (options.scenarios.length > 0 && process.env[insideVariable] === undefined) return outside(options);
  try {
    const apply = options.isApplying ? await applyAll() : undefined;
    const results = options.scenarios.length > 0 ? await run(options) : {};
    if (apply !== undefined) process.stdout.write(`${formatApply(apply)}\n`);
    if (options.scenarios.length > 0) process.stdout.write(`${formatTable(results)}\n`);
    if (options.json)
      process.stdout.write(`${JSON.stringify({ ...results, ...(apply && { apply: { sluice: apply } }) })}\n`);
    return 0;
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    setTimeout(() => process.exit(), 1_000).unref();
  }
}

/** Whatever needs the network is fetched before the bench has one of its own. */
async function outside(options: BenchOptions): Promise<number> {
  const debian = [
    ['wrk', 'wrk'],
    ['h2load', 'nghttp2-client'],
    ['nginx', 'nginx'],
    ['haproxy', 'haproxy'],
    ['taskset', 'util-linux'],
  ] as const;
  const missing = debian.filter(([command]) => spawnSync(command, ['--version']).error !== undefined);
  if (missing.length > 0) {
    say(`installing ${missing.map(([, name]) => name).join(', ')}`);
    const { status } = spawnSync('apt-get', ['install', '-y', ...missing.map(([, name]) => name)], { stdio: 'ignore' });
    if (status !== 0)
      throw new Error(`apt-get install ${missing.map(([, name]) => name).join(' ')} failed; install them`);
  }
  await buildTools(say);
  if (options.peers.some((name) => name === 'http-proxy-3' || name === 'fast-proxy')) await installPeers();
  const [file, ...args] = inNetworkNamespace([process.execPath, ...process.argv.slice(1)]);
  const child = spawn(file, args, { stdio: 'inherit', env: { ...process.env, [insideVariable]: '1' } });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill('SIGKILL'));
  return new Promise((resolve) => void child.once('exit', (code) => resolve(code ?? 1)));
}

/** With both cores, before anything else runs. */
async function applyAll(): Promise<ApplyResults> {
  const results: Record<string, Awaited<ReturnType<typeof measureApply>>> = {};
  for (const workers of [1, 2]) {
    say(`apply, ${workers} ${workers === 1 ? 'worker' : 'workers'}`);
    results[workers] = await measureApply(workers);
  }
  return results;
}

async function run(options: BenchOptions): Promise<Results> {
  const directory = await temporaryDirectory('bench-proxy');
  const certificate = createAuthority('bench').issue('bench.test');
  const [certFile, keyFile] = [path.join(directory.path, 'tls.crt'), path.join(directory.path, 'tls.key')];
  await writeFile(certFile, certificate.cert);
  await writeFile(keyFile, certificate.key);
  const copy = await copyProgram();
  const program = await copy.build();
  const cluster = await startCluster({ controllerManager: false });
  pinOthers(cluster.pids());
  await installTraefikCrds(cluster);
  await startUpstream(directory.path);
  await putMainRoutes(cluster);
  const place = { directory: directory.path, cluster, certFile, keyFile, program };
  const results: Results = {};
  let routes = 0;
  try {
    for (const name of options.scenarios) {
      const scenario = scenarios[name];
      if (scenario.routes > routes) await putManyRoutes(cluster, scenario.routes);
      routes = Math.max(routes, scenario.routes);
      say(name);
      const peers = await startAll(
        scenario.peers.filter((peer) => options.peers.includes(peer)),
        place,
      );
      results[name] = await measure(scenario, peers, { ...options, directory: directory.path, cluster, say });
      await Promise.all(peers.map((peer) => peer.stop()));
    }
    return results;
  } finally {
    await cluster.stop();
    await copy.remove();
    await directory.remove();
  }
}

async function startAll(names: readonly PeerName[], place: Place): Promise<readonly Peer[]> {
  const peers: Peer[] = [];
  for (const name of names) {
    say(`  starting ${name}`);
    peers.push(
      await (name === 'sluice'
        ? startSluice(place)
        : name === 'traefik'
          ? startTraefik(place)
          : startSimple(name, place)),
    );
  }
  return peers;
}

/** The API server is no proxy: it works beside the load. */
function pinOthers(pids: readonly number[]): void {
  for (const pid of [process.pid, ...pids]) spawnSync('taskset', ['-a', '-c', '-p', '1', String(pid)]);
}

function say(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stderr.write(`${seconds.padStart(6)} s  ${text}\n`);
}
