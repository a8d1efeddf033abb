import { describe, expect, test } from 'vitest';
import { play, type Arm, type Look, type Traffic } from '../../support/judged-traffic.ts';

const limits = { errorRatio: 0.05, latency: { underSeconds: 1, share: 0.99 } };

/** told returns what is said at the first Fail, or else after the last block. */
function told(traffic: Partial<Traffic>, count: number): string {
  let last: Look | undefined;
  for (const look of play({ seed: 'm', rps: 500, ...traffic }, count)) {
    last = look;
    if (look.verdict.kind === 'Fail') break;
  }
  return `${last?.verdict.kind} ${last?.verdict.reason}: ${last?.verdict.message}`;
}
function canaryHas(ratio: number): (arm: Arm) => number {
  return (arm) => (arm === 'canary' ? ratio : 0.005);
}

const sentences: Record<string, [Partial<Traffic>, number, string]> = {
  'a canary that warms up': [
    { slownessAt: () => 1 },
    2,
    'Inconclusive NotProvenYet: Canary 3/518 bad (0.58%), stable 54/9660 (0.56%). Excess -0.9..+2.2 points (95%, tolerated +0.5). Latency tolerated +20% at 0.025, 0.075, 0.2, 0.75 s. Rollback evidence 0%, safety evidence 0%. Warming up, so not compared before 08:01:00Z.',
  ],
  'a canary that is not proven yet, with the time it takes': [
    { rps: 50 },
    30,
    'Inconclusive NotProvenYet: Canary 2/701 bad (0.29%), stable 64/14264 (0.45%). Excess -0.7..+1.3 points (95%, tolerated +0.5). Rollback evidence 0%, safety evidence 26%. About 14 min at 5% to a verdict.',
  ],
  'a canary that is proven safe, with durations and limits': [
    { slownessAt: () => 1, spec: { slo: limits } },
    40,
    'Pass ProvenSafe: Canary 44/9714 bad (0.45%), stable 941/190257 (0.49%). Excess -0.32..+0.33 points (95%, tolerated +0.5). Latency p99 0.2-0.75s against 0.2-0.75s, tolerated +20%. Rollback evidence 0%, safety evidence 100%. Limits: at most 5% bad, at least 99% within 1 s.',
  ],
  'a margin that is wide, with what to change': [
    { errorRatioAt: () => 0.0001 },
    40,
    'Pass MarginWide: Canary 0/10068 bad (0%), stable 16/189609 (0.0084%). Excess -0.020..+0.072 points (95%, tolerated +0.5). Rollback evidence 0%, safety evidence 100%. The margin is more than ten times the error ratio of stable: lower analysis.errorRatio.maxIncrease.',
  ],
  'a dead canary': [
    { errorRatioAt: canaryHas(1) },
    10,
    'Fail CanaryBroken: The canary is broken: it has over 20 points more errors than stable, which no warm-up explains. Canary 257/257 bad (100%), stable 26/4780 (0.54%). Excess +89..+100 points (95%, tolerated +0.5). Rollback evidence 100%, safety evidence 0%. Warming up, so not compared before 08:01:00Z.',
  ],
  'a canary with more errors': [
    { errorRatioAt: canaryHas(0.05) },
    30,
    'Fail MoreErrors: The canary has more errors than stable and the margin together. Canary 106/2035 bad (5.21%), stable 199/38421 (0.52%). Excess +2.9..+6.8 points (95%, tolerated +0.5). Rollback evidence 100%, safety evidence 0%.',
  ],
  'a slower canary, with the bound at which it shows most': [
    { slownessAt: (arm) => (arm === 'canary' ? 2 : 1) },
    30,
    "Fail Slower: The canary is more than 20% slower than stable: 64.6% of its good requests take longer than 0.075 s, of stable's 30.7%. Canary 9/2006 bad (0.45%), stable 160/37793 (0.42%). Excess -0.5..+0.9 points (95%, tolerated +0.5). Latency p99 >0.2s against 0.2-0.75s, tolerated +20%. Rollback evidence 100%, safety evidence 0%.",
  ],
  'a canary beyond the limit of errors, like stable': [
    { errorRatioAt: () => 0.2, spec: { slo: { errorRatio: 0.05 } } },
    30,
    'Fail ErrorRatioExceeded: The canary has more errors than the 5% of slo.errorRatio. Canary 112/494 bad (22.67%), stable 1919/9638 (19.91%). Excess -5..+12 points (95%, tolerated +0.5). Rollback evidence 100%, safety evidence 0%. Limits: at most 5% bad. Warming up, so not compared before 08:01:00Z.',
  ],
  'a canary beyond the limit of durations, like stable': [
    { slownessAt: () => 6, spec: { slo: { latency: { underSeconds: 1, share: 0.9995 } } } },
    30,
    "Fail LatencyExceeded: Fewer than 99.95% of the canary's good requests take at most 1 s (slo.latency). Canary 7/1959 bad (0.36%), stable 169/37955 (0.45%). Excess -0.5..+0.8 points (95%, tolerated +0.5). Latency p99 >0.5s against 1.5-5s, tolerated +20%. Rollback evidence 100%, safety evidence 0%. Limits: at least 99.95% within 1 s.",
  ],
  'a canary that turns bad at 100 %': [
    {
      weightAt: (index) => (index < 30 ? 50 : 100),
      errorRatioAt: (arm, index) => (arm === 'canary' && index > 35 ? 0.05 : 0.005),
    },
    60,
    "Fail MoreErrors: The canary has more errors at 100% than the 1.05% that stable's last rate and the margin allow. Canary 1333/119984 bad (1.11%), stable 396/75092 (0.53%). Excess +0.35..+0.81 points (95%, tolerated +0.5). Rollback evidence 100%, safety evidence 100%.",
  ],
  'a canary compared with nothing': [
    { spec: { compare: 'None', slo: limits } },
    10,
    'Pass ProvenSafe: Canary 7/2436 bad (0.29%), stable 243/47706 (0.51%). Rollback evidence 0%, safety evidence 100%. Limits: at most 5% bad, at least 99% within 1 s.',
  ],
  'a canary without requests': [
    { rps: 5, weightAt: () => 0 },
    10,
    'Inconclusive TooFewRequests: Canary has answered 0 of 100 requests needed. No requests on the canary yet, stable 2/485 bad (0.41%).',
  ],
};

