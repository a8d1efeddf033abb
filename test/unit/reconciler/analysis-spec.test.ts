import { describe, expect, it } from 'vitest';
import type { CheckSpec, RolloutSpec } from '../../../src/api/rollout.ts';
import { absoluteOnly, prepareAnalysis } from '../../../src/reconciler/analysis-spec.ts';
import type { UserQueryMode } from '../../../src/source/user-query.ts';
import type { Pair } from '../../../src/traffic/split.ts';
import { rollout, shopPair } from '../../support/rollout-builders.ts';

type WrittenCheck = Pick<CheckSpec, 'name' | 'query'> & Partial<CheckSpec>;

function prepare(
  analysis: Partial<Omit<RolloutSpec['analysis'], 'checks'>> & { readonly checks?: readonly WrittenCheck[] } = {},
  { mode = 'On', pair = shopPair, revision }: { mode?: UserQueryMode; pair?: Pair; revision?: string } = {},
) {
  const status = revision === undefined ? {} : { status: { revision } };
  return prepareAnalysis(rollout({ analysis: analysis as Partial<RolloutSpec['analysis']> }, status), pair, mode);
}

/** query returns the only check's query as it will be sent, or its problem. */
function query(text: string, options: Parameters<typeof prepare>[1] = {}): string | undefined {
  const { spec, problems } = prepare({ checks: [{ name: 'depth', query: text }] }, options);
  expect(spec.checks.length + problems.length).toBe(1);
  return spec.checks[0]?.query ?? problems[0]?.message;
}

describe('prepareAnalysis', () => {
  it('fills in the defaults of the CRD in machine units', () => {
    const { spec, problems } = prepare();
    expect(spec).toEqual({
      compare: 'Stable',
      margin: { factor: 1, points: 0.005 },
      latency: { maxIncrease: 0.2, quantile: 'All' },
      slo: {},
      alpha: expect.closeTo(0.05, 12),
      minRequests: 100,
      warmupMs: 60_000,
      plannedMs: 26 * 60_000,
      checks: [],
      onNoData: 'Hold',
      noDataAfterMs: 300_000,
    });
    expect(problems).toEqual([]);
  });

  it.each([
    ['5%', 0.05],
    ['0.5%', 0.005],
    ['100%', 1],
    ['0%', 0],
  ])('reads a limit of %s', (errorRatio, ratio) => {
    expect(prepare({ slo: { errorRatio } }).spec.slo?.errorRatio).toBeCloseTo(ratio, 12);
  });

  it.each<[string, Parameters<typeof prepare>[0], object]>([
    ['none where stable is compared with and the user names none', { slo: {} }, {}],
    ['5 % errors where nothing else would judge requests', { compare: 'None' }, { errorRatio: 0.05 }],
    ['the one of the user without a comparison', { compare: 'None', slo: { errorRatio: '2%' } }, { errorRatio: 0.02 }],
    [
      'none of errors where only durations are limited',
      { compare: 'None', slo: { latency: { under: '1s500ms', share: '99.5%' } } },
      { latency: { underSeconds: 1.5, share: 0.995 } },
    ],
  ])('has as absolute limits %s', (_name, analysis, slo) => {
    expect(prepare(analysis).spec.slo).toEqual(slo);
  });

  it('reads margins, both parts of it, and what is compared of the durations', () => {
    const errorRatio = { maxIncrease: '1.25pp', maxIncreaseRelative: '10%' };
    const { margin, latency } = prepare({ errorRatio, latency: { maxIncrease: '35%', quantile: '0.99' } }).spec;
    expect(margin.points).toBeCloseTo(0.0125, 12);
    expect(margin.factor).toBeCloseTo(1.1, 12);
    expect(latency).toEqual({ maxIncrease: expect.closeTo(0.35, 12), quantile: 0.99 });
  });

  it.each([
    ['80%', 0.2],
    ['99.5%', 0.005],
    ['99.999%', 0.00001],
  ])('is sure with a probability of %s', (confidence, alpha) => {
    expect(prepare({ confidence }).spec.alpha).toBeCloseTo(alpha, 12);
  });

  it.each<[string, Parameters<typeof rollout>[0], number]>([
    [
      'all steps and pauses with an end, and 100',
      { steps: [{ weight: 5, duration: '5m' }, { pause: { duration: '1h' } }] },
      66,
    ],
    ['no pause without one', { steps: [{ weight: 5, duration: '5m' }, { pause: {} }] }, 6],
    ['minStep where a step names no time', { steps: [{ weight: 5 }], analysis: { minStep: '7m' } }, 14],
  ])('is planned to take %s', (_name, written, minutes) => {
    expect(prepareAnalysis(rollout(written), shopPair, 'On').spec.plannedMs).toBe(minutes * 60_000);
  });

  it('reads durations and policies', () => {
    const { spec } = prepare({ noDataAfter: '1h30m', onNoData: 'Rollback', minRequests: 7, warmup: '90s' });
    expect(spec).toMatchObject({ noDataAfterMs: 5_400_000, onNoData: 'Rollback', minRequests: 7, warmupMs: 90_000 });
  });
});

