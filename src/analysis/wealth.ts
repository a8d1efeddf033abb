/** Wealth that several alternatives earn block by block, with new starts for regressions that come late. */
import { logAdd, logMixture, multiplyWealth, noWealth, startOrMultiply } from './sequential.ts';

/**
 * RestartedWealth holds for each alternative the logarithm of what all products started so far are worth; `spent` is the
 * part of the starting capital of 1 that was given to them.
 */
export interface RestartedWealth {
  readonly logs: readonly number[];
  readonly spent: number;
}

/**
 * fewCap is the most that a block with few errors adds against a canary, in nats. They may have one cause, as a request and
 * its retries have: of a service with 5 requests a second whose errors come five at a time, a cap of 4.3 nats rolled back a
 * good canary 18 times in 2,000 runs of an hour, and this one 15 times.
 */
const fewCap = 4;
/** manyCap is that of a block with manyErrors or more, so that a dead canary is known after one with half of the capital. */
const manyCap = 4.3;
const manyErrors = 10;

/** firstStart is for a canary that is bad from its first block; what it leaves is spread over the blocks after it. */
const firstStart = 0.6;
/** haste is how much more the planned blocks get of that than they would if the blocks after the plan, for ever, had as much. */
const haste = 1.4;
/** reserve is the part of it for rollouts that take longer than planned: it never runs out, each block gets a share of what is left. */
const reserve = 0.125;
const decimals = 1e9;

/**
 * evidenceCap returns the most that one block with these errors of the canary adds against it: a single bad scrape is a
 * factor of 74. Whatever a cap depends on, less evidence than there is does not make the guarantee worse.
 */
export function evidenceCap(errors: number): number {
  return errors < manyErrors ? fewCap : manyCap;
}

/** startRestarted returns wealth that has nothing invested yet. */
export function startRestarted(alternatives: number): RestartedWealth {
  return { logs: Array<number>(alternatives).fill(noWealth), spent: 0 };
}

/**
 * inheritWealth returns the wealth of a test that begins late, with what others have left: `capital` of 1, more counts as 1.
 * The part of the first start is invested at once, because a start that has nothing spent would be one with all of 1.
 */
export function inheritWealth(alternatives: number, capital: number, first = firstStart): RestartedWealth {
  const left = Math.min(1, Math.max(0, capital));
  const log = multiplyWealth(Math.log(left * first), 0);
  const spent = Math.ceil((1 - left * (1 - first)) * decimals) / decimals;
  return { logs: Array<number>(alternatives).fill(log), spent };
}

/**
 * multiplyRestarted starts a product for each alternative and multiplies it and the older ones with the block's factors.
 * The starts get smaller after `plannedBlocks` blocks, about, but do not end. `first` is the part of the first one.
 */
export function multiplyRestarted(
  wealth: RestartedWealth,
  logFactors: readonly number[],
  plannedBlocks: number,
  first = firstStart,
): RestartedWealth {
  const start = wealth.spent === 0 ? first : nextStart(wealth, plannedBlocks, first);
  return {
    logs: wealth.logs.map((log, index) => startOrMultiply(log, logFactors[index] ?? 0, start)),
    spent: Math.round((wealth.spent + start) * decimals) / decimals,
  };
}

/** restartedEvidence returns the logarithm of the wealth of all alternatives and of the capital that is not spent. */
export function restartedEvidence(wealth: RestartedWealth, weights: readonly number[]): number {
  return logAdd(logMixture(wealth.logs, weights), Math.log(1 - wealth.spent));
}

/** startProducts returns one product for each alternative, at 1. */
export function startProducts(alternatives: number): readonly number[] {
  return Array<number>(alternatives).fill(0);
}

/** multiplyProducts multiplies products that are never restarted with the block's factors. */
export function multiplyProducts(logs: readonly number[], logFactors: readonly number[]): readonly number[] {
  return logs.map((log, index) => multiplyWealth(log, logFactors[index] ?? 0));
}

/** averageEvidence returns the logarithm of the mean of products. */
export function averageEvidence(logs: readonly number[]): number {
  return logMixture(logs, Array<number>(logs.length).fill(1 / logs.length));
}

function nextStart({ spent }: RestartedWealth, plannedBlocks: number, first: number): number {
  const blocks = Math.max(1, plannedBlocks);
  const even = (haste * (1 - first)) / blocks;
  const left = 1 - spent;
  return Math.floor((left - even >= reserve * (1 - first) ? even : left / blocks) * decimals) / decimals;
}
