import { describe, expect, it } from 'vitest';
import type { WorldOptions } from '../../support/world.ts';
import { World } from '../../support/world.ts';

const steps = [
  { weight: 20, duration: '1m' },
  { weight: 50, duration: '1m' },
];

/** unproven returns a world in a Hold of revision 2 whose canary has just got revision 3. */
function unproven(spec: WorldOptions['spec'] = {}): World {
  const world = new World({ spec: { steps, ...spec } });
  world.run(600_000);
  expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  world.verdict = 'Inconclusive';
  world.release('canary', 3);
  world.settle();
  expect(world.state).toBe('Degraded/UnprovenRevision 100% route 100%');
  return world;
}

function conditionOf(world: World, type: string) {
  return world.status.conditions?.find((condition) => condition.type === type);
}

describe('a canary that changes in a Hold', () => {
  it('is said to be unproven, with the time from which on it is judged', () => {
    const world = unproven();
    expect(world.status).toMatchObject({ revision: 'canary-3', promotedRevision: 'canary-2' });
    expect(world.status.unprovenSince).toBe(new Date(world.nowMs).toISOString());
    expect(world.status.message).toMatch(
      /^Revision canary-3 of the canary already serves everybody, and nobody has judged it before\. Update shop-stable \(or promote\)/,
    );
    expect(conditionOf(world, 'Ready')?.status).toBe('False');
    expect(conditionOf(world, 'Stalled')?.status).toBe('True');
    expect(conditionOf(world, 'Promoted')?.status).toBe('Unknown');
    expect(conditionOf(world, 'AnalysisPassing')?.status).toBe('Unknown');
  });

  it('begins without the evidence and the verdict of the one before', () => {
    const world = new World({ spec: { steps } });
    world.run(600_000);
    expect(world.status.verdict).toBe('Pass');
    world.release('canary', 3);
    world.step();
    expect(world.status.analysis).toBeUndefined();
    expect(world.status.verdict).toBeUndefined();
  });

  it('is judged by what the limits say, where nothing is compared', () => {
    const world = unproven();
    const { scene } = world.observe();
    expect(scene.spec).toMatchObject({ compare: 'None', slo: { errorRatio: 0.05 } });
    expect(scene.judged).toMatchObject({
      stage: { sinceMs: world.nowMs, isAlone: true },
      share: { weightPercent: 100, isComparable: false },
    });
    world.verdict = 'Pass';
    world.run(3_600_000);
    expect(world.state).toBe('Degraded/UnprovenRevision 100% route 100%');
    expect(world.status.verdict).toBe('Pass');
    expect(conditionOf(world, 'AnalysisPassing')?.status).toBe('True');
  });

  it('goes out at once when it fails, and fails as a revision', () => {
    const world = unproven();
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Failed/ErrorRatioExceeded 0% route 0%');
    expect(world.status).toMatchObject({ failedRevisions: ['canary-3'], promotedRevision: 'canary-2' });
    expect(world.status.message).toContain(
      'Revision canary-3 came after the promotion and had 100%; all traffic goes back to shop-stable.',
    );
    expect(world.status).not.toHaveProperty('unprovenSince');
    expect(conditionOf(world, 'AnalysisPassing')?.status).toBe('False');
    expect(conditionOf(world, 'Promoted')?.status).toBe('False');
    world.run(3_600_000);
    expect(world.percent).toBe(0);
  });

  it.each([0, 1])('goes out when the controller stops after %i writes of that', (crashAfter) => {
    const world = unproven();
    world.verdict = 'Fail';
    world.step({ crashAfter });
    world.settle();
    expect(world.percent).toBe(0);
    expect(world.status).toMatchObject({ phase: 'Failed', failedRevisions: ['canary-3'] });
  });

  it('keeps the traffic while stable has no endpoint, and goes out with the first one', () => {
    const world = unproven();
    world.endpoints.stable = 0;
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Degraded/StableUnavailable 100% route 100%');
    world.endpoints.stable = 1;
    world.settle();
    expect(world.state).toBe('Failed/ErrorRatioExceeded 0% route 0%');
    expect(world.status.failedRevisions).toEqual(['canary-3']);
  });

  it('goes out under a pause and in a freeze too', () => {
    const world = unproven();
    world.edit({ paused: true });
    world.freezes = [{ fromMs: world.nowMs, toMs: world.nowMs + 3_600_000, reason: undefined }];
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Failed/ErrorRatioExceeded 0% route 0%');
  });

  it.each<[string, WorldOptions['spec']]>([
    ['with onFailure: Pause', { onFailure: 'Pause' }],
    ['with mode: DryRun', { analysis: { mode: 'DryRun' } }],
  ])('stays %s, whatever is found', (_name, spec) => {
    const world = unproven(spec);
    world.verdict = 'Fail';
    world.run(60_000);
    expect(world.percent).toBe(100);
    expect(world.status.phase).toBe('Degraded');
  });

  it('says with onFailure: Pause that it failed, and abort takes it out', () => {
    const world = unproven({ onFailure: 'Pause' });
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Degraded/AnalysisFailed 100% route 100%');
    expect(world.status.message).toContain('it stays until promote or abort, as spec.onFailure says.');
    world.command('abort');
    world.settle();
    expect(world.state).toBe('Failed/Aborted 0% route 0%');
  });

  it('is held to nothing without data', () => {
    const world = unproven();
    world.verdict = 'NoData';
    world.run(86_400_000);
    expect(world.state).toBe('Degraded/UnprovenRevision 100% route 100%');
  });

  it('begins anew with the next one, which is not blamed for what the one before did', () => {
    const world = unproven();
    const { unprovenSince } = world.status;
    world.advance(60_000);
    world.verdict = 'Fail';
    world.release('canary', 4);
    world.step();
    expect(world.percent).toBe(100);
    expect(world.status.revision).toBe('canary-4');
    expect(world.status.unprovenSince).not.toBe(unprovenSince);
    world.settle();
    expect(world.status).toMatchObject({ phase: 'Failed', failedRevisions: ['canary-4'] });
  });

  it('is over when the promoted revision is back', () => {
    const world = unproven();
    world.release('canary', 2);
    world.settle();
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    expect(world.status).not.toHaveProperty('unprovenSince');
    expect(world.observe().scene.judged).toBeUndefined();
    world.verdict = 'Fail';
    world.run(60_000);
    expect(world.percent).toBe(100);
  });

  it('is judged on the way back to stable too, which is made at once when it fails', () => {
    const world = unproven();
    world.release('stable', 2);
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
    expect(world.status.unprovenSince).toBeDefined();
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Failed/ErrorRatioExceeded 0% route 0%');
    expect(world.status.failedRevisions).toEqual(['canary-3']);
  });

  it('is judged also when it changes on the way back', () => {
    const world = new World({ spec: { steps } });
    world.run(600_000);
    world.release('stable', 2);
    world.settle();
    expect(world.status).not.toHaveProperty('unprovenSince');
    world.release('canary', 3);
    world.verdict = 'Inconclusive';
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
    expect(world.status).toMatchObject({ revision: 'canary-3', unprovenSince: new Date(world.nowMs).toISOString() });
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Failed/ErrorRatioExceeded 0% route 0%');
  });

  it('costs a write of the evidence a minute, and none for a sentence that counts on', () => {
    const world = unproven();
    const before = world.rollout?.metadata.resourceVersion;
    for (let second = 0; second < 50; second += 1) {
      world.advance(1_000);
      world.step();
    }
    expect(world.rollout?.metadata.resourceVersion).toBe(before);
  });
});

