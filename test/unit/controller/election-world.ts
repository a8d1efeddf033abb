/**
 * A world of replicas in one process: one true time, a clock of its own rate for each replica, an API server that holds
 * Leases with resourceVersions, and a network between them that delays and loses what the test says.
 */
import type { Lease, LeaseStore } from '../../../src/api/lease.ts';
import type { CallOptions, WriteOutcome } from '../../../src/api/object-store.ts';
import { parseTime, type Clock } from '../../../src/clock.ts';
import type { Election, ElectionOptions, ElectionState } from '../../../src/controller/election.ts';
import { defaultElectionTimings } from '../../../src/controller/election-timings.ts';
import { startElection } from '../../../src/controller/leader-elector.ts';
import { SluiceError } from '../../../src/errors.ts';

/** Link is what the network does between one replica and the server; answers are `Late` by 1.5 s. */
export type Link = 'Up' | 'NoRequests' | 'NoAnswers' | 'WritesHang' | 'Slow' | 'Late';

interface Event {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
}

/** World owns the true time; `onStep` runs after each thing that happened. */
export class World {
  nowMs = 0;
  readonly server = new LeaseServer();
  readonly replicas: Replica[] = [];
  readonly random: () => number;
  onStep: () => void = () => {};
  #sequence = 0;
  readonly #events = new Set<Event>();

  constructor(seed = 1) {
    this.random = mulberry32(seed);
  }

  at(atMs: number, run: () => void): () => void {
    this.#sequence += 1;
    const event = { atMs: Math.max(this.nowMs, atMs), sequence: this.#sequence, run };
    this.#events.add(event);
    return () => {
      this.#events.delete(event);
    };
  }

  /** advance lets `ms` of true time pass and everything happen that is due. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    await settle();
    for (let event = this.#next(); event !== undefined && event.atMs <= untilMs; event = this.#next()) {
      this.nowMs = event.atMs;
      this.#events.delete(event);
      event.run();
      await settle();
      this.onStep();
    }
    this.nowMs = untilMs;
    this.onStep();
  }

  /** until advances in small steps until `check` holds, and returns how long that took. */
  async until(check: () => boolean, limitMs: number, what: string): Promise<number> {
    const startMs = this.nowMs;
    while (!check()) {
      if (this.nowMs - startMs > limitMs) throw new Error(`Not within ${limitMs / 1000} s: ${what}`);
      await this.advance(10);
    }
    return this.nowMs - startMs;
  }

  /** leaders are the live replicas that may write to `shard` now. */
  leaders(shard: number): readonly Replica[] {
    return this.replicas.filter((replica) => replica.mayWrite(shard));
  }

  #next(): Event | undefined {
    let first: Event | undefined;
    for (const event of this.#events) {
      if (first === undefined || event.atMs < first.atMs) first = event;
      else if (event.atMs === first.atMs && event.sequence < first.sequence) first = event;
    }
    return first;
  }
}

/** ReplicaClock runs at its own rate, and nothing of its process happens while it is stalled. */
export class ReplicaClock implements Clock {
  isDead = false;
  stalledUntilMs = 0;
  wallOffsetMs = 0;
  readonly #world: World;
  readonly #rate: number;

  constructor(world: World, rate: number) {
    this.#world = world;
    this.#rate = rate;
  }

  nowMs(): number {
    return Date.UTC(2026, 10, 21, 9) + this.#world.nowMs + this.wallOffsetMs;
  }

  monotonicMs(): number {
    return 5000 + this.#world.nowMs * this.#rate;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const cancel = this.schedule(ms, resolve);
      signal?.addEventListener('abort', () => {
        cancel();
        reject(signal.reason as Error);
      });
    });
  }

  schedule(ms: number, callback: () => void): () => void {
    let isCancelled = false;
    this.#world.at(this.#world.nowMs + Math.max(0, ms) / this.#rate, () =>
      this.deliver(() => isCancelled || callback()),
    );
    return () => {
      isCancelled = true;
    };
  }

  timeout(ms: number): AbortSignal {
    const controller = new AbortController();
    this.schedule(ms, () => controller.abort(new DOMException('', 'TimeoutError')));
    return controller.signal;
  }

  /** deliver runs something in this process: now, when its stall is over, or never. */
  deliver(run: () => unknown): void {
    if (this.isDead) return;
    if (this.#world.nowMs >= this.stalledUntilMs) run();
    else this.#world.at(this.stalledUntilMs, () => this.deliver(run));
  }
}

