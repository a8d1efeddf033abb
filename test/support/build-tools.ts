/**
 * Builds the real servers that the tests run against, from the pinned Go modules in `test/tools`, into a user cache.
 * Run alone (`npm run tools`) it fills the cache; inside a test it only finds what is there, or builds it once.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bindToParent, killGroup } from './processes.ts';

/** ToolName is a server or client that the tests run. */
export type ToolName =
  | 'etcd'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kubectl'
  | 'prometheus'
  | 'traefik'
  | 'grpc-peer'
  | 'gitops-judge'
  | 'helm-render';

/** Tools maps each tool to the path of its binary. */
export type Tools = Readonly<Record<ToolName, string>>;

interface ToolSource {
  readonly module: 'kubernetes' | 'prometheus' | 'traefik' | 'grpc' | 'gitops' | 'helm';
  readonly package: string;
  readonly flags: readonly string[];
  /** files lists files of a Go module that are kept beside the binary, because a later run may have no module cache. */
  readonly files?: { readonly of: string; readonly paths: readonly string[] };
  /** coldSeconds is what the build took on 2 cores with an empty Go cache, in the order of `sources`. */
  readonly coldSeconds: number;
}

// Only flags of the link step: -trimpath or CGO_ENABLED=0 would compile every package again, into a cache of its own.
const linkSmall = ['-ldflags=-s -w'];
const kubernetesVersion = moduleVersion('kubernetes', 'k8s.io/kubernetes');
// Without a version the API server calls itself v0.0.0-master, which clients parse.
const linkKubernetes = [
  `-ldflags=-s -w ${[
    `gitVersion=${kubernetesVersion}`,
    `gitMajor=${kubernetesVersion.slice(1).split('.')[0]}`,
    `gitMinor=${kubernetesVersion.split('.')[1]}`,
  ]
    .map((assignment) => `-X k8s.io/component-base/version.${assignment}`)
    .join(' ')}`,
];

const sources: Readonly<Record<ToolName, ToolSource>> = {
  etcd: { module: 'kubernetes', package: 'go.etcd.io/etcd/server/v3', flags: linkSmall, coldSeconds: 30 },
  'kube-apiserver': {
    module: 'kubernetes',
    package: 'k8s.io/kubernetes/cmd/kube-apiserver',
    flags: linkKubernetes,
    coldSeconds: 200,
  },
  'kube-controller-manager': {
    module: 'kubernetes',
    package: 'k8s.io/kubernetes/cmd/kube-controller-manager',
    flags: linkKubernetes,
    coldSeconds: 55,
  },
  kubectl: {
    module: 'kubernetes',
    package: 'k8s.io/kubernetes/cmd/kubectl',
    flags: linkKubernetes,
    coldSeconds: 25,
  },
  traefik: {
    module: 'traefik',
    package: 'github.com/traefik/traefik/v3/cmd/traefik',
    flags: linkSmall,
    files: {
      of: 'github.com/traefik/traefik/v3',
      paths: ['kubernetes-crd-definition-v1.yml', 'kubernetes-crd-rbac.yml'].map(
        (file) => `docs/content/reference/dynamic-configuration/${file}`,
      ),
    },
    coldSeconds: 285,
  },
  prometheus: {
    module: 'prometheus',
    package: 'github.com/prometheus/prometheus/cmd/prometheus',
    flags: ['-tags=remove_all_sd', ...linkSmall],
    coldSeconds: 80,
  },
  // These are written here. Of helm-render, Helm's engine without the rest of helm, most is compiled for kubernetes already.
  'grpc-peer': { module: 'grpc', package: '.', flags: linkSmall, coldSeconds: 15 },
  'gitops-judge': { module: 'gitops', package: '.', flags: linkSmall, coldSeconds: 15 },
  'helm-render': { module: 'helm', package: '.', flags: linkSmall, coldSeconds: 15 },
};

const heartbeatMs = 30_000;
const minimumGo = [1, 26] as const;

const toolNames = Object.keys(sources) as readonly ToolName[];

