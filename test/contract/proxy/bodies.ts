/** Bodies, trailers, streams and upgrades over HTTP/1. */
import { createHash } from 'node:crypto';
import type { KubernetesObject } from '../../../src/api/kubernetes.ts';
import type { At, Case, CaseGroup } from '../../support/data-plane/case.ts';
import { connectHttp1, type Http1Client } from '../../support/data-plane/http1-client.ts';
import { routeObjects, serviceObjects } from '../../support/data-plane/objects.ts';
import { readBody, type Ports, type RequestHead } from '../../support/data-plane/upstream.ts';
import { eventually } from '../../support/eventually.ts';
import type { RawConnection } from '../../support/raw-server.ts';
import { differs, get, ownFields, received, type Request, requestText } from './requests.ts';

function objects(ports: Ports): readonly KubernetesObject[] {
  return [
    ...serviceObjects(ports, { name: 'bodies', endpoints: [9] }),
    ...routeObjects({ name: 'bodies', services: [{ name: 'bodies', port: 80 }] }),
  ];
}

/** A case of a request that the server gives back: body, trailers, and how it was framed. */
function sent(name: string, options: Request, traefik: object): Case {
  const run = async (at: At): Promise<object> => {
    const { body, trailers, fields } = received(await get(at, 'bodies', options));
    const { 'content-length': length, 'transfer-encoding': coding, trailer, 'content-type': type } = fields;
    return { body, trailers, length, coding, trailer, type };
  };
  return { name, run, traefik };
}

/** A case of an answer that the server writes as it stands. */
function answered(
  name: string,
  text: string,
  traefik: object,
  { end = false, ...options }: Request & { readonly end?: boolean } = {},
): Case {
  const run = async (at: At): Promise<object> => {
    const headers = at.scripted(async (connection) => {
      connection.write(text);
      if (end) connection.socket.end();
    });
    const { names: _, ...answer } = await get(at, 'bodies', {
      ...options,
      headers: `${options.headers ?? ''}${headers}`,
    });
    return answer;
  };
  return { name, run, traefik };
}

/** Traefik sends a length or chunks, as it happens to see the end of the answer before or after it writes the head. */
const emptyChunked: Case = {
  name: 'an empty chunked answer',
  run: async (at) => {
    const headers = at.scripted(async (connection) =>
      connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    );
    const { status, body, isWhole } = await get(at, 'bodies', { headers });
    return { status, body, isWhole };
  },
  traefik: { status: 200, body: '', isWhole: true },
};

/** talk opens a connection, sends a request whose server is scripted, and lets both ends talk. */
async function talk<T>(
  at: At,
  options: Request,
  ends: {
    readonly server: (connection: RawConnection, head: RequestHead) => Promise<void>;
    readonly client: (client: Http1Client) => Promise<T>;
  },
): Promise<T> {
  const entry = options.entry ?? 'web';
  await using client = await connectHttp1(at.plane.ports[entry], { isTls: entry === 'websecure' });
  const headers = `${options.headers ?? ''}${at.scripted(ends.server)}`;
  client.write(requestText('bodies', { ...options, headers }));
  return await ends.client(client);
}

/** gate is a promise that somebody else resolves. */
function gate<T = void>(): { readonly passed: Promise<T>; readonly open: (value: T) => void } {
  const { promise, resolve } = Promise.withResolvers<T>();
  return { passed: promise, open: resolve };
}

const chunked = 'Transfer-Encoding: chunked\r\n';

/** A case of pieces that have to arrive before the next is sent. */
function flushed(name: string, fields: string, options: Request = {}): Case {
  const run = (at: At): Promise<object> => {
    const gates = [gate(), gate(), gate()];
    return talk(at, options, {
      server: async (connection) => {
        connection.write(`HTTP/1.1 200 OK\r\n${fields}${chunked}\r\n`);
        for (const each of gates) {
          await each.passed;
          connection.write('8\r\ndata: 1\n\r\n');
        }
        connection.write('0\r\n\r\n');
      },
      client: async (client) => {
        // The head comes before any of the body.
        const { status } = await client.head();
        const lines: (string | undefined)[] = [];
        for (const each of gates) {
          each.open();
          lines.push(await client.line(), await client.line(), await client.line());
        }
        return { status, lines: lines.filter((line) => line?.startsWith('data')) };
      },
    });
  };
  return { name, run, traefik: { status: 200, lines: Array<string>(3).fill('data: 1') } };
}

const megabyte = 1024 * 1024;
const block = Buffer.alloc(64 * 1024, 'sluice ');

