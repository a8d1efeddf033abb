/** The proxy against a real API server: what it installs, the rights it needs, and what it does when the server is away. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { request } from 'undici';
import { parseAllDocuments } from 'yaml';
import type { KubernetesObject, ResourceKind } from '../../src/api/kubernetes.ts';
import { runProxy, type RunProxyOptions } from '../../src/run-proxy.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { type Backend, startBackend } from '../support/backend.ts';
import { type AuditEvent, type Cluster, startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { applyObject, putEndpoints, putIngressRoute, putNamespace, putService } from '../support/objects.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const overlay = path.join(root, 'manifests', 'overlays', 'proxy');
const crds = path.join(root, 'crds', 'traefik');
const auditPolicy =
  'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived, ResponseStarted]\nrules: [{level: Metadata}]\n';
const proxyUser = 'system:serviceaccount:sluice-system:sluice-proxy';
const namespace = 'web';
const host = 'shop.test';
const secrets = { group: '', version: 'v1', plural: 'secrets', kind: 'Secret' } satisfies ResourceKind;
const transports = {
  group: 'traefik.io',
  version: 'v1alpha1',
  plural: 'serverstransports',
  kind: 'ServersTransport',
} satisfies ResourceKind;

let cluster: Cluster;
let backend: Backend;
let rendered: readonly KubernetesObject[];
const stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  cluster = await startCluster({ auditPolicy });
  backend = await startBackend({ address: '10.77.0.2', version: 'v1' });
  const text = await cluster.kubectl(['kustomize', overlay]);
  rendered = parseAllDocuments(text).map((document) => document.toJS() as KubernetesObject);
});
afterAll(async () => {
  await backend?.stop();
  await cluster?.stop();
});
afterEach(stopAll);

async function stopAll(): Promise<void> {
  for (const stop of stops.splice(0).toReversed()) await stop();
}

interface Proxy {
  readonly web: string;
  readonly admin: string;
}

async function startProxy(options: Partial<RunProxyOptions> = {}): Promise<Proxy> {
  const stop = new AbortController();
  const kubeconfig = await cluster.serviceAccountKubeconfig('sluice-system', 'sluice-proxy');
  const running = runProxy(
    {
      kubeconfig,
      entryPoint: 'web=127.0.0.1:0',
      adminAddress: '127.0.0.1:0',
      acceptGrace: '0s',
      grace: '0s',
      publishAddress: '192.0.2.1',
    },
    { signal: stop.signal, logger: createLogger({ level: 'silent' }), ...options },
  );
  stops.push(() => {
    stop.abort();
    return running.stopped;
  });
  const { adminPort, addresses } = await running.serving;
  return { web: `http://127.0.0.1:${addresses[0]?.port}`, admin: `http://127.0.0.1:${adminPort}` };
}

async function statusOf({ web }: Proxy, name = host): Promise<number> {
  const answer = await request(web, { headers: { host: name } });
  await answer.body.dump();
  return answer.statusCode;
}

async function read({ admin }: Proxy, page: string): Promise<string> {
  return (await request(`${admin}${page}`)).body.text();
}

async function putShop(): Promise<void> {
  await putNamespace(cluster, namespace);
  await putService(cluster, { namespace, name: 'shop' });
  await putEndpoints(cluster, { namespace, name: 'shop' }, [{ address: backend.address }]);
  await putIngressRoute(cluster, { namespace, name: 'shop', host, services: [{ name: 'shop', port: 80 }] });
}

const proxyEvents = async (): Promise<readonly AuditEvent[]> =>
  (await cluster.auditEvents()).filter(({ user }) => user.username === proxyUser);

function rightOf({ verb, objectRef }: AuditEvent): string {
  const { resource, subresource } = objectRef ?? {};
  return `${verb} ${subresource === undefined ? resource : `${resource}/${subresource}`}`;
}

function grantedRights(): readonly string[] {
  const role = rendered.find(({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === 'sluice-proxy') as
    | (KubernetesObject & { readonly rules: readonly { readonly resources: string[]; readonly verbs: string[] }[] })
    | undefined;
  return (role?.rules ?? []).flatMap((rule) =>
    rule.resources.flatMap((resource) => rule.verbs.map((verb) => `${verb} ${resource}`)),
  );
}

describe('a cluster without Traefik', { timeout: 180_000 }, () => {
  test('serves nothing yet, and begins when the kinds of Traefik are installed', async () => {
    await cluster.kubectl(['create', 'namespace', 'sluice-system']);
    await cluster.kubectl(['apply', '-f', path.join(root, 'manifests', 'components', 'proxy', 'rbac.yaml')]);
    const proxy = await startProxy();
    expect(await statusOf(proxy)).toBe(404);
    expect((await request(`${proxy.admin}/readyz`)).statusCode).toBe(200);
    await cluster.kubectl(['apply', '--server-side', '-k', crds]);
    const names = ['ingressroutes', 'middlewares', 'serverstransports', 'tlsstores', 'traefikservices'];
    const objects = names.map((name) => `crd/${name}.traefik.io`);
    await cluster.kubectl(['wait', '--for=condition=Established', '--timeout=30s', ...objects]);
    await putShop();
    // A kind that is missing is looked for every 30 to 60 s.
    await eventually(async () => (await statusOf(proxy)) === 200, { timeoutMs: 90_000, describe: 'the route' });
  });

  test('takes the whole overlay without an error or a warning', async () => {
    const outcome = await cluster.tryKubectl(['apply', '--server-side', '--force-conflicts', '-k', overlay]);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('the rights of the proxy', { timeout: 120_000 }, () => {
  test('are what it needs for routes, transports with certificates and events, and nothing more', async () => {
    await putShop();
    await applyObject(cluster, secrets, {
      metadata: { namespace, name: 'ca' },
      stringData: { 'tls.ca': 'none' },
    } as KubernetesObject);
    await applyObject(cluster, transports, {
      metadata: { namespace, name: 'own' },
      spec: { rootCAs: [{ secret: 'ca' }, { configMap: 'ca' }] },
    } as KubernetesObject);
    await putIngressRoute(cluster, {
      namespace,
      name: 'broken',
      host: 'broken.test',
      services: [
        { name: 'shop', port: 80, serversTransport: 'own' },
        { name: 'absent', port: 80 },
      ],
    });
    await cluster.kubectl([
      'create',
      '-n',
      namespace,
      'ingress',
      'plain',
      '--class=sluice',
      '--rule=plain.test/*=shop:80',
    ]);
    const proxy = await startProxy();
    await eventually(
      async () => (await cluster.kubectl(['-n', namespace, 'get', 'ingress', 'plain'])).includes('192.0.2.1'),
      { timeoutMs: 30_000, describe: 'the address in the status of the Ingress' },
    );
    await eventually(
      async () => {
        const args = ['-n', namespace, 'describe', 'ingressroutes.traefik.io', 'broken'];
        expect(await cluster.kubectl(args)).toMatch(/Warning .* sluice/);
        const used = new Set((await proxyEvents()).map(rightOf));
        return used.has('list secrets') && used.has('list configmaps');
      },
      { timeoutMs: 60_000, describe: 'an event on the broken route, and watches of its certificates' },
    );
    expect(await read(proxy, '/metrics')).toContain(
      'sluice_proxy_invalid_objects{kind="IngressRoute",name="broken",namespace="web"} 1',
    );
    await stopAll();
    // A watch is in the audit log when it has ended.
    const events = await proxyEvents();
    const named = events.filter(({ objectRef }) => /^(secrets|configmaps)$/.test(objectRef?.resource ?? ''));
    expect(named.filter(({ requestURI }) => !requestURI.includes('fieldSelector=metadata.name%3Dca'))).toEqual([]);
    const used = new Set(events.map(rightOf));
    expect([...used].filter((right) => !grantedRights().includes(right))).toEqual([]);
    // A series of an event, which is patched, needs the same event twice.
    expect(grantedRights().filter((right) => !used.has(right) && right !== 'patch events')).toEqual([]);
  });
});

describe('an API server that is away', { timeout: 180_000 }, () => {
  test('changes nothing for clients, nor for who asks whether the proxy is ready; what it missed comes after', async () => {
    await putShop();
    const proxy = await startProxy();
    expect(await statusOf(proxy)).toBe(200);
    await cluster.killApiServer();
    const age = async (): Promise<number> =>
      Number(/^sluice_proxy_config_age_seconds ([0-9.]+)$/m.exec(await read(proxy, '/metrics'))?.[1]);
    await eventually(async () => (await age()) > 3, { timeoutMs: 30_000, describe: 'the configuration to grow old' });
    expect(await statusOf(proxy)).toBe(200);
    expect((await request(`${proxy.admin}/readyz`)).statusCode).toBe(200);
    await cluster.restartApiServer();
    await putIngressRoute(cluster, {
      namespace,
      name: 'later',
      host: 'later.test',
      services: [{ name: 'shop', port: 80 }],
    });
    await eventually(async () => (await statusOf(proxy, 'later.test')) === 200, { timeoutMs: 60_000 });
    expect(await statusOf(proxy)).toBe(200);
  });

  test('and comes back from a backup without routes is not believed at once', async () => {
    await cluster.kubectl(['-n', namespace, 'delete', 'ingressroutes.traefik.io', '--all']);
    await cluster.saveEtcd();
    await putShop();
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const proxy = await startProxy({ logger: createLogger({ level: 'warn', destination }) });
    expect(await statusOf(proxy)).toBe(200);
    await cluster.restoreEtcd();
    await eventually(() => lines.some((line) => line.includes('lists no ingressroutes where there were some')), {
      timeoutMs: 90_000,
      describe: 'an empty list to be doubted',
    });
    expect(await statusOf(proxy)).toBe(200);
  });
});
