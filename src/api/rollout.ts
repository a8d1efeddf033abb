// Generated from crds/rollouts.yaml by `npm run generate`. Do not edit.
import type { KubernetesObject } from './kubernetes.ts';
import type { RolloutStatus } from './rollout-status.ts';

/** Freeze begins and ends once. */
export interface Freeze {
  /** When it begins. */
  readonly from: string;
  /** When it ends. */
  readonly to: string;
  /** Why, for those who wait. */
  readonly reason?: string;
}

/** Window opens by a cron expression. */
export interface Window {
  /** When it opens: minute, hour, day of month, month, day of week, e.g. "0 9 * * 1-5". */
  readonly cron: string;
  /** How long it stays open. */
  readonly duration: string;
  /** Time zone of the expression, e.g. Europe/Paris. Default "UTC". */
  readonly timeZone: string;
}

/** Schedule says when traffic may be raised. Analysis, guards and rollback know no hours. */
export interface Schedule {
  /** Windows are the only times at which anything is raised. Left out, it may be raised at any time that is not frozen. */
  readonly windows?: readonly Window[];
  /** Freezes are times at which nothing is raised, whatever the windows say. */
  readonly freezes?: readonly Freeze[];
}

/** ReadinessSpec says how many ready endpoints a version needs for its share of the traffic. A rollback never waits for them. */
export interface ReadinessSpec {
  /** Fewest ready endpoints, whatever the share. Default 1. */
  readonly minReady: number;
  /** Proportional also wants the share of the most that the other version has had in this rollout, rounded up, before a step is left. Minimum wants minReady alone. Default "Proportional". */
  readonly policy: 'Proportional' | 'Minimum';
}

/** PromotionSpec says what happens after the last step. */
export interface PromotionSpec {
  /** Hold leaves the canary at 100 percent until the stable workload has rolled out a new revision, or until promoted once more; then traffic returns to stable in the same steps. Copy gives the stable workload the pod template that was judged, and returns when it has rolled out. Swap makes the canary the stable one, and the next release goes to the other service. Default "Hold". */
  readonly mode: 'Hold' | 'Copy' | 'Swap';
}

/** CheckSpec compares the single number of a query with its bounds. */
export interface CheckSpec {
  /** Name of the check, shown in status and events. */
  readonly name: string;
  /** PromQL that returns one number. {{ canary.service }}, {{ canary.port }}, {{ stable.service }}, {{ stable.port }}, {{ namespace }}, {{ rollout }} and {{ revision }} are replaced. */
  readonly query: string;
  /** Smallest value that passes. */
  readonly min?: number | string;
  /** Greatest value that passes. */
  readonly max?: number | string;
  /** Time between two evaluations. Default "30s". */
  readonly interval: string;
  /** Failures in a row that are tolerated; one more rolls back. Default 2. */
  readonly consecutiveFailureLimit: number;
  /** Errors of the query in a row that are tolerated; with one more the check counts as without data. Default 4. */
  readonly consecutiveErrorLimit: number;
  /** What a query without a result means. Default "Hold". */
  readonly onNoData: 'Hold' | 'Rollback' | 'Ignore';
}

/** LatencySlo says how many of the canary's good requests have to be fast. */
export interface LatencySlo {
  /** Longest time of a fast request; judged at the largest histogram bucket at or below it. */
  readonly under: string;
  /** Least share of fast requests, e.g. "99%". */
  readonly share: string;
}

/** SloSpec holds absolute limits. A canary beyond one is rolled back even where stable is no better. */
export interface SloSpec {
  /** Greatest share of the canary's requests that may be answered with an error (5xx, failed gRPC), e.g. "5%". */
  readonly errorRatio?: string;
  /** LatencySlo says how many of the canary's good requests have to be fast. */
  readonly latency?: LatencySlo;
}

/** LatencyMargin is how much slower the canary may be than stable. */
export interface LatencyMargin {
  /** Tolerated increase of durations, e.g. "20%" lets 100 ms become 120 ms. Default "20%". */
  readonly maxIncrease: string;
  /** All compares the whole distribution, a number like "0.99" the buckets around that quantile. Default "All". */
  readonly quantile: string;
}

/** ErrorMargin is how much greater the canary's share of errors may be than stable's; both parts add up. */
export interface ErrorMargin {
  /** Tolerated increase in percentage points, e.g. "0.5pp" lets 1% become 1.5%. Default "0.5pp". */
  readonly maxIncrease: string;
  /** Tolerated increase relative to stable, e.g. "10%" lets 1% become 1.1%. Default "0%". */
  readonly maxIncreaseRelative: string;
}

