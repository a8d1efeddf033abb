import { describe, expect, it } from 'vitest';
import type { RolloutProgress, RolloutStatus } from '../../../src/api/rollout-status.ts';
import { nextText, stepText } from '../../../src/cli/status-next.ts';
import { printStatus } from '../../../src/cli/status-tree.ts';
import type { StatusView } from '../../../src/cli/status-view.ts';
import { widthOf } from '../../../src/cli/text.ts';
import { rollout, type WrittenSpec } from '../../support/rollout-builders.ts';

const nowMs = Date.UTC(2026, 10, 21, 9, 30);
const progress: RolloutProgress = {
  direction: 'Forward',
  index: 1,
  weight: 25,
  from: 5,
  startedAt: '2026-11-21T09:20:00.000Z',
  enteredAt: '2026-11-21T09:25:00.000Z',
  appliedAt: '2026-11-21T09:25:00.000Z',
  effectiveAt: '2026-11-21T09:25:00.000Z',
  plan: '5/5m 25/10m 50/10m 100/1m',
};
const status: RolloutStatus = {
  observedGeneration: 1,
  phase: 'Progressing',
  reason: 'StepStarted',
  message:
    'Canary at 25% (step 2 of 4) until 2026-11-21T09:35:00Z. Canary 12/1480 bad (0.81%), stable 141/28120 (0.50%).',
  step: '2/4',
  weight: 25,
  observed: '24.8%',
  verdict: 'Inconclusive',
  revision: '2026.11.3',
  progress,
  analysis: {
    id: 'x',
    since: '2026-11-21T09:20:00Z',
    watermark: '2026-11-21T09:29:50Z',
    canary: { requests: 1480, errors: 12 },
    stable: { requests: 28120, errors: 141 },
    step: { since: '2026-11-21T09:25:00Z', canary: 1000, stable: 3000 },
  },
  conditions: [
    { type: 'Ready', status: 'True', reason: 'StepStarted', message: '', lastTransitionTime: '2026-11-21T09:20:00Z' },
    {
      type: 'TrafficVerified',
      status: 'False',
      reason: 'Stale',
      message: '10.0.0.7:8080 has another weight.',
      lastTransitionTime: '2026-11-21T09:20:00Z',
    },
  ],
  history: [5, 25].map((weight) => ({
    time: `2026-11-21T09:2${weight === 5 ? 0 : 5}:00.000Z`,
    from: 'Pending',
    to: 'Progressing',
    weight,
    reason: 'StepStarted',
  })),
};

const viewOf = (status: RolloutStatus, spec: WrittenSpec = {}): StatusView => ({
  rollout: rollout(spec, { status }),
  nowMs,
  route: { name: 'IngressRoute shop', rules: [{ match: 'Host(`shop.example`)', canaryPercent: 25 }] },
  stable: {
    service: 'shop-stable',
    port: 80,
    endpoints: { ready: 3, all: 3 },
    workload: { kind: 'Deployment', name: 'shop-stable' },
    revision: '1a2b3c4d-5',
  },
  canary: {
    service: 'shop-canary',
    port: 80,
    endpoints: { ready: 2, all: 3 },
    workload: { kind: 'Deployment', name: 'shop-canary' },
    revision: undefined,
  },
});
const plain = { width: 80, isColored: false, isUnicode: true };

