import type { ObjectKey, Service as KubernetesService } from '../../api/kubernetes.ts';
import type { RouteService } from '../../api/traefik.ts';
import type { Server } from '../configuration.ts';
import type { Fault, InvalidReason, Reader } from './compiler.ts';
import type { CatalogSettings } from './settings.ts';

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

/** Found is the name of the ServerSet, or why there cannot be one. */
export type Found = { readonly kind: 'Servers'; readonly serverSet: string } | Fault;

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

interface EndpointPort {
  readonly scheme: Scheme;
  readonly portName: string;
}

function findEndpoints({ key, at, reader, settings }: ServerUse, port: EndpointPort): Found {
  const { isStrict, allowsEmptyServices = false } = settings;
  const source = { kind: 'Endpoints', service: key, ...port, isStrict } as const;
  if (isStrict && !allowsEmptyServices && reader.isEmpty(source)) {
    return broken(`${at}: Service ${key} has no endpoints; start its pods, or allow empty services.`);
  }
  return { kind: 'Servers', serverSet: reader.serverSet(source) };
}

interface Target {
  readonly scheme: Scheme;
  readonly port: number;
}

function findExternal({ key, at, reader, settings }: ServerUse, service: KubernetesService, target: Target): Found {
  if (!settings.allowsExternalName) {
    return broken(
      `${at}: Service ${key} is an ExternalName; allow them (--allow-external-name-services).`,
      'NotAllowed',
    );
  }
  const host = service.spec?.externalName ?? '';
  return { kind: 'Servers', serverSet: reader.serverSet({ kind: 'Address', host, ...target }) };
}

function findNative({ key, at, reader }: ServerUse, service: KubernetesService, target: Target): Found {
  const { clusterIP = '' } = service.spec ?? {};
  if (clusterIP === '' || clusterIP === 'None') {
    return broken(`${at}.nativeLB: Service ${key} has no cluster IP; remove nativeLB, or let the Service have one.`);
  }
  return { kind: 'Servers', serverSet: reader.serverSet({ kind: 'Address', host: clusterIP, ...target }) };
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

function broken(message: string, reason: InvalidReason = 'BrokenReference'): Fault {
  return { kind: 'Broken', reason, message };
}
