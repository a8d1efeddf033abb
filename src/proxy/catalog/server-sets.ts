import { isDeepStrictEqual } from 'node:util';
import type { EndpointSlice, ObjectKey } from '../../api/kubernetes.ts';
import type { ItemChanges, Server, ServerSet } from '../configuration.ts';
import type { Steps } from '../steps.ts';
import { takeOver } from './items.ts';

/** ServerSource is where the servers of a ServerSet are known from. */
export type ServerSource =
  | {
      readonly kind: 'Endpoints';
      readonly service: ObjectKey;
      /** portName is that of the Service's port; endpoints have the numbers. */
      readonly portName: string;
      readonly scheme: Server['scheme'];
      /** isStrict: as Traefik, which does not look at `ready`. */
      readonly isStrict: boolean;
    }
  | { readonly kind: 'Address'; readonly scheme: Server['scheme']; readonly host: string; readonly port: number };

/** ServerSets is the ServerSets that are used, by where they are known from. */
export interface ServerSets {
  readonly current: ReadonlyMap<string, ServerSet>;
  /** use returns the name of the set of a source, which is there from now on. */
  use(source: ServerSource): string;
  /** servers returns what is in the set of a source that is used. */
  servers(name: string): readonly Server[];
  /** drop says that nobody uses a set any more. */
  drop(name: string): void;
  /** refresh reads the endpoints of a Service again and returns the names of those sets that are empty now and were not, or the reverse. */
  refresh(service: ObjectKey): readonly string[];
  /** compare returns what is different after what was used, read and dropped since. */
  compare(): Steps<ItemChanges<ServerSet>>;
  /** commit makes that the present state. */
  commit(changes: ItemChanges<ServerSet>): void;
}

interface Entry {
  readonly source: ServerSource;
  servers: readonly Server[];
}

/** createServerSets returns ServerSets without any; `slicesOf` returns the EndpointSlices of a Service. */
export function createServerSets(slicesOf: (service: ObjectKey) => readonly EndpointSlice[]): ServerSets {
  const entries = new Map<string, Entry>();
  /** By Service: the names of its sets. Nearly all Services have one. */
  const namesOf = new Map<ObjectKey, readonly string[]>();
  const current = new Map<string, ServerSet>();
  const touched = new Set<string>();
  const read = (source: ServerSource): readonly Server[] =>
    source.kind === 'Address' ? [serverOf(source, false)] : serversOf(slicesOf(source.service), source);
  const use = (source: ServerSource): string => {
    const name = nameOf(source);
    if (entries.has(name)) return name;
    entries.set(name, { source, servers: read(source) });
    touched.add(name);
    if (source.kind === 'Endpoints') namesOf.set(source.service, [...(namesOf.get(source.service) ?? []), name]);
    return name;
  };
  const drop = (name: string): void => {
    const source = entries.get(name)?.source;
    entries.delete(name);
    touched.add(name);
    if (source?.kind !== 'Endpoints') return;
    const rest = (namesOf.get(source.service) ?? []).filter((other) => other !== name);
    if (rest.length === 0) namesOf.delete(source.service);
    else namesOf.set(source.service, rest);
  };
  const refresh = (service: ObjectKey): readonly string[] =>
    (namesOf.get(service) ?? []).filter((name) => {
      const entry = entries.get(name);
      if (entry === undefined) return false;
      const wasEmpty = entry.servers.length === 0;
      entry.servers = read(entry.source);
      touched.add(name);
      return wasEmpty !== (entry.servers.length === 0);
    });
  const compare = function* (): Steps<ItemChanges<ServerSet>> {
    const set: ServerSet[] = [];
    const removed: string[] = [];
    for (const name of touched) {
      const servers = entries.get(name)?.servers;
      if (servers === undefined) {
        if (current.has(name)) removed.push(name);
      } else if (!isDeepStrictEqual(current.get(name)?.servers, servers)) set.push({ name, servers });
      yield;
    }
    touched.clear();
    return { set, removed };
  };
  return {
    current,
    use,
    servers: (name) => entries.get(name)?.servers ?? [],
    drop,
    refresh,
    compare,
    commit: (changes) => takeOver(current, changes),
  };
}

function nameOf(source: ServerSource): string {
  return source.kind === 'Address'
    ? urlOf(source)
    : `${source.service}:${source.portName === '' ? '-' : source.portName} ${source.scheme}`;
}

type Endpoints = ServerSource & { readonly kind: 'Endpoints' };

/** In the order of their URLs, so that what moves from slice to slice changes nothing. */
function serversOf(slices: readonly EndpointSlice[], source: Endpoints): readonly Server[] {
  const byUrl = new Map<string, Server>();
  for (const slice of slices) addServers(byUrl, slice, source);
  return [...byUrl.values()].sort((one, other) => (one.url < other.url ? -1 : 1));
}

/** An address may stand in two slices while it moves; it is fenced only if both say so. */
function addServers(byUrl: Map<string, Server>, slice: EndpointSlice, { portName, scheme, isStrict }: Endpoints): void {
  const port = portOf(slice, portName);
  if (port === 0) return;
  for (const { addresses, conditions = {} } of slice.endpoints ?? []) {
    if (!isServing(conditions, isStrict)) continue;
    for (const host of addresses) {
      const server = serverOf({ scheme, host, port }, conditions.terminating === true);
      if (byUrl.get(server.url)?.isFenced !== false) byUrl.set(server.url, server);
    }
  }
}

function portOf({ ports }: EndpointSlice, portName: string): number {
  return ports?.find(({ name = '' }) => name === portName)?.port ?? 0;
}

type Conditions = NonNullable<NonNullable<EndpointSlice['endpoints']>[number]['conditions']>;

/** Traefik does not look at `ready`; where `serving` is unknown, the Kubernetes API says to. */
function isServing({ ready = true, serving }: Conditions, isStrict: boolean): boolean {
  return serving ?? (isStrict || ready);
}

type Address = Pick<Server, 'scheme' | 'host' | 'port'>;

function serverOf({ scheme, host, port }: Address, isFenced: boolean): Server {
  return { url: urlOf({ scheme, host, port }), scheme, host, port, isFenced };
}

function urlOf({ scheme, host, port }: Address): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
