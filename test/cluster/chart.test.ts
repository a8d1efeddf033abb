/** The Helm chart against the manifests that it is made from, rendered by Helm's engine. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import type { KubernetesObject } from '../../src/api/kubernetes.ts';
import { identityOf } from '../../src/cli/kustomization.ts';
import { runInstall, type InstallCall } from '../../src/install.ts';
import { toolPath } from '../support/build-tools.ts';
import { type Cluster, type CommandResult, runCommand, startCluster } from '../support/cluster.ts';

const chart = fileURLToPath(new URL('../../charts/sluice', import.meta.url));
let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({ controllerManager: false });
});
afterAll(() => cluster?.stop());

async function helm(values: object, namespace = 'sluice-system'): Promise<CommandResult> {
  return runCommand(await toolPath('helm-render'), [chart, 'sluice', namespace], {
    input: stringify(values, { version: '1.1', aliasDuplicateObjects: false }),
    timeoutMs: 60_000,
  });
}

function parse(text: string): readonly KubernetesObject[] {
  return parseAllDocuments(text, { version: '1.1' }).flatMap((document) => {
    const object = document.toJS() as KubernetesObject | null;
    return object === null ? [] : [object];
  });
}

/** The namespace is that of the release, which Helm makes. */
function byIdentity(objects: readonly KubernetesObject[]): Readonly<Record<string, KubernetesObject>> {
  const own = objects.filter(({ kind }) => kind !== 'Namespace');
  const named = Object.fromEntries(own.map((object) => [identityOf(object), object]));
  expect(Object.keys(named)).toHaveLength(own.length);
  return named;
}

async function render(values: object, namespace?: string): Promise<readonly KubernetesObject[]> {
  const { stdout, stderr, code } = await helm(values, namespace);
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  return parse(stdout);
}

/** The kinds of Traefik are kept when a release is uninstalled; that is all that they have more here. */
function withoutPolicy(object: KubernetesObject): KubernetesObject {
  if (!object.metadata.name.endsWith('.traefik.io')) return object;
  const { 'helm.sh/resource-policy': policy, ...annotations } = object.metadata.annotations ?? {};
  expect(policy).toBe('keep');
  const kept = Object.keys(annotations).length === 0 ? undefined : annotations;
  return JSON.parse(
    JSON.stringify({ ...object, metadata: { ...object.metadata, annotations: kept } }),
  ) as KubernetesObject;
}

describe('the chart', () => {
  const cases: readonly (readonly [string, object, InstallCall])[] = [
    ['by default', {}, {}],
    ['with two replicas', { replicas: 2 }, { ha: true }],
    ['with the rights for Copy', { copy: true }, { copy: true }],
    ['with monitoring', { serviceMonitor: { enabled: true }, alerts: { enabled: true } }, { prometheus: true }],
    ['with the proxy', { proxy: { enabled: true } }, { proxy: true }],
    ['with the proxy on every node', { proxy: { enabled: true, kind: 'DaemonSet' } }, { proxy: 'DaemonSet' }],
    [
      'with another image',
      { image: { repository: 'reg.example/sluice', tag: '2' } },
      { image: 'reg.example/sluice:2' },
    ],
  ];

  test.each(cases)('%s is what sluice install prints', async (_title, values, call) => {
    const expected = parse(await runInstall(call, {}));
    expect(byIdentity((await render(values)).map(withoutPolicy))).toEqual(byIdentity(expected));
  });

  test('in another namespace too', async () => {
    const expected = parse(await runInstall({ namespace: 'traffic', ha: true, proxy: true }, {}));
    const printed = await render({ replicas: 2, proxy: { enabled: true } }, 'traffic');
    expect(byIdentity(printed.map(withoutPolicy))).toEqual(byIdentity(expected));
  });

  test('puts settings into the environment, those of the values before those of the proxy', async () => {
    const settings = { shards: '4', scrapePort: '9100', prometheusBearerTokenFile: '/etc/prom/token' };
    const printed = await render({ settings, proxy: { enabled: true } });
    const controller = printed.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'sluice');
    const [{ env }] = (
      controller as unknown as {
        spec: { template: { spec: { containers: [{ env: readonly { name: string; value: string }[] }] } } };
      }
    ).spec.template.spec.containers;
    const names = env.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(Object.fromEntries(env.map(({ name, value }) => [name, value]))).toMatchObject({
      SLUICE_SHARDS: '4',
      SLUICE_SCRAPE_PORT: '9100',
      SLUICE_PROMETHEUS_BEARER_TOKEN_FILE: '/etc/prom/token',
      SLUICE_SOURCE: 'Scrape',
    });
  });

  test('with everything set is accepted by the API server', async () => {
    const placed = {
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      tolerations: [{ key: 'edge', operator: 'Exists' }],
      affinity: { nodeAffinity: {} },
      priorityClassName: 'system-cluster-critical',
      podAnnotations: { note: 'yes' },
      resources: { limits: { memory: '1Gi' } },
    };
    const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
    const { stdout, stderr } = await helm({
      ...placed,
      image: { repository: 'reg.example/sluice', digest },
      imagePullSecrets: [{ name: 'registry' }],
      volumes: [{ name: 'token', secret: { secretName: 'prometheus' } }],
      volumeMounts: [{ name: 'token', mountPath: '/etc/prom', readOnly: true }],
      copy: true,
      proxy: { enabled: true, crds: false, service: { type: 'NodePort' }, ...placed },
    });
    expect(stderr).toBe('');
    const namespace = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: sluice-system}\n';
    await cluster.kubectl(['apply', '-f', '-'], { input: namespace });
    const applied = await cluster.tryKubectl(['apply', '--server-side', '-f', '-'], { input: stdout });
    expect(applied).toMatchObject({ code: 0, stderr: '' });
    const pod = await cluster.kubectl([
      '-n',
      'sluice-system',
      'get',
      'deployment',
      'sluice',
      '--output=jsonpath={.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].volumeMounts[0].mountPath} {.spec.template.spec.nodeSelector}',
    ]);
    expect(pod).toBe(`reg.example/sluice@${digest} /etc/prom {"kubernetes.io/os":"linux"}`);
  });

  test.each([
    [{ replica: 2 }, 'replica'],
    [{ replicas: 0 }, 'replicas'],
    [{ settings: { promethusUrl: 'http://prometheus' } }, 'promethusUrl'],
    [{ settings: { shards: 2 } }, 'shards'],
    [{ proxy: { kind: 'Pod' } }, 'kind'],
    [{ image: { digest: 'latest' } }, 'digest'],
  ])('refuses %j', async (values, word) => {
    const { stdout, stderr, code } = await helm(values);
    expect({ stdout, code }).toEqual({ stdout: '', code: 1 });
    expect(stderr).toContain(path.basename(chart));
    expect(stderr).toContain(word);
  });
});
