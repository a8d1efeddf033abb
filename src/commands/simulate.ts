/** `sluice simulate`. */
import type { Command } from 'commander';
import type { RawSettings } from '../config.ts';
import { runSimulate, simulateDefaults, type SimulateCall } from '../simulate.ts';
import { outputOption } from './flag-values.ts';
import { settingNames, settingOption } from './flags.ts';
import { exitCodes, subcommand, type Shell } from './shell.ts';

/** Of the controller's settings these say which API server and which Prometheus. */
const simulateSettings = settingNames.filter((name) => /^(kubeconfig|context|prometheus.*)$/.test(name));

/** simulateCommand is `sluice simulate`. */
export function simulateCommand(shell: Shell): Command {
  const command = subcommand(shell, 'simulate')
    .description('Say from recorded traffic what the rollout of a service can prove, and in what time.')
    .argument('[name]', 'name of the Rollout')
    .option('-n, --namespace <name>', 'namespace of the Rollout; default: that of the kubeconfig')
    .option('-f, --filename <file>', 'manifest with the Rollout, its IngressRoute and Services; no cluster is asked')
    .option('--hours <number>', `how much of the past is read (default: ${simulateDefaults.hours})`)
    .option('--replays <number>', `how many rollouts are replayed (default: ${simulateDefaults.replays})`)
    .option('--seed <number>', `the same seed gives the same report (default: ${simulateDefaults.seed})`)
    .option('--release <time>', 'instead: judge a past release that began at this time, e.g. 2026-11-21T09:30:00Z')
    .option('--until <time>', 'when that release ended')
    .addOption(outputOption('json'));
  for (const name of simulateSettings) command.addOption(settingOption(name));
  return command.action(async (name: string | undefined, options: RawSettings & Omit<SimulateCall, 'settings'>) => {
    const call = { ...options, name, settings: options };
    const result = await runSimulate(call, { env: shell.env, signal: shell.untilSignal() });
    if (result.kind === 'Done') return shell.print(result.text);
    shell.complain(result.message);
    shell.exitWith(exitCodes.failure);
  });
}
