import http2 from 'node:http2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exchange, startServer, startStage, type Running, type Stage } from './stage.ts';

let server: Running;
let stage: Stage;
let seen: string[] = [];

beforeAll(async () => {
  server = await startServer((request, response) => {
    seen.push(`${request.method} ${request.headers.host} ${request.url}`);
    request.resume();
    response.end('served');
  });
  stage = await startStage({ servers: [server.port], entryPoint: { maxHeaderBytes: 8192 } });
});

afterAll(async () => {
  await stage.stop();
  await server.close();
});

/** What a client sends, each line ended, and the statuses of the answers; `closed` when nothing may follow. */
const cases: readonly (readonly [name: string, lines: readonly string[], answers: string])[] = [
  ['a plain request', ['GET / HTTP/1.1', 'Host: a.test', ''], '200'],
  ['a request of HTTP/1.0 without Host', ['GET / HTTP/1.0', ''], '200 closed'],
  ['HTTP/0.9', ['GET /', ''], '400 closed'],
  ['a version to come', ['GET / HTTP/1.2', 'Host: a.test', ''], '400 closed'],
  ['no Host', ['GET / HTTP/1.1', ''], '400 closed'],
  ['two Hosts', ['GET / HTTP/1.1', 'Host: a.test', 'Host: b.test', ''], '400 closed'],
  ['the same Host twice', ['GET / HTTP/1.1', 'Host: a.test', 'host: a.test', ''], '400 closed'],
  ['a Host with a space', ['GET / HTTP/1.1', 'Host: a b', ''], '400 closed'],
  ['a Host with a path', ['GET / HTTP/1.1', 'Host: a/b', ''], '400 closed'],
  ['a Host with a user', ['GET / HTTP/1.1', 'Host: a@b', ''], '400 closed'],
  ['a Host with a port that is none', ['GET / HTTP/1.1', 'Host: a.test:x', ''], '400 closed'],
  ['a Host that is an IPv6 address', ['GET / HTTP/1.1', 'Host: [::1]:80', ''], '200'],
  ['an empty Host', ['GET / HTTP/1.1', 'Host:', ''], '200'],
  ['a space before the colon', ['GET / HTTP/1.1', 'Host : a.test', ''], '400 closed'],
  ['a folded header', ['GET / HTTP/1.1', 'Host: a.test', 'X: 1', ' 2', ''], '400 closed'],
  ['a header without a colon', ['GET / HTTP/1.1', 'Host: a.test', 'broken', ''], '400 closed'],
  ['a NUL in a value', ['GET / HTTP/1.1', 'Host: a.test', 'X: a\0b', ''], '400 closed'],
  ['a bare CR in a value', ['GET / HTTP/1.1', 'Host: a.test', 'X: a\rb', ''], '400 closed'],
  ['two lengths', ['POST / HTTP/1.1', 'Host: a.test', 'Content-Length: 1', 'Content-Length: 2', '', 'x'], '400 closed'],
  ['a list of lengths', ['POST / HTTP/1.1', 'Host: a.test', 'Content-Length: 1, 1', '', 'x'], '400 closed'],
  ['a length with a sign', ['POST / HTTP/1.1', 'Host: a.test', 'Content-Length: +1', '', 'x'], '400 closed'],
  [
    'a length beyond all counting',
    ['POST / HTTP/1.1', 'Host: a.test', 'Content-Length: 9999999999999999', ''],
    '400 closed',
  ],
  [
    'length and chunked',
    ['POST / HTTP/1.1', 'Host: a.test', 'Content-Length: 5', 'Transfer-Encoding: chunked', '', '0', ''],
    '400 closed',
  ],
  [
    'chunked and length',
    ['POST / HTTP/1.1', 'Host: a.test', 'Transfer-Encoding: chunked', 'Content-Length: 5', '', '0', ''],
    '400 closed',
  ],
  ['chunked', ['POST / HTTP/1.1', 'Host: a.test', 'Transfer-Encoding: chunked', '', '1', 'x', '0', ''], '200'],
  ['CHUNKED', ['POST / HTTP/1.1', 'Host: a.test', 'Transfer-Encoding: CHUNKED', '', '0', ''], '200'],
  ['chunked of HTTP/1.0', ['POST / HTTP/1.0', 'Host: a.test', 'Transfer-Encoding: chunked', '', '0', ''], '400 closed'],
  ['gzip, chunked', ['POST / HTTP/1.1', 'Host: a.test', 'Transfer-Encoding: gzip, chunked', '', '0', ''], '400 closed'],
  [
    'chunked twice',
    ['POST / HTTP/1.1', 'Host: a.test', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked', '', '0', ''],
    '400 closed',
  ],
  [
    'chunked, identity',
    ['POST / HTTP/1.1', 'Host: a.test', 'Transfer-Encoding: chunked, identity', '', '0', ''],
    '400 closed',
  ],
  ['xchunked', ['POST / HTTP/1.1', 'Host: a.test', 'Transfer-Encoding: xchunked', '', '0', ''], '400 closed'],
  ['chunked behind a tab', ['POST / HTTP/1.1', 'Host: a.test', 'Transfer-Encoding:\tchunked', '', '0', ''], '200'],
  [
    'chunked behind a vertical tab',
    ['POST / HTTP/1.1', 'Host: a.test', 'Transfer-Encoding: \vchunked', '', '0', ''],
    '400 closed',
  ],
  [
    'a chunk size that is none',
    ['POST / HTTP/1.1', 'Host: a.test', 'Transfer-Encoding: chunked', '', 'x', ''],
    '400 closed',
  ],
  [
    'a chunk longer than it says',
    ['POST / HTTP/1.1', 'Host: a.test', 'Transfer-Encoding: chunked', '', '1', 'xyz', '0', ''],
    '400 closed',
  ],
  ['a fragment in the target', ['GET /a#b HTTP/1.1', 'Host: a.test', ''], '400 closed'],
  ['a fragment in the query', ['GET /a?b#c HTTP/1.1', 'Host: a.test', ''], '400 closed'],
  ['a target without a slash', ['GET a HTTP/1.1', 'Host: a.test', ''], '400 closed'],
  ['a bad escape', ['GET /%zz HTTP/1.1', 'Host: a.test', ''], '400'],
  ['a URL as target', ['GET http://b.test/x HTTP/1.1', 'Host: a.test', ''], '200'],
  ['a URL with a user', ['GET http://u@b.test/x HTTP/1.1', 'Host: a.test', ''], '400 closed'],
  ['a URL of another scheme', ['GET ftp://b.test/x HTTP/1.1', 'Host: a.test', ''], '400 closed'],
  ['OPTIONS *', ['OPTIONS * HTTP/1.1', 'Host: a.test', ''], '404'],
  ['GET *', ['GET * HTTP/1.1', 'Host: a.test', ''], '400 closed'],
  ['CONNECT', ['CONNECT a.test:80 HTTP/1.1', 'Host: a.test:80', ''], '501 closed'],
  ['a method nobody knows', ['FOO / HTTP/1.1', 'Host: a.test', ''], '400 closed'],
  ['a version that is none', ['GET / HTTP/9.9', 'Host: a.test', ''], '400 closed'],
  ['bytes that are no HTTP', ['\x16\x03\x01\x02\0', ''], '400 closed'],
  ['too long a head', ['GET / HTTP/1.1', 'Host: a.test', `X: ${'x'.repeat(9000)}`, ''], '431 closed'],
  ['an expectation that is none', ['GET / HTTP/1.1', 'Host: a.test', 'Expect: miracles', ''], '417'],
  [
    'Upgrade: h2c',
    [
      'GET / HTTP/1.1',
      'Host: a.test',
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABk',
      '',
    ],
    '200',
  ],
  ['two requests at once', ['GET /1 HTTP/1.1', 'Host: a.test', '', 'GET /2 HTTP/1.1', 'Host: a.test', ''], '200 200'],
  ['a second request that is broken', ['GET /1 HTTP/1.1', 'Host: a.test', '', 'GET /2 HTTP/1.1', ''], '200 400 closed'],
  [
    'a request behind one to smuggle',
    [
      'POST / HTTP/1.1',
      'Host: a.test',
      'Content-Length: 1',
      'Transfer-Encoding : chunked',
      '',
      'x',
      'GET /2 HTTP/1.1',
      'Host: a.test',
      '',
    ],
    '400 closed',
  ],
];

describe.each([
  ['plain', false],
  ['TLS', true],
] as const)('over %s', (_, isTls) => {
  test.each(cases)('%s', async (_, lines, expected) => {
    const port = isTls ? stage.secure : stage.web;
    const { text, isClosed } = await exchange(port, `${lines.join('\r\n')}\r\n`, { isTls, forMs: 250 });
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status);
    expect([...statuses, ...(isClosed ? ['closed'] : [])].join(' ')).toBe(expected);
  });
});

