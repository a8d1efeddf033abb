import { describe, expect, it } from 'vitest';
import { shardLeaseName } from '../../../src/controller/lease-record.ts';
import { defaultElectionTimings, electionTimingProblems } from '../../../src/controller/election-timings.ts';
import { Replica, World, type ReplicaOptions } from './election-world.ts';

const lease = 'sluice-shard-0';

/** A leader with a standby, in a world that fails the test as soon as both could write. */
async function pair(
  first: ReplicaOptions = {},
  second: ReplicaOptions = {},
): Promise<readonly [World, Replica, Replica]> {
  const world = new World();
  world.onStep = () => expect(world.leaders(0).length).toBeLessThan(2);
  const leader = new Replica(world, 'a', first);
  await world.until(() => leader.mayWrite(0), 16_000, 'a leads');
  const standby = new Replica(world, 'b', second);
  await world.advance(10_000);
  expect(leader.mayWrite(0)).toBe(true);
  expect(standby.mayWrite(0)).toBe(false);
  return [world, leader, standby];
}

const spec = (world: World) => world.server.leases.get(lease)?.spec;
async function afterRenewal(world: World): Promise<void> {
  const renewTime = spec(world)?.renewTime;
  await world.until(() => spec(world)?.renewTime !== renewTime, 5000, 'a renewal');
}

const takeOver = (world: World, standby: Replica) => world.until(() => standby.mayWrite(0), 60_000, 'b leads');

describe('A first leader', () => {
  it('creates the Lease, renews it, and leads only when the holder of a deleted Lease would have stopped', async () => {
    const world = new World();
    const replica = new Replica(world, 'a');
    const ms = await world.until(() => replica.mayWrite(0), 20_000, 'a leads');
    expect(ms).toBeGreaterThan(15_000);
    expect(ms).toBeLessThan(15_200);
    expect(replica.log).toEqual(['+0']);
    expect(replica.states.map(({ standby }) => standby)).toEqual([
      'The Leases have not been read yet.',
      expect.stringContaining('A Lease is free and is being taken; '),
      expect.stringContaining('This replica holds a new Lease and leads as soon as its first 15 s are over'),
      undefined,
    ]);
    const { metadata } = world.server.leases.get(lease) ?? {};
    expect(metadata?.labels).toEqual({ 'sluice.dev/election': 'sluice' });
    expect(metadata?.annotations).toMatchObject({ 'sluice.dev/shards': '1' });
    expect(spec(world)).toMatchObject({ leaseDurationSeconds: 15, leaseTransitions: 0 });
    expect(spec(world)?.holderIdentity).toMatch(/^a_[0-9a-f]{8}$/);
    expect(spec(world)?.holderIdentity).toBe(replica.election.identity);
    expect(spec(world)?.renewTime).toMatch(/^2026-11-21T09:00:1\d\.\d{6}Z$/);
    expect(spec(world)?.acquireTime).toMatch(/^2026-11-21T09:00:00\.\d{6}Z$/);
  });

  it('leads at once where it is told not to wait', async () => {
    const world = new World();
    const replica = new Replica(world, 'a', { newLeaseWaitMs: 0 });
    expect(await world.until(() => replica.mayWrite(0), 1000, 'a leads')).toBeLessThan(200);
  });

  it('says what is wrong while the API server does not answer, and leads when it does', async () => {
    const world = new World();
    const replica = new Replica(world, 'a', { newLeaseWaitMs: 0 });
    replica.link = 'NoRequests';
    await world.advance(12_000);
    expect(replica.state).toEqual({
      leading: [],
      members: 1,
      standby: 'The Leases cannot be read: list: ApiTimeout',
    });
    expect(replica.errors.length).toBeGreaterThan(0);
    replica.link = 'Up';
    await world.until(() => replica.mayWrite(0), 10_000, 'a leads');
    expect(replica.state).toEqual({ leading: [0], members: 1, standby: undefined });
  });
});

