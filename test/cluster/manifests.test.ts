import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { type Deployment, type KubernetesObject, resources, type Service } from '../../src/api/kubernetes.ts';
import type { Rollout } from '../../src/api/rollout.ts';
import type { IngressRoute } from '../../src/api/traefik.ts';
import { parseSettings } from '../../src/config.ts';
import { finalizer } from '../../src/rollout/decision.ts';
import { run } from '../../src/run.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { toolPath } from '../support/build-tools.ts';
import { type AuditEvent, type Cluster, runCommand, startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import {
  applyObject,
  putEndpoints,
  putIngressRoute,
  putNamespace,
  putService,
  readObject,
} from '../support/objects.ts';
import { installTraefikCrds } from '../support/traefik.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const base = path.join(root, 'manifests', 'base');
const auditPolicy =
  'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived, ResponseStarted]\nrules: [{level: Metadata}]\n';
const controllerUser = 'system:serviceaccount:sluice-system:sluice';

interface Role extends KubernetesObject {
  readonly rules: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

let cluster: Cluster;
let rendered: string;
let applied: { readonly stdout: string; readonly stderr: string; readonly code: number };

beforeAll(async () => {
  cluster = await startCluster({ auditPolicy });
  await installTraefikCrds(cluster);
  rendered = await cluster.kubectl(['kustomize', base]);
  // As the documentation says; the namespace and the CRD come first in what kustomize renders.
  applied = await cluster.tryKubectl(['apply', '--server-side', '-k', base]);
});
afterAll(() => cluster?.stop());

function objects(text: string, kind: string): readonly KubernetesObject[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as KubernetesObject)
    .filter((object) => object.kind === kind);
}

function roleOf(name: string): Role {
  const roles = ['ClusterRole', 'Role'].flatMap((kind) => objects(rendered, kind) as readonly Role[]);
  const role = roles.find(({ metadata }) => metadata.name === name);
  if (role === undefined) throw new Error(`there is no role ${name}`);
  return role;
}

describe('manifests/base', () => {
  test('is applied without an error or a warning', () => {
    expect(applied).toMatchObject({ code: 0, stderr: '' });
    expect(applied.stdout.trim().split('\n')).toHaveLength(16);
  });

  test('has the CRD of this tree in it', () => {
    const [inBase] = objects(rendered, 'CustomResourceDefinition');
    const [own] = parseAllDocuments(readFileSync(path.join(root, 'crds', 'rollouts.yaml'), 'utf8'));
    expect(inBase).toEqual(own?.toJS());
  });

  test('grants nothing by a wildcard, and no Secret', () => {
    const roles = ['ClusterRole', 'Role'].flatMap((kind) => objects(rendered, kind) as readonly Role[]);
    for (const { rules } of roles) {
      const words = rules.flatMap((rule) => [...rule.apiGroups, ...rule.resources, ...rule.verbs]);
      expect(words).not.toContain('*');
      expect(words).not.toContain('secrets');
    }
  });

  test('makes a pod that its own namespace admits under the restricted standard', async () => {
    const selector = '--selector=app.kubernetes.io/name=sluice';
    const args = [
      '-n',
      'sluice-system',
      'get',
      'pods',
      selector,
      '--output=jsonpath={.items[*].spec.containers[*].image}',
    ];
    const image = await eventually(async () => (await cluster.kubectl(args)) || undefined);
    expect(image).toMatch(/^sluice:[0-9.]+$/);
  });

  test('probes the port that the controller listens on, and the Service leads there', () => {
    const [deployment] = objects(rendered, 'Deployment') as readonly Deployment[];
    const [service] = objects(rendered, 'Service') as readonly Service[];
    expect(deployment?.spec?.template?.spec?.containers).toMatchObject([
      {
        args: ['controller'],
        ports: [{ name: 'metrics', containerPort: parseSettings({}).healthPort }],
        livenessProbe: { httpGet: { path: '/healthz', port: 'metrics' } },
        readinessProbe: { httpGet: { path: '/readyz', port: 'metrics' } },
      },
    ]);
    expect(service?.spec).toMatchObject({
      selector: { 'app.kubernetes.io/name': 'sluice' },
      ports: [{ targetPort: 'metrics' }],
    });
  });

  test('lets the next pod stand by before the old one goes, since they elect a leader', () => {
    const [deployment] = objects(rendered, 'Deployment') as readonly Deployment[];
    expect(deployment?.spec).toMatchObject({ replicas: 1, strategy: { rollingUpdate: { maxUnavailable: 0 } } });
  });
});

describe('overlays/ha', () => {
  test('is applied over the base, and has one replica to stand by', async () => {
    const overlay = path.join(root, 'manifests', 'overlays', 'ha');
    const outcome = await cluster.tryKubectl(['apply', '--server-side', '--dry-run=server', '-k', overlay]);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    const text = await cluster.kubectl(['kustomize', overlay]);
    const [deployment] = objects(text, 'Deployment') as readonly Deployment[];
    expect(deployment?.spec).toMatchObject({ replicas: 2 });
    expect(objects(text, 'PodDisruptionBudget')).toMatchObject([{ spec: { maxUnavailable: 1 } }]);
  });
});

describe('overlays/namespaced', () => {
  const stop = new AbortController();
  afterAll(() => stop.abort());

  const put = async (namespace: string): Promise<void> => {
    await putNamespace(cluster, namespace);
    for (const [index, name] of ['shop-stable', 'shop-canary'].entries()) {
      await putService(cluster, { namespace, name });
      await putEndpoints(cluster, { namespace, name }, [{ address: `10.77.0.${index + 1}` }]);
    }
    const services = [{ name: 'shop-stable', port: 80 }];
    await putIngressRoute(cluster, { namespace, name: 'shop', host: `${namespace}.example`, services });
    const pair = { stable: { service: 'shop-stable' }, canary: { service: 'shop-canary' } };
    const steps = [{ weight: 100, duration: '0s' }];
    const spec = { route: { name: 'shop' }, ...pair, revision: '1', steps, analysis: { mode: 'Disabled' } };
    await applyObject(cluster, resources.rollouts, { metadata: { namespace, name: 'shop' }, spec } as KubernetesObject);
  };
  const statusIn = async (namespace: string) =>
    (await readObject<Rollout>(cluster, resources.rollouts, { namespace, name: 'shop' }))?.status;

  test('lets the controller work in the namespaces that are bound, and reach no other', async () => {
    const overlay = path.join(root, 'manifests', 'overlays', 'namespaced');
    const text = await cluster.kubectl(['kustomize', overlay]);
    expect(objects(text, 'ClusterRoleBinding').map(({ metadata }) => metadata.name)).not.toContain('sluice-controller');
    const [deployment] = objects(text, 'Deployment') as readonly Deployment[];
    expect(deployment?.spec?.template?.spec?.containers).toMatchObject([
      { env: expect.arrayContaining([{ name: 'SLUICE_NAMESPACES', value: 'shop' }]) },
    ]);
    await Promise.all(['shop', 'cart', 'alone'].map(put));
    expect(
      await cluster.tryKubectl(['apply', '--server-side', '--dry-run=server', '-f', '-'], { input: text }),
    ).toMatchObject({ code: 0, stderr: '' });
    const bindings = objects(text, 'RoleBinding').filter(({ metadata }) => metadata.namespace === 'shop');
    await cluster.kubectl(['apply', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: bindings }),
    });
    await shell('default', documented('operations.md', '-n cart create rolebinding'));
    const [binding] = objects(rendered, 'ClusterRoleBinding').filter(
      ({ metadata }) => metadata.name === 'sluice-controller',
    );
    await cluster.kubectl(['delete', 'clusterrolebinding', 'sluice-controller']);
    const seen = (await cluster.auditEvents()).length;
    const running = run(
      {
        kubeconfig: await cluster.serviceAccountKubeconfig('sluice-system', 'sluice'),
        healthAddress: '127.0.0.1:0',
        namespaces: 'shop,cart',
        leaseNamespace: 'sluice-system',
        leaseName: 'namespaced',
      },
      { signal: stop.signal, logger: createLogger({ level: 'silent' }) },
    );
    for (const namespace of ['shop', 'cart'])
      await eventually(async () => (await statusIn(namespace))?.phase === 'Succeeded', { timeoutMs: 60_000 });
    await cluster.kubectl(['delete', 'rollouts.sluice.dev', '-n', 'shop', 'shop']);
    await cluster.kubectl(['delete', 'rollouts.sluice.dev', '-n', 'cart', 'shop']);
    stop.abort();
    await running.stopped;
    expect(await statusIn('alone')).toBeUndefined();
    await cluster.kubectl(['delete', 'rollouts.sluice.dev', '-n', 'alone', 'shop']);
    const events = (await cluster.auditEvents()).slice(seen).filter(({ user }) => user.username === controllerUser);
    expect(events.filter(({ responseStatus }) => responseStatus?.code === 403)).toEqual([]);
    await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(binding) });
  });
});

