/** How a service of the pair is resolved: its port in all spellings, its ready endpoints. */
import type { EndpointSlice, ObjectKey, Service } from '../api/kubernetes.ts';
import type { PairMember } from '../traffic/split.ts';
import type { Caches } from './caches.ts';

/** MemberSpec is how a Rollout names a service. */
export interface MemberSpec {
  readonly service: string;
  readonly port?: number | string | undefined;
  readonly nativeLB?: boolean | undefined;
}

/** Member is a service of the pair as the cluster has it. */
export interface Member extends PairMember {
  readonly key: ObjectKey;
  readonly exists: boolean;
  /** addresses are those of the ready endpoints. */
  readonly addresses: readonly string[];
  /** sockets are addresses and ports of the same endpoints: without a cluster several versions may share one machine. */
  readonly sockets: readonly Socket[];
  /** portProblem says why the port could not be resolved. */
  readonly portProblem: string | undefined;
}

/** Socket is where a ready endpoint listens; without a port it is every port of the address. */
export interface Socket {
  readonly address: string;
  readonly port: number | undefined;
}

/** resolveMember reads a service of the pair from the caches. */
export function resolveMember(caches: Caches, namespace: string, spec: MemberSpec): Member {
  const key: ObjectKey = `${namespace}/${spec.service}`;
  const service = caches.service(key);
  const port = service === undefined ? undefined : resolvePort(service, spec.port);
  const found = port?.kind === 'Found' ? port : undefined;
  const sockets = found === undefined ? [] : readySockets(caches.endpointSlices(key), found.name);
  return {
    key,
    service: spec.service,
    ports: found?.spellings ?? (spec.port === undefined ? [] : [writtenPort(spec.port)]),
    ...(spec.nativeLB === true ? { nativeLB: true } : {}),
    exists: service !== undefined,
    addresses: [...new Set(sockets.map(({ address }) => address))],
    sockets,
    portProblem: port?.kind === 'Missing' ? port.message : undefined,
  };
}

type ResolvedPort =
  | { readonly kind: 'Found'; readonly name: string; readonly spellings: readonly (number | string)[] }
  | { readonly kind: 'Missing'; readonly message: string };

function resolvePort(service: Service, wanted: number | string | undefined): ResolvedPort {
  const ports = service.spec?.ports ?? [];
  const listed =
    ports.map((port) => (port.name === undefined ? `${port.port}` : `${port.port} (${port.name})`)).join(', ') ||
    'none';
  const name = service.metadata.name;
  if (wanted === undefined && ports.length !== 1) {
    return {
      kind: 'Missing',
      message: `Service ${name} has ${ports.length} ports (${listed}); say which one in the Rollout.`,
    };
  }
  const port =
    wanted === undefined ? ports[0] : ports.find((one) => one.port === writtenPort(wanted) || one.name === wanted);
  if (port === undefined)
    return { kind: 'Missing', message: `Service ${name} has no port ${wanted}; it has ${listed}.` };
  const spellings = [writtenPort(wanted ?? port.port), port.port, ...(port.name === undefined ? [] : [port.name])];
  return { kind: 'Found', name: port.name ?? '', spellings: [...new Set(spellings)] };
}

/** writtenPort makes "80" the number: Traefik looks up a string among the names of ports, and no name is all digits. */
function writtenPort(port: number | string): number | string {
  return /^[0-9]+$/.test(String(port)) ? Number(port) : port;
}

/** readySockets leaves out what terminates: Traefik does not choose it for new requests either. */
function readySockets(slices: readonly EndpointSlice[], portName: string): readonly Socket[] {
  return slices.flatMap(({ ports, endpoints }) => {
    const found = (ports ?? []).find(({ name }) => (name ?? '') === portName);
    if (found === undefined) return [];
    const ready = (endpoints ?? []).filter(
      ({ conditions }) => conditions?.ready !== false && conditions?.terminating !== true,
    );
    return ready.flatMap(({ addresses }) => addresses.map((address) => ({ address, port: found.port })));
  });
}
