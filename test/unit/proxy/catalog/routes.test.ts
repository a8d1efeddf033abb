import { describe, expect, test } from 'vitest';
import { compiled, object, onlyRouter, route, service, target, urls, weights } from './objects.ts';

const plain = { name: 'plain', port: 80 };
const canary = { name: 'canary', port: 80 };
const both = [...service('plain', '10.0.0.1'), ...service('canary', '10.0.1.1')];
const leaf = (name: string): string => `web-${name}-80@kubernetescrd`;

describe('a route', () => {
  test('to one Service has a leaf with the name of its router', () => {
    const catalog = compiled([...both, route([plain])]);
    const router = onlyRouter(catalog);
    expect(router).toMatchObject({
      status: 'enabled',
      errors: [],
      priority: 17,
      isTls: false,
      syntax: 'v3',
      entryPoints: ['web'],
    });
    expect(router.service).toBe(router.name);
    expect(urls(catalog)).toEqual(['http://10.0.0.1:8080']);
    expect([...catalog.configuration.services.keys()]).toEqual([router.name]);
    expect(catalog.invalidObjects()).toEqual([]);
  });

  test('to two Services shares out by weight, where none is 1 and 0 is kept', () => {
    const catalog = compiled([...both, route([{ ...plain, weight: 0 }, canary])]);
    expect(weights(target(catalog))).toEqual({ [leaf('plain')]: 0, [leaf('canary')]: 1 });
    expect(catalog.configuration.services.size).toBe(3);
  });

  test('that lists a Service twice gives it both weights', () => {
    const catalog = compiled([...both, route([{ ...plain, weight: 2 }, canary, { ...plain, weight: 3 }])]);
    expect(weights(target(catalog))).toEqual({ [leaf('plain')]: 5, [leaf('canary')]: 1 });
  });

  test('says its priority, or has the length of its rule in bytes', () => {
    expect(onlyRouter(compiled([...both, route([plain], { priority: 7 })])).priority).toBe(7);
    expect(onlyRouter(compiled([...both, route([plain], { match: 'Path(`/ä`)' })])).priority).toBe(11);
  });

  test('keeps one router of two with the same rule: the last, as Traefik', () => {
    const routes = [
      { match: 'Host(`a`)', services: [plain] },
      { match: 'Host(`a`)', priority: 9, services: [canary] },
    ];
    const catalog = compiled([...both, object('IngressRoute', 'shop', { spec: { entryPoints: ['web'], routes } })]);
    expect(onlyRouter(catalog).priority).toBe(9);
    expect(urls(catalog)).toEqual(['http://10.0.1.1:8080']);
    const [invalid] = catalog.invalidObjects();
    expect(invalid).toEqual({
      kind: 'IngressRoute',
      namespace: 'web',
      name: 'shop',
      reason: 'DuplicateMatch',
      message:
        'IngressRoute web/shop, spec.routes[0].match: spec.routes[1] has the same rule, and only that one is served, as by Traefik; make one route of them.',
    });
  });
});

describe('of several Services, one that is broken', () => {
  const missing = { name: 'missing', port: 80, weight: 0 };

  test('is left out, and the rest serves with a warning', () => {
    const catalog = compiled([...both, route([plain, missing, canary])]);
    expect(weights(target(catalog))).toEqual({ [leaf('plain')]: 1, [leaf('canary')]: 1 });
    const message =
      'IngressRoute web/shop, spec.routes[0].services[1]: Service web/missing does not exist; create it or correct the name.';
    expect(onlyRouter(catalog)).toMatchObject({ status: 'warning', errors: [message] });
    expect(catalog.invalidObjects()).toMatchObject([{ reason: 'BrokenReference', message }]);
  });

  test('takes the route down where Sluice does as Traefik', () => {
    const catalog = compiled([...both, route([plain, missing])], { isStrict: true });
    expect(onlyRouter(catalog).status).toBe('disabled');
    expect(catalog.configuration.services.size).toBe(0);
  });

  test('comes back by itself', () => {
    const catalog = compiled([...both, route([plain, missing])]);
    const change = catalog.apply(service('missing', '10.0.2.1'));
    expect(change.routers.set).toMatchObject([{ status: 'enabled' }]);
    expect(weights(target(catalog))).toEqual({ [leaf('plain')]: 1, [leaf('missing')]: 0 });
    expect(catalog.invalidObjects()).toEqual([]);
  });
});

