import jsonPatch, { deepClone } from 'fast-json-patch';
import { describe, expect, it } from 'vitest';
import { resources } from '../../../src/api/kubernetes.ts';
import type { IngressRoute, RouteService } from '../../../src/api/traefik.ts';
import { buildPatch } from '../../../src/traffic/patch.ts';
import { asRoute, type RouteObject } from '../../../src/traffic/route-object.ts';
import { pointerTo } from '../../../src/traffic/service-diff.ts';

const s = (weight?: number): RouteService => ({ name: 's', port: 80, ...(weight === undefined ? {} : { weight }) });
const c = (weight?: number): RouteService => ({ name: 'c', port: 80, ...(weight === undefined ? {} : { weight }) });
const x = (weight?: number): RouteService => ({ name: 'x', port: 80, ...(weight === undefined ? {} : { weight }) });
const ingressRoute = (object: IngressRoute): RouteObject => asRoute(resources.ingressRoutes, object);
const object = (...routes: readonly (readonly RouteService[])[]): RouteObject =>
  ingressRoute({
    metadata: { name: 'shop', namespace: 'web', resourceVersion: '42' },
    spec: {
      entryPoints: ['web'],
      routes: routes.map((services, index) => ({ match: `Host(\`${index}\`)`, services })),
    },
  });
const to = (...routes: readonly (readonly RouteService[])[]) => object(...routes).routes;

describe('buildPatch', () => {
  it.each<[string, readonly RouteService[], readonly RouteService[], readonly object[]]>([
    [
      'adds a weight and an entry',
      [s()],
      [s(95), c(5)],
      [
        { op: 'add', path: '/spec/routes/0/services/0/weight', value: 95 },
        { op: 'add', path: '/spec/routes/0/services/1', value: c(5) },
      ],
    ],
    [
      'replaces weights',
      [s(95), c(5)],
      [s(90), c(10)],
      [
        { op: 'replace', path: '/spec/routes/0/services/0/weight', value: 90 },
        { op: 'replace', path: '/spec/routes/0/services/1/weight', value: 10 },
      ],
    ],
    [
      'removes an entry and a weight',
      [c(5), s(95)],
      [s()],
      [
        { op: 'remove', path: '/spec/routes/0/services/0' },
        { op: 'remove', path: '/spec/routes/0/services/0/weight' },
      ],
    ],
    [
      'removes one of two entries of a Service rather than rewriting the other',
      [s(1), s(3)],
      [s(3)],
      [{ op: 'remove', path: '/spec/routes/0/services/0' }],
    ],
    [
      'counts later indexes after earlier operations',
      [x(), c(100), x(2)],
      [x(), s(1), x(2)],
      [
        { op: 'remove', path: '/spec/routes/0/services/1' },
        { op: 'add', path: '/spec/routes/0/services/1', value: s(1) },
      ],
    ],
  ])('%s', (_name, current, desired, expected) => {
    const operations = buildPatch(object(current), to(desired), 'Entries');
    expect(operations.filter(({ op }) => op !== 'test')).toEqual(expected);
  });

  it('is empty where nothing differs, even without a resourceVersion', () => {
    expect(buildPatch(object([s()]), to([s()]), 'Version')).toEqual([]);
    expect(buildPatch(ingressRoute({ metadata: { name: 'shop' }, spec: {} }), [], 'Version')).toEqual([]);
  });

  it('insists on the object that was read', () => {
    expect(buildPatch(object([x()], [s()]), to([x()], [s(95), c(5)]), 'Version').slice(0, 3)).toEqual([
      { op: 'test', path: '/metadata/resourceVersion', value: '42' },
      { op: 'test', path: '/spec/routes/1/match', value: 'Host(`1`)' },
      { op: 'test', path: '/spec/routes/1/services/0/name', value: 's' },
    ]);
  });

  it('insists on rule and names only, whatever else is written', () => {
    const operations = buildPatch(object([x(), s(95), c(5)], [s()]), to([x(), s()], [s()]), 'Names');
    expect(operations.filter(({ op }) => op === 'test')).toEqual([
      { op: 'test', path: '/spec/routes/0/match', value: 'Host(`0`)' },
      { op: 'test', path: '/spec/routes/0/services/0/name', value: 'x' },
      { op: 'test', path: '/spec/routes/0/services/1/name', value: 's' },
      { op: 'test', path: '/spec/routes/0/services/2/name', value: 'c' },
    ]);
  });

  it('insists on the entries that were read, so that it does not give more where there is less by now', () => {
    const operations = buildPatch(object([x(), s(10), c(90)]), to([x(), s(40), c(60)]), 'Entries');
    expect(operations.filter(({ op }) => op === 'test')).toEqual([
      { op: 'test', path: '/spec/routes/0/match', value: 'Host(`0`)' },
      { op: 'test', path: '/spec/routes/0/services', value: [x(), s(10), c(90)] },
    ]);
    const meanwhile = object([x(), s(70), c(30)]);
    expect(() => jsonPatch.applyPatch(meanwhile.object, deepClone(operations), true)).toThrow('TEST_OPERATION_FAILED');
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      'anything but services would change',
      () => buildPatch(object([s()]), [{ match: 'B', services: [s()] }], 'Entries'),
      /does not give/,
    ],
    ['a route would go away', () => buildPatch(object([s()], [s()]), to([s()]), 'Entries'), /does not give/],
    ['no service would be left', () => buildPatch(object([s()]), to([]), 'Entries'), /without services/],
    [
      'there is no version to insist on',
      () =>
        buildPatch(
          ingressRoute({ ...(object([s()]).object as IngressRoute), metadata: { name: 'shop' } }),
          to([s(2)]),
          'Version',
        ),
      /resourceVersion/,
    ],
  ])('refuses with Internal where %s', (_name, build, message) => {
    expect(build).toThrow(message);
    expect(build).toThrow(expect.objectContaining({ code: 'Internal' }));
  });

  it('does not take two routes that share one object in memory for one', () => {
    const shared = [s()];
    expect(buildPatch(object(shared, shared), to([s(2)], [s()]), 'Entries').at(-1)).toMatchObject({ value: 2 });
  });
});

it('pointerTo escapes what RFC 6901 reserves', () => {
  expect(pointerTo('metadata', 'annotations', 'a/b~c', 0)).toBe('/metadata/annotations/a~1b~0c/0');
});
