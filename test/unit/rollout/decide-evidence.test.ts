import { describe, expect, it } from 'vitest';
import type { WrittenSpec } from '../../support/rollout-builders.ts';
import { World } from '../../support/world.ts';

const steps = [
  { weight: 20, duration: '10m' },
  { weight: 50, duration: '10m' },
];
/** effectMs is how long after its write a weight is taken to be in effect. */
const effectMs = 5_000;
const minute = 60_000;

type Analysis = NonNullable<WrittenSpec['analysis']>;

/** inStep returns a world whose rollout has just got its first weight. */
function inStep(analysis: Analysis = {}, over: WrittenSpec = {}): World {
  const world = new World({ spec: { steps, ...over, analysis } });
  world.settle();
  return world;
}

/** raisedAfter returns how long after the one before each raise was made, in ms. */
function raisedAfter({ routeWrites }: World): readonly number[] {
  return routeWrites.slice(1).map(({ atMs }, index) => atMs - (routeWrites[index]?.atMs ?? 0));
}

describe('a canary that is proven safe', () => {
  it('leaves each step but 100 after minStep in effect, and not a millisecond before', () => {
    const world = inStep({ minStep: '2m' });
    world.run(effectMs + 2 * minute - 1);
    expect(world.percent).toBe(20);
    world.run(1);
    expect(world.percent).toBe(50);
    world.run(effectMs + 2 * minute - 1);
    expect(world.percent).toBe(50);
    world.run(1);
    expect(world.percent).toBe(100);
  });

  it('leaves a step as soon as the proof comes, between minStep and its end', () => {
    const world = inStep();
    world.verdict = 'Inconclusive';
    world.run(effectMs + 3 * minute);
    expect(world.percent).toBe(20);
    world.verdict = 'Pass';
    world.settle();
    expect(world.percent).toBe(50);
  });

  it('stays at a step that is shorter than minStep for its own time', () => {
    const world = inStep({ minStep: '5m' }, { steps: [{ weight: 20, duration: '2m' }] });
    world.run(effectMs + 2 * minute - 1);
    expect(world.percent).toBe(20);
    world.run(1);
    expect(world.percent).toBe(100);
  });

  it('stays at 100 for its whole time, where what only shows there has to show', () => {
    const world = inStep({}, { steps: [...steps, { weight: 100, duration: '30m' }] });
    world.run(2 * (effectMs + minute));
    expect(world.percent).toBe(100);
    world.run(effectMs + 30 * minute - 1);
    expect(world.state).toBe('Progressing/StepStarted 100% route 100%');
    world.run(1);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  });

  it('stays for the whole time of each step where the pace is Time', () => {
    const world = inStep({ pace: 'Time' });
    world.run(60 * minute);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
    expect(raisedAfter(world)).toEqual([effectMs + 10 * minute, effectMs + 10 * minute]);
  });

  it.each(['DryRun', 'Disabled'] as const)('is not hurried on where the analysis is %s', (mode) => {
    const world = inStep({ mode });
    world.run(60 * minute);
    expect(raisedAfter(world)).toEqual([effectMs + 10 * minute, effectMs + 10 * minute]);
  });

  it.each([
    ['with an end for its time', { duration: '1h' }, 'Paused/PauseStep 20% route 20%', 50],
    ['without an end until it is promoted', {}, 'Paused/PauseStep 20% route 20%', 20],
  ] as const)('stays in a pause %s', (_name, pause, state, percent) => {
    const world = inStep({}, { steps: [{ weight: 20, duration: '10m' }, { pause }, { weight: 50, duration: '10m' }] });
    world.run(effectMs + minute);
    expect(world.status).toMatchObject({ phase: 'Paused', step: '2/4' });
    world.run(60 * minute - 1);
    expect(world.state).toBe(state);
    world.run(1);
    expect(world.percent).toBe(percent);
  });

  it('by another step is not proven at this one: what was counted before its weight was in effect lets it nowhere', () => {
    const world = inStep({ minStep: '1ms' });
    world.run(effectMs + 1);
    expect(world.percent).toBe(50);
    world.verdict = 'Silence';
    world.run(2 * effectMs);
    expect(world.observe().observation.verdict).toMatchObject({ kind: 'Inconclusive', reason: 'NoEvidenceYet' });
    world.run(86_400_000);
    expect(world.state).toBe('Progressing/NoEvidenceYet 50% route 50%');
  });
});

