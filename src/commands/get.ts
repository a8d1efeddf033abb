/** `sluice get`. */
import type { Command } from 'commander';
import type { GetCall } from '../get.ts';
import { settingOption } from './flags.ts';
import { exitCodes, subcommand, type Shell } from './shell.ts';

/** getCommand is `sluice get`. */
export function getCommand(shell: Shell): Command {
  return subcommand(shell, 'get')
    .description('Print what a Rollout says.')
    .argument('<name>', 'name of the Rollout')
    .requiredOption('--idle', 'with promotion.mode Swap: the service that the next release goes to, and its workload')
    .option('-n, --namespace <name>', 'namespace of the Rollout; default: that of the kubeconfig')
    .option('-o, --output <format>', 'name (for kubectl, like deployment/shop-b), json or yaml')
    .addOption(settingOption('kubeconfig'))
    .addOption(settingOption('context'))
    .action(async (name: string, options: Omit<GetCall, 'name'>) => {
      const { runGet } = await import('../get.ts');
      const result = await runGet({ ...options, name }, { env: shell.env, signal: shell.untilSignal() });
      if (result.kind === 'Done') {
        if (result.note !== undefined) shell.complain(result.note);
        return shell.print(result.text);
      }
      shell.complain(result.message);
      shell.exitWith(exitCodes.failure);
    });
}
