/** `sluice history`. */
import type { Command } from 'commander';
import type { HistoryCall } from '../get.ts';
import { outputOption } from './flag-values.ts';
import { exitCodesHelp, printResult, sourceCommand } from './people.ts';
import { exitCodes, type Shell } from './shell.ts';

/** historyCommand is `sluice history`. */
export function historyCommand(shell: Shell): Command {
  return sourceCommand(shell, 'history')
    .description('Print the last twenty transitions of a Rollout, and who asked for them.')
    .argument('<name>', 'NAME, slr/NAME or rollout/NAME')
    .addOption(outputOption('json', 'yaml'))
    .option('--no-headers', 'without the line of titles')
    .addHelpText(
      'after',
      exitCodesHelp([
        [0, 'printed'],
        [exitCodes.failure, 'there is none of that name'],
      ]),
    )
    .action(async (name: string, options: Omit<HistoryCall, 'name'>) => {
      const { runHistory } = await import('../get.ts');
      printResult(shell, await runHistory({ ...options, name }, { env: shell.env, signal: shell.untilSignal() }));
    });
}
