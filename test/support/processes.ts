/** Child processes that certainly die with the test run, and the ports that they listen on. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** ServerCommand says how to start a server and how to see that it serves. */
export interface ServerCommand {
  /** name is how the server appears in messages and what its log file is called. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** directory receives `<name>.log` (appended to) and is the working directory. */
  readonly directory: string;
  readonly env?: NodeJS.ProcessEnv;
  /** isReady is polled until it returns true; a throw counts as not ready. */
  readonly isReady: () => Promise<boolean>;
  readonly readyTimeoutMs?: number;
}

/** ServerProcess is a running server. */
export interface ServerProcess {
  readonly pid: number;
  readonly logFile: string;
  /** isAlive tells whether the process has not ended yet. */
  isAlive(): boolean;
  /** logTail returns the last `lines` lines that it wrote. */
  logTail(lines?: number): string;
  /** signal sends a signal to it if it still runs. */
  signal(signal: NodeJS.Signals): void;
  /** stop sends SIGTERM, after `graceMs` (5 s; 0: at once) SIGKILL, and returns when the process has ended. */
  stop(graceMs?: number): Promise<void>;
}

const livePids = new Set<number>();
// A second line beside the parent-death signal: on systems without setpriv only this one is there.
process.on('exit', () => {
  for (const pid of livePids) killQuietly(pid, 'SIGKILL');
});

/** startServer starts a server and returns when it is ready; if it ends or stays unready, the error carries its log. */
export async function startServer(command: ServerCommand): Promise<ServerProcess> {
  const logFile = path.join(command.directory, `${command.name}.log`);
  const child = spawnBound(command, logFile);
  const server = describeServer(child, logFile);
  try {
    await waitReady(command, child, server);
    return server;
  } catch (error) {
    await server.stop(0);
    throw error;
  }
}

function spawnBound(command: ServerCommand, logFile: string): ChildProcess {
  const log = openSync(logFile, 'a');
  const [file, ...args] = bindToParent([command.command, ...command.args]);
  const child = spawn(file, args, {
    cwd: command.directory,
    env: command.env ?? process.env,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const { pid } = child;
  if (pid !== undefined) {
    livePids.add(pid);
    child.once('exit', () => livePids.delete(pid));
  }
  return child;
}

const setpriv = ['setpriv', '--pdeathsig', 'KILL'] as const;
let setprivWorks: boolean | undefined;

/** bindToParent returns `command` wrapped so that the kernel kills it when the calling thread ends (prctl(2), PR_SET_PDEATHSIG). */
export function bindToParent(command: readonly [string, ...string[]]): [string, ...string[]] {
  setprivWorks ??= spawnSync(setpriv[0], [...setpriv.slice(1), 'true']).status === 0;
  return setprivWorks ? [...setpriv, ...command] : [...command];
}

/** killGroup kills a child that was spawned `detached`, with everything in its process group. */
export function killGroup(child: ChildProcess): void {
  if (child.pid !== undefined) killQuietly(-child.pid, 'SIGKILL');
}

function describeServer(child: ChildProcess, logFile: string): ServerProcess {
  let isAlive = true;
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      isAlive = false;
      resolve();
    };
    child.once('exit', end);
    child.once('error', end);
  });
  return {
    pid: child.pid ?? 0,
    logFile,
    isAlive: () => isAlive,
    logTail: (lines = 20) => readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n'),
    signal: (signal) => {
      if (isAlive) child.kill(signal);
    },
    stop: async (graceMs = 5000) => {
      if (isAlive && graceMs > 0) {
        child.kill('SIGTERM');
        const timer = new AbortController();
        await Promise.race([ended, sleep(graceMs, undefined, { signal: timer.signal }).catch(() => undefined)]);
        timer.abort();
      }
      if (isAlive) child.kill('SIGKILL');
      await ended;
    },
  };
}

async function waitReady(command: ServerCommand, child: ChildProcess, server: ServerProcess): Promise<void> {
  const { readyTimeoutMs = 60_000 } = command;
  let startError: Error | undefined;
  child.once('error', (error) => (startError = error));
  const deadlineMs = performance.now() + readyTimeoutMs;
  while (!(await command.isReady().catch(() => false))) {
    if (startError) throw new Error(`${command.name} could not be started: ${startError.message}`);
    if (!server.isAlive()) throw new Error(`${command.name} ended before it was ready:\n${server.logTail()}`);
    if (performance.now() > deadlineMs) {
      throw new Error(`${command.name} was not ready after ${readyTimeoutMs / 1000} s:\n${server.logTail()}`);
    }
    await sleep(50);
  }
  // Another server may answer on the port that this one failed to get.
  if (!server.isAlive()) throw new Error(`${command.name} ended before it was ready:\n${server.logTail()}`);
}

function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}

/** temporaryDirectory makes a folder for one server's data; `remove` keeps it if SLUICE_TEST_DIR is set, which is where it then lies. */
export async function temporaryDirectory(
  name: string,
): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
  const kept = process.env['SLUICE_TEST_DIR'];
  const root = kept ?? os.tmpdir();
  await mkdir(root, { recursive: true });
  const directory = await mkdtemp(path.join(root, `sluice-${name}-`));
  return {
    path: directory,
    remove: async () => {
      if (kept === undefined) await rm(directory, { recursive: true, force: true });
    },
  };
}

// Below Linux' ephemeral range (ip_local_port_range starts at 32768), where an outgoing connection could take the port
// between the question and the server's bind.
const firstPort = 20_000;
const lastPort = 32_000;
const handedOut = new Set<number>();

/** freePort returns a TCP port of `address` that nothing listens on and that this process has not handed out before. */
export async function freePort(address = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort));
    if (handedOut.has(port) || !(await canListen(port, address))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error(`No free TCP port between ${firstPort} and ${lastPort} on ${address}.`);
}

function canListen(port: number, address: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else
        reject(new Error(`Cannot listen on ${address}: ${error.message}${namespaceHint(address)}`, { cause: error }));
    });
    probe.listen(port, address, () => probe.close(() => resolve(true)));
  });
}

/** namespaceHint completes an error about a test address that only exists inside the tests' network namespace. */
export function namespaceHint(address: string): string {
  if (!address.startsWith('10.77.0.')) return '';
  return '; run `npm test`, or put `node scripts/with-node.cjs test/support/network-namespace.ts` before the command';
}
