import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import type { KubeCall } from '../../../src/kube/call.ts';
import type { KubeConnection } from '../../../src/kube/connection.ts';
import { createKubeClient, type KubeClient } from '../../../src/kube/request.ts';
import { eventually } from '../../support/eventually.ts';
import {
  answer,
  connectTo,
  startFaultServer,
  type FaultHandler,
  type FaultServer,
} from '../../support/fault-server.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const ended: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(ended.splice(0).map((end) => end()));
});

interface Setup {
  readonly client: KubeClient;
  readonly clock: ManualClock;
  readonly server: FaultServer;
}

async function setup(handlers: readonly FaultHandler[], fields: Partial<KubeConnection> = {}): Promise<Setup> {
  const server = await startFaultServer(...handlers);
  const clock = new ManualClock();
  const client = createKubeClient(connectTo(server, fields), { clock, version: '1' });
  ended.push(
    () => client.close(),
    () => server.stop(),
  );
  return { client, clock, server };
}

const path = '/apis/traefik.io/v1alpha1/namespaces/web/ingressroutes/shop';
const patch: KubeCall = { verb: 'patch', path, body: [], contentType: 'application/json-patch+json' };
const ok = answer(200, { kind: 'IngressRoute' });
const status = (code: number, reason: string) => answer(code, { kind: 'Status', code, reason, message: 'no' });

const failed = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'it was made',
    (error: unknown) => error,
  );

/** held answers nothing until `release`, so that all connections of the pool can be kept busy. */
function held() {
  const waiting: ServerResponse[] = [];
  let isOpen = false;
  const handler: FaultHandler = (request: IncomingMessage, response) => {
    if (isOpen || request.method !== 'GET') ok(request, response, '');
    else waiting.push(response);
  };
  const release = (): void => {
    isOpen = true;
    for (const response of waiting.splice(0)) response.writeHead(200).end('{}');
  };
  return { handler, release, waiting };
}

async function saturated(): Promise<Setup & { readonly release: () => Promise<void> }> {
  const { handler, release, waiting } = held();
  const parts = await setup([handler]);
  const reads = Array.from({ length: 8 }, () => failed(parts.client.request({ verb: 'list', path: '/api/v1/pods' })));
  await eventually(() => waiting.length === 8);
  const releaseAll = async (): Promise<void> => {
    release();
    await Promise.all(reads);
  };
  return { ...parts, release: releaseAll };
}

const methods = (server: FaultServer) => server.requests.map((request) => request.method);

