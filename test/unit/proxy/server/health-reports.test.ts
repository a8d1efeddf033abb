/** What a server's passive health is told of each exchange. */
import type http from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { exchange, startRawServer, startServer, startStage, until, type Running, type Stage } from './stage.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function watched(server: Running, maxFailedAttempts: number): Promise<Stage> {
  const passiveHealth = { failureWindowMs: 60_000, maxFailedAttempts };
  const stage = await startStage({ servers: [server.port], leaf: { passiveHealth } });
  cleanups.push(
    () => server.close(),
    () => stage.stop(),
  );
  return stage;
}

/** statuses makes requests one after the other, each on its own connection. */
async function statuses(stage: Stage, count: number): Promise<readonly string[]> {
  const seen: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const { text } = await exchange(stage.web, 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n');
    seen.push(text.slice(9, 12));
    await until(() => stage.openExchanges() === 0);
  }
  return seen;
}

/** breaksOff answers with a status, and closes the connection within the body. */
function breaksOff(status: string): Promise<Running> {
  return startRawServer((socket: Socket) => {
    socket.on('data', () => socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 10\r\n\r\nabc`));
  });
}

test('an answer that is an error and breaks off is one failure', async () => {
  const stage = await watched(await breaksOff('500 Internal Server Error'), 2);
  expect(await statuses(stage, 3)).toEqual(['500', '500', '503']);
});

test('answers that break off are failures, however they began', async () => {
  const stage = await watched(await breaksOff('200 OK'), 2);
  expect(await statuses(stage, 3)).toEqual(['200', '200', '503']);
});

test('a server that does not answer has failed once', async () => {
  const server = await startRawServer((socket) => socket.on('data', () => socket.destroy()));
  const stage = await watched(server, 2);
  expect(await statuses(stage, 3)).toEqual(['502', '502', '503']);
});

test('an answer in between, also to a client that leaves, makes up for failures', async () => {
  let requests = 0;
  const handle: http.RequestListener = (_, response) => {
    requests += 1;
    response.statusCode = requests % 2 === 1 ? 500 : 200;
    response.write('a');
    if (requests !== 2) response.end();
  };
  const stage = await watched(await startServer(handle), 2);
  expect(await statuses(stage, 1)).toEqual(['500']);
  // It does not end; the client leaves after a while.
  await exchange(stage.web, 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n', { forMs: 100 });
  await until(() => stage.openExchanges() === 0);
  expect(await statuses(stage, 4)).toEqual(['500', '200', '500', '200']);
});
