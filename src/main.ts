#!/usr/bin/env node
/** The program: argv, environment, signals and exit codes. Nothing else touches the process. */
import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { Command, Option } from 'commander';
import { systemClock } from './clock.ts';
import { settingDefaults, type RawSettings } from './config.ts';
import type { DemoCall } from './demo/demo.ts';
import type { GetCall } from './get.ts';
import { isSluiceError } from './errors.ts';
import { forkWorkers, primaryPort } from './proxy/process/cluster-workers.ts';
import { proxySettingDefaults, type RawProxySettings } from './proxy-config.ts';
import { runSimulate, simulateDefaults, type SimulateCall } from './simulate.ts';
import { standaloneSettingDefaults, type RawStandaloneSettings } from './standalone-config.ts';
import { version } from './version.ts';

/** exitCodes are part of the interface: 2 is a wrong call or configuration, 1 any other failure. */
const exitCodes = { failure: 1, usage: 2 } as const;

type SettingName = keyof typeof settingDefaults;

const flags: Readonly<Record<SettingName, string>> = {
  kubeconfig: 'kubeconfig file; default: KUBECONFIG, the service account of the pod, ~/.kube/config',
  context: 'context of the kubeconfig',
  source: 'where samples come from when a Rollout does not say: Prometheus or Scrape (Traefik itself)',
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
  scrapeService: 'namespace/name of a Service of Traefik whose endpoints are scraped',
  scrapePort: 'port of the metrics of those endpoints',
  scrapeUrls: 'instead: URLs of the metrics of single Traefiks, with commas between them',
  scrapeInterval: 'how often they are scraped while a rollout runs',
  traefikApiService: 'namespace/name of a Service of Traefik whose endpoints are asked whether weights are in effect',
  traefikApiPort: 'port of the API of those endpoints',
  traefikApiUrls: 'instead: base URLs of the API of single Traefiks, with commas between them',
  traefikApiBasicAuthFile: 'file with user:password for that API',
  traefikApiCaFile: 'file with its CA',
  userQueries: 'queries in Rollouts: Off, Namespaced (only series of their own namespace) or On',
  freezesFile: 'file with times at which nothing is raised: a list of {from, to, reason}',
  sampleInterval: 'how often checks are looked at',
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

const settingNames = Object.keys(flags) as readonly SettingName[];

/** settingOption is the flag of a setting, with its variable of the environment. */
function settingOption(name: SettingName): Option {
  return optionOf(name, flags[name], settingDefaults[name]);
}

function optionOf(name: string, help: string, value: string): Option {
  const dashed = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const shown = value === '' ? help : `${help} (default: ${value})`;
  return new Option(`--${dashed} <value>`, shown).env(`SLUICE_${dashed.replaceAll('-', '_').toUpperCase()}`);
}

/** subcommand ends the process with the code for a wrong call where commander would with 1. */
function subcommand(name: string): Command {
  return new Command(name).exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : exitCodes.usage));
}

function controllerCommand(): Command {
  const command = subcommand('controller').description('Run the controller until SIGTERM or SIGINT.');
  for (const name of settingNames) command.addOption(settingOption(name));
  return command.action(async (raw: RawSettings) => {
    // What only other commands need is not loaded: a controller would keep 10 MiB of it for ever.
    const { run } = await import('./run.ts');
    await run(raw, { signal: untilSignal(), env: process.env, isWholeProcess: true }).stopped;
  });
}

const proxyFlags: Readonly<Record<keyof typeof proxySettingDefaults, string>> = {
  kubeconfig: flags.kubeconfig,
  context: flags.context,
  entryPoint: 'entry points, with blanks between them: name=address[,tls][,trusted-ips=CIDR;CIDR][,read-timeout=60s]…',
  tlsCertFile: 'file with the certificate of entry points with tls',
  tlsKeyFile: 'file with its key',
  ingressClass: 'only objects of this class; default: those without one, or of class traefik',
  allowCrossNamespace: 'whether routes may use services of other namespaces: true or false',
  allowExternalNameServices: 'whether Services of type ExternalName are served: true or false',
  strictTraefik: 'whether to do as Traefik where Sluice would do better: true or false',
  workers: 'processes that serve, under one more; 1: a single process; default: one for each core, at most 4',
  acceptGrace: 'how long connections are still taken after SIGTERM',
  grace: 'how long open requests then have',
  adminAddress: 'host:port of /metrics, /api, /healthz, /readyz and /config',
  metricsBuckets: 'bounds of the histograms of durations, in seconds',
  metricsRouters: 'whether there are series for routers too: true or false',
  accessLog: 'a line for each request: Off, Common or Json',
  accessLogQuery: 'whether that line has the query string: true or false',
  logLevel: flags.logLevel,
};

