import { describe, expect, it } from 'vitest';
import { createServerClock } from '../../../src/kube/server-clock.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const dateOf = (ms: number): string => new Date(ms).toUTCString();

describe('createServerClock', () => {
  it('knows nothing before the first answer', () => {
    expect(createServerClock(new ManualClock()).offsetMs()).toBe(0);
  });

  it('counts a difference beyond the resolution of the header', () => {
    const clock = new ManualClock();
    const serverClock = createServerClock(clock);
    for (const [aheadMs, offsetMs] of [
      [0, 0],
      [-1000, 0],
      [60_000, 60_500],
      [-60_000, -59_500],
    ] as const) {
      serverClock.observe(dateOf(clock.nowMs() + aheadMs), clock.monotonicMs());
      expect(serverClock.offsetMs()).toBe(offsetMs);
    }
  });

  it('ignores an answer that took longer than 2 s, and what is no date', async () => {
    const clock = new ManualClock();
    const serverClock = createServerClock(clock);
    const sentAtMs = clock.monotonicMs();
    serverClock.observe('tomorrow', sentAtMs);
    serverClock.observe(undefined, sentAtMs);
    await clock.advance(2001);
    serverClock.observe(dateOf(clock.nowMs() + 60_000), sentAtMs);
    expect(serverClock.offsetMs()).toBe(0);
  });

  it.each([3_600_000, -3_600_000])('tells the same time when our wall clock jumps by %i ms', async (jumpMs) => {
    const clock = new ManualClock();
    const serverClock = createServerClock(clock);
    serverClock.observe(dateOf(clock.nowMs()), clock.monotonicMs());
    await clock.advance(10_000);
    const serverMs = clock.nowMs() + serverClock.offsetMs();
    clock.jumpWallClock(jumpMs);
    expect(Math.abs(clock.nowMs() + serverClock.offsetMs() - serverMs)).toBeLessThanOrEqual(1000);
    await clock.advance(60_000);
    expect(Math.abs(clock.nowMs() + serverClock.offsetMs() - serverMs - 60_000)).toBeLessThanOrEqual(1000);
  });
});
