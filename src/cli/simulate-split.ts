/** Splits what stable alone has answered at random, as if a part of it had gone to a canary just like it. */
import type { Block } from '../analysis/block.ts';
import type { Durations } from '../analysis/durations.ts';
import type { Counts } from '../analysis/sample.ts';

/** Random returns the next number in [0, 1). */
export type Random = () => number;

/** createRandom returns numbers that all follow from a whole number (mulberry32 by Tommy Ettinger). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A block with this variance or more is drawn from a normal distribution: nobody tells it from a binomial one. */
const normalVariance = 100;

/** drawBinomial returns how many of `count` are drawn when each is with `probability`. */
export function drawBinomial(random: Random, count: number, probability: number): number {
  if (probability > 0.5) return count - drawBinomial(random, count, 1 - probability);
  if (count <= 0 || probability <= 0) return 0;
  const variance = count * probability * (1 - probability);
  if (variance < normalVariance) return drawByGaps(random, count, probability);
  const drawn = Math.round(count * probability + Math.sqrt(variance) * drawNormal(random));
  return Math.min(count, Math.max(0, drawn));
}

/** From one that is drawn to the next it is a geometrically distributed way. */
function drawByGaps(random: Random, count: number, probability: number): number {
  const logMiss = Math.log1p(-probability);
  let drawn = 0;
  let at = 0;
  for (;;) {
    at += Math.floor(Math.log1p(-random()) / logMiss) + 1;
    if (at > count) return drawn;
    drawn += 1;
  }
}

/** Box and Muller (1958). */
function drawNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log1p(-random())) * Math.cos(2 * Math.PI * random());
}

/** splitBlock gives each request of stable to the canary with the probability `share`; of durations it keeps the bounds at `indexes`. */
export function splitBlock(block: Block, split: { random: Random; share: number; indexes: readonly number[] }): Block {
  const { random, share, indexes } = split;
  const { requests, errors } = block.arms.stable;
  const bad = drawBinomial(random, errors, share);
  const good = drawBinomial(random, requests - errors, share);
  const canary = { requests: good + bad, errors: bad };
  const arms = { canary, stable: without({ requests, errors }, canary) };
  if (block.durations === undefined) return { endMs: block.endMs, arms };
  const whole = block.durations.stable;
  const slow = splitDurations(whole, split, indexes);
  return { endMs: block.endMs, arms, durations: { canary: slow, stable: restOf(whole, slow, indexes) } };
}

function without(whole: Counts, part: Counts): Counts {
  return { requests: whole.requests - part.requests, errors: whole.errors - part.errors };
}

function splitDurations(
  { total, within }: Durations,
  { random, share }: { readonly random: Random; readonly share: number },
  indexes: readonly number[],
): Durations {
  let before = 0;
  let drawn = 0;
  const kept = indexes.map((index) => {
    const upTo = within[index] ?? total;
    drawn += drawBinomial(random, upTo - before, share);
    before = upTo;
    return drawn;
  });
  return { total: drawn + drawBinomial(random, total - before, share), within: kept };
}

function restOf({ total, within }: Durations, part: Durations, indexes: readonly number[]): Durations {
  return {
    total: total - part.total,
    within: indexes.map((index, place) => (within[index] ?? total) - (part.within[place] ?? part.total)),
  };
}
