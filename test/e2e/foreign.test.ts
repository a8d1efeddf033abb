/** The user's IngressRoute stays the user's: fields that Sluice does not know, a busy second writer, people, deletion. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { resources } from '../../src/api/kubernetes.ts';
import type { IngressRoute, Route } from '../../src/api/traefik.ts';
import { startBusyWriter } from '../support/busy-writer.ts';
import { eventually } from '../support/eventually.ts';
import { type Gate, startGate } from '../support/gate.ts';
import { apiPathOf, deleteObject } from '../support/objects.ts';
import { openShop, quickSteps, type Shop } from '../support/shop.ts';
import { type Controller, shopNamespace, type Stage, startStage } from '../support/stage.ts';
import { excesses, recordTimeline, weightsOf } from '../support/timeline.ts';

/** coarseRule is the rule of richSpec in which a percent of the pair is no whole number, so that the sibling is scaled too. */
const coarseRule = 1;

/** richSpec is a route with everything around the pair: other rules, siblings, odd weights, fields and orders. */
function richSpec(name: string, sibling: string): IngressRoute['spec'] {
  return {
    routes: [
      {
        observability: { metrics: true, accessLogs: false },
        match: `Host(\`${name}.test\`) && PathPrefix(\`/\`)`,
        kind: 'Rule',
        priority: 17,
        services: [
          { weight: 50, port: 80, name: sibling, passHostHeader: false },
          {
            scheme: 'http',
            name: `${name}-stable`,
            weight: 150,
            port: 80,
            responseForwarding: { flushInterval: '50ms' },
          },
        ],
      },
      {
        match: `Host(\`${name}-coarse.test\`)`,
        kind: 'Rule',
        services: [
          { name: `${name}-stable`, port: 80, weight: 3 },
          { name: sibling, port: 80, weight: 2 },
        ],
      },
      { match: `Host(\`${name}-other.test\`)`, kind: 'Rule', priority: 3, services: [{ name: sibling, port: 80 }] },
    ],
    entryPoints: ['web'],
  };
}

/** servicesOf are the names and weights of one rule. */
function servicesOf(spec: IngressRoute['spec'], rule: number): readonly unknown[] {
  return (spec.routes?.[rule]?.services ?? []).map(({ name, weight }) => [name, weight]);
}

/** withoutPair is a spec as text, less the pair's entries and the weights of the rule whose weights are too coarse. */
function withoutPair(spec: IngressRoute['spec'], name: string): string {
  const isForeign = ({ name: service }: { readonly name: string }): boolean =>
    service !== `${name}-stable` && service !== `${name}-canary`;
  const routes = (spec.routes ?? []).map((route: Route, rule) => ({
    ...route,
    services: (route.services ?? [])
      .filter(isForeign)
      .map((service) => (rule === coarseRule ? { ...service, weight: 0 } : service)),
  }));
  return JSON.stringify({ ...spec, routes });
}

/** withoutCounter is a spec as text, less the priority that the busy writer counts in. */
function withoutCounter(spec: IngressRoute['spec']): string {
  const routes = (spec.routes ?? []).map((route, index, all) =>
    index === all.length - 1 ? { ...route, priority: 0 } : route,
  );
  return JSON.stringify({ ...spec, routes });
}

/** conflictsIn reads how many of Sluice's route writes lost against another one. */
function conflictsIn(metrics: string): number {
  return Number(/sluice_writes_total\{kind="Route",result="Conflict"\} (\d+)/.exec(metrics)?.[1] ?? 0);
}