describe('the evidence of a rollout', () => {
  it('goes on over a raise: the write of the raise stores what was counted so far, and begins the step unproven', () => {
    const world = inStep();
    world.run(effectMs + minute - 1);
    const before = world.status;
    expect(before).toMatchObject({ verdict: 'Pass', observed: '20.0%', weight: 20 });
    world.advance(1);
    const { decision, observation } = world.step();
    expect(decision.kind).toBe('Raise');
    expect(observation.evidence?.watermark).not.toBe(before.analysis?.watermark);
    expect(world.status).toMatchObject({ weight: 50, verdict: 'Inconclusive', analysis: observation.evidence });
    expect(world.status).not.toHaveProperty('observed');
  });

  it('keeps its start and its id, and counts each step by itself', () => {
    const world = inStep();
    world.run(effectMs + minute - 1);
    const { analysis } = world.status;
    world.run(1 + effectMs + 30_000);
    expect(world.status).toMatchObject({ weight: 50, observed: '50.0%', verdict: 'Pass' });
    expect(world.status.analysis).toMatchObject({ id: analysis?.id, since: analysis?.since });
    expect(analysis?.step.since).toBe('2026-11-21T09:00:05.000Z');
    expect(world.status.analysis?.step.since).toBe('2026-11-21T09:01:10.000Z');
  });

  it('shows no share of the step before while nothing is counted at the present one', () => {
    const world = inStep();
    world.run(effectMs + minute);
    world.verdict = 'Silence';
    world.run(10 * minute);
    expect(world.status.weight).toBe(50);
    expect(world.status).not.toHaveProperty('observed');
  });

  it('rolls back before the weight of a step is in effect when it shows that the canary is bad', () => {
    const world = inStep();
    world.run(effectMs + minute);
    world.verdict = 'Fail';
    world.advance(1_000);
    world.settle();
    expect(world.state).toBe('Failed/MoreErrors 0% route 0%');
  });

  it('lets no raise be made without data that was decided with it, until data is back', () => {
    const world = inStep();
    world.run(effectMs + minute - 1);
    world.advance(1);
    world.isRouteForbidden = true;
    world.step();
    expect(world.state).toBe('Progressing/RouteNotWritten 50% route 20%');
    world.verdict = 'NoData';
    world.isRouteForbidden = false;
    // Longer than progressDeadline, which counts no time in which nothing is tried.
    world.run(60 * minute);
    expect(world.percent).toBe(20);
    world.verdict = 'Pass';
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 50% route 50%');
  });

  it('is forgotten with the try: a retry begins with none', () => {
    const world = inStep();
    world.run(effectMs + 30_000);
    world.verdict = 'Fail';
    world.settle();
    const { analysis } = world.status;
    expect(analysis?.id).toBeDefined();
    world.command('retry');
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
    expect(world.status.analysis?.id).not.toBe(analysis?.id);
  });
});

