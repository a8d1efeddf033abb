/** `sluice version`. */
import type { Command } from 'commander';
import { version } from '../version.ts';
import { subcommand, type Shell } from './shell.ts';

/** versionCommand is `sluice version`. */
export function versionCommand(shell: Shell): Command {
  return subcommand(shell, 'version')
    .description('Print the version.')
    .action(() => shell.print(`sluice ${version}`));
}
