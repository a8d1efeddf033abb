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

const pattern = Buffer.alloc(
  2 * MiB,
  Uint8Array.from({ length: 251 }, (_, index) => index),
);

/** pieces yields `count` different pieces without making new ones; each `phase` has its own. */
function* pieces(count: number, phase: number, pieceBytes = MiB): Generator<Buffer> {
  for (let index = 0; index < count; index += 1) {
    yield pattern.subarray(index + 50 * phase, index + 50 * phase + pieceBytes);
  }
}

function digestOf(...parts: Parameters<typeof pieces>): string {
  const hash = createHash('sha256');
  for (const piece of pieces(...parts)) hash.update(piece);
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
    let isHeldOwned = false;
    const exchange = client.send(call, {
      onInformational: () => undefined,
      onHead: () => undefined,
      onData: (piece, isOwned) => {
        if (!isSlow) {
          hash.update(piece);
          return true;
        }
        if (held === undefined) setTimeout(goOn, 1);
        else hash.update(held);
        held = piece;
        isHeldOwned = isOwned;
        return false;
      },
      onEnd: () => {
        if (held !== undefined && !isHeldOwned)
          reject(new Error('the answer ended while its last piece was looked at'));
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

/** A reader that is slow must find its pieces as they were, whatever the others have read meanwhile. */
describe('bodies of many requests at once, for slow readers and fast ones', () => {
  it.each([
    ['20 MiB with a length', 'http', [20, MiB], true],
    ['20 MiB in chunks', 'http', [20, MiB], false],
    ['20 MiB over HTTP/2', 'h2c', [20, MiB], false],
    ['10 kB', 'http', [1, 10_000], true],
    ['100 kB', 'http', [1, 100_000], true],
  ] as const)('arrive as they are: %s', async (_, scheme, [count, pieceBytes], hasLength) => {
    const serve = (request: { url?: string | undefined }, response: http.ServerResponse): void => {
      response.writeHead(200, hasLength ? { 'content-length': count * pieceBytes } : {});
      Readable.from(pieces(count, Number(request.url?.slice(1)), pieceBytes)).pipe(response);
    };
    const server = await listen(
      scheme === 'http'
        ? http.createServer(serve)
        : http2.createServer((request, response) => serve(request, response as unknown as http.ServerResponse)),
      scheme,
    );
    const shared = client();
    const phases = count > 1 ? [0, 1, 2, 3] : Array.from({ length: 60 }, (_, index) => index);
    const digests = await Promise.all(
      phases.map((phase) => download(shared, get(server, { target: `/${phase}` }), phase % 3 !== 0)),
    );
    expect(digests).toEqual(phases.map((phase) => digestOf(count, phase, pieceBytes)));
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
      Readable.from(pieces(1024, 0)).pipe(response);
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
    // New memory for each piece, so that a queue of them would be seen.
    const stream = new Readable({
      highWaterMark: MiB,
      read() {
        sent += MiB;
        this.push(sent > 1024 * MiB ? null : Buffer.alloc(MiB, 1));
      },
    });
    let sent = 0;
    const call = post(await listen(server, 'http'), stream, { length: 1024 * MiB });
    const growth = await grownBy(async () => {
      await download(client(), call, false);
    });
    expect(received).toBe(1024 * MiB);
    expect(growth).toBeLessThan(256 * MiB);
  });
});
