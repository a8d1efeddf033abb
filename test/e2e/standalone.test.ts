/** Standalone as a program, under load: what a release does, what kill -9 takes, and what the folder may hold. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AnalysisEvidence } from '../../src/api/rollout-evidence.ts';
import { eventually } from '../support/eventually.ts';
import { type Load, startLoad } from '../support/load.ts';
import { openStandaloneShop, type ShopRecord, shopHost, type StandaloneShop } from '../support/standalone.ts';

const kills = Number(process.env['SLUICE_KILL_RUNS'] ?? '6');
/** One in four is killed while it starts, the others up to this long after they have begun to serve. */
const longestLifeMs = 1_500;

/** A limit that is soon proven: these tests are not about the judge. */
const analysis = { compare: 'None', slo: { errorRatio: '20%' }, warmup: '0s', pace: 'Time', minRequests: 50 };
const steps = (weights: readonly number[], seconds: number): readonly object[] =>
  weights.map((weight) => ({ weight, duration: `${Math.round(seconds * 1000)}ms` }));

const stickyRoute = `apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: shop}
spec:
  entryPoints: [web]
  routes:
  - {kind: Rule, match: Host(\`${shopHost}\`), services: [{name: shop, kind: TraefikService}]}
---
apiVersion: traefik.io/v1alpha1
kind: TraefikService
metadata: {name: shop}
spec:
  weighted:
    sticky: {cookie: {name: shop}}
    services:
    - {name: shop-stable, port: 80}
`;

let shop: StandaloneShop;
const loads: Load[] = [];

beforeEach(async () => {
  shop = await openStandaloneShop();
});
afterEach(async () => {
  for (const load of loads.splice(0)) await load.stop();
  await shop.close();
});

function load(requestsPerSecond = 300): Load {
  const started = startLoad({ url: shop.url, host: shopHost, requestsPerSecond });
  loads.push(started);
  return started;
}

async function answer(): Promise<string> {
  const { statusCode, body } = await request(shop.url, { headers: { host: shopHost } });
  return `${statusCode} ${(await body.text()).trim()}`;
}

/** weightsIn are those of the history, each once. */
const weightsIn = ({ status }: ShopRecord): readonly number[] => [
  ...new Set(status?.history?.map(({ weight }) => weight)),
];

/** watchState reads the state as fast as it can, and keeps each Rollout that it finds; a damaged state ends it. */
function watchState(onRecord: (record: ShopRecord) => void): {
  readonly ended: Promise<void>;
  stop(): Promise<void>;
} {
  const over = new AbortController();
  const watching = (async () => {
    let version = 0;
    while (!over.signal.aborted) {
      const record = await shop.record();
      if (record !== undefined && record.version !== version) onRecord(record);
      version = record?.version ?? 0;
      await sleep(2);
    }
  })();
  // A failure is told by whoever waits for it.
  watching.catch(() => undefined);
  return {
    ended: watching,
    stop: () => {
      over.abort();
      return watching;
    },
  };
}

/** What of two successive states of one rollout has to go on. */
function expectContinued(before: ShopRecord, after: ShopRecord): void {
  expect(after.uid).toBe(before.uid);
  expect(after.version).toBeGreaterThan(before.version);
  const [old, now] = [before.status, after.status];
  if (old === undefined) return;
  if (now === undefined) throw new Error('the status is gone');
  expect(now.weight ?? 0).toBeGreaterThanOrEqual(old.weight ?? 0);
  const { history = [] } = old;
  expect(now.history?.slice(0, history.length) ?? []).toEqual(history);
  if (old.progress === undefined || now.progress === undefined) return;
  expect(now.progress.startedAt).toBe(old.progress.startedAt);
  expect([0, 1]).toContain(now.progress.index - old.progress.index);
  if (now.progress.index === old.progress.index) expect(now.progress.enteredAt).toBe(old.progress.enteredAt);
  if (old.analysis !== undefined) expectMoreEvidence(old.analysis, now.analysis);
}

function expectMoreEvidence(old: AnalysisEvidence, analysis: AnalysisEvidence | undefined): void {
  if (analysis === undefined) throw new Error('the evidence is gone');
  expect(analysis).toMatchObject({ id: old.id, since: old.since });
  expect(analysis.watermark >= old.watermark).toBe(true);
  for (const arm of ['stable', 'canary'] as const) {
    expect(analysis[arm].requests).toBeGreaterThanOrEqual(old[arm].requests);
    // What was answered twice is not counted twice.
    expect(analysis[arm].requests).toBeLessThanOrEqual(shop[arm].requestCount());
  }
}

