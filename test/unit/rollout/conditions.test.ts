import { describe, expect, it } from 'vitest';
import type { Condition, RolloutStatus } from '../../../src/api/rollout-status.ts';
import { nextConditions } from '../../../src/rollout/conditions.ts';
import type { Observation } from '../../../src/rollout/observation.ts';
import { observation, rollout } from '../../support/rollout-builders.ts';

const progress = {
  direction: 'Forward',
  index: 0,
  weight: 5,
  from: 0,
  startedAt: 't',
  enteredAt: 't',
  appliedAt: 't',
  plan: '',
} as const;

function conditions(after: RolloutStatus, over: Partial<Observation> = {}): Record<string, Condition> {
  const reason = after.reason ?? 'Because';
  const list = nextConditions(observation(over), { reason, message: 'Said so.', ...after });
  return Object.fromEntries(list.map((condition) => [condition.type, condition]));
}

function statuses(after: RolloutStatus, over: Partial<Observation> = {}): Record<string, string> {
  return Object.fromEntries(Object.values(conditions(after, over)).map(({ type, status }) => [type, status]));
}

describe('nextConditions', () => {
  it.each<[RolloutStatus['phase'], string, string, string]>([
    ['Progressing', 'True', 'True', 'False'],
    ['Paused', 'True', 'True', 'False'],
    ['Promoting', 'True', 'True', 'False'],
    ['RollingBack', 'False', 'True', 'False'],
    ['Succeeded', 'True', 'False', 'False'],
    ['Failed', 'False', 'False', 'True'],
    ['Degraded', 'False', 'False', 'True'],
  ])('in %s Ready is %s, Reconciling %s, Stalled %s', (phase = 'Pending', ready, reconciling, stalled) => {
    expect(statuses({ phase })).toMatchObject({ Ready: ready, Reconciling: reconciling, Stalled: stalled });
  });

  it.each([
    ['CanaryNotReady', 'True'],
    ['WorkloadRollingOut', 'True'],
    ['NoEvidenceSource', 'False'],
    ['StableUnavailable', 'False'],
  ])('in Pending with reason %s Ready is %s, and Reconciling True until it starts', (reason, ready) => {
    expect(statuses({ phase: 'Pending', reason })).toMatchObject({
      Ready: ready,
      Reconciling: 'True',
      Stalled: 'False',
    });
  });

  it('is not Ready with the first problem that a person has to solve', () => {
    const problems = [
      { reason: 'RouteNotFound', message: 'Create it.' },
      { reason: 'Other', message: 'Later.' },
    ];
    expect(conditions({ phase: 'Succeeded' }, { problems })['Ready']).toMatchObject({
      status: 'False',
      reason: 'RouteNotFound',
      message: 'Create it.',
    });
  });

  it.each<[string, RolloutStatus, string]>([
    ['Unknown before any revision was seen', {}, 'Unknown'],
    ['Unknown while the revision is rolled out', { revision: 'r2', promotedRevision: 'r1', progress }, 'Unknown'],
    ['Unknown while it is rolled out again', { revision: 'r2', promotedRevision: 'r2', progress }, 'Unknown'],
    ['True when it was promoted', { revision: 'r2', promotedRevision: 'r2' }, 'True'],
    [
      'True on the way back to stable',
      { revision: 'r2', promotedRevision: 'r2', progress: { ...progress, direction: 'Return' } },
      'True',
    ],
    ['False when it has failed', { revision: 'r2', promotedRevision: 'r1', failedRevisions: ['r2'] }, 'False'],
  ])('is Promoted %s', (_name, after, expected) => {
    expect(statuses(after)['Promoted']).toBe(expected);
  });

  it.each([
    ['Pass', 'True'],
    ['Fail', 'False'],
    ['Inconclusive', 'Unknown'],
    ['NoData', 'Unknown'],
  ] as const)('shows the verdict %s as AnalysisPassing=%s', (kind, expected) => {
    const verdict = { kind, reason: 'Why', message: 'Because.' };
    expect(conditions({ progress }, { verdict })['AnalysisPassing']).toMatchObject({
      status: expected,
      reason: 'Why',
      message: 'Because.',
    });
  });

  it('knows no AnalysisPassing when the analysis is disabled', () => {
    const disabled = rollout({ analysis: { mode: 'Disabled' } });
    expect(conditions({ progress }, { rollout: disabled })['AnalysisPassing']).toMatchObject({ reason: 'Disabled' });
  });

  it('keeps the last AnalysisPassing at rest, and has none before the first rollout', () => {
    expect(statuses({ phase: 'Pending' })).not.toHaveProperty('AnalysisPassing');
    const known = {
      type: 'AnalysisPassing',
      status: 'False',
      reason: 'R',
      message: 'm',
      lastTransitionTime: 't',
    } as const;
    const before = rollout({}, { status: { conditions: [known] } });
    expect(statuses({ phase: 'Failed' }, { rollout: before })['AnalysisPassing']).toBe('False');
  });

  it('never claims that a weight is in effect, and tells an assumed one from one that was not applied', () => {
    const { appliedAt: _appliedAt, ...pending } = progress;
    expect(conditions({ progress })['TrafficVerified']).toMatchObject({ status: 'Unknown', reason: 'Assumed' });
    expect(conditions({ progress: pending })['TrafficVerified']).toMatchObject({ reason: 'NotApplied' });
    expect(conditions({})).not.toHaveProperty('TrafficVerified');
  });

  it('is Contested while held for that, says so when it is over, and nothing where it never was', () => {
    const hold = { reason: 'Contested', message: 'helm writes.', since: 't' } as const;
    expect(conditions({})).not.toHaveProperty('Contested');
    const [contested] = [conditions({ progress: { ...progress, hold } })['Contested']];
    expect(contested).toMatchObject({ status: 'True', message: 'helm writes.' });
    const before = rollout({}, { status: { conditions: contested === undefined ? [] : [contested] } });
    expect(statuses({ progress }, { rollout: before })['Contested']).toBe('False');
  });

  it('moves the time of a condition only with its status', () => {
    const old = { type: 'Ready', reason: 'Old', message: 'old', lastTransitionTime: '2026-01-01T00:00:00Z' };
    const time = (status: Condition['status']): string | undefined =>
      conditions({ phase: 'Progressing' }, { rollout: rollout({}, { status: { conditions: [{ ...old, status }] } }) })[
        'Ready'
      ]?.lastTransitionTime;
    expect(time('True')).toBe('2026-01-01T00:00:00Z');
    expect(time('False')).toBe('2026-11-21T09:30:00.000Z');
  });

  it('says which generation of the spec it is about', () => {
    expect(conditions({})['Ready']?.observedGeneration).toBe(1);
  });
});
