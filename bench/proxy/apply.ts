/**
 * How long changes of the configuration take, from when they are received to when all workers serve them, and how long
 * they hold up the event loops. The code is that of the program from the list on; the objects come from memory.
 */
import cluster from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesObject } from '../../src/api/kubernetes.ts';
import { traefikRouterName } from '../../src/api/traefik-names.ts';
import { systemClock } from '../../src/clock.ts';
import type { Configuration } from '../../src/proxy/configuration.ts';
import { forkWorkers, primaryPort } from '../../src/proxy/process/cluster-workers.ts';
import { createPlane } from '../../src/proxy/process/data-plane.ts';
import { startPrimary } from '../../src/proxy/process/primary.ts';
import { runWorker } from '../../src/proxy/process/run-worker.ts';
import type { WorkerPoolOptions } from '../../src/proxy/process/worker-pool.ts';
import { localWorker } from '../../src/proxy/process/worker.ts';
import type { ProxySettings } from '../../src/proxy/settings.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMemorySource, type MemorySource } from './apply-source.ts';
import { watchLoop, worst, type LoopStalls } from './loop-watch.ts';

/** Applied is what one kind of change costs: the median time until all workers serve it, and the longest stalls. */
export interface Applied {
  readonly ms: number;
  readonly primary: LoopStalls;
  /** worker is the worst of them; where the primary serves by itself it is the primary. */
  readonly worker: LoopStalls;
}

/** ApplyResult is by change; `start` is that of a process that serves nothing yet. */
export type ApplyResult = Readonly<Record<'start' | 'added' | 'changed' | 'removed' | 'route' | 'endpoints', Applied>>;

const routeCount = 5000;
const repeats = 20;
/** So long everything is left alone before a change, and watched after it. */
const quietMs = 200;
const stallMessage = 'SLUICE_BENCH_STALL';

/** measureApply starts the proxy with so many workers in processes of their own; 1: in this one. */
export async function measureApply(workers: number): Promise<ApplyResult> {
  const source = createMemorySource();
  source.put('services', ['stable', 'canary'].map(serviceOf));
  const slices = ['stable', 'canary'].map((name) => sliceOf(name, 1));
  source.put('endpointslices', slices);
  source.put('ingressroutes', manyRoutes(1));
  const stage = startStage(source, workers);
  await stage.primary.serve();
  const startMs = performance.now() - source.listedMs();
  const takeStalls = watchAll();
  const start = { ms: startMs, ...(await takeStalls()) };
  const once = async ({ prepare, go, isDone }: Change): Promise<Applied> => {
    prepare();
    // What preparing left to the garbage collector is not of the change.
    await sleep(quietMs);
    await takeStalls();
    const sentMs = performance.now();
    go();
    while (!isDone(stage.primary.catalog.configuration) || !stage.isApplied()) await sleep(10);
    const ms = stage.appliedMs() - Math.max(sentMs, source.listedMs());
    await sleep(quietMs);
    return { ms, ...(await takeStalls()) };
  };
  const often = async (change: (round: number) => Change): Promise<Applied> => {
    const all: Applied[] = [];
    for (let round = 0; round < repeats; round += 1) all.push(await once(change(round)));
    return joinApplied(all);
  };
  const result = {
    start,
    changed: await once(relist(source, manyRoutes(2), 2)),
    removed: await once(relist(source, manyRoutes(3).slice(0, 1), 3)),
    added: await once(relist(source, manyRoutes(3), 3)),
    route: await often((round) => changeRoute(source, 20 + round)),
    endpoints: await often((round) => changeEndpoints(source, (round % 2) + 2)),
  };
  await stage.primary.stop();
  return result;
}

/** Each worker says which state of the configuration it serves. */
function startStage(source: MemorySource, workers: number) {
  const applied = new Map<object, { readonly generation: number; readonly atMs: number }>();
  const spawn = spawnOf(workers);
  const primary = startPrimary({
    settings: settingsOf(workers),
    source,
    clock: systemClock,
    random: Math.random,
    logger: createLogger({ level: 'silent' }),
    onInvalid: ({ message }) => process.stderr.write(`${message}\n`),
    spawn: (events) =>
      spawn({
        ...events,
        onMessage: (message) => {
          if (message.kind === 'Applied')
            applied.set(events, { generation: message.generation, atMs: performance.now() });
          events.onMessage(message);
        },
      }),
  });
  return {
    primary,
    isApplied: () => {
      const { configReloads } = primary.state();
      return applied.size === workers && [...applied.values()].every(({ generation }) => generation === configReloads);
    },
    appliedMs: () => Math.max(...[...applied.values()].map(({ atMs }) => atMs)),
  };
}

/** serveApply is a worker process of the bench. */
export async function serveApply(): Promise<void> {
  const primary = primaryPort();
  if (primary === undefined) throw new Error('this process is no worker');
  const take = watchLoop();
  process.on('message', (message) => {
    if ((message as { readonly kind?: string }).kind === stallMessage)
      process.send?.({ kind: stallMessage, stalls: take() });
  });
  await runWorker(primary).ended;
  process.exit();
}

