/**
 * The files of manifests/examples, applied with kubectl as they are but for their namespace and host, all side by side: each
 * does what it is for, in the status of its Rollout and for a client of Traefik. Their steps take minutes and hours; a person
 * who promotes shortens them. A file without an entry in `promises` has to reach its first weight.
 */
import { execFileSync } from 'node:child_process';
import { globSync } from 'node:fs';
import http from 'node:http';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Service, resources } from '../../src/api/kubernetes.ts';
import type { IngressRoute, TraefikService } from '../../src/api/traefik.ts';
import { type Backend, startBackend } from '../support/backend.ts';
import { grantCopy } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { type Pod, startKubelet } from '../support/kubelet.ts';
import { type Load, startLoad } from '../support/load.ts';
import { readObject } from '../support/objects.ts';
import {
  type ExampleFile,
  readExampleFile,
  runExample,
  type RunningExample,
  selects,
  untilAnswered,
} from '../support/running-example.ts';
import { type Stage, startStage } from '../support/stage.ts';

const folder = fileURLToPath(new URL('../../manifests/examples', import.meta.url));
const files = globSync('*.yaml', { cwd: folder })
  .filter((file) => file !== 'app.yaml')
  .toSorted()
  .map(readExampleFile);

/** The same processes stand for the pods of all examples: Services tell them apart, and Traefik counts by Service. */
const addresses = {
  stable: ['10.77.0.2', '10.77.0.3', '10.77.0.4'],
  canary: ['10.77.0.12', '10.77.0.13', '10.77.0.14'],
  brokenCanary: ['10.77.0.15', '10.77.0.16', '10.77.0.17'],
};
/** These are about a canary that is no good. */
const broken = ['by-hand', 'dry-run', 'no-metrics'];
const metricsAddress = { host: '10.77.0.19', port: 9100 };
const scrapeAddress = { host: '10.77.0.20', port: 9100 };

/** Counters are read each second, and looked at when they are two seconds old; a busy machine gets as much again. */
const readLateMs = 6_000;

let stage: Stage;
let scrapes = 0;
const running: { stop(): Promise<void> }[] = [];
const stories = new Map<string, Promise<void>>();

/** readyOf: a manifest that cannot be used makes Ready False. */
function readyOf({ conditions = [] }: Awaited<ReturnType<RunningExample['status']>>): string | undefined {
  return conditions.find(({ type }) => type === 'Ready')?.status;
}

/** toFirstWeight is what every example does in the end: it is accepted and gives the canary its first share. */
async function toFirstWeight({ until, file, load }: RunningExample): Promise<void> {
  const status = await until('its first weight', ({ weight = 0 }) => weight > 0);
  expect(readyOf(status), status.message).toBe('True');
  await eventually(() => (load.since(0).byVersion['v2'] ?? 0) > 0, {
    timeoutMs: 60_000,
    describe: `${file.name}: the first answer of the canary`,
  });
}

async function routeOf({ file }: RunningExample): Promise<IngressRoute['spec']> {
  const id = { namespace: file.namespace, name: 'shop' };
  const route = await readObject<IngressRoute>(stage.cluster, resources.ingressRoutes, id);
  if (route === undefined) throw new Error(`${file.name} has no route`);
  return route.spec;
}

/** goesOn waits until a version has answered further requests. */
async function goesOn({ file, load }: RunningExample, version: string): Promise<void> {
  const mark = load.mark();
  await eventually(() => load.mark() - mark > 3_000 && (load.since(mark).byVersion[version] ?? 0) > 0, {
    timeoutMs: 30_000,
    describe: `${file.name}: further answers of ${version}`,
  });
}

/** answered waits until the canary has answered so many requests, and for what reads the counters of them. */
async function answered(load: Load, requests: number): Promise<void> {
  const mark = load.mark();
  const isEnough = (): boolean =>
    (load.since(0, load.mark() - readLateMs).byVersion['v2'] ?? 0) >= requests && load.mark() - mark > readLateMs;
  await eventually(isEnough, { timeoutMs: 60_000, describe: `${requests} answers of the canary` });
}

const patchSpec = (spec: object): readonly string[] => [
  'patch',
  'slr',
  'shop',
  '--type=merge',
  '-p',
  JSON.stringify({ spec }),
];

