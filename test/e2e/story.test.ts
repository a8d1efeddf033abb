/** The two stories of the README, through a real Traefik and through Sluice's own proxy: a good release goes all the way, a bad one is taken back. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RolloutStatus } from '../../src/api/rollout-status.ts';
import type { Controller, Stage } from '../support/stage.ts';
import { shopNamespace, startStage } from '../support/stage.ts';
import { openShop, storySteps } from '../support/shop.ts';
import type { Load, Mark } from '../support/load.ts';

/** Window is a time in which the route had one weight, without the seconds in which Traefik was still reloading. */
interface Window {
  readonly weight: number;
  readonly from: Mark;
  readonly until: Mark;
}

const asInstalled = ['--leader-elect=true', '--lease-namespace=sluice-system'];

/** Traefik takes up to 2 s to load a route; a busy machine gets as much again. */
const reloadMs = 4_000;

/**
 * windowsOf reads from the history when each weight began and ended: what this process saw, and when, would be late
 * whenever the machine lets it wait.
 */
function windowsOf({ history = [] }: RolloutStatus, load: Load): readonly Window[] {
  const changes = history.filter(({ weight }, index) => weight > 0 && weight !== history[index - 1]?.weight);
  return changes.map(({ weight, time }, index) => {
    const next = changes[index + 1] ?? history.at(-1);
    return {
      weight,
      from: load.markAt(Date.parse(time)) + reloadMs,
      until: load.markAt(Date.parse(next?.time ?? time)),
    };
  });
}

describe.each(['Traefik', 'Proxy'] as const)('a release through %s', { timeout: 400_000 }, (dataPlane) => {
  let stage: Stage;
  let controller: Controller;

  beforeAll(async () => {
    stage = await startStage({ dataPlane });
    controller = await stage.startController({ args: asInstalled });
  });
  afterAll(() => stage?.stop());

  test('a good one gets the share that its step says, ends Succeeded, and no request fails', async () => {
    const shop = await openShop(stage, { name: 'good', number: 1 });
    const load = shop.load(300);
    try {
      await shop.applyRollout({ ...storySteps, revision: '2026.11.3' });
      const ended = await shop.until('the rollout to end', ({ phase }) => phase === 'Succeeded', 270_000);
      const windows = windowsOf(ended, load);
      expect(windows.map(({ weight }) => weight)).toEqual([5, 25, 50, 100]);
      for (const { weight, from, until } of windows) {
        const seen = load.since(from, until);
        expect(seen.total, `requests at ${weight}%`).toBeGreaterThanOrEqual(1_000);
        const share = (100 * (seen.byVersion['v2'] ?? 0)) / seen.total;
        expect(Math.abs(share - weight), `share ${share}% at ${weight}%`).toBeLessThanOrEqual(2);
      }
      const status = await shop.status();
      expect(status).toMatchObject({
        phase: 'Succeeded',
        reason: 'Holding',
        weight: 100,
        promotedRevision: '2026.11.3',
      });
      expect(load.since(0).failed).toBe(0);
      expect(await stage.cluster.kubectl(['-n', shopNamespace, 'get', 'slr', 'good'])).toMatch(
        /good +Succeeded +100 +[0-9.]+% +Pass +2026\.11\.3/,
      );
    } finally {
      await load.stop();
      await shop.stop();
    }
  });

  test('a bad one is rolled back, the client sees no canary 5 s later, and the revision is not tried again', async () => {
    const shop = await openShop(stage, { name: 'bad', number: 2 });
    const before = (await shop.route()).spec;
    shop.canary.set({ errorRatio: 0.2 });
    const load = shop.load(300);
    try {
      await shop.applyRollout({ ...storySteps, revision: '2026.11.4' });
      const status = await shop.until('the rollback', ({ phase }) => phase === 'Failed');
      const rolledBack = load.mark();
      expect(status).toMatchObject({ reason: 'MoreErrors', weight: 0, failedRevisions: ['2026.11.4'] });
      expect(status.message).toMatch(
        /^The canary has more errors than stable and the margin together\. Canary \d+\/\d+ bad \(\d+\.\d\d%\), stable 0\/\d+ \(0%\)\. Excess [+-]?[\d.]+\.\.\+[\d.]+ points \(95%, tolerated \+0\.5\)\./,
      );
      expect((await shop.route()).spec).toEqual(before);
      const described = await stage.cluster.kubectl(['-n', shopNamespace, 'describe', 'slr', 'bad']);
      expect(described).toContain('MoreErrors');
      expect(described).toMatch(/Warning +MoreErrors .*Canary \d+\/\d+ bad/);
      await expect.poll(() => load.mark() - rolledBack, { timeout: 20_000, interval: 200 }).toBeGreaterThan(9_000);
      const after = load.since(rolledBack + 5_000);
      expect(after.total).toBeGreaterThan(1_000);
      expect(after.byVersion).toEqual({ v1: after.total });
      expect(after.failed).toBe(0);
      await controller.stop();
      controller = await stage.startController({ args: asInstalled });
      await expect.poll(() => load.mark() - rolledBack, { timeout: 30_000, interval: 200 }).toBeGreaterThan(14_000);
      expect(await shop.status()).toMatchObject({ phase: 'Failed', weight: 0 });
      expect(load.since(rolledBack + 5_000).byVersion['v2']).toBeUndefined();
    } finally {
      await load.stop();
      await shop.stop();
    }
  });
});
