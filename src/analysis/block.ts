/** Blocks of counted requests on a fixed grid of time, so that a replay after a restart finds the same ones. */
import type { Durations } from './durations.ts';
import { addArms, noArms, type Arms } from './sample.ts';

/**
 * Block is what both arms answered in (endMs - blockMs, endMs], in milliseconds since the epoch; blockMs is that of the
 * source, and endMs a multiple of it.
 */
export interface Block {
  readonly endMs: number;
  readonly arms: Arms;
  /** durations are there where bounds were asked for, unless the block began before the query did, or no instance's buckets could be compared. */
  readonly durations?: { readonly stable: Durations; readonly canary: Durations };
}

/** blockEndOf returns the end of the block that `atMs` lies in. */
export function blockEndOf(atMs: number, blockMs: number): number {
  return Math.ceil(atMs / blockMs) * blockMs;
}

/** lastBlockEnd returns the end of the last block that is over at `atMs`. */
export function lastBlockEnd(atMs: number, blockMs: number): number {
  return Math.floor(atMs / blockMs) * blockMs;
}

/** sumBlocks returns what both arms answered in all blocks. */
export function sumBlocks(blocks: readonly Block[]): Arms {
  return blocks.reduce((sum, { arms }) => addArms(sum, arms), noArms);
}
