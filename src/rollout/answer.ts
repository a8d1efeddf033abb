/** The few ways to answer an Observation, and what the answers are made from. */
import type { RolloutProgress, RolloutStatus, RolloutTarget } from '../api/rollout-status.ts';
import type { Route } from '../api/traefik.ts';
import { extendBaseline, type Baseline } from '../traffic/baseline.ts';
import { mergeRoutes, type MergeResult, type Target } from '../traffic/merge.ts';
import { readSplit } from '../traffic/split.ts';
import type { Decision, Notice } from './decision.ts';
import type { Observation, RouteObservation } from './observation.ts';
import type { Verb } from './verbs.ts';
import { nextStatus, type StatusChange } from './status.ts';

/** Question looks at an Observation and either decides or leaves it to the next question. */
export type Question = (observation: Observation) => Decision | undefined;

/** wait changes nothing but status; it looks again after `requeueAfterMs`, or at the next event. */
export function wait(
  observation: Observation,
  change: StatusChange,
  options: { readonly requeueAfterMs?: number; readonly notices?: readonly Notice[] } = {},
): Decision {
  return {
    kind: 'Wait',
    status: nextStatus(observation, change),
    notices: options.notices ?? [],
    requeueAfterMs: options.requeueAfterMs,
  };
}

/** raise gives the canary more: status first, with how every rule was that will be written, then the route. */
export function raise(
  observation: Observation,
  target: Target,
  change: StatusChange,
  notices: readonly Notice[] = [],
): Decision {
  const known = change.target ?? statusOf(observation).target;
  const extended = known === undefined ? undefined : extendTarget(observation, known);
  const status = nextStatus(observation, extended === undefined ? change : { ...change, target: extended });
  return { kind: 'Raise', target, status, notices, requeueAfterMs: undefined };
}

/** extendTarget adds the rules that came to list the pair since the baseline was taken; undefined where there are none. */
export function extendTarget({ route, pair }: Observation, target: RolloutTarget): RolloutTarget | undefined {
  const known = asBaseline(target);
  const baseline = extendBaseline(route?.routes ?? [], pair, known);
  return baseline === known ? undefined : { ...target, baseline };
}

/** lower gives the canary less: the route first, then status; `pending` is stored where the route cannot be written. */
export function lower(
  observation: Observation,
  target: Target,
  to: { readonly change: StatusChange; readonly pending: StatusChange; readonly notices?: readonly Notice[] },
): Decision {
  const { change, pending, notices = [] } = to;
  const status = nextStatus(observation, change);
  return {
    kind: 'Lower',
    target,
    status,
    refused: { status: nextStatus(observation, pending), notices },
    notices,
    requeueAfterMs: undefined,
  };
}

/** statusOf returns the stored status, empty where there is none. */
export function statusOf(observation: Observation): RolloutStatus {
  return observation.rollout.status ?? {};
}

/** unchanged is what the status says already. */
export function unchanged(observation: Observation): Pick<StatusChange, 'phase' | 'reason' | 'message'> {
  const { phase = 'Pending', reason = 'Unknown', message = '' } = statusOf(observation);
  return { phase, reason, message };
}

/** isAsked tells whether a person has given a command that was not handled yet. */
export function isAsked({ command }: Observation, verb: Verb): boolean {
  return command?.state === 'New' && command.verb === verb;
}

/** whoAsked names the person behind the command. */
export function whoAsked({ command }: Observation): string {
  return command?.who ?? 'an unknown person';
}

/** Touched is an observation of a route that this Rollout has touched. */
export interface Touched {
  readonly status: RolloutStatus;
  readonly target: RolloutTarget;
  readonly route: RouteObservation;
}

/** touched returns the touched route, or undefined where there is none or it is gone. */
export function touched(observation: Observation): Touched | undefined {
  const status = statusOf(observation);
  const { route } = observation;
  if (status.target === undefined || route === undefined || route.split.routes.length === 0) return undefined;
  return { status, target: status.target, route };
}

/** Running is a touched route with a rollout in progress. */
export interface Running extends Touched {
  readonly progress: RolloutProgress;
}

/** running returns the rollout in progress in one of `directions`. */
export function running(
  observation: Observation,
  ...directions: readonly RolloutProgress['direction'][]
): Running | undefined {
  const found = touched(observation);
  const progress = found?.status.progress;
  if (found === undefined || progress === undefined || !directions.includes(progress.direction)) return undefined;
  return { ...found, progress };
}

/** percentOf is the canary's share of a route in whole percent, rounded up: status never says less than the route gives. */
export function percentOf(route: RouteObservation): number {
  return Math.ceil(route.split.canaryPercent);
}

/** targetFor is how the route has to look for a canary weight in percent. */
export function targetFor(weight: number): Target {
  return weight <= 0 ? { kind: 'Baseline' } : { kind: 'Split', canaryPercent: weight };
}

/** Placement is what the route would become. */
export interface Placement extends MergeResult {
  /** isPlaced is true where the route is like that already. */
  readonly isPlaced: boolean;
  /** canaryPercent is the canary's share of the pair after it, the highest of all rules. */
  readonly canaryPercent: number;
}

/** place computes how the observed route has to look for `target`, with the guards on both sides. */
export function place(observation: Observation, { route, target }: Touched, wanted: Target): Placement {
  const merged = mergeObserved(observation, { routes: route.routes, target }, wanted);
  return {
    ...merged,
    isPlaced: JSON.stringify(merged.routes) === JSON.stringify(route.routes),
    canaryPercent: readSplit(merged.routes, observation.pair).canaryPercent,
  };
}

/** mergeObserved merges `wanted` into a touched route, with what was observed of both services' endpoints. */
export function mergeObserved(
  { pair, stable, canary }: Observation,
  { routes, target }: { readonly routes: readonly Route[]; readonly target: RolloutTarget },
  wanted: Target,
): MergeResult {
  const ready = { stable: stable.readyEndpoints > 0, canary: canary.readyEndpoints > 0 };
  return mergeRoutes(routes, wanted, { pair, baseline: asBaseline(target), ready });
}

/** asBaseline returns the baseline stored in status as the merge needs it. */
export function asBaseline(target: RolloutTarget): Baseline {
  return target.baseline as Baseline;
}
