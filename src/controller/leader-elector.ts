/**
 * Leader election on Leases, one for each shard: the algorithm of client-go (tools/leaderelection), and fencing.
 *
 *     standby ──claim (PUT)──► claimed ──list shows no live Lease of another number of shards──► tenure ──► ended
 *        ▲                        └──it shows one: release──┐                                              │
 *        └──────────────────────────────────────────────────┴──────────────────────────────────────────────┘
 *
 * A tenure is reported only after that list. Of two replicas with different numbers of shards, each of which writes
 * first and lists then, at least one sees the other.
 */
import type { Lease } from '../api/lease.ts';
import { isSluiceError, SluiceError } from '../errors.ts';
import { callDeadlineMsOf, electionTimingProblems, jitterFactor } from './election-timings.ts';
import type { Election, ElectionOptions } from './election.ts';
import { HeldLease, type Loss, type LostReason, type Tenure } from './held-lease.ts';
import { claimedLease, holderOf, shardLeaseName, shardsOf, type Candidate } from './lease-record.ts';
import { LeaseTable } from './lease-table.ts';
import { startMembership, type Membership } from './membership.ts';
import { planShards, standbySentence, type FreeShard, type ShardPlan } from './shard-plan.ts';

/** How often one poll claims what is free: replicas that share many shards meet in the first rounds. */
const takeRounds = 3;

/** startElection takes part in an election until it is stopped; it throws ConfigInvalid for options that cannot work. */
export function startElection(options: ElectionOptions): Election {
  const problems = [...electionTimingProblems(options.timings)];
  if (!Number.isInteger(options.shards) || options.shards < 1)
    problems.push(`shards is ${options.shards}: give 1 or more.`);
  if (problems.length > 0) throw new SluiceError('ConfigInvalid', `The election cannot start: ${problems.join(' ')}`);
  return new Elector(options);
}

class Elector implements Election {
  readonly #options: ElectionOptions;
  readonly #candidate: Candidate;
  readonly #table: LeaseTable;
  readonly #membership: Membership | undefined;
  /** All Leases that this replica holds, and those of them whose tenure was reported. */
  readonly #held = new Map<number, HeldLease>();
  readonly #tenures = new Map<number, HeldLease>();
  /** The uids of the Leases under which this replica has led, so that it may lead again at once after a lost renewal. */
  readonly #proven = new Map<number, string | undefined>();
  /** What is being drained or released; such a shard is not claimed, or the release would hit the new claim. */
  readonly #leaving = new Map<number, Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #nap = new AbortController();
  #stopped: Promise<void> | undefined;
  #members = 1;
  #standby = 'The Leases have not been read yet.';
  #lastState = '';

