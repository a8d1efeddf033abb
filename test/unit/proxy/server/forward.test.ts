import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { afterEach, expect, test } from 'vitest';
import {
  connect,
  exchange,
  startRawServer,
  startServer,
  startStage,
  until,
  type Running,
  type Stage,
  type StageOptions,
} from './stage.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(handle: http.RequestListener): Promise<Running> {
  const server = await startServer(handle);
  cleanups.push(() => server.close());
  return server;
}

async function serveRaw(onConnection: Parameters<typeof startRawServer>[0]): Promise<Running> {
  const server = await startRawServer(onConnection);
  cleanups.push(() => server.close());
  return server;
}

async function stageFor(options: StageOptions): Promise<Stage> {
  const stage = await startStage(options);
  cleanups.push(() => stage.stop());
  return stage;
}

const get = (path: string, ...lines: readonly string[]): string =>
  [`GET ${path} HTTP/1.1`, 'Host: shop.test', ...lines, '', ''].join('\r\n');

/** One request on a connection that the client asks to be closed, its answer without the Date. */
async function answerTo(stage: Stage, text: string): Promise<string> {
  const { text: answer } = await exchange(stage.web, text);
  return answer.replace(/Date: [^\r]*\r\n/, '');
}

test('a request that no router takes is Traefik’s 404', async () => {
  const stage = await stageFor({ servers: [], rule: 'Host(`other.test`)' });
  expect(await answerTo(stage, get('/', 'Connection: close'))).toBe(
    'HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n' +
      'Content-Length: 19\r\nConnection: close\r\n\r\n404 page not found\n',
  );
  expect(stage.records).toMatchObject([{ code: 404, router: undefined, service: undefined, responseBytes: 19 }]);
});

test('a server gets its own address for a Host where the client says none', async () => {
  const server = await serve((request, response) => response.end(request.headers.host));
  const stage = await stageFor({ servers: [server.port] });
  expect(await answerTo(stage, 'GET / HTTP/1.0\r\n\r\n')).toMatch(new RegExp(`\\r\\n127\\.0\\.0\\.1:${server.port}$`));
});

test('a service without servers is Traefik’s 503, counted for the service', async () => {
  const stage = await stageFor({ servers: [] });
  expect(await answerTo(stage, get('/', 'Connection: close'))).toBe(
    'HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n' +
      'Content-Length: 20\r\nConnection: close\r\n\r\nno available server\n',
  );
  expect(stage.records).toMatchObject([{ code: 503, service: 'web-shop-80@kubernetescrd', serverUrl: undefined }]);
});

test('a server that refuses connections is 502', async () => {
  const server = await startServer(() => undefined);
  await server.close();
  const stage = await stageFor({ servers: [server.port] });
  const expected = 'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 11\r\nConnection: close\r\n\r\nBad Gateway';
  expect(await answerTo(stage, get('/', 'Connection: close'))).toBe(expected);
  expect(stage.records).toMatchObject([{ code: 502, serverUrl: `http://127.0.0.1:${server.port}` }]);
});

