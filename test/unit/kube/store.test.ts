import { describe, expect, it } from 'vitest';
import type { KubernetesObject } from '../../../src/api/kubernetes.ts';
import { Store } from '../../../src/kube/store.ts';

interface Route extends KubernetesObject {
  readonly services?: readonly string[];
}

function route(name: string, resourceVersion: string, fields: Partial<Route> & { readonly uid?: string } = {}): Route {
  const { uid = `uid-${name}`, ...rest } = fields;
  return { metadata: { name, namespace: 'web', uid, resourceVersion }, ...rest };
}

function build(): Store<Route, 'byService'> {
  return new Store<Route, 'byService'>({
    indexes: { byService: (each) => each.services ?? [] },
    freeze: true,
  });
}

/** replace makes the store equal to a list at once. */
const replace = (
  store: Store<Route, 'byService'>,
  items: readonly Route[],
  list: Parameters<Store<Route>['replacing']>[1],
) => [...store.replacing(items.map(store.keep), list)].flat();

const names = (routes: readonly Route[]): readonly string[] => routes.map((each) => each.metadata.name).sort();

describe('Store', () => {
  it('returns what changed, with the state before and after', () => {
    const store = build();
    const first = store.apply(route('a', '1'));
    expect(first).toMatchObject({ key: 'web/a', before: undefined, after: { metadata: { resourceVersion: '1' } } });
    const second = store.apply(route('a', '2'));
    expect(second).toMatchObject({
      before: { metadata: { resourceVersion: '1' } },
      after: { metadata: { resourceVersion: '2' } },
    });
    const third = store.delete(route('a', '3'));
    expect(third).toMatchObject({ before: { metadata: { resourceVersion: '2' } }, after: undefined });
    expect(store.size).toBe(0);
  });

  it('takes a list of one namespace for no word on the others', () => {
    const store = build();
    const elsewhere: Route = { metadata: { name: 'a', namespace: 'other', uid: 'x', resourceVersion: '1' } };
    store.apply(elsewhere);
    store.apply(route('a', '1'));
    store.apply(route('b', '1'));
    const changes = replace(store, [route('b', '2')], { resourceVersion: '3', namespace: 'web' });
    expect(changes.map(({ key }) => key)).toEqual(['web/b', 'web/a']);
    expect(store.get('other/a')).toEqual(elsewhere);
  });

  it('row 13: ignores a repeated and an older state of the same object', () => {
    const store = build();
    store.apply(route('a', '10'));
    expect(store.apply(route('a', '10'))).toBeUndefined();
    expect(store.apply(route('a', '9'))).toBeUndefined();
    expect(store.get('web/a')?.metadata.resourceVersion).toBe('10');
  });

  it('row 13: takes a new object of the same name, and never the one before it again', () => {
    const store = build();
    store.apply(route('a', '10'));
    const change = store.apply(route('a', '14', { uid: 'another' }));
    expect(change).toMatchObject({ before: { metadata: { uid: 'uid-a' } }, after: { metadata: { uid: 'another' } } });
    expect(store.apply(route('a', '12'))).toBeUndefined();
    expect(store.get('web/a')?.metadata.uid).toBe('another');
  });

  it('row 13: does not delete an object because its predecessor was deleted', () => {
    const store = build();
    store.apply(route('a', '10', { uid: 'new' }));
    expect(store.delete(route('a', '8', { uid: 'old' }))).toBeUndefined();
    expect(store.size).toBe(1);
  });

  it('finds objects by index and follows their changes and deletions', () => {
    const store = build();
    store.apply(route('a', '1', { services: ['stable', 'canary'] }));
    store.apply(route('b', '2', { services: ['stable'] }));
    expect(names(store.byIndex('byService', 'stable'))).toEqual(['a', 'b']);
    store.apply(route('a', '3', { services: ['canary'] }));
    expect(names(store.byIndex('byService', 'stable'))).toEqual(['b']);
    store.delete(route('b', '4'));
    expect(store.byIndex('byService', 'stable')).toEqual([]);
    expect(names(store.byIndex('byService', 'canary'))).toEqual(['a']);
    expect(store.byIndex('byService', 'unknown')).toEqual([]);
  });

  it('becomes equal to a list and returns each addition, change and deletion once', () => {
    const store = build();
    for (const each of [route('same', '1'), route('changed', '2'), route('gone', '3')]) store.apply(each);
    const changes = replace(store, [route('same', '1'), route('changed', '5'), route('new', '6')], {
      resourceVersion: '7',
    });
    const kinds = changes.map(({ key, before, after }) => [key, before === undefined, after === undefined]);
    expect(kinds.sort((a, b) => String(a[0]).localeCompare(String(b[0])))).toEqual([
      ['web/changed', false, false],
      ['web/gone', false, true],
      ['web/new', true, false],
    ]);
    expect(names(store.list())).toEqual(['changed', 'new', 'same']);
  });

  it('keeps what is newer than a list from a server that is behind', () => {
    const store = build();
    store.apply(route('written', '20'));
    store.apply(route('created', '21'));
    expect(replace(store, [route('written', '10')], { resourceVersion: '15' })).toEqual([]);
    expect(store.get('web/written')?.metadata.resourceVersion).toBe('20');
    expect(store.get('web/created')).toBeDefined();
  });

  it('believes an older list when the server has gone back', () => {
    const store = build();
    store.apply(route('a', '20'));
    store.apply(route('b', '21'));
    replace(store, [route('a', '10')], { resourceVersion: '15', isRollback: true });
    expect(store.get('web/a')?.metadata.resourceVersion).toBe('10');
    expect(store.get('web/b')).toBeUndefined();
  });

  it('drops managedFields unless its transform keeps them', () => {
    const object = { metadata: { ...route('a', '1').metadata, managedFields: [{ manager: 'kubectl' }] } };
    const dropping = build();
    dropping.apply(object);
    expect(dropping.get('web/a')?.metadata).not.toHaveProperty('managedFields');
    const keeping = new Store<Route>({ transform: (each) => each });
    keeping.apply(object);
    expect(keeping.get('web/a')?.metadata.managedFields).toEqual([{ manager: 'kubectl' }]);
  });

  it('says what it would keep of an object, and takes that as it is', () => {
    const { keep, ...object } = { keep: build().keep, ...route('a', '1') };
    const kept = keep({ ...object, metadata: { ...object.metadata, managedFields: [] } });
    expect(kept).toEqual(object);
    expect(keep(kept)).toEqual(kept);
  });

  it('row 12: makes stored objects immutable on request, without freezing what it was given', () => {
    const store = build();
    const given = { ...route('a', '1'), services: ['stable'] };
    store.apply(given);
    const stored = store.get('web/a') as unknown as { services: string[] };
    expect(() => stored.services.push('x')).toThrow(TypeError);
    given.services.push('still mine');
    expect(stored.services).toEqual(['stable']);
  });
});