describe('A claim that does not count yet', () => {
  it('waits again where the answer to its creation was lost', async () => {
    const world = new World();
    const replica = new Replica(world, 'a');
    await world.until(() => world.server.calls.length === 1, 1000, 'a list');
    replica.link = 'NoAnswers';
    await world.advance(6000);
    expect(world.server.calls.map(({ verb }) => verb)).toEqual(['list', 'create', 'list']);
    replica.link = 'Up';
    const ms = await world.until(() => replica.mayWrite(0), 40_000, 'a leads');
    expect(spec(world)?.holderIdentity).toBe(replica.election.identity);
    expect(ms).toBeGreaterThan(15_000);
  });

  it('never becomes a tenure when the Lease has another holder by then', async () => {
    const world = new World();
    const replica = new Replica(world, 'a');
    await world.advance(7000);
    replica.link = 'WritesHang';
    world.server.edit(lease, (found) => ({ ...found, spec: { ...found.spec, holderIdentity: 'other' } }));
    await world.advance(12_000);
    expect(replica.log).toEqual([]);
  });
});

describe('A leader and a standby', () => {
  it('cost one PUT each 2 s, and one list each 2 to 4.4 s', async () => {
    const [world, leader, standby] = await pair();
    world.server.calls.length = 0;
    await world.advance(120_000);
    const { calls } = world.server;
    const puts = calls.filter(({ verb }) => verb === 'update');
    expect(puts.every(({ holder }) => holder === leader.election.identity)).toBe(true);
    expect(puts.length).toBeGreaterThan(55);
    expect(puts.length).toBeLessThanOrEqual(61);
    const lists = calls.length - puts.length;
    expect(lists).toBe(calls.filter(({ verb }) => verb === 'list').length);
    expect(lists).toBeGreaterThan(25);
    expect(lists).toBeLessThanOrEqual(61);
    expect(standby.state?.standby).toBe(`${leader.election.identity} leads.`);
  });

  it('change places within 23.8 s of a kill, and the record says so', async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const world = new World(seed);
      const leader = new Replica(world, 'a', { newLeaseWaitMs: 0 });
      await world.advance(1000);
      const standby = new Replica(world, 'b');
      await world.advance(20_000 + seed * 311);
      const before = spec(world);
      expect(leader.mayWrite(0)).toBe(true);
      leader.kill();
      const ms = await takeOver(world, standby);
      expect(ms).toBeGreaterThan(12_000);
      expect(ms).toBeLessThanOrEqual(23_800);
      expect(spec(world)).toMatchObject({ holderIdentity: standby.election.identity, leaseTransitions: 1 });
      const after = spec(world);
      expect(after?.acquireTime).not.toBe(before?.acquireTime);
      await world.advance(10_000);
      expect(spec(world)?.acquireTime).toBe(after?.acquireTime);
      expect(spec(world)?.leaseTransitions).toBe(1);
    }
  });

  it('change places within 5 s of a stop, after the work has ended and the tenure too', async () => {
    const [world, leader, standby] = await pair({ drainMs: 20_000 });
    const tenure = leader.election.tenure(0);
    void leader.stop();
    await world.advance(19_900);
    // Twice the renew deadline: the tenure lives, and is renewed, until the work has ended.
    expect(leader.log).toEqual(['+0', 'drain 0']);
    expect(tenure?.permits(4000)).toBe(true);
    await world.advance(100);
    expect(leader.log).toEqual(['+0', 'drain 0', '-0 Stopped']);
    expect(tenure?.permits(0)).toBe(false);
    expect(tenure?.signal.aborted).toBe(true);
    expect(await takeOver(world, standby)).toBeLessThan(5000);
    expect(leader.isStopped).toBe(true);
    expect(leader.state?.standby).toBe('Shard 0 was released: this replica stops.');
  });

  it('leave a released Lease as client-go does', async () => {
    const world = new World();
    const replica = new Replica(world, 'a', { newLeaseWaitMs: 0 });
    await world.advance(5000);
    void replica.stop();
    await world.advance(1000);
    expect(spec(world)).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1, leaseTransitions: 0 });
  });

  it('stay as they are, whatever the wall clocks show', async () => {
    const [world, leader, standby] = await pair({ wallOffsetMs: 3_600_000 }, { wallOffsetMs: -3_600_000 });
    for (const jumpMs of [-7_200_000, 3_600_000, -2000]) {
      leader.clock.wallOffsetMs += jumpMs;
      standby.clock.wallOffsetMs -= jumpMs;
      await world.advance(20_000);
      expect(leader.log).toEqual(['+0']);
      expect(standby.log).toEqual([]);
    }
  });

  it.each(['2099-01-01T00:00:00.000000Z', '1999-01-01T00:00:00.000000Z'])(
    'wait as long for a dead leader when its renewTime is %s',
    async (renewTime) => {
      const [world, leader, standby] = await pair();
      leader.kill();
      await world.advance(100);
      world.server.edit(lease, (found) => ({ ...found, spec: { ...found.spec, renewTime } }));
      const ms = await takeOver(world, standby);
      expect(ms).toBeGreaterThan(15_000);
      expect(ms).toBeLessThanOrEqual(23_800);
    },
  );

  it.each([
    ['the leader is slow', 1, 1.4],
    ['the standby is slow', 1.4, 1],
  ])('do not lead together when clocks differ by 1.4 and %s', async (_, leaderRate, standbyRate) => {
    const [world, leader, standby] = await pair({ rate: leaderRate }, { rate: standbyRate });
    await world.advance(60_000);
    expect(leader.log).toEqual(['+0']);
    leader.link = 'NoRequests';
    // The world's onStep compares both at every step.
    const ms = await takeOver(world, standby);
    expect(ms).toBeLessThanOrEqual(23_800);
    expect(leader.log).toEqual(['+0', '-0 RenewDeadline']);
  });
});

