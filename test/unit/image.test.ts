import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { version } from '../../src/version.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const run = promisify(execFile);
const megabyte = 1024 * 1024;

describe('the Dockerfile', () => {
  const lines = read('Dockerfile').split('\n');
  const allowed = read('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));

  test('copies only what exists and what .dockerignore lets through, and .dockerignore lets through nothing else', () => {
    const copied = lines
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap((line) => line.split(' ').slice(1, -1));
    expect(copied.toSorted()).toEqual(allowed.toSorted());
    expect(copied.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
  });

  test('runs as the user that the Deployment asks for', () => {
    const deployment = parse(read('manifests/base/deployment.yaml')) as {
      spec: { template: { spec: { securityContext: { runAsUser: number; runAsGroup: number } } } };
    };
    const { runAsUser, runAsGroup } = deployment.spec.template.spec.securityContext;
    expect(lines).toContain(`USER ${runAsUser}:${runAsGroup}`);
  });

  test('runs on the Node that the tests run on', () => {
    const images = lines.filter((line) => line.startsWith('FROM ')).map((line) => line.split(' ')[1]);
    const { devDependencies } = JSON.parse(read('package.json')) as { devDependencies: { node: string } };
    expect(new Set(images)).toEqual(new Set([`node:${devDependencies.node.split('.')[0]}-slim`, 'run', 'proxy']));
  });
});

describe('what the image copies', () => {
  let folder: string;
  const program = (): string => path.join(folder, 'dist', 'main.js');

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'sluice-image-'));
    const env = { ...process.env, PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env['PATH']}` };
    await run('sh', ['scripts/image-root.sh', folder], { cwd: root, env }).catch(
      (error: { stdout: string; stderr: string }) => {
        throw new Error(`${error.stdout}${error.stderr}`);
      },
    );
  }, 240_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('starts where the entry point looks for it, without the sources and the development packages', async () => {
    const entryPoints = [...read('Dockerfile').matchAll(/^ENTRYPOINT (.+)$/gm)].map(
      ([, json]) => JSON.parse(json ?? '[]') as readonly string[],
    );
    expect(entryPoints).toHaveLength(2);
    for (const entryPoint of entryPoints) {
      const args = entryPoint.slice(1).map((arg) => arg.replace(/^\/app/, folder));
      const { stdout } = await run(process.execPath, [...args, 'version'], { cwd: os.tmpdir() });
      expect(stdout).toBe(`sluice ${version}\n`);
    }
    expect(
      ['src', 'node_modules/vitest', 'node_modules/node'].filter((name) => existsSync(path.join(folder, name))),
    ).toEqual([]);
  });

  test('finds all packages that the controller needs, and says in one line what is wrong with its settings', async () => {
    const controller = spawn(process.execPath, [program(), 'controller', '--kubeconfig=/absent'], {
      cwd: os.tmpdir(),
      env: {},
    });
    let errors = '';
    controller.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const [code] = (await once(controller, 'close')) as [number];
    expect(errors).toMatch(/^sluice: .*\/absent.*\n$/);
    expect(code).toBe(2);
  });

  test('can print what installs it', async () => {
    const { stdout } = await run(process.execPath, [program(), 'install', '--ha'], { cwd: os.tmpdir() });
    expect(stdout).toContain(`image: sluice:${version}\n`);
  });

  test('weighs less than 60 MB', async () => {
    const { stdout } = await run('du', ['-sb', folder]);
    expect(Number.parseInt(stdout, 10) / megabyte).toBeLessThan(60);
  });
});
