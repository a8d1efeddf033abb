/** runProxy wires the fallback proxy together; nothing here is global, so several can run in one process. */
import { formatTime, systemClock, type Clock } from './clock.ts';
import { loadKubeConfig } from './kube/config.ts';
import { createEventRecorder, type EventRecorder } from './kube/events.ts';
import { createKubeObjectStore } from './kube/kube-object-store.ts';
import type { ObjectStore } from './api/object-store.ts';
import { observeCredentials } from './observers.ts';
import { answerApi } from './proxy/api/answer.ts';
import { exposition, expositionType } from './proxy/metrics/exposition.ts';
import { createPlane } from './proxy/process/data-plane.ts';
import type { ListeningAddress } from './proxy/process/messages.ts';
import { startPrimary, type Primary } from './proxy/process/primary.ts';
import type { WorkerPoolOptions } from './proxy/process/worker-pool.ts';
import { localWorker } from './proxy/process/worker.ts';
import type { ProxySettings } from './proxy/settings.ts';
import { parseProxySettings, type RawProxySettings } from './proxy-config.ts';
import { startHealthServer, type HealthServer, type JsonPage } from './telemetry/health.ts';
import { createLineWriter, createLogger, type Logger } from './telemetry/logger.ts';
import { createProcessMetrics } from './telemetry/metrics.ts';
import { version } from './version.ts';

/** ProxyStore is what the proxy needs of an ObjectStore. */
export type ProxyStore = Pick<ObjectStore, 'list' | 'watch' | 'create' | 'patch' | 'patchStatus'>;

