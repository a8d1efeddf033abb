import { describe, expect, test } from 'vitest';
import { answerApi } from '../../../../src/proxy/api/answer.ts';
import { goDuration } from '../../../../src/proxy/api/go-duration.ts';
import type { NamedRouterJson } from '../../../../src/proxy/api/router-json.ts';
import type { NamedServiceJson } from '../../../../src/proxy/api/service-json.ts';
import type { ApiView } from '../../../../src/proxy/api/view.ts';
import { compiled, object, service } from '../catalog/objects.ts';

const routes = (match: string, ...services: readonly object[]) => ({
  spec: { entryPoints: ['web'], routes: [{ match, services }] },
});
const plain = { name: 'plain', port: 80 };
const canary = { name: 'canary', port: 80, weight: 9 };
const secret = object('Secret', 'ca', { data: { 'ca.crt': btoa('very secret') } });
const catalog = compiled([
  ...service('plain', '10.0.0.1', '10.0.0.2'),
  ...service('canary', '10.0.1.1'),
  secret,
  object('ServersTransport', 'quick', { spec: { rootCAsSecrets: ['ca'] } }),
  object(
    'IngressRoute',
    'one',
    routes('Host(`one`)', {
      ...plain,
      serversTransport: 'quick',
      sticky: { cookie: { name: 'pod', secure: true, maxAge: 5 } },
    }),
  ),
  object('IngressRoute', 'two', routes('Host(`two`)', plain, canary)),
  object('IngressRoute', 'bad', routes('Host(`bad`', plain)),
  object('IngressRoute', 'half', routes('Host(`half`)', plain, { name: 'missing', port: 80 })),
]);
const limits = {
  trustedIps: ['10.0.0.0/8'],
  isInsecure: false,
  readTimeoutMs: 60_000,
  idleTimeoutMs: 90_000,
  maxHeaderBytes: 65_536,
};
const view: ApiView = {
  configuration: catalog.configuration,
  entryPoints: [
    { name: 'websecure', host: '::1', port: 8443, tls: { certificate: 'C', key: 'very secret' }, ...limits },
    { name: 'web', host: '', port: 8000, tls: undefined, ...limits },
  ],
  version: '0.1.0',
  startedAt: '2026-01-01T00:00:00Z',
  hasAccessLog: true,
  graceMs: 10_000,
  acceptGraceMs: 5000,
};

function ask(path: string, query = ''): unknown {
  return answerApi(path, new URLSearchParams(query), view)?.body;
}

const names = (body: unknown): readonly string[] =>
  (body as readonly { readonly name: string }[]).map(({ name }) => name.replace(/^web-|-[0-9a-f]{20}@.*$|@.*$/g, ''));

describe('GET /api/http/routers', () => {
  test('lists routers by name, with what is wrong', () => {
    expect(names(ask('/api/http/routers'))).toEqual(['bad', 'half', 'one', 'two']);
    const [bad, half, one] = ask('/api/http/routers') as readonly NamedRouterJson[];
    expect(bad).toMatchObject({ status: 'disabled', rule: 'Host(`bad`' });
    expect(half?.error?.[0]).toContain('Service web/missing does not exist');
    expect(one).toEqual({
      entryPoints: ['web'],
      using: ['web'],
      name: one?.name,
      service: one?.name.replace('@kubernetescrd', ''),
      provider: 'kubernetescrd',
      rule: 'Host(`one`)',
      priority: 11,
      priorityStr: '11',
      status: 'enabled',
      observability: { accessLogs: true, metrics: true, tracing: true, traceVerbosity: 'minimal' },
    });
  });

  test.each([
    ['status=disabled', ['bad']],
    ['status=Warning', ['half']],
    ['search=HALF', ['half']],
    ['search=one`', ['one']],
    ['direction=desc', ['two', 'one', 'half', 'bad']],
    ['sortBy=status', ['bad', 'one', 'two', 'half']],
    ['sortBy=priority&direction=desc', ['half', 'two', 'one', 'bad']],
    ['per_page=3&page=2', ['two']],
    ['middlewareName=x', []],
    [`serviceName=${[...catalog.configuration.routers.keys()].find((name) => name.startsWith('web-two'))}`, ['two']],
  ])('with %s', (query, expected) => {
    expect(names(ask('/api/http/routers', query))).toEqual(expected);
  });

  test('says which page is next', () => {
    const pageOf = (query: string) => answerApi('/api/http/routers', new URLSearchParams(query), view);
    expect(pageOf('per_page=3')).toMatchObject({ status: 200, nextPage: 2 });
    expect(pageOf('per_page=3&page=2')).toMatchObject({ status: 200, nextPage: 1 });
    expect(pageOf('per_page=3&page=3')).toEqual({
      status: 400,
      body: { message: 'invalid request: page: 3, per_page: 3' },
    });
    expect(pageOf('page=x')).toMatchObject({ status: 400 });
  });

  test('returns one by its name, encoded or not', () => {
    const [name = ''] = catalog.configuration.routers.keys();
    expect(ask(`/api/http/routers/${name}`)).toMatchObject({ name });
    expect(ask(`/api/http/routers/${encodeURIComponent(name)}`)).toMatchObject({ name });
    expect(answerApi('/api/http/routers/none@x', new URLSearchParams(), view)).toEqual({
      status: 404,
      body: { message: 'router not found: none@x' },
    });
    expect(answerApi('/api/http/routers/%zz', new URLSearchParams(), view)?.status).toBe(400);
  });
});

