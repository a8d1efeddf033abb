/** The options of a write that only the replica may make that has the right, and what is known of it afterwards. */
import type { CallOptions, WriteOutcome } from '../api/object-store.ts';
import { isSluiceError } from '../errors.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Grant } from './ownership.ts';

/**
 * Acted says what became of the writes: `Unchanged` where there was nothing to write, `Written`, or `Lost` where somebody
 * else was faster, or it is not known whether it was made. After the last two the world is another one: decide again.
 */
export type Acted = 'Unchanged' | 'Written' | 'Lost';

interface Counting {
  readonly metrics: Pick<Metrics, 'fenced'>;
}

/** fenced are the options of a write that only the replica may make that has the right, and only in time. */
export function fenced({ metrics }: Counting, grant: Grant): CallOptions {
  const { signal, writeDeadlineMs } = grant;
  return { signal, deadlineMs: writeDeadlineMs, permit: () => permits(metrics, grant, writeDeadlineMs) };
}

/**
 * whileHeld are the options of a lowering: a late one is harmless, so it may take as long as it likes. But it has to be
 * begun by the leader: a process that was stopped wakes up with a decision about what others have long changed.
 */
export function whileHeld({ metrics }: Counting, grant: Grant): CallOptions {
  return { signal: grant.signal, permit: () => permits(metrics, grant, 0) };
}

function permits(metrics: Pick<Metrics, 'fenced'>, grant: Grant, deadlineMs: number): boolean {
  const isPermitted = grant.permits(deadlineMs);
  if (!isPermitted) metrics.fenced('patch');
  return isPermitted;
}

/** Settled is what is known of a write: of an `Unknown` one only another read can tell. */
export type Settled<T> = WriteOutcome<T> | { readonly kind: 'Unknown'; readonly message: string };

/** settled takes a write without an answer for an outcome. */
export async function settled<T>(write: Promise<WriteOutcome<T>>): Promise<Settled<T>> {
  try {
    return await write;
  } catch (error) {
    if (isSluiceError(error, 'WriteUnknown')) return { kind: 'Unknown', message: error.message };
    throw error;
  }
}
