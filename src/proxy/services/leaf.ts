import { PowerOfTwo } from '../../balance/power-of-two.ts';
import { RoundRobin } from '../../balance/round-robin.ts';
import { readCookie, setCookie, stickyValue } from '../../balance/sticky.ts';
import type { LoadBalancer, PassiveHealth, Server } from '../configuration.ts';
import { nowhere, type Choice, type NoServer, type ServerChoice } from './choice.ts';

/** Servers is what a leaf sees of the table. `epoch` grows whenever a ServerSet changes. */
export interface Servers {
  readonly epoch: number;
  /** random returns numbers from 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** servers returns what is in a ServerSet: the same object until that changes. */
  servers(serverSet: string | undefined): readonly Server[];
}

/** ServerState is what a leaf remembers of a server while its configuration changes. */
interface ServerState {
  server: Server;
  /** plain and withCookie are made once, so that a choice allocates nothing. */
  plain: ServerChoice;
  withCookie: ServerChoice;
  /** open is how many exchanges with it are under way. */
  open: number;
  failuresMs: readonly number[];
  /** downUntilMs is in the past while the server may be asked. */
  downUntilMs: number;
}

/**
 * Leaf is a LoadBalancer at work: whose turn it is, who does not answer, and what is under way. What changes is taken
 * over when the next request asks, because thousands of leaves may change at once.
 */
export class Leaf {
  readonly kind = 'Leaf';
  readonly #table: Servers;
  #service: LoadBalancer;
  /** What it is to be from the next request on. */
  #nextService: LoadBalancer;
  #servers: readonly Server[] | undefined;
  #knownAt = -1;
  #states = new Map<string, ServerState>();
  #byCookie: ReadonlyMap<string, ServerState> = new Map();
  #picker: RoundRobin<ServerState> | PowerOfTwo<ServerState>;
  #available: readonly ServerState[] = [];
  #noServer: NoServer = nowhere;
  #open = 0;

  constructor(service: LoadBalancer, table: Servers) {
    this.#table = table;
    this.#service = service;
    this.#nextService = service;
    this.#picker = this.#createPicker();
  }

  /** open is how many exchanges with its servers are under way, those with servers that are gone included. */
  get open(): number {
    return this.#open;
  }

  /** isUsable: there is a server for a client that does not stick to any. */
  isUsable(): boolean {
    this.#know();
    return this.#available.length > 0;
  }

  update(service: LoadBalancer): void {
    this.#nextService = service;
    this.#knownAt = -1;
  }

