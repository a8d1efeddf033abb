/**
 * The check runner behind `npm test`: format, lint, types, dead code, unit tests, then the tests on real servers inside
 * a network namespace. Ends with one line `N passed, N failed`; every static step and every test is one check.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildTools } from '../test/support/build-tools.ts';
import { inNetworkNamespace } from '../test/support/network-namespace.ts';
import { bindToParent, killGroup } from '../test/support/processes.ts';
import { addTallies, readVitestReport, type Tally } from '../test/support/vitest-report.ts';

const groups = ['static', 'unit', 'cluster', 'e2e'] as const;
type Group = (typeof groups)[number];

const staticSteps = [
  { name: 'format', command: ['oxfmt', '--check'] },
  { name: 'lint', command: ['oxlint'] },
  { name: 'types', command: ['tsc'] },
  { name: 'dead code', command: ['knip'] },
] as const;

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = path.join(root, 'node_modules', '.bin');
// Tools start with `#!/usr/bin/env node`: this Node comes first, so that they run on it too.
const env = { ...process.env, PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env['PATH'] ?? ''}` };
const onePassed: Tally = { passed: 1, failed: 0, skipped: 0 };
const oneFailed: Tally = { passed: 0, failed: 1, skipped: 0 };

/** lanes is how many test files with servers run at the same time. */
const lanes = 3;
const running = new Set<ChildProcess>();
/** failures are told together at the end, where whoever reads a long log looks first. */
const failures: string[] = [];

process.exitCode = await main();

async function main(): Promise<number> {
  const wanted = parseGroups();
  if (typeof wanted === 'string') {
    console.error(wanted);
    return 2;
  }
  stopOnSignals();
  const startedMs = performance.now();
  const tally = addTallies([
    ...(wanted.has('static') ? await runStaticSteps() : []),
    ...(wanted.has('unit') ? [await runVitest('unit')] : []),
    ...(await runOnServers((['e2e', 'cluster'] as const).filter((group) => wanted.has(group)))),
  ]);
  for (const failure of failures) console.log(`FAILED ${shorten(failure)}`);
  if (tally.skipped > 0) console.log(`${tally.skipped} skipped`);
  console.log(`all steps: ${secondsSince(startedMs)} s`);
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  return tally.failed === 0 && tally.passed > 0 ? 0 : 1;
}

function parseGroups(): ReadonlySet<Group> | string {
  const usage = `usage: npm test [-- --only ${groups.join(',')}]`;
  try {
    const { values } = parseArgs({ options: { only: { type: 'string' } } });
    const names = values.only?.split(',') ?? groups;
    const unknown = names.find((name) => !groups.some((group) => group === name));
    return unknown === undefined ? new Set(names as Group[]) : `unknown group "${unknown}"; ${usage}`;
  } catch (error) {
    return `${(error as Error).message}; ${usage}`;
  }
}

async function runStaticSteps(): Promise<readonly Tally[]> {
  const tallies: Tally[] = [];
  for (const { name, command } of staticSteps) {
    const startedMs = performance.now();
    const [tool, ...args] = command;
    const result = await run([path.join(bin, tool), ...args], 'pipe');
    const passed = result.code === 0;
    if (!passed) failures.push(`${name}: ${result.output.trim()}`);
    console.log(`${name}: ${passed ? 'passed' : 'FAILED'} in ${secondsSince(startedMs)} s`);
    tallies.push(passed ? onePassed : oneFailed);
  }
  return tallies;
}

/** runOnServers builds the servers outside the namespace, which has no network, and runs the groups inside one each. */
async function runOnServers(wanted: readonly Group[]): Promise<readonly Tally[]> {
  if (wanted.length === 0) return [];
  try {
    const startedMs = performance.now();
    inNetworkNamespace(['true']);
    await buildTools();
    console.log(`servers: there in ${secondsSince(startedMs)} s`);
  } catch (error) {
    failures.push(`servers: ${wanted.join(' and ')} cannot run: ${(error as Error).message}`);
    return [oneFailed];
  }
  const tallies: Tally[] = [];
  // Most of them wait most of the time: three at once take little more than a third as long. The short ones come last.
  const all = wanted.flatMap((group) => filesOf(group).map((file) => ({ group, file })));
  const waiting = all.filter(({ file }) => !file.includes('-scale.'));
  const lane = async (files: { readonly group: Group; readonly file: string }[]): Promise<void> => {
    for (let next = files.shift(); next !== undefined; next = files.shift()) {
      console.log(`${next.file}: started`);
      tallies.push(await runVitest(next.group, { file: next.file, wrap: inNetworkNamespace }));
    }
  };
  // What measures how long things take runs alone.
  await lane(all.filter((one) => !waiting.includes(one)));
  await Promise.all(Array.from({ length: lanes }, () => lane(waiting)));
  return tallies;
}

/** filesOf lists the test files of a group that needs servers. */
function filesOf(group: Group): readonly string[] {
  const folders = group === 'cluster' ? '{cluster,contract}' : group;
  return globSync(`test/${folders}/**/*.test.ts`, { cwd: root }).toSorted();
}

/** runVitest runs a project, or one file of it in an environment of its own, whose output comes in one piece. */
async function runVitest(
  group: Group,
  only?: { readonly file: string; readonly wrap: (command: readonly string[]) => readonly string[] },
): Promise<Tally> {
  const startedMs = performance.now();
  const directory = mkdtempSync(path.join(os.tmpdir(), 'sluice-report-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  // Ctrl-C ends this process without the `finally` below.
  process.once('exit', remove);
  try {
    const report = path.join(directory, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const vitest = [process.execPath, path.join(bin, 'vitest'), 'run', '--project', group, ...reporters];
    const { code, output } =
      only === undefined ? await run(vitest, 'inherit') : await run(only.wrap([...vitest, only.file]), 'pipe');
    process.stdout.write(output);
    const tally = readVitestReport(readOptional(report), code);
    const name = only?.file ?? group;
    failures.push(...tally.failures.map((failure) => `${name}: ${failure}`));
    const verdict = tally.failed === 0 ? 'passed' : 'FAILED';
    console.log(`${name}: ${verdict} in ${secondsSince(startedMs)} s (${tally.passed} passed, ${tally.failed} failed)`);
    return tally;
  } finally {
    process.off('exit', remove);
    remove();
  }
}

function run(
  command: readonly string[],
  output: 'pipe' | 'inherit',
): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve) => {
    const [file, ...args] = bindToParent(command as [string, ...string[]]);
    // A process group of its own, so that one signal ends the step with all that it started.
    const child = spawn(file, args, { cwd: root, env, detached: true, stdio: ['ignore', output, output] });
    running.add(child);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    }
    child.once('error', (error) => resolve({ code: 1, output: error.message }));
    child.once('close', (code) => {
      running.delete(child);
      resolve({ code: code ?? 1, output: text });
    });
  });
}

function stopOnSignals(): void {
  const numbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
  for (const [signal, number] of Object.entries(numbers)) {
    process.on(signal, () => {
      console.log(`stopped by ${signal}`);
      for (const child of running) killGroup(child);
      process.exit(128 + number);
    });
  }
}

/** shorten cuts a failure so that several fit on a screen. */
function shorten(failure: string): string {
  return failure.length > 2000 ? `${failure.slice(0, 2000)}\n…` : failure;
}

function readOptional(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function secondsSince(startedMs: number): string {
  return ((performance.now() - startedMs) / 1000).toFixed(1);
}
