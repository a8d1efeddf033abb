import { readCookie, setCookie, stickyValue } from '../../balance/sticky.ts';
import { WeightedRoundRobin } from '../../balance/weighted-round-robin.ts';
import type { WeightedService } from '../configuration.ts';
import { nowhere, type Choice, type NoServer } from './choice.ts';
import type { Leaf, Servers } from './leaf.ts';

/** ServiceNode is a service at work. */
export type ServiceNode = Leaf | Weighted;

/**
 * Services is what a service sees of all the others. `epoch` grows whenever a name may mean another node or other
 * servers, or a leaf is usable or not any more; `changes` with each change of the configuration.
 */
export interface Services extends Servers {
  readonly changes: number;
  readonly isStrict: boolean;
  find(name: string): ServiceNode | undefined;
}

interface Child {
  readonly name: string;
  /** setCookie is empty when nobody sticks. */
  readonly setCookie: string;
  readonly noServer: NoServer;
  node: ServiceNode | undefined;
  foundAt: number;
}

/** Weighted is a WeightedService at work. As a Leaf, it takes over what changes when the next request asks. */
export class Weighted {
  readonly kind = 'Weighted';
  readonly #services: Services;
  readonly #balancer: WeightedRoundRobin<Child>;
  #service: WeightedService;
  /** What it is to be from the next request on. */
  #nextService: WeightedService | undefined;
  #changes = -1;
  #children: readonly Child[] = [];
  #byCookie: ReadonlyMap<string, Child> = new Map();
  #knownAt = -1;
  #isCyclic = false;
  #isUsable = false;

  constructor(service: WeightedService, services: Services) {
    this.#service = service;
    this.#nextService = service;
    this.#services = services;
    this.#balancer = new WeightedRoundRobin({
      random: services.random,
      isRestarting: services.isStrict,
      isUsable: (child) => this.#find(child)?.isUsable() ?? false,
    });
  }

  update(service: WeightedService): void {
    this.#nextService = service;
    this.#knownAt = -1;
  }

  #takeOver(): void {
    const { changes, isStrict } = this.#services;
    // Traefik begins the cycle again at each change of anything.
    const isRestarted = isStrict && this.#changes !== changes;
    this.#changes = changes;
    if (this.#nextService !== undefined || isRestarted) this.#become(this.#nextService ?? this.#service);
  }

  #become(service: WeightedService): void {
    const { sticky } = service;
    const entries = service.services.filter(({ weight }) => weight > 0);
    const items = entries.map(({ name, weight }) => {
      const cookie = sticky === undefined ? '' : setCookie(sticky, cookieValue(name, service.name));
      const noServer: NoServer = { kind: 'NoServer', leaf: name };
      return { key: name, weight, item: { name, setCookie: cookie, noServer, node: undefined, foundAt: -1 } };
    });
    this.#service = service;
    this.#nextService = undefined;
    this.#children = items.map(({ item }) => item);
    this.#byCookie =
      sticky === undefined
        ? new Map()
        : new Map(this.#children.map((child) => [cookieValue(child.name, service.name), child]));
    this.#balancer.update(items);
  }

  /** isUsable: a child is, and the service does not contain itself. */
  isUsable(): boolean {
    this.#know();
    return this.#isUsable;
  }

  /** choose returns the choice of the child that the client sticks to, else of the one whose turn it is. */
  choose(cookies: string | undefined): Choice {
    this.#know();
    if (this.#isCyclic) return nowhere;
    const { sticky } = this.#service;
    const stuck = sticky === undefined ? undefined : this.stick(cookies);
    if (stuck !== undefined) return stuck;
    const child = this.#next();
    if (child === undefined) return nowhere;
    const choice = this.#find(child)?.choose(cookies) ?? child.noServer;
    if (sticky === undefined || choice.kind === 'NoServer') return choice;
    return { ...choice, setCookies: [child.setCookie, ...choice.setCookies] };
  }

  /** stick returns the choice of the child that the client sticks to. A child without servers for others may still have the one that the client sticks to. */
  stick(cookies: string | undefined): Choice | undefined {
    const { sticky } = this.#service;
    this.#know();
    if (sticky === undefined || cookies === undefined || this.#isCyclic) return undefined;
    const value = readCookie(cookies, sticky.name);
    const child = value === undefined ? undefined : this.#byCookie.get(value);
    if (child === undefined) return undefined;
    const node = this.#find(child);
    const isTaken = this.#services.isStrict || node?.isUsable() === true;
    return isTaken ? (node?.choose(cookies) ?? child.noServer) : node?.stick(cookies);
  }

  /** reaches tells whether `target` is among what this service chooses from, near or far. */
  reaches(target: Weighted, seen: Set<Weighted>): boolean {
    this.#takeOver();
    return this.#children.some((child) => {
      const node = this.#find(child);
      if (node?.kind !== 'Weighted' || seen.has(node)) return false;
      seen.add(node);
      return node === target || node.reaches(target, seen);
    });
  }

  /** Where none is usable, one is named by its share, so that its 503s can be counted. */
  #next(): Child | undefined {
    if (this.#services.isStrict) return this.#balancer.nextOfAll();
    return this.#balancer.next() ?? this.#balancer.nextOfAll();
  }

  #find(child: Child): ServiceNode | undefined {
    const { epoch } = this.#services;
    if (child.foundAt !== epoch) {
      child.node = this.#services.find(child.name);
      child.foundAt = epoch;
    }
    return child.node;
  }

  /** Asked anew only after something changed, because a tree may have very many ways to its leaves. */
  #know(): void {
    const { epoch } = this.#services;
    if (this.#knownAt === epoch) return;
    this.#knownAt = epoch;
    this.#takeOver();
    this.#isCyclic = this.reaches(this, new Set());
    const isUsable = (child: Child): boolean => this.#find(child)?.isUsable() ?? false;
    this.#isUsable = !this.#isCyclic && this.#service.status !== 'disabled' && this.#children.some(isUsable);
  }
}

/** Traefik hashes the name of a child without the provider that it shares with its parent. */
function cookieValue(child: string, parent: string): string {
  const provider = parent.slice(parent.lastIndexOf('@'));
  const isSame = parent.includes('@') && child.endsWith(provider);
  return stickyValue(isSame ? child.slice(0, -provider.length) : child);
}