  /** choose returns the server that the client sticks to, else the one whose turn it is. */
  choose(cookies: string | undefined): Choice {
    this.#know();
    if (this.#service.sticky === undefined) return this.#picker.next()?.plain ?? this.#noServer;
    return this.stick(cookies) ?? this.#picker.next()?.withCookie ?? this.#noServer;
  }

  /** stick returns the server that the client sticks to. It may be terminating, but not down. */
  stick(cookies: string | undefined): ServerChoice | undefined {
    this.#know();
    const { sticky } = this.#service;
    if (sticky === undefined || cookies === undefined) return undefined;
    const value = readCookie(cookies, sticky.name);
    const state = value === undefined ? undefined : this.#byCookie.get(value);
    return state === undefined || isDown(state) || this.#service.status === 'disabled' ? undefined : state.plain;
  }

  opened(url: string): void {
    this.#know();
    this.#open += 1;
    const state = this.#states.get(url);
    if (state !== undefined) state.open += 1;
  }

  closed(url: string): void {
    this.#open -= 1;
    const state = this.#states.get(url);
    // The server may have gone and come back meanwhile.
    if (state !== undefined && state.open > 0) state.open -= 1;
  }

  /** report returns for how long the server is to be left alone now; 0: it is not. */
  report(url: string, isOk: boolean, nowMs: number): number {
    this.#know();
    const health = this.#service.passiveHealth;
    const state = health === undefined ? undefined : this.#states.get(url);
    if (health === undefined || state === undefined) return 0;
    if (isOk) {
      if (state.failuresMs.length > 0) state.failuresMs = [];
      return 0;
    }
    return addFailure(state, health, nowMs) && !isDown(state) ? health.failureWindowMs : 0;
  }

  /** takeOut leaves a server alone until `untilMs`; false: it is unknown, or its health is of no interest. */
  takeOut(url: string, untilMs: number): boolean {
    this.#know();
    const state = this.#states.get(url);
    if (state === undefined || this.#service.passiveHealth === undefined) return false;
    state.downUntilMs = Math.max(state.downUntilMs, untilMs);
    this.#findAvailable();
    return true;
  }

  /** takeBack asks the servers again whose time is over, and returns their URLs, and when the next one's time is; Infinity: never. */
  takeBack(nowMs: number): { readonly urls: readonly string[]; readonly nextMs: number } {
    const down = [...this.#states.values()].filter(isDown);
    const back = down.filter(({ downUntilMs }) => downUntilMs <= nowMs);
    for (const state of back) state.downUntilMs = up;
    if (back.length > 0) this.#findAvailable();
    const nextMs = down.reduce((next, state) => (isDown(state) ? Math.min(next, state.downUntilMs) : next), Infinity);
    return { urls: back.map(({ server }) => server.url), nextMs };
  }

  #know(): void {
    const { epoch } = this.#table;
    if (this.#knownAt === epoch) return;
    this.#knownAt = epoch;
    const service = this.#nextService;
    const servers = this.#table.servers(service.serverSet);
    if (service !== this.#service || servers !== this.#servers) this.#become(service, servers);
  }

  #become(service: LoadBalancer, servers: readonly Server[]): void {
    const isSameStrategy = service.strategy === this.#service.strategy;
    this.#service = service;
    this.#servers = servers;
    this.#noServer = { kind: 'NoServer', leaf: service.name };
    if (!isSameStrategy) this.#picker = this.#createPicker();
    const before = this.#states;
    this.#states = new Map(servers.map((server) => [server.url, this.#stateOf(server, before.get(server.url))]));
    const { sticky } = service;
    const states = sticky === undefined ? [] : [...this.#states.values()];
    this.#byCookie = new Map(states.map((state) => [stickyValue(state.server.url), state]));
    this.#findAvailable();
  }

  #stateOf(server: Server, before: ServerState | undefined): ServerState {
    const plain: ServerChoice = { kind: 'Server', leaf: this.#service, server, setCookies: [] };
    const { sticky, passiveHealth } = this.#service;
    const withCookie =
      sticky === undefined ? plain : { ...plain, setCookies: [setCookie(sticky, stickyValue(server.url))] };
    if (before === undefined) return { server, plain, withCookie, open: 0, failuresMs: [], downUntilMs: up };
    // What is kept is the same object, because the picker knows it by that.
    const health = passiveHealth === undefined ? { failuresMs: [], downUntilMs: up } : {};
    return Object.assign(before, { server, plain, withCookie }, health);
  }

  #findAvailable(): void {
    const isAvailable = (state: ServerState): boolean => !state.server.isFenced && !isDown(state);
    this.#available = this.#service.status === 'disabled' ? [] : [...this.#states.values()].filter(isAvailable);
    this.#picker.update(this.#available);
  }

  #createPicker(): RoundRobin<ServerState> | PowerOfTwo<ServerState> {
    return this.#service.strategy === 'PowerOfTwo'
      ? new PowerOfTwo<ServerState>(this.#table.random, ({ open }) => open)
      : new RoundRobin<ServerState>(this.#table.random);
  }
}

const up = -Infinity;

function isDown({ downUntilMs }: ServerState): boolean {
  return downUntilMs !== up;
}

/** Returns whether these are too many within the window. */
function addFailure(state: ServerState, { failureWindowMs, maxFailedAttempts }: PassiveHealth, nowMs: number): boolean {
  const recent = state.failuresMs.filter((atMs) => atMs > nowMs - failureWindowMs);
  // More than decide are not kept.
  state.failuresMs = [...recent, nowMs].slice(-Math.max(1, maxFailedAttempts));
  return state.failuresMs.length >= maxFailedAttempts;
}
