/** Which shards a replica may take or should hand over, from what it saw of the Leases; pure, but for the order of `take`. */
import { electionLabel, type Lease } from '../api/lease.ts';
import { holderOf, isMemberLease, shardIndexOf, shardsOf, type Candidate } from './lease-record.ts';
import type { SeenLease } from './lease-table.ts';

/** How long a member's Lease is kept after it expired. */
const keepMemberMs = 300_000;

/** PlanInput is what one replica knows at one moment. */
export interface PlanInput {
  readonly candidate: Candidate;
  readonly retryPeriodMs: number;
  readonly nowMs: number;
  readonly seen: readonly SeenLease[];
  /** held are the shards whose Leases this replica holds, those included that it is about to release. */
  readonly held: ReadonlySet<number>;
  /** random returns a number in [0, 1). */
  readonly random: () => number;
}

/** FreeShard is a shard that nobody can believe to hold; `lease` is undefined where it has to be created. */
export interface FreeShard {
  readonly shard: number;
  readonly lease: Lease | undefined;
}

/** ShardPlan is what a replica does next. */
export interface ShardPlan {
  /** others are the live Leases of replicas with another number of shards: nothing may be led while there are any. */
  readonly others: readonly SeenLease[];
  /** take is in random order, so that replicas that look at the same moment seldom want the same shard. */
  readonly take: readonly FreeShard[];
  /** handOver tells that this replica has more than its share, and a live one less. */
  readonly handOver: boolean;
  /** members counts the live replicas with our number of shards, ourselves included. */
  readonly members: number;
  /** wakeInMs is when something becomes free, if the Leases do not change; Infinity where nothing does. */
  readonly wakeInMs: number;
  /** litter are the Leases of members that are gone for long. */
  readonly litter: readonly Lease[];
}

interface Member {
  readonly identity: string;
  readonly load: number;
  /** isFresh tells that it was seen to renew, so that a shard handed over will be taken. */
  readonly isFresh: boolean;
}

/** planShards returns what the replica does next. */
export function planShards(input: PlanInput): ShardPlan {
  const { candidate, nowMs, seen, held } = input;
  const others = seen.filter((lease) => isLive(lease, nowMs) && isOfOtherShards(lease, candidate));
  const members = liveMembers(input);
  const share = shareOf(members, candidate);
  const free = shuffled(freeShards(input), input.random);
  const room = Math.max(0, share - held.size);
  const isWaiting = others.length > 0;
  return {
    others,
    take: isWaiting ? [] : free.filter((entry, index) => index < room || nowMs >= leftOverAtMs(entry.seen, input)),
    handOver:
      !isWaiting &&
      free.length === 0 &&
      held.size > share &&
      members.some((each) => isInNeed(each, members, candidate)),
    members: members.length,
    wakeInMs: Math.min(Number.POSITIVE_INFINITY, ...wakeTimesMs(input, others).map((ms) => ms - nowMs)),
    litter: seen.filter((each) => isLitter(each, nowMs)).flatMap(({ lease }) => lease ?? []),
  };
}

function isLive(seen: SeenLease, nowMs: number): boolean {
  return nowMs < seen.freeAtMs && holderOf(seen.lease) !== '';
}

/** A Lease that does not say its number of shards was not written by us, so that nobody knows what its holder leads. */
function isOfOtherShards({ name, lease }: SeenLease, { election, identity, shards }: Candidate): boolean {
  if (shardIndexOf(election, name) === undefined || holderOf(lease) === identity) return false;
  return shardsOf(lease) !== shards;
}

function shardEntries({ candidate, seen }: PlanInput): readonly (FreeShard & { readonly seen: SeenLease })[] {
  return seen.flatMap((each) => {
    const shard = shardIndexOf(candidate.election, each.name);
    if (shard === undefined || shard >= candidate.shards) return [];
    return [{ shard, lease: each.isMissing ? undefined : each.lease, seen: each }];
  });
}

function freeShards(input: PlanInput): readonly (FreeShard & { readonly seen: SeenLease })[] {
  return shardEntries(input).filter(({ shard, seen }) => !input.held.has(shard) && input.nowMs >= seen.freeAtMs);
}

/**
 * Who may lead more than its share still takes what others leave: a shard whose holder died, soon, since a replica that
 * counts may be dead too; a shard that was handed over, after those who have too little had a poll.
 */
