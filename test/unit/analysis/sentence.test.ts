import { describe, expect, test } from 'vitest';
import { anytimeExcess } from '../../../src/analysis/interval.ts';
import type { Arms } from '../../../src/analysis/sample.ts';
import { describeFindings, etaSeconds, evidencePercent, type Findings } from '../../../src/analysis/sentence.ts';

const alpha = 0.05;
const confidence = { alpha, beta: alpha };
const midway = arms(12, 1480, 141, 28_120);
const bare: Findings = { ...confidence, arms: midway, excess: { low: -0.001, high: 0.012 }, tolerated: 0.005 };
const evidence = { lnRollback: 0.02 * Math.log(20), lnSafe: 0.61 * Math.log(20) };

describe('the sentence of a rollout under way', () => {
  test('reads as promised', () => {
    expect(describeFindings({ ...bare, etaSeconds: 540, weightPercent: 10 })).toBe(
      'Canary 12/1480 bad (0.81%), stable 141/28120 (0.50%). Excess -0.1..+1.2 points (95%, tolerated +0.5). About 9 min at 10% to a verdict.',
    );
  });

  test('tells the evidence before the time left', () => {
    expect(describeFindings({ ...bare, evidence, etaSeconds: 540, weightPercent: 10 })).toBe(
      'Canary 12/1480 bad (0.81%), stable 141/28120 (0.50%). Excess -0.1..+1.2 points (95%, tolerated +0.5). Rollback evidence 2%, safety evidence 61%. About 9 min at 10% to a verdict.',
    );
  });

  test('tells the interval of the counts themselves', () => {
    expect(describeFindings({ ...bare, excess: anytimeExcess(midway, alpha) })).toBe(
      'Canary 12/1480 bad (0.81%), stable 141/28120 (0.50%). Excess -0.4..+1.6 points (95%, tolerated +0.5).',
    );
  });

  test('tells latency after the excess', () => {
    expect(describeFindings({ ...bare, evidence, latency: 'p99 0.3-1.2s against 0.1-0.3s' })).toBe(
      'Canary 12/1480 bad (0.81%), stable 141/28120 (0.50%). Excess -0.1..+1.2 points (95%, tolerated +0.5). Latency p99 0.3-1.2s against 0.1-0.3s. Rollback evidence 2%, safety evidence 61%.',
    );
  });

  test('tells of bursts when errors are more than half as variable again', () => {
    expect(describeFindings({ ...bare, phi: 4.7 })).toBe(
      'Canary 12/1480 bad (0.81%), stable 141/28120 (0.50%). Excess -0.1..+1.2 points (95%, tolerated +0.5). Errors come in bursts of about 5; counts discounted.',
    );
    expect(describeFindings({ ...bare, phi: 1.5 })).toBe(describeFindings(bare));
    expect(describeFindings({ ...bare, phi: 1.51 })).toContain('bursts of about 2;');
  });

  test('tells a dead canary', () => {
    const dead = arms(41, 41, 4, 780);
    expect(
      describeFindings({
        ...confidence,
        arms: dead,
        excess: anytimeExcess(dead, alpha),
        tolerated: 0.005,
        evidence: { lnRollback: 40, lnSafe: -80 },
      }),
    ).toBe(
      'Canary 41/41 bad (100%), stable 4/780 (0.51%). Excess +61..+100 points (95%, tolerated +0.5). Rollback evidence 100%, safety evidence 0%.',
    );
  });

  test('tells a service without errors, and a margin that is known to more digits', () => {
    const clean = arms(0, 90_000, 0, 1_200_000);
    expect(
      describeFindings({ ...confidence, arms: clean, excess: anytimeExcess(clean, alpha), tolerated: 0.000125 }),
    ).toBe('Canary 0/90000 bad (0%), stable 0/1200000 (0%). Excess -0.001..+0.010 points (95%, tolerated +0.0125).');
  });
});

