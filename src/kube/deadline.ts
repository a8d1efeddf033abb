import type { Clock } from '../clock.ts';

/** Deadline is an abort signal with a timer that can be called off; unlike AbortSignal.any it leaves nothing behind. */
export interface Deadline {
  /** signal aborts with the reason of the outer signal, or with a TimeoutError when the time is over. */
  readonly signal: AbortSignal;
  /** endsAtMs is the monotonic time of the end. */
  readonly endsAtMs: number;
  /** isOver tells whether the time ran out, rather than the outer signal aborting. */
  isOver(): boolean;
  /** disarm stops the timer; the outer signal still aborts. */
  disarm(): void;
  /** close stops the timer and lets go of the outer signal. */
  close(): void;
}

/** startDeadline returns a Deadline that ends after `ms` milliseconds or with `outer`. */
export function startDeadline(clock: Clock, ms: number, outer: AbortSignal | undefined): Deadline {
  const controller = new AbortController();
  let isOver = false;
  const onAbort = (): void => controller.abort(outer?.reason);
  const disarm = clock.schedule(ms, () => {
    isOver = true;
    controller.abort(new DOMException('The operation timed out.', 'TimeoutError'));
  });
  if (outer?.aborted) onAbort();
  else outer?.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    endsAtMs: clock.monotonicMs() + ms,
    isOver: () => isOver,
    disarm,
    close: () => {
      disarm();
      outer?.removeEventListener('abort', onAbort);
    },
  };
}

/** untilAborted settles as `promise` does, but rejects with the signal's reason when it aborts first. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    promise.catch(() => {});
    return Promise.reject(signal.reason as Error);
  }
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
