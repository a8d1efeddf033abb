import { describe, expect, it } from 'vitest';
import type { HistoryEntry } from '../../../src/api/rollout-status.ts';
import {
  annotationsOf,
  commandPatch,
  findExecution,
  findObstacle,
  isReplaced,
  type Given,
} from '../../../src/cli/command-text.ts';
import { readCommand } from '../../../src/rollout/verbs.ts';
import { rollout } from '../../support/rollout-builders.ts';

const given: Given = { verb: 'promote', nonce: 'n2', who: 'alice' };
const status = { revision: 'r2' };
const withAnnotations = (annotations: Readonly<Record<string, string>>, handledCommand?: string) =>
  rollout(
    {},
    {
      metadata: { name: 'shop', annotations },
      status: handledCommand === undefined ? status : { ...status, handledCommand },
    },
  );
const pending = { 'sluice.dev/command': 'pause n1 rollout-uid r2', 'sluice.dev/command-by': 'bob' };

describe('a command', () => {
  it('is written as the controller reads it', () => {
    const annotations = annotationsOf(rollout({}, { status }), given);
    expect(readCommand(withAnnotations(annotations))).toMatchObject({ state: 'New', verb: 'promote', who: 'alice' });
  });

  it('is written only onto the object that was read', () => {
    expect(commandPatch(rollout({}, { status }), given).slice(0, 2)).toEqual([
      { op: 'test', path: '/metadata/resourceVersion', value: '1' },
      { op: 'add', path: '/metadata/annotations', value: {} },
    ]);
    expect(commandPatch(withAnnotations({ a: 'b' }), given).map(({ path }) => path)).toEqual([
      '/metadata/resourceVersion',
      '/metadata/annotations/sluice.dev~1command-by',
      '/metadata/annotations/sluice.dev~1command',
    ]);
  });

  it('takes the place of none that was not handled, but by abort', () => {
    expect(findObstacle(withAnnotations(pending), 'promote')).toMatch(/^The pause of bob was not handled yet/);
    expect(findObstacle(withAnnotations(pending), 'abort')).toBeUndefined();
    expect(findObstacle(withAnnotations(pending, 'n1'), 'promote')).toBeUndefined();
    expect(findObstacle(rollout(), 'pause')).toMatch(/has no revision yet/);
  });

  it('was replaced where another one stands in its place', () => {
    expect(isReplaced(withAnnotations(pending), given)).toBe(true);
    expect(isReplaced(withAnnotations(annotationsOf(rollout({}, { status }), given)), given)).toBe(false);
    expect(isReplaced(withAnnotations(pending, 'n2'), given)).toBe(false);
  });

  it('was carried out if history says so since', () => {
    const entry = (second: number, who?: string): HistoryEntry => ({
      time: `2026-11-21T09:00:0${second}.000Z`,
      from: '',
      to: 'Paused',
      weight: 5,
      reason: 'PausedByCommand',
      ...(who === undefined ? {} : { who }),
    });
    const history = [entry(1, 'bob'), entry(2), entry(3, 'alice')];
    const after = rollout({}, { status: { ...status, history } });
    expect(findExecution(after, entry(2))?.who).toBe('alice');
    expect(findExecution(after, entry(3))).toBeUndefined();
  });
});
