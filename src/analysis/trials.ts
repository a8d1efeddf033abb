/** All sequential tests of a rollout: which of them a block belongs to, and what they prove together. */
import type { Trials } from '../api/rollout-evidence.ts';
import type { Block } from './block.ts';
import {
  addToComparison,
  decodeComparison,
  dispersionOf,
  encodeComparison,
  freshSafetyEvidence,
  restartFreshSafety,
  rollbackEvidence,
  safetyEvidence,
  startComparison,
  type ComparisonState,
} from './comparison.ts';
import { limitFinding, readLimit, writeLimit, type Finding, type Place, type TrialName } from './finding.ts';
import {
  addToLatencyTrials,
  latencyFindings,
  plannedLatency,
  restartLatencyTrials,
  startLatencyTrials,
} from './latency-trials.ts';
import { anytimeInterval } from './interval.ts';
import { addToLimit, breachEvidence } from './limit.ts';
import type { SamplesOutcome } from './metric-source.ts';
import { decodeNumbers, encodeNumbers } from './numbers.ts';
import { addArms, noCounts, type Arms, type Counts } from './sample.ts';
import { clampRate, logMixture, toleratedRate, type Margin } from './sequential.ts';
import type { AnalysisSpec } from './spec.ts';

/**
 * Evidence of several tests is shared capital: of the 1 that a rollout begins with each test has a part, and the sum is
 * what the verdict looks at. These are the parts of those that come in addition to others; a test that the rollout has not,
 * for want of a limit or of durations, takes nothing from the others. combinedRollback says how they are put together.
 *
 * A block of a dead canary multiplies by 44 at most (0.6 e^4.3 + 0.4: with ten errors or more it is capped at 4.3 nats); at a
 * confidence of 95 % that is enough in one block with 0.44 or more of the capital, both for the guard and, where there is no
 * warm-up, for the errors.
 */
const guardPart = 0.7;
const parts = { slo: 0.15, latencySlo: 0.1, latency: 0.5 } as const;
/** Where nothing is compared the two absolute limits share. */
const latencySloPartAlone = 0.25;

/** guardMargin finds a canary that is plainly broken: cold ones are not compared like with like. */
const guardMargin: Margin = { factor: 1, points: 0.2 };

/** startTrials begins with what stable answered before the rollout. */
export function startTrials(spec: AnalysisSpec, history: Pick<SamplesOutcome, 'blocks' | 'bounds'>): Trials {
  if (spec.compare === 'None') return {};
  const stable = history.blocks.map(({ arms }) => arms.stable);
  const start = encodeComparison(startComparison(stable));
  return { errors: start, guard: start, ...startLatencyTrials(spec, history) };
}

/** addToTrials adds a block to each test that it belongs to. */
export function addToTrials(trials: Trials, { arms, durations }: Block, place: Place): Trials {
  const next = { ...trials, ...addComparisons(trials, arms, place), ...addLimits(trials, arms.canary, place) };
  if (durations === undefined) return next;
  const capital = {
    // The plan is made of this block, so the comparison begins with the next one; the limit begins with this one.
    latency: () => Math.exp(comparedEvidence(findingsOf(next))),
    latencySlo: () => Math.exp(evidenceBesideLatencySlo(findingsOf(trials))),
  };
  return withoutSpent({ ...next, ...addToLatencyTrials(next, durations, { ...place, capital }) });
}

/** What was collected for a plan is not needed when there is one. */
function withoutSpent(trials: Trials): Trials {
  const { latencyHistory, ...rest } = trials;
  return latencyHistory === undefined || plannedLatency(rest) !== undefined ? rest : trials;
}

function addComparisons(trials: Trials, arms: Arms, { spec, plannedBlocks, isWarm, isAlone }: Place): Partial<Trials> {
  if (spec.compare === 'None' || isAlone) return {};
  const add = (text: string | undefined, margin: Margin): string =>
    encodeComparison(addToComparison({ margin, plannedBlocks }, readComparison(text), arms));
  if (!isWarm) return { guard: add(trials.guard, marginOfCold(spec)) };
  return { guard: endGuard(trials.guard), errors: add(trials.errors, spec.margin) };
}

const endedTag = 'ended1';

/** endGuard keeps of a test that is over what it has shown: status has little room. Rounded down, as all evidence. */
function endGuard(text = ''): string {
  if (decodeNumbers(endedTag, text) !== undefined) return text;
  return encodeNumbers(endedTag, [Math.floor(guardEvidence(text) * 1e4) / 1e4 + 0]);
}

function guardEvidence(text: string | undefined): number {
  return decodeNumbers(endedTag, text ?? '')?.[0] ?? rollbackEvidence(readComparison(text));
}

/** What the user tolerates of a warm canary is tolerated of a cold one too. */
function marginOfCold({ margin }: AnalysisSpec): Margin {
  return { factor: Math.max(guardMargin.factor, margin.factor), points: Math.max(guardMargin.points, margin.points) };
}

function addLimits(trials: Trials, canary: Counts, { spec, plannedBlocks, isAlone, isWarm }: Place): Partial<Trials> {
  const add = (text: string | undefined, highestRate: number): string =>
    writeLimit(addToLimit({ highestRate, plannedBlocks }, readLimit(text), canary));
  const limit = spec.slo.errorRatio;
  const margin = isWarm ? spec.margin : marginOfCold(spec);
  return {
    ...(limit === undefined ? {} : { slo: add(trials.slo, limit) }),
    ...(isAlone && spec.compare === 'Stable' ? { alone: add(trials.alone, lastRate(trials, margin)) } : {}),
  };
}

