import type { Dispatcher } from 'undici';
import type { Clock } from '../clock.ts';
import { isSluiceError, SluiceError } from '../errors.ts';
import { answerBody, answerText } from './answer-body.ts';
import { describeCall, isWrite, type KubeCall, type RequestVerb } from './call.ts';
import type { KubeConnection } from './connection.ts';
import { startDeadline } from './deadline.ts';
import { exchange, firstHeader, type Attempt, type Exchanger } from './exchange.ts';
import { createServerClock } from './server-clock.ts';
import { answerError, isConnectionLost, isWriteUnknown, networkError } from './status-error.ts';
import { createTransport } from './transport.ts';

/** RequestObserver is told about each HTTP exchange and each end of a watch, for metrics; it must not throw. */
export interface RequestObserver {
  /** onRequest: `status` is the HTTP status, 0 where no answer came; `ms` until the answer (of a watch: its headers). */
  onRequest(verb: RequestVerb, status: number, ms: number): void;
  /** onWatchEnd tells why a watch is over; a watch that could not be opened is Failed too. */
  onWatchEnd?(reason: WatchEnd): void;
}

/** WatchEnd: the server closed it, the connection was reset, no byte came for too long, it ran too long, we left, or it was unreadable. */
export type WatchEnd = 'Closed' | 'Reset' | 'Idle' | 'Limit' | 'Left' | 'Failed';

/** KubeClient sends requests to one API server and returns raw JSON; whatever is not a success is a SluiceError. */
export interface KubeClient {
  /** request resolves with the parsed answer. Reads are tried again as client-go does, writes never. */
  request(call: KubeCall): Promise<unknown>;
  /** stream resolves with the body of a watch as soon as its headers are here; `call.signal` ends it. */
  stream(call: KubeCall): Promise<AsyncIterable<Uint8Array>>;
  /** serverOffsetMs is the server's wall clock minus ours; 0 while nothing beyond the resolution of 1 s is known. */
  serverOffsetMs(): number;
  /** close destroys all connections. */
  close(): Promise<void>;
}

const deadlinesMs: Record<RequestVerb, number> = {
  get: 15_000,
  list: 60_000,
  watch: 30_000,
  create: 10_000,
  update: 10_000,
  patch: 10_000,
  delete: 10_000,
};

const maxTries = 10;

/** client-go waits this long after a lost connection, which carries no Retry-After. */
const lostConnectionRetryMs = 1000;

/** createKubeClient returns a KubeClient that says it is `sluice/<version>`; it opens no connection yet. */
export function createKubeClient(
  connection: KubeConnection,
  options: { readonly clock: Clock; readonly version: string; readonly observer?: RequestObserver | undefined },
): KubeClient {
  const transport = createTransport(connection);
  const { clock, observer } = options;
  const serverClock = createServerClock(clock);
  const client = { connection, transport, clock, serverClock, userAgent: `sluice/${options.version}`, observer };
  return {
    request: (call) => request(client, call),
    stream: (call) => stream(client, call),
    serverOffsetMs: () => serverClock.offsetMs(),
    close: () => transport.close(),
  };
}

/**
 * There is no limit of requests a second on this side, as with controller-runtime: the API server's priority and fairness
 * knows who else is there, and its 429 is honoured.
 */
async function request(client: Exchanger, call: KubeCall): Promise<unknown> {
  const deadline = startDeadline(client.clock, call.deadlineMs ?? deadlinesMs[call.verb], call.signal);
  try {
    for (let tries = 1; ; tries += 1) {
      const outcome = await tryOnce(client, { call, deadline, isSent: false });
      if (!isSluiceError(outcome)) return outcome;
      const waitMs = retryDelayMs(call, outcome, tries);
      // Waiting longer than the caller does is his decision: the error carries what the server asked for.
      if (waitMs === undefined || client.clock.monotonicMs() + waitMs >= deadline.endsAtMs) throw outcome;
      await client.clock.sleep(waitMs, deadline.signal).catch(() => {
        throw aborted(call);
      });
    }
  } finally {
    deadline.close();
  }
}

/**
 * Only reads are repeated: after a lost connection nobody knows whether a write was applied, and a write that waits for
 * seconds may outlive the right to make it. Same conditions as client-go (rest/with_retry.go), except that a connection
 * lost twice is left to the caller: his back-off grows, and ten tries inside each of his would make it a storm.
 */
function retryDelayMs(call: KubeCall, error: SluiceError, tries: number): number | undefined {
  if (isWrite(call) || tries >= maxTries) return undefined;
  if (isConnectionLost(error)) return tries === 1 ? lostConnectionRetryMs : undefined;
  const isServerBusy = error.code !== 'ApiGone' && (error.status === 429 || (error.status ?? 0) >= 500);
  return isServerBusy ? error.retryAfterMs : undefined;
}

async function tryOnce(client: Exchanger, attempt: Attempt): Promise<unknown> {
  try {
    const response = await exchange(client, attempt);
    return readAnswer(attempt.call, response, await answerText(response));
  } catch (error) {
    return failure(attempt, error);
  }
}

function readAnswer(call: KubeCall, response: Dispatcher.ResponseData, text: string): unknown {
  const body = parseJson(text);
  const { statusCode: status, headers } = response;
  const isSuccess = status >= 200 && status < 300;
  if (isSuccess && body !== undefined) return body;
  if (!isSuccess) {
    throw answerError(describeCall(call), { status, body, retryAfter: firstHeader(headers['retry-after']) });
  }
  const found = `${describeCall(call)} was answered with HTTP ${status} and something that is not JSON`;
  throw new SluiceError('ApiFailed', `${found}; is there a proxy in between?`, { status });
}

async function stream(client: Exchanger, call: KubeCall): Promise<AsyncIterable<Uint8Array>> {
  const deadline = startDeadline(client.clock, call.deadlineMs ?? deadlinesMs.watch, call.signal);
  const attempt = { call, deadline, isSent: false };
  try {
    const response = await exchange(client, attempt);
    if (response.statusCode !== 200) readAnswer(call, response, await answerText(response));
    // From here on the caller's signal alone ends the stream, so it has to stay connected.
    deadline.disarm();
    // A stream that breaks between two reads must not become an uncaught 'error' event; the next read throws anyway.
    return answerBody(response).on('error', () => {});
  } catch (error) {
    deadline.close();
    throw failure(attempt, error);
  }
}

function failure(attempt: Attempt, thrown: unknown): SluiceError {
  const { call, isSent } = attempt;
  const error = isSluiceError(thrown) ? thrown : withoutAnswer(attempt, thrown);
  if (!isWrite(call) || !isSent || !isWriteUnknown(error)) return error;
  const { cause, message, retryAfterMs, status } = error;
  const unknown = `${message} It may have been applied: read again before deciding anything.`;
  return new SluiceError('WriteUnknown', unknown, { cause, retryAfterMs, status });
}

function withoutAnswer({ call, deadline, isSent }: Attempt, thrown: unknown): SluiceError {
  if (deadline.isOver()) {
    const seconds = (call.deadlineMs ?? deadlinesMs[call.verb]) / 1000;
    const found = isSent ? 'answered' : 'sent';
    return new SluiceError('ApiTimeout', `${describeCall(call)} was not ${found} within ${seconds} s.`);
  }
  return call.signal?.aborted === true ? aborted(call) : networkError(describeCall(call), thrown);
}

function aborted(call: KubeCall): SluiceError {
  return new SluiceError('Aborted', `${describeCall(call)} was cancelled.`, { cause: call.signal?.reason });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
