/** Sums of blocks, as the rivals' queries make them. */
import type { Block } from '../../src/analysis/block.ts';
import type { Durations } from '../../src/analysis/durations.ts';
import type { Counts } from '../../src/analysis/sample.ts';

/** sumCounts adds up what one arm answered. */
export function sumCounts(blocks: readonly Block[], arm: 'stable' | 'canary'): Counts {
  let requests = 0;
  let errors = 0;
  for (const { arms } of blocks) {
    requests += arms[arm].requests;
    errors += arms[arm].errors;
  }
  return { requests, errors };
}

/** ratioOf is the error ratio, NaN without requests, as a division of two rates in PromQL. */
export function ratioOf({ requests, errors }: Counts): number {
  return errors / requests;
}

/** sumDurations adds up the buckets of one arm. */
export function sumDurations(blocks: readonly Block[], arm: 'stable' | 'canary'): Durations {
  const within: number[] = [];
  let total = 0;
  for (const { durations } of blocks) {
    if (durations === undefined) continue;
    total += durations[arm].total;
    for (const [index, count] of durations[arm].within.entries()) within[index] = (within[index] ?? 0) + count;
  }
  return { total, within };
}
