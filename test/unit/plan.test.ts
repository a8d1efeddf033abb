import { describe, expect, it } from 'vitest';
import type { PlanReport } from '../../src/cli/plan-report.ts';
import { systemClock } from '../../src/clock.ts';
import { runPlan, type PlanCall, type PlanResult } from '../../src/plan.ts';
import { goodManifests } from '../support/broken-manifests.ts';

/** A Monday, 09:30 in Paris. */
const nowMs = Date.UTC(2026, 10, 23, 8, 30);

function plan(text: string, call: Partial<PlanCall> = {}, atMs = nowMs): Promise<PlanResult> {
  const { signal } = new AbortController();
  return runPlan(
    { filename: '-', namespace: 'web', settings: {}, ...call },
    { env: {}, signal, readInput: async () => text, clock: { ...systemClock, nowMs: () => atMs } },
  );
}

async function report(text: string, atMs = nowMs): Promise<PlanReport> {
  const result = await plan(text, { output: 'json' }, atMs);
  if (result.kind === 'Failed') throw new Error(result.message);
  return JSON.parse(result.text) as PlanReport;
}

const stepsOf = ({ steps }: PlanReport): readonly string[] =>
  steps.map(({ step, weight, pause, after }) =>
    [step, `${weight}%`, pause, after.duration, after.since].filter((part) => part !== undefined).join(' '),
  );
const withSteps = (steps: string, more = ''): string =>
  goodManifests.replace(/ {2}steps:\n.*? {2}schedule:\n.*?\n.*?\n/s, `  ${steps}\n${more}`);

