/** What people and pipelines type, on a real API server with a running controller: `sluice`, and `kubectl sluice`. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Load, startLoad } from '../support/load.ts';
import { openStandaloneShop, shopHost, type StandaloneShop } from '../support/standalone.ts';
import { freePort, temporaryDirectory } from '../support/processes.ts';
import { openShop, quickSteps, type Shop } from '../support/shop.ts';
import { shopNamespace, type Stage, startStage } from '../support/stage.ts';
import { toolPath } from '../support/build-tools.ts';

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const analysis = { ...quickSteps.analysis, minRequests: 20 };
const long = [20, 50].map((weight) => ({ weight, duration: '10m' }));

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('sluice, typed by a person or a pipeline', { timeout: 240_000 }, () => {
  let stage: Stage;
  let directory: string;
  const open: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    stage = await startStage({ controllerManager: false });
    await stage.startController();
    const temporary = await temporaryDirectory('cli');
    open.push({ stop: () => temporary.remove() });
    directory = temporary.path;
    await installPrograms(path.join(directory, 'bin'));
  });
  afterAll(async () => {
    for (const part of open.splice(0).toReversed()) await part.stop();
    await stage?.stop();
  });

  /** shell runs a script with both programs and kubectl on the PATH, as the administrator in the namespace of the shops. */
  async function shell(script: string, env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const bin = path.join(directory, 'bin');
    const child = spawn('sh', ['-euc', script], {
      env: {
        PATH: `${bin}:${path.dirname(await toolPath('kubectl'))}:${path.dirname(process.execPath)}:/usr/bin:/bin`,
        HOME: directory,
        KUBECONFIG: stage.cluster.adminKubeconfigFile,
        NS: shopNamespace,
        ...env,
      },
    });
    return outcomeOf(child);
  }

  async function openLoaded(name: string, number: number): Promise<Shop> {
    const shop = await openShop(stage, { name, number });
    open.push(shop, shop.load(50));
    return shop;
  }

  /** writeRelease writes the manifest of a release. */
  async function writeRelease(name: string, spec: object): Promise<string> {
    const file = path.join(directory, `${name}-${Math.random().toString(36).slice(2)}.json`);
    const members = {
      route: { name },
      stable: { service: `${name}-stable`, port: 80 },
      canary: { service: `${name}-canary`, port: 80 },
    };
    const metadata = { namespace: shopNamespace, name };
    const rollout = { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata, spec: { ...members, ...spec } };
    await writeFile(file, JSON.stringify(rollout));
    return file;
  }

  /** pipeline is what a team has in its CI. */
  const pipeline = `kubectl apply -f "$RELEASE"
    sluice status "slr/$NAME" -n "$NS" --wait --revision r1 --timeout "$TIMEOUT"
    echo released`;
  const release = async (name: string, spec: object, timeout = '120s'): Promise<Ran> =>
    shell(pipeline, { RELEASE: await writeRelease(name, spec), NAME: name, TIMEOUT: timeout });

  test('a pipeline ends with the code of what became of its release: good, bad, superseded, stuck, waiting', async () => {
    const steps = [20, 100].map((weight) => ({ weight, duration: '2s' }));
    const [good, bad, old, stuck] = await Promise.all(
      ['good', 'bad', 'old', 'stuck', 'asking'].map((name, index) => openLoaded(name, index + 1)),
    );
    bad?.canary.set({ errorRatio: 1 });
    await stuck?.setReady('canary', 'Gone');
    const replace = async (): Promise<Ran> => {
      await old?.untilAt(20);
      return shell('kubectl apply -f "$RELEASE"', {
        RELEASE: await writeRelease('old', { steps: long, analysis, revision: 'r2' }),
      });
    };
    const [ofGood, ofBad, ofOld, ofStuck, ofAsking, replaced] = await Promise.all([
      release('good', { steps, analysis, revision: 'r1' }),
      release('bad', { steps, analysis, revision: 'r1' }),
      release('old', { steps: long, analysis, revision: 'r1' }),
      release('stuck', { steps, analysis, revision: 'r1' }, '8s'),
      release('asking', { steps: [{ weight: 20, duration: '1s' }, { pause: {} }], analysis, revision: 'r1' }),
      replace(),
    ]);
    expect(replaced?.code).toBe(0);
    expect(ofGood).toMatchObject({ code: 0, stderr: '' });
    // How much of the way it sees depends on how fast the machine starts it.
    expect(ofGood.stdout).toMatch(
      /^rollout\.sluice\.dev\/good created\n(\S+Z {2}.+\n)*\S+Z {2}Succeeded +100% {2}Holding {2}.+\nRevision r1 was promoted\.\nreleased\n$/,
    );
    expect(ofBad).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^sluice: Revision r1 was not promoted\. .+\n$/),
    });
    expect(ofBad.stdout).not.toContain('released');
    expect(ofOld).toMatchObject({
      code: 6,
      stderr: 'sluice: Revision r1 was replaced by r2 before it was promoted.\n',
    });
    expect(ofStuck).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/^sluice: stuck was not decided within 8 s: Pending at 0%\. .+\n$/),
    });
    expect(ofAsking).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/^sluice: Paused \(PauseStep\): it waits for promote\. .+\n$/),
    });
    expect(good && (await good.status()).promotedRevision).toBe('r1');
  });

  test('get prints what kubectl get prints, and history who asked', async () => {
    const withoutAge = (text: string): readonly string[] => text.split('\n').map((line) => line.replace(/ +\S+$/, ''));
    const all = await shell('sluice get -n "$NS"');
    expect(all).toMatchObject({ code: 0, stderr: '' });
    const theirs = await shell('kubectl get slr -n "$NS"');
    expect(withoutAge(all.stdout)).toEqual(withoutAge(theirs.stdout));
    expect((await shell('sluice get -A -o name')).stdout).toBe((await shell('kubectl get slr -A -o name')).stdout);
    expect(JSON.parse((await shell('kubectl sluice get slr/good -n "$NS" -o json')).stdout)).toMatchObject({
      kind: 'Rollout',
      metadata: { name: 'good' },
      status: { promotedRevision: 'r1' },
    });
    expect((await shell('sluice get -n "$NS" -l app=none')).stderr).toBe(
      'sluice: No Rollouts found in web namespace.\n',
    );
    const history = await shell('sluice history bad -n "$NS"');
    expect(history.stdout).toMatch(/^TIME +PHASE +WEIGHT +REVISION +REASON +WHO +MESSAGE\n/);
    expect(history.stdout).toMatch(/Failed +0% +r1 +\w+ +- +\S/);
  });

  test('status shows the tree, in colours only on a terminal, and in 80 columns', async () => {
    const piped = await shell('sluice status asking -n "$NS"');
    expect(piped.code).toBe(0);
    expect(piped.stdout).not.toContain('\u001b');
    expect(piped.stdout).toMatch(/^web\/asking: Paused \(PauseStep\), step 2\/3, canary 20%, revision r1\n/);
    expect(piped.stdout).toMatch(/next +it waits for promote; analysis and rollback go on\n/);
    expect(piped.stdout).toMatch(/stable 80%, canary 20% +Host\(`asking\.test`\)\n/);
    expect(piped.stdout).toMatch(/canary +asking-canary:80, 1 ready\n/);
    expect(Math.max(...piped.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    const typed = await shell('script -qec "sluice status asking -n $NS" /dev/null', { TERM: 'xterm' });
    expect(typed.stdout).toContain('\u001b[33mweb/asking: Paused');
    const dull = await shell('script -qec "sluice status asking -n $NS" /dev/null', { TERM: 'xterm', NO_COLOR: '1' });
    expect(dull.stdout).not.toContain('\u001b[3');
    expect(JSON.parse((await shell('sluice status asking -n "$NS" -o json')).stdout)).toMatchObject({
      name: 'asking',
      canary: { service: 'asking-canary', endpoints: { ready: 1, all: 1 } },
    });
  });

  test('commands are answered with what the controller made of them', async () => {
    const give = (text: string): Promise<Ran> => shell(`kubectl sluice ${text} -n "$NS"`);
    expect(await give('pause slr/old')).toMatchObject({
      code: 0,
      stdout: 'rollout.sluice.dev/old: admin paused the rollout at 20%; analysis and rollback go on until resume.\n',
    });
    expect(await give('pause old')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^sluice: pause was not carried out: The rollout is paused since .+ already\.\n$/),
    });
    expect((await give('resume old')).stdout).toBe('rollout.sluice.dev/old: admin resumed the rollout at 20%.\n');
    expect((await give('promote asking')).stdout).toBe(
      'rollout.sluice.dev/asking: admin promoted the rollout at 20%.\n',
    );
    expect((await give('promote old --full')).stdout).toMatch(
      /^rollout\.sluice\.dev\/old: admin promoted .* all the way/,
    );
    expect((await give('abort old')).stdout).toMatch(/^rollout\.sluice\.dev\/old: .+\n$/);
    expect((await shell('kubectl sluice get old -n "$NS" --no-headers')).stdout).toMatch(/^old +Failed +0 /);
    expect((await give('retry old')).stdout).toMatch(/^rollout\.sluice\.dev\/old: .+\n$/);
    expect(await give('retry asking')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        'sluice: retry was not carried out: The command retry has nothing to do in phase',
      ),
    });
    expect(await give('abort asking --wait=false')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/was given\.\n$/),
    });
    const history = JSON.parse((await give('history old -o json')).stdout) as readonly { readonly who?: string }[];
    expect(history.filter(({ who }) => who === 'admin')).toHaveLength(5);
  });

  test('who may not give a command is told by the API server', async () => {
    await shell('kubectl create clusterrole reader --verb=get,list,patch,update --resource=rollouts.sluice.dev');
    await shell('kubectl create clusterrolebinding reader --clusterrole=reader --user=eve');
    const refused = await shell('sluice promote stuck -n "$NS" --as eve');
    expect(refused).toMatchObject({ code: 3, stdout: '' });
    expect(refused.stderr).toContain('eve may not promote this Rollout; it takes the right to update rollouts/promote');
    expect(await shell('sluice status stuck -n "$NS" --as eve')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('stuck-canary:80, which you may not read'),
    });
  });

  test('a mistake is answered in a sentence, with the code of its kind', async () => {
    expect(await shell('sluice status nobody -n "$NS"')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'sluice: Rollout web/nobody does not exist; sluice get -A lists all.\n',
    });
    expect(await shell('sluice get deployment/shop')).toMatchObject({
      code: 2,
      stderr: 'sluice: "deployment/shop" is no Rollout: write NAME, slr/NAME or rollout/NAME.\n',
    });
    expect(await shell('sluice status asking --revision r1')).toMatchObject({
      code: 2,
      stderr: 'sluice: --revision and --timeout go with --wait only; add it.\n',
    });
    const forbidden = await shell('sluice get -n "$NS" --as nobody');
    expect(forbidden).toMatchObject({ code: 3, stdout: '' });
    expect(forbidden.stderr).toMatch(/^sluice: .*User "nobody" cannot list resource "rollouts".*\n$/);
    const file = path.join(directory, 'away.json');
    const cluster = { name: 'away', cluster: { server: `http://127.0.0.1:${await freePort()}` } };
    const context = { name: 'away', context: { cluster: 'away', user: '' } };
    await writeFile(file, JSON.stringify({ clusters: [cluster], contexts: [context], 'current-context': 'away' }));
    const unreachable = await shell('sluice get --kubeconfig "$FILE"', { FILE: file });
    expect(unreachable).toMatchObject({ code: 3, stdout: '' });
    expect(unreachable.stderr).toMatch(/^sluice: .*did not reach the API server.*\n$/);
  });
});

