/** Two services that take turns, on real servers: releases one after the other, a bad one, and a controller that is killed. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { RolloutStatus } from '../../src/api/rollout-status.ts';
import type { RouteService } from '../../src/api/traefik.ts';
import { eventually } from '../support/eventually.ts';
import { type Gate, type Passage, startGate } from '../support/gate.ts';
import { putDeployment, rollOutDeployment } from '../support/objects.ts';
import { openShop, quickSteps, type Shop } from '../support/shop.ts';
import { type Controller, shopNamespace, type Stage, startStage } from '../support/stage.ts';
import { recordTimeline, type Moment } from '../support/timeline.ts';

const steps = [
  { weight: 20, duration: '2s' },
  { weight: 100, duration: '2s' },
];
const analysis = { ...quickSteps.analysis, minRequests: 20 };
const program = path.join(fileURLToPath(new URL('../..', import.meta.url)), 'src/main.ts');
type Arm = 'stable' | 'canary';

describe('two services that take turns', { timeout: 240_000 }, () => {
  let stage: Stage;
  let gate: Gate;
  let kubeconfig: string;
  let controller: Controller | undefined;
  const open: { stop(): Promise<void> }[] = [];

  const start = async (): Promise<void> => {
    controller = await stage.startController({ kubeconfig });
  };
  const kill = async (): Promise<void> => {
    await controller?.kill();
    controller = undefined;
  };
  beforeAll(async () => {
    stage = await startStage();
    gate = await startGate(stage.cluster);
    kubeconfig = await gate.kubeconfig(await stage.cluster.serviceAccountToken('sluice-system', 'sluice'));
    await start();
  });
  afterEach(async () => {
    for (const part of open.splice(0).toReversed()) await part.stop();
  });
  afterAll(async () => {
    await kill();
    await gate?.stop();
    await stage?.stop();
  });

  const rollOut = async (shop: Shop, arm: Arm, image: string): Promise<void> => {
    const id = { namespace: shopNamespace, name: `${shop.name}-${arm}` };
    await putDeployment(stage.cluster, { ...id, image });
    await rollOutDeployment(stage.cluster, id);
  };
  const member = ({ name }: Shop, arm: Arm): object => ({
    service: `${name}-${arm}`,
    port: 80,
    workload: { kind: 'Deployment', name: `${name}-${arm}` },
  });

  /** openPair opens a shop whose stable service is live and whose idle one runs the same image. */
  async function openPair(name: string, number: number, services: readonly RouteService[]): Promise<Shop> {
    const shop = await openShop(stage, { name, number, services });
    open.push(shop);
    for (const arm of ['stable', 'canary'] as const) await rollOut(shop, arm, 'app:1');
    const pair = { stable: member(shop, 'stable'), canary: member(shop, 'canary') };
    await shop.applyRollout({ steps, analysis, promotion: { mode: 'Swap' }, ...pair });
    const seen = await shop.until('the first look', ({ phase }) => phase === 'Succeeded');
    expect(seen).toMatchObject({ reason: 'Unchanged', liveService: `${name}-stable`, weight: 0 });
    return shop;
  }

  /** sluice runs the program as a person does. */
  async function sluice(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const { adminKubeconfigFile } = stage.cluster;
    const all = [program, ...args, '-n', shopNamespace, '--kubeconfig', adminKubeconfigFile];
    try {
      return { code: 0, ...(await promisify(execFile)(process.execPath, all)) };
    } catch (error) {
      return error as { code: number; stdout: string; stderr: string };
    }
  }
  const idleOf = async (shop: Shop): Promise<string> =>
    (await sluice('get', '--idle', shop.name, '-o', 'name')).stdout.trim();

  /** swapTo releases an image to one of the two and waits until its service is the live one, at rest. */
  async function swapTo(shop: Shop, arm: Arm, image: string): Promise<RolloutStatus> {
    await rollOut(shop, arm, image);
    const live = `${shop.name}-${arm}`;
    const isThere = ({ reason, liveService, target }: RolloutStatus): boolean =>
      reason === 'Swapped' && liveService === live && target === undefined;
    return shop.until(`the turn of ${live}`, isThere, 120_000);
  }
  const servicesOf = async (shop: Shop): Promise<readonly RouteService[] | undefined> =>
    (await shop.route()).spec.routes?.[0]?.services;

  test('swap twice under load without a failed request, and a bad third release goes back to the live one', async () => {
    const sticky = { cookie: { name: 'turn' } };
    const services = [{ name: 'turns-stable', port: 80, sticky }];
    const shop = await openPair('turns', 1, services);
    const timeline = await recordTimeline(stage.cluster, { namespace: shopNamespace, name: 'turns' });
    const load = shop.load(150);
    open.push(timeline, load);
    expect(await idleOf(shop)).toBe('deployment/turns-canary');

    const first = await swapTo(shop, 'canary', 'app:2');
    expect(first).toMatchObject({ phase: 'Succeeded', weight: 0, promotedRevision: first.revision });
    expect(await servicesOf(shop)).toEqual([{ name: 'turns-canary', port: 80, sticky }]);
    expect(await idleOf(shop)).toBe('deployment/turns-stable');
    const table = await stage.cluster.kubectl(['-n', shopNamespace, 'get', 'slr', 'turns', '-o', 'wide']);
    expect(table).toMatch(/LIVE\s+AGE\n.* turns-canary /);
    await onlyAnswers(shop, load.mark(), 'v2', load);

    shop.stable.set({ version: 'v3' });
    const second = await swapTo(shop, 'stable', 'app:3');
    expect(second.idle?.revision).toBe(first.promotedRevision);
    expect(await servicesOf(shop)).toEqual(services);
    expect(await idleOf(shop)).toBe('deployment/turns-canary');
    await onlyAnswers(shop, load.mark(), 'v3', load);
    const { byVersion, failed } = load.since(0);
    expect(failed).toBe(0);
    expect(Object.keys(byVersion).toSorted()).toEqual(['v1', 'v2', 'v3']);

    shop.canary.set({ version: 'v4', errorRatio: 1 });
    const mark = load.mark();
    await rollOut(shop, 'canary', 'app:4');
    const status = await shop.until('the rollback', ({ phase }) => phase === 'Failed', 120_000);
    expect(status).toMatchObject({ weight: 0, liveService: 'turns-stable' });
    await eventually(async () => JSON.stringify(await servicesOf(shop)) === JSON.stringify(services));
    await onlyAnswers(shop, load.mark(), 'v3', load);
    const third = load.since(mark);
    expect(third.failed).toBe(third.byVersion['v4']);
    expect(third.failed).toBeLessThan(third.total / 2);
    expect(await idleOf(shop)).toBe('deployment/turns-canary');
    expect(exposures(timeline.moments(), 'turns')).toEqual([]);
  });

  test('end the same where the controller is killed between the writes of a swap', async () => {
    const services = [{ name: 'cut-stable', port: 80 }];
    const shop = await openPair('cut', 2, services);
    const timeline = await recordTimeline(stage.cluster, { namespace: shopNamespace, name: 'cut' });
    const load = shop.load(150);
    open.push(timeline, load);
    const isOfCut = ({ path: url }: Passage): boolean => /\/cut(\/status)?(\?|$)/.test(url);
    const isSwap = (passage: Passage): boolean => isOfCut(passage) && passage.body.includes('"Swapped"');
    const isRoute = (passage: Passage): boolean => isOfCut(passage) && passage.path.includes('/ingressroutes/');
    const isStatus = (passage: Passage): boolean => isOfCut(passage) && passage.path.includes('/status');

    const killed = (async () => {
      await gate.closeAt(isSwap, kill);
      const routeWrite = gate.closeAt(isRoute, kill);
      await start();
      await routeWrite;
      const lastWrite = gate.closeAt(isStatus, kill);
      await start();
      await lastWrite;
      expect(await servicesOf(shop)).toEqual([{ name: 'cut-canary', port: 80 }]);
      await start();
    })();
    await rollOut(shop, 'canary', 'app:2');
    await killed;
    const status = await swapTo(shop, 'canary', 'app:2');
    expect(status.history?.filter(({ reason }) => reason === 'Swapped')).toHaveLength(1);
    expect(status).toMatchObject({ phase: 'Succeeded', weight: 0, liveService: 'cut-canary' });
    expect(await servicesOf(shop)).toEqual([{ name: 'cut-canary', port: 80 }]);
    await onlyAnswers(shop, load.mark(), 'v2', load);
    expect(exposures(timeline.moments(), 'cut')).toEqual([]);
    expect(load.since(0).failed).toBe(0);
  });

  test('sluice get says what is wrong in a sentence, with an exit code', async () => {
    const missing = await sluice('get', '--idle', 'nobody');
    expect(missing).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('Rollout web/nobody does not exist'),
    });
    const wrong = await sluice('get', '--idle', 'nobody', '-o', 'xml');
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('-o is "xml"') });
    expect((await sluice('get', '--idle')).code).toBe(2);
  });
});

/** onlyAnswers waits until one version alone has answered for a second. */
async function onlyAnswers(
  shop: Shop,
  from: number,
  version: string,
  load: { mark(): number; since(mark: number): { readonly byVersion: Readonly<Record<string, number>> } },
): Promise<void> {
  const isAlone = (): boolean => {
    const { byVersion } = load.since(Math.max(from, load.mark() - 1_000));
    return load.mark() - from > 1_000 && Object.keys(byVersion).join() === version;
  };
  await eventually(isAlone, { timeoutMs: 20_000, describe: `${shop.name}: ${version} to answer alone` });
}

/** exposures are the moments at which the route gave the service that was not live more than the stored weight. */
function exposures(moments: readonly Moment[], name: string): readonly string[] {
  let [percent, allowed, live] = [0, 0, `${name}-stable`];
  const found: string[] = [];
  for (const moment of moments) {
    if (moment.kind === 'Route') percent = moment.percent;
    else [allowed, live] = [moment.status.weight ?? 0, moment.status.liveService ?? live];
    const exposed = live === `${name}-stable` ? percent : 100 - percent;
    if (exposed > allowed) found.push(`${exposed}% with ${allowed}% allowed at resourceVersion ${moment.version}`);
  }
  return found;
}
