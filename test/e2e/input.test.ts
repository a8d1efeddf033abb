/** What a Rollout with wrong references gets: Ready=False with a sentence, no write, and it heals by itself. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { resources } from '../../src/api/kubernetes.ts';
import type { Rollout } from '../../src/api/rollout.ts';
import type { Condition } from '../../src/api/rollout-status.ts';
import { eventually } from '../support/eventually.ts';
import {
  deleteObject,
  putDeployment,
  putEndpoints,
  putIngressRoute,
  putNamespace,
  putService,
  readObject,
  rollOutDeployment,
} from '../support/objects.ts';
import { openShop, quickSteps, type Shop } from '../support/shop.ts';
import { shopNamespace, type Stage, startStage } from '../support/stage.ts';

/** Case is something wrong, the sentence it gets, and what heals it. */
interface Case {
  readonly title: string;
  readonly reason: string;
  readonly message: RegExp;
  readonly spec?: object;
  readonly breakIt?: (stage: Stage, shop: Shop) => Promise<void>;
  readonly heal: (stage: Stage, shop: Shop) => Promise<void>;
}

const named = (shop: Shop, suffix: string): { namespace: string; name: string } => ({
  namespace: shopNamespace,
  name: `${shop.name}${suffix}`,
});
const routeTo = (stage: Stage, shop: Shop, service: string): Promise<void> =>
  putIngressRoute(stage.cluster, {
    ...named(shop, ''),
    host: `${shop.name}.test`,
    services: [{ name: service, port: 80 }],
  });

const cases: readonly Case[] = [
  {
    title: 'a route that does not exist',
    reason: 'RouteNotFound',
    message: /IngressRoute \S+ does not exist in namespace web; create it or correct the name/,
    breakIt: (stage, shop) => deleteObject(stage.cluster, resources.ingressRoutes, named(shop, '')),
    heal: (stage, shop) => routeTo(stage, shop, `${shop.name}-stable`),
  },
  {
    title: 'a canary Service that does not exist',
    reason: 'ServiceNotFound',
    message: /spec\.canary\.service: Service web\/\S+-canary does not exist/,
    breakIt: (stage, shop) => deleteObject(stage.cluster, resources.services, named(shop, '-canary')),
    heal: (stage, shop) => putService(stage.cluster, named(shop, '-canary')),
  },
  {
    title: 'a stable Service that does not exist',
    reason: 'ServiceNotFound',
    message: /spec\.stable\.service: Service web\/\S+-stable does not exist/,
    breakIt: (stage, shop) => deleteObject(stage.cluster, resources.services, named(shop, '-stable')),
    heal: (stage, shop) => putService(stage.cluster, named(shop, '-stable')),
  },
  {
    title: 'a port that the Service does not have',
    reason: 'PortNotFound',
    message: /spec\.canary\.port: Service \S+-canary has no port 80; it has 81 \(http\)/,
    breakIt: (stage, shop) => putService(stage.cluster, { ...named(shop, '-canary'), port: 81 }),
    heal: async (stage, shop) => {
      await deleteObject(stage.cluster, resources.services, named(shop, '-canary'));
      await putService(stage.cluster, named(shop, '-canary'));
    },
  },
  {
    title: 'a route that lists neither service',
    reason: 'ServiceNotInRoute',
    message: /lists neither \S+-stable nor \S+-canary .* it lists other:80\. Add \S+-stable to a rule/,
    breakIt: (stage, shop) => routeTo(stage, shop, 'other'),
    heal: (stage, shop) => routeTo(stage, shop, `${shop.name}-stable`),
  },
  {
    title: 'one pod behind both services',
    reason: 'SharedEndpoints',
    message: /The ready address 10\.77\.0\.\d+ is behind both Service \S+-stable and Service \S+-canary/,
    breakIt: (stage, shop) => putEndpoints(stage.cluster, named(shop, '-canary'), [{ address: shop.stable.address }]),
    heal: (_stage, shop) => shop.setReady('canary', 'Ready'),
  },
  {
    title: 'a workload that does not exist',
    reason: 'WorkloadNotFound',
    message: /spec\.canary\.workload: Deployment late does not exist in namespace web/,
    spec: { workload: 'late' },
    heal: async (stage) => {
      await putDeployment(stage.cluster, { namespace: shopNamespace, name: 'late', image: 'app:1' });
      await rollOutDeployment(stage.cluster, { namespace: shopNamespace, name: 'late' });
    },
  },
];