describe('a route to nothing that works', () => {
  test.each([
    ['a Service that is missing', [{ name: 'missing', port: 80 }], 'Service web/missing does not exist'],
    [
      'two Services that are missing',
      [
        { name: 'x', port: 80 },
        { name: 'y', port: 80 },
      ],
      'Service web/x does not exist',
    ],
    [
      'a port that is missing',
      [{ name: 'plain', port: 81 }],
      'services[0].port: found 81, but Service web/plain has 80 (http)',
    ],
    ['a quoted number', [{ name: 'plain', port: '80' }], 'Text is the name of a port: leave out the quotes.'],
    [
      'no port',
      [{ name: 'plain' }],
      'services[0].port: there is none; write the port: Service web/plain has 80 (http).',
    ],
    ['an unknown scheme', [{ ...plain, scheme: 'ftp' }], 'services[0].scheme: found ftp; write http, https or h2c'],
    ['an unknown kind', [{ ...plain, kind: 'Pod' }], 'services[0].kind: found Pod; write Service or TraefikService.'],
    ['another namespace', [{ ...plain, namespace: 'other' }], 'services[0].namespace: found other'],
    ['an unknown strategy', [{ ...plain, strategy: 'best' }], 'services[0].strategy: found best'],
    ['a wrong duration', [{ ...plain, passiveHealthCheck: { failureWindow: '1x' } }], 'failureWindow: found 1x'],
    ['a wrong interval', [{ ...plain, responseForwarding: { flushInterval: 'x' } }], 'flushInterval: found x'],
    ['a transport that is missing', [{ ...plain, serversTransport: 'x' }], 'ServersTransport web/x does not exist'],
    [
      'a TraefikService that is missing',
      [{ name: 'x', kind: 'TraefikService' }],
      'TraefikService web/x does not exist',
    ],
  ])('answers 503 and says why: %s', (_, services, found) => {
    const catalog = compiled([...both, route(services)]);
    const router = onlyRouter(catalog);
    expect(router.status).toBe('warning');
    expect(router.errors.join(' ')).toContain(found);
    expect(target(catalog)).toMatchObject({ kind: 'LoadBalancer', serverSet: undefined, status: 'warning' });
    expect(onlyRouter(compiled([...both, route(services)], { isStrict: true })).status).toBe('disabled');
  });

  test('is no mistake while pods are missing', () => {
    const catalog = compiled([...service('plain'), route([plain])]);
    expect(onlyRouter(catalog).status).toBe('enabled');
    expect(target(catalog)).toMatchObject({ status: 'enabled' });
    expect(urls(catalog)).toEqual([]);
    const strict = { isStrict: true };
    expect(onlyRouter(compiled([...service('plain'), route([plain])], strict)).status).toBe('disabled');
    const allowing = { ...strict, allowsEmptyServices: true };
    expect(onlyRouter(compiled([...service('plain'), route([plain])], allowing)).status).toBe('enabled');
  });
});

