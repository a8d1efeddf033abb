import { expect, test } from 'vitest';
import { accessLine, type AccessDetails } from '../../../src/proxy/access-log.ts';
import type { RequestRecord } from '../../../src/proxy/counters.ts';

// What Traefik 3.6.12 wrote is copied from a run of its own; times are cut to milliseconds.
const startedAtMs = Date.UTC(2026, 10, 21, 17, 7, 3, 870);

function record(changes: Partial<RequestRecord> = {}): RequestRecord {
  return {
    entryPoint: 'web',
    router: 'r1@file',
    service: 's1@file',
    serverUrl: 'http://127.0.0.1:18099',
    method: 'GET',
    protocol: 'http',
    code: 200,
    status: 200,
    requestBytes: 0,
    responseBytes: 639,
    startedAtMs,
    durationMs: 4.726236,
    ...changes,
  };
}

function details(changes: Partial<AccessDetails> = {}): AccessDetails {
  return {
    peer: { address: '127.0.0.1', port: 45554 },
    forwardedFor: undefined,
    username: undefined,
    authority: 'a.test:81',
    target: '/dyn.yml?secret=1',
    httpVersion: '1.1',
    isTls: false,
    origin: { status: 200, bytes: 639, durationMs: 1.540379 },
    requestCount: 1,
    retries: 0,
    ...changes,
  };
}

const common = { format: 'Common', hasQuery: true } as const;
const json = { format: 'Json', hasQuery: true } as const;

test('the common format is Traefik’s', () => {
  expect(accessLine(record(), details(), common)).toBe(
    '127.0.0.1 - - [21/Nov/2026:17:07:03 +0000] "GET /dyn.yml?secret=1 HTTP/1.1" 200 639 "-" "-" 1 "r1@file" "http://127.0.0.1:18099" 4ms\n',
  );
  const unknown = { router: undefined, service: undefined, serverUrl: undefined };
  const missing = record({ ...unknown, method: 'FOO', status: 404, code: 404, responseBytes: 19, durationMs: 0.9 });
  expect(accessLine(missing, details({ target: '/', requestCount: 4, origin: undefined }), common)).toBe(
    '127.0.0.1 - - [21/Nov/2026:17:07:03 +0000] "FOO / HTTP/1.1" 404 19 "-" "-" 4 "-" "-" 0ms\n',
  );
});

test('the JSON format is Traefik’s', () => {
  expect(accessLine(record(), details(), json)).toBe(
    '{"ClientAddr":"127.0.0.1:45554","ClientHost":"127.0.0.1","ClientPort":"45554","ClientUsername":"-","DownstreamContentSize":639,"DownstreamStatus":200,"Duration":4726236,"OriginContentSize":639,"OriginDuration":1540379,"OriginStatus":200,"Overhead":3185857,"RequestAddr":"a.test:81","RequestContentSize":0,"RequestCount":1,"RequestHost":"a.test","RequestMethod":"GET","RequestPath":"/dyn.yml?secret=1","RequestPort":"81","RequestProtocol":"HTTP/1.1","RequestScheme":"http","RetryAttempts":0,"RouterName":"r1@file","ServiceAddr":"127.0.0.1:18099","ServiceName":"s1@file","ServiceURL":"http://127.0.0.1:18099","StartLocal":"2026-11-21T17:07:03.87Z","StartUTC":"2026-11-21T17:07:03.87Z","entryPointName":"web","level":"info","msg":"","time":"2026-11-21T17:07:03Z"}\n',
  );
});

test('an answer of the proxy itself has no server, and the ratio that Traefik gives it', () => {
  const own = record({ serverUrl: undefined, status: 503, code: 503, responseBytes: 20 });
  const line = JSON.parse(accessLine(own, details({ origin: undefined, authority: 'b.test' }), json)) as object;
  expect(line).toMatchObject({
    GzipRatio: 0,
    OriginStatus: 0,
    OriginDuration: 0,
    Overhead: 4_726_236,
    RequestPort: '-',
  });
  expect(line).not.toHaveProperty('ServiceURL');
  expect(line).not.toHaveProperty('ServiceAddr');
});

test('query strings are logged only when asked for', () => {
  for (const format of ['Common', 'Json'] as const) {
    const line = accessLine(record(), details(), { format, hasQuery: false });
    expect(line).toContain('/dyn.yml');
    expect(line).not.toContain('secret');
  }
});

test('nobody forges a line', () => {
  const hostile = details({
    target: '/a"b c\n\\%20é?q="\r\nx',
    username: 'eve\n9.9.9.9 - -',
    forwardedFor: '1.1.1.1\r',
  });
  const line = accessLine(record(), hostile, common);
  expect(line).toBe(
    '1.1.1.1%0D - eve%0A9.9.9.9 - - [21/Nov/2026:17:07:03 +0000] "GET /a%22b%20c%0A%5C%20%E9?q=%22%0D%0Ax HTTP/1.1" 200 639 "-" "-" 1 "r1@file" "http://127.0.0.1:18099" 4ms\n',
  );
});

test.each([
  ['a.test', 'a.test', '-'],
  ['a.test:', 'a.test', ''],
  ['[::1]:8080', '::1', '8080'],
  ['::1', '::1', '-'],
  ['', '', '-'],
])('the host and port of %s', (authority, RequestHost, RequestPort) => {
  expect(JSON.parse(accessLine(record(), details({ authority }), json))).toMatchObject({ RequestHost, RequestPort });
});

test('times are printed as Go prints them', () => {
  const at = (startedAtMs: number): object =>
    JSON.parse(accessLine(record({ startedAtMs }), details(), json)) as object;
  expect(at(Date.UTC(2026, 0, 2, 10, 0, 0))).toMatchObject({ StartUTC: '2026-01-02T10:00:00Z' });
  expect(at(Date.UTC(2026, 0, 2, 10, 20, 30, 5))).toMatchObject({ StartUTC: '2026-01-02T10:20:30.005Z' });
});

test('a client behind a trusted proxy is named as that says, over IPv6 and TLS', () => {
  const behind = details({
    forwardedFor: '9.9.9.9, 8.8.8.8',
    peer: { address: '::1', port: 1 },
    isTls: true,
    httpVersion: '2.0',
  });
  expect(JSON.parse(accessLine(record(), behind, json))).toMatchObject({
    ClientAddr: '[::1]:1',
    ClientHost: '9.9.9.9, 8.8.8.8',
    RequestScheme: 'https',
    RequestProtocol: 'HTTP/2.0',
  });
});
