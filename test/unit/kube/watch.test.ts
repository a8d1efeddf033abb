import { afterEach, describe, expect, it } from 'vitest';
import type { KubernetesObject } from '../../../src/api/kubernetes.ts';
import type { WatchEvent } from '../../../src/api/object-store.ts';
import { createKubeClient, type WatchEnd } from '../../../src/kube/request.ts';
import { watchEvents } from '../../../src/kube/watch.ts';
import { eventually } from '../../support/eventually.ts';
import { answer, connectTo, startFaultServer, type FaultHandler } from '../../support/fault-server.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const ended: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(ended.splice(0).map((end) => end()));
});

type Events = readonly WatchEvent<KubernetesObject>[];

async function watch(handler: FaultHandler) {
  const server = await startFaultServer(handler);
  const clock = new ManualClock();
  const ends: WatchEnd[] = [];
  const ownEnds: WatchEnd[] = [];
  const observer = { onRequest: () => {}, onWatchEnd: (reason: WatchEnd) => ends.push(reason) };
  const client = createKubeClient(connectTo(server), { clock, version: '1' });
  ended.push(
    () => client.close(),
    () => server.stop(),
  );
  const abort = new AbortController();
  const events: WatchEvent<KubernetesObject>[] = [];
  const read = async (): Promise<Events> => {
    const stream = watchEvents(
      { client, clock, random: () => 0.5, observer },
      {
        path: '/api/v1/services',
        resourceVersion: '7',
        signal: abort.signal,
        onEnd: (reason) => ownEnds.push(reason),
      },
    );
    for await (const event of stream) events.push(event);
    return events;
  };
  const result = read();
  // Looked at later by the test; until then it is no unhandled rejection.
  result.catch(() => {});
  return { abort, clock, ends, events, ownEnds, result, server };
}

