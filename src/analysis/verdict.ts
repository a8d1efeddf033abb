/** Evidence to verdict, purely. No data is never healthy, and too little is never proof. */
import { judgeCheck, type CheckVerdict } from './check-verdict.ts';
import { decodeChecks } from './check-text.ts';
import type { Evidence } from './evidence.ts';
import { judgeNoData } from './no-data.ts';
import { shareRefutes } from './share.ts';
import type { AnalysisSpec } from './spec.ts';
import { describeEvidence, describeFailure, safetyOf, toleratedExcess } from './summary.ts';
import type { Finding, TrialName } from './finding.ts';
import { isMarginWide } from './margin.ts';
import { combinedRollback, findingsOf, strongestOf } from './trials.ts';

/** Verdict is the judgement of a canary by everything that is known. */
export interface Verdict extends CheckVerdict {
  /** mayRaise: the canary may go to the next step at the planned time, although it is not proven safe yet. */
  readonly mayRaise?: boolean;
}

/** Share is the traffic that the canary ought to have. */
export interface Share {
  readonly weightPercent: number;
  /** isComparable is false where requests do not choose by weight alone: sticky sessions, services with other routes. */
  readonly isComparable: boolean;
}

/** urgencyOf returns how pressing a verdict is, for the order of work: 0 unless it is a Fail, else the more the farther it is beyond its limit. */
export function urgencyOf({ kind, excess = 0 }: Verdict): number {
  return kind === 'Fail' ? 1 + excess : 0;
}

/** kindsWorstFirst is the order in which parts of a verdict outrank each other. */
const kindsWorstFirst = ['Fail', 'NoData', 'Inconclusive', 'Pass'] as const;

/**
 * judge combines all parts of the evidence: any Fail is a Fail; else missing data is NoData; else anything unproven is
 * Inconclusive; else Pass. Among equals a share that is off comes first, because it explains why requests are missing;
 * then requests, then checks in the order of the spec.
 */
export function judge(spec: AnalysisSpec, evidence: Evidence, share: Share, nowMs: number): Verdict {
  const parts: readonly Verdict[] = [
    judgeShare(evidence, share),
    judgeRequests(spec, evidence, share),
    judgeNoData(spec, evidence, share.weightPercent, nowMs),
    ...judgeChecks(spec, evidence),
  ].filter((part) => part !== undefined);
  const worst = parts.reduce((worst, part) => (rankOf(part) < rankOf(worst) ? part : worst));
  const others = parts.filter((part) => part.kind === worst.kind && part !== worst);
  if (worst.kind === 'Pass') return withPassing(worst, parts);
  const combined = others.length === 0 ? worst : withOthers(worst, others);
  if (worst.kind !== 'Inconclusive') return combined;
  const mayRaise = [worst, ...others].every((part) => part.mayRaise === true);
  return { ...withPassing(combined, parts), mayRaise };
}

function judgeChecks({ checks }: AnalysisSpec, evidence: Evidence): readonly (Verdict | undefined)[] {
  const states = decodeChecks(checks, evidence.checks);
  return checks.map((check, index) => judgeCheck(check, states[index]));
}

/** mostPassing checks are told with their values; of a failure they would only hide the cause. */
const mostPassing = 3;

function withPassing(verdict: Verdict, parts: readonly Verdict[]): Verdict {
  const passing = parts.filter(({ reason }) => reason === 'CheckPassing').map(({ message }) => message);
  if (passing.length === 0) return verdict;
  const rest = passing.length - mostPassing;
  const more = rest > 0 ? [`And ${rest} more checks pass.`] : [];
  return { ...verdict, message: [verdict.message, ...passing.slice(0, mostPassing), ...more].join(' ') };
}

function withOthers(worst: Verdict, others: readonly Verdict[]): Verdict {
  const reasons = [...new Set(others.map((part) => part.reason))].join(', ');
  const message = `${worst.message} And ${others.length} more: ${reasons}.`;
  if (worst.kind !== 'Fail') return { ...worst, message };
  return { ...worst, message, excess: Math.max(...[worst, ...others].map((part) => part.excess ?? 0)) };
}

function rankOf(part: Verdict): number {
  return kindsWorstFirst.indexOf(part.kind);
}

/** leastAtStep requests would have shown a canary that answers none of them; fewer are silence, on which nothing is raised. */
const leastAtStep = 10;

type FailReason = 'MoreErrors' | 'CanaryBroken' | 'ErrorRatioExceeded' | 'Slower' | 'LatencyExceeded';

/** failReasons say which limit the evidence for a rollback speaks of. */
const failReasons: Readonly<Record<TrialName, FailReason>> = {
  errors: 'MoreErrors',
  guard: 'CanaryBroken',
  alone: 'MoreErrors',
  slo: 'ErrorRatioExceeded',
  latency: 'Slower',
  latencySlo: 'LatencyExceeded',
};

interface Judged {
  readonly spec: AnalysisSpec;
  readonly weightPercent: number;
  readonly verdict: Verdict;
}

/** The same evidence is looked at several times before the next block. */
const judged = new WeakMap<Evidence, Judged>();

