import type { RequestRecord } from '../counters.ts';
import type { TlsParameters } from '../downstream.ts';

/** Traefik's default buckets of durations. */
export const defaultBucketsSeconds: readonly number[] = [0.1, 0.3, 1.2, 5];

/** CountersOptions: `bucketsSeconds` ascend; hasRouterLabels adds the series of routers (Traefik's addRoutersLabels). */
export interface CountersOptions {
  readonly bucketsSeconds: readonly number[];
  readonly hasRouterLabels: boolean;
}

/** Counters counts the requests of one worker since the last time that somebody took the counts. */
export interface Counters {
  observe(record: RequestRecord): void;
  /** retried counts another attempt of a request at a service. */
  retried(service: string): void;
  /** takeDelta returns what was counted since the last call, which survives JSON. */
  takeDelta(): CountersDelta;
  /** forget frees what is kept for routers and services that are gone; what was not taken yet still will be. */
  forget(names: Iterable<string>): void;
}

/** CountersDelta is what was counted in a while. */
export interface CountersDelta {
  readonly series: readonly SeriesDelta[];
  readonly retries: readonly (readonly [service: string, count: number])[];
  readonly tls: readonly TlsDelta[];
}

/** SeriesDelta is what was counted of requests that are alike. */
export interface SeriesDelta {
  readonly scope: Scope;
  /** name is that of the entry point, router or service. */
  readonly name: string;
  /** service is set for routers only. */
  readonly service: string;
  readonly method: string;
  readonly protocol: RequestRecord['protocol'];
  readonly code: number;
  readonly requests: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly seconds: number;
  /** buckets are not cumulative; behind the last bound there is one more. */
  readonly buckets: readonly number[];
}

/** TlsDelta is what was counted of requests over connections that are encrypted alike. */
export interface TlsDelta extends Pick<SeriesDelta, 'scope' | 'name' | 'service' | 'requests'> {
  readonly tls: TlsParameters;
}

/** Scope is whose series these are. */
export type Scope = 'entryPoint' | 'router' | 'service';

/** createCounters returns Counters that have counted nothing. */
export function createCounters(options: CountersOptions): Counters {
  return new WorkerCounters(options);
}

interface Cell {
  readonly owner: Owner;
  readonly key: number;
  requests: number;
  requestBytes: number;
  responseBytes: number;
  seconds: number;
  buckets: number[];
}

interface TlsCell {
  readonly owner: Owner;
  readonly tls: TlsParameters;
  requests: number;
}

/** Owner has a cell for each method, protocol and code, found by a number made of them: no text is joined for a request. */
interface Owner {
  readonly scope: Scope;
  readonly name: string;
  readonly service: string;
  readonly cells: Map<number, Cell>;
  readonly tlsCells: Map<TlsParameters, TlsCell>;
}

class WorkerCounters implements Counters {
  readonly #bounds: readonly number[];
  readonly #hasRouterLabels: boolean;
  readonly #entryPoints = new Map<string, Owner>();
  readonly #services = new Map<string, Owner>();
  readonly #routers = new Map<string, Map<string, Owner>>();
  #counted: Cell[] = [];
  #countedTls: TlsCell[] = [];
  #retries = new Map<string, number>();

  constructor({ bucketsSeconds, hasRouterLabels }: CountersOptions) {
    this.#bounds = bucketsSeconds;
    this.#hasRouterLabels = hasRouterLabels;
  }

  observe(record: RequestRecord): void {
    const { entryPoint, router, service } = record;
    const key = keyOf(record);
    const bucket = this.#bucketOf(record.durationMs / 1000);
    this.#count(this.#entryPoints.get(entryPoint) ?? this.#addEntryPoint(entryPoint), record, key, bucket);
    if (service !== undefined)
      this.#count(this.#services.get(service) ?? this.#addService(service), record, key, bucket);
    if (this.#hasRouterLabels && router !== undefined) {
      const named = record.routerService ?? service ?? '';
      this.#count(this.#routers.get(router)?.get(named) ?? this.#addRouter(router, named), record, key, bucket);
    }
  }

  retried(service: string): void {
    this.#retries.set(service, (this.#retries.get(service) ?? 0) + 1);
  }

  takeDelta(): CountersDelta {
    const series = this.#counted.map((cell) => this.#take(cell));
    const retries = [...this.#retries];
    const tls = this.#countedTls.map(takeTls);
    this.#counted = [];
    this.#countedTls = [];
    this.#retries = new Map();
    return { series, retries, tls };
  }

  forget(names: Iterable<string>): void {
    for (const name of names) {
      this.#services.delete(name);
      this.#routers.delete(name);
    }
  }

  #bucketOf(seconds: number): number {
    const bounds = this.#bounds;
    let index = 0;
    while (index < bounds.length && seconds > (bounds[index] ?? 0)) index += 1;
    return index;
  }

