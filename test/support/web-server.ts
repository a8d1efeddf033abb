/** A server with something for every kind of client, which remembers what it was asked. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { namespaceHint } from './processes.ts';
import { acceptWebSocket, type WebSocketSession } from './web-socket.ts';

/** Visit is a request as the server got it, with its whole body. */
export interface Visit {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string>;
  readonly bytes: number;
  readonly sha256: string;
}

/** WebServer listens until stopped. */
export interface WebServer {
  /** visits are the requests so far, those of load generators (`/`) left out; they are only counted. */
  readonly visits: readonly Visit[];
  readonly sessions: readonly WebSocketSession[];
  rootCount(): number;
  stop(): Promise<void>;
}

/** patternOf returns `length` bytes of which no two kilobytes are the same. */
export function patternOf(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((at * 2_654_435_761) % 0x1_0000_0000, at);
  return bytes;
}

/** sha256 returns the digest as hex. */
export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** startWebServer listens on port 8080 of an address of the tests' network; `/large` is `large`, also in ranges. */
export async function startWebServer(address: string, large: Buffer): Promise<WebServer> {
  const visits: Visit[] = [];
  const sessions: WebSocketSession[] = [];
  let rootCount = 0;
  const server = http.createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    if (request.url === '/') {
      rootCount += 1;
      response.end('hello\n');
      return;
    }
    void read(request).then((visit) => {
      visits.push(visit);
      answer(visit, response, large);
    });
  });
  // Who is refused never gets to send.
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/refused') {
      response.writeHead(413, { Connection: 'close' }).end('too large\n');
      return;
    }
    response.writeContinue();
    server.emit('request', request, response);
  });
  server.on('upgrade', (request, socket, head) => sessions.push(acceptWebSocket(request, socket, head)));
  server.listen(8080, address);
  await once(server, 'listening').catch((error: Error) => {
    throw new Error(`${error.message}${namespaceHint(address)}`, { cause: error });
  });
  return {
    visits,
    sessions,
    rootCount: () => rootCount,
    stop: async () => {
      for (const { socket } of sessions) socket.destroy();
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function read(request: IncomingMessage): Promise<Visit> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  const { method = '', url = '', headers, trailers } = request;
  return { method, url, headers, trailers, bytes, sha256: hash.digest('hex') };
}

function answer({ method, url, headers, bytes }: Visit, response: ServerResponse, large: Buffer): void {
  const { pathname } = new URL(url, 'http://x');
  if (pathname === '/large') sendRange(headers.range, response, large);
  else if (pathname === '/moved') response.writeHead(302, { Location: '/landing?from=moved' }).end();
  else if (pathname === '/kept') response.writeHead(307, { Location: '/landing?from=kept' }).end();
  else if (pathname === '/chunks') sendChunks(response);
  else response.writeHead(200, { 'Content-Type': 'text/plain' }).end(`${method} ${url} ${bytes}\n`);
}

function sendRange(range: string | undefined, response: ServerResponse, large: Buffer): void {
  const [, first, last] = /^bytes=([0-9]+)-([0-9]*)$/.exec(range ?? '') ?? [];
  response.setHeader('Accept-Ranges', 'bytes');
  if (first === undefined) {
    response.setHeader('Content-Length', large.length);
    response.end(large);
    return;
  }
  const end = last === '' ? large.length - 1 : Number(last);
  const part = large.subarray(Number(first), end + 1);
  response.writeHead(206, {
    'Content-Length': part.length,
    'Content-Range': `bytes ${first}-${end}/${large.length}`,
  });
  response.end(part);
}

function sendChunks(response: ServerResponse): void {
  response.writeHead(200, { Trailer: 'X-Sum' });
  for (const word of ['one ', 'two ', 'three']) response.write(word);
  response.addTrailers({ 'X-Sum': '3' });
  response.end();
}
