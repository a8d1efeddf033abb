/**
 * Comparison of the error rates of two arms, block by block: evidence that the canary is worse than the margin tolerates,
 * and evidence that it is not.
 *
 * Both hold for whatever rates the arms have, known or not, and if they change from block to block, together or apart:
 * the margin only has to hold inside each block. Traffic may be split differently in each block. What is estimated (the
 * rates that alternatives are chosen from) only decides how soon evidence comes, never whether it may be believed.
 * Requests inside a block are taken as independent; how far they are not is estimated (dispersion.ts).
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
import { addArms, noArms, noCounts, type Arms, type Counts } from './sample.ts';
import { logEvidence, projectOnNull, toleratedRate, type Margin } from './sequential.ts';
import {
  averageEvidence,
  evidenceCap,
  multiplyProducts,
  multiplyRestarted,
  restartedEvidence,
  startProducts,
  startRestarted,
  type RestartedWealth,
} from './wealth.ts';

/** ComparisonSpec is what does not change while evidence is collected. */
export interface ComparisonSpec {
  readonly margin: Margin;
  /** plannedBlocks is how many blocks the whole rollout is planned to take: 360 for an hour of 10 s blocks. */
  readonly plannedBlocks: number;
}

/** ComparisonState is all that evidence consists of. It has as many numbers after a day as after a minute. */
export interface ComparisonState {
  /** rollback is the wealth of alternatives in which the canary is worse than the margin. */
  readonly rollback: RestartedWealth;
  /** safety holds logarithms for alternatives in which the canary is within the margin: since the start. */
  readonly safety: readonly number[];
  /** freshSafety is the same since restartFreshSafety. */
  readonly freshSafety: readonly number[];
  /** counted is what both arms answered in all blocks. */
  readonly counted: Arms;
  /** history is what stable answered before. */
  readonly history: Counts;
  readonly canaryDispersion: Dispersion;
  readonly stableDispersion: Dispersion;
}

const goodAlternatives = 3;
/** tag names the meaning of the numbers: with another meaning it gets another tag, and old evidence starts anew. */
const tag = 'comparison1';

/**
 * startComparison returns the state before the first block. `history` is blocks of stable from before the rollout, about
 * ten minutes of them, oldest first. Without any, the alternatives are first chosen as if stable had 0.5 % errors, and the
 * errors are taken as independent until the blocks of the rollout tell otherwise. Both cost time at the start, and the
 * guarantees on false evidence hold all the same, except that bursts need blocks to be known as such.
 */
export function startComparison(history: readonly Counts[]): ComparisonState {
  return {
    rollback: startRestarted(badWeights.length),
    safety: startProducts(goodAlternatives),
    freshSafety: startProducts(goodAlternatives),
    counted: noArms,
    history: history.reduce(
      (sum, { requests, errors }) => ({ requests: sum.requests + requests, errors: sum.errors + errors }),
      noCounts,
    ),
    canaryDispersion: noDispersion,
    stableDispersion: history.reduce(addErrorsToDispersion, noDispersion),
  };
}

/**
 * addToComparison adds one block. Alternatives and dispersion come from what was counted before it. Blocks must come in
 * the order of time, each once; the result has only numbers that encodeComparison keeps exactly. A block in which an arm
 * had no requests is only counted: it is no evidence, and spends nothing on a new start.
 */
export function addToComparison(spec: ComparisonSpec, state: ComparisonState, arms: Arms): ComparisonState {
  const counted = {
    counted: addArms(state.counted, arms),
    history: state.history,
    canaryDispersion: addErrorsToDispersion(state.canaryDispersion, arms.canary),
    stableDispersion: addErrorsToDispersion(state.stableDispersion, arms.stable),
  };
  if (arms.canary.requests <= 0 || arms.stable.requests <= 0) return { ...state, ...counted };
  const { bad, good } = logFactors(spec.margin, state, arms);
  return {
    rollback: multiplyRestarted(state.rollback, bad, spec.plannedBlocks),
    safety: multiplyProducts(state.safety, good),
    freshSafety: multiplyProducts(state.freshSafety, good),
    ...counted,
  };
}