test('the authority of a URL as target stands in for the Host', async () => {
  seen = [];
  await exchange(stage.web, 'GET http://b.test/x?y HTTP/1.1\r\nHost: a.test\r\n\r\n', { forMs: 100 });
  expect(seen).toEqual(['GET b.test /x?y']);
});

test('what follows a refused request reaches no server', async () => {
  seen = [];
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n';
  await exchange(
    stage.web,
    `POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  );
  expect(seen).toEqual([]);
});

/** The end of a stream: the status of its answer, or the code that it was reset with. */
async function ask(headers: http2.OutgoingHttpHeaders, body?: string): Promise<string> {
  const session = http2.connect(`http://127.0.0.1:${stage.web}`);
  session.on('error', () => undefined);
  try {
    return await new Promise((resolve) => {
      session.on('close', () => resolve('closed'));
      const stream = session.request(headers, { endStream: body === undefined });
      stream.on('response', ({ ':status': status }) => resolve(String(status)));
      stream.on('close', () => resolve(`reset ${stream.rstCode}`));
      stream.on('error', () => undefined);
      if (body !== undefined) stream.end(body);
    });
  } finally {
    session.destroy();
  }
}

const base = { ':method': 'GET', ':path': '/', ':scheme': 'http', ':authority': 'a.test' };
const protocolError = `reset ${http2.constants.NGHTTP2_PROTOCOL_ERROR}`;

test.each([
  ['a plain request', base, undefined, '200'],
  ['a Host that says the same', { ...base, host: 'A.test' }, undefined, '200'],
  ['a Host that says otherwise', { ...base, host: 'b.test' }, undefined, protocolError],
  ['an authority with a user', { ...base, ':authority': 'u@a.test' }, undefined, protocolError],
  ['an authority with a space', { ...base, ':authority': 'a b' }, undefined, protocolError],
  ['a path without a slash', { ...base, ':path': 'a' }, undefined, protocolError],
  ['a path that is a URL', { ...base, ':path': 'http://b.test/' }, undefined, protocolError],
  ['a fragment', { ...base, ':path': '/a#b' }, undefined, protocolError],
  // nghttp2 takes this for a fault of the connection.
  ['more than it said', { ...base, ':method': 'POST', 'content-length': 1 }, 'xyz', 'reset 2'],
  ['less than it said', { ...base, ':method': 'POST', 'content-length': 9 }, 'xyz', protocolError],
  ['CONNECT', { ':method': 'CONNECT', ':authority': 'a.test:80' }, undefined, '501'],
] as const)('over HTTP/2: %s', async (_, headers, body, expected) => {
  expect(await ask(headers, body)).toBe(expected);
});
