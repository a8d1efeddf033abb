import { describe, expect, it } from 'vitest';
import { WorkQueue } from '../../../src/controller/work-queue.ts';
import { ManualClock } from '../../support/manual-clock.ts';

function build(): { readonly clock: ManualClock; readonly queue: WorkQueue<string> } {
  const clock = new ManualClock();
  return { clock, queue: new WorkQueue<string>({ clock }) };
}

/** take returns the next key if one is ready, without waiting for one that is not. */
function take(queue: WorkQueue<string>): Promise<string | undefined> | 'nothing is ready' {
  return queue.depth === 0 ? 'nothing is ready' : queue.get();
}

describe('WorkQueue', () => {
  it('hands keys out in the order in which they became ready', async () => {
    const { queue } = build();
    for (const key of ['b', 'a', 'c']) queue.add(key);
    expect([await queue.get(), await queue.get(), await queue.get()]).toEqual(['b', 'a', 'c']);
  });

  it('hands a key out once that was added three times before a worker took it', async () => {
    const { queue } = build();
    for (const key of ['a', 'a', 'a']) queue.add(key);
    expect(queue.depth).toBe(1);
    expect(await queue.get()).toBe('a');
    expect(take(queue)).toBe('nothing is ready');
  });

  it('holds a key back while it runs and runs it exactly once more, however often it was added', async () => {
    const { queue } = build();
    queue.add('a');
    await queue.get();
    for (let i = 0; i < 5; i += 1) queue.add('a');
    expect(take(queue)).toBe('nothing is ready');
    queue.done('a');
    expect(await take(queue)).toBe('a');
    queue.done('a');
    expect(take(queue)).toBe('nothing is ready');
    expect(queue.running).toBe(0);
  });

  it('gives a key to a worker that already waits', async () => {
    const { queue } = build();
    const first = queue.get();
    const second = queue.get();
    queue.add('a');
    queue.add('b');
    expect([await first, await second]).toEqual(['a', 'b']);
    expect(queue.depth).toBe(0);
    expect(queue.running).toBe(2);
  });

  it('makes a delayed key ready when its time has come and not before', async () => {
    const { clock, queue } = build();
    queue.addAfter('a', 1500);
    await clock.advance(1499);
    expect(queue.depth).toBe(0);
    await clock.advance(1);
    expect(await take(queue)).toBe('a');
    expect(queue.delayed).toBe(0);
  });

  it('keeps the earlier of two delays of one key, in whichever order they come', async () => {
    for (const delays of [
      [300, 700],
      [700, 300],
    ]) {
      const { clock, queue } = build();
      for (const delayMs of delays) queue.addAfter('a', delayMs);
      expect(queue.delayed).toBe(1);
      await clock.advance(300);
      expect(await take(queue)).toBe('a');
      queue.done('a');
      await clock.advance(1000);
      expect(take(queue)).toBe('nothing is ready');
    }
  });

  it.each([0, -5, Number.NaN])('takes a delay of %d as now', async (delayMs) => {
    const { queue } = build();
    queue.addAfter('a', delayMs);
    expect(await take(queue)).toBe('a');
  });

  it('releases delayed keys in the order of their times', async () => {
    const { clock, queue } = build();
    for (const [key, delayMs] of [
      ['c', 30],
      ['a', 10],
      ['d', 40],
      ['b', 20],
    ] as const) {
      queue.addAfter(key, delayMs);
    }
    await clock.advance(100);
    expect([await queue.get(), await queue.get(), await queue.get(), await queue.get()]).toEqual(['a', 'b', 'c', 'd']);
  });

  it('has one timer for all delayed keys, never set further than 10 s ahead, and none when nothing is delayed', async () => {
    const { clock, queue } = build();
    expect(clock.pendingTimers).toBe(0);
    queue.addAfter('a', 3_600_000);
    queue.addAfter('b', 7_200_000);
    expect(clock.pendingTimers).toBe(1);
    expect(clock.nextTimerInMs).toBe(10_000);
    await clock.advance(7_200_000);
    expect(queue.depth).toBe(2);
    expect(clock.pendingTimers).toBe(0);
  });

  it('does not care about a jump of the wall clock', async () => {
    const { clock, queue } = build();
    queue.addAfter('a', 60_000);
    clock.jumpWallClock(3_600_000);
    await clock.advance(59_999);
    expect(queue.depth).toBe(0);
    await clock.advance(1);
    expect(queue.depth).toBe(1);
  });

  it('after shutDown finishes what is ready, forgets what is delayed and takes nothing new', async () => {
    const { clock, queue } = build();
    queue.add('a');
    queue.addAfter('b', 10);
    queue.shutDown();
    queue.add('c');
    queue.addAfter('d', 10);
    await clock.advance(100);
    expect(await queue.get()).toBe('a');
    expect(await queue.get()).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
  });

  it('releases workers that wait at shutDown', async () => {
    const { queue } = build();
    const waiting = [queue.get(), queue.get()];
    queue.shutDown();
    expect(await Promise.all(waiting)).toEqual([undefined, undefined]);
  });

  it('runs a key once more after shutDown if it had been added while it ran', async () => {
    const { queue } = build();
    queue.add('a');
    await queue.get();
    queue.add('a');
    const waiting = queue.get();
    queue.shutDown();
    queue.done('a');
    expect(await waiting).toBe('a');
    queue.done('a');
    expect(await queue.get()).toBeUndefined();
  });

  it('tells its observer each add that counts and how long a key was ready', async () => {
    const clock = new ManualClock();
    const waits: number[] = [];
    let adds = 0;
    const queue = new WorkQueue<string>({
      clock,
      observer: { onAdd: () => (adds += 1), onGet: (waitedMs) => waits.push(waitedMs) },
    });
    queue.add('a');
    queue.add('a');
    await clock.advance(25);
    await queue.get();
    expect({ adds, waits }).toEqual({ adds: 1, waits: [25] });
  });

  it('hands out the most urgent key first, and equals in the order in which they came', async () => {
    const { queue } = build();
    queue.add('resync', -100);
    for (const key of ['first', 'second']) queue.add(key);
    queue.add('breach', 12.5);
    queue.add('worse breach', 40);
    const taken = await Promise.all(Array.from({ length: 5 }, () => queue.get()));
    expect(taken).toEqual(['worse breach', 'breach', 'first', 'second', 'resync']);
  });

  it('raises a waiting key that is asked for more urgently, and never lowers it', async () => {
    const { queue } = build();
    queue.add('a', -100);
    queue.add('b');
    queue.add('a', 50);
    queue.add('a', -100);
    expect(queue.depth).toBe(2);
    expect(await queue.get()).toBe('a');
    expect(queue.runningPriority('a')).toBe(50);
  });

  it('keeps the highest priority that was asked for while the key ran', async () => {
    const { queue } = build();
    queue.add('a', 70);
    await queue.get();
    for (const priority of [-100, 5, 0]) queue.add('a', priority);
    queue.add('b', 1);
    queue.done('a');
    expect(await queue.get()).toBe('a');
    expect([queue.runningPriority('a'), queue.runningPriority('b')]).toEqual([5, 0]);
  });

  it('keeps the priority of a delayed key, and the higher one of two', async () => {
    const { clock, queue } = build();
    queue.addAfter('b', 10);
    queue.addAfter('urgent', 50, 7);
    queue.addAfter('urgent', 10, -100);
    await clock.advance(10);
    expect([await queue.get(), await queue.get()]).toEqual(['urgent', 'b']);
    expect(queue.runningPriority('urgent')).toBe(7);
  });

  it('gives the most urgent of the keys that one tick adds to the workers that wait', async () => {
    const { queue } = build();
    const workers = [queue.get(), queue.get()];
    for (const [key, excess] of [
      ['a', 1],
      ['b', 3],
      ['c', 9],
      ['d', 5],
    ] as const) {
      queue.add(key, excess);
    }
    expect(await Promise.all(workers)).toEqual(['c', 'd']);
    expect([await queue.get(), await queue.get()]).toEqual(['b', 'a']);
  });

  it('takes a priority that is not a number as 0', async () => {
    const { queue } = build();
    for (const [key, priority] of Object.entries({ a: 1, b: Number.NaN, c: -1, d: 2, e: Number.NaN })) {
      queue.add(key, priority);
    }
    const taken = await Promise.all(Array.from({ length: 5 }, () => queue.get()));
    expect(taken).toEqual(['d', 'a', 'b', 'e', 'c']);
  });

  it('gives keys that are ready to workers that wait, although it is shut down in the same tick', async () => {
    const { queue } = build();
    const waiting = [queue.get(), queue.get()];
    queue.add('a');
    queue.shutDown();
    expect(await Promise.all(waiting)).toEqual(['a', undefined]);
  });

  it('tells how long the oldest run has lasted', async () => {
    const { clock, queue } = build();
    expect(queue.longestRunningMs).toBe(0);
    for (const key of ['a', 'b']) {
      queue.add(key);
      await queue.get();
      await clock.advance(100);
    }
    expect(queue.longestRunningMs).toBe(200);
    queue.done('a');
    expect(queue.longestRunningMs).toBe(100);
    queue.done('b');
    expect(queue.longestRunningMs).toBe(0);
  });
});
