import { describe, expect, test } from 'vitest';
import type { Schedule } from '../../../src/api/rollout.ts';
import { formatTime, parseTime } from '../../../src/clock.ts';
import { calendarAt, jitterOf, scheduleProblems, type FrozenTime } from '../../../src/rollout/schedule.ts';

const ms = (time: string): number => parseTime(time) ?? Number.NaN;

/** at says in short what the calendar says: open since when, or why closed until when. */
function at(time: string, schedule: Schedule | undefined, everywhere: readonly FrozenTime[] = []): string {
  const calendar = calendarAt(ms(time), schedule, everywhere);
  const shown = (when: number | undefined): string => (when === undefined ? 'ever' : formatTime(when).slice(0, 16));
  return calendar.kind === 'Open'
    ? `open since ${shown(calendar.openedMs)}`
    : `${calendar.reason} until ${shown(calendar.opensMs)}`;
}

const office: Schedule = { windows: [{ cron: '0 9 * * 1-5', duration: '8h', timeZone: 'Europe/Paris' }] };

describe('windows', () => {
  test.each([
    ['a minute before', '2026-11-23T07:59:00Z', 'OutsideWindow until 2026-11-23T08:00'],
    ['in the very moment', '2026-11-23T08:00:00Z', 'open since 2026-11-23T08:00'],
    ['near the end', '2026-11-23T15:59:59Z', 'open since 2026-11-23T08:00'],
    ['at the end', '2026-11-23T16:00:00Z', 'OutsideWindow until 2026-11-24T08:00'],
    ['over the weekend', '2026-11-21T12:00:00Z', 'OutsideWindow until 2026-11-23T08:00'],
  ])('in Paris: %s', (_name, time, expected) => {
    expect(at(time, office)).toBe(expected);
  });

  test('are open from the first of those that overlap', () => {
    const hourly: Schedule = { windows: [{ cron: '0 * * * *', duration: '90m', timeZone: 'UTC' }] };
    expect(at('2026-11-23T10:15:00Z', hourly)).toBe('open since 2026-11-23T09:00');
    expect(at('2026-11-23T10:45:00Z', hourly)).toBe('open since 2026-11-23T10:00');
  });

  test('keep to the clock on the wall when it is put forward and back', () => {
    expect(at('2027-03-26T20:00:00Z', office)).toBe('OutsideWindow until 2027-03-29T07:00');
    expect(at('2027-10-29T20:00:00Z', office)).toBe('OutsideWindow until 2027-11-01T08:00');
    const early: Schedule = { windows: [{ cron: '30 2 * * *', duration: '1h', timeZone: 'Europe/Paris' }] };
    // Half past two does not exist on that night, and comes twice on the other.
    expect(at('2027-03-28T00:00:00Z', early)).toBe('OutsideWindow until 2027-03-28T01:00');
    expect(at('2027-10-31T00:00:00Z', early)).toBe('OutsideWindow until 2027-10-31T00:30');
    expect(at('2027-10-31T01:45:00Z', early)).toBe('OutsideWindow until 2027-11-01T01:30');
  });

  test('may be on leap days only', () => {
    const leap: Schedule = { windows: [{ cron: '0 0 29 2 *', duration: '24h', timeZone: 'UTC' }] };
    expect(at('2026-11-21T12:00:00Z', leap)).toBe('OutsideWindow until 2028-02-29T00:00');
    expect(at('2028-02-29T12:00:00Z', leap)).toBe('open since 2028-02-29T00:00');
    expect(at('2028-03-01T00:00:00Z', leap)).toBe('OutsideWindow until 2032-02-29T00:00');
  });

  test.each([
    [{ cron: '0 9 * * 1-8', duration: '8h', timeZone: 'UTC' }, '.cron: "0 9 * * 1-8" is no cron expression; '],
    [{ cron: '0 0 30 2 *', duration: '8h', timeZone: 'UTC' }, '.cron: "0 0 30 2 *" never comes round'],
    [{ cron: '0 9 * * *', duration: '8h', timeZone: 'Europe/Berlim' }, '.timeZone: "Europe/Berlim" is no time zone; '],
    [{ cron: '0 9 * * *', duration: '0s', timeZone: 'UTC' }, '.duration: "0s" is too short for the starts'],
    [{ cron: '* * * * *', duration: '1m', timeZone: 'UTC' }, '.duration: "1m" is too short for the starts'],
  ])('that cannot be meant are named, and never open: %o', (window, problem) => {
    const schedule: Schedule = { windows: [window] };
    expect(scheduleProblems(schedule)).toEqual([expect.stringContaining(`spec.schedule.windows[0]${problem}`)]);
    expect(at('2026-11-23T10:00:00Z', schedule)).toBe('OutsideWindow until ever');
  });
});

describe('freezes', () => {
  const holidays = { from: '2026-12-24T00:00:00Z', to: '2026-12-27T00:00:00Z', reason: 'holidays' };

  test('close what would be open, and the window after them opens', () => {
    const schedule: Schedule = { ...office, freezes: [holidays] };
    expect(at('2026-12-23T23:59:59Z', { freezes: [holidays] })).toBe('open since ever');
    expect(at('2026-12-24T10:00:00Z', { freezes: [holidays] })).toBe('Frozen until 2026-12-27T00:00');
    expect(at('2026-12-24T10:00:00Z', schedule)).toBe('Frozen until 2026-12-28T08:00');
    expect(at('2026-12-27T00:00:00Z', { freezes: [holidays] })).toBe('open since 2026-12-27T00:00');
  });

  test('of the operator count for everybody, and follow each other without a gap', () => {
    const everywhere = [
      { fromMs: ms('2026-11-21T00:00:00Z'), toMs: ms('2026-11-22T00:00:00Z'), reason: undefined },
      { fromMs: ms('2026-11-21T20:00:00Z'), toMs: ms('2026-11-25T12:00:00Z'), reason: 'audit' },
    ];
    expect(at('2026-11-21T10:00:00Z', undefined, everywhere)).toBe('Frozen until 2026-11-25T12:00');
    expect(at('2026-11-21T10:00:00Z', office, everywhere)).toBe('Frozen until 2026-11-25T12:00');
    expect(calendarAt(ms('2026-11-21T21:00:00Z'), undefined, everywhere)).toMatchObject({ text: 'The freeze (audit)' });
  });

  test('that end inside a window are what has opened it', () => {
    const everywhere = [{ fromMs: ms('2026-11-23T00:00:00Z'), toMs: ms('2026-11-23T12:00:00Z'), reason: undefined }];
    expect(at('2026-11-23T13:00:00Z', office, everywhere)).toBe('open since 2026-11-23T12:00');
  });
});

test('starts are spread over a minute, the same way each time', () => {
  const delays = Array.from({ length: 1_000 }, (_none, index) => jitterOf(`uid-${index}`));
  expect(Math.min(...delays)).toBeLessThan(2_000);
  expect(Math.max(...delays)).toBeGreaterThan(58_000);
  expect(Math.max(...delays)).toBeLessThan(60_000);
  expect(jitterOf('uid-7')).toBe(delays[7]);
});
