/** The state table: what each event makes of each phase. What stands nowhere changes nothing. */
import { describe, expect, it } from 'vitest';
import { formatTime } from '../../../src/clock.ts';
import { jitterOf } from '../../../src/rollout/schedule.ts';
import { statusSchema } from '../../../src/rollout/status.ts';
import { phases, promoted } from '../../support/phases.ts';
import { World } from '../../support/world.ts';

const hourMs = 3_600_000;

/** events are what may happen to it. */
const events: Readonly<Record<string, (world: World) => unknown>> = {
  'a new canary revision': (world) => world.release('canary', 4),
  'the canary at the promoted revision': (world) => world.release('canary', 2),
  'edited steps': (world) => world.edit({ steps: [{ weight: 30, duration: '1h' }] }),
  'edited analysis': (world) => world.edit({ analysis: { confidence: '99%' } }),
  promote: (world) => world.command('promote'),
  'promote-full': (world) => world.command('promote-full'),
  abort: (world) => world.command('abort'),
  retry: (world) => world.command('retry'),
  pause: (world) => world.command('pause'),
  resume: (world) => world.command('resume'),
  'spec.paused': (world) => world.edit({ paused: true }),
  'a Fail': (world) => Object.assign(world, { verdict: 'Fail' }),
  'no data': (world) => Object.assign(world, { verdict: 'NoData' }),
  'a freeze': (world) =>
    Object.assign(world, { freezes: [{ fromMs: world.nowMs, toMs: world.nowMs + hourMs, reason: undefined }] }),
  'no stable endpoint': (world) => Object.assign(world.endpoints, { stable: 0 }),
  'no canary endpoint': (world) => Object.assign(world.endpoints, { canary: 0 }),
  'the route deleted': (world) => world.deleteRoute(),
  'the route recreated': (world) => world.recreateRoute(),
  'a stable revision': (world) => world.release('stable', 3),
  'a newer status': (world) => world.setStatus({ schema: statusSchema + 1 }),
  'an hour': (world) => world.run(hourMs),
};

/** Phase is where a world is at first, what events make of it, and which commands it refuses with an event. */
interface Phase {
  readonly state: string;
  readonly changes: Readonly<Record<string, string>>;
  readonly refused: readonly string[];
}

const started = 'Progressing/StepStarted 20% route 20%';
const reverted = 'Succeeded/Reverted 0% route 0%';
const aborted = 'Failed/Aborted 0% route 0%';
const failed = 'Failed/MoreErrors 0% route 0%';
const lost = 'Failed/CanaryLost 0% route 0%';
const standIn = 'Degraded/StableUnavailable 100% route 100%';
const recreated = 'Paused/RouteRecreated 0% route 0%';