/** toolPath returns the path of one binary and builds it first if the cache lacks it. */
export async function toolPath(name: ToolName): Promise<string> {
  const target = await targetOf(name);
  if (!existsSync(target)) await buildMissing([name], () => undefined);
  return target;
}

/** toolFile returns the path of a file that is kept beside a tool's binary. */
export async function toolFile(name: ToolName, file: string): Promise<string> {
  return path.join(path.dirname(await toolPath(name)), file);
}

/** buildTools builds what the cache lacks, reporting progress as lines, and returns the paths of all binaries. */
export async function buildTools(report: (line: string) => void = console.log): Promise<Tools> {
  await buildMissing(toolNames, report);
  const paths = await Promise.all(toolNames.map(async (name) => [name, await targetOf(name)] as const));
  return Object.fromEntries(paths) as Tools;
}

function toolModuleDirectory(module: ToolSource['module']): string {
  return fileURLToPath(new URL(`../tools/${module}`, import.meta.url));
}

async function buildMissing(names: readonly ToolName[], report: (line: string) => void): Promise<void> {
  if ((await missingOf(names)).length === 0) return;
  const release = await lockBuilds(report);
  try {
    const missing = await missingOf(names);
    if (missing.length > 0) await buildAll(missing, report);
  } finally {
    await release();
  }
}

async function missingOf(names: readonly ToolName[]): Promise<readonly ToolName[]> {
  const targets = await Promise.all(names.map(async (name) => ({ name, target: await targetOf(name) })));
  return targets.filter(({ target }) => !existsSync(target)).map(({ name }) => name);
}

async function buildAll(names: readonly ToolName[], report: (line: string) => void): Promise<void> {
  const minutes = Math.ceil(names.reduce((sum, name) => sum + sources[name].coldSeconds, 0) / 60);
  report(
    `Building ${names.join(', ')} from the Go module proxy into ${cacheDirectory()}: once, about ${minutes} min on 2 cores, seconds if Go has them cached.`,
  );
  for (const name of names) {
    const startedMs = performance.now();
    const seconds = (): number => Math.round((performance.now() - startedMs) / 1000);
    const heartbeat = setInterval(() => report(`  ${name}: still building, ${seconds()} s`), heartbeatMs);
    try {
      await buildOne(name);
    } finally {
      clearInterval(heartbeat);
    }
    report(`  ${name}: built in ${seconds()} s`);
  }
}

async function buildOne(name: ToolName): Promise<void> {
  const source = sources[name];
  const target = await targetOf(name);
  const temporary = `${target}.${process.pid}.tmp`;
  await mkdir(path.dirname(target), { recursive: true });
  const args = ['build', '-buildvcs=false', ...source.flags, '-o', temporary, source.package];
  try {
    await runGo(args, toolModuleDirectory(source.module));
    await keepFiles(source, path.dirname(target));
    // The binary comes last: where it is, everything is.
    await rename(temporary, target);
  } catch (error) {
    throw new Error(`Building ${name} failed: ${(error as Error).message}`, { cause: error });
  } finally {
    await rm(temporary, { force: true });
  }
}

async function keepFiles({ module, files }: ToolSource, directory: string): Promise<void> {
  if (!files) return;
  const args = ['list', '-m', '-f', '{{.Dir}}', files.of];
  const { stdout } = await promisify(execFile)('go', args, { cwd: toolModuleDirectory(module) });
  for (const file of files.paths) {
    const target = path.join(directory, path.basename(file));
    await rm(target, { force: true });
    await copyFile(path.join(stdout.trim(), file), target);
  }
}

function runGo(args: readonly string[], directory: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // A process group of its own, so that the compilers that Go starts are stopped with it.
    const [file, ...rest] = bindToParent(['go', ...args]);
    const child = spawn(file, rest, { cwd: directory, detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
    const kill = (): void => killGroup(child);
    process.once('exit', kill);
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-4000);
    });
    child.once('error', reject);
    child.once('close', (code) => {
      process.off('exit', kill);
      if (code === 0) resolve();
      else reject(new Error(`\`go ${args.join(' ')}\` in ${directory} ended with ${code}:\n${errors.trim()}`));
    });
  });
}

