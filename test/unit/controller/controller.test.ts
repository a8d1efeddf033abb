import { describe, expect, it } from 'vitest';
import { runController, type ControllerOutcome, type ReconcileResult } from '../../../src/controller/controller.ts';
import { createRateLimiter } from '../../../src/controller/rate-limiter.ts';
import { WorkQueue } from '../../../src/controller/work-queue.ts';
import { SluiceError } from '../../../src/errors.ts';
import { ManualClock } from '../../support/manual-clock.ts';

type Reconcile = (key: string, signal: AbortSignal) => Promise<ReconcileResult>;

interface Failure {
  readonly key: string;
  readonly code: string;
  readonly message: string;
  readonly retryInMs: number | undefined;
}

function start(reconcile: Reconcile, options: { readonly workers?: number; readonly drainMs?: number } = {}) {
  const clock = new ManualClock();
  const queue = new WorkQueue<string>({ clock });
  const rateLimiter = createRateLimiter<string>();
  const stop = new AbortController();
  const failures: Failure[] = [];
  const done: string[] = [];
  let outcome: ControllerOutcome<string> | undefined;
  const finished = runController<string>({
    queue,
    rateLimiter,
    reconcile,
    workers: options.workers ?? 1,
    onError: (key, { code, message }, retryInMs) => failures.push({ key, code, message, retryInMs }),
    onDone: (key) => done.push(key),
    signal: stop.signal,
    clock,
    drainMs: options.drainMs,
  }).then((result) => {
    outcome = result;
  });
  return { clock, queue, rateLimiter, stop, failures, done, finished, outcome: () => outcome };
}

/** failing returns a reconcile that throws the given errors one after the other, and then succeeds. */
function failing(...errors: readonly unknown[]): Reconcile {
  const left = [...errors];
  return () => (left.length === 0 ? Promise.resolve({}) : Promise.reject(left.shift()));
}

