/** A real Traefik outside the cluster that reads its routes from it, with its defaults where a test does not say otherwise. */
import type { Cluster } from './cluster.ts';
import { toolFile, toolPath } from './build-tools.ts';
import { freePort, type ServerProcess, startServer, temporaryDirectory } from './processes.ts';
import { request } from 'undici';

/** TraefikOptions say which cluster Traefik reads and how it deviates from its defaults. */
export interface TraefikOptions {
  readonly cluster: Cluster;
  /** webAddress is where the entry point `web` listens, as `host:port`; a free loopback port if absent. */
  readonly webAddress?: string;
  /** adminAddress is where the API, ping and metrics listen, as `host:port`; a free loopback port if absent. */
  readonly adminAddress?: string;
  /** allowEmptyServices keeps a route whose service has no endpoints (503) instead of dropping it (404); false as in Traefik. */
  readonly allowEmptyServices?: boolean;
  /** throttleMs is providersThrottleDuration, 2000 as in Traefik. */
  readonly throttleMs?: number;
  /** flags are added at the end. */
  readonly flags?: readonly string[];
}

/** Traefik is a running Traefik. */
export interface Traefik {
  /** webUrl is the entry point `web`, without a trailing slash. */
  readonly webUrl: string;
  readonly apiUrl: string;
  readonly metricsUrl: string;
  /** metricsAddress is `host:port`, as a scrape target names it. */
  readonly metricsAddress: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const serviceAccount = { namespace: 'default', name: 'traefik-ingress-controller' } as const;

/** installTraefikCrds gives the cluster Traefik's CRDs, its ClusterRole and its ServiceAccount; repeating it is harmless. */
export async function installTraefikCrds(cluster: Cluster): Promise<void> {
  await cluster.applyCrds([await toolFile('traefik', 'kubernetes-crd-definition-v1.yml')]);
  await cluster.kubectl(['apply', '-f', await toolFile('traefik', 'kubernetes-crd-rbac.yml')]);
  const { namespace, name } = serviceAccount;
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name } };
  await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(account) });
}

/**
 * startTraefik starts Traefik with its own ServiceAccount, the entry point `web`, metrics with service and router labels
 * and fine buckets, and waits until it has read the cluster. The CRDs have to be there (installTraefikCrds), because
 * Traefik waits for all of them without a word.
 */
export async function startTraefik(options: TraefikOptions): Promise<Traefik> {
  const webAddress = options.webAddress ?? `127.0.0.1:${await freePort()}`;
  const adminAddress = options.adminAddress ?? `127.0.0.1:${await freePort()}`;
  const directory = await temporaryDirectory('traefik');
  const adminUrl = `http://${adminAddress}`;
  const server = await startServer({
    name: 'traefik',
    command: await toolPath('traefik'),
    directory: directory.path,
    // KUBECONFIG and the in-cluster variables would win over the flags.
    env: { PATH: process.env['PATH'] },
    args: [
      `--entrypoints.web.address=${webAddress}`,
      `--entrypoints.traefik.address=${adminAddress}`,
      ...(await providerFlags(options)),
      ...telemetryFlags,
      ...(options.flags ?? []),
    ],
    isReady: () => hasLoadedRoutes(adminUrl),
  }).catch(async (error: unknown) => {
    await directory.remove();
    throw error;
  });
  return describeTraefik({ server, webAddress, adminAddress, remove: directory.remove });
}

const telemetryFlags = [
  '--global.checknewversion=false',
  '--global.sendanonymoususage=false',
  '--api.insecure=true',
  '--ping=true',
  '--metrics.prometheus=true',
  '--metrics.prometheus.addrouterslabels=true',
  '--metrics.prometheus.addserviceslabels=true',
  '--metrics.prometheus.buckets=0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10',
];

async function providerFlags({ cluster, allowEmptyServices, throttleMs }: TraefikOptions): Promise<readonly string[]> {
  const token = await cluster.serviceAccountToken(serviceAccount.namespace, serviceAccount.name);
  return [
    '--providers.kubernetescrd=true',
    `--providers.kubernetescrd.endpoint=${cluster.url}`,
    `--providers.kubernetescrd.token=${token}`,
    `--providers.kubernetescrd.certauthfilepath=${cluster.caFile}`,
    `--providers.kubernetescrd.allowemptyservices=${allowEmptyServices ?? false}`,
    `--providers.providersthrottleduration=${throttleMs ?? 2000}ms`,
  ];
}

/** The first configuration of a provider is the first reload; before it, `/ping` is fine and every request is 404. */
async function hasLoadedRoutes(adminUrl: string): Promise<boolean> {
  const answer = await request(`${adminUrl}/metrics`);
  const text = await answer.body.text();
  return /^traefik_config_reloads_total [1-9]/m.test(text);
}

function describeTraefik(parts: {
  readonly server: ServerProcess;
  readonly webAddress: string;
  readonly adminAddress: string;
  readonly remove: () => Promise<void>;
}): Traefik {
  return {
    webUrl: `http://${parts.webAddress}`,
    apiUrl: `http://${parts.adminAddress}/api`,
    metricsUrl: `http://${parts.adminAddress}/metrics`,
    metricsAddress: parts.adminAddress,
    pid: parts.server.pid,
    stop: async () => {
      await parts.server.stop(1000);
      await parts.remove();
    },
  };
}
