import type { ObjectKey } from '../../api/kubernetes.ts';
import { traefikObjectName, traefikServiceNames } from '../../api/traefik-names.ts';
import type { RouteService } from '../../api/traefik.ts';
import type { LoadBalancer } from '../configuration.ts';
import type { Fault, Problem, Reader } from './compiler.ts';
import { readServerOptions } from './server-options.ts';
import { findServers } from './servers.ts';
import type { CatalogSettings } from './settings.ts';
import { stickyCookieOf } from './sticky.ts';

/** ServiceUse is an entry of `services` in a route or a TraefikService. */
export interface ServiceUse {
  readonly entry: RouteService;
  /** namespace is that of the object. */
  readonly namespace: string;
  /** at is the field, with its object, for messages. */
  readonly at: string;
  readonly reader: Reader;
  readonly settings: CatalogSettings;
  /** leafName and its identity are used instead of those of the Kubernetes Service. */
  readonly leaf?: { readonly name: string; readonly identity: string } | undefined;
}

/** ResolvedService is a Kubernetes Service as a leaf, a TraefikService by its name, or why it can be neither. */
export type ResolvedService =
  | {
      readonly kind: 'Leaf';
      readonly service: LoadBalancer;
      readonly identity: string;
      readonly notes: readonly Problem[];
    }
  | { readonly kind: 'Reference'; readonly name: string; readonly identity: string }
  | Fault;

/** resolveService finds what an entry stands for. */
export function resolveService(use: ServiceUse): ResolvedService {
  const { entry, namespace, at, settings } = use;
  const target = entry.namespace === undefined || entry.namespace === '' ? namespace : entry.namespace;
  if (target !== namespace && !settings.allowsCrossNamespace) {
    const found = `${at}.namespace: found ${target}, which is not that of the object`;
    return {
      kind: 'Broken',
      reason: 'NotAllowed',
      message: `${found}; move one of them, or set --allow-cross-namespace.`,
    };
  }
  const unsupported = findUnsupported(use);
  if (unsupported !== undefined) return unsupported;
  // The suffix of Traefik's own provider is allowed and says nothing.
  const key: ObjectKey = `${target}/${entry.name.replace(/@kubernetescrd$/, '')}`;
  if (entry.kind === undefined || entry.kind === '' || entry.kind === 'Service') return resolveLeaf(use, key);
  if (entry.kind === 'TraefikService') return resolveReference(use, key);
  return broken(`${at}.kind: found ${entry.kind}; write Service or TraefikService.`);
}

function findUnsupported({ entry, at }: ServiceUse): Fault | undefined {
  if (entry.name.includes('@') && !entry.name.endsWith('@kubernetescrd')) {
    const found = `${at}.name: ${entry.name} is of another provider of Traefik`;
    return unsupported(`${found}; Sluice knows objects of the cluster only, and serves its API on the admin port.`);
  }
  if (entry.healthCheck !== undefined) {
    return unsupported(
      `${at}.healthCheck: active health checks are not supported; use passiveHealthCheck, or readiness probes.`,
    );
  }
  if ((entry.middlewares ?? []).length > 0) {
    return unsupported(`${at}.middlewares: middlewares of one service are not supported; put them on the route.`);
  }
  return undefined;
}

function resolveReference({ at, reader }: ServiceUse, key: ObjectKey): ResolvedService {
  const draft = reader.draft('TraefikService', key);
  if (draft === undefined) return broken(`${at}: TraefikService ${key} does not exist; create it or correct the name.`);
  const { fault } = draft;
  if (fault !== undefined)
    return { ...fault, message: `${at}: TraefikService ${key} cannot be used. ${fault.message}` };
  const [namespace = '', name = ''] = key.split('/');
  return { kind: 'Reference', name: traefikObjectName(namespace, name), identity: `TraefikService ${key}` };
}

function resolveLeaf(use: ServiceUse, key: ObjectKey): ResolvedService {
  const { entry, leaf } = use;
  const found = findServers({ ...use, key });
  if (found.kind !== 'Servers') return found;
  const options = readServerOptions(use, key);
  if (options.kind !== 'Options') return options;
  const { strategy, passiveHealth, transport, notes } = options;
  const name = leaf?.name ?? leafName(key, entry);
  const service: LoadBalancer = {
    kind: 'LoadBalancer',
    name,
    serverSet: found.serverSet,
    strategy,
    passHostHeader: entry.passHostHeader ?? true,
    sticky: stickyCookieOf(entry.sticky, name),
    transport,
    passiveHealth,
    status: 'enabled',
    errors: [],
  };
  return { kind: 'Leaf', service, identity: leaf?.identity ?? `Service ${key}, port ${entry.port}`, notes };
}

/** emptyLoadBalancer has no servers: whoever is sent there gets a 503. */
export function emptyLoadBalancer(name: string, errors: readonly string[]): LoadBalancer {
  return {
    kind: 'LoadBalancer',
    name,
    serverSet: undefined,
    strategy: 'RoundRobin',
    passHostHeader: true,
    sticky: undefined,
    transport: undefined,
    passiveHealth: undefined,
    status: errors.length === 0 ? 'enabled' : 'warning',
    errors,
  };
}

function leafName(key: ObjectKey, entry: RouteService): string {
  const namespace = key.slice(0, key.indexOf('/'));
  return traefikServiceNames({ namespace, service: entry.name, ports: [entry.port ?? ''] })[0] ?? '';
}

function broken(message: string): Fault {
  return { kind: 'Broken', reason: 'BrokenReference', message };
}

function unsupported(message: string): Fault {
  return { kind: 'Unsupported', reason: 'NotSupported', message };
}
