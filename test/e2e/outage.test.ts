/** A Prometheus that does not answer for minutes, in the middle of a rollout. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openShop } from '../support/shop.ts';
import { startStage, type Stage } from '../support/stage.ts';

const analysis = { warmup: '0s', pace: 'Time' } as const;

describe('Prometheus away for 3 minutes', { timeout: 560_000 }, () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await startStage();
    await stage.startController();
  });
  afterAll(() => stage?.stop());

  test('holds the rollout, says so once, rolls back nothing, and goes on afterwards', async () => {
    const shop = await openShop(stage, { name: 'away', number: 1 });
    const load = shop.load(150);
    const { pid } = stage.prometheus;
    try {
      const steps = [10, 50, 100].map((weight) => ({ weight, duration: '8s' }));
      const quick = { ...analysis, errorRatio: { maxIncrease: '5pp' } };
      await shop.applyRollout({ steps, analysis: quick, revision: 'r1' });
      await shop.untilAt(10);
      process.kill(pid, 'SIGSTOP');
      const stopped = load.mark();
      const held = await shop.until('the outage to be noticed', ({ verdict }) => verdict === 'NoData');
      expect(held).toMatchObject({ weight: 10, phase: 'Progressing' });
      await expect.poll(() => load.mark() - stopped, { timeout: 200_000, interval: 500 }).toBeGreaterThan(180_000);
      const after = await shop.status();
      expect(after).toMatchObject({ weight: 10, phase: 'Progressing', reason: 'SourceUnreachable' });
      expect(after.history).toEqual((await shop.status()).history);
      process.kill(pid, 'SIGCONT');
      const ended = await shop.until('the rollout to end', ({ phase }) => phase === 'Succeeded', 200_000);
      expect(ended.history?.filter(({ to }) => to === 'Failed' || to === 'RollingBack')).toEqual([]);
      expect(ended.history?.filter(({ reason }) => reason === 'SourceUnreachable')).toHaveLength(1);
      expect(load.since(0).failed).toBe(0);
    } finally {
      process.kill(pid, 'SIGCONT');
      await load.stop();
      await shop.stop();
    }
  });
});
