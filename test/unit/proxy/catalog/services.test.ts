import { describe, expect, test } from 'vitest';
import type { Service } from '../../../../src/proxy/configuration.ts';
import { nothing } from '../services/service-builders.ts';
import { compiled, object, onlyRouter, route, servers, service, target, urls, weights } from './objects.ts';

const plain = { name: 'plain', port: 80 };
const both = [...service('plain', '10.0.0.1'), ...service('canary', '10.0.1.1')];
const split = (name: string, services: readonly object[], more: object = {}) =>
  object('TraefikService', name, { spec: { weighted: { services, ...more } } });
const toService = (name: string) => route([{ name, kind: 'TraefikService' }]);

function leafOf(found: Service | undefined) {
  if (found?.kind !== 'LoadBalancer') throw new Error('no leaf');
  return found;
}

describe('servers', () => {
  const slice = (
    name: string,
    endpoints: readonly object[],
    ports: readonly object[] = [{ name: 'http', port: 8080 }],
  ) =>
    object('EndpointSlice', name, {
      metadata: { labels: { 'kubernetes.io/service-name': 'plain' } },
      ports,
      endpoints,
    });
  const bare = object('Service', 'plain', { spec: { ports: [{ name: 'http', port: 80 }] } });

  test.each([
    ['serves', {}, false, 'new and known'],
    ['serves, by condition', { ready: true, serving: true }, false, 'new and known'],
    ['terminates but serves', { ready: false, serving: true, terminating: true }, false, 'known'],
    ['does not serve', { ready: false, serving: false }, false, 'none'],
    ['terminates and does not serve', { serving: false, terminating: true }, false, 'none'],
    ['is not ready, and says no more', { ready: false }, false, 'none'],
    ['is not ready, and says no more, as Traefik', { ready: false }, true, 'new and known'],
  ])('a pod that %s gets requests: %j', (_, conditions, isStrict, expected) => {
    const changes = [bare, slice('s', [{ addresses: ['10.0.0.1'], conditions }]), route([plain])];
    const found = servers(compiled(changes, { isStrict, allowsEmptyServices: true })).map(({ isFenced }) =>
      isFenced ? 'known' : 'new and known',
    );
    expect(found.join() || 'none').toBe(expected);
  });

  test('are of all slices, each once, by the name of the port, in the order of their addresses', () => {
    const catalog = compiled([
      bare,
      slice('s1', [
        { addresses: ['10.0.0.2', '10.0.0.1'] },
        { addresses: ['10.0.0.3'], conditions: { terminating: true } },
      ]),
      slice('s2', [{ addresses: ['10.0.0.3'] }, { addresses: ['fd00::1'] }]),
      slice('s3', [{ addresses: ['10.0.0.9'] }], [{ name: 'other', port: 9 }]),
      route([plain]),
    ]);
    expect(servers(catalog)).toEqual([
      { url: 'http://10.0.0.1:8080', scheme: 'http', host: '10.0.0.1', port: 8080, isFenced: false },
      { url: 'http://10.0.0.2:8080', scheme: 'http', host: '10.0.0.2', port: 8080, isFenced: false },
      { url: 'http://10.0.0.3:8080', scheme: 'http', host: '10.0.0.3', port: 8080, isFenced: false },
      { url: 'http://[fd00::1]:8080', scheme: 'http', host: 'fd00::1', port: 8080, isFenced: false },
    ]);
  });

  test('follow a slice that is moved to another Service', () => {
    const catalog = compiled([bare, slice('s', [{ addresses: ['10.0.0.1'] }]), route([plain])]);
    const moved = object('EndpointSlice', 's', {
      metadata: { labels: { 'kubernetes.io/service-name': 'x' } },
      ports: [{ name: 'http', port: 1 }],
      endpoints: [],
    });
    expect(catalog.apply([moved]).serverSets.set).toMatchObject([{ servers: [] }]);
  });

  test('change as one thing, however many routes lead there', () => {
    const routes = ['a', 'b', 'c'].map((name) =>
      object('IngressRoute', name, { spec: { routes: [{ match: `Host(\`${name}\`)`, services: [plain] }] } }),
    );
    const catalog = compiled([bare, slice('s', [{ addresses: ['10.0.0.1'] }]), ...routes]);
    const change = catalog.apply([slice('s', [{ addresses: ['10.0.0.2'] }])]);
    expect(change).toMatchObject({ ...nothing, serverSets: { set: [{ servers: [{ host: '10.0.0.2' }] }] } });
    const gone = catalog.apply(routes.map((each) => ({ ...each, object: undefined })));
    expect(gone.serverSets.removed).toHaveLength(1);
  });

  test('decide, as Traefik, whether the route is served: whenever the first comes or the last one goes', () => {
    const none = slice('s', []);
    const some = slice('s', [{ addresses: ['10.0.0.1'] }]);
    const catalog = compiled([bare, none, route([plain])], { isStrict: true });
    for (const [changed, status] of [
      [some, 'enabled'],
      [none, 'disabled'],
      [some, 'enabled'],
      [{ ...some, object: undefined }, 'disabled'],
    ] as const) {
      expect(catalog.apply([changed]).routers.set).toMatchObject([{ status }]);
    }
  });

  test('stay the same when a slice says the same in other words', () => {
    const catalog = compiled([bare, slice('s', [{ addresses: ['10.0.0.1'] }]), route([plain])]);
    const change = catalog.apply([slice('s', [{ addresses: ['10.0.0.1'], conditions: { ready: true } }])]);
    expect(change).toEqual(nothing);
  });

  test.each([
    [443, 'x', '', 'https://10.0.0.1:8080'],
    [80, 'https-x', '', 'https://10.0.0.1:8080'],
    [80, 'x', '', 'http://10.0.0.1:8080'],
    [443, 'x', 'http', 'http://10.0.0.1:8080'],
    [80, 'x', 'h2c', 'h2c://10.0.0.1:8080'],
  ])('on port %j called %j with the scheme %j: %s', (port, name, scheme, url) => {
    const changes = [
      object('Service', 'plain', { spec: { ports: [{ name, port }] } }),
      slice('s', [{ addresses: ['10.0.0.1'] }], [{ name, port: 8080 }]),
      route([{ name: 'plain', port, scheme }]),
    ];
    expect(urls(compiled(changes))).toEqual([url]);
  });

  test('are the cluster IP with nativeLB, asked for or by default', () => {
    expect(urls(compiled([...both, route([{ ...plain, nativeLB: true }])]))).toEqual(['http://10.96.0.1:80']);
    const byDefault = { isNativeLbByDefault: true };
    expect(urls(compiled([...both, route([plain])], byDefault))).toEqual(['http://10.96.0.1:80']);
    const asked = compiled([...both, route([{ ...plain, nativeLB: false }])], byDefault);
    expect(urls(asked)).toEqual(['http://10.0.0.1:8080']);
    const headless = object('Service', 'plain', { spec: { clusterIP: 'None', ports: [{ port: 80 }] } });
    const found = compiled([headless, route([{ ...plain, nativeLB: true }])]);
    expect(onlyRouter(found).errors.join()).toContain('has no cluster IP');
  });

  test('are an outside host only where that is allowed', () => {
    const outside = object('Service', 'plain', { spec: { type: 'ExternalName', externalName: 'api.example' } });
    const changes = [outside, route([{ name: 'plain', port: 443 }])];
    expect(urls(compiled(changes))).toEqual([]);
    expect(compiled(changes).invalidObjects()).toMatchObject([{ reason: 'NotAllowed' }]);
    expect(urls(compiled(changes, { allowsExternalName: true }))).toEqual(['https://api.example:443']);
  });

  test('are of another namespace only where that is allowed', () => {
    const changes = [...service('other/far', '10.5.0.1'), route([{ name: 'far', namespace: 'other', port: 80 }])];
    expect(urls(compiled(changes))).toEqual([]);
    expect(urls(compiled(changes, { allowsCrossNamespace: true }))).toEqual(['http://10.5.0.1:8080']);
  });
});

