import { describe, expect, test } from 'vitest';
import { compiled, service } from './objects.ts';
import { backendOf, ingress, type IngressRest, messages, type PathSpec, routerFor, sluiceClass } from './ingresses.ts';

const services = ['a', 'b', 'c', 'other/a'].flatMap((name) => service(name, '10.0.0.1'));
const path = (name: string): readonly PathSpec[] => [['x.example', 'Prefix /', name]];
const main = ingress('shop', path('a'));

/** canary is an Ingress of the canary `b` with these annotations behind `canary-`. */
function canary(
  given: Readonly<Record<string, string>>,
  rest: IngressRest = {},
  prefix = 'nginx.ingress.kubernetes.io/',
) {
  const entries = Object.entries(given).map(([name, value]) => [`${prefix}canary-${name}`, value]);
  const annotations = { [`${prefix}canary`]: 'true', ...Object.fromEntries(entries) };
  return ingress('shop-canary', path('b'), { ...rest, annotations: { ...annotations, ...rest.annotations } });
}

function wayOf(given: Readonly<Record<string, string>>, headers: readonly string[] = []): string | undefined {
  const catalog = compiled([sluiceClass, ...services, main, canary(given)]);
  expect(messages(catalog)).toEqual([]);
  return backendOf(catalog, 'x.example/', { headers });
}

const byHeader = { 'by-header': 'X-Canary', weight: '10' };
const byCookie = { 'by-cookie': 'canary', weight: '10' };
const both = { ...byHeader, ...byCookie };
const shared = 'a:90 b:10';

/** https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#canary, sentence by sentence. */
const documented: readonly (readonly [
  what: string,
  given: Readonly<Record<string, string>>,
  headers: readonly string[],
  way: string,
])[] = [
  ['no rule', {}, [], 'a'],
  ['a weight', { weight: '10' }, [], shared],
  ['a weight of 0', { weight: '0' }, [], 'a'],
  ['a weight of all', { weight: '100' }, [], 'b:100'],
  ['a weight of a total', { weight: '1', 'weight-total': '1000' }, [], 'a:999 b:1'],
  ['a header that is not there', byHeader, [], shared],
  ['a header: always', byHeader, ['X-Canary', 'always'], 'b'],
  ['a header in other letters', byHeader, ['x-cAnary', 'always'], 'b'],
  ['a header: never', byHeader, ['X-Canary', 'never'], 'a'],
  ['a header: another value', byHeader, ['X-Canary', 'yes'], shared],
  ['a value of a header', { ...byHeader, 'by-header-value': 'user-1' }, ['X-Canary', 'user-1'], 'b'],
  ['a value of a header: another one', { ...byHeader, 'by-header-value': 'user-1' }, ['X-Canary', 'user-2'], shared],
  [
    'a value of a header: always is no other',
    { ...byHeader, 'by-header-value': 'user-1' },
    ['X-Canary', 'always'],
    shared,
  ],
  ['a value without a header', { weight: '10', 'by-header-value': 'user-1' }, ['X-Canary', 'user-1'], shared],
  ['a pattern of a header', { ...byHeader, 'by-header-pattern': '^user-[12]$' }, ['X-Canary', 'user-2'], 'b'],
  [
    'a pattern of a header: no match',
    { ...byHeader, 'by-header-pattern': '^user-[12]$' },
    ['X-Canary', 'user-3'],
    shared,
  ],
  [
    'a pattern beside a value',
    { ...byHeader, 'by-header-value': 'user-1', 'by-header-pattern': '^user-2$' },
    ['X-Canary', 'user-2'],
    shared,
  ],
  ['a cookie: always', byCookie, ['Cookie', 'x=1; canary=always'], 'b'],
  ['a cookie: never', byCookie, ['Cookie', 'canary=never; x=1'], 'a'],
  ['a cookie: another value', byCookie, ['Cookie', 'canary=alwaysx'], shared],
  ['a cookie with a longer name', byCookie, ['Cookie', 'acanary=always'], shared],
  ['header before cookie', both, ['X-Canary', 'never', 'Cookie', 'canary=always'], 'a'],
  ['header before cookie, the other way', both, ['X-Canary', 'always', 'Cookie', 'canary=never'], 'b'],
  ['cookie where the header has another value', both, ['X-Canary', 'maybe', 'Cookie', 'canary=always'], 'b'],
  ['weight where neither decides', both, ['X-Canary', 'maybe', 'Cookie', 'canary=maybe'], shared],
  ['a header without a weight', { 'by-header': 'X-Canary' }, ['X-Canary', 'maybe'], 'a'],
];

