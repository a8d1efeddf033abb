import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const launcher = fileURLToPath(new URL('../../scripts/with-node.cjs', import.meta.url));

let root: string;
let running: ChildProcess | undefined;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'sluice-with-node-'));
  put('scripts/.keep', '');
  copyFileSync(launcher, path.join(root, 'scripts/with-node.cjs'));
});
afterEach(() => {
  running?.kill('SIGKILL');
  running = undefined;
  rmSync(root, { recursive: true });
});

function put(name: string, text: string): void {
  const file = path.join(root, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** install makes the folder look like one in which `npm ci` has run. */
function install(): void {
  put('node_modules/undici/package.json', '{}');
}

/** asVersion makes the launcher believe that it runs on another Node. */
function asVersion(version: string): readonly string[] {
  put('version.cjs', `Object.defineProperty(process, 'version', { value: '${version}' });`);
  return ['--require', path.join(root, 'version.cjs')];
}

/** start runs the copy of the launcher on the Node of this test. */
function start(args: readonly string[], options: readonly string[] = []): Promise<Ended> & { child: ChildProcess } {
  const child = spawn(process.execPath, [...options, path.join(root, 'scripts/with-node.cjs'), ...args]);
  running = child;
  const texts = { stdout: '', stderr: '' };
  child.stdout.on('data', (data: Buffer) => (texts.stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => (texts.stderr += data.toString()));
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => resolve({ ...texts, code, signal }));
  });
  return Object.assign(ended, { child });
}

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('scripts/with-node.cjs', () => {
  it.each(['v18.20.4', 'v20.20.2', 'v22.18.0', 'v9.9.9'])(
    'says in one sentence what to do on Node %s',
    async (version) => {
      install();
      put('node_modules/node/package.json', '{}');
      put('hello.js', '');
      expect(await start(['hello.js'], asVersion(version))).toMatchObject({
        code: 1,
        stdout: '',
        stderr:
          `Sluice needs Node 22.19 or newer and found ${version}; ` +
          'run `npm rebuild node --ignore-scripts=false` to get it, or install a newer Node.\n',
      });
    },
  );

  it.each(['v22.19.0', 'v24.0.0', 'v100.0.0'])('runs on Node %s', async (version) => {
    install();
    put('hello.js', 'console.log("hello")');
    expect(await start(['hello.js'], asVersion(version))).toMatchObject({ code: 0, stdout: 'hello\n', stderr: '' });
  });

  it('runs on the Node of the package where the present one is too old, and puts it first in PATH', async () => {
    install();
    mkdirSync(path.join(root, 'node_modules/node/bin'), { recursive: true });
    symlinkSync(process.execPath, path.join(root, 'node_modules/node/bin/node'));
    put('hello.js', 'console.log(process.env.PATH.split(":")[0])');
    const { code, stdout } = await start(['hello.js'], asVersion('v18.20.4'));
    expect([code, stdout]).toEqual([0, `${path.join(root, 'node_modules/node/bin')}\n`]);
  });

  it('does not take a Node of the package that cannot run', async () => {
    install();
    put('node_modules/node/bin/node', '#!/bin/sh\nexit 1\n');
    chmodSync(path.join(root, 'node_modules/node/bin/node'), 0o755);
    expect(await start(['hello.js'], asVersion('v18.20.4'))).toMatchObject({
      code: 1,
      stderr:
        'Sluice needs Node 22.19 or newer and found v18.20.4; ' +
        'install a newer Node, because the one in node_modules does not run on this system.\n',
    });
  });

  it('asks for the package where npm left out what is for development', async () => {
    install();
    const { code, stderr } = await start(['hello.js'], asVersion('v20.20.2'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Sluice needs Node [^\n]+; run `npm ci --include=dev` to get it, [^\n]+\.\n$/);
  });

  it.each(['v20.20.2', 'v26.10.0'])(
    'says in one sentence that the packages are missing, on Node %s',
    async (version) => {
      expect(await start(['hello.js'], asVersion(version))).toMatchObject({
        code: 1,
        stderr: 'The packages of Sluice are not installed; run `npm ci` first.\n',
      });
    },
  );

  it('says how it is used where it is told nothing', async () => {
    install();
    const { code, stderr } = await start([]);
    expect([code, stderr]).toEqual([2, 'usage: node scripts/with-node.cjs <script or tool> [arguments]\n']);
  });

  it('says in one sentence that a tool does not exist', async () => {
    install();
    const { code, stderr } = await start(['nosuch']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Sluice cannot start nosuch: [^\n]+ENOENT\.\n$/);
  });

  it('gives the script its arguments, and passes its exit code on', async () => {
    install();
    put('end.js', 'console.log(process.argv.slice(2).join("|")); process.exit(7)');
    expect(await start(['end.js', '--flag', 'a b'])).toMatchObject({ code: 7, stdout: '--flag|a b\n' });
  });

  it('runs a tool of node_modules/.bin', async () => {
    install();
    put('node_modules/.bin/tool', '#!/bin/sh\necho "tool $1"\nexit 3\n');
    chmodSync(path.join(root, 'node_modules/.bin/tool'), 0o755);
    expect(await start(['tool', 'x'])).toMatchObject({ code: 3, stdout: 'tool x\n' });
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'passes %s on and lets the script end in its own way',
    async (signal) => {
      install();
      put('wait.js', `process.on('${signal}', () => process.exit(5)); setInterval(() => {}, 1e6); console.log('up');`);
      const ended = start(['wait.js']);
      await new Promise((resolve) => ended.child.stdout?.once('data', resolve));
      ended.child.kill(signal);
      expect(await ended).toMatchObject({ code: 5, signal: null });
    },
  );

  it.each(['SIGTERM', 'SIGKILL'] as const)('ends by %s itself where the script does', async (signal) => {
    install();
    put('die.js', `process.kill(process.pid, '${signal}'); setInterval(() => {}, 1e6);`);
    expect(await start(['die.js'])).toMatchObject({ code: null, signal });
  });
});