describe('a canary that changes while something else is waited for', () => {
  /** held returns a world in a Hold whose stable is new, and may not get traffic. */
  function held(change: (world: World) => void): World {
    const world = new World({ spec: { steps } });
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    change(world);
    world.release('stable', 2);
    world.settle();
    world.verdict = 'Inconclusive';
    world.release('canary', 3);
    world.settle();
    return world;
  }

  it('is noticed while stable is new and has too few pods, and the status says so', () => {
    const world = held(({ endpoints }) => Object.assign(endpoints, { stable: 0 }));
    expect(world.state).toBe('Degraded/UnprovenRevision 100% route 100%');
    expect(world.status).toMatchObject({ revision: 'canary-3', unprovenSince: new Date(world.nowMs).toISOString() });
    expect(world.status.message).toContain(
      'Traffic cannot return: Service shop-stable has 0 ready endpoints; it needs 1. When traffic is back on stable it is rolled out step by step.',
    );
  });

  it('is noticed while a pause holds the way back', () => {
    const world = held((paused) => paused.edit({ paused: true }));
    expect(world.state).toBe('Degraded/UnprovenRevision 100% route 100%');
    expect(world.status.message).toContain('spec.paused holds the return to shop-stable.');
  });

  it('is noticed while stable is the old version again, under a pause', () => {
    const world = new World({ spec: { steps } });
    world.run(600_000);
    world.release('stable', 2);
    world.settle();
    world.edit({ paused: true });
    world.release('stable', 3, true, 'shop:1');
    world.settle();
    expect(world.state).toBe('Degraded/StableReverted 80% route 80%');
    world.verdict = 'Inconclusive';
    world.release('canary', 3);
    world.settle();
    expect(world.status).toMatchObject({ revision: 'canary-3', unprovenSince: new Date(world.nowMs).toISOString() });
    world.verdict = 'Fail';
    world.settle();
    expect(world.status).toMatchObject({ phase: 'Failed', failedRevisions: ['canary-3'] });
  });

  it('is noticed when it stands in for a stable without endpoints on the way back', () => {
    const world = new World({ spec: { steps } });
    world.run(600_000);
    world.release('stable', 2);
    world.settle();
    world.release('canary', 3);
    world.endpoints.stable = 0;
    world.step();
    expect(world.status).toMatchObject({ revision: 'canary-3', unprovenSince: new Date(world.nowMs).toISOString() });
  });

  it('is noticed by a Copy that somebody else does', () => {
    const world = new World({ spec: { steps, promotion: { mode: 'Copy' } } });
    world.applier = 'argocd-controller';
    world.run(600_000);
    world.endpoints.stable = 0;
    world.release('stable', 2);
    world.settle();
    expect(world.state).toBe('Succeeded/StableIsManaged 100% route 100%');
    expect(world.status.message).toContain('Traffic cannot return: Service shop-stable has 0 ready endpoints');
    world.release('canary', 3);
    world.settle();
    expect(world.state).toBe('Degraded/UnprovenRevision 100% route 100%');
    expect(world.status.revision).toBe('canary-3');
  });
});
