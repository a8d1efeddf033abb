import { expect, test } from 'vitest';
import { hasEnded, isAsTold, resultOf, tellEnding } from '../../../src/demo/result.ts';
import { stories } from '../../../src/demo/stories.ts';
import { noTally, type Tally } from '../../../src/demo/tally.ts';
import type { DemoView } from '../../../src/demo/view.ts';

const answers = { requests: 9_000, errors: 27, totalMs: 1, firstMs: 1_000, lastMs: 30_000 };

const tally: Tally = {
  atMs: 40_000,
  good: {
    stable: answers,
    canary: { ...answers, requests: 3_000, errors: 8, firstMs: 4_000, lastMs: 40_000 },
    lost: 0,
  },
  bad: { stable: answers, canary: { ...answers, requests: 500, errors: 60, firstMs: 4_000, lastMs: 13_240 }, lost: 1 },
};

function viewOf(good: 'Succeeded' | 'Progressing', bad: 'Failed' | 'Succeeded'): DemoView {
  const phases = { good, bad };
  const shown = stories.map((story) => ({
    story,
    status: { phase: phases[story.name], reason: 'Because', message: 'Why.' },
    tally: tally[story.name],
    observed: 0,
  }));
  return { seconds: 33.333, seed: 7, rate: 600, releasedAtMs: 0, stories: shown };
}

test('the result says how long users had the bad release, and how much of it', () => {
  expect(resultOf(viewOf('Succeeded', 'Failed'), tally)).toEqual({
    good: { phase: 'Succeeded', reason: 'Because', requests: 12_000, badAnswers: 8, secondsToPromotion: 26 },
    bad: { phase: 'Failed', reason: 'Because', requests: 9_501, badAnswers: 61, secondsToRollback: 9.2 },
    seed: 7,
    seconds: 33.3,
    requests: 21_501,
  });
});

test('only the two right endings are as told', () => {
  expect(isAsTold(viewOf('Succeeded', 'Failed'))).toBe(true);
  expect(isAsTold(viewOf('Progressing', 'Failed'))).toBe(false);
  expect(isAsTold(viewOf('Succeeded', 'Succeeded'))).toBe(false);
});

test('a story that goes on has not ended', () => {
  expect(viewOf('Progressing', 'Failed').stories.map(hasEnded)).toEqual([false, true]);
});

test('the last sentences have the numbers, or what went wrong', () => {
  expect(tellEnding(viewOf('Succeeded', 'Failed'))).toEqual([
    'good: v2 was promoted; 26 s after its first request it answered everything.',
    'bad: v2 was taken back 9.2 s after its first request; 61 of 9,501 answers (0.64%) were its errors.',
  ]);
  expect(tellEnding(viewOf('Progressing', 'Failed'))[0]).toBe(
    'good: Progressing, which is not how it should end (Succeeded). Why.',
  );
});

test('before anything was seen there is nothing to divide by', () => {
  const view = viewOf('Progressing', 'Failed');
  const empty = { ...view, stories: view.stories.map((one) => ({ ...one, tally: noTally.good })) };
  expect(JSON.stringify(resultOf(empty, noTally))).not.toContain('null');
  expect(tellEnding(empty).join(' ')).not.toContain('NaN');
});
