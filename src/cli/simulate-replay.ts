/** Walks one rollout that never was through recorded traffic: the evidence, the judge and the rules of the steps are those of the controller. */
import type { Block } from '../analysis/block.ts';
import { addSamples, historyMs, startEvidence, type Evidence, type Stage } from '../analysis/evidence.ts';
import type { TrialName } from '../analysis/finding.ts';
import { boundsFor } from '../analysis/latency-trials.ts';
import type { AnalysisSpec } from '../analysis/spec.ts';
import { safetyOf } from '../analysis/summary.ts';
import { findingsOf } from '../analysis/trials.ts';
import { judge, type Verdict } from '../analysis/verdict.ts';
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
import { splitBlock, type Random } from './simulate-split.ts';

/** Past is what a source knows of stable, and how soon it would have told. */
export interface Past {
  /** blocks are ascending; those without any scrape are left out. */
  readonly blocks: readonly Block[];
  /** bounds are those of the durations in the blocks, in seconds; empty where there are none. */
  readonly bounds: readonly number[];
  readonly blockMs: number;
  readonly latenessMs: number;
}

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
  /** unproven are the tests that had no proof yet at the end. */
  readonly unproven: readonly TrialName[];
}

/** Run is one rollout: it starts at `startMs` and is followed to `untilMs` at most. */
export interface Run {
  readonly startMs: number;
  readonly untilMs: number;
  readonly random: Random;
}

/** replay walks a rollout through the past. A canary that is just like stable should always end promoted. */
export function replay(past: Past, plan: Plan, run: Run): Replay {
  const walk = new Walk(past, plan, run);
  for (let index = firstAfter(past.blocks, run.startMs); index < past.blocks.length; index += 1) {
    const block = past.blocks[index];
    if (block === undefined || walk.isOver(block.endMs + past.latenessMs)) break;
    walk.add(block);
    if (walk.end !== undefined) break;
  }
  return walk.result();
}

/** firstAfter returns the index of the first block that ends after `atMs`. */
export function firstAfter(blocks: readonly Block[], atMs: number): number {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((blocks[middle]?.endMs ?? Infinity) > atMs) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** historyOf returns what a rollout that starts at `sinceMs` knows of stable's past. */
export function historyOf({ blocks, bounds }: Past, sinceMs: number): Pick<Past, 'blocks' | 'bounds'> {
  return { blocks: blocks.slice(firstAfter(blocks, sinceMs - historyMs), firstAfter(blocks, sinceMs)), bounds };
}

class Walk {
  readonly #past: Past;
  readonly #plan: Plan;
  readonly #run: Run;
  readonly #raises: { readonly atMs: number; readonly weight: number }[] = [];
  readonly #proofs: StepProof[] = [];
  #nowMs: number;
  #place: StepPlace;
  #stage: Stage;
  #evidence: Evidence;
  #verdict: Verdict = noEvidenceYet;
  #lookAgainMs: number | undefined;
  end: Replay['end'] | undefined;

  constructor(past: Past, plan: Plan, run: Run) {
    const [first] = plan.steps;
    this.#past = past;
    this.#plan = plan;
    this.#run = run;
    this.#nowMs = run.startMs;
    [this.#place, this.#stage] = this.#raise(0, first?.kind === 'Weight' ? first.weight : 100);
    const sinceMs = run.startMs + assumedEffectMs;
    this.#evidence = startEvidence('simulated', sinceMs, plan.spec, historyOf(past, sinceMs));
    this.#look();
  }

  /** isOver lets time go on to `atMs` and tells whether the rollout has ended by then. */
  isOver(atMs: number): boolean {
    const lastMs = Math.min(atMs, this.#run.untilMs);
    while (this.end === undefined && this.#lookAgainMs !== undefined && this.#lookAgainMs <= lastMs) {
      this.#nowMs = this.#lookAgainMs;
      this.#look();
    }
    if (this.end === undefined) this.#nowMs = lastMs;
    return this.end !== undefined || atMs > this.#run.untilMs;
  }

  /** add counts a block, which has become known just now. */
  add(block: Block): void {
    const { spec } = this.#plan;
    const { blockMs, bounds } = this.#past;
    const wanted = boundsFor(spec, this.#evidence.trials ?? {}) ?? [];
    const kept = wanted === 'All' ? bounds : bounds.filter((bound) => wanted.includes(bound));
    const indexes = kept.map((bound) => bounds.indexOf(bound));
    const split = splitBlock(block, { random: this.#run.random, share: this.#shareIn(block), indexes });
    const seen = { stable: true, canary: true };
    const outcome = { kind: 'Samples', blocks: [split], untilMs: block.endMs, seen, discarded: 0 } as const;
    const sampled = kept.length === 0 ? outcome : { ...outcome, bounds: kept };
    this.#evidence = addSamples(this.#evidence, sampled, { spec, stage: this.#stage, blockMs }, this.#nowMs);
    this.#look();
  }

  result(): Replay {
    const needed = -Math.log(this.#plan.spec.alpha);
    const isAlone = this.#stage.isAlone;
    const unproven = findingsOf(this.#evidence.trials ?? {}).filter((found) => safetyOf(found, isAlone) < needed);
    return {
      end: this.end ?? 'Held',
      reason: this.#verdict.reason,
      tookMs: this.#nowMs - this.#run.startMs,
      proofs: this.#proofs,
      unproven: unproven.map(({ name }) => name),
    };
  }

  /** #shareIn is the canary's part of a block, in which the weight may have changed. */
  #shareIn({ endMs }: Block): number {
    const { blockMs } = this.#past;
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
    const share = { weightPercent: this.#place.weight, isComparable: true };
    const judgement = judge(spec, this.#evidence, share, this.#nowMs);
    this.#verdict = verdictAtStep(judgement, this.#evidence, this.#stage);
    this.#noteProof();
    if (this.#verdict.kind === 'Fail') {
      this.end = 'RolledBack';
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
      this.end = 'RolledBack';
      this.#verdict = { ...standing.verdict, reason: 'InconclusiveTooLong' };
      return;
    }
    const index = this.#place.index + 1;
    const next = this.#plan.steps[index];
    if (next === undefined) {
      this.end = 'Promoted';
      return;
    }
    if (next.kind === 'Pause') this.#place = { ...this.#place, index, enteredAt: formatTime(this.#nowMs) };
    else [this.#place, this.#stage] = this.#raise(index, next.weight);
    this.#look();
  }

  #noteProof(): void {
    const last = this.#proofs.at(-1);
    if (this.#verdict.kind !== 'Pass' || last === undefined || last.afterMs !== undefined) return;
    this.#proofs[this.#proofs.length - 1] = { ...last, afterMs: this.#nowMs - (this.#stage.sinceMs ?? 0) };
  }
}
