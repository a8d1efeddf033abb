/** What stands in the Leases of an election, and how it changes; all pure. */
import { electionLabel, formatMicroTime, type Lease, type LeaseSpec } from '../api/lease.ts';
import { fnv1a } from '../api/hash.ts';

const shardsAnnotation = 'sluice.dev/shards';
const roleAnnotation = 'sluice.dev/election-role';

/** Candidate is one replica in one election, as its Leases name it. */
export interface Candidate {
  /** election is the name of the election and the stem of its Leases' names. */
  readonly election: string;
  /** identity is unique to this start of this replica. */
  readonly identity: string;
  readonly shards: number;
  readonly leaseDurationMs: number;
}

/** shardLeaseName returns the name of the Lease that the leader of `shard` holds. */
export function shardLeaseName(election: string, shard: number): string {
  return `${election}-shard-${shard}`;
}

/** shardIndexOf returns which shard a Lease of `election` stands for, or undefined for a Lease of another kind. */
export function shardIndexOf(election: string, name: string): number | undefined {
  const stem = `${election}-shard-`;
  const digits = name.startsWith(stem) ? name.slice(stem.length) : '';
  return /^(0|[1-9][0-9]{0,8})$/.test(digits) ? Number(digits) : undefined;
}

/** memberLeaseName returns the name of the Lease that says that the replica `identity` takes part. */
export function memberLeaseName(election: string, identity: string): string {
  return `${election}-member-${fnv1a(identity).toString(16).padStart(8, '0')}`;
}

/** isMemberLease tells whether a Lease says that a replica takes part, and not that one leads. */
export function isMemberLease(lease: Lease): boolean {
  return lease.metadata.annotations?.[roleAnnotation] === 'member';
}

/** holderOf returns the identity of the holder, empty when the Lease is free. */
export function holderOf(lease: Lease | undefined): string {
  return lease?.spec?.holderIdentity ?? '';
}

/** shardsOf returns the number of shards that the holder works with, or undefined where the Lease does not say. */
export function shardsOf(lease: Lease | undefined): number | undefined {
  const text = lease?.metadata.annotations?.[shardsAnnotation] ?? '';
  return /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : undefined;
}

/** durationMsOf returns how long others have to wait after a change of the Lease; `otherwiseMs` where it does not say. */
export function durationMsOf(lease: Lease, otherwiseMs: number): number {
  const seconds = lease.spec?.leaseDurationSeconds;
  return typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : otherwiseMs;
}

/** LeaseNow is a Lease as it is, undefined where there is none, and the wall-clock time. */
export interface LeaseNow {
  readonly lease: Lease | undefined;
  readonly nowMs: number;
}

/** claimedLease returns the Lease of a shard held by `candidate`, from what is there: acquireTime and transitions as client-go. */
export function claimedLease(candidate: Candidate, shard: number, from: LeaseNow): Lease {
  const { lease, nowMs } = from;
  const now = formatMicroTime(nowMs);
  const isOurs = holderOf(lease) === candidate.identity;
  const taken: LeaseSpec = isOurs
    ? {}
    : { acquireTime: now, leaseTransitions: lease === undefined ? 0 : (lease.spec?.leaseTransitions ?? 0) + 1 };
  const name = shardLeaseName(candidate.election, shard);
  return heldLease(candidate, { lease: lease ?? { metadata: { name } }, role: 'shard', nowMs, taken });
}

/** renewedLease returns the Lease of a shard with a new renewTime; what else stands in it stays. */
export function renewedLease(candidate: Candidate, lease: Lease, nowMs: number): Lease {
  return heldLease(candidate, { lease, role: 'shard', nowMs, taken: {} });
}

/** recreatedLease returns the renewed Lease of a shard as it is created after a deletion. */
export function recreatedLease(candidate: Candidate, lease: Lease, nowMs: number): Lease {
  const { name, namespace, labels, annotations } = lease.metadata;
  const metadata = {
    name,
    ...(namespace && { namespace }),
    ...(labels && { labels }),
    ...(annotations && { annotations }),
  };
  return renewedLease(candidate, { ...lease, metadata }, nowMs);
}

/** memberLease returns the Lease by which `candidate` takes part, from what is there. */
export function memberLease(candidate: Candidate, from: LeaseNow): Lease {
  const name = memberLeaseName(candidate.election, candidate.identity);
  return heldLease(candidate, {
    lease: from.lease ?? { metadata: { name } },
    role: 'member',
    nowMs: from.nowMs,
    taken: {},
  });
}

/** releasedLease returns the Lease without a holder, as client-go leaves it. */
export function releasedLease(lease: Lease, nowMs: number): Lease {
  const now = formatMicroTime(nowMs);
  return {
    ...lease,
    spec: { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: now, acquireTime: now },
  };
}

function heldLease(
  candidate: Candidate,
  write: {
    readonly lease: Lease;
    readonly role: 'shard' | 'member';
    readonly nowMs: number;
    readonly taken: LeaseSpec;
  },
): Lease {
  const { lease, role, nowMs, taken } = write;
  const { metadata } = lease;
  const annotations = { [shardsAnnotation]: String(candidate.shards), [roleAnnotation]: role };
  return {
    ...lease,
    metadata: {
      ...metadata,
      labels: { ...metadata.labels, [electionLabel]: candidate.election },
      annotations: { ...metadata.annotations, ...annotations },
    },
    spec: {
      ...lease.spec,
      ...taken,
      holderIdentity: candidate.identity,
      // The field is an integer; rounding up only lets others wait longer.
      leaseDurationSeconds: Math.ceil(candidate.leaseDurationMs / 1000),
      renewTime: formatMicroTime(nowMs),
    },
  };
}