describe('options of servers', () => {
  test('are as written, or those of Traefik', () => {
    expect(leafOf(target(compiled([...both, route([plain])])))).toMatchObject({
      strategy: 'RoundRobin',
      passHostHeader: true,
      sticky: undefined,
      transport: undefined,
      passiveHealth: undefined,
    });
    const written = {
      ...plain,
      strategy: 'p2c',
      passHostHeader: false,
      passiveHealthCheck: { failureWindow: '1m30s' },
    };
    expect(leafOf(target(compiled([...both, route([written])])))).toMatchObject({
      strategy: 'PowerOfTwo',
      passHostHeader: false,
      passiveHealth: { failureWindowMs: 90_000, maxFailedAttempts: 1 },
    });
  });

  test('a cookie has the name that is written, cleaned, or one of the service', () => {
    const named = {
      ...plain,
      sticky: { cookie: { name: 'a b;c', secure: true, sameSite: 'lax', maxAge: 60, path: '' } },
    };
    expect(leafOf(target(compiled([...both, route([named])]))).sticky).toEqual({
      name: 'a_b_c',
      isSecure: true,
      isHttpOnly: false,
      sameSite: 'lax',
      maxAgeSeconds: 60,
      path: '',
      domain: undefined,
    });
    const unnamed = compiled([...both, route([{ ...plain, sticky: { cookie: {} } }])]);
    expect(leafOf(target(unnamed)).sticky?.name).toMatch(/^_[0-9a-f]{5}$/);
  });
});

