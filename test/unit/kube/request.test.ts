import { afterEach, describe, expect, it } from 'vitest';
import type { KubeCall, RequestVerb } from '../../../src/kube/call.ts';
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
  readonly observed: { readonly verb: RequestVerb; readonly status: number; readonly ms: number }[];
}

async function setup(handlers: readonly FaultHandler[], fields: Partial<KubeConnection> = {}): Promise<Setup> {
  const server = await startFaultServer(...handlers);
  const clock = new ManualClock();
  const observed: Setup['observed'] = [];
  const observer = {
    onRequest: (verb: RequestVerb, status: number, ms: number) => observed.push({ verb, status, ms }),
  };
  const client = createKubeClient(connectTo(server, fields), { clock, version: '1.2.3', observer });
  ended.push(
    () => client.close(),
    () => server.stop(),
  );
  return { client, clock, server, observed };
}

const path = '/api/v1/namespaces/web/services/shop';
const read: KubeCall = { verb: 'get', path };
const patch: KubeCall = { verb: 'patch', path, body: [], contentType: 'application/json-patch+json' };
const ok = answer(200, { kind: 'Service' });
const never: FaultHandler = () => {};
const reset: FaultHandler = (request) => {
  request.socket.destroy();
};
const busy = (status: number, headers: Readonly<Record<string, string>> = {}): FaultHandler =>
  answer(status, { kind: 'Status', code: status, reason: 'TooManyRequests' }, headers);

/** waiting resolves when the client waits `ms` before it tries again, as its timer shows. */
async function waiting(clock: ManualClock, ms: number): Promise<void> {
  await eventually(() => clock.nextTimerInMs === ms, { describe: `a wait of ${ms} ms` });
}