describe('a canary that is not proven yet', () => {
  it('goes on at the planned end of a step in which it was judged, and not a millisecond before', () => {
    const world = inStep();
    world.verdict = 'Inconclusive';
    world.run(effectMs + 10 * minute - 1);
    expect(world.percent).toBe(20);
    world.run(1);
    expect(world.percent).toBe(50);
  });

  it('never goes to 100: it is held there for as long as it takes, and says why', () => {
    const world = inStep();
    world.verdict = 'Inconclusive';
    world.run(86_400_000);
    expect(world.state).toBe('Progressing/NotProvenYet 50% route 50%');
    expect(world.status.message).toContain('Canary held at 50% (step 2 of 3): ');
    world.verdict = 'Pass';
    world.settle();
    expect(world.percent).toBe(100);
  });

  it('goes into the pause before 100, but not out of it', () => {
    const world = inStep({}, { steps: [{ weight: 20, duration: '10m' }, { pause: { duration: '10m' } }] });
    world.verdict = 'Inconclusive';
    world.run(effectMs + 10 * minute);
    expect(world.state).toBe('Paused/PauseStep 20% route 20%');
    world.run(86_400_000);
    expect(world.state).toBe('Progressing/NotProvenYet 20% route 20%');
  });

  it('stays where nothing was counted, although the step is over', () => {
    const world = inStep();
    world.verdict = 'Silence';
    world.run(86_400_000);
    expect(world.state).toBe('Progressing/TooFewRequests 20% route 20%');
  });

  it('goes to 100 on the word of a person, and to success on another one', () => {
    const world = inStep();
    world.verdict = 'Inconclusive';
    world.run(60 * minute);
    expect(world.percent).toBe(50);
    world.command('promote');
    world.settle();
    expect(world.percent).toBe(100);
    world.run(86_400_000);
    expect(world.state).toBe('Progressing/TooFewRequests 100% route 100%');
    world.command('promote');
    world.settle();
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  });

  it('and was let to 100 by a person succeeds at the end of that step when nothing speaks against it', () => {
    const world = inStep();
    world.verdict = 'Inconclusive';
    world.run(60 * minute);
    world.command('promote');
    world.settle();
    world.verdict = 'Pass';
    world.run(effectMs + minute - 1);
    expect(world.state).toBe('Progressing/StepStarted 100% route 100%');
    world.run(1);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  });

  it('does not succeed in a pause behind 100 either', () => {
    const world = inStep({}, { steps: [{ weight: 100, duration: '10m' }, { pause: { duration: '10m' } }] });
    world.verdict = 'Inconclusive';
    world.run(effectMs + 10 * minute);
    expect(world.state).toBe('Paused/PauseStep 100% route 100%');
    world.run(86_400_000);
    expect(world.state).toBe('Progressing/TooFewRequests 100% route 100%');
  });

  it('and was promoted waits for a stable endpoint to share with, whatever onInconclusive says', () => {
    const world = inStep({ onInconclusive: 'Rollback', inconclusiveAfter: '1ms' });
    world.writeWeight('kubectl-edit', 0);
    world.settle();
    world.endpoints.stable = 0;
    world.command('promote');
    world.run(60 * minute);
    expect(world.state).toBe('Progressing/StableUnavailable 0% route 0%');
    world.endpoints.stable = 1;
    world.settle();
    expect(world.percent).toBe(20);
  });
});

