import http2 from 'node:http2';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../../src/clock.ts';
import { createListener } from '../../../../src/proxy/server/listener.ts';
import { connect, exchange, startServer, startStage, until, type Stage, type StageOptions } from './stage.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A stage whose server answers `served`, after the milliseconds that the path says. */
async function stageFor(options: Partial<StageOptions>): Promise<Stage> {
  const server = await startServer((request, response) => {
    request.resume();
    setTimeout(() => response.end('served'), Number(request.url?.slice(1)));
  });
  const stage = await startStage({ servers: [server.port], ...options });
  cleanups.push(
    () => server.close(),
    () => stage.stop(),
  );
  return stage;
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`;

test.each([
  ['a head that does not end', 'GET / HTTP/1.1\r\nHost: a.te'],
  ['a body that does not end', 'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nshort'],
])('%s is 408 after the read time-out', async (_, text) => {
  const stage = await stageFor({ entryPoint: { readTimeoutMs: 200 }, servers: [] });
  const startedMs = performance.now();
  const { text: answer, isClosed } = await exchange(stage.web, text, { forMs: 1000 });
  if (text.startsWith('GET')) expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  else expect(answer).toMatch(/^HTTP\/1\.1 (408|503) /);
  expect(isClosed).toBe(true);
  expect(performance.now() - startedMs).toBeGreaterThan(190);
});

test('a body that does not come is 408, and its server is let go', async () => {
  const stage = await stageFor({ entryPoint: { readTimeoutMs: 200 } });
  const body = 'POST /5000 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nshort';
  const { text, isClosed } = await exchange(stage.web, body, { forMs: 1000 });
  expect(text).toMatch(/^HTTP\/1\.1 408 /);
  expect(isClosed).toBe(true);
  expect(stage.records).toMatchObject([{ code: 408 }]);
  expect(stage.openStreams()).toBe(0);
});

test('a body of HTTP/2 that does not come is 408', async () => {
  const stage = await stageFor({ entryPoint: { readTimeoutMs: 200 } });
  const session = http2.connect(`http://127.0.0.1:${stage.web}`);
  const stream = session.request({ ':method': 'POST', ':path': '/5000' });
  stream.write('short');
  const status = await new Promise((resolve) => stream.on('response', ({ ':status': each }) => resolve(each)));
  expect(status).toBe(408);
  await until(() => stage.records.length === 1);
  expect(stage.records).toMatchObject([{ code: 408 }]);
  session.destroy();
});

test('an answer may take longer than the read time-out', async () => {
  const stage = await stageFor({ entryPoint: { readTimeoutMs: 100 } });
  const { text } = await exchange(stage.web, get('/400'), { forMs: 700 });
  expect(text).toMatch(/^HTTP\/1\.1 200 /);
});

test.each([
  ['that never says anything', ''],
  ['that has had its answer', get('/')],
  ['that stops in the preface of HTTP/2', 'PRI * HT'],
])('a connection %s is closed', async (_, text) => {
  const stage = await stageFor({ entryPoint: { readTimeoutMs: 150, idleTimeoutMs: 150 } });
  const { isClosed } = await exchange(stage.web, text, { forMs: 1500 });
  expect(isClosed).toBe(true);
  await until(() => stage.openConnections() === 0);
});

test('a preface in pieces is HTTP/2, and a request in pieces is not', async () => {
  const stage = await stageFor({});
  const answers = await Promise.all(
    [http2Preface, Buffer.from(get('/'))].map(async (bytes) => {
      const socket = await connect(stage.web);
      let first = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        first = Buffer.concat([first, chunk]);
      });
      for (const byte of bytes) {
        socket.write(Buffer.of(byte));
        await sleep(1);
      }
      await until(() => first.length > 0);
      socket.destroy();
      return first;
    }),
  );
  // A frame of SETTINGS, and an answer.
  expect(answers[0]?.[3]).toBe(4);
  expect(answers[1]?.toString()).toMatch(/^HTTP\/1\.1 200 /);
});

const http2Preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

