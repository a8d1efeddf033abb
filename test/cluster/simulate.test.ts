import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRandom, drawBinomial } from '../../src/cli/simulate-split.ts';
import { formatTime, systemClock, type Clock } from '../../src/clock.ts';
import { runSimulate, type SimulateCall, type SimulateResult } from '../../src/simulate.ts';
import { toolFile } from '../support/build-tools.ts';
import { startCluster } from '../support/cluster.ts';
import { putNamespace } from '../support/objects.ts';
import { temporaryDirectory } from '../support/processes.ts';
import { startPrometheus, type Prometheus } from '../support/prometheus.ts';
import { remoteWrite, type WrittenSeries } from '../support/remote-write.ts';

const scrapeMs = 15_000;
const minutes = 80;
const releaseMinutes = 20;
const bounds = ['0.05', '0.1', '0.2', '0.5'];
const shares = [0.5, 0.85, 0.96, 0.995];

const manifest = `
apiVersion: sluice.dev/v1alpha1
kind: Rollout
metadata: {name: shop, namespace: web}
spec:
  route: {name: shop}
  stable: {service: shop-stable, port: 80}
  canary: {service: shop-canary, port: 80}
  revision: "2"
  steps: [{weight: 10, duration: 3m}, {weight: 50, duration: 7m}]
`;

/** traefik is what a Prometheus has that scraped a Traefik until `untilMs`; in the last 20 minutes a bad canary had a tenth. */
function traefik(untilMs: number): readonly WrittenSeries[] {
  const random = createRandom(3);
  const stable = service('web-shop-stable-80@kubernetescrd');
  const canary = service('web-shop-canary-80@kubernetescrd');
  const up: [number, number][] = [];
  const started: [number, number][] = [];
  for (let atMs = untilMs - minutes * 60_000; atMs <= untilMs; atMs += scrapeMs) {
    up.push([atMs, 1]);
    started.push([atMs, 1_000_000]);
    const isRelease = atMs > untilMs - releaseMinutes * 60_000;
    stable.add(atMs, drawBinomial(random, 3000, 0.5), { errorRatio: 0.004, random });
    if (isRelease) canary.add(atMs, drawBinomial(random, 300, 0.5), { errorRatio: 0.05, random });
  }
  const target = { job: 'traefik', instance: 'traefik:9100' };
  return [
    { labels: { __name__: 'up', ...target }, samples: up },
    { labels: { __name__: 'process_start_time_seconds', ...target }, samples: started },
    ...stable.series(target),
    ...canary.series(target),
    // The queue is long in the third minute of the release.
    {
      labels: { __name__: 'queue_depth', namespace: 'web' },
      samples: up.map(([atMs]) => {
        const ofRelease = (atMs - untilMs) / 60_000 + releaseMinutes;
        return [atMs, ofRelease >= 2 && ofRelease < 3 ? 500 : 5];
      }),
    },
  ];
}

/** service counts requests as Traefik does, in whole counters. */
function service(name: string) {
  const counters = new Map<string, { labels: Record<string, string>; value: number; samples: [number, number][] }>();
  const count = (atMs: number, labels: Record<string, string>, added: number): void => {
    const key = JSON.stringify(labels);
    const counter = counters.get(key) ?? { labels, value: 0, samples: [] };
    counter.value += added;
    counter.samples.push([atMs, counter.value]);
    counters.set(key, counter);
  };
  return {
    add: (atMs: number, requests: number, { errorRatio, random }: { errorRatio: number; random: () => number }) => {
      const errors = drawBinomial(random, requests, errorRatio);
      const good = requests - errors;
      count(atMs, { __name__: 'traefik_service_requests_total', code: '200' }, good);
      count(atMs, { __name__: 'traefik_service_requests_total', code: '500' }, errors);
      let within = 0;
      let share = 0;
      for (const [index, le] of bounds.entries()) {
        const next = shares[index] ?? 1;
        within += drawBinomial(random, good - within, (next - share) / (1 - share));
        share = next;
        count(atMs, { __name__: 'traefik_service_request_duration_seconds_bucket', code: '200', le }, within);
      }
      count(atMs, { __name__: 'traefik_service_request_duration_seconds_bucket', code: '200', le: '+Inf' }, good);
    },
    series: (target: Readonly<Record<string, string>>): readonly WrittenSeries[] =>
      [...counters.values()].map(({ labels, samples }) => ({
        labels: { ...labels, ...target, service: name, method: 'GET', protocol: 'http' },
        samples,
      })),
  };
}

