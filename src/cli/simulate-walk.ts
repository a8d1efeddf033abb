/** One rollout that never was: the evidence, the judge and the rules of the steps are those of the controller. */
import type { Block } from '../analysis/block.ts';
import { addSamples, startEvidence, type Evidence, type Stage } from '../analysis/evidence.ts';
import type { TrialName } from '../analysis/finding.ts';
import type { SampleOutcome, SamplesOutcome } from '../analysis/metric-source.ts';
import type { AnalysisSpec } from '../analysis/spec.ts';
import { safetyOf } from '../analysis/summary.ts';
import { findingsOf } from '../analysis/trials.ts';
import { judge, type Verdict } from '../analysis/verdict.ts';
import type { Trials } from '../api/rollout-evidence.ts';
import { formatTime } from '../clock.ts';
import { noEvidenceYet } from '../rollout/status.ts';
import {
  assumedEffectMs,
  findUnproven,
  moveAt,
  unprovenUntilMs,
  verdictAtStep,
  type Standing,
  type StepPlace,
} from '../rollout/step-rules.ts';
import type { PlannedStep } from '../rollout/steps.ts';

/** Plan is what a rollout would be judged by, and its steps, none of which waits for a person. */
export interface Plan {
  readonly spec: AnalysisSpec;
  readonly rollout: Standing['rollout'];
  readonly steps: readonly PlannedStep[];
}

/** StepProof is how long after the weight was in effect the canary was proven safe; undefined where it was not while the step lasted. */
export interface StepProof {
  readonly weight: number;
  readonly afterMs: number | undefined;
}

/** Replay is how such a rollout ended. */
export interface Replay {
  /** end is Held where it had not ended by itself in the given time. */
  readonly end: 'Promoted' | 'RolledBack' | 'Held';
  /** reason is that of the last verdict. */
  readonly reason: string;
  readonly tookMs: number;
  readonly proofs: readonly StepProof[];
  /** provenMs is how long after the start the canary was first proven safe, at whatever weight. */
  readonly provenMs: number | undefined;
  /** unproven are the tests that had no proof yet at the end. */
  readonly unproven: readonly TrialName[];
}

/** WalkStart is one rollout: it starts at `startMs` and is followed to `untilMs` at most. */
export interface WalkStart {
  readonly startMs: number;
  readonly untilMs: number;
  readonly blockMs: number;
  /** history is what stable answered before the first weight is in effect. */
  readonly history: Pick<SamplesOutcome, 'blocks' | 'bounds'>;
  /** isComparable is false where requests do not choose by weight alone. */
  readonly isComparable: boolean;
}

/** Walk takes samples in the order of time and raises the weight when the rules let it. */
export class Walk {
  readonly #plan: Plan;
  readonly #start: WalkStart;
  readonly #raises: { readonly atMs: number; readonly weight: number }[] = [];
  readonly #proofs: StepProof[] = [];
  #nowMs: number;
  #place: StepPlace;
  #stage: Stage;
  #evidence: Evidence;
  #verdict: Verdict = noEvidenceYet;
  #provenMs: number | undefined;
  #lookAgainMs: number | undefined;
  #end: Replay['end'] | undefined;

