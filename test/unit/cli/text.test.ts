import { describe, expect, test } from 'vitest';
import { bar, between, cut, grouped, percent, wrap } from '../../../src/cli/text.ts';

describe('bar', () => {
  test('fills eighths of a character', () => {
    expect(bar(0.5, 4, { isUnicode: true })).toEqual(['██', '░░']);
    expect(bar(0.05, 10, { isUnicode: true })).toEqual(['▌', '░░░░░░░░░']);
    expect(bar(1, 3, { isUnicode: true })).toEqual(['███', '']);
    expect(bar(0.5, 4, { isUnicode: false })).toEqual(['##', '..']);
  });

  test('takes its width whatever the part is', () => {
    for (let part = -0.1; part < 1.1; part += 0.013) {
      for (const isUnicode of [true, false]) {
        expect(bar(part, 17, { isUnicode }).join('')).toHaveLength(17);
      }
    }
  });
});

describe('wrap', () => {
  test('breaks at blanks and cuts what is too much', () => {
    expect(wrap('one two three four five', 9, 5)).toEqual(['one two', 'three', 'four five']);
    expect(wrap('one two three four five', 9, 2)).toEqual(['one two', 'three ...']);
    expect(wrap('', 9, 2)).toEqual(['']);
  });

  test('cuts a word that is longer than a line', () => {
    expect(wrap('a unbelievable b', 6, 5)).toEqual(['a', 'unb...', 'b']);
  });
});

test('between gives way on the left', () => {
  expect(between('left', 'right', 12).join('')).toBe('left   right');
  expect(between('a long text', 'right', 12).join('')).toBe('a l... right');
  expect(between('left', 'right', 3).join('')).toBe('rig');
});

test('cut keeps what fits', () => {
  expect(cut('four', 4)).toBe('four');
  expect(cut('fives', 4)).toBe('f...');
  expect(cut('fives', 2)).toBe('fi');
});

test('counts have commas and ratios no more decimals than they need', () => {
  expect([0, 999, 1_000, 1_234_567].map(grouped)).toEqual(['0', '999', '1,000', '1,234,567']);
  expect([0, 0.00284, 0.1234, 1].map(percent)).toEqual(['0%', '0.28%', '12.3%', '100%']);
});