describe('a TraefikService', () => {
  test('is used by its own name, with its weights and its cookie', () => {
    const catalog = compiled([
      ...both,
      split(
        'split',
        [
          { ...plain, weight: 9 },
          { name: 'canary', port: 80 },
        ],
        { sticky: { cookie: {} } },
      ),
      toService('split'),
    ]);
    expect(onlyRouter(catalog)).toMatchObject({ status: 'enabled', service: 'web-split@kubernetescrd' });
    expect(weights(target(catalog))).toEqual({ 'web-plain-80@kubernetescrd': 9, 'web-canary-80@kubernetescrd': 1 });
    expect(target(catalog)?.kind === 'Weighted' && target(catalog)?.sticky?.name).toMatch(/^_[0-9a-f]{5}$/);
  });

  test('without a broken entry goes on with the others', () => {
    const catalog = compiled([...both, split('split', [plain, { name: 'x', port: 80 }]), toService('split')]);
    expect(onlyRouter(catalog).status).toBe('enabled');
    expect(target(catalog)).toMatchObject({ status: 'warning', services: [{ name: 'web-plain-80@kubernetescrd' }] });
    expect(catalog.invalidObjects()).toMatchObject([
      { kind: 'TraefikService', name: 'split', reason: 'BrokenReference' },
    ]);
    const strict = compiled([...both, split('split', [plain, { name: 'x', port: 80 }]), toService('split')], {
      isStrict: true,
    });
    expect(onlyRouter(strict).status).toBe('disabled');
  });

  test.each(['mirroring', 'highestRandomWeight', 'failover', 'newer'])(
    'with %s disables the routers above it',
    (way) => {
      const other = object('TraefikService', 'other', { spec: { [way]: { services: [plain] } } });
      const above = split('above', [plain, { name: 'other', kind: 'TraefikService' }]);
      const catalog = compiled([...both, other, above, toService('above')]);
      const router = onlyRouter(catalog);
      expect(router.status).toBe('disabled');
      expect(router.errors.join()).toContain(`TraefikService web/other, spec.${way}: only weighted is supported`);
    },
  );

  test('that comes back to itself gets no requests, from wherever one comes', () => {
    const reference = (name: string) => ({ name, kind: 'TraefikService' });
    const circle = [split('a', [reference('b')]), split('b', [plain, reference('c')]), split('c', [reference('a')])];
    const catalog = compiled([...both, ...circle, route([plain, reference('b')])]);
    expect(weights(target(catalog))).toEqual({ 'web-plain-80@kubernetescrd': 1 });
    expect(
      catalog.invalidObjects().map(({ name, message }) => [name, message.includes('comes back to itself')]),
    ).toEqual([
      ['shop', true],
      ['a', true],
      ['b', true],
      ['c', true],
    ]);
    catalog.apply([split('c', [plain])]);
    expect(catalog.invalidObjects()).toEqual([]);
    expect(Object.keys(weights(target(catalog)))).toEqual(['web-plain-80@kubernetescrd', 'web-b@kubernetescrd']);
  });
});