describe('runController', () => {
  it('reconciles a key and then rests', async () => {
    const { clock, done, queue } = start(failing());
    queue.add('web/shop');
    await clock.advance(3_600_000);
    expect(done).toEqual(['web/shop']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('lets others have a turn between many keys that need no waiting', async () => {
    const { clock, done, queue } = start(failing(), { workers: 4 });
    for (let number = 0; number < 100; number += 1) queue.add(`key-${number}`);
    let doneBefore: number | undefined;
    clock.schedule(0, () => (doneBefore = done.length));
    await clock.advance(0);
    expect(doneBefore).toBeLessThan(30);
    await clock.advance(10);
    expect(done).toEqual(Array.from({ length: 100 }, (_unused, number) => `key-${number}`));
    expect(clock.pendingTimers).toBe(0);
  });

  it('comes back after requeueAfterMs', async () => {
    let runs = 0;
    const { clock, queue } = start(() => Promise.resolve({ requeueAfterMs: (runs += 1) === 1 ? 2000 : undefined }));
    queue.add('a');
    await clock.advance(1999);
    expect(runs).toBe(1);
    await clock.advance(1);
    expect(runs).toBe(2);
    await clock.advance(60_000);
    expect(runs).toBe(2);
  });

  it('tries a failed key again with doubling delays and forgets the failures at the first success', async () => {
    const error = new SluiceError('ApiUnreachable', 'The API server is away.');
    const { clock, done, failures, queue, rateLimiter } = start(failing(error, error, error));
    queue.add('a');
    await clock.advance(1000);
    expect(failures.map((failure) => failure.retryInMs)).toEqual([5, 10, 20]);
    expect(done).toEqual(['a']);
    expect(rateLimiter.failures('a')).toBe(0);
  });

  it('keeps the priority of a key for its retry, and takes a requeue as nothing urgent', async () => {
    const priorities: number[] = [];
    const error = new SluiceError('ApiUnreachable', 'The API server is away.');
    const reconcile = failing(error, error);
    const { clock, queue } = start(async (key, signal) => {
      priorities.push(queue.runningPriority(key));
      await reconcile(key, signal);
      return { requeueAfterMs: priorities.length === 3 ? 1 : undefined };
    });
    queue.add('a', 40);
    await clock.advance(1000);
    expect(priorities).toEqual([40, 40, 40, 0]);
  });

  it('does not try again what only a person can change, until the key is added', async () => {
    const { clock, done, failures, queue } = start(failing(new SluiceError('ConfigInvalid', 'No.')));
    queue.add('a');
    await clock.advance(3_600_000);
    expect(failures).toEqual([{ key: 'a', code: 'ConfigInvalid', message: 'No.', retryInMs: undefined }]);
    expect(done).toEqual([]);
    queue.add('a');
    await clock.advance(0);
    expect(done).toEqual(['a']);
  });

  it('waits as long as the server asked for', async () => {
    const error = new SluiceError('ApiThrottled', 'Slow down.', { retryAfterMs: 3000 });
    const { clock, done, queue } = start(failing(error));
    queue.add('a');
    await clock.advance(2999);
    expect(done).toEqual([]);
    await clock.advance(1);
    expect(done).toEqual(['a']);
  });

  it('brings a conflict back at once at first and within a second for ever after', async () => {
    const conflicts = Array.from({ length: 30 }, () => new SluiceError('ApiConflict', 'It has changed.'));
    const { clock, done, failures, queue } = start(failing(...conflicts));
    queue.add('a');
    await clock.advance(60_000);
    expect(failures[0]?.retryInMs).toBe(10);
    expect(failures[29]?.retryInMs).toBe(1000);
    expect(done).toEqual(['a']);
  });

  it('reports anything else that was thrown as a defect, names the key and tries again', async () => {
    const { clock, done, failures, queue } = start(failing(new TypeError('x is undefined')));
    queue.add('web/shop');
    await clock.advance(100);
    expect(failures[0]).toMatchObject({ code: 'Internal', retryInMs: 5 });
    expect(failures[0]?.message).toContain('web/shop');
    expect(failures[0]?.message).toContain('x is undefined');
    expect(done).toEqual(['web/shop']);
  });

  it('survives a reconcile that throws before its first await', async () => {
    let runs = 0;
    const { clock, done, queue } = start(() => {
      runs += 1;
      if (runs === 1) throw new Error('at once');
      return Promise.resolve({});
    });
    queue.add('a');
    await clock.advance(100);
    expect(done).toEqual(['a']);
  });

  it('runs as many keys at once as it has workers, and never one key twice', async () => {
    const running = new Map<string, number>();
    const release: (() => void)[] = [];
    let most = 0;
    const { clock, queue } = start(
      async (key) => {
        running.set(key, (running.get(key) ?? 0) + 1);
        expect(running.get(key)).toBe(1);
        most = Math.max(most, running.size);
        await new Promise<void>((resolve) => {
          release.push(resolve);
        });
        running.delete(key);
        return {};
      },
      { workers: 3 },
    );
    for (const key of ['a', 'b', 'c', 'd', 'a', 'b']) queue.add(key);
    await clock.advance(0);
    queue.add('a');
    await clock.advance(0);
    expect([...running.keys()]).toEqual(['a', 'b', 'c']);
    while (release.length > 0) {
      release.shift()?.();
      await clock.advance(0);
    }
    expect(most).toBe(3);
    expect(running.size).toBe(0);
  });

  it('finishes what is ready when it is stopped, and takes nothing new', async () => {
    const { clock, done, finished, outcome, queue, stop } = start(async (_key, signal) => {
      expect(signal.aborted).toBe(false);
      await Promise.resolve();
      return { requeueAfterMs: 10 };
    });
    queue.add('a');
    queue.add('b');
    stop.abort();
    queue.add('c');
    await finished;
    await clock.advance(1000);
    expect(done).toEqual(['a', 'b']);
    expect(outcome()).toEqual({ unfinished: [] });
    expect(clock.pendingTimers).toBe(0);
  });

  it('aborts what still runs when the drain time is over, and reports no error for it', async () => {
    const { clock, failures, finished, outcome, queue, stop } = start(
      (_key, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        }),
      { drainMs: 5000 },
    );
    queue.add('a');
    queue.add('b');
    await clock.advance(0);
    stop.abort();
    await clock.advance(4999);
    expect(outcome()).toBeUndefined();
    await clock.advance(1);
    await finished;
    expect(outcome()).toEqual({ unfinished: [] });
    expect(failures).toEqual([]);
  });

  it('leaves a reconcile behind that ignores its signal, and names its key', async () => {
    const { clock, finished, outcome, queue, stop } = start(() => new Promise(() => {}), { drainMs: 5000 });
    queue.add('web/stuck');
    await clock.advance(0);
    stop.abort();
    await clock.advance(6000);
    await finished;
    expect(outcome()).toEqual({ unfinished: ['web/stuck'] });
  });

  it('ends at once when it was stopped before it started', async () => {
    const clock = new ManualClock();
    const outcome = await runController<string>({
      queue: new WorkQueue<string>({ clock }),
      rateLimiter: createRateLimiter<string>(),
      reconcile: () => Promise.resolve({}),
      workers: 2,
      onError: () => {},
      signal: AbortSignal.abort(),
      clock,
    });
    expect(outcome).toEqual({ unfinished: [] });
  });
});
