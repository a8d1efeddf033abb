/** What there is to probe in an EndpointSlice, and how the slice looks with what was found. Pure. */
import net from 'node:net';
import { keyOf, type EndpointSlice, type ObjectKey } from '../api/kubernetes.ts';
import type { ProbeTarget } from './probe-attempt.ts';
import { isPort, probeAnnotation, readProbe, type ProbeSpec } from './probe-spec.ts';

/** SlicePlan is an EndpointSlice of the folder with what its probes need. */
export interface SlicePlan {
  readonly key: ObjectKey;
  readonly slice: EndpointSlice;
  /** spec is undefined where the annotation cannot be read and never could: then no endpoint is ready. */
  readonly spec: ProbeSpec | undefined;
  /** ports are all probed; an endpoint is ready when each of them is. */
  readonly ports: readonly number[];
  /** names are the host names that have to be resolved. */
  readonly names: readonly string[];
  /** problems says in a sentence each what has to be changed. */
  readonly problems: readonly string[];
}

/** Findings are what is known so far. */
export interface Findings {
  /** addressesOf returns the addresses of a host name; none while they are not known. */
  addressesOf(name: string): readonly string[];
  isReady(target: ProbeTarget): boolean;
}

/** PresentedEndpoints stand for those of the file: addresses resolved, readiness as probed. */
export type PresentedEndpoints = Pick<EndpointSlice, 'addressType' | 'endpoints'>;

type Endpoint = NonNullable<EndpointSlice['endpoints']>[number];

const serviceNameLabel = 'kubernetes.io/service-name';

/** planSlice reads a slice; an annotation that cannot be read leaves the spec as it was before. */
export function planSlice(slice: EndpointSlice, before: ProbeSpec | undefined): SlicePlan {
  const reading = readProbe(slice.metadata.annotations?.[probeAnnotation]);
  const spec = reading.kind === 'Spec' ? reading.spec : before;
  const ports = spec === undefined ? { ports: [], problem: undefined } : findPorts(slice, spec);
  const key = keyOf(slice);
  const problems = [
    reading.kind === 'Problem' ? reading.message : undefined,
    ports.problem,
    slice.metadata.labels?.[serviceNameLabel] === undefined
      ? `the label ${serviceNameLabel} is missing; set it to the name of the Service that the endpoints belong to.`
      : undefined,
    ...(slice.endpoints ?? []).flatMap(({ addresses }) => addresses).map(addressProblem),
  ].flatMap((problem) => (problem === undefined ? [] : [`EndpointSlice ${key}: ${problem}`]));
  return { key, slice, spec, ports: ports.ports, names: namesOf(slice), problems: [...new Set(problems)] };
}

function namesOf({ endpoints }: EndpointSlice): readonly string[] {
  const addresses = (endpoints ?? []).filter(isOffered).flatMap((endpoint) => endpoint.addresses);
  return [...new Set(addresses.filter(isHostName).map(nameOf))];
}

/** targetsOf returns all that has to be probed for the slice. */
export function targetsOf(plan: SlicePlan, findings: Pick<Findings, 'addressesOf'>): readonly ProbeTarget[] {
  const offered = (plan.slice.endpoints ?? []).filter(isOffered);
  return offered.flatMap(({ addresses }) =>
    addresses.flatMap((written) =>
      resolved(written, findings).flatMap((address) => targetsAt(plan, { written, address })),
    ),
  );
}

/**
 * presentSlice has an endpoint for each address. A name with addresses of both families is presented with one of them, so
 * that no server counts twice: IPv4, unless only IPv6 answers.
 */
export function presentSlice(plan: SlicePlan, findings: Findings): PresentedEndpoints {
  const endpoints = (plan.slice.endpoints ?? []).flatMap((endpoint) =>
    endpoint.addresses.flatMap((written) => presentAddress(plan, { endpoint, written }, findings)),
  );
  const addressType = familyOf(endpoints.flatMap(({ addresses }) => addresses)) ?? plan.slice.addressType;
  return { endpoints, ...(addressType === undefined ? {} : { addressType }) };
}

/** presentUnprobed is how a slice looks while nothing is known of its servers. */
export function presentUnprobed(slice: EndpointSlice): PresentedEndpoints {
  return presentSlice(planSlice(slice, undefined), { addressesOf: () => [], isReady: () => false });
}