describe('the rights of people', () => {
  const canI = async (user: string, ...what: readonly string[]): Promise<string> =>
    (await cluster.tryKubectl(['auth', 'can-i', ...what, `--as=${user}`, '-n', 'default'])).stdout.trim();

  beforeAll(async () => {
    for (const role of ['view', 'edit', 'admin']) {
      await cluster.kubectl([
        '-n',
        'default',
        'create',
        'rolebinding',
        role,
        `--clusterrole=${role}`,
        `--user=${role}er`,
      ]);
    }
    await eventually(async () => (await canI('adminer', 'delete', 'rollouts.sluice.dev')) === 'yes');
  });

  test('view reads Rollouts and changes none', async () => {
    expect(await canI('viewer', 'watch', 'rollouts.sluice.dev')).toBe('yes');
    expect(await canI('viewer', 'patch', 'rollouts.sluice.dev')).toBe('no');
  });

  test.each(['editer', 'adminer'])('%s reads and changes Rollouts, but not their status', async (user) => {
    for (const verb of ['list', 'create', 'patch', 'delete']) {
      expect({ verb, answer: await canI(user, verb, 'rollouts.sluice.dev') }).toEqual({ verb, answer: 'yes' });
    }
    expect(await canI(user, 'patch', 'rollouts.sluice.dev', '--subresource=status')).toBe('no');
  });
});

