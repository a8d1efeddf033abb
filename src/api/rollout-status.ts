// Generated from crds/rollouts.yaml by `npm run generate`. Do not edit.
import type { AnalysisEvidence } from './rollout-evidence.ts';

/** Condition is metav1.Condition. */
export interface Condition {
  /** Ready or Reconciling or Stalled or Promoted or AnalysisPassing or TrafficVerified or Contested. */
  readonly type: string;
  /** Status of the condition. */
  readonly status: 'True' | 'False' | 'Unknown';
  /** CamelCase code. */
  readonly reason: string;
  /** In a sentence. */
  readonly message: string;
  /** When status last changed. */
  readonly lastTransitionTime: string;
  /** Generation of the spec. */
  readonly observedGeneration?: number;
}

/** HistoryEntry is one transition. */
export interface HistoryEntry {
  /** When. */
  readonly time: string;
  /** Phase before. */
  readonly from: string;
  /** Phase after. */
  readonly to: string;
  /** Weight of the canary after it. */
  readonly weight: number;
  /** Canary revision. */
  readonly revision?: string;
  /** CamelCase code. */
  readonly reason: string;
  /** What happened; absent where reason and weight say it all. */
  readonly message?: string;
  /** Who asked for it; absent for the controller's own decisions. */
  readonly who?: string;
}

/** PauseState is a pause by command. It outlives revisions; resume ends it. */
export interface PauseState {
  /** Who asked for it. */
  readonly who?: string;
  /** Since when. */
  readonly since: string;
}

/** RouteBaseline holds the services of each rule as they were before the first touch. */
export interface RouteBaseline {
  /** One entry a rule. */
  readonly routes: readonly BaselineRoute[];
}

/** TargetMember is one service of the pair as it was when the rollout began. */
export interface TargetMember {
  /** Name of the Service. */
  readonly service: string;
  /** Its port. */
  readonly port?: number | string;
}

/** RolloutTarget is the route that was touched, so that it can be put back. */
export interface RolloutTarget {
  /** Group and version of the route; traefik.io/v1alpha1 where left out. */
  readonly apiVersion?: string;
  /** Kind of the route; IngressRoute where left out. */
  readonly kind?: string;
  /** Name of the route. */
  readonly route: string;
  /** The only rule that takes part; every one that lists either service where left out. */
  readonly match?: string;
  /** Hashes of the other rules that list either service, so that none of them is taken for the named one, edited. */
  readonly others?: readonly string[];
  /** Its UID. */
  readonly uid: string;
  /** TargetMember is one service of the pair as it was when the rollout began. */
  readonly stable: TargetMember;
  /** TargetMember is one service of the pair as it was when the rollout began. */
  readonly canary: TargetMember;
  /** When a raising write was last decided. */
  readonly raisedAt?: string;
  /** When drift was corrected in the last ten minutes. */
  readonly corrections?: readonly string[];
  /** RouteBaseline holds the services of each rule as they were before the first touch. */
  readonly baseline: RouteBaseline;
}

/** RollbackCause says why the rollout is going back. */
export interface RollbackCause {
  /** CamelCase code. */
  readonly reason: string;
  /** What happened, with numbers. */
  readonly message: string;
  /** Where the rollback ends. */
  readonly outcome: 'Failed' | 'Reverted' | 'Superseded';
}

/** HoldState says why the rollout waits for a promote or abort. */
export interface HoldState {
  /** CamelCase code. */
  readonly reason: 'Adopted' | 'LoweredByHand' | 'RouteRecreated' | 'Contested' | 'AnalysisFailed';
  /** What happened. */
  readonly message: string;
  /** Since when. */
  readonly since: string;
}

/** MoreReady are more ready endpoints than mostReady, which count once they have lasted for a minute. */
export interface MoreReady {
  /** The fewest since then. */
  readonly endpoints: number;
  /** Since when. */
  readonly since: string;
}

/** RolloutProgress is the state of a running rollout; absent at rest. */
export interface RolloutProgress {
  /** Forward to the canary, Return to stable after a Hold, or Back by a rollback that could not be made yet. */
  readonly direction: 'Forward' | 'Return' | 'Back';
  /** Zero-based index of the current step. */
  readonly index: number;
  /** Weight of the current step; status.weight is above it only while stable has no ready endpoint. */
  readonly weight: number;
  /** Weight of the route before the current step; tells a raise that was not made yet from one that was taken back. */
  readonly from: number;
  /** When the rollout began, or its evidence anew. */
  readonly startedAt: string;
  /** When the current step was decided. */
  readonly enteredAt: string;
  /** When the route was first seen with the weight of the current step. Where the route itself tells, it is stored with the next write. */
  readonly appliedAt?: string;
  /** When every replica of Traefik that answers was found to have loaded the weight; absent where they are not asked. */
  readonly effectiveAt?: string;
  /** The steps that index refers to, to notice when they are edited. */
  readonly plan: string;
  /** True when the current step was ended by a promote command. */
  readonly promoted?: boolean;
  /** Most ready endpoints that the version which gives traffic away has had for a minute since the rollout began. */
  readonly mostReady?: number;
  /** MoreReady are more ready endpoints than mostReady, which count once they have lasted for a minute. */
  readonly moreReady?: MoreReady;
  /** When a raise of the current step could first not be written. */
  readonly refusedAt?: string;
  /** True when it was promoted all the way, without steps and proofs, by a promote-full command. */
  readonly full?: boolean;
  /** True on the way back to a stable workload with a new revision. Where that turns out to be the old one again, the canary gets everything again. */
  readonly renewed?: boolean;
  /** HoldState says why the rollout waits for a promote or abort. */
  readonly hold?: HoldState;
  /** RollbackCause says why the rollout is going back. */
  readonly cause?: RollbackCause;
}

