/** Releases as people make them: by a Deployment's image, one after the other, with pauses, commands and a Hold that ends. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { putDeployment, rollOutDeployment } from '../support/objects.ts';
import { openShop, quickSteps, type Shop } from '../support/shop.ts';
import { shopNamespace, type Stage, startStage } from '../support/stage.ts';
import { eventually } from '../support/eventually.ts';
import { excesses, recordTimeline, weightsOf } from '../support/timeline.ts';

const analysis = { ...quickSteps.analysis, minRequests: 20 };

describe('releases one after the other', { timeout: 240_000 }, () => {
  let stage: Stage;
  const open: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    stage = await startStage();
    await stage.startController();
  });
  afterEach(async () => {
    for (const part of open.splice(0).toReversed()) await part.stop();
  });
  afterAll(() => stage?.stop());

  const workload = (shop: Shop, version: 'stable' | 'canary') => ({
    service: `${shop.name}-${version}`,
    port: 80,
    workload: { kind: 'Deployment', name: `${shop.name}-${version}` },
  });
  const deploy = async (shop: Shop, version: 'stable' | 'canary', image: string): Promise<void> => {
    await putDeployment(stage.cluster, { namespace: shopNamespace, name: `${shop.name}-${version}`, image });
  };
  const rollOut = async (shop: Shop, version: 'stable' | 'canary', image: string): Promise<void> => {
    await deploy(shop, version, image);
    await rollOutDeployment(stage.cluster, { namespace: shopNamespace, name: `${shop.name}-${version}` });
  };

  test('a new image is a release: it waits for its pods, is replaced in mid-step, held, and traffic returns to an updated stable', async () => {
    const shop = await openShop(stage, { name: 'image', number: 1 });
    const load = shop.load(200);
    const timeline = await recordTimeline(stage.cluster, { namespace: shopNamespace, name: 'image' });
    open.push(shop, load, timeline);
    await rollOut(shop, 'stable', 'app:1');
    await rollOut(shop, 'canary', 'app:1');
    const before = (await shop.route()).spec;
    const steps = [
      { weight: 10, duration: '3s' },
      { weight: 50, duration: '2s' },
      { weight: 100, duration: '2s' },
    ];
    await shop.applyRollout({ steps, analysis, stable: workload(shop, 'stable'), canary: workload(shop, 'canary') });
    const first = await shop.until('the first look', ({ phase }) => phase === 'Succeeded');
    expect(first).toMatchObject({ reason: 'Unchanged', weight: 0 });
    expect((await shop.route()).spec).toEqual(before);

    await deploy(shop, 'canary', 'app:2');
    await shop.until('the pods', ({ reason }) => reason === 'WorkloadRollingOut');
    await rollOut(shop, 'canary', 'app:2');
    const begun = await shop.untilAt(10);
    await rollOut(shop, 'canary', 'app:3');
    const next = await shop.untilAt(10, ({ revision }) => revision !== begun.revision);
    expect(next.history?.map(({ reason }) => reason)).toContain('NewRevision');
    expect(next.failedRevisions).toBeUndefined();

    const held = await shop.until('the promotion', ({ reason }) => reason === 'Holding');
    expect(held).toMatchObject({ phase: 'Succeeded', weight: 100, promotedRevision: next.revision });
    await rollOut(shop, 'stable', 'app:3');
    await shop.until('the return', ({ phase, weight }) => phase === 'Promoting' && weight === 50);
    await shop.until('the end of the return', ({ reason }) => reason === 'Returned');
    await eventually(() => weightsOf(timeline.moments()).at(-1) === 0);
    // 10% of the one revision, out, and all the way with the next; then back in the same steps.
    expect(weightsOf(timeline.moments())).toEqual([10, 0, 10, 50, 100, 90, 50, 0]);
    expect(excesses(timeline.moments())).toEqual([]);
    expect(JSON.stringify((await shop.route()).spec)).toBe(JSON.stringify(before));
    expect(load.since(0).failed).toBe(0);

    await rollOut(shop, 'canary', 'app:4');
    await shop.until('the release after that', ({ weight, revision }) => weight === 10 && revision !== next.revision);
  });

  test('a pause waits for a promote, a stale command is refused, abort fails the revision and retry tries it again', async () => {
    const shop = await openShop(stage, { name: 'pauses', number: 2 });
    const load = shop.load(200);
    open.push(shop, load);
    await shop.applyRollout({
      analysis,
      steps: [{ weight: 10, duration: '1s' }, { pause: {} }, { weight: 50, duration: '10m' }],
      revision: 'r1',
    });
    await shop.until('the pause', ({ phase, reason }) => phase === 'Paused' && reason === 'PauseStep');
    const stale = `promote n0 ${(await shop.rollout())?.metadata.uid} another`;
    const given = [`sluice.dev/command=${stale}`, 'sluice.dev/command-by=admin'];
    await stage.cluster.kubectl(['-n', shopNamespace, 'annotate', 'slr', 'pauses', ...given]);
    await shop.until('the stale command to be handled', ({ handledCommand }) => handledCommand === 'n0');
    expect(await shop.status()).toMatchObject({ phase: 'Paused', weight: 10 });
    await eventually(async () => (await shop.rollout())?.metadata.annotations?.['sluice.dev/command'] === undefined);
    await shop.command('promote', 'alice');
    const promoted = await shop.untilAt(50);
    expect(promoted.history?.find(({ reason }) => reason === 'Promoted')?.who).toBe('alice');
    await shop.command('abort', 'bob');
    await shop.until('the abort', ({ phase, reason }) => phase === 'Failed' && reason === 'Aborted');
    await shop.command('retry', 'carol');
    await shop.until('the second try', ({ weight, phase }) => weight === 10 && phase === 'Progressing');
    expect(load.since(0).failed).toBe(0);
  });

  test("the user's own query is a check: over its limit more often than tolerated it rolls back", async () => {
    const shop = await openShop(stage, { name: 'checks', number: 3 });
    const load = shop.load(100);
    open.push(shop, load);
    const query = 'sum(traefik_service_requests_total{service=~"web-{{ canary.service }}-.*"}) > bool 0';
    const checks = [{ name: 'served', query, max: '0', interval: '1s', consecutiveFailureLimit: 1 }];
    await shop.applyRollout({
      analysis: { ...analysis, checks },
      steps: [{ weight: 20, duration: '10m' }],
      revision: 'r1',
    });
    const status = await shop.until('the rollback', ({ phase }) => phase === 'Failed');
    expect(status.reason).toBe('CheckFailed');
    expect(status.message).toContain('Check served is 1, allowed at most 0: failed 2 in a row, tolerated 1.');
    expect(status.weight).toBe(0);
  });

  test('a lost status moves no traffic: the split is adopted until somebody promotes', async () => {
    const shop = await openShop(stage, { name: 'adopted', number: 4 });
    const load = shop.load(100);
    open.push(shop, load);
    const steps = [{ weight: 30, duration: '10m' }];
    await shop.applyRollout({ analysis, steps, revision: 'r1' });
    await shop.untilAt(30);
    const during = JSON.stringify((await shop.route()).spec);
    const path = `/apis/sluice.dev/v1alpha1/namespaces/${shopNamespace}/rollouts/adopted/status`;
    await stage.cluster.api('PATCH', path, [{ op: 'remove', path: '/status' }], 'application/json-patch+json');
    const status = await shop.until('the adoption', ({ reason }) => reason === 'Adopted');
    expect(status).toMatchObject({ phase: 'Paused', weight: 30 });
    expect(JSON.stringify((await shop.route()).spec)).toBe(during);
    await shop.command('abort');
    await shop.until('the abort', ({ phase }) => phase === 'Failed');
    expect((await shop.route()).spec.routes?.[0]?.services?.map(({ name }) => name)).toEqual(['adopted-stable']);
  });
});
