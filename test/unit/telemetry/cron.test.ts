import { getTasks } from 'node-cron';
import { afterEach, describe, expect, it } from 'vitest';
import { isCronExpression, startCron } from '../../../src/telemetry/cron.ts';
import { eventually } from '../../support/eventually.ts';

const stop: AbortController[] = [];
afterEach(() => {
  for (const each of stop.splice(0)) each.abort();
});

function start(onTime: (untilNextMs: number) => void): AbortController {
  const controller = new AbortController();
  stop.push(controller);
  startCron('* * * * * *', onTime, controller.signal);
  return controller;
}

describe('isCronExpression', () => {
  it.each(['*/5 * * * *', '0 3 * * mon-fri', '1,31 * * * *', '@hourly', '0 0 29 2 *'])('takes %j', (text) => {
    expect(isCronExpression(text)).toBe(true);
  });

  it.each([
    ['nothing', ''],
    ['a word', 'often'],
    ['a name that there is not', '@often'],
    ['four fields', '*/5 * * *'],
    ['seconds', '* * * * * *'],
    ['a minute that there is not', '61 * * * *'],
    ['a step of 0', '*/0 * * * *'],
    ['a day that no month has', '0 0 31 2 *'],
    ['a day that never comes', '0 0 L-30 2 *'],
    ['a line break', '*/5 * *\n* *'],
  ])('refuses %s', (_what, text) => {
    expect(isCronExpression(text)).toBe(false);
  });

  it('leaves no task behind', () => {
    isCronExpression('*/5 * * * *');
    isCronExpression('0 0 L-30 2 *');
    expect(getTasks().size).toBe(0);
  });
});

describe('startCron', () => {
  it('calls at each time and says how long it is until the next', async () => {
    const untilNext: number[] = [];
    start((ms) => untilNext.push(ms));
    await eventually(() => untilNext.length >= 2);
    for (const ms of untilNext) {
      expect(ms).toBeGreaterThanOrEqual(0);
      expect(ms).toBeLessThanOrEqual(1000);
    }
  });

  it('leaves nothing behind when its signal aborts', async () => {
    let calls = 0;
    const controller = start(() => (calls += 1));
    expect(getTasks().size).toBe(1);
    controller.abort();
    expect(getTasks().size).toBe(0);
    let others = 0;
    start(() => (others += 1));
    await eventually(() => others > 0);
    expect(calls).toBe(0);
  });

  it('does not begin after its signal', () => {
    startCron('* * * * * *', () => {}, AbortSignal.abort());
    expect(getTasks().size).toBe(0);
  });

  it('throws for what is no expression', () => {
    expect(() => startCron('often', () => {}, new AbortController().signal)).toThrow('5 or 6 fields');
  });
});
