import type { Clock } from '../clock.ts';
import { errorTable, isSluiceError, SluiceError } from '../errors.ts';
import type { RateLimiter } from './rate-limiter.ts';
import type { WorkQueue } from './work-queue.ts';

/** A conflict only means that the cache was behind: try again soon, but never spin on an object that others keep writing. */
const conflictDelay = { minMs: 10, maxMs: 1000 } as const;

/** What a reconcile that ignores its abort signal gets on top of the drain time before it is left behind. */
const abortGraceMs = 1000;

/** After so many runs, which are some 10 ms where nothing is to be written, answers and timers have a turn. */
const runsInOneTurn = 20;

/** ReconcileResult says when the key is to be looked at again without anything having changed; undefined: not at all. */
export interface ReconcileResult {
  readonly requeueAfterMs?: number | undefined;
}

/** ControllerOptions wires a queue to a reconcile function; the callbacks must not throw. */
export interface ControllerOptions<K extends string> {
  readonly queue: WorkQueue<K>;
  readonly rateLimiter: RateLimiter<K>;
  /** reconcile gets a signal that aborts when the drain time of a stop is over, not at the stop itself. */
  readonly reconcile: (key: K, signal: AbortSignal) => Promise<ReconcileResult>;
  /** workers is the number of keys that run at the same time. */
  readonly workers: number;
  /** onError is called once for each failed run; `retryInMs` is undefined where only a change can help. */
  readonly onError: (key: K, error: SluiceError, retryInMs: number | undefined) => void;
  /** onDone is called once for each run that succeeded. */
  readonly onDone?: ((key: K, run: { readonly durationMs: number } & ReconcileResult) => void) | undefined;
  /** signal stops the controller: nothing new enters, and what is ready or running has `drainMs` to finish. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** drainMs is 30 s where left out. */
  readonly drainMs?: number | undefined;
}

/** ControllerOutcome names the keys whose reconcile was still running when the drain time was over. */
export interface ControllerOutcome<K extends string> {
  readonly unfinished: readonly K[];
}

/**
 * runController reconciles the keys of a queue until `signal` aborts and the queue is drained. It is the one place that
 * classifies errors: retry class Never is not tried again, a conflict comes back within a second, everything else backs
 * off per key and never sooner than the server asked for. A retry keeps its priority, `requeueAfterMs` has priority 0.
 * It rejects only when a callback throws.
 */
export async function runController<K extends string>(options: ControllerOptions<K>): Promise<ControllerOutcome<K>> {
  const { clock, queue, signal, drainMs = 30_000 } = options;
  const running = new Set<K>();
  const abort = new AbortController();
  const timers: (() => void)[] = [];
  const leftBehind = Promise.withResolvers<undefined>();
  const onStop = (): void => {
    queue.shutDown();
    timers.push(
      clock.schedule(drainMs, () => abort.abort(new SluiceError('Aborted', 'The time to drain the queue is over.'))),
      clock.schedule(drainMs + abortGraceMs, () => leftBehind.resolve(undefined)),
    );
  };
  if (signal.aborted) onStop();
  signal.addEventListener('abort', onStop, { once: true });
  try {
    const state = { running, turns: createTurns(clock), aborted: abort.signal };
    const workers = Array.from({ length: options.workers }, () => work(options, state));
    await Promise.race([Promise.all(workers), leftBehind.promise]);
    return { unfinished: [...running] };
  } finally {
    signal.removeEventListener('abort', onStop);
    for (const cancel of timers) cancel();
    queue.shutDown();
    abort.abort(new SluiceError('Aborted', 'The controller has stopped.'));
  }
}

/** WorkState is what the workers share. */
interface WorkState<K> {
  readonly running: Set<K>;
  readonly turns: () => Promise<void> | undefined;
  readonly aborted: AbortSignal;
}

async function work<K extends string>(
  options: ControllerOptions<K>,
  { running, turns, aborted }: WorkState<K>,
): Promise<void> {
  const { queue } = options;
  for (let key = await queue.get(); key !== undefined; key = await queue.get()) {
    running.add(key);
    try {
      if (!aborted.aborted) await runOnce(options, key, aborted);
    } finally {
      running.delete(key);
      queue.done(key);
    }
    await turns();
  }
}

/**
 * createTurns returns what a worker waits for after each run: nothing, or that others had a turn. A thousand keys that one
 * tick wakes would else be one task of half a second, because promises go before everything else.
 */
function createTurns(clock: Clock): () => Promise<void> | undefined {
  let runs = 0;
  let pause: Promise<void> | undefined;
  return () => {
    runs += 1;
    if (runs < runsInOneTurn) return undefined;
    pause ??= clock.sleep(0).then(() => {
      runs = 0;
      pause = undefined;
    });
    return pause;
  };
}

async function runOnce<K extends string>(options: ControllerOptions<K>, key: K, aborted: AbortSignal): Promise<void> {
  const { clock, queue, rateLimiter } = options;
  const startMs = clock.monotonicMs();
  let result: ReconcileResult;
  try {
    result = await options.reconcile(key, aborted);
  } catch (thrown) {
    const error = asSluiceError(key, thrown);
    if (aborted.aborted && error.code === 'Aborted') return;
    const retryInMs = retryDelayMs(rateLimiter, key, error);
    // What was urgent stays urgent: the retry of a breach must not wait behind a resync of everything.
    if (retryInMs !== undefined) queue.addAfter(key, retryInMs, queue.runningPriority(key));
    options.onError(key, error, retryInMs);
    return;
  }
  rateLimiter.forget(key);
  const { requeueAfterMs } = result;
  if (requeueAfterMs !== undefined) queue.addAfter(key, requeueAfterMs);
  options.onDone?.(key, { durationMs: clock.monotonicMs() - startMs, requeueAfterMs });
}

function retryDelayMs<K>(rateLimiter: RateLimiter<K>, key: K, error: SluiceError): number | undefined {
  if (errorTable[error.code].retry === 'Never') {
    rateLimiter.forget(key);
    return undefined;
  }
  const delayMs = rateLimiter.when(key);
  if (error.code === 'ApiConflict') return Math.min(Math.max(delayMs, conflictDelay.minMs), conflictDelay.maxMs);
  return Math.max(delayMs, error.retryAfterMs ?? 0);
}

/** What is not a SluiceError is a defect of ours, or the reason of the abort signal that came through unwrapped. */
function asSluiceError(key: string, thrown: unknown): SluiceError {
  if (isSluiceError(thrown)) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new SluiceError('Internal', `The reconcile of ${key} failed unexpectedly: ${text}`, { cause: thrown });
}
