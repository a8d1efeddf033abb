import type { Lease, LeaseStore } from '../api/lease.ts';
import type { WriteOutcome } from '../api/object-store.ts';
import type { Clock } from '../clock.ts';
import { callDeadlineMsOf, marginMsOf, type ElectionTimings } from './election-timings.ts';
import { holderOf, recreatedLease, releasedLease, renewedLease, type Candidate } from './lease-record.ts';

/** client-go gives a release as much. */
const releaseMs = 10_000;

/** A renewal that meets a conflict on our own Lease, because someone else annotated it, writes again at once so often. */
const triesPerRenewal = 3;

/** Tenure is the time during which this replica leads one shard. It ends once, and never comes back. */
export interface Tenure {
  readonly shard: number;
  /** signal aborts when the tenure ends; every write of the shard has to be bound to it. */
  readonly signal: AbortSignal;
  /**
   * permits tells whether a write that takes `deadlineMs` at most may start now: whether it will be over before another
   * replica may lead the shard. Ask right before each write, with nothing awaited in between.
   */
  permits(deadlineMs: number): boolean;
}

/** LostReason says why a tenure ended. */
export type LostReason = 'RenewDeadline' | 'TakenOver' | 'LeaseDeleted' | 'HandedOver' | 'Stopped' | 'NotDrained';

/** Loss is the end of a tenure; `message` is a sentence for a person. */
export interface Loss {
  readonly reason: LostReason;
  readonly message: string;
}

/** HeldLeaseOptions: `onEnd` is called once; none of the callbacks may throw. */
export interface HeldLeaseOptions {
  readonly leases: LeaseStore;
  readonly clock: Clock;
  readonly timings: ElectionTimings;
  readonly candidate: Candidate;
  readonly shard: number;
  /** tenureAtMs is from when on (monotonic) nobody else can believe to hold the shard; before, nothing is permitted. */
  readonly tenureAtMs: number;
  readonly onError: (error: unknown) => void;
  readonly onEnd: (loss: Loss) => void;
}

/** HeldLease is the Lease of one shard while this replica holds it: it renews, and ends when it cannot. */
export class HeldLease implements Tenure {
  readonly shard: number;
  readonly #options: HeldLeaseOptions;
  readonly #abort = new AbortController();
  #lease: Lease;
  /** The start of the last request that is known to have renewed: whoever watches saw the change later than that. */
  #renewedAtMs: number;
  #cancelRenewal: (() => void) | undefined;
  #cancelDeadline: (() => void) | undefined;