/** A case of a large answer to a client that does not read for as long as the server can write. */
function large(name: string, framing: 'Length' | 'Chunked'): Case {
  const pieces = 512;
  const run = (at: At): Promise<object> => {
    const stalled = gate<number>();
    return talk(
      at,
      {},
      {
        server: async ({ socket }) => {
          socket.write(
            `HTTP/1.1 200 OK\r\n${framing === 'Length' ? `Content-Length: ${pieces * block.length}\r\n` : chunked}\r\n`,
          );
          for (let piece = 0; piece < pieces; piece += 1) {
            if (framing === 'Chunked') socket.write(`${block.length.toString(16)}\r\n`);
            const isTaken = socket.write(block);
            if (framing === 'Chunked') socket.write('\r\n');
            if (!isTaken) await untilTaken(socket, stalled.open);
          }
          if (framing === 'Chunked') socket.write('0\r\n\r\n');
        },
        client: async (client) => {
          await client.head();
          client.socket.pause();
          const taken = await stalled.passed;
          client.socket.resume();
          const hash = createHash('sha256');
          let bytes = 0;
          const wanted = pieces * block.length + (framing === 'Chunked' ? 1 : 0);
          if (framing === 'Length') {
            while (bytes < wanted) {
              const text = await client.bytes();
              if (text === undefined) break;
              bytes += text.length;
              hash.update(text, 'latin1');
            }
          } else {
            bytes = await dechunk(client, hash);
          }
          return { bytes, sha256: hash.digest('hex'), isHeldBack: taken < 24 * megabyte };
        },
      },
    );
  };
  const hash = createHash('sha256');
  for (let piece = 0; piece < pieces; piece += 1) hash.update(block);
  return { name, run, traefik: { bytes: pieces * block.length, sha256: hash.digest('hex'), isHeldBack: true } };
}

/** untilTaken waits until all that was written is out; where that does not move on, it says how much is. */
async function untilTaken(socket: RawConnection['socket'], onStalled: (bytes: number) => void): Promise<void> {
  let [before, still] = [-1, 0];
  const isOut = (): boolean => {
    const out = socket.bytesWritten - socket.writableLength;
    still = out === before ? still + 1 : 0;
    before = out;
    if (still === 10) onStalled(out);
    return socket.writableLength === 0;
  };
  await eventually(isOut, { timeoutMs: 60_000, intervalMs: 20, describe: 'the client to read on' });
}

async function dechunk(client: Http1Client, hash: ReturnType<typeof createHash>): Promise<number> {
  let rest = '';
  let total = 0;
  for (;;) {
    const end = rest.indexOf('\r\n');
    const size = end === -1 ? undefined : Number.parseInt(rest, 16);
    if (size === 0) return total;
    if (size === undefined || rest.length < end + 2 + size + 2) {
      const more = await client.bytes();
      if (more === undefined) return total;
      rest += more;
      continue;
    }
    hash.update(rest.slice(end + 2, end + 2 + size), 'latin1');
    total += size;
    rest = rest.slice(end + 2 + size + 2);
  }
}

