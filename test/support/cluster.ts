/** A real Kubernetes control plane for one test file: etcd, kube-apiserver and (by default) kube-controller-manager. */
import { spawn } from 'node:child_process';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type ApiAnswer, type ApiMethod, openApiClient } from './api-client.ts';
import { toolPath } from './build-tools.ts';
import {
  type ControlPlaneFiles,
  kubeconfigText,
  prepareControlPlane,
  startApiServer,
  startControllerManager,
  startEtcd,
} from './control-plane.ts';
import { connectEtcd, type Etcd } from './etcd.ts';
import { type ServerProcess, temporaryDirectory } from './processes.ts';

/** ClusterOptions choose what a test cluster has. */
export interface ClusterOptions {
  /** controllerManager: false leaves out garbage collection, default service accounts and the Deployment controller. */
  readonly controllerManager?: boolean;
  /** auditPolicy is the text of an audit.k8s.io/v1 Policy; `auditEvents` then returns what the API server recorded. */
  readonly auditPolicy?: string;
}

/** CommandResult is what a finished command wrote and its exit code. */
export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** AuditEvent is the part of audit.k8s.io/v1 Event that tests look at; times are RFC 3339 strings. */
export interface AuditEvent {
  readonly verb: string;
  readonly stage: string;
  readonly requestURI: string;
  readonly userAgent?: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly resource?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly subresource?: string;
  };
  readonly responseStatus?: { readonly code?: number };
  readonly requestReceivedTimestamp: string;
}

/** Cluster is a running control plane. */
export interface Cluster {
  /** url is the API server's address, e.g. `https://127.0.0.1:20123`. */
  readonly url: string;
  /** caFile holds the certificates that a client has to trust. */
  readonly caFile: string;
  readonly adminKubeconfigFile: string;
  readonly adminToken: string;
  /** dataDir is the cluster's own temporary folder; logs of all servers lie in it, and stop() removes it. */
  readonly dataDir: string;
  /** tryKubectl runs kubectl as administrator and returns its output and exit code. */
  tryKubectl(args: readonly string[], options?: KubectlOptions): Promise<CommandResult>;
  /** kubectl runs kubectl as administrator and returns its standard output; it throws what kubectl wrote if that fails. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<string>;
  /** api sends one raw request as administrator; a 4xx or 5xx answer is returned, not thrown. */
  api(method: ApiMethod, apiPath: string, body?: object, contentType?: string): Promise<ApiAnswer>;
  /** serviceAccountToken returns a fresh TokenRequest token of an existing ServiceAccount. */
  serviceAccountToken(namespace: string, name: string): Promise<string>;
  /** serviceAccountKubeconfig writes a kubeconfig with a fresh TokenRequest token and returns the file's path. */
  serviceAccountKubeconfig(namespace: string, name: string): Promise<string>;
  /** applyCrds applies manifests of CustomResourceDefinitions server-side and waits until the API server serves them. */
  applyCrds(files: readonly string[]): Promise<void>;
  /** auditEvents returns what the audit log holds so far; empty without `auditPolicy`. */
  auditEvents(): Promise<readonly AuditEvent[]>;
  /** restartApiServer ends the API server if it runs and starts it again on the same port with the same data. */
  restartApiServer(): Promise<void>;
  /** killApiServer ends the API server by SIGKILL; restartApiServer brings it back. */
  killApiServer(): Promise<void>;
  /** etcd reaches below the API server. */
  readonly etcd: Etcd;
  /** saveEtcd keeps the state that etcd has now. */
  saveEtcd(): Promise<void>;
  /**
   * restoreEtcd ends the API server and etcd and starts them again, with the state that saveEtcd kept, or, if there is
   * none, with the present one.
   */
  restoreEtcd(): Promise<void>;
  /** pids lists the processes of this cluster that are alive. */
  pids(): readonly number[];
  /** stop ends all servers and removes dataDir; calling it again does nothing. */
  stop(): Promise<void>;
}

/** KubectlOptions: `input` is written to standard input, `kubeconfig` replaces the administrator's, `timeoutMs` is 60 s, `env` is added to the environment. */
export interface KubectlOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly kubeconfig?: string;
  readonly timeoutMs?: number;
}