const line = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`;
const service = (name: string, resourceVersion: string): object => ({
  kind: 'Service',
  metadata: { name, namespace: 'web', resourceVersion },
});
const added = line('ADDED', service('a', '8'));

/** send writes text and then ends, resets or leaves open the connection. */
function send(text: string | Uint8Array, then: 'End' | 'Reset' | 'Open'): FaultHandler {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write(text, () => {
      if (then === 'End') response.end();
      // Later, so that the text is not lost in the socket's buffer with the reset.
      if (then === 'Reset') setTimeout(() => response.socket?.destroy(), 20);
    });
  };
}

describe('watchEvents', () => {
  it('asks for bookmarks from the given version, for 5 to 10 minutes', async () => {
    const { result, server } = await watch(send('', 'End'));
    await result;
    expect(Object.fromEntries(server.requests[0]?.url.searchParams ?? [])).toEqual({
      watch: 'true',
      resourceVersion: '7',
      allowWatchBookmarks: 'true',
      timeoutSeconds: '450',
    });
  });

  it('yields changes raw and bookmarks as versions, and returns when the server ends the watch', async () => {
    const bookmark = line('BOOKMARK', { kind: 'Service', metadata: { resourceVersion: '12' } });
    const text = added + line('MODIFIED', service('a', '9')) + line('DELETED', service('a', '10')) + bookmark;
    const { ends, ownEnds, result } = await watch(send(text, 'End'));
    expect(await result).toEqual([
      { type: 'Added', object: service('a', '8') },
      { type: 'Modified', object: service('a', '9') },
      { type: 'Deleted', object: service('a', '10') },
      { type: 'Bookmark', resourceVersion: '12' },
    ]);
    expect(ends).toEqual(['Closed']);
    expect(ownEnds).toEqual(ends);
  });

  it.each(['End', 'Reset'] as const)(
    'row 1: is broken when its last event is cut (%s), after those before it',
    async (then) => {
      const { ends, events, result } = await watch(send(added + added.slice(0, 30), then));
      await expect(result).rejects.toMatchObject({ code: 'WatchBroken' });
      expect(events.length).toBe(1);
      expect(ends).toEqual(['Failed']);
    },
  );

  it('returns when the connection is reset between two events', async () => {
    const { ends, result } = await watch(send(added, 'Reset'));
    expect((await result).length).toBe(1);
    expect(ends).toEqual(['Reset']);
  });

  it.each([
    ['410 as gone', { code: 410, reason: 'Expired' }, 'ApiGone'],
    ['429 as throttled', { code: 429, reason: 'TooManyRequests' }, 'ApiThrottled'],
    ['500 as failed', { code: 500, reason: 'InternalError' }, 'ApiFailed'],
  ])('row 4: takes an in-stream error %s', async (_name, fields, code) => {
    const { result } = await watch(send(line('ERROR', { kind: 'Status', ...fields }), 'End'));
    await expect(result).rejects.toMatchObject({ code });
  });

  it.each([
    ['a line that is not JSON', '{"type":"ADDED","object":hunter2}\n'],
    ['an unknown type', line('RENAMED', service('a', '8'))],
    ['an object without metadata', line('ADDED', { kind: 'Service' })],
    ['an object without a version', line('ADDED', { metadata: { name: 'a' } })],
    ['null', 'null\n'],
  ])('row 4: is broken by %s, which it never skips and never quotes', async (_name, text) => {
    const { events, result } = await watch(send(added + text + added, 'Open'));
    const error = (await result.catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ code: 'WatchBroken' });
    expect(error.message).not.toContain('hunter2');
    expect(events.length).toBe(1);
  });

  it.each([
    [410, { kind: 'Status', reason: 'Expired' }, 'ApiGone'],
    [404, '404 page not found', 'ApiNotFound'],
    [403, { kind: 'Status', reason: 'Forbidden' }, 'ApiForbidden'],
  ])('throws what opening it met: %i', async (status, body, code) => {
    const { result } = await watch(answer(status, body));
    await expect(result).rejects.toMatchObject({ code, status });
  });

  it('gives up when the headers of the answer do not come within 30 s', async () => {
    const { clock, result, server } = await watch(() => {});
    await eventually(() => server.requests.length === 1);
    await clock.advance(30_000);
    await expect(result).rejects.toMatchObject({ code: 'ApiTimeout' });
  });

  it('returns after 90 s without a byte, and any byte starts them again', async () => {
    let write: (text: string) => void = () => {};
    const { clock, ends, events, result, server } = await watch((_request, response) => {
      response.writeHead(200).flushHeaders();
      write = (text) => response.write(text);
      write(added);
    });
    await eventually(() => events.length === 1);
    await clock.advance(89_000);
    write(line('BOOKMARK', { metadata: { resourceVersion: '9' } }));
    await eventually(() => events.length === 2);
    await clock.advance(89_999);
    expect(ends).toEqual([]);
    await clock.advance(1);
    await result;
    expect(ends).toEqual(['Idle']);
    await eventually(() => server.connections() === 0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('does not run longer than its time and 30 s, however busy it is', async () => {
    let write: (text: string) => void = () => {};
    const { clock, ends, events, result } = await watch((_request, response) => {
      response.writeHead(200).flushHeaders();
      write = (text) => response.write(text);
      write(added);
    });
    for (let count = 1; count <= 8; count += 1) {
      await eventually(() => events.length === count);
      await clock.advance(60_000 - (count === 8 ? 1 : 0));
      if (count < 8) write(added);
    }
    expect(ends).toEqual([]);
    await clock.advance(1);
    await result;
    expect(ends).toEqual(['Limit']);
  });

  it('ends without an error and without another event when its signal aborts', async () => {
    const { abort, clock, ends, events, result, server } = await watch(send(added, 'Open'));
    await eventually(() => events.length === 1);
    abort.abort();
    expect(await result).toHaveLength(1);
    expect(ends).toEqual(['Left']);
    await eventually(() => server.connections() === 0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('ends without an error when its signal aborts before it was opened', async () => {
    const { abort, ends, result, server } = await watch(() => {});
    await eventually(() => server.requests.length === 1);
    abort.abort();
    expect(await result).toEqual([]);
    expect(ends).toEqual(['Left']);
  });
});