describe('the sentence where something is missing', () => {
  test('before the first request', () => {
    const nothing: Findings = {
      ...bare,
      arms: arms(0, 0, 0, 0),
      excess: { low: -1, high: 1 },
      evidence: { lnRollback: 0, lnSafe: 0 },
    };
    expect(describeFindings(nothing)).toBe('No requests on canary or stable yet.');
  });

  test('while the canary has no requests', () => {
    expect(describeFindings({ ...bare, arms: arms(0, 0, 141, 28_120), evidence })).toBe(
      'No requests on the canary yet, stable 141/28120 bad (0.50%).',
    );
  });

  test('while stable has no requests', () => {
    expect(describeFindings({ ...bare, arms: arms(1, 300, 0, 0), evidence })).toBe(
      'Canary 1/300 bad (0.33%). Stable has no requests: only absolute limits are checked. Rollback evidence 2%, safety evidence 61%.',
    );
  });

  test('without a comparison', () => {
    expect(describeFindings({ ...confidence, arms: midway })).toBe(
      'Canary 12/1480 bad (0.81%), stable 141/28120 (0.50%).',
    );
  });
});

describe('numbers in a sentence', () => {
  test.each<[number, number, string]>([
    [0, 3, '0/3 bad (0%)'],
    [3, 3, '3/3 bad (100%)'],
    [1, 9_999_999, '1/9999999 bad (<0.0001%)'],
    [12, 9_999_999, '12/9999999 bad (0.0001%)'],
    [3_000_000, 12_345_678, '3000000/12.3M bad (24.30%)'],
    [12_000_000, 12_345_678_901, '12M/12300M bad (0.10%)'],
    [9_999_998, 9_999_999, '9999998/9999999 bad (>99.99%)'],
    [1, 10_000, '1/10000 bad (0.01%)'],
    [1, 20_000, '1/20000 bad (0.0050%)'],
  ])('%d of %d is %s', (errors, requests, text) => {
    expect(describeFindings({ ...confidence, arms: arms(errors, requests, 0, 0) })).toContain(`Canary ${text}. `);
  });

  test.each<[number, number, string]>([
    [-0.004, 0.012, '-0.4..+1.2'],
    [-0.12, 0.44, '-12..+44'],
    [-1, 1, '-100..+100'],
    [-0.00004, 0.00021, '-0.004..+0.021'],
    [-0.0000001, 0.0000001, '0.0000..0.0000'],
    [-0.0004, 0.013, '0.0..+1.3'],
    [0.001, 0.001, '+0.10..+0.10'],
  ])('an excess of %d to %d is %s', (low, high, text) => {
    expect(describeFindings({ ...bare, excess: { low, high } })).toContain(`Excess ${text} points`);
  });

  test.each<[number, string]>([
    [0.2, 'About 10 s to'],
    [50, 'About 50 s to'],
    [51, 'About 1 min to'],
    [61, 'About 2 min to'],
    [5400, 'About 90 min to'],
    [5401, 'About 2 h to'],
    [86_400, 'About 24 h to'],
  ])('%d seconds are %j', (seconds, text) => {
    expect(describeFindings({ ...bare, etaSeconds: seconds })).toContain(text);
  });

  test('confidence and weight have the digits they were given', () => {
    const text = describeFindings({ ...bare, alpha: 0.001, etaSeconds: 540, weightPercent: 12.5 });
    expect(text).toContain('(99.9%, tolerated +0.5)');
    expect(text).toContain('at 12.5% to a verdict');
  });

  test('a tolerance of nothing has no sign', () => {
    expect(describeFindings({ ...bare, tolerated: 0 })).toContain('(95%, tolerated 0)');
  });
});

