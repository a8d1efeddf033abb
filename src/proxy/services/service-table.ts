import type { ConfigurationChange, Server, Service, Transport } from '../configuration.ts';
import { finish, type Steps } from '../steps.ts';
import { nowhere, type Choice } from './choice.ts';
import { Leaf } from './leaf.ts';
import { Weighted, type ServiceNode, type Services } from './weighted.ts';

/** ServiceTableOptions: the callbacks are called while a request is reported or chosen for. */
export interface ServiceTableOptions {
  /** random returns numbers from 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** nowMs is of a clock that never jumps. */
  readonly nowMs: () => number;
  /** isStrict: as Traefik, every change begins all cycles again, and a service without servers keeps its share (503). */
  readonly isStrict: boolean;
  /** onServerDown tells what this worker found out by itself; the others learn it by `applyHealth`. */
  readonly onServerDown?: (down: ServerDown) => void;
  /** onServerUp: each worker finds that out for itself. */
  readonly onServerUp?: (up: ServerUp) => void;
}

/** ServerDown: a server failed too often, and is left alone for a while. */
export interface ServerDown {
  readonly leaf: string;
  readonly url: string;
  readonly forMs: number;
}

/** ServerUp: that while is over. It is told when the next request looks for a server. */
export interface ServerUp {
  readonly leaf: string;
  readonly url: string;
}

/** ServiceTable finds the server for a request. What its balancers and its servers' health stand at survives every change. */
export interface ServiceTable {
  /** apply takes over a change of the configuration. */
  apply(change: ServiceChanges): void;
  /** applying prepares that in pieces, and returns what takes it over, in a time that hardly grows with the change. */
  applying(change: ServiceChanges): Steps<() => void>;
  /** choose returns the server of a service for a request with that Cookie header (several are joined by `; `). */
  choose(service: string, cookies: string | undefined): Choice;
  /**
   * report tells how an exchange went: ok when the server was asked and answered below 500. It takes servers out of
   * services with passive health.
   */
  report(leaf: string, url: string, isOk: boolean): void;
  /** applyHealth takes over what another worker found out. */
  applyHealth(down: ServerDown): void;
  /** opened and closed frame every exchange with a server, from the choice to the end of the answer or of the stream. */
  opened(leaf: string, url: string): void;
  closed(leaf: string, url: string): void;
  /** openStreams returns how many exchanges each leaf has open, those that have none left out; leaves that are gone count until their last one closes. */
  openStreams(): readonly (readonly [leaf: string, open: number])[];
  /** transport returns the Transport of that name, or the default one. */
  transport(name: string | undefined): Transport;
}

/** ServiceChanges are the parts of a change that services are made of. */
export type ServiceChanges = Pick<ConfigurationChange, 'services' | 'serverSets' | 'transports'>;

/** defaultTransport is Traefik's for services that name none (pkg/server/service/transport.go, configuration reference). */
export const defaultTransport: Transport = {
  name: 'default@internal',
  serverName: undefined,
  isInsecure: false,
  rootCas: [],
  certificates: [],
  maxIdlePerHost: 200,
  isHttp2Disabled: false,
  dialTimeoutMs: 30_000,
  responseHeaderTimeoutMs: 0,
  idleTimeoutMs: 90_000,
};

/** createServiceTable returns an empty ServiceTable. */
export function createServiceTable(options: ServiceTableOptions): ServiceTable {
  return new Table(options);
}

class Table implements ServiceTable, Services {
  readonly #options: ServiceTableOptions;
  readonly #nodes = new Map<string, ServiceNode>();
  /** Leaves that are gone and still have something open. */
  readonly #retired = new Map<string, Leaf>();
  readonly #transports = new Map<string, Transport>();
  readonly #serverSets = new Map<string, readonly Server[]>();
  /** Leaves with servers that are left alone, and when the first of those is asked again. */
  readonly #sick = new Set<string>();
  #recoverAtMs = Infinity;
  epoch = 0;
  changes = 0;

  constructor(options: ServiceTableOptions) {
    this.#options = options;
  }

  get isStrict(): boolean {
    return this.#options.isStrict;
  }

  get random(): () => number {
    return this.#options.random;
  }

  find(name: string): ServiceNode | undefined {
    return this.#nodes.get(name);
  }

