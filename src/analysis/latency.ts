/**
 * Comparison of the latencies of two arms, block by block, at the bounds of a plan: evidence that the canary is slower
 * than tolerated, and evidence that it is not.
 *
 * A request above a bound is an error there, so that each bound is a comparison of two Bernoulli streams (sequential.ts).
 * The bounds depend on each other. Against the canary their evidence is averaged, which is valid whatever they depend on.
 * For the canary it is averaged too: what is refuted is that it is too slow at every bound, as one is that takes longer as
 * a whole. A proof for each bound alone would ask thousands of requests of the few above a high bound, and for pauses that
 * befall both arms many times more, so that healthy canaries would wait for ever. A tail that only the canary has is what
 * the evidence against it finds (and verdict.ts calls nothing proven that this evidence speaks against).
 */
import { clampDurations, slowerThan, type Durations } from './durations.ts';
import { addToDispersion, dispersionFactor, noDispersion, typicalFactor, type Dispersion } from './dispersion.ts';
import type { LatencyPlan, PlannedBound } from './latency-plan.ts';
import { addArms, noArms, type Arms, type Counts } from './sample.ts';
import { clampRate, logEvidence, projectOnNull, toleratedRate, type Margin } from './sequential.ts';
import {
  averageEvidence,
  inheritWealth,
  multiplyProducts,
  multiplyRestarted,
  restartedEvidence,
  startProducts,
  startRestarted,
  type RestartedWealth,
} from './wealth.ts';

/** LatencySpec is what does not change while evidence is collected. */
export interface LatencySpec {
  /** plannedBlocks is how many blocks the whole rollout is planned to take: 360 for an hour of 10 s blocks. */
  readonly plannedBlocks: number;
}

/** LatencyBlock is what both arms answered in one block, at the bounds of the plan. */
export interface LatencyBlock {
  readonly stable: Durations;
  readonly canary: Durations;
}

/** BoundState is what is known at one bound, where the slower requests count as errors. */
export interface BoundState {
  /** safety holds logarithms of products for a canary within the tolerance: since the start. */
  readonly safety: readonly number[];
  /** freshSafety is the same since restartFreshLatency. */
  readonly freshSafety: readonly number[];
  readonly counted: Arms;
  readonly stableDispersion: Dispersion;
  readonly canaryDispersion: Dispersion;
}

/** LatencyState is all that the evidence consists of. */
export interface LatencyState {
  /** rollback is the wealth of the alternatives in which the canary is too slow, three for each bound of the plan. */
  readonly rollback: RestartedWealth;
  readonly bounds: readonly BoundState[];
}

/**
 * latencyCap is the most that one block adds at one bound, in nats. It is less than that of errors: a pause for garbage
 * collection is at all bounds at once, and at 95 % confidence no single block may be enough (0.8 e^3 < 20).
 */
const latencyCap = 3;
/** provenCap and dispersionCap only keep sums of absurd counts exact in text. */
const provenCap = 1000;
const dispersionCap = 1e11;
/**
 * distances are where slower shares are looked for between the tolerated one and 1, on a scale of logarithms. A body of 50 ms
 * that takes half as long again, and a tail of 2 % above stable's, are both at 0.3; far ones are found there as well.
 */
const distances: readonly number[] = [0.3, 0.6];
/** slowWeights are those of the distances, and of the share that was observed: one alternative each. */
export const slowWeights: readonly number[] = [0.8, 0.1, 0.1];
/** slowStart is invested with the first block, more than with errors: what makes a version slow mostly does so at once. */
const slowStart = 0.8;
/** goodAlternatives is how many shares of a canary within the tolerance are looked for at each bound. */
export const goodAlternatives = 2;
/** provableSlack: smaller tolerances would take thousands of requests to prove, so half a point is safe, as with errors. */
const provableSlack = 0.005;
/** priorRequests is what the plan's shares weigh against the shares that were counted since. */
const priorRequests = 50;
/** observedPrior is how many requests of the canary at the expected share precede its own. */
const observedPrior = 10;
/** leastSlow and mostGood keep the observed share apart from the tolerated one. */
const leastSlow = 1.15;
const mostGood = 0.95;

/** noBound is a bound at which nothing was counted. */
const noBound: BoundState = {
  safety: startProducts(goodAlternatives),
  freshSafety: startProducts(goodAlternatives),
  counted: noArms,
  stableDispersion: noDispersion,
  canaryDispersion: noDispersion,
};

/** startLatency returns the state before the first block. Where other tests have begun before, `capital` is what is left of 1. */
export function startLatency(plan: LatencyPlan, capital?: number): LatencyState {
  const alternatives = plan.bounds.length * slowWeights.length;
  return {
    rollback: capital === undefined ? startRestarted(alternatives) : inheritWealth(alternatives, capital, slowStart),
    bounds: plan.bounds.map(() => noBound),
  };
}

/**
 * addToLatency adds one block, in the order of time, each once. Blocks of stable alone, from before the rollout, are no
 * evidence but tell how clustered slow requests are: without about ten minutes of them a pause in the first blocks is
 * taken for a regression. Durations that are not of the plan's bounds are no evidence either.
 */
