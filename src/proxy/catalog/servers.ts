import type { EndpointSlice, ObjectKey, Service as KubernetesService } from '../../api/kubernetes.ts';
import type { RouteService } from '../../api/traefik.ts';
import type { Server } from '../configuration.ts';
import type { Fault, InvalidReason, Reader } from './compiler.ts';
import type { CatalogSettings } from './settings.ts';
import type { SliceSet } from './slices.ts';

/** ServerUse is an entry of `services` whose servers are wanted. */
export interface ServerUse {
  readonly entry: RouteService;
  /** key of the Kubernetes Service. */
  readonly key: ObjectKey;
  /** at is the field, with its object, for messages. */
  readonly at: string;
  readonly reader: Reader;
  readonly settings: CatalogSettings;
}

/** Found is the servers, or why there cannot be any. */
export type Found = { readonly kind: 'Servers'; readonly servers: readonly Server[] } | Fault;

type Scheme = Server['scheme'];

interface Port {
  readonly name?: string;
  readonly port: number;
}

/**
 * findServers returns the servers of a Kubernetes Service as Traefik does: the endpoints that serve, the ClusterIP with
 * `nativeLB`, or the host of an ExternalName where that is allowed (Traefik 3.6, crd/kubernetes_http.go, loadServers).
 */
export function findServers(use: ServerUse): Found {
  const { entry, key, at, reader, settings } = use;
  const service = reader.object('Service', key);
  if (service === undefined) return broken(`${at}: Service ${key} does not exist; create it or correct the name.`);
  const port = findPort(service, entry.port);
  if (port === undefined) return broken(`${at}.port: ${portProblem(service, key, entry.port)}`);
  const scheme = schemeOf(entry.scheme ?? '', port);
  if (scheme === undefined) {
    return broken(`${at}.scheme: found ${entry.scheme}; write http, https or h2c, or leave it out.`);
  }
  const target = { scheme, port: port.port };
  if (service.spec?.type === 'ExternalName') return findExternal(use, service, target);
  const isNative = entry.nativeLB ?? settings.isNativeLbByDefault === true;
  return isNative ? findNative(use, service, target) : findEndpoints(use, { scheme, portName: port.name ?? '' });
}

function findEndpoints({ key, at, reader, settings }: ServerUse, port: Omit<SliceUse, 'isStrict'>): Found {
  const { isStrict, allowsEmptyServices = false } = settings;
  const servers = serversOf(reader.slices(key), { ...port, isStrict });
  if (servers.length === 0 && isStrict && !allowsEmptyServices) {
    return broken(`${at}: Service ${key} has no endpoints; start its pods, or allow empty services.`);
  }
  return { kind: 'Servers', servers };
}

interface Target {
  readonly scheme: Scheme;
  readonly port: number;
}

function findExternal({ key, at, settings }: ServerUse, service: KubernetesService, target: Target): Found {
  if (!settings.allowsExternalName) {
    return broken(
      `${at}: Service ${key} is an ExternalName; allow them (--allow-external-name-services).`,
      'NotAllowed',
    );
  }
  return {
    kind: 'Servers',
    servers: [serverOf({ ...target, host: service.spec?.externalName ?? '', isFenced: false })],
  };
}

function findNative({ key, at }: ServerUse, service: KubernetesService, target: Target): Found {
  const { clusterIP = '' } = service.spec ?? {};
  if (clusterIP === '' || clusterIP === 'None') {
    return broken(`${at}.nativeLB: Service ${key} has no cluster IP; remove nativeLB, or let the Service have one.`);
  }
  return { kind: 'Servers', servers: [serverOf({ ...target, host: clusterIP, isFenced: false })] };
}

/** A number is the Service's own port, text its name; an ExternalName may be asked for a port that it does not list. */
function findPort(service: KubernetesService, wanted: number | string | undefined): Port | undefined {
  if (wanted === undefined || wanted === 0 || wanted === '') return undefined;
  const { ports = [], type } = service.spec ?? {};
  const found = ports.find((port) => (typeof wanted === 'number' ? port.port === wanted : port.name === wanted));
  if (found !== undefined || type !== 'ExternalName' || typeof wanted === 'string') return found;
  return { port: wanted };
}

function portProblem(service: KubernetesService, key: ObjectKey, wanted: number | string | undefined): string {
  const ports = service.spec?.ports ?? [];
  const there = ports.map(({ name = '', port }) => (name === '' ? `${port}` : `${port} (${name})`)).join(', ');
  const choice = `Service ${key} has ${there === '' ? 'no ports' : there}`;
  if (wanted === undefined || wanted === 0 || wanted === '') return `there is none; write the port: ${choice}.`;
  const hint =
    typeof wanted === 'string' && /^[0-9]+$/.test(wanted) ? ' Text is the name of a port: leave out the quotes.' : '';
  return `found ${wanted}, but ${choice}; correct it.${hint}`;
}

function schemeOf(given: string, { name = '', port }: Port): Scheme | undefined {
  if (given === 'http' || given === 'https' || given === 'h2c') return given;
  if (given !== '') return undefined;
  return port === 443 || name.startsWith('https') ? 'https' : 'http';
}

type Conditions = NonNullable<NonNullable<EndpointSlice['endpoints']>[number]['conditions']>;

interface SliceUse {
  readonly portName: string;
  readonly scheme: Scheme;
  readonly isStrict: boolean;
}

/** In the order of their URLs, so that what moves from slice to slice changes nothing. */
function serversOf(set: SliceSet, use: SliceUse): readonly Server[] {
  const asked = `${use.scheme} ${use.portName}`;
  if (set.read?.use === asked) return set.read.servers;
  const byUrl = new Map<string, Server>();
  for (const slice of set.slices) addServers(byUrl, slice, use);
  const servers = [...byUrl.values()].sort((one, other) => (one.url < other.url ? -1 : 1));
  set.read = { use: asked, servers };
  return servers;
}

/** An address may stand in two slices while it moves; it is fenced only if both say so. */
function addServers(byUrl: Map<string, Server>, slice: EndpointSlice, { portName, scheme, isStrict }: SliceUse): void {
  const port = portOf(slice, portName);
  if (port === 0) return;
  for (const { addresses, conditions = {} } of slice.endpoints ?? []) {
    if (!isServing(conditions, isStrict)) continue;
    for (const host of addresses) {
      const server = serverOf({ scheme, host, port, isFenced: conditions.terminating === true });
      if (byUrl.get(server.url)?.isFenced !== false) byUrl.set(server.url, server);
    }
  }
}

function portOf({ ports }: EndpointSlice, portName: string): number {
  return ports?.find(({ name = '' }) => name === portName)?.port ?? 0;
}

/** Traefik does not look at `ready`; where `serving` is unknown, the Kubernetes API says to. */
function isServing({ ready = true, serving }: Conditions, isStrict: boolean): boolean {
  return serving ?? (isStrict || ready);
}

function serverOf(parts: Omit<Server, 'url'>): Server {
  const { scheme, host, port } = parts;
  return { url: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`, ...parts };
}

function broken(message: string, reason: InvalidReason = 'BrokenReference'): Fault {
  return { kind: 'Broken', reason, message };
}
