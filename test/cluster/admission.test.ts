import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toolPath } from '../support/build-tools.ts';
import { runCommand, startCluster, type Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { putIngressRoute, putNamespace } from '../support/objects.ts';
import { installTraefikCrds } from '../support/traefik.ts';

const base = fileURLToPath(new URL('../../manifests/base', import.meta.url));
const controllerUser = 'system:serviceaccount:sluice-system:sluice';
const verbs = ['promote', 'promote-full', 'abort', 'retry', 'pause', 'resume'] as const;

let cluster: Cluster;

/** manifest is a Rollout on the IngressRoute shop. */
function manifest(name: string, route = 'shop'): string {
  return JSON.stringify({
    apiVersion: 'sluice.dev/v1alpha1',
    kind: 'Rollout',
    metadata: { name, namespace: 'web' },
    spec: { route: { name: route }, stable: { service: 'a' }, canary: { service: 'b' }, revision: '1' },
  });
}

/** as calls kubectl as `user`; it returns what kubectl said, and `done` where it said yes. */
async function as(user: string, args: readonly string[], input?: string): Promise<string> {
  const call = ['-n', 'web', ...args, `--as=${user}`];
  const { code, stderr } = await cluster.tryKubectl(call, input === undefined ? {} : { input });
  return code === 0 ? 'done' : stderr.trim();
}

function command(user: string, text: string, by = user): Promise<string> {
  const annotations = [`sluice.dev/command=${text}`, `sluice.dev/command-by=${by}`];
  return as(user, ['annotate', 'slr', 'shop', '--overwrite', ...annotations]);
}

/** clear takes the command away as the controller does. */
function clear(): Promise<string> {
  return as(controllerUser, ['annotate', 'slr', 'shop', 'sluice.dev/command-', 'sluice.dev/command-by-']);
}

/** grant gives `user` a Role with these rules. */
async function grant(user: string, rules: readonly (readonly [string, string, string])[]): Promise<void> {
  const role = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: user, namespace: 'web' },
    rules: rules.map(([group, resource, names]) => ({
      apiGroups: [group],
      resources: [resource],
      verbs: names.split(' '),
    })),
  };
  await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(role) });
  await cluster.kubectl(['-n', 'web', 'create', 'rolebinding', user, `--role=${user}`, `--user=${user}`]);
}

beforeAll(async () => {
  cluster = await startCluster({ controllerManager: false });
  await installTraefikCrds(cluster);
  await cluster.kubectl(['apply', '--server-side', '-k', base]);
  await putNamespace(cluster, 'web');
  for (const name of ['shop', 'till']) {
    await putIngressRoute(cluster, {
      namespace: 'web',
      name,
      host: 'shop.example',
      services: [{ name: 'a', port: 80 }],
    });
  }
  const rollouts = ['sluice.dev', 'rollouts', 'get list create update patch'] as const;
  await grant('author', [rollouts, ['traefik.io', 'ingressroutes', 'patch']]);
  await grant('copier', [rollouts, ['traefik.io', 'ingressroutes', 'patch'], ['apps', 'deployments', 'patch']]);
  await grant('everywhere', [
    rollouts,
    ['traefik.io', 'traefikservices', 'patch'],
    ['traefik.containo.us', 'ingressroutes', 'patch'],
  ]);
  await grant('visitor', [rollouts]);
  await grant('pauser', [rollouts, ['sluice.dev', 'rollouts/pause', 'update']]);
  await grant('operator', [rollouts, ...verbs.map((verb) => ['sluice.dev', `rollouts/${verb}`, 'update'] as const)]);
  // The API server takes a moment to know rights and policy.
  await eventually(async () => (await as('visitor', ['get', 'slr'])) === 'done');
  await eventually(async () =>
    (await as('visitor', ['create', '--dry-run=server', '-f', '-'], manifest('probe'))).includes('may not patch'),
  );
  expect(await as('author', ['create', '-f', '-'], manifest('shop'))).toBe('done');
});
afterAll(() => cluster?.stop());

