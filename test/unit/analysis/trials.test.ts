import { describe, expect, test } from 'vitest';
import { addSamples, type Evidence } from '../../../src/analysis/evidence.ts';
import type { Finding } from '../../../src/analysis/finding.ts';
import type { Trials } from '../../../src/api/rollout-evidence.ts';
import {
  combinedRollback,
  findingsOf,
  lastRateOf,
  phiOf,
  startTrials,
  strongestOf,
} from '../../../src/analysis/trials.ts';
import { judge } from '../../../src/analysis/verdict.ts';
import {
  blocksOf,
  contextAt,
  lastLook,
  outcomeOf,
  play,
  secondsToFail,
  shareAt,
  specOf,
  usualSpec,
  type Traffic,
} from '../../support/judged-traffic.ts';

const ln20 = Math.log(20);
/** What a block of a dead canary makes of 1: 0.6 of it times e^4.3, the cap, and 0.4 that waits for a late regression. */
const lnDeadBlock = Math.log(0.6 * Math.exp(4.3) + 0.4);
const quiet: readonly Finding[] = [
  { name: 'errors', rollback: 0 },
  { name: 'guard', rollback: 0 },
];

function withFinding(name: Finding['name'], rollback: number, findings = quiet): readonly Finding[] {
  return [...findings.filter((finding) => finding.name !== name), { name, rollback }];
}

describe('the evidence of all tests together', () => {
  test('is nothing before any', () => {
    expect(combinedRollback([])).toBe(0);
    expect(combinedRollback(quiet)).toBeCloseTo(0, 12);
  });

  test('is enough after one block of a dead canary, whichever test may see it and whatever else is set', () => {
    const others: readonly Finding[] = [
      { name: 'latency', rollback: 0 },
      { name: 'latencySlo', rollback: 0 },
    ];
    for (const findings of [quiet, [...quiet, ...others]]) {
      expect(combinedRollback(withFinding('guard', lnDeadBlock, findings))).toBeGreaterThan(ln20);
      expect(combinedRollback(withFinding('errors', lnDeadBlock, findings))).toBeGreaterThan(ln20);
      const withSlo = withFinding('slo', lnDeadBlock, findings);
      expect(combinedRollback(withFinding('guard', lnDeadBlock, withSlo))).toBeGreaterThan(ln20);
      expect(combinedRollback(withFinding('errors', lnDeadBlock, withSlo))).toBeGreaterThan(ln20);
    }
  });

  test('is that of the errors alone where nothing else is tested', () => {
    expect(combinedRollback(withFinding('errors', 2.9))).toBeCloseTo(2.9, 12);
  });

  test('goes on with what the guard has left', () => {
    const left = Math.log(0.39);
    const after = combinedRollback(withFinding('guard', left, withFinding('errors', 6)));
    expect(after).toBeCloseTo(Math.log(0.3 + 0.7 * 0.39) + 6, 9);
  });

  test('goes on at 100 % with what the comparisons have left, and the limits keep theirs', () => {
    const compared = withFinding('latencySlo', 1, withFinding('latency', -1, withFinding('errors', -0.5)));
    const before = Math.exp(combinedRollback(compared));
    const alone = Math.exp(combinedRollback(withFinding('alone', 2, compared)));
    expect(before - 0.1 * Math.exp(1)).toBeCloseTo(0.9 * (0.5 * Math.exp(-0.5) + 0.5 * Math.exp(-1)), 9);
    expect(alone - 0.1 * Math.exp(1)).toBeCloseTo((before - 0.1 * Math.exp(1)) * Math.exp(2), 9);
  });

  test('does not grow when durations are first compared or limited late, with what the errors have left', () => {
    const traffic: Traffic = {
      seed: 'late',
      rps: 0.3,
      slownessAt: () => 1,
      spec: { warmupMs: 0 },
    };
    const looks = [...play(traffic, 40)].map(({ evidence }) => findingsOf(evidence.trials ?? {}));
    const begins = looks.findIndex((findings) => findings.some(({ name }) => name === 'latency'));
    expect(begins).toBeGreaterThan(0);
    const others = (looks[begins] ?? []).filter(({ name }) => name !== 'latency');
    expect(combinedRollback(others)).toBeLessThan(-0.01);
    expect(combinedRollback(looks[begins] ?? [])).toBeCloseTo(combinedRollback(others), 3);
  });

  test('is all of the limits where nothing is compared', () => {
    expect(combinedRollback([{ name: 'latencySlo', rollback: 5 }])).toBe(5);
    const dead: readonly Finding[] = [
      { name: 'slo', rollback: lnDeadBlock },
      { name: 'latencySlo', rollback: 0 },
    ];
    expect(combinedRollback(dead)).toBeGreaterThan(ln20);
  });

  test('names the test that speaks loudest', () => {
    expect(strongestOf(withFinding('latency', 3, withFinding('slo', 2)))).toBe('latency');
    expect(strongestOf([])).toBe('errors');
  });
});

