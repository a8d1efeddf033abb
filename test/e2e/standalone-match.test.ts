/** Without a cluster, too: those who ask for the canary get it, and what makes that so is in the state, not in the folder. */
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decodeState } from '../../src/standalone/state-file.ts';
import { eventually } from '../support/eventually.ts';
import { type Load, startLoad } from '../support/load.ts';
import { openStandaloneShop, shopHost, type StandaloneShop } from '../support/standalone.ts';

const spec = {
  canary: { service: 'shop-canary', match: [{ headers: { 'X-Canary': { exact: 'always' } } }] },
  steps: [{ weight: 10, duration: '10m' }],
  analysis: { compare: 'None', slo: { errorRatio: '20%' }, warmup: '0s', pace: 'Time', minRequests: 50 },
};

let shop: StandaloneShop;
const loads: Load[] = [];

beforeEach(async () => {
  shop = await openStandaloneShop();
});
afterEach(async () => {
  for (const load of loads.splice(0)) await load.stop();
  await shop.close();
});

function load(headers: Readonly<Record<string, string>> = {}): Load {
  const started = startLoad({ url: shop.url, host: shopHost, requestsPerSecond: 50, headers });
  loads.push(started);
  return started;
}

async function onlyFrom(traffic: Load, version: string): Promise<void> {
  const isSo = (): boolean => {
    const { total, byVersion } = traffic.since(traffic.mark() - 700);
    return total > 10 && byVersion[version] === total;
  };
  await eventually(isSo, { timeoutMs: 30_000, describe: `only ${version} to answer` });
}

/** matchRoutes are the names of the match routes in the state. */
async function matchRoutes(): Promise<readonly string[]> {
  const file = path.join(shop.state, 'state.json');
  const { records } = decodeState(await readFile(file, 'utf8'), file);
  return records.map(({ id }) => id).filter((id) => id.endsWith('-canary-match'));
}

test(
  'a request that asks for the canary gets it until the rollout is taken back, kill -9 included, and the folder stays as it is',
  { timeout: 120_000 },
  async () => {
    const program = shop.start();
    expect(await program.ready).toBe(true);
    const asking = load({ 'X-Canary': 'always' });
    const plain = load();
    await shop.writeRollout(spec);
    const folder = await shop.snapshot();
    await shop.until(({ weight }) => weight === 10);
    await onlyFrom(asking, 'v2');
    expect(await matchRoutes()).toEqual(['traefik.io/IngressRoute default/shop-canary-match']);

    program.signal('SIGKILL');
    await program.ended;
    const again = shop.start();
    expect(await again.ready).toBe(true);
    await onlyFrom(asking, 'v2');
    const from = plain.mark();
    await eventually(() => plain.since(from).total > 150, { timeoutMs: 20_000 });
    const { total, byVersion } = plain.since(from);
    expect((byVersion['v2'] ?? 0) / total).toBeLessThan(0.2);
    expect(await shop.snapshot()).toEqual(folder);

    const { uid, status } = await shop.until(({ weight }) => weight === 10);
    await shop.writeRollout(
      spec,
      `{sluice.dev/command: "abort 1 ${uid} ${status.revision}", sluice.dev/command-by: ann}`,
    );
    await shop.until(({ phase }) => phase === 'Failed');
    expect(await matchRoutes()).toEqual([]);
    await onlyFrom(asking, 'v1');
  },
);

test('a Rollout whose file is removed in the middle takes its match route along', { timeout: 60_000 }, async () => {
  expect(await shop.start().ready).toBe(true);
  const asking = load({ 'X-Canary': 'always' });
  await shop.writeRollout(spec);
  await shop.until(({ weight }) => weight === 10);
  await onlyFrom(asking, 'v2');
  await rm(path.join(shop.directory, 'rollout.yaml'));
  await eventually(async () => (await matchRoutes()).length === 0, { describe: 'the match route to be gone' });
  await onlyFrom(asking, 'v1');
  const { total, byStatus } = asking.since(0);
  expect(byStatus).toEqual({ 200: total });
});
