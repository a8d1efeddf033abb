/** What to write into the spec, so that the proof comes in the planned time. */
import { sumBlocks } from '../analysis/block.ts';
import { isMarginWide } from '../analysis/margin.ts';
import type { Plan } from './simulate-walk.ts';
import { inTime, runAll, startsIn, type Trials } from './simulate-runs.ts';

/** Proposal is what would be proven in the planned time in at least 90 % of the replays; both are undefined where nothing that was tried is. */
export interface Proposal {
  /** margins are the least. */
  readonly margins: Margins | undefined;
  /** longer is there where the spec's own margins are not proven in time: steps so many times as long would do. */
  readonly longer: { readonly factor: number; readonly seconds: number } | undefined;
}

/** Margins are what may be written into the spec. */
export interface Margins {
  readonly errorMargin: number;
  readonly latencyMargin: number;
  /** share of the replays in which they were proven. */
  readonly share: number;
  /** isWide: users would notice what the margin lets pass. */
  readonly isWide: boolean;
}

/** neededShare is in what part of the replays a proof has to come in time. */
export const neededShare = 0.9;
/** Margins that people write, in points and in percent. */
const errorMargins = [0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10].map((points) => points / 100);
const latencyMargins = [0.1, 0.2, 0.3, 0.5, 1, 2, 4];
const longerFactors = [1.5, 2, 3, 4, 6, 8];

/** shareInTime is in what part of the replays a rollout by this spec is promoted in the planned time. */
function shareInTime(trials: Trials, spec: Plan['spec']): number {
  const all = runAll(trials, spec, inTime(trials.past, trials.plan));
  return all.filter(({ end }) => end === 'Promoted').length / all.length;
}

/** proposeMargins first looks whether the durations are what takes so long: then no margin for errors would help. */
export function proposeMargins(trials: Trials): Margins | undefined {
  const { spec } = trials.plan;
  if (spec.compare === 'None') return undefined;
  const shareOf = (points: number, maxIncrease: number): number =>
    shareInTime(trials, {
      ...spec,
      margin: { ...spec.margin, points },
      latency: { ...spec.latency, maxIncrease },
    });
  const widest = errorMargins.at(-1) ?? 0;
  const wanted = [spec.latency.maxIncrease, ...latencyMargins.filter((margin) => margin > spec.latency.maxIncrease)];
  const latency = leastOf(wanted, (maxIncrease) => shareOf(widest, maxIncrease));
  const error = latency && leastOf(errorMargins, (points) => shareOf(points, latency.value));
  if (latency === undefined || error === undefined) return undefined;
  return {
    errorMargin: error.value,
    latencyMargin: latency.value,
    share: error.share,
    isWide: isMarginWide(error.value, sumBlocks(trials.past.blocks).stable),
  };
}

/** proposeLonger tries longer steps with the margins as they are, as far as the past is long enough. */
export function proposeLonger({ past, plan, starts, seed }: Trials): Proposal['longer'] {
  const longer = longerFactors.map((factor) => stretched(plan, factor));
  const tried = longer.flatMap((plan) => {
    const found = startsIn(past, inTime(past, plan), starts.length);
    return 'kind' in found ? [] : [{ past, plan, starts: found, seed }];
  });
  const least = leastOf(
    tried.map((_, index) => index),
    (index) => {
      const trials = tried[index];
      return trials === undefined ? 0 : shareInTime(trials, trials.plan.spec);
    },
  );
  const factor = least && longerFactors[least.value];
  return factor === undefined ? undefined : { factor, seconds: (factor * plan.spec.plannedMs) / 1000 };
}

function stretched({ spec, rollout, steps }: Plan, factor: number): Plan {
  const longer = steps.map((step) => {
    return step.kind === 'Weight' ? { ...step, durationMs: factor * step.durationMs } : step;
  });
  return { spec: { ...spec, plannedMs: factor * spec.plannedMs }, rollout, steps: longer };
}

/** leastOf returns the first of ascending values with a share that suffices: what a value proves, a greater one does too. */
function leastOf(
  values: readonly number[],
  shareOf: (value: number) => number,
): { readonly value: number; readonly share: number } | undefined {
  const first = values[0];
  const own = first === undefined ? 0 : shareOf(first);
  if (first !== undefined && own >= neededShare) return { value: first, share: own };
  let found: { readonly value: number; readonly share: number } | undefined;
  let low = 1;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const value = values[middle] ?? 0;
    const share = shareOf(value);
    if (share >= neededShare) {
      found = { value, share };
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return found;
}
