import { afterEach, describe, expect, it } from 'vitest';
import { startHealthServer, type HealthOptions, type HealthServer } from '../../../src/telemetry/health.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';

let server: HealthServer | undefined;
afterEach(() => server?.close());

async function start(change: Partial<HealthOptions> = {}): Promise<string> {
  server = await startHealthServer({
    host: '127.0.0.1',
    port: 0,
    metrics: createMetrics(),
    isReady: () => undefined,
    config: { workers: 4 },
    ...change,
  });
  return `http://127.0.0.1:${server.port}`;
}

async function get(url: string, method = 'GET'): Promise<readonly [number, string | null, string]> {
  const answer = await fetch(url, { method });
  return [answer.status, answer.headers.get('content-type'), await answer.text()];
}

const plain = 'text/plain; charset=utf-8';

describe('the health endpoints', () => {
  it('are alive and ready', async () => {
    const url = await start();
    expect(await get(`${url}/healthz`)).toEqual([200, plain, 'ok\n']);
    expect(await get(`${url}/readyz`)).toEqual([200, plain, 'ok\n']);
  });

  it('say why they are not ready, asked anew each time, and are alive meanwhile', async () => {
    let reason: string | undefined = 'the caches are not filled yet';
    const url = await start({ isReady: () => reason });
    expect(await get(`${url}/readyz`)).toEqual([503, plain, 'the caches are not filled yet\n']);
    expect((await get(`${url}/healthz`))[0]).toBe(200);
    reason = undefined;
    expect((await get(`${url}/readyz`))[0]).toBe(200);
  });

  it('show the configuration as JSON', async () => {
    const [status, type, body] = await get(`${await start()}/config`);
    expect([status, type, JSON.parse(body)]).toEqual([200, 'application/json', { workers: 4 }]);
  });

  it('show the metrics in the exposition format', async () => {
    const metrics = createMetrics();
    metrics.transition('StepStarted');
    const [status, type, body] = await get(`${await start({ metrics })}/metrics?name[]=x`);
    expect([status, type]).toEqual([200, metrics.contentType]);
    expect(body).toContain('sluice_transitions_total{reason="StepStarted"} 1');
  });

  it('answer anything else with what there is', async () => {
    const [status, , body] = await get(`${await start()}/debug`);
    expect([status, body]).toEqual([404, 'not found; there are /healthz, /readyz, /metrics and /config\n']);
  });

  it.each([
    ['/healthz', 200],
    ['/readyz', 200],
    ['/nothing', 404],
  ])('answer HEAD %s with %d and without a body', async (path, status) => {
    expect(await get(`${await start()}${path}`, 'HEAD')).toEqual([status, plain, '']);
  });

  it('answer 500 where an answer cannot be made, and go on', async () => {
    const isReady = (): never => {
      throw new Error('defect');
    };
    const url = await start({ isReady, config: { count: 1n } });
    expect(await get(`${url}/readyz`)).toEqual([500, plain, 'the answer could not be made\n']);
    expect((await get(`${url}/config`))[0]).toBe(500);
    expect((await get(`${url}/healthz`))[0]).toBe(200);
  });

  it('listen on every address where no host is given', async () => {
    await start({ host: '' });
    expect((await get(`http://127.0.0.1:${server?.port}/healthz`))[0]).toBe(200);
  });

  it('reject where the address is taken', async () => {
    await start();
    const second = start({ port: server?.port ?? 0 });
    await expect(second).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('close although somebody waits for an answer', async () => {
    const called = Promise.withResolvers<void>();
    const text = (): Promise<string> => {
      called.resolve();
      return new Promise(() => {});
    };
    const url = await start({ metrics: { ...createMetrics(), text } });
    const waiting = get(`${url}/metrics`).catch((error: unknown) => error);
    await called.promise;
    await server?.close();
    expect(await waiting).toBeInstanceOf(TypeError);
    await expect(get(`${url}/healthz`)).rejects.toThrow('fetch failed');
  }, 5_000);
});
