import { once } from 'node:events';
import http2, {
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../../../src/clock.ts';
import { createUpstreamClient } from '../../../../src/proxy/upstream/client.ts';
import type { UpstreamClient } from '../../../../src/proxy/upstream/upstream.ts';
import { eventually } from '../../../support/eventually.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { startRawServer } from '../../../support/raw-server.ts';
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

interface H2Server extends AsyncDisposable {
  readonly port: number;
  readonly sessions: ServerHttp2Session[];
  readonly server: Http2Server;
}

async function startHttp2Server(
  serve: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: string[]) => void,
  settings: http2.Settings = {},
): Promise<H2Server> {
  const server = http2.createServer({ settings });
  const sessions: ServerHttp2Session[] = [];
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => undefined);
  });
  server.on('stream', (stream: ServerHttp2Stream, headers, _flags, raw) => {
    stream.on('error', () => undefined);
    serve(stream, headers, raw);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sessions,
    server,
    [Symbol.asyncDispose]: async () => {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const h2c = (server: H2Server): ReturnType<typeof localServer> => localServer(server.port, 'h2c');

describe('a request over HTTP/2', () => {
  it('is what the call says; its answer comes with headers, body and trailers', async () => {
    let received: readonly string[] = [];
    await using server = await startHttp2Server((stream, _, raw) => {
      received = raw;
      stream.respond({ ':status': 201, 'set-cookie': ['a=1', 'b=2'], 'content-length': 5 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ sum: '15' }));
      stream.end('hello');
    });
    const call = get(h2c(server), {
      target: '/a?b',
      headers: ['X-B', '1', 'Te', 'trailers', 'Keep-Alive', '5', 'x-b', '2'],
    });
    expect(await ask(newClient(), call).answer).toMatchObject({
      head: { status: 201, headers: expect.arrayContaining(['set-cookie', 'a=1', 'b=2']) as string[], bodyLength: 5 },
      body: 'hello',
      trailers: ['sum', '15'],
    });
    const pseudo = [':method', 'GET', ':scheme', 'http', ':path', '/a?b', ':authority', 'shop.example'];
    expect(received).toEqual([...pseudo, 'x-b', '1', 'te', 'trailers', 'x-b', '2']);
  });

  it('sends body and trailers, of known and unknown length', async () => {
    const bodies: string[] = [];
    const trailers: unknown[] = [];
    const lengths: unknown[] = [];
    await using server = await startHttp2Server((stream, headers) => {
      lengths.push(headers['content-length']);
      stream.on('trailers', (found: IncomingHttpHeaders) => trailers.push(found['sum']));
      stream.toArray().then(
        (pieces) => {
          bodies.push(Buffer.concat(pieces as Buffer[]).toString());
          stream.respond({}, { endStream: true });
        },
        () => undefined,
      );
    });
    const client = newClient();
    const pieces = (): Readable => Readable.from([Buffer.from('hel'), Buffer.from('lo')]);
    await ask(client, post(h2c(server), pieces(), { length: 5 })).answer;
    const withTrailers = post(h2c(server), pieces(), { trailers: ['Sum', '15'] });
    await ask(client, { ...withTrailers, headers: ['Trailer', 'Sum'] }).answer;
    expect(bodies).toEqual(['hello', 'hello']);
    expect(lengths).toEqual(['5', undefined]);
    expect(trailers).toEqual(['15']);
    expect(server.sessions).toHaveLength(1);
  });

  it('whose answer is over before its body is cancelled, also when trailers were to follow', async () => {
    await using server = await startHttp2Server((stream) => stream.respond({ ':status': 200 }, { endStream: true }));
    const client = newClient();
    for (let count = 0; count < 20; count += 1) {
      const call = post(h2c(server), new PassThrough(), { trailers: ['Sum', '15'] });
      expect(await ask(client, { ...call, headers: ['Trailer', 'Sum'] }).answer).toMatchObject({ trailers: [] });
    }
    expect(server.sessions).toHaveLength(1);
  });

  it('passes an answer that is trailers only, as those of gRPC', async () => {
    await using server = await startHttp2Server((stream) => {
      stream.respond({ ':status': 200, 'grpc-status': '14', 'content-type': 'application/grpc' }, { endStream: true });
    });
    const answer = await ask(newClient(), post(h2c(server), new PassThrough())).answer;
    expect(answer).toMatchObject({ head: { status: 200, bodyLength: 0 }, body: '', trailers: [] });
    expect(answer.head?.headers).toEqual(expect.arrayContaining(['grpc-status', '14']));
  });

  it('goes both ways at once', async () => {
    await using server = await startHttp2Server((stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    const stream = new PassThrough();
    const asked = ask(newClient(), post(h2c(server), stream));
    for (const word of ['one', 'two', 'three']) {
      stream.write(word);
      await eventually(() => asked.soFar.body.endsWith(word), { intervalMs: 2 });
    }
    stream.end();
    expect(await asked.answer).toMatchObject({ body: 'onetwothree', trailers: [] });
  });

  it('passes informational answers and waits for 100 with an awaited body', async () => {
    await using server = await startHttp2Server((stream) => {
      stream.additionalHeaders({ ':status': 103, link: '</a>' });
      stream.additionalHeaders({ ':status': 100 });
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    const body = Readable.from([Buffer.from('body')]);
    const answer = await ask(newClient(), post(h2c(server), body, { length: 4, isAwaited: true })).answer;
    expect(answer.informational).toEqual([
      { status: 103, headers: ['link', '</a>'] },
      { status: 100, headers: [] },
    ]);
    expect(answer.body).toBe('body');
  });

  it.each([
    ['HEAD', 'HEAD', { ':status': 200, 'content-length': 5 }, 5],
    ['204', 'GET', { ':status': 204 }, 0],
    ['304', 'GET', { ':status': 304 }, undefined],
  ] as const)('gets no body for %s', async (_, method, headers, bodyLength) => {
    await using server = await startHttp2Server((stream) => {
      stream.respond(headers, { endStream: true });
    });
    const answer = await ask(newClient(), get(h2c(server), { method })).answer;
    expect(answer).toMatchObject({ body: '', trailers: [] });
    expect(answer.head?.bodyLength).toBe(bodyLength);
  });
});

describe('HTTP/2 connections', () => {
  it('take as many requests at once as the server allows; then there is another one', async () => {
    let [open, most] = [0, 0];
    const held: (() => void)[] = [];
    await using server = await startHttp2Server(
      (stream) => {
        open += 1;
        most = Math.max(most, open);
        held.push(() => {
          open -= 1;
          stream.respond({}, { endStream: true });
        });
      },
      { maxConcurrentStreams: 3 },
    );
    const client = newClient();
    const answers = Array.from({ length: 7 }, () => ask(client, get(h2c(server))).answer);
    await eventually(() => held.length === 7);
    for (const answer of held) answer();
    await Promise.all(answers);
    expect(server.sessions).toHaveLength(3);
    expect(most).toBe(7);
  });

  it('are left when the server says GOAWAY, and what runs on them ends', async () => {
    const streams: ServerHttp2Stream[] = [];
    await using server = await startHttp2Server((stream) => {
      streams.push(stream);
      stream.respond({});
      stream.write('he');
    });
    const client = newClient();
    const first = ask(client, get(h2c(server)));
    await eventually(() => first.soFar.body === 'he');
    server.sessions[0]?.goaway(0);
    await eventually(async () => {
      const next = ask(client, get(h2c(server)));
      await eventually(() => next.soFar.body === 'he');
      next.exchange.abort();
      return server.sessions.length === 2;
    });
    streams[0]?.end('llo');
    expect(await first.answer).toMatchObject({ body: 'hello', trailers: [] });
    await eventually(() => server.sessions[0]?.destroyed === true);
  });

  it('are closed when idle for idleTimeoutMs, when forgotten and with the client', async () => {
    await using server = await startHttp2Server((stream) => stream.respond({}, { endStream: true }));
    const clock = new ManualClock();
    const client = newClient(clock);
    const call = get(h2c(server));
    await ask(client, call).answer;
    await clock.advance(90_500);
    await eventually(() => server.sessions[0]?.destroyed === true);
    await eventually(() => clock.pendingTimers === 0);
    await ask(client, call).answer;
    client.forget(new Set());
    await eventually(() => server.sessions[1]?.destroyed === true);
    await ask(client, call).answer;
    client.close();
    await eventually(() => server.sessions[2]?.destroyed === true);
    expect(server.sessions).toHaveLength(3);
  });
});

describe('an HTTP/2 stream that breaks', () => {
  const codes = http2.constants;

  it('because it was refused is opened again, once, whatever the method', async () => {
    let requests = 0;
    await using server = await startHttp2Server((stream) => {
      requests += 1;
      if (requests === 1) stream.close(codes.NGHTTP2_REFUSED_STREAM);
      else stream.respond({}, { endStream: true });
    });
    const answer = await ask(newClient(), get(h2c(server), { method: 'POST' })).answer;
    expect(answer).toMatchObject({ head: { status: 200 }, trailers: [] });
    expect(requests).toBe(2);
  });

  it('again and again fails', async () => {
    let requests = 0;
    await using server = await startHttp2Server((stream) => {
      requests += 1;
      stream.close(codes.NGHTTP2_REFUSED_STREAM);
    });
    expect((await ask(newClient(), get(h2c(server))).answer).failure?.kind).toBe('Reset');
    expect(requests).toBe(2);
  });

  it('before the answer with an error is not opened again', async () => {
    let requests = 0;
    await using server = await startHttp2Server((stream) => {
      requests += 1;
      if (requests === 1) stream.respond({}, { endStream: true });
      else stream.close(codes.NGHTTP2_INTERNAL_ERROR);
    });
    const client = newClient();
    await ask(client, get(h2c(server))).answer;
    expect((await ask(client, get(h2c(server))).answer).failure?.kind).toBe('Reset');
    expect(requests).toBe(2);
  });

  it('with a connection that was used before is opened again on a new one, if it is idempotent', async () => {
    let requests = 0;
    await using server = await startHttp2Server((stream) => {
      requests += 1;
      if (requests % 2 === 1) stream.respond({}, { endStream: true });
      else server.sessions.at(-1)?.destroy();
    });
    const client = newClient();
    await ask(client, get(h2c(server))).answer;
    expect(await ask(client, get(h2c(server))).answer).toMatchObject({ head: { status: 200 } });
    expect((await ask(client, get(h2c(server), { method: 'POST' })).answer).failure?.kind).toBe('Reset');
    expect(requests).toBe(4);
  });

  // Not `close(code)`: node's server ends the stream properly before it resets it then.
  it.each([
    ['an error', new Error('broken')],
    ['NO_ERROR', undefined],
  ])('in the middle of the body with %s is no whole answer', async (_, error) => {
    await using server = await startHttp2Server((stream) => {
      stream.respond({});
      stream.write('he');
      setTimeout(() => stream.destroy(error), 20);
    });
    const answer = await ask(newClient(), get(h2c(server))).answer;
    expect(answer).toMatchObject({ body: 'he', trailers: undefined, failure: { kind: 'Reset' } });
  });

  it('with its connection fails', async () => {
    await using server = await startHttp2Server((stream) => {
      stream.respond({});
      stream.write('he');
      setTimeout(() => server.sessions[0]?.destroy(), 20);
    });
    const answer = await ask(newClient(), get(h2c(server))).answer;
    expect(answer).toMatchObject({ trailers: undefined, failure: { kind: 'Reset' } });
  });

  it('because the body of the client broke off is cancelled', async () => {
    let code = 0;
    await using server = await startHttp2Server((stream) => {
      stream.on('close', () => {
        code = stream.rstCode;
      });
      stream.once('data', () => body.destroy());
    });
    const body = new PassThrough();
    body.write('half');
    expect((await ask(newClient(), post(h2c(server), body)).answer).failure?.kind).toBe('ClientBody');
    await eventually(() => code === codes.NGHTTP2_CANCEL);
  });

  it('because the client has gone is cancelled, and its connection kept', async () => {
    let code = 0;
    await using server = await startHttp2Server((stream) => {
      stream.respond({});
      stream.write('he');
      stream.on('close', () => {
        code = stream.rstCode;
      });
    });
    const client = newClient();
    const asked = ask(client, get(h2c(server)));
    await eventually(() => asked.soFar.body === 'he');
    asked.exchange.abort();
    await eventually(() => code === codes.NGHTTP2_CANCEL);
    expect(asked.soFar).toMatchObject({ trailers: undefined, failure: undefined });
    const next = ask(client, get(h2c(server)));
    await eventually(() => next.soFar.body === 'he');
    expect(server.sessions).toHaveLength(1);
  });

  it('fails when the head of the answer is late', async () => {
    let code = 0;
    await using server = await startHttp2Server((stream) => {
      stream.on('close', () => {
        code = stream.rstCode;
      });
    });
    const clock = new ManualClock();
    const call = get(h2c(server), { transport: transport({ responseHeaderTimeoutMs: 2_000 }) });
    const asked = ask(newClient(clock), call);
    await eventually(async () => {
      await clock.advance(500);
      return asked.soFar.failure !== undefined;
    });
    expect(asked.soFar.failure?.kind).toBe('TimedOut');
    await eventually(() => code === codes.NGHTTP2_CANCEL);
  });
});

describe('a server that does not speak HTTP/2', () => {
  it('is Unreachable by h2c', async () => {
    await using server = await startRawServer(async (connection) => {
      await connection.head();
      connection.write('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n');
      connection.socket.end();
    });
    const { failure } = await ask(newClient(), get(localServer(server.port, 'h2c'))).answer;
    expect(failure?.kind).toBe('Unreachable');
  });

  it('is given up when it never begins', async () => {
    await using server = await startRawServer(async (connection) => {
      await connection.closed();
    });
    const clock = new ManualClock();
    const asked = ask(newClient(clock), get(localServer(server.port, 'h2c')));
    await eventually(() => server.connections.length === 1);
    await eventually(async () => {
      await clock.advance(1_000);
      return asked.soFar.failure !== undefined;
    });
    expect(asked.soFar.failure?.kind).toBe('TimedOut');
  });
});