describe('a prepared check', () => {
  it('has the defaults of the CRD', () => {
    expect(prepare({ checks: [{ name: 'depth', query: 'max(depth)' }] }).spec.checks).toEqual([
      {
        name: 'depth',
        query: 'max(depth)',
        intervalMs: 30_000,
        consecutiveFailureLimit: 2,
        consecutiveErrorLimit: 4,
        onNoData: 'Hold',
      },
    ]);
  });

  it.each<[string, Partial<CheckSpec>, object]>([
    ['a number', { max: 100 }, { max: 100 }],
    ['a decimal string', { min: '-0.5', max: '100.25' }, { min: -0.5, max: 100.25 }],
    ['zero', { min: 0, max: '0' }, { min: 0, max: 0 }],
  ])('takes %s for a bound', (_name, bounds, expected) => {
    const [check] = prepare({ checks: [{ name: 'depth', query: 'depth', ...bounds }] }).spec.checks;
    expect(check).toMatchObject(expected);
  });

  it.each([
    ['names of the pair', 'd{s="{{ stable.service }}",c="{{canary.service}}"}', 'd{s="shop-stable",c="shop-canary"}'],
    ['ports as the user writes them', 'd{p="{{ canary.port }}"} > {{ stable.port }}', 'd{p="80"} > 80'],
    ['names of the Rollout', 'd{n="{{ namespace }}/{{ rollout }}"}', 'd{n="web/shop"}'],
    ['the revision of the status', 'd{r="{{ revision }}"}', 'd{r="r2"}'],
  ])('knows the %s', (_name, text, sent) => {
    expect(query(text, { revision: 'r2' })).toBe(sent);
  });

  it('is kept in the namespace of the Rollout unless the operator says otherwise', () => {
    expect(query('max(depth)', { mode: 'Namespaced' })).toBe('max(depth{namespace="web"})');
  });

  it.each<[string, string, Parameters<typeof prepare>[1], string]>([
    ['an unknown variable', 'd{s="{{ service }}"}', {}, 'The variable {{ service }} is unknown; allowed are rollout,'],
    ['a revision that is not known yet', 'd{r="{{ revision }}"}', {}, 'The variable {{ revision }} has no value here'],
    [
      'a port that could not be resolved',
      'd{p="{{ canary.port }}"}',
      { pair: { ...shopPair, canary: { service: 'shop-canary', ports: [] } } },
      'The variable {{ canary.port }} has no value here',
    ],
    ['what is no PromQL', 'max(', { mode: 'Namespaced' }, 'The query is not valid PromQL'],
    [
      'any query where the operator wants none',
      'up',
      { mode: 'Off' },
      'User queries are switched off (--user-queries=Off)',
    ],
  ])('is a problem with %s', (_name, text, options, sentence) => {
    const message = query(text, options);
    expect(message).toContain(`spec.analysis.checks "depth": ${sentence}`);
  });

  it('does not take the others with it', () => {
    const checks = [
      { name: 'bad', query: '{{ x }}' },
      { name: 'good', query: 'up' },
    ];
    const { spec, problems } = prepare({ checks });
    expect(spec.checks.map(({ name }) => name)).toEqual(['good']);
    expect(problems.map(({ reason }) => reason)).toEqual(['CheckInvalid']);
  });
});

describe('absoluteOnly', () => {
  it.each<[string, Parameters<typeof prepare>[0], object]>([
    ['by 5 % errors where the user has no limit', {}, { errorRatio: 0.05 }],
    ['by the limit of the user', { slo: { errorRatio: '2%' } }, { errorRatio: 0.02 }],
    [
      'by the latency of the user alone',
      { slo: { latency: { under: '1s', share: '99%' } } },
      { latency: { underSeconds: 1, share: 0.99 } },
    ],
  ])('judges %s, and compares nothing', (_name, analysis, slo) => {
    const { spec } = prepare(analysis);
    expect(absoluteOnly(spec)).toEqual({ ...spec, compare: 'None', slo });
  });
});
