/** The data plane of one event loop: listeners, routes, balancers, connections to servers, counters. */
import { hostname } from 'node:os';
import type { Clock } from '../../clock.ts';
import type { ConfigurationChange } from '../configuration.ts';
import { finish, type Steps } from '../steps.ts';
import { createCounters, type Counters } from '../metrics/counters.ts';
import { createRouteTable, type RouteTable } from '../routing/route-table.ts';
import { createCertificates, type Certificates } from '../server/certificates.ts';
import { forward, type Handler } from '../server/exchange.ts';
import { createForwarder } from '../server/forward.ts';
import { createListener, type Listener } from '../server/listener.ts';
import { createServiceTable, type ServiceTable } from '../services/service-table.ts';
import { createUpstreamClient, type UpstreamClientOptions } from '../upstream/client.ts';
import type { UpstreamClient } from '../upstream/upstream.ts';
import { createAccessWriter } from './access-writer.ts';
import type { CountersMessage, ListeningAddress } from './messages.ts';
import { inTurns } from './turns.ts';
import type { CreatePlane, Plane } from './worker.ts';

/** PlaneOptions are what all planes of a process share. */
export interface PlaneOptions extends UpstreamClientOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** writeLine takes the lines of access logs. */
  readonly writeLine: (line: string) => void;
}

/** createPlane returns a function that makes planes; they listen to nothing before `listen`. */
export function createPlane(options: PlaneOptions): CreatePlane {
  const { clock, random } = options;
  return (settings, events) => {
    const counters = createCounters(settings.metrics);
    const services = createServiceTable({
      random,
      nowMs: () => clock.monotonicMs(),
      isStrict: settings.isStrict,
      onServerDown: (down) => events.onServerDown(down),
    });
    const log =
      settings.accessLog === undefined ? undefined : createAccessWriter(settings.accessLog, options.writeLine);
    const routes = createRouteTable<Handler>(() => forward);
    const upstream = createUpstreamClient(options);
    const forwarder = createForwarder({
      routes,
      services,
      upstream,
      clock,
      hostname: hostname(),
      entryPoints: settings.entryPoints,
      observe: (record, passage) => {
        counters.observe(record);
        log?.(record, passage);
      },
    });
    const certificates = createCertificates();
    const tls = {
      certificates,
      isStrict: settings.isSniStrict,
      ticketKeys: Buffer.from(settings.ticketKeys, 'base64'),
    };
    const listeners = settings.entryPoints.map((entryPoint) => ({
      name: entryPoint.name,
      listener: createListener({ entryPoint, clock, onRequest: forwarder.handle, tls }),
    }));
    const applying = createApplying({ services, routes, counters, upstream, certificates, listeners });
    let isListening = false;
    return {
      apply: async (change) => {
        // Before anybody is served nobody has to wait.
        if (isListening) await inTurns(applying(change), clock);
        else finish(applying(change));
      },
      applyHealth: (down) => services.applyHealth(down),
      setTicketKeys: (keys) => {
        for (const { listener } of listeners) listener.setTicketKeys(Buffer.from(keys, 'base64'));
      },
      listen: () => {
        isListening = true;
        return Promise.all(listeners.map(listenOn));
      },
      takeCounts: createCountsTaker({ counters, services, listeners }),
      drain: async (graceMs) => {
        await Promise.all(listeners.map(({ listener }) => listener.drain({ graceMs })));
        upstream.close();
      },
    } satisfies Plane;
  };
}

interface Applied {
  readonly services: ServiceTable;
  readonly routes: RouteTable<Handler>;
  readonly counters: Counters;
  readonly upstream: UpstreamClient;
  readonly certificates: Certificates;
  readonly listeners: readonly NamedListener[];
}

/** createApplying returns what makes a change of the configuration the one that is served: all of it at once. */
function createApplying({ services, routes, counters, upstream, certificates, listeners }: Applied) {
  const servers = createServerTracker(upstream);
  return function* (change: ConfigurationChange): Steps<void> {
    const takeServices = yield* services.applying(change);
    const takeRoutes = yield* routes.applying(change.routers);
    takeServices();
    takeRoutes();
    certificates.apply(change.certificates);
    for (const { listener } of listeners) listener.refreshTls();
    yield;
    for (const name of [...change.routers.removed, ...change.services.removed]) {
      counters.forget([name]);
      yield;
    }
    yield* servers.applying(change);
  };
}

interface NamedListener {
  readonly name: string;
  readonly listener: Listener;
}

async function listenOn({ name, listener }: NamedListener): Promise<ListeningAddress> {
  const { port } = await listener.listen();
  return { name, port };
}

type Counts = Omit<CountersMessage, 'kind'>;

/** Who has nothing new to say says nothing: an idle worker costs no message. */
function createCountsTaker(parts: {
  readonly counters: Counters;
  readonly services: ServiceTable;
  readonly listeners: readonly NamedListener[];
}): () => Counts | undefined {
  let last = '';
  return () => {
    const delta = parts.counters.takeDelta();
    const open = {
      connections: parts.listeners.map(({ name, listener }) => [name, listener.openConnections()] as const),
      streams: parts.services.openStreams(),
    };
    const text = JSON.stringify(open);
    const isNew = delta.series.length > 0 || delta.retries.length > 0 || text !== last;
    last = text;
    return isNew ? { delta, open } : undefined;
  };
}

/** createServerTracker lets connections go to servers that are in no set any more. */
function createServerTracker(upstream: Pick<UpstreamClient, 'forget'>) {
  const urlsOf = new Map<string, readonly string[]>();
  /** How many sets have a server. */
  const users = new Map<string, number>();
  const add = (url: string, count: number): void => {
    const left = (users.get(url) ?? 0) + count;
    if (left === 0) users.delete(url);
    else users.set(url, left);
  };
  const replace = (name: string, urls: readonly string[]): boolean => {
    const before = urlsOf.get(name) ?? [];
    for (const url of urls) add(url, 1);
    for (const url of before) add(url, -1);
    urlsOf.set(name, urls);
    if (urls.length === 0) urlsOf.delete(name);
    return before.some((url) => !users.has(url));
  };
  return {
    *applying({ serverSets, transports }: ConfigurationChange): Steps<void> {
      let isAnyGone = false;
      for (const { name, servers } of serverSets.set) {
        isAnyGone =
          replace(
            name,
            servers.map(({ url }) => url),
          ) || isAnyGone;
        yield;
      }
      for (const name of serverSets.removed) {
        isAnyGone = replace(name, []) || isAnyGone;
        yield;
      }
      if (isAnyGone || transports.set.length > 0) upstream.forget(new Set(users.keys()));
    },
  };
}
