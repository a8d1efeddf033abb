import { getEventListeners } from 'node:events';
import { getActiveResourcesInfo } from 'node:process';
import { describe, expect, it } from 'vitest';
import { formatTime, parseTime, systemClock } from '../../src/clock.ts';

const aMonthMs = 31 * 24 * 3_600_000;
const reason = new Error('enough');

/** timers is the number of timers of this process that have not fired; the test runner has some of its own. */
function timers(): number {
  return getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
}

describe('systemClock.sleep', () => {
  it('resolves after the time and listens to the signal no more', async () => {
    const { signal } = new AbortController();
    const startMs = systemClock.monotonicMs();
    await systemClock.sleep(20, signal);
    expect(systemClock.monotonicMs() - startMs).toBeGreaterThanOrEqual(19);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('rejects with the reason of a signal that was aborted before, without starting a timer', async () => {
    const before = timers();
    await expect(systemClock.sleep(60_000, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(timers()).toBe(before);
  });

  it('rejects with the reason of a signal that aborts meanwhile, and takes its timer back', async () => {
    const controller = new AbortController();
    const before = timers();
    const sleeping = systemClock.sleep(60_000, controller.signal);
    expect(timers()).toBe(before + 1);
    controller.abort(reason);
    await expect(sleeping).rejects.toBe(reason);
    expect(timers()).toBe(before);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });
});

describe('systemClock.schedule', () => {
  it('calls back once, and not at all when it was cancelled', async () => {
    const calls: string[] = [];
    systemClock.schedule(5, () => calls.push('kept'));
    systemClock.schedule(5, () => calls.push('cancelled'))();
    await systemClock.sleep(30);
    expect(calls).toEqual(['kept']);
  });

  it('waits as long as a timer can where it is asked for more, instead of calling back at once', async () => {
    const calls: string[] = [];
    const cancel = systemClock.schedule(aMonthMs, () => calls.push('a month'));
    await systemClock.sleep(30);
    cancel();
    expect(calls).toEqual([]);
  });
});

describe('systemClock.timeout', () => {
  it('aborts with a TimeoutError', async () => {
    const signal = systemClock.timeout(0.5);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
  });

  it.each([aMonthMs, 2 ** 40, Number.POSITIVE_INFINITY])('lasts as long as a timer can for %d ms', async (ms) => {
    const signal = systemClock.timeout(ms);
    await systemClock.sleep(20);
    expect(signal.aborted).toBe(false);
  });
});

describe('parseTime', () => {
  it.each([
    ['a time of the API server', '2026-11-21T09:30:00Z', Date.UTC(2026, 10, 21, 9, 30)],
    ['a MicroTime', '2026-11-21T09:30:00.123456Z', Date.UTC(2026, 10, 21, 9, 30, 0, 123)],
    ['another time zone', '2026-11-21T10:30:00+01:00', Date.UTC(2026, 10, 21, 9, 30)],
    ['the date of an HTTP header', 'Sat, 21 Nov 2026 09:30:00 GMT', Date.UTC(2026, 10, 21, 9, 30)],
  ])('reads %s', (_name, text, ms) => {
    expect(parseTime(text)).toBe(ms);
  });

  it.each([undefined, '', 'shop 1', '1', '2026', '2026-11-21', '2026-13-01T00:00:00Z', '2026-11-21T09:30:00', '0'])(
    'finds no time in %s',
    (text) => {
      expect(parseTime(text)).toBeUndefined();
    },
  );
});

describe('formatTime', () => {
  it('writes milliseconds and UTC, and parseTime reads it back', () => {
    expect(formatTime(1_795_253_400_000)).toBe('2026-11-21T09:30:00.000Z');
    expect(parseTime(formatTime(1_795_253_400_007))).toBe(1_795_253_400_007);
  });
});