  /** `written` is the Lease that a request started at `startMs` (monotonic) has written. */
  constructor(options: HeldLeaseOptions, written: Lease, startMs: number) {
    this.#options = options;
    this.shard = options.shard;
    this.#lease = written;
    this.#renewedAtMs = startMs;
    this.#watchDeadline();
    this.#renewAt(startMs + options.timings.retryPeriodMs);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** tenureAtMs is from when on (monotonic) the tenure may begin. */
  get tenureAtMs(): number {
    return this.#options.tenureAtMs;
  }

  /** uid is that of the Lease, which changes when it is deleted and made again. */
  get uid(): string | undefined {
    return this.#lease.metadata.uid;
  }

  permits(deadlineMs: number): boolean {
    const { timings } = this.#options;
    const elapsedMs = this.#elapsedMs();
    const isOver = this.signal.aborted || elapsedMs >= timings.renewDeadlineMs;
    return !isOver && elapsedMs + deadlineMs < timings.leaseDurationMs - marginMsOf(timings);
  }

  /** end ends the tenure at once; what is written from here on is no longer fenced. */
  end(reason: LostReason, message: string): void {
    if (this.signal.aborted) return;
    this.#cancelRenewal?.();
    this.#cancelDeadline?.();
    this.#abort.abort(new DOMException(message, 'AbortError'));
    this.#options.onEnd({ reason, message });
  }

  /** release lets others take the shard at once; it gives up after 10 s, and then the Lease has to expire. Call end before. */
  async release(): Promise<void> {
    const { clock, timings } = this.#options;
    const endMs = clock.monotonicMs() + releaseMs;
    for (let leftMs = releaseMs; leftMs > 0; leftMs = endMs - clock.monotonicMs()) {
      const options = { deadlineMs: Math.min(callDeadlineMsOf(timings), leftMs) };
      try {
        const outcome = await this.#free(options);
        if (outcome.kind !== 'Conflict') return;
        const current = await this.#find(options);
        if (current === undefined || !this.#isOurs(current)) return;
        this.#lease = current;
      } catch (error) {
        this.#options.onError(error);
        await clock.sleep(Math.min(timings.retryPeriodMs / 4, Math.max(0, endMs - clock.monotonicMs())));
      }
    }
  }

  /** A Lease without a holder says that nobody holds the shard, which is not known before the tenure could have begun. */
  #free(options: { readonly deadlineMs: number }): Promise<WriteOutcome<Lease>> {
    const { clock, leases, tenureAtMs } = this.#options;
    const isKnown = clock.monotonicMs() >= tenureAtMs;
    return isKnown
      ? leases.update(releasedLease(this.#lease, clock.nowMs()), options)
      : leases.delete(this.#lease, options);
  }

  async #renew(): Promise<void> {
    // A process that was stopped wakes up with all its timers due: the first one may be this.
    if (this.#endsLate()) return;
    const { clock, timings } = this.#options;
    const startMs = clock.monotonicMs();
    try {
      for (let tries = 0; tries < triesPerRenewal; tries += 1) {
        if ((await this.#renewOnce()) !== 'Again') break;
      }
    } catch (error) {
      if (!this.signal.aborted) this.#options.onError(error);
    }
    if (!this.#endsLate()) this.#renewAt(startMs + timings.retryPeriodMs);
  }

  async #renewOnce(): Promise<'Done' | 'Again'> {
    const { candidate, clock, leases } = this.#options;
    const startMs = clock.monotonicMs();
    const renewed = renewedLease(candidate, this.#lease, clock.nowMs());
    const outcome = await leases.update(renewed, this.#callOptions());
    if (outcome.kind === 'Written') return this.#onWritten(outcome.object, startMs);
    // An answer that comes after the deadline does not revive what others may have taken for dead.
    if (this.#endsLate()) return 'Done';
    const current = outcome.kind === 'Missing' ? undefined : await this.#find(this.#callOptions());
    if (this.#endsLate()) return 'Done';
    if (current === undefined) return this.#createAgain();
    if (!this.#isOurs(current)) {
      this.end('TakenOver', `The Lease ${current.metadata.name} is held by "${holderOf(current)}" now.`);
      return 'Done';
    }
    // A renewal that timed out has been applied, or someone annotated the Lease.
    this.#lease = current;
    return 'Again';
  }

  #onWritten(lease: Lease, startMs: number): 'Done' {
    if (this.#endsLate()) return 'Done';
    this.#lease = lease;
    this.#renewedAtMs = startMs;
    this.#watchDeadline();
    return 'Done';
  }

  /** Someone deleted the Lease. Whoever created one meanwhile waits longer than we may hold on, and finds out by then. */
  async #createAgain(): Promise<'Done' | 'Again'> {
    const { candidate, clock, leases } = this.#options;
    const startMs = clock.monotonicMs();
    const lost = recreatedLease(candidate, this.#lease, clock.nowMs());
    const outcome = await leases.create(lost, this.#callOptions());
    if (outcome.kind === 'Written') return this.#onWritten(outcome.object, startMs);
    const isGone = outcome.kind === 'Missing';
    if (isGone) this.end('LeaseDeleted', `The Lease ${lost.metadata.name} was deleted, and its namespace too.`);
    return isGone ? 'Done' : 'Again';
  }

  #callOptions(): { readonly signal: AbortSignal; readonly deadlineMs: number } {
    return { signal: this.signal, deadlineMs: callDeadlineMsOf(this.#options.timings) };
  }

  async #find(options: { readonly signal?: AbortSignal; readonly deadlineMs: number }): Promise<Lease | undefined> {
    const all = await this.#options.leases.list(options);
    return all.find(({ metadata }) => metadata.name === this.#lease.metadata.name);
  }

  #isOurs(lease: Lease): boolean {
    return holderOf(lease) === this.#options.candidate.identity;
  }

  #elapsedMs(): number {
    return this.#options.clock.monotonicMs() - this.#renewedAtMs;
  }

  /** Ends the tenure if its time is over, and tells whether it has ended. */
  #endsLate(): boolean {
    const { renewDeadlineMs } = this.#options.timings;
    if (this.#elapsedMs() >= renewDeadlineMs) {
      const { name } = this.#lease.metadata;
      this.end('RenewDeadline', `The Lease ${name} could not be renewed within ${renewDeadlineMs / 1000} s.`);
    }
    return this.signal.aborted;
  }

  #watchDeadline(): void {
    const { clock, timings } = this.#options;
    this.#cancelDeadline?.();
    const leftMs = timings.renewDeadlineMs - this.#elapsedMs();
    this.#cancelDeadline = clock.schedule(Math.max(1, leftMs), () => {
      // A timer may fire a fraction of a millisecond early.
      if (!this.#endsLate()) this.#watchDeadline();
    });
  }

  #renewAt(atMs: number): void {
    const { clock } = this.#options;
    this.#cancelRenewal = clock.schedule(Math.max(0, atMs - clock.monotonicMs()), () => void this.#renew());
  }
}
