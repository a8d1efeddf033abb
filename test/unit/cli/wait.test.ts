import { describe, expect, it } from 'vitest';
import type { RolloutProgress, RolloutStatus } from '../../../src/api/rollout-status.ts';
import { judgeWait, type WaitGoal } from '../../../src/cli/wait.ts';
import { rollout, type WrittenSpec } from '../../support/rollout-builders.ts';

const progress: RolloutProgress = {
  direction: 'Forward',
  index: 0,
  weight: 5,
  from: 0,
  startedAt: '2026-11-21T09:20:00.000Z',
  enteredAt: '2026-11-21T09:20:00.000Z',
  plan: '',
};
const goal: WaitGoal = { revision: 'r2', isThroughPauses: false };
const judge = (status: RolloutStatus, how: Partial<WaitGoal> = {}, spec: WrittenSpec = { revision: 'r2' }) =>
  judgeWait(rollout(spec, { status: { observedGeneration: 1, ...status } }), { ...goal, ...how })?.kind;

describe('sluice status --wait', () => {
  it('goes on until the controller has seen the release, and while it is under way', () => {
    expect(judge({ phase: 'Succeeded', revision: 'r1', promotedRevision: 'r1' })).toBeUndefined();
    expect(judge({ phase: 'Pending', revision: 'r2', promotedRevision: 'r1' })).toBeUndefined();
    expect(judge({ phase: 'Progressing', revision: 'r2', progress })).toBeUndefined();
    expect(judge({ phase: 'Failed', revision: 'r1', failedRevisions: ['r1'] })).toBeUndefined();
  });

  it('ends with the promotion, also while traffic returns to stable after it', () => {
    expect(judge({ phase: 'Succeeded', revision: 'r2', promotedRevision: 'r2' })).toBe('Promoted');
    const returning = { ...progress, direction: 'Return' } as const;
    expect(judge({ phase: 'Promoting', revision: 'r2', promotedRevision: 'r2', progress: returning })).toBe('Promoted');
  });

  it('ends with the failure, unless it is tried again', () => {
    const failed = { phase: 'Failed', revision: 'r2', failedRevisions: ['r0', 'r2'] } as const;
    expect(judge(failed)).toBe('Failed');
    expect(judge({ ...failed, phase: 'Progressing', progress })).toBeUndefined();
    expect(judge({ phase: 'Pending', reason: 'ProgressDeadlineExceeded', revision: 'r2' })).toBe('Failed');
  });

  it('ends when another revision took its place', () => {
    const history = [{ time: '', from: '', to: 'Pending', weight: 0, revision: 'r2', reason: 'NewRevision' }];
    expect(judge({ phase: 'Progressing', revision: 'r3', progress, history }, {}, { revision: 'r3' })).toBe(
      'Superseded',
    );
    expect(judge({ phase: 'Progressing', revision: 'r1', progress }, {}, { revision: 'r3' })).toBe('Superseded');
    // Without spec.revision what was never there is still to come.
    expect(judge({ phase: 'Progressing', revision: 'r1', progress }, {}, {})).toBeUndefined();
  });

  it('ends where a person is waited for, and goes on through that if told so', () => {
    const hold = { reason: 'Contested', message: '', since: '' } as const;
    const held = { phase: 'Paused', revision: 'r2', progress: { ...progress, hold } } as const;
    expect(judge(held)).toBe('WaitsForPerson');
    expect(judge(held, { isThroughPauses: true })).toBeUndefined();
    const endless = { revision: 'r2', steps: [{ weight: 5 }, { pause: {} }] } as const;
    expect(judge({ phase: 'Paused', revision: 'r2', progress: { ...progress, index: 1 } }, {}, endless)).toBe(
      'WaitsForPerson',
    );
    const timed = { revision: 'r2', steps: [{ weight: 5 }, { pause: { duration: '1h' } }] } as const;
    expect(judge({ phase: 'Paused', revision: 'r2', progress: { ...progress, index: 1 } }, {}, timed)).toBeUndefined();
  });

  it('does not take what is said of an older spec for the release', () => {
    const old = { observedGeneration: 0, phase: 'Pending', pause: { since: '' } } as const;
    expect(judge({ ...old, revision: 'r1' })).toBeUndefined();
    expect(judge({ ...old, observedGeneration: 1, revision: 'r1' })).toBe('WaitsForPerson');
    expect(
      judge({ phase: 'Succeeded', revision: 'r1', promotedRevision: 'r1' }, { revision: undefined }),
    ).toBeUndefined();
  });
});
