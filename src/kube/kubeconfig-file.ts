import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { dirname, isAbsolute, resolve } from 'node:path';
import { KubeConfig, loadYaml, type Cluster, type User } from '@kubernetes/client-node';
import type { Clock } from '../clock.ts';
import { SluiceError } from '../errors.ts';
import type { CredentialsNotice, KubeConnection, TlsMaterial, TlsSource } from './connection.ts';
import { createExecCredential, type ExecCredential, type ExecPlugin } from './exec-credential.ts';
import { createTlsFiles, type PemInput, type TlsInputs } from './tls-files.ts';
import { createTokenFile, type TokenSource } from './token-file.ts';

/** KubeconfigOptions: `context` is the current-context where left out; `env` is what credential plugins inherit. */
export interface KubeconfigOptions {
  readonly context: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly onNotice?: ((notice: CredentialsNotice) => void) | undefined;
}

interface LoadedFile {
  readonly config: KubeConfig;
  /** tokenFiles maps a user to its `tokenFile`, which client-node 2.0.1 does not read. */
  readonly tokenFiles: ReadonlyMap<string, string>;
}

/**
 * loadKubeconfigFiles merges kubeconfig files as kubectl does (the first file that names a thing wins, missing files of
 * a longer list are skipped) and returns the connection of one context. It throws ConfigInvalid, or ApiUnauthorized
 * where a credential plugin fails.
 */
export async function loadKubeconfigFiles(
  files: readonly string[],
  options: KubeconfigOptions,
): Promise<KubeConnection> {
  const loaded = await readFiles(files);
  const name = files.join(', ');
  const config = merge(loaded, options.context);
  const cluster = selectCluster(config, name);
  const user = config.getCurrentUser();
  const tokenFile = loaded.map((file) => file.tokenFiles.get(user?.name ?? '')).find((file) => file !== undefined);
  const context = { ...options, name, cluster, user, tokenFile, config };
  const tls = await createTlsFiles(tlsInputs(context), { ...options, owner: `Kubeconfig ${name}` });
  return {
    server: parseServer(cluster, name),
    insecureSkipTlsVerify: cluster.skipTLSVerify,
    tlsServerName: cluster.tlsServerName,
    proxy: parseProxy(cluster, name),
    impersonateUser: user?.impersonateUser ?? undefined,
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    ...(await loadCredentials(context, tls)),
  };
}

interface Context extends KubeconfigOptions {
  readonly name: string;
  readonly config: KubeConfig;
  readonly cluster: Cluster;
  readonly user: User | null;
  readonly tokenFile: string | undefined;
}

async function readFiles(files: readonly string[]): Promise<readonly LoadedFile[]> {
  const loaded: LoadedFile[] = [];
  const problems: string[] = [];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      problems.push(`Kubeconfig ${file} cannot be read: ${error.code ?? error.message}.`);
    });
    if (text !== undefined) loaded.push(parseFile(file, text));
  }
  if (loaded.length === 0) throw new SluiceError('ConfigInvalid', problems.join(' '));
  return loaded;
}

function parseFile(file: string, text: string): LoadedFile {
  const directory = dirname(resolve(file));
  const config = new KubeConfig();
  try {
    config.loadFromString(text);
    config.makePathsAbsolute(directory);
    for (const user of config.users) makeCommandAbsolute(user, directory);
    return { config, tokenFiles: findTokenFiles(loadYaml(text), directory) };
  } catch (error) {
    // The parser quotes the lines around the fault, which may hold a token: only its first line says what is wrong.
    const found = String(error instanceof Error ? error.message : error).split('\n', 1)[0] ?? '';
    throw new SluiceError('ConfigInvalid', `Kubeconfig ${file} is not valid: ${found}.`);
  }
}

/** As with kubectl a command with a slash lies beside the kubeconfig, and one without is looked for in PATH. */
function makeCommandAbsolute(user: User, directory: string): void {
  const exec = user.exec as { command?: string } | null | undefined;
  if (!isPresent(exec?.command) || !exec.command.includes('/') || isAbsolute(exec.command)) return;
  exec.command = resolve(directory, exec.command);
}