/** startCluster starts a cluster on free loopback ports in a temporary folder of its own and returns when it serves. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const directory = await temporaryDirectory('cluster');
  const files = await prepareControlPlane(directory.path, options.auditPolicy);
  const servers = new Map<'etcd' | 'apiServer' | 'controllerManager', ServerProcess>();
  const stop = async (): Promise<void> => {
    await Promise.all([...servers.values()].map((server) => server.stop(0)));
    servers.clear();
    await directory.remove();
  };
  try {
    servers.set('etcd', await startEtcd(files));
    servers.set('apiServer', await startApiServer(files));
    if (options.controllerManager ?? true) servers.set('controllerManager', await startControllerManager(files));
  } catch (error) {
    await stop();
    throw error;
  }
  return describeCluster(files, servers, stop);
}

async function describeCluster(
  files: ControlPlaneFiles,
  servers: Map<string, ServerProcess>,
  stopServers: () => Promise<void>,
): Promise<Cluster> {
  const { url, caFile, adminKubeconfigFile, adminToken, directory } = files;
  const client = await openApiClient(files);
  const kubectlFile = await toolPath('kubectl');
  let stopped: Promise<void> | undefined;

  const tryKubectl: Cluster['tryKubectl'] = (args, { input, kubeconfig, timeoutMs = 60_000, env } = {}) => {
    const config = kubeconfig ?? adminKubeconfigFile;
    const common = [`--kubeconfig=${config}`, `--cache-dir=${path.join(directory, 'kubectl-cache')}`];
    return runCommand(kubectlFile, [...common, ...args], { input: input ?? '', timeoutMs, env });
  };
  const kubectl: Cluster['kubectl'] = async (args, kubectlOptions) => {
    const result = await tryKubectl(args, kubectlOptions);
    if (result.code === 0) return result.stdout;
    throw new Error(`\`kubectl ${args.join(' ')}\` ended with ${result.code}: ${result.stderr.trim()}`);
  };
  const serviceAccountToken: Cluster['serviceAccountToken'] = async (namespace, name) => {
    const tokenPath = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const tokenRequest = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
    const answer = await client.send('POST', tokenPath, tokenRequest);
    const token = (answer.body as { readonly status?: { readonly token?: string } }).status?.token;
    if (!token) throw new Error(`No token for ServiceAccount ${namespace}/${name}: ${JSON.stringify(answer.body)}`);
    return token;
  };
  return {
    url,
    caFile,
    adminKubeconfigFile,
    adminToken,
    dataDir: directory,
    tryKubectl,
    kubectl,
    api: (method, apiPath, body, contentType) => client.send(method, apiPath, body, contentType),
    serviceAccountToken,
    serviceAccountKubeconfig: async (namespace, name) => {
      const token = await serviceAccountToken(namespace, name);
      const file = path.join(directory, `${namespace}-${name}.kubeconfig`);
      await writeFile(file, kubeconfigText(files, { user: name, token, namespace }), { mode: 0o600 });
      return file;
    },
    applyCrds: async (manifests) => {
      const flags = manifests.flatMap((file) => ['-f', file]);
      await kubectl(['apply', '--server-side', ...flags]);
      await kubectl(['wait', '--for=condition=Established', '--timeout=30s', ...flags]);
    },
    auditEvents: () => readAuditLog(files.auditLogFile),
    restartApiServer: async () => {
      await servers.get('apiServer')?.stop(2000);
      servers.set('apiServer', await startApiServer(files));
    },
    killApiServer: async () => servers.get('apiServer')?.stop(0),
    etcd: connectEtcd(files.etcdUrl),
    ...etcdStates(files, servers),
    pids: () => [...servers.values()].filter((server) => server.isAlive()).map((server) => server.pid),
    stop: () => {
      stopped ??= Promise.all([stopServers(), client.close()]).then(() => undefined);
      return stopped;
    },
  };
}

/** etcdStates copies what etcd has on disk; a stopped process leaves there what a crash would. */
function etcdStates(
  files: ControlPlaneFiles,
  servers: Map<string, ServerProcess>,
): Pick<Cluster, 'saveEtcd' | 'restoreEtcd'> {
  const dataDir = path.join(files.directory, 'etcd');
  const savedDir = path.join(files.directory, 'etcd-saved');
  let isSaved = false;
  return {
    saveEtcd: async () => {
      servers.get('etcd')?.signal('SIGSTOP');
      await rm(savedDir, { recursive: true, force: true });
      await cp(dataDir, savedDir, { recursive: true });
      isSaved = true;
      servers.get('etcd')?.signal('SIGCONT');
    },
    restoreEtcd: async () => {
      await Promise.all([servers.get('apiServer')?.stop(0), servers.get('etcd')?.stop(0)]);
      if (isSaved) {
        await rm(dataDir, { recursive: true, force: true });
        await cp(savedDir, dataDir, { recursive: true });
      }
      servers.set('etcd', await startEtcd(files));
      servers.set('apiServer', await startApiServer(files));
    },
  };
}

/** runCommand runs a program to its end, or kills it after `timeoutMs`, and returns what it wrote. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: {
    readonly input: string;
    readonly timeoutMs: number;
    readonly env?: Readonly<Record<string, string>> | undefined;
  },
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...options.env };
    const child = spawn(command, args, { timeout: options.timeoutMs, killSignal: 'SIGKILL', env });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === null) stderr += `\nkilled after ${options.timeoutMs / 1000} s`;
      resolve({ stdout, stderr, code: code ?? 1 });
    });
    // A command that ends without reading its input closes the pipe; its exit code tells the rest.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input);
  });
}

async function readAuditLog(file: string): Promise<readonly AuditEvent[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  // The last line may be half written.
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as AuditEvent);
}