describe('simulate, with the samples of a real Prometheus', () => {
  const untilMs = Math.floor(Date.now() / scrapeMs) * scrapeMs;
  // A history that ends at another time with each call is another history.
  const clock: Clock = { ...systemClock, nowMs: () => untilMs };
  let prometheus: Prometheus;
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

  beforeAll(async () => {
    directory = await temporaryDirectory('simulate');
    await writeFile(path.join(directory.path, 'shop.yaml'), manifest);
    prometheus = await startPrometheus({ targets: [], receives: true });
    await remoteWrite(prometheus.url, traefik(untilMs));
  });

  afterAll(async () => {
    await prometheus.stop();
    await directory.remove();
  });

  const ask = (call: Partial<SimulateCall>): Promise<SimulateResult> =>
    runSimulate(
      {
        filename: path.join(directory.path, 'shop.yaml'),
        settings: { prometheusUrl: prometheus.url },
        hours: '2',
        replays: '10',
        ...call,
      },
      { env: {}, signal: new AbortController().signal, clock },
    );

  test('it reads what stable has answered, and says what that can prove', async () => {
    const result = await ask({ output: 'json' });
    if (result.kind === 'Failed') throw new Error(result.message);
    const report = JSON.parse(result.text) as Record<string, Record<string, unknown>>;
    expect(report['rollout']).toBe('web/shop');
    expect(report['history']?.['requestsPerSecond']).toBeCloseTo(100, -1);
    expect(report['history']?.['errorRatio']).toBeCloseTo(0.004, 3);
    expect(report['latency']?.['bounds']).toContain(0.1);
    expect(report['replays']).toMatchObject({ count: 10, promotedInTime: 10, rolledBack: {} });
    expect(report['proposal']?.['margins']).toMatchObject({ latencyMargin: 0.2 });
    const text = await ask({});
    expect(text.kind === 'Done' && text.text).toContain('    errorRatio: {maxIncrease: ');
  });

  test('it says when a bad release of the past would have been rolled back', async () => {
    const release = formatTime(untilMs - releaseMinutes * 60_000);
    const result = await ask({ release, until: formatTime(untilMs - 60_000), output: 'json' });
    if (result.kind === 'Failed') throw new Error(result.message);
    const report = JSON.parse(result.text) as { rollBackAt: string; last: { reason: string } };
    expect(report.last.reason).toBe('MoreErrors');
    expect(Date.parse(report.rollBackAt) - Date.parse(release)).toBeLessThan(300_000);
  });

  test('it says what the checks said in that time, and takes them into account for a release', async () => {
    const checked = `${manifest}  analysis:
    compare: None
    slo: {errorRatio: 50%}
    checks:
    - {name: queue, query: max(queue_depth), max: 100, interval: 15s, consecutiveFailureLimit: 1}
    - {name: memory, query: 'max(memory{service="{{ canary.service }}"})', max: 100}
    - {name: wrong, query: 'max({{ nobody }})', max: 100}
`;
    const filename = path.join(directory.path, 'checked.yaml');
    await writeFile(filename, checked);
    const text = await ask({ filename });
    if (text.kind === 'Failed') throw new Error(text.message);
    expect(text.text).toMatch(
      /^ {2}queue: failed 4 of 480 times, at most 4 in a row, \d+ times without data; that is a rollback, whatever the canary does\.$/m,
    );
    expect(text.text).toMatch(/^ {2}memory: no data at any time; is it about the canary, which was not there\?$/m);
    expect(text.text).toMatch(/^ {2}spec\.analysis\.checks "wrong": /m);
    const release = formatTime(untilMs - releaseMinutes * 60_000);
    const result = await ask({ filename, release, until: formatTime(untilMs - 60_000), output: 'json' });
    if (result.kind === 'Failed') throw new Error(result.message);
    const report = JSON.parse(result.text) as { rollBackAt: string; last: { reason: string } };
    expect(report.last.reason).toBe('CheckFailed');
    expect(Date.parse(report.rollBackAt) - Date.parse(release)).toBeLessThanOrEqual(165_000);
  });

  test('where there is no history it says under which names it has looked, and what to do', async () => {
    await writeFile(path.join(directory.path, 'cart.yaml'), manifest.replaceAll('shop', 'cart'));
    const result = await ask({ filename: path.join(directory.path, 'cart.yaml') });
    expect(result.kind).toBe('Failed');
    expect(result.kind === 'Failed' && result.message).toContain(
      'web-cart-stable-80@kubernetescrd in the label service',
    );
    const early = await ask({ release: '2020-01-01T00:00:00Z', until: '2020-01-01T01:00:00Z' });
    expect(early.kind === 'Failed' && early.message).toContain('no request of the canary');
  });

  test('it reads the Rollout from a cluster, with the ports of its Services', async () => {
    const cluster = await startCluster({ controllerManager: false });
    try {
      await cluster.applyCrds([
        fileURLToPath(new URL('../../crds/rollouts.yaml', import.meta.url)),
        await toolFile('traefik', 'kubernetes-crd-definition-v1.yml'),
      ]);
      await putNamespace(cluster, 'web');
      const service = (name: string): string =>
        `---\napiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{port: 80, name: http}]}\n`;
      const objects = `${manifest.replaceAll(', port: 80', '')}${service('shop-stable')}${service('shop-canary')}`;
      await cluster.kubectl(['-n', 'web', 'apply', '-f', '-'], { input: objects });
      const settings = { prometheusUrl: prometheus.url, kubeconfig: cluster.adminKubeconfigFile };
      const call = { filename: undefined, namespace: 'web', name: 'shop', settings, output: 'json' };
      const result = await ask(call);
      expect(result).toEqual(await ask({ output: 'json', seed: '1' }));
      expect(await ask({ ...call, name: 'cart' })).toEqual({
        kind: 'Failed',
        message: 'Rollout web/cart does not exist; see kubectl get slr, or use -f FILE.',
      });
    } finally {
      await cluster.stop();
    }
  });
});
