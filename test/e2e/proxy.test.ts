/** The proxy as a program: its workers come, go and die while clients come and go, and routes change. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { request } from 'undici';
import { type Backend, startBackend } from '../support/backend.ts';
import { childrenOf } from '../support/children.ts';
import { type Churn, startChurn } from '../support/churn.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { putEndpoints, putIngressRoute, putNamespace, putService } from '../support/objects.ts';
import { installProxyRights, startSluiceProxy } from '../support/sluice-proxy.ts';
import { installTraefikCrds, startTraefik, type Traefik } from '../support/traefik.ts';

const namespace = 'web';
const host = 'shop.test';
const parts = { stable: '10.77.0.2', canary: '10.77.0.3' } as const;

let cluster: Cluster;
const backends: Backend[] = [];
const running: { stop(): Promise<unknown> }[] = [];

beforeAll(async () => {
  cluster = await startCluster({ controllerManager: false });
  await installTraefikCrds(cluster);
  await cluster.kubectl(['create', 'namespace', 'sluice-system']);
  await installProxyRights(cluster);
  await putNamespace(cluster, namespace);
  for (const [name, address] of Object.entries(parts)) {
    backends.push(await startBackend({ address, version: name }));
    await putService(cluster, { namespace, name });
    await putEndpoints(cluster, { namespace, name }, [{ address }]);
  }
});
afterAll(async () => {
  for (const backend of backends) await backend.stop();
  await cluster?.stop();
});
afterEach(async () => {
  for (const one of running.splice(0).toReversed()) await one.stop();
});

function putWeights(canary: number): Promise<void> {
  return putIngressRoute(cluster, {
    namespace,
    name: 'shop',
    host,
    services: [
      { name: 'stable', port: 80, weight: 100 - canary },
      { name: 'canary', port: 80, weight: canary },
    ],
  });
}

/** editRoutes edits an unrelated route and writes the same weights again, every `everyMs`, and counts. */
function editRoutes(weight: number, everyMs: number): { readonly edits: () => number; stop(): Promise<void> } {
  let edits = 0;
  const over = new AbortController();
  const edit = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const services = [{ name: 'stable', port: 80, weight: (edits % 40) + 1 }];
      await putIngressRoute(cluster, { namespace, name: 'unrelated', host: 'unrelated.test', services });
      await putWeights(weight);
      edits += 1;
      await sleep(everyMs, undefined, { signal: over.signal }).catch(() => undefined);
    }
  };
  const editing = edit();
  const stop = (): Promise<void> => {
    over.abort();
    return editing;
  };
  running.push({ stop });
  return { edits: () => edits, stop };
}

async function startProxy(workers: number): Promise<Traefik> {
  const proxy = await startSluiceProxy({ cluster, workers });
  running.push(proxy);
  return proxy;
}

function churnOf(
  proxy: Traefik,
  options: { readonly requestsPerConnection: number; readonly maxRequests?: number },
): Churn {
  const churn = startChurn({ url: `${proxy.webUrl}/`, host, clients: 64, ...options });
  running.push(churn);
  return churn;
}

/** untilServed waits until the route is there. */
async function untilServed(proxy: Traefik): Promise<void> {
  const isServed = async (): Promise<boolean> => {
    const answer = await request(`${proxy.webUrl}/`, { headers: { host } });
    await answer.body.dump();
    return answer.statusCode === 200;
  };
  await eventually(isServed, { timeoutMs: 20_000, describe: 'the route to be served' });
}

