import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Deployment, type KubernetesObject, resources } from '../../src/api/kubernetes.ts';
import { type Backend, startBackend } from '../support/backend.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { startLoad } from '../support/load.ts';
import {
  applyObject,
  putDeployment,
  putEndpoints,
  putIngressRoute,
  putNamespace,
  putService,
  readObject,
  removeEndpoints,
  rollOutDeployment,
  setDeploymentStatus,
  setPodsReady,
} from '../support/objects.ts';
import { startPrometheus } from '../support/prometheus.ts';
import { installTraefikCrds, startTraefik, type Traefik } from '../support/traefik.ts';

const auditPolicy =
  'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n';
const shop = { namespace: 'shop', name: 'shop' } as const;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a cluster with all its servers', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ auditPolicy });
    await putNamespace(cluster, shop.namespace);
  });
  afterAll(() => cluster?.stop());

  test('kubectl works as administrator and its failure is an error that says what kubectl said', async () => {
    expect(await cluster.kubectl(['get', 'namespaces', '--output=name'])).toContain('namespace/shop\n');
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: shop, data: { a: 'b' } });
    await cluster.kubectl(['apply', '-f', '-'], { input });
    expect(await cluster.kubectl(['-n', 'shop', 'get', 'configmap', 'shop', '-o', 'jsonpath={.data.a}'])).toBe('b');
    await expect(cluster.kubectl(['get', 'pod', 'absent'])).rejects.toThrow('pods "absent" not found');
  });

  test('a ServiceAccount without a binding is denied, and allowed after one', async () => {
    await cluster.kubectl(['-n', 'shop', 'create', 'serviceaccount', 'visitor']);
    const kubeconfig = await cluster.serviceAccountKubeconfig('shop', 'visitor');
    const denied = await cluster.tryKubectl(['get', 'services'], { kubeconfig });
    expect(denied).toMatchObject({ code: 1, stdout: '' });
    expect(denied.stderr).toContain('User "system:serviceaccount:shop:visitor" cannot list resource "services"');
    const binding = ['rolebinding', 'visitor', '--clusterrole=view', '--serviceaccount=shop:visitor'];
    await cluster.kubectl(['-n', 'shop', 'create', ...binding]);
    await eventually(async () => (await cluster.tryKubectl(['get', 'services'], { kubeconfig })).code === 0);
  });

  test('the garbage collector deletes what belongs to a deleted owner', async () => {
    const configMap = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap' };
    const owner = await applyObject<KubernetesObject>(cluster, configMap, {
      metadata: { namespace: 'shop', name: 'owner' },
    });
    const { name, uid = '' } = owner.metadata;
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid }];
    await applyObject(cluster, configMap, { metadata: { namespace: 'shop', name: 'owned', ownerReferences } });
    await cluster.kubectl(['-n', 'shop', 'delete', 'configmap', 'owner']);
    await eventually(
      async () => (await readObject(cluster, configMap, { namespace: 'shop', name: 'owned' })) === undefined,
    );
  });

  test('the Deployment controller counts pods made ready and numbers revisions', async () => {
    await putDeployment(cluster, { ...shop, image: 'shop:1', replicas: 2 });
    const first = await rollOutDeployment(cluster, shop);
    expect(first.metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('1');
    await putDeployment(cluster, { ...shop, image: 'shop:2', replicas: 2 });
    const second = await rollOutDeployment(cluster, shop);
    expect(second.metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('2');
    expect(second.status).toMatchObject({ replicas: 2, updatedReplicas: 2, readyReplicas: 2 });
    await setPodsReady(cluster, shop, false);
    await eventually(async () => {
      const now = await readObject<typeof second>(cluster, resources.deployments, shop);
      return (now?.status?.readyReplicas ?? 0) === 0;
    });
  });

  test('the audit log names who did what', async () => {
    await putService(cluster, { namespace: 'shop', name: 'audited' });
    const event = await eventually(async () =>
      (await cluster.auditEvents()).find(({ objectRef }) => objectRef?.name === 'audited'),
    );
    expect(event).toMatchObject({ verb: 'patch', user: { username: 'admin' }, objectRef: { resource: 'services' } });
  });

  test('the API server comes back with its data after a kill and after a restart', async () => {
    await cluster.killApiServer();
    expect((await cluster.tryKubectl(['get', 'namespace', 'shop'])).code).toBe(1);
    await cluster.restartApiServer();
    expect((await cluster.tryKubectl(['get', 'namespace', 'shop'])).code).toBe(0);
    await cluster.restartApiServer();
    expect((await cluster.tryKubectl(['get', 'namespace', 'shop'])).code).toBe(0);
  });
});

