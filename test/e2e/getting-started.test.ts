/**
 * The commands of docs/getting-started.md, one after another in one shell, as a person types them: on a real API server with
 * Traefik, and the outputs of the page are what they print. What a test cluster lacks stands in `adapted`.
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Backend, startBackend } from '../support/backend.ts';
import { toolPath } from '../support/build-tools.ts';
import { runCommand } from '../support/cluster.ts';
import { type Pod, startKubelet } from '../support/kubelet.ts';
import { type Load, startLoad } from '../support/load.ts';
import { temporaryDirectory } from '../support/processes.ts';
import { type Stage, startStage } from '../support/stage.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(path.join(root, 'docs', 'getting-started.md'), 'utf8');

/**
 * adapted is what a test cluster has or need not wait for: the stage has applied the base in another way, and a step of half a
 * minute proves no more than a short one.
 */
const adapted: readonly (readonly [string, string])[] = [
  ['apply --server-side', 'apply --server-side --force-conflicts'],
  ['duration: 30s', 'duration: 5s'],
  ['minStep: 10s', 'minStep: 3s'],
];

/** skipped are the blocks after a comment `test: …`: there is no container engine, and the client is one of the test. */
const block =
  /(?:<!-- test: (?<skip>[^>]*) -->\n\n)?^```sh\n(?<code>.*?)^```$(?:\n\n<!-- output: (?<about>[^>]*) -->\n\n```\n(?<output>.*?)^```$)?/gms;

interface Step {
  readonly code: string;
  /** output is the last thing that it prints, as the page has it. */
  readonly output: string | undefined;
  readonly about: string;
}

/** stepsOf returns the commands of a chapter that a test can run. */
function stepsOf(title: string): readonly Step[] {
  const chapter = page.split(/^## /m).find((text) => text.startsWith(`${title}\n`)) ?? '';
  return [...chapter.matchAll(block)]
    .map(({ groups = {} }) => groups)
    .filter(({ skip }) => skip === undefined)
    .map(({ code = '', output, about = '' }) => ({
      code: adapted.reduce((text, [from, to]) => text.replaceAll(from, to), code),
      output,
      about,
    }));
}

/** shapeOf leaves out of an output what differs from run to run: numbers, hashes, and whether there is a proof so soon. */
function shapeOf(output: string): string {
  return output
    .replaceAll(/ Canary \d+\/\d+ bad .*/g, '')
    .replaceAll(/[0-9a-f]{8}-(?=\d)/g, '')
    .replaceAll(/\b(?:Pass|Inconclusive)\b/g, 'verdict')
    .replaceAll(/\d[\dms.]*/g, '#')
    .replaceAll(/ +/g, ' ');
}

let stage: Stage;
let load: Load;
let directory: { readonly path: string; remove(): Promise<void> };
const running: { stop(): Promise<void> }[] = [];
const backends: Backend[] = [];

/** addressesFor gives a pod those of its image; the controller's own pods are the program that the test has started. */
function addressesFor(pod: Pod): readonly string[] {
  if (pod.metadata.namespace !== 'shop') return ['10.77.0.16', '10.77.0.17', '10.77.0.18'];
  const image = JSON.stringify(pod.spec);
  if (image.includes('shop:bad')) return ['10.77.0.8', '10.77.0.9'];
  return image.includes('2026.11.2')
    ? ['10.77.0.2', '10.77.0.3']
    : ['10.77.0.4', '10.77.0.5', '10.77.0.6', '10.77.0.7'];
}

beforeAll(async () => {
  for (const number of [2, 3]) backends.push(await startBackend({ address: `10.77.0.${number}`, version: 'v1' }));
  for (const number of [4, 5, 6, 7]) backends.push(await startBackend({ address: `10.77.0.${number}`, version: 'v2' }));
  for (const number of [8, 9])
    backends.push(await startBackend({ address: `10.77.0.${number}`, version: 'bad', errorRatio: 0.3 }));
  stage = await startStage();
  await stage.startController();
  running.push(await startKubelet(stage.cluster, { addressesFor, nodeLabels: {} }));
  load = startLoad({ url: stage.traefik.webUrl, host: 'shop.example', requestsPerSecond: 150 });
  running.push(load);
  directory = await temporaryDirectory('getting-started');
  cpSync(path.join(root, 'manifests'), path.join(directory.path, 'manifests'), { recursive: true });
  const kubectl = path.join(directory.path, 'kubectl');
  const command = `${await toolPath('kubectl')} --kubeconfig=${stage.cluster.adminKubeconfigFile}`;
  writeFileSync(kubectl, `#!/bin/sh\nexec ${command} "$@"\n`);
  const sluice = path.join(directory.path, 'sluice');
  const program = `${process.execPath} ${path.join(root, 'src', 'main.ts')}`;
  writeFileSync(sluice, `#!/bin/sh\nKUBECONFIG=${stage.cluster.adminKubeconfigFile} exec ${program} "$@"\n`);
  await Promise.all([kubectl, sluice].map((file) => chmod(file, 0o755)));
});
afterAll(async () => {
  for (const one of [...running, ...backends].toReversed()) await one.stop();
  await stage?.stop();
  await directory?.remove();
});

/** play runs the blocks in one shell, and returns what each printed. */
async function play(steps: readonly Step[]): Promise<readonly string[]> {
  const script = [
    `cd ${directory.path}`,
    `PATH=${directory.path}:$PATH`,
    ...steps.map(({ code }) => `${code}\necho ::`),
  ];
  const { stdout, stderr, code } = await runCommand('sh', ['-eu', '-c', script.join('\n')], {
    input: '',
    timeoutMs: 300_000,
  });
  if (code !== 0) throw new Error(`ended with ${code} after ${stdout.slice(-500)}: ${stderr}`);
  return stdout.split('::\n');
}

describe('docs/getting-started.md', () => {
  test('leads through a cluster with Traefik, and prints what the page says', { timeout: 400_000 }, async () => {
    const steps = stepsOf('A cluster with Traefik');
    expect(steps.length).toBeGreaterThan(8);
    const printed = await play(steps);
    if (process.env['SLUICE_PRINT'] === '1') console.log(printed.join('\n'));
    for (const [index, { output, about }] of steps.entries()) {
      if (output === undefined) continue;
      expect(shapeOf(printed[index] ?? ''), about).toContain(shapeOf(output));
    }
    // What nobody has answered was asked before there was a route, or after.
    expect(Object.keys(load.since(0).byVersion)).toEqual(expect.arrayContaining(['bad', 'v1', 'v2']));
  });

  test('installs the proxy where there is no Traefik', async () => {
    await play(stepsOf('A cluster without Traefik'));
    const wanted = '{.status.availableReplicas}';
    const proxy = ['-n', 'sluice-system', 'get', 'deployment', 'sluice-proxy', '-o', `jsonpath=${wanted}`];
    expect(await stage.cluster.kubectl(proxy)).toBe('2');
  });

  test('leads to the demo where there is no cluster', () => {
    const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { scripts: object };
    expect(stepsOf('No cluster').map(({ code }) => code)).toEqual(['npm ci && npm run demo\n']);
    expect(scripts).toHaveProperty('demo');
  });
});
