/** `sluice install` against the real kubectl and API server, and what `sluice uninstall` leaves behind. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { type KubernetesObject, resources } from '../../src/api/kubernetes.ts';
import type { Rollout } from '../../src/api/rollout.ts';
import type { IngressRoute } from '../../src/api/traefik.ts';
import { identityOf, mapStrings } from '../../src/cli/kustomization.ts';
import { runInstall, type InstallCall } from '../../src/install.ts';
import { run, type Running } from '../../src/run.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { toolPath } from '../support/build-tools.ts';
import { type Cluster, runCommand, startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { putEndpoints, putIngressRoute, putNamespace, putService, readObject } from '../support/objects.ts';
import { installTraefikCrds } from '../support/traefik.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const manifests = path.join(root, 'manifests');
const main = path.join(root, 'src', 'main.ts');

let cluster: Cluster;
let scratch: string;

beforeAll(async () => {
  cluster = await startCluster();
  scratch = await mkdtemp(path.join(os.tmpdir(), 'sluice-install-'));
});
afterAll(async () => {
  await cluster?.stop();
  if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
});

/** byIdentity makes two renderings comparable: their order is not part of them. */
function byIdentity(objects: readonly KubernetesObject[]): Readonly<Record<string, KubernetesObject>> {
  const named = Object.fromEntries(objects.map((object) => [identityOf(object), object]));
  expect(Object.keys(named)).toHaveLength(objects.length);
  return named;
}

function parse(text: string): readonly KubernetesObject[] {
  // As kubectl reads YAML.
  return parseAllDocuments(text, { version: '1.1' }).map((document) => document.toJS() as KubernetesObject);
}

/** kustomize is what the real kubectl makes of a kustomization whose paths start at manifests/. */
async function kustomize(kustomization: {
  readonly resources: readonly string[];
  readonly components: readonly string[];
  readonly images?: readonly object[];
}): Promise<readonly KubernetesObject[]> {
  const fromScratch = (folder: string): string => path.relative(scratch, path.join(manifests, folder));
  const text = JSON.stringify({
    ...kustomization,
    resources: kustomization.resources.map(fromScratch),
    components: kustomization.components.map(fromScratch),
  });
  await writeFile(path.join(scratch, 'kustomization.yaml'), text);
  return parse(await cluster.kubectl(['kustomize', scratch]));
}

/** sluice runs the program as a person would, with the administrator's kubeconfig. */
async function sluice(args: readonly string[]): ReturnType<typeof runCommand> {
  return runCommand(process.execPath, [main, ...args], { input: '', timeoutMs: 120_000 });
}

const combinations = [undefined, 'Deployment', 'DaemonSet'].flatMap((proxy) =>
  [false, true].flatMap((ha) =>
    [false, true].map((hasMore): InstallCall => ({ proxy, ha, prometheus: hasMore, copy: hasMore })),
  ),
);

