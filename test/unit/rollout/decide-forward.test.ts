import { describe, expect, it } from 'vitest';
import { shopRoutes } from '../../support/rollout-builders.ts';
import { World } from '../../support/world.ts';

const steps = [
  { weight: 20, duration: '1m' },
  { weight: 50, duration: '1m' },
];

/** inStep returns a world whose rollout has just got its first weight, 20 %. */
function inStep(spec: ConstructorParameters<typeof World>[0] = {}): World {
  const world = new World({ ...spec, spec: { steps, ...spec.spec } });
  world.settle();
  return world;
}

describe('a rollout starts', () => {
  it('with the finalizer, then the status, then the route', () => {
    const world = new World({ spec: { steps } });
    const kinds = Array.from({ length: 4 }, () => world.step().decision.kind);
    expect(kinds).toEqual(['Wait', 'Claim', 'Raise', 'Wait']);
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    expect(world.rollout?.metadata.finalizers).toEqual(['sluice.dev/route']);
  });

  it('after a success too, without claiming and releasing the finalizer in turns', () => {
    const world = new World({ spec: { steps }, sameImages: true });
    world.settle();
    expect(world.state).toBe('Succeeded/Unchanged 0% route 0%');
    world.release('canary', 3);
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
  });

  it.each<[string, string, (world: World) => void, (world: World) => void]>([
    [
      'WorkloadRollingOut',
      'while old pods of the canary are still replaced',
      (world) => world.release('canary', 2, false),
      (world) => world.release('canary', 2),
    ],
    [
      'CanaryNotReady',
      'without a ready canary endpoint',
      (world) => void (world.endpoints.canary = 0),
      (world) => void (world.endpoints.canary = 1),
    ],
    [
      'StableUnavailable',
      'without a ready stable endpoint',
      (world) => void (world.endpoints.stable = 0),
      (world) => void (world.endpoints.stable = 1),
    ],
    [
      'NoEvidenceSource',
      'with nobody to judge the canary',
      (world) => void (world.source = { kind: 'NotReady', reason: 'NoEvidenceSource', message: 'No answer.' }),
      (world) => void (world.source = { kind: 'Ready' }),
    ],
    [
      'PausedBySpec',
      'while spec.paused',
      (world) => world.edit({ paused: true }),
      (world) => world.edit({ paused: false }),
    ],
    ['RouteNotFound', 'without its route', (world) => world.deleteRoute(), (world) => world.recreateRoute()],
  ])('not %s: %s, but as soon as that is over', (reason, _name, hinder, help) => {
    const world = new World({ spec: { steps } });
    world.setStatus({ revision: 'canary-2', phase: 'Pending', reason: 'NewRevision' });
    hinder(world);
    world.settle();
    expect(world.state).toBe(`Pending/${reason} 0% route 0%`);
    expect(world.routeWrites).toEqual([]);
    help(world);
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
  });

  it('without a source where no analysis is wanted', () => {
    const world = new World({ spec: { steps, analysis: { mode: 'Disabled' } } });
    world.source = { kind: 'NotReady', reason: 'NoEvidenceSource', message: 'No answer.' };
    world.settle();
    expect(world.percent).toBe(20);
  });

  it('anew with the same raise when somebody else wrote the route between the decision and the write', () => {
    const world = new World({ spec: { steps } });
    world.beforeRouteWrite = () => world.touchRoute();
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    expect(world.status.history?.filter((entry) => entry.reason === 'StepStarted')).toHaveLength(1);
  });

  it('as not started when the canary is lost before it got traffic, also where its entry is listed at weight 0', () => {
    const [route] = shopRoutes;
    const services = [...(route?.services ?? []), { name: 'shop-canary', port: 80, weight: 0 }];
    const world = new World({ spec: { steps }, routes: [{ match: 'Host(`a`)', services }] });
    world.beforeRouteWrite = () => world.touchRoute();
    while (world.status.progress === undefined) world.step();
    world.endpoints.canary = 0;
    world.settle();
    expect(world.state).toBe('Pending/CanaryNotReady 0% route 0%');
    expect(world.status.failedRevisions).toBeUndefined();
  });
});

