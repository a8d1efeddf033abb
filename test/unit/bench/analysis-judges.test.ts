import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Judge, Verdict } from '../../../bench/analysis/judges/judge.ts';
import { findShift } from '../../../bench/analysis/judges/mann-whitney.ts';
import { argoErrorRatio } from '../../../bench/analysis/judges/argo-rollouts.ts';
import { sluice } from '../../../bench/analysis/judges/sluice.ts';
import { flaggerSuccessRate } from '../../../bench/analysis/judges/flagger.ts';
import { kayentaErrorRatio } from '../../../bench/analysis/judges/kayenta.ts';
import { readScenarios } from '../../../bench/analysis/scenario-files.ts';
import { updatePage } from '../../../bench/analysis/markdown.ts';
import { parseOptions } from '../../../bench/analysis/options.ts';
import { tables, type Scenario } from '../../../bench/analysis/scenario.ts';
import { score } from '../../../bench/analysis/score.ts';
import { runTrial } from '../../../bench/analysis/trial.ts';
import { startMs, type Tick } from '../../../bench/analysis/traffic.ts';

const scenarios = readScenarios();
const named = (name: string): Scenario => scenarios.find((scenario) => scenario.name === name)!;

describe('a trial of a whole rollout', () => {
  const endOf = (scenario: Scenario) => runTrial(scenario, [sluice], 'seed')[0]!;

  test('leaves each step after its least time when the canary is proven safe', () => {
    const { end, seconds } = endOf({ ...named('rollout-healthy-500rps'), rps: 20_000 });
    expect(end).toBe('Promoted');
    // A weight is taken to be in effect after 5 s and held for 60 s; the next look is when a block of 10 s is over.
    expect(seconds).toBe(4 * 70);
  });

  test('leaves a step at its planned end when nothing is proven, but not the last', () => {
    const silent = { ...named('rollout-healthy-5rps'), rps: 0.3 };
    expect(endOf(silent)).toMatchObject({ end: 'Held', seconds: 5_400, provenSeconds: undefined });
  });

  test('rolls a dead canary back with its first block, and counts what that has cost', () => {
    const { end, seconds, excessErrors } = endOf(named('rollout-dead-500rps'));
    expect({ end, seconds }).toEqual({ end: 'RolledBack', seconds: 10 });
    expect(excessErrors).toBeGreaterThan(200);
    expect(excessErrors).toBeLessThan(300);
  });

  test('does not compare a canary that is still warming up, unless it is dead', () => {
    const cold = named('cold-pods-healthy');
    expect(endOf(cold)).toMatchObject({ end: 'Promoted' });
    expect(endOf({ ...cold, warmupSeconds: 0 })).toMatchObject({ end: 'RolledBack' });
    expect(endOf({ ...cold, canary: { errorPercent: 100 } })).toMatchObject({ end: 'RolledBack', seconds: 10 });
  });

  test('shows a judge the same requests whoever else is judged', () => {
    const scenario = named('healthy-5rps');
    const [alone] = runTrial(scenario, [flaggerSuccessRate], 'seed');
    const together = runTrial(scenario, [argoErrorRatio(1), flaggerSuccessRate], 'seed')[1];
    expect(together).toEqual(alone);
  });
});

describe('Sluice at a fixed weight', () => {
  const endOf = (name: string) => runTrial(named(name), [sluice], 'seed')[0]!;

  test('goes on when the canary is proven, and rolls back what breaks later', () => {
    const { end, seconds, provenSeconds } = endOf('late-onset');
    expect(end).toBe('RolledBack');
    expect(provenSeconds).toBeLessThan(600);
    expect(seconds).toBeGreaterThan(1_800);
    expect(seconds).toBeLessThan(2_100);
  });

  test('looks at durations where the scenario has them', () => {
    expect(endOf('latency-x2-500rps')).toMatchObject({ end: 'RolledBack' });
    expect(endOf('latency-healthy-500rps')).toMatchObject({ end: 'Promoted' });
  });
});

describe('a score', () => {
  test('tells rollbacks before the fault from those after it, and says what is not as expected', () => {
    const late = {
      ...named('late-onset'),
      expect: { sluice: { earlyPercent: [0, 0], medianSeconds: [0, 120] } as const },
    };
    const outcomes = [
      { end: 'RolledBack', seconds: 600, provenSeconds: undefined, excessErrors: 0 },
      { end: 'RolledBack', seconds: 1_900, provenSeconds: 90, excessErrors: 30 },
      { end: 'Promoted', seconds: 3_600, provenSeconds: 120, excessErrors: 90 },
      { end: 'Held', seconds: 3_600, provenSeconds: undefined, excessErrors: 80 },
    ] as const;
    expect(score(late, 'sluice', outcomes)).toEqual({
      scenario: 'late-onset',
      judge: 'sluice',
      runs: 4,
      rollbackPercent: 25,
      earlyPercent: 25,
      medianSeconds: 100,
      provenPercent: 50,
      promotedPercent: 25,
      badPromotedPercent: 25,
      heldPercent: 25,
      excessErrors: 50,
      isAsExpected: false,
    });
    expect(score(late, 'sluice', outcomes.slice(1)).isAsExpected).toBe(true);
    expect(score(late, 'other', outcomes).isAsExpected).toBeNull();
  });
});

