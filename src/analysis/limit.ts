/**
 * Limit is the test of one arm against a fixed rate of errors, for an objective that holds without a stable arm: evidence
 * that the limit is broken, and evidence that it is kept. Both hold for rates that change from block to block, as long as
 * they stay on one side of the limit (the likelihood ratio of a rate beyond the limit grows with the rate, so the limit
 * itself is the worst case).
 */
import { badRates, badWeights, estimatedRate, goodRates } from './alternatives.ts';
import { addErrorsToDispersion, dispersionFactor, noDispersion, typicalFactor, type Dispersion } from './dispersion.ts';
import {
  countNumbers,
  decodeNumbers,
  dispersionNumbers,
  encodeNumbers,
  NumberReader,
  wealthNumbers,
} from './numbers.ts';
import { noCounts, type Counts } from './sample.ts';
import { clampRate, logLikelihoodRatio } from './sequential.ts';
import {
  averageEvidence,
  evidenceCap,
  inheritWealth,
  multiplyProducts,
  multiplyRestarted,
  restartedEvidence,
  startProducts,
  startRestarted,
  type RestartedWealth,
} from './wealth.ts';

/** LimitSpec is what does not change while evidence is collected. */
export interface LimitSpec {
  /** highestRate is the rate of errors that still keeps the limit: 0.01 for an objective of 99 %. It counts as 0.000001 to 0.999. */
  readonly highestRate: number;
  /** plannedBlocks is how many blocks the whole rollout is planned to take. */
  readonly plannedBlocks: number;
}

/** LimitState is all that evidence consists of. */
export interface LimitState {
  /** breach is the wealth of alternatives beyond the limit. */
  readonly breach: RestartedWealth;
  /** kept holds logarithms for alternatives within the limit: since the start. */
  readonly kept: readonly number[];
  /** freshKept is the same since restartFreshKept. */
  readonly freshKept: readonly number[];
  /** counted is what the arm answered in all blocks. */
  readonly counted: Counts;
  readonly dispersion: Dispersion;
  /** typical is how clustered errors were before the first block, 1 being independent. */
  readonly typical: number;
}

const goodAlternatives = 3;
const decimals = 1e4;
/** tag names the meaning of the numbers: with another meaning it gets another tag, and old evidence starts anew. */
const tag = 'limit1';

/**
 * startLimit returns the state before the first block. `history` is blocks of the stable arm from before the rollout, or
 * none: it tells how clustered errors are in this service, but not how many there may be. Where other
 * tests have begun before, `capital` is what is left of 1.
 */
export function startLimit(history: readonly Counts[], capital?: number): LimitState {
  const alternatives = badWeights.length;
  return {
    breach: capital === undefined ? startRestarted(alternatives) : inheritWealth(alternatives, capital),
    kept: startProducts(goodAlternatives),
    freshKept: startProducts(goodAlternatives),
    counted: noCounts,
    dispersion: noDispersion,
    typical: Math.round(typicalFactor(history.reduce(addErrorsToDispersion, noDispersion)) * decimals) / decimals,
  };
}

/** addToLimit adds one block, in the order of time and once. An empty one changes nothing. */
export function addToLimit(spec: LimitSpec, state: LimitState, counts: Counts): LimitState {
  if (counts.requests <= 0) return state;
  const { bad, good } = logFactors(spec.highestRate, state, counts);
  const { requests, errors } = state.counted;
  return {
    breach: multiplyRestarted(state.breach, bad, spec.plannedBlocks),
    kept: multiplyProducts(state.kept, good),
    freshKept: multiplyProducts(state.freshKept, good),
    counted: { requests: requests + counts.requests, errors: errors + counts.errors },
    dispersion: addErrorsToDispersion(state.dispersion, counts),
    typical: state.typical,
  };
}

/**
 * breachEvidence returns ln E that the limit is broken. For an arm that keeps it, the probability that this ever reaches
 * ln(1/alpha) is at most alpha.
 */
export function breachEvidence(state: LimitState): number {
  return restartedEvidence(state.breach, badWeights);
}

/**
 * keptEvidence returns ln E that the limit is kept, from all blocks. For an arm that breaks it all the time, the
 * probability that this ever reaches ln(1/beta) is at most beta.
 */
export function keptEvidence(state: LimitState): number {
  return averageEvidence(state.kept);
}

/** freshKeptEvidence returns the same as keptEvidence, from the blocks since restartFreshKept only. */
export function freshKeptEvidence(state: LimitState): number {
  return averageEvidence(state.freshKept);
}

/** restartFreshKept forgets the fresh evidence: a new weight is a new load. */
export function restartFreshKept(state: LimitState): LimitState {
  return { ...state, freshKept: startProducts(goodAlternatives) };
}

/** encodeLimit returns the state as text of about 180 characters, from which decodeLimit gets exactly the same state. */
export function encodeLimit(state: LimitState): string {
  return encodeNumbers(tag, [
    ...wealthNumbers(state.breach),
    ...state.kept,
    ...state.freshKept,
    ...countNumbers(state.counted),
    ...dispersionNumbers(state.dispersion),
    state.typical,
  ]);
}

/** decodeLimit returns the state that encodeLimit wrote, or undefined for any other text. */
export function decodeLimit(text: string): LimitState | undefined {
  const reader = new NumberReader(decodeNumbers(tag, text) ?? []);
  const state = {
    breach: reader.wealth(badWeights.length),
    kept: reader.logs(goodAlternatives),
    freshKept: reader.logs(goodAlternatives),
    counted: reader.counts(),
    dispersion: reader.dispersion(),
    typical: reader.number(),
  };
  return reader.isComplete ? state : undefined;
}

/** logFactors returns what the block multiplies each product with. */
function logFactors(
  highestRate: number,
  state: LimitState,
  counts: Counts,
): { readonly bad: readonly number[]; readonly good: readonly number[] } {
  const border = clampRate(highestRate);
  const observed = estimatedRate(state.counted);
  const dispersion = dispersionFactor(state.dispersion, state.typical);
  const cap = evidenceCap(counts.errors);
  const discounted = (rate: number): number => logLikelihoodRatio(counts, rate, border) / dispersion;
  return {
    bad: badRates(border, observed).map((rate) => Math.min(cap, discounted(rate))),
    good: goodRates(border, border / 2, observed).map(discounted),
  };
}
