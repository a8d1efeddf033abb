/** Sluice's own judge: the code of src/analysis, from the blocks of a source to the verdict. */
import {
  addToComparison,
  freshSafetyEvidence,
  restartFreshSafety,
  rollbackEvidence,
  safetyEvidence,
  startComparison,
  type ComparisonSpec,
} from '../../../src/analysis/comparison.ts';
import { tickSeconds } from '../arm.ts';
import { plannedSeconds } from '../scenario.ts';
import { blocksOf, type Judge, type Verdict } from './judge.ts';

/** lnNeeded is the evidence that a confidence of 95 % asks for. */
const lnNeeded = Math.log(20);

/** sluice tolerates half a percentage point. */
export const sluice: Judge = {
  name: 'sluice',
  metrics: ['Errors'],
  isPaced: true,
  start: (scenario, history) => {
    const spec: ComparisonSpec = {
      margin: { factor: 1, points: 0.005 },
      plannedBlocks: plannedSeconds(scenario) / tickSeconds,
    };
    let state = startComparison(history.flatMap((tick) => blocksOf(tick).map(({ arms }) => arms.stable)));
    let stepMs = Number.NaN;
    return {
      add: (tick, { stepStartMs }) => {
        if (stepStartMs !== stepMs) state = restartFreshSafety(state);
        stepMs = stepStartMs;
        for (const { arms } of blocksOf(tick)) state = addToComparison(spec, state, arms);
      },
      verdict: (): Verdict => {
        if (rollbackEvidence(state) >= lnNeeded) return 'Rollback';
        if (safetyEvidence(state) < lnNeeded) return 'Continue';
        return freshSafetyEvidence(state) >= lnNeeded ? 'MayProceed' : 'MayPromote';
      },
    };
  },
};
