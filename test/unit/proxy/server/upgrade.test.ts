import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { connect, exchange, startServer, startStage, until, type Stage, type UpgradeListener } from './stage.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function stageFor(onUpgrade: UpgradeListener): Promise<Stage> {
  const server = await startServer((request, response) => {
    response.end(`served, upgrade ${request.headers.upgrade ?? 'none'}`);
  }, onUpgrade);
  const stage = await startStage({ servers: [server.port] });
  cleanups.push(
    () => server.close(),
    () => stage.stop(),
  );
  return stage;
}

const upgradeTo = (token: string): string =>
  `GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: ${token}\r\nSec-WebSocket-Key: k\r\n\r\n`;

const accepted = (token: string): string =>
  `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${token}\r\nX-Answer: yes\r\n\r\n`;

/** upgraded opens a connection and returns it once the server has switched, with what came behind its answer. */
async function upgraded(
  port: number,
  options: { token?: string; early?: string; isTls?: boolean } = {},
): Promise<{ socket: Socket; text: () => string }> {
  const { token = 'websocket', early = '', isTls = false } = options;
  const socket = await connect(port, isTls);
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  socket.write(`${upgradeTo(token)}${early}`);
  await until(() => received.includes('\r\n\r\n'));
  expect(received).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
  expect(received).toMatch(new RegExp(`\r\nUpgrade: ${token}\r\n`));
  expect(received.match(/^(connection|upgrade):/gim)).toHaveLength(2);
  return { socket, text: () => received.slice(received.indexOf('\r\n\r\n') + 4) };
}

const echo: UpgradeListener = (request, socket, head) => {
  socket.on('error', () => undefined);
  socket.write(accepted(request.headers.upgrade ?? ''));
  socket.write(head);
  socket.pipe(socket);
};

test.each(['websocket', 'SPDY/3.1', 'tls/1.3'])('bytes of %s pass both ways, those sent ahead too', async (token) => {
  const stage = await stageFor(echo);
  const { socket, text } = await upgraded(stage.web, { token, early: 'ahead ' });
  socket.write('later');
  await until(() => text() === 'ahead later');
  expect(stage.openStreams()).toBe(1);
  socket.end();
  await until(() => stage.records.length === 1);
  expect(stage.records).toMatchObject([
    { code: 101, protocol: token === 'websocket' ? 'websocket' : 'http', requestBytes: 11, responseBytes: 11 },
  ]);
  expect([stage.openStreams(), stage.openExchanges()]).toEqual([0, 0]);
});

test('a WebSocket over TLS', async () => {
  const stage = await stageFor(echo);
  const { socket, text } = await upgraded(stage.secure, { isTls: true });
  socket.write('hello');
  await until(() => text() === 'hello');
  socket.destroy();
  await until(() => stage.openExchanges() === 0);
});

test('megabytes pass without loss', async () => {
  const stage = await stageFor(echo);
  const { socket, text } = await upgraded(stage.web);
  const chunk = 'x'.repeat(100_000);
  for (let index = 0; index < 50; index += 1) if (!socket.write(chunk)) await once(socket, 'drain');
  await until(() => text().length === 5_000_000, 10_000);
  socket.destroy();
});

test('either end may close its direction first', async () => {
  const stage = await stageFor((_, socket, head) => {
    socket.write(accepted('websocket'));
    let sent = head.toString();
    socket.on('data', (chunk: Buffer) => {
      sent += chunk.toString();
    });
    socket.on('end', () => socket.end(`you sent ${sent}`));
  });
  const { socket, text } = await upgraded(stage.web);
  socket.end('all of it');
  await until(() => text() === 'you sent all of it');
  await until(() => stage.openExchanges() === 0);
});

test('an end that breaks breaks the other', async () => {
  let server: Socket | undefined;
  const stage = await stageFor((request, socket, head) => {
    server = socket;
    echo(request, socket, head);
  });
  const first = await upgraded(stage.web);
  server?.resetAndDestroy();
  await once(first.socket, 'end');
  const second = await upgraded(stage.web);
  second.socket.resetAndDestroy();
  await until(() => server?.destroyed === true);
  await until(() => stage.openExchanges() === 0);
});

test('a refused upgrade is answered as the server says', async () => {
  const stage = await stageFor((_, socket) => {
    socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\nConnection: close\r\n\r\nwho?');
  });
  const { text, isClosed } = await exchange(stage.web, upgradeTo('websocket'));
  expect(text).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\n[^]*\r\n\r\nwho\?$/);
  expect(isClosed).toBe(true);
  expect(stage.records).toMatchObject([{ code: 401, protocol: 'websocket' }]);
});

test('Upgrade: h2c goes no further', async () => {
  const stage = await stageFor(echo);
  const { text } = await exchange(stage.web, upgradeTo('h2c'), { forMs: 100 });
  expect(text).toMatch(/served, upgrade none$/);
});

test('a client that leaves before the server has switched is gone for the server', async () => {
  let server: Socket | undefined;
  const stage = await stageFor((_, socket) => {
    server = socket;
    socket.on('error', () => undefined).resume();
  });
  const socket = await connect(stage.web);
  socket.write(upgradeTo('websocket'));
  await until(() => server !== undefined);
  socket.destroy();
  await until(() => server?.readableEnded === true);
  expect(stage.records).toMatchObject([{ code: 499 }]);
});

test('an upgraded connection outlives idle and read time-outs, and a drain until its grace ends', async () => {
  const server = await startServer(() => undefined, echo);
  const stage = await startStage({ servers: [server.port], entryPoint: { readTimeoutMs: 100, idleTimeoutMs: 100 } });
  cleanups.push(
    () => server.close(),
    () => stage.stop(),
  );
  const { socket, text } = await upgraded(stage.web);
  await sleep(400);
  const drained = stage.drain(1500);
  await sleep(1200);
  socket.write('still here');
  await until(() => text() === 'still here');
  await drained;
  await until(() => stage.openExchanges() === 0);
});