describe('a ServersTransport', () => {
  const transport = (spec: object) => object('ServersTransport', 'quick', { spec });
  const used = route([{ ...plain, serversTransport: 'quick' }]);
  const secret = (name: string, data: Readonly<Record<string, string>>) =>
    object('Secret', name, { data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, btoa(text)])) });

  test('has the values that are written, else those of Traefik, but keeps more connections', () => {
    const catalog = compiled([...both, transport({}), used]);
    const name = leafOf(target(catalog)).transport ?? '';
    expect(catalog.configuration.transports.get(name)).toEqual({
      name,
      serverName: undefined,
      isInsecure: false,
      rootCas: [],
      certificates: [],
      maxIdlePerHost: 200,
      isHttp2Disabled: false,
      dialTimeoutMs: 30_000,
      responseHeaderTimeoutMs: 0,
      idleTimeoutMs: 90_000,
    });
    const spec = {
      serverName: 'a.example',
      insecureSkipVerify: true,
      maxIdleConnsPerHost: -1,
      disableHTTP2: true,
      forwardingTimeouts: { dialTimeout: 5, responseHeaderTimeout: '1m', idleConnTimeout: '500ms' },
    };
    const change = catalog.apply([transport(spec)]);
    expect(change.transports.set).toMatchObject([
      {
        serverName: 'a.example',
        isInsecure: true,
        maxIdlePerHost: 0,
        isHttp2Disabled: true,
        dialTimeoutMs: 5000,
        responseHeaderTimeoutMs: 60_000,
        idleTimeoutMs: 500,
      },
    ]);
    expect(change.services.set).toEqual([]);
  });

  test('reads authorities and certificates from the Secrets and ConfigMaps that it names', () => {
    const spec = {
      rootCAsSecrets: ['one'],
      rootCAs: [{ secret: 'two' }, { configMap: 'three' }],
      certificatesSecrets: ['pair'],
    };
    const catalog = compiled([...both, transport(spec), used]);
    expect(catalog.used('Secret')).toEqual(['web/one', 'web/two', 'web/pair']);
    expect(catalog.used('ConfigMap')).toEqual(['web/three']);
    catalog.apply([
      secret('one', { 'any.pem': 'A' }),
      secret('two', { 'ca.crt': 'B', x: 'y' }),
      object('ConfigMap', 'three', { data: { 'tls.ca': 'C' } }),
      secret('pair', { 'tls.crt': 'D', 'tls.key': 'E' }),
    ]);
    expect([...catalog.configuration.transports.values()]).toMatchObject([
      { rootCas: ['A', 'B', 'C'], certificates: [{ certificate: 'D', key: 'E' }] },
    ]);
    expect(catalog.invalidObjects()).toEqual([]);
    catalog.apply([{ kind: 'ServersTransport', key: 'web/quick', object: undefined }]);
    expect(catalog.used('Secret')).toEqual([]);
  });

  test('whose only authority is missing is not used, because the system would be trusted instead', () => {
    const changes = [...both, transport({ rootCAsSecrets: ['ca'] }), used];
    const catalog = compiled(changes);
    expect(urls(catalog)).toEqual([]);
    expect(catalog.invalidObjects()[1]).toMatchObject({
      kind: 'ServersTransport',
      message: 'ServersTransport web/quick: Secret web/ca does not exist; create it or correct the name.',
    });
    catalog.apply([secret('ca', { 'ca.crt': 'A' })]);
    expect(urls(catalog)).toEqual(['http://10.0.0.1:8080']);
    const insecure = compiled([...both, transport({ rootCAsSecrets: ['ca'], insecureSkipVerify: true }), used]);
    expect(urls(insecure)).toEqual(['http://10.0.0.1:8080']);
  });

  test.each([
    ['spiffe', { ids: [] }],
    ['peerCertURI', 'spiffe://x'],
  ])('with %s disables its routers', (field, value) => {
    const catalog = compiled([...both, transport({ [field]: value }), used]);
    expect(onlyRouter(catalog).status).toBe('disabled');
  });
});