/** AnalysisSpec says when the canary is good enough. Left out, all defaults apply. */
export interface AnalysisSpec {
  /** Enforce acts on the verdict, DryRun only shows it, Disabled asks for none. Default "Enforce". */
  readonly mode: 'Enforce' | 'DryRun' | 'Disabled';
  /** Where samples come from; left out, the source that the operator prefers. */
  readonly source?: 'Prometheus' | 'Scrape';
  /** Stable compares the canary with stable in the same moments; None judges it by slo and checks alone. Default "Stable". */
  readonly compare: 'Stable' | 'None';
  /** ErrorMargin is how much greater the canary's share of errors may be than stable's; both parts add up. Default {}. */
  readonly errorRatio: ErrorMargin;
  /** LatencyMargin is how much slower the canary may be than stable. Default {}. */
  readonly latency: LatencyMargin;
  /** SloSpec holds absolute limits. A canary beyond one is rolled back even where stable is no better. */
  readonly slo?: SloSpec;
  /** Checks are the user's own Prometheus queries. */
  readonly checks?: readonly CheckSpec[];
  /** How sure a verdict has to be, e.g. "95%"; a rollback of a good canary is at most as likely as the rest. Default "95%". */
  readonly confidence: string;
  /** Requests that the canary must have answered since the rollout began before it may be promoted; never delays a rollback. Default 100. */
  readonly minRequests: number;
  /** How long after its first request the canary is not compared yet, because caches are cold; a dead one is rolled back even then. Default "60s". */
  readonly warmup: string;
  /** Evidence leaves a step early when the canary is proven safe, Time stays for its duration. Default "Evidence". */
  readonly pace: 'Evidence' | 'Time';
  /** Least time at a step that is left early, and duration of steps that name none. Default "60s". */
  readonly minStep: string;
  /** What to do when a proof that a step needs has not come after inconclusiveAfter; Hold waits for a person. Default "Hold". */
  readonly onInconclusive: 'Hold' | 'Promote' | 'Rollback';
  /** How long after the end of a step a proof is waited for before onInconclusive applies. Default "60m". */
  readonly inconclusiveAfter: string;
  /** What to do when there are no samples for noDataAfter. Default "Hold". */
  readonly onNoData: 'Hold' | 'Rollback' | 'Ignore';
  /** How long samples may be missing before onNoData applies. Default "5m". */
  readonly noDataAfter: string;
}

/** Ramp is a short form of many equal steps. */
export interface Ramp {
  /** First weight in percent. */
  readonly from: number;
  /** Last weight in percent before 100. */
  readonly to: number;
  /** Percentage points added at each step. */
  readonly add?: number;
  /** Factor of the weight from step to step. */
  readonly multiply?: number;
  /** How long each weight is watched. */
  readonly every: string;
}

/** PauseStep waits at the weight reached, until promoted or for its duration. */
export interface PauseStep {
  /** How long to wait. Without it the rollout waits until it is promoted. */
  readonly duration?: string;
}

/** Step sets a weight and watches it, or pauses. */
export interface Step {
  /** Percentage of the pair's traffic that goes to the canary. */
  readonly weight?: number;
  /** How long the weight is watched before the next step, from the moment it is in effect. Default 1m. */
  readonly duration?: string;
  /** PauseStep waits at the weight reached, until promoted or for its duration. */
  readonly pause?: PauseStep;
}

/** MiddlewareRef names a Middleware that exists. */
export interface MiddlewareRef {
  /** Name of a Middleware in the namespace of the Rollout. */
  readonly name: string;
}

/** CookieComparison is what the value of a cookie has to be. */
export interface CookieComparison {
  /** The whole value. */
  readonly exact?: string;
  /** What the value begins with. */
  readonly prefix?: string;
  /** A regular expression of Go's syntax (RE2) that the whole value has to match; write [^;] where it could run into the next cookie. */
  readonly regex?: string;
}

/** HeaderComparison is what the value of a header has to be. */
export interface HeaderComparison {
  /** The whole value. */
  readonly exact?: string;
  /** What the value begins with. */
  readonly prefix?: string;
  /** A regular expression of Go's syntax (RE2), found anywhere in the value; begin it with ^ and end it with $ to compare the whole. */
  readonly regex?: string;
}

/** MatchEntry is true of a request that has all of its headers and cookies. */
export interface MatchEntry {
  /** Headers by name, in any case. */
  readonly headers?: Readonly<Record<string, HeaderComparison>>;
  /** Cookies by name. */
  readonly cookies?: Readonly<Record<string, CookieComparison>>;
}

