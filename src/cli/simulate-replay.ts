/** Walks rollouts that never were through recorded traffic. */
import type { Block } from '../analysis/block.ts';
import { historyMs } from '../analysis/evidence.ts';
import { boundsFor } from '../analysis/latency-trials.ts';
import type { SamplesOutcome } from '../analysis/metric-source.ts';
import { assumedEffectMs } from '../rollout/step-rules.ts';
import { splitBlock, type Random } from './simulate-split.ts';
import { Walk, type Plan, type Replay } from './simulate-walk.ts';

/** Past is what a source knows of stable, and how soon it would have told. */
export interface Past {
  /** blocks are ascending; those without any scrape are left out. */
  readonly blocks: readonly Block[];
  /** bounds are those of the durations in the blocks, in seconds; empty where there are none. */
  readonly bounds: readonly number[];
  readonly blockMs: number;
  readonly latenessMs: number;
}

/** Run is one rollout: it starts at `startMs` and is followed to `untilMs` at most. */
export interface Run {
  readonly startMs: number;
  readonly untilMs: number;
  readonly random: Random;
}

/** replay walks a rollout through the past. A canary that is just like stable should always end promoted. */
export function replay(past: Past, plan: Plan, { startMs, untilMs, random }: Run): Replay {
  const { blocks, blockMs, latenessMs } = past;
  const history = historyOf(past, startMs + assumedEffectMs);
  const walk = new Walk(plan, { startMs, untilMs, blockMs, history, isComparable: true });
  for (let index = firstAfter(blocks, startMs); index < blocks.length; index += 1) {
    const block = blocks[index];
    if (block === undefined || walk.isOver(block.endMs + latenessMs)) break;
    walk.add(samplesOf(past, block, { plan, walk, random }), block.endMs + latenessMs);
    if (walk.end !== undefined) break;
  }
  return walk.result();
}

/** samplesOf gives the canary its part of a block, with the durations that would be asked for. */
function samplesOf(
  { bounds }: Past,
  block: Block,
  { plan, walk, random }: { readonly plan: Plan; readonly walk: Walk; readonly random: Random },
): SamplesOutcome {
  const wanted = boundsFor(plan.spec, walk.trials) ?? [];
  const kept = wanted === 'All' ? bounds : bounds.filter((bound) => wanted.includes(bound));
  const indexes = kept.map((bound) => bounds.indexOf(bound));
  const split = splitBlock(block, { random, share: walk.shareIn(block), indexes });
  const seen = { stable: true, canary: true };
  const outcome = { kind: 'Samples', blocks: [split], untilMs: block.endMs, seen, discarded: 0 } as const;
  return kept.length === 0 ? outcome : { ...outcome, bounds: kept };
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