describe('A leader whose event loop is blocked', () => {
  it('goes on after 6 s', async () => {
    const [world, leader] = await pair();
    leader.stall(6000);
    await world.advance(20_000);
    expect(leader.log).toEqual(['+0']);
    expect(leader.mayWrite(0)).toBe(true);
  });

  it('may write nothing from the first moment after 16 s, and finds that it was lost', async () => {
    const [world, leader, standby] = await pair();
    const tenure = leader.election.tenure(0);
    leader.stall(16_000);
    await world.advance(15_990);
    // Nothing of the process has run yet, so that a write which is due right now asks before any timer fires.
    expect(tenure?.signal.aborted).toBe(false);
    expect(tenure?.permits(0)).toBe(false);
    await world.advance(20);
    expect(tenure?.signal.aborted).toBe(true);
    expect(leader.log).toEqual(['+0', '-0 RenewDeadline']);
    await world.advance(60_000);
    expect([...leader.leading, ...standby.leading]).toEqual([0]);
    expect(tenure?.permits(0)).toBe(false);
  });

  it('sends no renewal any more when it wakes up after its deadline', async () => {
    const [world, leader] = await pair();
    leader.stall(12_000);
    await world.advance(11_999);
    world.server.calls.length = 0;
    await world.until(
      () => world.server.calls.some(({ holder }) => holder === leader.election.identity),
      1000,
      'a write',
    );
    expect(leader.log).toEqual(['+0', '-0 RenewDeadline']);
    // It finds its own Lease, which nobody took, before it writes.
    expect(world.server.calls[0]?.verb).toBe('list');
  });

  it('does not come back to life by an answer that it reads after its deadline', async () => {
    const [world, leader] = await pair();
    const tenure = leader.election.tenure(0);
    await afterRenewal(world);
    // The renewal after 2 s hangs for 5 s; the one after 7 s succeeds, but is read after 12 s.
    leader.link = 'WritesHang';
    await world.advance(6500);
    leader.link = 'Late';
    await world.advance(1000);
    leader.stall(4500);
    await world.advance(4490);
    expect(tenure?.permits(0)).toBe(false);
    await world.advance(20);
    expect(tenure?.permits(0)).toBe(false);
    expect(leader.log).toEqual(['+0', '-0 RenewDeadline']);
  });

  it('does not lead with a claim whose answer it reads too late', async () => {
    const [world, leader, standby] = await pair();
    void leader.stop();
    // The claim is written, and its writer stands still before it hears of it.
    await world.until(() => spec(world)?.holderIdentity === standby.election.identity, 10_000, 'b claims');
    standby.stall(30_000);
    const other = new Replica(world, 'c');
    await world.until(() => other.mayWrite(0), 24_000, 'c leads');
    await world.advance(60_000);
    expect(standby.log).toEqual([]);
  });
});

