import { describe, expect, test } from 'vitest';
import { compiled, object, service } from './objects.ts';
import { backendOf, ingress, messages, type PathSpec, routerFor, sluiceClass } from './ingresses.ts';

const names = ['a', 'b', 'c', 'd'] as const;
const services = names.flatMap((name) => service(name, '10.0.0.1'));
const served = (paths: readonly PathSpec[]) => compiled([sluiceClass, ...services, ingress('shop', paths)]);

/** https://kubernetes.io/docs/concepts/services-networking/ingress/#examples, with its paths and its answers. */
const documented: readonly (readonly [paths: string, request: string, match: string | undefined])[] = [
  ['Prefix /', '/anything', 'a'],
  ['Exact /foo', '/foo', 'a'],
  ['Exact /foo', '/bar', undefined],
  ['Exact /foo', '/foo/', undefined],
  ['Exact /foo/', '/foo', undefined],
  ['Prefix /foo', '/foo', 'a'],
  ['Prefix /foo', '/foo/', 'a'],
  ['Prefix /foo/', '/foo', 'a'],
  ['Prefix /foo/', '/foo/', 'a'],
  ['Prefix /aaa/bb', '/aaa/bbb', undefined],
  ['Prefix /aaa/bbb', '/aaa/bbb', 'a'],
  ['Prefix /aaa/bbb/', '/aaa/bbb', 'a'],
  ['Prefix /aaa/bbb', '/aaa/bbb/', 'a'],
  ['Prefix /aaa/bbb', '/aaa/bbb/ccc', 'a'],
  ['Prefix /aaa/bbb', '/aaa/bbbxyz', undefined],
  ['Prefix /,Prefix /aaa', '/aaa/ccc', 'b'],
  ['Prefix /,Prefix /aaa,Prefix /aaa/bbb', '/aaa/bbb', 'c'],
  ['Prefix /,Prefix /aaa,Prefix /aaa/bbb', '/ccc', 'a'],
  ['Prefix /aaa', '/ccc', undefined],
  ['Prefix /foo,Exact /foo', '/foo', 'b'],
  ['ImplementationSpecific /foo', '/foo/bar', 'a'],
  ['ImplementationSpecific /foo', '/foobar', undefined],
  // "If the path is written with and without the slash, the exact one is that which is exactly so."
  ['Prefix /foo/,Exact /foo', '/foo', 'b'],
  ['Exact /foo/,Prefix /foo', '/foo/', 'a'],
  // Case counts.
  ['Prefix /foo', '/FOO', undefined],
];

describe('the table of the Kubernetes documentation', () => {
  test.each(documented)('%s takes %s to %s', (paths, request, match) => {
    const all = paths.split(',').map((path, index): PathSpec => ['', path, names[index] ?? '']);
    const catalog = served(all);
    expect(backendOf(catalog, `x.example${request}`)).toBe(match);
    // The order in which they are written is of no importance.
    expect(backendOf(served(all.toReversed()), `x.example${request}`)).toBe(match);
  });
});

/** https://kubernetes.io/docs/concepts/services-networking/ingress/#hostname-wildcards */
const hosts: readonly (readonly [host: string, asked: string, isMatch: boolean])[] = [
  ['*.foo.com', 'bar.foo.com', true],
  ['*.foo.com', 'baz.bar.foo.com', false],
  ['*.foo.com', 'foo.com', false],
  ['*.foo.com', 'BAR.foo.com:8080', true],
  ['*.foo.com', 'barxfoo.com', false],
  ['foo.com', 'foo.com', true],
  ['foo.com', 'FOO.com:80', true],
  ['foo.com', 'bar.foo.com', false],
];

