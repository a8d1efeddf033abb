/** One state of health for all who ask a metric source: while it is unreachable they wait for one probe instead of each trying. */
import { formatTime, type Clock } from '../clock.ts';
import { SluiceError } from '../errors.ts';
import type { ApiAnswer, ApiFailure } from './prometheus-api.ts';

/** SourceHealth says since when the source is unreachable, in milliseconds since the epoch, and what it last failed with. */
export type SourceHealth =
  | { readonly kind: 'Reachable' }
  | { readonly kind: 'Unreachable'; readonly sinceMs: number; readonly message: string };

/** BreakerOptions are the collaborators. */
export interface BreakerOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** probe asks the source something that costs it nothing. */
  readonly probe: (signal: AbortSignal) => Promise<ApiAnswer<unknown>>;
  /** onHealth is told of every change between reachable and unreachable. */
  readonly onHealth: (health: SourceHealth) => void;
}

/** Fewer failures in a row may be the connections that a restart has broken. */
const failuresToOpen = 4;
const firstDelayMs = 1_000;
const maxDelayMs = 30_000;

/** Down is a row of failures: since when, what the last one was, and when the source is asked again. */
interface Down {
  readonly sinceMs: number;
  failure: ApiFailure;
  failures: number;
  probes: number;
  dueMs: number;
}

/** Breaker lets calls through while the source answers. It holds no timer while nobody waits for the source. */
export class Breaker {
  readonly #options: BreakerOptions;
  readonly #closing = new AbortController();
  #down: Down | undefined;
  /** open is the row of failures while nothing is asked. */
  #open: Down | undefined;
  /** round grows with each failure that counts. */
  #round = 0;
  #probing: Promise<ApiFailure | undefined> | undefined;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /** health says how the source is; any answer, also a refusal, shows that it is there. */
  health(): SourceHealth {
    if (this.#down === undefined || this.#down.failures < failuresToOpen) return { kind: 'Reachable' };
    return { kind: 'Unreachable', sinceMs: this.#down.sinceMs, message: this.#down.failure.message };
  }

  /**
   * ready waits for the next probe where the source is unreachable, and returns the failure where that fails too. It
   * throws a SluiceError `Aborted` when the signal aborts.
   */
  async ready(signal: AbortSignal): Promise<ApiFailure | undefined> {
    if (this.#open === undefined) return undefined;
    this.#probing ??= this.#probe(this.#open).finally(() => {
      this.#probing = undefined;
    });
    return untilAborted(this.#probing, signal);
  }

  /** run asks, and learns from the answer. Where the source is unreachable it fails at once: who can wait has waited in `ready`. */
  async run<T>(task: () => Promise<ApiAnswer<T>>): Promise<ApiAnswer<T>> {
    if (this.#open !== undefined) return sinceWhen(this.#open);
    const round = this.#round;
    const answer = await task();
    this.#learn(answer, round);
    return answer;
  }

  /** close ends the probe that is under way or waited for. */
  close(): void {
    this.#closing.abort();
  }

  #learn(answer: ApiAnswer<unknown>, round: number): void {
    const before = this.health().kind;
    if (answer.kind === 'Answer' || answer.reason !== 'SourceUnreachable') {
      this.#down = undefined;
      this.#open = undefined;
    } else {
      this.#down ??= { sinceMs: this.#options.clock.nowMs(), failure: answer, failures: 0, probes: 0, dueMs: 0 };
      this.#down.failure = answer;
      // What was under way together fails together: a blip is one failure, however many it has met.
      if (round === this.#round) {
        this.#round += 1;
        this.#down.failures += 1;
      }
      if (this.#down.failures >= failuresToOpen && this.#open === undefined) this.#openFor(this.#down);
    }
    if (this.health().kind !== before) this.#options.onHealth(this.health());
  }

  #openFor(down: Down): void {
    const { clock, random } = this.#options;
    this.#open = down;
    // Half of the delay is by chance: replicas and other clients must not come all at once to a source that starts.
    const delayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** down.probes) * (0.5 + random() / 2);
    down.probes += 1;
    down.dueMs = clock.monotonicMs() + delayMs;
  }

  async #probe(down: Down): Promise<ApiFailure | undefined> {
    const { clock, probe } = this.#options;
    try {
      await clock.sleep(Math.max(0, down.dueMs - clock.monotonicMs()), this.#closing.signal);
      // Somebody whose call was still under way may have had an answer meanwhile.
      if (this.#open !== down) return undefined;
      const answer = await probe(this.#closing.signal);
      if (answer.kind === 'Failure' && answer.reason === 'SourceUnreachable' && this.#open === down) {
        down.failure = answer;
        this.#openFor(down);
        return sinceWhen(down);
      }
    } catch {
      // Closed: whoever has waited fails by itself.
    }
    // Only the answer to a real question ends the row: until then the next wait is longer than this one.
    this.#open = undefined;
    return undefined;
  }
}

function sinceWhen({ failure, sinceMs }: Down): ApiFailure {
  return { ...failure, message: `${failure.message} It has been unreachable since ${formatTime(sinceMs)}.` };
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void =>
    aborted.reject(new SluiceError('Aborted', 'Waiting for the metric source was cancelled.'));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