describe('the examples', () => {
  const examples = globSync(path.join(root, 'manifests', 'examples', '*.yaml'));

  test.each(examples.map((file) => path.basename(file)))('%s is accepted by the API server', async (name) => {
    const file = path.join(root, 'manifests', 'examples', name);
    const { stderr, code } = await cluster.tryKubectl(['apply', '--dry-run=server', '-f', file]);
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  });

  const documents = globSync(path.join(root, '{*.md,docs/*.md}'));
  const blocks = documents.flatMap((file) => {
    const fenced = readFileSync(file, 'utf8').matchAll(/^```yaml\n(.*?)^```/gms);
    return [...fenced].map(([, yaml = ''], index) => ({ title: `${path.basename(file)} ${index + 1}`, yaml }));
  });

  test('stand in the documentation too', () => {
    expect(blocks.filter(({ yaml }) => yaml.includes('kind: Rollout')).length).toBeGreaterThan(0);
  });

  /** Fragments for GitOps tools are of kinds that this server does not have. */
  const isForeign = (yaml: string): boolean =>
    /^apiVersion: (argoproj\.io|flagger\.app|[a-z]+\.toolkit\.fluxcd\.io)\//m.test(yaml);

  test.each(blocks.filter(({ yaml }) => yaml.includes('apiVersion:') && !isForeign(yaml)))(
    'the one in $title is accepted by the API server',
    async ({ yaml }) => {
      const { stderr, code } = await cluster.tryKubectl(['apply', '--dry-run=server', '-f', '-'], { input: yaml });
      expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    },
  );
});

