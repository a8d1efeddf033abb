/** All sequential tests of a rollout: which of them a block belongs to, and what they prove together. */
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
import {
  limitFinding,
  readLimit,
  writeLimit,
  type Finding,
  type Place,
  type TrialName,
  type Trials,
} from './finding.ts';
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
 * Evidence of several tests is shared capital: each begins with a part of 1, and the sum is what the verdict looks at.
 * That holds however the tests depend on each other, as long as the parts are fixed before the first block; so a test
 * that begins late, or never, keeps its part at 1 until then.
 *
 * The guard sees the blocks of a cold canary and nothing else does but the slo, so what the guard leaves is capital for
 * the tests that begin when it ends. A block of a dead canary, capped at 4 nats, multiplies by 33 at most (0.6 e^4 + 0.4);
 * at a confidence of 95 % that is enough in one block with 0.59 or more of the capital, both for the guard and, where
 * there is no warm-up, for the errors.
 */
const guardPart = 0.7;
const sloPart = 0.15;
const warmParts = { errors: 0.64, latency: 0.2, alone: 0.06, latencySlo: 0.1 } as const;
/** Where nothing is compared the absolute limits have it all. */
const sloPartAlone = 0.75;

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
  return durations === undefined ? next : withoutSpent({ ...next, ...addToLatencyTrials(next, durations, place) });
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

/** combinedRollback is the evidence of all tests together, as a logarithm, that the canary is worse than tolerated. */
export function combinedRollback(findings: readonly Finding[]): number {
  const slo = findings.find(({ name }) => name === 'slo');
  const of = (name: TrialName): number => findings.find((finding) => finding.name === name)?.rollback ?? 0;
  const share = (part: number, rest: number): number =>
    slo === undefined ? rest : logMixture([slo.rollback, rest], [part, 1 - part]);
  if (!findings.some(({ name }) => name === 'errors')) return share(sloPartAlone, of('latencySlo'));
  const warm = logMixture(
    [of('errors'), of('latency'), of('alone'), of('latencySlo')],
    [warmParts.errors, warmParts.latency, warmParts.alone, warmParts.latencySlo],
  );
  return share(sloPart, warm + logMixture([of('guard'), 0], [guardPart, 1 - guardPart]));
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
