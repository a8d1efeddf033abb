// Generated from crds/rollouts.yaml by `npm run generate`. Do not edit.

/** NoDataState says since when and why samples are missing. */
export interface NoDataState {
  /** CamelCase code. */
  readonly reason: string;
  /** What was found. */
  readonly message: string;
  /** Since when. */
  readonly since: string;
}

/** Trials are the sequential tests, in the compact form that docs/analysis.md describes. */
export interface Trials {
  /** Canary's error ratio against stable's. */
  readonly errors?: string;
  /** The same with a margin of 20 points, while the canary warms up. */
  readonly guard?: string;
  /** Canary's error ratio at 100% against the last one of stable. */
  readonly alone?: string;
  /** Canary's error ratio against slo.errorRatio. */
  readonly slo?: string;
  /** Canary's durations against stable's. */
  readonly latency?: string;
  /** At which bounds durations are compared and what is tolerated there. */
  readonly latencyPlan?: string;
  /** Stable's durations so far while they are too few for a plan. */
  readonly latencyHistory?: string;
  /** Canary's slow requests against slo.latency. */
  readonly latencySlo?: string;
}

/** StepEvidence is the part that belongs to the present step. */
export interface StepEvidence {
  /** When the weight of the step was in effect. */
  readonly since: string;
  /** Requests that stable answered. */
  readonly stable: number;
  /** Requests that the canary answered. */
  readonly canary: number;
}

/** ArmCounts are requests and errors. */
export interface ArmCounts {
  /** Requests answered. */
  readonly requests: number;
  /** Those answered with an error. */
  readonly errors: number;
}

/** AnalysisEvidence is what the verdict rests on; it continues exactly after a restart. */
export interface AnalysisEvidence {
  /** What it is evidence of; another revision or another analysis begins anew. */
  readonly id: string;
  /** Start of the samples that are counted. */
  readonly since: string;
  /** Samples up to here are counted. */
  readonly watermark: string;
  /** ArmCounts are requests and errors. */
  readonly stable: ArmCounts;
  /** ArmCounts are requests and errors. */
  readonly canary: ArmCounts;
  /** StepEvidence is the part that belongs to the present step. */
  readonly step: StepEvidence;
  /** The canary, or its durations where pods were added, are not compared before. */
  readonly warmUntil?: string;
  /** Most ready endpoints of the canary since it was first warm. */
  readonly endpoints?: number;
  /** Trials are the sequential tests, in the compact form that docs/analysis.md describes. */
  readonly trials?: Trials;
  /** Last result of each check and how often it failed in a row, in a compact form; the message has it in words. */
  readonly checks?: string;
  /** NoDataState says since when and why samples are missing. */
  readonly noData?: NoDataState;
}