describe('Traefik, Prometheus and a backend', () => {
  let cluster: Cluster;
  let traefik: Traefik;
  const backends: Backend[] = [];

  beforeAll(async () => {
    cluster = await startCluster({ controllerManager: false });
    await putNamespace(cluster, 'shop');
    await installTraefikCrds(cluster);
    traefik = await startTraefik({ cluster, throttleMs: 100 });
    backends.push(await startBackend({ address: '10.77.0.2', version: 'v1' }));
    backends.push(await startBackend({ address: '10.77.0.3', version: 'v2' }));
    for (const backend of backends) {
      const service = { namespace: 'shop', name: backend.version };
      await putService(cluster, service);
      await putEndpoints(cluster, service, [{ address: backend.address }]);
    }
    await putIngressRoute(cluster, {
      ...shop,
      host: 'shop.test',
      services: [
        { name: 'v1', port: 80, weight: 3 },
        { name: 'v2', port: 80, weight: 1 },
      ],
    });
  });
  afterAll(async () => {
    await Promise.all([traefik?.stop(), ...backends.map((backend) => backend.stop())]);
    await cluster?.stop();
    expect(isAlive(traefik?.pid)).toBe(false);
  });

  test('split traffic by the weights of the IngressRoute, and Prometheus counts it', async () => {
    const load = startLoad({ url: traefik.webUrl, host: 'shop.test', requestsPerSecond: 300 });
    const prometheus = await startPrometheus({ targets: [traefik.metricsAddress], scrapeIntervalMs: 500 });
    try {
      const live = await eventually(() => {
        const mark = load.mark();
        return (load.since(mark - 200).byVersion['v2'] ?? 0) > 0 && mark;
      });
      await eventually(() => load.since(live).total >= 300);
      const steady = load.since(live);
      expect(steady.failed).toBe(0);
      expect(steady.byStatus).toEqual({ 200: steady.total });
      const share = (steady.byVersion['v2'] ?? 0) / steady.total;
      expect(share).toBeGreaterThan(0.24);
      expect(share).toBeLessThan(0.26);

      backends[1]?.set({ errorRatio: 1 });
      const broken = load.mark();
      await eventually(() => (load.since(broken).byStatus[500] ?? 0) > 10);
      const query = encodeURIComponent('traefik_service_requests_total{service="shop-v2-80@kubernetescrd",code="500"}');
      await eventually(async () => {
        const answer = await fetch(`${prometheus.url}/api/v1/query?query=${query}`);
        const body = (await answer.json()) as { readonly data: { readonly result: readonly unknown[] } };
        return body.data.result.length === 1;
      });
      expect(backends[1]?.requestCount()).toBeGreaterThan(0);
    } finally {
      await load.stop();
      await prometheus.stop();
    }
    expect(isAlive(prometheus.pid)).toBe(false);
  });

  test('without endpoints of one service the whole route is gone, because allowEmptyServices is off as in Traefik', async () => {
    const status = async (): Promise<number> => {
      const answer = await request(traefik.webUrl, { headers: { host: 'shop.test' } });
      await answer.body.dump();
      return answer.statusCode;
    };
    expect(await status()).not.toBe(404);
    await putEndpoints(cluster, { namespace: 'shop', name: 'v2' }, [{ address: '10.77.0.3', ready: false }]);
    await eventually(async () => (await status()) === 404);
    await putEndpoints(cluster, { namespace: 'shop', name: 'v2' }, [{ address: '10.77.0.3' }]);
    await eventually(async () => (await status()) !== 404);
    await removeEndpoints(cluster, { namespace: 'shop', name: 'v2' });
    await eventually(async () => (await status()) === 404);
  });

  test('a status written by hand stays where no Deployment controller runs', async () => {
    const release = { namespace: 'shop', name: 'by-hand' };
    await putDeployment(cluster, { ...release, image: 'shop:1' });
    await setDeploymentStatus(cluster, { ...release, revision: '7' }, { replicas: 1, readyReplicas: 1 });
    const written = await readObject<Deployment>(cluster, resources.deployments, release);
    expect(written?.metadata.annotations).toMatchObject({ 'deployment.kubernetes.io/revision': '7' });
    expect(written?.status).toEqual({
      observedGeneration: written?.metadata.generation,
      replicas: 1,
      readyReplicas: 1,
    });
  });
});

describe('what a cluster leaves behind', () => {
  const children: number[] = [];
  afterEach(() => {
    for (const pid of children.splice(0).filter(isAlive)) process.kill(pid, 'SIGKILL');
  });

  test('is nothing after stop()', async () => {
    const cluster = await startCluster();
    const pids = cluster.pids();
    expect(pids).toHaveLength(3);
    expect(pids.every(isAlive)).toBe(true);
    await cluster.stop();
    expect(pids.filter(isAlive)).toEqual([]);
    expect(existsSync(cluster.dataDir)).toBe(false);
    expect(cluster.pids()).toEqual([]);
  });

  test('is no process after the test run was killed by SIGKILL', async () => {
    const clusterModule = fileURLToPath(new URL('../support/cluster.ts', import.meta.url));
    const script = `import { startCluster } from ${JSON.stringify(clusterModule)};
      const cluster = await startCluster();
      console.log(JSON.stringify(cluster.pids()));
      setInterval(() => {}, 1000);`;
    const run = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    run.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    const pids = await eventually(() => output.includes('\n') && (JSON.parse(output) as number[]), {
      timeoutMs: 30_000,
      describe: 'the child run to start its cluster',
    });
    children.push(...pids);
    expect(pids).toHaveLength(3);
    expect(pids.every(isAlive)).toBe(true);
    run.kill('SIGKILL');
    await eventually(() => !pids.some(isAlive), { describe: 'the servers of the killed run to end' });
  });
});