describe('a dead canary', () => {
  const dead = (rps: number, spec: Traffic['spec'] = {}): Omit<Traffic, 'seed'> => ({
    rps,
    spec,
    errorRatioAt: (arm) => (arm === 'canary' ? 1 : 0.005),
    slownessAt: () => 1,
  });
  const limits = { errorRatio: 0.05, latency: { underSeconds: 1, share: 0.99 } };
  const specs: Record<string, Traffic['spec']> = {
    'while it warms up': {},
    'without a warm-up': { warmupMs: 0 },
    'with every limit, while it warms up': { slo: limits },
    'with every limit, without a warm-up': { slo: limits, warmupMs: 0 },
    'with a limit of latency, while it warms up': { slo: { latency: limits.latency } },
    'with a limit of latency, without a warm-up': { slo: { latency: limits.latency }, warmupMs: 0 },
    'compared with nothing': { compare: 'None', slo: limits },
  };
  const slowest = (traffic: Omit<Traffic, 'seed'>): number =>
    Math.max(
      ...Array.from(
        { length: 10 },
        (_none, seed) => secondsToFail({ ...traffic, seed: `dead-${seed}` }, 12) ?? Infinity,
      ),
    );

  test.each(Object.entries(specs))('fails after one block at 500 requests per second %s', (_name, spec) => {
    expect(slowest(dead(500, spec))).toBe(10);
  });

  test.each(Object.entries(specs))('fails within 40 s at 5 requests per second %s', (_name, spec) => {
    expect(slowest(dead(5, spec))).toBeLessThanOrEqual(40);
  });

  test('fails after two blocks where 99 % confidence is asked for', () => {
    expect(slowest(dead(500, { alpha: 0.01 }))).toBe(20);
  });

  test('fails within a minute after ten hours of a hold, long after the plan', () => {
    const died: Omit<Traffic, 'seed'> = {
      rps: 500,
      errorRatioAt: (arm, index) => (arm === 'canary' && index >= 3600 ? 1 : 0.005),
    };
    expect(secondsToFail({ ...died, seed: 'held' }, 3620)).toBeLessThanOrEqual(36_060);
  });

  test('is not called dead for what the margin tolerates of a warm one', () => {
    const half: Omit<Traffic, 'seed'> = { rps: 50, errorRatioAt: (arm) => (arm === 'canary' ? 0.4 : 0.005) };
    expect(secondsToFail({ ...half, seed: 'wide' }, 6)).toBeLessThanOrEqual(60);
    expect(secondsToFail({ ...half, seed: 'wide', spec: { margin: { factor: 1, points: 0.5 } } }, 60)).toBeUndefined();
  });
});