describe('what Sluice cannot do disables the router', () => {
  const cases: readonly (readonly [
    string,
    readonly object[],
    { readonly route?: object; readonly spec?: object },
    string,
  ])[] = [
    [
      'middlewares',
      [plain],
      { route: { middlewares: [{ name: 'auth' }] } },
      'routes[0].middlewares: middlewares (auth) are not supported yet',
    ],
    ['a middleware of a service', [{ ...plain, middlewares: [{ name: 'auth' }] }], {}, 'services[0].middlewares'],
    ['an active health check', [plain, { ...canary, healthCheck: {} }], {}, 'services[1].healthCheck'],
    ['another provider', [{ name: 'api@internal', kind: 'TraefikService' }], {}, 'api@internal is of another provider'],
    ['another provider of transports', [{ ...plain, serversTransport: 'x@file' }], {}, 'x@file is of another provider'],
    [
      'TLS options',
      [plain],
      { spec: { tls: { options: { name: 'mtls' } } } },
      'spec.tls.options: TLSOption mtls is not supported',
    ],
    [
      'parents',
      [plain],
      { spec: { parentRefs: [{ name: 'p' }] } },
      'spec.parentRefs: routes below others are not supported',
    ],
    ['being a parent', [], {}, 'routes[0].services: there is none'],
    ['a rule with a mistake', [plain], { route: { match: 'Host(`a`' } }, 'routes[0].match: the rule cannot be read'],
    ['another kind of route', [plain], { route: { kind: 'Other' } }, 'routes[0].kind: found Other'],
  ];

  test.each(cases)('%s', (_, services, more, found) => {
    for (const isStrict of [false, true]) {
      const catalog = compiled([...both, route(services, more.route, more.spec)], { isStrict });
      const { status, errors } = onlyRouter(catalog);
      expect(status).toBe('disabled');
      expect(errors.join(' ')).toContain(found);
      expect(catalog.invalidObjects().map(({ message }) => message)).toEqual(errors);
    }
  });

  test('but what does no harm is a warning', () => {
    const services = [{ ...plain, strategy: 'leasttime', nodePortLB: true }];
    const tls = { certResolver: 'le', secretName: 'cert' };
    const catalog = compiled([...both, route(services, { observability: { metrics: false } }, { tls })]);
    expect(onlyRouter(catalog).status).toBe('warning');
    expect(
      onlyRouter(catalog).errors.map((error) => error.split(':')[0]?.replace('IngressRoute web/shop, ', '')),
    ).toEqual([
      'spec.tls.secretName',
      'spec.tls.certResolver',
      'spec.routes[0].services[0].strategy',
      'spec.routes[0].services[0].nodePortLB',
      'spec.routes[0].observability.metrics',
    ]);
    expect(urls(catalog)).toHaveLength(1);
  });

  test('a route without a rule has no router', () => {
    const catalog = compiled([...both, route([plain], { match: '' })]);
    expect(catalog.configuration.routers.size).toBe(0);
    expect(catalog.invalidObjects()).toMatchObject([{ reason: 'InvalidRoute' }]);
  });
});

describe('entry points', () => {
  test.each([
    ['web', ['web'], {}, [['', ['web'], false]]],
    ['one with TLS', ['websecure'], {}, [['', ['websecure'], true]]],
    [
      'both',
      ['web', 'websecure'],
      {},
      [
        ['', ['web'], false],
        ['websecure-', ['websecure'], true],
      ],
    ],
    [
      'none, which are all',
      undefined,
      {},
      [
        ['', ['web'], false],
        ['websecure-', ['websecure'], true],
      ],
    ],
    ['web, with tls', ['web'], { tls: {} }, [['', ['web'], true]]],
  ])('%s', (_, entryPoints, more, expected) => {
    const catalog = compiled([...both, route([plain], {}, { entryPoints, ...more })]);
    const routers = [...catalog.configuration.routers.values()];
    const [first] = routers;
    expect(routers.map((router) => [router.name.replace(/web-shop.*$/, ''), router.entryPoints, router.isTls])).toEqual(
      expected,
    );
    expect(routers.map((router) => router.service)).toEqual(routers.map(() => first?.service));
  });

  test('one that does not exist is a warning, none that exists disables', () => {
    const some = onlyRouter(compiled([...both, route([plain], {}, { entryPoints: ['web', 'wbe'] })]));
    expect(some).toMatchObject({ status: 'warning', entryPoints: ['web'] });
    expect(some.errors).toEqual([
      'IngressRoute web/shop, spec.entryPoints: there is no entry point wbe; there are web, websecure.',
    ]);
    const none = onlyRouter(compiled([...both, route([plain], {}, { entryPoints: ['wbe'] })]));
    expect(none).toMatchObject({ status: 'disabled', entryPoints: [] });
  });
});

