/** Sluice's own judge: the code of src/analysis, from the blocks of a source to the verdict. */
import type { Block } from '../../../src/analysis/block.ts';
import {
  addToComparison,
  freshSafetyEvidence,
  restartFreshSafety,
  rollbackEvidence,
  safetyEvidence,
  startComparison,
} from '../../../src/analysis/comparison.ts';
import type { Durations } from '../../../src/analysis/durations.ts';
import {
  addToLatency,
  freshLatencySafetyEvidence,
  latencyRollbackEvidence,
  latencySafetyEvidence,
  restartFreshLatency,
  startLatency,
} from '../../../src/analysis/latency.ts';
import { planLatency } from '../../../src/analysis/latency-plan.ts';
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
    const parts = scenario.judged.map((metric) => start[metric](scenario, history.flatMap(blocksOf)));
    const weights = parts.map(() => 1 / parts.length);
    let stepMs = Number.NaN;
    return {
      add: (tick, { stepStartMs }) => {
        if (stepStartMs !== stepMs) for (const part of parts) part.restart();
        stepMs = stepStartMs;
        for (const block of blocksOf(tick)) for (const part of parts) part.add(block);
      },
      verdict: (): Verdict => {
        const rollback = parts.map((part) => part.rollback());
        if (logMixture(rollback, weights) >= lnNeeded) return 'Rollback';
        if (parts.some((part) => part.safety() < lnNeeded)) return 'Continue';
        return parts.every((part) => part.freshSafety() >= lnNeeded) ? 'MayProceed' : 'MayPromote';
      },
    };
  },
};

/** Part is the evidence of one metric. */
interface Part {
  add(block: Block): void;
  restart(): void;
  rollback(): number;
  safety(): number;
  freshSafety(): number;
}

const start = { Errors: startErrors, Latency: startLatencies } as const;

function startErrors(scenario: Scenario, history: readonly Block[]): Part {
  const spec = { margin: { factor: 1, points: 0.005 }, plannedBlocks: plannedSeconds(scenario) / tickSeconds };
  let state = startComparison(history.map(({ arms }) => arms.stable));
  return {
    add: ({ arms }) => {
      state = addToComparison(spec, state, arms);
    },
    restart: () => {
      state = restartFreshSafety(state);
    },
    rollback: () => rollbackEvidence(state),
    safety: () => safetyEvidence(state),
    freshSafety: () => freshSafetyEvidence(state),
  };
}

function startLatencies(scenario: Scenario, history: readonly Block[]): Part {
  const bounds = scenario.latency === undefined ? [] : boundsOf(scenario.latency);
  const plan = planLatency({ bounds, history: sumDurations(history, 'stable'), maxIncrease: 0.2, quantile: 'All' });
  if (plan.kind !== 'Planned') throw new Error(`${scenario.name}: ${plan.kind}`);
  const indexes = plan.bounds.map(({ seconds }) => bounds.indexOf(seconds));
  const atPlanned = ({ total, within }: Durations): Durations => ({
    total,
    within: indexes.map((index) => within[index] ?? total),
  });
  const spec = { plannedBlocks: plannedSeconds(scenario) / tickSeconds };
  let state = startLatency(plan);
  const add = ({ durations }: Block): void => {
    if (durations === undefined) return;
    const { stable, canary } = durations;
    state = addToLatency(plan, spec, state, { stable: atPlanned(stable), canary: atPlanned(canary) });
  };
  for (const block of history) add(block);
  return {
    add,
    restart: () => {
      state = restartFreshLatency(state);
    },
    rollback: () => latencyRollbackEvidence(state),
    safety: () => latencySafetyEvidence(state),
    freshSafety: () => freshLatencySafetyEvidence(state),
  };
}