describe('a canary at 100 %', () => {
  const alone = (rps: number, canaryRatio: number, from = 70): Traffic => ({
    seed: `alone-${rps}`,
    rps,
    weightAt: (index) => (index < 60 ? 50 : 100),
    errorRatioAt: (arm, index) => (arm === 'canary' && index >= from ? canaryRatio : 0.005),
  });

  test('that turns bad there fails against the rate that stable had', () => {
    const { verdict, index } = [...play(alone(500, 0.05), 90)].find((look) => look.verdict.kind === 'Fail')!;
    expect(index).toBeLessThanOrEqual(75);
    expect(verdict.reason).toBe('MoreErrors');
  });

  test('passes where nothing speaks against it, for it cannot be compared any more', () => {
    expect(lastLook(alone(500, 0.005), 61).verdict).toMatchObject({ kind: 'Pass', reason: 'NothingAgainst' });
    const unasked = { ...lastLook(alone(500, 0.005), 61).evidence };
    const verdict = judge(
      usualSpec,
      { ...unasked, step: { ...unasked.step, canary: 0 } },
      { weightPercent: 100, isComparable: true },
      0,
    );
    expect(verdict).toMatchObject({ kind: 'Inconclusive', reason: 'NotProvenYet', mayRaise: false });
  });

  test('still has to keep the limits', () => {
    const limited: Traffic = { ...alone(5, 0.005), spec: { slo: { errorRatio: 0.01 } } };
    expect(lastLook(limited, 61).verdict).toMatchObject({ kind: 'Inconclusive', reason: 'NotProvenYet' });
  });

  test('may have what the margin allows on top of the highest rate that stable may have had', () => {
    const { trials = {} } = lastLook(alone(500, 0.005), 61).evidence;
    expect(lastRateOf(trials, usualSpec)).toBeGreaterThan(0.01);
    expect(lastRateOf(trials, usualSpec)).toBeLessThan(0.0106);
    const few = lastLook(alone(5, 0.005), 61).evidence.trials ?? {};
    expect(lastRateOf(few, usualSpec)).toBeGreaterThan(0.011);
  });

  test('that is cold there is compared with the margin of cold ones', () => {
    const cold: Traffic = { ...alone(500, 0.1, 0), weightAt: () => 100 };
    const reasons = [...play(cold, 5)].map(({ verdict }) => verdict.kind);
    expect(reasons).not.toContain('Fail');
    expect(secondsToFail({ ...cold, errorRatioAt: (arm) => (arm === 'canary' ? 1 : 0.005) }, 5)).toBeLessThanOrEqual(
      30,
    );
  });
});

describe('trials of a status edited by hand', () => {
  const traffic: Traffic = {
    seed: 'edited',
    rps: 500,
    slownessAt: () => 1,
    spec: { slo: { errorRatio: 0.05, latency: { underSeconds: 1, share: 0.99 } } },
  };
  const { evidence } = lastLook(traffic, 40);
  const goOn = (trials: Trials, from: number, until: number): Evidence =>
    blocksOf(traffic, from, until).reduce<Evidence>(
      (sum, block, offset) =>
        addSamples(sum, outcomeOf(traffic, [block]), contextAt(traffic, from + offset), block.endMs),
      { ...evidence, trials },
    );
  const texts = [
    '',
    ' ',
    'garbage',
    'comparison1',
    'comparison1 1 2 3',
    'limit1 NaN',
    'latency1 9',
    'ended1',
    'Fine',
    'Coarse 0.1:0:1',
    'durations1 1',
    '💥',
  ];
  const names = ['errors', 'guard', 'alone', 'slo', 'latency', 'latencyPlan', 'latencyHistory', 'latencySlo'] as const;

  test.each(texts)('never throw, and go on: %j', (text) => {
    for (const name of names) {
      const after = goOn({ ...evidence.trials, [name]: text }, 40, 42);
      const verdict = judge(specOf(traffic), after, shareAt(traffic, 41), 0);
      expect(verdict.kind).toMatch(/Pass|Inconclusive/);
    }
  });

  test('prove nothing of what they cannot be read as, and prove it again', () => {
    const broken = Object.fromEntries(names.map((name) => [name, 'garbage']));
    const safe = (trials: Trials | undefined): readonly number[] =>
      findingsOf(trials ?? {}).flatMap((finding) => finding.safe ?? []);
    expect(safe(broken)).toEqual([0, 0, 0]);
    const { trials } = goOn(broken, 40, 100);
    expect(findingsOf(trials ?? {}).map(({ name }) => name)).toEqual([
      'errors',
      'guard',
      'alone',
      'slo',
      'latency',
      'latencySlo',
    ]);
    expect(Math.min(...safe(trials))).toBeGreaterThan(ln20);
    expect(trials).not.toHaveProperty('latencyHistory');
  });
});

describe('trials', () => {
  test('begin with none where nothing is compared', () => {
    expect(startTrials({ ...usualSpec, compare: 'None' }, { blocks: [] })).toEqual({});
    const traffic: Traffic = { seed: 'none', rps: 500, spec: { compare: 'None', slo: { errorRatio: 0.05 } } };
    const { evidence, verdict } = lastLook(traffic, 20);
    expect(Object.keys(evidence.trials ?? {})).toEqual(['slo']);
    expect(verdict).toMatchObject({ kind: 'Pass', reason: 'ProvenSafe' });
    expect(phiOf(evidence.trials ?? {})).toBeUndefined();
  });
});
