import { nextTurn, type Clock } from '../../clock.ts';
import type { Steps } from '../steps.ts';

/** Requests wait for so long at most, and the work is done about as fast as in one piece. */
const turnMs = 1.5;

/** inTurns does the steps, and lets requests have their turn between them. What is soon done is done at once. */
export async function inTurns<T>(steps: Steps<T>, clock: Pick<Clock, 'monotonicMs'>): Promise<T> {
  for (;;) {
    const untilMs = clock.monotonicMs() + turnMs;
    do {
      const step = steps.next();
      if (step.done === true) return step.value;
    } while (clock.monotonicMs() < untilMs);
    await nextTurn();
  }
}
