/** Those who ask for the canary get it while a rollout runs, at any weight, and nobody else because of them. */
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resources, type KubernetesObject } from '../../src/api/kubernetes.ts';
import type { CanaryRef } from '../../src/api/rollout.ts';
import type { IngressRoute, Route } from '../../src/api/traefik.ts';
import { eventually } from '../support/eventually.ts';
import { type Load, startLoad } from '../support/load.ts';
import { apiPathOf, applyObject, deleteObject, readObject } from '../support/objects.ts';
import { openShop, quickSteps, type Shop } from '../support/shop.ts';
import { shopNamespace, type Stage, startStage } from '../support/stage.ts';

const asking = { 'X-Canary': 'always' } as const;
const byHeader: CanaryRef['match'] = [{ headers: { 'X-Canary': { exact: 'always' } } }];
/** Text that would end the string and the rule, and let every request through. */
const hostile = '`) || PathPrefix(`/") || PathPrefix("/\\';

let stage: Stage;
const open: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  stage = await startStage({ controllerManager: false });
  await stage.startController();
}, 120_000);
afterAll(async () => {
  for (const part of open.splice(0).toReversed()) await part.stop();
  await stage?.stop();
});

async function openOne(name: string, number: number): Promise<Shop> {
  const shop = await openShop(stage, { name, number });
  open.push(shop);
  return shop;
}

function load(shop: Shop, headers: Readonly<Record<string, string>> = {}, host = `${shop.name}.test`): Load {
  const started = startLoad({ url: stage.traefik.webUrl, host, requestsPerSecond: 30, headers });
  open.push(started);
  return started;
}

/** onlyFrom waits until `version` has answered every request of the last second. */
async function onlyFrom(traffic: Load, version: string): Promise<void> {
  const isSo = (): boolean => {
    const { total, byVersion } = traffic.since(traffic.mark() - 1000);
    return total > 10 && byVersion[version] === total;
  };
  await eventually(isSo, { timeoutMs: 30_000, describe: `only ${version} to answer` });
}

async function aWhile(traffic: Load, ms: number): Promise<number> {
  const from = traffic.mark();
  await eventually(() => traffic.mark() - from >= ms, { timeoutMs: ms + 5000 });
  return from;
}

function matchRoute(shop: Shop): Promise<IngressRoute | undefined> {
  return readObject(stage.cluster, resources.ingressRoutes, {
    namespace: shopNamespace,
    name: `${shop.name}-canary-match`,
  });
}

/** editRoute changes the only rule of the shop's IngressRoute as a person would. */
async function editRoute(shop: Shop, change: Partial<Route>): Promise<void> {
  const [route] = (await shop.route()).spec.routes ?? [];
  const path = apiPathOf(resources.ingressRoutes, { namespace: shopNamespace, name: shop.name });
  const answer = await stage.cluster.api(
    'PATCH',
    `${path}?fieldManager=helm`,
    { spec: { routes: [{ ...route, ...change }] } },
    'application/merge-patch+json',
  );
  expect(answer.status).toBe(200);
}

async function putMiddleware(name: string, header: string): Promise<void> {
  await applyObject(stage.cluster, resources.middlewares, {
    metadata: { namespace: shopNamespace, name },
    spec: { headers: { customResponseHeaders: { [header]: name } } },
  } as KubernetesObject);
}

/** start begins a rollout that stays at 5 %, and waits until that is so. */
async function start(shop: Shop, canary: Partial<CanaryRef>, over: object = {}): Promise<void> {
  await shop.applyRollout({
    ...quickSteps,
    steps: [{ weight: 5, duration: '10m' }],
    canary: { service: `${shop.name}-canary`, port: 80, ...canary },
    revision: 'r1',
    ...over,
  });
  await shop.untilAt(5);
}

const allAnswered = (traffic: Load): void => {
  const { total, byStatus } = traffic.since(0);
  expect(byStatus).toEqual({ 200: total });
};

