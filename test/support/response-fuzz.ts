/** Answers of HTTP/1 servers, valid ones and mutations of them, and what node's client and ours make of them. */
import http, { type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { ResponseParser } from '../../src/proxy/upstream/response-parser.ts';

/** Reading is what a client made of an answer: all of it, or the reason why it refused. */
export type Reading =
  | {
      readonly kind: 'Accepted';
      readonly informational: readonly string[];
      readonly status: number;
      readonly headers: readonly string[];
      readonly body: string;
      readonly trailers: readonly string[];
    }
  | { readonly kind: 'Refused'; readonly reason: string };

/** Random returns a number in [0, below). */
export type Random = (below: number) => number;

/** createRandom returns a Random that is determined by `seed` (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random(from.length)] as T;
}

const statuses = [
  '200 OK',
  '200',
  '201 Created',
  '204 No Content',
  '206 ',
  '304 Not Modified',
  '404 Not Found',
  '500 x y',
  '999 \xe9',
];
const fields = [
  'Content-Type: text/plain',
  'Set-Cookie: a=1; Path=/',
  'set-cookie:b=2',
  'Connection: close',
  'Connection: keep-alive, X-Hop',
  'Keep-Alive: timeout=5',
  'X-Hop: 1',
  'Trailer: Sum',
  'Upgrade: h2c',
  'X-Empty:',
  'X-Blank: \t ',
  'X-Latin: \xe9\xff',
  'Proxy-Authenticate: Basic',
  'Date: Sat, 21 Nov 2026 09:00:00 GMT',
] as const;
/** What mutations put in: everything that request smuggling was ever made of. */
const insertions = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\n\n',
  '\0',
  ' ',
  '\t',
  '\x0b',
  '\x7f',
  ':',
  ';',
  ',',
  '"',
  '0',
  '1',
  'f',
  '-',
  '+',
  '_',
  '\x80',
  '\xff',
  'Content-Length: 3\r\n',
  'Content-Length: 4\r\n',
  'content-length:3\r\n',
  'Content-Length: 3, 3\r\n',
  'Content-Length: 0x3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'transfer-encoding:\tchunked\r\n',
  'Transfer-Encoding : chunked\r\n',
  ' folded\r\n',
  'Connection: close\r\n',
  'Connection: upgrade\r\n',
  'HTTP/1.1 200 OK\r\n',
  'HTTP/1.0 200 OK\r\n',
  '0\r\n\r\n',
  '5;a=b\r\n',
  '3\r\nabc\r\n',
] as const;

/** GeneratedAnswer is the bytes of an answer to a request with this method, as latin1. */
export interface GeneratedAnswer {
  readonly method: 'GET' | 'HEAD';
  readonly bytes: string;
}

/** generateAnswer returns an answer that is valid, or was before up to three mutations. */
export function generateAnswer(random: Random): GeneratedAnswer {
  const informational =
    random(8) === 0
      ? pick(random, ['HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n', 'HTTP/1.1 100 Continue\r\n\r\n'])
      : '';
  let bytes = informational + validAnswer(random);
  const mutations = random(4);
  for (let count = 0; count < mutations; count += 1) bytes = mutate(random, bytes);
  return { method: random(10) === 0 ? 'HEAD' : 'GET', bytes };
}

function validAnswer(random: Random): string {
  const version = random(10) === 0 ? 'HTTP/1.0' : 'HTTP/1.1';
  const own = Array.from({ length: random(4) }, () => pick(random, fields));
  const body = Array.from({ length: random(4) * random(8) }, () => pick(random, ['a', 'b', '\r', '\n', '0', ' '])).join(
    '',
  );
  const [framing, content] = frame(random, version, body);
  const lines = [...own];
  if (framing !== '') lines.splice(random(own.length + 1), 0, framing as (typeof fields)[number]);
  return `${version} ${pick(random, statuses)}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${content}`;
}

function frame(random: Random, version: string, body: string): readonly [string, string] {
  const kind = random(10);
  if (kind < 5)
    return [pick(random, ['Content-Length: ', 'content-length:', 'CONTENT-LENGTH:\t']) + String(body.length), body];
  if (kind < 9 && version === 'HTTP/1.1')
    return [pick(random, ['Transfer-Encoding: chunked', 'transfer-encoding:Chunked']), chunked(random, body)];
  return ['', body];
}

function chunked(random: Random, body: string): string {
  let [text, rest] = ['', body];
  while (rest !== '') {
    const piece = rest.slice(0, 1 + random(rest.length));
    text += `${pick(random, ['', '', '0'])}${piece.length.toString(16)}${pick(random, ['', '', ';a', ';a=b', ';a="b"'])}\r\n${piece}\r\n`;
    rest = rest.slice(piece.length);
  }
  const trailers = pick(random, ['', '', 'Sum: 1\r\n', 'Sum: 1\r\nX-Empty:\r\n']);
  return `${text}0\r\n${trailers}\r\n`;
}

