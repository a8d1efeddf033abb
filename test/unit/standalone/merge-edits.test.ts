import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeEdits } from '../../../src/standalone/merge-edits.ts';

const stable = { name: 'shop-stable', port: 80 };
const canary = { name: 'shop-canary', port: 80, weight: 25 };
const route = (services: readonly object[], more: object = {}) => ({ match: 'Host(`a`)', services, ...more });
const object = (routes: readonly object[], more: object = {}) => ({
  metadata: { name: 'shop' },
  spec: { routes, ...more },
});

/** What a file said, and what Sluice made of it. */
const base = object([route([stable]), { match: 'Host(`b`)', services: [{ name: 'other', port: 80 }] }]);
const weighted = [{ ...stable, weight: 75 }, canary];
const ours = object([route(weighted), base.spec.routes[1] as object]);

describe('mergeEdits', () => {
  it('keeps the weights where the file changes something else of the object', () => {
    const theirs = object(base.spec.routes, { entryPoints: ['web'] });
    expect(mergeEdits<object>(base, ours, theirs)).toEqual(object(ours.spec.routes, { entryPoints: ['web'] }));
  });

  it('keeps the weights where the file changes something else of the route, or its rule', () => {
    const middlewares = [{ name: 'm' }];
    const theirs = object([route([stable], { middlewares }), { match: 'Host(`c`)', services: [] }]);
    expect(mergeEdits<object>(base, ours, theirs)).toEqual(
      object([route(weighted, { middlewares }), { match: 'Host(`c`)', services: [] }]),
    );
    const renamed = object([route([stable], { match: 'Host(`z`)' }), base.spec.routes[1] as object]);
    expect(mergeEdits<object>(base, ours, renamed)).toEqual(
      object([route(weighted, { match: 'Host(`z`)' }), base.spec.routes[1] as object]),
    );
  });

  it('follows a route that stands elsewhere now, and leaves new ones as they are', () => {
    const added = { match: 'Host(`new`)', services: [{ name: 'new', port: 80 }] };
    const theirs = object([added, base.spec.routes[1] as object, route([stable])]);
    expect(mergeEdits<object>(base, ours, theirs)).toEqual(
      object([added, base.spec.routes[1] as object, route(weighted)]),
    );
  });

  it('keeps the weights where the file changes another field of an entry', () => {
    const theirs = object([route([{ ...stable, scheme: 'h2c' }])]);
    expect(mergeEdits<object>(base, ours, theirs)).toEqual(
      object([route([{ ...stable, scheme: 'h2c', weight: 75 }, canary])]),
    );
  });

  it.each<[string, readonly object[]]>([
    ['a weight', [{ ...stable, weight: 10 }]],
    ['the entries', [stable, { name: 'third', port: 80, weight: 1 }]],
    ['a port', [{ ...stable, port: 8080 }]],
  ])('takes the services of a route as the file has them, all of them, where it changes %s', (_what, services) => {
    const theirs = object([route(services), base.spec.routes[1] as object]);
    expect(mergeEdits<object>(base, ours, theirs)).toEqual(theirs);
  });

  it('takes the services of the file where it edits an entry that Sluice has taken out', () => {
    const alone = object([route([{ ...canary, weight: 100 }]), base.spec.routes[1] as object]);
    const theirs = object([route([{ ...stable, scheme: 'h2c' }]), base.spec.routes[1] as object]);
    expect(mergeEdits<object>(base, alone, theirs)).toEqual(theirs);
  });

  it('merges the weighted services of a TraefikService as those of a route', () => {
    const service = (services: readonly object[], more: object = {}) => ({ spec: { weighted: { services, ...more } } });
    const edited = service([{ ...stable, scheme: 'h2c' }], { sticky: { cookie: {} } });
    expect(mergeEdits<object>(service([stable]), service(weighted), edited)).toEqual(
      service([{ ...stable, scheme: 'h2c', weight: 75 }, canary], { sticky: { cookie: {} } }),
    );
    const moved = service([{ ...stable, weight: 10 }]);
    expect(mergeEdits<object>(service([stable]), service(weighted), moved)).toEqual(moved);
  });

  it('drops what Sluice wrote to a route that is gone', () => {
    const theirs = object([base.spec.routes[1] as object]);
    expect(mergeEdits<object>(base, ours, theirs)).toEqual(theirs);
  });

  it('merges finalizers as a set and annotations one by one', () => {
    const before = { metadata: { finalizers: ['a', 'b'], annotations: { command: 'promote 1', note: 'x' } } };
    const written = { metadata: { finalizers: ['a', 'b', 'sluice'], annotations: { note: 'x' } } };
    const edited = { metadata: { finalizers: ['b', 'c'], annotations: { command: 'promote 1', note: 'y' } } };
    expect(mergeEdits<object>(before, written, edited)).toEqual({
      metadata: { finalizers: ['b', 'c', 'sluice'], annotations: { note: 'y' } },
    });
    const asked = { metadata: { ...before.metadata, annotations: { command: 'abort 2', note: 'x' } } };
    expect(mergeEdits<object>(before, written, asked)).toMatchObject({
      metadata: { annotations: { command: 'abort 2' } },
    });
  });

  const values = fc.letrec<{ value: unknown; object: object }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<unknown>(0, 1, 'x'),
      tie('object'),
      fc.array(tie('value'), { maxLength: 2 }),
    ),
    object: fc.dictionary(fc.constantFrom('a', 'b', 'constructor', 'spec', 'routes'), tie('value'), { maxKeys: 3 }),
  })).object;

  it('is the other edit where one changed nothing, whatever the objects', () => {
    fc.assert(
      fc.property(values, values, (before, after) => {
        expect(mergeEdits(before, before, after)).toEqual(after);
        expect(mergeEdits(before, after, before)).toEqual(after);
        expect(mergeEdits(before, after, after)).toEqual(after);
      }),
    );
  });

  it('has every value from one of the two, and none of Sluice where the file is new there', () => {
    fc.assert(
      fc.property(values, values, values, (before, mine, theirs) => {
        const merged = mergeEdits({ x: before, spec: {} }, { x: mine, spec: {} }, { x: theirs, spec: {} });
        expect(mergeEdits({ x: before, spec: {} }, merged, { x: theirs, spec: {} })).toEqual(merged);
      }),
    );
  });
});