describe('the plan of a rollout', () => {
  it('has each step with the soonest time, its gates and its patch', async () => {
    const found = await report(goodManifests);
    expect(stepsOf(found)).toEqual([
      '1/4 5% 0s Start',
      '2/4 25% 1m5s Start',
      '3/4 25% until promoted 2m10s Start',
      '4/4 100% 0s Promote',
    ]);
    const window = 'an open window: "0 9 * * 1-5" for 8h (Europe/Paris)';
    expect(found.steps.map(({ gates }) => gates)).toEqual([
      [
        'a new spec.revision',
        '1 ready endpoint of shop-canary, and 1 of shop-stable',
        'the metric source answers and knows the requests of stable',
        window,
      ],
      [
        '5% in effect for 5m, or for 60s with the proof that the canary is safe, or a promote',
        '100 requests of the canary and no sign against it',
        'queue-depth within limits',
        '1 ready endpoint of shop-canary',
        window,
      ],
      [
        '25% in effect for 10m, or for 60s with the proof that the canary is safe, or a promote',
        '100 requests of the canary and no sign against it',
        'queue-depth within limits',
        '1 ready endpoint of shop-canary',
      ],
      [
        'a promote',
        'the proof that the canary is not worse',
        'queue-depth within limits',
        '1 ready endpoint of shop-canary',
        window,
      ],
    ]);
    expect(found.steps[0]?.patch).toEqual([
      { op: 'test', path: '/spec/routes/0/match', value: 'Host(`shop.example`)' },
      { op: 'test', path: '/spec/routes/0/services/0/name', value: 'shop-stable' },
      { op: 'add', path: '/spec/routes/0/services/0/weight', value: 95 },
      { op: 'add', path: '/spec/routes/0/services/1', value: { name: 'shop-canary', port: 80, weight: 5 } },
    ]);
    expect(found.matchRoute?.metadata.name).toBe('shop-canary-match');
    expect(found.onDelete.patch).toEqual([]);
  });

  it('waits for the window, and for the queue behind it', async () => {
    const sunday = nowMs - 86_400_000;
    const [first] = (await report(goodManifests, sunday)).steps;
    expect(first?.held).toEqual([
      'spec.schedule holds the rollout before its first step until 2026-11-23T08:00:00.000Z.',
      expect.stringContaining('The queue of those that waited for an opening') as string,
    ]);
    expect(first?.earliest).toMatch(/^2026-11-23T08:00:/);
  });

  it('has every weight of a ramp, by time without analysis', async () => {
    const text = withSteps('ramp: {from: 1, to: 8, multiply: 2, every: 2m}').replace(
      '  analysis:\n',
      '  analysis:\n    mode: Disabled\n',
    );
    expect(stepsOf(await report(text))).toEqual([
      '1/5 1% 0s Start',
      '2/5 2% 2m5s Start',
      '3/5 4% 4m10s Start',
      '4/5 8% 6m15s Start',
      '5/5 100% 8m20s Start',
    ]);
  });

  it.each([
    ['Hold', '', 'shop-canary keeps 100%. Update shop-stable next'],
    ['Swap', 'Swap', 'shop-canary is the live one. The next release goes to shop-stable.'],
    ['Copy', 'Copy', 'The judged pod template is copied to Deployment shop-stable'],
  ])('says what the end is with %s', async (_mode, mode, text) => {
    const both = goodManifests
      .replace(
        '    service: shop-stable\n',
        '    service: shop-stable\n    workload: {kind: Deployment, name: shop-stable}\n',
      )
      .replace(
        '    service: shop-canary\n',
        '    service: shop-canary\n    workload: {kind: Deployment, name: shop-canary}\n',
      )
      .replace('  revision: "1"\n', mode === '' ? '' : `  promotion: {mode: ${mode}}\n`);
    const found = await report(both);
    expect(found.end.text).toContain(text);
    expect(found.steps).toHaveLength(4);
    expect(found.steps[0]?.gates[0]).toBe('a new revision of Deployment shop-canary, fully rolled out');
  });

  it('says what a deletion puts back, and that a failure may pause', async () => {
    const text = goodManifests.replace('  revision: "1"', '  revision: "1"\n  onDelete: Restore\n  onFailure: Pause');
    const found = await report(text);
    expect(found.onDelete.patch.map(({ op }) => op)).toEqual(['test', 'test', 'remove', 'add']);
    expect(found.onFailure).toContain('The weight stays');
    expect(found.steps[1]?.rollback.map(({ op }) => op)).toEqual(['test', 'test', 'test', 'remove', 'remove']);
  });

  it('is a page for people', async () => {
    const result = await plan(goodManifests);
    expect(result).toMatchObject({ kind: 'Done' });
    const { text } = result as { readonly text: string };
    expect(text).toContain(
      'Plan of Rollout web/shop: IngressRoute shop, shop-stable to shop-canary. Nothing was written.',
    );
    expect(text).toContain(
      'Step 3/4: pause at 25% until promoted, at the earliest 2026-11-23T08:32:10Z, 2m10s after the start',
    );
    expect(text).toContain('    {"op":"add","path":"/spec/routes/0/services/0/weight","value":95}');
    expect(text).toContain('With the first step: IngressRoute shop-canary-match');
  });
});

describe('there is no plan', () => {
  it.each([
    [
      'of a Rollout that is paused',
      goodManifests.replace('  revision: "1"', '  revision: "1"\n  paused: true'),
      'spec.paused holds the rollout',
    ],
    [
      'without the route',
      goodManifests
        .split('---')
        .filter((part) => !part.includes('IngressRoute\n'))
        .join('---'),
      'IngressRoute shop does not exist',
    ],
    ['of a file without a Rollout', goodManifests.split('---').slice(1).join('---'), '- has 0 Rollouts'],
    [
      'of what the API server would refuse',
      goodManifests.replace('weight: 5', 'weight: 500'),
      'stdin:22:5: Rollout web/shop: spec.steps[0].weight:',
    ],
  ])('%s', async (_what, text, message) => {
    const result = await plan(text);
    expect(result).toEqual({ kind: 'Failed', message: expect.stringContaining(message) as string });
  });
});
