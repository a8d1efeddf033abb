import { expect, test } from 'vitest';
import { createCounters } from '../../../../src/proxy/metrics/counters.ts';
import { createTotals, keptMs, type Totals } from '../../../../src/proxy/metrics/totals.ts';
import { record } from './counted.ts';

const options = { bucketsSeconds: [0.1, 1], hasRouterLabels: true };

function counted(totals: Totals, ...records: readonly Parameters<typeof record>[0][]): void {
  const counters = createCounters(options);
  for (const changes of records) counters.observe(record(changes));
  totals.add(counters.takeDelta());
}

function requests(totals: Totals): Readonly<Record<string, number>> {
  return Object.fromEntries([...totals.series].map(({ labels, requests }) => [labels, requests]));
}

test('what workers counted is summed by labels', () => {
  const totals = createTotals();
  counted(totals, {}, { durationMs: 500 });
  counted(totals, {}, { service: 'canary@k', routerService: 'w@k' });
  expect(requests(totals)).toStrictEqual({
    'code="200",entrypoint="web",method="GET",protocol="http"': 4,
    'code="200",method="GET",protocol="http",service="stable@k"': 3,
    'code="200",method="GET",protocol="http",router="route@k",service="stable@k"': 3,
    'code="200",method="GET",protocol="http",service="canary@k"': 1,
    'code="200",method="GET",protocol="http",router="route@k",service="w@k"': 1,
  });
  const [web] = totals.series;
  expect(web).toMatchObject({ requestBytes: 12, responseBytes: 200, buckets: [3, 1, 0] });
  expect(web?.seconds).toBeCloseTo(0.53, 9);
});

test('what is open belongs to a worker, and leaves with it', () => {
  const totals = createTotals();
  totals.setOpen('1', {
    connections: [['web', 3]],
    streams: [
      ['a', 1],
      ['b', 2],
    ],
  });
  totals.setOpen('2', { connections: [['web', 4]], streams: [['a', 5]] });
  expect([...totals.connections]).toStrictEqual([['web', 7]]);
  expect([...totals.streams]).toStrictEqual([
    ['a', 6],
    ['b', 2],
  ]);
  totals.setOpen('1', { connections: [['web', 1]], streams: [] });
  expect([...totals.streams]).toStrictEqual([
    ['a', 5],
    ['b', 0],
  ]);
  totals.forgetWorker('2');
  expect([...totals.connections]).toStrictEqual([['web', 1]]);
  expect([...totals.streams]).toStrictEqual([
    ['a', 0],
    ['b', 0],
  ]);
});

test('series of what left the configuration are kept for an hour, and a flap restarts nothing', () => {
  const totals = createTotals();
  const configured = new Set(['web', 'stable@k', 'canary@k', 'route@k']);
  const expire = (nowMs: number): void => totals.expire((_, name) => configured.has(name), nowMs);
  counted(totals, {}, { service: 'canary@k', tls: { version: '1.3', cipher: 'TLS_AES_128_GCM_SHA256' } });
  totals.add({ series: [], retries: [['canary@k', 1]], tls: [] });
  const encrypted = (): readonly string[] => [...totals.tls].map(({ scope, name }) => `${scope} ${name}`);
  totals.setOpen('1', { connections: [], streams: [['canary@k', 0]] });
  const canary = 'code="200",method="GET",protocol="http",service="canary@k"';
  const ofRouter = 'code="200",method="GET",protocol="http",router="route@k",service="canary@k"';
  configured.delete('canary@k');
  expire(0);
  expire(keptMs - 1);
  expect(requests(totals)[canary]).toBe(1);
  configured.add('canary@k');
  expire(keptMs);
  configured.delete('canary@k');
  expire(keptMs + 1);
  counted(totals, { service: 'canary@k' });
  expire(2 * keptMs);
  expect(requests(totals)[canary]).toBe(2);
  expect([...totals.retries]).toStrictEqual([['canary@k', 1]]);
  expect(encrypted()).toStrictEqual(['entryPoint web', 'service canary@k', 'router route@k']);
  expire(2 * keptMs + 1);
  expect(requests(totals)).not.toHaveProperty([canary]);
  // A router's series are as long as the router.
  expect(requests(totals)[ofRouter]).toBe(2);
  expect([...totals.retries]).toStrictEqual([]);
  expect(encrypted()).toStrictEqual(['entryPoint web', 'router route@k']);
  expect([...totals.streams]).toStrictEqual([]);
});

test('a leaf that is gone is shown while something is open', () => {
  const totals = createTotals();
  totals.setOpen('1', { connections: [], streams: [['a', 1]] });
  totals.expire(() => false, 0);
  totals.expire(() => false, 2 * keptMs);
  expect([...totals.streams]).toStrictEqual([['a', 1]]);
});
