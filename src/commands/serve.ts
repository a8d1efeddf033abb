/** The programs that run until they are told to stop: `sluice controller`, `sluice proxy`, `sluice standalone`. */
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import type { RawSettings } from '../config.ts';
import { forkWorkers } from '../proxy/process/cluster-workers.ts';
import { proxySettingDefaults, type RawProxySettings } from '../proxy-config.ts';
import { standaloneSettingDefaults, type RawStandaloneSettings } from '../standalone-config.ts';
import {
  flags,
  optionOf,
  proxyFlags,
  proxySettingNames,
  settingNames,
  settingOption,
  type SettingName,
} from './flags.ts';
import { subcommand, type Shell } from './shell.ts';

/** controllerCommand is `sluice controller`. */
export function controllerCommand(shell: Shell): Command {
  const command = subcommand(shell, 'controller').description('Run the controller until SIGTERM or SIGINT.');
  for (const name of settingNames) command.addOption(settingOption(name));
  return command.action(async (raw: RawSettings) => {
    // What only other commands need is not loaded: a controller would keep 10 MiB of it for ever.
    const { run } = await import('../run.ts');
    await run(raw, { signal: shell.untilSignal(), env: shell.env, isWholeProcess: true }).stopped;
  });
}

/** proxyCommand is `sluice proxy`. */
export function proxyCommand(shell: Shell): Command {
  const command = subcommand(shell, 'proxy').description(
    'Serve IngressRoutes and Ingresses where there is no Traefik, until SIGTERM or SIGINT. SIGHUP replaces the workers one by one, if there are several.',
  );
  for (const name of proxySettingNames) {
    command.addOption(optionOf(name, proxyFlags[name], proxySettingDefaults[name]));
  }
  return command.action(async (raw: RawProxySettings) => {
    shell.collectAlone();
    const { runProxy } = await import('../run-proxy.ts');
    const options = { signal: shell.untilSignal(), env: shell.env, isWholeProcess: true };
    const proxy = runProxy(raw, { ...options, fork: forkWorkers, cores: availableParallelism() });
    shell.onHangUp(() => void proxy.restart());
    await proxy.stopped;
  });
}

const standaloneNames = Object.keys(standaloneSettingDefaults).filter(
  (name): name is Exclude<keyof typeof standaloneSettingDefaults, 'state'> => name !== 'state',
);

/** standaloneCommand is `sluice standalone DIR`. */
export function standaloneCommand(shell: Shell): Command {
  const command = subcommand(shell, 'standalone')
    .description('Serve and release what a folder of manifests holds, without a cluster, until SIGTERM or SIGINT.')
    .argument('<dir>', 'folder with IngressRoutes, Services, EndpointSlices and Rollouts; it is only read')
    .addOption(optionOf('state', 'folder for weights and status; default: .sluice in DIR', ''));
  for (const name of standaloneNames) {
    const help = name in proxyFlags ? proxyFlags[name as keyof typeof proxyFlags] : flags[name as SettingName];
    command.addOption(optionOf(name, help, standaloneSettingDefaults[name]));
  }
  return command.action(async (directory: string, raw: Omit<RawStandaloneSettings, 'directory'>) => {
    const { runStandalone } = await import('../run-standalone.ts');
    const options = { signal: shell.untilSignal(), env: shell.env, isWholeProcess: true };
    await runStandalone({ ...raw, directory }, options).stopped;
  });
}
