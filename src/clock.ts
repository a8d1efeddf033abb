/** Clock is the only source of time in Sluice: pass it in, so that tests own it and `decide` gets time as data. */
export interface Clock {
  /** nowMs returns the wall-clock time in milliseconds since the epoch. */
  nowMs(): number;
  /** monotonicMs returns milliseconds on a clock that never jumps; its zero is arbitrary. */
  monotonicMs(): number;
  /** sleep resolves after `ms` milliseconds; it rejects with the signal's reason as soon as the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** schedule calls `callback` once after `ms` milliseconds unless the returned function is called before. */
  schedule(ms: number, callback: () => void): () => void;
  /** timeout returns a signal that aborts with a TimeoutError after `ms` milliseconds. */
  timeout(ms: number): AbortSignal;
}

/** maxTimerMs is the longest delay of a timer of Node; a longer one would fire at once. */
const maxTimerMs = 2 ** 31 - 1;

/** systemClock is the real Clock of this process; what is to wait longer than 24.8 days waits that long. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason as Error);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, withinTimer(ms));
      signal?.addEventListener('abort', onAbort, { once: true });
    }),
  schedule: (ms, callback) => {
    const timer = setTimeout(callback, withinTimer(ms));
    return () => clearTimeout(timer);
  },
  timeout: (ms) => AbortSignal.timeout(withinTimer(ms)),
};

/** nextTurn resolves when everything that waits for the event loop has had its turn; it takes no time of its own. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

function withinTimer(ms: number): number {
  return Math.min(Math.max(0, Math.ceil(ms)), maxTimerMs);
}

/** Date.parse alone would find a time in `shop 1`: RFC 3339, and the date of an HTTP header (RFC 9110, 5.6.7). */
const timeForms = [
  /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$/,
  /^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/,
];

/** parseTime returns the milliseconds since the epoch of an RFC 3339 time or an HTTP date, or undefined when it is neither. */
export function parseTime(text: string | undefined): number | undefined {
  if (text === undefined || !timeForms.some((form) => form.test(text))) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** formatTime returns the RFC 3339 form of `ms` with millisecond precision, e.g. `2026-11-21T09:30:00.000Z`. */
export function formatTime(ms: number): string {
  return new Date(ms).toISOString();
}
