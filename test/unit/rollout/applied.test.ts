import { describe, expect, it } from 'vitest';
import { formatTime } from '../../../src/clock.ts';
import { World } from '../../support/world.ts';

const steps = [
  { weight: 20, duration: '1m' },
  { weight: 50, duration: '1m' },
];

/** inSecondStep returns a world at 50 % and what its last reconciles wrote, raise included. */
function inSecondStep(): { readonly world: World; readonly writes: readonly number[] } {
  const world = new World({ spec: { steps } });
  world.settle();
  // What was counted until shortly before is stored: 30 s of samples would be worth a write of their own.
  world.advance(64_000);
  world.settle();
  world.advance(1_001);
  const writes = Array.from({ length: 3 }, () => world.step().writes);
  return { world, writes };
}

describe('when a weight came into the route', () => {
  it('is read from the route, so that a step costs one write of status and one of the route', () => {
    const { world, writes } = inSecondStep();
    expect(writes).toEqual([2, 0, 0]);
    expect(world.state).toBe('Progressing/StepStarted 50% route 50%');
    expect(world.status.progress?.appliedAt).toBeUndefined();
    expect(world.observe().observation.rollout.status?.progress?.appliedAt).toBe(formatTime(world.nowMs));
  });

  it('is stored at once in the first step, where 0 % could be a rollback as well', () => {
    const world = new World({ spec: { steps } });
    world.settle();
    expect(world.status.progress?.appliedAt).toBe(formatTime(world.nowMs));
  });

  it('is stored with the next write', () => {
    const { world } = inSecondStep();
    const appliedAt = world.observe().observation.rollout.status?.progress?.appliedAt;
    world.advance(66_000);
    world.edit({ paused: true });
    world.settle();
    expect(world.status.progress).toMatchObject({ weight: 50, appliedAt });
  });

  it('is stored where somebody else has written the rules since', () => {
    const { world } = inSecondStep();
    world.advance(1_000);
    world.writeRoutes('terraform', world.routes);
    world.settle();
    expect(world.status.progress?.appliedAt).toBe(formatTime(world.nowMs));
  });

  it('counts from the write of the route where that came later than the step', () => {
    const world = new World({ spec: { steps } });
    world.settle();
    world.advance(65_001);
    world.step({ crashAfter: 1 });
    world.advance(30_000);
    world.settle();
    const { enteredAt, appliedAt } = world.observe().observation.rollout.status?.progress ?? {};
    expect(Date.parse(appliedAt ?? '') - Date.parse(enteredAt ?? '')).toBeGreaterThan(29_000);
  });

  it('does not make a raise of a weight that kubectl has put back to the former one', () => {
    const { world } = inSecondStep();
    world.advance(2_000);
    world.writeWeight('kubectl-edit', 20);
    world.settle();
    expect(world.state).toBe('Paused/LoweredByHand 20% route 20%');
  });

  it('does not hide a rollback whose status write was lost', () => {
    const { world } = inSecondStep();
    world.advance(10_000);
    world.verdict = 'Fail';
    world.step({ crashAfter: 1 });
    expect(world.state).toBe('Progressing/StepStarted 50% route 0%');
    world.verdict = 'Inconclusive';
    world.settle();
    expect(world.state).toBe('Failed/RollbackCompleted 0% route 0%');
  });
});
