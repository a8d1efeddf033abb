/** Three replicas of the data plane serve one cluster: two Traefiks and Sluice's own proxy. Are the weights in effect at all of them? */
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Condition, RolloutStatus } from '../../src/api/rollout-status.ts';
import { traefikRouterName } from '../../src/api/traefik-names.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { freePort } from '../support/processes.ts';
import { openShop, type Shop } from '../support/shop.ts';
import { installProxyRights, startSluiceProxy } from '../support/sluice-proxy.ts';
import { shopNamespace, type Stage, startStage } from '../support/stage.ts';
import { startTraefik, type Traefik } from '../support/traefik.ts';

const analysis = { mode: 'Disabled' } as const;
const steps = (...weights: readonly number[]): readonly object[] =>
  weights.map((weight) => ({ weight, duration: '4s' }));

function verified({ conditions = [] }: RolloutStatus): Condition | undefined {
  return conditions.find(({ type }) => type === 'TrafficVerified');
}

/** ownSettings gives each of two entry points some of its own: Traefik puts their names in front of those of their routers. */
async function ownSettings(): Promise<readonly string[]> {
  const secure = [`--entrypoints.secure.address=127.0.0.1:${await freePort()}`, '--entrypoints.secure.http.tls=true'];
  return [...secure, '--entrypoints.web.observability.metrics=true'];
}

