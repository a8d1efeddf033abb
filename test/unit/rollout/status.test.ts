import { describe, expect, it } from 'vitest';
import type { AnalysisEvidence } from '../../../src/api/rollout-evidence.ts';
import type { RolloutStatus } from '../../../src/api/rollout-status.ts';
import { formatTime } from '../../../src/clock.ts';
import {
  isAtRest,
  isHolding,
  isTransition,
  isWorthWriting,
  nextStatus,
  type StatusChange,
} from '../../../src/rollout/status.ts';
import { observation, rollout } from '../../support/rollout-builders.ts';

const change: StatusChange = { phase: 'Progressing', reason: 'StepStarted', message: 'Going.' };
const progress = {
  direction: 'Forward',
  index: 1,
  weight: 25,
  from: 5,
  startedAt: '2026-11-21T09:00:00Z',
  enteredAt: '2026-11-21T09:10:00Z',
  plan: '',
} as const;
/** stepSince is when the weight of the step was in effect: 5 s after it was seen in the route. */
const appliedAt = '2026-11-21T09:10:00.000Z';
const stepSince = '2026-11-21T09:10:05.000Z';
const target = {
  route: 'shop',
  uid: 'u',
  stable: { service: 'shop-stable' },
  canary: { service: 'shop-canary' },
  baseline: { routes: [] },
};

function next(before: RolloutStatus | undefined, next: StatusChange, over = {}): RolloutStatus {
  return nextStatus(
    observation({ rollout: rollout({}, before === undefined ? {} : { status: before }), ...over }),
    next,
  );
}

function evidence(canary: number, watermarkMs = 0): AnalysisEvidence {
  const since = '2026-11-21T09:00:00.000Z';
  const watermark = formatTime(Date.UTC(2026, 10, 21, 9) + watermarkMs);
  return {
    id: 'e1',
    since,
    watermark,
    stable: { requests: 900, errors: 9 },
    canary: { requests: 2 * canary, errors: 0 },
    step: { since: stepSince, stable: 300, canary },
  };
}

describe('nextStatus', () => {
  it('keeps what the change does not name and removes what it sets to null', () => {
    const before = { revision: 'r2', stableRevision: 's1', weight: 25, progress, target };
    const after = next(before, { ...change, progress: null, stableRevision: null }, { canaryRevision: undefined });
    expect(after).toMatchObject({ revision: 'r2', weight: 25, target, schema: 1, observedGeneration: 1 });
    expect(after).not.toHaveProperty('progress');
    expect(after).not.toHaveProperty('stableRevision');
    expect(after).not.toHaveProperty('step');
  });

  it('prints the step and the share that the canary had of the requests of this step', () => {
    expect(next({ progress: { ...progress, appliedAt } }, change, { evidence: evidence(100) })).toMatchObject({
      step: '2/4',
      observed: '25.0%',
      verdict: 'Pass',
    });
  });

  it.each<[string, object]>([
    ['is not seen in the route yet', {}],
    ['was seen after them', { appliedAt: '2026-11-21T09:10:05.001Z' }],
  ])('prints no share from requests of the step before, where the weight %s', (_name, applied) => {
    const before = { observed: '5.0%', progress: { ...progress, ...applied } };
    const after = next(before, change, { evidence: evidence(100) });
    expect(after).not.toHaveProperty('observed');
    expect(after.analysis).toEqual(evidence(100));
  });

  it('prints the last share at rest, so that the status still says why', () => {
    expect(next({}, change, { evidence: evidence(100) }).observed).toBe('25.0%');
  });

  it.each([
    ['Forget', 'forgets', evidence(200), undefined],
    ['NewStep', 'stores', evidence(200), evidence(200)],
    ['NewStep', 'keeps, where none is observed,', undefined, evidence(100)],
  ] as const)('%s %s the evidence, and no share or verdict of before', (analysis, _verb, observed, kept) => {
    const before = { analysis: evidence(100), observed: '25.0%', verdict: 'Pass' } as const;
    const after = next(before, { ...change, analysis }, { evidence: observed });
    expect([after.analysis, after.observed, after.verdict]).toEqual([kept, undefined, undefined]);
  });

  it.each(['Forget', 'NewStep'] as const)('%s begins a step as unproven where anybody asks for proof', (analysis) => {
    const begun = { ...change, analysis, progress };
    expect(next({ verdict: 'Pass' }, begun).verdict).toBe('Inconclusive');
    const disabled = rollout({ analysis: { mode: 'Disabled' } });
    expect(next(undefined, begun, { rollout: disabled })).not.toHaveProperty('verdict');
  });

  it('keeps the last evidence where none is observed any more', () => {
    expect(next({ analysis: evidence(100), verdict: 'Fail' }, change)).toMatchObject({
      analysis: evidence(100),
      verdict: 'Fail',
    });
  });

  it('adds a transition to the history, with who asked for it, and nothing where nothing moved', () => {
    const command = { state: 'New', verb: 'abort', nonce: 'n1', who: 'ann', problem: undefined } as const;
    const promoted = { ...change, reason: 'Promoted', weight: 5, command: true };
    const after = next({ phase: 'Paused', revision: 'r2' }, promoted, { command });
    expect(after.handledCommand).toBe('n1');
    expect(after.history).toEqual([
      {
        time: '2026-11-21T09:30:00.000Z',
        from: 'Paused',
        to: 'Progressing',
        weight: 5,
        revision: 'r2',
        reason: 'Promoted',
        message: 'Going.',
        who: 'ann',
      },
    ]);
    expect(next(after, { ...promoted, message: 'Going on.' }).history).toEqual(after.history);
  });

  it.each([
    ['five steps all', 5, [26, 27, 28, 29, 30]],
    ['more steps the last two', 6, [29, 30]],
  ])('keeps of a plan of %s, and all that happened before them', (_name, count, kept) => {
    const steps = Array.from({ length: count }, (_unused, index) => ({ kind: 'Weight', weight: index, durationMs: 0 }));
    const weights = Array.from({ length: 30 }, (_unused, index) => index + 1);
    const first = next({ phase: 'Pending' }, { phase: 'Paused', reason: 'Adopted', message: 'Adopted.' });
    const after = weights.reduce((before, weight) => next(before, { ...change, weight }, { steps }), first);
    expect(after.history?.map(({ reason, weight }) => `${reason} ${weight}`)).toEqual([
      'Adopted 0',
      ...kept.map((weight) => `StepStarted ${weight}`),
    ]);
  });

  it('keeps no sentence of a step in the history, where the weights say it', () => {
    const [entry] = next({ phase: 'Progressing' }, { ...change, weight: 25 }).history ?? [];
    expect(entry).toMatchObject({ reason: 'StepStarted', weight: 25 });
    expect(entry).not.toHaveProperty('message');
  });

  it('keeps the last twenty transitions', () => {
    let status: RolloutStatus = {};
    const promoted = { ...change, reason: 'Promoted' };
    for (let weight = 1; weight <= 25; weight += 1) status = next(status, { ...promoted, weight });
    expect(status.history?.map((entry) => entry.weight)).toEqual(Array.from({ length: 20 }, (_unused, i) => i + 6));
  });

  it('keeps the last ten failed revisions, each once, the newest last', () => {
    let status: RolloutStatus = {};
    for (let number = 1; number <= 12; number += 1) status = next(status, { ...change, failedRevision: `r${number}` });
    status = next(status, { ...change, failedRevision: 'r5' });
    expect(status.failedRevisions).toEqual(['r3', 'r4', 'r6', 'r7', 'r8', 'r9', 'r10', 'r11', 'r12', 'r5']);
  });

  it('forgives one failed revision', () => {
    expect(next({ failedRevisions: ['r1', 'r2'] }, { ...change, forgiven: 'r1' }).failedRevisions).toEqual(['r2']);
  });

  it('takes a promotion back when the same revision fails after all', () => {
    const failed = { ...change, failedRevision: 'r2' };
    expect(next({ promotedRevision: 'r2' }, failed)).not.toHaveProperty('promotedRevision');
    expect(next({ promotedRevision: 'r1' }, failed).promotedRevision).toBe('r1');
  });

  it('never lowers the schema of a newer controller', () => {
    expect(next({ schema: 7 }, change).schema).toBe(7);
  });
});

