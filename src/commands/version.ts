/** `sluice version`. */
import { Option, type Command } from 'commander';
import type { VersionCall } from '../check/versions.ts';
import { outputOption } from './flag-values.ts';
import { settingOption } from './flags.ts';
import { subcommand, type Shell } from './shell.ts';

/** versionCommand is `sluice version`. */
export function versionCommand(shell: Shell): Command {
  return subcommand(shell, 'version')
    .description('Print the version of this program, and those of the CRD and the controller where a cluster answers.')
    .option('--client', 'of this program only; no cluster is asked')
    .addOption(new Option('-n, --namespace <name>', 'where the controller runs').default('sluice-system'))
    .addOption(outputOption('json', 'yaml'))
    .addOption(settingOption('kubeconfig'))
    .addOption(settingOption('context'))
    .addHelpText(
      'after',
      '\nWhat cannot be had is a sentence on standard error, and no failure. Exit codes: 0, and 2 for a wrong call.',
    )
    .action(async (call: VersionCall) => {
      const { runVersion } = await import('../check/versions.ts');
      const { text, notes } = await runVersion(call, { env: shell.env, signal: shell.untilSignal() });
      shell.print(text);
      for (const note of notes) shell.complain(note);
    });
}