const proxySettingNames = Object.keys(proxyFlags) as readonly (keyof typeof proxySettingDefaults)[];

function proxyCommand(): Command {
  const command = subcommand('proxy').description(
    'Serve IngressRoutes where there is no Traefik, until SIGTERM or SIGINT. SIGHUP replaces the workers one by one, if there are several.',
  );
  for (const name of proxySettingNames) {
    command.addOption(optionOf(name, proxyFlags[name], proxySettingDefaults[name]));
  }
  return command.action(async (raw: RawProxySettings) => {
    collectAlone();
    const { runProxy } = await import('./run-proxy.ts');
    const options = { signal: untilSignal(), env: process.env, isWholeProcess: true };
    const proxy = runProxy(raw, { ...options, fork: forkWorkers, cores: availableParallelism() });
    process.on('SIGHUP', () => void proxy.restart());
    await proxy.stopped;
  });
}

const standaloneNames = Object.keys(standaloneSettingDefaults).filter(
  (name): name is Exclude<keyof typeof standaloneSettingDefaults, 'state'> => name !== 'state',
);

function standaloneCommand(): Command {
  const command = subcommand('standalone')
    .description('Serve and release what a folder of manifests holds, without a cluster, until SIGTERM or SIGINT.')
    .argument('<dir>', 'folder with IngressRoutes, Services, EndpointSlices and Rollouts; it is only read')
    .addOption(optionOf('state', 'folder for weights and status; default: .sluice in DIR', ''));
  for (const name of standaloneNames) {
    const help = name in proxyFlags ? proxyFlags[name as keyof typeof proxyFlags] : flags[name as SettingName];
    command.addOption(optionOf(name, help, standaloneSettingDefaults[name]));
  }
  return command.action(async (directory: string, raw: Omit<RawStandaloneSettings, 'directory'>) => {
    const { runStandalone } = await import('./run-standalone.ts');
    const options = { signal: untilSignal(), env: process.env, isWholeProcess: true };
    await runStandalone({ ...raw, directory }, options).stopped;
  });
}

function untilSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(new Error(signal)));
  return stop.signal;
}

/** Of the controller's settings these say which API server and which Prometheus. */
const simulateSettings = settingNames.filter((name) => /^(kubeconfig|context|prometheus.*)$/.test(name));

function simulateCommand(): Command {
  const command = subcommand('simulate')
    .description('Say from recorded traffic what the rollout of a service can prove, and in what time.')
    .argument('[name]', 'name of the Rollout')
    .option('-n, --namespace <name>', 'namespace of the Rollout; default: that of the kubeconfig')
    .option('-f, --filename <file>', 'manifest with the Rollout, its IngressRoute and Services; no cluster is asked')
    .option('--hours <number>', `how much of the past is read (default: ${simulateDefaults.hours})`)
    .option('--replays <number>', `how many rollouts are replayed (default: ${simulateDefaults.replays})`)
    .option('--seed <number>', `the same seed gives the same report (default: ${simulateDefaults.seed})`)
    .option('--release <time>', 'instead: judge a past release that began at this time, e.g. 2026-11-21T09:30:00Z')
    .option('--until <time>', 'when that release ended')
    .option('-o, --output <format>', 'json');
  for (const name of simulateSettings) command.addOption(settingOption(name));
  return command.action(async (name: string | undefined, options: RawSettings & Omit<SimulateCall, 'settings'>) => {
    const call = { ...options, name, settings: options };
    const result = await runSimulate(call, { env: process.env, signal: untilSignal() });
    if (result.kind === 'Done') return console.log(result.text);
    console.error(`sluice: ${result.message}`);
    process.exitCode = exitCodes.failure;
  });
}