/**
 * rollbackEvidence returns ln E that the canary is worse than the margin. For a canary within it, the probability that
 * this ever reaches ln(1/alpha) is at most alpha.
 */
export function rollbackEvidence(state: ComparisonState): number {
  return restartedEvidence(state.rollback, badWeights);
}

/**
 * safetyEvidence returns ln E that the canary is within the margin, from all blocks. For a canary that is worse all the
 * time, the probability that this ever reaches ln(1/beta) is at most beta.
 */
export function safetyEvidence(state: ComparisonState): number {
  return averageEvidence(state.safety);
}

/** freshSafetyEvidence returns the same as safetyEvidence, from the blocks since restartFreshSafety only. */
export function freshSafetyEvidence(state: ComparisonState): number {
  return averageEvidence(state.freshSafety);
}

/** restartFreshSafety forgets the fresh evidence: a new weight is a new load, which the canary may not stand. */
export function restartFreshSafety(state: ComparisonState): ComparisonState {
  return { ...state, freshSafety: startProducts(goodAlternatives) };
}

/** dispersionOf returns the factor that evidence is divided by at present, 1 for independent errors. */
export function dispersionOf(state: ComparisonState): number {
  return dispersionFactor(state.canaryDispersion, typicalFactor(state.stableDispersion));
}

/** logFactors returns what the block multiplies each product with. */
function logFactors(
  margin: Margin,
  state: ComparisonState,
  arms: Arms,
): { readonly bad: readonly number[]; readonly good: readonly number[] } {
  const stable = estimatedRate(addArms(state.counted, { stable: state.history, canary: noCounts }).stable);
  const canary = estimatedRate(state.counted.canary);
  const tolerated = toleratedRate(margin, stable);
  const dispersion = dispersionOf(state);
  const cap = evidenceCap(arms.canary.errors);
  const exposure = { canary: arms.canary.requests, stable: arms.stable.requests };
  const discounted = (rate: number): number => {
    const alternative = { canary: rate, stable };
    return logEvidence(arms, alternative, projectOnNull(alternative, exposure, margin)) / dispersion;
  };
  return {
    // Where more than 99.9 % is tolerated, no rate is too bad: what badRates returns is not beyond the margin.
    bad: badRates(tolerated, canary).map((rate) => (rate > tolerated ? Math.min(cap, discounted(rate)) : 0)),
    good: goodRates(tolerated, stable, canary).map(discounted),
  };
}

/**
 * encodeComparison returns the state as text of about 250 characters. decodeComparison gets exactly the same state from
 * it, so that evidence goes on after a restart as if there had been none.
 */
export function encodeComparison(state: ComparisonState): string {
  return encodeNumbers(tag, [
    ...wealthNumbers(state.rollback),
    ...state.safety,
    ...state.freshSafety,
    ...countNumbers(state.history),
    ...countNumbers(state.counted.stable),
    ...countNumbers(state.counted.canary),
    ...dispersionNumbers(state.stableDispersion),
    ...dispersionNumbers(state.canaryDispersion),
  ]);
}

/** decodeComparison returns the state that encodeComparison wrote, or undefined for any other text. */
export function decodeComparison(text: string): ComparisonState | undefined {
  const reader = new NumberReader(decodeNumbers(tag, text) ?? []);
  const state = {
    rollback: reader.wealth(badWeights.length),
    safety: reader.logs(goodAlternatives),
    freshSafety: reader.logs(goodAlternatives),
    history: reader.counts(),
    counted: { stable: reader.counts(), canary: reader.counts() },
    stableDispersion: reader.dispersion(),
    canaryDispersion: reader.dispersion(),
  };
  return reader.isComplete ? state : undefined;
}
