/** What a route can be: a sticky weighted TraefikService, one rule of an IngressRoute, an object of Traefik 2's group. */
import { readFile } from 'node:fs/promises';
import { Pool, request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resources, type KubernetesObject } from '../../src/api/kubernetes.ts';
import type { IngressRoute, RouteService, TraefikService } from '../../src/api/traefik.ts';
import { toolFile } from '../support/build-tools.ts';
import { eventually } from '../support/eventually.ts';
import { startLoad, type Load } from '../support/load.ts';
import { apiPathOf, applyObject, putIngressRoute, readObject } from '../support/objects.ts';
import { openShop, quickSteps, type Shop } from '../support/shop.ts';
import { installProxyRights, startSluiceProxy } from '../support/sluice-proxy.ts';
import { shopNamespace, type Stage, startStage } from '../support/stage.ts';
import type { Traefik } from '../support/traefik.ts';

/** Traefik takes up to 2 s to load a route; a busy machine gets as much again. */
const reloadMs = 4_000;

let stage: Stage;
/** proxy is asked as a second replica whether it has loaded the weights. */
let proxy: Traefik;

/** Open are the parts of one test, of which several run side by side. */
type Open = { stop(): Promise<unknown> }[];

/** within runs a test and stops what it has opened, whatever comes of it. */
async function within(run: (open: Open) => Promise<void>): Promise<void> {
  const open: Open = [];
  try {
    await run(open);
  } finally {
    for (const part of open.toReversed()) await part.stop();
  }
}

/** loadOn starts traffic to a host, with a cookie if there is one. */
function loadOn(open: Open, host: string, cookie?: string): Load {
  const headers = cookie === undefined ? {} : { cookie };
  const load = startLoad({ url: stage.traefik.webUrl, host, requestsPerSecond: 100, headers });
  open.push(load);
  return load;
}

/** until waits until a load has gone on for `ms` after `mark`. */
async function until(load: Load, mark: number, ms: number): Promise<void> {
  await eventually(() => load.mark() - mark >= ms, { timeoutMs: ms + 20_000, describe: `${ms} ms of traffic` });
}

/** served waits until a host is routed. */
async function served(host: string): Promise<void> {
  await eventually(
    async () => {
      const { statusCode, body } = await request(stage.traefik.webUrl, { headers: { host } });
      await body.dump();
      return statusCode === 200;
    },
    { timeoutMs: 20_000, describe: `${host} to be routed` },
  );
}

/** cookieOf asks as new clients do until `version` answers, and returns the cookie that it gives. */
async function cookieOf(host: string, version: string): Promise<string> {
  const pool = new Pool(stage.traefik.webUrl);
  try {
    return await eventually(
      async () => {
        const answer = await pool.request({ method: 'GET', path: '/', headers: { host } });
        await answer.body.dump();
        const [cookie = ''] = [answer.headers['set-cookie'] ?? ''].flat();
        return answer.headers['x-version'] === version && cookie !== '' ? cookie.split(';')[0] : undefined;
      },
      { timeoutMs: 20_000, intervalMs: 20, describe: `a cookie of ${version}` },
    );
  } finally {
    await pool.destroy();
  }
}

async function events(): Promise<string> {
  const path = 'jsonpath={range .items[*]}{.reason}: {.note}{"\\n"}{end}';
  return stage.cluster.kubectl(['-n', shopNamespace, 'get', 'events.events.k8s.io', '-o', path]);
}

const pausedAtHalf = {
  ...quickSteps,
  steps: [{ weight: 50, duration: '2s' }, { pause: {} }, { weight: 100, duration: '2s' }],
} as const;

/** stickySpec is everything that a weighted TraefikService can have around the pair. */
function stickySpec(name: string): NonNullable<TraefikService['spec']> {
  const stable = {
    passHostHeader: true,
    weight: 3,
    port: 'http',
    name: `${name}-stable`,
    responseForwarding: { flushInterval: '50ms' },
  };
  return { weighted: { sticky: { cookie: { sameSite: 'lax', name: 'shop', httpOnly: true } }, services: [stable] } };
}

