import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyedHeap } from '../../src/controller/keyed-heap.ts';
import { WorkQueue } from '../../src/controller/work-queue.ts';
import { ManualClock } from '../support/manual-clock.ts';

type Step =
  | { readonly do: 'add'; readonly key: string }
  | { readonly do: 'finish'; readonly key: string }
  | { readonly do: 'addAfter'; readonly key: string; readonly delayMs: number }
  | { readonly do: 'advance'; readonly ms: number };

const key = fc.constantFrom('a', 'b', 'c', 'd');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('add' as const), key }),
  fc.record({ do: fc.constant('finish' as const), key }),
  fc.record({ do: fc.constant('addAfter' as const), key, delayMs: fc.integer({ min: -1, max: 30_000 }) }),
  fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 15_000 }) }),
);

describe('WorkQueue, whatever happens to it', () => {
  it('never runs a key twice at once and runs it after each add, once for all adds during a run', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60, size: 'max' }),
        fc.integer({ min: 1, max: 3 }),
        async (steps, workers) => {
          const clock = new ManualClock();
          const queue = new WorkQueue<string>({ clock });
          const running = new Map<string, () => void>();
          /** The keys that someone waits for, as a model without a queue would know it. */
          const wanted = new Set<string>();
          const due = new Map<string, number>();

          const worker = async (): Promise<void> => {
            for (let taken = await queue.get(); taken !== undefined; taken = await queue.get()) {
              expect(running.has(taken)).toBe(false);
              expect(wanted.has(taken)).toBe(true);
              wanted.delete(taken);
              const finished = Promise.withResolvers<void>();
              running.set(taken, finished.resolve);
              await finished.promise;
              running.delete(taken);
              queue.done(taken);
            }
          };
          /** Stops at each time at which a key becomes due, so that two runs of a key are not taken for one. */
          const advance = async (ms: number): Promise<void> => {
            for (const endMs = clock.monotonicMs() + ms; clock.monotonicMs() < endMs;) {
              const nextMs = Math.min(endMs, ...due.values());
              for (const [name, atMs] of due) {
                if (atMs > nextMs) continue;
                due.delete(name);
                wanted.add(name);
              }
              await clock.advance(nextMs - clock.monotonicMs());
            }
          };
          const pool = Array.from({ length: workers }, worker);
          for (const each of steps) {
            if (each.do === 'add') {
              wanted.add(each.key);
              queue.add(each.key);
            } else if (each.do === 'addAfter') {
              if (each.delayMs <= 0) wanted.add(each.key);
              else due.set(each.key, Math.min(due.get(each.key) ?? Infinity, clock.monotonicMs() + each.delayMs));
              queue.addAfter(each.key, each.delayMs);
            } else if (each.do === 'finish') {
              running.get(each.key)?.();
            } else {
              await advance(each.ms);
            }
            await clock.advance(0);
            // Work conserving: a worker is idle only when nothing is ready.
            if (running.size < workers) expect(queue.depth).toBe(0);
          }
          // Nothing is lost: let everything finish, and all that was wanted has run.
          await advance(30_000);
          for (let rounds = 0; running.size > 0 && rounds < 100; rounds += 1) {
            for (const finish of running.values()) finish();
            await clock.advance(0);
          }
          expect([...wanted]).toEqual([]);
          queue.shutDown();
          await Promise.all(pool);
        },
      ),
      { numRuns: 150 },
    );
  });
});

type Ask =
  | { readonly do: 'add'; readonly key: string; readonly priority: number }
  | { readonly do: 'addAfter'; readonly key: string; readonly delayMs: number; readonly priority: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'take' }
  | { readonly do: 'finish'; readonly key: string };

const priority = fc.constantFrom(-100, 0, 0, 3, 70.5);
const manyKeys = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
const ask: fc.Arbitrary<Ask> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('add' as const), key: manyKeys, priority }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('addAfter' as const),
      key: manyKeys,
      delayMs: fc.integer({ min: 1, max: 30 }),
      priority,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 20 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('finish' as const), key: manyKeys }) },
);

/** QueueModel says what WorkQueue promises about order in the plainest way: lists that are sorted anew each time. */
class QueueModel {
  nowMs = 0;
  readonly running = new Set<string>();
  #ready: { readonly key: string; priority: number }[] = [];
  #delayed: { readonly key: string; priority: number; atMs: number }[] = [];
  readonly #again = new Map<string, number>();

