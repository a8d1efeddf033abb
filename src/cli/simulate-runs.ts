/** Replays one plan from many moments of the past. */
import { historyMs } from '../analysis/evidence.ts';
import { assumedEffectMs } from '../rollout/step-rules.ts';
import { replay, type Past } from './simulate-replay.ts';
import type { Plan, Replay } from './simulate-walk.ts';
import { createRandom } from './simulate-split.ts';

/** NotEnough is a history that is shorter than one rollout. */
export interface NotEnough {
  readonly kind: 'NotEnough';
  readonly haveMs: number;
  readonly needMs: number;
}

/** inTime returns how long a rollout may take that ends in time: what its steps do, until each weight is in effect, and what the last samples of a step are late. */
export function inTime({ blockMs, latenessMs }: Past, { spec, steps }: Plan): number {
  return spec.plannedMs + steps.length * (assumedEffectMs + blockMs + latenessMs);
}

/** startsIn spreads the starts over the past; where not even one rollout fits in, it says so. */
export function startsIn(
  { blocks, blockMs, latenessMs }: Past,
  inTimeMs: number,
  count: number,
): readonly number[] | NotEnough {
  const firstMs = (blocks[0]?.endMs ?? 0) - blockMs;
  const lastMs = (blocks.at(-1)?.endMs ?? 0) + latenessMs;
  const roomMs = lastMs - firstMs - inTimeMs;
  if (blocks.length === 0 || roomMs < 0) return { kind: 'NotEnough', haveMs: lastMs - firstMs, needMs: inTimeMs };
  const earliestMs = firstMs + Math.min(historyMs, roomMs);
  const latestMs = firstMs + roomMs;
  const stepMs = count > 1 ? (latestMs - earliestMs) / (count - 1) : 0;
  return Array.from({ length: count }, (_, index) => Math.round(earliestMs + index * stepMs));
}

/** Trials are replays that differ by nothing but what they are judged by. */
export interface Trials {
  readonly past: Past;
  readonly plan: Plan;
  readonly starts: readonly number[];
  readonly seed: number;
}

/** runAll: with one seed for each start two margins are tried on the same rollouts, and a difference is one of the margins. */
export function runAll({ past, plan, starts, seed }: Trials, spec: Plan['spec'], forMs: number): readonly Replay[] {
  return starts.map((startMs, index) => {
    const random = createRandom(seed + Math.imul(index, 0x9e3779b1));
    return replay(past, { ...plan, spec }, { startMs, untilMs: startMs + forMs, random });
  });
}
