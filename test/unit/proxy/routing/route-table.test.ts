import { expect, test } from 'vitest';
import type { Router } from '../../../../src/proxy/configuration.ts';
import { createRouteTable } from '../../../../src/proxy/routing/route-table.ts';
import type { RuleRequest } from '../../../../src/rule/request.ts';
import { createRuleRequest } from '../../../../src/rule/rule-request.ts';

function router(name: string, rule: string, rest: Partial<Router> = {}): Router {
  return {
    name,
    entryPoints: ['web'],
    rule,
    syntax: 'v3',
    priority: rule.length,
    createdAt: '2026-01-01T00:00:00Z',
    isTls: false,
    service: name,
    middlewares: [],
    status: 'enabled',
    errors: [],
    ...rest,
  };
}

function get(authority: string, path: string): RuleRequest {
  return createRuleRequest({ authority, method: 'GET', path, query: '', clientIp: '10.0.0.1', headers: [] });
}

test('a longer rule of any host wins over a shorter one of an exact host', () => {
  const table = createRouteTable(() => undefined);
  table.set(router('exact', 'Host(`a.test`)'));
  table.set(router('wildcard', 'HostRegexp(`^[a-zA-Z0-9-]+\\.test$`)'));
  table.set(router('path', 'PathPrefix(`/a/very/long/prefix`)'));
  expect(table.find('web', false, get('a.test', '/a/very/long/prefix'))?.router.name).toBe('wildcard');
  table.remove('wildcard');
  expect(table.find('web', false, get('a.test', '/a/very/long/prefix'))?.router.name).toBe('path');
  expect(table.find('web', false, get('a.test', '/'))?.router.name).toBe('exact');
});

test('among equals the older one wins, then the name', () => {
  const table = createRouteTable(() => undefined);
  table.set(router('b', 'Path(`/`)'));
  table.set(router('c', 'Path(`/`)'));
  expect(table.find('web', false, get('', '/'))?.router.name).toBe('b');
  table.set(router('c', 'Path(`/`)', { createdAt: '2025-12-31T23:59:59Z' }));
  expect(table.find('web', false, get('', '/'))?.router.name).toBe('c');
});

test('routers of other entry points, of TLS, disabled ones and those with a bad rule serve nothing', () => {
  const table = createRouteTable(() => undefined);
  table.set(router('other', 'Path(`/`)', { entryPoints: ['other'] }));
  table.set(router('tls', 'Path(`/`)', { isTls: true }));
  table.set(router('disabled', 'Path(`/`)', { status: 'disabled' }));
  table.set(router('bad', 'Path(`/`'));
  expect(table.find('web', false, get('', '/'))).toBeUndefined();
  expect(table.find('web', true, get('', '/'))?.router.name).toBe('tls');
  expect(table.find('nowhere', false, get('', '/'))).toBeUndefined();
});

test('a router that becomes bad or disabled leaves the table', () => {
  const table = createRouteTable(() => undefined);
  table.set(router('a', 'Path(`/`)'));
  table.set(router('a', 'Path(`/`)', { status: 'disabled' }));
  expect(table.find('web', false, get('', '/'))).toBeUndefined();
});

test('what was prepared for a router is found with it, and prepared anew when it is set again', () => {
  let count = 0;
  const table = createRouteTable(({ name }) => `${name} ${(count += 1)}`);
  table.set(router('a', 'Path(`/`)'));
  expect(table.find('web', false, get('', '/'))?.handle).toBe('a 1');
  table.set(router('a', 'Path(`/`)', { middlewares: ['m'] }));
  expect(table.find('web', false, get('', '/'))?.handle).toBe('a 2');
});

test('one host among 5,000, and one path among 5,000, is asked about hardly more rules than one alone', () => {
  for (const rule of [
    (n: number) => `Host(\`h${n}.test\`)`,
    (n: number) => `Host(\`h.test\`) && PathPrefix(\`/p${n}/\`)`,
  ]) {
    const table = createRouteTable(() => undefined);
    for (let number = 0; number < 5000; number += 1) table.set(router(`r${number}`, rule(number)));
    // A rule asks for the host or the path each time that it is tested.
    let questions = 0;
    const counted = (host: string, path: string): RuleRequest => ({
      ...get(host, path),
      get host() {
        questions += 1;
        return host;
      },
      headerValues: () => [],
      queryValues: () => [],
    });
    expect(table.find('web', false, counted('h4321.test', '/'))?.router.name ?? 'none').toMatch(/^(?:r4321|none)$/);
    expect(table.find('web', false, counted('h.test', '/p4321/x'))?.router.name ?? 'none').toMatch(/^(?:r4321|none)$/);
    expect(questions).toBeLessThan(20);
  }
});