test('a connection that another one accepted is served', async () => {
  const listener = createListener({
    entryPoint: {
      name: 'web',
      host: '127.0.0.1',
      port: 0,
      tls: undefined,
      trustedIps: [],
      isInsecure: false,
      readTimeoutMs: 1000,
      idleTimeoutMs: 1000,
      maxHeaderBytes: 8192,
    },
    clock: systemClock,
    onRequest: (client) => {
      client.head(200, [], 2);
      client.write(Buffer.from('ok'), true);
      client.end([]);
    },
  });
  const other = net.createServer({ allowHalfOpen: true }, (socket) => listener.accept(socket));
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { text } = await exchange((other.address() as net.AddressInfo).port, get('/'), { forMs: 100 });
  expect(text).toMatch(/\r\n\r\nok$/);
  other.close();
  await listener.drain({ graceMs: 0 });
});

test('pipelined requests are served one after the other, in order', async () => {
  const order: string[] = [];
  const server = await startServer((request, response) => {
    order.push(`begin ${request.url}`);
    setTimeout(() => {
      order.push(`end ${request.url}`);
      response.end(request.url);
    }, 20);
  });
  const stage = await startStage({ servers: [server.port] });
  cleanups.push(
    () => server.close(),
    () => stage.stop(),
  );
  const { text } = await exchange(stage.web, [1, 2, 3].map((each) => get(`/${each}`)).join(''), { forMs: 300 });
  expect(order).toEqual([1, 2, 3].flatMap((each) => [`begin /${each}`, `end /${each}`]));
  expect([...text.matchAll(/\r\n\r\n(\/\d)/g)].map(([, body]) => body)).toEqual(['/1', '/2', '/3']);
});

test('a drain lets answers under way end, says so, and closes what is idle after a second', async () => {
  const stage = await stageFor({});
  const busy = exchange(stage.web, get('/300'), { forMs: 3000 });
  const idle = exchange(stage.web, get('/0'), { forMs: 3000 });
  await until(() => stage.records.length === 1 && stage.openExchanges() === 1);
  const startedMs = performance.now();
  const drained = stage.drain(5000);
  await expect(connectTo(stage.web)).rejects.toThrow('ECONNREFUSED');
  const [served, kept] = await Promise.all([busy, idle]);
  expect(served.text).toMatch(/Connection: close\r\n[^]*served$/);
  expect([served.isClosed, kept.isClosed, kept.isReset]).toEqual([true, true, false]);
  await drained;
  const tookMs = performance.now() - startedMs;
  expect(tookMs).toBeGreaterThan(900);
  expect(tookMs).toBeLessThan(2500);
});

test('a drain serves a request that comes on an idle connection, and then closes it', async () => {
  const stage = await stageFor({});
  const socket = await connect(stage.web);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.write(get('/0'));
  await until(() => text.endsWith('served'));
  const drained = stage.drain(5000);
  text = '';
  socket.write(get('/0'));
  await until(() => text.endsWith('served'));
  expect(text).toContain('Connection: close');
  await drained;
});

test('a drain ends what does not end by itself after its grace', async () => {
  const stage = await stageFor({});
  const stuck = exchange(stage.web, get('/60000'), { forMs: 3000 });
  await until(() => stage.openExchanges() === 1);
  const startedMs = performance.now();
  await stage.drain(300);
  expect(performance.now() - startedMs).toBeLessThan(1000);
  expect((await stuck).isClosed).toBe(true);
  await until(() => stage.openExchanges() === 0);
});

test('a drain tells HTTP/2 clients to go away, and serves the streams that are open', async () => {
  const stage = await stageFor({});
  const session = http2.connect(`http://127.0.0.1:${stage.web}`);
  let goaways = 0;
  session.on('goaway', () => {
    goaways += 1;
  });
  const stream = session.request({ ':path': '/1500' });
  let body = '';
  stream.on('data', (chunk: Buffer) => {
    body += chunk.toString();
  });
  await until(() => stage.openExchanges() === 1);
  const drained = stage.drain(5000);
  await until(() => goaways > 0);
  await drained;
  expect(body).toBe('served');
});

function connectTo(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => resolve());
    socket.on('error', reject);
  });
}
