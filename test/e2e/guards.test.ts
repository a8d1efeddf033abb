/** What happens to the client when pods go away: on either side, with both of Traefik's ways with empty services. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { Load } from '../support/load.ts';
import { openShop, quickSteps, type Shop } from '../support/shop.ts';
import { type Stage, startStage } from '../support/stage.ts';

const entries = async (shop: Shop): Promise<readonly string[]> =>
  ((await shop.route()).spec.routes ?? []).flatMap(({ services = [] }) => services.map(({ name }) => name));

/** atStep starts a rollout and waits until the canary has had traffic at `weight` for a while. */
async function atStep(shop: Shop, load: Load, weight: number): Promise<void> {
  const steps = [{ weight, duration: '10m' }];
  await shop.applyRollout({ ...quickSteps, steps, revision: 'r1' });
  await shop.until(`the canary at ${weight}%`, ({ progress }) => progress?.appliedAt !== undefined);
  await eventually(() => (load.since(load.mark() - 1000).byVersion['v2'] ?? 0) > 0, { describe: 'canary answers' });
}

/** aWhile lets the load run for `ms`; what happened in it is then asserted. */
async function aWhile(load: Load, ms: number): Promise<number> {
  const from = load.mark();
  await eventually(() => load.mark() - from >= ms, { timeoutMs: ms + 5000 });
  return from;
}

describe.each([
  { title: 'with Traefik as it comes (allowEmptyServices=false)', allowEmptyServices: false },
  { title: 'with allowEmptyServices=true', allowEmptyServices: true },
])('canary pods gone in mid-step $title', { timeout: 120_000 }, ({ allowEmptyServices }) => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await startStage({ allowEmptyServices, controllerManager: false });
    await stage.startController();
  });
  afterAll(() => stage?.stop());

  test('is CanaryLost: the entry is removed and stable traffic goes on', async () => {
    const shop = await openShop(stage, { name: 'lost', number: 1 });
    const load = shop.load(200);
    try {
      await atStep(shop, load, 25);
      await aWhile(load, 3000);
      const gone = load.mark();
      await shop.setReady('canary', 'Gone');
      const status = await shop.until('CanaryLost', ({ reason }) => reason === 'CanaryLost');
      expect(status).toMatchObject({ phase: 'Failed', weight: 0, failedRevisions: ['r1'] });
      expect(await entries(shop)).toEqual(['lost-stable']);
      await aWhile(load, 6000);
      const seen = load.since(gone);
      console.log(
        `allowEmptyServices=${allowEmptyServices}: ${seen.failed} of ${seen.total} requests failed, ${JSON.stringify(seen.byStatus)}`,
      );
      const late = load.since(gone + 2_500);
      expect(late.total).toBeGreaterThan(500);
      expect(late.byStatus).toEqual({ 200: late.total });
      if (allowEmptyServices) {
        expect(seen.byStatus[404]).toBeUndefined();
        const early = load.since(gone, gone + 2_500);
        expect(early.failed / early.total).toBeLessThanOrEqual(0.27);
      }
      await shop.setReady('canary', 'Ready');
      await aWhile(load, 2000);
      expect(await shop.status()).toMatchObject({ phase: 'Failed', reason: 'CanaryLost' });
      expect(await entries(shop)).toEqual(['lost-stable']);
    } finally {
      await load.stop();
      await shop.stop();
    }
  });
});

describe('stable without pods', { timeout: 180_000 }, () => {
  let stage: Stage;
  const open: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    stage = await startStage({ controllerManager: false });
    await stage.startController();
  });
  afterEach(async () => {
    for (const part of open.splice(0)) await part.stop();
  });
  afterAll(() => stage?.stop());

  test('the old version scaled to 0 while the canary holds 100 fails no request', async () => {
    const shop = await openShop(stage, { name: 'holds', number: 2 });
    const load = shop.load(200);
    open.push(load, shop);
    await shop.applyRollout({
      ...quickSteps,
      steps: [
        { weight: 50, duration: '1s' },
        { weight: 100, duration: '1s' },
      ],
      revision: 'r1',
    });
    await shop.until('the promotion', ({ phase }) => phase === 'Succeeded');
    expect(await entries(shop)).toEqual(['holds-canary']);
    const before = load.mark();
    await shop.setReady('stable', 'Gone');
    await aWhile(load, 5000);
    expect(load.since(before).byStatus).toEqual({ 200: load.since(before).total });
    expect(load.since(0).failed).toBe(0);
    expect(await shop.status()).toMatchObject({ phase: 'Succeeded', reason: 'Holding', weight: 100 });
  });

  test('a rollback with zero ready stable pods leaves the traffic to the canary until one is ready', async () => {
    const shop = await openShop(stage, { name: 'empty', number: 3 });
    const load = shop.load(200);
    open.push(load, shop);
    await atStep(shop, load, 50);
    await shop.setReady('stable', 'NotReady');
    await shop.until('the stand-in', ({ reason, weight }) => reason === 'StableUnavailable' && weight === 100);
    expect(await entries(shop)).toEqual(['empty-canary']);
    const onlyCanary = (): boolean => {
      const { total, byVersion } = load.since(load.mark() - 1000);
      return total > 0 && byVersion['v2'] === total;
    };
    await eventually(onlyCanary, { describe: 'the canary to answer everybody' });
    await shop.command('abort');
    const waiting = await shop.until('the waiting rollback', ({ progress }) => progress?.direction === 'Back');
    expect(waiting).toMatchObject({ phase: 'Degraded', reason: 'StableUnavailable' });
    const meanwhile = await aWhile(load, 4000);
    const seen = load.since(meanwhile);
    expect(seen.byVersion).toEqual({ v2: seen.total });
    expect(seen.failed).toBe(0);
    await shop.setReady('stable', 'Ready');
    await shop.until('the rollback', ({ phase }) => phase === 'Failed');
    expect(await shop.status()).toMatchObject({ reason: 'Aborted', weight: 0, failedRevisions: ['r1'] });
    expect(await entries(shop)).toEqual(['empty-stable']);
    const back = await aWhile(load, 6000);
    const after = load.since(back + 3000);
    expect(after.byVersion).toEqual({ v1: after.total });
  });
});