export function addToLatency(
  plan: LatencyPlan,
  spec: LatencySpec,
  state: LatencyState,
  block: LatencyBlock,
): LatencyState {
  const isOfPlan = [block.stable, block.canary].every(({ within }) => within.length === plan.bounds.length);
  if (!isOfPlan || state.bounds.length !== plan.bounds.length) return state;
  const stable = clampDurations(block.stable);
  const canary = clampDurations(block.canary);
  const added = plan.bounds.map((bound, index) => {
    const arms = { stable: slowerThan(stable, index), canary: slowerThan(canary, index) };
    return addAtBound(bound, state.bounds[index] ?? noBound, arms);
  });
  const isEvidence = stable.total > 0 && canary.total > 0;
  const factors = added.flatMap(({ slow }) => slow);
  return {
    rollback: isEvidence ? multiplyRestarted(state.rollback, factors, spec.plannedBlocks, slowStart) : state.rollback,
    bounds: added.map(({ next }) => next),
  };
}

/** latencyRollbackEvidence returns ln E that the canary is slower than tolerated at some bound; a valid reason at ln(1/alpha). */
export function latencyRollbackEvidence(state: LatencyState): number {
  const weights = state.bounds.flatMap(() => slowWeights.map((weight) => weight / state.bounds.length));
  return restartedEvidence(state.rollback, weights);
}

/** latencySafetyEvidence returns ln E that the canary does not take longer than tolerated as a whole, from all blocks. */
export function latencySafetyEvidence({ bounds }: LatencyState): number {
  return averageEvidence(bounds.map(({ safety }) => averageEvidence(safety)));
}

/** freshLatencySafetyEvidence returns the same from the blocks since restartFreshLatency only. */
export function freshLatencySafetyEvidence({ bounds }: LatencyState): number {
  return averageEvidence(bounds.map(({ freshSafety }) => averageEvidence(freshSafety)));
}

/** restartFreshLatency forgets the fresh evidence: a new weight is a new load, which the canary may not stand. */
export function restartFreshLatency(state: LatencyState): LatencyState {
  const bounds = state.bounds.map((bound) => ({
    ...bound,
    freshSafety: startProducts(goodAlternatives),
  }));
  return { ...state, bounds };
}

/** latencyDispersion returns the greatest factor by which evidence of a bound is divided at present, 1 or more. */
export function latencyDispersion(state: LatencyState): number {
  return Math.max(1, ...state.bounds.map(dispersionAt));
}

/** addAtBound returns the logarithms of what the block multiplies the wealth of this bound with, and the next state. */
function addAtBound(
  bound: PlannedBound,
  state: BoundState,
  arms: Arms,
): { readonly slow: readonly number[]; readonly next: BoundState } {
  const { slow, good } = factorsAt(bound, state, arms);
  const next = {
    safety: multiplyProducts(state.safety, good),
    freshSafety: multiplyProducts(state.freshSafety, good),
    counted: addArms(state.counted, arms),
    stableDispersion: cappedDispersion(addToDispersion(state.stableDispersion, arms.stable)),
    canaryDispersion: cappedDispersion(addToDispersion(state.canaryDispersion, arms.canary)),
  };
  return { slow, next };
}

function factorsAt(
  bound: PlannedBound,
  state: BoundState,
  arms: Arms,
): { readonly slow: readonly number[]; readonly good: readonly number[] } {
  const { counted } = state;
  const stable = mixedShare(counted.stable, bound.share, priorRequests);
  const canary = mixedShare(counted.canary, stable, observedPrior);
  const dispersion = dispersionAt(state);
  const exposure = { canary: arms.canary.requests, stable: arms.stable.requests };
  const discounted = (share: number, margin: Margin): number => {
    const alternative = { canary: share, stable };
    return logEvidence(arms, alternative, projectOnNull(alternative, exposure, margin)) / dispersion;
  };
  const margin = { factor: bound.factor, points: bound.points };
  const provable = { factor: bound.factor, points: Math.max(bound.points, provableSlack) };
  const tolerated = toleratedRate(margin, stable);
  const slack = toleratedRate(provable, stable);
  return {
    // Where stable has become so slow that more than 99.9 % is tolerated, nothing is too slow.
    slow: slowShares(tolerated, canary).map((share) =>
      share > tolerated ? Math.min(latencyCap, discounted(share, margin)) : 0,
    ),
    good: [stable, clampRate(Math.min(canary, mostGood * slack))].map((share) =>
      Math.min(provenCap, discounted(share, provable)),
    ),
  };
}

/** slowShares returns the alternatives of a canary that is too slow, in the order of slowWeights. */
function slowShares(tolerated: number, observed: number): readonly number[] {
  const rest = Math.max(0, 1 - tolerated);
  // In odds, for at the first bounds the tolerated share is near 1.
  const least = (leastSlow * tolerated) / (leastSlow * tolerated + rest);
  return [...distances.map((distance) => tolerated ** (1 - distance)), Math.max(observed, least)].map(clampRate);
}

function mixedShare(counts: Counts, expected: number, weight: number): number {
  return clampRate((counts.errors + weight * expected) / (counts.requests + weight));
}

function dispersionAt({ stableDispersion, canaryDispersion }: BoundState): number {
  return dispersionFactor(canaryDispersion, typicalFactor(stableDispersion));
}

function cappedDispersion({ observed, expected, last }: Dispersion): Dispersion {
  return {
    observed: Math.min(dispersionCap, observed),
    expected: Math.min(dispersionCap, expected),
    last,
  };
}
