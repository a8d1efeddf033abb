import { describe, expect, it } from 'vitest';
import type { Lease } from '../../../src/api/lease.ts';
import { claimedLease, memberLease, releasedLease, type Candidate } from '../../../src/controller/lease-record.ts';
import type { SeenLease } from '../../../src/controller/lease-table.ts';
import { planShards, type ShardPlan } from '../../../src/controller/shard-plan.ts';

const nowMs = 1_000_000;

const candidate = (identity: string): Candidate => ({
  election: 'sluice',
  identity,
  shards: 4,
  leaseDurationMs: 15_000,
});

function seen(lease: Lease, changedMsAgo: number, freeMsAgo: number): SeenLease {
  const { name } = lease.metadata;
  return { name, lease, isMissing: false, changedAtMs: nowMs - changedMsAgo, freeAtMs: nowMs - freeMsAgo };
}

const led = (by: string, shard: number): SeenLease =>
  seen(claimedLease(candidate(by), shard, { lease: undefined, nowMs }), 1000, -14_000);
const expired = (by: string, shard: number, msAgo: number): SeenLease =>
  seen(claimedLease(candidate(by), shard, { lease: undefined, nowMs }), msAgo + 15_000, msAgo);
const released = (shard: number, msAgo: number): SeenLease =>
  seen(releasedLease(claimedLease(candidate('x'), shard, { lease: undefined, nowMs }), nowMs), msAgo, msAgo);
const member = (identity: string, changedMsAgo = 1000): SeenLease =>
  seen(memberLease(candidate(identity), { lease: undefined, nowMs }), changedMsAgo, changedMsAgo - 15_000);

function plan(leases: readonly SeenLease[], held: readonly number[]): ShardPlan {
  return planShards({
    candidate: candidate('me'),
    retryPeriodMs: 2000,
    nowMs,
    seen: [...held.map((shard) => led('me', shard)), ...leases],
    held: new Set(held),
    random: () => 0.5,
  });
}

const taken = (result: ShardPlan): readonly number[] => result.take.map(({ shard }) => shard);

describe('A replica that has its share', () => {
  it('takes what expired and nobody wanted for 3 s', () => {
    const others = [member('you'), led('you', 2)];
    expect(taken(plan([...others, expired('dead', 3, 2999)], [0, 1]))).toEqual([]);
    expect(taken(plan([...others, expired('dead', 3, 3000)], [0, 1]))).toEqual([3]);
  });

  it('takes what was released and nobody wanted for 5 s', () => {
    const others = [member('you'), led('you', 2)];
    expect(taken(plan([...others, released(3, 4999)], [0, 1]))).toEqual([]);
    expect(taken(plan([...others, released(3, 5000)], [0, 1]))).toEqual([3]);
  });

  it('looks again when that time is over', () => {
    expect(plan([member('you'), led('you', 2), expired('dead', 3, 500)], [0, 1]).wakeInMs).toBe(2500);
    expect(plan([member('you'), led('you', 2), released(3, 500)], [0, 1]).wakeInMs).toBe(4500);
    expect(plan([member('you'), led('you', 2), led('you', 3)], [0, 1]).wakeInMs).toBe(14_000);
  });
});

describe('A member that let a shard expire', () => {
  it('does not count, though its membership lasts', () => {
    const result = plan([member('dead'), expired('dead', 2, 10), expired('dead', 3, 10)], [0, 1]);
    expect(new Set(taken(result))).toEqual(new Set([2, 3]));
    expect(result.members).toBe(1);
  });
});

describe('A replica that has too much', () => {
  it('hands over to a member that was seen to live', () => {
    expect(plan([member('you')], [0, 1, 2, 3]).handOver).toBe(true);
    expect(plan([member('you', 9999), led('you', 3)], [0, 1, 2]).handOver).toBe(true);
    expect(plan([member('you', 10_000), led('you', 3)], [0, 1, 2]).handOver).toBe(false);
  });

  it('keeps all while something is free', () => {
    expect(plan([member('you'), released(3, 100)], [0, 1, 2]).handOver).toBe(false);
  });

  it('keeps all when the shares differ by one', () => {
    expect(plan([member('you'), member('they'), led('you', 2), led('they', 3)], [0, 1]).handOver).toBe(false);
  });
});
