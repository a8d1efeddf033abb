/** The sentences about the evidence of a rollout, from what its tests have found. */
import { formatTime, parseTime } from '../clock.ts';
import { formatQuantile, quantileRange, slowerThan, type Durations } from './durations.ts';
import type { Evidence } from './evidence.ts';
import type { Finding, TrialName } from './finding.ts';
import { anytimeExcess } from './interval.ts';
import { viewLatency } from './latency-trials.ts';
import { describeFindings, etaSeconds } from './sentence.ts';
import { toleratedRate } from './sequential.ts';
import type { AnalysisSpec } from './spec.ts';
import { combinedRollback, lastRateOf, phiOf } from './trials.ts';

/** Described is what is described; `weightPercent` is the present weight. */
export interface Described {
  readonly spec: AnalysisSpec;
  readonly evidence: Evidence;
  readonly findings: readonly Finding[];
  readonly weightPercent: number;
}

/** describeEvidence writes the sentence of `kubectl describe`. */
export function describeEvidence({ spec, evidence, findings, weightPercent }: Described): string {
  const { canary, stable, trials = {} } = evidence;
  const lnNeeded = -Math.log(spec.alpha);
  const isAlone = weightPercent >= 100;
  const lnSafe = Math.min(lnNeeded, ...findings.map((finding) => safetyOf(finding, isAlone)));
  const eta = etaSeconds({ lnSafe, lnNeeded, secondsSoFar: secondsOfStep(evidence) });
  const isCompared = spec.compare === 'Stable' && stable.requests > 0;
  const phi = phiOf(trials);
  const latency = latencyText(spec, evidence);
  const sentence = describeFindings({
    arms: { canary, stable },
    alpha: spec.alpha,
    beta: spec.alpha,
    weightPercent,
    ...(isCompared
      ? { excess: anytimeExcess({ canary, stable }, spec.alpha), tolerated: toleratedExcess(spec, evidence) }
      : {}),
    ...(latency === undefined ? {} : { latency }),
    ...(findings.length === 0 ? {} : { evidence: { lnRollback: combinedRollback(findings), lnSafe } }),
    ...(phi === undefined ? {} : { phi }),
    ...(eta === undefined || isAlone ? {} : { etaSeconds: eta }),
  });
  return [sentence, limitsText(spec), warmupText(spec, evidence)].filter((text) => text !== '').join(' ');
}

/** safetyOf is the lesser of the evidence since the rollout and since the step began; at 100 % nothing fresh can be compared. */
export function safetyOf({ safe = Infinity, fresh = Infinity }: Finding, isAlone: boolean): number {
  return isAlone ? safe : Math.min(safe, fresh);
}

/** describeFailure says which limit the canary is beyond. */
export function describeFailure(name: TrialName, spec: AnalysisSpec, evidence: Evidence): string {
  const { trials = {} } = evidence;
  const { errorRatio = 0, latency } = spec.slo;
  const texts: Readonly<Record<TrialName, () => string>> = {
    errors: () => 'The canary has more errors than stable and the margin together.',
    guard: () => 'The canary is broken: it has over 20 points more errors than stable, which no warm-up explains.',
    alone: () =>
      `The canary has more errors at 100% than the ${percent(lastRateOf(trials, spec))} that stable's last rate and the margin allow.`,
    slo: () => `The canary has more errors than the ${percent(errorRatio)} of slo.errorRatio.`,
    latency: () => slowerText(spec, evidence),
    latencySlo: () =>
      `Fewer than ${exactPercent(latency?.share ?? 0)} of the canary's good requests take at most ${seconds(latency?.underSeconds ?? 0)} (slo.latency).`,
  };
  return texts[name]();
}

/** toleratedExcess is how much greater than stable's the canary's error ratio may be, at what stable has shown so far. */
export function toleratedExcess({ margin }: AnalysisSpec, { stable }: Evidence): number {
  const ratio = stable.requests > 0 ? stable.errors / stable.requests : 0;
  return toleratedRate(margin, ratio) - ratio;
}

/** latencyText tells a quantile of both arms as far as the planned bounds tell it, or the bounds until they do. */
function latencyText({ latency }: AnalysisSpec, { trials = {} }: Evidence): string | undefined {
  const view = viewLatency(trials);
  if (view === undefined) return undefined;
  const bounds = view.plan.bounds.map((bound) => bound.seconds);
  const tolerated = `tolerated +${percent(latency.maxIncrease)}`;
  if (view.canary.total === 0) return `${tolerated} at ${bounds.join(', ')} s`;
  const p = latency.quantile === 'All' ? 0.99 : latency.quantile;
  const textOf = (durations: Durations): string => formatQuantile(quantileRange(durations, bounds, p), p);
  const stable = textOf(view.stable).replace(/^\S+ /, '');
  return `${textOf(view.canary)} against ${stable}, ${tolerated}`;
}

/** slowerText says it at the bound that speaks loudest. */
function slowerText({ latency }: AnalysisSpec, { trials = {} }: Evidence): string {
  const slower = `The canary is more than ${percent(latency.maxIncrease)} slower than stable`;
  const view = viewLatency(trials);
  if (view === undefined) return `${slower}.`;
  const { plan, loudest } = view;
  const shareOf = (durations: Durations): string => {
    const { requests, errors } = slowerThan(durations, loudest);
    return percent(errors / Math.max(1, requests));
  };
  const bound = seconds(plan.bounds[loudest]?.seconds ?? 0);
  return `${slower}: ${shareOf(view.canary)} of its good requests take longer than ${bound}, of stable's ${shareOf(view.stable)}.`;
}

function limitsText({ slo: { errorRatio, latency } }: AnalysisSpec): string {
  const limits = [
    ...(errorRatio === undefined ? [] : [`at most ${percent(errorRatio)} bad`]),
    ...(latency === undefined
      ? []
      : [`at least ${exactPercent(latency.share)} within ${seconds(latency.underSeconds)}`]),
  ];
  return limits.length === 0 ? '' : `Limits: ${limits.join(', ')}.`;
}

function warmupText({ compare }: AnalysisSpec, { warmUntil, watermark, endpoints }: Evidence): string {
  const untilMs = parseTime(warmUntil) ?? 0;
  if (compare === 'None' || untilMs <= (parseTime(watermark) ?? 0)) return '';
  const until = `${formatTime(untilMs).slice(11, 19)}Z`;
  if (endpoints === undefined) return `Warming up, so not compared before ${until}.`;
  return `New pods are warming up, so durations are not compared before ${until}.`;
}

/** 99.95% is not 100%. */
function exactPercent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(7))}%`;
}

function percent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(3))}%`;
}

function seconds(value: number): string {
  return `${Number(value.toPrecision(4))} s`;
}

function secondsOfStep({ step, watermark }: Evidence): number {
  return Math.max(0, ((parseTime(watermark) ?? 0) - (parseTime(step.since) ?? 0)) / 1000);
}
