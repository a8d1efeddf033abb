import type { Clock } from '../clock.ts';

/** SeenInstances remembers which instances had counters, so that their scrapes can be asked for beside the next ones. */
export interface SeenInstances {
  /** recent returns those that were noted not long ago. */
  recent(): readonly string[];
  /** note says that these have counters now. */
  note(names: readonly string[]): void;
}

/** More would make the query longer than what waiting for the counters costs. */
const maxInstances = 200;

/** createSeenInstances remembers an instance for `forMs` after it was last noted. */
export function createSeenInstances(clock: Clock, forMs: number): SeenInstances {
  const notedMs = new Map<string, number>();
  return {
    recent: () => {
      for (const [name, atMs] of notedMs) if (clock.monotonicMs() - atMs > forMs) notedMs.delete(name);
      return [...notedMs.keys()].slice(-maxInstances);
    },
    note: (names) => {
      for (const name of names) {
        notedMs.delete(name);
        notedMs.set(name, clock.monotonicMs());
      }
    },
  };
}
