import { describe, expect, it } from 'vitest';
import type { WorkloadKind } from '../../../src/reconciler/workloads.ts';
import { World } from '../../support/world.ts';

const steps = [
  { weight: 20, duration: '1m' },
  { weight: 50, duration: '1m' },
];

describe.each<WorkloadKind>(['Deployment', 'StatefulSet', 'DaemonSet'])('a release by a %s', (kind) => {
  /** running returns a world in its first step, of revision 2. */
  function running(): World {
    const world = new World({ kind, spec: { steps } });
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    return world;
  }

  /** inHold returns a world whose canary was promoted at revision 2. */
  function inHold(): World {
    const world = running();
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    return world;
  }

  it('starts when it is fully rolled out, not before', () => {
    const world = new World({ kind, sameImages: true, spec: { steps } });
    world.settle();
    expect(world.state).toBe('Succeeded/Unchanged 0% route 0%');
    world.release('canary', 3, false);
    world.run(60_000);
    expect(world.state).toBe('Pending/WorkloadRollingOut 0% route 0%');
    expect(world.status.message).toBe(`${kind} shop-canary is rolling out: 1 of 2 pods are new, 2 ready.`);
    world.release('canary', 3);
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    expect(world.status.revision).toBe('canary-3');
  });

  it('that is replaced in a step goes to 0 at once, and starts anew when the next one is rolled out', () => {
    const world = running();
    world.release('canary', 3, false);
    world.settle();
    expect(world.state).toBe('Pending/WorkloadRollingOut 0% route 0%');
    world.release('canary', 3);
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    expect(world.status).toMatchObject({ revision: 'canary-3', progress: { index: 0 } });
    expect(world.status.failedRevisions).toBeUndefined();
  });

  it('that is replaced under a pause by command goes to 0 at once, and the next one waits for the resume', () => {
    const world = running();
    world.command('pause');
    world.settle();
    expect(world.state).toBe('Paused/PausedByCommand 20% route 20%');
    world.release('canary', 3);
    world.settle();
    expect(world.state).toBe('Pending/PausedByCommand 0% route 0%');
    world.command('resume');
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
  });

  it('that is replaced while it rolls back starts after that', () => {
    const world = running();
    world.endpoints.stable = 0;
    world.settle();
    world.command('abort');
    world.settle();
    expect(world.state).toBe('Degraded/StableUnavailable 100% route 100%');
    world.release('canary', 3);
    world.settle();
    expect(world.percent).toBe(100);
    world.endpoints.stable = 2;
    // Two raises of a route are 2.5 s apart.
    world.run(3_000);
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    expect(world.status).toMatchObject({ revision: 'canary-3', failedRevisions: ['canary-2'] });
  });

  it('that is replaced while traffic returns to stable starts after that', () => {
    const world = inHold();
    world.release('stable', 2);
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
    world.release('canary', 3);
    world.run(60_000);
    expect(world.percent).toBe(80);
    world.run(80_000);
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    expect(world.status.revision).toBe('canary-3');
  });

  it('that goes back to the promoted one in mid-step, or after a failure, is no failure', () => {
    const world = inHold();
    world.release('stable', 2);
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
    world.release('canary', 3);
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    world.release('canary', 2);
    world.settle();
    expect(world.state).toBe('Succeeded/Reverted 0% route 0%');
    world.release('canary', 4);
    world.settle();
    world.verdict = 'Fail';
    world.run(60_000);
    expect(world.status).toMatchObject({ phase: 'Failed', failedRevisions: ['canary-4'] });
    world.release('canary', 2);
    world.settle();
    expect(world.state).toBe('Succeeded/Reverted 0% route 0%');
    expect(world.status.failedRevisions).toEqual(['canary-4']);
  });

  it('that failed is not tried again when it comes back', () => {
    const world = running();
    world.verdict = 'Fail';
    world.run(60_000);
    world.verdict = 'Pass';
    world.release('canary', 3);
    world.settle();
    world.release('canary', 2);
    world.settle();
    expect(world.state).toBe('Failed/FailedBefore 0% route 0%');
  });
});