  constructor(options: ElectionOptions) {
    this.#options = options;
    const { clock, name, random, shards, timings } = options;
    const { leaseDurationMs } = timings;
    // The same name again would let a restarted process, or its twin, take over a Lease whose holder still lives.
    const start = Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0');
    const identity = `${options.identity}_${start}`;
    this.#candidate = { election: name, identity, shards, leaseDurationMs };
    // Replicas that start together share the first Leases better when all of them are members by then.
    const missingWaitMs = shards === 1 ? 0 : timings.retryPeriodMs;
    this.#table = new LeaseTable({ clock, identity, leaseDurationMs, missingWaitMs });
    const { leases } = options;
    const membership = { leases, clock, timings, candidate: this.#candidate, onError: this.#onError };
    this.#membership = shards === 1 ? undefined : startMembership(membership);
    this.#running = this.#run();
  }

  get identity(): string {
    return this.#candidate.identity;
  }

  tenure(shard: number): Tenure | undefined {
    return this.#tenures.get(shard);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    this.#nap.abort();
    const membership = this.#membership?.stop();
    const leaveAll = (): Promise<unknown> =>
      Promise.all([...[...this.#held.values()].map((held) => this.#leave(held, 'Stopped')), ...this.#leaving.values()]);
    await leaveAll();
    // A claim that was under way may have succeeded.
    await this.#running;
    await leaveAll();
    await membership;
  }

  async #run(): Promise<void> {
    this.#publish();
    // Whoever starts at the same moment should know of us before he takes everything.
    await this.#membership?.joined;
    while (!this.#stopping.signal.aborted) {
      this.#nap = new AbortController();
      await this.#sleep(await this.#poll());
    }
  }

  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#nap;
    if (signal.aborted || this.#stopping.signal.aborted) return;
    if (Number.isFinite(ms)) return this.#options.clock.sleep(ms, signal).catch(() => undefined);
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Looks, takes what is free and hands over what is too much; returns when to look again. */
  async #poll(): Promise<number> {
    const { random, shards, timings } = this.#options;
    // Who leads all there is has nothing to look for: it costs one PUT a renewal, and no list.
    if (shards === 1 && this.#tenures.has(0)) return Number.POSITIVE_INFINITY;
    const jitteredMs = timings.retryPeriodMs * (1 + jitterFactor * random());
    try {
      let plan = await this.#look();
      // Whoever lost a race for one shard finds another, and does not make a shard without a leader wait for the next poll.
      for (let round = 0; round < takeRounds && plan.take.length > 0; round += 1) {
        await this.#take(plan.take);
        plan = await this.#look();
      }
      if (plan.handOver) this.#handOver();
      await this.#tidy(plan);
      return Math.min(jitteredMs, plan.wakeInMs + 1, this.#tenureInMs());
    } catch (error) {
      this.#onError(error);
      this.#standby = `The Leases cannot be read: ${error instanceof Error ? error.message : String(error)}`;
      this.#publish();
      return jitteredMs;
    }
  }

  /** Lists all Leases, which decides about the claims that were written before. */
  async #look(): Promise<ShardPlan> {
    const { clock, leases, random, shards, timings } = this.#options;
    const startMs = clock.monotonicMs();
    const claims = this.#claims();
    const signal = this.#stopping.signal;
    const found = await leases.list({ signal, deadlineMs: callDeadlineMsOf(timings) });
    this.#table.replace(
      found,
      Array.from({ length: shards }, (_, shard) => this.#nameOf(shard)),
    );
    const held = new Set([...this.#held.keys(), ...this.#leaving.keys()]);
    const nowMs = clock.monotonicMs();
    const { retryPeriodMs } = timings;
    const input = { candidate: this.#candidate, retryPeriodMs, nowMs, held, random, seen: this.#table.entries() };
    const plan = planShards(input);
    this.#members = plan.members;
    this.#standby = standbySentence(input, plan);
    if (plan.others.length > 0) for (const claim of claims) void this.#leave(claim, 'HandedOver');
    else this.#begin(claims.filter((claim) => claim.tenureAtMs <= startMs));
    this.#publish();
    return plan;
  }

  #begin(claims: readonly HeldLease[]): void {
    for (const claim of claims) {
      const seen = this.#table.get(this.#nameOf(claim.shard));
      const isOurs = seen?.isMissing === false && holderOf(seen.lease) === this.identity;
      // One that is over has a timer that ends it, and one that was lost finds out when it renews.
      if (!isOurs || !claim.permits(0) || this.#stopping.signal.aborted) continue;
      this.#tenures.set(claim.shard, claim);
      this.#proven.set(claim.shard, claim.uid);
      this.#options.onAcquired(claim);
    }
  }

  /** What is held without a tenure, and is not being released. */
  #claims(): readonly HeldLease[] {
    return [...this.#held.values()].filter(({ shard }) => !this.#tenures.has(shard) && !this.#leaving.has(shard));
  }

  #tenureInMs(): number {
    const nowMs = this.#options.clock.monotonicMs();
    const waits = this.#claims().map(({ tenureAtMs }) => tenureAtMs - nowMs);
    return Math.min(Number.POSITIVE_INFINITY, ...waits.filter((ms) => ms > 0).map((ms) => ms + 1));
  }

  #nameOf(shard: number): string {
    return shardLeaseName(this.#candidate.election, shard);
  }

  async #take(free: readonly FreeShard[]): Promise<void> {
    if (!this.#stopping.signal.aborted) await Promise.all(free.map((shard) => this.#claim(shard)));
  }

  async #claim({ shard, lease }: FreeShard): Promise<void> {
    const { clock, leases, timings } = this.#options;
    const startMs = clock.monotonicMs();
    const waitMs = this.#isSafe(shard, lease) ? 0 : (this.#options.newLeaseWaitMs ?? timings.leaseDurationMs);
    // If the outcome stays unknown, what is found later in our name was not proven to be safe.
    this.#proven.delete(shard);
    const claim = claimedLease(this.#candidate, shard, { lease, nowMs: clock.nowMs() });
    // Not bound to a stop: a claim whose outcome is unknown would be released by nobody.
    const callOptions = { deadlineMs: callDeadlineMsOf(timings) };
    try {
      const outcome = await (lease === undefined
        ? leases.create(claim, callOptions)
        : leases.update(claim, callOptions));
      if (outcome.kind !== 'Written') return;
      this.#table.observe(outcome.object);
      const options = { leases, clock, timings, candidate: this.#candidate, shard, onError: this.#onError };
      const tenureAtMs = clock.monotonicMs() + waitMs;
      const onEnd = (loss: Loss): void => this.#onEnd(held, loss);
      const held = new HeldLease({ ...options, tenureAtMs, onEnd }, outcome.object, startMs);
      this.#held.set(shard, held);
    } catch (error) {
      this.#onError(error);
    }
  }

  /**
   * A Lease that is free at a known resourceVersion proves that its last holder has gone. A new one proves nothing, nor
   * does one of another number of shards, of whose other Leases some may have been deleted under their holders.
   */
  #isSafe(shard: number, lease: Lease | undefined): boolean {
    if (lease === undefined || shardsOf(lease) !== this.#candidate.shards) return false;
    return holderOf(lease) !== this.identity || this.#proven.get(shard) === lease.metadata.uid;
  }

  #onEnd(held: HeldLease, loss: Loss): void {
    const { shard } = held;
    if (this.#held.get(shard) === held) this.#held.delete(shard);
    if (this.#tenures.get(shard) === held) {
      this.#tenures.delete(shard);
      this.#standby = loss.message;
      this.#options.onLost(shard, loss);
      this.#publish();
    }
    // Not after a release of our own: two replicas that made room for each other would come back in step.
    if (loss.reason !== 'HandedOver') this.#nap.abort();
  }

  #handOver(): void {
    const candidates = [...this.#tenures.values()];
    const chosen = candidates[Math.floor(this.#options.random() * candidates.length)];
    if (chosen !== undefined && this.#leaving.size === 0) void this.#leave(chosen, 'HandedOver');
  }

  #leave(held: HeldLease, reason: LostReason): Promise<void> {
    const { shard } = held;
    const leaving = this.#leaving.get(shard);
    if (leaving !== undefined) return leaving;
    const promise = this.#drainAndRelease(held, reason).finally(() => this.#leaving.delete(shard));
    this.#leaving.set(shard, promise);
    return promise;
  }

  async #drainAndRelease(held: HeldLease, reason: LostReason): Promise<void> {
    const { shard } = held;
    if (this.#tenures.get(shard) === held) {
      try {
        await this.#options.drain(shard);
      } catch (error) {
        this.#onError(error);
        held.end('NotDrained', `The work of shard ${shard} could not be ended: its Lease is left to expire.`);
      }
    }
    if (held.signal.aborted) return;
    const why = reason === 'Stopped' ? 'this replica stops' : 'another replica leads it';
    held.end(reason, `Shard ${shard} was released: ${why}.`);
    await held.release();
  }

  /** One replica deletes what dead members left, so that Leases do not pile up with every restart. */
  async #tidy(plan: ShardPlan): Promise<void> {
    if (!this.#tenures.has(0)) return;
    const { leases, timings } = this.#options;
    for (const lease of plan.litter) {
      await leases.delete(lease, { deadlineMs: callDeadlineMsOf(timings) }).catch(this.#onError);
    }
  }

  readonly #onError = (error: unknown): void => {
    // What we cancelled ourselves, at a stop, is no failure.
    if (!isSluiceError(error, 'Aborted')) this.#options.onError?.(error);
  };

  #publish(): void {
    const leading = [...this.#tenures.keys()].sort((a, b) => a - b);
    const state = { leading, members: this.#members, standby: leading.length === 0 ? this.#standby : undefined };
    const text = JSON.stringify(state);
    if (text === this.#lastState) return;
    this.#lastState = text;
    this.#options.onState?.(state);
  }
}
