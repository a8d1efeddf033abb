/** runStandalone joins controller and proxy over a folder of manifests; nothing here is global, so several can run in one process. */
import { fileURLToPath } from 'node:url';
import type { ObjectStore } from './api/object-store.ts';
import { systemClock, type Clock } from './clock.ts';
import { run } from './run.ts';
import { aborted, runProxy, untilAborted, type ServingProxy } from './run-proxy.ts';
import { openFolderStore, type FolderProblem, type FolderStore } from './standalone/folder-store.ts';
import { createManifestSchema, readCrds } from './standalone/manifest-schema.ts';
import { startProbes, type EndpointChange } from './standalone/probes.ts';
import { parseStandaloneSettings, type RawStandaloneSettings, type StandaloneSettings } from './standalone-config.ts';
import { createLogger, type Logger } from './telemetry/logger.ts';

/** RunStandaloneOptions are what only the host knows; all but `signal` have a default. */
export interface RunStandaloneOptions {
  /** signal stops it: the controller first, then the proxy, which drains. */
  readonly signal: AbortSignal;
  readonly logger?: Logger;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly isWholeProcess?: boolean;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** ServingStandalone tells where clients reach it, and gives the objects as they are served. */
export interface ServingStandalone extends ServingProxy {
  /** healthPort is where the controller's metrics are. */
  readonly healthPort: number;
  readonly store: ObjectStore;
}

/** RunningStandalone is one that was started; whoever awaits one of the promises hears of its failure. */
export interface RunningStandalone {
  /** serving resolves when routes are served and rollouts are watched. */
  readonly serving: Promise<ServingStandalone>;
  /** stopped resolves when `signal` has aborted, the last connection has gone and the state is given free. */
  readonly stopped: Promise<void>;
}

const crds = new URL('../crds/', import.meta.url);

/**
 * runStandalone starts with the settings of the flags of the same name; it throws ConfigInvalid, all problems at once.
 * Both promises reject with ConfigInvalid where another process works on the same state.
 */
export function runStandalone(raw: RawStandaloneSettings, options: RunStandaloneOptions): RunningStandalone {
  const settings = parseStandaloneSettings(raw);
  const serving = Promise.withResolvers<ServingStandalone>();
  const stopped = start(settings, options, serving.resolve);
  stopped.then(() => serving.reject(new Error('it stopped before it served')), serving.reject);
  // Who awaits only one of the two must not end the process by the other.
  for (const promise of [serving.promise, stopped]) promise.catch(() => undefined);
  return { serving: serving.promise, stopped };
}

async function start(
  settings: StandaloneSettings,
  options: RunStandaloneOptions,
  onServing: (standalone: ServingStandalone) => void,
): Promise<void> {
  const { clock = systemClock } = options;
  const logger = options.logger ?? createLogger({ level: settings.logLevel });
  const { directory, stateDirectory } = settings;
  const store = await openFolderStore({
    directory,
    stateDirectory,
    clock,
    validate: createManifestSchema(await readCrds(fileURLToPath(crds))),
    onProblems: (problems) => report(logger, problems),
    onError: ({ code, message }) => logger.error('the state cannot be written', { code, error: message }),
  });
  try {
    await runOn(store, { settings, options: { ...options, clock, logger }, onServing });
  } finally {
    await store.close();
  }
}

interface Parts {
  readonly settings: StandaloneSettings;
  readonly options: RunStandaloneOptions & { readonly clock: Clock; readonly logger: Logger };
  readonly onServing: (standalone: ServingStandalone) => void;
}

/** What fails takes the rest with it. The proxy is stopped last: it serves until nobody moves traffic any more. */
async function runOn(store: FolderStore, { settings, options, onServing }: Parts): Promise<void> {
  const [probing, proxying, controlling] = [new AbortController(), new AbortController(), new AbortController()];
  const stop = (): void => controlling.abort(options.signal.reason);
  options.signal.addEventListener('abort', stop, { once: true });
  if (options.signal.aborted) stop();
  // A proxy that served before would answer 503 for what is there, and a controller would take its canary for lost.
  const probed = startProbing(store, options, probing.signal).then(() => store.settled());
  await Promise.race([probed, aborted(controlling.signal)]);
  const proxy = runProxy(settings.proxy, { ...options, store, signal: proxying.signal });
  void proxy.stopped.finally(() => controlling.abort()).catch(() => undefined);
  try {
    const served = await untilAborted(proxy.serving, controlling.signal);
    if (served === undefined) return;
    const traefikApiUrls = `http://${urlHost(settings.adminHost)}:${served.adminPort}`;
    const scrapeUrls = `${traefikApiUrls}/metrics`;
    const controller = run(
      { ...settings.controller, scrapeUrls, traefikApiUrls },
      { ...options, store, signal: controlling.signal },
    );
    const ready = controller.ready.then(({ healthPort }) => onServing({ ...served, healthPort, store }));
    ready.catch(() => undefined);
    await controller.stopped;
  } finally {
    options.signal.removeEventListener('abort', stop);
    proxying.abort();
    await proxy.stopped.finally(() => probing.abort());
  }
}

/** startProbing probes until the signal; whose endpoint comes or goes is worth a line. */
function startProbing(store: FolderStore, { clock, logger }: Parts['options'], signal: AbortSignal): Promise<void> {
  const onChange = ({ slices, endpoint, isReady, reason }: EndpointChange): void => {
    if (isReady) logger.info('endpoint is ready', { slices, endpoint });
    else logger.warn('endpoint is not ready', { slices, endpoint, why: reason });
  };
  const onProblems = (problems: readonly string[]): void => {
    for (const problem of problems) logger.warn('endpoints cannot be probed', { problem });
  };
  return startProbes({ store, clock, onChange, onProblems }, signal).first;
}

function report(logger: Logger, problems: readonly FolderProblem[]): void {
  for (const { file, line, message } of problems) logger.warn('manifest not used', { file, line, problem: message });
  if (problems.length === 0) logger.info('all manifests are used');
}

/** urlHost is how this process reaches its own listener. */
function urlHost(host: string): string {
  if (host === '' || host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
