/** What a rollout is told, by its spec and by people, and what the clients get of it: ramps, brakes, sizes, hours, failures. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resources, type KubernetesObject } from '../../src/api/kubernetes.ts';
import type { HistoryEntry } from '../../src/api/rollout-status.ts';
import { formatTime } from '../../src/clock.ts';
import { statusSchema } from '../../src/rollout/status.ts';
import { startBackend, type Backend } from '../support/backend.ts';
import { eventually } from '../support/eventually.ts';
import { apiPathOf, applyObject, putEndpoints } from '../support/objects.ts';
import { quickSteps, type Shop } from '../support/shop.ts';
import { expectShare } from '../support/share.ts';
import { shopNamespace, type Stage, startStage } from '../support/stage.ts';
import { excesses, untilWeights } from '../support/timeline.ts';
import { openWatchedShop, type WatchedShop } from '../support/watched-shop.ts';

const analysis = { ...quickSteps.analysis, minRequests: 20 };
const hourMs = 3_600_000;

const entryOf = (history: readonly HistoryEntry[] | undefined, wanted: string): HistoryEntry | undefined =>
  history?.findLast(({ reason }) => reason === wanted);

describe.concurrent('a rollout that is told', { timeout: 240_000 }, () => {
  let stage: Stage;
  const open: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    stage = await startStage({ controllerManager: false });
    await stage.startController();
  });
  afterAll(async () => {
    for (const part of open.splice(0).toReversed()) await part.stop();
    await stage?.stop();
  });

  /** openWatched opens a shop with traffic, and records every write of its Rollout and route. */
  const openWatched = (name: string, number: number): Promise<WatchedShop> =>
    openWatchedShop(stage, { name, number, rps: 50 }, open);

  const edit = (shop: Shop, spec: object): Promise<string> =>
    stage.cluster.kubectl([
      '-n',
      shopNamespace,
      'patch',
      'slr',
      shop.name,
      '--type=merge',
      `--patch=${JSON.stringify({ spec })}`,
    ]);
  /** notesOf are the texts of the events of one Rollout with one reason. */
  const notesOf = async (shop: Shop, reason: string): Promise<string> => {
    const path = `{.items[?(@.reason=="${reason}")]['regarding.name','note']}`;
    const all = await stage.cluster.kubectl([
      '-n',
      shopNamespace,
      'get',
      'events.events.k8s.io',
      `--field-selector=regarding.name=${shop.name},reason=${reason}`,
      '-o',
      `jsonpath=${path}`,
    ]);
    return all;
  };
  const answered = (shop: Shop): Promise<boolean> =>
    eventually(async () => (await shop.rollout())?.metadata.annotations?.['sluice.dev/command'] === undefined, {
      timeoutMs: 30_000,
      describe: `${shop.name}: the command to be answered`,
    });
  /** refused gives a command, and waits for the event that says why it is not carried out. */
  const refused = async (shop: Shop, verb: string, why: RegExp): Promise<void> => {
    await shop.command(verb);
    await answered(shop);
    await eventually(async () => why.test(await notesOf(shop, 'CommandIgnored')), {
      describe: `${shop.name}: an event that matches ${why.source}`,
    });
  };

  test('to ramp goes through just the weights that are added or multiplied, to its end', async () => {
    const ramps = [
      { name: 'add', number: 1, ramp: { from: 10, to: 40, add: 15, every: '1s' }, weights: [10, 25, 40, 100] },
      { name: 'multiply', number: 2, ramp: { from: 5, to: 45, multiply: 3, every: '1s' }, weights: [5, 15, 45, 100] },
    ];
    const performed = ramps.map(async ({ name, number, ramp, weights }) => {
      const { shop, load, timeline } = await openWatched(name, number);
      await shop.applyRollout({ ramp, analysis: { ...analysis, minStep: '2s' }, revision: 'r1' });
      await shop.until('the promotion', ({ reason }) => reason === 'Holding', 120_000);
      await untilWeights(timeline, weights);
      expect(excesses(timeline.moments())).toEqual([]);
      await expectShare(load, 100);
      expect(load.since(0).failed).toBe(0);
    });
    await Promise.all(performed);
  });

  test('to pause waits for its time, and under two brakes until both are off', async () => {
    const { shop, load, timeline } = await openWatched('brakes', 3);
    const steps = [
      { weight: 20, duration: '1s' },
      { pause: { duration: '3s' } },
      { weight: 40, duration: '1s' },
      { weight: 60, duration: '10m' },
    ];
    await shop.applyRollout({ steps, analysis, revision: 'r1' });
    const paused = await shop.until('the pause', ({ reason }) => reason === 'PauseStep');
    expect(paused).toMatchObject({ phase: 'Paused', step: '2/5', weight: 20 });
    await shop.untilAt(40);
    await shop.command('pause', 'alice');
    const braked = await shop.until('the brake', ({ reason }) => reason === 'PausedByCommand');
    expect(braked.pause?.who).toBe('alice');
    await edit(shop, { paused: true });
    await answered(shop);
    const stale = [`sluice.dev/command=promote n0 ${(await shop.rollout())?.metadata.uid} another`];
    const given = [...stale, 'sluice.dev/command-by=admin'];
    await stage.cluster.kubectl(['-n', shopNamespace, 'annotate', 'slr', shop.name, ...given]);
    const note = /The command promote is not executed: it is meant for revision another, the present one is r1\./;
    await eventually(async () => note.test(await notesOf(shop, 'CommandStale')), {
      describe: 'the event of the stale one',
    });
    await expectShare(load, 40);
    await shop.command('resume', 'bob');
    await shop.until('the other brake', ({ reason }) => reason === 'PausedBySpec');
    // The step is long over.
    await expectShare(load, 40);
    expect(await shop.status()).toMatchObject({ phase: 'Paused', reason: 'PausedBySpec', weight: 40 });
    await edit(shop, { paused: false });
    const { history } = await shop.untilAt(60);
    expect(history?.filter(({ who }) => who !== undefined).map(({ reason, who }) => `${reason} ${who}`)).toEqual([
      'PausedByCommand alice',
      'Resumed bob',
    ]);
    await shop.command('pause', 'alice');
    await edit(shop, { paused: true });
    shop.canary.set({ errorRatio: 1 });
    await shop.until('the rollback under both brakes', ({ phase }) => phase === 'Failed');
    await expectShare(load, 0);
    await untilWeights(timeline, [20, 40, 60, 0]);
    expect(excesses(timeline.moments())).toEqual([]);
  });

  /** putWorkload creates a Deployment with one pod of its newest template, and an autoscaler that gives it no more. */
  async function putWorkload(name: string): Promise<void> {
    const { cluster } = stage;
    const metadata = { namespace: shopNamespace, name, annotations: { 'deployment.kubernetes.io/revision': '1' } };
    const template = { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'app', image: 'app:1' }] } };
    const spec = { replicas: 1, selector: { matchLabels: { app: name } }, template };
    await applyObject(cluster, resources.deployments, { metadata, spec } as KubernetesObject);
    const counts = { observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 };
    const scaled = {
      metadata: { namespace: shopNamespace, name },
      spec: { minReplicas: 1, maxReplicas: 1, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name } },
    };
    await applyObject(cluster, resources.autoscalers, scaled as KubernetesObject);
    for (const [kind, status] of [
      [resources.deployments, counts],
      [resources.autoscalers, { currentReplicas: 1, desiredReplicas: 1 }],
    ] as const) {
      const path = `${apiPathOf(kind, metadata)}/status`;
      const answer = await cluster.api('PATCH', path, { status }, 'application/merge-patch+json');
      expect(answer.status).toBe(200);
    }
  }

  test('to promote gets the share that its pods can carry, on both ways, and an abort asks for none', async () => {
    const { shop, load, timeline } = await openWatched('size', 4);
    const more: Backend[] = [];
    for (const [address, version] of [
      ['10.77.0.1', 'v1'],
      ['10.77.0.18', 'v1'],
      ['10.77.0.19', 'v2'],
      ['10.77.0.20', 'v2'],
    ] as const)
      more.push(await startBackend({ address, version }));
    open.push(...more);
    const scale = async (version: 'stable' | 'canary', pods: number): Promise<void> => {
      const others = more.filter((backend) => backend.version === shop[version].version);
      const service = { namespace: shopNamespace, name: `size-${version}` };
      await putEndpoints(stage.cluster, service, [shop[version], ...others].slice(0, pods));
    };
    await putWorkload('size-canary');
    await scale('stable', 3);
    const steps = [...[20, 50].map((weight) => ({ weight, duration: '10m' })), { weight: 100, duration: '2s' }];
    const workload = { kind: 'Deployment', name: 'size-canary' };
    const canary = { service: 'size-canary', port: 80, workload };
    await shop.applyRollout({ steps, analysis, canary, revision: 'r1' });
    await shop.untilAt(20);
    await shop.command('promote');
    await shop.untilAt(50);
    await shop.command('promote-full');
    const small = await shop.until('the wait for pods', ({ reason }) => reason === 'CanaryUndersized');
    expect(small.message).toMatch(
      /Service size-canary has 1 ready endpoint; it needs 2, as many as 50% of the 3 of size-stable\. HorizontalPodAutoscaler size-canary is at its maximum of 1; raise spec\.maxReplicas\.$/,
    );
    await expectShare(load, 50);
    await scale('canary', 2);
    await shop.untilAt(100);
    await shop.until('the wait for more', ({ reason, weight }) => reason === 'CanaryUndersized' && weight === 100);
    await scale('canary', 3);
    await shop.until('the promotion', ({ reason }) => reason === 'Holding', 90_000);
    await scale('stable', 1);
    for (const weight of [80, 50]) {
      await shop.command('promote');
      await shop.untilAt(weight);
    }
    await refused(
      shop,
      'promote',
      /Traffic returns no further than 50%: Service size-stable has 1 ready endpoint; it needs 2/,
    );
    await expectShare(load, 50);
    await shop.command('abort');
    await shop.until('the abort', ({ reason }) => reason === 'Aborted');
    await expectShare(load, 0);
    await untilWeights(timeline, [20, 50, 100, 80, 50, 0]);
    expect(load.since(0).failed).toBe(0);
  });

  /** closedAllDay is a window that opens in twelve hours, for one, and when that is. */
  function closedAllDay(): { readonly schedule: object; readonly opensMs: number } {
    const opensMs = (Math.floor(Date.now() / hourMs) + 12) * hourMs;
    const cron = `0 ${new Date(opensMs).getUTCHours()} * * *`;
    return { schedule: { windows: [{ cron, duration: '1h', timeZone: 'UTC' }] }, opensMs };
  }

  test('hours raises outside of them for nobody but a promote-full, in a freeze for nobody, and is rolled back at any time', async () => {
    const [closed, frozen] = await Promise.all([openWatched('closed', 5), openWatched('frozen', 6)]);
    const steps = [20, 50].map((weight) => ({ weight, duration: '2s' }));
    const { schedule, opensMs } = closedAllDay();
    await closed.shop.applyRollout({ steps, analysis, schedule, revision: 'r1' });
    await frozen.shop.applyRollout({ steps, analysis, revision: 'r1' });

    const waiting = await closed.shop.until('the window', ({ reason }) => reason === 'OutsideWindow');
    expect(waiting).toMatchObject({ phase: 'Pending', weight: 0, opensAt: formatTime(opensMs) });
    await refused(closed.shop, 'promote', /spec\.schedule holds this rollout until .*; nothing is promoted\./);
    expect(closed.load.since(0).byVersion['v2']).toBeUndefined();

    await frozen.shop.untilAt(20);
    await edit(frozen.shop, { schedule });
    const held = await frozen.shop.until('the closed window', ({ reason }) => reason === 'OutsideWindow');
    expect(held).toMatchObject({ phase: 'Paused', weight: 20, opensAt: formatTime(opensMs) });
    const toMs = Date.now() + hourMs;
    const freezes = [{ from: formatTime(Date.now() - hourMs), to: formatTime(toMs), reason: 'audit' }];
    await edit(frozen.shop, { schedule: { windows: null, freezes } });
    const ice = await frozen.shop.until('the freeze', ({ reason }) => reason === 'Frozen');
    expect(ice.message).toMatch(/^The freeze \(audit\) holds the canary at 20% until /);
    for (const verb of ['promote', 'promote-full'])
      await refused(frozen.shop, verb, /The freeze \(audit\) holds this rollout until .*; nothing is promoted\./);
    await expectShare(frozen.load, 20);
    // Lifted early: what was counted in the freeze raises nothing, what is counted after it does.
    await edit(frozen.shop, { schedule: null });
    const { history: thawed = [] } = await frozen.shop.untilAt(50);
    const noticed = thawed[thawed.findLastIndex(({ reason }) => reason === 'Frozen') + 1];
    const raised = thawed.find(({ weight }) => weight === 50);
    expect(noticed).toMatchObject({ from: 'Paused', weight: 20 });
    expect(Date.parse(raised?.time ?? '') - Date.parse(noticed?.time ?? '')).toBeGreaterThan(1_000);
    await edit(frozen.shop, { schedule: { freezes } });
    await frozen.shop.until('the next freeze', ({ reason }) => reason === 'Frozen');
    frozen.shop.canary.set({ errorRatio: 1 });
    await frozen.shop.until('the rollback', ({ phase }) => phase === 'Failed');
    await expectShare(frozen.load, 0);

    await closed.shop.command('promote-full', 'carol');
    await closed.shop.untilAt(100);
    await expectShare(closed.load, 100);
    const { history } = await closed.shop.status();
    expect(entryOf(history, 'Promoted')).toMatchObject({ who: 'carol', weight: 20 });
    await untilWeights(closed.timeline, [20, 100]);
    for (const { timeline } of [closed, frozen]) expect(excesses(timeline.moments())).toEqual([]);
    expect(closed.load.since(0).failed).toBe(0);
  });

  test('to pause where it fails keeps its weight for a person to decide, and one that was rolled back is tried again', async () => {
    const { shop, load, timeline } = await openWatched('failing', 7);
    const steps = [30, 60].map((weight) => ({ weight, duration: '10m' }));
    await shop.applyRollout({ steps, analysis, onFailure: 'Pause', revision: 'r1' });
    await shop.untilAt(30);
    shop.canary.set({ errorRatio: 1 });
    const stopped = await shop.until('the failure', ({ reason }) => reason === 'AnalysisFailed');
    expect(stopped).toMatchObject({ phase: 'Paused', weight: 30 });
    expect(stopped.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('False');
    await expectShare(load, 30);
    shop.canary.set({ errorRatio: 0 });
    await shop.command('promote', 'alice');
    await shop.until('the step again', ({ reason }) => reason === 'StepStarted');
    await shop.command('promote', 'alice');
    await shop.untilAt(60);
    await edit(shop, { onFailure: 'Rollback' });
    shop.canary.set({ errorRatio: 1 });
    await shop.until('the rollback', ({ phase }) => phase === 'Failed');
    await expectShare(load, 0);
    shop.canary.set({ errorRatio: 0 });
    await shop.command('retry', 'bob');
    const again = await shop.untilAt(30);
    expect(again.retries).toBe(1);
    expect(entryOf(again.history, 'Retry')).toMatchObject({
      who: 'bob',
      message: expect.stringContaining('(try 2)') as string,
    });
    await untilWeights(timeline, [30, 60, 0, 30]);
    expect(excesses(timeline.moments())).toEqual([]);
  });

  test('other things in the middle keeps its weight with edited steps, refuses another route, goes out with the promoted revision, and is not raised by an older controller', async () => {
    const { shop, load, timeline } = await openWatched('edits', 8);
    const steps = [
      { weight: 30, duration: '10m' },
      { weight: 100, duration: '2s' },
    ];
    await shop.applyRollout({ steps, analysis, revision: 'r1' });
    await shop.untilAt(30);
    await shop.command('promote-full');
    await shop.until('the promotion', ({ reason }) => reason === 'Holding', 90_000);
    await shop.command('promote-full');
    await shop.until('the return', ({ reason }) => reason === 'Returned');
    await edit(shop, { revision: 'r2' });
    await shop.untilAt(30, ({ revision }) => revision === 'r2');
    await edit(shop, { revision: 'r1' });
    const reverted = await shop.until('the old revision', ({ reason }) => reason === 'Reverted');
    expect(reverted).toMatchObject({ phase: 'Succeeded', weight: 0, revision: 'r1', promotedRevision: 'r1' });
    expect(reverted.failedRevisions).toBeUndefined();
    await expectShare(load, 0);

    await edit(shop, { revision: 'r3' });
    await shop.untilAt(30, ({ revision }) => revision === 'r3');
    const other = { weight: 45, duration: '10m' };
    await edit(shop, { steps: [{ weight: 20, duration: '1s' }, { weight: 25, duration: '1s' }, steps[0], other] });
    await shop.until('the place in the edited steps', ({ step }) => step === '3/5');
    await expect(edit(shop, { route: { name: 'other' } })).rejects.toThrow(/abort/);
    await expectShare(load, 30);
    await shop.command('promote');
    await shop.untilAt(45);
    const path = `${apiPathOf(resources.rollouts, { namespace: shopNamespace, name: 'edits' })}/status`;
    const newer = [{ op: 'replace', path: '/status/schema', value: statusSchema + 1 }];
    const answer = await stage.cluster.api('PATCH', path, newer, 'application/json-patch+json');
    expect(answer.status).toBe(200);
    await shop.command('promote');
    await answered(shop);
    await expectShare(load, 45);
    await shop.command('abort');
    await shop.until('the abort', ({ phase }) => phase === 'Failed');
    await expectShare(load, 0);
    await untilWeights(timeline, [30, 100, 0, 30, 0, 30, 45, 0]);
    expect(excesses(timeline.moments())).toEqual([]);
    expect(load.since(0).failed).toBe(0);
  });
});
