/** Host names of endpoints, and the addresses that they have just now. */
import dns from 'node:dns/promises';
import type { Clock } from '../clock.ts';
import { createLane, type Lane } from './lane.ts';

/** Resolve returns all addresses of a name, or rejects as `dns.lookup` does. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/** HostNamesOptions: `onChange` is called when the addresses of a name, or why it has none, are not what they were. */
export interface HostNamesOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly resolve?: Resolve | undefined;
  readonly onChange: (name: string) => void;
}

/** HostName is what is known of a name. */
export interface HostName {
  /** isAsked: the first answer is there, or has not come in 5 s. */
  readonly isAsked: boolean;
  readonly addresses: readonly string[];
  /** problem says why the last question was not answered with addresses. */
  readonly problem: string | undefined;
}

/** HostNames asks for names again and again. */
export interface HostNames {
  /** follow makes these the names that are asked for; the others are forgotten. */
  follow(names: ReadonlySet<string>): void;
  get(name: string): HostName;
  /** doubt asks at once, but not twice a second, for the names that have the address: it does not answer. */
  doubt(address: string): void;
  stop(): void;
}

const refreshMs = 10_000;
/** retryMs is also the time between two questions at least. */
const retryMs = 1000;
/** patienceMs: who waits for the first answer does not wait for a resolver that is away; its answer still counts. */
const patienceMs = 5000;
/** maxQuestions: getaddrinfo has two threads of the process, which others need too. */
const maxQuestions = 4;
/** An address is gone when so many answers in a row did not have it: resolvers hand out parts, and falter. */
const missesUntilGone = 2;

const unknown: HostName = { isAsked: false, addresses: [], problem: undefined };

/** createHostNames follows no name yet. */
export function createHostNames(options: HostNamesOptions): HostNames {
  const lane = createLane(maxQuestions);
  const names = new Map<string, FollowedName>();
  const follow = (wanted: ReadonlySet<string>): void => {
    for (const [name, followed] of names) {
      if (wanted.has(name)) continue;
      followed.stop();
      names.delete(name);
    }
    for (const name of wanted) if (!names.has(name)) names.set(name, new FollowedName(name, options, lane));
  };
  return {
    follow,
    get: (name) => names.get(name)?.found ?? unknown,
    doubt: (address) => {
      for (const followed of names.values()) followed.doubt(address);
    },
    stop: () => follow(new Set()),
  };
}

class FollowedName {
  readonly #name: string;
  readonly #options: HostNamesOptions;
  readonly #lane: Lane;
  readonly #cancelPatience: () => void;
  /** misses of each address: answers in a row without it. */
  #misses: ReadonlyMap<string, number> = new Map();
  #found = unknown;
  #askedAtMs = 0;
  #isAsking = false;
  #isStopped = false;
  #cancelTimer = (): void => undefined;

  constructor(name: string, options: HostNamesOptions, lane: Lane) {
    this.#name = name;
    this.#options = options;
    this.#lane = lane;
    this.#cancelPatience = options.clock.schedule(patienceMs, () =>
      this.#learn({ problem: 'the resolver does not answer' }),
    );
    this.#askIn(0);
  }

  get found(): HostName {
    return this.#found;
  }

  doubt(address: string): void {
    if (this.#isAsking || !this.#misses.has(address)) return;
    this.#askIn(this.#askedAtMs + retryMs - this.#options.clock.monotonicMs());
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelPatience();
    this.#cancelTimer();
  }

  #askIn(ms: number): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.schedule(Math.max(0, ms), () => {
      this.#isAsking = true;
      this.#lane.run(() => this.#ask());
    });
  }

  async #ask(): Promise<void> {
    if (this.#isStopped) return;
    const { clock, random, resolve = lookup } = this.#options;
    this.#askedAtMs = clock.monotonicMs();
    const answer = await answerOf(resolve, this.#name);
    if (this.#isStopped) return;
    this.#isAsking = false;
    this.#cancelPatience();
    this.#learn(answer);
    const isSettled = answer.problem === undefined && [...this.#misses.values()].every((misses) => misses === 0);
    // Jitter: names that were asked for together are not asked for together for ever.
    this.#askIn(isSettled ? refreshMs * (0.9 + 0.2 * random()) : retryMs);
  }

  #learn({ addresses, problem }: Answer): void {
    if (addresses !== undefined) this.#misses = countMisses(this.#misses, addresses);
    const found = { isAsked: true, addresses: [...this.#misses.keys()], problem };
    const isChange = JSON.stringify(found) !== JSON.stringify(this.#found);
    this.#found = found;
    if (isChange) this.#options.onChange(this.#name);
  }
}

/** Answer: without `addresses` the resolver failed, and the last ones stay. */
interface Answer {
  readonly addresses?: readonly string[];
  readonly problem: string | undefined;
}

async function answerOf(resolve: Resolve, name: string): Promise<Answer> {
  try {
    const addresses = await resolve(name);
    return addresses.length === 0 ? nothing : { addresses, problem: undefined };
  } catch (error) {
    const { code = (error as Error).message } = error as NodeJS.ErrnoException;
    return code === 'ENOTFOUND' ? nothing : { problem: `the resolver failed (${code})` };
  }
}

const nothing: Answer = { addresses: [], problem: 'the name does not exist (ENOTFOUND)' };

function countMisses(misses: ReadonlyMap<string, number>, addresses: readonly string[]): ReadonlyMap<string, number> {
  const there = new Set(addresses);
  const missing = [...misses].flatMap(([address, count]) =>
    there.has(address) || count + 1 >= missesUntilGone ? [] : [[address, count + 1] as const],
  );
  // In an order of their own: resolvers turn theirs with each answer.
  return new Map([...[...there].map((address) => [address, 0] as const), ...missing].sort(byAddress));
}

function byAddress([one]: readonly [string, number], [other]: readonly [string, number]): number {
  return one < other ? -1 : 1;
}

/** The resolver of the system, with /etc/hosts: what `curl` reaches by a name, Sluice does too. */
async function lookup(name: string): Promise<readonly string[]> {
  const found = await dns.lookup(name, { all: true });
  return found.map(({ address }) => address);
}
