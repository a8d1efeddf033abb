/** The judge on real traffic: what it takes back, and what it leaves alone. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openShop, type Shop } from '../support/shop.ts';
import { startStage, type Stage } from '../support/stage.ts';

const analysis = { warmup: '0s', pace: 'Time' } as const;
/** A long first step: what happens in it is the judge's doing alone. */
const longStep = { steps: [{ weight: 20, duration: '10m' }], analysis } as const;

describe('the judge on real traffic', { timeout: 400_000 }, () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await startStage();
    await stage.startController();
  });
  afterAll(() => stage?.stop());

  /** during opens a shop with traffic, and closes both. */
  async function during(
    options: { readonly name: string; readonly number: number; readonly requestsPerSecond: number },
    story: (shop: Shop) => Promise<void>,
  ): Promise<void> {
    const shop = await openShop(stage, options);
    const load = shop.load(options.requestsPerSecond);
    try {
      await story(shop);
    } finally {
      await load.stop();
      await shop.stop();
    }
  }

  test('errors that rise from 0.5 % to 5 % on the canary are rolled back, and the status says why', async () => {
    await during({ name: 'errors', number: 1, requestsPerSecond: 300 }, async (shop) => {
      shop.stable.set({ errorRatio: 0.005 });
      shop.canary.set({ errorRatio: 0.05 });
      await shop.applyRollout({ ...longStep, revision: 'r1' });
      const status = await shop.until('the rollback', ({ phase }) => phase === 'Failed', 120_000);
      expect(status).toMatchObject({ reason: 'MoreErrors', weight: 0, failedRevisions: ['r1'] });
      const sentence =
        / Canary \d+\/\d+ bad \(\d+\.\d\d%\), stable \d+\/\d+ \(0\.\d\d%\)\. Excess \S+ points \(95%, tolerated \+0\.5\)/;
      expect(status.message).toMatch(sentence);
      const passing = status.conditions?.find(({ type }) => type === 'AnalysisPassing');
      expect(passing).toMatchObject({ status: 'False', reason: 'MoreErrors' });
    });
  });

  test('durations that double on the canary are rolled back', async () => {
    await during({ name: 'slow', number: 2, requestsPerSecond: 200 }, async (shop) => {
      shop.stable.set({ latencyMs: 60 });
      shop.canary.set({ latencyMs: 120 });
      await shop.applyRollout({ ...longStep, revision: 'r1' });
      const status = await shop.until('the rollback', ({ phase }) => phase === 'Failed', 120_000);
      expect(status).toMatchObject({ reason: 'Slower', weight: 0 });
    });
  });

  test('an incident that both share rolls back nothing', async () => {
    await during({ name: 'shared', number: 3, requestsPerSecond: 300 }, async (shop) => {
      await shop.applyRollout({ ...longStep, revision: 'r1' });
      await shop.untilAt(20);
      shop.stable.set({ errorRatio: 0.3 });
      shop.canary.set({ errorRatio: 0.3 });
      const status = await shop.until(
        'a thousand bad answers to be judged',
        ({ phase, analysis: seen }) => phase !== 'Progressing' || (seen?.stable.errors ?? 0) >= 1_000,
        120_000,
      );
      expect(status).toMatchObject({ phase: 'Progressing', weight: 20 });
      expect(status.analysis?.canary.errors).toBeGreaterThan(100);
      shop.stable.set({ errorRatio: 0 });
      shop.canary.set({ errorRatio: 0 });
    });
  });

  test('a canary that is proven safe leaves its steps early, and one that is not waits before 100 %', async () => {
    await during({ name: 'early', number: 4, requestsPerSecond: 300 }, async (shop) => {
      const steps = [20, 50, 100].map((weight) => ({ weight, duration: weight === 100 ? '3s' : '10m' }));
      await shop.applyRollout({
        steps,
        analysis: { warmup: '0s', minStep: '5s', errorRatio: { maxIncrease: '5pp' }, latency: { maxIncrease: '100%' } },
        revision: 'r1',
      });
      const status = await shop.until('the rollout to end', ({ phase }) => phase === 'Succeeded', 300_000);
      expect(status).toMatchObject({ reason: 'Holding', weight: 100 });
      const [first, second] = (status.history ?? []).filter(({ reason }) => reason === 'StepStarted');
      expect(Date.parse(second?.time ?? '') - Date.parse(first?.time ?? '')).toBeGreaterThanOrEqual(10_000);
    });
    await during({ name: 'unproven', number: 5, requestsPerSecond: 20 }, async (shop) => {
      const steps = [
        { weight: 10, duration: '5s' },
        { weight: 20, duration: '5s' },
      ];
      const unprovable = { ...analysis, errorRatio: { maxIncrease: '0.01pp' }, minRequests: 1 };
      await shop.applyRollout({ steps, analysis: unprovable, revision: 'r1' });
      const status = await shop.until(
        'the last gate',
        ({ weight, reason }) => weight === 20 && reason === 'NotProvenYet',
      );
      expect(status.phase).toBe('Progressing');
    });
  });
});
