import { describe, expect, it } from 'vitest';
import { formatTime } from '../../../src/clock.ts';
import { jitterOf } from '../../../src/rollout/schedule.ts';
import { World } from '../../support/world.ts';

const steps = [
  { weight: 20, duration: '1m' },
  { weight: 50, duration: '1m' },
];
const hourMs = 3_600_000;
/** The world begins at nine on a Saturday, UTC. */
const morning = { windows: [{ cron: '0 8 * * *', duration: '2h', timeZone: 'UTC' }] };
const jitterMs = jitterOf('rollout-uid');

function inStep(options: ConstructorParameters<typeof World>[0] = {}): World {
  const world = new World({ ...options, spec: { steps, ...options.spec } });
  world.settle();
  return world;
}

/** sample lets time pass with a block of samples every 15 s, each of which wakes the rollout. */
function sample(world: World, ms: number): void {
  for (const endMs = world.nowMs + ms; world.nowMs < endMs;) world.run(15_000);
}

describe('a window that closes', () => {
  it('stops raising at the next step, says until when, and goes on by itself', () => {
    const world = inStep({
      spec: { steps: [{ weight: 20, duration: '2h' }, { weight: 50 }], schedule: morning, analysis: { pace: 'Time' } },
    });
    expect(world.percent).toBe(20);
    world.run(2 * hourMs);
    expect(world.state).toBe('Paused/OutsideWindow 20% route 20%');
    expect(world.status.message).toMatch(/^spec\.schedule holds the canary at 20% until 2026-11-22T08:00:00\.000Z; /);
    expect(world.status.opensAt).toBe('2026-11-22T08:00:00.000Z');
    world.run(21 * hourMs - 1_000);
    expect(world.percent).toBe(20);
    sample(world, 60_000);
    expect(world.percent).toBe(50);
    expect(world.status.opensAt).toBeUndefined();
  });

  it('does not stop a rollback', () => {
    const world = inStep({ spec: { schedule: morning } });
    world.advance(2 * hourMs);
    world.settle();
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Failed/MoreErrors 0% route 0%');
  });

  it('is passed by nobody but who goes all the way', () => {
    const world = inStep({ spec: { schedule: morning } });
    world.advance(2 * hourMs);
    world.settle();
    world.command('promote');
    world.settle();
    expect(world.percent).toBe(20);
    expect(world.notices.at(-1)).toMatchObject({
      type: 'Warning',
      reason: 'CommandIgnored',
      message: 'spec.schedule holds this rollout until 2026-11-22T08:00:00.000Z; nothing is promoted.',
    });
    world.command('promote-full');
    world.settle();
    expect(world.percent).toBe(100);
  });
});

describe('a window that opens', () => {
  it('starts what waited, spread over a minute', () => {
    const world = new World({
      spec: { steps, schedule: { windows: [{ cron: '0 10 * * *', duration: '2h', timeZone: 'UTC' }] } },
    });
    world.settle();
    expect(world.state).toBe('Pending/OutsideWindow 0% route 0%');
    expect(world.status.conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'True' }));
    world.run(hourMs + jitterMs - 1);
    expect(world.state).toBe('Pending/WindowOpened 0% route 0%');
    world.run(1_000);
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
  });

  it('wants one block of samples from after it, before anything is raised', () => {
    const world = inStep({ spec: { schedule: morning } });
    world.advance(2 * hourMs);
    world.settle();
    world.advance(21 * hourMs - 60_000);
    world.settle();
    world.watermarkMs = world.nowMs;
    world.advance(61_000);
    world.settle();
    expect(world.state).toBe('Progressing/WindowOpened 20% route 20%');
    world.watermarkMs = undefined;
    world.settle();
    expect(world.percent).toBe(50);
  });
});

describe('a freeze', () => {
  it('of the operator holds every rollout, also one that is promoted all the way', () => {
    const world = inStep();
    world.freezes = [{ fromMs: world.nowMs, toMs: world.nowMs + 5 * hourMs, reason: 'Black Friday' }];
    world.command('promote-full');
    world.settle();
    world.run(4 * hourMs);
    expect(world.state).toBe('Paused/Frozen 20% route 20%');
    const until = formatTime(world.nowMs + hourMs);
    expect(world.status.message).toMatch(`The freeze (Black Friday) holds the canary at 20% until ${until}; `);
    world.run(hourMs);
    sample(world, hourMs);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  });

  it('that is lifted early is lifted once, also where nothing may be raised for want of data', () => {
    const world = inStep();
    world.freezes = [{ fromMs: world.nowMs, toMs: world.nowMs + 5 * hourMs, reason: undefined }];
    world.writeWeight('argocd-controller', 5);
    world.settle();
    expect(world.state).toBe('Paused/Frozen 20% route 5%');
    world.verdict = 'NoData';
    world.freezes = [];
    const liftedAt = formatTime(world.nowMs);
    world.settle();
    for (const _ of [1, 2, 3]) {
      world.nowMs += 1_000;
      world.settle();
      expect(world.status.openedAt).toBe(liftedAt);
    }
  });

  it('holds the return to stable, but not who asks for it', () => {
    const world = inStep();
    world.run(hourMs);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    world.freezes = [{ fromMs: world.nowMs, toMs: world.nowMs + 5 * hourMs, reason: undefined }];
    world.release('stable', 2);
    world.run(hourMs);
    expect(world.percent).toBe(100);
    world.command('promote');
    world.settle();
    expect(world.percent).toBe(80);
    world.run(5 * hourMs);
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
  });
});