describe('the page', () => {
  const scenario = named('worse-2pct-500rps');
  const entry = score(scenario, 'sluice', [
    { end: 'RolledBack', seconds: 60, provenSeconds: undefined, excessErrors: 22 },
  ]);

  test('gets the tables behind their marks, and keeps what stands around them', () => {
    const page =
      'Before.\n\n<!-- bench:analysis Steady -->\n\n| old |\n| --- |\n\nAfter.\n\n<!-- bench:analysis Latency -->\n\n| kept |\n';
    const updated = updatePage(page, [scenario], [entry]);
    const table = `|  | sluice |\n| --- | --- |\n| ${scenario.title} | 100 in 60 s |`;
    expect(updated).toBe(page.replace('| old |\n| --- |', table));
    expect(updatePage(updated, [scenario], [entry])).toBe(updated);
  });

  test('has a mark for each table', () => {
    const page = readFileSync(new URL('../../../docs/analysis.md', import.meta.url), 'utf8');
    const marks = [...page.matchAll(/<!-- bench:analysis (\w+) -->\n\n\|/g)].map(([, table]) => table);
    expect(marks).toEqual([...tables]);
  });

  test('is not written with a part of the rows', () => {
    expect(parseOptions(['--update-docs']).updateDocs).toBe(true);
    expect(() => parseOptions(['--update-docs', '--judge', 'sluice'])).toThrow('--update-docs needs all');
    expect(() => parseOptions(['--runs', '0'])).toThrow('--runs is "0"');
  });
});

/** minutes judges one block a minute, so that each is a point of Kayenta. */
function minutes(
  judge: Judge,
  ratios: readonly (readonly [canary: number, stable: number])[],
  requests = 1_000,
): Verdict {
  const watch = judge.start(named('healthy-500rps'), []);
  for (const [index, [canary, stable]] of ratios.entries()) {
    const endMs = startMs + (index + 1) * 60_000;
    const arms = {
      canary: { requests, errors: canary * requests },
      stable: { requests, errors: stable * requests },
    };
    const outcome: Tick['outcome'] = {
      kind: 'Samples',
      blocks: [{ endMs, arms }],
      untilMs: endMs,
      seen: { stable: true, canary: true },
      discarded: 0,
    };
    watch.add({ endMs, outcome, excessErrors: 0 }, { weight: 5, stepStartMs: startMs });
  }
  return watch.verdict();
}

describe('the re-implemented judges', () => {
  const stable = Array.from({ length: 10 }, () => 0.005);
  const withBad = (bad: number) => stable.map((ratio, index) => [index < bad ? 100 * ratio : ratio, ratio] as const);

  test('Kayenta passes 7 points of 10 that are a hundred times worse, and fails the eighth (spinnaker issue 6278)', () => {
    expect(minutes(kayentaErrorRatio, withBad(7))).toBe('Continue');
    expect(minutes(kayentaErrorRatio, withBad(8))).toBe('Rollback');
  });

  test('Kayenta passes sparse errors (kayenta issue 426) and what is equal', () => {
    expect(
      minutes(
        kayentaErrorRatio,
        stable.map((_, index) => [index < 3 ? 0.5 : 0, 0]),
      ),
    ).toBe('Continue');
    expect(
      minutes(
        kayentaErrorRatio,
        stable.map(() => [0.005, 0.005]),
      ),
    ).toBe('Continue');
  });

  test('Flagger adds failed checks up over the rollout, and a minute without requests is one', () => {
    const good = [0, 0] as const;
    const bad = [0.02, 0] as const;
    expect(minutes(flaggerSuccessRate, [bad, good, bad, good, bad, good, bad, good])).toBe('Continue');
    expect(minutes(flaggerSuccessRate, [bad, good, bad, good, bad, good, bad, good, bad])).toBe('Rollback');
    expect(
      minutes(
        flaggerSuccessRate,
        Array.from({ length: 5 }, () => good),
        0,
      ),
    ).toBe('Rollback');
  });

  test('Argo aborts on the first window above its limit, and on the fifth without a value', () => {
    expect(
      minutes(argoErrorRatio(1), [
        [0, 0],
        [0.019, 0],
      ]),
    ).toBe('Continue');
    expect(
      minutes(argoErrorRatio(1), [
        [0, 0],
        [0.021, 0],
      ]),
    ).toBe('Rollback');
    expect(
      minutes(
        argoErrorRatio(1),
        Array.from({ length: 4 }, () => [0, 0] as const),
        0,
      ),
    ).toBe('Continue');
    expect(
      minutes(
        argoErrorRatio(1),
        Array.from({ length: 5 }, () => [0, 0] as const),
        0,
      ),
    ).toBe('Rollback');
  });

  test('the Mann-Whitney shift is the median of differences, within its interval', () => {
    const control = [1, 2, 4, 7, 11, 16, 22, 29, 37, 46];
    const shift = findShift(
      control.map((value) => value + 5),
      control,
      2.326,
    );
    expect(shift.estimate).toBeCloseTo(5, 3);
    expect(shift.lower).toBeLessThan(5);
    expect(shift.upper).toBeGreaterThan(5);
    expect(shift.lower).toBeGreaterThan(-46);
  });
});
