import { describe, expect, it } from 'vitest';
import { compareResourceVersions, isOlder } from '../../../src/kube/resource-version.ts';

describe('compareResourceVersions', () => {
  it.each([
    ['9', '10', -1],
    ['10', '9', 1],
    ['10', '10', 0],
    ['12345678901234567890', '12345678901234567891', -1],
    ['99999999999999999999', '100000000000000000000', -1],
  ])('orders %s and %s as numbers', (a, b, sign) => {
    expect(Math.sign(compareResourceVersions(a, b) ?? Number.NaN)).toBe(sign);
  });

  it.each([
    ['', '1'],
    ['0', '1'],
    ['01', '1'],
    ['abc', 'abd'],
    ['1', undefined],
  ])('does not compare %s with %s', (a, b) => {
    expect(compareResourceVersions(a, b)).toBeUndefined();
    expect(isOlder(a, b)).toBe(false);
    expect(isOlder(b, a)).toBe(false);
  });
});
