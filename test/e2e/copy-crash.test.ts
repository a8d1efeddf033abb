/** The controller is killed by SIGKILL in front of each write of a Copy; the end must be as without. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { app, becomeReady, grantCopy, images, pair, readWorkload, rollOut } from '../support/copies.ts';
import { type Gate, type Passage, startGate } from '../support/gate.ts';
import { openShop, type Shop } from '../support/shop.ts';
import { type Controller, type Stage, startStage } from '../support/stage.ts';

const spec = {
  steps: [{ weight: 100, duration: '0s' }],
  analysis: { mode: 'Disabled' },
  promotion: { mode: 'Copy' },
};

/** writeOf names what a write of the controller changes, and status by the reason that it gets; other writes have no name. */
function writeOf(shop: string, { path, body }: Passage): string | undefined {
  const [, kind] = new RegExp(`/(rollouts|ingressroutes|deployments)/${shop}(-stable)?([/?]|$)`).exec(path) ?? [];
  if (kind === undefined) return undefined;
  const [, reason] = path.includes('/status') ? (/"reason":"(\w+)","message"/.exec(body) ?? []) : [];
  return [kind, reason].filter((part) => part !== undefined).join(' ');
}

describe('the controller killed in a Copy', { timeout: 240_000 }, () => {
  let stage: Stage;
  let gate: Gate;
  let kubeconfig: string;
  let controller: Controller | undefined;
  let restarting = Promise.resolve();

  beforeAll(async () => {
    stage = await startStage();
    await grantCopy(stage);
    gate = await startGate(stage.cluster);
    kubeconfig = await gate.kubeconfig(await stage.cluster.serviceAccountToken('sluice-system', 'sluice'));
    await start();
  });
  afterAll(async () => {
    await gate?.stop();
    await stage?.stop();
  });

  async function start(): Promise<void> {
    controller = await stage.startController({ kubeconfig });
  }

  /** killAt kills the controller in front of one write of a shop, and starts it again. */
  function killAt(shop: string, write: string): Promise<unknown> {
    const strike = async (): Promise<void> => {
      const before = restarting;
      const done = Promise.withResolvers<void>();
      restarting = done.promise;
      await before;
      await controller?.kill();
      start().then(done.resolve, done.reject);
    };
    return gate.closeAt((passage) => writeOf(shop, passage) === write, strike);
  }

  /** open prepares a shop whose canary is newer than its stable. */
  async function open(name: string, number: number): Promise<Shop> {
    const shop = await openShop(stage, { name, number });
    await rollOut(stage, { name: `${name}-stable`, track: 'stable', template: app('app:1') });
    await rollOut(stage, { name: `${name}-canary`, track: 'canary', template: app('app:2') });
    return shop;
  }

  /** perform runs one release to its end, and returns what must not depend on crashes. */
  async function perform(shop: Shop): Promise<object> {
    const { name } = shop;
    const before = JSON.stringify((await shop.route()).spec);
    await shop.applyRollout({ ...pair(shop), ...spec });
    await shop.until('the copy', ({ copy }) => copy?.template !== undefined, 120_000);
    expect(await images(stage, `${name}-stable`)).toEqual(['app:2']);
    await becomeReady(stage, `${name}-stable`);
    await shop.until('the return', ({ reason }) => reason === 'Returned', 120_000);
    const { phase, reason, weight, promotedRevision, revision, failedRevisions, copy, history } = await shop.status();
    const stable = await readWorkload(stage, `${name}-stable`);
    expect(JSON.stringify((await shop.route()).spec)).toBe(before);
    return {
      status: { phase, reason, weight, failedRevisions, copy, isPromoted: promotedRevision === revision },
      reasons: history?.map((entry) => entry.reason),
      // The API server counts each change of a spec: one when it was created, one by the copy.
      generation: stable.metadata.generation,
    };
  }

  test('in front of each write: the template is written once, and the end is the same', async () => {
    const writes: string[] = [];
    // The trap of a write that never comes sees all that do.
    void gate.closeAt(
      (passage) => {
        const write = writeOf('calm', passage);
        if (write !== undefined && !writes.includes(write)) writes.push(write);
        return false;
      },
      () => Promise.resolve(),
    );
    const calm = await perform(await open('calm', 1));
    expect(calm).toMatchObject({
      status: { phase: 'Succeeded', reason: 'Returned', weight: 0, isPromoted: true },
      generation: 2,
    });
    const copying = writes.slice(writes.indexOf('rollouts Copying'));
    expect(copying).toEqual(['rollouts Copying', 'deployments', 'rollouts Copied', 'rollouts Returned']);

    const kills = [...copying, 'ingressroutes'];
    const shops = await Promise.all(kills.map((_, index) => open(`kill-${index}`, index + 2)));
    const ends = await Promise.all(
      shops.map(async (shop, index) => {
        const write = kills[index] ?? '';
        // The first write of the route is the raise; the one that matters here comes when stable is ready.
        const isReturn = write === 'ingressroutes';
        const killed = isReturn ? undefined : killAt(shop.name, write);
        const returning = isReturn
          ? shop
              .until('the copy', ({ copy }) => copy?.template !== undefined, 120_000)
              .then(() => killAt(shop.name, write))
          : killed;
        const end = await perform(shop);
        await returning;
        return end;
      }),
    );
    for (const [index, end] of ends.entries())
      expect({ write: kills[index], ...end }).toEqual({ write: kills[index], ...calm });
    await Promise.all(shops.map((shop) => shop.stop()));
  });
});
