import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../../../src/clock.ts';
import { createUpstreamClient } from '../../../../src/proxy/upstream/client.ts';
import type { UpstreamCall, UpstreamClient } from '../../../../src/proxy/upstream/upstream.ts';
import { eventually } from '../../../support/eventually.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { startRawServer, type RawConnection } from '../../../support/raw-server.ts';
import { ask, get, localServer, post, transport } from '../../../support/upstream.ts';

const clients: UpstreamClient[] = [];
const newClient = (clock: Clock = systemClock): UpstreamClient => {
  const client = createUpstreamClient({ clock });
  clients.push(client);
  return client;
};

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

const empty = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

async function answerAll(connection: RawConnection): Promise<void> {
  for (;;) {
    await connection.head();
    connection.write(empty);
  }
}

const open = (connections: readonly RawConnection[]): number => connections.filter((each) => !each.isClosed).length;

describe('connections', () => {
  it('are used again, the one used last first', async () => {
    const served: number[] = [];
    await using server = await startRawServer(async (connection) => {
      for (;;) {
        await connection.head();
        served.push(connection.index);
        connection.write(empty);
      }
    });
    const client = newClient();
    const call = get(localServer(server.port));
    await Promise.all([ask(client, call).answer, ask(client, call).answer]);
    const last = served.at(-1);
    for (let count = 0; count < 5; count += 1) await ask(client, call).answer;
    expect(server.connections).toHaveLength(2);
    expect(served.slice(2)).toEqual([last, last, last, last, last]);
  });

  it('are found by a request that is sent as soon as an answer ends', async () => {
    await using server = await startRawServer(answerAll);
    const client = newClient();
    const call = get(localServer(server.port));
    await new Promise<void>((resolve) => {
      const handler = (left: number): Parameters<UpstreamClient['send']>[1] => ({
        onInformational: () => undefined,
        onHead: () => undefined,
        onData: () => true,
        onEnd: () => (left === 0 ? resolve() : void client.send(call, handler(left - 1))),
        onUpgrade: () => undefined,
        onError: () => undefined,
      });
      client.send(call, handler(20));
    });
    expect(server.connections).toHaveLength(1);
  });

  it('are kept up to maxIdlePerHost', async () => {
    await using server = await startRawServer(answerAll);
    const call = get(localServer(server.port), { transport: transport({ maxIdlePerHost: 2 }) });
    const client = newClient();
    await Promise.all(Array.from({ length: 5 }, () => ask(client, call).answer));
    await eventually(() => open(server.connections) === 2);
  });

  it('are closed when they were idle for idleTimeoutMs, and no timer stays', async () => {
    await using server = await startRawServer(answerAll);
    const clock = new ManualClock();
    const client = newClient(clock);
    await ask(client, get(localServer(server.port))).answer;
    await clock.advance(89_000);
    expect(open(server.connections)).toBe(1);
    await clock.advance(1_500);
    await eventually(() => open(server.connections) === 0);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    ['the server says so', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'],
    ['the server speaks HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['more came than the answer', `${empty}HTTP/1.1 200 OK\r\n\r\n`],
  ])('are not used again when %s', async (_, answer) => {
    await using server = await startRawServer(async (connection) => {
      await connection.head();
      connection.write(answer);
      await connection.closed();
    });
    const client = newClient();
    for (let count = 0; count < 2; count += 1) {
      expect(await ask(client, get(localServer(server.port))).answer).toMatchObject({ head: { status: 200 } });
    }
    expect(server.connections).toHaveLength(2);
    await eventually(() => open(server.connections) === 0);
  });

  it('of HTTP/1.0 are kept when the server says so', async () => {
    await using server = await startRawServer(async (connection) => {
      for (;;) {
        await connection.head();
        connection.write('HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n');
      }
    });
    const client = newClient();
    for (let count = 0; count < 2; count += 1) await ask(client, get(localServer(server.port))).answer;
    expect(server.connections).toHaveLength(1);
  });

  it('on which bytes come unasked are closed', async () => {
    await using server = await startRawServer(async (connection) => {
      await connection.head();
      connection.write(empty);
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
      connection.write('HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n');
      await connection.closed();
    });
    await ask(newClient(), get(localServer(server.port))).answer;
    await eventually(() => open(server.connections) === 0);
  });

  it('to forgotten servers are closed: idle ones at once, others after their answer', async () => {
    await using server = await startRawServer(async (connection) => {
      await connection.head();
      connection.write(connection.index === 0 ? empty : 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe');
      if (connection.index === 1) {
        await eventually(() => server.connections[0]?.isClosed === true);
        connection.write('llo');
      }
      await connection.closed();
    });
    const client = newClient();
    const call = get(localServer(server.port));
    await ask(client, call).answer;
    const idle = server.connections[0];
    const busy = ask(client, { ...call, transport: transport({ name: 'other' }) });
    await eventually(() => busy.soFar.body === 'he');
    client.forget(new Set([call.server.url]));
    expect(idle?.isClosed).toBe(false);
    client.forget(new Set());
    expect(await busy.answer).toMatchObject({ body: 'hello' });
    await eventually(() => open(server.connections) === 0);
  });

  it('of a transport that changed are closed, those of an equal one kept', async () => {
    await using server = await startRawServer(answerAll);
    const client = newClient();
    const call = get(localServer(server.port));
    await ask(client, call).answer;
    await ask(client, { ...call, transport: transport() }).answer;
    expect(server.connections).toHaveLength(1);
    await ask(client, { ...call, transport: transport({ dialTimeoutMs: 1 }) }).answer;
    await eventually(() => server.connections[0]?.isClosed === true);
    expect(server.connections).toHaveLength(2);
  });

  it('are closed with the client, those in use after their answer', async () => {
    await using server = await startRawServer(answerAll);
    const client = newClient();
    const call = get(localServer(server.port));
    await ask(client, call).answer;
    client.close();
    await eventually(() => open(server.connections) === 0);
    expect(await ask(client, call).answer).toMatchObject({ head: { status: 200 } });
    await eventually(() => open(server.connections) === 0);
  });
});

/** staleServer answers the first request of each connection and closes it, without an answer, when the second one comes. */
async function staleServer(isReset = false): Promise<Awaited<ReturnType<typeof startRawServer>>> {
  return await startRawServer(async (connection) => {
    await connection.head();
    connection.write(empty);
    await connection.head();
    if (isReset) connection.socket.resetAndDestroy();
    else connection.socket.end();
  });
}

describe('a kept connection that the server closes under a request', () => {
  const body = (changes: Partial<UpstreamCall>) => (call: UpstreamCall) => ({ ...call, ...changes });
  it.each([
    ['GET', body({ method: 'GET' })],
    ['PUT without a body', body({ method: 'PUT' })],
    ['DELETE', body({ method: 'DELETE' })],
    ['POST with an Idempotency-Key', body({ method: 'POST', headers: ['idempotency-key', '1'] })],
  ])('is no matter for a %s: it is sent again on a new one', async (_, change) => {
    for (const isReset of [false, true]) {
      await using server = await staleServer(isReset);
      const client = newClient();
      const call = get(localServer(server.port));
      await ask(client, call).answer;
      expect(await ask(client, change(call)).answer).toMatchObject({ head: { status: 200 }, failure: undefined });
      expect(server.connections).toHaveLength(2);
    }
  });

  it('fails a POST: it may have been done', async () => {
    await using server = await staleServer();
    const client = newClient();
    const call = get(localServer(server.port));
    await ask(client, call).answer;
    expect((await ask(client, { ...call, method: 'POST' }).answer).failure?.kind).toBe('Reset');
    expect(server.connections).toHaveLength(1);
  });

  it('fails a PUT whose body has been read', async () => {
    await using server = await staleServer();
    const client = newClient();
    const call = get(localServer(server.port));
    await ask(client, call).answer;
    const stream = new PassThrough();
    stream.write('half');
    const answer = await ask(client, { ...post(call.server, stream, { length: 8 }), method: 'PUT' }).answer;
    expect(answer.failure?.kind).toBe('Reset');
  });

  it('fails what has begun to be answered', async () => {
    await using server = await startRawServer(async (connection) => {
      await connection.head();
      connection.write(empty);
      await connection.head();
      connection.write('H');
      connection.socket.end();
    });
    const client = newClient();
    const call = get(localServer(server.port));
    await ask(client, call).answer;
    expect((await ask(client, call).answer).failure?.kind).toBe('Reset');
  });

  it('is replaced once only', async () => {
    let requests = 0;
    await using server = await startRawServer(async (connection) => {
      await connection.head();
      requests += 1;
      if (connection.index === 0) {
        connection.write(empty);
        await connection.head();
        requests += 1;
      }
      connection.socket.end();
    });
    const client = newClient();
    const call = get(localServer(server.port));
    await ask(client, call).answer;
    expect((await ask(client, call).answer).failure?.kind).toBe('Reset');
    expect(requests).toBe(3);
  });
});

describe('a server that cannot be reached', () => {
  it('refuses: Unreachable', async () => {
    const server = await startRawServer(answerAll);
    await server[Symbol.asyncDispose]();
    const { failure } = await ask(newClient(), get(localServer(server.port))).answer;
    expect(failure).toEqual({ kind: 'Unreachable', detail: expect.stringContaining('ECONNREFUSED') as string });
  });

  it('has a port that cannot be: Unreachable', async () => {
    const { failure } = await ask(newClient(), get({ ...localServer(1), port: 70_000, url: 'http://x:70000' })).answer;
    expect(failure?.kind).toBe('Unreachable');
  });

  it('does not answer the handshake: TimedOut after dialTimeoutMs', async () => {
    await using server = await startRawServer(answerAll);
    const clock = new ManualClock();
    // The TLS handshake stands for all of it: nothing on this machine leaves a SYN unanswered.
    const call = get(localServer(server.port, 'https'), { transport: transport({ dialTimeoutMs: 3_000 }) });
    const asked = ask(newClient(clock), call);
    await eventually(() => server.connections[0]?.received !== undefined && server.connections[0].received !== '');
    await clock.advance(9_000);
    expect(asked.soFar.failure).toBeUndefined();
    await clock.advance(1_500);
    expect((await asked.answer).failure?.kind).toBe('TimedOut');
    await eventually(() => open(server.connections) === 0);
  });
});

describe('a slow server', () => {
  it('has responseHeaderTimeoutMs for the head, after the request was sent', async () => {
    await using server = await startRawServer(async (connection) => {
      await connection.closed();
    });
    const clock = new ManualClock();
    const stream = new PassThrough();
    const limits = transport({ responseHeaderTimeoutMs: 2_000 });
    const asked = ask(newClient(clock), { ...post(localServer(server.port), stream), transport: limits });
    stream.write('a');
    await eventually(() => server.connections[0]?.received.endsWith('a\r\n') ?? false);
    await clock.advance(60_000);
    expect(asked.soFar.failure).toBeUndefined();
    stream.end();
    await eventually(() => server.connections[0]?.received.endsWith('0\r\n\r\n') ?? false);
    await clock.advance(1_900);
    expect(asked.soFar.failure).toBeUndefined();
    await clock.advance(400);
    expect((await asked.answer).failure).toMatchObject({ kind: 'TimedOut' });
    await eventually(() => open(server.connections) === 0);
  });

  it('has all the time for the body', async () => {
    await using server = await startRawServer(async (connection) => {
      await connection.head();
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na');
      await eventually(() => isLater);
      connection.write('b');
    });
    let isLater = false;
    const clock = new ManualClock();
    const call = get(localServer(server.port), { transport: transport({ responseHeaderTimeoutMs: 2_000 }) });
    const asked = ask(newClient(clock), call);
    await eventually(() => asked.soFar.body === 'a');
    await clock.advance(600_000);
    isLater = true;
    expect(await asked.answer).toMatchObject({ body: 'ab' });
  });
});

describe('abort', () => {
  it('closes the connection at once and says nothing any more', async () => {
    await using server = await startRawServer(async (connection) => {
      await connection.head();
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe');
      await connection.closed();
    });
    const asked = ask(newClient(), get(localServer(server.port)));
    await eventually(() => asked.soFar.body === 'he');
    asked.exchange.abort();
    await eventually(() => open(server.connections) === 0);
    expect(asked.soFar).toMatchObject({ trailers: undefined, failure: undefined });
  });

  it('may come while connecting, inside a callback, and twice', async () => {
    await using server = await startRawServer(answerAll);
    const client = newClient();
    const asked = ask(client, get(localServer(server.port)));
    asked.exchange.abort();
    asked.exchange.abort();
    const second = ask(client, get(localServer(server.port), { method: 'BAD METHOD' }));
    second.exchange.abort();
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
    expect(asked.soFar).toMatchObject({ head: undefined, failure: undefined });
    expect(second.soFar.failure).toBeUndefined();
    expect(open(server.connections)).toBe(0);
  });

  it('inside onData ends the reading of what came', async () => {
    await using server = await startRawServer(async (connection) => {
      await connection.head();
      connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n');
      await connection.closed();
    });
    const asked = ask(newClient(), get(localServer(server.port)), () => {
      asked.exchange.abort();
      return true;
    });
    await eventually(() => server.connections[0]?.isClosed === true);
    expect(asked.soFar).toMatchObject({ body: 'a', trailers: undefined, failure: undefined });
  });
});
