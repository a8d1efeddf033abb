/** The controller as it is shipped: the built program, started as the image starts it. */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { runCommand } from '../../test/support/cluster.ts';
import { readEntrypoint } from '../../test/support/image-entrypoint.ts';
import { freePort, startServer, type ServerProcess } from '../../test/support/processes.ts';

/** Controller is a running controller. */
export interface Controller {
  readonly pid: number;
  /** readyMs is the time from its start to the first 200 of /readyz. */
  readonly readyMs: number;
  /** metrics returns the text of /metrics. */
  metrics(): Promise<string>;
  /** check throws the end of the log if it does not run any more. */
  check(): void;
  /** stop ends it by SIGTERM, after the 30 s that Kubernetes gives by SIGKILL, and returns how many ms that took. */
  stop(): Promise<number>;
}

/** Account is what a pod finds of its ServiceAccount, and where its API server is. */
export interface Account {
  readonly serverUrl: string;
  readonly token: string;
  readonly caFile: string;
  readonly namespace: string;
}

/** A pod reads its account from /var/run/secrets; a mount namespace gives the controller just that, as nothing else sees it. */
const asInPod = [
  'set -e',
  'secrets=/run/secrets/kubernetes.io/serviceaccount',
  'mount -t tmpfs tmpfs /run',
  'mkdir -p "$secrets"',
  'cp "$1"/* "$secrets"',
  'shift',
  'exec "$@"',
].join('\n');

/** ControllerOptions say what to run and against what. */
export interface ControllerOptions {
  /** program is the built main.js. */
  readonly program: string;
  readonly account: Account;
  readonly prometheusUrl: string;
  /** directory receives the log. */
  readonly directory: string;
  readonly profileDirectory: string | undefined;
  readonly nodeFlags: readonly string[];
  /** flags are settings of this run beside those that every run needs. */
  readonly flags: readonly string[];
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** buildProgram compiles the tree and returns the path of main.js. */
export async function buildProgram(): Promise<string> {
  const compiler = path.join(root, 'node_modules/.bin/tsc');
  const project = path.join(root, 'tsconfig.build.json');
  const { code, stdout } = await runCommand(compiler, ['-p', project], { input: '', timeoutMs: 300_000 });
  if (code !== 0) throw new Error(`The program does not compile:\n${stdout}`);
  return path.join(root, 'dist/main.js');
}

/** startController starts the program and waits for /readyz. */
export async function startController(options: ControllerOptions): Promise<Controller> {
  const { nodeFlags, args, environment } = await readEntrypoint('controller');
  const limitMiB = await readMemoryLimitMiB();
  const healthUrl = `http://127.0.0.1:${await freePort()}`;
  const profile = options.profileDirectory;
  const secrets = await writeSecrets(options.account, options.directory);
  const server = new URL(options.account.serverUrl);
  const startedMs = performance.now();
  const started = await startServer({
    name: 'sluice',
    command: 'unshare',
    directory: options.directory,
    // As in the image: nothing of the caller's environment.
    env: {
      PATH: process.env['PATH'],
      ...environment,
      KUBERNETES_SERVICE_HOST: server.hostname,
      KUBERNETES_SERVICE_PORT: server.port,
    },
    args: [
      '--mount',
      ...(process.getuid?.() === 0 ? [] : ['--map-root-user']),
      'sh',
      '-c',
      asInPod,
      'sluice-bench',
      secrets,
      process.execPath,
      ...nodeFlags.map((flag) => shareOf(flag, limitMiB)),
      ...options.nodeFlags,
      ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${path.resolve(profile)}`]),
      options.program,
      ...args,
      `--prometheus-url=${options.prometheusUrl}`,
      `--health-address=${healthUrl.slice('http://'.length)}`,
      ...options.flags,
    ],
    isReady: async () => {
      const answer = await request(`${healthUrl}/readyz`);
      await answer.body.dump();
      return answer.statusCode === 200;
    },
    readyTimeoutMs: 180_000,
  });
  return describeController(started, healthUrl, performance.now() - startedMs);
}

async function writeSecrets({ token, caFile, namespace }: Account, directory: string): Promise<string> {
  const secrets = path.join(directory, 'serviceaccount');
  await mkdir(secrets, { recursive: true });
  await writeFile(path.join(secrets, 'token'), token, { mode: 0o600 });
  await writeFile(path.join(secrets, 'namespace'), namespace);
  await copyFile(caFile, path.join(secrets, 'ca.crt'));
  return secrets;
}

function describeController(server: ServerProcess, healthUrl: string, readyMs: number): Controller {
  return {
    pid: server.pid,
    readyMs,
    metrics: async () => (await request(`${healthUrl}/metrics`)).body.text(),
    check: () => {
      if (!server.isAlive()) throw new Error(`The controller has ended:\n${server.logTail()}`);
    },
    stop: async () => {
      const askedMs = performance.now();
      await server.stop(30_000);
      return performance.now() - askedMs;
    },
  };
}

/** shareOf: Node takes its share of the pod's memory limit; here there is none, so that the share is worked out. */
function shareOf(flag: string, limitMiB: number): string {
  const percent = /^--max-old-space-size-percentage=([0-9]+)$/.exec(flag)?.[1];
  return percent === undefined ? flag : `--max-old-space-size=${Math.round((limitMiB * Number(percent)) / 100)}`;
}

/** readMemoryLimitMiB takes the memory limit of the pod from manifests/base. */
async function readMemoryLimitMiB(): Promise<number> {
  const text = await readFile(path.join(root, 'manifests/base/deployment.yaml'), 'utf8');
  const limit = /limits:\s+memory: ([0-9]+)Mi/.exec(text)?.[1];
  if (limit === undefined) throw new Error('manifests/base/deployment.yaml has no memory limit in Mi.');
  return Number(limit);
}
