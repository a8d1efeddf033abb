/** The tests of durations: stable's are collected until they can be planned for, then compared at the planned bounds. */
import type { Trials } from '../api/rollout-evidence.ts';
import { addDurations, noDurations, sloBound, slowerThan, type Durations } from './durations.ts';
import { limitFinding, readLimit, writeLimit, type Finding, type Place } from './finding.ts';
import { decodePlan, encodePlan, planLatency, type LatencyPlan } from './latency-plan.ts';
import {
  addToLatency,
  freshLatencySafetyEvidence,
  latencyRollbackEvidence,
  latencySafetyEvidence,
  restartFreshLatency,
  slowWeights,
  startLatency,
  type LatencyState,
} from './latency.ts';
import { decodeLatency, encodeLatency } from './latency-text.ts';
import { addToLimit, startLimit } from './limit.ts';
import type { SamplesOutcome } from './metric-source.ts';
import { decodeNumbers, encodeNumbers } from './numbers.ts';
import { logMixture } from './sequential.ts';
import type { AnalysisSpec } from './spec.ts';

type ArmDurations = { readonly stable: Durations; readonly canary: Durations };

/** needsDurations tells whether anything is judged by how long requests take. */
export function needsDurations({ compare, slo }: AnalysisSpec): boolean {
  return compare === 'Stable' || slo.latency !== undefined;
}

/** boundsFor returns at which bounds, in seconds, durations are needed next; undefined where they are not. */
export function boundsFor(spec: AnalysisSpec, trials: Trials): 'All' | readonly number[] | undefined {
  if (!needsDurations(spec)) return undefined;
  const plan = plannedLatency(trials);
  if ((spec.compare === 'Stable' && plan === undefined) || spec.slo.latency !== undefined) return 'All';
  return plan?.bounds.map(({ seconds }) => seconds);
}

/** startLatencyTrials plans from what stable answered before the rollout, or begins to collect. */
export function startLatencyTrials(
  spec: AnalysisSpec,
  { blocks, bounds = [] }: Pick<SamplesOutcome, 'blocks' | 'bounds'>,
): Partial<Trials> {
  const stable = blocks.flatMap(({ durations }) => (durations === undefined ? [] : [durations.stable]));
  return planOrCollect(spec, { bounds, durations: stable.reduce(addDurations, noDurations) }, { blocks: stable });
}

/** Funded is a Place that tells what part of 1 the tests that begin in this block, or with the next one, find left. */
export interface Funded extends Place {
  readonly capital: { readonly latency: () => number; readonly latencySlo: () => number };
}

/** addToLatencyTrials adds the durations of a block. */
export function addToLatencyTrials(trials: Trials, durations: ArmDurations, place: Funded): Partial<Trials> {
  return { ...addSlo(trials, durations.canary, place), ...addComparison(trials, durations, place) };
}

function addComparison(trials: Trials, durations: ArmDurations, place: Funded): Partial<Trials> {
  const { spec, bounds, isAlone, isWarm, plannedBlocks } = place;
  if (spec.compare === 'None' || isAlone) return {};
  const plan = plannedLatency(trials);
  if (plan === undefined) return collect(trials, durations.stable, place);
  const indexes = plan.bounds.map(({ seconds }) => bounds.indexOf(seconds));
  // Another set of buckets, after an upgrade of Traefik: what was planned cannot be looked at any more.
  if (!isWarm || indexes.includes(-1)) return {};
  const arms = { stable: pick(durations.stable, indexes), canary: pick(durations.canary, indexes) };
  return { latency: encodeLatency(addToLatency(plan, { plannedBlocks }, readLatency(trials, plan), arms)) };
}

function pick({ total, within }: Durations, indexes: readonly number[]): Durations {
  return { total, within: indexes.map((index) => within[index] ?? total) };
}

interface Collected {
  readonly bounds: readonly number[];
  readonly durations: Durations;
}

function collect({ latencyHistory }: Trials, stable: Durations, { spec, bounds, capital }: Funded): Partial<Trials> {
  const known = readCollected(latencyHistory);
  const isSame = known !== undefined && known.bounds.join() === bounds.join();
  const collected = { bounds, durations: isSame ? addDurations(known.durations, stable) : stable };
  return planOrCollect(spec, collected, { capital: capital.latency() });
}

