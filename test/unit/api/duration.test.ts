import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from '../../../src/api/duration.ts';

describe('parseDuration', () => {
  it.each([
    ['0s', 0],
    ['10s', 10_000],
    ['500ms', 500],
    ['1m', 60_000],
    ['1h30m', 5_400_000],
    ['1h1m1s1ms', 3_661_001],
    ['30m1h', 5_400_000],
    ['90m', 5_400_000],
    ['1m1ms', 60_001],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '5', 'm', '1.5h', '-1h', '1d', '1h ', ' 1h', '1h30', '1H'])(
    'takes "%s" for 0, not for a part of it',
    (text) => {
      expect(parseDuration(text)).toBe(0);
    },
  );
});

describe('formatDuration', () => {
  it.each([
    [0, '0s'],
    [-5_000, '0s'],
    [1, '1s'],
    [1_000, '1s'],
    [1_001, '2s'],
    [60_000, '1m'],
    [3_600_000, '1h'],
    [3_900_000, '1h5m'],
    [3_605_000, '1h5s'],
    [90_061_000, '25h1m1s'],
    [59_999, '1m'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('loses nothing but parts of a second, which it rounds up', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000_000_000 }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(Math.ceil(ms / 1_000) * 1_000);
      }),
    );
  });
});
