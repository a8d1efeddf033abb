#!/usr/bin/env node
/** The program: argv, environment, signals and exit codes. Nothing else touches the process. */
import { Command, Option } from 'commander';
import { settingDefaults, type RawSettings } from './config.ts';
import { isSluiceError } from './errors.ts';
import { run } from './run.ts';
import { version } from './version.ts';

/** exitCodes are part of the interface: 2 is a wrong call or configuration, 1 any other failure. */
const exitCodes = { failure: 1, usage: 2 } as const;

const flags: Readonly<Record<keyof typeof settingDefaults, string>> = {
  kubeconfig: 'kubeconfig file; default: KUBECONFIG, the service account of the pod, ~/.kube/config',
  context: 'context of the kubeconfig',
  prometheusUrl: 'base URL of the Prometheus that scrapes Traefik',
  prometheusServiceLabel: 'label that holds the Traefik service (exported_service with some ServiceMonitors)',
  prometheusMatchers: 'matchers put into each selector, e.g. job="traefik"',
  prometheusScrapeInterval: 'how often Prometheus scrapes Traefik',
  prometheusLateness: 'how long a sample may take to become visible; default: two scrapes, at least 15s',
  prometheusBlock: 'length of a block of evidence; default: one scrape, at least 10s',
  prometheusTimeout: 'deadline of a query',
  prometheusBearerTokenFile: 'file with a bearer token for Prometheus',
  prometheusBasicAuthFile: 'file with user:password for Prometheus',
  prometheusHeadersFile: 'file with further headers for Prometheus, a line `Name: value` each',
  prometheusCaFile: 'file with the CA of Prometheus',
  userQueries: 'queries in Rollouts: Off, Namespaced (only series of their own namespace) or On',
  sampleInterval: 'how often running rollouts are sampled',
  workers: 'reconciles at the same time',
  leaderElect: 'whether replicas elect a leader: true or false',
  leaseNamespace: 'namespace of the Leases; default: that of the service account or the kubeconfig',
  leaseName: 'name of the Leases',
  leaseDuration: 'how long others wait for a leader that is silent',
  leaseRenewDeadline: 'how long a leader that cannot renew goes on',
  leaseRetryPeriod: 'time between two renewals',
  shards: 'parts that the replicas share the Rollouts out by; the same for all of them',
  auditSchedule: 'cron expression: when the caches are compared with the API server',
  healthAddress: 'host:port of /healthz, /readyz, /metrics and /config',
  logLevel: 'debug, info, warn, error or silent',
};

function controllerCommand(): Command {
  const command = new Command('controller').description('Run the controller until SIGTERM or SIGINT.');
  for (const [name, description] of Object.entries(flags)) {
    const dashed = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const value = settingDefaults[name as keyof typeof settingDefaults];
    const shown = value === '' ? description : `${description} (default: ${value})`;
    command.addOption(
      new Option(`--${dashed} <value>`, shown).env(`SLUICE_${dashed.replaceAll('-', '_').toUpperCase()}`),
    );
  }
  return command.action(async (raw: RawSettings) => {
    const stop = new AbortController();
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(new Error(signal)));
    await run(raw, { signal: stop.signal, env: process.env, isWholeProcess: true }).stopped;
  });
}

function versionCommand(): Command {
  return new Command('version').description('Print the version.').action(() => console.log(`sluice ${version}`));
}

const program = new Command('sluice')
  .description(
    'Moves traffic from a stable version to a canary behind Traefik, and takes it back when the canary is worse.',
  )
  .version(version)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : exitCodes.usage))
  .addCommand(controllerCommand())
  .addCommand(versionCommand());

try {
  await program.parseAsync(process.argv);
} catch (error) {
  console.error(`sluice: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = isSluiceError(error, 'ConfigInvalid') ? exitCodes.usage : exitCodes.failure;
}