describe('a Rollout', () => {
  test('is pointed at a route only by who may patch that route', async () => {
    expect(await as('visitor', ['create', '-f', '-'], manifest('mine'))).toContain(
      'spec.route.name: visitor may not patch IngressRoute shop; a Rollout on it takes that right',
    );
    const aim = ['patch', 'slr', 'shop', '--type=merge', '-p', '{"spec":{"route":{"name":"till"}}}'];
    expect(await as('visitor', aim)).toContain('visitor may not patch IngressRoute till');
    expect(await as('author', [...aim, '--dry-run=server'])).toBe('done');
    const canary = ['patch', 'slr', 'shop', '--type=merge', '-p', '{"spec":{"canary":{"service":"c"}}}'];
    expect(await as('visitor', canary)).toContain('visitor may not patch IngressRoute shop');
  });

  test('copies to a workload only for who may patch that workload', async () => {
    const copying = (name: string): string => {
      const { spec, ...rest } = JSON.parse(manifest(name)) as { readonly spec: object };
      const workload = (service: string) => ({ service, workload: { kind: 'Deployment', name: service } });
      const pair = { stable: workload('a'), canary: workload('b'), promotion: { mode: 'Copy' } };
      return JSON.stringify({ ...rest, spec: { ...spec, ...pair } });
    };
    const refusal =
      'spec.promotion.mode: author may not patch Deployment a; a Rollout that copies to it takes that right';
    expect(await as('author', ['create', '-f', '-'], copying('copier'))).toContain(refusal);
    expect(await as('copier', ['create', '-f', '-'], copying('copier'))).toBe('done');
    const edit = (spec: object): readonly string[] => [
      'patch',
      'slr',
      'copier',
      '--type=merge',
      '-p',
      JSON.stringify({ spec }),
    ];
    expect(await as('author', edit({ paused: true }))).toBe('done');
    expect(await as('author', edit({ promotion: { mode: 'Hold' } }))).toBe('done');
    expect(await as('author', edit({ promotion: { mode: 'Copy' } }))).toContain(refusal);
    expect(await as('copier', edit({ promotion: { mode: 'Copy' } }))).toBe('done');
    const other = edit({ stable: { workload: { kind: 'Deployment', name: 'c' } } });
    expect(await as('author', other)).toContain('author may not patch Deployment c');
  });

  test.each([
    ['TraefikService of traefik.io', { kind: 'TraefikService' }, 'TraefikService shop'],
    ['IngressRoute of Traefik 2', { apiVersion: 'traefik.containo.us/v1alpha1' }, 'IngressRoute shop'],
  ])('on a %s takes the right to patch just that', async (_name, route, named) => {
    const aim = ['patch', 'slr', 'shop', '--type=merge', '-p', JSON.stringify({ spec: { route } }), '--dry-run=server'];
    expect(await as('author', aim)).toContain(`author may not patch ${named}; a Rollout on it takes that right`);
    expect(await as('everywhere', aim)).toBe('done');
  });

  test('may otherwise be edited by who may edit Rollouts', async () => {
    const pause = ['patch', 'slr', 'shop', '--type=merge', '-p', '{"spec":{"paused":true}}'];
    expect(await as('visitor', pause)).toBe('done');
  });
});

describe('a command', () => {
  test.each(verbs)('%s takes a right of its own', async (verb) => {
    expect(await command('visitor', `${verb} 1 uid 1`)).toContain(
      `sluice.dev/command: visitor may not ${verb} this Rollout; it takes the right to update rollouts/${verb}`,
    );
    expect(await command('operator', `${verb} 2 uid 1`)).toBe('done');
    expect(await clear()).toBe('done');
  });

  test('of which somebody has the right is not one of the others', async () => {
    expect(await command('pauser', 'pause 1 uid 1')).toBe('done');
    expect(await clear()).toBe('done');
    expect(await command('pauser', 'promote 2 uid 1')).toContain('pauser may not promote this Rollout');
  });

  test('is signed by who gives it', async () => {
    expect(await command('operator', 'promote 3 uid 1', 'author')).toContain(
      'sluice.dev/command-by: "author" gives no command; write your own name, operator',
    );
    expect(await as('operator', ['annotate', 'slr', 'shop', 'sluice.dev/command=promote 4 uid 1'])).toContain(
      'sluice.dev/command-by: "" gives no command',
    );
    expect(await command('operator', 'promote 5 uid 1')).toBe('done');
    const sign = ['annotate', 'slr', 'shop', '--overwrite', 'sluice.dev/command-by=author'];
    expect(await as('author', sign)).toContain('who gave a command cannot be changed afterwards');
    expect(await clear()).toBe('done');
  });

  test('cannot be taken back by who could not give it', async () => {
    expect(await command('operator', 'abort 6 uid 1')).toBe('done');
    const takeBack = ['annotate', 'slr', 'shop', 'sluice.dev/command-'];
    expect(await as('pauser', takeBack)).toContain(
      'pauser may not take back or replace the abort of operator, which was not handled yet',
    );
    expect(await command('pauser', 'pause 7 uid 1')).toContain('pauser may not take back or replace the abort');
    expect(await as('operator', takeBack)).toBe('done');
    expect(await clear()).toBe('done');
  });

  test('that does not exist is refused with those that do', async () => {
    expect(await command('operator', 'explode 7 uid 1')).toContain(
      '"explode" is not one of promote, promote-full, abort, retry, pause, resume',
    );
  });

  test('is what the role of the base lets editors give', async () => {
    await cluster.kubectl(['-n', 'web', 'create', 'rolebinding', 'ed', '--clusterrole=sluice-command', '--user=ed']);
    await cluster.kubectl(['-n', 'web', 'create', 'rolebinding', 'ed2', '--clusterrole=sluice-edit', '--user=ed']);
    await cluster.kubectl(['-n', 'web', 'create', 'rolebinding', 'ed3', '--clusterrole=sluice-view', '--user=ed']);
    await eventually(async () => (await command('ed', 'resume 8 uid 1')) === 'done');
    expect(await clear()).toBe('done');
  });
});