/** documented returns the one block of shell in a page that contains `text`. */
function documented(page: string, text: string): string {
  const fenced = readFileSync(path.join(root, 'docs', page), 'utf8').matchAll(/^```sh\n(.*?)^```/gms);
  const found = [...fenced].map(([, block = '']) => block).filter((block) => block.includes(text));
  if (found.length !== 1) throw new Error(`docs/${page} has ${found.length} blocks with ${text}`);
  return found[0] ?? '';
}

/** shell runs lines as a person would, with the administrator's kubectl in `namespace`. */
async function shell(namespace: string, lines: string): Promise<void> {
  const kubectl = `kubectl() { command ${await toolPath('kubectl')} --kubeconfig=${cluster.adminKubeconfigFile} -n ${namespace} "$@"; }`;
  const { code, stderr } = await runCommand('sh', ['-eu', '-c', `${kubectl}\n${lines}`], {
    input: '',
    timeoutMs: 60_000,
  });
  if (code !== 0) throw new Error(stderr);
}

test('the documented line lets a Rollout go whose controller is gone', async () => {
  await putNamespace(cluster, 'left');
  const named = { namespace: 'left', name: 'shop' };
  const spec = { route: { name: 'shop' }, stable: { service: 'a' }, canary: { service: 'b' }, revision: '1' };
  await applyObject(cluster, resources.rollouts, {
    metadata: { ...named, finalizers: [finalizer] },
    spec,
  } as KubernetesObject);
  await cluster.kubectl(['-n', 'left', 'delete', 'rollouts.sluice.dev', 'shop', '--wait=false']);
  expect(await readObject(cluster, resources.rollouts, named)).toMatchObject({ metadata: { finalizers: [finalizer] } });
  await shell('left', documented('operations.md', 'finalizers'));
  expect(await readObject(cluster, resources.rollouts, named)).toBeUndefined();
});