describe('an IngressRoute with a life of its own', { timeout: 180_000 }, () => {
  let stage: Stage;
  let controller: Controller;
  let gate: Gate;
  const open: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    stage = await startStage({ controllerManager: false });
    gate = await startGate(stage.cluster);
    const token = await stage.cluster.serviceAccountToken('sluice-system', 'sluice');
    controller = await stage.startController({ kubeconfig: await gate.kubeconfig(token) });
  });
  afterEach(async () => {
    for (const part of open.splice(0).toReversed()) await part.stop();
  });
  afterAll(async () => {
    await gate?.stop();
    await stage?.stop();
  });

  const replaceSpec = async (shop: Shop, spec: IngressRoute['spec']): Promise<IngressRoute> => {
    const route = await shop.route();
    const path = apiPathOf(resources.ingressRoutes, { namespace: shopNamespace, name: shop.name });
    const answer = await stage.cluster.api('PUT', path, { ...route, spec });
    expect(answer.status).toBe(200);
    return shop.route();
  };

  async function openRichShop(name: string, number: number): Promise<Shop> {
    const sibling = await openShop(stage, { name: `${name}-sibling`, number: number + 1 });
    const shop = await openShop(stage, { name, number });
    open.push(sibling, shop);
    await replaceSpec(shop, richSpec(name, `${name}-sibling-stable`));
    return shop;
  }

  test('keeps every byte but the pair during a rollout, and all of its spec after rollback and after deletion', async () => {
    const shop = await openRichShop('rich', 1);
    const load = shop.load(200);
    open.push(load);
    const before = (await shop.route()).spec;
    const steps = [
      { weight: 20, duration: '2s' },
      { weight: 50, duration: '10m' },
    ];
    await shop.applyRollout({ ...quickSteps, steps, revision: 'r1' });
    for (const weight of [20, 50]) {
      await shop.untilAt(weight);
      const during = (await shop.route()).spec;
      expect(withoutPair(during, 'rich')).toBe(withoutPair(before, 'rich'));
      expect(servicesOf(during, 0)).toEqual([
        ['rich-sibling-stable', 50],
        ['rich-stable', 150 - 1.5 * weight],
        ['rich-canary', 1.5 * weight],
      ]);
      expect(servicesOf(during, coarseRule)).toEqual([
        ['rich-stable', 300 - 3 * weight],
        ['rich-canary', 3 * weight],
        ['rich-sibling-stable', 200],
      ]);
    }
    await shop.command('abort');
    await shop.until('the rollback', ({ phase }) => phase === 'Failed');
    expect(JSON.stringify((await shop.route()).spec)).toBe(JSON.stringify(before));
    await eventually(async () => (await shop.rollout())?.metadata.finalizers === undefined, {
      describe: 'the finalizer to be removed',
    });

    await shop.applyRollout({ ...quickSteps, steps, revision: 'r2' });
    await shop.untilAt(20);
    await stage.cluster.kubectl(['-n', shopNamespace, 'delete', 'slr', 'rich', '--timeout=20s']);
    expect(await shop.rollout()).toBeUndefined();
    expect(JSON.stringify((await shop.route()).spec)).toBe(JSON.stringify(before));
    expect(load.since(0).failed).toBe(0);
  });

  /** overtaken lets the next route write of Sluice pass only after the busy writer has changed what it was made for. */
  async function overtaken(shop: Shop): Promise<void> {
    const counter = async (): Promise<unknown> => (await shop.route()).spec.routes?.at(-1)?.['priority'];
    await gate.holdAt(
      ({ path }) => path.includes(`/ingressroutes/${shop.name}`),
      async () => {
        const before = await counter();
        await eventually(async () => (await counter()) !== before, { describe: 'the busy writer' });
      },
    );
  }

  test('a writer that changes it 20 times a second loses nothing, and neither does the rollout', async () => {
    const shop = await openRichShop('busy', 3);
    const load = shop.load(200);
    const { cluster } = stage;
    const timeline = await recordTimeline(cluster, { namespace: shopNamespace, name: 'busy' });
    open.push(load, timeline);
    const before = (await shop.route()).spec;
    const writer = startBusyWriter(cluster, { namespace: shopNamespace, name: 'busy' }, 20);
    const steps = [
      { weight: 10, duration: '4s' },
      { weight: 50, duration: '2s' },
      { weight: 100, duration: '2s' },
    ];
    let write = overtaken(shop);
    await shop.applyRollout({ ...quickSteps, steps, revision: 'r1' });
    for (const { weight } of steps) {
      await write;
      await shop.untilAt(weight);
      write = overtaken(shop);
    }
    await shop.until('the end', ({ phase }) => phase === 'Succeeded', 150_000);
    await shop.command('abort');
    await write;
    await shop.until('the way back', ({ phase }) => phase === 'Failed');
    const report = await writer.stop();
    const after = (await shop.route()).spec;
    const conflicts = conflictsIn(await controller.metrics());
    console.log(
      `second writer: ${report.written} written, ${report.conflicts} conflicts; Sluice: ${conflicts} conflicts`,
    );
    expect(report.written).toBeGreaterThan(200);
    // Every raise was overtaken, and made again from what was there then.
    expect(conflicts).toBeGreaterThanOrEqual(steps.length);
    expect(Number(after.routes?.at(-1)?.['priority'])).toBe(
      Number(before.routes?.at(-1)?.['priority']) + report.written,
    );
    expect(weightsOf(timeline.moments()).filter((weight) => weight > 0)).toEqual([10, 50, 100]);
    expect(excesses(timeline.moments())).toEqual([]);
    expect(withoutCounter(after)).toBe(withoutCounter(before));
  });

  test('a person who lowers the weight is not fought, and a promote goes on from there', async () => {
    const shop = await openShop(stage, { name: 'person', number: 5 });
    const load = shop.load(200);
    open.push(shop, load);
    await shop.applyRollout({ ...quickSteps, steps: [{ weight: 40, duration: '10m' }], revision: 'r1' });
    await shop.untilAt(40);
    const patch = JSON.stringify([
      { op: 'replace', path: '/spec/routes/0/services/0/weight', value: 95 },
      { op: 'replace', path: '/spec/routes/0/services/1/weight', value: 5 },
    ]);
    await stage.cluster.kubectl([
      '-n',
      shopNamespace,
      'patch',
      'ingressroute',
      'person',
      '--type=json',
      `--patch=${patch}`,
    ]);
    const status = await shop.until('the hold', ({ phase }) => phase === 'Paused');
    expect(status).toMatchObject({ reason: 'LoweredByHand', weight: 5 });
    expect(status.message).toContain('kubectl-patch lowered the canary from 40% to 5%');
    await shop.command('promote');
    await shop.until('40% again', (now) => now.weight === 40 && now.progress?.hold === undefined);
    expect(load.since(0).failed).toBe(0);
  });

  test('somebody who raises the weight is corrected at once, and the client hardly sees it', async () => {
    const shop = await openShop(stage, { name: 'raised', number: 6 });
    open.push(shop);
    await shop.applyRollout({ ...quickSteps, steps: [{ weight: 10, duration: '10m' }], revision: 'r1' });
    await shop.untilAt(10);
    const patch = JSON.stringify([{ op: 'replace', path: '/spec/routes/0/services/1/weight', value: 90 }]);
    await stage.cluster.kubectl([
      '-n',
      shopNamespace,
      'patch',
      'ingressroute',
      'raised',
      '--type=json',
      `--patch=${patch}`,
    ]);
    await eventually(async () => (await shop.route()).spec.routes?.[0]?.services?.[1]?.weight === 10, {
      timeoutMs: 1_500,
      describe: 'the correction',
    });
    expect(await shop.status()).toMatchObject({ phase: 'Progressing', weight: 10 });
    const events = await stage.cluster.kubectl([
      '-n',
      shopNamespace,
      'get',
      'events.events.k8s.io',
      '-o',
      'jsonpath={.items[*].reason}',
    ]);
    expect(events).toContain('Drift');
  });

  test('a route that is deleted and created again keeps the canary out until somebody promotes', async () => {
    const shop = await openShop(stage, { name: 'again', number: 7 });
    open.push(shop);
    await shop.applyRollout({ ...quickSteps, steps: [{ weight: 30, duration: '10m' }], revision: 'r1' });
    await shop.untilAt(30);
    await deleteObject(stage.cluster, resources.ingressRoutes, { namespace: shopNamespace, name: 'again' });
    await shop.until('the missing route', ({ phase, reason }) => phase === 'Degraded' && reason === 'RouteMissing');
    await stage.cluster.kubectl(['apply', '-f', '-'], {
      input: JSON.stringify({
        apiVersion: 'traefik.io/v1alpha1',
        kind: 'IngressRoute',
        metadata: { namespace: shopNamespace, name: 'again' },
        spec: {
          entryPoints: ['web'],
          routes: [{ kind: 'Rule', match: 'Host(`again.test`)', services: [{ name: 'again-stable', port: 80 }] }],
        },
      }),
    });
    const status = await shop.until('the hold', ({ reason }) => reason === 'RouteRecreated');
    expect(status).toMatchObject({ phase: 'Paused', weight: 0 });
    expect((await shop.route()).spec.routes?.[0]?.services).toEqual([{ name: 'again-stable', port: 80 }]);
    await shop.command('promote');
    await shop.untilAt(30);
  });
});
