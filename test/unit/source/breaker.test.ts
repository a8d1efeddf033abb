import { beforeEach, describe, expect, test } from 'vitest';
import { isSluiceError } from '../../../src/errors.ts';
import { Breaker } from '../../../src/source/breaker.ts';
import type { ApiAnswer, ApiFailure } from '../../../src/source/prometheus-api.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const failure: ApiFailure = { kind: 'Failure', reason: 'SourceUnreachable', message: 'It did not answer.' };
const fine: ApiAnswer<string> = { kind: 'Answer', value: 'data' };
const signal = new AbortController().signal;

let clock: ManualClock;
let breaker: Breaker;
/** What calls get, what the probe gets, and how often either was made. */
let answers: { call: ApiAnswer<string>; probe: ApiAnswer<string> };
let made: { calls: number; probes: number };
let changes: string[];

beforeEach(() => {
  clock = new ManualClock();
  answers = { call: failure, probe: failure };
  made = { calls: 0, probes: 0 };
  changes = [];
  breaker = new Breaker({
    clock,
    random: () => 1,
    probe: async () => {
      made.probes += 1;
      return answers.probe;
    },
    onHealth: ({ kind }) => changes.push(kind),
  });
});

/** call waits until the source is ready, and asks. */
async function call(abort: AbortSignal = signal): Promise<ApiAnswer<string>> {
  return (await breaker.ready(abort)) ?? ask();
}
function ask(): Promise<ApiAnswer<string>> {
  return breaker.run(async () => {
    made.calls += 1;
    return answers.call;
  });
}
async function fail(times: number): Promise<void> {
  for (let time = 0; time < times; time += 1) await call();
}

describe('a breaker', () => {
  test('lets calls through until four have failed in a row', async () => {
    await fail(3);
    answers.call = fine;
    await call();
    answers.call = failure;
    await fail(3);
    expect([breaker.health(), changes]).toEqual([{ kind: 'Reachable' }, []]);
    await fail(1);
    expect(breaker.health()).toEqual({ kind: 'Unreachable', sinceMs: clock.nowMs(), message: failure.message });
    expect(changes).toEqual(['Unreachable']);
  });

  test('takes what fails together for one failure', async () => {
    const { promise, resolve } = Promise.withResolvers<ApiAnswer<string>>();
    const together = Array.from({ length: 50 }, () => breaker.run(() => promise));
    resolve(failure);
    await Promise.all(together);
    await fail(2);
    expect(breaker.health().kind).toBe('Reachable');
    await fail(1);
    expect(breaker.health().kind).toBe('Unreachable');
  });

  test('does not take a refusal for an outage', async () => {
    await fail(3);
    answers.call = { kind: 'Failure', reason: 'SourceRefused', message: 'No.' };
    await fail(9);
    expect([breaker.health().kind, made.calls]).toEqual(['Reachable', 12]);
  });

  test('has all calls wait for one probe, and fails them with what it found and since when', async () => {
    const sinceMs = clock.nowMs();
    await fail(4);
    const waiting = Promise.all(Array.from({ length: 1_000 }, () => call()));
    await clock.advance(999);
    expect(made).toEqual({ calls: 4, probes: 0 });
    answers.probe = { ...failure, message: 'It is gone.' };
    await clock.advance(1);
    const message = `It is gone. It has been unreachable since ${new Date(sinceMs).toISOString()}.`;
    expect(new Set((await waiting).map((answer) => JSON.stringify(answer)))).toEqual(
      new Set([JSON.stringify({ ...failure, message })]),
    );
    expect(made).toEqual({ calls: 4, probes: 1 });
  });

  test('fails who is on the way already at once', async () => {
    await fail(4);
    expect(await ask()).toMatchObject({ kind: 'Failure', message: expect.stringContaining('unreachable since') });
    expect(made.calls).toBe(4);
  });

  test('lets all who wait go when the probe is answered', async () => {
    await fail(4);
    const waiting = Promise.all([call(), call()]);
    answers = { call: fine, probe: fine };
    await clock.advance(1_000);
    expect(await waiting).toEqual([fine, fine]);
    expect([breaker.health().kind, changes]).toEqual(['Reachable', ['Unreachable', 'Reachable']]);
  });

  test('probes twice as late after each failure, up to 30 s, and from the start after an answer', async () => {
    await fail(4);
    const delays: number[] = [];
    for (let probe = 0; probe < 7; probe += 1) {
      const waiting = call();
      const startMs = clock.monotonicMs();
      while (made.probes === probe) await clock.advance(500);
      delays.push(clock.monotonicMs() - startMs);
      await waiting;
    }
    expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    // The probe is answered but the next call is not: the source is no better than before.
    answers.probe = fine;
    const relapse = call();
    await clock.advance(30_000);
    await relapse;
    const before = made.probes;
    const late = call();
    await clock.advance(29_000);
    expect(made.probes).toBe(before);
    answers.call = fine;
    await clock.advance(1_000);
    expect(await late).toEqual(fine);
    answers = { call: failure, probe: failure };
    await fail(4);
    const early = call();
    await clock.advance(1_000);
    expect(await early).toMatchObject({ kind: 'Failure' });
  });

  test('believes a call that was under way and is answered', async () => {
    const { promise, resolve } = Promise.withResolvers<ApiAnswer<string>>();
    const slow = breaker.run(() => promise);
    await fail(4);
    resolve(fine);
    await slow;
    answers.call = fine;
    expect(await call()).toEqual(fine);
    expect(made.probes).toBe(0);
  });

  test('holds no timer while nobody waits, and ends the wait of a call that is cancelled', async () => {
    await fail(4);
    expect(clock.pendingTimers).toBe(0);
    const stop = new AbortController();
    const waiting = call(stop.signal).catch((error: unknown) => error);
    await clock.advance(1);
    stop.abort(new Error('stop'));
    expect(isSluiceError(await waiting, 'Aborted')).toBe(true);
    breaker.close();
    await clock.advance(0);
    expect([clock.pendingTimers, made.probes]).toEqual([0, 0]);
  });
});
