/** `sluice plan`. */
import type { Command } from 'commander';
import type { RawSettings } from '../config.ts';
import type { PlanCall } from '../plan.ts';
import { outputOption } from './flag-values.ts';
import { settingNames, settingOption } from './flags.ts';
import { exitCodes, subcommand, type Shell } from './shell.ts';

/** Of the controller's settings these say which API server, and when nothing is raised. */
const planSettings = settingNames.filter((name) => ['kubeconfig', 'context', 'freezesFile'].includes(name));

/** planCommand is `sluice plan`. */
export function planCommand(shell: Shell): Command {
  const command = subcommand(shell, 'plan')
    .description('Print what a rollout would write, when, and what each write waits for. Nothing is written.')
    .argument('[name]', 'name of the Rollout')
    .option('-n, --namespace <name>', 'namespace of the Rollout; default: that of the kubeconfig, with -f: default')
    .option('-f, --filename <file>', 'file, folder or - with the Rollout and its route; no cluster is asked')
    .addOption(outputOption('json'))
    .addHelpText('after', '\nExit codes: 0 planned, 1 it would not start or come to an end, 2 a wrong call.');
  for (const name of planSettings) command.addOption(settingOption(name));
  return command.action(
    async (name: string | undefined, options: RawSettings & Omit<PlanCall, 'settings' | 'name'>) => {
      const { runPlan } = await import('../plan.ts');
      const result = await runPlan(
        { ...options, name, settings: options },
        { env: shell.env, readInput: () => shell.readInput(), signal: shell.untilSignal() },
      );
      if (result.kind === 'Done') return shell.print(result.text);
      shell.complain(result.message);
      shell.exitWith(exitCodes.failure);
    },
  );
}