const table: Readonly<Record<string, Phase>> = {
  Pending: {
    state: 'Pending/CanaryNotReady 0% route 0%',
    changes: {
      'the canary at the promoted revision': reverted,
      'no stable endpoint': 'Pending/StableUnavailable 0% route 0%',
      'the route deleted': 'Pending/RouteNotFound 0% route 0%',
      'an hour': 'Pending/ProgressDeadlineExceeded 0% route 0%',
    },
    refused: ['promote', 'promote-full', 'abort', 'retry', 'resume'],
  },
  'Pending, window closed': {
    state: 'Pending/OutsideWindow 0% route 0%',
    changes: {
      'the canary at the promoted revision': reverted,
      'promote-full': started,
      pause: 'Pending/PausedByCommand 0% route 0%',
      'spec.paused': 'Pending/PausedBySpec 0% route 0%',
      'a freeze': 'Pending/Frozen 0% route 0%',
      'no stable endpoint': 'Pending/StableUnavailable 0% route 0%',
      'no canary endpoint': 'Pending/CanaryNotReady 0% route 0%',
      'the route deleted': 'Pending/RouteNotFound 0% route 0%',
    },
    refused: ['promote', 'abort', 'retry', 'resume'],
  },
  Progressing: {
    state: started,
    changes: {
      'the canary at the promoted revision': reverted,
      'edited steps': 'Progressing/StepStarted 30% route 30%',
      promote: 'Paused/PauseStep 20% route 20%',
      'promote-full': 'Progressing/StepStarted 100% route 100%',
      abort: aborted,
      pause: 'Paused/PausedByCommand 20% route 20%',
      'spec.paused': 'Paused/PausedBySpec 20% route 20%',
      'a Fail': failed,
      'a freeze': 'Paused/Frozen 20% route 20%',
      'no stable endpoint': standIn,
      'no canary endpoint': lost,
      'the route deleted': 'Degraded/RouteMissing 20% route 0%',
      'the route recreated': recreated,
      'an hour': 'Paused/PauseStep 20% route 20%',
    },
    refused: ['retry', 'resume'],
  },
  'Paused, at a pause': {
    state: 'Paused/PauseStep 20% route 20%',
    changes: {
      'a new canary revision': started,
      'the canary at the promoted revision': reverted,
      'edited steps': 'Progressing/StepStarted 30% route 30%',
      promote: 'Progressing/StepStarted 50% route 50%',
      'promote-full': 'Progressing/StepStarted 100% route 100%',
      abort: aborted,
      pause: 'Paused/PausedByCommand 20% route 20%',
      'spec.paused': 'Paused/PausedBySpec 20% route 20%',
      'a Fail': failed,
      'a freeze': 'Paused/Frozen 20% route 20%',
      'no stable endpoint': standIn,
      'no canary endpoint': lost,
      'the route deleted': 'Degraded/RouteMissing 20% route 0%',
      'the route recreated': recreated,
    },
    refused: ['retry', 'resume'],
  },
  'Paused, held': {
    state: 'Paused/LoweredByHand 5% route 5%',
    changes: {
      'a new canary revision': started,
      'the canary at the promoted revision': reverted,
      promote: 'Progressing/Promoted 5% route 5%',
      'promote-full': 'Progressing/Promoted 5% route 5%',
      abort: aborted,
      'a Fail': failed,
      'no stable endpoint': standIn,
      'no canary endpoint': lost,
      'the route deleted': 'Degraded/RouteMissing 5% route 0%',
      'the route recreated': recreated,
    },
    refused: ['retry', 'resume'],
  },
  'Succeeded, holding': {
    state: 'Succeeded/Holding 100% route 100%',
    changes: {
      'a new canary revision': 'Degraded/UnprovenRevision 100% route 100%',
      'the canary at the promoted revision': 'Degraded/UnprovenRevision 100% route 100%',
      promote: 'Promoting/ReturningToStable 80% route 80%',
      'promote-full': 'Succeeded/Returned 0% route 0%',
      abort: aborted,
      'no canary endpoint': lost,
      'the route deleted': 'Degraded/RouteMissing 100% route 0%',
      'the route recreated': recreated,
      'a stable revision': 'Promoting/ReturningToStable 80% route 80%',
    },
    refused: ['retry', 'resume'],
  },
  Promoting: {
    state: 'Promoting/ReturningToStable 80% route 80%',
    changes: {
      promote: 'Promoting/ReturningToStable 50% route 50%',
      'promote-full': 'Succeeded/Returned 0% route 0%',
      abort: aborted,
      'no stable endpoint': standIn,
      'no canary endpoint': reverted,
      'the route deleted': 'Degraded/RouteMissing 80% route 0%',
      'the route recreated': recreated,
      'an hour': 'Succeeded/Returned 0% route 0%',
    },
    refused: ['retry', 'resume'],
  },
  'RollingBack, waiting': {
    state: standIn,
    changes: {
      'the route deleted': 'Degraded/RouteMissing 100% route 0%',
      'the route recreated': aborted,
    },
    refused: ['promote', 'promote-full', 'abort', 'retry', 'resume'],
  },
  'Succeeded, returned': {
    state: 'Succeeded/Returned 0% route 0%',
    changes: { 'a new canary revision': started, 'the canary at the promoted revision': started },
    refused: ['promote', 'promote-full', 'abort', 'retry', 'resume'],
  },
  Failed: {
    state: aborted,
    changes: {
      'a new canary revision': started,
      'the canary at the promoted revision': reverted,
      retry: started,
    },
    refused: ['promote', 'promote-full', 'abort', 'resume'],
  },
};

describe.each(Object.entries(table))('%s', (phase, { state, changes, refused }) => {
  const make = phases[phase] ?? (() => new World());

  it(`is ${state}`, () => {
    expect(make().state).toBe(state);
  });

  it.each(Object.entries(events))('after %s', (event, happen) => {
    const world = make();
    const before = world.notices.length;
    happen(world);
    world.settle();
    expect(world.state).toBe(changes[event] ?? state);
    const ignored = world.notices.slice(before).filter(({ reason }) => reason === 'CommandIgnored');
    expect(ignored).toHaveLength(refused.includes(event) ? 1 : 0);
    // Nothing is left over: what was asked for was done or refused, and asking again changes nothing.
    expect(world.rollout?.metadata.annotations ?? {}).toEqual({});
    expect(world.settle()).toBe(0);
  });
});

