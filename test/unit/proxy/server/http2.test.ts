import http2 from 'node:http2';
import { afterEach, expect, test } from 'vitest';
import { startHttp2Server, startServer, startStage, until, type Stage } from './stage.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type OnStream = Parameters<typeof startHttp2Server>[0];

async function grpcStage(onStream: OnStream): Promise<Stage> {
  const server = await startHttp2Server(onStream);
  const stage = await startStage({ servers: [server.port], scheme: 'h2c' });
  cleanups.push(
    () => server.close(),
    () => stage.stop(),
  );
  return stage;
}

function connectTo(stage: Stage, isTls = false): http2.ClientHttp2Session {
  const session = isTls
    ? http2.connect(`https://127.0.0.1:${stage.secure}`, { rejectUnauthorized: false })
    : http2.connect(`http://127.0.0.1:${stage.web}`);
  session.on('error', () => undefined);
  cleanups.push(() => session.destroy());
  return session;
}

interface Answered {
  readonly headers: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders | undefined;
  readonly body: string;
  readonly rstCode: number | undefined;
  readonly isEndedByHead: boolean;
}

function answerOf(stream: http2.ClientHttp2Stream): Promise<Answered> {
  return new Promise((resolve) => {
    let [headers, body, isEndedByHead]: [http2.IncomingHttpHeaders, string, boolean] = [{}, '', false];
    let trailers: http2.IncomingHttpHeaders | undefined;
    stream.on('response', (each, flags) => {
      headers = each;
      isEndedByHead = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    });
    stream.on('trailers', (each) => {
      trailers = each;
    });
    stream.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    stream.on('error', () => undefined);
    stream.on('close', () => resolve({ headers, trailers, body, rstCode: stream.rstCode, isEndedByHead }));
  });
}

const call = { ':method': 'POST', ':path': '/shop.Orders/List', 'content-type': 'application/grpc', te: 'trailers' };

test.each([false, true])('a call with an answer and its status (TLS: %s)', async (isTls) => {
  const stage = await grpcStage((stream, raw) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () =>
      stream.sendTrailers({ 'grpc-status': '0', 'x-te': String(raw.includes('trailers')) }),
    );
    stream.pipe(stream);
  });
  const stream = connectTo(stage, isTls).request(call);
  stream.end('message');
  const { headers, body, trailers, rstCode } = await answerOf(stream);
  expect([headers[':status'], body, rstCode]).toEqual([200, 'message', 0]);
  expect(trailers).toMatchObject({ 'grpc-status': '0', 'x-te': 'true' });
  await until(() => stage.records.length === 1);
  expect(stage.records).toMatchObject([{ protocol: 'grpc', code: 0, status: 200, requestBytes: 7, responseBytes: 7 }]);
});

test('an answer of trailers only stays one', async () => {
  const stage = await grpcStage((stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' }, { endStream: true });
  });
  const stream = connectTo(stage).request(call);
  stream.end('x');
  const { headers, isEndedByHead } = await answerOf(stream);
  expect([headers['grpc-status'], isEndedByHead]).toEqual(['12', true]);
  await until(() => stage.records.length === 1);
  expect(stage.records).toMatchObject([{ code: 12, status: 200 }]);
});

test('both sides talk at the same time', async () => {
  const stage = await grpcStage((stream) => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.on('data', (chunk: Buffer) => stream.write(`echo ${chunk.toString()};`));
    stream.on('end', () => stream.end());
  });
  const stream = connectTo(stage).request(call);
  let text = '';
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const answered = answerOf(stream);
  for (const word of ['one', 'two', 'three']) {
    stream.write(word);
    await until(() => text.endsWith(`echo ${word};`));
  }
  stream.end();
  expect((await answered).trailers).toMatchObject({ 'grpc-status': '0' });
});

test('a call that the client cancels is cancelled at the server', async () => {
  let code: number | undefined;
  const stage = await grpcStage((stream) => {
    stream.respond({ ':status': 200 });
    stream.write('first');
    stream.on('close', () => {
      code = stream.rstCode;
    });
  });
  const stream = connectTo(stage).request(call);
  stream.on('data', () => stream.close(http2.constants.NGHTTP2_CANCEL));
  await until(() => code !== undefined);
  expect(code).toBe(http2.constants.NGHTTP2_CANCEL);
  expect(stage.records).toMatchObject([{ code: 1, status: 499 }]);
  expect(stage.openStreams()).toBe(0);
});

