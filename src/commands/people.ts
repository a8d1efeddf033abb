/** What the commands for people have in common: which API server or folder, and how they end. */
import type { Command } from 'commander';
import { settingOption } from './flags.ts';
import { exitCodes, subcommand, type Shell } from './shell.ts';

/** sourceCommand is a command about the Rollouts of a cluster or of a folder, with kubectl's flags. */
export function sourceCommand(shell: Shell, name: string): Command {
  return subcommand(shell, name)
    .option('-n, --namespace <name>', 'namespace of the Rollout; default: that of the kubeconfig')
    .addOption(settingOption('kubeconfig'))
    .addOption(settingOption('context'))
    .option('--as <user>', 'user to impersonate, as with kubectl')
    .option('--dir <dir>', 'instead of a cluster: the folder of `sluice standalone`')
    .option('--state <dir>', 'where its state is; default: .sluice in that folder');
}

/** Printable is what a command has to say: a text for programs and people, a note for people only. */
export type Printable =
  | { readonly kind: 'Done'; readonly text: string; readonly note: string | undefined }
  | { readonly kind: 'Failed'; readonly message: string };

/** printResult prints what a command has found, and sets the exit code. */
export function printResult(shell: Shell, result: Printable): void {
  if (result.kind === 'Failed') {
    shell.complain(result.message);
    return shell.exitWith(exitCodes.failure);
  }
  if (result.note !== undefined) shell.complain(result.note);
  if (result.text !== '') shell.print(result.text);
}

/** exitCodesHelp is the part of --help that says how a command ends. */
export function exitCodesHelp(codes: readonly (readonly [code: number, meaning: string])[]): string {
  const common = [
    [exitCodes.usage, 'the call or the kubeconfig is wrong'],
    [exitCodes.unreachable, 'the API server cannot be reached, or refuses you'],
  ] as const;
  const all = [...codes, ...common].sort(([a], [b]) => a - b);
  return ['', 'Exit codes:', ...all.map(([code, meaning]) => `  ${code}  ${meaning}`)].join('\n');
}
