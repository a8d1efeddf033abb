import type { Lease, LeaseStore } from '../api/lease.ts';
import type { Clock } from '../clock.ts';
import { callDeadlineMsOf, type ElectionTimings } from './election-timings.ts';
import { memberLease, memberLeaseName, type Candidate } from './lease-record.ts';

/** Membership is the Lease by which a replica tells the others that it takes part, and needs its share of the shards. */
export interface Membership {
  /** joined resolves after the first attempt to write the Lease, successful or not. */
  readonly joined: Promise<void>;
  /** stop deletes the Lease, if the server answers; else it expires. */
  stop(): Promise<void>;
}

/** MembershipOptions: `onError` is told what the server refused, and must not throw. */
export interface MembershipOptions {
  readonly leases: LeaseStore;
  readonly clock: Clock;
  readonly timings: ElectionTimings;
  readonly candidate: Candidate;
  readonly onError: (error: unknown) => void;
}

/** startMembership writes the Lease now and then three times in each lease duration, until it is stopped. */
export function startMembership(options: MembershipOptions): Membership {
  const stopping = new AbortController();
  const joined = Promise.withResolvers<void>();
  const ended = keepMember(options, stopping.signal, joined.resolve);
  return {
    joined: joined.promise,
    stop: async () => {
      stopping.abort();
      const lease = await ended;
      if (lease !== undefined) await leave(options, lease);
    },
  };
}

async function keepMember(
  options: MembershipOptions,
  stopped: AbortSignal,
  onTried: () => void,
): Promise<Lease | undefined> {
  const { clock, timings } = options;
  let lease: Lease | undefined;
  while (!stopped.aborted) {
    lease = await renewMember(options, lease);
    onTried();
    await clock.sleep(timings.leaseDurationMs / 3, stopped).catch(() => undefined);
  }
  onTried();
  return lease;
}

/** Returns the Lease as it stands at the server as far as known; what went wrong is tried again next time. */
async function renewMember(options: MembershipOptions, lease: Lease | undefined): Promise<Lease | undefined> {
  const { candidate, clock, leases, onError, timings } = options;
  const callOptions = { deadlineMs: callDeadlineMsOf(timings) };
  try {
    const next = memberLease(candidate, { lease, nowMs: clock.nowMs() });
    const outcome = await (lease === undefined ? leases.create(next, callOptions) : leases.update(next, callOptions));
    if (outcome.kind === 'Written') return outcome.object;
    if (outcome.kind === 'Missing') return undefined;
    const name = memberLeaseName(candidate.election, candidate.identity);
    return (await leases.list(callOptions)).find(({ metadata }) => metadata.name === name);
  } catch (error) {
    onError(error);
    return lease;
  }
}

async function leave({ leases, onError, timings }: MembershipOptions, lease: Lease): Promise<void> {
  try {
    await leases.delete(lease, { deadlineMs: callDeadlineMsOf(timings) });
  } catch (error) {
    onError(error);
  }
}