describe('a write', () => {
  it('tells the server how long it may take, in what is left of its deadline', async () => {
    let resolve = (_token: string): void => {};
    const token = new Promise<string>((done) => (resolve = done));
    const { client, clock, server } = await setup([ok], { authorization: () => token });
    const written = client.request({ ...patch, deadlineMs: 4000 });
    await clock.advance(1500);
    resolve('Bearer late');
    await written;
    expect(server.requests[0]?.url.searchParams.get('timeout')).toBe('2500ms');
    await client.request({ verb: 'get', path });
    expect(server.requests[1]?.url.search).toBe('');
  });

  it.each([
    ['that is not answered', 'never', undefined],
    ['whose connection is reset', 'reset', undefined],
    ['that a load balancer answers in place of the server', answer(502, '<html>Bad gateway</html>'), 502],
    ['that the server gave up', status(504, 'Timeout'), 504],
    ['for which the server waited in vain for etcd', status(500, 'ServerTimeout'), 500],
    ['for which etcd said something that the server has no word for', status(500, ''), 500],
  ] as const)('%s is of unknown outcome and not repeated', async (_name, how, code) => {
    const handler: FaultHandler =
      how === 'never' ? () => {} : how === 'reset' ? ({ socket }) => void socket.resetAndDestroy() : how;
    const { client, clock, server } = await setup([handler, ok]);
    const result = failed(client.request(patch));
    await eventually(() => server.requests.length === 1);
    if (how === 'never') await clock.advance(10_000);
    const error = (await result) as Error;
    expect(error).toMatchObject({ code: 'WriteUnknown', status: code });
    expect(error.message).toContain('may have been applied');
    expect(error.message).not.toContain('html');
    expect(server.requests.length).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    ['ApiFailed', status(500, 'InternalError')],
    ['ApiFailed', status(503, 'ServiceUnavailable')],
    ['ApiThrottled', status(429, 'TooManyRequests')],
    ['ApiInvalid', status(422, 'Invalid')],
    ['ApiForbidden', status(403, 'Forbidden')],
  ] as const)('that the server refused is known not to have been made (%s)', async (code, handler) => {
    const { client, server } = await setup([handler]);
    expect(await failed(client.request(patch))).toMatchObject({ code });
    expect(server.requests.length).toBe(1);
  });

  it('that found nobody is known not to have been made', async () => {
    const { client, server } = await setup([ok]);
    await server.stop();
    expect(await failed(client.request(patch))).toMatchObject({ code: 'ApiUnreachable' });
  });

  it('whose time ended before a credential was there is known not to have been made', async () => {
    const { client, clock } = await setup([ok], { authorization: () => new Promise(() => {}) });
    const result = failed(client.request({ ...patch, deadlineMs: 4000 }));
    await clock.advance(4000);
    const error = (await result) as Error;
    expect(error).toMatchObject({ code: 'ApiTimeout' });
    expect(error.message).toContain('was not sent within 4 s');
  });

  it('whose time ends while it waits for a connection is over then, and never sent', async () => {
    const { client, clock, release, server } = await saturated();
    const result = failed(client.request({ ...patch, deadlineMs: 4000 }));
    await clock.advance(4000);
    expect(await result).toMatchObject({ code: 'ApiTimeout' });
    await release();
    await client.request({ verb: 'get', path });
    expect(methods(server)).not.toContain('PATCH');
    // Nor did it cost the connection whose turn it was.
    expect(server.connections()).toBe(8);
  });

  it('that is cancelled while it waits for a connection is over then, and never sent', async () => {
    const { client, clock, release, server } = await saturated();
    const abort = new AbortController();
    const result = failed(client.request({ ...patch, signal: abort.signal }));
    await clock.advance(0);
    abort.abort();
    expect(await result).toMatchObject({ code: 'Aborted' });
    await release();
    await client.request({ verb: 'get', path });
    expect(methods(server)).not.toContain('PATCH');
  });
});

describe('a permit', () => {
  it('that says no keeps a write back, without a connection', async () => {
    const { client, server, clock } = await setup([ok]);
    const error = await failed(client.request({ ...patch, permit: () => false }));
    expect(error).toMatchObject({ code: 'NotLeading' });
    expect((error as Error).message).toBe(`PATCH ${path} was not sent: this replica may not write.`);
    expect(server.connections()).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('that says yes changes nothing', async () => {
    const { client } = await setup([ok]);
    expect(await client.request({ ...patch, permit: () => true })).toEqual({ kind: 'IngressRoute' });
  });

  it('is asked after the credential has come', async () => {
    let resolve = (_token: string): void => {};
    const token = new Promise<string>((done) => (resolve = done));
    const { client, server } = await setup([ok], { authorization: () => token });
    let isLeading = true;
    const result = failed(client.request({ ...patch, permit: () => isLeading }));
    isLeading = false;
    resolve('Bearer late');
    expect(await result).toMatchObject({ code: 'NotLeading' });
    expect(server.requests).toEqual([]);
  });

  it('is asked again when a write is repeated with a new credential', async () => {
    let isLeading = true;
    const { client, server } = await setup([status(401, 'Unauthorized'), ok], {
      onUnauthorized: () => {
        isLeading = false;
      },
    });
    expect(await failed(client.request({ ...patch, permit: () => isLeading }))).toMatchObject({ code: 'NotLeading' });
    expect(server.requests.length).toBe(1);
  });

  it('holds for a write that waits behind 8 busy connections until it is its turn', async () => {
    const { client, clock, release, server } = await saturated();
    let isLeading = true;
    const result = failed(client.request({ ...patch, permit: () => isLeading }));
    await clock.advance(0);
    isLeading = false;
    await release();
    expect(await result).toMatchObject({ code: 'NotLeading' });
    await client.request({ verb: 'get', path });
    expect(methods(server)).not.toContain('PATCH');
    expect(server.connections()).toBe(8);
  });

  it('lets a write that waited go out while it still says yes', async () => {
    const { client, release, server } = await saturated();
    const result = client.request({ ...patch, permit: () => true });
    await release();
    expect(await result).toEqual({ kind: 'IngressRoute' });
    expect(methods(server)).toContain('PATCH');
  });
});
