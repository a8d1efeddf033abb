/** `sluice check` on real servers: everything in place, and one thing after the other that is not. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCheck, type CheckCall } from '../../src/check/check.ts';
import type { Tried } from '../../src/cli/check-report.ts';
import type { RawSettings } from '../../src/config.ts';
import { openShop, quickSteps, type Shop } from '../support/shop.ts';
import { runSluice } from '../support/sluice-command.ts';
import { shopNamespace, type Stage, startStage } from '../support/stage.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const mergePatch = 'application/merge-patch+json';

describe('check', { timeout: 240_000 }, () => {
  let stage: Stage;
  let shop: Shop;
  const open: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    stage = await startStage({ controllerManager: false });
    await stage.startController({ args: ['--leader-elect=true', '--lease-namespace=sluice-system'] });
    shop = await openShop(stage, { name: 'shop', number: 1 });
    open.push(shop, shop.load(50));
    await shop.applyRollout({ ...quickSteps, steps: [{ weight: 5, duration: '10m' }], revision: 'r1' });
    await shop.untilAt(5);
    await putTraefik(['--metrics.prometheus=true', '--providers.kubernetescrd.allowEmptyServices']);
  });
  afterAll(async () => {
    for (const part of open.splice(0).toReversed()) await part.stop();
    await stage?.stop();
  });

  /** putTraefik says how a Traefik in this cluster would be started. */
  async function putTraefik(args: readonly string[]): Promise<void> {
    const labels = { app: 'traefik' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'traefik', image: 'traefik:v3.6', args }] } };
    const spec = { selector: { matchLabels: labels }, template };
    const input = JSON.stringify({
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'traefik', namespace: 'default' },
      spec,
    });
    await stage.cluster.kubectl(['apply', '-f', '-'], { input });
  }

  const settings = (): RawSettings => ({
    kubeconfig: stage.cluster.adminKubeconfigFile,
    prometheusUrl: stage.prometheus.url,
    prometheusScrapeInterval: '1s',
    prometheusLateness: '2s',
  });

  async function check(call: Partial<CheckCall> = {}, more: RawSettings = {}): Promise<readonly Tried[]> {
    const place = { controllerNamespace: 'sluice-system', serviceAccount: 'sluice', namespace: shopNamespace };
    const { signal } = new AbortController();
    const result = await runCheck(
      { ...place, output: 'json', ...call, settings: { ...settings(), ...more } },
      { env: {}, signal },
    );
    if (result.kind === 'Unreachable') throw new Error(result.message);
    return (JSON.parse(result.text) as { readonly tried: readonly Tried[] }).tried;
  }

  const wrongOf = (tried: readonly Tried[]): readonly string[] =>
    tried.filter(({ state }) => state === 'Wrong').map(({ what, message }) => `${what}: ${message}`);

  const base = (): Promise<string> => stage.cluster.kubectl(['apply', '-k', path.join(root, 'manifests/base')]);
  const patch = (url: string, body: object) => stage.cluster.api('PATCH', url, body, mergePatch);

  test('finds all right where everything is in place, and ends with 0', async () => {
    const { adminKubeconfigFile } = stage.cluster;
    const flags = [`--kubeconfig=${adminKubeconfigFile}`, `--prometheus-url=${stage.prometheus.url}`];
    const times = ['--prometheus-scrape-interval=1s', '--prometheus-lateness=2s'];
    const { code, stdout, stderr } = await runSluice(['check', 'shop', '-n', shopNamespace, ...flags, ...times]);
    expect({ code, stderr, wrong: stdout.split('\n').filter((line) => line.startsWith('✗')) }).toEqual({
      code: 0,
      stderr: '',
      wrong: [],
    });
    const lines = [
      /^✓ API server: v1\.3\d/m,
      /^✓ Clock of this machine: as the API server has it$/m,
      /^✓ CRD rollouts\.sluice\.dev: that of this build$/m,
      /^✓ Kinds of Traefik: traefik\.io\/v1alpha1 is served$/m,
      /^✓ Traefik default\/traefik: metrics of services are on$/m,
      /^✓ Traefik default\/traefik: services without endpoints do not take their route along$/m,
      /^✓ Rights of ServiceAccount sluice-system\/sluice: all \d+ of them$/m,
      /^✓ Admission policy sluice-rollouts: in effect$/m,
      /^✓ Controller: \S+ leads \(Lease sluice-shard-0\)$/m,
      /^✓ Prometheus http:\S+: it answers, and scrapes 1 of Traefik$/m,
      /^✓ Rollout web\/shop: IngressRoute shop, services, ports and workloads are there$/m,
      /^✓ Rollout web\/shop: ready endpoints: shop-stable 1, shop-canary 1$/m,
      /^✓ Samples of Rollout web\/shop: \d+ requests of shop-stable in five minutes$/m,
      /^✓ Buckets of Rollout web\/shop: 11 bounds of durations: 0\.005, /m,
    ];
    for (const line of lines) expect(stdout).toMatch(line);
  });

  test('ends with 3 where no API server answers, and with 1 where something is wrong', async () => {
    const nowhere = await runSluice(['check'], {
      env: { KUBECONFIG: await kubeconfigOf('https://127.0.0.1:9') },
    });
    expect(nowhere).toMatchObject({ code: 3, stdout: '' });
    expect(nowhere.stderr).toMatch(/^sluice: .*127\.0\.0\.1:9/);
    const here = `--kubeconfig=${stage.cluster.adminKubeconfigFile}`;
    const wrong = await runSluice(['check', '--pre', here, '--prometheus-url=http://127.0.0.1:9']);
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toContain('✓ Your rights to install: all that manifests/base needs');
    expect(wrong.stdout).toMatch(
      /✗ Prometheus http:\/\/127\.0\.0\.1:9: .*\n {4}Set --prometheus-url .*\n {4}see docs\//,
    );
  });

  async function kubeconfigOf(server: string): Promise<string> {
    const file = path.join(stage.cluster.dataDir, 'nowhere.kubeconfig');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      clusters: [{ name: 'c', cluster: { server } }],
    };
    const rest = { users: [{ name: 'u', user: {} }], contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }] };
    await writeFile(file, JSON.stringify({ ...config, ...rest }));
    return file;
  }

  const crd = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rollouts.sluice.dev';
  const role = '/apis/rbac.authorization.k8s.io/v1/clusterroles/sluice-controller';
  const binding = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/sluice-rollouts';

  test('says that the CRD is that of another version', async () => {
    const { body } = await stage.cluster.api('GET', crd);
    const { spec } = body as { readonly spec: { readonly versions: readonly { readonly schema: object }[] } };
    const versions = JSON.parse(JSON.stringify(spec.versions).replace('"maxLength":253', '"maxLength":252')) as object;
    await patch(crd, { spec: { versions } });
    expect(wrongOf(await check())).toEqual(['CRD rollouts.sluice.dev: its schema is not that of this build']);
    const before = (await check({ pre: true })).find(({ what }) => what.startsWith('CRD'));
    expect(before).toMatchObject({ state: 'Unsure' });
    await patch(crd, { spec: { versions: spec.versions } });
  });

  test('names the rights that the controller lacks', async () => {
    const { body } = await stage.cluster.api('GET', role);
    const { rules } = body as { readonly rules: readonly { readonly resources: readonly string[] }[] };
    await patch(role, { rules: rules.filter(({ resources }) => !resources.includes('middlewares')) });
    expect(wrongOf(await check())).toEqual([
      'Rights of ServiceAccount sluice-system/sluice: it may not list middlewares.traefik.io in web; watch middlewares.traefik.io in web',
    ]);
    await patch(role, { rules });
  });

  test('tells an admission policy that is missing from one that nothing binds, and one that refuses nothing', async () => {
    await patch(binding, { spec: { validationActions: ['Audit'] } });
    expect(wrongOf(await check())).toEqual(['Admission policy sluice-rollouts: its binding refuses nothing (no Deny)']);
    await stage.cluster.api('DELETE', binding);
    expect(wrongOf(await check())).toEqual(['Admission policy sluice-rollouts: no binding puts it into effect']);
    await stage.cluster.api(
      'DELETE',
      '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/sluice-rollouts',
    );
    expect(wrongOf(await check())).toEqual(['Admission policy sluice-rollouts: it is not installed']);
    await base();
    expect(wrongOf(await check())).toEqual([]);
  });

  test('says that no controller leads', async () => {
    expect(wrongOf(await check({}, { leaseName: 'other' }))).toEqual([
      'Controller: none runs: namespace sluice-system has no Lease of the election other, and Deployment sluice has 0 of 1 replicas available',
    ]);
  });

  test('says what is wrong with the flags of Traefik', async () => {
    await putTraefik(['--metrics.prometheus', '--metrics.prometheus.addServicesLabels=false']);
    expect(wrongOf(await check())).toEqual([
      'Traefik default/traefik: its metrics have no services (addServicesLabels is false)',
    ]);
    await putTraefik([]);
    expect(wrongOf(await check())).toEqual(['Traefik default/traefik: its metrics are off']);
    await putTraefik(['--metrics.prometheus=true']);
    const unsure = (await check()).filter(({ state }) => state === 'Unsure').map(({ message }) => message);
    expect(unsure).toContainEqual(expect.stringContaining('allowEmptyServices is false'));
  });

  test('says that Prometheus does not answer, or has no series of stable', async () => {
    expect(wrongOf(await check({}, { prometheusUrl: 'http://127.0.0.1:9' }))).toEqual([
      expect.stringMatching(/^Prometheus http:\/\/127\.0\.0\.1:9: .*ECONNREFUSED/),
    ]);
    const [none, ...others] = wrongOf(await check({}, { prometheusServiceLabel: 'exported_service' }));
    expect(none).toMatch(/^Samples of Rollout web\/shop: /);
    expect(others).toEqual([]);
  });

  test('says what is wrong with a Rollout, as the controller does', async () => {
    expect(wrongOf(await check({ name: 'nobody' }))).toEqual(['Rollout web/nobody: it does not exist']);
    await stage.cluster.kubectl(['-n', shopNamespace, 'delete', 'service', 'shop-canary']);
    expect(wrongOf(await check())).toEqual([
      'Rollout web/shop: spec.canary.service: Service web/shop-canary does not exist; create it or correct the name.',
    ]);
    await stage.cluster.kubectl(['-n', shopNamespace, 'create', 'service', 'clusterip', 'shop-canary', '--tcp=80:80']);
    await shop.setReady('stable', 'NotReady');
    expect(wrongOf(await check())).toContain('Rollout web/shop: Service shop-stable has no ready endpoint');
    await shop.setReady('stable', 'Ready');
  });

  test('tells what cannot be tried from what is wrong, and who may not install', async () => {
    const kubeconfig = await stage.controllerKubeconfig();
    const tried = await check({ pre: true }, { kubeconfig });
    expect(tried.find(({ what }) => what.startsWith('CRD'))).toMatchObject({ state: 'Unsure' });
    expect(wrongOf(tried)).toEqual([expect.stringMatching(/^Your rights to install: you may not create namespaces; /)]);
  });

  test('says that the kinds of Traefik are missing', async () => {
    await stage.cluster.kubectl(['delete', 'crd', 'middlewares.traefik.io']);
    expect(wrongOf(await check())).toContain('Kinds of Traefik: traefik.io/v1alpha1 has no middlewares');
  });
});
