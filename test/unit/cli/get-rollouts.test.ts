import { describe, expect, it } from 'vitest';
import type { RolloutStatus } from '../../../src/api/rollout-status.ts';
import { printAge } from '../../../src/cli/age.ts';
import { printRollouts, type RolloutsPrint } from '../../../src/cli/get-rollouts.ts';
import { printHistory } from '../../../src/cli/history.ts';
import { parseOutput } from '../../../src/cli/output.ts';
import { parseRolloutName } from '../../../src/cli/rollout-name.ts';
import { rollout } from '../../support/rollout-builders.ts';

const status: RolloutStatus = {
  phase: 'Progressing',
  reason: 'StepStarted',
  step: '2/4',
  weight: 25,
  observed: '24.8%',
  verdict: 'Inconclusive',
  revision: '2026.11.3',
  history: [
    { time: '2026-11-21T09:01:02.345Z', from: '', to: 'Pending', weight: 0, reason: 'RevisionUnknown' },
    {
      time: '2026-11-21T09:02:00.000Z',
      from: 'Pending',
      to: 'Paused',
      weight: 25,
      revision: 'r1',
      reason: 'PausedByCommand',
      message: 'alice paused the rollout at 25%.',
      who: 'alice',
    },
  ],
};
const plain: RolloutsPrint = {
  format: undefined,
  hasNamespaces: false,
  hasHeaders: true,
  isSingle: false,
  nowMs: Date.UTC(2026, 10, 21, 9, 5),
};

describe('sluice get', () => {
  it('prints the columns of kubectl get, and nothing for what is not known', () => {
    const fresh = rollout({}, { metadata: { name: 'b', namespace: 'web' } });
    expect(printRollouts([rollout({}, { status }), fresh], plain)).toBe(
      [
        'NAME   PHASE         STEP   WEIGHT   OBSERVED   VERDICT        REVISION    AGE',
        'shop   Progressing   2/4    25       24.8%      Inconclusive   2026.11.3   5m',
        'b                                                                          5m',
      ].join('\n'),
    );
  });

  it('adds namespaces, the wide columns, and leaves the titles out', () => {
    const wide = { ...plain, format: 'wide', hasNamespaces: true, hasHeaders: false } as const;
    expect(printRollouts([rollout({}, { status })], wide)).toBe(
      'web   shop   Progressing   2/4   25   24.8%   Inconclusive   2026.11.3      IngressRoute/shop   StepStarted   5m',
    );
  });

  it('prints the object alone if one was asked for, else a List, without managedFields', () => {
    const metadata = { name: 'shop', managedFields: [{ manager: 'helm' }] };
    const one = [rollout({}, { metadata })];
    const single = JSON.parse(printRollouts(one, { ...plain, format: 'json', isSingle: true }));
    expect(single.kind).toBe('Rollout');
    expect(single.metadata.managedFields).toBeUndefined();
    expect(JSON.parse(printRollouts(one, { ...plain, format: 'json' }))).toMatchObject({
      kind: 'List',
      items: [{ metadata: { name: 'shop' } }],
    });
    expect(printRollouts(one, { ...plain, format: 'yaml' })).toMatch(/^apiVersion: v1\nkind: List\n/);
    expect(printRollouts(one, { ...plain, format: 'name' })).toBe('rollout.sluice.dev/shop');
  });

  it.each([
    [-5_000, '0s'],
    [119_000, '119s'],
    [120_000, '2m'],
    [200_000, '3m20s'],
    [3_600_000, '60m'],
    [4 * 3_600_000 + 60_000, '4h1m'],
    [30 * 3_600_000, '30h'],
    [72 * 3_600_000, '3d'],
    [10 * 86_400_000, '10d'],
  ])('an age of %i ms is %s', (ms, text) => {
    expect(printAge(ms)).toBe(text);
  });

  it.each([
    'shop',
    'slr/shop',
    'rollout/shop',
    'rollouts/shop',
    'rollouts.sluice.dev/shop',
    'rollout.v1alpha1.sluice.dev/shop',
  ])('takes %s for the Rollout shop', (text) => expect(parseRolloutName(text)).toBe('shop'));

  it('refuses other kinds, other names and other formats in a sentence', () => {
    expect(() => parseRolloutName('deployment/shop')).toThrow('"deployment/shop" is no Rollout: write NAME, slr/NAME');
    expect(() => parseRolloutName('slr/Shop')).toThrow('"slr/Shop" is no name of a Rollout');
    expect(() => parseOutput('xml', ['json', 'yaml'])).toThrow('-o is "xml"; it must be one of json, yaml.');
  });
});

describe('sluice history', () => {
  it('prints who asked for what, oldest first', () => {
    expect(printHistory(rollout({}, { status }), { hasHeaders: true })).toBe(
      [
        'TIME                   PHASE     WEIGHT   REVISION   REASON            WHO     MESSAGE',
        '2026-11-21T09:01:02Z   Pending   0%       -          RevisionUnknown   -       -',
        '2026-11-21T09:02:00Z   Paused    25%      r1         PausedByCommand   alice   alice paused the rollout at 25%.',
      ].join('\n'),
    );
  });
});