describe('sluice status', () => {
  it('draws route, services, step, evidence, trouble and history as a tree', () => {
    expect(printStatus(viewOf(status), plain).join('\n')).toMatchInlineSnapshot(`
      "web/shop: Progressing (StepStarted), step 2/4, canary 25%, revision 2026.11.3
      ├─ message   Canary at 25% (step 2 of 4) until 2026-11-21T09:35:00Z. Canary
      │            12/1480 bad (0.81%), stable 141/28120 (0.50%).
      ├─ step      2/4: 25% for 10m, 5m left
      ├─ next      50% at 09:35:00Z (in 5m), or earlier when proven safe
      ├─ route     IngressRoute shop
      │  └─ stable 75%, canary 25%  Host(\`shop.example\`)
      ├─ stable    shop-stable:80, 3 ready, Deployment shop-stable, at 1a2b3c4d-5
      ├─ canary    shop-canary:80, 2 of 3 ready, Deployment shop-canary
      ├─ evidence  Inconclusive, canary answered 24.8%
      │  └─ requests  canary 12 bad of 1480 (0.81%), stable 141 bad of 28120 (0.5%)
      ├─ conditions
      │  └─ TrafficVerified  False, Stale: 10.0.0.7:8080 has another weight.
      └─ history
         ├─ 2026-11-21T09:20:00Z  Progressing 5% StepStarted
         └─ 2026-11-21T09:25:00Z  Progressing 25% StepStarted"
    `);
  });

  it('draws with plain characters where there are no others, and in colours where there are', () => {
    const ascii = printStatus(viewOf(status), { ...plain, isUnicode: false }).join('\n');
    // oxlint-disable-next-line no-control-regex
    expect(ascii).toMatch(/^[\x20-\x7e\n]*$/);
    const colored = printStatus(viewOf(status), { ...plain, isColored: true }).join('\n');
    expect(colored).toContain('\u001b[36mweb/shop: Progressing');
  });

  it.each([40, 80, 200])('no line is wider than %i columns', (width) => {
    const lines = printStatus(viewOf(status), { ...plain, isColored: true, width });
    expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(width);
  });

  it('says of an empty status that nobody has looked yet', () => {
    const lines = printStatus(viewOf({}), plain);
    expect(lines[0]).toBe('web/shop: no status yet');
    expect(lines.join('\n')).toContain('next    the controller looks at it; is it running?');
  });
});

const next = (change: Partial<RolloutStatus>, spec: WrittenSpec = {}): string =>
  nextText(rollout(spec, { status: { ...status, ...change } }), nowMs);
const pauses = { steps: [{ weight: 25, duration: '10m' }, { pause: {} }] } as const;

describe('what happens next', () => {
  it('is the next weight at its time, earlier with a proof', () => {
    expect(next({})).toBe('50% at 09:35:00Z (in 5m), or earlier when proven safe');
    expect(next({}, { analysis: { pace: 'Time' } as never })).toBe('50% at 09:35:00Z (in 5m)');
    expect(next({ progress: { ...progress, index: 3, weight: 100, effectiveAt: '2026-11-21T09:29:30Z' } })).toBe(
      'promoted at 09:30:30Z (in 30s)',
    );
  });

  it('is what holds a step whose time is over', () => {
    expect(next({ progress: { ...progress, effectiveAt: '2026-11-21T09:10:00Z' } })).toBe(
      '50%, when nothing holds it: see message',
    );
  });

  it('is a person, where only a person goes on', () => {
    const waits = 'it waits for promote; analysis and rollback go on';
    expect(next({ phase: 'Paused', progress: { ...progress, index: 1 } }, pauses)).toBe(waits);
    const hold = { reason: 'Contested', message: 'Two write it.', since: '2026-11-21T09:29:00Z' } as const;
    expect(next({ phase: 'Paused', progress: { ...progress, hold } })).toContain('it waits for promote or abort');
    const pause = { who: 'alice', since: '2026-11-21T09:29:00Z' };
    expect(next({ phase: 'Paused', pause })).toContain('it waits for resume');
    expect(next({ phase: 'Paused' }, { paused: true })).toContain('it waits until spec.paused is false');
  });

  it('is the window, the way back, or the next release', () => {
    expect(next({ opensAt: '2026-11-23T09:00:00.000Z' })).toBe(
      'raising is allowed again at 2026-11-23T09:00:00Z (in 47h30m)',
    );
    const { progress: _progress, ...rest } = status;
    const after = (change: RolloutStatus): string => nextText(rollout({}, { status: { ...rest, ...change } }), nowMs);
    expect(after({ phase: 'Failed', reason: 'MoreErrors' })).toBe('a new revision, or: sluice retry shop');
    expect(after({ phase: 'Succeeded', reason: 'Holding' })).toBe(
      'traffic returns when shop-stable has rolled out, or: sluice promote shop',
    );
    expect(next({ progress: { ...progress, direction: 'Return', index: 0, weight: 95 } })).toBe(
      'the canary goes to 75%',
    );
  });

  it('says of the step how much of it is left', () => {
    const step = (change: Partial<RolloutProgress>, spec: WrittenSpec = {}): string | undefined =>
      stepText(rollout(spec, { status: { ...status, progress: { ...progress, ...change } } }), nowMs);
    expect(step({})).toBe('2/4: 25% for 10m, 5m left');
    expect(step({ effectiveAt: '2026-11-21T09:00:00Z' })).toBe('2/4: 25% for 10m, its time is over');
    expect(step({}, pauses)).toBe('2/4: pause at 25% until promoted');
  });
});