/** scheduleSays works out by the clock on the wall of Paris what schedule.yaml says. */
function scheduleSays(at: Date): 'Frozen' | 'OutsideWindow' | 'Open' {
  if (at >= new Date('2026-12-24T00:00:00Z') && at < new Date('2027-01-02T00:00:00Z')) return 'Frozen';
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: 'Europe/Paris',
    weekday: 'short',
    hour: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(at);
  const part = (type: string): string => parts.find((one) => one.type === type)?.value ?? '';
  const until = { Mon: 17, Tue: 17, Wed: 17, Thu: 17, Fri: 13 }[part('weekday')] ?? 0;
  const hour = Number(part('hour'));
  return hour >= 9 && hour < until ? 'Open' : 'OutsideWindow';
}

/** What a message says of the requests of the canary; at a step it is written about once a minute, and when the next begins. */
const counted = /Canary \d+\/[1-9]\d* bad/;

const promises: Readonly<Record<string, (example: RunningExample) => Promise<void>>> = {
  'by-hand': async (example) => {
    const { until, untilAt, kubectl, command } = example;
    const waiting = await until('a start by hand', ({ reason }) => reason === 'PausedBySpec');
    expect(waiting).toMatchObject({ phase: 'Pending', weight: 0 });
    await kubectl(...patchSpec({ paused: false }));
    await untilAt(10);
    const failed = await until('the analysis to fail', ({ reason }) => reason === 'AnalysisFailed');
    expect(failed).toMatchObject({ phase: 'Paused', weight: 10, verdict: 'Fail' });
    await goesOn(example, 'v2');
    await command('abort');
    await untilAt(0);
    expect((await until('the abort', ({ phase }) => phase === 'Failed')).reason).toBe('Aborted');
  },
  copy: async ({ untilAt, command, kubectl }) => {
    await untilAt(5);
    await command('promote-full');
    await untilAt(100);
    await command('promote');
    expect(await untilAt(95)).toMatchObject({ phase: 'Promoting' });
    const image = 'jsonpath={.spec.template.spec.containers[0].image}';
    expect(await kubectl('get', 'deployment', 'shop-stable', '-o', image)).toBe('registry.example/shop:2026.11.3');
  },
  daemonset: async ({ file, untilAt, kubectl }) => {
    await untilAt(5);
    const kind = ['get', 'daemonsets', '-o', 'jsonpath={.items[*].status.numberReady}'];
    expect({ file: file.name, ready: await kubectl(...kind) }).toEqual({ file: 'daemonset', ready: '2 3' });
  },
  deployments: async (example) => {
    const { status, untilAt, kubectl } = example;
    await untilAt(5);
    const uid = await kubectl('get', 'deployment', 'shop-canary', '-o', 'jsonpath={.metadata.uid}');
    expect((await status()).revision).toContain(uid.slice(0, 8));
    expect((await routeOf(example)).routes?.[0]?.services).toMatchObject([
      { name: 'shop-stable', port: 'http', weight: 95 },
      { name: 'shop-canary', port: 'http', weight: 5, nativeLB: true },
    ]);
  },
  'dry-run': async (example) => {
    await example.untilAt(5);
    const failing = await example.until('a Fail', ({ verdict }) => verdict === 'Fail');
    expect(failing).toMatchObject({ phase: 'Progressing', weight: 5 });
    await goesOn(example, 'v2');
    expect(await example.status()).toMatchObject({ phase: 'Progressing', weight: 5 });
  },
  hold: async (example) => {
    const { until, untilAt, kubectl, command } = example;
    await untilAt(5);
    await command('promote-full');
    await untilAt(100);
    await command('promote');
    await until('the Hold', ({ reason }) => reason === 'Holding');
    await kubectl('set', 'image', 'deployment/shop-stable', 'shop=registry.example/shop:2026.11.3');
    expect(await untilAt(95)).toMatchObject({ phase: 'Promoting' });
  },
  limits: async ({ untilAt, until, command, load }) => {
    await untilAt(5);
    await answered(load, 10);
    await command('promote');
    await untilAt(25);
    // A scrape that a busy machine has missed is not made up for before the next interval of the check.
    const queue = 'Check queue-depth is 12, allowed at most 100.';
    const { message } = await until('both checks', (now) => now.message?.includes(queue) === true);
    expect(message).toContain('Limits: at most 1% bad, at least 99% within 1 s.');
    expect(message).toMatch(/Check orders is [\d.]+, allowed at least 0\.5\./);
  },
  'low-traffic': async ({ untilAt, command }) => {
    expect((await untilAt(20)).step).toBe('1/4');
    await command('promote');
    await untilAt(40);
  },
  match: async ({ file, untilAt }) => {
    await untilAt(5);
    const asks = async (headers: Readonly<Record<string, string>>, versions: readonly string[]): Promise<void> => {
      const load = startLoad({ url: stage.traefik.webUrl, host: file.host, requestsPerSecond: 10, headers });
      try {
        await untilAnswered(load, versions, `match: answers to ${JSON.stringify(headers)}`);
      } finally {
        await load.stop();
      }
    };
    await Promise.all([
      asks({ 'x-canary': 'always' }, ['v2']),
      asks({ 'x-client-version': '2026.11.3', 'user-agent': 'shop-app/7' }, ['v2']),
      asks({ cookie: 'canary=always' }, ['v2']),
      asks({ cookie: 'session=test-7; group=beta12' }, ['v2']),
      asks({ 'x-canary': 'never', cookie: 'session=test-7; group=guest' }, ['v1', 'v2']),
    ]);
  },
  minimal: async (example) => {
    const before = await routeOf(example);
    expect(before.routes?.[0]?.services).toEqual([{ name: 'shop-stable', port: 80 }]);
    const status = await example.untilAt(5);
    expect(status).toMatchObject({ phase: 'Progressing', step: '1/4', revision: '2026.11.3' });
  },
  'no-metrics': async (example) => {
    const { untilAt, until, command, kubectl } = example;
    expect((await untilAt(5)).verdict).toBeUndefined();
    await command('promote-full');
    await untilAt(100);
    await command('promote');
    await until('the Hold', ({ reason }) => reason === 'Holding');
    await kubectl('delete', 'slr', 'shop');
    expect((await routeOf(example)).routes?.[0]?.services).toEqual([{ name: 'shop-stable', port: 'http' }]);
    await goesOn(example, 'v1');
  },
  pauses: async ({ untilAt, until, command }) => {
    for (const [weight, pausedAt] of [
      [5, '2/6'],
      [25, '4/6'],
    ] as const) {
      await untilAt(weight);
      await command('promote');
      const waiting = await until('the pause', ({ reason }) => reason === 'PauseStep');
      expect(waiting).toMatchObject({ phase: 'Paused', weight, step: pausedAt });
      await command('promote');
    }
    await untilAt(50);
  },
  ramp: async ({ untilAt, command }) => {
    expect((await untilAt(1)).step).toBe('1/7');
    await command('promote');
    await untilAt(2);
  },
  schedule: async (example) => {
    const { status, until, untilAt, kubectl } = example;
    const says = await eventually(
      async () => {
        const now = await status();
        const expected = scheduleSays(new Date());
        if (expected === 'Open' ? now.weight === 5 : now.reason === expected) return expected;
        throw new Error(`the schedule says ${expected}, the status ${now.phase}/${now.reason}: ${now.message}`);
      },
      { timeoutMs: 90_000, describe: 'schedule: what its hours say' },
    );
    if (says !== 'Open') {
      const waiting = await status();
      expect(waiting).toMatchObject({ phase: 'Pending', weight: 0 });
      expect(readyOf(waiting)).toBe('True');
      expect(scheduleSays(new Date(waiting.opensAt ?? ''))).toBe('Open');
      await goesOn(example, 'v1');
      expect(example.load.since(0).byVersion['v2']).toBeUndefined();
      await kubectl(...patchSpec({ schedule: null }));
      // Its place in the queue of those that an opening lets go is up to a minute away.
      await until('the opening', ({ reason, weight }) => reason === 'WindowOpened' || weight === 5);
    } else await untilAt(5);
  },
  scrape: async ({ untilAt, command, load }) => {
    await untilAt(5);
    await answered(load, 10);
    await command('promote');
    expect((await untilAt(25)).message).toMatch(counted);
    expect(scrapes).toBeGreaterThan(0);
  },
  statefulset: async ({ untilAt, status, kubectl }) => {
    await untilAt(10);
    const revision = await kubectl('get', 'statefulset', 'sessions-canary', '-o', 'jsonpath={.status.updateRevision}');
    expect((await status()).revision).toContain(revision.slice('sessions-canary-'.length));
  },
  sticky: async (example) => {
    await example.untilAt(5);
    expect((await routeOf(example)).routes?.[0]?.services).toEqual([{ name: 'shop', kind: 'TraefikService' }]);
    const service = JSON.parse(await example.kubectl('get', 'traefikservice', 'shop', '-o', 'json')) as TraefikService;
    expect(service.spec?.weighted).toMatchObject({
      sticky: { cookie: { name: 'shop-version' } },
      services: [
        { name: 'shop-stable', weight: 95 },
        { name: 'shop-canary', weight: 5 },
      ],
    });
  },
  statistics: async ({ untilAt, command, load }) => {
    await untilAt(5);
    await answered(load, 10);
    await command('promote');
    const { message } = await untilAt(25);
    expect(message).toMatch(counted);
    expect(message).toContain('(99%, tolerated +0.1');
  },
};