/** A slice has one type, and nothing in Sluice reads it: where there are both families, or none, the file's stays. */
function familyOf(addresses: readonly string[]): string | undefined {
  const families = new Set(addresses.map((address) => `IPv${net.isIP(address)}`));
  return families.size === 1 ? [...families][0] : undefined;
}

function presentAddress(
  plan: SlicePlan,
  { endpoint, written }: { readonly endpoint: Endpoint; readonly written: string },
  findings: Findings,
): readonly Endpoint[] {
  const isUp = (address: string): boolean => {
    const targets = targetsAt(plan, { written, address });
    return targets.length > 0 && targets.every((target) => findings.isReady(target));
  };
  return oneFamily(resolved(written, findings), isUp).map((address) => ({
    ...endpoint,
    addresses: [address],
    conditions: conditionsOf(endpoint, isUp(address)),
  }));
}

function oneFamily(addresses: readonly string[], isUp: (address: string) => boolean): readonly string[] {
  const four = addresses.filter((address) => net.isIPv4(address));
  const six = addresses.filter((address) => net.isIPv6(address));
  if (four.length === 0) return six;
  return !four.some(isUp) && six.some(isUp) ? six : four;
}

/** As Kubernetes has them: what terminates is not ready, and `serving` says whether it still answers. */
function conditionsOf({ conditions = {} }: Endpoint, isUp: boolean): NonNullable<Endpoint['conditions']> {
  const { ready = true, serving = ready, terminating } = conditions;
  return {
    ...conditions,
    ready: isUp && ready && terminating !== true,
    serving: isUp && serving,
  };
}

/** An endpoint that the file holds back is not probed. */
function isOffered({ conditions = {} }: Endpoint): boolean {
  const { ready = true, serving = ready } = conditions;
  return ready || serving;
}

function targetsAt(
  { spec, ports }: SlicePlan,
  { written, address }: { readonly written: string; readonly address: string },
): readonly ProbeTarget[] {
  if (spec === undefined) return [];
  const { intervalMs, timeoutMs, request } = spec;
  return ports.map((port) => ({
    address,
    port,
    intervalMs,
    timeoutMs,
    request: request === undefined ? undefined : { ...request, host: request.host ?? authorityOf(written, port) },
  }));
}

function authorityOf(written: string, port: number): string {
  return `${net.isIPv6(written) ? `[${written}]` : written}:${port}`;
}

function resolved(written: string, { addressesOf }: Pick<Findings, 'addressesOf'>): readonly string[] {
  if (net.isIP(written) !== 0) return [written];
  return isHostName(written) ? addressesOf(nameOf(written)) : [];
}

function nameOf(written: string): string {
  return written.toLowerCase();
}

const label = '[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?';
const hostName = new RegExp(`^(?:${label}\\.)*${label}\\.?$`, 'i');

/** A name that ends in a number is an address that was mistyped: the resolver would take 10.0.1 for 10.0.0.1. */
function isHostName(written: string): boolean {
  return hostName.test(written) && written.length <= 253 && !/(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$/i.test(written);
}

function addressProblem(written: string): string | undefined {
  if (net.isIP(written) !== 0 || isHostName(written)) return undefined;
  return `the address "${written}" is neither an IP address nor a host name; write one alone, the port stands under ports.`;
}

interface FoundPorts {
  readonly ports: readonly number[];
  readonly problem: string | undefined;
}

/** A connect goes to all ports of the slice; a request needs to know to which. */
function findPorts({ ports }: EndpointSlice, { port: wanted, request }: ProbeSpec): FoundPorts {
  if (typeof wanted === 'number') return { ports: [wanted], problem: undefined };
  const listed = (ports ?? []).filter(({ port = 0, protocol = 'TCP' }) => protocol === 'TCP' && isPort(port));
  const text = listed.map(({ name = '', port }) => (name === '' ? `${port}` : `${name} (${port})`)).join(', ');
  const found = wanted === undefined ? listed : listed.filter(({ name }) => name === wanted);
  const numbers = [...new Set(found.flatMap(({ port = 0 }) => [port]))];
  if (listed.length === 0) return noPorts('it has no TCP port; list one under ports.');
  if (numbers.length === 0)
    return noPorts(`it has no port of the name ${wanted}, which ${probeAnnotation} asks for; it has ${text}.`);
  if (numbers.length > 1 && request !== undefined) {
    return noPorts(`it has the ports ${text}; say with port= in ${probeAnnotation} which one is asked.`);
  }
  return { ports: numbers, problem: undefined };
}

function noPorts(problem: string): FoundPorts {
  return { ports: [], problem };
}
