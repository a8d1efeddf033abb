import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyOf, type KubernetesObject } from '../../src/api/kubernetes.ts';
import { Store } from '../../src/kube/store.ts';

type State = ReadonlyMap<string, KubernetesObject>;

/** history plays random creations, changes and deletions on one server and returns its state at each resourceVersion. */
const history = fc
  .array(fc.record({ name: fc.constantFrom('a', 'b', 'c'), isDeletion: fc.boolean() }), { minLength: 1, maxLength: 30 })
  .map((writes) => {
    const states: State[] = [new Map()];
    const events: { readonly isDeletion: boolean; readonly object: KubernetesObject }[] = [];
    writes.forEach(({ name, isDeletion }, index) => {
      const resourceVersion = String(index + 1);
      const state = new Map(states.at(-1));
      const uid = state.get(name)?.metadata.uid ?? `uid-${resourceVersion}`;
      const object = { metadata: { name, namespace: 'web', uid, resourceVersion } };
      const exists = state.has(name);
      if (isDeletion) state.delete(name);
      else state.set(name, object);
      states.push(state);
      if (!isDeletion || exists) events.push({ isDeletion, object });
    });
    return { states, events };
  });

describe('Store, fed by a server whose answers come late, twice and out of order', () => {
  it('never goes back to an older state of an object', () => {
    fc.assert(
      fc.property(history, fc.array(fc.tuple(fc.boolean(), fc.nat(60))), ({ states, events }, deliveries) => {
        const store = new Store({ indexes: { byName: (object: KubernetesObject) => [object.metadata.name] } });
        for (const [isList, number] of deliveries) {
          const before = store.list();
          const at = number % states.length;
          const event = events[number % Math.max(1, events.length)];
          if (isList) replace(store, states[at], at);
          else if (event?.isDeletion === true) store.delete(event.object);
          else if (event !== undefined) store.apply(event.object);

          for (const object of before) {
            const after = store.get(keyOf(object));
            if (after !== undefined) expect(versionOf(after)).toBeGreaterThanOrEqual(versionOf(object));
          }
          const indexed = ['a', 'b', 'c'].flatMap((name) => store.byIndex('byName', name));
          expect(new Set(indexed)).toEqual(new Set(store.list()));
        }
      }),
    );
  });

  it('is equal to the server after a list and all events that followed it, in order', () => {
    fc.assert(
      fc.property(history, fc.nat(30), ({ states, events }, start) => {
        const at = start % states.length;
        const store = new Store();
        replace(store, states[at], at);
        for (const { isDeletion, object } of events) {
          // Some events are older than the list and must change nothing that the list knows better.
          if (Number(object.metadata.resourceVersion) <= at) continue;
          if (isDeletion) store.delete(object);
          else store.apply(object);
        }
        const expected = [...(states.at(-1)?.values() ?? [])];
        expect(new Set(store.list())).toEqual(new Set(expected));
      }),
    );
  });
});

function replace(store: Pick<Store<KubernetesObject>, 'replacing'>, state: State | undefined, at: number): void {
  // The changes are made as they are asked for.
  for (const _ of store.replacing([...(state?.values() ?? [])], { resourceVersion: String(at) }));
}

function versionOf(object: KubernetesObject | undefined): number {
  return Number(object?.metadata.resourceVersion);
}
