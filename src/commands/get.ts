/** `sluice get`. */
import type { Command } from 'commander';
import type { GetCall } from '../get.ts';
import { outputOption } from './flag-values.ts';
import { exitCodesHelp, printResult, sourceCommand } from './people.ts';
import { exitCodes, type Shell } from './shell.ts';

/** getCommand is `sluice get`. */
export function getCommand(shell: Shell): Command {
  return sourceCommand(shell, 'get')
    .description('List Rollouts, or print what they say.')
    .argument('[names...]', 'NAME, slr/NAME or rollout/NAME; default: all of the namespace')
    .option('-A, --all-namespaces', 'those of all namespaces')
    .option('-l, --selector <labels>', 'those that have these labels, like app=shop')
    .addOption(outputOption('wide', 'name', 'json', 'yaml'))
    .option('--no-headers', 'without the line of titles')
    .option(
      '--idle',
      'with promotion.mode Swap: the service that the next release goes to, and its workload (-o name: for kubectl, like deployment/shop-b)',
    )
    .addHelpText(
      'after',
      exitCodesHelp([
        [0, 'printed'],
        [exitCodes.failure, 'there is none of that name'],
      ]),
    )
    .action(async (names: readonly string[], options: Omit<GetCall, 'names'>) => {
      const { runGet } = await import('../get.ts');
      printResult(shell, await runGet({ ...options, names }, { env: shell.env, signal: shell.untilSignal() }));
    });
}