describe('the rights of the controller', () => {
  const rolloutPath = '/apis/sluice.dev/v1alpha1/namespaces/web/rollouts/shop';
  const routePath = '/apis/traefik.io/v1alpha1/namespaces/web/ingressroutes/shop';
  const tillPath = '/apis/traefik.io/v1alpha1/namespaces/web/traefikservices/till';
  const stop = new AbortController();
  const controllerEvents = async (): Promise<readonly AuditEvent[]> =>
    (await cluster.auditEvents()).filter(({ user }) => user.username === controllerUser);
  const used = async (): Promise<ReadonlySet<string>> => new Set((await controllerEvents()).map(rightOf));
  const read = (): Promise<Rollout | undefined> =>
    readObject<Rollout>(cluster, resources.rollouts, { namespace: 'web', name: 'shop' });
  const annotate = (apiPath: string, annotations: Readonly<Record<string, string>>) =>
    cluster.api('PATCH', apiPath, { metadata: { annotations } }, 'application/merge-patch+json');

  afterAll(() => stop.abort());

  test('grants what a whole rollout needs, and nothing that it does not', async () => {
    await putShop();
    const kubeconfig = await cluster.serviceAccountKubeconfig('sluice-system', 'sluice');
    // Two shards, so that the replicas have to count each other too.
    const lease = {
      leaseNamespace: 'sluice-system',
      leaseDuration: '3s',
      leaseRenewDeadline: '2s',
      leaseRetryPeriod: '500ms',
    };
    const running = run(
      { kubeconfig, healthAddress: '127.0.0.1:0', shards: '2', ...lease },
      { signal: stop.signal, logger: createLogger({ level: 'silent' }) },
    );

    // Somebody else writes both objects all the time, until a write of the controller has lost and it has read again.
    const quiet = new AbortController();
    const busy = [rolloutPath, routePath, tillPath].map((path) => keepBusy(path, quiet.signal));
    await eventually(
      async () => {
        const rights = await used();
        return ['rollouts', 'ingressroutes', 'traefikservices'].every((resource) => rights.has(`get ${resource}`));
      },
      { timeoutMs: 60_000, intervalMs: 500, describe: 'a conflict on the Rollout and on both routes' },
    ).finally(() => quiet.abort());
    await Promise.all(busy);
    await eventually(async () => (await read())?.status?.reason === 'PauseStep', { timeoutMs: 60_000 });
    await shell('web', `${documented('concepts.md', 'sluice_command()')}\nsluice_command promote shop`);
    await eventually(async () => (await read())?.status?.phase === 'Succeeded', { timeoutMs: 60_000 });
    expect((await read())?.status?.history).toContainEqual(
      expect.objectContaining({ reason: 'Promoted', who: 'admin' }),
    );

    // The same refusal twice is one event and a series of it.
    for (const nonce of ['1', '2']) {
      const command = { 'sluice.dev/command': `abort ${nonce} uid-of-another 1`, 'sluice.dev/command-by': 'admin' };
      expect((await annotate(rolloutPath, command)).status).toBe(200);
      await eventually(async () => (await read())?.metadata.annotations?.['sluice.dev/command'] === undefined);
    }
    await cluster.kubectl(['-n', 'web', 'delete', 'rollouts.sluice.dev', 'shop', 'till']);
    const route = await readObject<IngressRoute>(cluster, resources.ingressRoutes, { namespace: 'web', name: 'shop' });
    expect(route?.spec.routes?.[0]?.services).toEqual([{ name: 'shop-stable', port: 80 }]);
    stop.abort();
    await running.stopped;

    const refused = (await controllerEvents()).filter(({ responseStatus }) => responseStatus?.code === 403);
    expect(refused.map(rightOf)).toEqual([]);
    expect([...(await used())].toSorted()).toEqual(grantedRights().toSorted());
  });

  async function keepBusy(apiPath: string, signal: AbortSignal): Promise<void> {
    for (let count = 0; !signal.aborted; count += 1) await annotate(apiPath, { busy: String(count) });
  }

  function grantedRights(): readonly string[] {
    const rules = [...roleOf('sluice-controller').rules, ...roleOf('sluice-leader-election').rules];
    return rules.flatMap((rule) =>
      rule.resources.flatMap((resource) => rule.verbs.map((verb) => `${verb} ${resource}`)),
    );
  }

  function rightOf({ verb, objectRef }: AuditEvent): string {
    const { resource = '', subresource } = objectRef ?? {};
    return `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}`;
  }

  /** putShop puts the Rollout shop on an IngressRoute, and till on a TraefikService. */
  async function putShop(): Promise<void> {
    const namespace = 'web';
    await putNamespace(cluster, namespace);
    for (const [index, name] of ['shop-stable', 'shop-canary', 'till-stable', 'till-canary'].entries()) {
      await putService(cluster, { namespace, name });
      await putEndpoints(cluster, { namespace, name }, [{ address: `10.77.0.${index + 1}` }]);
    }
    const services = [{ name: 'shop-stable', port: 80 }];
    await putIngressRoute(cluster, { namespace, name: 'shop', host: 'shop.example', services });
    const middleware = { metadata: { namespace, name: 'mark' }, spec: { addPrefix: { prefix: '/canary' } } };
    await applyObject(cluster, resources.middlewares, middleware);
    const match = [{ headers: { 'X-Canary': { exact: 'always' } } }];
    await applyObject(cluster, resources.traefikServices, {
      metadata: { namespace, name: 'till' },
      spec: { weighted: { services: [{ name: 'till-stable', port: 80 }] } },
    } as KubernetesObject);
    const common = {
      revision: '1',
      // Several raises, each of which may meet somebody else's write.
      steps: [
        { weight: 5, duration: '0s' },
        { weight: 10, duration: '0s' },
        { pause: {} },
        { weight: 100, duration: '0s' },
      ],
      analysis: { mode: 'Disabled' },
      onDelete: 'Restore',
    };
    for (const [name, kind] of [
      ['shop', 'IngressRoute'],
      ['till', 'TraefikService'],
    ] as const) {
      const pair = { stable: { service: `${name}-stable` }, canary: { service: `${name}-canary` } };
      const canary = { ...pair.canary, ...(kind === 'IngressRoute' ? { match, middlewares: [{ name: 'mark' }] } : {}) };
      const spec = { route: { kind, name }, ...pair, canary, ...common };
      const rollout = { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name, namespace }, spec };
      await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(rollout) });
    }
  }
});