beforeAll(async () => {
  running.push(await startServer(metricsAddress, () => Promise.resolve(shopMetrics())));
  for (const address of addresses.stable) running.push(await startBackend({ address, version: 'v1' }));
  for (const address of addresses.canary) running.push(await startBackend({ address, version: 'v2' }));
  for (const address of addresses.brokenCanary)
    running.push(await startBackend({ address, version: 'v2', errorRatio: 1 }));
  stage = await startStage({ targets: [`${metricsAddress.host}:${metricsAddress.port}`] });
  running.push(stage);
  await grantCopy(stage);
  running.push(await startServer(scrapeAddress, scrapeTraefik));
  const { host, port } = scrapeAddress;
  await stage.startController({ args: [`--scrape-urls=http://${host}:${port}/metrics`, '--scrape-interval=1s'] });
  running.push(await startKubelet(stage.cluster, { addressesFor, nodeLabels: { edge: 'canary' } }));
  for (const file of files) {
    const example = await runExample(stage, file, 30);
    running.push({ stop: () => example.load.stop() });
    if (file.text.includes('nativeLB: true')) running.push(await startClusterAddress(file));
    const story = tell(example);
    // The test of the example reports it.
    story.catch(() => {});
    stories.set(file.name, story);
  }
});
afterAll(async () => {
  for (const one of running.splice(0).toReversed()) await one.stop();
});