describe('the state table', () => {
  it('knows every event that changes something', () => {
    const named = Object.values(table).flatMap(({ changes, refused }) => [...Object.keys(changes), ...refused]);
    expect(named.filter((event) => !(event in events))).toEqual([]);
  });
});

/** Rows of which the state alone says too little. */
describe('a new revision', () => {
  it('in mid-step takes the canary out first, forgets the evidence, and leaves a pause', () => {
    const world = phases['Progressing']?.() ?? new World();
    world.command('pause');
    world.settle();
    world.release('canary', 4, false);
    world.settle();
    expect(world.state).toBe('Pending/WorkloadRollingOut 0% route 0%');
    expect(world.status.analysis).toBeUndefined();
    world.release('canary', 4);
    world.settle();
    expect(world.state).toBe('Pending/PausedByCommand 0% route 0%');
    world.command('resume');
    world.settle();
    expect(world.state).toBe(started);
  });

  it.each(['Promoting', 'RollingBack, waiting'])('while %s waits until that has ended, and is not dropped', (phase) => {
    const world = phases[phase]?.() ?? new World();
    const { state } = world;
    world.release('canary', 4);
    world.settle();
    expect(world.state).toBe(state);
    world.endpoints.stable = 2;
    for (let minute = 0; minute < 10 && world.state !== started; minute += 1) world.run(60_000);
    expect(world.state).toBe(started);
    expect(world.status.revision).toBe('canary-4');
  });
});

describe('a retry', () => {
  it('begins at step 1 with no evidence, and the history says which try it is', () => {
    const world = phases['Failed']?.() ?? new World();
    for (const attempt of [2, 3]) {
      world.command('retry');
      world.settle();
      expect(world.state).toBe(started);
      expect(world.status.analysis?.canary.requests ?? 0).toBe(0);
      expect(world.status.history?.findLast(({ reason }) => reason === 'Retry')?.message).toBe(
        `Revision canary-3 is tried again on the word of ann (try ${attempt}).`,
      );
      world.command('abort');
      world.settle();
    }
    world.release('canary', 4);
    world.settle();
    expect(world.status.retries).toBeUndefined();
  });
});

describe('promote', () => {
  it('of a rollout that has not begun ends nothing outside a window, and says until when', () => {
    const world = phases['Pending, window closed']?.() ?? new World();
    world.command('promote');
    world.settle();
    expect(world.notices.at(-1)?.message).toBe(
      'spec.schedule holds this rollout until 2026-11-21T12:00:00.000Z; nothing is promoted.',
    );
  });
});

describe('promote-full', () => {
  it('begins outside of all windows and without a source, and goes to 100 at once', () => {
    const world = phases['Pending, window closed']?.() ?? new World();
    world.source = { kind: 'NotReady', reason: 'NoEvidenceSource', message: 'Prometheus does not answer.' };
    world.verdict = 'NoData';
    world.command('promote-full');
    world.run(10_000);
    expect(world.state).toBe('Progressing/StepStarted 100% route 100%');
    expect(world.status.history?.find(({ reason }) => reason === 'Promoted')).toMatchObject({ who: 'ann', weight: 20 });
    world.run(hourMs);
    expect(world.state).toBe('Succeeded/Holding 100% route 100%');
  });

  it.each<[string, (world: World) => void, string]>([
    [
      'in a freeze',
      (world) => Object.assign(world, { freezes: [{ fromMs: 0, toMs: world.nowMs + hourMs, reason: 'audit' }] }),
      'The freeze (audit) holds this rollout until 2026-11-21T12:00:00.000Z; nothing is promoted.',
    ],
    [
      'under spec.paused',
      (world) => world.edit({ paused: true }),
      'spec.paused holds this rollout; nothing is promoted.',
    ],
    [
      'without endpoints',
      (world) => Object.assign(world.endpoints, { canary: 0 }),
      'Service shop-canary has no ready endpoint yet. Nothing is promoted.',
    ],
  ])('does not begin %s, and is not kept for later', (_name, prepare, message) => {
    const world = phases['Pending, window closed']?.() ?? new World();
    prepare(world);
    world.settle();
    world.command('promote-full');
    world.settle();
    expect(world.status.phase).toBe('Pending');
    expect(world.notices.at(-1)).toMatchObject({ reason: 'CommandIgnored', message });
    expect(world.percent).toBe(0);
  });

  it('does not begin a revision that has come since it was given', () => {
    const world = phases['Failed']?.() ?? new World();
    world.command('promote-full');
    world.release('canary', 4);
    world.settle();
    expect(world.notices.at(-1)?.message).toBe('The command promote-full has nothing to do in phase Failed.');
    expect(world.state).toBe(started);
    expect(world.status.progress?.full).toBeUndefined();
  });

  it('is carried out once when the process dies between the two writes', () => {
    const world = phases['Pending, window closed']?.() ?? new World();
    world.command('promote-full');
    world.step();
    world.step({ crashAfter: 1 });
    expect(world.state).toBe('Progressing/Promoted 20% route 0%');
    world.run(10_000);
    expect(world.percent).toBe(100);
    expect(world.status.history?.filter(({ reason }) => reason === 'Promoted')).toHaveLength(1);
  });
});

