import { access, readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { delimiter, join } from 'node:path';
import { systemClock, type Clock } from '../clock.ts';
import { SluiceError } from '../errors.ts';
import type { CredentialsNotice, KubeConnection } from './connection.ts';
import type { KubeconfigOptions } from './kubeconfig-file.ts';
import { createTlsFiles } from './tls-files.ts';
import { createTokenFile } from './token-file.ts';

/** KubeConfigSource says where to look for the API server. */
export interface KubeConfigSource {
  /** kubeconfig is a file; without it: $KUBECONFIG, then the service account of the pod, then ~/.kube/config. */
  readonly kubeconfig?: string | undefined;
  /** context of the kubeconfig; without it its current-context. */
  readonly context?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock | undefined;
  /** serviceAccountDir is where the pod finds its token, CA and namespace. */
  readonly serviceAccountDir?: string | undefined;
  /** onNotice is told once of each change of certificates and of each that cannot be used. */
  readonly onNotice?: ((notice: CredentialsNotice) => void) | undefined;
}

/** loadKubeConfig finds the API server and the credentials; it throws ConfigInvalid with one sentence that names the file. */
export async function loadKubeConfig(source: KubeConfigSource): Promise<KubeConnection> {
  const { context, env, clock = systemClock, onNotice } = source;
  const options = { context, env, clock, onNotice };
  const files = source.kubeconfig === undefined ? listFiles(env['KUBECONFIG']) : [source.kubeconfig];
  if (files.length > 0) return loadFiles(files, options);
  if (context === undefined && (env['KUBERNETES_SERVICE_HOST'] ?? '') !== '') return loadInCluster(source, clock);
  const home = env['HOME'] ?? env['USERPROFILE'];
  const file = home === undefined ? undefined : join(home, '.kube', 'config');
  if (file !== undefined && (await isReadable(file))) return loadFiles([file], options);
  throw new SluiceError(
    'ConfigInvalid',
    `No API server is configured: ${file ?? '~/.kube/config'} does not exist; set --kubeconfig or KUBECONFIG, or run in a pod with a service account.`,
  );
}

/** @kubernetes/client-node costs 60 MB, which a pod with a service account need not pay. */
async function loadFiles(files: readonly string[], options: KubeconfigOptions): Promise<KubeConnection> {
  const { loadKubeconfigFiles } = await import('./kubeconfig-file.ts');
  return loadKubeconfigFiles(files, options);
}

function listFiles(variable: string | undefined): readonly string[] {
  return (variable ?? '').split(delimiter).filter((file) => file !== '');
}

async function isReadable(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

async function loadInCluster(source: KubeConfigSource, clock: Clock): Promise<KubeConnection> {
  const { env, serviceAccountDir: directory = '/var/run/secrets/kubernetes.io/serviceaccount' } = source;
  const host = env['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '443';
  const caFile = join(directory, 'ca.crt');
  if (!(await isReadable(caFile))) {
    const found = `KUBERNETES_SERVICE_HOST is set but ${caFile} cannot be read`;
    throw new SluiceError('ConfigInvalid', `${found}; is automountServiceAccountToken false for this pod?`);
  }
  const owner = 'The service account of this pod';
  const tls = await createTlsFiles({ ca: { file: caFile } }, { clock, owner, onNotice: source.onNotice });
  const token = createTokenFile(join(directory, 'token'), clock);
  const namespace = await readFile(join(directory, 'namespace'), 'utf8').catch(() => '');
  return {
    server: new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`),
    tls,
    insecureSkipTlsVerify: false,
    namespace: namespace.trim() === '' ? undefined : namespace.trim(),
    authorization: () => token.authorization(),
    onUnauthorized: (refused, sentAtMs) => token.onUnauthorized(refused, sentAtMs),
  };
}
