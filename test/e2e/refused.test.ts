/** Writes that fail in mid-rollout: a right that is taken away and given back, and a controller killed while it answers a command. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type Gate, type Passage, startGate } from '../support/gate.ts';
import { quickSteps, type Shop } from '../support/shop.ts';
import { expectShare } from '../support/share.ts';
import { type Controller, type Stage, startStage } from '../support/stage.ts';
import { excesses, untilWeights } from '../support/timeline.ts';
import { openWatchedShop, type WatchedShop } from '../support/watched-shop.ts';

const analysis = { ...quickSteps.analysis, minRequests: 20 };

describe('a rollout whose writes fail', { timeout: 240_000 }, () => {
  let stage: Stage;
  let gate: Gate;
  let kubeconfig: string;
  let controller: Controller | undefined;
  const open: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    stage = await startStage({ controllerManager: false });
    gate = await startGate(stage.cluster);
    kubeconfig = await gate.kubeconfig(await stage.cluster.serviceAccountToken('sluice-system', 'sluice'));
    controller = await stage.startController({ kubeconfig });
  });
  afterAll(async () => {
    for (const part of open.splice(0).toReversed()) await part.stop();
    await gate?.stop();
    await stage?.stop();
  });

  const openWatched = (name: string, number: number): Promise<WatchedShop> =>
    openWatchedShop(stage, { name, number, rps: 50 }, open);

  interface Rule {
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }

  /** mayPatchRoutes gives the controller the right to write routes, or takes it. */
  async function mayPatchRoutes(isAllowed: boolean): Promise<void> {
    const path = '/apis/rbac.authorization.k8s.io/v1/clusterroles/sluice-controller';
    const { body } = await stage.cluster.api('GET', path);
    const { rules } = body as { readonly rules: readonly Rule[] };
    const changed = rules.map((rule) => {
      if (!rule.resources.includes('ingressroutes')) return rule;
      const verbs = rule.verbs.filter((verb) => verb !== 'patch');
      return { ...rule, verbs: isAllowed ? [...verbs, 'patch'] : verbs };
    });
    const answer = await stage.cluster.api('PATCH', path, { rules: changed }, 'application/merge-patch+json');
    expect(answer.status).toBe(200);
  }

  test('for want of a right keeps its weight, is given up after its deadline, and goes on where the right comes back before', async () => {
    const [late, soon] = await Promise.all([openWatched('late', 1), openWatched('soon', 2)]);
    const steps = [
      { weight: 20, duration: '3s' },
      { weight: 50, duration: '10m' },
    ];
    await late.shop.applyRollout({ steps, analysis, progressDeadline: '8s', revision: 'r1' });
    await soon.shop.applyRollout({ steps, analysis, progressDeadline: '10m', revision: 'r1' });
    await Promise.all([late.shop.untilAt(20), soon.shop.untilAt(20)]);
    await mayPatchRoutes(false);
    for (const { shop } of [late, soon]) {
      const { message } = await shop.until('the refusal', ({ reason }) => reason === 'RouteNotWritten');
      expect(message).toMatch(/^IngressRoute \w+ does not take the canary's 50%: .*forbidden/);
    }
    const givenUp = async (): Promise<void> => {
      await late.shop.until(
        'the deadline',
        ({ phase, reason }) => phase === 'RollingBack' && reason === 'ProgressDeadlineExceeded',
      );
      // It can neither go on nor back; commands are answered all the same.
      await late.shop.command('promote');
      await eventually(
        async () => (await late.shop.rollout())?.metadata.annotations?.['sluice.dev/command'] === undefined,
        {
          timeoutMs: 40_000,
          describe: 'the promote to be answered',
        },
      );
    };
    await Promise.all([givenUp(), expectShare(late.load, 20), expectShare(soon.load, 20)]);
    await mayPatchRoutes(true);
    await late.shop.until('the rollback', ({ phase }) => phase === 'Failed', 90_000);
    expect(await late.shop.status()).toMatchObject({ reason: 'ProgressDeadlineExceeded', failedRevisions: ['r1'] });
    await soon.shop.untilAt(50);
    await Promise.all([expectShare(late.load, 0), expectShare(soon.load, 50)]);
    for (const { timeline, load } of [late, soon]) {
      expect(excesses(timeline.moments())).toEqual([]);
      expect(load.since(0).failed).toBe(0);
    }
    await untilWeights(late.timeline, [20, 0]);
    await untilWeights(soon.timeline, [20, 50]);
  });

  /** killAt gives a promote, kills the controller instead of its first write that `isStruck`, and starts another one. */
  async function killAt(shop: Shop, isStruck: (passage: Passage) => boolean): Promise<void> {
    const struck = gate.closeAt(isStruck, async () => {
      await controller?.kill();
      controller = undefined;
    });
    await shop.command('promote', 'alice');
    await struck;
    controller = await stage.startController({ kubeconfig });
  }

  test('carries a command out once where the controller is killed before it has stored that it did, or before it has removed it', async () => {
    const [unstored, unremoved] = await Promise.all([openWatched('unstored', 3), openWatched('unremoved', 4)]);
    const all = [unstored, unremoved];
    const steps = [20, 40, 60].map((weight) => ({ weight, duration: '10m' }));
    for (const { shop } of all) await shop.applyRollout({ steps, analysis, revision: 'r1' });
    await Promise.all(all.map(({ shop }) => shop.untilAt(20)));
    const isStored = ({ path, body }: Passage): boolean =>
      path.includes('/rollouts/unstored/status') && body.includes('handledCommand');
    await killAt(unstored.shop, isStored);
    const isRemoved = ({ path, body }: Passage): boolean =>
      path.includes('/rollouts/unremoved') && body.includes('sluice.dev~1command');
    await killAt(unremoved.shop, isRemoved);
    for (const { shop } of all) {
      const { history } = await shop.untilAt(40);
      await eventually(async () => (await shop.rollout())?.metadata.annotations?.['sluice.dev/command'] === undefined);
      expect(history?.filter(({ reason }) => reason === 'Promoted').map(({ who }) => who)).toEqual(['alice']);
    }
    await Promise.all(all.map(({ load }) => expectShare(load, 40)));
    for (const { timeline, load } of all) {
      await untilWeights(timeline, [20, 40]);
      expect(excesses(timeline.moments())).toEqual([]);
      expect(load.since(0).failed).toBe(0);
    }
  });
});