const targets = new Map<ToolName, Promise<string>>();

function targetOf(name: ToolName): Promise<string> {
  const known = targets.get(name);
  if (known) return known;
  const target = computeTarget(name);
  targets.set(name, target);
  return target;
}

async function computeTarget(name: ToolName): Promise<string> {
  const { module, flags, files } = sources[name];
  const hash = createHash('sha256').update(await goVersion());
  const directory = toolModuleDirectory(module);
  const own = (await readdir(directory)).filter((file) => file.endsWith('.go')).sort();
  for (const file of ['go.mod', 'go.sum', ...own]) hash.update(await readFile(path.join(directory, file)));
  hash.update(JSON.stringify({ flags, files }));
  return path.join(cacheDirectory(), `${module}-${hash.digest('hex').slice(0, 16)}`, name);
}

let knownGoVersion: Promise<string> | undefined;

function goVersion(): Promise<string> {
  knownGoVersion ??= readGoVersion();
  return knownGoVersion;
}

async function readGoVersion(): Promise<string> {
  const wanted = `Go ${minimumGo.join('.')} or newer`;
  const hint = 'install it from https://go.dev/dl/ and put it into PATH; the tests build their servers with it.';
  // Asked inside a tool module, a Go with GOTOOLCHAIN=auto answers for the toolchain that it would fetch and use.
  const options = { cwd: toolModuleDirectory('kubernetes') };
  const answer = await promisify(execFile)('go', ['env', 'GOVERSION'], options).catch((error: Error) => error);
  if (answer instanceof Error) {
    const absent = (answer as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Error(
      absent ? `${wanted} is missing: ${hint}` : `${wanted} is needed, but ${answer.message.trim()}: ${hint}`,
    );
  }
  const version = answer.stdout.trim();
  const [major = 0, minor = 0] = version.replace('go', '').split('.').map(Number);
  if (major < minimumGo[0] || (major === minimumGo[0] && minor < minimumGo[1])) {
    throw new Error(`${wanted} is needed and ${version} was found: ${hint}`);
  }
  return version;
}

/** lockBuilds keeps two runs from compiling the same at once; a double build would be slow, but not wrong. */
async function lockBuilds(report: (line: string) => void): Promise<() => Promise<void>> {
  const file = path.join(cacheDirectory(), 'build.lock');
  await mkdir(cacheDirectory(), { recursive: true });
  for (let waited = false; ; waited = true) {
    const error = await writeFile(file, `${process.pid}`, { flag: 'wx' }).catch((reason: Error) => reason);
    if (!error) return () => rm(file, { force: true });
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const holder = Number(await readFile(file, 'utf8').catch(() => ''));
    if (await isStale(file, holder)) {
      await rm(file, { force: true });
      continue;
    }
    if (!waited && holder > 0) report(`Waiting for process ${holder}, which is building the same servers.`);
    await sleep(500);
  }
}

async function isStale(file: string, holder: number): Promise<boolean> {
  if (holder > 0) return !isAlive(holder);
  // Empty: the holder has created the file and not yet written its pid, or died in between.
  const created = await stat(file).catch(() => undefined);
  return created !== undefined && Date.now() - created.mtimeMs > 5000;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function cacheDirectory(): string {
  return path.join(process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache'), 'sluice', 'tools');
}

function moduleVersion(module: ToolSource['module'], goModule: string): string {
  const lines = readFileSync(path.join(toolModuleDirectory(module), 'go.mod'), 'utf8').split('\n');
  const line = lines
    .map((text) => text.trim().replace(/^require /, ''))
    .find((text) => text.startsWith(`${goModule} v`));
  if (!line) throw new Error(`test/tools/${module}/go.mod does not require ${goModule}`);
  return line.split(' ')[1] ?? '';
}

if (import.meta.main) {
  // Ends through the exit handlers, which stop the compilers.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));
  try {
    for (const [name, file] of Object.entries(await buildTools())) console.log(`${name} ${file}`);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
