import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundPattern, toBound } from '../../../src/source/bounds.ts';

/** Ways in which exporters and Prometheus write a bound; Go writes two digits of an exponent. */
function textsOf(bound: number): readonly string[] {
  const [mantissa = '', exponent = ''] = bound.toExponential().split('e');
  const digits = exponent.slice(1).padStart(2, '0');
  const decimal = String(bound);
  return [
    ...(decimal.includes('e') ? [] : [decimal, decimal.includes('.') ? `${decimal}0` : `${decimal}.0`]),
    `${mantissa}e${exponent}`,
    `${mantissa}e${exponent[0]}${digits}`,
    `${mantissa.includes('.') ? mantissa : `${mantissa}.0`}e${exponent[0]}${digits}`,
  ];
}
const matches = (bound: number, text: string): boolean => new RegExp(`^(?:${boundPattern(bound)})$`).test(text);
const bound = fc.oneof(
  fc.constantFrom(0.005, 0.1, 0.3, 1, 1.2, 5, 10, 100, 1e-7, 2.5e22),
  fc.double({ min: 1e-9, max: 1e24, noNaN: true }),
);

describe('the bound of a bucket', () => {
  test('is asked for in every way in which it is written', () => {
    fc.assert(
      fc.property(bound, (bound) => {
        for (const text of textsOf(bound)) {
          expect(toBound(text)).toBe(bound);
          expect(matches(bound, text)).toBe(true);
        }
      }),
    );
  });

  test('is not asked for where another one is written', () => {
    fc.assert(
      fc.property(bound, bound, (bound, other) => {
        fc.pre(bound !== other);
        for (const text of textsOf(other)) expect(matches(bound, text)).toBe(false);
      }),
    );
    expect(matches(1, '1x0')).toBe(false);
    expect(matches(0.1, '011')).toBe(false);
    expect(matches(10, '100')).toBe(false);
  });

  test('may be infinite, or none', () => {
    expect(toBound('+Inf')).toBe(Number.POSITIVE_INFINITY);
    expect(matches(Number.POSITIVE_INFINITY, '+Inf')).toBe(true);
    expect([toBound(undefined), toBound(''), toBound('x')]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  });
});