  constructor(plan: Plan, start: WalkStart) {
    const [first] = plan.steps;
    this.#plan = plan;
    this.#start = start;
    this.#nowMs = start.startMs;
    [this.#place, this.#stage] = this.#raise(0, first?.kind === 'Weight' ? first.weight : 100);
    this.#evidence = startEvidence('simulated', start.startMs + assumedEffectMs, plan.spec, start.history);
    this.#look();
  }

  /** end is undefined until the rollout has ended by itself. */
  get end(): Replay['end'] | undefined {
    return this.#end;
  }

  /** weight is that of the present step, in percent. */
  get weight(): number {
    return this.#place.weight;
  }

  /** trials are the tests as they stand. */
  get trials(): Trials {
    return this.#evidence.trials ?? {};
  }

  /** isOver lets time go on to `atMs` and tells whether the rollout has ended by then. */
  isOver(atMs: number): boolean {
    const lastMs = Math.min(atMs, this.#start.untilMs);
    while (this.#end === undefined && this.#lookAgainMs !== undefined && this.#lookAgainMs <= lastMs) {
      this.#nowMs = this.#lookAgainMs;
      this.#look();
    }
    if (this.#end === undefined) this.#nowMs = lastMs;
    return this.#end !== undefined || atMs > this.#start.untilMs;
  }

  /** add counts what has become known at `atMs`. */
  add(outcome: SampleOutcome, atMs: number): void {
    const { spec } = this.#plan;
    const context = { spec, stage: this.#stage, blockMs: this.#start.blockMs };
    this.#nowMs = atMs;
    this.#evidence = addSamples(this.#evidence, outcome, context, atMs);
    this.#look();
  }

  /** result is how it ended, or stands. */
  result(): Replay {
    const needed = -Math.log(this.#plan.spec.alpha);
    const isAlone = this.#stage.isAlone;
    const unproven = findingsOf(this.trials).filter((found) => safetyOf(found, isAlone) < needed);
    return {
      end: this.#end ?? 'Held',
      reason: this.#verdict.reason,
      tookMs: this.#nowMs - this.#start.startMs,
      proofs: this.#proofs,
      provenMs: this.#provenMs,
      unproven: unproven.map(({ name }) => name),
    };
  }

  /** shareIn is the canary's part of a block, in which the weight may have changed. */
  shareIn({ endMs }: Block): number {
    const { blockMs } = this.#start;
    let untilMs = endMs;
    let share = 0;
    for (const { atMs, weight } of this.#raises.toReversed()) {
      const fromMs = Math.max(atMs, endMs - blockMs);
      if (fromMs >= untilMs) continue;
      share += ((weight / 100) * (untilMs - fromMs)) / blockMs;
      untilMs = fromMs;
    }
    return share;
  }

  #raise(index: number, weight: number): readonly [StepPlace, Stage] {
    const now = formatTime(this.#nowMs);
    this.#raises.push({ atMs: this.#nowMs, weight });
    this.#proofs.push({ weight, afterMs: undefined });
    return [
      { index, weight, enteredAt: now, appliedAt: now },
      { sinceMs: this.#nowMs + assumedEffectMs, isAlone: weight >= 100 },
    ];
  }

  /** #look judges and goes on as far as the rules let it. */
  #look(): void {
    const { spec, rollout, steps } = this.#plan;
    const share = { weightPercent: this.#place.weight, isComparable: this.#start.isComparable };
    const judgement = judge(spec, this.#evidence, share, this.#nowMs);
    this.#verdict = verdictAtStep(judgement, this.#evidence, this.#stage);
    this.#noteProof();
    if (this.#verdict.kind === 'Fail') {
      this.#end = 'RolledBack';
      return;
    }
    const standing = { nowMs: this.#nowMs, rollout, steps, verdict: this.#verdict };
    const move = moveAt(standing, this.#place);
    this.#lookAgainMs = move.kind === 'Watch' ? move.lookAgainMs : undefined;
    if (move.kind === 'Leave') this.#leave(standing, move.endMs);
  }

  #leave(standing: Standing, endMs: number): void {
    if (findUnproven(standing, this.#place, endMs) !== undefined) {
      const untilMs = unprovenUntilMs(standing, endMs);
      this.#lookAgainMs = untilMs;
      if (untilMs === undefined || this.#nowMs < untilMs) return;
      this.#end = 'RolledBack';
      this.#verdict = { ...standing.verdict, reason: 'InconclusiveTooLong' };
      return;
    }
    const index = this.#place.index + 1;
    const next = this.#plan.steps[index];
    if (next === undefined) {
      this.#end = 'Promoted';
      return;
    }
    if (next.kind === 'Pause') this.#place = { ...this.#place, index, enteredAt: formatTime(this.#nowMs) };
    else [this.#place, this.#stage] = this.#raise(index, next.weight);
    this.#look();
  }

  #noteProof(): void {
    const last = this.#proofs.at(-1);
    if (this.#verdict.kind !== 'Pass' || last === undefined || last.afterMs !== undefined) return;
    this.#provenMs ??= this.#nowMs - this.#start.startMs;
    this.#proofs[this.#proofs.length - 1] = { ...last, afterMs: this.#nowMs - (this.#stage.sinceMs ?? 0) };
  }
}