test('the controller claims and lets go of any Rollout, whoever wrote it', async () => {
  const claim = ['patch', 'slr', 'shop', '--type=merge', '-p', '{"metadata":{"finalizers":["sluice.dev/route"]}}'];
  expect(await as(controllerUser, claim)).toBe('done');
  const letGo = ['patch', 'slr', 'shop', '--type=merge', '-p', '{"metadata":{"finalizers":null}}'];
  expect(await as(controllerUser, letGo)).toBe('done');
});

describe('an IngressRoute', () => {
  const owner = { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', name: 'matched', uid: 'uid-of-matched' };
  const route = (name: string, owners: readonly object[]): string =>
    JSON.stringify({
      apiVersion: 'traefik.io/v1alpha1',
      kind: 'IngressRoute',
      metadata: { name, namespace: 'web', ownerReferences: owners },
      spec: { routes: [] },
    });
  const create = (name: string, owners: readonly object[], user = controllerUser): Promise<string> =>
    as(user, ['create', '-f', '-'], route(name, owners));

  test('is created and deleted by the controller where it is the match route of a Rollout', async () => {
    expect(await create('matched-canary-match', [owner])).toBe('done');
    expect(await as(controllerUser, ['delete', 'ingressroute', 'matched-canary-match'])).toBe('done');
  });

  test.each([
    ['of another name', 'matched', [owner]],
    ['of no Rollout', 'matched-canary-match', []],
    ['of another Rollout', 'matched-canary-match', [{ ...owner, name: 'other' }]],
    ['of a Deployment', 'matched-canary-match', [{ ...owner, apiVersion: 'apps/v1', kind: 'Deployment' }]],
    ["of somebody else's Rollout", 'matched-canary-match', [{ ...owner, apiVersion: 'argoproj.io/v1alpha1' }]],
  ])('%s is not created by the controller', async (_title, name, owners) => {
    expect(await create(name, owners)).toContain('Sluice creates and deletes only <rollout>-canary-match');
  });

  test('of a user is not deleted by the controller, and is nothing to the policy where anybody else does it', async () => {
    await grant('router', [['traefik.io', 'ingressroutes', 'create delete get']]);
    await eventually(async () => (await create('users', [], 'router')) === 'done');
    expect(await as(controllerUser, ['delete', 'ingressroute', 'users'])).toContain('is of no Rollout');
    expect(await as('router', ['delete', 'ingressroute', 'users'])).toBe('done');
  });
});

test.each(['sluice-rollouts', 'sluice-match-routes'])(
  'the policy %s is one that the API server has found no fault with',
  async (name) => {
    const policy = JSON.parse(await cluster.kubectl(['get', 'validatingadmissionpolicy', name, '-o', 'json'])) as {
      readonly status?: { readonly typeChecking?: { readonly expressionWarnings?: readonly unknown[] } };
    };
    expect(policy.status?.typeChecking?.expressionWarnings ?? []).toEqual([]);
  },
);

describe('docs/operations.md', () => {
  const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const blocks = [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, kind = '', text = '']) => ({ kind, text }));
  const textOf = (kind: string, words: string): string =>
    blocks.find((block) => block.kind === kind && block.text.includes(words))?.text ?? '';

  test('gives a role to somebody on call, and prints what she may do', async () => {
    await cluster.kubectl(['apply', '-f', '-'], { input: textOf('yaml', 'name: sluice-on-call') });
    const kubectl = `kubectl() { ${await toolPath('kubectl')} --kubeconfig=${cluster.adminKubeconfigFile} "$@"; }`;
    const script = `${kubectl}\n${textOf('sh', 'ann-on-call')}`;
    const said = async (): Promise<string> =>
      (await runCommand('sh', ['-c', script], { input: '', timeoutMs: 60_000 })).stdout.replace(/^rolebinding.*\n/, '');
    // The authorizer reads roles from a cache of its own.
    await eventually(async () => (await said()) === textOf('', 'promote: no'), { describe: 'the answers of the page' });
    expect(await as('ann', ['annotate', 'slr', 'shop', 'sluice.dev/command=promote 1 2 3'])).toContain(
      'ann may not promote',
    );
  });
});