describe('a request', () => {
  it('sends credentials, User-Agent, query and body, and returns the parsed answer', async () => {
    const { client, observed, server } = await setup([ok], { impersonateUser: 'bob' });
    const body = [{ op: 'remove', path: '/spec' }];
    const query = { fieldManager: 'sluice', unset: undefined };
    expect(await client.request({ ...patch, query, body })).toEqual({ kind: 'Service' });
    expect(server.requests).toMatchObject([
      {
        method: 'PATCH',
        headers: {
          authorization: 'Bearer token-1',
          'user-agent': 'sluice/1.2.3',
          'content-type': 'application/json-patch+json',
          accept: 'application/json',
          'impersonate-user': 'bob',
        },
        body: JSON.stringify(body),
      },
    ]);
    expect(server.requests[0]?.url.search).toBe('?timeout=10000ms&fieldManager=sluice');
    expect(observed).toEqual([{ verb: 'patch', status: 200, ms: 0 }]);
  });

  it('keeps the path of a server behind a prefix', async () => {
    const { server, clock } = await setup([ok]);
    const prefixed = connectTo(server, { server: new URL('/k8s/clusters/c-1/', server.url) });
    const client = createKubeClient(prefixed, { clock, version: '1' });
    ended.push(() => client.close());
    await client.request(read);
    expect(server.requests[0]?.url.pathname).toBe(`/k8s/clusters/c-1${path}`);
  });

  it('keeps its connection for calls that follow each other', async () => {
    const { client, server } = await setup([ok]);
    for (let i = 0; i < 20; i += 1) await client.request(read);
    // Two, because a call may come before the end of the one before it has reached the pool.
    expect(server.connections()).toBeLessThanOrEqual(2);
  });

  it('opens at most 8 connections for many calls at once', async () => {
    const { client, server } = await setup([ok]);
    await Promise.all(Array.from({ length: 50 }, () => client.request(read)));
    expect(server.connections()).toBeLessThanOrEqual(8);
    expect(server.requests.length).toBe(50);
  });

  it('asks for a new credential once after a 401 and tries again with it', async () => {
    let token = 'Bearer old';
    const refused: (string | undefined)[] = [];
    const { client, server } = await setup([busy(401), ok], {
      authorization: () => Promise.resolve(token),
      onUnauthorized: (old) => {
        refused.push(old);
        token = 'Bearer new';
      },
    });
    await client.request(patch);
    expect(refused).toEqual(['Bearer old']);
    expect(server.requests.map((each) => each.headers.authorization)).toEqual(['Bearer old', 'Bearer new']);
  });

  it('gives up after a second 401', async () => {
    const { client, server } = await setup([busy(401)]);
    await expect(client.request(read)).rejects.toMatchObject({ code: 'ApiUnauthorized', status: 401 });
    expect(server.requests.length).toBe(2);
  });

  it.each([429, 500, 503])('waits as long as a %i asks before it reads again', async (status) => {
    const { client, clock, server } = await setup([busy(status, { 'retry-after': '3' }), ok]);
    const result = client.request(read);
    await waiting(clock, 3000);
    await clock.advance(2999);
    expect(server.requests.length).toBe(1);
    await clock.advance(1);
    expect(await result).toEqual({ kind: 'Service' });
    expect(clock.pendingTimers).toBe(0);
  });

  // As client-go: only whole seconds are a Retry-After. A date would need the server's clock, and an API server sends none.
  it.each([undefined, 'soon', '', '0', '-3', '3.5', '1e3', '3, 5', 'Sat, 21 Nov 2026 09:00:00 GMT'])(
    'does not repeat a read that was refused with Retry-After %j',
    async (header) => {
      const { client, server } = await setup([busy(503, header === undefined ? {} : { 'retry-after': header }), ok]);
      await expect(client.request(read)).rejects.toMatchObject({ code: 'ApiFailed', retryAfterMs: undefined });
      expect(server.requests.length).toBe(1);
    },
  );

  it('does not repeat a write that was refused, and says how long to wait', async () => {
    const { client, server } = await setup([busy(429, { 'retry-after': '3' }), ok]);
    await expect(client.request(patch)).rejects.toMatchObject({ code: 'ApiThrottled', retryAfterMs: 3000 });
    expect(server.requests.length).toBe(1);
  });

  it('reads at most 10 times', async () => {
    const { client, clock, server } = await setup([busy(429, { 'retry-after': '1' })]);
    const result = client.request(read).catch((error: unknown) => error);
    for (let tries = 1; tries < 10; tries += 1) {
      await waiting(clock, 1000);
      await clock.advance(1000);
    }
    expect(await result).toMatchObject({ code: 'ApiThrottled' });
    expect(server.requests.length).toBe(10);
  });

  it('does not wait beyond its deadline, but leaves that to its caller', async () => {
    const { client, clock } = await setup([busy(429, { 'retry-after': '20' })]);
    await expect(client.request(read)).rejects.toMatchObject({ code: 'ApiThrottled', retryAfterMs: 20_000 });
    expect(clock.pendingTimers).toBe(0);
  });

  it('reads once more a second after the connection was lost', async () => {
    const { client, clock } = await setup([reset, ok]);
    const result = client.request(read);
    await waiting(clock, 1000);
    await clock.advance(1000);
    expect(await result).toEqual({ kind: 'Service' });
  });

  it('leaves a connection that was lost twice to its caller, who has a back-off', async () => {
    const { client, clock, server } = await setup([reset]);
    const result = client.request(read).catch((error: unknown) => error);
    await waiting(clock, 1000);
    await clock.advance(1000);
    expect(await result).toMatchObject({ code: 'ApiUnreachable' });
    expect(server.requests.length).toBe(2);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    ['get', 15],
    ['list', 60],
  ] as const)('ends a %s that is not answered after %i s', async (verb, seconds) => {
    const { client, clock, server } = await setup([never]);
    const result = client.request({ verb, path }).catch((error: unknown) => error);
    await eventually(() => server.requests.length === 1);
    await clock.advance(seconds * 1000 - 1);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(1);
    expect(await result).toMatchObject({ code: 'ApiTimeout' });
    await eventually(() => server.connections() === 0, { describe: 'the socket to be destroyed' });
  });

  it('ends when its body does not come', async () => {
    const { client, clock } = await setup([(_request, response) => response.writeHead(200).write('{"ki')]);
    const result = client.request({ ...read, deadlineMs: 500 }).catch((error: unknown) => error);
    await eventually(() => clock.pendingTimers === 1);
    await clock.advance(500);
    expect(await result).toMatchObject({ code: 'ApiTimeout' });
  });

  it('covers a credential plugin that hangs with the same deadline', async () => {
    const { client, clock } = await setup([ok], { authorization: () => new Promise(() => {}) });
    const result = client.request(read).catch((error: unknown) => error);
    await clock.advance(15_000);
    expect(await result).toMatchObject({ code: 'ApiTimeout' });
  });

  it('is Aborted when its signal aborts, under way or while it waits', async () => {
    for (const handler of [never, busy(429, { 'retry-after': '3' })]) {
      const { client, clock, server } = await setup([handler]);
      const abort = new AbortController();
      const result = client.request({ ...read, signal: abort.signal }).catch((error: unknown) => error);
      await eventually(() => server.requests.length === 1);
      if (handler !== never) await waiting(clock, 3000);
      abort.abort();
      expect(await result).toMatchObject({ code: 'Aborted' });
      expect(clock.pendingTimers).toBe(0);
    }
  });

  it('says that nobody answered, without the credential', async () => {
    const { client, server } = await setup([ok]);
    await server.stop();
    const error = (await client.request(read).catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ code: 'ApiUnreachable' });
    expect(error.message).toContain('ECONNREFUSED');
    expect(error.message).not.toContain('token-1');
  });

  it.each([
    ['a success that is not JSON', answer(200, '<html>Sign in</html>'), 'ApiFailed'],
    ['HTML from a load balancer', answer(502, '<html>Bad gateway, Authorization: Bearer x</html>'), 'ApiFailed'],
    ['plain text for an unknown kind', answer(404, '404 page not found'), 'ApiNotFound'],
  ])('takes %s as an error and quotes nothing of it', async (_name, handler, code) => {
    const { client } = await setup([handler]);
    const error = (await client.request(read).catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ code });
    expect(error.message).not.toMatch(/html|Bearer|page/);
  });

  it('measures how far the clock of the server is ahead, beyond a second', async () => {
    const dated = (offsetMs: number): FaultHandler =>
      answer(200, {}, { date: new Date(Date.UTC(2026, 10, 21, 9, 0, 0) + offsetMs).toUTCString() });
    const { client } = await setup([dated(0), dated(60_000), dated(-60_000)]);
    expect(client.serverOffsetMs()).toBe(0);
    const offsets: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      await client.request(read);
      offsets.push(client.serverOffsetMs());
    }
    expect(offsets).toEqual([0, 60_500, -59_500]);
  });
});
