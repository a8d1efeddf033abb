/** The examples of standalone mode, run as a newcomer would: the program on the folder, two backends, and what the state says. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { request } from 'undici';
import { parse, parseAllDocuments } from 'yaml';
import type { RolloutStatus } from '../../src/api/rollout-status.ts';
import { systemClock } from '../../src/clock.ts';
import { openFolderStore, type FolderProblem } from '../../src/standalone/folder-store.ts';
import { createManifestSchema, readCrds } from '../../src/standalone/manifest-schema.ts';
import { planSlice } from '../../src/standalone/slice-plan.ts';
import { eventually } from '../support/eventually.ts';
import { startLoad, type Load } from '../support/load.ts';
import { startServer, type ServerProcess } from '../support/processes.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const examples = path.join(root, 'manifests', 'examples', 'standalone');
const host = 'shop.localhost';
const url = 'http://127.0.0.1:8000/';

let directory: string;
const running: { stop(): Promise<void> }[] = [];

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'sluice-examples-'));
});
afterEach(async () => {
  for (const one of running.splice(0).toReversed()) await one.stop();
  await rm(directory, { recursive: true });
});

/** startBackend starts the backend of the examples, as docs/standalone.md says. */
async function startBackend(name: string, port: number, errors = 0): Promise<void> {
  const child: ChildProcess = spawn(process.execPath, [
    path.join(examples, 'backend.mjs'),
    name,
    String(port),
    String(errors),
  ]);
  running.push({
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.kill();
      }),
  });
  await new Promise<void>((resolve) => {
    child.stdout?.once('data', () => resolve());
  });
}

async function startStandalone(folder: string): Promise<ServerProcess> {
  const args = ['standalone', folder, '--state', path.join(directory, 'state')];
  const server = await startServer({
    name: 'standalone',
    command: process.execPath,
    args: [path.join(root, 'src', 'main.ts'), ...args],
    directory,
    isReady: async () => {
      const answer = await request('http://127.0.0.1:8081/readyz');
      await answer.body.dump();
      return answer.statusCode === 200;
    },
  });
  running.push(server);
  return server;
}

function load(requestsPerSecond = 300): Load {
  const started = startLoad({ url, host, requestsPerSecond });
  running.push(started);
  return started;
}

async function answerOf(name: string): Promise<string> {
  const { statusCode, body } = await request(url, { headers: { host: name } });
  return `${statusCode} ${(await body.text()).trim()}`;
}

interface StateRecord {
  readonly id: string;
  readonly uid: string;
  readonly status?: RolloutStatus;
}

/** shopOf reads the state as docs/standalone.md does. */
async function shopOf(): Promise<StateRecord> {
  const text = await readFile(path.join(directory, 'state', 'state.json'), 'utf8');
  const { records } = JSON.parse(text.slice(text.indexOf('\n') + 1)) as { readonly records: readonly StateRecord[] };
  const shop = records.find(({ id }) => id === 'sluice.dev/Rollout default/shop');
  if (shop === undefined) throw new Error('there is no Rollout in the state');
  return shop;
}

function until(isMet: (status: RolloutStatus) => boolean, describe: string, timeoutMs = 180_000) {
  return eventually(
    async () => {
      const { status } = await shopOf();
      if (status !== undefined && isMet(status)) return status;
      throw new Error(JSON.stringify({ phase: status?.phase, weight: status?.weight, message: status?.message }));
    },
    { timeoutMs, intervalMs: 200, describe },
  );
}

function digestOf(folder: string): string {
  const digest = createHash('sha256');
  for (const file of readdirSync(folder).sort()) digest.update(file).update(readFileSync(path.join(folder, file)));
  return digest.digest('hex');
}

describe('the folder of the shop', () => {
  const shop = path.join(examples, 'shop');

  test('takes the traffic back from a v2 that fails', async () => {
    const before = digestOf(shop);
    await startBackend('v1', 9001);
    await startBackend('v2', 9002, 20);
    await startStandalone(shop);
    expect(await answerOf(host)).toMatch(/^200 hello from v[12]$/);
    expect(await answerOf(`www.${host}`)).toMatch(/^200 hello from v[12]$/);
    expect(await answerOf('other.localhost')).toMatch(/^404/);
    load();
    const failed = await until(({ phase }) => phase === 'Failed', 'the rollback');
    expect(failed.weight).toBe(0);
    await eventually(async () => (await answerOf(host)) === '200 hello from v1');
    expect(digestOf(shop)).toBe(before);
  });

  test('without its canary serves from stable, and says what is missing', async () => {
    await startBackend('v1', 9001);
    const standalone = await startStandalone(shop);
    expect(await answerOf(host)).toBe('200 hello from v1');
    expect(standalone.logTail(200)).toContain('"endpoint":"127.0.0.1:9002","why":"connection refused"');
    const { status } = await eventually(async () => {
      const record = await shopOf();
      return record.status === undefined ? undefined : record;
    });
    expect(status?.phase).toBe('Pending');
  });
});

describe.each(['shop', 'compose/manifests', 'vm/manifests'])('the manifests of %s', (name) => {
  test('are all used as they are, and their endpoints can be probed', async () => {
    const folder = path.join(examples, name);
    const problems: FolderProblem[] = [];
    const store = await openFolderStore({
      directory: folder,
      stateDirectory: path.join(directory, 'state'),
      clock: systemClock,
      validate: createManifestSchema(await readCrds(path.join(root, 'crds'))),
      onProblems: (all) => problems.push(...all),
    });
    try {
      const plans: string[] = [];
      store.onSlices((slices) => plans.push(...slices.flatMap((slice) => planSlice(slice, undefined).problems)))();
      expect([...problems, ...store.problems(), ...plans]).toEqual([]);
    } finally {
      await store.close();
    }
  });
});

describe('the example of docker compose', () => {
  test('has a service for each address of its manifests', async () => {
    const compose = parse(readFileSync(path.join(examples, 'compose', 'compose.yaml'), 'utf8')) as {
      readonly services: Readonly<Record<string, object>>;
    };
    const text = readFileSync(path.join(examples, 'compose', 'manifests', 'shop.yaml'), 'utf8');
    const addresses = parseAllDocuments(text)
      .map(
        (document) => document.toJS() as { readonly endpoints?: readonly { readonly addresses: readonly string[] }[] },
      )
      .flatMap(({ endpoints = [] }) => endpoints.flatMap((endpoint) => endpoint.addresses));
    expect(addresses).toHaveLength(2);
    expect(Object.keys(compose.services)).toEqual(expect.arrayContaining(addresses));
  });
});