test('a server that ends a call early ends it for a client that still sends', async () => {
  const stage = await grpcStage((stream) => {
    stream.respond({ ':status': 200, 'grpc-status': '8' }, { endStream: true });
  });
  const stream = connectTo(stage).request(call);
  stream.write('more to come');
  const { headers } = await answerOf(stream);
  expect(headers['grpc-status']).toBe('8');
  await until(() => stage.openExchanges() === 0);
});

test('an answer of unknown length without trailers ends', async () => {
  const stage = await grpcStage((stream) => {
    stream.respond({ ':status': 200 });
    stream.end('whole');
  });
  const stream = connectTo(stage).request(call);
  stream.end();
  const { body, rstCode, trailers } = await answerOf(stream);
  expect([body, rstCode, trailers]).toEqual(['whole', 0, undefined]);
});

test('a stream that breaks after its head is reset', async () => {
  const stage = await grpcStage((stream) => {
    stream.respond({ ':status': 200 });
    stream.write('part', () => stream.destroy(new Error('broken')));
  });
  const stream = connectTo(stage).request(call);
  stream.end();
  const { body, rstCode } = await answerOf(stream);
  expect([body, rstCode]).toEqual(['part', http2.constants.NGHTTP2_INTERNAL_ERROR]);
});

test('a server of HTTP/1 serves clients of HTTP/2: cookies in one header, names in lower case, any framing', async () => {
  let seen: unknown;
  const server = await startServer((request, response) => {
    seen = [request.headers.host, request.headers.cookie, request.headers['transfer-encoding']];
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      response.writeHead(200, { 'X-Mixed-Case': '1', Trailer: 'X-Sum' });
      response.write(body);
      response.addTrailers({ 'X-Sum': '7' });
      response.end();
    });
  });
  const stage = await startStage({ servers: [server.port] });
  cleanups.push(
    () => server.close(),
    () => stage.stop(),
  );
  const headers = { ':method': 'POST', ':path': '/', ':authority': 'shop.test', cookie: ['a=1', 'b=2'] };
  const stream = connectTo(stage).request(headers);
  stream.end('x'.repeat(200_000));
  const answered = await answerOf(stream);
  expect(answered.headers).toMatchObject({ ':status': 200, 'x-mixed-case': '1' });
  expect(answered.headers).not.toHaveProperty('connection');
  expect(answered.body.length).toBe(200_000);
  expect(answered.trailers).toMatchObject({ 'x-sum': '7' });
  expect(seen).toEqual(['shop.test', 'a=1; b=2', 'chunked']);
});

test('a large answer of known length to a slow reader is whole', async () => {
  const body = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => index % 251));
  const server = await startServer((_, response) => {
    response.setHeader('Content-Length', body.length);
    response.end(body);
  });
  const stage = await startStage({ servers: [server.port] });
  cleanups.push(
    () => server.close(),
    () => stage.stop(),
  );
  const stream = connectTo(stage, true).request({ ':path': '/' });
  const pieces: Buffer[] = [];
  for await (const piece of stream) {
    pieces.push(piece as Buffer);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(Buffer.concat(pieces).equals(body)).toBe(true);
});

test('early hints and answers without a body', async () => {
  const server = await startServer((request, response) => {
    if (request.url === '/hints') response.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => response.end('x'));
    else response.writeHead(204).end();
  });
  const stage = await startStage({ servers: [server.port] });
  cleanups.push(
    () => server.close(),
    () => stage.stop(),
  );
  const session = connectTo(stage);
  const hinted = session.request({ ':path': '/hints' });
  let hint: unknown;
  hinted.on('headers', (headers) => {
    hint = headers['link'];
  });
  expect((await answerOf(hinted)).body).toBe('x');
  expect(hint).toBe('</a.css>; rel=preload');
  expect((await answerOf(session.request({ ':path': '/none' }))).headers[':status']).toBe(204);
});

test('more than 250 streams at once are not opened', async () => {
  const stage = await grpcStage(() => undefined);
  const session = connectTo(stage);
  await new Promise<void>((resolve) => {
    session.once('remoteSettings', () => resolve());
  });
  expect(session.remoteSettings.maxConcurrentStreams).toBe(250);
});

test('a client that opens streams only to reset them is disconnected', async () => {
  const stage = await grpcStage(() => undefined);
  const session = connectTo(stage);
  for (let round = 0; round < 40 && !session.destroyed; round += 1) {
    for (let index = 0; index < 100 && !session.destroyed; index += 1) {
      const stream = session.request(call);
      stream.on('error', () => undefined);
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(session.destroyed).toBe(true);
  await until(() => stage.openExchanges() === 0);
});