describe('sluice, on a folder', { timeout: 120_000 }, () => {
  let shop: StandaloneShop;
  let load: Load | undefined;

  beforeAll(async () => {
    shop = await openStandaloneShop();
  });
  afterAll(async () => {
    await load?.stop();
    await shop?.close();
  });

  const sluice = async (...args: readonly string[]): Promise<Ran> => {
    const all = [program, ...args, '--dir', shop.directory, '--state', shop.state];
    const child = spawn(process.execPath, all, { env: { USER: 'ada' } });
    return outcomeOf(child);
  };

  test('shows what the program has stored, and gives commands in the file of the Rollout', async () => {
    expect(await sluice('get')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('state.json does not exist'),
    });
    const steps = [{ weight: 30, duration: '1s' }, { pause: {} }, { weight: 100, duration: '1s' }];
    await shop.writeRollout({ steps, analysis });
    const standalone = shop.start();
    expect(await standalone.ready).toBe(true);
    load = startLoad({ url: shop.url, host: shopHost, requestsPerSecond: 60 });
    const paused = await sluice('status', 'shop', '--wait');
    expect(paused).toMatchObject({ code: 5, stderr: expect.stringContaining('it waits for promote') });
    expect((await sluice('get', '--no-headers')).stdout).toMatch(/^shop +Paused +2\/3 +30 /);
    const status = await sluice('status', 'slr/shop');
    expect(status.stdout).toMatch(/stable +shop-stable, 1 in its file\n/);
    expect(await sluice('promote', 'shop')).toMatchObject({
      code: 0,
      stdout: 'rollout.sluice.dev/shop: ada promoted the rollout at 30%.\n',
    });
    await shop.until(({ reason }) => reason === 'Holding', 60_000);
    expect(await sluice('retry', 'shop')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^sluice: retry was not carried out: Succeeded\. .+\n$/),
    });
    expect((await sluice('abort', 'shop')).code).toBe(0);
    expect((await shop.until(({ phase }) => phase === 'Failed')).status.weight).toBe(0);
  });
});

/** installPrograms puts `sluice` and the plugin of kubectl into a folder, as npm does. */
async function installPrograms(bin: string): Promise<void> {
  await mkdir(bin);
  for (const name of ['sluice', 'kubectl-sluice']) {
    const link = path.join(bin, '..', name);
    await symlink(program, link);
    await writeFile(path.join(bin, name), `#!/bin/sh\nexec "${process.execPath}" "${link}" "$@"\n`);
    await chmod(path.join(bin, name), 0o755);
  }
}

async function outcomeOf(child: ChildProcessWithoutNullStreams): Promise<Ran> {
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => void child.on('close', resolve));
  return { code, stdout, stderr };
}
