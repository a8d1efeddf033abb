/** `sluice check`. */
import { Option, type Command } from 'commander';
import type { CheckCall } from '../check/check.ts';
import type { RawSettings } from '../config.ts';
import { outputOption } from './flag-values.ts';
import { settingNames, settingOption } from './flags.ts';
import { exitCodes, subcommand, type Shell } from './shell.ts';

/** Of the controller's settings these say which API server, which Prometheus and which election. */
const checkSettings = settingNames.filter((name) =>
  /^(kubeconfig|context|prometheus.*|userQueries|leaseName)$/.test(name),
);

/** No API server answers. */
const unreachable = 3;

/** checkCommand is `sluice check`. */
export function checkCommand(shell: Shell): Command {
  const command = subcommand(shell, 'check')
    .description('Try everything that a rollout needs, and say of each thing what to do. Nothing is written.')
    .argument('[name]', 'name of a Rollout; default: all of the namespace')
    .option('-n, --namespace <name>', 'namespace of the Rollouts; default: that of the kubeconfig')
    .option('--pre', 'before the installation: only what can be tried then')
    .addOption(new Option('--controller-namespace <name>', 'where the controller runs').default('sluice-system'))
    .addOption(new Option('--service-account <name>', 'its ServiceAccount').default('sluice'))
    .addOption(outputOption('json'))
    .addHelpText('after', '\nExit codes: 0 all right, 1 something is wrong, 2 a wrong call, 3 no API server answers.');
  for (const name of checkSettings) command.addOption(settingOption(name));
  return command.action(
    async (name: string | undefined, options: RawSettings & Omit<CheckCall, 'settings' | 'name'>) => {
      const { runCheck } = await import('../check/check.ts');
      const result = await runCheck(
        { ...options, name, settings: options },
        { env: shell.env, signal: shell.untilSignal() },
      );
      if (result.kind === 'Done') {
        shell.print(result.text);
        return result.isRight ? undefined : shell.exitWith(exitCodes.failure);
      }
      shell.complain(result.message);
      shell.exitWith(unreachable);
    },
  );
}
