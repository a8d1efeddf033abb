/** What recorded traffic can prove: a planned rollout is replayed many times over it, with a canary that is just like stable. */
import { sumBlocks } from '../analysis/block.ts';
import { addToDispersion, noDispersion, typicalFactor } from '../analysis/dispersion.ts';
import { addDurations, noDurations } from '../analysis/durations.ts';
import type { TrialName } from '../analysis/finding.ts';
import { planLatency } from '../analysis/latency-plan.ts';
import { parseDuration } from '../api/duration.ts';
import { formatTime } from '../clock.ts';
import { neededShare, proposeLonger, proposeMargins, type Proposal } from './simulate-proposal.ts';
import type { Past } from './simulate-replay.ts';
import type { Plan, Replay } from './simulate-walk.ts';
import { inTime, runAll, startsIn, type NotEnough, type Trials } from './simulate-runs.ts';

/** SimulateOptions say how often is replayed; the same seed gives the same report. */
export interface SimulateOptions {
  readonly replays: number;
  readonly seed: number;
}

/** Spread is the middle of some times and what 90 % of them are within; undefined where there are too few that ended. */
export interface Spread {
  readonly median: number | undefined;
  readonly p90: number | undefined;
}

/** Simulation is the report. Ratios are 0..1, times in seconds. */
export interface Simulation {
  readonly history: {
    readonly from: string;
    readonly until: string;
    readonly requests: number;
    readonly requestsPerSecond: number;
    readonly errorRatio: number;
    /** burst is by how much errors vary more than independent ones would, 1 or more. */
    readonly burst: number;
  };
  /** latency says at which bounds durations can be compared; None: not at all. */
  readonly latency: { readonly resolution: 'Fine' | 'Coarse' | 'None'; readonly bounds: readonly number[] };
  readonly plan: {
    readonly seconds: number;
    /** isCompared is false where the canary is judged by its own limits alone; the margins mean nothing then. */
    readonly isCompared: boolean;
    readonly errorMargin: number;
    readonly latencyMargin: number;
  };
  readonly replays: {
    readonly count: number;
    readonly promoted: number;
    readonly promotedInTime: number;
    readonly held: number;
    /** rolledBack are false rollbacks, by the reason of the verdict. */
    readonly rolledBack: Readonly<Record<string, number>>;
    /** unproven counts for each test in how many of those held it had no proof. */
    readonly unproven: Readonly<Partial<Record<TrialName, number>>>;
    readonly seconds: Spread;
  };
  readonly steps: readonly {
    readonly weight: number;
    readonly reached: number;
    readonly proven: number;
    readonly secondsToProof: Spread;
  }[];
  readonly proposal: Proposal;
}

/** simulate replays the plan from moments all over the past, then looks for the least margin that can be proven in time. */
export function simulate(past: Past, plan: Plan, options: SimulateOptions): Simulation | NotEnough {
  const inTimeMs = inTime(past, plan);
  const starts = startsIn(past, inTimeMs, options.replays);
  if ('kind' in starts) return starts;
  const trials: Trials = { past, plan, starts, seed: options.seed };
  const whole = runAll(trials, plan.spec, inTimeMs + waitMs(plan));
  const replays = summarize(whole, inTimeMs);
  const isProven = replays.promotedInTime >= neededShare * replays.count;
  const { margin, latency } = plan.spec;
  return {
    history: describeHistory(past),
    latency: describeLatency(past, plan),
    plan: {
      seconds: plan.spec.plannedMs / 1000,
      isCompared: plan.spec.compare === 'Stable',
      errorMargin: margin.points,
      latencyMargin: latency.maxIncrease,
    },
    replays,
    steps: summarizeSteps(plan, whole),
    proposal: { margins: proposeMargins(trials), longer: isProven ? undefined : proposeLonger(trials) },
  };
}

/** waitMs is how much longer a rollout that is not proven in time is followed. */
function waitMs({ spec, rollout }: Plan): number {
  return Math.max(spec.plannedMs, parseDuration(rollout.spec.analysis.inconclusiveAfter));
}

function summarize(all: readonly Replay[], inTimeMs: number): Simulation['replays'] {
  const promoted = all.filter(({ end }) => end === 'Promoted');
  const held = all.filter(({ end }) => end === 'Held');
  const rolledBack = all.filter(({ end }) => end === 'RolledBack');
  return {
    count: all.length,
    promoted: promoted.length,
    promotedInTime: promoted.filter(({ tookMs }) => tookMs <= inTimeMs).length,
    held: held.length,
    rolledBack: countBy(rolledBack.map(({ reason }) => reason)),
    unproven: countBy(held.flatMap(({ unproven }) => unproven)),
    seconds: spreadOf(all.map(({ end, tookMs }) => (end === 'Promoted' ? tookMs : undefined))),
  };
}

function countBy<T extends string>(names: readonly T[]): Readonly<Partial<Record<T, number>>> & Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts as Partial<Record<T, number>> & Record<string, number>;
}

function summarizeSteps({ steps }: Plan, all: readonly Replay[]): Simulation['steps'] {
  const weights = steps.flatMap((step) => (step.kind === 'Weight' ? [step.weight] : []));
  return weights.map((weight, index) => {
    const proofs = all.flatMap(({ proofs }) => proofs[index] ?? []);
    const times = proofs.map(({ afterMs }) => afterMs);
    const proven = times.filter((time) => time !== undefined).length;
    return { weight, reached: proofs.length, proven, secondsToProof: spreadOf(times) };
  });
}

/** What did not end, or was not proven, took longer than anything. */
function spreadOf(times: readonly (number | undefined)[]): Spread {
  const ordered = times.map((time) => time ?? Infinity).sort((left, right) => left - right);
  const at = (part: number): number | undefined => {
    const time = ordered[Math.max(0, Math.ceil(part * ordered.length) - 1)] ?? Infinity;
    return time === Infinity ? undefined : Math.round(time / 1000);
  };
  return { median: at(0.5), p90: at(0.9) };
}

function describeHistory({ blocks, blockMs }: Past): Simulation['history'] {
  const { stable } = sumBlocks(blocks);
  const fromMs = (blocks[0]?.endMs ?? 0) - blockMs;
  const untilMs = blocks.at(-1)?.endMs ?? 0;
  const dispersion = blocks.map(({ arms }) => arms.stable).reduce(addToDispersion, noDispersion);
  return {
    from: formatTime(fromMs),
    until: formatTime(untilMs),
    requests: stable.requests,
    requestsPerSecond: rounded((stable.requests * 1000) / (blocks.length * blockMs)),
    errorRatio: rounded(stable.errors / Math.max(1, stable.requests)),
    burst: rounded(Math.max(1, typicalFactor(dispersion))),
  };
}

/** What a person reads needs no more than three digits. */
function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

function describeLatency({ blocks, bounds }: Past, { spec }: Plan): Simulation['latency'] {
  const history = blocks.flatMap(({ durations }) => durations?.stable ?? []).reduce(addDurations, noDurations);
  const planned = planLatency({ bounds, history, ...spec.latency });
  if (spec.compare === 'None' || planned.kind !== 'Planned') return { resolution: 'None', bounds: [] };
  return { resolution: planned.resolution, bounds: planned.bounds.map(({ seconds }) => seconds) };
}
