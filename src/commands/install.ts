/** `sluice install`. */
import { Option, type Command } from 'commander';
import type { RawSettings } from '../config.ts';
import type { InstallCall } from '../install.ts';
import { offering } from './flag-values.ts';
import { flags, settingNames, settingOption } from './flags.ts';
import { subcommand, type Shell } from './shell.ts';

/** Files would have to be mounted, and the rest belongs to the manifests. */
const installSettings = settingNames.filter(
  (name) => !/File$|^kubeconfig$|^context$|^leaseNamespace$|^healthAddress$/.test(name),
);

/** installCommand is `sluice install`. */
export function installCommand(shell: Shell): Command {
  const command = subcommand(shell, 'install')
    .description(
      'Print the manifests of the controller, for `kubectl apply --server-side -f -`. Its settings are flags too, but for files, which have to be mounted.',
    )
    .option('--ha', 'two replicas, of which one stands by')
    .option('--prometheus', 'a ServiceMonitor and alert rules, for the operator of Prometheus')
    .option('--copy', 'the rights for promotion.mode Copy')
    .addOption(
      offering(
        new Option(
          '--proxy [kind]',
          "Sluice's own proxy, where there is no Traefik: Deployment (default) or DaemonSet",
        ),
        ['Deployment', 'DaemonSet'],
      ),
    )
    .option('--image <image>', 'image of the controller')
    .option('--proxy-image <image>', 'image of the proxy')
    .option('-n, --namespace <name>', 'a namespace that exists already (default: sluice-system, which is made)');
  // Not from the environment: what is installed is what the line says.
  for (const name of installSettings) command.addOption(new Option(settingOption(name).flags, flags[name]));
  return command.action(async (options: InstallCall & RawSettings) => {
    const { ha, prometheus, copy, proxy, image, proxyImage, namespace, ...settings } = options;
    const call = { ha, prometheus, copy, proxy, image, proxyImage, namespace } as InstallCall;
    const { runInstall } = await import('../install.ts');
    shell.print((await runInstall(call, settings)).trimEnd());
  });
}