describe('a rollout walks its steps', () => {
  it('to the end, each for its time after the weight is in effect', () => {
    const world = inStep();
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    expect(world.routeWrites.map(({ percent }) => percent)).toEqual([20, 50, 100]);
    const [first, second, third] = world.routeWrites.map(({ atMs }) => atMs);
    expect([(second ?? 0) - (first ?? 0), (third ?? 0) - (second ?? 0)]).toEqual([65_000, 65_000]);
    expect(world.status).toMatchObject({ promotedRevision: 'canary-2', revision: 'canary-2' });
  });

  it.each([
    ['Inconclusive', 'TooFewRequests'],
    ['Silence', 'NoEvidenceYet'],
    ['NoData', 'SourceUnreachable'],
  ] as const)('with 100 as a step that is judged before the success: %s holds it there', (verdict, reason) => {
    const world = inStep();
    world.run(140_000);
    expect(world.state).toBe('Progressing/StepStarted 100% route 100%');
    world.verdict = verdict;
    world.run(600_000);
    expect(world.state).toBe(`Progressing/${reason} 100% route 100%`);
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Failed/MoreErrors 0% route 0%');
  });

  it.each([
    ['Silence', 'TooFewRequests'],
    ['NoData', 'SourceUnreachable'],
  ] as const)('never on %s', (verdict, reason) => {
    const world = inStep();
    world.verdict = verdict;
    world.run(86_400_000);
    expect(world.state).toBe(`Progressing/${reason} 20% route 20%`);
    world.verdict = 'Pass';
    world.settle();
    expect(world.percent).toBe(50);
  });

  it.each(['Inconclusive', 'Silence', 'NoData', 'Fail'] as const)('regardless of %s in DryRun', (kind) => {
    const world = inStep({ spec: { analysis: { mode: 'DryRun' } } });
    world.verdict = kind;
    world.run(600_000);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  });

  it('and stays in a pause without end until promoted', () => {
    const world = inStep({ spec: { steps: [{ weight: 20, duration: '1m' }, { pause: {} }, { weight: 50 }] } });
    world.run(86_400_000);
    expect(world.state).toBe('Paused/PauseStep 20% route 20%');
    expect(world.status.step).toBe('2/4');
    world.command('promote');
    world.settle();
    expect(world.percent).toBe(50);
    expect(world.status.history?.find((entry) => entry.reason === 'Promoted')?.who).toBe('ann');
    expect(world.rollout?.metadata.annotations).toEqual({});
  });

  it('and leaves a pause with an end when its time is over', () => {
    const pause = { duration: '1h' };
    const world = inStep({ spec: { steps: [{ weight: 20, duration: '1m' }, { pause }, { weight: 50 }] } });
    world.run(65_000 + 3_599_000);
    expect(world.percent).toBe(20);
    world.run(1_000);
    expect(world.percent).toBe(50);
  });

  it('and rolls back on a Fail in a pause', () => {
    const world = inStep({ spec: { steps: [{ weight: 20, duration: '1m' }, { pause: {} }] } });
    world.run(120_000);
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Failed/MoreErrors 0% route 0%');
  });

  it('but not from a step while stable has no endpoint to share with', () => {
    const world = inStep();
    world.command('abort', 'another');
    world.writeWeight('kubectl-edit', 0);
    world.settle();
    expect(world.state).toBe('Paused/LoweredByHand 0% route 0%');
    world.endpoints.stable = 0;
    world.command('promote');
    world.run(60_000);
    expect(world.state).toBe('Progressing/StableUnavailable 0% route 0%');
    world.endpoints.stable = 1;
    world.settle();
    expect(world.percent).toBe(20);
  });
});

describe('promote', () => {
  it('ends a step early, but not before two raises are 2.5 s apart', () => {
    const world = inStep();
    world.command('promote');
    world.settle();
    expect(world.percent).toBe(20);
    world.run(2_500);
    expect(world.percent).toBe(50);
  });

  it('counts the 2.5 s from when the weight was seen, where a crash came before the write', () => {
    const world = new World({ spec: { steps } });
    while (world.status.progress === undefined) world.step({ crashAfter: 1 });
    expect(world.state).toBe('Progressing/StepStarted 20% route 0%');
    world.advance(60_000);
    world.settle();
    world.command('promote');
    world.settle();
    expect(world.percent).toBe(20);
  });

  it('ends one step only', () => {
    const world = inStep();
    world.advance(10_000);
    world.command('promote');
    world.run(30_000);
    expect(world.percent).toBe(50);
  });

  it('does for evidence that is not enough, never for missing data', () => {
    const world = inStep();
    world.advance(10_000);
    world.verdict = 'NoData';
    world.command('promote');
    world.settle();
    expect(world.state).toBe('Progressing/SourceUnreachable 20% route 20%');
    world.verdict = 'Inconclusive';
    world.settle();
    expect(world.percent).toBe(50);
  });
});

describe('spec.paused', () => {
  it('stops raising, and nothing else', () => {
    const world = inStep();
    world.edit({ paused: true });
    world.run(3_600_000);
    expect(world.state).toBe('Paused/PausedBySpec 20% route 20%');
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Failed/MoreErrors 0% route 0%');
  });

  it('leaves a raise that was not made yet for later', () => {
    const world = inStep();
    world.advance(65_000);
    world.step({ crashAfter: 1 });
    expect(world.state).toBe('Progressing/StepStarted 50% route 20%');
    world.edit({ paused: true });
    world.run(60_000);
    expect(world.state).toBe('Paused/PausedBySpec 50% route 20%');
    expect(world.status.progress).not.toHaveProperty('appliedAt');
    world.edit({ paused: false });
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 50% route 50%');
  });
});

describe('steps edited mid-rollout', () => {
  it.each([
    ['goes on with the first greater weight', [10, 30, 70], 30],
    ['never jumps back', [5, 10], 100],
    ['goes on from between two steps', [10, 25], 25],
  ])('keep the weight and %s', (_name, weights, expected) => {
    const world = inStep();
    world.edit({ steps: weights.map((weight) => ({ weight, duration: '1m' })) });
    world.settle();
    expect(world.percent).toBe(20);
    expect(world.notices.map(({ reason }) => reason)).toContain('StepsEdited');
    world.run(66_000);
    expect(world.percent).toBe(expected);
  });

  it('wait at the last step for evidence when no greater weight is left but 100', () => {
    const world = inStep();
    world.verdict = 'Inconclusive';
    world.edit({ steps: [{ weight: 10 }] });
    world.run(3_600_000);
    expect(world.percent).toBe(20);
  });
});