describe('sluice install', () => {
  test.each(combinations)('prints what kubectl makes of the same folders: %j', async (call) => {
    const expected = await kustomize({
      resources: ['base', ...(call.copy ? ['overlays/copy', 'overlays/prometheus'] : [])],
      components: [
        ...(call.ha ? ['components/ha'] : []),
        ...(call.proxy === 'Deployment' ? ['components/proxy'] : []),
        ...(call.proxy === 'DaemonSet' ? ['components/daemonset'] : []),
      ],
    });
    expect(byIdentity(parse(await runInstall(call, {})))).toEqual(byIdentity(expected));
  });

  test.each(['ha', 'proxy', 'daemonset'])('and overlays/%s is one of those', async (name) => {
    const call = { ha: { ha: true }, proxy: { proxy: true }, daemonset: { proxy: 'DaemonSet' } }[name] as InstallCall;
    const expected = parse(await cluster.kubectl(['kustomize', path.join(manifests, 'overlays', name)]));
    expect(byIdentity(parse(await runInstall(call, {})))).toEqual(byIdentity(expected));
  });

  test('binds the rights in the namespaces that are watched alone, as overlays/namespaced does', async () => {
    const expected = parse(await cluster.kubectl(['kustomize', path.join(manifests, 'overlays', 'namespaced')]));
    const printed = byIdentity(parse(await runInstall({}, { namespaces: 'shop' })));
    expect(printed).toEqual(byIdentity(expected));
    const both = parse(await runInstall({ copy: true }, { namespaces: 'shop,cart' }));
    const bindings = both
      .filter(({ kind }) => kind === 'RoleBinding')
      .map(({ metadata }) => String(metadata.namespace));
    expect(bindings.toSorted()).toEqual(['cart', 'cart', 'shop', 'shop', 'sluice-system']);
    expect(both.filter(({ kind }) => kind === 'ClusterRoleBinding')).toEqual([]);
  });

  test('names the images that it is told', async () => {
    const call = {
      proxy: true,
      image: 'reg.example:5000/a/sluice:1',
      proxyImage: 'reg.example/proxy@sha256:',
    } as const;
    const digest = '0123456789abcdef'.repeat(4);
    const expected = await kustomize({
      resources: ['base'],
      components: ['components/proxy'],
      images: [
        { name: 'sluice', newName: 'reg.example:5000/a/sluice', newTag: '1' },
        { name: 'sluice-proxy', newName: 'reg.example/proxy', digest: `sha256:${digest}` },
      ],
    });
    const printed = parse(await runInstall({ ...call, proxyImage: call.proxyImage + digest }, {}));
    expect(byIdentity(printed)).toEqual(byIdentity(expected));
  });

  test('moves everything that names its namespace, and makes none', async () => {
    const printed = parse(await runInstall({ proxy: true, namespace: 'traffic' }, {}));
    const expected = (await kustomize({ resources: ['base'], components: ['components/proxy'] }))
      .filter(({ kind }) => kind !== 'Namespace')
      .map((object) => mapStrings(object, (text) => text.replaceAll('sluice-system', 'traffic')));
    expect(byIdentity(printed)).toEqual(byIdentity(expected));
    expect(JSON.stringify(printed)).toContain('system:serviceaccount:traffic:sluice');
    expect(JSON.stringify(printed)).not.toContain('sluice-system');
  });

  test('puts settings into the environment of the controller', async () => {
    const { stdout, code } = await sluice(['install', '--prometheus-url=http://prom:9090', '--shards=2', '--ha']);
    expect(code).toBe(0);
    const deployment = parse(stdout).find(({ kind }) => kind === 'Deployment');
    expect(deployment).toMatchObject({
      spec: {
        template: {
          spec: {
            containers: [
              {
                name: 'controller',
                env: expect.arrayContaining([
                  { name: 'SLUICE_PROMETHEUS_URL', value: 'http://prom:9090' },
                  { name: 'SLUICE_SHARDS', value: '2' },
                ]) as unknown,
              },
            ],
          },
        },
      },
    });
  });

  test('says everything that is wrong with a line, and prints nothing', async () => {
    const { stdout, stderr, code } = await sluice([
      'install',
      '--proxy=Pod',
      '--image=a b',
      '--namespace=A',
      '--shards=0',
      '--source=Scrape',
    ]);
    expect({ stdout, code }).toEqual({ stdout: '', code: 2 });
    expect(stderr).toMatch(/^sluice: The configuration has 4 problem\(s\): .*\n$/);
    for (const flag of ['--proxy', '--image', '--namespace', '--shards']) expect(stderr).toContain(`${flag} is `);
  });
});

