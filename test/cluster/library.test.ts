/** The program of docs/library.md, as it stands there, against a real API server. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resources } from '../../src/api/kubernetes.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { applyObject, putNamespace } from '../support/objects.ts';
import { temporaryDirectory } from '../support/processes.ts';
import { installTraefikCrds } from '../support/traefik.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(path.join(root, 'docs', 'library.md'), 'utf8');
const blocks = [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, kind = '', text = '']) => ({ kind, text }));
const blockOf = (wanted: string): string => blocks.find(({ kind }) => kind === wanted)?.text ?? '';

let cluster: Cluster;
let directory: { readonly path: string; remove(): Promise<void> };
let child: ChildProcess | undefined;

beforeAll(async () => {
  cluster = await startCluster();
  directory = await temporaryDirectory('library');
  await installTraefikCrds(cluster);
  await cluster.applyCrds([path.join(root, 'crds', 'rollouts.yaml')]);
  for (const team of ['shop', 'till']) await putNamespace(cluster, team);
});
afterAll(async () => {
  child?.kill('SIGKILL');
  await cluster?.stop();
  await directory?.remove();
});

test('the program of the page runs two controllers, tells of each transition and stops on SIGTERM', async () => {
  const program = path.join(directory.path, 'program.ts');
  const source = blockOf('ts');
  expect(source.split('\n').length).toBeLessThan(30);
  writeFileSync(program, source.replace("'sluice'", `'${path.join(root, 'src', 'index.ts')}'`));
  let output = '';
  const running = spawn(process.execPath, [program], {
    env: { PATH: process.env['PATH'], KUBECONFIG: cluster.adminKubeconfigFile },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child = running;
  running.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const ended = new Promise<number | null>((resolve) => {
    running.once('exit', resolve);
  });
  const said = (): readonly string[] => output.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
  await eventually(() => said().includes('ready'), { timeoutMs: 60_000, describe: 'both controllers to be ready' });
  for (const namespace of ['shop', 'till']) {
    await applyObject(cluster, resources.rollouts, {
      apiVersion: 'sluice.dev/v1alpha1',
      kind: 'Rollout',
      metadata: { namespace, name: 'web' },
      spec: { route: { name: 'web' }, stable: { service: 'a' }, canary: { service: 'b' }, revision: '1' },
    });
  }
  await eventually(() => said().length === 3, { timeoutMs: 60_000, describe: 'both to tell of their Rollout' });
  expect(said().toSorted()).toEqual(blockOf('').trim().split('\n').toSorted());
  running.kill('SIGTERM');
  expect(await ended).toBe(0);
});
