/** `sluice promote`, `pause`, `resume`, `abort` and `retry`. */
import { Option, type Command } from 'commander';
import type { CommandCall, CommandEnd } from '../command.ts';
import type { Verb } from '../rollout/verbs.ts';
import { offering } from './flag-values.ts';
import { exitCodesHelp, sourceCommand } from './people.ts';
import { exitCodes, type Shell } from './shell.ts';

const codes = {
  Executed: 0,
  Given: 0,
  Refused: exitCodes.failure,
  TimedOut: exitCodes.timeout,
} as const satisfies Record<CommandEnd['kind'], number>;

const help = exitCodesHelp([
  [0, 'carried out; with --wait=false: given'],
  [exitCodes.failure, 'refused, and the sentence says why'],
  [exitCodes.timeout, 'not handled within --timeout; it stays given'],
]);

/** promoteCommand is `sluice promote`. */
export function promoteCommand(shell: Shell): Command {
  const text =
    'End the present step, its pause or what it waits for; in a Hold, return traffic to stable. It is refused against a Fail.';
  return command(shell, 'promote', text)
    .option('--full', 'to 100% at once, without steps and proofs; a canary that fails is still taken back')
    .action((name: string, options: Options & { readonly full?: boolean }) =>
      give(shell, { ...options, name, verb: options.full === true ? 'promote-full' : 'promote' }),
    );
}

/** pauseCommand is `sluice pause`. */
export function pauseCommand(shell: Shell): Command {
  return plain(shell, 'pause', 'Stop raising until resume; analysis and rollback go on.');
}

/** resumeCommand is `sluice resume`. */
export function resumeCommand(shell: Shell): Command {
  return plain(shell, 'resume', 'End a pause that was commanded. A pause of the steps ends by promote.');
}

/** abortCommand is `sluice abort`. */
export function abortCommand(shell: Shell): Command {
  const text = 'Take the canary out at once. It takes the place of a command that was not handled yet.';
  return plain(shell, 'abort', text);
}

/** retryCommand is `sluice retry`. */
export function retryCommand(shell: Shell): Command {
  return plain(shell, 'retry', 'Try a revision again that was rolled back or aborted.');
}

function plain(shell: Shell, verb: Verb, text: string): Command {
  return command(shell, verb, text).action((name: string, options: Options) => give(shell, { ...options, name, verb }));
}

type Options = Omit<CommandCall, 'name' | 'verb'>;

function command(shell: Shell, name: string, text: string): Command {
  return sourceCommand(shell, name)
    .description(text)
    .argument('<name>', 'NAME, slr/NAME or rollout/NAME')
    .addOption(
      offering(new Option('--wait [bool]', '--wait=false: do not wait until the controller has handled it'), [
        'true',
        'false',
      ]),
    )
    .option('--timeout <duration>', 'how long to wait (default: 30s)')
    .addHelpText('after', help);
}

async function give(shell: Shell, call: CommandCall): Promise<void> {
  const { runCommand } = await import('../command.ts');
  const end = await runCommand(call, { env: shell.env, signal: shell.untilSignal() });
  const code = codes[end.kind];
  if (code === 0) shell.print(end.message);
  else shell.complain(end.message);
  shell.exitWith(code);
}
