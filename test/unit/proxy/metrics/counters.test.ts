import { expect, test } from 'vitest';
import type { RequestRecord } from '../../../../src/proxy/counters.ts';
import { createCounters, defaultBucketsSeconds } from '../../../../src/proxy/metrics/counters.ts';
import { find, record } from './counted.ts';

const options = { bucketsSeconds: defaultBucketsSeconds, hasRouterLabels: false };

test('a request counts at its entry point and its service, in its bucket', () => {
  const counters = createCounters(options);
  for (const durationMs of [100, 100.1, 300, 5000, 6000]) counters.observe(record({ durationMs }));
  const delta = counters.takeDelta();
  expect(delta.series.map(({ scope, name }) => `${scope} ${name}`)).toStrictEqual([
    'entryPoint web',
    'service stable@k',
  ]);
  expect(find(delta, { scope: 'service' })).toStrictEqual({
    scope: 'service',
    name: 'stable@k',
    service: '',
    method: 'GET',
    protocol: 'http',
    code: 200,
    requests: 5,
    requestBytes: 15,
    responseBytes: 250,
    seconds: expect.closeTo(11.5001, 9) as number,
    buckets: [1, 2, 0, 1, 1],
  });
});

test('what was taken is not taken again, and survives JSON', () => {
  const counters = createCounters(options);
  counters.observe(record());
  counters.retried('stable@k');
  const first = counters.takeDelta();
  expect(JSON.parse(JSON.stringify(first))).toStrictEqual(first);
  expect(counters.takeDelta()).toStrictEqual({ series: [], retries: [], tls: [] });
  counters.observe(record());
  counters.retried('stable@k');
  expect(counters.takeDelta()).toStrictEqual(first);
  // What was handed out belongs to who took it.
  counters.observe(record());
  expect(find(first, { scope: 'service' })?.buckets).toStrictEqual([1, 0, 0, 0, 0]);
});

test('requests over TLS are counted apart, by how the connection is encrypted', () => {
  const counters = createCounters({ ...options, hasRouterLabels: true });
  const [old, present] = [
    { version: '1.2', cipher: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256' },
    { version: '1.3', cipher: 'TLS_AES_128_GCM_SHA256' },
  ];
  for (const tls of [undefined, old, present, present]) counters.observe(record({ tls, routerService: 'w@k' }));
  counters.observe(record({ tls: old, router: undefined, service: undefined }));
  const seen = (): readonly string[] =>
    counters
      .takeDelta()
      .tls.map(({ scope, name, service, tls, requests }) => `${scope} ${name} ${service} ${tls.version} ${requests}`);
  expect(seen()).toStrictEqual([
    'entryPoint web  1.2 2',
    'service stable@k  1.2 1',
    'router route@k w@k 1.2 1',
    'entryPoint web  1.3 2',
    'service stable@k  1.3 2',
    'router route@k w@k 1.3 2',
  ]);
  expect(seen()).toStrictEqual([]);
  counters.observe(record({ tls: present, router: undefined, service: undefined }));
  expect(seen()).toStrictEqual(['entryPoint web  1.3 1']);
});

test('what did not come to a service counts at the entry point only, and a 503 without a server at its service', () => {
  const counters = createCounters(options);
  counters.observe(record({ router: undefined, service: undefined, serverUrl: undefined, code: 404, status: 404 }));
  counters.observe(record({ serverUrl: undefined, code: 503, status: 503 }));
  const delta = counters.takeDelta();
  expect(delta.series).toHaveLength(3);
  expect(find(delta, { scope: 'service' })).toMatchObject({ code: 503, requests: 1 });
});

test('methods that Traefik does not know are one', () => {
  const counters = createCounters(options);
  for (const method of ['FOO', 'get', 'PROPFIND', '', 'PATCH', 'PRI']) counters.observe(record({ method }));
  const delta = counters.takeDelta();
  expect(find(delta, { scope: 'service', method: 'EXTENSION_METHOD' })?.requests).toBe(4);
  expect(find(delta, { scope: 'service', method: 'PATCH' })?.requests).toBe(1);
  expect(find(delta, { scope: 'service', method: 'PRI' })?.requests).toBe(1);
});

test('each method, protocol and code has a series of its own', () => {
  const counters = createCounters(options);
  const protocols = ['http', 'websocket', 'sse', 'grpc', 'grpc-web'] as const;
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'PRI'];
  const codes = (protocol: RequestRecord['protocol']) =>
    protocol.startsWith('grpc') ? [0, 1, 16] : [101, 200, 499, 999];
  const wanted = protocols.flatMap((protocol) =>
    methods.flatMap((method) => codes(protocol).map((code) => ({ protocol, method, code }))),
  );
  for (const one of wanted) counters.observe(record(one));
  const delta = counters.takeDelta();
  for (const one of wanted) expect(find(delta, { scope: 'service', ...one })?.requests).toBe(1);
  expect(delta.series).toHaveLength(2 * wanted.length);
});

test('a gRPC status that does not exist is Unknown', () => {
  const counters = createCounters(options);
  for (const code of [17, -1, 99_999, Number.NaN]) counters.observe(record({ protocol: 'grpc', code }));
  expect(find(counters.takeDelta(), { scope: 'service' })).toMatchObject({ code: 2, requests: 4 });
});

test('series of routers are there when asked for, by the service that the router names', () => {
  const counters = createCounters({ ...options, hasRouterLabels: true });
  counters.observe(record({ routerService: 'weighted@k' }));
  counters.observe(record({ routerService: 'weighted@k', service: 'canary@k' }));
  counters.observe(record({}));
  const delta = counters.takeDelta();
  expect(find(delta, { scope: 'router', service: 'weighted@k' })).toMatchObject({ name: 'route@k', requests: 2 });
  expect(find(delta, { scope: 'router', service: 'stable@k' })?.requests).toBe(1);
});

test('what is forgotten before it was taken still counts', () => {
  const counters = createCounters({ ...options, hasRouterLabels: true });
  counters.observe(record());
  counters.forget(['stable@k', 'route@k', 'unknown']);
  counters.observe(record());
  const { series } = counters.takeDelta();
  for (const scope of ['router', 'service'] as const) {
    expect(series.filter((one) => one.scope === scope).reduce((sum, { requests }) => sum + requests, 0)).toBe(2);
  }
});
