/** `sluice lint`. */
import type { Command } from 'commander';
import type { LintCall } from '../lint.ts';
import { outputOption } from './flag-values.ts';
import { settingOption } from './flags.ts';
import { exitCodes, subcommand, type Shell } from './shell.ts';

/** lintCommand is `sluice lint`. */
export function lintCommand(shell: Shell): Command {
  return subcommand(shell, 'lint')
    .description('Check Rollouts, and what they refer to, in files before they are applied.')
    .argument('<file...>', 'files, folders with *.yaml, *.yml and *.json at any depth, or - for standard input')
    .option('-n, --namespace <name>', 'namespace of objects that name none (default: default)')
    .option('--strict', 'take for a problem what a Rollout refers to and is not in the files')
    .addOption(outputOption('json'))
    .addOption(settingOption('userQueries'))
    .addHelpText('after', '\nExit codes: 0 no problems, 1 problems, 2 a wrong call.')
    .action(async (files: readonly string[], options: Omit<LintCall, 'files'>) => {
      const { runLint } = await import('../lint.ts');
      const { text, notes, isClean } = await runLint({ ...options, files }, shell);
      shell.print(text);
      for (const note of notes) shell.complain(note);
      if (!isClean) shell.exitWith(exitCodes.failure);
    });
}