describe('a Rollout with a wrong reference', { timeout: 120_000 }, () => {
  let stage: Stage;
  const open: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    stage = await startStage();
    await stage.startController();
  });
  afterEach(async () => {
    for (const part of open.splice(0).toReversed()) await part.stop();
  });
  afterAll(() => stage?.stop());

  const ready = async (shop: Shop): Promise<Condition | undefined> =>
    (await shop.status()).conditions?.find(({ type }) => type === 'Ready');

  test.each(cases.map((one, index) => ({ ...one, index })))('$title: $reason, untouched, and it heals', async (one) => {
    const shop = await openShop(stage, { name: `wrong-${one.index}`, number: 1 });
    const load = shop.load(50);
    open.push(shop, load);
    await one.breakIt?.(stage, shop);
    const canary =
      one.spec === undefined
        ? {}
        : { canary: { service: `${shop.name}-canary`, port: 80, workload: { kind: 'Deployment', name: 'late' } } };
    await shop.applyRollout({ ...quickSteps, ...canary, revision: 'r1' });
    await shop.until(one.reason, ({ reason }) => reason === one.reason);
    expect(await ready(shop)).toMatchObject({
      status: 'False',
      reason: one.reason,
      message: expect.stringMatching(one.message) as string,
    });
    const writers = (
      (await readObject<Rollout>(stage.cluster, resources.ingressRoutes, named(shop, '')))?.metadata.managedFields ?? []
    ).map(({ manager }) => manager);
    expect(writers).not.toContain('sluice');
    await one.heal(stage, shop);
    await shop.until('the first step', ({ weight }) => weight === 5);
    expect((await ready(shop))?.status).toBe('True');
  });

  test('a Rollout in a namespace without the route says in which namespace it looked', async () => {
    const shop = await openShop(stage, { name: 'elsewhere', number: 2 });
    open.push(shop);
    await putNamespace(stage.cluster, 'other');
    const object = {
      apiVersion: 'sluice.dev/v1alpha1',
      kind: 'Rollout',
      metadata: { name: 'elsewhere', namespace: 'other' },
      spec: {
        route: { name: 'elsewhere' },
        stable: { service: 'elsewhere-stable' },
        canary: { service: 'elsewhere-canary' },
        revision: 'r1',
      },
    };
    await stage.cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(object) });
    const status = await eventually(
      async () =>
        (await readObject<Rollout>(stage.cluster, resources.rollouts, { namespace: 'other', name: 'elsewhere' }))
          ?.status,
    );
    expect(status).toMatchObject({ phase: 'Pending', reason: 'RouteNotFound' });
    expect(status.message).toContain('does not exist in namespace other');
  });

  test('of two Rollouts on one route the older keeps it, and the newer goes on when the older is deleted', async () => {
    const shop = await openShop(stage, { name: 'contended', number: 3 });
    const load = shop.load(50);
    open.push(shop, load);
    const steps = [
      { weight: 5, duration: '10m' },
      { weight: 10, duration: '10m' },
    ];
    await shop.applyRollout({ ...quickSteps, steps, revision: 'r1' });
    await shop.untilAt(5);
    const younger = { namespace: shopNamespace, name: 'younger' };
    const object = {
      apiVersion: 'sluice.dev/v1alpha1',
      kind: 'Rollout',
      metadata: younger,
      spec: {
        ...quickSteps,
        route: { name: 'contended' },
        stable: { service: 'contended-stable' },
        canary: { service: 'contended-canary' },
        revision: 'r1',
      },
    };
    await eventually(
      async () => Date.now() > Date.parse((await shop.rollout())?.metadata.creationTimestamp ?? '') + 1_000,
    );
    await stage.cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(object) });
    const status = async (): Promise<Rollout['status']> =>
      (await readObject<Rollout>(stage.cluster, resources.rollouts, younger))?.status;
    await eventually(async () => (await status())?.reason === 'Conflict');
    expect((await status())?.message).toContain('Rollout contended is older and uses the same route or canary');
    await shop.command('promote');
    await shop.untilAt(10);
    expect((await ready(shop))?.status).toBe('True');
    expect((await status())?.reason).toBe('Conflict');
    const share = (await shop.route()).spec.routes?.[0]?.services?.map(({ name, weight }) => [name, weight]);
    expect(share).toEqual([
      ['contended-stable', 90],
      ['contended-canary', 10],
    ]);
    await stage.cluster.kubectl(['-n', shopNamespace, 'delete', 'slr', 'contended', '--timeout=20s']);
    const goesOn = async (): Promise<boolean> => {
      const { phase, reason, message } = (await status()) ?? {};
      if (phase === 'Progressing') return true;
      throw new Error(`status is ${phase}/${reason}: ${message}`);
    };
    await eventually(goesOn, { timeoutMs: 20_000, describe: 'the younger to go on' });
    await stage.cluster.kubectl(['-n', shopNamespace, 'delete', 'slr', 'younger', '--timeout=20s']);
  });

  test('without a source of evidence nobody is exposed, and it starts when the source knows stable', async () => {
    const shop = await openShop(stage, { name: 'unknown', number: 4 });
    const load = shop.load(50);
    open.push(shop, load);
    process.kill(stage.prometheus.pid, 'SIGSTOP');
    await shop.applyRollout({ ...quickSteps, revision: 'r1' });
    const status = await shop.until('NoEvidenceSource', ({ reason }) => reason === 'NoEvidenceSource');
    expect(status).toMatchObject({ phase: 'Pending', weight: 0 });
    expect(status.message).toMatch(/Prometheus/);
    expect((await shop.route()).spec.routes?.[0]?.services).toEqual([{ name: 'unknown-stable', port: 80 }]);
    expect(load.since(0).byVersion['v2']).toBeUndefined();
    process.kill(stage.prometheus.pid, 'SIGCONT');
    await shop.untilAt(5);
  });
});
