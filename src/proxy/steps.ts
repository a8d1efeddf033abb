/**
 * Steps is work in pieces: at each yield whoever runs it may let others have a turn. Nothing that others see changes
 * between two pieces, unless it says so.
 */
export type Steps<T> = Generator<undefined, T, undefined>;

/** finish does all of it at once. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