/** countedRequests returns what the counters of both services say. */
async function countedRequests(proxy: Traefik): Promise<number> {
  const text = await (await request(proxy.metricsUrl)).body.text();
  const values = [
    ...text.matchAll(/^traefik_service_requests_total\{.*service="web-(?:stable|canary)-80@.*\} ([0-9.e+]+)$/gm),
  ];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

describe('sluice proxy', { timeout: 240_000 }, () => {
  test('loses no request of 64 clients that come and go, through 20 restarts of workers and 20 changes of routes', async () => {
    await putWeights(10);
    const proxy = await startProxy(2);
    await untilServed(proxy);
    const churn = churnOf(proxy, { requestsPerConnection: 3 });
    const editor = editRoutes(10, 300);
    let replaced = 0;
    while (replaced < 20) {
      const before = await childrenOf(proxy.pid);
      expect(before).toHaveLength(2);
      process.kill(proxy.pid, 'SIGHUP');
      await eventually(
        async () => {
          const now = await childrenOf(proxy.pid);
          return now.length === 2 && now.every((pid) => !before.includes(pid));
        },
        { timeoutMs: 60_000, describe: 'both workers to be replaced' },
      );
      replaced += 2;
    }
    await eventually(() => editor.edits() >= 20, { timeoutMs: 60_000, describe: '20 changes of routes' });
    const { answered, failures } = await churn.stop();
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(5_000);
  });

  test('with one worker is one process, which SIGHUP leaves alone', async () => {
    await putWeights(10);
    const proxy = await startProxy(1);
    await untilServed(proxy);
    const churn = churnOf(proxy, { requestsPerConnection: 3 });
    for (let sent = 0; sent < 5; sent += 1) {
      const before = churn.answered();
      process.kill(proxy.pid, 'SIGHUP');
      await eventually(() => churn.answered() > before + 200, { describe: '200 more answers' });
      expect(await childrenOf(proxy.pid)).toEqual([]);
    }
    expect((await churn.stop()).failures).toEqual([]);
  });

  test.each([1, 4])('gives a canary of 1% its share with %i worker(s), whatever else changes', async (workers) => {
    await putWeights(1);
    const proxy = await startProxy(workers);
    await untilServed(proxy);
    editRoutes(1, 1000);
    const { byVersion, failures } = await churnOf(proxy, { requestsPerConnection: 500, maxRequests: 50_000 }).done;
    expect(failures).toEqual([]);
    expect(byVersion['canary']).toBeGreaterThanOrEqual(400);
    expect(byVersion['canary']).toBeLessThanOrEqual(600);
  });

  test('is better at that than Traefik, whose balancer begins again at each change', async () => {
    await putWeights(1);
    const traefik = await startTraefik({ cluster });
    running.push(traefik);
    await untilServed(traefik);
    editRoutes(1, 1000);
    const { byVersion } = await churnOf(traefik, { requestsPerConnection: 500, maxRequests: 20_000 }).done;
    console.log(`Traefik gave a canary of 1% ${byVersion['canary'] ?? 0} of 20,000 requests`);
    expect(byVersion['stable']).toBeGreaterThan(19_000);
  });

  test('counts on where a worker that was killed left off, but for its last second', async () => {
    await putWeights(50);
    const proxy = await startProxy(2);
    await untilServed(proxy);
    const churn = churnOf(proxy, { requestsPerConnection: 50 });
    const seen: number[] = [];
    const look = async (): Promise<void> => void seen.push(await countedRequests(proxy));
    await eventually(() => churn.answered() > 2_000, { describe: '2,000 answers' });
    const startedMs = performance.now() - 1;
    const atKill = churn.answered();
    const [victim = 0] = await childrenOf(proxy.pid);
    process.kill(victim, 'SIGKILL');
    await look();
    await eventually(async () => (await childrenOf(proxy.pid)).filter((pid) => pid !== victim).length === 2, {
      timeoutMs: 30_000,
      describe: 'the worker to be replaced',
    });
    await eventually(
      async () => {
        await look();
        return churn.answered() > atKill + 4_000;
      },
      { timeoutMs: 60_000, describe: '4,000 more answers' },
    );
    const perSecond = (1000 * (churn.answered() - atKill)) / (performance.now() - startedMs);
    const { answered, failures } = await churn.stop();
    // The counts of the last second come with the next report.
    let last = 0;
    await eventually(
      async () => {
        const before = last;
        last = await countedRequests(proxy);
        seen.push(last);
        return last === before;
      },
      { timeoutMs: 20_000, describe: 'the counters to come to rest', intervalMs: 1_500 },
    );
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    // What the dead worker had open breaks: half of 64 connections at most. Nothing else does.
    expect(failures.length).toBeLessThanOrEqual(64);
    expect(last).toBeLessThanOrEqual(answered + failures.length + 1);
    expect(answered - last).toBeLessThanOrEqual(2 * perSecond);
  });
});
