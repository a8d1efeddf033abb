/** Clients that go away when nobody reads from them, and streams that end while something is outstanding. */
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import tls from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import {
  connect,
  exchange,
  startHttp2Server,
  startRawServer,
  startServer,
  startStage,
  until,
  type Stage,
} from './stage.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function stageOf(options: Parameters<typeof startStage>[0], server: { close(): Promise<void> }): Promise<Stage> {
  const stage = await startStage(options);
  cleanups.push(
    () => server.close(),
    () => stage.stop(),
  );
  return stage;
}

type OnStream = Parameters<typeof startHttp2Server>[0];

async function stageBefore(onStream: OnStream): Promise<Stage> {
  const server = await startHttp2Server(onStream);
  return stageOf({ servers: [server.port], scheme: 'h2c' }, server);
}

test.each([false, true])(
  'a client that leaves while a server holds its body back is noticed (TLS: %s)',
  async (isTls) => {
    // With its window full a server of HTTP/2 takes nothing more, and nobody reads from the client then.
    const server = await startHttp2Server(() => undefined);
    // The time for idle connections decides how often connections are looked at.
    const entryPoint = { readTimeoutMs: 60_000, idleTimeoutMs: 1000 };
    const stage = await stageOf({ servers: [server.port], scheme: 'h2c', entryPoint }, server);
    const socket = await connect(isTls ? stage.secure : stage.web);
    const client = isTls ? tls.connect({ socket, rejectUnauthorized: false }) : socket;
    client.on('error', () => undefined);
    client.write('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2000000\r\n\r\n');
    client.write(Buffer.alloc(1_000_000));
    await until(() => stage.openStreams() === 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(stage.openExchanges()).toBe(1);
    socket.resetAndDestroy();
    await until(() => stage.openExchanges() === 0);
    expect(stage.records).toMatchObject([{ status: 499 }]);
    await until(() => stage.openConnections() === 0);
  },
);

test('a body that a server holds back for a while arrives whole', async () => {
  const received = Promise.withResolvers<number>();
  const server = await startHttp2Server((stream) => {
    let bytes = 0;
    setTimeout(() => stream.on('data', (chunk: Buffer) => (bytes += chunk.length)), 500);
    stream.on('end', () => {
      received.resolve(bytes);
      stream.respond({ ':status': 200 }, { endStream: true });
    });
  });
  const entryPoint = { readTimeoutMs: 60_000, idleTimeoutMs: 100 };
  const stage = await stageOf({ servers: [server.port], scheme: 'h2c', entryPoint }, server);
  const client = await connect(stage.web);
  let text = '';
  client.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  client.write('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n');
  client.write(Buffer.alloc(1_000_000));
  expect(await received.promise).toBe(1_000_000);
  await until(() => text.startsWith('HTTP/1.1 200 OK\r\n'));
});

/** timerOf returns which timer the kernel runs for a connection (proc(5), /proc/net/tcp: 2 is that of keep-alive). */
function timerOf(localPort: number, remotePort: number): string | undefined {
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');
  const line = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((each) => each.trim().split(/\s+/))
    .find(([, local, remote]) => local?.endsWith(`:${hex(localPort)}`) && remote?.endsWith(`:${hex(remotePort)}`));
  return line?.[5]?.split(':')[0];
}

test.skipIf(process.platform !== 'linux')(
  'the kernel finds out about clients and servers that are no more',
  async () => {
    const ports: number[] = [];
    const server = await startRawServer((socket) => void ports.push(socket.remotePort ?? 0));
    const stage = await stageOf({ servers: [server.port] }, server);
    const client = await connect(stage.web);
    client.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    await until(() => ports.length === 1);
    // Until all is acknowledged the timer is that of retransmissions.
    await until(() => timerOf(stage.web, client.localPort ?? 0) === '02');
    await until(() => timerOf(ports[0] ?? 0, server.port) === '02');
    client.destroy();
  },
);

const call = { ':method': 'POST', ':path': '/', te: 'trailers' };

/** answering sends a head and a piece of a body, whose trailers are outstanding. */
const answering: OnStream = (stream) => {
  stream.respond({ ':status': 200 }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-after': '1' }));
  stream.write('piece');
};

function open(stage: Stage): { readonly session: http2.ClientHttp2Session; readonly stream: http2.ClientHttp2Stream } {
  const session = http2.connect(`http://127.0.0.1:${stage.web}`);
  session.on('error', () => undefined);
  cleanups.push(() => session.destroy());
  const stream = session.request(call);
  stream.on('error', () => undefined);
  stream.write('more to come');
  return { session, stream };
}

async function answered(stream: http2.ClientHttp2Stream): Promise<void> {
  await new Promise((resolve) => stream.once('data', resolve));
}

// To close a stream that waits for its trailers ends the whole process in node 26.10, and this test with it.
test.each([
  ['the client resets it', ({ stream }: ReturnType<typeof open>) => stream.close(http2.constants.NGHTTP2_CANCEL)],
  ['the client ends it', ({ stream }: ReturnType<typeof open>) => stream.close(http2.constants.NGHTTP2_NO_ERROR)],
  ['the client goes', ({ session }: ReturnType<typeof open>) => session.destroy()],
  ['the proxy ends', (_: ReturnType<typeof open>, stage: Stage) => void stage.drain(0)],
] as const)('a stream with trailers to come is over in good order when %s', async (_, leave) => {
  const stage = await stageBefore(answering);
  const opened = open(stage);
  await answered(opened.stream);
  leave(opened, stage);
  opened.stream.end();
  await until(() => stage.openExchanges() === 0 || opened.stream.destroyed);
  opened.session.destroy();
  await until(() => stage.openExchanges() === 0 && stage.openConnections() === 0);
});

test('a stream whose answer and trailers end before its body is over in good order', async () => {
  const stage = await stageBefore((stream) => {
    answering(stream, []);
    stream.end();
  });
  const { stream } = open(stage);
  let trailers: http2.IncomingHttpHeaders | undefined;
  stream.on('trailers', (fields) => (trailers = fields));
  await answered(stream);
  await until(() => stream.destroyed);
  expect([trailers?.['x-after'], stream.rstCode]).toEqual(['1', http2.constants.NGHTTP2_NO_ERROR]);
  await until(() => stage.openExchanges() === 0);
});

test.each([
  ['a client of HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n'],
  ['HEAD', 'HEAD / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n'],
  ['a body with a length', 'GET /length HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n'],
])('trailers that are announced are no reason to refuse an answer: %s', async (_, text) => {
  const server = await startRawServer((socket) => {
    socket.once('data', (head: Buffer) => {
      const isHead = head.toString().startsWith('HEAD');
      const hasLength = head.toString().includes('/length');
      const framing = hasLength ? 'Content-Length: 2' : 'Transfer-Encoding: chunked';
      const body = hasLength ? 'ok' : '2\r\nok\r\n0\r\nX-After: 1\r\n\r\n';
      socket.write(`HTTP/1.1 200 OK\r\nTrailer: X-After\r\n${framing}\r\n\r\n${isHead ? '' : body}`);
    });
  });
  const stage = await stageOf({ servers: [server.port] }, server);
  const { text: answer } = await exchange(stage.web, text);
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answer).not.toMatch(/trailer/i);
  expect(answer.endsWith(text.startsWith('HEAD') ? '\r\n\r\n' : '\r\n\r\nok')).toBe(true);
});

test.each(['destroy', 'resetAndDestroy'] as const)(
  'a stream whose server breaks off before its trailers is reset (%s)',
  async (how) => {
    const server = await startServer((request, response) => {
      response.write('piece', () => setTimeout(() => request.socket[how](), 20));
    });
    const stage = await stageOf({ servers: [server.port] }, server);
    const { stream } = open(stage);
    await answered(stream);
    await until(() => stream.destroyed);
    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_INTERNAL_ERROR);
    await until(() => stage.openExchanges() === 0);
  },
);
