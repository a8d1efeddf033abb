import { describe, expect, test } from 'vitest';
import { observedShare, shareRefutes, type ShareFinding } from '../../../src/analysis/share.ts';
import { createRandom, type Random } from '../../soak/random.ts';

const tolerance = 0.2;

describe('observedShare', () => {
  test('is the part of all requests that the canary got', () => {
    const arms = { canary: { requests: 50, errors: 50 }, stable: { requests: 950, errors: 0 } };
    expect(observedShare(arms)).toBe(0.05);
  });

  test('is unknown without requests', () => {
    const none = { requests: 0, errors: 0 };
    expect(observedShare({ canary: none, stable: none })).toBeUndefined();
  });
});

describe('shareRefutes', () => {
  test.each<[number, number, number, ShareFinding]>([
    [0, 0, 5, 'Unknown'],
    [0, 20, 5, 'Unknown'],
    [0, 2000, 5, 'Refuted'],
    [0, 2000, 1, 'Refuted'],
    [0, 2000, 0.1, 'Unknown'],
    [20, 0, 5, 'Refuted'],
    [5, 95, 5, 'Unknown'],
    [250, 4750, 5, 'Unknown'],
    [500, 9500, 5, 'Consistent'],
    [5000, 95_000, 5, 'Consistent'],
    [5900, 94_100, 5, 'Unknown'],
    [2500, 97_500, 5, 'Refuted'],
    [50_000, 50_000, 50, 'Consistent'],
    [10_000, 0, 100, 'Consistent'],
    [0, 10_000, 100, 'Refuted'],
    [5000, 5000, 100, 'Refuted'],
    [3, 5000, 0, 'Unknown'],
  ])('calls %d of the canary against %d of stable at a weight of %d percent %s', (canary, stable, weight, finding) => {
    const check = { canaryRequests: canary, stableRequests: stable, weightPercent: weight, tolerance };
    expect(shareRefutes(check)).toBe(finding);
  });

  test('finds a canary that gets no traffic within 120 requests of stable at 5 %', () => {
    expect(shareRefutes({ canaryRequests: 0, stableRequests: 100, weightPercent: 5, tolerance })).toBe('Unknown');
    expect(shareRefutes({ canaryRequests: 0, stableRequests: 120, weightPercent: 5, tolerance })).toBe('Refuted');
  });

  test('refutes the true weight in fewer than 5 of 100 rollouts, even without tolerance and however often one looks', () => {
    const random = createRandom(1);
    for (const weightPercent of [1, 5, 25, 50]) {
      const refuted = countRefuted(random, { weightPercent, tolerance: 0 }, weightPercent);
      expect(refuted, `${weightPercent} %`).toBeLessThan(0.05 * rollouts);
    }
  });

  test('refutes shares within the tolerance in fewer than 5 of 100 rollouts, and half of the weight in all', () => {
    const random = createRandom(2);
    const weights = { weightPercent: 10, tolerance };
    for (const truePercent of [8, 10, 12]) {
      expect(countRefuted(random, weights, truePercent), `${truePercent} %`).toBeLessThan(0.05 * rollouts);
    }
    expect(countRefuted(random, weights, 5)).toBe(rollouts);
  });
});

const rollouts = 300;

/** countRefuted returns in how many rollouts of 10,000 requests a share of `truePercent` was refuted at any look. */
function countRefuted(
  random: Random,
  weights: { weightPercent: number; tolerance: number },
  truePercent: number,
): number {
  let refuted = 0;
  for (let rollout = 0; rollout < rollouts; rollout++) {
    const isRefuted = sendRequests(random, truePercent, (canaryRequests, stableRequests) => {
      return shareRefutes({ ...weights, canaryRequests, stableRequests }) === 'Refuted';
    });
    if (isRefuted) refuted++;
  }
  return refuted;
}

/** sendRequests looks after each 5 of the first 200 requests, then after each 100, until a look finds what it looks for. */
function sendRequests(random: Random, truePercent: number, look: (canary: number, stable: number) => boolean): boolean {
  let canary = 0;
  for (let requests = 1; requests <= 10_000; requests++) {
    if (random.chance(truePercent / 100)) canary++;
    if (requests % (requests <= 200 ? 5 : 100) === 0 && look(canary, requests - canary)) return true;
  }
  return false;
}