function leftOverAtMs(seen: SeenLease, { retryPeriodMs }: PlanInput): number {
  return seen.freeAtMs + (holderOf(seen.lease) === '' ? 2.5 : 1.5) * retryPeriodMs;
}

function wakeTimesMs(input: PlanInput, others: readonly SeenLease[]): readonly number[] {
  const unheld = shardEntries(input).filter(({ shard }) => !input.held.has(shard));
  const times = unheld.flatMap(({ seen }) => [seen.freeAtMs, leftOverAtMs(seen, input)]);
  return [...times, ...others.map(({ freeAtMs }) => freeAtMs)].filter((ms) => ms > input.nowMs);
}

function liveMembers(input: PlanInput): readonly Member[] {
  const { candidate, held, nowMs, seen } = input;
  const shards = shardEntries(input);
  // Whoever let a shard expire is not there, even while its membership lasts.
  const lost = new Set(shards.filter((each) => nowMs >= each.seen.freeAtMs).map((each) => holderOf(each.seen.lease)));
  const peers = seen
    .filter(
      (each) => isPeer(each, candidate) && isLive(each, nowMs) && !each.isMissing && !lost.has(holderOf(each.lease)),
    )
    .map((each): Member => {
      const identity = holderOf(each.lease);
      const load = shards.filter(({ seen }) => holderOf(seen.lease) === identity).length;
      return { identity, load, isFresh: nowMs - each.changedAtMs < (candidate.leaseDurationMs * 2) / 3 };
    });
  return [...peers, { identity: candidate.identity, load: held.size, isFresh: false }];
}

function isPeer({ lease }: SeenLease, { identity, shards }: Candidate): boolean {
  return lease !== undefined && isMemberLease(lease) && holderOf(lease) !== identity && shardsOf(lease) === shards;
}

/** Shares differ by one at most; whoever leads most has the larger ones, so that a change of members moves few shards. */
function shareOf(members: readonly Member[], candidate: Candidate, identity = candidate.identity): number {
  const mostFirst = [...members].sort((a, b) => b.load - a.load || (a.identity < b.identity ? -1 : 1));
  const rank = mostFirst.findIndex((member) => member.identity === identity);
  return Math.floor(candidate.shards / members.length) + (rank < candidate.shards % members.length ? 1 : 0);
}

function isInNeed(member: Member, members: readonly Member[], candidate: Candidate): boolean {
  return member.isFresh && member.load < shareOf(members, candidate, member.identity);
}

function isLitter({ lease, freeAtMs, isMissing }: SeenLease, nowMs: number): boolean {
  return lease !== undefined && !isMissing && isMemberLease(lease) && nowMs - freeAtMs > keepMemberMs;
}

function shuffled<T>(items: readonly T[], random: () => number): readonly T[] {
  return items
    .map((item) => ({ item, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}

/** standbySentence says what a replica that leads nothing waits for. */
export function standbySentence(input: PlanInput, { others }: ShardPlan): string {
  const { candidate, nowMs } = input;
  if (others.length > 0) return otherShardsSentence(others, candidate);
  const entries = shardEntries(input);
  const isTaken = entries.filter(({ seen }) => isLive(seen, nowMs));
  if (isTaken.length > 0) {
    const holders = quoted(isTaken.map(({ seen }) => holderOf(seen.lease)));
    return candidate.shards === 1
      ? `${holders} leads.`
      : `${isTaken.length} of ${candidate.shards} shards are led by ${holders}.`;
  }
  if (input.held.size === 0) {
    const hint = `if that fails, one of its name exists without the label ${electionLabel}=${candidate.election}: delete it`;
    return `A Lease is free and is being taken; ${hint}.`;
  }
  const wait = 'a holder whose Lease was deleted, or who worked with another --shards, would stop only then';
  return `This replica holds a new Lease and leads as soon as its first ${candidate.leaseDurationMs / 1000} s are over: ${wait}.`;
}

function otherShardsSentence(others: readonly SeenLease[], { shards }: Candidate): string {
  const found = quoted(others.map(({ lease }) => String(shardsOf(lease) ?? 'an unknown number')));
  const holders = quoted(others.map(({ lease }) => holderOf(lease)));
  const wait = 'this replica waits until their Leases are released or expire';
  return `The work is divided into ${found} shards by ${holders} and into ${shards} here: ${wait}. Give all replicas the same --shards.`;
}

function quoted(texts: readonly string[]): string {
  return [...new Set(texts)].sort().join(', ');
}