function mutate(random: Random, bytes: string): string {
  const at = random(bytes.length + 1);
  const to = at + random(8);
  switch (random(8)) {
    case 0:
      return bytes.slice(0, at) + String.fromCharCode(random(256)) + bytes.slice(at + 1);
    case 1:
      return bytes.slice(0, at) + bytes.slice(to);
    case 2:
      return bytes.slice(0, to) + bytes.slice(at);
    case 3:
      return bytes.slice(0, at);
    case 4: {
      const lines = bytes.split('\r\n');
      lines.splice(random(lines.length), 0, pick(random, lines));
      return lines.join('\r\n');
    }
    case 5: {
      // At the beginning of a line, where header lines are at home.
      const start = bytes.indexOf('\r\n', at) + 2;
      return bytes.slice(0, start) + pick(random, insertions) + bytes.slice(start);
    }
    default:
      return bytes.slice(0, at) + pick(random, insertions) + bytes.slice(at);
  }
}

/** split cuts the bytes into pieces at random places. */
export function split(random: Random, bytes: string): readonly Buffer[] {
  const cuts = Array.from({ length: random(4) }, () => random(bytes.length + 1)).sort((a, b) => a - b);
  return [0, ...cuts].map((from, index) => Buffer.from(bytes.slice(from, cuts[index] ?? bytes.length), 'latin1'));
}

/** readByOurs returns what our parser makes of the pieces, followed by the end of the connection. */
export function readByOurs(method: string, pieces: readonly Buffer[]): Reading {
  const informational: string[] = [];
  const body: string[] = [];
  let head: { status: number; headers: readonly string[] } | undefined;
  let trailers: readonly string[] | undefined;
  let reason = 'the connection ended before the answer';
  const parser = new ResponseParser({
    onInformational: (status, headers) => informational.push(`${status} ${headers.join(' ')}`),
    onHead: (found) => {
      head = found;
    },
    onData: (piece) => body.push(piece.toString('latin1')),
    onEnd: (found) => {
      trailers = found;
    },
    onMalformed: (detail) => {
      reason = detail;
    },
  });
  parser.begin(method);
  for (const piece of pieces) parser.push(piece);
  parser.finish();
  if (head === undefined || (trailers === undefined && head.status !== 101)) return { kind: 'Refused', reason };
  const { status, headers } = head;
  return { kind: 'Accepted', informational, status, headers, body: body.join(''), trailers: trailers ?? [] };
}

/** readByNode returns what node's client makes of the pieces. */
export function readByNode(method: string, pieces: readonly Buffer[]): Promise<Reading> {
  return new Promise((resolve) => {
    const informational: string[] = [];
    const body: string[] = [];
    let response: IncomingMessage | undefined;
    let reason = 'no reason';
    const request = http.request({ method, createConnection: () => new ScriptedSocket(pieces) });
    request.on('information', ({ statusCode, rawHeaders }) => {
      informational.push(`${statusCode} ${endToEnd(rawHeaders, false).join(' ')}`);
    });
    request.on('error', (error: Error & { code?: string }) => {
      reason = error.code ?? error.message;
    });
    request.on('upgrade', (upgraded: IncomingMessage, socket: Duplex) => {
      response = upgraded;
      socket.destroy();
    });
    request.on('response', (found) => {
      response = found;
      found.on('error', () => undefined);
      found.on('data', (piece: Buffer) => body.push(piece.toString('latin1')));
    });
    request.on('close', () => {
      // The last pieces of the body come after the connection has gone.
      setImmediate(() => {
        if (response === undefined || !response.complete) resolve({ kind: 'Refused', reason });
        else resolve(acceptedByNode(method, response, informational, body.join('')));
      });
    });
    request.end();
  });
}

function acceptedByNode(
  method: string,
  response: IncomingMessage,
  informational: readonly string[],
  body: string,
): Reading {
  const { statusCode = 0, rawHeaders, rawTrailers } = response;
  const isChunked = rawHeaders.some((text, index) => index % 2 === 0 && text.toLowerCase() === 'transfer-encoding');
  const mayHaveTrailers = isChunked && method !== 'HEAD' && statusCode !== 204 && statusCode !== 304;
  return {
    kind: 'Accepted',
    informational,
    status: statusCode,
    headers: endToEnd(rawHeaders, mayHaveTrailers),
    body,
    trailers: endToEnd(rawTrailers, true),
  };
}

const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'upgrade',
];
const framing = ['content-length', 'transfer-encoding'];

/** endToEnd leaves out what concerns one connection, and Trailer where there is no room for trailers. */
function endToEnd(raw: readonly string[], mayHaveTrailers: boolean): readonly string[] {
  const pairs = Array.from({ length: raw.length / 2 }, (_, index) => [raw[2 * index] ?? '', raw[2 * index + 1] ?? '']);
  const listed = pairs
    .filter(([name = '']) => name.toLowerCase() === 'connection')
    .flatMap(([, value = '']) =>
      value
        .toLowerCase()
        .split(',')
        .map((token) => token.trim()),
    );
  const dropped = new Set([...hopByHop, ...framing, ...listed, ...(mayHaveTrailers ? [] : ['trailer'])]);
  return pairs.filter(([name = '']) => !dropped.has(name.toLowerCase())).flat();
}

/** ScriptedSocket is a connection whose other end sends these pieces and ends. */
class ScriptedSocket extends Duplex {
  readonly #pieces: readonly Buffer[];

  constructor(pieces: readonly Buffer[]) {
    super({ autoDestroy: true });
    this.#pieces = pieces;
  }

  override _read(): void {
    // Everything comes once the request is there.
  }

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
    if (this.readableEnded || this.destroyed) return;
    for (const piece of this.#pieces) if (piece.length > 0) this.push(piece);
    this.push(null);
  }
}