test.each([
  ['closes the connection', ''],
  ['speaks something else', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
  ['breaks off within its head', 'HTTP/1.1 200 OK\r\nContent-Le'],
  ['says two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy'],
])('a server that %s is 502', async (_, text) => {
  const server = await serveRaw((socket) => socket.once('data', () => socket.end(text)));
  const stage = await stageFor({ servers: [server.port] });
  expect((await request(`http://127.0.0.1:${stage.web}/`)).statusCode).toBe(502);
});

test('a server that does not answer in time is 504', async () => {
  const server = await serve(() => undefined);
  const stage = await stageFor({ servers: [server.port], responseHeaderTimeoutMs: 50 });
  const { statusCode, body } = await request(`http://127.0.0.1:${stage.web}/`);
  expect([statusCode, await body.text()]).toEqual([504, 'Gateway Timeout']);
});

test.each([
  ['of known length', 'Content-Length: 100\r\n\r\nshort'],
  ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n'],
])('a body %s that breaks off resets the client', async (_, rest) => {
  const server = await serveRaw((socket) =>
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\n${rest}`);
      setTimeout(() => socket.destroy(), 30);
    }),
  );
  const stage = await stageFor({ servers: [server.port] });
  const { text, isReset } = await exchange(stage.web, get('/'));
  expect(text).toMatch(/^HTTP\/1\.1 200 OK/);
  expect(text).toMatch(/short(\r\n)?$/);
  expect(isReset).toBe(true);
  expect(stage.openExchanges()).toBe(0);
});

test('a client that goes away is 499, and its server hears of it at once', async () => {
  let goneAfterMs = Infinity;
  let leftAtMs = 0;
  const server = await serve((incoming) => {
    incoming.socket.once('close', () => {
      goneAfterMs = performance.now() - leftAtMs;
    });
  });
  const stage = await stageFor({ servers: [server.port] });
  const took: number[] = [];
  for (let client = 1; client <= 3; client += 1) {
    goneAfterMs = Infinity;
    const socket = await connect(stage.web);
    socket.write(get('/'));
    await until(() => stage.openExchanges() === 1 && stage.openStreams() === 1);
    await sleep(50);
    leftAtMs = performance.now();
    socket.destroy();
    await until(() => stage.records.length === client && goneAfterMs < Infinity);
    took.push(goneAfterMs);
  }
  // A busy machine makes one of them late; a proxy that waits for something makes all of them late.
  expect(Math.min(...took)).toBeLessThan(100);
  expect(stage.records.map(({ code, status }) => [code, status])).toEqual(took.map(() => [499, 499]));
  expect([stage.openExchanges(), stage.openStreams()]).toEqual([0, 0]);
});

test('an answer of any framing arrives as it was sent, and the connection is used again', async () => {
  const server = await serve((incoming, response) => {
    const body = 'x'.repeat(Number(new URL(incoming.url ?? '', 'http://x').searchParams.get('bytes')));
    if (incoming.url?.startsWith('/length') === true) response.setHeader('Content-Length', body.length);
    if (incoming.url?.startsWith('/chunked') === true) response.flushHeaders();
    if (incoming.url?.startsWith('/close') === true) {
      response.removeHeader('Connection');
      response.useChunkedEncodingByDefault = false;
      response.shouldKeepAlive = false;
    }
    response.end(body);
  });
  const stage = await stageFor({ servers: [server.port] });
  const socket = await connect(stage.web);
  let received = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
  });
  for (const kind of ['length', 'chunked', 'close']) {
    for (const bytes of [0, 1, 4096, 4097, 70_000, 3_000_000]) {
      received = Buffer.alloc(0);
      socket.write(get(`/${kind}?bytes=${bytes}`));
      await until(() => lengthOfBody(received) === bytes, 5000);
    }
  }
  expect(stage.records.map(({ responseBytes }) => responseBytes)).toEqual(
    [1, 2, 3].flatMap(() => [0, 1, 4096, 4097, 70_000, 3_000_000]),
  );
  socket.destroy();
});

/** The length of the body of the one answer in `received`; undefined while it is not whole. */
function lengthOfBody(received: Buffer): number | undefined {
  const end = received.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const head = received.subarray(0, end).toString('latin1');
  const body = received.subarray(end + 4);
  const length = /content-length: (\d+)/i.exec(head)?.[1];
  if (length !== undefined) return body.length === Number(length) ? body.length : undefined;
  let total = 0;
  for (let at = 0; ;) {
    const line = body.indexOf('\r\n', at);
    if (line === -1) return undefined;
    const size = Number.parseInt(body.subarray(at, line).toString('latin1'), 16);
    if (size === 0) return body.length === line + 4 ? total : undefined;
    total += size;
    at = line + 2 + size + 2;
  }
}

test('HEAD, 204 and 304 have no body', async () => {
  const server = await serve((incoming, response) => {
    if (incoming.method === 'HEAD') response.writeHead(200, { 'Content-Length': '7' }).end();
    else response.writeHead(incoming.url === '/204' ? 204 : 304, { ETag: '"1"' }).end();
  });
  const stage = await stageFor({ servers: [server.port] });
  const head = await answerTo(stage, get('/').replace('GET', 'HEAD'));
  expect(head).toMatch(/Content-Length: 7\r\n\r\n$/);
  expect(await answerTo(stage, get('/204'))).toMatch(/^HTTP\/1\.1 204 No Content\r\nETag: "1"\r\n\r\n$/);
  expect(await answerTo(stage, get('/304'))).toMatch(/^HTTP\/1\.1 304 Not Modified\r\nETag: "1"\r\n\r\n$/);
});

test('an event reaches the client before the next one is sent', async () => {
  let send: ((event: string) => void) | undefined;
  const server = await serve((_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.flushHeaders();
    send = (event) => void response.write(`data: ${event}\n\n`);
  });
  const stage = await stageFor({ servers: [server.port] });
  const socket = await connect(stage.web);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.write(get('/', 'Accept: text/event-stream'));
  await until(() => text.includes('text/event-stream\r\n') && text.includes('\r\n\r\n'));
  for (const event of ['one', 'two']) {
    send?.(event);
    await until(() => text.includes(`data: ${event}\n\n`));
  }
  socket.destroy();
  await until(() => stage.records.length === 1);
  expect(stage.records).toMatchObject([{ protocol: 'sse', code: 499, responseBytes: 22 }]);
});

test('a request body arrives whole, with its trailers, and its bytes are counted', async () => {
  let seen: { body: number; trailers: NodeJS.Dict<string>; coding: string | undefined } | undefined;
  const server = await serve((incoming, response) => {
    let body = 0;
    incoming.on('data', (chunk: Buffer) => {
      body += chunk.length;
    });
    incoming.on('end', () => {
      seen = { body, trailers: incoming.trailers, coding: incoming.headers['transfer-encoding'] };
      response.end('ok');
    });
  });
  const stage = await stageFor({ servers: [server.port] });
  const chunk = 'x'.repeat(50_000);
  const chunks = Array.from({ length: 20 }, () => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
  const text = `POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\nX-Sum: 7\r\n\r\n`;
  expect(await answerTo(stage, text)).toMatch(/\r\n\r\nok$/);
  expect(seen).toEqual({ body: 1_000_000, trailers: { 'x-sum': '7' }, coding: 'chunked' });
  expect(stage.records).toMatchObject([{ requestBytes: 1_000_000, responseBytes: 2 }]);
});

test('trailers of an answer reach the client', async () => {
  const server = await serve((_, response) => {
    response.writeHead(200, { Trailer: 'X-Sum' });
    response.write('body');
    response.addTrailers({ 'X-Sum': '7' });
    response.end();
  });
  const stage = await stageFor({ servers: [server.port] });
  const { body, trailers } = await request(`http://127.0.0.1:${stage.web}/`);
  expect(await body.text()).toBe('body');
  expect(trailers).toEqual({ 'x-sum': '7' });
});

test('a client that waits for 100 Continue gets it from the server, and only then sends', async () => {
  let isContinued = false;
  const upstream = http.createServer();
  upstream.on('checkContinue', (incoming: http.IncomingMessage, response: http.ServerResponse) => {
    isContinued = true;
    response.writeContinue();
    incoming.resume();
    incoming.on('end', () => response.end('thanks'));
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  cleanups.push(async () => void upstream.close());
  const stage = await stageFor({ servers: [(upstream.address() as { port: number }).port] });
  const socket = await connect(stage.web);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n');
  await until(() => text === 'HTTP/1.1 100 Continue\r\n\r\n');
  expect(isContinued).toBe(true);
  socket.write('body');
  await until(() => text.endsWith('thanks'));
  expect(text).not.toContain('Connection: close');
  upstream.closeAllConnections();
  socket.destroy();
});

test('a client whose expected body is refused is disconnected, for its body may follow all the same', async () => {
  const server = await serveRaw((socket) =>
    socket.once('data', () => socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n')),
  );
  const stage = await stageFor({ servers: [server.port] });
  const text = 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n';
  const { text: answer, isClosed } = await exchange(stage.web, text);
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).toContain('Connection: close');
  expect(isClosed).toBe(true);
});

test('early hints come before the answer', async () => {
  const server = await serve((_, response) => {
    response.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => response.end('x'));
  });
  const stage = await stageFor({ servers: [server.port] });
  expect(await answerTo(stage, get('/'))).toMatch(
    /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n/i,
  );
});

test('a slow reader holds the server back', async () => {
  let written = 0;
  const server = await serve((_, response) => {
    const chunk = Buffer.alloc(100_000, 1);
    const more = (): void => {
      while (response.write(chunk) && written < 500_000_000) written += chunk.length;
    };
    response.on('drain', more);
    more();
  });
  const stage = await stageFor({ servers: [server.port] });
  const socket = await connect(stage.web);
  socket.write(get('/'));
  socket.pause();
  await sleep(300);
  const before = written;
  await sleep(300);
  expect(written).toBe(before);
  expect(written).toBeLessThan(50_000_000);
  socket.destroy();
  await until(() => stage.openExchanges() === 0);
});

test('a slow server holds the client back', async () => {
  const server = await serveRaw((socket) => socket.pause());
  const stage = await stageFor({ servers: [server.port] });
  const socket = await connect(stage.web);
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n');
  const chunk = Buffer.alloc(1_000_000, 1);
  let written = 0;
  while (written < 100) {
    if (!socket.write(chunk) && (await Promise.race([once(socket, 'drain'), sleep(300, 'stuck')])) === 'stuck') break;
    written += 1;
  }
  expect(written).toBeLessThan(30);
  socket.destroy();
  // Nobody reads from a client that is held back, so that it is gone is seen when the server is.
  await server.close();
  await until(() => stage.openExchanges() === 0);
});

test('a server that answers before it has the body leaves the connection in order', async () => {
  const server = await serve((incoming, response) => {
    incoming.resume();
    response.end(incoming.url);
  });
  const stage = await stageFor({ servers: [server.port] });
  const body = 'x'.repeat(300_000);
  const post = `POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const answer = await answerTo(stage, `${post}${get('/2', 'Connection: close')}`);
  expect(answer).toMatch(/\/1HTTP\/1\.1 200 OK[^]*\/2$/);
});

test('a request that no router takes does not keep its body in the way of the next', async () => {
  const stage = await stageFor({ servers: [], rule: 'Host(`other.test`)' });
  const body = 'x'.repeat(300_000);
  const post = `POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const answer = await answerTo(stage, `${post}${get('/2', 'Connection: close')}`);
  expect(answer.match(/404 page not found/g)).toHaveLength(2);
});

test('a Set-Cookie of a sticky service joins those of the server', async () => {
  const server = await serve((_, response) => {
    response.writeHead(200, { 'Set-Cookie': 'a=1' });
    response.end();
  });
  const sticky = {
    name: 'srv',
    isSecure: false,
    isHttpOnly: false,
    sameSite: undefined,
    maxAgeSeconds: 0,
    path: '/',
    domain: undefined,
  };
  const stage = await stageFor({ servers: [server.port], leaf: { sticky } });
  const { headers } = await request(`http://127.0.0.1:${stage.web}/`);
  expect(headers['set-cookie']).toEqual(['a=1', expect.stringMatching(/^srv=[0-9a-f]{16}; Path=\/$/)]);
});

test('a server gets its own name as Host where the service says so', async () => {
  const server = await serve((incoming, response) => response.end(incoming.headers.host));
  const stage = await stageFor({ servers: [server.port], leaf: { passHostHeader: false } });
  expect(await (await request(`http://127.0.0.1:${stage.web}/`)).body.text()).toBe(`127.0.0.1:${server.port}`);
});

test('a middleware answers, changes requests and answers, and tries again', async () => {
  const server = await serve((incoming, response) =>
    response.end(`${incoming.url} ${String(incoming.headers['x-added'])}`),
  );
  const closed = await startServer(() => undefined);
  await closed.close();
  let attempts = 0;
  const stage = await stageFor({
    servers: [closed.port, server.port],
    handler: (exchange) => {
      if (exchange.request.target === '/denied') return exchange.answer({ status: 403, headers: [], body: 'no' });
      exchange.request.target = `/prefix${exchange.request.target}`;
      exchange.request.headers.push('X-Added', 'yes');
      const { response } = exchange;
      exchange.response = Object.assign(Object.create(response), {
        head: (status: number, headers: readonly string[], length: number | undefined) =>
          response.head(status, [...headers, 'X-Answer', 'changed'], length),
        write: (chunk: Uint8Array, isOwned: boolean) => response.write(chunk, isOwned),
        end: (trailers: readonly string[]) => response.end(trailers),
      }) as typeof response;
      exchange.onFailure = (failure) => {
        attempts += 1;
        if (attempts > 5) exchange.fail(failure);
        else exchange.forward();
      };
      exchange.forward();
    },
  });
  expect((await request(`http://127.0.0.1:${stage.web}/denied`)).statusCode).toBe(403);
  for (let index = 0; index < 2; index += 1) {
    const { headers, body } = await request(`http://127.0.0.1:${stage.web}/x`);
    expect([await body.text(), headers['x-answer']]).toEqual(['/prefix/x yes', 'changed']);
  }
  expect(attempts).toBeGreaterThan(0);
  await until(() => stage.openStreams() === 0);
});