function findTokenFiles(document: unknown, directory: string): ReadonlyMap<string, string> {
  const { users } = (document ?? {}) as { readonly users?: unknown };
  const found = new Map<string, string>();
  for (const entry of Array.isArray(users) ? (users as readonly unknown[]) : []) {
    const { name, user } = entry as { readonly name?: string; readonly user?: { readonly tokenFile?: string } | null };
    // kubectl prefers tokenFile over token, because the file is the one that is kept fresh.
    if (name !== undefined && user?.tokenFile !== undefined) found.set(name, resolve(directory, user.tokenFile));
  }
  return found;
}

function merge(files: readonly LoadedFile[], context: string | undefined): KubeConfig {
  const merged = new KubeConfig();
  const firstOfEachName = <T extends { readonly name: string }>(items: readonly T[]): readonly T[] =>
    items.filter((item, index) => items.findIndex((other) => other.name === item.name) === index);
  const configs = files.map((file) => file.config);
  merged.loadFromOptions({
    clusters: firstOfEachName(configs.flatMap((config) => config.clusters)),
    users: firstOfEachName(configs.flatMap((config) => config.users)),
    contexts: firstOfEachName(configs.flatMap((config) => config.contexts)),
    currentContext: context ?? configs.map((config) => config.currentContext).find((name) => (name ?? '') !== ''),
  });
  return merged;
}

function selectCluster(config: KubeConfig, name: string): Cluster {
  const current = config.getCurrentContext() as string | undefined;
  const contexts = config.contexts.map((each) => each.name).join(', ');
  if (current === undefined) {
    throw new SluiceError('ConfigInvalid', `Kubeconfig ${name} has no current-context; choose one of: ${contexts}.`);
  }
  const selected = config.getContextObject(current);
  if (selected === null) {
    throw new SluiceError('ConfigInvalid', `Kubeconfig ${name} has no context ${current}; it has: ${contexts}.`);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    const found = `context ${current} names the cluster ${selected.cluster}, which is not in it`;
    throw new SluiceError('ConfigInvalid', `Kubeconfig ${name} is not complete: ${found}.`);
  }
  return cluster;
}

function parseServer(cluster: Cluster, name: string): URL {
  const server = URL.parse(cluster.server);
  if (server !== null && (server.protocol === 'https:' || server.protocol === 'http:')) return server;
  throw new SluiceError(
    'ConfigInvalid',
    `Kubeconfig ${name}: the server of cluster ${cluster.name} must be an http or https URL and is ${cluster.server}.`,
  );
}

/** kubectl knows socks5 too; undici's is experimental and keeps none of the limits of its pools. A TLS proxy by address it cannot. */
function parseProxy({ name: cluster, proxyUrl }: Cluster, name: string): URL | undefined {
  if (!isPresent(proxyUrl)) return undefined;
  const proxy = URL.parse(proxyUrl);
  const scheme = proxy?.protocol ?? 'no scheme';
  const hasName = proxy !== null && isIP(proxy.hostname.replaceAll(/[[\]]/g, '')) === 0;
  if (proxy !== null && (scheme === 'http:' || (scheme === 'https:' && hasName))) return proxy;
  const needed = 'an http URL, or an https URL with a host name';
  const found = `the proxy-url of cluster ${cluster} must be ${needed}, and has ${scheme}`;
  throw new SluiceError('ConfigInvalid', `Kubeconfig ${name}: ${found}; Sluice supports no other proxy.`);
}

function tlsInputs({ cluster, user, tokenFile }: Context): TlsInputs {
  const ca = pemInput(cluster.caFile, cluster.caData);
  // kubectl sends a certificate beside a token too, but a plugin brings its own.
  const hasOwnPair = user !== null && tokenFile === undefined && !isPresent(user.exec) && !isPresent(user.authProvider);
  if (!hasOwnPair) return { ca };
  return { ca, cert: pemInput(user.certFile, user.certData), key: pemInput(user.keyFile, user.keyData) };
}

/** The parser fills in null for what is not there. */
function pemInput(file: string | null | undefined, base64: string | null | undefined): PemInput | undefined {
  if (isPresent(file)) return { file };
  return isPresent(base64) ? { pem: Buffer.from(base64, 'base64').toString('utf8') } : undefined;
}

