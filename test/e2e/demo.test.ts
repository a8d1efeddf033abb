/** The demo as a program, as people start it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DemoResult } from '../../src/demo/result.ts';
import { childrenOf } from '../support/children.ts';
import { eventually } from '../support/eventually.ts';

/** temporary is where the demo puts its folder: nothing may be left there. */
let temporary = '';
const started: ChildProcess[] = [];

beforeAll(() => {
  temporary = mkdtempSync(path.join(os.tmpdir(), 'demo-test-'));
});
afterAll(() => {
  for (const child of started)
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  rmSync(temporary, { recursive: true, force: true });
});

interface Demo {
  readonly pid: number;
  readonly output: () => string;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

/** startDemo starts it as `npm run demo` does, in a process group of its own as a shell would. */
function startDemo(args: readonly string[]): Demo {
  const command = ['scripts/with-node.cjs', 'src/main.ts', 'demo', ...args];
  const env = { ...process.env, TMPDIR: temporary };
  const child = spawn(process.execPath, command, { detached: true, env, stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const ended = new Promise<Awaited<Demo['ended']>>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal })),
  );
  return { pid: child.pid ?? 0, output: () => output, ended };
}

test('a good release is promoted and a bad one taken back within a minute', async () => {
  const startedMs = performance.now();
  const demo = startDemo(['--json', '--seed', '11']);
  const { code } = await demo.ended;
  const seconds = (performance.now() - startedMs) / 1000;
  expect(code, demo.output()).toBe(0);
  const { good, bad, seed, requests, ...rest } = JSON.parse(
    demo.output().trim().split('\n').at(-1) ?? '',
  ) as DemoResult;
  expect(good.phase).toBe('Succeeded');
  expect(bad).toMatchObject({ phase: 'Failed', reason: 'MoreErrors' });
  expect(bad.badAnswers).toBeGreaterThan(10);
  expect(bad.badAnswers).toBeLessThan(300);
  expect(bad.secondsToRollback).toBeGreaterThan(2);
  expect(bad.secondsToRollback).toBeLessThan(25);
  expect(requests / rest.seconds).toBeGreaterThan(400);
  expect(seed).toBe(11);
  expect(seconds).toBeLessThan(60);
  expect(readdirSync(temporary)).toEqual([]);
});

test('Ctrl-C ends all of it with 130, and removes the folder', async () => {
  const demo = startDemo([]);
  await eventually(() => demo.output().includes('Progressing'), { timeoutMs: 30_000 });
  expect(readdirSync(temporary)).toHaveLength(1);
  const [program = 0] = await childrenOf(demo.pid);
  // A terminal interrupts the whole group, and who started the program passes it on as well.
  process.kill(-demo.pid, 'SIGINT');
  expect(await demo.ended).toEqual({ code: 130, signal: null });
  expect(readdirSync(temporary)).toEqual([]);
  expect(() => process.kill(program, 0)).toThrow('ESRCH');
  expect(demo.output()).not.toContain('Error');
});

test('a seed that is none is refused in one sentence', async () => {
  const demo = startDemo(['--seed', 'x']);
  expect((await demo.ended).code).toBe(2);
  expect(demo.output()).toBe('sluice: --seed is "x"; it must be a whole number of at most nine digits.\n');
});