/** LeaseServer keeps Leases as the API server does: one resourceVersion for each write, and uids. */
export class LeaseServer {
  readonly leases = new Map<string, Lease>();
  /** writes counts the creates and updates by the holder that they wrote. */
  readonly calls: { readonly verb: string; readonly name: string; readonly holder: string }[] = [];
  #version = 0;

  list(): readonly Lease[] {
    this.calls.push({ verb: 'list', name: '', holder: '' });
    return [...this.leases.values()];
  }

  create(lease: Lease): WriteOutcome<Lease> {
    if (this.leases.has(lease.metadata.name)) return { kind: 'Conflict', message: 'It exists.' };
    return this.#store('create', lease, `uid-${this.#version}`);
  }

  update(lease: Lease): WriteOutcome<Lease> {
    const current = this.leases.get(lease.metadata.name);
    if (current === undefined) return { kind: 'Missing' };
    const { uid, resourceVersion } = current.metadata;
    const isCurrent = uid === lease.metadata.uid && resourceVersion === lease.metadata.resourceVersion;
    return isCurrent ? this.#store('update', lease, uid) : { kind: 'Conflict', message: 'It changed.' };
  }

  delete(lease: Lease): WriteOutcome<Lease> {
    const current = this.leases.get(lease.metadata.name);
    if (current === undefined) return { kind: 'Missing' };
    if (current.metadata.resourceVersion !== lease.metadata.resourceVersion) return { kind: 'Conflict', message: '' };
    this.leases.delete(lease.metadata.name);
    return { kind: 'Written', object: current };
  }

  /** edit is a write by someone else, such as kubectl. */
  edit(name: string, change: (lease: Lease) => Lease): void {
    const lease = this.leases.get(name);
    if (lease !== undefined) this.#store('edit', change(lease), lease.metadata.uid);
  }

  #store(verb: string, lease: Lease, uid: string | undefined): WriteOutcome<Lease> {
    for (const time of [lease.spec?.acquireTime, lease.spec?.renewTime]) {
      if (typeof time === 'string' && !/\.[0-9]{6}Z$/.test(time))
        throw new Error(`The API server answers 400 to ${time}`);
      if (typeof time === 'string' && parseTime(time) === undefined) throw new Error(`Not a time: ${time}`);
    }
    this.#version += 1;
    const metadata = { ...lease.metadata, uid: uid ?? '', resourceVersion: String(this.#version) };
    const object = { ...lease, metadata };
    this.leases.set(metadata.name, object);
    this.calls.push({ verb, name: metadata.name, holder: lease.spec?.holderIdentity ?? '' });
    return { kind: 'Written', object: structuredClone(object) };
  }
}

/** ReplicaOptions make a replica; all but the name have defaults. */
export interface ReplicaOptions extends Partial<Pick<ElectionOptions, 'shards' | 'timings' | 'newLeaseWaitMs'>> {
  /** rate is how fast its clock runs against the true time. */
  readonly rate?: number;
  readonly wallOffsetMs?: number;
  /** drainMs is how long guarded work takes to end. */
  readonly drainMs?: number;
  readonly drain?: (shard: number) => Promise<void>;
}

/** Replica is one process that takes part in the election "sluice". */
export class Replica {
  readonly name: string;
  readonly shards: number;
  readonly clock: ReplicaClock;
  readonly election: Election;
  link: Link = 'Up';
  stopped: Promise<void> | undefined;
  isStopped = false;
  /** log holds what was reported, e.g. `+0`, `-0 TakenOver`, `drain 0`. */
  readonly log: string[] = [];
  readonly states: ElectionState[] = [];
  readonly errors: unknown[] = [];
  readonly #world: World;