/** tell runs an example; no client notices, unless the canary is no good. */
async function tell(example: RunningExample): Promise<void> {
  const { file, load } = example;
  const isServed = (): boolean => {
    const { total, failed, byStatus } = load.since(load.mark() - 1_000);
    if (failed > 0) throw new Error(`it answers ${JSON.stringify(byStatus)}`);
    return total > 0;
  };
  await eventually(isServed, { timeoutMs: 60_000, describe: `${file.name}: Traefik to serve its host` });
  const mark = load.mark();
  try {
    await (promises[file.name] ?? toFirstWeight)(example);
    const { total, byStatus } = load.since(mark);
    if (!broken.includes(file.name)) expect(byStatus).toEqual({ 200: total });
  } finally {
    // What is left of the machine is for those that are not at their end.
    await load.stop();
  }
}

function addressesFor({ metadata }: Pod): readonly string[] {
  const file = files.find(({ namespace }) => namespace === metadata.namespace);
  if (file === undefined) return [];
  if (!selects(file.canary.labels, metadata.labels)) return addresses.stable;
  return broken.includes(file.name) ? addresses.brokenCanary : addresses.canary;
}

/** startClusterAddress is kube-proxy: with nativeLB Traefik asks for the canary at the ClusterIP of its Service. */
async function startClusterAddress({ namespace, canary }: ExampleFile): Promise<Backend> {
  const service = await readObject<Service & { readonly spec?: { readonly clusterIP?: string } }>(
    stage.cluster,
    resources.services,
    { namespace, name: canary.service },
  );
  const address = service?.spec?.clusterIP ?? '';
  execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
  return startBackend({ address, port: 80, version: 'v2' });
}

/** shopMetrics is what the checks of limits.yaml ask for. */
function shopMetrics(): string {
  return `queue_depth{service="shop-canary"} 12\norders_total{service="shop-canary"} ${5 * performance.now()}\n`;
}

/** scrapeTraefik stands between the controller and the metrics of Traefik, to know that it asks for them. */
async function scrapeTraefik(): Promise<string> {
  scrapes += 1;
  return (await request(stage.traefik.metricsUrl)).body.text();
}

/** startServer answers every request with metrics. */
async function startServer(
  { host, port }: typeof metricsAddress,
  answer: () => Promise<string>,
): Promise<{ stop(): Promise<void> }> {
  const server = http.createServer((_request, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    void answer().then((text) => response.end(text));
  });
  await new Promise<void>((resolve) => {
    server.listen(port, host, resolve);
  });
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

describe('the examples', () => {
  test.each(files.map(({ name }) => name))('%s.yaml does what it is for', async (name) => {
    await stories.get(name);
  });

  test('kubectl explain says what the reference says', async () => {
    const said = await stage.cluster.kubectl(['explain', 'slr.spec.schedule']);
    expect(said).toContain('Analysis, guards and rollback');
  });

  test('each promise belongs to a file', () => {
    const names = files.map(({ name }) => name);
    expect(Object.keys(promises).filter((name) => !names.includes(name))).toEqual([]);
  });
});