/** BaselineService is one entry, verbatim. */
export interface BaselineService {
  readonly [field: string]: unknown;
}

/** BaselineRoute is one rule and its services. */
export interface BaselineRoute {
  /** The rule; empty for a TraefikService. */
  readonly match: string;
  /** The services as they were. */
  readonly services: readonly BaselineService[];
}

/** IdleState is, with Swap, what is known of the service that is not live. */
export interface IdleState {
  /** What its workload ran when traffic left it; it starts nothing. */
  readonly revision?: string;
  /** How the rules listed it. */
  readonly routes?: readonly BaselineRoute[];
}

/** CopyState says that the stable workload gets the judged pod template, or has got it; absent before, and at rest. */
export interface CopyState {
  /** Since when stable rolls it out, or is tried again. */
  readonly since: string;
  /** Hash of what its pod template became, to notice who changes it; absent until it is known to be written. */
  readonly template?: string;
  /** Hash of its pod template before the write, stored first: after a crash it tells whether the write was made. */
  readonly before?: string;
}

/** RolloutStatus is the durable state of the controller and what people read. */
export interface RolloutStatus {
  /** Version of this status. A controller that finds a higher one than its own never raises. */
  readonly schema?: number;
  /** Generation of the spec that this status is about. */
  readonly observedGeneration?: number;
  /** Summary for people; the conditions carry the truth. */
  readonly phase?:
    | 'Pending'
    | 'Progressing'
    | 'Paused'
    | 'Promoting'
    | 'RollingBack'
    | 'Succeeded'
    | 'Failed'
    | 'Degraded';
  /** CamelCase code of why the phase is as it is; docs/troubleshooting.md has an entry for each. */
  readonly reason?: string;
  /** What is going on, in a sentence. */
  readonly message?: string;
  /** Current step and number of steps, e.g. 2/4. */
  readonly step?: string;
  /** Percentage of the pair's traffic that the route may give the canary. */
  readonly weight?: number;
  /** Share of the pair's requests that the canary answered at this step. */
  readonly observed?: string;
  /** Last verdict of the analysis. */
  readonly verdict?: 'Pass' | 'Fail' | 'Inconclusive' | 'NoData';
  /** Canary revision that this status is about. */
  readonly revision?: string;
  /** Last revision that went all the way. */
  readonly promotedRevision?: string;
  /** Revision of the stable workload when the rollout began. */
  readonly stableRevision?: string;
  /** Short text for the images of the stable workload when the rollout began, to notice when it runs them again; absent where the canary had the same. */
  readonly stableImages?: string;
  /** Since when a promoted canary has another revision, which serves without having been judged before. */
  readonly unprovenSince?: string;
  /** Revision of the canary's workload when the rollout began, where spec.revision names the release. */
  readonly workloadRevision?: string;
  /** CopyState says that the stable workload gets the judged pod template, or has got it; absent before, and at rest. */
  readonly copy?: CopyState;
  /** With Swap the Service that is stable now, whatever the spec calls it. */
  readonly liveService?: string;
  /** IdleState is, with Swap, what is known of the service that is not live. */
  readonly idle?: IdleState;
  /** The last ten revisions that were rolled back or aborted; they are not tried again without a retry. */
  readonly failedRevisions?: readonly string[];
  /** RolloutProgress is the state of a running rollout; absent at rest. */
  readonly progress?: RolloutProgress;
  /** RolloutTarget is the route that was touched, so that it can be put back. */
  readonly target?: RolloutTarget;
  /** AnalysisEvidence is what the verdict rests on; it continues exactly after a restart. */
  readonly analysis?: AnalysisEvidence;
  /** PauseState is a pause by command. It outlives revisions; resume ends it. */
  readonly pause?: PauseState;
  /** When raising may go on, where the schedule or a freeze forbids it now. */
  readonly opensAt?: string;
  /** When raising was allowed again before the time that opensAt had said, because a freeze was lifted or the schedule edited. */
  readonly openedAt?: string;
  /** How often the present revision was tried again on command. */
  readonly retries?: number;
  /** Since when the first ready endpoints of the canary are awaited. */
  readonly waitingSince?: string;
  /** Nonce of the last command that was handled. */
  readonly handledCommand?: string;
  /** The last twenty transitions, newest last; of a rollout with more than five steps the last two of them. */
  readonly history?: readonly HistoryEntry[];
  /** Conditions after the Kubernetes convention. */
  readonly conditions?: readonly Condition[];
}
