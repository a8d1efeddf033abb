/**
 * `npm run demo`: a good and a bad release on real servers, told as they happen. Builds kube-apiserver, etcd, Traefik and
 * Prometheus at the first run, starts them in a network namespace of their own, and ends by itself.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { buildTools } from '../test/support/build-tools.ts';
import type { Load, Mark } from '../test/support/load.ts';
import { inNetworkNamespace } from '../test/support/network-namespace.ts';
import { openShop, storySteps, type Shop } from '../test/support/shop.ts';
import { type Stage, startStage, shopNamespace } from '../test/support/stage.ts';
import { eventually } from '../test/support/eventually.ts';

const insideFlag = '--inside-namespace';
const startedMs = performance.now();

process.exitCode = process.argv.includes(insideFlag) ? await tellStories() : await enterNamespace();

async function enterNamespace(): Promise<number> {
  try {
    await buildTools();
    const [file, ...args] = inNetworkNamespace([process.execPath, fileURLToPath(import.meta.url), insideFlag]);
    const child = spawn(file, args, { stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill('SIGKILL'));
    return await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return 1;
  }
}

async function tellStories(): Promise<number> {
  say('Starting etcd, kube-apiserver, Traefik and Prometheus.');
  const stage = await startStage({ controllerManager: false });
  const shops: Shop[] = [];
  try {
    await stage.startController();
    const good = await openShop(stage, { name: 'good', number: 1 });
    const bad = await openShop(stage, { name: 'bad', number: 2 });
    shops.push(good, bad);
    bad.canary.set({ errorRatio: 0.2 });
    say('Two shops are open: v1 serves all. v2 of "bad" answers every fifth request with 500.');
    say('Two Rollouts are applied (steps 5, 25, 50, 100 % of a few seconds each); 300 requests a second go to each.');
    const results = await Promise.all([tell(good), tell(bad)]);
    await showObjects(stage);
    const isAsTold = results[0] === 'Succeeded' && results[1] === 'Failed';
    say(isAsTold ? 'The good release was promoted, the bad one was taken back.' : `Unexpected: ${results.join(', ')}.`);
    return isAsTold ? 0 : 1;
  } finally {
    for (const shop of shops) await shop.stop();
    await stage.stop();
  }
}

/** tell runs the rollout of one shop under load and prints a line whenever its status says something new. */
async function tell(shop: Shop): Promise<string> {
  const load = shop.load(300);
  let last = '';
  let mark = load.mark();
  try {
    // The source has to know stable before anybody is exposed to the canary.
    await eventually(() => load.mark() - mark > 5_000);
    await shop.applyRollout({ ...storySteps, revision: '2026.11.3' });
    const status = await shop.until(
      'the end of its rollout',
      ({ phase = 'Pending', reason, weight = 0, message = '' }) => {
        const now = `${phase} ${reason} ${weight}`;
        if (now !== last && message !== '') {
          say(`${shop.name.padEnd(4)} ${phase.padEnd(11)} ${String(weight).padStart(3)}%  ${message}`);
          last = now;
        }
        return phase === 'Succeeded' || phase === 'Failed';
      },
      120_000,
    );
    mark = load.mark();
    await eventually(() => load.mark() - mark > 6_000, { timeoutMs: 10_000 });
    sayTotals(shop, load, mark);
    return status.phase ?? '';
  } finally {
    await load.stop();
  }
}

function sayTotals(shop: Shop, load: Load, end: Mark): void {
  const all = load.since(0);
  const after = load.since(end + 5_000);
  const answers = Object.entries(after.byVersion).map(([version, count]) => `${version}: ${count}`);
  say(
    `${shop.name.padEnd(4)} client: ${all.total} requests, ${all.failed} failed; in the second from 5 s after the end: ${answers.join(', ')}`,
  );
}

async function showObjects({ cluster }: Stage): Promise<void> {
  for (const args of [
    ['get', 'slr'],
    ['describe', 'slr', 'good'],
    ['describe', 'slr', 'bad'],
  ]) {
    console.log(`\n$ kubectl -n ${shopNamespace} ${args.join(' ')}`);
    console.log((await cluster.kubectl(['-n', shopNamespace, ...args])).trimEnd());
  }
  console.log('');
}

function say(text: string): void {
  console.log(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)} s  ${text}`);
}