describe('A leader that cannot renew', () => {
  it.each(['WritesHang', 'NoRequests', 'NoAnswers'] as const)('stops 10 s after its last renewal: %s', async (link) => {
    const [world, leader, standby] = await pair();
    const tenure = leader.election.tenure(0);
    leader.link = link;
    const ms = await world.until(() => tenure?.signal.aborted === true, 20_000, 'a stops');
    expect(ms).toBeGreaterThan(7900);
    expect(ms).toBeLessThanOrEqual(10_010);
    expect(leader.log).toEqual(['+0', '-0 RenewDeadline']);
    expect(leader.state?.standby).toMatch(/could not be renewed within 10 s|cannot be read/);
    await world.advance(15_000);
    expect(standby.mayWrite(0)).toBe(true);
    leader.link = 'Up';
    await world.advance(30_000);
    expect(leader.mayWrite(0)).toBe(false);
  });

  it('permits a write only if it is over a second before others may lead', async () => {
    const [world, leader] = await pair();
    const tenure = leader.election.tenure(0);
    const limits: number[] = [];
    await afterRenewal(world);
    await world.advance(1500);
    leader.link = 'NoRequests';
    for (let second = 0; second < 9; second += 1) {
      let limitMs = 0;
      while (tenure?.permits(limitMs) === true) limitMs += 10;
      limits.push(limitMs);
      await world.advance(1000);
    }
    // At most 1.54 s after the start of the request: 15 - 1 - 1.54 is left, and a second less each second.
    expect(limits[0]).toBeGreaterThan(12_300);
    expect(limits[0]).toBeLessThanOrEqual(12_510);
    for (const [second, limitMs] of limits.entries()) {
      expect(Math.abs((limits[0] ?? 0) - second * 1000 - limitMs)).toBeLessThanOrEqual(10);
    }
    expect(tenure?.permits(0)).toBe(false);
    expect(limits.at(-1)).toBeGreaterThan(4000);
  });

  it('counts from the start of a renewal, not from its answer', async () => {
    const [world, leader] = await pair();
    const tenure = leader.election.tenure(0);
    leader.link = 'Late';
    await world.advance(5000);
    for (let step = 0; step < 500; step += 1) {
      expect(tenure?.permits(14_000 - 1500)).toBe(false);
      await world.advance(10);
    }
    expect(leader.mayWrite(0)).toBe(true);
  });

  it('leads again at once when the network is back and nobody else has led', async () => {
    const world = new World();
    const leader = new Replica(world, 'a');
    await world.until(() => leader.mayWrite(0), 16_000, 'a leads');
    leader.link = 'NoRequests';
    await world.until(() => leader.log.length === 2, 12_000, 'a stops');
    leader.link = 'Up';
    // The list that is under way has 5 s to find out that it is lost.
    expect(await world.until(() => leader.mayWrite(0), 10_000, 'a leads')).toBeLessThan(9600);
    expect(leader.log).toEqual(['+0', '-0 RenewDeadline', '+0']);
    expect(spec(world)?.leaseTransitions).toBe(0);
  });
});