const monitoring = ['ServiceMonitor', 'PrometheusRule'].map((kind) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${kind.toLowerCase()}s.monitoring.coreos.com` },
  spec: {
    group: 'monitoring.coreos.com',
    scope: 'Namespaced',
    names: { kind, plural: `${kind.toLowerCase()}s` },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
}));

/** everything lists all objects of the cluster but those that come and go by themselves. */
async function everything(): Promise<readonly string[]> {
  const kinds = (await cluster.kubectl(['api-resources', '--verbs=list', '-o', 'name']))
    .trim()
    .split('\n')
    .filter((kind) => !/^events|^(componentstatuses|leases\.|apiservices\.|ipaddresses\.)/.test(kind));
  const format = 'go-template={{range .items}}{{.kind}} {{.metadata.namespace}} {{.metadata.name}}{{"\\n"}}{{end}}';
  const { stdout } = await cluster.tryKubectl(['get', kinds.join(','), '-A', '-o', format]);
  return stdout.trim().split('\n').toSorted();
}

describe('sluice uninstall', () => {
  const stop = new AbortController();
  let running: Running;
  const routeOf = async (): Promise<IngressRoute['spec'] | undefined> =>
    (await readObject<IngressRoute>(cluster, resources.ingressRoutes, { namespace: 'web', name: 'shop' }))?.spec;
  const uninstall = (...args: readonly string[]): ReturnType<typeof sluice> =>
    sluice(['uninstall', `--kubeconfig=${cluster.adminKubeconfigFile}`, ...args]);
  let routeBefore: IngressRoute['spec'] | undefined;

  afterAll(async () => {
    stop.abort();
    await running?.stopped.catch(() => undefined);
  });

  async function install(...args: readonly string[]): Promise<void> {
    const { stdout } = await sluice(['install', ...args]);
    const applied = await cluster.tryKubectl(['apply', '--server-side', '-f', '-'], { input: stdout });
    expect(applied).toMatchObject({ code: 0, stderr: '' });
    await cluster.kubectl(['wait', '--for=condition=Established', '--timeout=30s', 'crd/rollouts.sluice.dev']);
  }

  async function startRollout(): Promise<void> {
    const spec = {
      route: { name: 'shop' },
      stable: { service: 'shop-stable' },
      canary: { service: 'shop-canary' },
      revision: '1',
      steps: [{ weight: 5, duration: '0s' }, { pause: {} }],
      analysis: { mode: 'Disabled' },
    };
    const rollout = {
      apiVersion: 'sluice.dev/v1alpha1',
      kind: 'Rollout',
      metadata: { name: 'shop', namespace: 'web' },
      spec,
    };
    await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(rollout) });
    const key = { namespace: 'web', name: 'shop' };
    await eventually(
      async () => (await readObject<Rollout>(cluster, resources.rollouts, key))?.status?.reason === 'PauseStep',
      { timeoutMs: 90_000 },
    );
    expect(await routeOf()).not.toEqual(routeBefore);
  }

  async function startController(signal: AbortSignal, namespaces = ''): Promise<Running> {
    const kubeconfig = await cluster.serviceAccountKubeconfig('sluice-system', 'sluice');
    const settings = { kubeconfig, healthAddress: '127.0.0.1:0', leaderElect: 'false', namespaces };
    return run(settings, { signal, logger: createLogger({ level: 'silent' }) });
  }

  let before: readonly string[];
  beforeAll(async () => {
    await installTraefikCrds(cluster);
    for (const crd of monitoring) await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(crd) });
    await putNamespace(cluster, 'web');
    for (const [index, name] of ['shop-stable', 'shop-canary'].entries()) {
      await putService(cluster, { namespace: 'web', name });
      await putEndpoints(cluster, { namespace: 'web', name }, [{ address: `10.77.0.${index + 1}` }]);
    }
    await putIngressRoute(cluster, {
      namespace: 'web',
      name: 'shop',
      host: 'shop.test',
      services: [{ name: 'shop-stable', port: 80 }],
    });
    routeBefore = await routeOf();
    before = await everything();
  });

  test('refuses while a Rollout is under way, then puts its route back and leaves nothing behind', async () => {
    await install('--ha', '--prometheus', '--copy');
    running = await startController(stop.signal);
    await startRollout();

    const refused = await uninstall();
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toBe(
      'sluice: web/shop (Paused, 5%) is under way, and its canary would lose all traffic at once; wait, or say --yes.\n',
    );
    expect(await everything()).not.toEqual(before);

    const done = await uninstall('--yes');
    expect(done).toMatchObject({ code: 0, stderr: '' });
    const lines = done.stdout.trim().split('\n');
    expect(lines[0]).toBe('Rollout web/shop is gone.');
    expect(lines[1]).toBe('deployment.apps/sluice deleted');
    expect(lines.at(-2)).toBe('customresourcedefinition.apiextensions.k8s.io/rollouts.sluice.dev deleted');
    expect(lines.at(-1)).toBe('namespace/sluice-system deleted');
    expect(await routeOf()).toEqual(routeBefore);
    stop.abort();
    await running.stopped.catch(() => undefined);
    expect(await everything()).toEqual(before);
    expect(await uninstall()).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test('says what to do where no controller lets the Rollouts go, and the documented line puts the route back', async () => {
    await install('--namespaces=web');
    const first = new AbortController();
    const controller = await startController(first.signal, 'web');
    await startRollout();
    first.abort();
    await controller.stopped;
    // The wrong order: first the controller, then the CRD.
    await cluster.kubectl(['delete', 'namespace', 'sluice-system', '--wait=false']);
    const stuck = await uninstall('--yes', '--timeout=2s');
    expect(stuck.code).toBe(1);
    expect(stuck.stderr).toMatch(/^sluice: web\/shop could not be deleted within 2s; is a controller running\? .*\n$/);

    const blocks = readFileSync(path.join(root, 'docs', 'operations.md'), 'utf8').matchAll(/^```sh\n(.*?)^```/gms);
    const [route = '', finalizer = ''] = [...blocks]
      .map(([, block = '']) => block)
      .filter((block) => block.startsWith('kubectl patch'));
    const kubectl = `kubectl() { command ${await toolPath('kubectl')} --kubeconfig=${cluster.adminKubeconfigFile} -n web "$@"; }`;
    const lines = `${kubectl}\n${route}\n${finalizer}`;
    const patched = await runCommand('sh', ['-eu', '-c', lines], { input: '', timeoutMs: 60_000 });
    expect(patched).toMatchObject({ code: 0, stderr: '' });
    expect(await routeOf()).toEqual(routeBefore);
    expect(await uninstall()).toMatchObject({ code: 0, stderr: '' });
    expect(await everything()).toEqual(before);
  });
});
