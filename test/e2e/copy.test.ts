/** promotion.mode Copy with real workloads: what was judged goes to stable while that has no traffic, and then traffic returns. */
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest';
import {
  app,
  becomeReady,
  deploy,
  grantCopy,
  images,
  pair,
  putNodes,
  readWorkload,
  rollOut,
} from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { openShop, quickSteps, type Shop } from '../support/shop.ts';
import { shopNamespace, type Stage, startStage } from '../support/stage.ts';
import { excesses, recordTimeline, weightsOf } from '../support/timeline.ts';

const analysis = { ...quickSteps.analysis, minRequests: 20 };
const steps = [
  { weight: 50, duration: '1s' },
  { weight: 100, duration: '1s' },
];
const promotion = { mode: 'Copy' };
const auditPolicy =
  'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived, ResponseStarted]\nrules: [{level: Metadata, users: ["system:serviceaccount:sluice-system:sluice"], resources: [{group: apps}]}]\n';
const account = 'system:serviceaccount:sluice-system:sluice';

describe('a Copy', { timeout: 240_000 }, () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage({ auditPolicy });
    await putNodes(stage);
    await stage.startController();
  });
  afterAll(() => stage?.stop());

  const openWithLoad = async ({ onTestFinished }: TestContext, name: string, number: number) => {
    const shop = await openShop(stage, { name, number });
    onTestFinished(() => shop.stop());
    const load = shop.load(100);
    onTestFinished(() => load.stop());
    return { shop, load };
  };
  const stableOf = (shop: Shop, image: string) =>
    ({ name: `${shop.name}-stable`, track: 'stable', template: app(image) }) as const;
  const canaryOf = (shop: Shop, image: string) =>
    ({ name: `${shop.name}-canary`, track: 'canary', template: app(image) }) as const;
  const eventsOf = (shop: Shop): Promise<string> =>
    stage.cluster.kubectl(['-n', shopNamespace, 'events', `--for=rollouts.sluice.dev/${shop.name}`]);

  test('without the rights says so; with them copies what was judged, although the canary is another one by now', async (context) => {
    const { shop } = await openWithLoad(context, 'rights', 1);
    await rollOut(stage, stableOf(shop, 'app:1'));
    await rollOut(stage, canaryOf(shop, 'app:2'));
    await shop.applyRollout({ ...pair(shop), steps, analysis, promotion });
    const refused = await shop.until('the refusal', ({ reason }) => reason === 'CopyFailed');
    expect(refused).toMatchObject({ phase: 'Degraded', weight: 100 });
    expect(refused.message).toMatch(
      /^The canary keeps everything: the workloads cannot be read\. Apply manifests\/overlays\/copy, which gives the controller the right: .*cannot get resource "deployments"/,
    );
    await deploy(stage, canaryOf(shop, 'app:3'));
    await shop.until('the unjudged revision to be seen', ({ revision }) => revision !== refused.revision);
    await grantCopy(stage);
    const mayPatch = ['auth', 'can-i', 'patch', 'deployments', '-n', shopNamespace, `--as=${account}`];
    await eventually(async () => (await stage.cluster.tryKubectl(mayPatch)).stdout.startsWith('yes'));
    await shop.command('retry');
    await eventually(async () => expect(await images(stage, 'rights-stable')).toEqual(['app:2']), {
      timeoutMs: 45_000,
    });
    await shop.until(
      'the warning',
      ({ reason, message = '' }) =>
        reason === 'UnprovenRevision' &&
        message.includes(`Revision ${refused.revision} is copied. Deployment rights-stable is rolling out`),
    );
    await becomeReady(stage, 'rights-stable');
    await shop.until('the return', ({ phase, weight }) => phase === 'Promoting' && weight === 50);
    await becomeReady(stage, 'rights-canary');
    const next = await shop.until(
      'the next rollout',
      ({ weight, phase, revision }) => weight === 50 && phase === 'Progressing' && revision !== refused.revision,
    );
    expect(next.promotedRevision).toBe(refused.revision);
    expect(next.copy).toBeUndefined();
  });

  test.concurrent('replaces env, sidecars, volumes and annotations whole, keeps labels, and loses no request', async (context) => {
    const { shop, load } = await openWithLoad(context, 'whole', 2);
    const timeline = await recordTimeline(stage.cluster, { namespace: shopNamespace, name: shop.name });
    context.onTestFinished(() => timeline.stop());
    const old = {
      annotations: { 'checksum/config': '1', 'old.example/note': 'x' },
      spec: {
        containers: [
          { name: 'app', image: 'app:1', env: [{ name: 'OLD_FLAG', value: '1' }] },
          { name: 'old-sidecar', image: 'sidecar:1' },
        ],
        initContainers: [{ name: 'old-init', image: 'init:1' }],
        volumes: [{ name: 'old-volume', emptyDir: {} }],
      },
    };
    const judged = {
      annotations: { 'checksum/config': '2' },
      spec: { containers: [{ name: 'app', image: 'app:2', env: [{ name: 'NEW_FLAG', value: '2' }] }] },
    };
    await rollOut(stage, { ...stableOf(shop, ''), template: old });
    await rollOut(stage, { ...canaryOf(shop, ''), template: judged });
    const before = (await shop.route()).spec;
    const labels = (await readWorkload(stage, 'whole-stable')).spec.template.metadata.labels;
    await shop.applyRollout({ ...pair(shop), steps, analysis, promotion });
    await shop.until('the copy', ({ copy }) => copy?.template !== undefined);
    // While it is replaced stable has no pods at all: nobody is to notice.
    await shop.setReady('stable', 'NotReady');
    const [stable, canary] = [await readWorkload(stage, 'whole-stable'), await readWorkload(stage, 'whole-canary')];
    expect(stable.spec.template.spec).toEqual(canary.spec.template.spec);
    expect(stable.spec.template.metadata).toEqual({ ...canary.spec.template.metadata, labels });
    expect(JSON.stringify(stable.spec.template)).not.toMatch(/OLD_FLAG|old-|old.example/);
    expect(stable.metadata.managedFields?.map(({ manager }) => manager)).toContain('sluice');

    await shop.command('abort');
    await shop.command('promote');
    const waiting = await shop.until('both to be answered', ({ message = '' }) => message.includes('is rolling out'));
    expect(waiting).toMatchObject({ phase: 'Promoting', reason: 'Copied', weight: 100 });
    expect(await eventsOf(shop)).toContain(
      'The command abort is not executed: Deployment whole-stable has the pod template of revision',
    );
    await becomeReady(stage, 'whole-stable');
    await shop.setReady('stable', 'Ready');
    await shop.until('the end of the return', ({ reason }) => reason === 'Returned');
    await eventually(() => weightsOf(timeline.moments()).at(-1) === 0);
    expect(weightsOf(timeline.moments())).toEqual([50, 100, 50, 0]);
    expect(excesses(timeline.moments())).toEqual([]);
    expect(JSON.stringify((await shop.route()).spec)).toBe(JSON.stringify(before));
    expect(load.since(0).failed).toBe(0);
    const status = await shop.status();
    expect(status.history?.map(({ reason }) => reason)).toEqual(
      expect.arrayContaining(['Copying', 'Copied', 'ReturningToStable', 'Returned']),
    );
    expect(status).toMatchObject({ phase: 'Succeeded', weight: 0 });
    expect(status.copy).toBeUndefined();
  });

  test.concurrent('leaves a template alone that somebody applies, and is a Hold then', async (context) => {
    const { shop } = await openWithLoad(context, 'managed', 3);
    const manager = 'kustomize-controller';
    await rollOut(stage, { ...stableOf(shop, 'app:1'), manager });
    await rollOut(stage, canaryOf(shop, 'app:2'));
    await shop.applyRollout({ ...pair(shop), steps, analysis, promotion });
    const status = await shop.until('the refusal', ({ reason }) => reason === 'StableIsManaged');
    expect(status).toMatchObject({ phase: 'Succeeded', weight: 100 });
    expect(status.message).toContain('kustomize-controller applies the pod template of Deployment managed-stable');
    expect(status.conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'False' }));
    expect(await images(stage, 'managed-stable')).toEqual(['app:1']);
    await rollOut(stage, { ...stableOf(shop, 'app:2'), manager });
    await shop.until('the return', ({ reason }) => reason === 'Returned');
  });

  test.concurrent('that takes too long leaves the canary all traffic; what somebody else writes meanwhile is copied again on command', async (context) => {
    const { shop, load } = await openWithLoad(context, 'late', 4);
    await rollOut(stage, stableOf(shop, 'app:1'));
    await rollOut(stage, canaryOf(shop, 'app:2'));
    await shop.applyRollout({
      ...pair(shop),
      steps,
      analysis,
      promotion,
      progressDeadline: '3s',
      revision: '2026.11.3',
    });
    const failed = await shop.until('the deadline', ({ reason }) => reason === 'CopyFailed');
    expect(failed).toMatchObject({ phase: 'Degraded', weight: 100 });
    expect(failed.message).toMatch(
      /^The canary keeps everything: Deployment late-stable is not ready 3s after it got the pod template of revision 2026\.11\.3\. /,
    );
    await deploy(stage, stableOf(shop, 'app:1-fixed'));
    const changed = await shop.until('the change', ({ reason }) => reason === 'StableChanged');
    expect(changed.message).toContain('kubectl-client-side-apply changed the pod template of Deployment late-stable');
    await shop.command('retry', 'ann');
    await eventually(async () => expect(await images(stage, 'late-stable')).toEqual(['app:2']));
    await becomeReady(stage, 'late-stable');
    const returned = await shop.until('the return', ({ reason }) => reason === 'Returned');
    expect(returned.history).toContainEqual(expect.objectContaining({ reason: 'Copying', who: 'ann' }));
    expect(load.since(0).failed).toBe(0);
  });

  test.concurrent.for([
    ['StatefulSet', 5],
    ['DaemonSet', 6],
  ] as const)('takes the template of a %s from its ControllerRevision', async ([kind, number], context) => {
    const name = kind.toLowerCase();
    const { shop } = await openWithLoad(context, name, number);
    await rollOut(stage, { ...stableOf(shop, 'app:1'), kind });
    await rollOut(stage, { ...canaryOf(shop, 'app:2'), kind });
    const spec = { steps: [{ weight: 100, duration: '0s' }], analysis: { mode: 'Disabled' }, promotion };
    await shop.applyRollout({ ...pair(shop, kind), ...spec });
    await shop.until('the copy', ({ copy }) => copy?.template !== undefined);
    const [stable, canary] = [
      await readWorkload(stage, `${name}-stable`, kind),
      await readWorkload(stage, `${name}-canary`, kind),
    ];
    expect(stable.spec.template.spec).toEqual(canary.spec.template.spec);
    await becomeReady(stage, `${name}-stable`, kind);
    await shop.until('the return', ({ reason }) => reason === 'Returned');
    expect(await images(stage, `${name}-stable`, kind)).toEqual(['app:2']);
  });

  test('uses all that the overlay grants, and nothing else', async () => {
    const events = await stage.cluster.auditEvents();
    const used = events
      .filter(({ verb, responseStatus }) => !['watch'].includes(verb) && responseStatus?.code !== 403)
      .map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`);
    const own = await stage.cluster.kubectl(['get', 'clusterrole', 'sluice-copy', '-o', 'json']);
    const { rules } = JSON.parse(own) as { rules: readonly { resources: string[]; verbs: string[] }[] };
    const granted = rules.flatMap((rule) =>
      rule.resources.flatMap((resource) => rule.verbs.map((verb) => `${verb} ${resource}`)),
    );
    const watched = ['deployments', 'statefulsets', 'daemonsets', 'controllerrevisions'].map(
      (resource) => `list ${resource}`,
    );
    expect([...new Set(used)].toSorted()).toEqual([...granted, ...watched].toSorted());
  });
});
