/** Waiting for a condition of the real world: polled, with a deadline, and with an error that says what was seen last. */
import { setTimeout as sleep } from 'node:timers/promises';

/** EventuallyOptions bound the waiting; `describe` completes the sentence "Waited 10 s for …". */
export interface EventuallyOptions {
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
  readonly describe?: string;
}

/**
 * eventually calls `check` until it returns something other than `undefined` or `false` without throwing, and returns that.
 * After `timeoutMs` (10 s) it throws an Error that names the last failure; an assertion inside `check` is such a failure.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<Exclude<T, undefined | false>> {
  const { timeoutMs = 10_000, intervalMs = 50, describe = 'a condition' } = options;
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const outcome = await attempt(check);
    if (outcome.kind === 'Met') return outcome.value;
    if (performance.now() >= deadlineMs) {
      const waited = `Waited ${timeoutMs / 1000} s for ${describe}`;
      throw new Error(`${waited}; last: ${outcome.error.message}`, { cause: outcome.error });
    }
    await sleep(intervalMs);
  }
}

type Attempt<T> =
  | { readonly kind: 'Met'; readonly value: Exclude<T, undefined | false> }
  | { readonly kind: 'Unmet'; readonly error: Error };

async function attempt<T>(check: () => T | Promise<T>): Promise<Attempt<T>> {
  try {
    const value = await check();
    if (value === undefined || value === false) return { kind: 'Unmet', error: new Error(`it was ${String(value)}`) };
    return { kind: 'Met', value: value as Exclude<T, undefined | false> };
  } catch (error) {
    return { kind: 'Unmet', error: error instanceof Error ? error : new Error(String(error)) };
  }
}
