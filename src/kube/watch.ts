import type { KubernetesObject } from '../api/kubernetes.ts';
import type { WatchEvent } from '../api/object-store.ts';
import type { Clock } from '../clock.ts';
import { SluiceError } from '../errors.ts';
import { createLineSplitter } from './line-splitter.ts';
import type { KubeClient, RequestObserver, WatchEnd } from './request.ts';
import { isConnectionLost, networkError, streamError } from './status-error.ts';

/** Bookmarks come about once a minute and are best effort; a stream that is silent for longer is opened anew, cheaply. */
const idleLimitMs = 90_000;

/** What a server gets on top of `timeoutSeconds` to end the watch itself. */
const endGraceMs = 30_000;

/** WatchRequest is one watch of a collection. */
export interface WatchRequest {
  readonly path: string;
  readonly fieldSelector?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
  /** onEnd is told why this watch ended, as the observer is for all. */
  readonly onEnd?: ((reason: WatchEnd) => void) | undefined;
}

/** WatchContext is what all watches of a client share. */
export interface WatchContext {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** random returns a number in [0, 1). */
  readonly random: () => number;
  readonly observer?: RequestObserver | undefined;
}

/**
 * watchEvents yields the events of one watch, raw. It returns when the server ends the watch, when the connection is
 * lost between two events, when nothing came for 90 s, or when `request.signal` aborts: in all of these the caller may
 * go on from the last resourceVersion. It throws ApiGone when that is too old, WatchBroken for a line that is cut or
 * unreadable (never skipped, since an event would be lost), and what opening the watch met.
 */
export async function* watchEvents<T extends KubernetesObject>(
  context: WatchContext,
  request: WatchRequest,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  // Random, so that the watches of all controllers do not end together; client-go takes the same 5 to 10 minutes.
  const timeoutSeconds = 300 + Math.floor(context.random() * 301);
  const guard = startGuard(context.clock, request.signal, timeoutSeconds * 1000 + endGraceMs);
  try {
    const stream = await open(context, request, { timeoutSeconds, signal: guard.signal });
    if (stream === undefined) return;
    for await (const line of readLines(stream, guard, request.path)) {
      if (request.signal.aborted) return;
      yield parseEvent<T>(line, request.path);
    }
  } catch (error) {
    guard.end('Failed');
    throw error;
  } finally {
    const reason = guard.close();
    context.observer?.onWatchEnd?.(reason);
    request.onEnd?.(reason);
  }
}

async function open(
  context: WatchContext,
  request: WatchRequest,
  options: { readonly timeoutSeconds: number; readonly signal: AbortSignal },
): Promise<AsyncIterable<Uint8Array> | undefined> {
  try {
    return await context.client.stream({
      verb: 'watch',
      path: request.path,
      query: {
        watch: 'true',
        resourceVersion: request.resourceVersion,
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(options.timeoutSeconds),
        fieldSelector: request.fieldSelector,
        labelSelector: request.labelSelector,
      },
      signal: options.signal,
    });
  } catch (error) {
    if (request.signal.aborted) return undefined;
    throw error;
  }
}

async function* readLines(
  stream: AsyncIterable<Uint8Array>,
  guard: Guard,
  path: string,
): AsyncGenerator<string, void, undefined> {
  const splitter = createLineSplitter();
  for await (const chunk of readChunks(stream, guard)) {
    yield* splitter.push(chunk);
  }
  const isCut = splitter.pendingBytes > 0 && (guard.reason() === 'Closed' || guard.reason() === 'Reset');
  if (!isCut) return;
  const found = `ended in the middle of an event after ${splitter.pendingBytes} bytes`;
  throw new SluiceError('WatchBroken', `The watch of ${path} ${found}.`);
}

/** Ends quietly with a reason, instead of with the error that the end of a connection is to the stream below. */
async function* readChunks(
  stream: AsyncIterable<Uint8Array>,
  guard: Guard,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of stream) {
      guard.touch();
      yield chunk;
    }
    guard.end('Closed');
  } catch (error) {
    const broken = networkError('The watch', error);
    if (isConnectionLost(broken)) guard.end('Reset');
    if (guard.reason() === undefined) throw broken;
  }
}

/** Guard ends a watch that is silent or runs for too long, and keeps the reason why it ended. */
interface Guard {
  readonly signal: AbortSignal;
  /** touch notes that bytes came. */
  touch(): void;
  /** end aborts the stream, if it is not over yet for another reason. */
  end(because: WatchEnd): void;
  /** reason tells why the watch ended, if it did. */
  reason(): WatchEnd | undefined;
  /** close releases everything and returns the reason; Left where there was none. */
  close(): WatchEnd;
}

function startGuard(clock: Clock, outer: AbortSignal, limitMs: number): Guard {
  const controller = new AbortController();
  let reason: WatchEnd | undefined;
  let touchedMs = clock.monotonicMs();
  const end = (because: WatchEnd): void => {
    // A cut event is found after the connection has ended: that it failed says more than how it ended.
    reason = because === 'Failed' ? because : (reason ?? because);
    controller.abort(new SluiceError('Aborted', `The watch was ended (${reason}).`));
  };
  const onAbort = (): void => end('Left');
  // The timer looks when the last byte came, because setting a timer for each chunk costs more than the chunk.
  const checkIdle = (): void => {
    const restMs = touchedMs + idleLimitMs - clock.monotonicMs();
    if (restMs <= 0) end('Idle');
    else cancelIdle = clock.schedule(Math.ceil(restMs), checkIdle);
  };
  let cancelIdle = clock.schedule(idleLimitMs, checkIdle);
  const cancelLimit = clock.schedule(limitMs, () => end('Limit'));
  if (outer.aborted) onAbort();
  outer.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    touch: () => {
      touchedMs = clock.monotonicMs();
    },
    end,
    reason: () => reason,
    close: () => {
      cancelIdle();
      cancelLimit();
      outer.removeEventListener('abort', onAbort);
      end('Left');
      return reason ?? 'Left';
    },
  };
}

const eventTypes: ReadonlyMap<unknown, 'Added' | 'Modified' | 'Deleted'> = new Map([
  ['ADDED', 'Added'],
  ['MODIFIED', 'Modified'],
  ['DELETED', 'Deleted'],
] as const);

function parseEvent<T extends KubernetesObject>(line: string, path: string): WatchEvent<T> {
  const { type, object } = parseLine(line, path);
  if (type === 'ERROR') throw streamError(`The watch of ${path}`, object);
  const { name, resourceVersion } = ((object ?? {}) as Partial<KubernetesObject>).metadata ?? {};
  if (type === 'BOOKMARK' && resourceVersion !== undefined) return { type: 'Bookmark', resourceVersion };
  const change = eventTypes.get(type);
  if (change !== undefined && name !== undefined && resourceVersion !== undefined) {
    return { type: change, object: object as T };
  }
  const found = change === undefined ? 'an event of an unknown type' : 'an event without metadata';
  throw new SluiceError('WatchBroken', `The watch of ${path} sent ${found}.`);
}

function parseLine(line: string, path: string): { readonly type?: unknown; readonly object?: unknown } {
  try {
    return (JSON.parse(line) ?? {}) as { readonly type?: unknown; readonly object?: unknown };
  } catch (error) {
    // The parser's own message quotes the line, and with it the object.
    const found = `a line of ${line.length} characters that is not JSON`;
    throw new SluiceError('WatchBroken', `The watch of ${path} sent ${found}.`, { cause: (error as Error).name });
  }
}