type Credentials = Pick<KubeConnection, 'tls' | 'authorization' | 'onUnauthorized'>;

async function loadCredentials(context: Context, tls: TlsSource): Promise<Credentials> {
  const { user, tokenFile, clock } = context;
  if (user === null) return withTls(tls, fixedSource(undefined));
  if (tokenFile !== undefined) return withTls(tls, createTokenFile(tokenFile, clock));
  if (isPresent(user.exec)) return loadExec(context, user.exec, tls);
  if (isPresent(user.authProvider)) return withTls(tls, oidcSource(context));
  return withTls(tls, fixedSource(staticHeader(user)));
}

function withTls(tls: TlsSource, source: TokenSource): Credentials {
  return {
    tls,
    authorization: () => source.authorization(),
    onUnauthorized: (refused, sentAtMs) => source.onUnauthorized(refused, sentAtMs),
  };
}

function fixedSource(header: string | undefined): TokenSource {
  return { authorization: () => Promise.resolve(header), onUnauthorized: () => {} };
}

function staticHeader(user: User): string | undefined {
  if (isPresent(user.token)) return `Bearer ${user.token.trim()}`;
  if (!isPresent(user.username)) return undefined;
  return `Basic ${Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64')}`;
}

/** The parser fills in null where the type says undefined. */
function isPresent<T>(value: T): value is NonNullable<T> {
  return value !== undefined && value !== null && value !== '';
}

async function loadExec(context: Context, plugin: ExecPlugin, files: TlsSource): Promise<Credentials> {
  const { name, clock, env, cluster } = context;
  if (plugin.interactiveMode === 'Always') {
    const advice = 'Sluice runs without a terminal; use a plugin that needs none';
    throw new SluiceError(
      'ConfigInvalid',
      `Kubeconfig ${name}: ${plugin.command} has interactiveMode Always; ${advice}.`,
    );
  }
  const isCurious = (plugin as { readonly provideClusterInfo?: boolean | null }).provideClusterInfo === true;
  const info = isCurious ? await clusterInfo(cluster, files) : undefined;
  const credential = createExecCredential(plugin, { clock, baseEnv: env, owner: `kubeconfig ${name}`, cluster: info });
  // A plugin that cannot work is to be known at the start.
  await credential.authorization();
  return withTls(withPair(files, credential), credential);
}

/** What a plugin is told of the cluster (client.authentication.k8s.io/v1 Cluster). */
async function clusterInfo(cluster: Cluster, files: TlsSource): Promise<object> {
  const { ca } = await files.current();
  return {
    server: cluster.server,
    'tls-server-name': cluster.tlsServerName,
    'insecure-skip-tls-verify': cluster.skipTLSVerify,
    'certificate-authority-data': ca === undefined ? undefined : Buffer.from(ca).toString('base64'),
    'proxy-url': cluster.proxyUrl,
  };
}

function withPair(files: TlsSource, credential: ExecCredential): TlsSource {
  let last: { readonly from: readonly object[]; readonly material: TlsMaterial } | undefined;
  return {
    current: async () => {
      const from = [await files.current(), credential.pair()];
      if (last === undefined || from.some((part, index) => part !== last?.from[index])) {
        last = { from, material: { ...from[0], ...from[1] } };
      }
      return last.material;
    },
    refresh: () => files.refresh(),
  };
}

/** Credentials that client-node knows how to renew, such as OIDC: it renews them when they end, one request at a time. */
function oidcSource({ name, config }: Context): TokenSource {
  let asking: Promise<string | undefined> | undefined;
  const ask = async (): Promise<string | undefined> => {
    const answer: { headers?: Record<string, unknown> } = {};
    try {
      await config.applyToHTTPSOptions(answer);
    } catch (error) {
      throw new SluiceError(
        'ApiUnauthorized',
        `The auth-provider of kubeconfig ${name} failed: ${(error as Error).name}.`,
      );
    }
    const header = answer.headers?.['Authorization'];
    return typeof header === 'string' ? header : undefined;
  };
  return {
    authorization: () => {
      asking ??= ask().finally(() => {
        asking = undefined;
      });
      return asking;
    },
    onUnauthorized: () => {},
  };
}