describe('a release without a cluster', { timeout: 300_000 }, () => {
  test('is promoted under load, with every request answered, while nobody else may work on its state', async () => {
    const program = shop.start();
    expect(await program.ready).toBe(true);
    const traffic = load();
    await shop.writeRollout({ steps: steps([30, 60, 100], 1.5), analysis });
    const before = await shop.snapshot();
    await shop.until(({ conditions = [] }) => conditions.some(({ reason }) => reason === 'Verified'));
    const second = await runProgram([shop.directory, '--state', shop.state]);
    expect(second).toEqual({
      code: 2,
      output: `sluice: The state directory ${shop.state} is in use by process ${program.pid}; stop that one, or choose another state directory with --state.\n`,
    });
    const done = await shop.until(({ phase }) => phase === 'Succeeded');
    expect(weightsIn(done)).toEqual([0, 30, 60, 100]);
    expect(done.status.promotedRevision).toBe('v2');
    const promoted = traffic.mark();
    await sleep(300);
    await loads.pop()?.stop();
    expect(Object.keys(traffic.since(promoted).byVersion)).toEqual(['v2']);
    expect(Object.keys(traffic.since(0).byStatus)).toEqual(['200']);
    expect(await shop.snapshot()).toEqual(before);
  });

  test('over a sticky TraefikService moves known clients last of all', async () => {
    await shop.write('route.yaml', stickyRoute);
    await shop.writeRollout({
      route: { kind: 'TraefikService', name: 'shop' },
      steps: steps([30, 60, 100], 1),
      analysis,
    });
    const before = await shop.snapshot();
    const program = shop.start();
    expect(await program.ready).toBe(true);
    const { headers, body } = await request(shop.url, { headers: { host: shopHost } });
    expect(await body.text()).toBe('v1\n');
    const [cookie = ''] = [headers['set-cookie'] ?? ''].flat();
    const known = startLoad({ url: shop.url, host: shopHost, requestsPerSecond: 50, headers: { cookie } });
    loads.push(known);
    const anybody = load();
    await shop.until(({ progress }) => progress?.weight === 60);
    expect(anybody.since(0).byVersion['v2']).toBeGreaterThan(0);
    expect(Object.keys(known.since(0).byVersion)).toEqual(['v1']);
    const done = await shop.until(({ phase }) => phase === 'Succeeded');
    expect(weightsIn(done)).toEqual([0, 30, 60, 100]);
    await eventually(() => known.since(known.mark() - 200).byVersion['v2'] !== undefined);
    for (const traffic of [known, anybody]) expect(Object.keys(traffic.since(0).byStatus)).toEqual(['200']);
    expect(await shop.snapshot()).toEqual(before);
  });

  test(`goes on where it was after kill -9 at any moment, ${kills} times`, async () => {
    // All steps together take about as long as all lives.
    const seconds = (kills * longestLifeMs) / 1_000 / 5;
    await shop.writeRollout({ steps: steps([20, 40, 60, 80, 100], seconds), analysis });
    const before = await shop.snapshot();
    const records: ShopRecord[] = [];
    const watching = watchState((record) => {
      const last = records.at(-1);
      records.push(record);
      if (last === undefined) return;
      try {
        expectContinued(last, record);
      } catch (error) {
        const found = `${record.status?.phase}, ${record.status?.message}`;
        throw new Error(`${(error as Error).message}: ${found}\n${shop.logs()}`, { cause: error });
      }
    });
    const first = shop.start();
    const startedMs = performance.now();
    expect(await first.ready).toBe(true);
    const startMs = performance.now() - startedMs;
    const traffic = load();
    await shop.until(({ phase }) => phase === 'Progressing');
    first.signal('SIGKILL');
    await first.ended;
    let served = 1;
    for (let run = 1; run < kills; run += 1) {
      const program = shop.start();
      const isKilledEarly = Math.random() < 0.25;
      if (!isKilledEarly) expect(await program.ready, program.log()).toBe(true);
      await Promise.race([sleep(Math.random() * (isKilledEarly ? startMs : longestLifeMs)), watching.ended]);
      program.signal('SIGKILL');
      expect(await program.ended, program.log()).toEqual({ code: null, signal: 'SIGKILL' });
      if (await program.ready) served += 1;
      expect(program.log()).not.toMatch(/"level":"error"/);
    }
    expect(served).toBeGreaterThan(kills / 3);
    const last = shop.start();
    const done = await shop.until(({ progress }) => progress === undefined, 120_000);
    await watching.stop();
    expect(done.status.phase, `${done.status.message}\n${shop.logs()}`).toBe('Succeeded');
    expect(weightsIn(done)).toEqual([0, 20, 40, 60, 80, 100]);
    expect(records.length).toBeGreaterThan(6);
    expect(await answer()).toBe('200 v2');
    last.signal('SIGTERM');
    expect((await last.ended).code).toBe(0);
    await loads.pop()?.stop();
    // 0 is a connection that was refused, or lost with its process.
    const { byStatus, total } = traffic.since(0);
    expect(Object.keys(byStatus).filter((status) => !['0', '200'].includes(status))).toEqual([]);
    expect(total).toBeGreaterThan(1_000);
    expect(await shop.snapshot()).toEqual(before);
  });

  test('goes on beside a file that is broken in between, and obeys a command in a file once', async () => {
    const spec = { steps: [{ weight: 30, duration: '1s' }, { pause: {} }], analysis };
    await shop.writeRollout(spec);
    const program = shop.start();
    expect(await program.ready).toBe(true);
    const traffic = load();
    await shop.until(({ phase }) => phase === 'Progressing');

    const route = await readFile(path.join(shop.directory, 'route.yaml'), 'utf8');
    const broken = traffic.mark();
    await shop.write('route.yaml', route.replace('services:', 'services: ['));
    await eventually(() => linesOf(program.log(), 'manifest not used').length === 1);
    const [line] = linesOf(program.log(), 'manifest not used');
    expect(line).toMatchObject({ file: 'route.yaml', line: 11, level: 'warn' });
    const { uid, status } = await shop.until(({ phase }) => phase === 'Paused');
    const { byVersion, byStatus } = traffic.since(broken);
    expect(Object.keys(byStatus)).toEqual(['200']);
    expect(byVersion['v2'] ?? 0).toBeGreaterThan(20);
    await shop.write('route.yaml', route);
    await eventually(() => linesOf(program.log(), 'all manifests are used').length === 1);

    await shop.writeRollout(spec, `{sluice.dev/command: "abort 1 ${uid} ${status.revision}"}`);
    const aborted = await shop.until(({ phase }) => phase === 'Failed');
    expect(aborted.status).toMatchObject({ weight: 0, handledCommand: '1' });
    await eventually(async () => (await answer()) === '200 v1');
    const { history } = aborted.status;
    program.signal('SIGKILL');
    await program.ended;
    const next = shop.start();
    expect(await next.ready).toBe(true);
    // The file is another one, the command is not.
    await shop.writeRollout(
      { ...spec, progressDeadline: '9m' },
      `{sluice.dev/command: "abort 1 ${uid} ${status.revision}"}`,
    );
    await shop.until(({ observedGeneration }) => observedGeneration !== aborted.status.observedGeneration);
    await sleep(500);
    expect((await shop.record())?.status).toMatchObject({ phase: 'Failed', handledCommand: '1', history });
    // It is meant for v2, and is still there when v3 begins.
    await shop.writeRollout({ ...spec, revision: 'v3' }, `{sluice.dev/command: "abort 1 ${uid} ${status.revision}"}`);
    await shop.until(({ phase, revision }) => phase === 'Paused' && revision === 'v3');
  });

  test('ends at SIGTERM with exit code 0 when the open requests are answered', async () => {
    const program = shop.start();
    expect(await program.ready).toBe(true);
    shop.stable.set({ latencyMs: 1_000 });
    const open = Array.from({ length: 20 }, answer);
    await eventually(() => shop.stable.requestCount() === 20);
    program.signal('SIGTERM');
    expect(await Promise.all(open)).toEqual(open.map(() => '200 v1'));
    expect(await program.ended).toEqual({ code: 0, signal: null });
    expect(linesOf(program.log(), '').filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('tells nobody what a Secret holds, however the file is broken', async () => {
    const mark = 'hunter2mark';
    const data = { 'tls.crt': mark, 'tls.key': mark };
    const secret = (text: string): string => `apiVersion: v1\nkind: Secret\nmetadata: {name: tls}\n${text}\n`;
    await shop.write('secret.yaml', secret(`stringData: ${JSON.stringify(data)}`));
    await shop.write(
      'transport.yaml',
      `apiVersion: traefik.io/v1alpha1
kind: ServersTransport
metadata: {name: tls}
spec: {rootCAsSecrets: [tls], certificatesSecrets: [tls]}
`,
    );
    const route = await readFile(path.join(shop.directory, 'route.yaml'), 'utf8');
    await shop.write('route.yaml', route.replace('port: 80}', 'port: 80, serversTransport: tls, scheme: https}'));
    await shop.writeRollout({ steps: steps([30], 60), analysis });
    const program = shop.start();
    expect(await program.ready).toBe(true);
    load(50);
    const breaks = [
      `data: {password: ${mark}!}`,
      `data: {password: *${mark}}`,
      `data: {password: !${mark}! x}`,
      `data:\n  password: |${mark}`,
      `stringData: {password: [${mark}]}`,
      `- ${mark}`,
      `---\n${mark}`,
    ];
    const problems = (): number => linesOf(program.log(), 'manifest not used').length;
    for (const text of breaks) {
      const before = problems();
      await shop.write('secret.yaml', secret(text));
      await eventually(() => problems() > before);
    }
    const told = [
      program.log(),
      ...(await Promise.all(['/config', '/metrics'].map((at) => shop.health(at)))),
      ...(await Promise.all(['/config', '/metrics', '/api/rawdata', '/api/http/services'].map((at) => shop.admin(at)))),
      JSON.stringify((await shop.record())?.status ?? {}),
    ];
    const encoded = Buffer.from(mark).toString('base64');
    expect(told.filter((text) => text.includes(mark) || text.includes(encoded))).toEqual([]);
  });
});

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** runProgram runs `sluice standalone` until it ends by itself. */
async function runProgram(args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, [main, 'standalone', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, output };
}

interface LogLine {
  readonly msg: string;
  readonly level: string;
}

/** linesOf returns the lines of a log with a message that begins so. */
function linesOf(log: string, message: string): readonly LogLine[] {
  const lines = log.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
  return lines.map((line) => JSON.parse(line) as LogLine).filter(({ msg }) => msg.startsWith(message));
}
