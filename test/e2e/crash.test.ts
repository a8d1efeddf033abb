/** The controller is killed by SIGKILL at the worst moments; what follows must be as if nothing had happened. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type Gate, startGate, type Passage } from '../support/gate.ts';
import { openShop, quickSteps, type Shop } from '../support/shop.ts';
import { type Controller, shopNamespace, type Stage, startStage } from '../support/stage.ts';
import { excesses, recordTimeline, type Timeline, weightsOf } from '../support/timeline.ts';

const steps = [
  { weight: 10, duration: '2s' },
  { weight: 40, duration: '2s' },
  { weight: 100, duration: '2s' },
];
const analysis = { ...quickSteps.analysis, minRequests: 20 };
const isStatusPatch = ({ path }: Passage): boolean => /\/rollouts\/[^/]+\/status\b/.test(path);
const isRoutePatch = ({ path }: Passage): boolean => /\/ingressroutes\//.test(path);

describe('the controller killed', { timeout: 180_000 }, () => {
  let stage: Stage;
  let gate: Gate;
  let kubeconfig: string;
  let controller: Controller | undefined;

  beforeAll(async () => {
    stage = await startStage({ controllerManager: false });
    gate = await startGate(stage.cluster);
    kubeconfig = await gate.kubeconfig(await stage.cluster.serviceAccountToken('sluice-system', 'sluice'));
  });
  afterAll(async () => {
    await gate?.stop();
    await stage?.stop();
  });

  const start = async (): Promise<void> => {
    controller = await stage.startController({ kubeconfig });
  };
  const kill = async (): Promise<void> => {
    await controller?.kill();
    controller = undefined;
  };

  /** perform runs one rollout under load with `disturb` going on, and returns what was recorded. */
  async function perform(
    shop: Shop,
    options: { revision: string; end: string; disturb: (timeline: Timeline) => Promise<void> },
  ): Promise<Timeline> {
    const timeline = await recordTimeline(stage.cluster, { namespace: shopNamespace, name: shop.name });
    const load = shop.load(200);
    try {
      await start();
      const disturbed = options.disturb(timeline);
      await shop.applyRollout({ steps, analysis, revision: options.revision });
      await disturbed;
      const ended = await shop.until('the end', ({ phase }) => phase === 'Succeeded' || phase === 'Failed', 120_000);
      expect(ended.phase, ended.message).toBe(options.end);
      await eventually(() =>
        timeline.moments().some((moment) => moment.kind === 'Status' && moment.status.phase === options.end),
      );
      return timeline;
    } finally {
      await load.stop();
      await timeline.stop();
      await kill();
    }
  }

  /** killAt kills the controller instead of its first write that matches, and starts another one. */
  async function killAt(matches: (passage: Passage) => boolean): Promise<void> {
    await gate.closeAt(matches, kill);
    await start();
  }

  test.each([10, 40, 100])('between the two writes of the raise to %i: the raise is made once', async (weight) => {
    const shop = await openShop(stage, { name: `raise-${weight}`, number: 1 });
    try {
      const isRaise = (passage: Passage): boolean => isRoutePatch(passage) && raisesTo(passage, weight);
      const timeline = await perform(shop, { revision: 'r1', end: 'Succeeded', disturb: () => killAt(isRaise) });
      expect(weightsOf(timeline.moments())).toEqual([10, 40, 100]);
      expect(excesses(timeline.moments())).toEqual([]);
      const status = await shop.status();
      // A raise that is made up for is no correction of somebody else's write.
      expect(status.target?.corrections).toBeUndefined();
      expect(status.history?.map((entry) => entry.weight).filter((one, index, all) => one !== all[index - 1])).toEqual([
        0, 10, 40, 100,
      ]);
    } finally {
      await shop.stop();
    }
  });

  test('between the two writes of a rollback: the canary stays out and the revision has failed', async () => {
    const shop = await openShop(stage, { name: 'rollback', number: 2 });
    shop.canary.set({ errorRatio: 1 });
    try {
      // Whatever their order is: the second one is what must not get lost.
      const begun = new Set<string>();
      const isSecond = (passage: Passage): boolean => {
        if (isRoutePatch(passage) && passage.body.includes('"op":"remove"')) begun.add('Route');
        else if (isStatusPatch(passage) && passage.body.includes('"phase":"Failed"')) begun.add('Status');
        else return false;
        return begun.size === 2;
      };
      const timeline = await perform(shop, { revision: 'r1', end: 'Failed', disturb: () => killAt(isSecond) });
      expect(weightsOf(timeline.moments())).toEqual([10, 0]);
      expect(excesses(timeline.moments())).toEqual([]);
      expect(await shop.status()).toMatchObject({ phase: 'Failed', weight: 0, failedRevisions: ['r1'] });
    } finally {
      await shop.stop();
    }
  });

  test('at ten random moments of one rollout: no step is repeated or skipped, and the end is the same', async () => {
    const shop = await openShop(stage, { name: 'random', number: 3 });
    try {
      const disturb = async (): Promise<void> => {
        for (let round = 0; round < 10; round += 1) {
          const waitMs = 200 + Math.random() * 2_500;
          const killedAt = performance.now() + waitMs;
          await eventually(() => performance.now() >= killedAt, { timeoutMs: 10_000, intervalMs: 5 });
          await kill();
          await start();
        }
      };
      const timeline = await perform(shop, { revision: 'r1', end: 'Succeeded', disturb });
      expect(weightsOf(timeline.moments())).toEqual([10, 40, 100]);
      expect(excesses(timeline.moments())).toEqual([]);
    } finally {
      await shop.stop();
    }
  });
});

/** raisesTo tells whether a patch of the route gives the canary `weight`; at 100 it takes stable's entry out. */
function raisesTo({ body }: Passage, weight: number): boolean {
  if (weight === 100) return body.includes('"op":"remove"');
  return body.includes(`"weight":${weight}`) || body.includes(`"value":${weight}`);
}
