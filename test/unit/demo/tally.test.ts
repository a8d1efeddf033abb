import { expect, test } from 'vitest';
import { addAnswer, canaryShare, noTally, requestsOf, type Answer } from '../../../src/demo/tally.ts';

const answer: Answer = { host: 'good', service: 'good-stable', isError: false, tookMs: 10, atMs: 100 };

test('answers are counted by host and by who gave them', () => {
  const tally = [
    answer,
    { ...answer, service: 'good-canary', isError: true, atMs: 200 },
    { ...answer, service: 'good-canary', tookMs: 30, atMs: 300 },
    { ...answer, host: 'bad', service: 'bad-stable', atMs: 400 },
    { ...answer, host: 'bad', service: undefined, isError: true, atMs: 500 },
  ].reduce((sum, one) => addAnswer(sum, one as Answer), noTally);
  expect(tally.good.stable).toEqual({ requests: 1, errors: 0, totalMs: 10, firstMs: 100, lastMs: 100 });
  expect(tally.good.canary).toEqual({ requests: 2, errors: 1, totalMs: 40, firstMs: 200, lastMs: 300 });
  expect(tally.bad.stable.requests).toBe(1);
  expect(tally.bad.lost).toBe(1);
  expect(tally.atMs).toBe(500);
  expect(requestsOf(tally)).toBe(5);
});

test('a version of one story behind the host of the other counts where the request went', () => {
  const tally = addAnswer(noTally, { ...answer, host: 'bad', service: 'good-canary' });
  expect(tally.bad.canary.requests).toBe(1);
  expect(tally.good.canary.requests).toBe(0);
});

test('the share is that of the time between two tallies', () => {
  const before = addAnswer(noTally, answer);
  const after = [answer, { ...answer, service: 'good-canary' }, answer, answer].reduce(addAnswer, before);
  expect(canaryShare(before.good, after.good)).toBe(0.25);
  expect(canaryShare(after.good, after.good)).toBeUndefined();
});
