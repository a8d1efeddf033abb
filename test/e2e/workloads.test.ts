/** Releases by workloads of every kind, and what happens to a canary or a stable that changes after the promotion. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WorkloadKind } from '../../src/reconciler/workloads.ts';
import type { Load } from '../support/load.ts';
import { openShop, quickSteps, type Shop } from '../support/shop.ts';
import { shopNamespace, type Stage, startStage } from '../support/stage.ts';
import { putNode, putWorkload, rollOutWorkload, updateRevisionOf, type Written } from '../support/workload-objects.ts';

const analysis = { ...quickSteps.analysis, minRequests: 20 };
const steps = [
  { weight: 20, duration: '2s' },
  { weight: 100, duration: '2s' },
];
type Version = 'stable' | 'canary';

/** Release is one shop with its workloads of one kind. */
interface Release {
  readonly shop: Shop;
  readonly load: Load;
  /** put applies a workload with another image; its pods stay as they are. */
  readonly put: (version: Version, image: string, more?: Partial<Written>) => Promise<void>;
  /** rollOut applies it and makes all its pods ready. */
  readonly rollOut: (version: Version, image: string, more?: Partial<Written>) => Promise<void>;
}

describe.concurrent('releases by workloads', { timeout: 240_000 }, () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await startStage();
    for (const name of ['node-1', 'node-2']) await putNode(stage.cluster, name);
    await stage.startController();
  });
  afterAll(() => stage?.stop());

  /** playing opens a shop with version app:1 on both sides and an applied Rollout that has started nothing, and closes it in the end. */
  async function playing(
    { name, number, kind, spec = {} }: { name: string; number: number; kind: WorkloadKind; spec?: object },
    play: (release: Release) => Promise<void>,
  ): Promise<void> {
    const shop = await openShop(stage, { name, number });
    const load = shop.load(100);
    const written = (version: Version, image: string, more: Partial<Written> = {}): Written => {
      return { namespace: shopNamespace, name: `${name}-${version}`, kind, image, ...more };
    };
    const release: Release = {
      shop,
      load,
      put: (...args) => putWorkload(stage.cluster, written(...args)),
      rollOut: (...args) => rollOutWorkload(stage.cluster, written(...args)),
    };
    try {
      await Promise.all([release.rollOut('stable', 'app:1'), release.rollOut('canary', 'app:1')]);
      const member = (version: Version) => {
        const service = `${name}-${version}`;
        return { service, port: 80, workload: { kind, name: service } };
      };
      await shop.applyRollout({ steps, analysis, stable: member('stable'), canary: member('canary'), ...spec });
      await shop.until('the first look', ({ phase, reason }) => phase === 'Succeeded' && reason === 'Unchanged');
      await play(release);
    } finally {
      await load.stop();
      await shop.stop();
    }
  }

  /** promoted releases app:2 on the canary, and waits until it has everything. */
  async function promoted({ shop, rollOut }: Release): Promise<string> {
    await rollOut('canary', 'app:2');
    await shop.untilAt(100, ({ reason }) => reason === 'Holding');
    return (await shop.status()).promotedRevision ?? '';
  }

  test('a StatefulSet: it waits for the last pod, is promoted, and goes back to stable when that has it too', () =>
    playing({ name: 'sets', number: 1, kind: 'StatefulSet' }, async (release) => {
      const { shop, load, put, rollOut } = release;
      const partition = { type: 'RollingUpdate', rollingUpdate: { partition: 1 } };
      const rolling = { type: 'RollingUpdate', rollingUpdate: { partition: 0 } };
      await put('canary', 'app:2', { strategy: partition });
      const waiting = await shop.until('what keeps an old pod', ({ message = '' }) => message.includes('partition'));
      expect(waiting).toMatchObject({ phase: 'Pending', reason: 'WorkloadRollingOut', weight: 0 });
      expect(waiting.message).toMatch(/^StatefulSet sets-canary is rolling out: [01] of 2 pods are new/);
      await rollOut('canary', 'app:2', { strategy: rolling });
      const held = await shop.untilAt(100, ({ reason }) => reason === 'Holding');
      const hash = (await updateRevisionOf(stage.cluster, { namespace: shopNamespace, name: 'sets-canary' })).slice(
        'sets-canary-'.length,
      );
      expect(hash).not.toBe('');
      expect(held.promotedRevision).toMatch(new RegExp(`^[0-9a-f]{8}-${hash}$`));
      await rollOut('stable', 'app:2');
      await shop.untilAt(0, ({ reason }) => reason === 'Returned');
      expect(load.since(0).failed).toBe(0);
    }));

  test('a DaemonSet: it is promoted, and going back to that revision in the next release is no failure', () =>
    playing({ name: 'daemons', number: 2, kind: 'DaemonSet' }, async (release) => {
      const { shop, load, put, rollOut } = release;
      await put('canary', 'app:2');
      // Before that it may say that the controller has not looked at the newest template yet.
      const told = /^DaemonSet daemons-canary is rolling out: [01] of 2 pods are new/;
      const waiting = await shop.until('the pods', ({ message = '' }) => told.test(message));
      expect(waiting).toMatchObject({ phase: 'Pending', reason: 'WorkloadRollingOut', weight: 0 });
      const revision = await promoted(release);
      await rollOut('stable', 'app:2');
      await shop.untilAt(0, ({ reason }) => reason === 'Returned');
      await rollOut('canary', 'app:3');
      await shop.untilAt(20, (status) => status.revision !== revision);
      await put('canary', 'app:2');
      const reverted = await shop.until('the promoted one', ({ reason }) => reason === 'Reverted');
      expect(reverted).toMatchObject({ phase: 'Succeeded', weight: 0, revision, promotedRevision: revision });
      expect(reverted.failedRevisions).toBeUndefined();
      expect(load.since(0).failed).toBe(0);
    }));

  test('a canary that changes in a Hold is judged by the limits: one that fails sends everybody to stable', () =>
    playing({ name: 'unproven', number: 3, kind: 'StatefulSet' }, async (release) => {
      const { shop, load, rollOut } = release;
      const revision = await promoted(release);
      await rollOut('canary', 'app:3');
      const unproven = await shop.until('the new one', ({ reason }) => reason === 'UnprovenRevision');
      expect(unproven).toMatchObject({ phase: 'Degraded', weight: 100, promotedRevision: revision });
      expect(unproven.revision).not.toBe(revision);
      await shop.until('its first samples', ({ verdict }) => verdict !== undefined);
      expect(await shop.status()).toMatchObject({ reason: 'UnprovenRevision', weight: 100 });

      shop.canary.set({ errorRatio: 1 });
      const failed = await shop.untilAt(0, ({ phase }) => phase === 'Failed');
      expect(failed).toMatchObject({ reason: 'ErrorRatioExceeded', failedRevisions: [unproven.revision] });
      expect(failed.promotedRevision).toBe(revision);
      const mark = load.mark() + 3_000;
      await shop.until('some seconds', () => load.since(mark).total > 100);
      expect(load.since(mark)).toMatchObject({ failed: 0, byVersion: { v1: expect.any(Number) } });
      expect(load.since(mark).byVersion['v2']).toBeUndefined();
    }));

  test('a stable that is only restarted, or goes back on the way, gets no traffic by itself', () =>
    playing({ name: 'reverted', number: 4, kind: 'Deployment' }, async (release) => {
      const { shop, load, rollOut } = release;
      await promoted(release);
      await rollOut('stable', 'app:1', { restart: '2026-11-21T12:00:00Z' });
      await shop.untilAt(100, ({ reason }) => reason === 'StableReverted');
      const slow = [
        { weight: 20, duration: '10m' },
        { weight: 100, duration: '2s' },
      ];
      await shop.applyRollout({ ...(await shop.rollout())?.spec, steps: slow });
      await rollOut('stable', 'app:2');
      await shop.untilAt(80, ({ phase }) => phase === 'Promoting');
      await rollOut('stable', 'app:1');
      const kept = await shop.untilAt(100, ({ reason }) => reason === 'StableReverted');
      expect(kept.message).toMatch(/^The workload of reverted-stable runs again what it ran before the rollout/);
      const mark = load.mark() + 3_000;
      await shop.until('some seconds', () => load.since(mark).total > 100);
      expect(Object.keys(load.since(mark).byVersion)).toEqual(['v2']);
      await shop.command('promote');
      await shop.untilAt(80, ({ phase }) => phase === 'Promoting');
      await shop.command('promote');
      await shop.untilAt(0, ({ reason }) => reason === 'Returned');
      expect(load.since(0).failed).toBe(0);
    }));
});
