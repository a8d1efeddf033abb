/** What the verdict rests on, as plain data that lives in the status of a Rollout and continues exactly after a restart. */
import type { Trials } from '../api/rollout-evidence.ts';
import { formatTime, parseTime } from '../clock.ts';
import type { Block } from './block.ts';
import { nextCheckState, type CheckResult, type CheckSpec } from './check.ts';
import { decodeChecks, encodeChecks } from './check-text.ts';
import type { SampleOutcome, SamplesOutcome } from './metric-source.ts';
import { addArms, noCounts, type Counts } from './sample.ts';
import type { AnalysisSpec } from './spec.ts';
import { addToTrials, restartTrials, startTrials } from './trials.ts';

/** NoDataState says since when samples are missing, and why the last attempt got none. */
export interface NoDataState {
  readonly reason: string;
  readonly message: string;
  /** since is the RFC 3339 time of the first attempt in a row without samples. */
  readonly since: string;
}

/** StepEvidence is what was counted since the weight of the present step is in effect. */
export interface StepEvidence {
  readonly since: string;
  readonly stable: number;
  readonly canary: number;
}

/** Evidence is the content of `status.analysis`; all times are RFC 3339. */
export interface Evidence {
  /** id names the release, the try and the analysis that this is evidence of. */
  readonly id: string;
  /** since is where counting started. */
  readonly since: string;
  /** watermark is the end of the samples that are counted; the next query starts here. */
  readonly watermark: string;
  readonly stable: Counts;
  readonly canary: Counts;
  readonly step: StepEvidence;
  /** warmUntil is missing until the canary has answered its first request; pods that come later move it. */
  readonly warmUntil?: string;
  /** endpoints is how many ready endpoints the canary had at most since it was first warm; missing before. */
  readonly endpoints?: number;
  readonly trials?: Trials;
  /** checks is text, as decodeChecks reads it. */
  readonly checks?: string;
  readonly noData?: NoDataState;
}

/** Stage is the present step of a rollout. */
export interface Stage {
  /** sinceMs is when its weight was in effect; undefined while the route is being changed. */
  readonly sinceMs: number | undefined;
  /** isAlone is true at 100 %, where nothing is left to compare with. */
  readonly isAlone: boolean;
  /** canaryEndpoints is how many ready endpoints the canary has at present, where that is known. */
  readonly canaryEndpoints?: number;
}

/** Context is what samples are added under; blockMs is that of the source. */
export interface Context {
  readonly spec: AnalysisSpec;
  readonly stage: Stage;
  readonly blockMs: number;
}

/** historyMs is how much of stable's past is read before a rollout: its rate, its bursts and its durations. */
export const historyMs = 600_000;

/** startEvidence returns evidence that counts from `sinceMs` on, with what stable did before; an unread history is empty. */
export function startEvidence(
  id: string,
  sinceMs: number,
  spec: AnalysisSpec,
  history: Pick<SamplesOutcome, 'blocks' | 'bounds'>,
): Evidence {
  const since = formatTime(sinceMs);
  const trials = startTrials(spec, history);
  return {
    id,
    since,
    watermark: since,
    stable: noCounts,
    canary: noCounts,
    step: { since, stable: 0, canary: 0 },
    trials,
  };
}

/**
 * addSamples adds the answer to a query that started at the watermark. Blocks at or before the watermark are counted
 * already (the answer came twice), so they are not added again.
 */
export function addSamples(evidence: Evidence, outcome: SampleOutcome, context: Context, nowMs: number): Evidence {
  if (outcome.kind === 'NoData') {
    return moveWatermark({ ...evidence, noData: noDataState(evidence.noData, outcome, nowMs) }, outcome.untilMs);
  }
  const { noData: _ended, ...rest } = evidence;
  const fromMs = watermarkMs(evidence);
  const added = outcome.blocks
    .filter(({ endMs }) => endMs > fromMs)
    .reduce<Evidence>((sum, block) => addBlock(sum, block, { context, outcome }), noteEndpoints(rest, context, nowMs));
  return moveWatermark(added, outcome.untilMs);
}

/**
 * Pods that become ready later, as when more traffic makes an autoscaler add some, are as cold as the first ones were. A
 * cold pod is slow, so durations are not compared until it is warm; errors are, for a canary must not hide them by growing.
 * Only more pods than ever count: those that come and go would put it off for ever.
 */
function noteEndpoints(evidence: Evidence, { spec, stage }: Context, nowMs: number): Evidence {
  const { canaryEndpoints } = stage;
  const { endpoints, warmUntil } = evidence;
  const isWarm = endpoints !== undefined || watermarkMs(evidence) >= (parseTime(warmUntil) ?? Infinity);
  if (canaryEndpoints === undefined || !isWarm || canaryEndpoints <= (endpoints ?? -1)) return evidence;
  if (endpoints === undefined || spec.warmupMs === 0) return { ...evidence, endpoints: canaryEndpoints };
  return { ...evidence, endpoints: canaryEndpoints, warmUntil: formatTime(nowMs + spec.warmupMs) };
}

