/** What a command knows of the process that it runs in: main.ts has the only one of a program. */
import type { WriteStream } from 'node:tty';
import { Command } from 'commander';
import { isSluiceError } from '../errors.ts';

/**
 * exitCodes are part of the interface (docs/cli.md): 2 is a wrong call or configuration, 3 an API server that cannot be
 * reached or refuses the caller, 4 a time-out, 5 a wait for a person, 6 a release that was replaced, 1 any other failure.
 */
export const exitCodes = {
  failure: 1,
  usage: 2,
  unreachable: 3,
  timeout: 4,
  person: 5,
  superseded: 6,
} as const;

/** exitCodeOf is that of a command that has thrown. */
export function exitCodeOf(error: unknown): number {
  if (isSluiceError(error, 'ConfigInvalid')) return exitCodes.usage;
  const isRefused = isSluiceError(error, 'ApiUnreachable', 'ApiTimeout', 'ApiForbidden', 'ApiUnauthorized');
  return isRefused ? exitCodes.unreachable : exitCodes.failure;
}

/** Shell is the process as a command sees it. */
export interface Shell {
  /** program is how the user has called it: `sluice` or `kubectl sluice`. */
  readonly program: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
  readonly output: WriteStream;
  /** readInput returns all of standard input. */
  readInput(): Promise<string>;
  /** print writes a line to standard output. */
  print(text: string): void;
  /** complain writes a line to standard error, which begins with the name of the program. */
  complain(text: string): void;
  /** exitWith sets the exit code; the process ends when nothing is left to do. */
  exitWith(code: number): void;
  /** exitNow ends the process at once. */
  exitNow(code: number): never;
  /** untilSignal is aborted by the first SIGTERM or SIGINT. */
  untilSignal(): AbortSignal;
  /** untilInterrupted is, too, and by the end of who reads the output; it keeps the exit code that a shell expects. */
  untilInterrupted(): Interrupted;
  /** onHangUp calls `listener` for each SIGHUP. */
  onHangUp(listener: () => void): void;
  /** collectAlone lets one thread collect garbage. */
  collectAlone(): void;
}

/** Interrupted is a signal that stops a command, and the exit code of a process that was stopped so. */
export interface Interrupted {
  readonly signal: AbortSignal;
  exitCode(): number | undefined;
}

/** subcommand ends the process with the code for a wrong call where commander would with 1. */
export function subcommand(shell: Shell, name: string): Command {
  return new Command(name).exitOverride((error) => shell.exitNow(error.exitCode === 0 ? 0 : exitCodes.usage));
}
