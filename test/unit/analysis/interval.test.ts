import { describe, expect, test } from 'vitest';
import { anytimeExcess, anytimeInterval, lnGamma } from '../../../src/analysis/interval.ts';

describe('lnGamma', () => {
  test.each([
    [0.5, 0.5723649429247001],
    [1, 0],
    [1.5, -0.12078223763524522],
    [2, 0],
    [5, 3.1780538303479458],
    [10, 12.801827480081469],
    [100, 359.1342053695754],
    [1e9, 19723265827.503716],
  ])('of %d is known', (z, known) => {
    expect(Math.abs(lnGamma(z) - known)).toBeLessThan(1e-12 * Math.max(1, Math.abs(known)));
  });

  test('follows the recurrence across the start of the series', () => {
    for (let z = 0.25; z < 30; z += 0.25) {
      expect(lnGamma(z + 1) - lnGamma(z), `${z}`).toBeCloseTo(Math.log(z), 11);
    }
  });
});

describe('anytimeInterval', () => {
  test('gives the figures of the reference: 0 of 300, 50 of 10,000, 1 of 15', () => {
    expect(percent(0, 300)).toEqual({ low: '0.00', high: '1.68' });
    expect(percent(50, 10_000)).toEqual({ low: '0.29', high: '0.80' });
    expect(percent(1, 15)).toEqual({ low: '0.07', high: '36.39' });
  });

  test('knows nothing without requests, nor of what is no number', () => {
    for (const requests of [0, -3, NaN, Infinity]) {
      expect(anytimeInterval({ requests, errors: 0 }, 0.05), `${requests}`).toEqual({ low: 0, high: 1 });
    }
    const unknownErrors = anytimeInterval({ requests: 300, errors: NaN }, 0.05);
    expect(unknownErrors).toEqual(anytimeInterval({ requests: 300, errors: 0 }, 0.05));
  });

  test('ends at 1 when all requests are bad, however many', () => {
    for (const requests of [1, 5, 1e9]) {
      const { low, high } = anytimeInterval({ requests, errors: requests }, 0.05);
      expect(high, `${requests}`).toBe(1);
      expect(low, `${requests}`).toBeGreaterThan(0);
    }
    expect(anytimeInterval({ requests: 5, errors: 7 }, 0.05)).toEqual(
      anytimeInterval({ requests: 5, errors: 5 }, 0.05),
    );
  });

  test('is as narrow as it should be at a billion requests', () => {
    const { low, high } = anytimeInterval({ requests: 1e9, errors: 5e6 }, 0.05);
    // Some 5.5 standard errors: ln(1 / alpha) + ln(n) / 2 nats each side, less what the prior gives.
    const standardErrors = (high - low) / 2 / Math.sqrt((0.005 * 0.995) / 1e9);
    expect(standardErrors).toBeGreaterThan(4);
    expect(standardErrors).toBeLessThan(7);
    expect((low + high) / 2).toBeCloseTo(0.005, 7);
  });

  test('stays in order and around what was observed at sizes nobody has', () => {
    for (const requests of [1e12, 1e15, 1e18, 1e300]) {
      for (const errors of [0, 1, requests / 3, requests - 1, requests]) {
        const { low, high } = anytimeInterval({ requests, errors }, 0.05);
        expect(low, `${errors} of ${requests}`).toBeLessThanOrEqual(errors / requests);
        expect(high, `${errors} of ${requests}`).toBeGreaterThanOrEqual(errors / requests);
        expect(high - low, `${errors} of ${requests}`).toBeLessThan(1e-5);
      }
    }
  });

  test('takes counts discounted for bursts, which are not whole', () => {
    const discounted = anytimeInterval({ requests: 10_000 / 4.5, errors: 50 / 4.5 }, 0.05);
    const plain = anytimeInterval({ requests: 10_000, errors: 50 }, 0.05);
    expect(discounted.low).toBeLessThan(plain.low);
    expect(discounted.high).toBeGreaterThan(plain.high);
  });
});

describe('anytimeExcess', () => {
  test('is the distance of the two intervals at half of alpha', () => {
    const arms = { canary: { requests: 1480, errors: 12 }, stable: { requests: 28_120, errors: 141 } };
    const { low, high } = anytimeExcess(arms, 0.05);
    expect(low).toBeCloseTo(-0.0045, 4);
    expect(high).toBeCloseTo(0.0158, 4);
  });

  test('knows nothing without requests', () => {
    const none = { requests: 0, errors: 0 };
    expect(anytimeExcess({ canary: none, stable: none }, 0.05)).toEqual({ low: -1, high: 1 });
  });

  test('shows a dead canary as far worse after ten requests', () => {
    const arms = { canary: { requests: 10, errors: 10 }, stable: { requests: 190, errors: 1 } };
    expect(anytimeExcess(arms, 0.05).low).toBeGreaterThan(0.2);
  });
});

function percent(errors: number, requests: number): { low: string; high: string } {
  const { low, high } = anytimeInterval({ requests, errors }, 0.05);
  return { low: (low * 100).toFixed(2), high: (high * 100).toFixed(2) };
}
