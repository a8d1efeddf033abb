import { describe, expect, test } from 'vitest';
import { addSamples, type Evidence } from '../../../src/analysis/evidence.ts';
import type { Trials } from '../../../src/api/rollout-evidence.ts';
import { boundsFor, latencyFindings, needsDurations, viewLatency } from '../../../src/analysis/latency-trials.ts';
import {
  begin,
  blocksOf,
  bounds,
  contextAt,
  lastLook,
  outcomeOf,
  specOf,
  usualSpec,
  type Traffic,
} from '../../support/judged-traffic.ts';

const usual: Traffic = { seed: 'durations', rps: 500, slownessAt: () => 1 };
const noComparison = { ...usualSpec, compare: 'None' as const };
const latency = { underSeconds: 0.75, share: 0.99 };

function trialsOf(evidence: Evidence): Trials {
  return evidence.trials ?? {};
}
function namesOf(evidence: Evidence): readonly string[] {
  return latencyFindings(trialsOf(evidence)).map(({ name }) => name);
}
function after(traffic: Traffic, count: number): Evidence {
  return lastLook(traffic, count).evidence;
}

describe('durations', () => {
  test('are needed for a comparison and for a limit only', () => {
    expect(needsDurations(usualSpec)).toBe(true);
    expect(needsDurations(noComparison)).toBe(false);
    expect(needsDurations({ ...noComparison, slo: { latency } })).toBe(true);
  });

  test('are asked for at all bounds until there is a plan, then at those of the plan', () => {
    expect(boundsFor(usualSpec, {})).toBe('All');
    const planned = boundsFor(usualSpec, trialsOf(begin(usual)));
    expect(planned).toEqual([0.025, 0.075, 0.2, 0.75]);
    expect(boundsFor(noComparison, {})).toBeUndefined();
  });

  test('are asked for at all bounds where there is a limit, for its bound is not one of the plan', () => {
    expect(boundsFor({ ...usualSpec, slo: { latency } }, trialsOf(begin(usual)))).toBe('All');
  });
});

describe('the plan', () => {
  test('comes from what stable answered before the rollout', () => {
    expect(namesOf(begin(usual))).toEqual(['latency']);
    expect(trialsOf(begin(usual))).not.toHaveProperty('latencyHistory');
  });

  test('waits until stable has answered enough, however few at a time', () => {
    const few: Traffic = { ...usual, rps: 0.2 };
    expect(trialsOf(begin(few)).latencyHistory).toBeDefined();
    expect(namesOf(begin(few))).toEqual([]);
    const trials = trialsOf(after(few, 60));
    expect(trials).toHaveProperty('latencyPlan');
    expect(trials).not.toHaveProperty('latencyHistory');
  });

  test('stays as it is, whatever stable does later', () => {
    const slower: Traffic = { ...usual, slownessAt: (_arm, index) => (index < 10 ? 1 : 4) };
    expect(trialsOf(after(slower, 40)).latencyPlan).toBe(trialsOf(begin(usual)).latencyPlan);
  });

  test('is made anew where it cannot be read, also by and by', () => {
    const few: Traffic = { ...usual, rps: 5 };
    const broken: Evidence = { ...begin(few), trials: { ...trialsOf(begin(few)), latencyPlan: 'Fine 1' } };
    const evidence = blocksOf(few, 0, 20).reduce<Evidence>(
      (sum, block, index) => addSamples(sum, outcomeOf(few, [block]), contextAt(few, index), block.endMs),
      broken,
    );
    expect(namesOf(evidence)).toEqual(['latency']);
  });

  test('is not looked at while the histogram has other buckets', () => {
    const blocks = blocksOf(usual, 0, 12);
    const other = { ...outcomeOf(usual, blocks), bounds: bounds.map((bound) => bound + 0.001) };
    const evidence = addSamples(begin(usual), other, contextAt(usual, 0), 0);
    expect(evidence.trials?.latency).toBe(begin(usual).trials?.latency);
    expect(evidence.canary.requests).toBeGreaterThan(0);
  });
});

describe('the comparison of durations', () => {
  test('begins after the warm-up', () => {
    expect(viewLatency(trialsOf(after(usual, 6)))?.canary.total).toBe(0);
    expect(viewLatency(trialsOf(after(usual, 7)))?.canary.total).toBeGreaterThan(200);
  });

  test('proves a canary safe, and its fresh evidence begins anew with a step', () => {
    const traffic: Traffic = { ...usual, weightAt: (index) => (index < 20 ? 5 : 25) };
    const evidenceOf = (count: number) => latencyFindings(trialsOf(after(traffic, count)))[0];
    expect(evidenceOf(20)?.fresh).toBe(evidenceOf(20)?.safe);
    expect(evidenceOf(20)?.safe).toBeGreaterThan(3);
    expect(evidenceOf(21)?.fresh).toBeLessThan(evidenceOf(21)?.safe ?? 0);
  });

  test('goes on without blocks that have no durations', () => {
    const evidence = after(usual, 12);
    const [block] = blocksOf(usual, 12, 13);
    const { durations: _durations, ...rest } = block!;
    const next = addSamples(evidence, outcomeOf(usual, [rest]), contextAt(usual, 12), 0);
    expect(next.trials?.latency).toBe(evidence.trials?.latency);
    expect(next.trials?.errors).not.toBe(evidence.trials?.errors);
  });

  test('shows the bound that speaks loudest', () => {
    const tail: Traffic = { ...usual, rps: 50, slownessAt: (arm) => (arm === 'canary' ? 3 : 1) };
    const view = viewLatency(trialsOf(after(tail, 12)));
    expect(view?.plan.bounds[view.loudest]?.seconds).toBe(0.2);
  });
});

describe('a limit of durations', () => {
  const limited: Traffic = { ...usual, spec: { slo: { latency } } };

  test('is tested at the largest bound at or below it, after the warm-up', () => {
    expect(namesOf(after(limited, 6))).toEqual(['latency']);
    expect(namesOf(after(limited, 7))).toEqual(['latency', 'latencySlo']);
  });

  test('is tested without a comparison, and then is all there is', () => {
    const alone: Traffic = { ...limited, spec: { compare: 'None', slo: { latency } } };
    const { evidence, verdict } = lastLook(alone, 20);
    expect(Object.keys(trialsOf(evidence))).toEqual(['latencySlo']);
    expect(verdict).toMatchObject({ kind: 'Pass', reason: 'ProvenSafe' });
    expect(specOf(alone).compare).toBe('None');
  });

  test('is not tested where every bound is above it', () => {
    const tight: Traffic = { ...usual, spec: { slo: { latency: { underSeconds: 0.001, share: 0.99 } } } };
    expect(namesOf(after(tight, 12))).toEqual(['latency']);
  });
});