/**
 * lastRate is what the canary may have at 100 %: what the margin tolerates at the highest rate that stable may have had.
 * A rate that was observed in few requests could be below the true one, which the canary may well have too.
 */
function lastRate({ errors }: Trials, margin: Margin): number {
  const { counted, history } = readComparison(errors);
  const stable = addArms(counted, { stable: history, canary: noCounts }).stable;
  return clampRate(toleratedRate(margin, anytimeInterval(stable, lastRateAlpha).high));
}

const lastRateAlpha = 0.05;

/** lastRateOf returns the highest error ratio that a warm canary may have at 100 %. */
export function lastRateOf(trials: Trials, { margin }: AnalysisSpec): number {
  return lastRate(trials, margin);
}

/** restartTrials begins the fresh evidence anew, because a step begins: a new weight is a new load. */
export function restartTrials(trials: Trials): Trials {
  const { errors } = trials;
  const restarted =
    errors === undefined ? {} : { errors: encodeComparison(restartFreshSafety(readComparison(errors))) };
  return { ...trials, ...restarted, ...restartLatencyTrials(trials) };
}

/** findingsOf reads what each test has shown. */
export function findingsOf(trials: Trials): readonly Finding[] {
  const { errors, guard, alone, slo } = trials;
  return [
    ...(errors === undefined ? [] : [comparisonFinding(readComparison(errors))]),
    ...(guard === undefined ? [] : [{ name: 'guard' as const, rollback: guardEvidence(guard) }]),
    ...(alone === undefined ? [] : [{ name: 'alone' as const, rollback: breachEvidence(readLimit(alone)) }]),
    ...(slo === undefined ? [] : [limitFinding('slo', readLimit(slo))]),
    ...latencyFindings(trials),
  ];
}

function comparisonFinding(state: ComparisonState): Finding {
  const fresh = freshSafetyEvidence(state);
  return { name: 'errors', rollback: rollbackEvidence(state), safe: safetyEvidence(state), fresh };
}

/**
 * combinedRollback is the evidence of all tests together, as a logarithm, that the canary is worse than tolerated: an
 * e-process, so that a canary within every limit reaches ln(1/alpha) with a probability of at most alpha.
 *
 * Tests that look at the same blocks share capital, and a sum with fixed weights of what e-processes are worth is one as
 * well, however they depend on each other. A test that begins late (durations, when stable's are known) gets its weight of
 * what the others are worth at that moment: then the sum does not change, and from there on it is such a sum again, of
 * processes that start at what there is (the wealth of a gambler who moves stakes between bets is a supermartingale as long
 * as each move rests on the past). inheritWealth starts it so.
 *
 * Tests that never look at the same block are multiplied: what one leaves is capital for the next. The expectation of the
 * product after a block, given the past, is that of the one factor that moves times the others, which stand. So what the
 * guard leaves of its part goes to the tests that begin when it ends, and what the comparisons leave to the test at 100 %,
 * where nothing is compared any more. The limits look at blocks of both kinds, so they stand outside of those products.
 */
export function combinedRollback(findings: readonly Finding[]): number {
  const latencySlo = rollbackOf(findings, 'latencySlo');
  const others = evidenceBesideLatencySlo(findings);
  if (rollbackOf(findings, 'errors') === undefined) {
    return rollbackOf(findings, 'slo') === undefined
      ? (latencySlo ?? 0)
      : share(latencySloPartAlone, latencySlo, others);
  }
  const warm = share(parts.latencySlo, latencySlo, others);
  return share(
    parts.slo,
    rollbackOf(findings, 'slo'),
    warm + share(1 - guardPart, 0, rollbackOf(findings, 'guard') ?? 0),
  );
}

/** evidenceBesideLatencySlo is what the limit of latency shares with. */
function evidenceBesideLatencySlo(findings: readonly Finding[]): number {
  if (rollbackOf(findings, 'errors') === undefined) return rollbackOf(findings, 'slo') ?? 0;
  return comparedEvidence(findings) + (rollbackOf(findings, 'alone') ?? 0);
}

/** comparedEvidence is that of the tests that compare the canary with stable. */
function comparedEvidence(findings: readonly Finding[]): number {
  return share(parts.latency, rollbackOf(findings, 'latency'), rollbackOf(findings, 'errors') ?? 0);
}

/** share returns the sum in which a test has its part and the others have the rest; all if there is no such test. */
function share(part: number, ofTest: number | undefined, ofOthers: number): number {
  return ofTest === undefined ? ofOthers : logMixture([ofTest, ofOthers], [part, 1 - part]);
}

function rollbackOf(findings: readonly Finding[], name: TrialName): number | undefined {
  return findings.find((finding) => finding.name === name)?.rollback;
}

/** strongestOf names the test that speaks loudest for a rollback. */
export function strongestOf(findings: readonly Finding[]): TrialName {
  return findings.toSorted((left, right) => right.rollback - left.rollback)[0]?.name ?? 'errors';
}

/** phiOf returns by how much errors come in bursts; undefined where nothing is compared. */
export function phiOf({ errors }: Trials): number | undefined {
  return errors === undefined ? undefined : dispersionOf(readComparison(errors));
}

/** What is no evidence of ours, e.g. a status edited by hand, proves nothing: it starts anew. */
function readComparison(text: string | undefined): ComparisonState {
  return decodeComparison(text ?? '') ?? startComparison([]);
}
