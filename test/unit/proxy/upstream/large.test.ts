import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/clock.ts';
import type { Server } from '../../../../src/proxy/configuration.ts';
import { createUpstreamClient } from '../../../../src/proxy/upstream/client.ts';
import type { UpstreamCall, UpstreamClient } from '../../../../src/proxy/upstream/upstream.ts';
import { get, localServer, post } from '../../../support/upstream.ts';

const MiB = 1024 * 1024;
const clients: UpstreamClient[] = [];
const servers: (http.Server | http2.Http2Server)[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: http.Server | http2.Http2Server, scheme: Server['scheme']): Promise<Server> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return localServer((server.address() as AddressInfo).port, scheme);
}

/** pieces yields `count` different MiB without making new ones. */
function* pieces(count: number): Generator<Buffer> {
  const base = Buffer.alloc(
    2 * MiB,
    Uint8Array.from({ length: 251 }, (_, index) => index),
  );
  for (let index = 0; index < count; index += 1) yield base.subarray(index, index + MiB);
}

function digestOf(count: number): string {
  const hash = createHash('sha256');
  for (const piece of pieces(count)) hash.update(piece);
  return hash.digest('hex');
}

/**
 * download returns the digest of a body. A slow reader wants no more after each piece and looks at it only when it comes
 * back: so it finds out if the piece has been overwritten meanwhile.
 */
function download(client: UpstreamClient, call: UpstreamCall, isSlow: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256');
    let held: Uint8Array | undefined;
    const exchange = client.send(call, {
      onInformational: () => undefined,
      onHead: () => undefined,
      onData: (piece) => {
        if (!isSlow) {
          hash.update(piece);
          return true;
        }
        if (held === undefined) setTimeout(goOn, 1);
        else hash.update(held);
        held = piece;
        return false;
      },
      onEnd: () => {
        if (held !== undefined) hash.update(held);
        held = undefined;
        resolve(hash.digest('hex'));
      },
      onUpgrade: () => undefined,
      onError: ({ detail }) => reject(new Error(detail)),
    });
    const goOn = (): void => {
      if (held === undefined) return;
      hash.update(held);
      held = undefined;
      exchange.resume();
    };
  });
}

const client = (): UpstreamClient => {
  const made = createUpstreamClient({ clock: systemClock });
  clients.push(made);
  return made;
};

describe('bodies of 20 MiB', () => {
  it.each([
    ['a length', 'http', { 'content-length': 20 * MiB }],
    ['chunks', 'http', {}],
    ['HTTP/2', 'h2c', {}],
  ] as const)('with %s arrive as they are at fast and slow readers at once', async (_, scheme, headers) => {
    const serve = (_request: unknown, response: http.ServerResponse): void => {
      response.writeHead(200, headers);
      Readable.from(pieces(20)).pipe(response);
    };
    const server =
      scheme === 'http'
        ? http.createServer(serve)
        : http2.createServer((request, response) => serve(request, response as unknown as http.ServerResponse));
    const call = get(await listen(server, scheme));
    const shared = client();
    const digests = await Promise.all([true, false, true, false].map((isSlow) => download(shared, call, isSlow)));
    expect(digests).toEqual(Array.from({ length: 4 }, () => digestOf(20)));
  });
});

/** grownBy returns by how many bytes the memory of the process grew at most while `work` ran. */
async function grownBy(work: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 10);
  await work();
  clearInterval(timer);
  return most - before;
}

describe('a body of 1 GiB', () => {
  it('comes in constant memory', async () => {
    const server = http.createServer((_, response) => {
      response.writeHead(200, { 'content-length': 1024 * MiB });
      Readable.from(pieces(1024)).pipe(response);
    });
    const call = get(await listen(server, 'http'));
    let received = 0;
    const growth = await grownBy(async () => {
      await new Promise<void>((resolve, reject) => {
        const exchange = client().send(call, {
          onInformational: () => undefined,
          onHead: () => undefined,
          onData: (piece) => {
            received += piece.length;
            if (received % 64 !== 0) return true;
            setImmediate(() => exchange.resume());
            return false;
          },
          onEnd: () => resolve(),
          onUpgrade: () => undefined,
          onError: ({ detail }) => reject(new Error(detail)),
        });
      });
    });
    expect(received).toBe(1024 * MiB);
    expect(growth).toBeLessThan(128 * MiB);
  });

  it('goes in constant memory to a server that is slower than its client', async () => {
    let received = 0;
    const server = http.createServer((request, response) => {
      request.on('data', (piece: Buffer) => {
        received += piece.length;
        request.pause();
        setImmediate(() => request.resume());
      });
      request.on('end', () => response.end());
    });
    const call = post(await listen(server, 'http'), Readable.from(pieces(1024)), { length: 1024 * MiB });
    const growth = await grownBy(async () => {
      await download(client(), call, false);
    });
    expect(received).toBe(1024 * MiB);
    expect(growth).toBeLessThan(128 * MiB);
  });
});
