import { describe, expect, test } from 'vitest';
import { emitted } from '../../../src/source/emitted.ts';
import { createLanes } from '../../../src/source/lanes.ts';
import { createTurns } from '../../../src/source/turns.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** BusyClock moves on by what a piece of work says it takes. */
class BusyClock extends ManualClock {
  spentMs = 0;
  override monotonicMs(): number {
    return super.monotonicMs() + this.spentMs;
  }
}

describe('turns', () => {
  test('let the event loop go round after eight milliseconds of work, and not before', async () => {
    const clock = new BusyClock();
    const turns = createTurns(clock);
    const done: number[] = [];
    const pieces = [3, 4, 2, 1].map((ms, index) =>
      turns.take(() => {
        clock.spentMs += ms;
        done.push(index);
      }),
    );
    while (clock.pendingTimers === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(done).toEqual([0, 1, 2]);
    await clock.advance(0);
    await Promise.all(pieces);
    expect(done).toEqual([0, 1, 2, 3]);
  });

  test('go on after work that throws', async () => {
    const turns = createTurns(new ManualClock());
    const broken = turns.take(() => {
      throw new Error('broken');
    });
    await expect(broken).rejects.toThrow('broken');
    expect(await turns.take(() => 1)).toBe(1);
  });
});

describe('lanes', () => {
  test('hold as many tasks as there are, and start the next in order when one ends, however it ends', async () => {
    const lanes = createLanes(2);
    const started: number[] = [];
    const ends = [0, 1, 2, 3].map(() => Promise.withResolvers<number>());
    const runs = ends.map((end, index) =>
      lanes.run(() => {
        started.push(index);
        return end.promise;
      }),
    );
    expect(started).toEqual([0, 1]);
    ends[1]?.reject(new Error('broken'));
    await expect(runs[1]).rejects.toThrow('broken');
    expect(started).toEqual([0, 1, 2]);
    for (const end of ends) end.resolve(7);
    expect(await Promise.all([runs[0], runs[2], runs[3]])).toEqual([7, 7, 7]);
    expect(started).toEqual([0, 1, 2, 3]);
  });
});

describe('emitted', () => {
  test('yields while it is produced, and throws at the end what the producer throws', async () => {
    const seen: number[] = [];
    const first = Promise.withResolvers<void>();
    const values = emitted<number>(async (emit) => {
      emit(1);
      await first.promise;
      emit(2);
      emit(3);
      throw new Error('broken');
    });
    const read = (async () => {
      for await (const value of values) {
        seen.push(value);
        first.resolve();
      }
    })();
    await expect(read).rejects.toThrow('broken');
    expect(seen).toEqual([1, 2, 3]);
  });

  test('may be left early although its producer fails later', async () => {
    const later = Promise.withResolvers<void>();
    for await (const value of emitted<number>(async (emit) => {
      emit(1);
      await later.promise;
    })) {
      expect(value).toBe(1);
      break;
    }
    later.reject(new Error('nobody sees this'));
    await new Promise((resolve) => setImmediate(resolve));
  });
});