/** A case of a large body of a request. */
function upload(name: string, framing: 'Length' | 'Chunked'): Case {
  const pieces = 256;
  const run = (at: At): Promise<object> => {
    const headers = framing === 'Length' ? `Content-Length: ${pieces * block.length}\r\n` : chunked;
    return talk(
      at,
      { method: 'POST', headers },
      {
        server: async (connection, head) => {
          const { body } = await readLarge(connection, head, pieces * block.length);
          const digest = createHash('sha256').update(body, 'latin1').digest('hex');
          connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${digest.length}\r\n\r\n${digest}`);
        },
        client: async (client) => {
          for (let piece = 0; piece < pieces; piece += 1) {
            if (framing === 'Chunked') client.write(`${block.length.toString(16)}\r\n`);
            client.socket.write(block);
            if (framing === 'Chunked') client.write('\r\n');
          }
          if (framing === 'Chunked') client.write('0\r\n\r\n');
          const { status, body } = await client.answer();
          return { status, body };
        },
      },
    );
  };
  const hash = createHash('sha256');
  for (let piece = 0; piece < pieces; piece += 1) hash.update(block);
  return { name, run, traefik: { status: 200, body: hash.digest('hex') } };
}

async function readLarge(connection: RawConnection, head: RequestHead, bytes: number): Promise<{ body: string }> {
  if (head.fields['transfer-encoding'] === undefined) return { body: await connection.take(bytes) };
  return await readBody(connection, head);
}

/** switches is what a client sees of a connection that is to carry another protocol. */
function switches(name: string, token: string, options: Request & { readonly early?: string } = {}): Case {
  const { early = '' } = options;
  const run = (at: At): Promise<object> => {
    const seen = gate<RequestHead>();
    const headers = `Connection: Upgrade\r\nUpgrade: ${token}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n`;
    return talk(
      at,
      { ...options, headers },
      {
        server: async (connection, head) => {
          seen.open(head);
          connection.write(
            `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${token}\r\nSec-WebSocket-Accept: x\r\n\r\n${early}`,
          );
          for (;;) connection.write(`<${await connection.until('\n')}>`);
        },
        client: async (client) => {
          const head = await client.head();
          client.write('one\n\x00\xff\n');
          let text = '';
          while (!text.endsWith('<\x00\xff\n>')) text += (await client.bytes()) ?? '';
          client.socket.end();
          const { fields } = await seen.passed;
          const upstream = ownFields(fields);
          return { status: head.status, fields: head.fields, upstream, text, end: await client.ended() };
        },
      },
    );
  };
  return { name, run, traefik: { status: 101, text: `${early}<one\n><\x00\xff\n>` } };
}

const cases: readonly Case[] = [
  sent(
    'a body with a length',
    { method: 'POST', headers: 'Content-Length: 5\r\nContent-Type: text/x\r\n', body: 'hello' },
    { body: 'hello', length: ['5'] },
  ),
  sent(
    'an empty body with a length',
    { method: 'POST', headers: 'Content-Length: 0\r\n' },
    { body: '', length: ['0'] },
  ),
  sent('a POST without a body', { method: 'POST' }, { body: '', length: ['0'] }),
  sent(
    'a chunked body',
    { method: 'POST', headers: chunked, body: '3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n' },
    { body: 'abcde', coding: ['chunked'] },
  ),
  sent('an empty chunked body', { method: 'POST', headers: chunked, body: '0\r\n\r\n' }, { body: '' }),
  differs(
    sent(
      'trailers that are announced',
      { method: 'POST', headers: `${chunked}Trailer: X-After\r\n`, body: '3\r\nabc\r\n0\r\nX-After: 1\r\n\r\n' },
      { body: 'abc', trailers: {} },
    ),
    'Trailers of requests',
    { body: 'abc', trailers: { 'x-after': ['1'] } },
  ),
  differs(
    sent(
      'trailers that are not announced',
      { method: 'POST', headers: chunked, body: '3\r\nabc\r\n0\r\nX-After: 1\r\n\r\n' },
      { body: 'abc' },
    ),
    'Trailers of requests',
    { body: 'abc', trailers: { 'x-after': ['1'] } },
  ),
  sent('a GET with a body', { headers: 'Content-Length: 3\r\n', body: 'abc' }, { body: 'abc', length: ['3'] }),
  sent('a DELETE with a body', { method: 'DELETE', headers: 'Content-Length: 3\r\n', body: 'abc' }, { body: 'abc' }),
  sent(
    'a body over TLS',
    { method: 'POST', headers: chunked, body: '3\r\nabc\r\n0\r\n\r\n', entry: 'websecure' },
    { body: 'abc' },
  ),
  answered('an answer with a length', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc', {
    framing: 'Length',
    body: 'abc',
    isWhole: true,
  }),
  answered('an empty answer', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', { framing: 'Length', body: '' }),
  answered('a chunked answer', `HTTP/1.1 200 OK\r\n${chunked}\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`, {
    framing: 'Chunked',
    body: 'abcde',
  }),
  emptyChunked,
  answered(
    'an answer up to the end of the connection',
    'HTTP/1.1 200 OK\r\n\r\nabc',
    { body: 'abc', isWhole: true },
    { end: true },
  ),
  answered(
    'trailers that the server announces',
    `HTTP/1.1 200 OK\r\n${chunked}Trailer: X-After\r\n\r\n3\r\nabc\r\n0\r\nX-After: 1\r\nX-After: 2\r\n\r\n`,
    { body: 'abc', trailers: { 'x-after': ['1', '2'] } },
  ),
  answered(
    'trailers that the server does not announce',
    `HTTP/1.1 200 OK\r\n${chunked}\r\n3\r\nabc\r\n0\r\nX-After: 1\r\n\r\n`,
    { body: 'abc', trailers: { 'x-after': ['1'] } },
  ),
  differs(
    answered(
      'a chunked answer for HTTP/1.0',
      `HTTP/1.1 200 OK\r\n${chunked}\r\n3\r\nabc\r\n0\r\n\r\n`,
      { version: '1.0', framing: 'Close', body: 'abc' },
      { version: '1.0' },
    ),
    'Answers to HTTP/1.0',
    { version: '1.1', framing: 'Close', body: 'abc' },
  ),
  answered(
    'an answer to HEAD with a length',
    'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n',
    { fields: { 'content-length': ['1234'] }, framing: 'None' },
    { method: 'HEAD' },
  ),
  answered(
    'an answer to HEAD that would be chunked',
    `HTTP/1.1 200 OK\r\n${chunked}\r\n`,
    { status: 200, framing: 'None' },
    { method: 'HEAD' },
  ),
  answered(
    'an answer to HEAD without a length',
    'HTTP/1.1 200 OK\r\n\r\n',
    { status: 200, framing: 'None' },
    { method: 'HEAD' },
  ),
  answered('204', 'HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n', { status: 204, fields: { 'x-a': ['1'] } }),
  differs(
    answered('304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: "x"\r\n\r\n', {
      status: 304,
      fields: { etag: ['"x"'] },
    }),
    'Content-Length of 304',
    { fields: { 'content-length': ['99'] } },
  ),
  answered('304 without a length', 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n', { status: 304 }),
  {
    name: 'a client that waits for 100 Continue',
    run: (at) =>
      talk(
        at,
        { method: 'POST', headers: 'Content-Length: 5\r\nExpect: 100-continue\r\n' },
        {
          server: async (connection, head) => {
            const { body } = await readBody(connection, head);
            connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
          },
          client: async (client) => {
            const first = await client.head();
            client.write('hello');
            const { status, body } = await client.answer();
            return { first: first.status, status, body };
          },
        },
      ),
    traefik: { first: 100, status: 200, body: 'hello' },
  },
  {
    name: 'an answer to a body that the server does not read',
    run: (at) =>
      talk(
        at,
        { method: 'POST', headers: 'Content-Length: 100000\r\n' },
        {
          server: async (connection) => {
            await connection.take(10);
            connection.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
          },
          client: async (client) => {
            client.write('x'.repeat(100_000));
            const { status, body } = await client.answer();
            return { status, body };
          },
        },
      ),
    traefik: { status: 413, body: 'no' },
  },
  flushed('events are passed on one by one', 'Content-Type: text/event-stream\r\n'),
  flushed('events are passed on one by one, over TLS', 'Content-Type: text/event-stream\r\n', { entry: 'websecure' }),
  flushed('pieces of any other answer too', 'Content-Type: text/plain\r\n'),
  {
    name: 'both directions flow at once',
    run: (at) =>
      talk(
        at,
        { method: 'POST', headers: chunked, entry: 'hasty' },
        {
          server: async (connection) => {
            connection.write(`HTTP/1.1 200 OK\r\n${chunked}\r\n`);
            for (let piece = 0; piece < 3; piece += 1) {
              await connection.until('x\n');
              connection.write('3\r\ngo\n\r\n');
            }
            connection.write('0\r\n\r\n');
          },
          client: async (client) => {
            const { status } = await client.head();
            const lines: (string | undefined)[] = [];
            for (let piece = 0; piece < 3; piece += 1) {
              client.write('2\r\nx\n\r\n');
              lines.push(await client.line(), await client.line(), await client.line());
            }
            return { status, lines };
          },
        },
      ),
    traefik: {},
    differs: 'Both directions at once',
    sluice: { status: 200, lines: ['3', 'go', '', '3', 'go', '', '3', 'go', ''] },
  },
  large('32 MiB with a length to a slow reader', 'Length'),
  large('32 MiB in chunks to a slow reader', 'Chunked'),
  upload('a body of 16 MiB with a length', 'Length'),
  upload('a body of 16 MiB in chunks', 'Chunked'),
  switches('a WebSocket', 'websocket'),
  switches('a WebSocket over TLS', 'websocket', { entry: 'websecure' }),
  switches('a WebSocket whose server speaks at once', 'websocket', { early: 'hello' }),
  switches('another protocol', 'tcp-over-http'),
  differs(
    answered(
      'an upgrade that the server refuses',
      'HTTP/1.1 426 Upgrade Required\r\nUpgrade: other\r\nContent-Length: 2\r\n\r\nno',
      { status: 426, body: 'no' },
      { headers: 'Connection: Upgrade\r\nUpgrade: websocket\r\n' },
    ),
    'A refused upgrade',
    { status: 426, body: 'no', fields: { connection: ['close'] } },
  ),
  {
    name: 'an upgrade to h2c is not passed on',
    run: async (at) => {
      const { fields } = received(
        await get(at, 'bodies', {
          headers: 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n',
        }),
      );
      return { upgrade: fields['upgrade'], connection: fields['connection'], settings: fields['http2-settings'] };
    },
    traefik: { upgrade: ['h2c'] },
    differs: 'Upgrade: h2c',
    sluice: {},
  },
];

/** bodies is about what comes after heads. */
export const bodies: CaseGroup = { name: 'bodies', objects, cases };