describe('onInconclusive', () => {
  /** waiting returns a world that has been held before 100 since the end of the step at 50 %, for all but 1 ms of inconclusiveAfter. */
  function waiting(analysis: Analysis): World {
    const world = inStep({ inconclusiveAfter: '30m', ...analysis });
    world.verdict = 'Inconclusive';
    world.run(2 * (effectMs + 10 * minute));
    expect(world.state).toBe('Progressing/NotProvenYet 50% route 50%');
    world.run(30 * minute - 1);
    expect(world.state).toBe('Progressing/NotProvenYet 50% route 50%');
    return world;
  }

  it('Hold waits for a person', () => {
    const world = waiting({ onInconclusive: 'Hold' });
    world.run(86_400_000);
    expect(world.state).toBe('Progressing/NotProvenYet 50% route 50%');
  });

  it('Promote goes on exactly inconclusiveAfter the end of the step', () => {
    const world = waiting({ onInconclusive: 'Promote' });
    world.run(1);
    expect(world.state).toBe('Progressing/StepStarted 100% route 100%');
  });

  it('Rollback rolls back exactly inconclusiveAfter the end of the step, as a failure of that revision', () => {
    const world = waiting({ onInconclusive: 'Rollback' });
    world.run(1);
    expect(world.state).toBe('Failed/InconclusiveTooLong 0% route 0%');
    expect(world.status.failedRevisions).toEqual(['canary-2']);
    expect(world.status.message).toContain('Not proven safe 30m after the end of the step. ');
  });

  it.each<[string, (world: World) => void]>([
    ['under a pause', (world) => world.edit({ paused: true })],
    ['under the pause of a command', (world) => void world.command('pause')],
    [
      'in a freeze',
      (world) => {
        world.freezes = [{ fromMs: world.nowMs, toMs: world.nowMs + 86_400_000, reason: undefined }];
      },
    ],
    [
      'while a replica that came since has not loaded the weight',
      (world) => {
        world.replicas = (['InEffect', 'NotYet'] as const).map((kind, index) => {
          return { name: `t${index}`, kind, message: 'was asked', sinceMs: world.nowMs };
        });
      },
    ],
  ])('Rollback rolls back by itself also %s', (_name, hold) => {
    const world = inStep({ inconclusiveAfter: '30m', onInconclusive: 'Rollback' });
    world.replicas = [{ name: 't0', kind: 'InEffect', message: 'was asked', sinceMs: world.nowMs }];
    world.verdict = 'Inconclusive';
    world.run(2 * (effectMs + 10 * minute));
    expect(world.status).toMatchObject({ reason: 'NotProvenYet', weight: 50 });
    hold(world);
    world.run(31 * minute);
    expect(world.state).toBe('Failed/InconclusiveTooLong 0% route 0%');
  });

  it('Rollback counts from an edit of the steps that left none for the present weight', () => {
    const world = inStep({ inconclusiveAfter: '30m', onInconclusive: 'Rollback' });
    world.verdict = 'Silence';
    world.settle();
    world.edit({ steps: [{ weight: 50, duration: '10m' }] });
    world.run(29 * minute);
    expect(world.percent).toBe(20);
    world.run(2 * minute);
    expect(world.state).toBe('Failed/InconclusiveTooLong 0% route 0%');
  });

  it.each(['Promote', 'Rollback'] as const)(
    '%s is looked for by itself, without anything else that wakes the rollout',
    (onInconclusive) => {
      const world = inStep({ inconclusiveAfter: '30m', onInconclusive });
      world.verdict = 'Inconclusive';
      world.run(2 * (effectMs + 10 * minute));
      expect(world.step().decision).toMatchObject({ kind: 'Wait', requeueAfterMs: 30 * minute });
    },
  );

  it.each(['Promote', 'Rollback'] as const)('%s ends no wait for missing data', (onInconclusive) => {
    const world = waiting({ onInconclusive });
    world.verdict = 'NoData';
    world.run(86_400_000);
    expect(world.state).toBe('Progressing/SourceUnreachable 50% route 50%');
  });

  it.each(['Promote', 'Rollback'] as const)(
    '%s raises nothing by itself when stable is lost meanwhile',
    (onInconclusive) => {
      const world = waiting({ onInconclusive });
      world.endpoints.stable = 0;
      world.advance(1);
      world.settle();
      expect(world.state).toBe('Degraded/StableUnavailable 100% route 100%');
    },
  );

  it.each(['Promote', 'Rollback'] as const)('%s is no reason to end a pause without end', (onInconclusive) => {
    const world = inStep({ onInconclusive }, { steps: [{ weight: 20, duration: '10m' }, { pause: {} }] });
    world.verdict = 'Inconclusive';
    world.run(86_400_000);
    expect(world.state).toBe('Paused/PauseStep 20% route 20%');
  });

  it('Promote ends no wait of spec.paused', () => {
    const world = waiting({ onInconclusive: 'Promote' });
    world.edit({ paused: true });
    world.run(86_400_000);
    expect(world.state).toBe('Paused/PausedBySpec 50% route 50%');
  });

  it.each([
    ['Hold', 'Progressing/TooFewRequests 100% route 100%'],
    ['Promote', 'Succeeded/Holding 100% route 100%'],
    ['Rollback', 'Failed/InconclusiveTooLong 0% route 0%'],
  ] as const)('%s holds at 100 too, where a canary has answered too little', (onInconclusive, state) => {
    const spec = { steps: [{ weight: 100, duration: '10m' }] };
    const world = inStep({ onInconclusive, inconclusiveAfter: '30m' }, spec);
    world.verdict = 'Inconclusive';
    world.run(effectMs + 40 * minute - 1);
    expect(world.state).toBe('Progressing/TooFewRequests 100% route 100%');
    world.run(1);
    expect(world.state).toBe(state);
  });

  it('Rollback rolls nothing back in DryRun', () => {
    const world = inStep({ mode: 'DryRun', onInconclusive: 'Rollback', inconclusiveAfter: '1ms' });
    world.verdict = 'Inconclusive';
    world.run(60 * minute);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  });
});