describe('A Lease that someone else writes', () => {
  it('keeps what was added, and its leader', async () => {
    const [world, leader] = await pair();
    const added = { 'example.com/note': 'x' };
    world.server.edit(lease, (found) => ({
      ...found,
      metadata: {
        ...found.metadata,
        annotations: { ...found.metadata.annotations, ...added },
        labels: { ...found.metadata.labels, ...added },
      },
      spec: { ...found.spec, strategy: 'OldestEmulationVersion' } as object,
    }));
    await world.advance(10_000);
    expect(leader.log).toEqual(['+0']);
    expect(leader.mayWrite(0)).toBe(true);
    const found = world.server.leases.get(lease);
    expect(found?.metadata.annotations).toMatchObject({ ...added, 'sluice.dev/shards': '1' });
    expect(found?.metadata.labels).toMatchObject(added);
    expect(found?.spec).toMatchObject({ strategy: 'OldestEmulationVersion', holderIdentity: leader.election.identity });
    void leader.stop();
    await world.advance(100);
    expect(world.server.leases.get(lease)?.metadata.annotations).toMatchObject(added);
  });

  it('ends the tenure with the next renewal when it has another holder', async () => {
    const [world, leader] = await pair();
    world.server.edit(lease, (found) => ({ ...found, spec: { ...found.spec, holderIdentity: 'mallory' } }));
    expect(await world.until(() => leader.log.length > 1, 5000, 'a stops')).toBeLessThan(2200);
    expect(leader.log).toEqual(['+0', '-0 TakenOver']);
    await world.advance(100);
    expect(leader.state?.standby).toBe('mallory leads.');
  });

  it('is made again by its leader when it was deleted, without an end of the tenure', async () => {
    const [world, leader] = await pair();
    const tenure = leader.election.tenure(0);
    const before = world.server.leases.get(lease);
    world.server.leases.delete(lease);
    const fresh = new Replica(world, 'c');
    await world.until(() => world.server.leases.has(lease), 5000, 'the Lease is back');
    await world.advance(30_000);
    // The fresh one may have been quicker; then it waits, and the leader goes. Never both, as onStep sees.
    expect([...leader.leading, ...fresh.leading]).toEqual([0]);
    if (tenure?.signal.aborted === false) expect(spec(world)?.acquireTime).toBe(before?.spec?.acquireTime);
  });

  it('stays with its leader when it was deleted and others have seen that it is led', async () => {
    const [world, leader, standby] = await pair();
    for (let round = 0; round < 5; round += 1) {
      world.server.leases.delete(lease);
      await world.advance(7300);
    }
    expect(leader.log).toEqual(['+0']);
    expect(standby.log).toEqual([]);
    expect(spec(world)).toMatchObject({ holderIdentity: leader.election.identity, leaseTransitions: 0 });
  });

  it('is not led twice when a fresh replica creates it while its leader is cut off', async () => {
    const world = new World();
    world.onStep = () => expect(world.leaders(0).length).toBeLessThan(2);
    const leader = new Replica(world, 'a', { newLeaseWaitMs: 0 });
    await world.advance(5000);
    leader.link = 'NoRequests';
    world.server.leases.delete(lease);
    const fresh = new Replica(world, 'b');
    await world.until(() => fresh.mayWrite(0), 16_000, 'b leads');
    expect(leader.log).toEqual(['+0', '-0 RenewDeadline']);
  });
});

describe('A restart', () => {
  it('under the same name does not take over from the one before, which may still live', async () => {
    const world = new World();
    world.onStep = () => expect(world.leaders(0).length).toBeLessThan(2);
    const first = new Replica(world, 'pod', { newLeaseWaitMs: 0 });
    await world.advance(5000);
    const second = new Replica(world, 'pod');
    await world.advance(20_000);
    expect(first.mayWrite(0)).toBe(true);
    expect(second.log).toEqual([]);
  });
});