describe('the length of a sentence', () => {
  const long: Findings = {
    alpha: 0.001,
    beta: 0.001,
    arms: arms(1_234_567, 9_999_999, 999_999, 9_999_999),
    excess: { low: -0.123, high: 0.456 },
    tolerated: 0.1234,
    evidence,
    phi: 12,
    etaSeconds: 3000,
    weightPercent: 12.5,
    latency: 'p99 0.3-1.2s against 0.3-1.2s',
  };

  test('gives up the evidence first', () => {
    expect(describeFindings(long)).toBe(
      'Canary 1234567/9999999 bad (12.35%), stable 999999/9999999 (10.00%). Excess -12..+46 points (99.9%, tolerated +12.34). Latency p99 0.3-1.2s against 0.3-1.2s. Errors come in bursts of about 12; counts discounted. About 50 min at 12.5% to a verdict.',
    );
  });

  test('gives up the bursts next, then the time left', () => {
    const twoQuantiles = 'p50 0.01-0.025s against 0.01-0.025s, p99 0.3-1.2s against 0.3-1.2s';
    expect(describeFindings({ ...long, latency: twoQuantiles })).toBe(
      'Canary 1234567/9999999 bad (12.35%), stable 999999/9999999 (10.00%). Excess -12..+46 points (99.9%, tolerated +12.34). Latency p50 0.01-0.025s against 0.01-0.025s, p99 0.3-1.2s against 0.3-1.2s. About 50 min at 12.5% to a verdict.',
    );
    expect(describeFindings({ ...long, latency: `${twoQuantiles}, p95 0.1-0.3s against 0.1-0.3s` })).not.toContain(
      'to a verdict',
    );
  });

  test('never gives up counts, excess and latency', () => {
    const latency = `p99 ${'0.3-1.2s '.repeat(30)}`;
    expect(describeFindings({ ...long, latency })).toBe(
      `Canary 1234567/9999999 bad (12.35%), stable 999999/9999999 (10.00%). Excess -12..+46 points (99.9%, tolerated +12.34). Latency ${latency}.`,
    );
  });
});

describe('evidencePercent', () => {
  test('is full only when the evidence is enough', () => {
    expect(evidencePercent(Math.log(20), alpha)).toBe(100);
    expect(evidencePercent(Math.log(19.99), alpha)).toBe(99);
    expect(evidencePercent(Math.log(20) / 2, alpha)).toBe(50);
    // ln(1 / .057) is less than -ln(.057), by rounding.
    expect(evidencePercent(Math.log(1 / 0.057), 0.057)).toBe(100);
  });

  test('never leaves 0 to 100', () => {
    expect(evidencePercent(-50, alpha)).toBe(0);
    expect(evidencePercent(-Infinity, alpha)).toBe(0);
    expect(evidencePercent(NaN, alpha)).toBe(0);
    expect(evidencePercent(0, alpha)).toBe(0);
    expect(evidencePercent(900, alpha)).toBe(100);
    expect(evidencePercent(Infinity, alpha)).toBe(100);
  });
});

describe('etaSeconds', () => {
  test('goes on at the pace so far', () => {
    expect(etaSeconds({ lnSafe: 1, lnNeeded: 3, secondsSoFar: 300 })).toBe(600);
  });

  test('is unknown without evidence, when there is enough, and beyond a day', () => {
    const lnNeeded = Math.log(20);
    expect(etaSeconds({ lnSafe: 0, lnNeeded, secondsSoFar: 300 })).toBeUndefined();
    expect(etaSeconds({ lnSafe: -2, lnNeeded, secondsSoFar: 300 })).toBeUndefined();
    expect(etaSeconds({ lnSafe: 1, lnNeeded, secondsSoFar: 0 })).toBeUndefined();
    expect(etaSeconds({ lnSafe: lnNeeded, lnNeeded, secondsSoFar: 300 })).toBeUndefined();
    expect(etaSeconds({ lnSafe: NaN, lnNeeded, secondsSoFar: 300 })).toBeUndefined();
    expect(etaSeconds({ lnSafe: 0.001, lnNeeded, secondsSoFar: 300 })).toBeUndefined();
    expect(etaSeconds({ lnSafe: 1, lnNeeded: 2, secondsSoFar: 86_400 })).toBe(86_400);
  });
});

function arms(canaryErrors: number, canaryRequests: number, stableErrors: number, stableRequests: number): Arms {
  return {
    canary: { requests: canaryRequests, errors: canaryErrors },
    stable: { requests: stableRequests, errors: stableErrors },
  };
}
