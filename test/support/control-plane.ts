/** The servers of a test cluster: etcd, kube-apiserver and kube-controller-manager on loopback, as child processes. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { request } from 'undici';
import { type ApiAnswer, openApiClient } from './api-client.ts';
import { toolPath } from './build-tools.ts';
import { freePort, type ServerProcess, startServer } from './processes.ts';

/** ControlPlaneFiles are the files and addresses that the servers and their clients share. */
export interface ControlPlaneFiles {
  readonly directory: string;
  readonly port: number;
  /** url is the API server's address, without a trailing slash. */
  readonly url: string;
  readonly etcdUrl: string;
  /** caFile is the API server's own certificate chain; it exists once the API server has started for the first time. */
  readonly caFile: string;
  readonly adminToken: string;
  readonly adminKubeconfigFile: string;
  readonly tokenFile: string;
  readonly serviceAccountKeyFile: string;
  readonly auditLogFile: string;
  readonly auditPolicyFile: string | undefined;
}

/** prepareControlPlane writes keys, tokens and the administrator's kubeconfig into `directory` and chooses ports. */
export async function prepareControlPlane(
  directory: string,
  auditPolicy: string | undefined,
): Promise<ControlPlaneFiles> {
  const port = await freePort();
  const files: ControlPlaneFiles = {
    directory,
    port,
    url: `https://127.0.0.1:${port}`,
    etcdUrl: `http://127.0.0.1:${await freePort()}`,
    caFile: path.join(directory, 'certificates', 'apiserver.crt'),
    adminToken: randomBytes(16).toString('hex'),
    adminKubeconfigFile: path.join(directory, 'admin.kubeconfig'),
    tokenFile: path.join(directory, 'tokens.csv'),
    serviceAccountKeyFile: path.join(directory, 'service-account.key'),
    auditLogFile: path.join(directory, 'audit.log'),
    auditPolicyFile: auditPolicy === undefined ? undefined : path.join(directory, 'audit-policy.yaml'),
  };
  await mkdir(path.join(directory, 'certificates'), { recursive: true });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(files.serviceAccountKeyFile, privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
  await writeFile(files.tokenFile, `${files.adminToken},admin,admin,system:masters\n`, { mode: 0o600 });
  await writeFile(files.adminKubeconfigFile, kubeconfigText(files, { user: 'admin', token: files.adminToken }), {
    mode: 0o600,
  });
  if (files.auditPolicyFile) await writeFile(files.auditPolicyFile, auditPolicy ?? '');
  return files;
}

/** kubeconfigText returns a kubeconfig (JSON, which is YAML) for one user of the cluster. */
export function kubeconfigText(
  files: Pick<ControlPlaneFiles, 'url' | 'caFile'>,
  user: { readonly user: string; readonly token: string; readonly namespace?: string },
): string {
  const namespace = user.namespace === undefined ? {} : { namespace: user.namespace };
  return JSON.stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster: { server: files.url, 'certificate-authority': files.caFile } }],
      users: [{ name: user.user, user: { token: user.token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: user.user, ...namespace } }],
    },
    null,
    2,
  );
}

/** Servers with little in memory collect garbage all the time: a third of kube-apiserver's CPU under load. Memory is not scarce here. */
const goEnv = { ...process.env, GOGC: '400' };

/** startEtcd starts etcd without fsync: its data never outlives the test. */
export async function startEtcd(files: ControlPlaneFiles): Promise<ServerProcess> {
  const peerUrl = `http://127.0.0.1:${await freePort()}`;
  return startServer({
    name: 'etcd',
    env: goEnv,
    command: await toolPath('etcd'),
    directory: files.directory,
    args: [
      '--unsafe-no-fsync',
      '--log-level=warn',
      `--data-dir=${path.join(files.directory, 'etcd')}`,
      `--listen-client-urls=${files.etcdUrl}`,
      `--advertise-client-urls=${files.etcdUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=default=${peerUrl}`,
    ],
    isReady: async () => {
      const answer = await request(`${files.etcdUrl}/readyz`);
      await answer.body.dump();
      return answer.statusCode === 200;
    },
  });
}

/** startApiServer starts kube-apiserver with RBAC, tokens and self-signed TLS, and waits for its /readyz. */
export async function startApiServer(files: ControlPlaneFiles): Promise<ServerProcess> {
  const audit = files.auditPolicyFile
    ? [`--audit-policy-file=${files.auditPolicyFile}`, `--audit-log-path=${files.auditLogFile}`]
    : [];
  return startServer({
    name: 'kube-apiserver',
    env: goEnv,
    command: await toolPath('kube-apiserver'),
    directory: files.directory,
    args: [
      `--etcd-servers=${files.etcdUrl}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--secure-port=${files.port}`,
      // It signs its own certificate into this folder and uses it again after a restart.
      `--cert-dir=${path.dirname(files.caFile)}`,
      '--authorization-mode=RBAC',
      `--token-auth-file=${files.tokenFile}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-signing-key-file=${files.serviceAccountKeyFile}`,
      `--service-account-key-file=${files.serviceAccountKeyFile}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      // Nothing here reaches the API through the `kubernetes` Service, whose endpoints may not be loopback.
      '--endpoint-reconciler-type=none',
      ...audit,
    ],
    isReady: async () => (await adminGet(files, '/readyz')).status === 200,
  });
}

/** startControllerManager starts kube-controller-manager without a port of its own; it is ready when it has done some work. */
export async function startControllerManager(files: ControlPlaneFiles): Promise<ServerProcess> {
  return startServer({
    name: 'kube-controller-manager',
    command: await toolPath('kube-controller-manager'),
    directory: files.directory,
    args: [
      `--kubeconfig=${files.adminKubeconfigFile}`,
      '--leader-elect=false',
      '--secure-port=0',
      `--service-account-private-key-file=${files.serviceAccountKeyFile}`,
      `--root-ca-file=${files.caFile}`,
      // No kubelet sends heartbeats here: this controller would mark nodes lost and evict what stands on them.
      '--controllers=*,-node-lifecycle-controller',
    ],
    isReady: async () =>
      (await adminGet(files, '/api/v1/namespaces/default/serviceaccounts/default')).status === 200 &&
      (await adminGet(files, '/api/v1/namespaces/default/configmaps/kube-root-ca.crt')).status === 200,
  });
}

async function adminGet(files: ControlPlaneFiles, apiPath: string): Promise<ApiAnswer> {
  const client = await openApiClient(files);
  try {
    return await client.send('GET', apiPath);
  } finally {
    await client.close();
  }
}
