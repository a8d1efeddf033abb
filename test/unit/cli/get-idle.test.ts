import { describe, expect, it } from 'vitest';
import type { RolloutStatus } from '../../../src/api/rollout-status.ts';
import { noteOn, printIdle, readIdle, type IdleReport } from '../../../src/cli/get-idle.ts';
import { rollout } from '../../support/rollout-builders.ts';

const swapped: RolloutStatus = {
  phase: 'Succeeded',
  revision: 'v2',
  promotedRevision: 'v2',
  liveService: 'shop-canary',
};

function reportOn(status: RolloutStatus): IdleReport {
  const report = readIdle(rollout({ promotion: { mode: 'Swap' } }, { status }));
  if (typeof report === 'string') throw new Error(report);
  return report;
}

describe('sluice get --idle', () => {
  it('says which service is idle and which workload to deploy to', () => {
    expect(printIdle(reportOn(swapped), 'Table')).toBe(
      ['IDLE          WORKLOAD                 LIVE', 'shop-stable   Deployment/shop-stable   shop-canary'].join('\n'),
    );
    expect(printIdle(reportOn(swapped), 'Name')).toBe('deployment/shop-stable');
    expect(printIdle(reportOn({ ...swapped, liveService: 'shop-stable' }), 'Name')).toBe('deployment/shop-canary');
  });

  it('says the same to programs', () => {
    const json = JSON.parse(printIdle(reportOn(swapped), 'Json'));
    expect(json).toEqual({
      rollout: 'web/shop',
      phase: 'Succeeded',
      idle: { service: 'shop-stable', workload: { kind: 'Deployment', name: 'shop-stable' } },
      live: { service: 'shop-canary', workload: { kind: 'Deployment', name: 'shop-canary' }, revision: 'v2' },
    });
    expect(printIdle(reportOn(swapped), 'Yaml')).toContain('idle:\n  service: shop-stable\n');
  });

  it('warns of a rollout that runs there, and of nothing at rest', () => {
    expect(noteOn(reportOn(swapped))).toBeUndefined();
    const at = '2026-11-21T09:00:00Z';
    const progress = {
      direction: 'Forward',
      index: 0,
      weight: 5,
      from: 0,
      startedAt: at,
      enteredAt: at,
      plan: '',
    } as const;
    expect(noteOn(reportOn({ ...swapped, revision: 'v3', weight: 5, progress }))).toBe(
      'revision v3 is being rolled out on shop-stable, at 5%; what is deployed there now replaces it and begins at the first step.',
    );
  });

  it('says why nobody is idle', () => {
    expect(readIdle(rollout())).toBe(
      'Rollout web/shop has promotion.mode Hold, so its services do not take turns; a release goes to shop-canary.',
    );
    expect(readIdle(rollout({ promotion: { mode: 'Swap' } }))).toContain('is the controller running?');
    const edited = rollout({ promotion: { mode: 'Swap' } }, { status: { ...swapped, liveService: 'another' } });
    expect(readIdle(edited)).toContain('It is not known yet which service of Rollout web/shop is live');
  });
});