function getCommand(): Command {
  return subcommand('get')
    .description('Print what a Rollout says.')
    .argument('<name>', 'name of the Rollout')
    .requiredOption('--idle', 'with promotion.mode Swap: the service that the next release goes to, and its workload')
    .option('-n, --namespace <name>', 'namespace of the Rollout; default: that of the kubeconfig')
    .option('-o, --output <format>', 'name (for kubectl, like deployment/shop-b), json or yaml')
    .addOption(settingOption('kubeconfig'))
    .addOption(settingOption('context'))
    .action(async (name: string, options: Omit<GetCall, 'name'>) => {
      const { runGet } = await import('./get.ts');
      const result = await runGet({ ...options, name }, { env: process.env, signal: untilSignal() });
      if (result.kind === 'Done') {
        if (result.note !== undefined) console.error(`sluice: ${result.note}`);
        return console.log(result.text);
      }
      console.error(`sluice: ${result.message}`);
      process.exitCode = exitCodes.failure;
    });
}

function demoCommand(): Command {
  return subcommand('demo')
    .description('Show within a minute how a good release is promoted and a bad one taken back; it needs nothing else.')
    .option('--json', 'print lines, and one JSON object last; exit code 1 where a story did not end as it should')
    .option('--keep', 'go on until Ctrl-C, to release something yourself')
    .option('--seed <number>', 'the same seed draws the same durations and errors')
    .action(async (call: DemoCall) => {
      const { runDemo } = await import('./demo/demo.ts');
      const { openTerminal } = await import('./demo/terminal.ts');
      const isFromNpm = process.env['npm_lifecycle_event'] === 'demo';
      const interrupted = untilInterrupted();
      const isAsTold = await runDemo(call, {
        terminal: openTerminal(process.stdout, process),
        clock: systemClock,
        signal: interrupted.signal,
        typed: isFromNpm
          ? { demo: 'npm run demo --', program: 'npm start --' }
          : { demo: 'sluice demo', program: 'sluice' },
      }).catch((error: unknown) => {
        if (!interrupted.signal.aborted) throw error;
        return false;
      });
      const code = interrupted.exitCode() ?? (isAsTold ? 0 : exitCodes.failure);
      // A connection that nobody closed must not hold up the end; what was written has to be out, though.
      process.stdout.write('', () => process.exit(code));
    });
}

/** The terminal and npm may both pass on the same interrupt, and the second one must not end what cleans up. */
function untilInterrupted(): { readonly signal: AbortSignal; exitCode(): number | undefined } {
  const stop = new AbortController();
  let exitCode: number | undefined;
  for (const [signal, number] of [
    ['SIGHUP', 1],
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const) {
    process.on(signal, () => {
      exitCode ??= 128 + number;
      stop.abort(new Error(signal));
    });
  }
  // Who reads the lines may have enough of them, as `head` has.
  process.stdout.on('error', (error) => stop.abort(error));
  return { signal: stop.signal, exitCode: () => exitCode };
}

function versionCommand(): Command {
  return subcommand('version')
    .description('Print the version.')
    .action(() => console.log(`sluice ${version}`));
}

const program = subcommand('sluice')
  .description(
    'Moves traffic from a stable version to a canary behind Traefik, and takes it back when the canary is worse.',
  )
  .version(version)
  .addCommand(controllerCommand())
  .addCommand(proxyCommand())
  .addCommand(standaloneCommand())
  .addCommand(demoCommand())
  .addCommand(getCommand())
  .addCommand(simulateCommand())
  .addCommand(versionCommand());

/**
 * So few objects outlive a request that several threads take longer to share them out than one takes to move them: it does
 * so in half the time, and the slowest requests take two thirds as long (bench/proxy, `small`).
 */
function collectAlone(): void {
  setFlagsFromString('--no-parallel-scavenge');
}

/** A worker of the proxy is this program too; it is told everything by its primary. */
async function work(primary: NonNullable<ReturnType<typeof primaryPort>>): Promise<void> {
  collectAlone();
  const { runWorker } = await import('./proxy/process/run-worker.ts');
  const worker = runWorker(primary);
  // The terminal interrupts the whole group: the primary hears it too, and says what to do.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => worker.leave());
  process.on('SIGHUP', () => undefined);
  await worker.ended;
  process.exit();
}

const primary = primaryPort();

try {
  await (primary === undefined ? program.parseAsync(process.argv) : work(primary));
} catch (error) {
  console.error(`sluice: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = isSluiceError(error, 'ConfigInvalid') ? exitCodes.usage : exitCodes.failure;
}
