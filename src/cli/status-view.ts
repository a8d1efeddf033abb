/** What `sluice status` shows: the Rollout, and what it refers to as it is now. */
import type { Rollout, WorkloadRef } from '../api/rollout.ts';

/** StatusView is all of it at a moment; `nowMs` is the time of whoever stores the objects. */
export interface StatusView {
  readonly rollout: Rollout;
  readonly nowMs: number;
  readonly route: RouteView;
  readonly stable: ArmView;
  readonly canary: ArmView;
}

/** Unseen says why something could not be read, as part of a line. */
export interface Unseen {
  readonly kind: 'Unseen';
  readonly why: string;
}

/** RouteView is the route with the rules that list either service. */
export interface RouteView {
  /** name is kind and name. */
  readonly name: string;
  readonly rules: Unseen | readonly RuleView[];
}

/** RuleView is a rule; the canary's part of the pair is in percent. */
export interface RuleView {
  readonly match: string;
  readonly canaryPercent: number;
}

/** ArmView is one service in its role. */
export interface ArmView {
  readonly service: string;
  readonly port: number | string | undefined;
  readonly endpoints: Unseen | { readonly ready: number; readonly all: number };
  readonly workload: WorkloadRef | undefined;
  /** revision is what the workload runs; undefined where there is none or it cannot be told. */
  readonly revision: string | undefined;
}

/** isUnseen tells what could not be read. */
export function isUnseen(part: Unseen | object): part is Unseen {
  return (part as { readonly kind?: unknown }).kind === 'Unseen';
}
