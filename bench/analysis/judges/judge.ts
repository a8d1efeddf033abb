/** What the bench asks of a judge. */
import type { Block } from '../../../src/analysis/block.ts';
import type { Metric, Scenario } from '../scenario.ts';
import type { Tick } from '../traffic.ts';

/** Verdict is what a judge would do now. MayProceed: leave the step before its time; MayPromote: pass the last gate. */
export type Verdict = 'Rollback' | 'Continue' | 'MayPromote' | 'MayProceed';

/** Judge is one way to judge a canary. */
export interface Judge {
  readonly name: string;
  /** metrics are what it can look at; it takes part in scenarios that judge one of them. */
  readonly metrics: readonly Metric[];
  /** isPaced: it leaves steps early and holds at the end. Others go by time, and promote what they have not rolled back. */
  readonly isPaced: boolean;
  /** start returns a watch over one rollout; `history` is stable's traffic before it. */
  start(scenario: Scenario, history: readonly Tick[]): Watch;
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