describe.concurrent('a route', { timeout: 180_000 }, () => {
  beforeAll(async () => {
    stage = await startStage({ controllerManager: false });
    await installProxyRights(stage.cluster);
    proxy = await startSluiceProxy({ cluster: stage.cluster, workers: 1 });
    await stage.startController({ args: [`--traefik-api-urls=${stage.traefik.apiUrl},${proxy.apiUrl}`] });
  });
  afterAll(async () => {
    await proxy?.stop();
    await stage?.stop();
  });

  const readSticky = async (): Promise<TraefikService['spec']> => {
    const id = { namespace: shopNamespace, name: 'sticky' };
    return (await readObject<TraefikService>(stage.cluster, resources.traefikServices, id))?.spec;
  };
  const entries = async (): Promise<readonly unknown[]> =>
    ((await readSticky())?.weighted?.services ?? []).map(({ name, port, weight }) => [name, port, weight]);

  async function openSticky(open: Open): Promise<Shop> {
    const metadata = { namespace: shopNamespace, name: 'sticky' };
    await applyObject(stage.cluster, resources.traefikServices, {
      metadata,
      spec: stickySpec('sticky'),
    });
    const services: readonly RouteService[] = [{ name: 'sticky', kind: 'TraefikService' }];
    const shop = await openShop(stage, { name: 'sticky', number: 1, services });
    open.push(shop);
    return shop;
  }

  test('in a sticky TraefikService splits new clients, keeps known ones where they are, and is as before in the end', () =>
    within(async (open) => {
      const shop = await openSticky(open);
      const before = JSON.stringify(await readSticky());
      const route = { kind: 'TraefikService', name: 'sticky' };
      const knownToStable = await cookieOf('sticky.test', 'v1');
      const anybody = loadOn(open, 'sticky.test');
      const stableClient = loadOn(open, 'sticky.test', knownToStable);
      await shop.applyRollout({ ...pausedAtHalf, route, revision: 'r1' });
      await shop.until('the pause', ({ phase, weight }) => phase === 'Paused' && weight === 50);
      expect(await entries()).toEqual([
        ['sticky-stable', 'http', 150],
        ['sticky-canary', 80, 150],
      ]);
      await shop.until('every replica to have the weight', ({ conditions = [] }) =>
        conditions.some(
          ({ type, message }) => type === 'TrafficVerified' && message === 'All 2 replicas have loaded the weight.',
        ),
      );
      const knownToCanary = await cookieOf('sticky.test', 'v2');
      const canaryClient = loadOn(open, 'sticky.test', knownToCanary);
      const half = anybody.mark();
      // Under 5 points of error take some hundred answers, however slow the machine is.
      await eventually(() => anybody.since(half).total >= 300, { timeoutMs: 30_000, describe: 'answers' });
      const seen = anybody.since(half);
      const share = (seen.byVersion['v2'] ?? 0) / seen.total;
      expect(Math.abs(share - 0.5), `share of new clients ${share}`).toBeLessThanOrEqual(0.05);
      expect(Object.keys(stableClient.since(0).byVersion)).toEqual(['v1']);
      expect(Object.keys(canaryClient.since(half).byVersion)).toEqual(['v2']);

      await shop.command('promote');
      await shop.until('the promotion', ({ phase }) => phase === 'Succeeded');
      const promoted = stableClient.mark();
      expect(await entries()).toEqual([['sticky-canary', 80, 300]]);
      await until(stableClient, promoted, reloadMs + 2_000);
      expect(Object.keys(stableClient.since(promoted + reloadMs).byVersion)).toEqual(['v2']);

      await shop.command('abort');
      await shop.until('the way back', ({ phase }) => phase === 'Failed');
      const back = canaryClient.mark();
      expect(JSON.stringify(await readSticky())).toBe(before);
      await until(canaryClient, back, reloadMs + 2_000);
      expect(Object.keys(canaryClient.since(back + reloadMs).byVersion)).toEqual(['v1']);
      for (const load of [anybody, stableClient, canaryClient]) expect(load.since(0).failed).toBe(0);
    }));

  test('of two rules moves only where it is named, and who else lists stable is named', () =>
    within(async (open) => {
      const shop = await openShop(stage, { name: 'rules', number: 2 });
      open.push(shop);
      const stable = { name: 'rules-stable', port: 80 };
      const path = apiPathOf(resources.ingressRoutes, { namespace: shopNamespace, name: 'rules' });
      const spec: IngressRoute['spec'] = {
        entryPoints: ['web'],
        routes: [
          { kind: 'Rule', match: 'Host(`rules-other.test`) && PathPrefix(`/`)', services: [stable] },
          { kind: 'Rule', match: 'Host(`rules.test`) && PathPrefix(`/`)', services: [stable] },
        ],
      };
      const answer = await stage.cluster.api('PUT', path, { ...(await shop.route()), spec });
      expect(answer.status).toBe(200);
      await putIngressRoute(stage.cluster, {
        namespace: shopNamespace,
        name: 'rules-admin',
        host: 'admin.test',
        services: [stable],
      });
      const before = JSON.stringify((await shop.route()).spec);
      await served('rules-other.test');
      const [named, other] = [loadOn(open, 'rules.test'), loadOn(open, 'rules-other.test')];
      const route = { name: 'rules', match: '(Host("rules.test") && PathPrefix("/"))' };
      await shop.applyRollout({ ...pausedAtHalf, route, revision: 'r1' });
      await shop.until('the pause', ({ phase, weight }) => phase === 'Paused' && weight === 50);
      const [first, second] = (await shop.route()).spec.routes ?? [];
      expect(first?.services).toEqual([stable]);
      expect(second?.services?.map(({ name, weight }) => [name, weight])).toEqual([
        ['rules-stable', 50],
        ['rules-canary', 50],
      ]);
      const half = named.mark();
      await eventually(() => (named.since(half).byVersion['v2'] ?? 0) > 100, { describe: 'answers of the canary' });
      await eventually(async () => (await events()).includes('ServiceShared'), { describe: 'the event' });
      expect(await events()).toContain(
        'ServiceShared: Service rules-stable is also listed by IngressRoute web/rules-admin, the rule Host(`rules-other.test`) && PathPrefix(`/`), which stay as they are',
      );

      await shop.command('abort');
      await shop.until('the way back', ({ phase }) => phase === 'Failed');
      expect(JSON.stringify((await shop.route()).spec)).toBe(before);
      expect(Object.keys(other.since(0).byVersion)).toEqual(['v1']);
      expect([named, other].map((load) => load.since(0).failed)).toEqual([0, 0]);
    }));

  test('of the group of Traefik 2 is found when that is installed later', () =>
    within(async (open) => {
      const shop = await openShop(stage, { name: 'old', number: 3 });
      open.push(shop);
      const crds = (await readFile(await toolFile('traefik', 'kubernetes-crd-definition-v1.yml'), 'utf8'))
        .split(/^---$/m)
        .filter((text) => /plural: (ingressroutes|traefikservices)$/m.test(text))
        .map((text) => text.replaceAll('traefik.io', 'traefik.containo.us'));
      expect(crds).toHaveLength(2);
      await stage.cluster.kubectl(['apply', '--server-side', '-f', '-'], { input: crds.join('---') });
      const services = [{ name: 'old-stable', port: 'http' }];
      const object = { metadata: { namespace: shopNamespace, name: 'old' }, spec: { weighted: { services } } };
      await eventually(
        () => applyObject(stage.cluster, resources.oldTraefikServices, object as KubernetesObject).then(() => true),
        { timeoutMs: 30_000, describe: 'the CRD to be served' },
      );
      const route = { apiVersion: 'traefik.containo.us/v1alpha1', kind: 'TraefikService', name: 'old' };
      const canary = { service: 'old-canary', port: 80, nativeLB: true };
      const analysis = { mode: 'Disabled' };
      await shop.applyRollout({ route, canary, steps: [{ weight: 20, duration: '10m' }], analysis, revision: 'r1' });
      await shop.until('20%', ({ phase, weight }) => phase === 'Progressing' && weight === 20, 90_000);
      const read = async (): Promise<unknown> => {
        const id = { namespace: shopNamespace, name: 'old' };
        const found = await readObject<TraefikService>(stage.cluster, resources.oldTraefikServices, id);
        return found?.spec?.weighted?.services;
      };
      await eventually(async () => JSON.stringify(await read()) !== JSON.stringify(services), {
        describe: 'the weights',
      });
      expect(await read()).toEqual([
        { name: 'old-stable', port: 'http', weight: 80 },
        { name: 'old-canary', port: 80, weight: 20, nativeLB: true },
      ]);
      expect(await events()).toContain('RouteUnused: No IngressRoute lists TraefikService old');
      await shop.command('abort');
      await shop.until('the way back', ({ phase }) => phase === 'Failed');
      expect(await read()).toEqual(services);
    }));
});
