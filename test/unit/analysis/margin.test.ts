import { describe, expect, test } from 'vitest';
import { isMarginWide, parsePercent, parsePoints } from '../../../src/analysis/margin.ts';

describe('what users write', () => {
  test.each([
    ['0.5pp', 0.005],
    ['0pp', 0],
    ['0.7pp', 0.007],
    ['0.0001pp', 0.000001],
    ['12.5pp', 0.125],
    ['100pp', 1],
  ])('%s are points', (text, margin) => {
    expect(parsePoints(text)).toBe(margin);
  });

  test.each([
    ['20%', 0.2],
    ['0%', 0],
    ['0.7%', 0.007],
    ['99.9%', 0.999],
    ['100%', 1],
    ['250%', 2.5],
  ])('%s is a ratio', (text, ratio) => {
    expect(parsePercent(text)).toBe(ratio);
  });

  test.each(['', '0.5', '0.5%', '0.5 pp', '-1pp', '.5pp', '1e1pp', '0.5ppm', 'pp'])('%j are no points: 0', (text) => {
    expect(parsePoints(text)).toBe(0);
  });

  test.each(['', '20', '20pp', '20 %', '-1%', '1e1%', '20%%', '%'])('%j is no percentage: 0', (text) => {
    expect(parsePercent(text)).toBe(0);
  });
});

describe('a wide margin', () => {
  const half = 0.005;

  test('is over ten times the error ratio of stable', () => {
    expect(isMarginWide(half, { requests: 1e7, errors: 4_000 })).toBe(true);
    expect(isMarginWide(half, { requests: 1e7, errors: 5_000 })).toBe(false);
    expect(isMarginWide(half, { requests: 1e7, errors: 100_000 })).toBe(false);
  });

  test('is not known of few requests, with errors or without', () => {
    expect(isMarginWide(half, { requests: 0, errors: 0 })).toBe(false);
    expect(isMarginWide(half, { requests: 1_000, errors: 0 })).toBe(false);
    expect(isMarginWide(half, { requests: 10_000, errors: 1 })).toBe(false);
  });

  test('is one where stable has no errors in tens of thousands of requests', () => {
    expect(isMarginWide(half, { requests: 20_000, errors: 0 })).toBe(true);
    expect(isMarginWide(0.02, { requests: 5_000, errors: 0 })).toBe(true);
    expect(isMarginWide(0.0001, { requests: 20_000, errors: 0 })).toBe(false);
  });
});