function judgeRequests(spec: AnalysisSpec, evidence: Evidence, { weightPercent }: Share): Verdict {
  const known = judged.get(evidence);
  if (known?.spec === spec && known.weightPercent === weightPercent) return known.verdict;
  const verdict = judgeCounts(spec, evidence, weightPercent);
  judged.set(evidence, { spec, weightPercent, verdict });
  return verdict;
}

function judgeCounts(spec: AnalysisSpec, evidence: Evidence, weightPercent: number): Verdict {
  const findings = findingsOf(evidence.trials ?? {});
  const sentence = describeEvidence({ spec, evidence, findings, weightPercent });
  const needed = -Math.log(spec.alpha);
  if (combinedRollback(findings) >= needed) {
    const name = strongestOf(findings);
    const message = `${describeFailure(name, spec, evidence)} ${sentence}`;
    return { kind: 'Fail', reason: failReasons[name], message, excess: excessPoints(evidence) };
  }
  // Half of what a rollback takes is no verdict, but nothing to go on with either: a tail that only the canary has, say.
  if (findings.some(({ rollback }) => rollback >= needed / 2)) {
    return { kind: 'Inconclusive', reason: 'Suspicious', message: sentence, mayRaise: false };
  }
  const mayRaise = evidence.step.canary >= Math.min(leastAtStep, Math.max(1, spec.minRequests));
  if (evidence.canary.requests < spec.minRequests) {
    const few = `Canary has answered ${evidence.canary.requests} of ${spec.minRequests} requests needed.`;
    return { kind: 'Inconclusive', reason: 'TooFewRequests', message: `${few} ${sentence}`, mayRaise };
  }
  const isAlone = weightPercent >= 100;
  // At 100 % nothing can be compared any more: that was asked for before. Limits still are, and silence proves nothing.
  const asked = isAlone ? findings.filter(({ name }) => name === 'slo' || name === 'latencySlo') : findings;
  const isProven = asked.every((finding) => safetyOf(finding, isAlone) >= needed) && areAllTested(spec, findings);
  if (!isProven || (isAlone && !mayRaise)) {
    const message = isProvable(spec, evidence) ? sentence : `${sentence} ${withoutMargin}`;
    return { kind: 'Inconclusive', reason: 'NotProvenYet', message, mayRaise };
  }
  return isAlone ? { kind: 'Pass', reason: 'NothingAgainst', message: sentence } : passed(spec, evidence, sentence);
}

const withoutMargin =
  'No canary that is as good as stable is ever proven to be while nothing is tolerated: set analysis.errorRatio.maxIncrease, e.g. 0.5pp.';

/** A margin relative to the errors of a stable that has none is no margin either. */
function isProvable({ compare, margin }: AnalysisSpec, { stable }: Evidence): boolean {
  const isRelative = margin.factor > 1 && (stable.errors > 0 || stable.requests === 0);
  return compare === 'None' || margin.points > 0 || isRelative;
}

/** Tests that have not begun, as before stable's past is known, have not been passed. Durations are judged where there are any. */
function areAllTested({ compare, slo }: AnalysisSpec, findings: readonly Finding[]): boolean {
  const needed: readonly TrialName[] = [
    ...(compare === 'Stable' ? (['errors'] as const) : []),
    ...(slo.errorRatio === undefined ? [] : (['slo'] as const)),
  ];
  return needed.every((name) => findings.some((finding) => finding.name === name));
}

function passed(spec: AnalysisSpec, evidence: Evidence, sentence: string): Verdict {
  const isJudged = spec.compare === 'Stable' || Object.keys(spec.slo).length > 0 || spec.checks.length > 0;
  if (!isJudged) return { kind: 'Pass', reason: 'NothingJudged', message: sentence };
  const tolerated = toleratedExcess(spec, evidence);
  const isWide = spec.compare === 'Stable' && isMarginWide(tolerated, evidence.stable);
  if (!isWide) return { kind: 'Pass', reason: 'ProvenSafe', message: sentence };
  const advice = 'The margin is more than ten times the error ratio of stable: lower analysis.errorRatio.maxIncrease.';
  return { kind: 'Pass', reason: 'MarginWide', message: `${sentence} ${advice}` };
}

function excessPoints({ canary, stable }: Evidence): number {
  const ratio = (counts: Evidence['canary']): number => counts.errors / Math.max(1, counts.requests);
  return Math.max(0, (ratio(canary) - ratio(stable)) * 100);
}

/** How far from its weight the canary's share may be, relative to the weight. */
const shareTolerance = 0.2;

function judgeShare({ step }: Evidence, { weightPercent, isComparable }: Share): Verdict | undefined {
  if (!isComparable || weightPercent <= 0 || weightPercent >= 100) return undefined;
  const finding = shareRefutes({
    canaryRequests: step.canary,
    stableRequests: step.stable,
    weightPercent,
    tolerance: shareTolerance,
  });
  if (finding !== 'Refuted') return undefined;
  const observed = ((100 * step.canary) / (step.canary + step.stable)).toFixed(1);
  const cause = step.canary === 0 ? 'the canary gets no traffic' : 'the weights may not be in effect';
  const total = step.canary + step.stable;
  const message = `The canary answered ${step.canary} of ${total} requests (${observed}%) at a weight of ${weightPercent}%: ${cause}.`;
  return { kind: 'Inconclusive', reason: 'ShareOff', message };
}
