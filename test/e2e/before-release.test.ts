/** What is said before a release is what happens then: the problems that lint finds, and the writes that plan prints. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { resources } from '../../src/api/kubernetes.ts';
import type { JsonPatchOperation } from '../../src/api/object-store.ts';
import type { Rollout } from '../../src/api/rollout.ts';
import type { IngressRoute } from '../../src/api/traefik.ts';
import type { PlanReport } from '../../src/cli/plan-report.ts';
import { readCauses, readUnknownFields, type StatusAnswer } from '../cluster/crd-verdicts.ts';
import { brokenManifests } from '../support/broken-manifests.ts';
import { eventually } from '../support/eventually.ts';
import { readObject } from '../support/objects.ts';
import { openShop, type Shop } from '../support/shop.ts';
import { runSluice } from '../support/sluice-command.ts';
import { shopNamespace, type Stage, startStage } from '../support/stage.ts';

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Request
  verbs: [patch]
  resources: [{group: traefik.io, resources: [ingressroutes]}]
- level: None
`;

describe('before a release', { timeout: 180_000 }, () => {
  let stage: Stage;
  const open: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    stage = await startStage({ controllerManager: false, auditPolicy });
  });
  afterAll(async () => {
    for (const part of open.splice(0).toReversed()) await part.stop();
    await stage?.stop();
  });

  const sluice = (...args: readonly string[]) =>
    runSluice([...args, '-n', shopNamespace, '--kubeconfig', stage.cluster.adminKubeconfigFile]);

  async function planOf(shop: Shop): Promise<PlanReport> {
    const { code, stdout, stderr } = await sluice('plan', shop.name, '-o', 'json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout) as PlanReport;
  }

  /** writesOf are the patches of a route that the API server has taken, without the version that they insist on. */
  async function writesOf({ name }: Shop): Promise<readonly (readonly JsonPatchOperation[])[]> {
    const events = (await stage.cluster.auditEvents()) as readonly (Awaited<
      ReturnType<typeof stage.cluster.auditEvents>
    >[number] & { readonly requestObject?: unknown })[];
    return events
      .filter(({ objectRef, user }) => objectRef?.name === name && user.username.includes('serviceaccount'))
      .filter(({ responseStatus }) => responseStatus?.code === 200)
      .map(({ requestObject }) => (requestObject as readonly JsonPatchOperation[]).filter(isNoVersion));
  }
  const isNoVersion = ({ path }: JsonPatchOperation): boolean => path !== '/metadata/resourceVersion';

  test('plan prints the writes of a rollout, of its rollback and of its deletion as the controller then makes them', async () => {
    const services = [
      { name: 'legacy', port: 80, weight: 1 },
      { name: 'whole-stable', port: 80, weight: 3 },
    ];
    const whole = await openShop(stage, { name: 'whole', number: 1 });
    open.push(whole);
    const aborted = await openShop(stage, { name: 'aborted', number: 2 });
    open.push(aborted);
    await stage.cluster.kubectl(['-n', shopNamespace, 'create', 'service', 'clusterip', 'legacy', '--tcp=80:80']);
    const rules = (await whole.route()).spec.routes?.map((rule) => ({ ...rule, services }));
    const edit = JSON.stringify({ spec: { routes: rules } });
    const merge = ['patch', 'ingressroute', 'whole', '--type=merge', '-p', edit];
    await stage.cluster.kubectl(['-n', shopNamespace, ...merge]);
    const analysis = { mode: 'Disabled', minStep: '1s' };
    const match = [{ headers: { 'X-Canary': { exact: 'always' } } }];
    await whole.applyRollout({
      canary: { service: 'whole-canary', port: 80, match },
      steps: [{ weight: 20, duration: '1s' }, { pause: {} }, { weight: 60, duration: '1s' }],
      analysis,
      revision: 'r1',
      onDelete: 'Restore',
    });
    await aborted.applyRollout({ steps: [{ weight: 30, duration: '10m' }], analysis, revision: 'r1' });
    const [planned, plannedAbort] = [await planOf(whole), await planOf(aborted)];
    expect(planned.steps.map(({ step, weight, pause }) => `${step} ${weight} ${pause ?? ''}`.trim())).toEqual([
      '1/4 20',
      '2/4 20 until promoted',
      '3/4 60',
      '4/4 100',
    ]);
    await stage.startController({ args: ['--user-queries=Namespaced'] });
    await whole.until('the pause', ({ reason }) => reason === 'PauseStep');
    const built = await readObject<IngressRoute>(stage.cluster, resources.ingressRoutes, {
      namespace: shopNamespace,
      name: 'whole-canary-match',
    });
    expect(built?.spec).toEqual(planned.matchRoute?.spec);
    expect(built?.metadata).toMatchObject(planned.matchRoute?.metadata ?? { name: 'none' });
    await whole.command('promote');
    await aborted.untilAt(30);
    // Of what is under way the rest is planned.
    const { steps: rest } = await planOf(aborted);
    expect(rest.map(({ weight }) => weight)).toEqual([100]);
    expect(rest[0]).toMatchObject({ patch: plannedAbort.steps[1]?.patch, gates: plannedAbort.steps[1]?.gates });
    await aborted.command('abort');
    await aborted.until('the rollback', ({ phase }) => phase === 'Failed');
    await whole.until('the end', ({ reason }) => reason === 'Holding');
    const holding = await sluice('plan', 'whole');
    expect(holding).toMatchObject({ code: 1, stdout: '' });
    expect(holding.stderr).toContain('Rollout web/whole holds: whole-canary keeps all traffic. Next is whole-stable');
    const steps = planned.steps.map(({ patch }) => patch).filter((patch) => patch.length > 0);
    expect(await writesOf(whole)).toEqual(steps);
    expect(await writesOf(aborted)).toEqual([plannedAbort.steps[0]?.patch, plannedAbort.steps[0]?.rollback]);
    await stage.cluster.kubectl(['-n', shopNamespace, 'delete', 'slr', 'whole', '--timeout=30s']);
    expect((await writesOf(whole)).at(-1)).toEqual(planned.onDelete.patch);
    expect((await whole.route()).spec.routes).toEqual(rules);
  });

  test('plan says why there would be no rollout', async () => {
    const missing = await sluice('plan', 'nobody');
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toBe('sluice: Rollout web/nobody does not exist; see kubectl get slr, or use -f FILE.\n');
    expect(await sluice('plan')).toMatchObject({
      code: 2,
      stderr: 'sluice: NAME of a Rollout or -f FILE is needed.\n',
    });
  });

  describe('lint tells what the API server or the controller says later', () => {
    const namespaceOf = (index: number): string => `broken-${index + 1}`;
    const cases = brokenManifests.map((broken, index) => ({ ...broken, namespace: namespaceOf(index) }));

    beforeAll(async () => {
      const folder = path.join(stage.cluster.dataDir, 'broken');
      await mkdir(folder);
      await Promise.all(
        cases.map(async ({ text, namespace }) => {
          const objects = parseAllDocuments(text).map((document) => document.toJS() as { metadata: object });
          const placed = objects.map((object) => ({ ...object, metadata: { ...object.metadata, namespace } }));
          const list = { apiVersion: 'v1', kind: 'List', items: placed };
          await writeFile(path.join(folder, `${namespace}.json`), JSON.stringify(list));
        }),
      );
      const namespaces = cases.map(({ namespace: name }) => ({
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name },
      }));
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: namespaces });
      await stage.cluster.kubectl(['apply', '-f', '-'], { input });
      // What the API server refuses is refused here, too, and the rest is created.
      await stage.cluster.tryKubectl(['apply', '-f', folder]);
    });

    test.each(cases.filter(({ saidBy }) => saidBy === 'Server'))(
      'the API server: $mistake',
      async ({ text, namespace, field, message }) => {
        const { code, stdout } = await runSluice(['lint', '-', '-n', namespace], { input: text });
        expect({ code, stdout }).toEqual({
          code: 1,
          stdout: expect.stringContaining(`Rollout ${namespace}/shop: ${field}: ${message}`) as string,
        });
        const [first] = parseAllDocuments(text);
        const ask = async (validation: string): Promise<StatusAnswer> => {
          const url = `/apis/sluice.dev/v1alpha1/namespaces/${namespace}/rollouts?fieldValidation=${validation}&dryRun=All`;
          return (await stage.cluster.api('POST', url, first?.toJS() as object)).body as StatusAnswer;
        };
        const [strict, lenient] = [await ask('Strict'), await ask('Ignore')];
        const said = [...readUnknownFields(strict), ...readCauses(lenient)];
        expect(said, lenient.message).toContain(`${field}: ${message}`);
      },
    );

    test.each(cases.filter(({ saidBy }) => saidBy === 'Controller'))(
      'the controller: $mistake',
      async ({ text, namespace, message }) => {
        const linted = await runSluice(['lint', '-', '--strict', '-n', namespace], { input: text });
        const said = await eventually(
          async () => {
            const found = await readObject<Rollout>(stage.cluster, resources.rollouts, { namespace, name: 'shop' });
            const ready = found?.status?.conditions?.find(({ type }) => type === 'Ready');
            if (ready?.status !== 'False') throw new Error(`Ready is ${ready?.status ?? 'unknown'}`);
            return found?.status?.message ?? '';
          },
          { timeoutMs: 30_000, describe: `the controller to look at ${namespace}` },
        );
        expect(said).toContain(message.replaceAll('NAMESPACE', namespace));
        const sentence = said.replace(/^spec[^\s:]*: /, '');
        expect(linted).toMatchObject({ code: 1 });
        expect(linted.stdout).toContain(sentence);
      },
    );
  });
});