  constructor(world: World, name: string, options: ReplicaOptions = {}) {
    this.#world = world;
    this.name = name;
    this.shards = options.shards ?? 1;
    this.clock = new ReplicaClock(world, options.rate ?? 1);
    this.clock.wallOffsetMs = options.wallOffsetMs ?? 0;
    const drain = options.drain ?? (() => this.clock.sleep(options.drainMs ?? 0));
    this.election = startElection({
      leases: this.#leases(),
      name: 'sluice',
      identity: name,
      shards: this.shards,
      timings: options.timings ?? defaultElectionTimings,
      newLeaseWaitMs: options.newLeaseWaitMs,
      clock: this.clock,
      random: world.random,
      onAcquired: ({ shard }) => this.log.push(`+${shard}`),
      onLost: (shard, { reason }) => this.log.push(`-${shard} ${reason}`),
      drain: async (shard) => {
        this.log.push(`drain ${shard}`);
        await drain(shard);
      },
      onState: (state) => this.states.push(state),
      onError: (error) => this.errors.push(error),
    });
    world.replicas.push(this);
  }

  get state(): ElectionState | undefined {
    return this.states.at(-1);
  }

  get leading(): readonly number[] {
    return Array.from({ length: this.shards }, (_, shard) => shard).filter((shard) => this.mayWrite(shard));
  }

  /** mayWrite asks as a writer would, in the middle of a stall too: that is when a stopped process wakes up. */
  mayWrite(shard: number): boolean {
    return !this.clock.isDead && this.election.tenure(shard)?.permits(0) === true;
  }

  /** stall blocks the event loop, or stops the process by SIGSTOP, for `ms` of true time. */
  stall(ms: number): void {
    this.clock.stalledUntilMs = Math.max(this.clock.stalledUntilMs, this.#world.nowMs + ms);
  }

  kill(): void {
    this.clock.isDead = true;
  }

  stop(): Promise<void> {
    this.stopped ??= this.election.stop().then(() => {
      this.isStopped = true;
    });
    return this.stopped;
  }

  #leases(): LeaseStore {
    const { server } = this.#world;
    return {
      list: (options) => this.#call('list', () => structuredClone(server.list()), options),
      create: (lease, options) => this.#call('create', () => server.create(structuredClone(lease)), options),
      update: (lease, options) => this.#call('update', () => server.update(structuredClone(lease)), options),
      delete: (lease, options) => this.#call('delete', () => server.delete(lease), options),
    };
  }

  #call<T>(verb: string, run: () => T, options: CallOptions): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const fail = (code: 'Aborted' | 'ApiTimeout'): void => reject(new SluiceError(code, `${verb}: ${code}`));
    if (options.signal?.aborted) fail('Aborted');
    else this.#send(verb, run, resolve);
    options.signal?.addEventListener('abort', () => fail('Aborted'), { once: true });
    this.clock.schedule(options.deadlineMs ?? 60_000, () => fail('ApiTimeout'));
    return promise;
  }

  /** What was sent arrives, even after the caller gave up or died. */
  #send<T>(verb: string, run: () => T, resolve: (result: T) => void): void {
    const world = this.#world;
    const { link } = this;
    if (link === 'NoRequests' || (link === 'WritesHang' && verb !== 'list')) return;
    const delayMs = (): number => (link === 'Slow' ? 8000 : 20) * world.random() + 1;
    world.at(world.nowMs + delayMs(), () => {
      const result = run();
      if (link === 'NoAnswers' || this.link === 'NoAnswers') return;
      const lateMs = link === 'Late' ? 1500 : 0;
      world.at(world.nowMs + delayMs() + lateMs, () => this.clock.deliver(() => resolve(result)));
    });
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** A small generator of random numbers, so that a failing run can be repeated. */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