describe('the ingress class', () => {
  test.each([
    ['', undefined, undefined, true],
    ['', '', undefined, true],
    ['', 'traefik', undefined, true],
    ['', 'nginx', undefined, false],
    ['', undefined, 'nginx', false],
    ['sluice', 'sluice', undefined, true],
    ['sluice', undefined, 'sluice', true],
    ['sluice', 'traefik', 'sluice', false],
    ['sluice', undefined, undefined, false],
  ])('asked for %j, annotation %j, field %j: ours is %j', (ingressClass, annotation, ingressClassName, isOurs) => {
    const annotations = annotation === undefined ? {} : { annotations: { 'kubernetes.io/ingress.class': annotation } };
    const spec = { ingressClassName, routes: [{ match: 'Host(`a`)', services: [plain] }], entryPoints: ['web'] };
    const catalog = compiled([...both, object('IngressRoute', 'shop', { metadata: annotations, spec })], {
      ingressClass,
    });
    expect(catalog.configuration.routers.size).toBe(isOurs ? 1 : 0);
    expect(catalog.invalidObjects()).toEqual([]);
  });
});

describe('names that are taken', () => {
  const older = { metadata: { creationTimestamp: '2025-01-01T00:00:00Z' } };
  const spec = (services: readonly object[], match = 'Host(`a`)') => ({
    spec: { entryPoints: ['web'], routes: [{ match, services }] },
  });

  test('the same Service with other options: those of the older route hold, the other says so', () => {
    const sticky = { sticky: { cookie: { name: 'pod' } } };
    const catalog = compiled([
      ...both,
      object('IngressRoute', 'young', spec([plain, canary])),
      object('IngressRoute', 'old', { ...older, ...spec([{ ...plain, ...sticky }, canary]) }),
    ]);
    expect(catalog.configuration.services.get(leaf('plain'))).toMatchObject({ sticky: { name: 'pod' } });
    const statuses = [...catalog.configuration.routers.values()].map(
      ({ name, status }) => `${name.split('-')[1]} ${status}`,
    );
    expect(statuses.sort()).toEqual(['old enabled', 'young warning']);
    expect(catalog.invalidObjects()).toMatchObject([{ name: 'young', reason: 'NameConflict' }]);
    catalog.apply([object('IngressRoute', 'old', { ...older, ...spec([{ ...plain }, canary]) })]);
    expect(catalog.invalidObjects()).toEqual([]);
  });

  test('another Service of the same name gets no requests that are not its own', () => {
    const named = [
      object('Service', 'a', { spec: { ports: [{ name: 'b', port: 80 }] } }),
      object('Service', 'a-b', { spec: { ports: [{ name: 'b', port: 80 }] } }),
    ];
    const catalog = compiled([
      ...both,
      ...named,
      object('IngressRoute', 'young', spec([plain, { name: 'a', port: 'b' }])),
      object('TraefikService', 'a-b', { ...older, spec: { weighted: { services: [canary] } } }),
    ]);
    expect(weights(target(catalog))).toEqual({ [leaf('plain')]: 1 });
    expect(onlyRouter(catalog).errors.join(' ')).toContain(
      'Service web/a, port b has the same name as TraefikService web/a-b',
    );
  });

  test('of two routers the older one stays', () => {
    const first = object('IngressRoute', 'web/b-c', { ...older, ...spec([plain]) });
    const second = object('IngressRoute', 'web-b/c', spec([{ name: 'x', port: 80 }]));
    const catalog = compiled([...both, ...service('web-b/x', '10.9.9.9'), second, first]);
    expect(urls(catalog)).toEqual(['http://10.0.0.1:8080']);
    expect(catalog.invalidObjects()).toMatchObject([
      { namespace: 'web-b', reason: 'NameConflict' },
      { namespace: 'web-b' },
    ]);
  });
});

test('an object that nobody can read is reported, and the others are served', () => {
  const catalog = compiled([
    ...both,
    route([plain]),
    object('IngressRoute', 'bad', { spec: { routes: 7 } }),
    object('TraefikService', 'bad', { spec: { weighted: { services: [null] } } }),
  ]);
  expect(onlyRouter(catalog).status).toBe('enabled');
  expect(catalog.invalidObjects()).toMatchObject([
    { kind: 'IngressRoute', reason: 'Unreadable' },
    { kind: 'TraefikService', reason: 'Unreadable' },
  ]);
});
