/**
 * Sluice: the evidence, the verdict and the rules of the steps are those of the controller. What it is given is what a
 * source delivers, and what comes back is what the controller acts on.
 */
import { addSamples, startEvidence, type Context } from '../../../src/analysis/evidence.ts';
import type { SamplesOutcome } from '../../../src/analysis/metric-source.ts';
import { judge } from '../../../src/analysis/verdict.ts';
import { Walk, type Plan } from '../../../src/cli/simulate-walk.ts';
import { prepareAnalysis } from '../../../src/reconciler/analysis-spec.ts';
import { planSteps, type PlannedStep } from '../../../src/rollout/steps.ts';
import { rollout } from '../../../test/support/rollout-builders.ts';
import { tickSeconds } from '../arm.ts';
import { plannedSeconds, type Scenario } from '../scenario.ts';
import { startMs, type Tick } from '../traffic.ts';
import { blocksOf, type Judge, type Outcome, type Stage, type Watch } from './judge.ts';

const blockMs = tickSeconds * 1000;

/** maxHoldSeconds is how long the last gate is watched for its proof after the planned time. */
const maxHoldSeconds = 3_600;

/** sluice has the defaults of a Rollout: half a percentage point more errors and latencies of 20 % more are tolerated. */
export const sluice: Judge = { name: 'sluice', metrics: ['Errors', 'Latency'], start: watch, rollOut };

/** pair is what checks would be rendered with; there are none. */
const pair = {
  namespace: 'web',
  stable: { service: 'shop-stable', ports: [80] },
  canary: { service: 'shop-canary', ports: [80] },
};

/** planOf has all defaults but the warm-up: most scenarios do without, for their canaries are what they are from the first request on. */
function planOf({ steps, warmupSeconds }: Scenario): Plan {
  const written = rollout({
    steps: steps.map(({ weight, seconds }) => ({ weight, duration: `${seconds}s` })),
    analysis: { warmup: `${warmupSeconds}s` },
  });
  const { spec } = prepareAnalysis(written, pair, 'Off');
  // Behind the gate before 100 % there is nothing left to compare with; the others stop there too.
  return { spec, rollout: written, steps: planSteps(written.spec).filter((step) => !isLast(step)) };
}

function isLast(step: PlannedStep): boolean {
  return step.kind === 'Weight' && step.weight === 100;
}

/** watch judges at weights that change by time, whatever is proven. */
function watch(scenario: Scenario, history: readonly Tick[]): Watch {
  const { spec } = planOf(scenario);
  let evidence = startEvidence('bench', startMs, spec, pastOf(history));
  let share = { weightPercent: 0, isComparable: isComparable(scenario) };
  let nowMs = startMs;
  return {
    add: ({ outcome, endMs }, { weight, stepStartMs }) => {
      const context: Context = { spec, stage: { sinceMs: stepStartMs, isAlone: false }, blockMs };
      nowMs = endMs;
      share = { ...share, weightPercent: weight };
      evidence = addSamples(evidence, outcome, context, nowMs);
    },
    verdict: () => {
      const { kind } = judge(spec, evidence, share, nowMs);
      if (kind === 'Fail') return 'Rollback';
      return kind === 'Pass' ? 'Proven' : 'Continue';
    },
  };
}

/** rollOut is a rollout up to the gate before 100 %. The controller looks when a block is over. */
function rollOut(scenario: Scenario, { history, traffic }: Stage): Outcome {
  const untilMs = startMs + (plannedSeconds(scenario) + maxHoldSeconds) * 1000;
  const start = { startMs, untilMs, blockMs, history: pastOf(history), isComparable: isComparable(scenario) };
  const walk = new Walk(planOf(scenario), start);
  let nowMs = startMs;
  let excessErrors = 0;
  while (walk.end === undefined && nowMs < untilMs) {
    const tick = traffic(walk.weight);
    nowMs = tick.endMs;
    excessErrors += tick.excessErrors;
    walk.add(tick.outcome, nowMs);
  }
  const { end, tookMs, provenMs } = walk.result();
  return {
    end,
    seconds: tookMs / 1000,
    provenSeconds: provenMs === undefined ? undefined : provenMs / 1000,
    excessErrors,
  };
}

function pastOf(history: readonly Tick[]): Pick<SamplesOutcome, 'blocks' | 'bounds'> {
  const bounds = history.flatMap(({ outcome }) => (outcome.kind === 'Samples' ? [outcome.bounds ?? []] : []))[0];
  return { blocks: history.flatMap(blocksOf), ...(bounds === undefined ? {} : { bounds }) };
}

/** Clients that stay where they began do not choose by the weight. */
function isComparable({ sessions }: Scenario): boolean {
  return sessions === undefined;
}