function addBlock(
  evidence: Evidence,
  block: Block,
  { context, outcome }: { readonly context: Context; readonly outcome: SamplesOutcome },
): Evidence {
  const { spec, stage, blockMs } = context;
  const startMs = block.endMs - blockMs;
  const { arms } = block;
  const isOfStage = stage.sinceMs !== undefined && startMs >= stage.sinceMs;
  const placed = isOfStage ? enterStep(evidence, formatTime(stage.sinceMs)) : evidence;
  const warmUntil = placed.warmUntil ?? (arms.canary.requests > 0 ? formatTime(startMs + spec.warmupMs) : undefined);
  const { step } = placed;
  const { isWarm, isCounted } = warmthAt(startMs, warmUntil, placed);
  return {
    ...placed,
    ...addArms(placed, arms),
    step: { ...step, stable: step.stable + arms.stable.requests, canary: step.canary + arms.canary.requests },
    ...(warmUntil === undefined ? {} : { warmUntil }),
    trials: addToTrials(placed.trials ?? {}, isCounted ? block : { endMs: block.endMs, arms }, {
      spec,
      plannedBlocks: plannedBlocksAt(spec, (startMs - (parseTime(evidence.since) ?? startMs)) / blockMs, blockMs),
      bounds: outcome.bounds ?? [],
      isWarm,
      isAlone: stage.isAlone && isOfStage,
    }),
  };
}

/** warmthAt tells whether the canary is to be compared from `startMs` on, and whether the durations of that time count. */
function warmthAt(
  startMs: number,
  warmUntil: string | undefined,
  { endpoints }: Evidence,
): { readonly isWarm: boolean; readonly isCounted: boolean } {
  const areAllWarm = startMs >= (parseTime(warmUntil) ?? Infinity);
  const wasWarm = endpoints !== undefined;
  return { isWarm: areAllWarm || wasWarm, isCounted: areAllWarm || !wasWarm };
}

/** leastPlannedMs stands for the time of steps that last until a person ends them. */
const leastPlannedMs = 600_000;

/**
 * plannedBlocksAt spreads the readiness for a late regression: a test gives 1 / plannedBlocks of what it has for that to
 * each block. The plan is over after H blocks, but a rollout may be held for days, so the block t gets H / ((H + t) (H + t + 1))
 * of it: about 1 / H at first, ever less, and together never more than all.
 */
function plannedBlocksAt({ plannedMs }: AnalysisSpec, elapsedBlocks: number, blockMs: number): number {
  const planned = Math.max(1, Math.ceil(Math.max(plannedMs, leastPlannedMs) / blockMs));
  const elapsed = Math.max(0, Math.floor(elapsedBlocks));
  return ((planned + elapsed) * (planned + elapsed + 1)) / planned;
}

/** A step begins with a block that lies wholly in it, so that a replay begins it with the same one. */
function enterStep(evidence: Evidence, since: string): Evidence {
  if (evidence.step.since === since) return evidence;
  return { ...evidence, step: { since, stable: 0, canary: 0 }, trials: restartTrials(evidence.trials ?? {}) };
}

/** addCheck adds a result of `check`, one of those of the spec, that was evaluated at `nowMs`. */
export function addCheck(
  evidence: Evidence,
  checks: readonly CheckSpec[],
  { check, result }: { readonly check: CheckSpec; readonly result: CheckResult },
  nowMs: number,
): Evidence {
  const states = decodeChecks(checks, evidence.checks).map((state, index) =>
    checks[index]?.name === check.name ? nextCheckState(state, result, nowMs) : state,
  );
  return { ...evidence, checks: encodeChecks(checks, states) };
}

/** watermarkMs returns the watermark in milliseconds since the epoch. */
export function watermarkMs(evidence: Evidence): number {
  return parseTime(evidence.watermark) ?? 0;
}

/** maxMessage characters of what a source says are kept: names of services and URLs may be long, and status is read all day. */
const maxMessage = 160;

function noDataState(
  previous: NoDataState | undefined,
  outcome: { readonly reason: string; readonly message: string },
  nowMs: number,
): NoDataState {
  const { reason, message } = outcome;
  const short = message.length <= maxMessage ? message : `${message.slice(0, maxMessage - 1)}…`;
  return { reason, message: short, since: previous?.since ?? formatTime(nowMs) };
}

function moveWatermark(evidence: Evidence, untilMs: number | undefined): Evidence {
  if (untilMs === undefined || untilMs <= watermarkMs(evidence)) return evidence;
  return { ...evidence, watermark: formatTime(untilMs) };
}