/** planOrCollect plans for what was collected; `blocks` of it, where they are known, tell how slow requests cluster. */
function planOrCollect(
  { latency }: AnalysisSpec,
  { bounds, durations }: Collected,
  { blocks = [], capital }: { readonly blocks?: readonly Durations[]; readonly capital?: number },
): Partial<Trials> {
  const plan = planLatency({ bounds, history: durations, ...latency });
  if (plan.kind !== 'Planned')
    return bounds.length === 0 ? {} : { latencyHistory: writeCollected({ bounds, durations }) };
  const indexes = plan.bounds.map(({ seconds }) => bounds.indexOf(seconds));
  const state = blocks.reduce(
    (state, stable) =>
      addToLatency(plan, { plannedBlocks: 1 }, state, {
        stable: pick(stable, indexes),
        canary: pick(noDurations, indexes),
      }),
    startLatency(plan, capital),
  );
  return { latencyPlan: encodePlan(plan), latency: encodeLatency(state) };
}

const collectedTag = 'durations1';

function writeCollected({ bounds, durations }: Collected): string {
  return encodeNumbers(collectedTag, [...bounds, durations.total, ...durations.within]);
}

function readCollected(text: string | undefined): Collected | undefined {
  const numbers = decodeNumbers(collectedTag, text ?? '');
  if (numbers === undefined || numbers.length % 2 === 0) return undefined;
  const count = (numbers.length - 1) / 2;
  const durations = { total: numbers[count] ?? 0, within: numbers.slice(count + 1) };
  return { bounds: numbers.slice(0, count), durations };
}

function addSlo(trials: Trials, canary: Durations, place: Funded): Partial<Trials> {
  const { spec, bounds, isWarm, plannedBlocks, capital } = place;
  const { latency } = spec.slo;
  const index = latency && sloBound(bounds, latency.underSeconds);
  if (latency === undefined || index === undefined || !isWarm) return {};
  const limit = { highestRate: 1 - latency.share, plannedBlocks };
  const state = trials.latencySlo === undefined ? startLimit([], capital.latencySlo()) : readLimit(trials.latencySlo);
  return { latencySlo: writeLimit(addToLimit(limit, state, slowerThan(canary, index))) };
}

/** restartLatencyTrials begins the fresh evidence anew, because a step begins. */
export function restartLatencyTrials(trials: Trials): Partial<Trials> {
  const plan = plannedLatency(trials);
  return plan === undefined ? {} : { latency: encodeLatency(restartFreshLatency(readLatency(trials, plan))) };
}

/** latencyFindings reads what the tests of durations have shown. */
export function latencyFindings(trials: Trials): readonly Finding[] {
  const plan = plannedLatency(trials);
  return [
    ...(plan === undefined ? [] : [comparisonFinding(readLatency(trials, plan))]),
    ...(trials.latencySlo === undefined ? [] : [limitFinding('latencySlo', readLimit(trials.latencySlo))]),
  ];
}

function comparisonFinding(state: LatencyState): Finding {
  return {
    name: 'latency',
    rollback: latencyRollbackEvidence(state),
    safe: latencySafetyEvidence(state),
    fresh: freshLatencySafetyEvidence(state),
  };
}

/** plannedLatency returns where durations are compared; undefined where they are not. A plan that was edited by hand is none. */
export function plannedLatency({ latencyPlan }: Trials): LatencyPlan | undefined {
  return latencyPlan === undefined ? undefined : decodePlan(latencyPlan);
}

/** LatencyView is what status tells of durations since they are compared. */
export interface LatencyView {
  readonly plan: LatencyPlan;
  readonly stable: Durations;
  readonly canary: Durations;
  /** loudest is the index of the bound at which most speaks for a rollback. */
  readonly loudest: number;
}

/** viewLatency reads what both arms have shown at the planned bounds; undefined where durations are not compared. */
export function viewLatency(trials: Trials): LatencyView | undefined {
  const plan = plannedLatency(trials);
  if (plan === undefined) return undefined;
  const { rollback, bounds } = readLatency(trials, plan);
  const armOf = (arm: 'stable' | 'canary'): Durations => ({
    total: bounds[0]?.counted[arm].requests ?? 0,
    within: bounds.map(({ counted }) => counted[arm].requests - counted[arm].errors),
  });
  const evidence = bounds.map((_, index) => {
    const first = index * slowWeights.length;
    return logMixture(rollback.logs.slice(first, first + slowWeights.length), slowWeights);
  });
  return { plan, stable: armOf('stable'), canary: armOf('canary'), loudest: evidence.indexOf(Math.max(...evidence)) };
}

/** What is no evidence of ours, or of another plan, starts anew. */
function readLatency({ latency }: Trials, plan: LatencyPlan): LatencyState {
  return decodeLatency(plan, latency ?? '') ?? startLatency(plan);
}