describe('the annotations of ingress-nginx', () => {
  test.each(documented)('%s', (_, given, headers, way) => {
    expect(wayOf(given, headers)).toBe(way);
  });

  test('mean the same with our own prefix, which wins', () => {
    const own = canary(
      { weight: '30' },
      { annotations: { 'nginx.ingress.kubernetes.io/canary-weight': '70' } },
      'sluice.dev/',
    );
    const catalog = compiled([sluiceClass, ...services, main, own]);
    expect(backendOf(catalog, 'x.example/')).toBe('a:70 b:30');
  });

  test('change with the canary, and end with it', () => {
    const catalog = compiled([sluiceClass, ...services, main]);
    const seen = (change: ReturnType<typeof canary>) => {
      catalog.apply([change]);
      return backendOf(catalog, 'x.example/');
    };
    expect(seen(canary({ weight: '10' }))).toBe('a:90 b:10');
    expect(seen(canary({ weight: '20' }))).toBe('a:80 b:20');
    expect(seen(ingress('shop-canary', [['y.example', 'Prefix /', 'b']]))).toBe('a');
    expect(seen(canary({ weight: '10' }))).toBe('a:90 b:10');
    expect(seen({ ...canary({}), object: undefined })).toBe('a');
    expect(catalog.configuration.services.size).toBe(1);
  });

  test('hold for the longest path only, as for the main Ingress', () => {
    const paths: readonly PathSpec[] = [
      ['x.example', 'Prefix /', 'a'],
      ['x.example', 'Prefix /api', 'c'],
    ];
    const catalog = compiled([sluiceClass, ...services, ingress('shop', paths), canary(both)]);
    const headers = ['X-Canary', 'always'];
    expect(backendOf(catalog, 'x.example/', { headers })).toBe('b');
    expect(backendOf(catalog, 'x.example/api', { headers })).toBe('c');
  });
});

describe('a canary that cannot be one says so, and takes nothing', () => {
  const refused = [
    [
      'without a main Ingress',
      [canary({ weight: '10' })],
      'no other Ingress of this namespace and class with the host x.example and the path / exists',
    ],
    [
      'with the main Ingress in another namespace',
      [ingress('other/shop', path('a')), canary({ weight: '10' })],
      'no other Ingress',
    ],
    [
      'with a main Ingress of another class',
      [ingress('shop', path('a'), { spec: { ingressClassName: 'nginx' } }), canary({})],
      'no other Ingress',
    ],
    [
      'with another type of path',
      [ingress('shop', [['x.example', 'Exact /', 'a']]), canary({ weight: '10' })],
      'no other Ingress',
    ],
    [
      'with a weight that is none',
      [main, canary({ weight: 'many' })],
      'canary-weight: found "many"; write a number from 0 to 100.',
    ],
    ['with a weight above all', [main, canary({ weight: '101' })], 'write a number from 0 to 100.'],
    ['with a total of nothing', [main, canary({ weight: '0', 'weight-total': '0' })], 'write a number above 0.'],
    ['with a header that is none', [main, canary({ 'by-header': 'X Canary' })], 'which is no name'],
    [
      'with a pattern that is none',
      [main, canary({ 'by-header': 'X', 'by-header-pattern': '(' })],
      'canary-by-header-pattern: found "("',
    ],
    [
      'without its Service',
      [main, ingress('shop-canary', path('missing'), { annotations: { 'sluice.dev/canary': 'true' } })],
      'Service web/missing does not exist',
    ],
    [
      'with an annotation of another purpose',
      [main, canary({ weight: '10' }, { annotations: { 'nginx.ingress.kubernetes.io/auth-url': 'x' } })],
      'auth-url: it is not supported',
    ],
  ] as const;

  test.each(refused)('%s', (_, objects, message) => {
    const catalog = compiled([sluiceClass, ...services, ...objects]);
    expect(messages(catalog)).toEqual([expect.stringContaining(message)]);
    expect(catalog.invalidObjects()).toMatchObject([{ kind: 'Ingress', name: 'shop-canary' }]);
    const leaves = [...catalog.configuration.services.values()].map(({ name }) => name);
    expect(leaves).not.toContain('web-b-80@kubernetes');
  });

  test('is shown on the router of the main Ingress, which serves', () => {
    const catalog = compiled([sluiceClass, ...services, main, canary({ weight: 'many' })]);
    const router = routerFor(catalog, 'x.example/');
    expect(router).toMatchObject({ status: 'warning', errors: [expect.stringContaining('found "many"')] });
  });

  test('and the second one of two says which the first is', () => {
    const young = ingress('canary-2', path('c'), {
      createdAt: '2026-02-01T00:00:00Z',
      annotations: { 'sluice.dev/canary': 'true', 'sluice.dev/canary-weight': '50' },
    });
    const catalog = compiled([sluiceClass, ...services, young, main, canary({ weight: '10' })]);
    expect(backendOf(catalog, 'x.example/')).toBe('a:90 b:10');
    expect(messages(catalog)).toEqual([
      'Ingress web/canary-2, spec.rules[0].http.paths[0]: Ingress web/shop-canary is a canary of the same host and path and older, so that this one gets no requests; remove one.',
    ]);
  });
});