/** CanaryRef is the version that shall take over. */
export interface CanaryRef {
  /** Name of a Service in the namespace of the Rollout. */
  readonly service: string;
  /** Port of the Service by number or name. Optional where the Service has one port. */
  readonly port?: number | string;
  /** WorkloadRef names what runs this version; its revision says that there is a new release. */
  readonly workload?: WorkloadRef;
  /** Lets Traefik reach the canary by its ClusterIP. When the last canary pod dies only the canary's share fails, instead of the whole route for the time of Traefik's throttle. Default false. */
  readonly nativeLB: boolean;
  /** Requests that always reach the canary while a rollout runs, those of one entry as those of another. They go by an IngressRoute of Sluice's own. */
  readonly match?: readonly MatchEntry[];
  /** What the requests of match go through after the middlewares of the IngressRoute. */
  readonly middlewares?: readonly MiddlewareRef[];
}

/** WorkloadRef names what runs this version; its revision says that there is a new release. */
export interface WorkloadRef {
  /** Kind of the workload. */
  readonly kind: 'Deployment' | 'StatefulSet' | 'DaemonSet';
  /** Name of the workload in the namespace of the Rollout. */
  readonly name: string;
}

/** StableRef is the version that serves now. */
export interface StableRef {
  /** Name of a Service in the namespace of the Rollout. */
  readonly service: string;
  /** Port of the Service by number or name. Optional where the Service has one port. */
  readonly port?: number | string;
  /** WorkloadRef names what runs this version. For stable it lets a Hold end by itself, when the workload has rolled out a new revision. */
  readonly workload?: WorkloadRef;
}

/** RouteRef names the object whose weights Sluice writes. */
export interface RouteRef {
  /** Group and version of the route. traefik.containo.us is that of Traefik 2. Default "traefik.io/v1alpha1". */
  readonly apiVersion: 'traefik.io/v1alpha1' | 'traefik.containo.us/v1alpha1';
  /** Kind of the route. An IngressRoute takes part with every rule that lists either service, a TraefikService with its weighted services. Default "IngressRoute". */
  readonly kind: 'IngressRoute' | 'TraefikService';
  /** Name of the route in the namespace of the Rollout. */
  readonly name: string;
  /** The only rule of the IngressRoute that takes part. Spaces, quotes and parentheses may be written differently there. */
  readonly match?: string;
}

/** RolloutSpec is what the user wants. */
export interface RolloutSpec {
  /** RouteRef names the object whose weights Sluice writes. */
  readonly route: RouteRef;
  /** StableRef is the version that serves now. */
  readonly stable: StableRef;
  /** CanaryRef is the version that shall take over. */
  readonly canary: CanaryRef;
  /** Name of the release, in quotes. A new one starts a rollout. Optional when canary.workload is given. Change it last, when the canary's pods already run it. */
  readonly revision?: string;
  /** Steps of the rollout. 100 follows by itself. The default is 5, 25 and 50 percent for 5, 10 and 10 minutes. */
  readonly steps?: readonly Step[];
  /** Ramp is a short form of many equal steps. */
  readonly ramp?: Ramp;
  /** AnalysisSpec says when the canary is good enough. Left out, all defaults apply. Default {}. */
  readonly analysis: AnalysisSpec;
  /** PromotionSpec says what happens after the last step. Default {}. */
  readonly promotion: PromotionSpec;
  /** What deleting the Rollout after a success does to the route. A rollout that still runs is always undone. Default "Keep". */
  readonly onDelete: 'Keep' | 'Restore';
  /** ReadinessSpec says how many ready endpoints a version needs for its share of the traffic. A rollback never waits for them. Default {}. */
  readonly readiness: ReadinessSpec;
  /** What a failed analysis does. Rollback takes the canary out at once, Pause keeps its weight until promoted or aborted. A canary that is gone is taken out in any case. Default "Rollback". */
  readonly onFailure: 'Rollback' | 'Pause';
  /** How long the canary's first endpoints, a write of the route, or stable with the copied pod template, may take before the rollout counts as stalled, or is rolled back. Steps, pauses and missing data do not count. Default "30m". */
  readonly progressDeadline: string;
  /** Schedule says when traffic may be raised. Analysis, guards and rollback know no hours. */
  readonly schedule?: Schedule;
  /** Stops raising. Analysis, guards and rollback go on. Default false. */
  readonly paused: boolean;
}

/** Rollout moves traffic from a stable version to a canary behind Traefik, a little at a time, and takes it back when the canary is worse. */
export interface Rollout extends KubernetesObject {
  /** RolloutSpec is what the user wants. */
  readonly spec: RolloutSpec;
  /** RolloutStatus is the durable state of the controller and what people read. */
  readonly status?: RolloutStatus;
}