describe('a request that asks for the canary', { timeout: 120_000 }, () => {
  test('gets it at 5 %, by header and by cookie, through the middlewares of the route and its own; the others go by weight', async () => {
    const shop = await openOne('asks', 1);
    await putMiddleware('edge', 'x-edge');
    await editRoute(shop, { middlewares: [{ name: 'edge' }] });
    const plain = load(shop);
    const header = load(shop, asking);
    const cookie = load(shop, { cookie: 'a=1; canary=always' });
    const match = [...(byHeader ?? []), { cookies: { canary: { exact: 'always' } } }];
    const steps = [
      { weight: 5, duration: '10m' },
      { weight: 100, duration: '1s' },
    ];
    const spec = { ...quickSteps, steps, revision: 'r1' };
    const canary = { service: 'asks-canary', port: 80, match, middlewares: [{ name: 'mark' }] };
    await shop.applyRollout({ ...spec, canary });
    await shop.until('the Middleware that is missing', ({ reason }) => reason === 'MiddlewareNotFound');
    await putMiddleware('mark', 'x-mark');
    await shop.untilAt(5);
    await onlyFrom(header, 'v2');
    await onlyFrom(cookie, 'v2');
    const from = await aWhile(plain, 6_000);
    for (const traffic of [header, cookie]) {
      const { total, byVersion } = traffic.since(from);
      expect(byVersion).toEqual({ v2: total });
    }
    const { total, byVersion } = plain.since(from);
    expect((byVersion['v2'] ?? 0) / total).toBeLessThan(0.12);
    for (const [headers, expected] of [
      [{ ...asking }, { 'x-edge': 'edge', 'x-mark': 'mark' }],
      [{}, { 'x-edge': 'edge' }],
    ] as const) {
      const answer = await request(stage.traefik.webUrl, { headers: { ...headers, host: 'asks.test' } });
      await answer.body.dump();
      expect(answer.headers).toMatchObject(expected);
      expect('x-mark' in answer.headers).toBe('x-mark' in expected);
    }

    const metrics = await (await request(stage.traefik.metricsUrl)).body.text();
    expect(metrics).toMatch(
      /^traefik_service_requests_total\{.*service="web-asks-canary-match-[0-9a-f]{20}@kubernetescrd"/m,
    );

    // Those that asked for it are none of the canary's requests, or it would have a share of two thirds.
    await shop.command('promote-full');
    const { message = '' } = await shop.until('everybody', ({ weight }) => weight === 100);
    const [, canaryCount, stableCount] = /Canary \d+\/(\d+) bad .* stable \d+\/(\d+) /.exec(message) ?? [];
    expect(Number(canaryCount) / Number(stableCount), message).toBeLessThan(0.15);
    await shop.until('the promotion', ({ reason }) => reason === 'Holding');
    await eventually(async () => (await matchRoute(shop)) === undefined, { describe: 'the match route to be gone' });
    await onlyFrom(plain, 'v2');
    for (const traffic of [plain, header, cookie]) allAnswered(traffic);
  });

  test('follows the route: another rule, another syntax; and no value is more than a value', async () => {
    const shop = await openOne('edits', 2);
    const name = { 'X-Canary': { exact: hostile } };
    await start(shop, { match: [{ headers: name }] });
    const bad = load(shop, { 'X-Canary': hostile });
    const plain = load(shop);
    await onlyFrom(bad, 'v2');
    const from = await aWhile(plain, 3_000);
    expect((plain.since(from).byVersion['v2'] ?? 0) / plain.since(from).total).toBeLessThan(0.15);
    const stranger = await request(stage.traefik.webUrl, { headers: { host: 'nobody.test' } });
    expect([stranger.statusCode, await stranger.body.text()]).toEqual([404, '404 page not found\n']);

    const rule = 'Host(`edits.test`, `edits-2.test`) && Path(`/{any:.*}`)';
    await editRoute(shop, { match: rule, syntax: 'v2', priority: 200 });
    await eventually(async () => (await matchRoute(shop))?.spec.routes?.[0]?.syntax === 'v2');
    expect((await matchRoute(shop))?.spec.routes?.[0]).toMatchObject({ priority: 201 });
    const second = load(shop, { 'X-Canary': hostile }, 'edits-2.test');
    await onlyFrom(second, 'v2');
    await onlyFrom(bad, 'v2');
    for (const traffic of [bad, plain]) allAnswered(traffic);
  });

  test('goes where all others go at once after a rollback, and no status says before that it is over', async () => {
    const shop = await openOne('aborts', 3);
    await start(shop, { match: byHeader });
    const header = load(shop, asking);
    await onlyFrom(header, 'v2');
    const asked = header.mark();
    await shop.command('abort');
    await shop.until('the rollback', ({ phase }) => phase === 'Failed');
    expect(await matchRoute(shop)).toBeUndefined();
    await onlyFrom(header, 'v1');
    console.log(`the canary was asked for the last time ${Math.round(header.lastOf('v2', asked))} ms after the abort`);
    allAnswered(header);
  });

  test('goes where all others go when the Rollout is deleted in the middle, or the canary is lost', async () => {
    const [deleted, lost] = [await openOne('deleted', 4), await openOne('lost', 5)];
    await Promise.all([deleted, lost].map((shop) => start(shop, { match: byHeader })));
    const [gone, dead] = [load(deleted, asking), load(lost, asking)];
    await Promise.all([gone, dead].map((traffic) => onlyFrom(traffic, 'v2')));

    await stage.cluster.kubectl(['-n', shopNamespace, 'delete', 'slr', 'deleted', '--timeout=30s']);
    expect(await matchRoute(deleted)).toBeUndefined();
    expect((await deleted.route()).spec.routes?.[0]?.services).toEqual([{ name: 'deleted-stable', port: 80 }]);
    await onlyFrom(gone, 'v1');
    allAnswered(gone);

    const left = dead.mark();
    await lost.setReady('canary', 'NotReady');
    await lost.until('the loss', ({ reason }) => reason === 'CanaryLost');
    expect(await matchRoute(lost)).toBeUndefined();
    await onlyFrom(dead, 'v1');
    const { total, failed, byStatus } = dead.since(left);
    console.log(`canary lost: ${failed} of ${total} requests that asked for it failed, ${JSON.stringify(byStatus)}`);
  });

  test('never takes an IngressRoute from anybody: a rollout waits until the name is free', async () => {
    const shop = await openOne('taken', 6);
    const foreign = { namespace: shopNamespace, name: 'taken-canary-match' };
    const spec = { routes: [{ kind: 'Rule', match: 'Host(`foreign.test`)', services: [{ name: 'x', port: 80 }] }] };
    await applyObject(stage.cluster, resources.ingressRoutes, { metadata: foreign, spec });
    const canary = { service: 'taken-canary', port: 80, match: byHeader };
    await shop.applyRollout({ ...quickSteps, steps: [{ weight: 5, duration: '10m' }], canary, revision: 'r1' });
    await shop.until('the conflict', ({ reason }) => reason === 'MatchRouteConflict');
    expect((await matchRoute(shop))?.spec.routes).toEqual(spec.routes);
    await deleteObject(stage.cluster, resources.ingressRoutes, foreign);
    await shop.untilAt(5);
    await eventually(async () => (await matchRoute(shop))?.metadata.ownerReferences?.[0]?.kind === 'Rollout');
  });
});