describe('a host', () => {
  test.each(hosts)('%s, asked for %s: %s', (host, asked, isMatch) => {
    expect(backendOf(served([[host, 'Prefix /', 'a']]), `${asked}/`)).toBe(isMatch ? 'a' : undefined);
  });

  test('that is exact wins over a wildcard, and that over none, however long their paths are', () => {
    const catalog = served([
      ['', 'Exact /long/path/of/nobody', 'c'],
      ['*.foo.com', 'Prefix /long/path', 'b'],
      ['a.foo.com', 'Prefix /', 'a'],
    ]);
    expect(backendOf(catalog, 'a.foo.com/long/path/of/nobody')).toBe('a');
    expect(backendOf(catalog, 'b.foo.com/long/path/of/nobody')).toBe('b');
    expect(backendOf(catalog, 'foo.com/long/path/of/nobody')).toBe('c');
    expect(backendOf(catalog, 'foo.com/')).toBeUndefined();
  });

  test('of two Ingresses is served by both, and the same path by the older one', () => {
    const paths = (name: string): readonly PathSpec[] => [
      ['x.example', 'Prefix /', name],
      ['x.example', `Prefix /${name}`, name],
    ];
    const younger = { createdAt: '2026-01-02T00:00:00Z' };
    const catalog = compiled([
      sluiceClass,
      ...services,
      ingress('one', paths('a'), younger),
      ingress('two', paths('b')),
    ]);
    expect(['/', '/a', '/b'].map((path) => backendOf(catalog, `x.example${path}`))).toEqual(['b', 'a', 'b']);
  });
});

describe('beside IngressRoutes', () => {
  const route = (match: string) =>
    object('IngressRoute', 'route', { spec: { routes: [{ match, services: [{ name: 'd', port: 80 }] }] } });

  test.each([
    ['Host(`x.example`) && PathPrefix(`/api/v1`)', '/api/v1', 'route'],
    ['Host(`x.example`)', '/api', 'ingress'],
    ['PathPrefix(`/`)', '/', 'ingress'],
  ])('%s for %s: the %s wins, as the longer of two', (match, path, winner) => {
    const catalog = compiled([
      sluiceClass,
      ...services,
      route(match),
      ingress('shop', [['x.example', 'Prefix /', 'a']]),
    ]);
    expect(routerFor(catalog, `x.example${path}`)?.name.endsWith('@kubernetes')).toBe(winner === 'ingress');
  });
});

describe('the default backend', () => {
  const backend = (name: string) => ({ defaultBackend: { service: { name, port: { name: 'http' } } } });

  test('of an Ingress without rules takes what nothing else does, under the name that Traefik gives it', () => {
    const all = ingress('all', [], { spec: { rules: undefined, ...backend('b') } });
    const catalog = compiled([sluiceClass, ...services, all, ingress('shop', [['x.example', 'Prefix /a', 'a']])]);
    expect(backendOf(catalog, 'x.example/a')).toBe('a');
    expect(backendOf(catalog, 'x.example/')).toBe('default-backend@kubernetes');
    expect(routerFor(catalog, 'y.example/')).toMatchObject({
      name: 'default-router@kubernetes',
      rule: 'PathPrefix("/")',
    });
    expect(messages(catalog)).toEqual([]);
  });

  test('of an Ingress with rules is that of its hosts', () => {
    const catalog = compiled([
      sluiceClass,
      ...services,
      ingress('shop', [['x.example', 'Prefix /a', 'a']], { spec: backend('b') }),
      ingress('wild', [['*.example', 'Prefix /long/path', 'c']]),
    ]);
    expect(backendOf(catalog, 'x.example/a')).toBe('a');
    expect(backendOf(catalog, 'x.example/long/path')).toBe('web-b-http@kubernetes');
    expect(routerFor(catalog, 'y.other/')).toBeUndefined();
  });

  test('there is one of all: the oldest, and the other says so', () => {
    const of = (key: string, name: string, createdAt: string) =>
      ingress(key, [], { createdAt, spec: { rules: [], ...backend(name) } });
    const catalog = compiled([
      sluiceClass,
      ...services,
      of('young', 'a', '2026-01-02T00:00:00Z'),
      of('old', 'b', '2026-01-01T00:00:00Z'),
    ]);
    const [leaf] = catalog.configuration.services.values();
    expect(leaf).toMatchObject({ serverSet: 'web/b:http http' });
    expect(catalog.invalidObjects().map(({ name, reason }) => [name, reason])).toContainEqual([
      'young',
      'NameConflict',
    ]);
  });
});

