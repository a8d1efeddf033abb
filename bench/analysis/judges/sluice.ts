/** Sluice's own judge: the code of src/analysis, from the blocks of a source to the verdict. */
import type { Block } from '../../../src/analysis/block.ts';
import {
  addToComparison,
  freshSafetyEvidence,
  restartFreshSafety,
  rollbackEvidence,
  safetyEvidence,
  startComparison,
  type ComparisonSpec,
  type ComparisonState,
} from '../../../src/analysis/comparison.ts';
import { slowerThan } from '../../../src/analysis/durations.ts';
import { planLatency } from '../../../src/analysis/latency-plan.ts';
import type { Arms } from '../../../src/analysis/sample.ts';
import { logMixture } from '../../../src/analysis/sequential.ts';
import { tickSeconds } from '../arm.ts';
import { boundsOf } from '../latency.ts';
import { plannedSeconds, type Scenario } from '../scenario.ts';
import { sumDurations } from '../sums.ts';
import { blocksOf, type Judge, type Verdict } from './judge.ts';

/** lnNeeded is the evidence that a confidence of 95 % asks for. */
const lnNeeded = Math.log(20);

/** sluice tolerates half a percentage point more errors, and latencies of 20 % more. */
export const sluice: Judge = {
  name: 'sluice',
  metrics: ['Errors', 'Latency'],
  isPaced: true,
  start: (scenario, history) => {
    let parts = startParts(scenario, history.flatMap(blocksOf));
    let stepMs = Number.NaN;
    return {
      add: (tick, { stepStartMs }) => {
        if (stepStartMs !== stepMs) parts = parts.map((part) => ({ ...part, state: restartFreshSafety(part.state) }));
        stepMs = stepStartMs;
        for (const block of blocksOf(tick)) {
          parts = parts.map((part) => ({ ...part, state: addToComparison(part.spec, part.state, part.armsOf(block)) }));
        }
      },
      verdict: (): Verdict => {
        const states = parts.map(({ state }) => state);
        const weights = parts.map(({ weight }) => weight);
        if (logMixture(states.map(rollbackEvidence), weights) >= lnNeeded) return 'Rollback';
        const isProven = (evidence: (state: ComparisonState) => number): boolean =>
          states.every((state) => evidence(state) >= lnNeeded);
        if (!isProven(safetyEvidence)) return 'Continue';
        return isProven(freshSafetyEvidence) ? 'MayProceed' : 'MayPromote';
      },
    };
  },
};

interface Part {
  readonly spec: ComparisonSpec;
  readonly state: ComparisonState;
  readonly weight: number;
  readonly armsOf: (block: Block) => Arms;
}

function startParts(scenario: Scenario, history: readonly Block[]): readonly Part[] {
  const plannedBlocks = plannedSeconds(scenario) / tickSeconds;
  return scenario.judged.flatMap((metric) => {
    const share = 1 / scenario.judged.length;
    const start = (points: number, weight: number, armsOf: Part['armsOf']): Part => ({
      spec: { margin: { factor: 1, points }, plannedBlocks },
      state: startComparison(history.map((block) => armsOf(block).stable)),
      weight,
      armsOf,
    });
    if (metric === 'Errors') return [start(0.005, share, ({ arms }) => arms)];
    if (scenario.latency === undefined) throw new Error(`${scenario.name} has no latency to judge.`);
    const bounds = boundsOf(scenario.latency);
    const plan = planLatency({ bounds, history: sumDurations(history, 'stable'), maxIncrease: 0.2, quantile: 'All' });
    if (plan.kind !== 'Planned') throw new Error(`${scenario.name}: ${plan.kind}`);
    return plan.bounds.map(({ seconds, points }) =>
      start(points, share / plan.bounds.length, ({ durations }) => slower(durations, bounds.indexOf(seconds))),
    );
  });
}

function slower(durations: Block['durations'], index: number): Arms {
  if (durations === undefined) throw new Error('A block without durations.');
  return { stable: slowerThan(durations.stable, index), canary: slowerThan(durations.canary, index) };
}
