import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shardOf } from '../../src/controller/shard-of.ts';
import { Replica, World, type Link } from '../unit/controller/election-world.ts';

/** Within what the timings bear: 15 s / 10 s = 1.5 between the fastest and the slowest clock. */
const rate = fc.double({ min: 1, max: 1.4, noNaN: true });

interface Fault {
  readonly atMs: number;
  readonly replica: number;
  readonly what:
    | { readonly do: 'stall' | 'cut'; readonly ms: number; readonly link: Link }
    | { readonly do: 'kill' | 'stop' }
    | { readonly do: 'jump'; readonly ms: number }
    | { readonly do: 'delete'; readonly shard: number };
}

const link = fc.constantFrom<Link>('NoRequests', 'NoAnswers', 'WritesHang', 'Slow');
const faultMs = fc.integer({ min: 100, max: 30_000 });
const kinds = {
  stall: fc.record({ do: fc.constant('stall' as const), ms: faultMs, link }),
  cut: fc.record({ do: fc.constant('cut' as const), ms: faultMs, link }),
  end: fc.record({ do: fc.constantFrom('kill' as const, 'stop' as const) }),
  jump: fc.record({ do: fc.constant('jump' as const), ms: fc.constantFrom(-3_600_000, -2000, 3_600_000) }),
  delete: fc.record({ do: fc.constant('delete' as const), shard: fc.nat(2) }),
};
const faults: fc.Arbitrary<readonly Fault[]> = fc.array(
  fc.record({
    atMs: fc.integer({ min: 0, max: 70_000 }),
    replica: fc.nat(3),
    what: fc.oneof(kinds.stall, kinds.stall, kinds.cut, kinds.cut, kinds.end, kinds.jump, kinds.delete),
  }),
  { maxLength: 14 },
);

interface Setup {
  readonly rate: number;
  readonly wallOffsetMs: number;
  readonly startMs: number;
  readonly drainMs: number;
  readonly shards: number;
  readonly newLeaseWaitMs?: number;
}

const setupsWith = (shards: fc.Arbitrary<number>): fc.Arbitrary<readonly Setup[]> =>
  fc.array(
    fc.record({
      rate,
      wallOffsetMs: fc.constantFrom(0, 3_600_000, -3_600_000),
      startMs: fc.constantFrom(0, 0, 1, 10, 5000, 16_000, 30_000),
      drainMs: fc.constantFrom(0, 500, 4000),
      shards,
    }),
    { minLength: 2, maxLength: 4 },
  );

/** What must hold at every moment: one writer a shard, and one number of shards among the writers. */
function violation(world: World): string | undefined {
  const writers = world.replicas.filter((replica) => replica.leading.length > 0);
  const numbers = new Set(writers.map(({ shards }) => shards));
  if (numbers.size > 1) return `Writers with ${[...numbers].join(' and ')} shards at ${world.nowMs} ms`;
  for (let shard = 0; shard < 3; shard += 1) {
    const names = world.leaders(shard).map(({ name }) => name);
    if (names.length > 1) return `Shard ${shard} has the writers ${names.join(', ')} at ${world.nowMs} ms`;
  }
  return undefined;
}

function apply(world: World, { replica, what }: Fault): void {
  if (what.do === 'delete') {
    world.server.leases.delete(`sluice-shard-${what.shard}`);
    return;
  }
  const target = world.replicas[replica];
  if (target === undefined) return;
  if (what.do === 'stall') target.stall(what.ms);
  if (what.do === 'kill') target.kill();
  // A process that is blocked cannot begin to stop.
  if (what.do === 'stop') target.clock.deliver(() => void target.stop());
  if (what.do === 'jump') target.clock.wallOffsetMs += what.ms;
  if (what.do !== 'cut') return;
  target.link = what.link;
  world.at(world.nowMs + what.ms, () => {
    target.link = 'Up';
  });
}

async function play(
  setups: readonly Setup[],
  script: readonly Fault[],
  { seed, forMs = 100_000 }: { readonly seed: number; readonly forMs?: number },
): Promise<World> {
  const world = new World(seed);
  world.onStep = () => expect(violation(world)).toBeUndefined();
  for (const [index, setup] of setups.entries()) {
    world.at(setup.startMs, () => void new Replica(world, `r${index}`, setup));
  }
  for (const fault of script) world.at(fault.atMs, () => apply(world, fault));
  await world.advance(forMs);
  return world;
}

describe('An election, whatever happens to replicas, clocks, network and Leases', () => {
  it('never lets two replicas write to one shard, and has all shards led when the faults are over', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }).chain((shards) => setupsWith(fc.constant(shards))),
        faults,
        fc.integer(),
        async (setups, script, seed) => {
          const world = await play(setups, script, { seed });
          await world.advance(30_000);
          const alive = world.replicas.filter((each) => !each.clock.isDead && each.stopped === undefined);
          if (alive.length === 0) return;
          const shards = setups[0]?.shards ?? 1;
          for (let shard = 0; shard < shards; shard += 1) expect(world.leaders(shard).length).toBe(1);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('never lets replicas with different numbers of shards write at the same time', async () => {
    await fc.assert(
      fc.asyncProperty(
        setupsWith(fc.integer({ min: 1, max: 3 })),
        faults,
        fc.integer(),
        async (setups, script, seed) => {
          const world = await play(setups, script, { seed });
          await world.advance(30_000);
          const alive = world.replicas.filter((each) => !each.clock.isDead && each.stopped === undefined);
          if (alive.length > 0) expect(alive.some((each) => each.leading.length > 0)).toBe(true);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('never lets replicas with different numbers of shards write that claim at the same moment', async () => {
    const race = fc.array(
      fc.record({ shards: fc.integer({ min: 1, max: 3 }), startMs: fc.integer({ min: 0, max: 30 }) }),
      {
        minLength: 2,
        maxLength: 4,
      },
    );
    await fc.assert(
      fc.asyncProperty(race, fc.integer(), async (starts, seed) => {
        const setups = starts.map(({ shards, startMs }) => ({
          // Where there is one shard, the claim comes at once, and else after one retry period.
          startMs: shards === 1 ? startMs + 2000 : startMs,
          shards,
          rate: 1,
          wallOffsetMs: 0,
          drainMs: 0,
          newLeaseWaitMs: 0,
        }));
        const world = await play(setups, [], { seed, forMs: 25_000 });
        expect(world.replicas.some(({ leading }) => leading.length > 0)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});

describe('shardOf', () => {
  it('divides the objects evenly and always alike', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 16 }),
        fc.array(fc.uuid(), { minLength: 400, maxLength: 400 }),
        (shards, uids) => {
          const counts = Array.from({ length: shards }, () => 0);
          for (const uid of uids) {
            const shard = shardOf(uid, shards);
            expect(shardOf(uid, shards)).toBe(shard);
            counts[shard] = (counts[shard] ?? 0) + 1;
          }
          expect(counts.length).toBe(shards);
          const mean = uids.length / shards;
          for (const count of counts) expect(Math.abs(count - mean)).toBeLessThan(6 * Math.sqrt(mean) + 1);
        },
      ),
      { numRuns: 30 },
    );
  });
});