/** RunProxyOptions are what only the host of the proxy knows; all but `signal` have a default. */
export interface RunProxyOptions {
  /** signal stops the proxy: it drains, and then ends. */
  readonly signal: AbortSignal;
  /**
   * fork returns how each of so many workers is started. It is not asked for a single one, which takes nothing off this
   * process that it needs: that costs a process less, and a connection need not be handed over. Left out, there is one.
   */
  readonly fork?: (workers: number) => WorkerPoolOptions['spawn'];
  /** store is where the objects are; left out, the API server of the kubeconfig. */
  readonly store?: ProxyStore;
  /** cores is how many the workers may use. */
  readonly cores?: number;
  readonly logger?: Logger;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly isWholeProcess?: boolean;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** ServingProxy tells where the proxy can be reached. */
export interface ServingProxy {
  readonly adminPort: number;
  readonly addresses: readonly ListeningAddress[];
}

/** RunningProxy is a proxy that was started; whoever awaits one of the promises hears of its failure. */
export interface RunningProxy {
  /** serving resolves when all objects are known and all workers serve them. */
  readonly serving: Promise<ServingProxy>;
  /** stopped resolves when `signal` has aborted and the last connection has gone. */
  readonly stopped: Promise<void>;
  /** restart replaces the workers one by one, without a request lost. Where this process serves by itself it does nothing. */
  restart(): Promise<void>;
}

/** runProxy starts a proxy with the settings of the flags of the same name; it throws ConfigInvalid, all problems at once. */
export function runProxy(raw: RawProxySettings, options: RunProxyOptions): RunningProxy {
  const parsed = parseProxySettings(raw, options.cores ?? 1);
  const settings = options.fork === undefined ? { ...parsed, workers: 1 } : parsed;
  const serving = Promise.withResolvers<ServingProxy>();
  const started = start(settings, options, serving.resolve);
  const stopped = started.then(({ stopped: end }) => end);
  stopped.then(() => serving.reject(new Error('the proxy stopped before it served')), serving.reject);
  // Who awaits only one of the two must not end the process by the other.
  for (const promise of [serving.promise, stopped]) promise.catch(() => undefined);
  return {
    serving: serving.promise,
    stopped,
    restart: async () => {
      const { primary, logger } = await started;
      if (isForking(settings, options)) await primary.restart();
      else logger.warn('nothing is restarted: with one worker this process serves by itself');
    },
  };
}

interface Parts {
  readonly settings: ProxySettings;
  readonly options: RunProxyOptions;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

async function start(
  settings: ProxySettings,
  options: RunProxyOptions,
  onServing: (proxy: ServingProxy) => void,
): Promise<{ readonly primary: Primary; readonly logger: Logger; readonly stopped: Promise<void> }> {
  const { clock = systemClock, random = Math.random } = options;
  const parts = {
    settings,
    options,
    clock,
    random,
    logger: options.logger ?? createLogger({ level: settings.logLevel }),
  };
  const { store, close } = await openStore(parts);
  const recorder = createRecorder(parts, store);
  const primary = startPrimary({
    ...parts,
    source: store,
    store,
    spawn:
      (isForking(settings, options) ? options.fork?.(settings.workers) : undefined) ??
      localWorker({ clock, createPlane: createPlane({ clock, random, writeLine: createLineWriter() }) }),
    onInvalid: ({ reason, message }, regarding) =>
      recorder.record({ regarding, type: 'Warning', reason, note: message, action: 'Serve' }),
  });
  const serve = async (): Promise<void> => {
    try {
      await serveUntilStopped(parts, primary, onServing);
    } finally {
      await recorder.flush();
      await close();
    }
  };
  return { primary, logger: parts.logger, stopped: serve() };
}

function isForking({ workers }: ProxySettings, { fork }: RunProxyOptions): boolean {
  return fork !== undefined && workers > 1;
}

async function openStore({ settings, options, clock, random, logger }: Parts) {
  if (options.store !== undefined) return { store: options.store, close: () => Promise.resolve() };
  const { env = {} } = options;
  const connection = await loadKubeConfig({ ...settings, env, clock, onNotice: observeCredentials(logger) });
  const store = createKubeObjectStore(connection, { clock, random, version, fieldManager: 'sluice' });
  return { store, close: () => store.close() };
}

function createRecorder({ clock, random, logger }: Parts, store: ProxyStore): EventRecorder {
  return createEventRecorder(store, {
    clock,
    random,
    component: 'sluice',
    // All replicas of the proxy see the same objects.
    isShared: true,
    instance: `sluice-proxy-${Math.floor(random() * 1e9).toString(36)}`,
    onDrop: ({ reason }, why) => logger.debug('event dropped', { reason, why }),
  });
}

/** A proxy that cannot serve yet has its admin port already: who asks it why gets an answer. */
async function serveUntilStopped(
  parts: Parts,
  primary: Primary,
  onServing: (proxy: ServingProxy) => void,
): Promise<void> {
  const { settings, options, clock, logger } = parts;
  const { signal } = options;
  const admin = await startAdmin(parts, primary);
  try {
    const addresses = await untilAborted(primary.serve(), signal);
    if (addresses !== undefined) {
      logger.info('serving', { version, workers: settings.workers, entryPoints: addresses, adminPort: admin.port });
      onServing({ adminPort: admin.port, addresses });
      await aborted(signal);
      logger.info('draining', { acceptGraceMs: settings.acceptGraceMs, graceMs: settings.graceMs });
      await clock.sleep(settings.acceptGraceMs);
    }
  } finally {
    await primary.stop();
    await admin.close();
    logger.info('stopped');
  }
}

function startAdmin(parts: Parts, primary: Primary): Promise<HealthServer> {
  const { settings, options } = parts;
  const processMetrics = options.isWholeProcess === true ? createProcessMetrics() : undefined;
  return startHealthServer({
    host: settings.adminHost,
    port: settings.adminPort,
    config: withoutKeys(settings),
    isReady: () => {
      if (options.signal.aborted) return 'the proxy is draining';
      return primary.isServing() ? undefined : 'the objects are not all known yet';
    },
    metrics: {
      contentType: expositionType,
      text: async () => {
        const ofProcess = (await processMetrics?.text()) ?? '';
        // In one go: counts that come in between would make the series of one answer disagree. 5,000 take 6 ms.
        return ofProcess + [...exposition(primary.state())].join('');
      },
    },
    page: createApi(parts, primary),
  });
}

/** createApi shows what is served as Traefik's API does. */
function createApi({ settings, clock }: Parts, primary: Primary): (url: string) => JsonPage | undefined {
  const view = {
    ...settings,
    configuration: primary.catalog.configuration,
    version,
    startedAt: formatTime(clock.nowMs()),
    hasAccessLog: settings.accessLog !== undefined,
  };
  return (url) => {
    const [path = '', query = ''] = url.split('?');
    const answer = answerApi(path, new URLSearchParams(query), view);
    if (answer === undefined) return undefined;
    const { nextPage, ...page } = answer;
    return nextPage === undefined ? page : { ...page, headers: { 'x-next-page': String(nextPage) } };
  };
}

/** withoutKeys is the configuration as it may be shown. */
function withoutKeys({ entryPoints, ...settings }: ProxySettings): object {
  return {
    ...settings,
    entryPoints: entryPoints.map((entryPoint) => ({ ...entryPoint, tls: entryPoint.tls !== undefined })),
  };
}

/** aborted resolves when the signal aborts, at once where it has. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** untilAborted returns what the promise resolves with, or undefined when the signal came first. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  promise.catch(() => undefined);
  return Promise.race([promise, aborted(signal).then(() => undefined)]);
}
