import { describe, expect, it } from 'vitest';
import type { Ramp, Step } from '../../../src/api/rollout.ts';
import { rolloutSpec } from '../../support/rollout-builders.ts';
import {
  describePlan,
  indexForWeight,
  nextReturn,
  planSteps,
  printStep,
  returnSteps,
} from '../../../src/rollout/steps.ts';

function plan(...steps: readonly Step[]): string {
  return describePlan(planSteps(rolloutSpec({ steps })));
}

function ramp(fields: Ramp): readonly (number | string)[] {
  return planSteps(rolloutSpec({ ramp: fields })).map((step) => (step.kind === 'Weight' ? step.weight : 'pause'));
}

describe('planSteps', () => {
  it.each([
    ['5, 25 and 50 and then 100 by default', describePlan(planSteps(rolloutSpec())), '5/5m 25/10m 50/10m 100/1m'],
    ['100 for a minute behind the last step', plan({ weight: 30, duration: '90s' }), '30/1m30s 100/1m'],
    ['100 as long as the user says', plan({ weight: 30 }, { weight: 100, duration: '2h' }), '30/1m 100/2h'],
    ['no second 100 when a pause follows it', plan({ weight: 100 }, { pause: {} }), '100/1m pause'],
    [
      'pauses with and without an end',
      plan({ weight: 5 }, { pause: {} }, { weight: 10 }, { pause: { duration: '1h' } }),
      '5/1m pause 10/1m pause/1h 100/1m',
    ],
    ['a minute for a weight without duration', plan({ weight: 5 }), '5/1m 100/1m'],
  ])('plans %s', (_name, planned, expected) => {
    expect(planned).toBe(expected);
  });

  it('keeps one plan for all specs with the same steps, and not for others', () => {
    const fields: Ramp = { from: 7, to: 50, add: 1, every: '1m' };
    const steps = planSteps(rolloutSpec({ ramp: fields }));
    expect(planSteps(rolloutSpec({ ramp: { ...fields } }))).toBe(steps);
    expect(planSteps(rolloutSpec({ ramp: { ...fields, every: '2m' } }))).not.toEqual(steps);
    for (let from = 1; from <= 200; from += 1) planSteps(rolloutSpec({ ramp: { ...fields, every: `${from}s` } }));
    expect(planSteps(rolloutSpec({ ramp: { ...fields } }))).toEqual(steps);
  });

  it.each<[string, Ramp, readonly number[]]>([
    ['by addition', { from: 10, to: 50, add: 20, every: '1m' }, [10, 30, 50, 100]],
    ['by multiplication', { from: 3, to: 50, multiply: 2, every: '1m' }, [3, 6, 12, 24, 48, 50, 100]],
    ['of one step', { from: 20, to: 20, add: 5, every: '1m' }, [20, 100]],
    ['whose last step is cut to `to`', { from: 1, to: 10, add: 6, every: '1m' }, [1, 7, 10, 100]],
    ['that ends at 100', { from: 50, to: 100, multiply: 2, every: '1m' }, [50, 100]],
  ])('expands a ramp %s', (_name, fields, expected) => {
    expect(ramp(fields)).toEqual(expected);
  });

  it('watches every weight of a ramp, `to` included, for `every`', () => {
    const steps = planSteps(rolloutSpec({ ramp: { from: 10, to: 20, add: 10, every: '2m30s' } }));
    expect(describePlan(steps)).toBe('10/2m30s 20/2m30s 100/1m');
  });
});

describe('planSteps with another minStep', () => {
  const analysis = { minStep: '3m' };

  it.each<[string, Parameters<typeof rolloutSpec>[0], string]>([
    [
      'weights without duration, and the 100 that nobody wrote',
      { steps: [{ weight: 5 }, { weight: 9, duration: '1m' }] },
      '5/3m 9/1m 100/3m',
    ],
    ['the 100 behind a ramp', { ramp: { from: 10, to: 20, add: 10, every: '1m' } }, '10/1m 20/1m 100/3m'],
    ['the 100 behind the default steps', {}, '5/5m 25/10m 50/10m 100/3m'],
    ['no pause', { steps: [{ weight: 5 }, { pause: {} }] }, '5/3m pause 100/3m'],
  ])('gives it to %s', (_name, written, expected) => {
    expect(describePlan(planSteps(rolloutSpec({ ...written, analysis })))).toBe(expected);
  });
});

describe('indexForWeight', () => {
  const steps = planSteps(rolloutSpec({ steps: [{ weight: 5 }, { weight: 25 }, { pause: {} }, { weight: 50 }] }));
  it.each([
    ['before the first step', 4, -1],
    ['at a step', 5, 0],
    ['between two steps at the lower one', 24, 0],
    ['at the weight in front of a pause, so that the pause is still to come', 25, 1],
    ['behind the pause', 50, 3],
    ['at the last step', 100, 4],
  ])('stands %s', (_name, weight, index) => {
    expect(indexForWeight(steps, weight)).toBe(index);
  });
});

describe('returnSteps', () => {
  const steps = planSteps(
    rolloutSpec({ steps: [{ weight: 5, duration: '5m' }, { pause: {} }, { weight: 40, duration: '7m' }] }),
  );

  it('gives stable the same weights for the same times, without the pauses', () => {
    expect(returnSteps(steps).map(({ weight, durationMs }) => [weight, durationMs])).toEqual([
      [95, 300_000],
      [60, 420_000],
      [0, 60_000],
    ]);
  });

  it.each([
    ['the first of all', 100, 95],
    ['the one below a weight that is none of them', 90, 60],
    ['never the weight itself', 60, 0],
    ['none behind the last', 0, undefined],
  ])('goes on with %s', (_name, weight, expected) => {
    expect(nextReturn(steps, weight)?.weight).toBe(expected);
  });
});

describe('printStep', () => {
  it('counts from one, pauses included', () => {
    expect(printStep(1, planSteps(rolloutSpec({ steps: [{ weight: 5 }, { pause: {} }] })))).toBe('2/3');
  });
});