describe('a freeze that is lifted early', () => {
  it('spreads the starts as the end of one does', () => {
    const world = promoted();
    world.freezes = [{ fromMs: 0, toMs: world.nowMs + 24 * hourMs, reason: undefined }];
    world.release('canary', 3);
    world.run(hourMs);
    expect(world.state).toBe('Pending/Frozen 0% route 0%');
    world.freezes = [];
    const liftedMs = world.nowMs;
    world.settle();
    expect(world.state).toBe('Pending/WindowOpened 0% route 0%');
    expect(world.status.openedAt).toBe(formatTime(liftedMs));
    world.run(59_999);
    expect(world.state).toBe(started);
    expect(Date.parse(world.status.progress?.enteredAt ?? '') - liftedMs).toBe(jitterOf('rollout-uid'));
    expect(world.status.openedAt).toBeUndefined();
  });

  it('has each raise wait for samples from after it', () => {
    const world = new World({ spec: { steps: [20, 50].map((weight) => ({ weight, duration: '1m' })) } });
    world.settle();
    world.freezes = [{ fromMs: 0, toMs: world.nowMs + 24 * hourMs, reason: undefined }];
    world.run(hourMs);
    expect(world.state).toBe('Paused/Frozen 20% route 20%');
    world.watermarkMs = world.nowMs;
    world.freezes = [];
    world.settle();
    expect(world.state).toBe('Progressing/WindowOpened 20% route 20%');
    world.watermarkMs = undefined;
    world.advance(15_000);
    world.settle();
    expect(world.percent).toBe(50);
  });
});

describe('onDelete', () => {
  it.each([
    ['Keep', 'Restore', 0],
    ['Restore', 'Keep', 100],
  ] as const)(
    'counts as it stands when the Rollout is deleted: %s edited to %s in mid-rollout',
    (before, after, percent) => {
      const world = new World({ spec: { steps: [{ weight: 20, duration: '1m' }], onDelete: before } });
      world.settle();
      world.edit({ onDelete: after });
      world.run(hourMs);
      expect(world.state).toBe('Succeeded/Holding 100% route 100%');
      world.deleteRollout();
      world.settle();
      expect(world.rollout).toBeUndefined();
      expect(world.percent).toBe(percent);
    },
  );
});

describe('a command while the route refuses to be written', () => {
  it('is answered although the rollback is tried again and again', () => {
    const world = phases['Progressing']?.() ?? new World();
    world.isRouteForbidden = true;
    world.verdict = 'Fail';
    world.step();
    expect(world.state).toBe('RollingBack/MoreErrors 20% route 20%');
    world.command('promote');
    world.step();
    world.step();
    expect(world.rollout?.metadata.annotations).toEqual({});
    expect(world.notices.at(-1)).toMatchObject({ reason: 'CommandIgnored' });
    expect(world.notices.at(-1)?.message).toMatch(/^The command promote is not executed: Rolling back: /);
    world.command('pause');
    world.step();
    world.step();
    expect(world.status.pause).toMatchObject({ who: 'ann' });
    world.isRouteForbidden = false;
    world.settle();
    expect(world.state).toBe(failed);
  });

  it('to promote is heard also while the first weight is refused', () => {
    const world = promoted();
    world.isRouteForbidden = true;
    world.release('canary', 3);
    for (let round = 0; round < 4; round += 1) world.step();
    expect(world.state).toBe('Progressing/RouteNotWritten 20% route 0%');
    world.command('promote');
    for (let round = 0; round < 3; round += 1) world.step();
    expect(world.rollout?.metadata.annotations).toEqual({});
    world.command('abort');
    world.isRouteForbidden = false;
    world.settle();
    expect(world.state).toBe(aborted);
  });
});