describe('A stop', () => {
  it('writes the release again when someone wrote the Lease in between', async () => {
    const [world, leader] = await pair();
    world.server.edit(lease, (found) => ({ ...found, metadata: { ...found.metadata, annotations: { x: 'y' } } }));
    void leader.stop();
    await world.advance(200);
    expect(spec(world)?.holderIdentity).toBe('');
    expect(world.server.leases.get(lease)?.metadata.annotations).toMatchObject({ x: 'y' });
  });

  it('leaves the Lease of another holder alone', async () => {
    const [world, leader] = await pair();
    world.server.edit(lease, (found) => ({ ...found, spec: { ...found.spec, holderIdentity: 'mallory' } }));
    void leader.stop();
    await world.advance(1000);
    expect(spec(world)?.holderIdentity).toBe('mallory');
  });

  it('gives up after 10 s when nothing answers, and after 5 s where nothing is held', async () => {
    const [world, leader, standby] = await pair();
    leader.link = 'NoRequests';
    standby.link = 'NoRequests';
    void leader.stop();
    void standby.stop();
    await world.advance(5100);
    expect([leader.isStopped, standby.isStopped]).toEqual([false, true]);
    expect(leader.mayWrite(0)).toBe(false);
    await world.advance(5000);
    expect(leader.isStopped).toBe(true);
  });

  it('releases a claim that was under way', async () => {
    const [world, leader, standby] = await pair();
    void leader.stop();
    await world.until(() => spec(world)?.holderIdentity === standby.election.identity, 10_000, 'b claims');
    void standby.stop();
    await world.advance(1000);
    expect(standby.isStopped).toBe(true);
    expect(standby.log).toEqual([]);
    expect(spec(world)?.holderIdentity).toBe('');
  });

  it('removes a new Lease that does not count yet, so that the next one waits as well', async () => {
    const world = new World();
    const replica = new Replica(world, 'a');
    await world.advance(5000);
    expect(spec(world)?.holderIdentity).toBe(replica.election.identity);
    void replica.stop();
    await world.advance(1000);
    expect(world.server.leases.size).toBe(0);
  });

  it('lets the Lease expire when the work could not be ended', async () => {
    const [world, leader, standby] = await pair({ drain: () => Promise.reject(new Error('stuck')) });
    void leader.stop();
    await world.advance(1000);
    expect(leader.log).toEqual(['+0', 'drain 0', '-0 NotDrained']);
    expect(spec(world)?.holderIdentity).toBe(leader.election.identity);
    expect(leader.errors).toMatchObject([{ message: 'stuck' }]);
    expect(await takeOver(world, standby)).toBeGreaterThan(10_000);
  });
});

describe('Options', () => {
  it('are refused with all that is wrong', () => {
    const timings = { leaseDurationMs: 2000, renewDeadlineMs: 2000, retryPeriodMs: 2000 };
    const world = new World();
    expect(() => new Replica(world, 'a', { timings, shards: 0 })).toThrow(
      /leaseDurationMs \(2000\) is not longer than renewDeadlineMs \(2000\).* renewDeadlineMs \(2000\) is not longer than 1\.2 times retryPeriodMs \(2000\).* shards is 0/,
    );
  });

  it('have timings that leave time to renew, and others time to wait', () => {
    expect(electionTimingProblems(defaultElectionTimings)).toEqual([]);
    expect(electionTimingProblems({ ...defaultElectionTimings, retryPeriodMs: 8334 })).toHaveLength(1);
    expect(electionTimingProblems({ ...defaultElectionTimings, retryPeriodMs: 8333 })).toEqual([]);
    expect(electionTimingProblems({ ...defaultElectionTimings, leaseDurationMs: 10_000 })).toHaveLength(1);
    expect(electionTimingProblems({ leaseDurationMs: Number.NaN, renewDeadlineMs: 0, retryPeriodMs: -1 })).toHaveLength(
      3,
    );
    expect(shardLeaseName('sluice', 3)).toBe('sluice-shard-3');
  });
});
