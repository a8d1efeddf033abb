/** `sluice uninstall`. */
import type { Command } from 'commander';
import type { UninstallCall } from '../uninstall.ts';
import { settingOption } from './flags.ts';
import { exitCodes, subcommand, type Shell } from './shell.ts';

/** uninstallCommand is `sluice uninstall`. */
export function uninstallCommand(shell: Shell): Command {
  return subcommand(shell, 'uninstall')
    .description(
      'Delete all Rollouts, wait until the controller has put their routes back, then remove everything that `sluice install` installs.',
    )
    .option('--yes', 'also where Rollouts are under way: their canaries lose all traffic')
    .option('-n, --namespace <name>', 'namespace of the controller (default: sluice-system, which is removed too)')
    .option('--timeout <duration>', 'how long each thing is waited for', '2m')
    .addOption(settingOption('kubeconfig'))
    .addOption(settingOption('context'))
    .action(async (call: UninstallCall) => {
      const { runUninstall } = await import('../uninstall.ts');
      const report = (line: string): void => shell.print(line);
      const result = await runUninstall(call, { env: shell.env, signal: shell.untilSignal(), report });
      if (result.kind === 'Done') return;
      shell.complain(result.message);
      shell.exitWith(exitCodes.failure);
    });
}