  servers(serverSet: string | undefined): readonly Server[] {
    return (serverSet === undefined ? undefined : this.#serverSets.get(serverSet)) ?? noServers;
  }

  apply(change: ServiceChanges): void {
    finish(this.applying(change))();
  }

  *applying(change: ServiceChanges): Steps<() => void> {
    for (const service of change.services.set) {
      // Nothing leads to a new name yet.
      if (this.#nodes.has(service.name) || this.#retired.has(service.name)) continue;
      this.#nodes.set(service.name, this.#create(service));
      yield;
    }
    return () => this.#takeOver(change);
  }

  #takeOver({ services, serverSets, transports }: ServiceChanges): void {
    for (const name of transports.removed) this.#transports.delete(name);
    for (const transport of transports.set) this.#transports.set(transport.name, transport);
    for (const name of serverSets.removed) this.#serverSets.delete(name);
    for (const { name, servers } of serverSets.set) this.#serverSets.set(name, servers);
    for (const name of services.removed) this.#remove(name);
    for (const service of services.set) this.#set(service);
    this.epoch += 1;
    this.changes += 1;
  }

  choose(service: string, cookies: string | undefined): Choice {
    if (this.#recoverAtMs !== Infinity) this.#recover();
    return this.#nodes.get(service)?.choose(cookies) ?? nowhere;
  }

  report(leaf: string, url: string, isOk: boolean): void {
    const node = this.#leaf(leaf);
    const forMs = node?.report(url, isOk, this.#options.nowMs()) ?? 0;
    if (forMs === 0) return;
    this.#takeOut({ leaf, url, forMs });
    this.#options.onServerDown?.({ leaf, url, forMs });
  }

  applyHealth(down: ServerDown): void {
    this.#takeOut(down);
  }

  opened(leaf: string, url: string): void {
    this.#leaf(leaf)?.opened(url);
  }

  closed(leaf: string, url: string): void {
    const node = this.#leaf(leaf);
    node?.closed(url);
    if (node?.open === 0) this.#retired.delete(leaf);
  }

  openStreams(): readonly (readonly [leaf: string, open: number])[] {
    const present = [...this.#nodes].flatMap(([name, node]) =>
      node.kind === 'Leaf' ? [[name, node.open] as const] : [],
    );
    const retired = [...this.#retired].map(([name, { open }]) => [name, open] as const);
    return [...present, ...retired].filter(([, open]) => open > 0);
  }

  transport(name: string | undefined): Transport {
    return (name === undefined ? undefined : this.#transports.get(name)) ?? defaultTransport;
  }

  #leaf(name: string): Leaf | undefined {
    const node = this.#nodes.get(name);
    return node?.kind === 'Leaf' ? node : this.#retired.get(name);
  }

  #set(service: Service): void {
    const present = this.#nodes.get(service.name);
    if (service.kind === 'Weighted') {
      if (present?.kind === 'Weighted') return present.update(service);
      this.#remove(service.name);
      this.#nodes.set(service.name, this.#create(service));
    } else {
      const leaf = this.#leaf(service.name);
      this.#retired.delete(service.name);
      leaf?.update(service);
      this.#nodes.set(service.name, leaf ?? this.#create(service));
    }
  }

  #create(service: Service): ServiceNode {
    return service.kind === 'Weighted' ? new Weighted(service, this) : new Leaf(service, this);
  }

  #remove(name: string): void {
    const node = this.#nodes.get(name);
    this.#nodes.delete(name);
    if (node?.kind === 'Leaf' && node.open > 0) this.#retired.set(name, node);
  }

  #takeOut({ leaf, url, forMs }: ServerDown): void {
    const untilMs = this.#options.nowMs() + forMs;
    if (this.#leaf(leaf)?.takeOut(url, untilMs) !== true) return;
    this.#sick.add(leaf);
    this.#recoverAtMs = Math.min(this.#recoverAtMs, untilMs);
    this.epoch += 1;
  }

  #recover(): void {
    const nowMs = this.#options.nowMs();
    if (nowMs < this.#recoverAtMs) return;
    this.#recoverAtMs = Infinity;
    for (const leaf of this.#sick) {
      const { urls, nextMs } = this.#leaf(leaf)?.takeBack(nowMs) ?? { urls: [], nextMs: Infinity };
      if (nextMs === Infinity) this.#sick.delete(leaf);
      this.#recoverAtMs = Math.min(this.#recoverAtMs, nextMs);
      for (const url of urls) this.#options.onServerUp?.({ leaf, url });
    }
    this.epoch += 1;
  }
}

const noServers: readonly Server[] = [];
