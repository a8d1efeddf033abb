import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/clock.ts';
import { createUpstreamClient } from '../../../../src/proxy/upstream/client.ts';
import { startRawServer } from '../../../support/raw-server.ts';
import { ask, get, localServer, type Answer } from '../../../support/upstream.ts';

/**
 * answerTo returns what a handler is told when the server sends `bytes`; then it ends the connection unless it `stays`. After
 * a failure it waits until the client has closed it.
 */
async function answerTo(bytes: string, options: { method?: string; stays?: boolean } = {}): Promise<Answer> {
  await using server = await startRawServer(async (connection) => {
    await connection.head();
    connection.write(bytes);
    if (options.stays !== true) connection.socket.end();
    await connection.closed();
  });
  const client = createUpstreamClient({ clock: systemClock });
  try {
    const answer = await ask(client, get(localServer(server.port), { method: options.method ?? 'GET' })).answer;
    if (answer.failure !== undefined) await server.connections[0]?.closed();
    return answer;
  } finally {
    client.close();
  }
}

const ok = 'HTTP/1.1 200 OK\r\n';

describe('the end of an answer', () => {
  it('comes after Content-Length bytes', async () => {
    const answer = await answerTo(`${ok}Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello`, { stays: true });
    expect(answer).toMatchObject({
      head: { status: 200, headers: ['Content-Type', 'text/plain'], bodyLength: 5 },
      body: 'hello',
      trailers: [],
    });
  });

  it('comes after the last chunk and its trailers; extensions are dropped', async () => {
    const body = '5;a="b;c"\r\nhello\r\n00A\r\n, you two!\r\n0;last\r\nSum: 15\r\nX:\r\n\r\n';
    const answer = await answerTo(`${ok}Transfer-Encoding: Chunked\r\nTrailer: Sum\r\n\r\n${body}`, { stays: true });
    expect(answer).toMatchObject({
      head: { status: 200, headers: ['Trailer', 'Sum'], bodyLength: undefined },
      body: 'hello, you two!',
      trailers: ['Sum', '15', 'X', ''],
    });
  });

  it('comes with the end of the connection when nothing else says where', async () => {
    const answer = await answerTo(`${ok}\r\nhello`);
    expect(answer).toMatchObject({ head: { status: 200, bodyLength: undefined }, body: 'hello', trailers: [] });
  });

  it.each<[string, string, string, number | undefined]>([
    ['HEAD, which says the length of what a GET would get', 'HEAD', `${ok}Content-Length: 5\r\n\r\n`, 5],
    ['HEAD without a length', 'HEAD', `${ok}\r\n`, undefined],
    ['HEAD with chunks that do not come', 'HEAD', `${ok}Transfer-Encoding: chunked\r\n\r\n`, undefined],
    ['204', 'GET', 'HTTP/1.1 204 No Content\r\n\r\n', 0],
    ['204 with a length that it may not have', 'GET', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n', 0],
    ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\n\r\n', undefined],
    ['304 with the length of what is not sent', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', 5],
    ['an empty body', 'GET', `${ok}Content-Length: 0\r\n\r\n`, 0],
    ['no reason phrase and no space before it', 'GET', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', 0],
    ['the same length twice', 'GET', `${ok}Content-Length: 0\r\ncontent-length: 0\r\n\r\n`, 0],
  ])('comes with the head: %s', async (_, method, bytes, bodyLength) => {
    const answer = await answerTo(bytes, { method, stays: true });
    expect(answer).toMatchObject({ head: { headers: [], bodyLength }, body: '', trailers: [], failure: undefined });
    expect(answer.head?.bodyLength).toBe(bodyLength);
  });

  it.each([
    ['in the head', `${ok}Content-Le`],
    ['before its Content-Length', `${ok}Content-Length: 6\r\n\r\nhello`],
    ['before its last chunk', `${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`],
    ['in its trailers', `${ok}Transfer-Encoding: chunked\r\n\r\n0\r\nSum: 1\r\n`],
    ['before anything', ''],
  ])('is missing when the connection ends %s: Reset', async (_, bytes) => {
    expect(await answerTo(bytes)).toMatchObject({ trailers: undefined, failure: { kind: 'Reset' } });
  });
});

describe('informational answers', () => {
  it('pass, with their headers, before the head', async () => {
    const hints = 'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nKeep-Alive: 5\r\n\r\n';
    const answer = await answerTo(`${hints}HTTP/1.1 100 Continue\r\n\r\n${ok}Content-Length: 0\r\n\r\n`);
    expect(answer.informational).toEqual([
      { status: 102, headers: [] },
      { status: 103, headers: ['Link', '</a.css>'] },
      { status: 100, headers: [] },
    ]);
    expect(answer.head?.status).toBe(200);
  });

  it('are refused when there is no end to them', async () => {
    const answer = await answerTo(
      'HTTP/1.1 102 Processing\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n\r\n'.repeat(2000),
    );
    expect(answer.failure).toEqual({ kind: 'Malformed', detail: 'the head is longer than 64 KiB' });
  });
});

describe('headers', () => {
  it('come as they are, those of one hop excepted', async () => {
    const answer = await answerTo(
      [
        'HTTP/1.1 200 OK',
        'connection: close, X-Hop , te',
        'X-hop: 1',
        'Keep-Alive: timeout=5',
        'Proxy-Authenticate: Basic',
        'Proxy-Connection: close',
        'Proxy-Status: kept',
        'TE: trailers',
        'Upgrade: h2c',
        'Trailer: dropped, as there is no room for trailers',
        'Set-Cookie: a=1',
        'set-cookie:b=2 \t ',
        'X-Latin: \xe9',
        'Empty:',
        'Content-Length: 0',
        '\r\n',
      ].join('\r\n'),
    );
    const kept = ['Proxy-Status', 'kept', 'Set-Cookie', 'a=1', 'set-cookie', 'b=2', 'X-Latin', '\xe9', 'Empty', ''];
    expect(answer.head?.headers).toEqual(kept);
  });

  it('may have 64 KiB and not a byte more', async () => {
    const head = (size: number): string => {
      const rest = 'Content-Length: 0\r\nX: \r\n\r\n';
      return `${ok}Content-Length: 0\r\nX: ${'y'.repeat(size - ok.length - rest.length)}\r\n\r\n`;
    };
    expect(head(65_536)).toHaveLength(65_536);
    expect(await answerTo(head(65_536))).toMatchObject({ head: { status: 200 }, failure: undefined });
    expect(await answerTo(head(65_537))).toMatchObject({ failure: { kind: 'Malformed' } });
    const endless = await answerTo(`${ok}X: ${'y'.repeat(70_000)}`, { stays: true });
    expect(endless.failure).toEqual({ kind: 'Malformed', detail: 'the head is longer than 64 KiB' });
  });
});

describe('what could be read in two ways is refused and the connection closed', () => {
  const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`;

  it.each([
    ['two different lengths', `${ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`],
    ['a list of lengths', `${ok}Content-Length: 5, 5\r\n\r\nhello`],
    ['a signed length', `${ok}Content-Length: +5\r\n\r\nhello`],
    ['an empty length', `${ok}Content-Length:\r\n\r\nhello`],
    ['a length beyond 2^53', `${ok}Content-Length: 9007199254740993\r\n\r\nhello`],
    ['a length and chunks', `${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['a length and chunks, to HEAD too', `${ok}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n`],
    ['another transfer encoding', `${ok}Transfer-Encoding: gzip\r\n\r\nhello`],
    ['another one before chunks', `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ['chunks twice', `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['chunks and a tab', `${ok}Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n`],
    ['something that is nearly chunked', `${ok}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
    ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a bare LF after a header', `${ok}A: 1\nContent-Length: 0\r\n\r\n`],
    ['bare LFs only', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
    ['a bare CR in a value', `${ok}A: 1\rB: 2\r\nContent-Length: 0\r\n\r\n`],
    ['NUL in a value', `${ok}A: 1\x002\r\nContent-Length: 0\r\n\r\n`],
    ['another control character in a value', `${ok}A: 1\x072\r\nContent-Length: 0\r\n\r\n`],
    ['a folded line', `${ok}A: 1\r\n  2\r\nContent-Length: 0\r\n\r\n`],
    ['a folded first line', `${ok} A: 1\r\nContent-Length: 0\r\n\r\n`],
    ['a space before the colon', `${ok}Content-Length : 0\r\n\r\n`],
    ['a header without a colon', `${ok}Content-Length\r\n\r\n`],
    ['a header without a name', `${ok}: 0\r\n\r\n`],
    ['a name beyond ASCII', `${ok}\xe9: 0\r\n\r\n`],
    ['another protocol', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['an unknown version', 'HTTP/1.2 200 OK\r\n\r\n'],
    ['lower case', 'http/1.1 200 OK\r\n\r\n'],
    ['an empty line first', `\r\n${ok}\r\n`],
    ['two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n'],
    ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n'],
    ['a control character in the reason', 'HTTP/1.1 200 O\x00K\r\n\r\n'],
    ['a protocol switch that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'],
    ['no chunk size', `${chunked}\r\nhello\r\n0\r\n\r\n`],
    ['a chunk size that is no number', `${chunked}x\r\nhello\r\n0\r\n\r\n`],
    ['a chunk size with a prefix', `${chunked}0x5\r\nhello\r\n0\r\n\r\n`],
    ['a space after the chunk size', `${chunked}5 \r\nhello\r\n0\r\n\r\n`],
    ['a negative chunk size', `${chunked}-5\r\nhello\r\n0\r\n\r\n`],
    ['a chunk size beyond 2^53', `${chunked}10000000000000005\r\nhello\r\n0\r\n\r\n`],
    ['a bare LF after the chunk size', `${chunked}5\nhello\r\n0\r\n\r\n`],
    ['a bare LF in an extension', `${chunked}5;a\nb\r\nhello\r\n0\r\n\r\n`],
    ['a bare CR in an extension', `${chunked}5;a\rb\r\nhello\r\n0\r\n\r\n`],
    ['an endless extension', `${chunked}5;${'a'.repeat(17_000)}`],
    ['a chunk longer than its size', `${chunked}5\r\nhello!\r\n0\r\n\r\n`],
    ['a chunk that ends with a bare LF', `${chunked}5\r\nhello\n0\r\n\r\n`],
    ['trailers with a bare LF', `${chunked}0\r\nA: 1\nB: 2\r\n\r\n`],
    ['a length among the trailers', `${chunked}0\r\nContent-Length: 5\r\n\r\n`],
    ['an encoding among the trailers', `${chunked}0\r\nTransfer-Encoding: chunked\r\n\r\n`],
    ['trailers that are no headers', `${chunked}0\r\nhello\r\n\r\n`],
    ['endless trailers', `${chunked}0\r\nA: ${'y'.repeat(70_000)}`],
  ])('%s', async (_, bytes) => {
    const answer = await answerTo(bytes, { stays: true, method: _.includes('HEAD') ? 'HEAD' : 'GET' });
    expect(answer.failure?.kind).toBe('Malformed');
    expect(answer.failure?.detail).not.toContain('hello');
  });
});