describe('GET /api/http/services', () => {
  const find = (text: string) =>
    (ask('/api/http/services', `search=${text}`) as readonly NamedServiceJson[])[0] as NamedServiceJson;

  test('shows a leaf with its servers and who uses it', () => {
    const one = find('web-one');
    expect(one).toEqual({
      name: one.name,
      provider: 'kubernetescrd',
      type: 'loadbalancer',
      status: 'enabled',
      usedBy: [one.name],
      serverStatus: { 'http://10.0.0.1:8080': 'UP', 'http://10.0.0.2:8080': 'UP' },
      loadBalancer: {
        servers: [{ url: 'http://10.0.0.1:8080' }, { url: 'http://10.0.0.2:8080' }],
        strategy: 'wrr',
        passHostHeader: true,
        responseForwarding: { flushInterval: '100ms' },
        serversTransport: 'web-quick@kubernetescrd',
        sticky: { cookie: { name: 'pod', secure: true, maxAge: 5, path: '/' } },
      },
    });
  });

  test('shows weights under the names of this provider', () => {
    expect(find('web-two')).toMatchObject({
      type: 'weighted',
      weighted: {
        services: [
          { name: 'web-plain-80', weight: 1 },
          { name: 'web-canary-80', weight: 9 },
        ],
      },
    });
    expect(find('web-canary-80').usedBy).toBeUndefined();
    expect(ask('/api/http/services/web-canary-80@kubernetescrd')).toMatchObject({ type: 'loadbalancer' });
  });
});

describe('the rest of /api', () => {
  test('counts in the overview', () => {
    expect(ask('/api/overview')).toMatchObject({
      http: { routers: { total: 4, warnings: 1, errors: 1 }, services: { total: 5, warnings: 0, errors: 0 } },
      features: { metrics: 'Prometheus', accessLog: true },
    });
  });

  test('shows entry points without their keys', () => {
    expect(names(ask('/api/entrypoints'))).toEqual(['web', 'websecure'].map((name) => name.replace(/^web-/, '')));
    expect(ask('/api/entrypoints/websecure')).toMatchObject({
      address: '[::1]:8443',
      http: { tls: {} },
      forwardedHeaders: { trustedIPs: ['10.0.0.0/8'] },
      transport: { respondingTimeouts: { readTimeout: '1m0s', idleTimeout: '1m30s' } },
    });
    expect(answerApi('/api/entrypoints/x', new URLSearchParams(), view)?.status).toBe(404);
  });

  test('shows everything at once, by name', () => {
    const { routers, services } = ask('/api/rawdata') as { readonly routers: object; readonly services: object };
    expect(Object.keys(routers)).toHaveLength(4);
    expect(Object.keys(services)).toHaveLength(5);
  });

  test('holds nothing secret', () => {
    const paths = [
      '/api/rawdata',
      '/api/http/routers',
      '/api/http/services',
      '/api/entrypoints',
      '/api/overview',
      '/api/version',
    ];
    const text = paths.map((path) => JSON.stringify(ask(path))).join('');
    expect(text).not.toContain('very secret');
    expect(text.length).toBeGreaterThan(1000);
  });

  test.each(['/', '/apix', '/api', '/api/tcp/routers', '/api/http', '/api/http/x', '/api/version/x'])(
    '%s is nothing',
    (path) => {
      expect(answerApi(path, new URLSearchParams(), view)).toBeUndefined();
    },
  );
});

test.each([
  [0, '0s'],
  [100, '100ms'],
  [10_000, '10s'],
  [1500, '1.5s'],
  [60_000, '1m0s'],
  [3_723_000, '1h2m3s'],
  [-1000, '-1s'],
])('%j milliseconds are %s in Go', (ms, text) => {
  expect(goDuration(ms)).toBe(text);
});
