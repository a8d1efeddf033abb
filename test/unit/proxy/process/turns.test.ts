import { expect, test } from 'vitest';
import { inTurns } from '../../../../src/proxy/process/turns.ts';
import type { Steps } from '../../../../src/proxy/steps.ts';

/** Each step takes a millisecond. */
function* steps(count: number, clock: { nowMs: number }): Steps<string> {
  for (let step = 0; step < count; step += 1) {
    clock.nowMs += 1;
    yield;
  }
  return 'done';
}

async function turnsOf(count: number): Promise<number> {
  const clock = { nowMs: 0, monotonicMs: () => clock.nowMs };
  let turns = 0;
  let isDone = false;
  const countTurns = (): void => {
    if (isDone) return;
    turns += 1;
    setImmediate(countTurns);
  };
  setImmediate(countTurns);
  expect(await inTurns(steps(count, clock), clock)).toBe('done');
  isDone = true;
  return turns;
}

test('what is soon done is done at once; others have a turn every few steps of what takes longer', async () => {
  expect(await turnsOf(1)).toBe(0);
  expect(await turnsOf(100)).toBeGreaterThanOrEqual(49);
});