describe('the class', () => {
  const classOf = (name: string, controller: string, annotations: object = {}, createdAt = '2026-01-01T00:00:00Z') =>
    object('IngressClass', `/${name}`, {
      metadata: { annotations, creationTimestamp: createdAt },
      spec: { controller },
    });
  const isDefault = { 'ingressclass.kubernetes.io/is-default-class': 'true' };
  const own = 'sluice.dev/proxy';
  const paths: readonly PathSpec[] = [['x.example', 'Prefix /', 'a']];
  const annotated = (name: string) => ({
    annotations: { 'kubernetes.io/ingress.class': name },
    spec: { ingressClassName: undefined },
  });
  const none = { spec: { ingressClassName: undefined } };

  test.each([
    ['by field, of our controller', [classOf('sluice', own)], {}, '', true],
    [
      'by field, of our controller with another name',
      [classOf('edge', own)],
      { spec: { ingressClassName: 'edge' } },
      '',
      true,
    ],
    ['by field, of another controller', [classOf('sluice', 'x/y')], {}, '', false],
    ['by field, which does not exist', [], {}, '', false],
    ['by field, where another is asked for', [classOf('sluice', own)], {}, 'edge', false],
    [
      'by field, of another controller, asked for',
      [classOf('nginx', 'k8s.io/ingress-nginx')],
      { spec: { ingressClassName: 'nginx' } },
      'nginx',
      true,
    ],
    ['by annotation', [classOf('edge', own)], annotated('edge'), '', true],
    ['by annotation without an IngressClass', [], annotated('sluice'), '', true],
    ['by another annotation without an IngressClass', [], annotated('traefik'), '', false],
    ['by annotation of another controller', [classOf('sluice', 'x/y')], annotated('sluice'), '', false],
    ['by annotation, asked for', [], annotated('nginx'), 'nginx', true],
    ['none, and ours is the default', [classOf('sluice', own, isDefault)], none, '', true],
    ['none, and ours is not the default', [classOf('sluice', own)], none, '', false],
    [
      'none, and the default of another controller is newer',
      [classOf('sluice', own, isDefault), classOf('x', 'x/y', isDefault, '2026-02-01T00:00:00Z')],
      none,
      '',
      false,
    ],
    [
      'none, and ours is the newer default',
      [classOf('sluice', own, isDefault), classOf('x', 'x/y', isDefault, '2025-02-01T00:00:00Z')],
      none,
      '',
      true,
    ],
    ['none, and the default is asked for', [classOf('nginx', 'x/y', isDefault)], none, 'nginx', true],
  ] as const)('%s', (...[, classes, rest, ingressClass, isServed]) => {
    const catalog = compiled([...classes, ...services, ingress('shop', paths, rest)], { ingressClass });
    expect(backendOf(catalog, 'x.example/')).toBe(isServed ? 'a' : undefined);
    expect(messages(catalog)).toEqual([]);
  });

  test('decides anew when an IngressClass comes, changes or goes', () => {
    const catalog = compiled([
      ...services,
      ingress('shop', paths),
      ingress('other', [['y.example', 'Prefix /', 'b']], none),
    ]);
    const seen = () => ['x.example/', 'y.example/'].map((url) => backendOf(catalog, url));
    expect(seen()).toEqual([undefined, undefined]);
    catalog.apply([classOf('sluice', own)]);
    expect(seen()).toEqual(['a', undefined]);
    catalog.apply([classOf('sluice', own, isDefault)]);
    expect(seen()).toEqual(['a', 'b']);
    catalog.apply([{ ...sluiceClass, object: undefined }]);
    expect(seen()).toEqual([undefined, undefined]);
  });
});