describe('the replicas of the data plane', { timeout: 180_000 }, () => {
  let stage: Stage;
  /** cut is what the second Traefik reaches the API server through. */
  let cut: FaultProxy;
  let second: Traefik;
  let proxy: Traefik;
  const shops: Shop[] = [];

  beforeAll(async () => {
    stage = await startStage({ controllerManager: false });
    cut = await startFaultProxy(stage.cluster);
    await installProxyRights(stage.cluster);
    [second, proxy] = await Promise.all([
      startTraefik({ cluster: { ...stage.cluster, url: cut.url.origin }, flags: await ownSettings() }),
      startSluiceProxy({ cluster: stage.cluster, workers: 2 }),
    ]);
    const urls = [stage.traefik, second, proxy].map(({ apiUrl }) => apiUrl);
    await stage.startController({ args: [`--traefik-api-urls=${urls.join(',')}`] });
  });
  afterAll(async () => {
    cut?.thaw();
    for (const shop of shops) await shop.stop();
    await second?.stop();
    await proxy?.stop();
    await cut?.stop();
    await stage?.stop();
  });

  const open = async (name: string): Promise<Shop> => {
    const shop = await openShop(stage, { name, number: shops.length + 1 });
    shops.push(shop);
    return shop;
  };

  /** edit patches the shop's IngressRoute as its owner would. */
  const edit = async ({ name }: Shop, patch: object): Promise<void> => {
    const args = ['-n', shopNamespace, 'patch', 'ingressroute', name, '--type=merge', '-p', JSON.stringify(patch)];
    await stage.cluster.kubectl(args);
  };

  /** shown is how often one request in a hundred goes to the canary by each replica's own word. */
  const shown = async ({ name }: Shop): Promise<readonly (number | undefined)[]> => {
    const service = encodeURIComponent(traefikRouterName(shopNamespace, name, `Host(\`${name}.test\`)`));
    return Promise.all(
      [stage.traefik, second, proxy].map(async ({ apiUrl }) => {
        const answer = await request(`${apiUrl}/http/services/${service}`);
        const { weighted } = (await answer.body.json()) as Shown;
        return weighted?.services.find((child) => child.name.includes(`${name}-canary`))?.weight;
      }),
    );
  };

  test('start the clock of a step when all of them have its weight, and say so', async () => {
    const shop = await open('prompt');
    // To the second Traefik these are two routers, `web-…` and `secure-…`; the others know one of the entry points only.
    await edit(shop, { spec: { entryPoints: ['web', 'secure'] } });
    await shop.applyRollout({ steps: steps(20, 100), analysis, revision: 'r1' });
    const at20 = await shop.until('20 % everywhere', (status) => verified(status)?.status === 'True');
    expect(at20.progress).toMatchObject({ weight: 20 });
    expect(await shown(shop)).toEqual([20, 20, 20]);
    expect(verified(at20)).toMatchObject({ reason: 'Verified', message: 'All 3 replicas have loaded the weight.' });
    const { appliedAt = '', effectiveAt = '' } = at20.progress ?? {};
    // Assumed it would be 5 s; Traefik loads a first change at once, and is asked every second.
    expect(Date.parse(effectiveAt) - Date.parse(appliedAt)).toBeLessThan(5_000);
    const at100 = await shop.untilAt(100);
    const raisedMs = Date.parse(at100.progress?.enteredAt ?? '');
    expect(raisedMs - Date.parse(effectiveAt)).toBeGreaterThanOrEqual(4_000);
    const ended = await shop.until('the end', ({ phase }) => phase === 'Succeeded');
    expect(ended.reason).toBe('Holding');
    expect(verified(ended)).toBeUndefined();
  });

  test('hold a raise after 30 s and say why: one that is stale, a route of another class, one that Traefik refuses', async () => {
    const [stale, lost, broken, taken] = [
      await open('stale'),
      await open('lost'),
      await open('broken'),
      await open('taken'),
    ];
    await edit(lost, { metadata: { annotations: { 'kubernetes.io/ingress.class': 'other' } } });
    const { spec } = await broken.route();
    await edit(broken, {
      spec: { routes: spec.routes?.map((route) => ({ ...route, middlewares: [{ name: 'none' }] })) },
    });
    for (const shop of [stale, taken]) await shop.applyRollout({ steps: steps(10, 50), analysis, revision: 'r1' });
    for (const shop of [stale, taken]) await shop.until('10 %', (status) => verified(status)?.status === 'True');
    cut.freeze();
    for (const shop of [lost, broken]) await shop.applyRollout({ steps: steps(10), analysis, revision: 'r1' });

    const seen = async (shop: Shop): Promise<RolloutStatus> =>
      shop.until('TrafficVerified=False', (status) => verified(status)?.status === 'False', 90_000);
    const [isStale, isLost, isBroken] = await Promise.all([seen(stale), seen(lost), seen(broken)]);
    expect(isStale).toMatchObject({ phase: 'Progressing', reason: 'NotInEffect', weight: 50 });
    expect(verified(isStale)).toMatchObject({ reason: 'ReplicaStale' });
    expect(verified(isStale)?.message).toContain(
      `1 of 3 replicas has not loaded the weight: ${second.metricsAddress} still has web-stale-stable-80 90, web-stale-canary-80 10.`,
    );
    expect(await shown(stale)).toEqual([50, 10, 50]);
    expect(verified(isLost)).toMatchObject({ reason: 'RouteUnknown' });
    expect(verified(isLost)?.message).toMatch(/^No replica knows the IngressRoute: its ingress class is other, /);
    expect(verified(isBroken)).toMatchObject({ reason: 'RouteInvalid' });
    expect(verified(isBroken)?.message).toContain(
      `${stage.traefik.metricsAddress} has switched the route off: middleware "web-none@kubernetescrd" does not exist`,
    );

    // A lowering waits for nobody.
    await taken.command('abort');
    await taken.until('the rollback', ({ phase }) => phase === 'Failed', 10_000);
    expect((await taken.route()).spec.routes?.[0]?.services).toEqual([{ name: 'taken-stable', port: 80 }]);

    // 4 s and more have passed: nothing was raised meanwhile.
    expect(await stale.status()).toMatchObject({ weight: 50, reason: 'NotInEffect' });
    cut.thaw();
    await stale.until('100 %', ({ weight, progress }) => weight === 100 && progress?.effectiveAt !== undefined);
    await edit(lost, { metadata: { annotations: { 'kubernetes.io/ingress.class': null } } });
    await lost.until('10 % everywhere', (status) => verified(status)?.status === 'True');
    const listed = await stage.cluster.kubectl(['-n', shopNamespace, 'get', 'events.events.k8s.io', '-o', 'json']);
    const events = (JSON.parse(listed) as { readonly items: readonly Happened[] }).items;
    const told = events.filter(({ reason, regarding }) => reason === 'NotInEffect' && regarding?.name === 'stale');
    expect(told.map(({ type }) => type)).toEqual(['Warning']);
  });

  test('that do not answer are named, and hold nobody', async () => {
    const shop = await open('frozen');
    process.kill(second.pid, 'SIGSTOP');
    try {
      await shop.applyRollout({ steps: steps(10, 30), analysis, revision: 'r1' });
      const at10 = await shop.until('10 %', (status) => verified(status)?.reason === 'ReplicaUnreachable');
      expect(verified(at10)).toMatchObject({ status: 'Unknown' });
      expect(verified(at10)?.message).toBe(
        `2 of 3 replicas have loaded the weight; ${second.metricsAddress} did not answer within 2000 ms.`,
      );
      await shop.untilAt(30);
    } finally {
      process.kill(second.pid, 'SIGCONT');
    }
    await shop.until('all three', (status) => verified(status)?.status === 'True');
  });
});

interface Shown {
  readonly weighted?: { readonly services: readonly { readonly name: string; readonly weight: number }[] };
}

interface Happened {
  readonly reason?: string;
  readonly type?: string;
  readonly regarding?: { readonly name?: string };
}
