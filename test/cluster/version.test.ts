/** `sluice version`, and the names that completion offers, on a real API server. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { runSluice } from '../support/sluice-command.ts';
import { version } from '../../src/version.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.stop());

const sluice = (...args: readonly string[]) => runSluice(args, { env: { KUBECONFIG: cluster.adminKubeconfigFile } });

const apply = (object: object) => cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(object) });

test('where nothing is installed it says so, and its own version all the same', async () => {
  const { code, stdout, stderr } = await sluice('version');
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr:
      'sluice: CRD rollouts.sluice.dev is not installed; sluice install prints it.\n' +
      'sluice: Namespace sluice-system has no Deployment sluice; -n says where the controller is.\n',
  });
  expect(stdout).toMatch(new RegExp(`^sluice ${version}\nAPI server: v\\S+\n$`));
});

test('it prints the versions of the CRD and of the controller, and who leads', async () => {
  await cluster.kubectl(['apply', '-k', path.join(root, 'manifests/base')]);
  const metadata = { name: 'sluice-shard-0', namespace: 'sluice-system', labels: { 'sluice.dev/election': 'sluice' } };
  const spec = { holderIdentity: 'sluice-7d4', leaseDurationSeconds: 15, renewTime: '2000-01-01T00:00:00.000000Z' };
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata };
  await apply({ ...lease, spec });
  const before = await sluice('version');
  expect(before).toMatchObject({ code: 0, stderr: '' });
  expect(before.stdout.split('\n').slice(2)).toEqual([
    'CRD rollouts.sluice.dev: v1alpha1, that of this build',
    expect.stringMatching(new RegExp(`^Controller: ${version} \\(\\S+:${version}\\), 0 of 1 replicas available$`)),
    '',
  ]);
  await apply({ ...lease, spec: { ...spec, renewTime: new Date().toISOString().replace('Z', '000Z') } });
  const { stdout } = await sluice('version', '-o', 'json');
  expect(JSON.parse(stdout)).toMatchObject({
    client: { version },
    cluster: {
      crd: { versions: ['v1alpha1'], isOfThisBuild: true },
      controller: { version, replicas: 1, availableReplicas: 0, leaders: ['sluice-7d4'] },
    },
  });
});

test('a key completes the names of Rollouts and namespaces', async () => {
  const member = (service: string) => ({ service, port: 80 });
  for (const name of ['shop', 'shelf', 'cart']) {
    await apply({
      apiVersion: 'sluice.dev/v1alpha1',
      kind: 'Rollout',
      metadata: { name, namespace: 'default' },
      spec: { route: { name }, stable: member(`${name}-stable`), canary: member(`${name}-canary`), revision: 'r1' },
    });
  }
  const after = async (...words: readonly string[]) => (await sluice('__complete', '--', ...words)).stdout.split('\n');
  expect(await after('status', 's')).toEqual(['shelf', 'shop', ':4', '']);
  expect(await after('get', 'shop', 'slr/s')).toEqual(['slr/shelf', ':4', '']);
  expect(await after('status', '-n', 'kube-system', '')).toEqual([':4', '']);
  expect(await after('get', '-n', 'sluice-s')).toEqual(['sluice-system', ':4', '']);
});