describe('an Ingress', () => {
  test('has the names of Traefik, with a hash where two paths would have the same', () => {
    const catalog = served([
      ['x.example', 'Prefix /a', 'a'],
      ['x.example', 'Prefix /b/c', 'b'],
      ['x.example', 'Prefix /b-c', 'b'],
    ]);
    const routers = [...catalog.configuration.routers.keys()].filter((name) => !name.startsWith('websecure-'));
    expect(routers[0]).toBe('web-shop-x-example-a@kubernetes');
    expect(routers[1]).toMatch(/^web-shop-x-example-b-c-[0-9a-f]{20}@kubernetes$/);
    expect([...catalog.configuration.services.keys()]).toEqual(['web-a-80@kubernetes', 'web-b-80@kubernetes']);
  });

  test('is served on entry points with TLS and without', () => {
    const catalog = served([['x.example', 'Prefix /', 'a']]);
    expect(backendOf(catalog, 'x.example/', { entryPoint: 'websecure', isTls: true })).toBe('a');
    expect(backendOf(catalog, 'x.example/')).toBe('a');
  });

  test.each([
    [
      'a Service that does not exist',
      'missing',
      'spec.rules[0].http.paths[0].backend.service: Service web/missing does not exist',
    ],
  ])('with %s says so and answers 503; the others are served', (_, name, message) => {
    const bad = ingress('bad', [['bad.example', 'Prefix /', name]]);
    const catalog = compiled([sluiceClass, ...services, bad, ingress('shop', [['x.example', 'Prefix /', 'a']])]);
    expect(routerFor(catalog, 'bad.example/')).toMatchObject({ status: 'warning' });
    expect(catalog.configuration.services.get('web-bad-bad-example@kubernetes')).toMatchObject({
      serverSet: undefined,
    });
    expect(messages(catalog)).toEqual([expect.stringContaining(`Ingress web/bad, ${message}`)]);
    expect(backendOf(catalog, 'x.example/')).toBe('a');
  });

  test('with a port by name and one that does not exist', () => {
    const paths = [
      { path: '/', pathType: 'Prefix', backend: { service: { name: 'a', port: { name: 'http' } } } },
      { path: '/b', pathType: 'Prefix', backend: { service: { name: 'a', port: { number: 81 } } } },
      { path: '/c', pathType: 'Prefix', backend: { resource: { kind: 'Bucket', name: 'b' } } },
    ];
    const shop = object('Ingress', 'shop', { spec: { ingressClassName: 'sluice', rules: [{ http: { paths } }] } });
    const catalog = compiled([sluiceClass, ...services, shop]);
    expect(backendOf(catalog, 'x.example/')).toBe('web-a-http@kubernetes');
    expect(messages(catalog)).toEqual([
      'Ingress web/shop, spec.rules[0].http.paths[1].backend.service.port: found 81, but Service web/a has 80 (http); correct it.',
      'Ingress web/shop, spec.rules[0].http.paths[2].backend: resources are not supported; name a Service.',
    ]);
  });

  test.each([
    ['nginx.ingress.kubernetes.io/auth-url', 'https://auth.example'],
    ['nginx.ingress.kubernetes.io/whitelist-source-range', '10.0.0.0/8'],
    ['nginx.ingress.kubernetes.io/rewrite-target', '/$2'],
    ['nginx.ingress.kubernetes.io/backend-protocol', 'FCGI'],
    ['traefik.ingress.kubernetes.io/router.middlewares', 'web-auth@kubernetescrd'],
    ['traefik.ingress.kubernetes.io/router.tls.options', 'web-mtls@kubernetescrd'],
    ['traefik.ingress.kubernetes.io/router.priority', 'high'],
    ['sluice.dev/canary-by-haeder', 'X-Canary'],
  ])('is not served with %s, and says so', (name, value) => {
    const shop = ingress('shop', [['x.example', 'Prefix /', 'a']], { annotations: { [name]: value } });
    const catalog = compiled([sluiceClass, ...services, shop]);
    expect(routerFor(catalog, 'x.example/')).toBeUndefined();
    expect([...catalog.configuration.routers.values()].map(({ status }) => status)).toEqual(['disabled', 'disabled']);
    expect(messages(catalog)).toEqual([expect.stringContaining(`Ingress web/shop, annotation ${name}: `)]);
  });

  test.each([
    ['traefik.ingress.kubernetes.io/router.entrypoints', 'websecure', { entryPoints: ['websecure'], isTls: true }],
    ['traefik.ingress.kubernetes.io/router.priority', '7', { priority: 7 }],
    ['nginx.ingress.kubernetes.io/proxy-body-size', '8m', { status: 'warning' }],
  ])('honours %s', (name, value, router) => {
    const shop = ingress('shop', [['x.example', 'Prefix /', 'a']], { annotations: { [name]: value } });
    const catalog = compiled([sluiceClass, ...services, shop]);
    expect([...catalog.configuration.routers.values()][0]).toMatchObject(router);
  });

  test('takes the scheme and the sticky cookie from annotations of its Service', () => {
    const prefix = 'traefik.ingress.kubernetes.io/service.';
    const annotations = {
      [`${prefix}serversscheme`]: 'h2c',
      [`${prefix}sticky.cookie.name`]: 'pod',
      [`${prefix}passhostheader`]: 'false',
    };
    const [shop, slice] = service('a', '10.0.0.1');
    const changed = { ...shop, object: { ...shop?.object, metadata: { ...shop?.object?.metadata, annotations } } };
    const catalog = compiled([sluiceClass, changed as never, slice as never, ingress('shop', [['', 'Prefix /', 'a']])]);
    expect(catalog.configuration.services.get('web-a-80@kubernetes')).toMatchObject({
      serverSet: 'web/a:http h2c',
      sticky: { name: 'pod' },
      passHostHeader: false,
    });
  });
});
