import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/clock.ts';
import { createUpstreamClient } from '../../../../src/proxy/upstream/client.ts';
import type { UpstreamClient } from '../../../../src/proxy/upstream/upstream.ts';
import { createAuthority } from '../../../support/certificates.ts';
import { startRawServer, type RawConnection } from '../../../support/raw-server.ts';
import { ask, get, localServer, transport } from '../../../support/upstream.ts';

const authority = createAuthority('upstreams');
const certificate = authority.issue('server');
const trusting = transport({ rootCas: [authority.cert] });

const clients: UpstreamClient[] = [];
const newClient = (): UpstreamClient => {
  const client = createUpstreamClient({ clock: systemClock });
  clients.push(client);
  return client;
};

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

async function answerAll(connection: RawConnection): Promise<void> {
  for (;;) {
    await connection.head();
    connection.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');
  }
}

/** startBothServer speaks HTTP/2 and HTTP/1.1, as the client wishes, and answers with what it spoke. */
async function startBothServer(allowHTTP1 = true): Promise<{ port: number; sessions(): number } & AsyncDisposable> {
  let sessions = 0;
  const server = http2.createSecureServer({ ...certificate, allowHTTP1 }, (request, response) => {
    response.end(request.httpVersion);
  });
  server.on('session', () => {
    sessions += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sessions: () => sessions,
    [Symbol.asyncDispose]: async () => {
      for (const client of clients.splice(0)) client.close();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('a server behind TLS', () => {
  it('speaks HTTP/1.1 when it knows nothing else, on connections that are kept', async () => {
    await using server = await startRawServer(answerAll, certificate);
    const client = newClient();
    const call = get(localServer(server.port, 'https'), { transport: trusting });
    for (let count = 0; count < 3; count += 1) {
      expect(await ask(client, call).answer).toMatchObject({ body: 'hello', trailers: [], failure: undefined });
    }
    expect(server.connections).toHaveLength(1);
    await Promise.all([ask(client, call).answer, ask(client, call).answer]);
    expect(server.connections).toHaveLength(2);
  });

  it('speaks HTTP/2 when it can: all that come meanwhile share the first connection', async () => {
    await using server = await startBothServer();
    const client = newClient();
    const call = get(localServer(server.port, 'https'), { transport: trusting });
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(client, call).answer));
    expect(answers.map(({ body, failure }) => failure ?? body)).toEqual(Array.from({ length: 10 }, () => '2.0'));
    expect(server.sessions()).toBe(1);
  });

  it('speaks HTTP/1.1 to a transport without HTTP/2, and for upgrades', async () => {
    await using server = await startBothServer();
    const client = newClient();
    const call = get(localServer(server.port, 'https'), { transport: trusting });
    const without = transport({ name: 'without', rootCas: [authority.cert], isHttp2Disabled: true });
    expect(await ask(client, { ...call, transport: without }).answer).toMatchObject({ body: '1.1' });
    expect(await ask(client, call).answer).toMatchObject({ body: '2.0' });
    expect(await ask(client, { ...call, upgrade: 'x' }).answer).toMatchObject({ body: '1.1' });
  });

  it('may speak HTTP/2 only', async () => {
    await using server = await startBothServer(false);
    const call = get(localServer(server.port, 'https'), { transport: trusting });
    expect(await ask(newClient(), call).answer).toMatchObject({ body: '2.0' });
  });

  it.each([
    ['whose certificate nobody knows', transport(), 'https'],
    [
      'with another name than serverName',
      transport({ rootCas: [authority.cert], serverName: 'other.example' }),
      'https',
    ],
    ['for which there is a root that is none', transport({ rootCas: ['nonsense'] }), 'https'],
  ] as const)('%s is Unreachable', async (_, used, scheme) => {
    await using server = await startRawServer(answerAll, certificate);
    const answer = await ask(newClient(), get(localServer(server.port, scheme), { transport: used })).answer;
    expect(answer.failure?.kind).toBe('Unreachable');
    expect(answer.head).toBeUndefined();
  });

  it('is not looked at closely by an insecure transport', async () => {
    await using server = await startRawServer(answerAll, certificate);
    const call = get(localServer(server.port, 'https'), { transport: transport({ isInsecure: true }) });
    expect(await ask(newClient(), call).answer).toMatchObject({ body: 'hello' });
  });

  it('is told serverName and shown the certificate of the transport', async () => {
    const seen: unknown[] = [];
    await using server = await startRawServer(
      async (connection) => {
        const socket = connection.socket as TLSSocket;
        seen.push(socket.servername, socket.getPeerCertificate().subject.CN);
        await answerAll(connection);
      },
      { ...certificate, ca: authority.cert, requestCert: true },
    );
    const own = authority.issue('proxy');
    const used = transport({
      rootCas: [authority.cert],
      serverName: 'localhost',
      certificates: [{ certificate: own.cert, key: own.key }],
    });
    expect(await ask(newClient(), get(localServer(server.port, 'https'), { transport: used })).answer).toMatchObject({
      body: 'hello',
    });
    expect(seen).toEqual(['localhost', 'proxy']);
  });

  it('finds its sessions again', async () => {
    const reused: boolean[] = [];
    await using server = await startRawServer(async (connection) => {
      reused.push((connection.socket as TLSSocket).isSessionReused());
      await connection.head();
      connection.write('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      await connection.closed();
    }, certificate);
    const client = newClient();
    for (let count = 0; count < 3; count += 1) {
      await ask(client, get(localServer(server.port, 'https'), { transport: trusting })).answer;
    }
    expect(reused).toEqual([false, true, true]);
  });

  it('may speak another protocol after a restart', async () => {
    const client = newClient();
    const first = await startBothServer(false);
    const call = get(localServer(first.port, 'https'), { transport: trusting });
    expect(await ask(client, call).answer).toMatchObject({ body: '2.0' });
    client.forget(new Set([call.server.url]));
    client.forget(new Set());
    expect(await ask(client, call).answer).toMatchObject({ body: '2.0' });
    await first[Symbol.asyncDispose]();
  });
});
