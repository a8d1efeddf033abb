/** Everything that `decide` knows, as plain data: what was read, the time, and the verdict. */
import type { Verdict } from '../analysis/verdict.ts';
import type { Rollout } from '../api/rollout.ts';
import type { AnalysisEvidence } from '../api/rollout-evidence.ts';
import type { IngressRoute, Route } from '../api/traefik.ts';
import type { Pair, Split } from '../traffic/split.ts';
import type { Calendar } from './schedule.ts';
import type { PlannedStep } from './steps.ts';
import type { Command } from './verbs.ts';

/** Problem is something a person has to change; `message` names the object, what was found and what to do. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
}

/** ArmObservation is one service of the pair; a missing Service or port counts as no ready endpoints. */
export interface ArmObservation {
  readonly service: string;
  readonly readyEndpoints: number;
  /** autoscaler is the one of its workload where that has all the pods it may have. */
  readonly autoscaler?: { readonly name: string; readonly maxReplicas: number } | undefined;
}

/** RevisionObservation is what a workload (or spec.revision) says; `settled` is false while old pods are still replaced. */
export interface RevisionObservation {
  readonly value: string;
  /** workload is what the workload says where spec.revision names the release. */
  readonly workload?: string | undefined;
  readonly settled: boolean;
  readonly message: string;
}

/** RouteWriter is who last wrote the services of the route, from managedFields. */
export interface RouteWriter {
  readonly manager: string;
  readonly timeMs: number;
}

/** RouteObservation is the route as it is now. */
export interface RouteObservation {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly routes: readonly Route[];
  readonly split: Split;
  readonly writer: RouteWriter | undefined;
  readonly ingressClass?: string | undefined;
}

/** MatchRouteObservation is the IngressRoute of spec.canary.match, which is Sluice's own. */
export interface MatchRouteObservation {
  /** present is undefined where there is none, or one of somebody else's. */
  readonly present: IngressRoute | undefined;
  /** wanted is how the route and the spec would have it now; undefined where there is nothing to match, or no way to. */
  readonly wanted: IngressRoute | undefined;
}

/** SourceObservation tells whether evidence could be had before anybody is exposed to the canary. */
export type SourceObservation =
  | { readonly kind: 'Ready' }
  | { readonly kind: 'NotReady'; readonly reason: string; readonly message: string };

/**
 * ReplicaFinding is what one replica says of the weight that the route has: InEffect, NotYet (it has another one), Missing
 * (it does not know the route), Invalid (it has switched the route off), Unreachable, or Unasked so far.
 */
export interface ReplicaFinding {
  /** name is `host:port`. */
  readonly name: string;
  readonly kind: 'InEffect' | 'NotYet' | 'Missing' | 'Invalid' | 'Unreachable' | 'Unasked';
  /** message is what was found, to stand behind the name. */
  readonly message: string;
  /** sinceMs is since when it says so. */
  readonly sinceMs: number;
  /** hasMoved: it has loaded something else since it was asked first, so it does hear of changes. */
  readonly hasMoved?: boolean;
}

/** PodTemplate is the part of a pod template that is copied; labels belong to the selectors of each workload. */
export interface PodTemplate {
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: object;
}

/** CopyRead is the stable workload as the API server has it now, and the template that it shall get. */
export interface CopyRead {
  readonly kind: 'Read';
  /** workload names it in a sentence, like `Deployment shop-stable`. */
  readonly workload: string;
  readonly resourceVersion: string;
  readonly template: PodTemplate;
  /** applier is a manager that would put its own template back; undefined where there is none. */
  readonly applier: string | undefined;
  /** writer is who wrote the template last. */
  readonly writer: string | undefined;
  readonly revision: RevisionObservation | undefined;
  /** trouble is what the workload itself says against its rollout. */
  readonly trouble: string | undefined;
  /** judged is the template of the promoted revision; it is not asked for once it was copied or somebody else applies, and may be gone. */
  readonly judged: PodTemplate | undefined;
}

/** CopyObservation is what was read for a Copy, or why it could not be: Refused says what to do, Unread is over by itself. */
export type CopyObservation =
  | CopyRead
  | { readonly kind: 'Refused'; readonly message: string }
  | { readonly kind: 'Unread'; readonly message: string };

/** Observation is the whole input of `decide`; times are milliseconds since the epoch. */
export interface Observation {
  readonly nowMs: number;
  /** rollout has the services in their roles: with Swap its stable one is the one that is live. */
  readonly rollout: Rollout;
  /** isSwapped tells that the live service is the one that the stored spec calls canary. */
  readonly isSwapped: boolean;
  readonly steps: readonly PlannedStep[];
  /** problems is what the schema cannot see: missing or wrong references. */
  readonly problems: readonly Problem[];
  /** advice is what a person should know at the start of a rollout; it holds nothing up. */
  readonly advice: readonly Problem[];
  /** route is undefined where it does not exist. */
  readonly route: RouteObservation | undefined;
  /** pair is the pair of the touched route if there is one (status.target), else that of the spec. */
  readonly pair: Pair;
  readonly matchRoute: MatchRouteObservation;
  readonly stable: ArmObservation;
  readonly canary: ArmObservation;
  readonly canaryRevision: RevisionObservation | undefined;
  readonly stableRevision: RevisionObservation | undefined;
  /** stableImages is a short text that is another one for other images of stable's workload; undefined where that is not known. */
  readonly stableImages: string | undefined;
  /** imagesDiffer compares the two workloads; undefined where one of them is not known. */
  readonly imagesDiffer: boolean | undefined;
  readonly source: SourceObservation;
  readonly evidence: AnalysisEvidence | undefined;
  readonly verdict: Verdict;
  readonly command: Command | undefined;
  /** replicas is what those of the data plane say of the weight in the route; undefined where they are not asked. */
  readonly replicas?: readonly ReplicaFinding[] | undefined;
  /** copy is what was read for a Copy; undefined where none is due. */
  readonly copy: CopyObservation | undefined;
  /** calendar says whether raising is allowed now: spec.schedule and the freezes of the operator. */
  readonly calendar: Calendar;
}
