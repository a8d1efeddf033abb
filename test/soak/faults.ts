/** What goes wrong in the soak: one function a kind of fault, which returns when it has been healed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { resources } from '../../src/api/kubernetes.ts';
import { appName, benchNamespace } from '../../bench/controller/apps.ts';
import { programOf } from '../../bench/controller/usage.ts';
import type { Exchange, ProxiedRequest } from '../support/fault-exchange.ts';
import type { Fault, FaultProxy } from '../support/fault-proxy.ts';
import { delay, isWrite, loseAnswer, reply, status, swallow } from '../support/faults.ts';
import { apiPathOf } from '../support/objects.ts';
import type { Replica } from '../support/replica.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** Place is what a fault needs for itself: two faults in one place would undo each other. */
export type Place = 'survivor' | 'mortal' | 'server' | 'metrics' | 'routes';

/** FaultKind is a way in which something goes wrong. */
export interface FaultKind {
  readonly name: string;
  readonly place: Place;
  /** strike lasts about `ms` and has healed everything when it resolves, also if `signal` aborts. */
  strike(
    world: World,
    context: { readonly ms: number; readonly random: Random; readonly signal: AbortSignal },
  ): Promise<void>;
}

type Context = Parameters<FaultKind['strike']>[1];

/** faultKinds are all faults; one is chosen with the same probability as another. */
export const faultKinds: readonly FaultKind[] = [
  { name: 'replica killed', place: 'mortal', strike: killReplica },
  { name: 'replica killed', place: 'mortal', strike: killReplica },
  { name: 'replica stopped by SIGTERM', place: 'mortal', strike: endReplica },
  ...(['survivor', 'mortal'] as const).flatMap((place): readonly FaultKind[] => [
    { name: 'replica frozen (SIGSTOP)', place, strike: (world, context) => freezeReplica(world[place], context) },
    { name: 'partition, writes dropped', place, strike: (world, context) => partition(world[place], context, 'Drop') },
    { name: 'partition, writes late', place, strike: (world, context) => partition(world[place], context, 'Deliver') },
    { name: 'connections refused', place, strike: (world, context) => refuse(world[place].proxy, context) },
    { name: 'watches cut', place, strike: (world, context) => cutWatches(world[place].proxy, context) },
    { name: 'watches frozen', place, strike: (world, context) => freezeWatches(world[place].proxy, context) },
    { name: '429', place, strike: (world, context) => refuseSome(world[place].proxy, context, 429) },
    { name: '500', place, strike: (world, context) => refuseSome(world[place].proxy, context, 500) },
    { name: '503', place, strike: (world, context) => refuseSome(world[place].proxy, context, 503) },
    { name: '401', place, strike: (world, context) => refuseSome(world[place].proxy, context, 401) },
    { name: 'slow answers', place, strike: (world, context) => slow(world[place].proxy, context) },
    { name: 'answers to writes lost', place, strike: (world, context) => loseAnswers(world[place].proxy, context) },
  ]),
  { name: 'kube-apiserver killed', place: 'server', strike: killApiServer },
  {
    name: 'kube-apiserver frozen',
    place: 'server',
    strike: (world, context) => freezeServer(world, context, 'kube-apiserver'),
  },
  { name: 'etcd frozen', place: 'server', strike: (world, context) => freezeServer(world, context, 'etcd') },
  { name: 'etcd and kube-apiserver killed', place: 'server', strike: restartEtcd },
  { name: 'etcd compacted', place: 'server', strike: compact },
  { name: 'Prometheus refuses', place: 'metrics', strike: (world, context) => refuse(world.metricsProxy, context) },
  { name: 'Prometheus answers 500', place: 'metrics', strike: metricsFail },
  { name: 'Prometheus slow', place: 'metrics', strike: (world, context) => slow(world.metricsProxy, context) },
  {
    name: 'Prometheus silent',
    place: 'metrics',
    strike: (world, context) => partition({ proxy: world.metricsProxy }, context, 'Drop'),
  },
  { name: 'Traefik restarted', place: 'metrics', strike: restartTraefik },
  { name: 'routes touched by another', place: 'routes', strike: touchRoutes },
];

function wait({ ms, signal }: Pick<Context, 'ms' | 'signal'>): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => undefined);
}

async function killReplica({ mortal }: World, context: Context): Promise<void> {
  await mortal.kill();
  await wait(context);
  if (!context.signal.aborted) await mortal.start();
}

async function endReplica({ mortal }: World, context: Context): Promise<void> {
  await mortal.stop();
  await wait(context);
  if (!context.signal.aborted) await mortal.start();
}

async function freezeReplica(replica: Replica, context: Context): Promise<void> {
  replica.signal('SIGSTOP');
  await wait(context);
  replica.signal('SIGCONT');
}