  #count(owner: Owner, record: RequestRecord, key: number, bucket: number): void {
    const cell = owner.cells.get(key) ?? this.#addCell(owner, key);
    if (cell.requests === 0) this.#counted.push(cell);
    cell.requests += 1;
    cell.requestBytes += record.requestBytes;
    cell.responseBytes += record.responseBytes;
    cell.seconds += record.durationMs / 1000;
    cell.buckets[bucket] = (cell.buckets[bucket] ?? 0) + 1;
    if (record.tls !== undefined) this.#countTls(owner, record.tls);
  }

  #countTls(owner: Owner, tls: TlsParameters): void {
    const cell = owner.tlsCells.get(tls) ?? { owner, tls, requests: 0 };
    owner.tlsCells.set(tls, cell);
    if (cell.requests === 0) this.#countedTls.push(cell);
    cell.requests += 1;
  }

  #addCell(owner: Owner, key: number): Cell {
    const cell = { owner, key, requests: 0, requestBytes: 0, responseBytes: 0, seconds: 0, buckets: this.#noBuckets() };
    owner.cells.set(key, cell);
    return cell;
  }

  #take(cell: Cell): SeriesDelta {
    const { owner, key, requests, requestBytes, responseBytes, seconds, buckets } = cell;
    const { scope, name, service } = owner;
    Object.assign(cell, { requests: 0, requestBytes: 0, responseBytes: 0, seconds: 0, buckets: this.#noBuckets() });
    return { scope, name, service, ...readKey(key), requests, requestBytes, responseBytes, seconds, buckets };
  }

  #noBuckets(): number[] {
    return Array.from({ length: this.#bounds.length + 1 }, () => 0);
  }

  #addEntryPoint(name: string): Owner {
    const owner: Owner = { scope: 'entryPoint', name, service: '', cells: new Map(), tlsCells: new Map() };
    this.#entryPoints.set(name, owner);
    return owner;
  }

  #addService(name: string): Owner {
    const owner: Owner = { scope: 'service', name, service: '', cells: new Map(), tlsCells: new Map() };
    this.#services.set(name, owner);
    return owner;
  }

  #addRouter(name: string, service: string): Owner {
    const owner: Owner = { scope: 'router', name, service, cells: new Map(), tlsCells: new Map() };
    const owners = this.#routers.get(name) ?? new Map<string, Owner>();
    this.#routers.set(name, owners.set(service, owner));
    return owner;
  }
}

function takeTls(cell: TlsCell): TlsDelta {
  const { owner, tls, requests } = cell;
  const { scope, name, service } = owner;
  cell.requests = 0;
  return { scope, name, service, tls, requests };
}

/** Any other method is EXTENSION_METHOD, or clients could make as many series as they like (Traefik, pkg/middlewares/metrics). */
const methods = [
  'EXTENSION_METHOD',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'PRI',
];
const methodIndexes: ReadonlyMap<string, number> = new Map(methods.map((method, index) => [method, index]));

const protocols = ['http', 'websocket', 'sse', 'grpc', 'grpc-web'] as const satisfies RequestRecord['protocol'][];
const protocolIndexes = { http: 0, websocket: 1, sse: 2, grpc: 3, 'grpc-web': 4 } satisfies Record<
  RequestRecord['protocol'],
  number
>;

/** gRPC knows the statuses 0 to 16; any other is Unknown (Traefik, grpcStatusCode). */
const lastGrpcStatus = 16;
const unknownGrpcStatus = 2;

function keyOf({ method, protocol, code }: RequestRecord): number {
  const isGrpc = protocol === 'grpc' || protocol === 'grpc-web';
  const known = isGrpc && !(code >= 0 && code <= lastGrpcStatus) ? unknownGrpcStatus : code;
  return (known * protocols.length + protocolIndexes[protocol]) * methods.length + (methodIndexes.get(method) ?? 0);
}

function readKey(key: number): Pick<SeriesDelta, 'method' | 'protocol' | 'code'> {
  const rest = Math.floor(key / methods.length);
  return {
    method: methods[key % methods.length] ?? '',
    protocol: protocols[rest % protocols.length] ?? 'http',
    code: Math.floor(rest / protocols.length),
  };
}
