import { describe, expect, test } from 'vitest';
import { createSeenInstances } from '../../../src/source/seen-instances.ts';
import { ManualClock } from '../../support/manual-clock.ts';

describe('seen instances', () => {
  test('are forgotten when they have not been noted for long, and are never many', async () => {
    const clock = new ManualClock();
    const seen = createSeenInstances(clock, 60_000);
    expect(seen.recent()).toEqual([]);
    seen.note(['a', 'b']);
    await clock.advance(40_000);
    seen.note(['b']);
    expect(seen.recent()).toEqual(['a', 'b']);
    await clock.advance(40_000);
    expect(seen.recent()).toEqual(['b']);
    seen.note(Array.from({ length: 300 }, (_, index) => `pod-${index}`));
    expect(seen.recent()).toHaveLength(200);
    expect(seen.recent().at(-1)).toBe('pod-299');
  });
});
