import { describe, expect, it } from 'vitest';
import type { Condition, RolloutStatus } from '../../../src/api/rollout-status.ts';
import type { ReplicaFinding } from '../../../src/rollout/observation.ts';
import { World } from '../../support/world.ts';

const steps = [
  { weight: 20, duration: '1m' },
  { weight: 50, duration: '1m' },
];

/** open returns a world in its first step whose replicas say what `kinds` are, since the weight was written. */
function open(...kinds: readonly ReplicaFinding['kind'][]): World {
  const world = new World({ spec: { steps } });
  say(world, ...kinds);
  world.settle();
  return world;
}

function say(world: World, ...kinds: readonly ReplicaFinding['kind'][]): void {
  const sinceMs = world.nowMs;
  world.replicas = kinds.map((kind, index) => ({ name: `t${index}`, kind, message: `is ${kind}`, sinceMs }));
}

function verified({ conditions = [] }: RolloutStatus): Condition | undefined {
  return conditions.find(({ type }) => type === 'TrafficVerified');
}

describe('a weight that replicas are asked about', () => {
  it('is in effect when the last one has it: from then on the step counts, and the next raise is made that much sooner', () => {
    const world = open('InEffect', 'NotYet');
    expect(world.status.progress).not.toHaveProperty('effectiveAt');
    expect(verified(world.status)).toMatchObject({ status: 'Unknown', reason: 'Awaited' });
    world.advance(1_000);
    say(world, 'InEffect', 'InEffect');
    world.settle();
    expect(world.status.progress?.effectiveAt).toBe('2026-11-21T09:00:01.000Z');
    expect(verified(world.status)).toMatchObject({ status: 'True', reason: 'Verified' });
    world.advance(59_000);
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    world.advance(1_000);
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 50% route 50%');
    expect(verified(world.status)).toMatchObject({ status: 'True' });
  });

  it('is assumed to be after 5 s where none can be asked', () => {
    const world = open('Unreachable', 'Unreachable');
    expect(verified(world.status)).toMatchObject({ status: 'Unknown', reason: 'ReplicasUnreachable' });
    world.run(64_000);
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    world.run(1_000);
    expect(world.state).toBe('Progressing/StepStarted 50% route 50%');
  });

  it('waits for nobody who does not answer, and names him', () => {
    const world = open('InEffect', 'Unreachable');
    expect(verified(world.status)).toMatchObject({
      status: 'Unknown',
      reason: 'ReplicaUnreachable',
      message: '1 of 2 replicas have loaded the weight; t1 is Unreachable.',
    });
    expect(world.status.progress).toHaveProperty('effectiveAt');
  });

  it.each<[reason: string, message: string, ...kinds: ReplicaFinding['kind'][]]>([
    ['ReplicaStale', '1 of 2 replicas has not loaded the weight: t1 is NotYet. Has it lost', 'InEffect', 'NotYet'],
    ['ReplicaStale', '2 of 3 replicas have not loaded', 'Missing', 'InEffect', 'NotYet'],
    ['ReplicasLate', 'No replica has loaded the weight: t0 is NotYet; t1 is NotYet. Is', 'NotYet', 'NotYet'],
    ['ReplicasLate', 'No replica has loaded the weight: t0 is NotYet; t1 is Missing. Is', 'NotYet', 'Missing'],
    ['RouteUnknown', 'No replica knows the IngressRoute: it has no ingress class', 'Missing', 'Missing'],
    ['RouteUnknown', 'No replica knows the IngressRoute: it has no ingress class', 'Missing', 'Unreachable'],
    ['RouteInvalid', 'Replica t1 is Invalid.', 'NotYet', 'Invalid', 'InEffect'],
  ])('is not after 30 s: %s', (reason, message, ...kinds) => {
    const world = open(...kinds);
    world.run(29_999);
    expect(verified(world.status)).toMatchObject({ status: 'Unknown' });
    world.run(1);
    expect(verified(world.status)).toMatchObject({ status: 'False', reason });
    expect(verified(world.status)?.message).toContain(message);
    expect(world.state).toBe('Progressing/NotInEffect 20% route 20%');
    expect(world.status.history?.filter((entry) => entry.reason === 'NotInEffect')).toHaveLength(1);
    world.run(3_600_000);
    expect(world.state).toBe('Progressing/NotInEffect 20% route 20%');
    expect(world.status.history?.filter((entry) => entry.reason === 'NotInEffect')).toHaveLength(1);
    say(world, 'InEffect');
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    world.run(60_000);
    expect(world.state).toBe('Progressing/StepStarted 50% route 50%');
  });

  it('tells a throttle from lost API servers where something else was loaded meanwhile', () => {
    const world = open('NotYet');
    world.replicas = (world.replicas ?? []).map((finding) => ({ ...finding, hasMoved: true }));
    world.run(30_000);
    expect(verified(world.status)?.message).toContain('is providersThrottleDuration too long?');
  });

  it('lists a few of many', () => {
    const world = open('NotYet', 'NotYet', 'NotYet', 'NotYet', 'NotYet');
    world.run(30_000);
    expect(verified(world.status)?.message).toContain('t0 is NotYet; t1 is NotYet; t2 is NotYet and 2 more');
  });

  it('is lowered all the same', () => {
    const world = open('NotYet');
    world.advance(10_000);
    world.verdict = 'Fail';
    world.settle();
    expect([world.status.phase, world.percent]).toEqual(['Failed', 0]);
  });

  it('holds the raise that is due when a replica loses it later, the clock of the step goes on', () => {
    const world = open('InEffect', 'InEffect');
    world.advance(50_000);
    say(world, 'InEffect', 'NotYet');
    world.run(20_000);
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    expect(verified(world.status)).toMatchObject({ status: 'True' });
    world.run(10_000);
    expect(world.state).toBe('Progressing/NotInEffect 20% route 20%');
    expect(verified(world.status)).toMatchObject({ status: 'False', reason: 'ReplicaStale' });
    say(world, 'InEffect', 'InEffect');
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 50% route 50%');
  });

  it('keeps what was found out while a new controller has not asked yet', () => {
    const world = open('InEffect', 'NotYet');
    world.run(31_000);
    const before = world.status;
    for (const replicas of [[], [{ name: 't0', kind: 'Unasked', message: 'was not asked yet', sinceMs: 0 }]] as const) {
      world.replicas = replicas;
      world.step();
      expect(verified(world.status)).toEqual(verified(before));
    }
    // For a new controller the replica has just begun to lack it; it was not in effect before, either.
    say(world, 'InEffect', 'NotYet');
    world.settle();
    expect(world.state).toBe('Progressing/NotInEffect 20% route 20%');
  });

  it('that was promoted is not left either before it is in effect', () => {
    const world = open('NotYet');
    world.command('promote-full');
    world.run(10_000);
    expect(world.percent).toBe(20);
    say(world, 'InEffect');
    world.settle();
    expect(world.percent).toBe(100);
  });

  it('says nothing at rest, and is forgotten with the step', () => {
    const world = open('InEffect');
    world.run(65_000);
    expect(world.percent).toBe(50);
    const [first, second] = [world.status.history?.[0]?.time ?? '', world.status.progress?.effectiveAt ?? ''];
    expect(Date.parse(second)).toBeGreaterThan(Date.parse(first) + 50_000);
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    expect(verified(world.status)).toBeUndefined();
  });
});
