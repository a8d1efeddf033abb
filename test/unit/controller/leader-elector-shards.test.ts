import { describe, expect, it } from 'vitest';
import { fnv1a } from '../../../src/api/hash.ts';
import { shardOf } from '../../../src/controller/shard-of.ts';
import { Replica, World, type ReplicaOptions } from './election-world.ts';

const sixMinutesMs = 360_000;

function worldOf(
  shards: number,
  names: readonly string[],
  options: ReplicaOptions = {},
  seed = 1,
): readonly [World, Replica[]] {
  const world = new World(seed);
  world.onStep = () => {
    for (let shard = 0; shard < shards; shard += 1) expect(world.leaders(shard).length).toBeLessThan(2);
  };
  return [world, names.map((name) => new Replica(world, name, { shards, ...options }))];
}

const loads = (replicas: readonly Replica[]): readonly number[] => replicas.map(({ leading }) => leading.length);
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
const isBalanced = (replicas: readonly Replica[]): boolean =>
  Math.max(...loads(replicas)) - Math.min(...loads(replicas)) <= 1;
const members = (world: World): readonly string[] =>
  [...world.server.leases.keys()].filter((name) => name.includes('-member-'));

describe('Replicas that share shards', () => {
  it('leave all shards to one that is alone', async () => {
    const [world, [only]] = worldOf(4, ['a']);
    await world.until(() => only?.leading.length === 4, 20_000, 'a leads all');
    expect(only?.state).toEqual({ leading: [0, 1, 2, 3], members: 1, standby: undefined });
    expect(members(world)).toHaveLength(1);
  });

  it.each([
    [2, 4],
    [3, 5],
    [3, 2],
    [4, 9],
  ])('%i that start together divide %i fairly from the beginning', async (replicas, shards) => {
    const names = ['a', 'b', 'c', 'd'].slice(0, replicas);
    const [world, all] = worldOf(shards, names);
    await world.until(() => sum(loads(all)) === shards, 22_000, 'all shards led');
    expect(isBalanced(all)).toBe(true);
    await world.advance(60_000);
    expect(all.flatMap(({ log }) => log).filter((entry) => entry.startsWith('-'))).toEqual([]);
    expect(all.map(({ state }) => state?.members)).toEqual(names.map(() => replicas));
  });

  it('hand shards over to a new one, one at a time and drained, and then rest', async () => {
    const [world, [first]] = worldOf(6, ['a'], { drainMs: 1500 });
    if (first === undefined) throw new Error('no replica');
    await world.until(() => first.leading.length === 6, 20_000, 'a leads all');
    const second = new Replica(world, 'b', { shards: 6 });
    await world.until(() => second.leading.length === 3, 60_000, 'both lead three');
    const handedOver = first.log.slice(6);
    for (let index = 0; index < handedOver.length; index += 2) {
      expect(handedOver[index]).toMatch(/^drain /);
      expect(handedOver[index + 1]).toBe(`${(handedOver[index] ?? '').replace('drain ', '-')} HandedOver`);
    }
    const entries = first.log.length + second.log.length;
    await world.advance(120_000);
    expect(first.log.length + second.log.length).toBe(entries);
    expect(loads([first, second])).toEqual([3, 3]);
  });

  it('take the shards of a killed one within 24 s, and are balanced afterwards', async () => {
    for (const [seed, shards, count] of [
      [1, 5, 3],
      [2, 4, 2],
      [3, 9, 4],
      [4, 1, 3],
      [5, 6, 3],
      [6, 7, 3],
    ] as const) {
      const [world, all] = worldOf(shards, ['a', 'b', 'c', 'd'].slice(0, count), {}, seed);
      await world.until(() => sum(loads(all)) === shards, 22_000, 'all shards led');
      await world.advance(10_000 + seed * 700);
      const victim = all.find(({ leading }) => leading.length > 0);
      victim?.kill();
      const left = all.filter((each) => each !== victim);
      const ms = await world.until(() => sum(loads(left)) === shards, 40_000, 'all shards led again');
      expect(ms).toBeLessThan(24_000);
      await world.advance(60_000);
      expect(isBalanced(left)).toBe(true);
    }
  });

  it('do not claim a shard again while its work is being ended', async () => {
    const [world, [first]] = worldOf(4, ['a'], { drainMs: 40_000 });
    if (first === undefined) throw new Error('no replica');
    await world.until(() => first.leading.length === 4, 20_000, 'a leads all');
    const second = new Replica(world, 'b', { shards: 4, drainMs: 40_000 });
    await world.until(() => first.log.at(-1)?.startsWith('drain ') === true, 30_000, 'a hands over');
    const shard = first.log.at(-1)?.replace('drain ', '') ?? '';
    first.link = 'NoRequests';
    second.kill();
    await world.until(() => first.leading.length === 0, 12_000, 'a stops');
    first.link = 'Up';
    await world.until(() => first.leading.length === 3, 10_000, 'a leads the others again');
    const renewTime = world.server.leases.get(`sluice-shard-${shard}`)?.spec?.renewTime;
    await world.advance(10_000);
    expect(first.leading.map(String)).not.toContain(shard);
    expect(world.server.leases.get(`sluice-shard-${shard}`)?.spec?.renewTime).toBe(renewTime);
    await world.until(() => first.leading.length === 4, 40_000, 'a leads all');
  });

  it('take the shards of two killed ones of three within 24 s, though one of them led nothing', async () => {
    const [world, all] = worldOf(2, ['a', 'b', 'c'], {}, 8);
    await world.until(() => sum(loads(all)) === 2, 22_000, 'all shards led');
    await world.advance(10_000);
    const idle = all.find(({ leading }) => leading.length === 0);
    const leaders = all.filter((each) => each !== idle);
    idle?.kill();
    leaders[0]?.kill();
    const ms = await world.until(() => leaders[1]?.leading.length === 2, 40_000, 'the last one leads all');
    expect(ms).toBeLessThan(24_000);
  });

  it('take the shards of a stopped one within 5 s, and its membership has gone', async () => {
    for (const seed of [1, 2, 3]) {
      const [world, all] = worldOf(5, ['a', 'b', 'c'], {}, seed);
      await world.until(() => sum(loads(all)) === 5, 22_000, 'all shards led');
      await world.advance(10_000);
      const [leaving, ...left] = all;
      void leaving?.stop();
      expect(await world.until(() => sum(loads(left)) === 5, 20_000, 'all shards led again')).toBeLessThan(5000);
      expect(leaving?.isStopped).toBe(true);
      expect(members(world)).toHaveLength(2);
      await world.advance(60_000);
      expect(isBalanced(left)).toBe(true);
    }
  });

  it('delete the membership of a dead one after 5 minutes, and not before', async () => {
    const [world, [first, second]] = worldOf(2, ['a', 'b']);
    await world.advance(30_000);
    second?.kill();
    await world.advance(290_000);
    expect(members(world)).toHaveLength(2);
    await world.advance(sixMinutesMs - 290_000);
    expect(members(world)).toHaveLength(1);
    expect(first?.state).toEqual({ leading: [0, 1], members: 1, standby: undefined });
  });

  it('come back into the count when their membership was deleted', async () => {
    const [world, all] = worldOf(4, ['a', 'b']);
    await world.advance(30_000);
    for (const name of members(world)) world.server.leases.delete(name);
    await world.advance(15_000);
    expect(members(world)).toHaveLength(2);
    expect(loads(all)).toEqual([2, 2]);
  });

  it('have nobody take what a frozen one still holds, whose event loop comes back in time', async () => {
    const [world, all] = worldOf(4, ['a', 'b']);
    await world.advance(30_000);
    const entries = sum(all.map(({ log }) => log.length));
    all[0]?.stall(6000);
    await world.advance(40_000);
    expect(sum(all.map(({ log }) => log.length))).toBe(entries);
  });
});

