import type {
  ConfigurationChange,
  LoadBalancer,
  Server,
  ServerSet,
  Service,
  StickyCookie,
  WeightedService,
} from '../../../../src/proxy/configuration.ts';
import {
  createServiceTable,
  type ServiceTable,
  type ServiceTableOptions,
} from '../../../../src/proxy/services/service-table.ts';
import { seededRandom } from '../../balance/seeded-random.ts';

/** server returns the endpoint of a host name; `!` before it: it is terminating. */
export function server(text: string): Server {
  const host = text.replace('!', '');
  return { url: `http://${host}:80`, scheme: 'http', host, port: 80, isFenced: text.startsWith('!') };
}

/** leaf returns a LoadBalancer with servers of these host names, which are the name of its ServerSet. */
export function leaf(name: string, hosts: readonly string[], changes: Partial<LoadBalancer> = {}): LoadBalancer {
  return {
    kind: 'LoadBalancer',
    name,
    serverSet: hosts.length === 0 ? undefined : hosts.join(' '),
    strategy: 'RoundRobin',
    passHostHeader: true,
    sticky: undefined,
    transport: undefined,
    passiveHealth: undefined,
    status: 'enabled',
    errors: [],
    ...changes,
  };
}

/** weighted returns a WeightedService. */
export function weighted(
  name: string,
  weights: Readonly<Record<string, number>>,
  sticky?: StickyCookie,
): WeightedService {
  const services = Object.entries(weights).map(([name, weight]) => ({ name, weight }));
  return { kind: 'Weighted', name, services, sticky, status: 'enabled', errors: [] };
}

/** cookie returns a sticky cookie without attributes. */
export function cookie(name: string): StickyCookie {
  return {
    name,
    isSecure: false,
    isHttpOnly: false,
    sameSite: undefined,
    maxAgeSeconds: 0,
    path: '/',
    domain: undefined,
  };
}

/** serverSetsOf returns the ServerSets of such leaves. */
export function serverSetsOf(services: readonly Service[]): readonly ServerSet[] {
  const names = services.map((service) => (service.kind === 'LoadBalancer' ? service.serverSet : undefined));
  return names.filter((name) => name !== undefined).map((name) => ({ name, servers: name.split(' ').map(server) }));
}

/** table returns a ServiceTable that has these services. */
export function table(services: readonly Service[], options: Partial<ServiceTableOptions> = {}): ServiceTable {
  const created = createServiceTable({ random: seededRandom(1), nowMs: () => 0, isStrict: false, ...options });
  set(created, ...services);
  return created;
}

/** nothing is a change that changes nothing. */
export const nothing: ConfigurationChange = {
  routers: { set: [], removed: [] },
  services: { set: [], removed: [] },
  serverSets: { set: [], removed: [] },
  transports: { set: [], removed: [] },
  certificates: { set: [], removed: [] },
};

/** set applies services that are new or different. */
export function set(table: ServiceTable, ...services: readonly Service[]): void {
  table.apply({
    ...nothing,
    services: { set: services, removed: [] },
    serverSets: { set: serverSetsOf(services), removed: [] },
  });
}

/** remove applies that services are gone. */
export function remove(table: ServiceTable, ...removed: readonly string[]): void {
  table.apply({ ...nothing, services: { set: [], removed } });
}

/** ask returns the host that is chosen, or `503` with the leaf that would have been asked. */
export function ask(table: ServiceTable, service: string, cookies?: string): string {
  const choice = table.choose(service, cookies);
  return choice.kind === 'Server' ? choice.server.host : `503 ${choice.leaf ?? '-'}`;
}

/** askMany counts what is chosen. */
export function askMany(table: ServiceTable, service: string, count: number): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let index = 0; index < count; index += 1) {
    const host = ask(table, service);
    counts[host] = (counts[host] ?? 0) + 1;
  }
  return counts;
}
