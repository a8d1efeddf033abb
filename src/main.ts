#!/usr/bin/env node
/** The program: argv, environment, signals and exit codes. Nothing else touches the process. */
import { basename } from 'node:path';
import { text } from 'node:stream/consumers';
import { setFlagsFromString } from 'node:v8';
import { checkCommand } from './commands/check.ts';
import { abortCommand, pauseCommand, promoteCommand, resumeCommand, retryCommand } from './commands/command.ts';
import { completeCommand, completionCommand } from './commands/completion.ts';
import { demoCommand } from './commands/demo.ts';
import { getCommand } from './commands/get.ts';
import { historyCommand } from './commands/history.ts';
import { installCommand } from './commands/install.ts';
import { lintCommand } from './commands/lint.ts';
import { planCommand } from './commands/plan.ts';
import { controllerCommand, proxyCommand, standaloneCommand } from './commands/serve.ts';
import { exitCodeOf, subcommand, type Interrupted, type Shell } from './commands/shell.ts';
import { simulateCommand } from './commands/simulate.ts';
import { statusCommand } from './commands/status.ts';
import { uninstallCommand } from './commands/uninstall.ts';
import { versionCommand } from './commands/version.ts';
import { primaryPort } from './proxy/process/cluster-workers.ts';
import { version } from './version.ts';

/** kubectl runs what PATH has as kubectl-sluice, so that the user has written `kubectl sluice`. */
const isPlugin = basename(process.argv[1] ?? '').startsWith('kubectl-');

const shell: Shell = {
  program: isPlugin ? 'kubectl sluice' : 'sluice',
  env: process.env,
  platform: process.platform,
  output: process.stdout,
  readInput: () => text(process.stdin),
  print: (text) => console.log(text),
  complain: (text) => console.error(`sluice: ${text}`),
  exitWith: (code) => {
    process.exitCode = code;
  },
  exitNow: (code) => process.exit(code),
  untilSignal,
  untilInterrupted,
  onHangUp: (listener) => void process.on('SIGHUP', listener),
  collectAlone,
};

function untilSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(new Error(signal)));
  return stop.signal;
}

/** The terminal and npm may both pass on the same interrupt, and the second one must not end what cleans up. */
function untilInterrupted(): Interrupted {
  const stop = new AbortController();
  let exitCode: number | undefined;
  for (const [signal, number] of [
    ['SIGHUP', 1],
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const) {
    process.on(signal, () => {
      exitCode ??= 128 + number;
      stop.abort(new Error(signal));
    });
  }
  // Who reads the lines may have enough of them, as `head` has.
  process.stdout.on('error', (error) => stop.abort(error));
  return { signal: stop.signal, exitCode: () => exitCode };
}

/**
 * So few objects outlive a request that several threads take longer to share them out than one takes to move them: it does
 * so in half the time, and the slowest requests take two thirds as long (bench/proxy, `small`).
 */
function collectAlone(): void {
  setFlagsFromString('--no-parallel-scavenge');
}

const program = subcommand(shell, shell.program)
  .description(
    'Moves traffic from a stable version to a canary behind Traefik, and takes it back when the canary is worse.',
  )
  .version(version)
  .addCommand(controllerCommand(shell))
  .addCommand(proxyCommand(shell))
  .addCommand(standaloneCommand(shell))
  .addCommand(demoCommand(shell))
  .addCommand(getCommand(shell))
  .addCommand(statusCommand(shell))
  .addCommand(promoteCommand(shell))
  .addCommand(pauseCommand(shell))
  .addCommand(resumeCommand(shell))
  .addCommand(abortCommand(shell))
  .addCommand(retryCommand(shell))
  .addCommand(historyCommand(shell))
  .addCommand(lintCommand(shell))
  .addCommand(planCommand(shell))
  .addCommand(simulateCommand(shell))
  .addCommand(installCommand(shell))
  .addCommand(uninstallCommand(shell))
  .addCommand(checkCommand(shell))
  .addCommand(completionCommand(shell))
  .addCommand(versionCommand(shell))
  .addCommand(completeCommand(shell), { hidden: true });

/** A worker of the proxy is this program too; it is told everything by its primary. */
async function work(primary: NonNullable<ReturnType<typeof primaryPort>>): Promise<void> {
  collectAlone();
  const { runWorker } = await import('./proxy/process/run-worker.ts');
  const worker = runWorker(primary);
  // The terminal interrupts the whole group: the primary hears it too, and says what to do.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => worker.leave());
  process.on('SIGHUP', () => undefined);
  await worker.ended;
  process.exit();
}

const primary = primaryPort();

try {
  await (primary === undefined ? program.parseAsync(process.argv) : work(primary));
} catch (error) {
  shell.complain(error instanceof Error ? error.message : String(error));
  process.exitCode = exitCodeOf(error);
}