function spawnOf(workers: number): WorkerPoolOptions['spawn'] {
  if (workers > 1) return forkWorkers(workers);
  const plane = createPlane({ clock: systemClock, random: Math.random, writeLine: () => undefined });
  return localWorker({ clock: systemClock, createPlane: plane });
}

/** watchAll asks all event loops, which begin anew. */
function watchAll(): () => Promise<Pick<Applied, 'primary' | 'worker'>> {
  const take = watchLoop();
  return async () => {
    const primary = take();
    const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker?.isConnected() === true);
    if (workers.length === 0) return { primary, worker: primary };
    const answers = workers.map(
      (worker) =>
        new Promise<LoopStalls>((resolve) => {
          const onMessage = (message: { readonly kind?: string; readonly stalls: LoopStalls }): void => {
            if (message.kind !== stallMessage) return;
            worker?.off('message', onMessage);
            resolve(message.stalls);
          };
          worker?.on('message', onMessage);
          worker?.send({ kind: stallMessage });
        }),
    );
    return { primary, worker: worst(await Promise.all(answers)) };
  };
}

interface Change {
  readonly prepare: () => void;
  readonly go: () => void;
  /** isDone: the primary has taken it in. */
  readonly isDone: (configuration: Configuration) => boolean;
}

function relist(source: MemorySource, routes: readonly KubernetesObject[], weight: number): Change {
  return {
    prepare: () => source.replace('ingressroutes', routes),
    go: () => source.expire('ingressroutes'),
    isDone: (configuration) =>
      configuration.routers.size === routes.length && weightOf(configuration, routes.length - 1) === weight,
  };
}

/** The weight of the canary says which state of a route it is; lists are taken in from the first to the last. */
function weightOf({ services }: Configuration, index: number): number | undefined {
  const service = services.get(traefikRouterName(namespace, nameOf(index), matchOf(index)));
  return service?.kind === 'Weighted' ? service.services[1]?.weight : undefined;
}

function changeRoute(source: MemorySource, weight: number): Change {
  return {
    prepare: () => undefined,
    go: () => source.change('ingressroutes', routeOf(7, weight)),
    isDone: (configuration) => weightOf(configuration, 7) === weight,
  };
}

function changeEndpoints(source: MemorySource, pods: number): Change {
  return {
    prepare: () => undefined,
    go: () => source.change('endpointslices', sliceOf('stable', pods)),
    isDone: ({ serverSets }) => [...serverSets.values()].some(({ servers }) => servers.length === pods),
  };
}

function joinApplied(all: readonly Applied[]): Applied {
  const sorted = all.map(({ ms }) => ms).sort((a, b) => a - b);
  return {
    ms: sorted[Math.floor(sorted.length / 2)] ?? 0,
    primary: worst(all.map(({ primary }) => primary)),
    worker: worst(all.map(({ worker }) => worker)),
  };
}

const namespace = 'bench';

function manyRoutes(weight: number): readonly KubernetesObject[] {
  return Array.from({ length: routeCount }, (_, index) => routeOf(index, weight));
}

function nameOf(index: number): string {
  return `host-${index}`;
}

function matchOf(index: number): string {
  return `Host(\`${nameOf(index)}.bench.test\`)`;
}

function routeOf(index: number, weight: number): KubernetesObject {
  const services = [
    { name: 'stable', port: 80, weight: 100 - weight },
    { name: 'canary', port: 80, weight },
  ];
  const metadata = { namespace, name: nameOf(index), creationTimestamp: '2026-01-01T00:00:00Z' };
  return {
    metadata,
    spec: { entryPoints: ['web'], routes: [{ kind: 'Rule', match: matchOf(index), services }] },
  } as KubernetesObject;
}

function serviceOf(name: string): KubernetesObject {
  return { metadata: { namespace, name }, spec: { ports: [{ name: 'http', port: 80 }] } } as KubernetesObject;
}

function sliceOf(service: string, pods: number): KubernetesObject {
  const labels = { 'kubernetes.io/service-name': service };
  return {
    metadata: { namespace, name: `${service}-1`, labels },
    ports: [{ name: 'http', port: 9000 }],
    endpoints: Array.from({ length: pods }, (_, index) => ({ addresses: [`10.77.0.${index + 1}`] })),
  } as KubernetesObject;
}

function settingsOf(workers: number): ProxySettings {
  const web = { name: 'web', host: '127.0.0.1', port: 0, tls: undefined, trustedIps: [], isInsecure: false };
  return {
    entryPoints: [{ ...web, readTimeoutMs: 60_000, idleTimeoutMs: 180_000, maxHeaderBytes: 65_536 }],
    isStrict: false,
    isSniStrict: false,
    publish: undefined,
    metrics: { bucketsSeconds: [0.1, 0.3, 1.2, 5], hasRouterLabels: false },
    accessLog: undefined,
    kubeconfig: undefined,
    context: undefined,
    objects: { ingressClass: '', allowsCrossNamespace: false, allowsExternalName: false },
    workers,
    acceptGraceMs: 0,
    graceMs: 1000,
    adminHost: '127.0.0.1',
    adminPort: 0,
    logLevel: 'silent',
  };
}
