import { Readable, PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/clock.ts';
import { createUpstreamClient } from '../../../../src/proxy/upstream/client.ts';
import type { UpstreamClient } from '../../../../src/proxy/upstream/upstream.ts';
import { eventually } from '../../../support/eventually.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { startRawServer, type RawConnection } from '../../../support/raw-server.ts';
import { ask, get, localServer, post } from '../../../support/upstream.ts';

const clients: UpstreamClient[] = [];
const newClient = (clock = systemClock): UpstreamClient => {
  const client = createUpstreamClient({ clock });
  clients.push(client);
  return client;
};

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

const empty = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

async function answerOnce(connection: RawConnection): Promise<void> {
  await connection.head();
  connection.write(empty);
}

describe('the head of a request', () => {
  it.each<[string, Parameters<typeof get>[1], string]>([
    [
      'is what the call says, in its order',
      { target: '/a?b=%20', headers: ['X-B', '1', 'Te', 'trailers', 'x-a', '\xe9', 'X-B', ''] },
      'GET /a?b=%20 HTTP/1.1\r\nHost: shop.example\r\nX-B: 1\r\nTe: trailers\r\nx-a: \xe9\r\nX-B: \r\n\r\n',
    ],
    ['may have the target *', { method: 'OPTIONS', target: '*' }, 'OPTIONS * HTTP/1.1\r\nHost: shop.example\r\n\r\n'],
    ['may have no authority', { authority: '' }, 'GET / HTTP/1.1\r\nHost: \r\n\r\n'],
    [
      'says that there is no body where the method would have one',
      { method: 'PUT' },
      'PUT / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n',
    ],
    [
      'asks for an upgrade',
      { upgrade: 'websocket', headers: ['Sec-WebSocket-Key', 'k'] },
      'GET / HTTP/1.1\r\nHost: shop.example\r\nSec-WebSocket-Key: k\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    ],
  ])('%s', async (_, changes, expected) => {
    let head = '';
    await using server = await startRawServer(async (connection) => {
      head = await connection.head();
      connection.write(empty);
    });
    expect(await ask(newClient(), get(localServer(server.port), changes)).answer).toMatchObject({ trailers: [] });
    expect(head).toBe(expected);
  });

  it.each<[string, Parameters<typeof get>[1]]>([
    ['CRLF in a value', { headers: ['A', '1\r\nB: 2'] }],
    ['LF in a value', { headers: ['A', '1\nB: 2'] }],
    ['NUL in a value', { headers: ['A', '1\0'] }],
    ['a character in a value that is CR LF once it is a byte', { headers: ['A', '1\u{10d}\u{10a}B: 2'] }],
    ['a colon in a name', { headers: ['A: 1\r\nB', '2'] }],
    ['a space in a name', { headers: ['A ', '2'] }],
    ['an empty name', { headers: ['', '2'] }],
    ['a second Host', { headers: ['host', 'b'] }],
    ['a length of its own', { headers: ['Content-Length', '5'] }],
    ['an encoding of its own', { headers: ['Transfer-Encoding', 'chunked'] }],
    ['Connection', { headers: ['Connection', 'X'] }],
    ['a space in the target', { target: '/ HTTP/1.1' }],
    ['a line end in the target', { target: '/\r\nA:1' }],
    ['no target', { target: '' }],
    ['a line end in the authority', { authority: 'a\r\nb: c' }],
    ['a space in the method', { method: 'GET /x' }],
    ['CONNECT', { method: 'CONNECT' }],
    ['a line end in the upgrade', { upgrade: 'a\r\nb: c' }],
  ])('is not sent with %s', async (_, changes) => {
    await using server = await startRawServer(answerOnce);
    for (const scheme of ['http', 'h2c'] as const) {
      const { answer } = ask(newClient(), get(localServer(server.port, scheme), changes));
      expect((await answer).failure?.kind).toBe('Malformed');
    }
    expect(server.connections).toHaveLength(0);
  });
});

describe('the body of a request', () => {
  it('of known length is sent as it is', async () => {
    let received = '';
    await using server = await startRawServer(async (connection) => {
      received = await connection.until('world');
      connection.write(empty);
    });
    const stream = Readable.from([Buffer.from('hello '), Buffer.from('world')]);
    await ask(newClient(), post(localServer(server.port), stream, { length: 11 })).answer;
    expect(received).toBe('POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 11\r\n\r\nhello world');
  });

  it('of unknown length is sent in chunks, with its trailers', async () => {
    let received = '';
    await using server = await startRawServer(async (connection) => {
      received = await connection.until('Sum: 1\r\n\r\n');
      connection.write(empty);
    });
    const stream = Readable.from([Buffer.from('hello '), Buffer.from('world')]);
    await ask(newClient(), post(localServer(server.port), stream, { trailers: ['Sum', '1'] })).answer;
    expect(received).toBe(
      'POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\nSum: 1\r\n\r\n',
    );
  });

  it('may be empty', async () => {
    let received = '';
    await using server = await startRawServer(async (connection) => {
      received = await connection.until('0\r\n\r\n');
      connection.write(empty);
    });
    await ask(newClient(), post(localServer(server.port), Readable.from([]))).answer;
    expect(received).toContain('\r\n\r\n0\r\n\r\n');
  });

  it.each([
    ['shorter than announced', ['hell'], 5],
    ['longer than announced', ['hello', '!'], 5],
  ])('that is %s breaks off: ClientBody, and the connection closed', async (_, pieces, length) => {
    await using server = await startRawServer(async (connection) => {
      await connection.head();
      await connection.closed();
    });
    const stream = Readable.from(pieces.map((piece) => Buffer.from(piece)));
    const answer = await ask(newClient(), post(localServer(server.port), stream, { length })).answer;
    expect(answer.failure?.kind).toBe('ClientBody');
    await server.connections[0]?.closed();
  });

  it.each([['a length'], [undefined]])(
    'that is cut off with %s: ClientBody, and the connection closed',
    async (length) => {
      await using server = await startRawServer(async (connection) => {
        await connection.until('half');
        stream.destroy(new Error('the client has gone'));
        await connection.closed();
      });
      const stream = new PassThrough();
      stream.write('half');
      const body = length === undefined ? {} : { length: 8 };
      const answer = await ask(newClient(), post(localServer(server.port), stream, body)).answer;
      expect(answer.failure).toEqual({ kind: 'ClientBody', detail: 'the body broke off before its end' });
      await server.connections[0]?.closed();
      expect(server.connections[0]?.received).not.toContain('0\r\n\r\n');
    },
  );

  it('whose trailers would be more than trailers breaks off', async () => {
    await using server = await startRawServer(async (connection) => {
      await connection.closed();
    });
    const call = post(localServer(server.port), Readable.from([]), { trailers: ['A', '1\r\n\r\nGET / HTTP/1.1'] });
    expect((await ask(newClient(), call).answer).failure?.kind).toBe('ClientBody');
    expect(server.connections[0]?.received).not.toContain('GET /');
  });

  it('goes on while the answer has begun', async () => {
    const stream = new PassThrough();
    await using server = await startRawServer(async (connection) => {
      await connection.head();
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nec');
      stream.end('ho');
      await connection.until('ho\r\n0\r\n\r\n');
      connection.write('ho');
    });
    const client = newClient();
    expect(await ask(client, post(localServer(server.port), stream)).answer).toMatchObject({ body: 'echo' });
  });

  it('is left where it is when the answer is over first, and the connection closed', async () => {
    const stream = new PassThrough();
    stream.write('half');
    await using server = await startRawServer(async (connection) => {
      await connection.until('half');
      connection.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n');
      await connection.closed();
    });
    const answer = await ask(newClient(), post(localServer(server.port), stream)).answer;
    expect(answer).toMatchObject({ head: { status: 413 }, trailers: [] });
    await server.connections[0]?.closed();
    expect(stream.listenerCount('data')).toBe(0);
    expect(stream.isPaused()).toBe(true);
  });
});

describe('an awaited body', () => {
  it('is read only when the server says 100', async () => {
    const stream = new PassThrough();
    stream.end('body');
    await using server = await startRawServer(async (connection) => {
      expect(await connection.head()).toContain('Expect: 100-continue\r\n');
      await new Promise((resolve) => {
        setTimeout(resolve, 30);
      });
      expect(connection.received).toBe('');
      connection.write('HTTP/1.1 100 Continue\r\n\r\n');
      await connection.take(4);
      connection.write(empty);
    });
    const answer = await ask(newClient(), post(localServer(server.port), stream, { length: 4, isAwaited: true }))
      .answer;
    expect(answer).toMatchObject({ informational: [{ status: 100, headers: [] }], head: { status: 200 } });
  });

  it('is not read after a final answer, and the connection is closed', async () => {
    const stream = new PassThrough();
    await using server = await startRawServer(async (connection) => {
      await connection.head();
      connection.write('HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n');
      await connection.closed();
    });
    const answer = await ask(newClient(), post(localServer(server.port), stream, { length: 4, isAwaited: true }))
      .answer;
    expect(answer).toMatchObject({ informational: [], head: { status: 417 }, trailers: [] });
    await server.connections[0]?.closed();
    expect(stream.listenerCount('data')).toBe(0);
  });

  it('is asked for after a second when the server says nothing, and its late 100 is dropped', async () => {
    const clock = new ManualClock();
    const stream = new PassThrough();
    stream.end('body');
    await using server = await startRawServer(async (connection) => {
      await connection.head();
      await connection.take(4);
      connection.write(`HTTP/1.1 100 Continue\r\n\r\n${empty}`);
    });
    const asked = ask(newClient(clock), post(localServer(server.port), stream, { length: 4, isAwaited: true }));
    await eventually(() => server.connections[0]?.received === '' || undefined, { intervalMs: 5 });
    await eventually(async () => {
      await clock.advance(300);
      return asked.soFar.informational.length > 0;
    });
    expect(await asked.answer).toMatchObject({ informational: [{ status: 100 }], head: { status: 200 } });
  });
});

describe('a switch of protocols', () => {
  it('hands over the connection with what has come', async () => {
    await using server = await startRawServer(async (connection) => {
      await connection.head();
      connection.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nX: 1\r\n\r\nfirst',
      );
      expect(await connection.take(4)).toBe('ping');
      connection.write('pong');
      await connection.closed();
    });
    const client = newClient();
    const answer = await ask(client, get(localServer(server.port), { upgrade: 'websocket' })).answer;
    expect(answer.head).toMatchObject({ status: 101, headers: ['X', '1'] });
    expect(answer.upgrade?.rest.toString()).toBe('first');
    const { socket } = answer.upgrade ?? expect.fail();
    socket.write('ping');
    const [piece] = (await socket.take(1).toArray()) as Buffer[];
    expect(piece?.toString()).toBe('pong');
    await server.connections[0]?.closed();
  });

  it('to another protocol is refused', async () => {
    await using server = await startRawServer(async (connection) => {
      await connection.head();
      connection.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n');
    });
    const answer = await ask(newClient(), get(localServer(server.port), { upgrade: 'websocket' })).answer;
    expect(answer.failure?.kind).toBe('Malformed');
  });

  it('may be declined', async () => {
    await using server = await startRawServer(answerOnce);
    const answer = await ask(newClient(), get(localServer(server.port), { upgrade: 'websocket' })).answer;
    expect(answer).toMatchObject({ head: { status: 200 }, upgrade: undefined });
  });
});