  get depth(): number {
    return this.#ready.length;
  }

  get delayed(): number {
    return this.#delayed.length;
  }

  add(key: string, priority: number): void {
    const waiting = this.#ready.find((entry) => entry.key === key);
    if (this.running.has(key)) this.#again.set(key, Math.max(priority, this.#again.get(key) ?? priority));
    else if (waiting === undefined) this.#ready.push({ key, priority });
    else waiting.priority = Math.max(priority, waiting.priority);
  }

  addAfter(key: string, delayMs: number, priority: number): void {
    const atMs = this.nowMs + delayMs;
    const known = this.#delayed.find((entry) => entry.key === key);
    if (known === undefined) this.#delayed.push({ key, priority, atMs });
    else Object.assign(known, { atMs: Math.min(atMs, known.atMs), priority: Math.max(priority, known.priority) });
  }

  advance(ms: number): void {
    this.nowMs += ms;
    // Array.sort is stable: what came first goes first.
    const due = this.#delayed.filter(({ atMs }) => atMs <= this.nowMs).toSorted((a, b) => a.atMs - b.atMs);
    this.#delayed = this.#delayed.filter(({ atMs }) => atMs > this.nowMs);
    for (const { key, priority } of due) this.add(key, priority);
  }

  take(): { readonly key: string; readonly priority: number } | undefined {
    const [next] = this.#ready.toSorted((a, b) => b.priority - a.priority);
    if (next === undefined) return undefined;
    this.#ready = this.#ready.filter((entry) => entry !== next);
    this.running.add(next.key);
    return next;
  }

  finish(key: string): void {
    const priority = this.#again.get(key);
    this.running.delete(key);
    this.#again.delete(key);
    if (priority !== undefined) this.add(key, priority);
  }
}

describe('WorkQueue with priorities', () => {
  it('hands out the same keys as a model that sorts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(ask, { maxLength: 80, size: 'max' }), async (asks) => {
        const clock = new ManualClock();
        const queue = new WorkQueue<string>({ clock });
        const model = new QueueModel();
        for (const each of asks) {
          if (each.do === 'add') {
            queue.add(each.key, each.priority);
            model.add(each.key, each.priority);
          } else if (each.do === 'addAfter') {
            queue.addAfter(each.key, each.delayMs, each.priority);
            model.addAfter(each.key, each.delayMs, each.priority);
          } else if (each.do === 'advance') {
            await clock.advance(each.ms);
            model.advance(each.ms);
          } else if (each.do === 'take') {
            const expected = model.take();
            const taken = expected === undefined ? undefined : await queue.get();
            expect(taken).toBe(expected?.key);
            if (expected !== undefined) expect(queue.runningPriority(expected.key)).toBe(expected.priority);
          } else if (model.running.has(each.key)) {
            queue.done(each.key);
            model.finish(each.key);
          }
          expect([queue.depth, queue.delayed, queue.running]).toEqual([model.depth, model.delayed, model.running.size]);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('KeyedHeap', () => {
  it('gives entries back in their order, each with what was last put under its key', () => {
    const change = fc.oneof(
      { weight: 3, arbitrary: fc.tuple(fc.integer({ min: 0, max: 20 }), fc.nat(1000)) },
      { weight: 1, arbitrary: fc.constant('pop' as const) },
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60, size: 'max' }), (changes) => {
        const heap = new KeyedHeap<{ readonly key: string; readonly rank: number }>((a, b) => a.rank < b.rank);
        const last = new Map<string, number>();
        const pop = (): void => {
          const next = heap.pop();
          expect(next?.rank).toBe(last.size === 0 ? undefined : Math.min(...last.values()));
          if (next === undefined) return;
          expect(last.get(next.key)).toBe(next.rank);
          last.delete(next.key);
        };
        for (const each of changes) {
          if (each === 'pop') {
            pop();
            continue;
          }
          const [id, rank] = each;
          heap.put({ key: `k${id}`, rank });
          last.set(`k${id}`, rank);
          expect(heap.get(`k${id}`)?.rank).toBe(rank);
        }
        expect(heap.size).toBe(last.size);
        while (last.size > 0) pop();
        expect([heap.size, heap.first]).toEqual([0, undefined]);
      }),
    );
  });
});