async function partition({ proxy }: Pick<Replica, 'proxy'>, context: Context, late: 'Drop' | 'Deliver'): Promise<void> {
  proxy.freeze();
  await wait(context);
  proxy.thaw(late);
}

async function refuse(proxy: FaultProxy, context: Context): Promise<void> {
  await proxy.refuse();
  await wait(context);
  await proxy.accept();
}

/** cutWatches ends all watches at once, some of them in the middle of a line. */
async function cutWatches(proxy: FaultProxy, { random }: Context): Promise<void> {
  for (const exchange of watchesOf(proxy)) {
    if (random.chance(0.5)) exchange.write('{"type":"MODIFIED","object":{"kind":"Ro');
    exchange.cut(random.pick(['End', 'Fin', 'Reset']));
  }
}

async function freezeWatches(proxy: FaultProxy, context: Context): Promise<void> {
  const frozen = watchesOf(proxy).filter(() => context.random.chance(0.7));
  for (const exchange of frozen) exchange.freeze();
  await wait(context);
  for (const exchange of frozen) exchange.thaw();
}

function watchesOf(proxy: FaultProxy): readonly Exchange[] {
  return proxy.exchanges(({ verb }) => verb === 'watch').filter(({ isOpen }) => isOpen);
}

async function during(
  proxy: FaultProxy,
  context: Context,
  { matches, fault, share }: { matches: (request: ProxiedRequest) => boolean; fault: Fault; share: number },
): Promise<void> {
  const isMet = (request: ProxiedRequest): boolean => matches(request) && context.random.chance(share);
  const injection = proxy.inject(isMet, fault, Number.POSITIVE_INFINITY);
  await wait(context);
  injection.remove();
}

const reasons = {
  401: 'Unauthorized',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
} as const;

async function refuseSome(proxy: FaultProxy, context: Context, code: keyof typeof reasons): Promise<void> {
  const headers = code === 429 ? { 'retry-after': '1' } : {};
  const body = status(code, reasons[code], { message: 'injected' });
  await during(proxy, context, { matches: () => true, fault: reply(code, body, headers), share: 0.5 });
}

async function slow(proxy: FaultProxy, context: Context): Promise<void> {
  const fault: Fault = (exchange) => delay(context.random.between(50, 2_500))(exchange);
  await during(proxy, context, { matches: () => true, fault, share: 0.7 });
}

/** loseAnswers carries writes out without an answer: half of the connections break, half stay silent. */
async function loseAnswers(proxy: FaultProxy, context: Context): Promise<void> {
  const fault: Fault = (exchange) => (context.random.chance(0.5) ? loseAnswer() : swallow(true))(exchange);
  await during(proxy, context, { matches: isWrite, fault, share: 0.4 });
}

async function killApiServer({ cluster }: World, context: Context): Promise<void> {
  await cluster.killApiServer();
  await wait(context);
  await cluster.restartApiServer();
}

async function restartEtcd({ cluster }: World): Promise<void> {
  await cluster.restoreEtcd();
}

async function freezeServer({ cluster }: World, context: Context, name: string): Promise<void> {
  for (const pid of cluster.pids()) {
    if ((await programOf(pid)) !== name) continue;
    process.kill(pid, 'SIGSTOP');
    await wait(context);
    process.kill(pid, 'SIGCONT');
  }
}

/** compact forgets what the chronicle has read, so that only the replicas can miss something. */
async function compact({ cluster, chronicle }: World): Promise<void> {
  await cluster.etcd.compact(chronicle.revision);
}

async function metricsFail({ metricsProxy }: World, context: Context): Promise<void> {
  const fault = reply(500, { status: 'error', errorType: 'internal', error: 'injected' });
  await during(metricsProxy, context, { matches: () => true, fault, share: 0.8 });
}

async function restartTraefik({ counters }: World, { random }: Context): Promise<void> {
  counters.restart(random.pick(counters.addresses.map((_address, index) => index)));
}

/** touchRoutes changes what is not Sluice's in the routes, as another controller might, so that tests of resourceVersion fail. */
async function touchRoutes(world: World, context: Context): Promise<void> {
  const endMs = performance.now() + context.ms;
  const count = world.judge.subjects().length;
  while (performance.now() < endMs && !context.signal.aborted) {
    const name = appName(Math.floor(context.random.between(0, count)));
    const path = apiPathOf(resources.ingressRoutes, { namespace: benchNamespace, name });
    const touched = { metadata: { annotations: { 'example.com/touched': String(performance.now()) } } };
    await world.cluster.api('PATCH', path, touched, 'application/merge-patch+json').catch(() => undefined);
    await sleep(20);
  }
}
