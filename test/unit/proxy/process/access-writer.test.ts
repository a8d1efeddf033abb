import { expect, test } from 'vitest';
import type { Downstream } from '../../../../src/proxy/downstream.ts';
import { createAccessWriter } from '../../../../src/proxy/process/access-writer.ts';

const record = {
  entryPoint: 'web',
  router: 'web-shop-1@kubernetescrd',
  service: 'web-shop-80@kubernetescrd',
  serverUrl: 'http://10.0.0.7:8080',
  method: 'GET',
  protocol: 'http',
  code: 200,
  status: 200,
  requestBytes: 0,
  responseBytes: 5,
  startedAtMs: Date.UTC(2026, 10, 21, 9, 30),
  durationMs: 12.5,
} as const;

const client = {
  httpVersion: '1.1',
  authority: 'shop.test',
  target: '/cart?token=secret',
  isTls: false,
  peer: { address: '192.0.2.1', port: 4711 },
} as unknown as Downstream;

function linesOf(headers: readonly string[], hasQuery: boolean): readonly string[] {
  const lines: string[] = [];
  const write = createAccessWriter({ format: 'Common', hasQuery }, (line) => void lines.push(line));
  for (let times = 0; times < 2; times += 1) write(record, { client, headers, originMs: 10 });
  return lines;
}

test('each request has a line, numbered, without its query string', () => {
  expect(linesOf(['X-Forwarded-For', '192.0.2.1'], false)).toEqual([
    '192.0.2.1 - - [21/Nov/2026:09:30:00 +0000] "GET /cart HTTP/1.1" 200 5 "-" "-" 1 "web-shop-1@kubernetescrd" "http://10.0.0.7:8080" 12ms\n',
    '192.0.2.1 - - [21/Nov/2026:09:30:00 +0000] "GET /cart HTTP/1.1" 200 5 "-" "-" 2 "web-shop-1@kubernetescrd" "http://10.0.0.7:8080" 12ms\n',
  ]);
});

test('the query string is there where it is asked for', () => {
  expect(linesOf([], true)[0]).toContain('"GET /cart?token=secret HTTP/1.1"');
});

test('the client is who trusted proxies say it is', () => {
  expect(linesOf(['X-Forwarded-For', '203.0.113.9, 192.0.2.1'], false)[0]).toMatch(/^203\.0\.113\.9 - - /);
});
