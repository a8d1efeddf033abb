/** Others who write the route while a rollout runs: GitOps tools by server-side apply, a person with kubectl edit, a restored backup. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Route } from '../../src/api/traefik.ts';
import { eventually } from '../support/eventually.ts';
import { startGitOps } from '../support/gitops.ts';
import { quickSteps, type Shop } from '../support/shop.ts';
import { expectShare } from '../support/share.ts';
import { shopNamespace, type Stage, startStage } from '../support/stage.ts';
import { excesses, untilWeights, weightsOf } from '../support/timeline.ts';
import { openWatchedShop, type WatchedShop } from '../support/watched-shop.ts';

/** A limit that nobody breaks: what these rollouts wait for is other people. */
const analysis = { ...quickSteps.analysis, minRequests: 20 };
/** weigh are the routes of a shop with `canary` percent, as they stand in Git: without the canary where it has none. */
function weigh(name: string, canary: number, rest: Partial<Route> = {}): readonly Route[] {
  const stable = { name: `${name}-stable`, port: 80 };
  const services =
    canary === 0
      ? [stable]
      : [
          { ...stable, weight: 100 - canary },
          { name: `${name}-canary`, port: 80, weight: canary },
        ];
  return [{ kind: 'Rule', match: `Host(\`${name}.test\`)`, services, ...rest }];
}

/** ignoredIn are the services that the advice for Argo CD leaves out of the comparison. */
function ignoredIn(message: string): readonly string[] {
  const [, path = ''] =
    /jqPathExpressions: \['\.spec\.routes\[\]\?\.services\[\]\? \| select\((.+?)\)'\]/.exec(message) ?? [];
  return path.split(' or ').flatMap((term) => /^\.name == "(.+)"$/.exec(term)?.[1] ?? []);
}