describe('isHolding and isAtRest', () => {
  it.each<[string, RolloutStatus, boolean, boolean]>([
    ['an empty status', {}, false, true],
    ['a rollout in progress', { progress, target, weight: 25 }, false, false],
    ['a promoted canary that keeps everything', { target, weight: 100 }, true, false],
    ['a route that is not quite restored', { target, weight: 0 }, false, true],
    ['a rollout that is over', { weight: 0 }, false, true],
  ])('tell %s', (_name, status, holding, rest) => {
    expect([isHolding(status), isAtRest(status)]).toEqual([holding, rest]);
  });
});

describe('isTransition', () => {
  const before = { phase: 'Paused', reason: 'PauseStep', weight: 5 } as const;
  it.each<[RolloutStatus, boolean]>([
    [{ ...before, message: 'Another.' }, false],
    [{ ...before, phase: 'Degraded' }, true],
    [{ ...before, reason: 'Adopted' }, true],
    [{ ...before, weight: 6 }, true],
  ])('compares phase, reason and weight: %j', (after, expected) => {
    expect(isTransition(before, after)).toBe(expected);
  });
});

describe('isWorthWriting', () => {
  const running: RolloutStatus = {
    phase: 'Progressing',
    message: 'a',
    verdict: 'Inconclusive',
    progress,
    analysis: evidence(10),
    conditions: [{ type: 'Ready', status: 'True', reason: 'R', message: 'a', lastTransitionTime: 't' }],
  };
  const [ready] = running.conditions ?? [];
  const changes: readonly (readonly [string, Partial<RolloutStatus>, boolean])[] = [
    ['nothing', {}, false],
    ['the weight', { weight: 5 }, true],
    ['the verdict', { verdict: 'Pass' }, true],
    ['only the sentence', { message: 'b' }, false],
    ['less than a minute of samples', { analysis: evidence(20, 59_000), observed: '6.3%' }, false],
    ['a minute of samples', { analysis: evidence(20, 60_000) }, true],
    [
      'that data went missing',
      { analysis: { ...evidence(10), noData: { reason: 'R', message: 'm', since: 't' } } },
      true,
    ],
    ['the message of a condition', { conditions: ready === undefined ? [] : [{ ...ready, message: 'b' }] }, false],
    ['the reason of a condition', { conditions: ready === undefined ? [] : [{ ...ready, reason: 'S' }] }, true],
  ];
  it.each(changes)('in a running rollout, of %s: %j is %s', (_name, difference, expected) => {
    expect(isWorthWriting(running, { ...running, ...difference })).toBe(expected);
  });

  it('shows at rest what is waited for, also with the evidence of the last rollout at hand', () => {
    const { progress: _progress, ...resting } = running;
    expect(isWorthWriting(resting, { ...resting, message: '2 of 3 pods are new.' })).toBe(true);
    expect(isWorthWriting(resting, { ...resting })).toBe(false);
  });

  it('does not care for the order of fields', () => {
    expect(isWorthWriting({ phase: 'Failed', weight: 0 }, { weight: 0, phase: 'Failed' })).toBe(false);
  });
});
