import type { Clock } from '../clock.ts';

/** Turns run pieces of heavy synchronous work one after another and let the event loop do other things in between. */
export interface Turns {
  /** take runs `work` when its turn comes, and settles with what it returns or throws. */
  take<T>(work: () => T): Promise<T>;
}

/**
 * After so much work the event loop gets its turn. Answers that arrive together would otherwise be read in one go:
 * libuv hands out all sockets that are readable in one phase, and nothing else runs in it.
 */
const sliceMs = 8;

/** createTurns returns turns on a clock. */
export function createTurns(clock: Clock): Turns {
  let last: Promise<unknown> = Promise.resolve();
  let spentMs = 0;
  function work<T>(piece: () => T): T {
    const startMs = clock.monotonicMs();
    try {
      return piece();
    } finally {
      spentMs += clock.monotonicMs() - startMs;
    }
  }
  async function rest(): Promise<void> {
    if (spentMs < sliceMs) return;
    spentMs = 0;
    await clock.sleep(0);
  }
  return {
    take: (piece) => {
      const turn = last.then(() => work(piece));
      last = turn.then(rest, rest);
      return turn;
    },
  };
}