describe.concurrent('a route that others write', { timeout: 240_000 }, () => {
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
    openWatchedShop(stage, { name, number, rps: 100 }, open);

  const gitOps = (name: string, manager: string, routes: readonly Route[]): ReturnType<typeof startGitOps> => {
    const started = startGitOps(stage.cluster, routes, {
      route: { namespace: shopNamespace, name },
      manager,
      everyMs: 500,
    });
    open.push(started);
    return started;
  };
  const writers = async (shop: Shop): Promise<readonly (string | undefined)[]> =>
    (await shop.route()).metadata.managedFields?.map(({ manager }) => manager) ?? [];
  const contested = async (shop: Shop): Promise<string> => {
    const { conditions } = await shop.until('Contested', ({ reason }) => reason === 'Contested', 90_000);
    const condition = conditions?.find(({ type }) => type === 'Contested');
    expect(condition).toMatchObject({ status: 'True', reason: 'Contested' });
    return condition?.message ?? '';
  };

  test('Argo CD that puts back what stands in Git wins after three corrections, and what the message says ends the fight', async () => {
    const { shop, load, timeline } = await openWatched('argo', 1);
    // The step does not end while they fight: that takes longer where Argo CD is slow.
    const steps = [
      { weight: 20, duration: '5m' },
      { weight: 50, duration: '10m' },
    ];
    const argo = gitOps('argo', 'argocd-controller', weigh('argo', 0));
    const began = load.mark();
    await shop.applyRollout({ analysis, steps, revision: 'r1' });
    const message = await contested(shop);
    expect(await shop.status()).toMatchObject({ phase: 'Paused', weight: 0 });
    expect(message).toMatch(
      /^argocd-controller keeps changing the weights of IngressRoute argo; the canary stays at 0%\. /,
    );
    expect(message).toMatch(/ApplyOutOfSyncOnly=true\]\. Then promote or abort\.$/);
    expect(message.length).toBeLessThan(600);
    // Raised once, and corrected three times; nobody was ever given more than the first step.
    await untilWeights(timeline, [20, 0, 20, 0, 20, 0, 20, 0]);
    expect(excesses(timeline.moments())).toEqual([]);
    const { total, byVersion } = load.since(began);
    expect((byVersion['v2'] ?? 0) / total).toBeLessThanOrEqual(0.22);
    await expectShare(load, 0);
    expect((await shop.status()).reason).toBe('Contested');

    expect(ignoredIn(message)).toEqual(['argo-stable', 'argo-canary']);
    argo.ignore(ignoredIn(message));
    const before = argo.applied();
    await shop.command('promote');
    await shop.untilAt(20, ({ phase, verdict }) => phase === 'Progressing' && verdict === 'Pass');
    await shop.command('promote');
    await shop.untilAt(50);
    expect(argo.applied()).toBe(before);
    // Another change in Git is applied as a whole, weights included: corrected once, and the rollout goes on.
    argo.commit(weigh('argo', 0, { priority: 7 }));
    await eventually(() => argo.applied() > before, { timeoutMs: 20_000, describe: 'the next commit' });
    const again = await shop.untilAt(50, ({ target }) => target?.corrections?.length === 1);
    expect(again).toMatchObject({ phase: 'Progressing' });
    expect((await shop.route()).spec.routes?.[0]?.priority).toBe(7);
    expect(again.conditions?.find(({ type }) => type === 'Contested')?.status).toBe('False');
    await shop.command('abort');
    await shop.until('the abort', ({ phase }) => phase === 'Failed');
    expect(weigh('argo', 0, { priority: 7 })).toMatchObject((await shop.route()).spec.routes ?? []);
    expect(load.since(0).failed).toBe(0);
  });

  test('Flux that gives the canary more is corrected each time, and stops the raising after three', async () => {
    const { shop, load, timeline } = await openWatched('flux', 2);
    const steps = [
      { weight: 10, duration: '8s' },
      { weight: 50, duration: '10m' },
    ];
    await shop.applyRollout({ analysis, steps, revision: 'r1' });
    await shop.untilAt(10);
    const flux = gitOps('flux', 'kustomize-controller', weigh('flux', 60));
    const message = await contested(shop);
    expect(message).toContain('kustomize-controller keeps changing the weights');
    expect(message).toContain('kustomize.toolkit.fluxcd.io/ssa: IfNotPresent');
    const applied = flux.applied();
    await eventually(() => flux.applied() > applied + 2, { timeoutMs: 20_000, describe: 'Flux to go on' });
    await flux.stop();
    await shop.untilAt(10);
    expect(await shop.status()).toMatchObject({ phase: 'Paused', reason: 'Contested', weight: 10 });
    expect(Math.max(...weightsOf(timeline.moments()))).toBe(60);
    // Every foreign write is answered by the next one.
    const percents = timeline.moments().flatMap((moment) => (moment.kind === 'Route' ? [moment.percent] : []));
    for (const [index, percent] of percents.entries()) if (percent > 10) expect(percents[index + 1]).toBe(10);
    await expectShare(load, 10);
    expect(load.since(0).failed).toBe(0);
  });

  /** edit changes the route with `kubectl edit`, whose editor is sed. */
  const edit = (shop: Shop, script: string): Promise<string> =>
    stage.cluster.kubectl(['-n', shopNamespace, 'edit', 'ingressroute', shop.name], {
      env: { KUBE_EDITOR: `sed -i -e '${script}'` },
    });

  test('a person who lowers the weight with kubectl edit is not fought, one who raises it is, and promote goes on', async () => {
    const { shop, load } = await openWatched('oncall', 3);
    await shop.applyRollout({ analysis, steps: [{ weight: 40, duration: '10m' }], revision: 'r1' });
    await shop.untilAt(40);
    await edit(shop, 's/weight: 60/weight: 95/;s/weight: 40/weight: 5/');
    const held = await shop.until('the hold', ({ phase }) => phase === 'Paused');
    expect(await writers(shop)).toContain('kubectl-edit');
    expect(held).toMatchObject({ reason: 'LoweredByHand', weight: 5 });
    expect(held.message).toMatch(/^kubectl-edit lowered the canary from 40% to 5%; /);
    await expectShare(load, 5);
    await shop.untilAt(5, ({ reason }) => reason === 'LoweredByHand');
    // A resume takes off the brake of a pause; this one ends by promote.
    await shop.command('resume');
    await eventually(async () => (await shop.rollout())?.metadata.annotations?.['sluice.dev/command'] === undefined);
    expect(await shop.status()).toMatchObject({ phase: 'Paused', reason: 'LoweredByHand' });
    await shop.command('promote', 'alice');
    const on = await shop.untilAt(40, ({ phase }) => phase === 'Progressing');
    expect(on.history?.find(({ reason }) => reason === 'Promoted')?.who).toBe('alice');
    await edit(shop, 's/weight: 60/weight: 10/;s/weight: 40/weight: 90/');
    await shop.untilAt(40);
    const events = ['get', 'events.events.k8s.io', '-o', 'jsonpath={.items[?(@.reason=="Drift")].note}'];
    expect(await stage.cluster.kubectl(['-n', shopNamespace, ...events])).toContain(
      'kubectl-edit raised the canary to 90%; it is put back to 40%.',
    );
    await expectShare(load, 40);
    expect(load.since(0).failed).toBe(0);
  });

  test('a Rollout that comes back from a backup moves no traffic, and goes on when promoted; nor does one that lost its status', async () => {
    const { shop, load, timeline } = await openWatched('restored', 4);
    const { cluster } = stage;
    const spec = { analysis, steps: [30, 60].map((weight) => ({ weight, duration: '10m' })), revision: 'r1' };
    const name = ['-n', shopNamespace, 'slr', 'restored'] as const;
    await shop.applyRollout(spec);
    await shop.untilAt(30);
    const during = JSON.stringify((await shop.route()).spec);
    await expectShare(load, 30);
    // A backup holds no status, and a finalizer of an object that is gone is nobody's.
    const without = '--patch={"metadata":{"finalizers":null}}';
    await cluster.kubectl(['patch', ...name, '--type=merge', without]);
    await cluster.kubectl(['delete', ...name, '--timeout=20s']);
    await shop.applyRollout(spec);
    const adopted = await shop.until('the adoption', ({ reason }) => reason === 'Adopted');
    expect(adopted).toMatchObject({ phase: 'Paused', weight: 30 });
    await expectShare(load, 30);
    expect(JSON.stringify((await shop.route()).spec)).toBe(during);
    await untilWeights(timeline, [30]);
    await shop.command('promote');
    await shop.untilAt(60);

    const { status: _status, ...empty } = (await shop.rollout()) ?? {};
    const routed = JSON.stringify((await shop.route()).spec);
    const input = JSON.stringify({ ...empty, metadata: { name: 'restored', namespace: shopNamespace } });
    await cluster.kubectl(['replace', '--subresource=status', '-f', '-'], { input });
    await shop.until('the second adoption', ({ reason, weight }) => reason === 'Adopted' && weight === 60);
    await expectShare(load, 60);
    expect(JSON.stringify((await shop.route()).spec)).toBe(routed);
    await shop.command('abort');
    await shop.until('the abort', ({ phase }) => phase === 'Failed');
    await expectShare(load, 0);
    expect((await shop.route()).spec.routes?.[0]?.services?.map(({ name: service }) => service)).toEqual([
      'restored-stable',
    ]);
    expect(load.since(0).failed).toBe(0);
  });
});