describe('the sentence of', () => {
  test.each(Object.entries(sentences))('%s', (_name, [traffic, count, sentence]) => {
    expect(told(traffic, count)).toBe(sentence);
  });
});

describe('the latency in the sentence', () => {
  const slow: Partial<Traffic> = { slownessAt: (arm) => (arm === 'canary' ? 2 : 1) };

  test('is that of the quantile that is compared', () => {
    const spec = { latency: { maxIncrease: 0.2, quantile: 0.95 } };
    expect(told({ ...slow, spec }, 30)).toContain('Latency p95 >0.3s against <=0.2s, tolerated +20%.');
  });

  test('says unknown before enough requests tell it', () => {
    const spec = { latency: { maxIncrease: 0.2, quantile: 0.5 } };
    expect(told({ rps: 5, slownessAt: () => 1, spec }, 8)).toMatch(
      /Latency p50 unknown against [^ ]+, tolerated \+20%\./,
    );
  });

  test('is left out where stable has no durations, or too few to compare', () => {
    expect(told({}, 10)).not.toContain('Latency');
    expect(told({ rps: 0.05, slownessAt: () => 1 }, 10)).not.toContain('Latency');
  });
});

describe('no sentence', () => {
  test('promises a time at 100 %', () => {
    const alone: Partial<Traffic> = { rps: 50, weightAt: (index) => (index < 12 ? 50 : 100) };
    expect(told(alone, 14)).not.toContain('to a verdict');
  });
});
