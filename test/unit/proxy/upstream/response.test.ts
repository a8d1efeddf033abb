import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/clock.ts';
import { createUpstreamClient } from '../../../../src/proxy/upstream/client.ts';
import { startRawServer } from '../../../support/raw-server.ts';
import { ask, get, localServer, type Answer } from '../../../support/upstream.ts';

/** answerTo returns what a handler is told when the server sends `bytes` and, unless it `stays`, ends the connection. */
async function answerTo(bytes: string, method = 'GET', stays = false): Promise<Answer> {
  await using server = await startRawServer(async (connection) => {
    await connection.head();
    connection.write(bytes);
    if (!stays) connection.socket.end();
    await connection.closed();
  });
  const client = createUpstreamClient({ clock: systemClock });
  try {
    return await ask(client, get(localServer(server.port), { method })).answer;
  } finally {
    client.close();
  }
}

describe('an answer', () => {
  it('ends after its Content-Length', async () => {
    const answer = await answerTo(
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello',
      'GET',
      true,
    );
    expect(answer).toMatchObject({
      head: { status: 200, headers: ['Content-Type', 'text/plain'], bodyLength: 5 },
      body: 'hello',
      trailers: [],
    });
  });

  it('ends with its last chunk, without the extensions and with the trailers', async () => {
    const answer = await answerTo(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: Sum\r\n\r\n5;a="b;c"\r\nhello\r\n00A\r\n, you two!\r\n0\r\nSum: 15\r\n\r\n',
      'GET',
      true,
    );
    expect(answer).toMatchObject({
      head: { status: 200, headers: ['Trailer', 'Sum'], bodyLength: undefined },
      body: 'hello, you two!',
      trailers: ['Sum', '15'],
    });
  });

  it('ends with the connection when nothing else says where', async () => {
    const answer = await answerTo('HTTP/1.1 200 OK\r\n\r\nhello');
    expect(answer).toMatchObject({ head: { bodyLength: undefined }, body: 'hello', trailers: [] });
  });
});