describe('Replicas with another number of shards', () => {
  it('stay on standby and say why, until the others have stopped', async () => {
    const [world, [old]] = worldOf(2, ['a']);
    await world.until(() => old?.leading.length === 2, 20_000, 'a leads');
    const next = new Replica(world, 'b', { shards: 3 });
    await world.advance(60_000);
    expect(next.log).toEqual([]);
    const sentence = `The work is divided into 2 shards by ${old?.election.identity} and into 3 here: this replica waits until their Leases are released or expire. Give all replicas the same --shards.`;
    expect(next.state).toEqual({ leading: [], members: 1, standby: sentence });
    expect(old?.log).toEqual(['+0', '+1']);
    // Not even the shard that only it knows: a claim would be released again, and disturb nobody but the API server.
    expect(
      world.server.calls.filter(({ name, holder }) => name.includes('-shard-') && holder === next.election.identity),
    ).toEqual([]);
    void old?.stop();
    // As long as the holder of a Lease that was deleted might lead, since the old number is no evidence of the new one.
    const ms = await world.until(() => next.leading.length === 3, 40_000, 'b leads');
    expect(ms).toBeGreaterThan(15_000);
    expect(ms).toBeLessThan(24_000);
  });

  it('take over a Lease of another number only after the wait for a new one', async () => {
    const [world, [old]] = worldOf(2, ['a']);
    await world.until(() => old?.leading.length === 2, 20_000, 'a leads');
    const next = new Replica(world, 'b', { shards: 1 });
    await world.advance(10_000);
    void old?.stop();
    expect(await world.until(() => next.leading.length === 1, 40_000, 'b leads')).toBeGreaterThan(15_000);
  });

  it('wait for a dead one until its Leases have expired', async () => {
    const [world, [old]] = worldOf(1, ['a']);
    await world.until(() => old?.leading.length === 1, 20_000, 'a leads');
    const next = new Replica(world, 'b', { shards: 2 });
    await world.advance(10_000);
    old?.kill();
    await world.advance(11_000);
    expect(next.state?.standby).toContain('The work is divided into 1 shards');
    await world.until(() => next.leading.length === 2, 40_000, 'b leads');
  });

  it('never lead together when they start at the same moment, and one number wins', async () => {
    for (let seed = 1; seed <= 12; seed += 1) {
      const world = new World(seed);
      const options = { newLeaseWaitMs: 0 };
      const all = [1, 2, 3].map((shards) => new Replica(world, `n${shards}`, { ...options, shards }));
      world.onStep = () => expect(all.filter(({ leading }) => leading.length > 0).length).toBeLessThan(2);
      await world.until(
        () => all.some(({ leading, shards }) => leading.length === shards),
        60_000,
        'one leads all of its shards',
      );
    }
  });

  it('are taken for such where a Lease does not say how many there are', async () => {
    const [world] = worldOf(1, []);
    world.server.create({
      metadata: { name: 'sluice-shard-0', labels: { 'sluice.dev/election': 'sluice' } },
      spec: { holderIdentity: 'someone', leaseDurationSeconds: 15 },
    });
    const replica = new Replica(world, 'a');
    await world.advance(1000);
    expect(replica.state?.standby).toContain('divided into an unknown number shards by someone');
    await world.until(() => replica.leading.length === 1, 40_000, 'a leads');
  });
});

describe('shardOf', () => {
  it('is the FNV-1a of the text, as its authors publish it', () => {
    expect([fnv1a(''), fnv1a('a'), fnv1a('foobar')]).toEqual([0x81_1c_9d_c5, 0xe4_0c_29_2c, 0xbf_9c_f9_68]);
  });

  it('never changes, or a rolling update would have two replicas work on one object', () => {
    const uid = '5f0b4f0e-6c8e-4b7a-9a57-1d1f7f7c2a10';
    expect([1, 2, 3, 4, 8, 16].map((shards) => shardOf(uid, shards))).toEqual([0, 0, 2, 0, 4, 4]);
  });
});
