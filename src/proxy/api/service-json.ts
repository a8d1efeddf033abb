import { traefikObjectName } from '../../api/traefik-names.ts';
import type { Configuration, LoadBalancer, Server, Service, StickyCookie, WeightedService } from '../configuration.ts';
import { goDuration } from './go-duration.ts';
import { providerOf, unqualified } from './view.ts';

/** ServiceJson is a service as Traefik's `/api/rawdata` shows it; empty fields are left out. */
export interface ServiceJson {
  readonly loadBalancer?: LoadBalancerJson;
  readonly weighted?: WeightedJson;
  readonly error?: readonly string[];
  readonly status: Service['status'];
  /** usedBy are the routers that send to it directly. */
  readonly usedBy?: readonly string[];
  /** serverStatus is by URL. */
  readonly serverStatus?: Readonly<Record<string, 'UP'>>;
}

/** NamedServiceJson is a service as `/api/http/services` shows it. */
export interface NamedServiceJson extends ServiceJson {
  readonly name: string;
  readonly provider: string;
  readonly type: 'loadbalancer' | 'weighted';
}

interface LoadBalancerJson {
  readonly servers?: readonly { readonly url: string; readonly fenced?: true }[];
  readonly strategy: 'wrr' | 'p2c';
  readonly sticky?: StickyJson;
  readonly passiveHealthCheck?: { readonly failureWindow: string; readonly maxFailedAttempts: number };
  readonly passHostHeader: boolean;
  readonly responseForwarding: { readonly flushInterval: string };
  readonly serversTransport?: string;
}

interface WeightedJson {
  readonly services?: readonly { readonly name: string; readonly weight: number }[];
  readonly sticky?: StickyJson;
}

interface StickyJson {
  readonly cookie: Readonly<Record<string, string | number | boolean>>;
}

/** Around is what a service is shown with. */
export interface Around {
  /** usedBy maps services to the routers that send to them. */
  readonly usedBy: ReadonlyMap<string, readonly string[]>;
  readonly serverSets: Configuration['serverSets'];
}

/** aroundOf finds what the services of a configuration are shown with. */
export function aroundOf({ routers, serverSets }: Configuration): Around {
  const usedBy = new Map<string, string[]>();
  for (const { name, service } of routers.values()) {
    const users = usedBy.get(service);
    if (users === undefined) usedBy.set(service, [name]);
    else users.push(name);
  }
  for (const users of usedBy.values()) users.sort();
  return { usedBy, serverSets };
}

/** serviceJson returns a service without its name. */
export function serviceJson(service: Service, { usedBy, serverSets }: Around): ServiceJson {
  const { errors, status, name } = service;
  const users = usedBy.get(name);
  return {
    ...(service.kind === 'Weighted' ? { weighted: weightedJson(service) } : leafJson(service, serverSets)),
    ...(errors.length > 0 && { error: errors }),
    status,
    ...(users !== undefined && { usedBy: users }),
  };
}

/** namedServiceJson returns a service with its name. */
export function namedServiceJson(service: Service, around: Around): NamedServiceJson {
  const { name, kind } = service;
  const type = kind === 'Weighted' ? 'weighted' : 'loadbalancer';
  return { ...serviceJson(service, around), name, provider: providerOf(name), type };
}

function weightedJson({ services, sticky }: WeightedService): WeightedJson {
  return {
    ...(services.length > 0 && {
      services: services.map(({ name, weight }) => ({ name: unqualified(name), weight })),
    }),
    ...(sticky !== undefined && { sticky: stickyJson(sticky) }),
  };
}

function leafJson(service: LoadBalancer, serverSets: Around['serverSets']): Omit<ServiceJson, 'status'> {
  const { servers } = serverSets.get(service.serverSet ?? '') ?? { servers: [] };
  return { loadBalancer: loadBalancerJson(service, servers), ...serverStatus(servers) };
}

function loadBalancerJson(service: LoadBalancer, servers: readonly Server[]): LoadBalancerJson {
  const { sticky, passiveHealth, transport } = service;
  return {
    ...(servers.length > 0 && {
      servers: servers.map(({ url, isFenced }) => (isFenced ? { url, fenced: true as const } : { url })),
    }),
    strategy: service.strategy === 'PowerOfTwo' ? 'p2c' : 'wrr',
    ...(sticky !== undefined && { sticky: stickyJson(sticky) }),
    ...(passiveHealth !== undefined && {
      passiveHealthCheck: {
        failureWindow: goDuration(passiveHealth.failureWindowMs),
        maxFailedAttempts: passiveHealth.maxFailedAttempts,
      },
    }),
    passHostHeader: service.passHostHeader,
    // What Traefik does by default; here nothing waits.
    responseForwarding: { flushInterval: '100ms' },
    ...(transport !== undefined && { serversTransport: transportName(transport) }),
  };
}

function stickyJson(cookie: StickyCookie): StickyJson {
  const { name, path, domain, sameSite, maxAgeSeconds } = cookie;
  return {
    cookie: {
      name,
      ...(cookie.isSecure && { secure: true }),
      ...(cookie.isHttpOnly && { httpOnly: true }),
      ...(sameSite !== undefined && { sameSite }),
      ...(maxAgeSeconds !== 0 && { maxAge: maxAgeSeconds }),
      path,
      ...(domain !== undefined && { domain }),
    },
  };
}

/** Nothing is known here of servers that a worker has taken out for a while: they count as up. */
function serverStatus(servers: readonly Server[]): Pick<ServiceJson, 'serverStatus'> {
  if (servers.length === 0) return {};
  return { serverStatus: Object.fromEntries(servers.map(({ url }) => [url, 'UP' as const])) };
}

/** Our own names of transports are `namespace/name@kubernetescrd`. */
function transportName(transport: string): string {
  const [namespace = '', name = ''] = unqualified(transport).split('/');
  return traefikObjectName(namespace, name);
}
