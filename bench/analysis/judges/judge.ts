/** What the bench asks of a judge. */
import type { Block } from '../../../src/analysis/block.ts';
import type { Metric, Scenario } from '../scenario.ts';
import type { Tick, Traffic } from '../traffic.ts';

/** Verdict is what a judge makes of the canary now. */
export type Verdict = 'Rollback' | 'Continue' | 'Proven';

/** Outcome is how a judge ended one run. */
export interface Outcome {
  readonly end: 'RolledBack' | 'Promoted' | 'Held';
  /** seconds since the start. */
  readonly seconds: number;
  /** provenSeconds is when the canary was first held to be proven good, at whatever step. */
  readonly provenSeconds: number | undefined;
  readonly excessErrors: number;
}

/** Stage is what a rollout begins with: stable's traffic before it, and the traffic from its start on. */
export interface Stage {
  readonly history: readonly Tick[];
  readonly traffic: Traffic;
}

/** Judge is one way to judge a canary. */
export interface Judge {
  readonly name: string;
  /** metrics are what it can look at; it takes part in scenarios that judge one of them. */
  readonly metrics: readonly Metric[];
  /** start returns a watch over one rollout; `history` is stable's traffic before it. */
  start(scenario: Scenario, history: readonly Tick[]): Watch;
  /** rollOut: a judge that has it raises the weight itself, and promotes only what it has proven. Others go by time, and promote what they have not rolled back. */
  rollOut?(scenario: Scenario, stage: Stage): Outcome;
}

/** Watch is the judging of one rollout. */
export interface Watch {
  /** add takes what the source delivered at `tick.endMs`, with the canary at `weight` percent since `stepStartMs`. */
  add(tick: Tick, step: { readonly weight: number; readonly stepStartMs: number }): void;
  verdict(): Verdict;
}

/** blocksOf returns what a tick counted. */
export function blocksOf({ outcome }: Tick): readonly Block[] {
  return outcome.kind === 'Samples' ? outcome.blocks : [];
}

/** Look is the last look of a judge that looks once a minute: all that was counted so far, and the minutes since the start. */
export interface Look {
  readonly minute: number;
  /** last returns the blocks of the last so many minutes. */
  last(minutes: number): readonly Block[];
}

/** watchMinutes makes a Watch of what a judge does each minute; its first Rollback stands. */
export function watchMinutes(startMs: number, judge: (look: Look) => 'Rollback' | 'Continue'): Watch {
  const blocks: Block[] = [];
  let verdict: Verdict = 'Continue';
  return {
    add: (tick) => {
      blocks.push(...blocksOf(tick));
      const minute = (tick.endMs - startMs) / 60_000;
      if (verdict === 'Rollback' || !Number.isInteger(minute)) return;
      verdict = judge({ minute, last: (minutes) => blocksAfter(blocks, tick.endMs - minutes * 60_000) });
    },
    verdict: () => verdict,
  };
}

function blocksAfter(blocks: readonly Block[], afterMs: number): readonly Block[] {
  let from = blocks.length;
  while (from > 0 && (blocks[from - 1]?.endMs ?? 0) > afterMs) from -= 1;
  return blocks.slice(from);
}
