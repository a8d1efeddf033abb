/** Objects in memory in place of an API server, so that it is known when a list or an event has been received. */
import type { KubernetesObject, ResourceKind } from '../../src/api/kubernetes.ts';
import type { ListOptions, ObjectList, WatchEvent } from '../../src/api/object-store.ts';
import { SluiceError } from '../../src/errors.ts';
import type { ReflectorSource } from '../../src/kube/reflector-options.ts';

/** MemorySource is a ReflectorSource that is told what changes. */
export interface MemorySource extends ReflectorSource {
  /** put stores objects without telling anybody: the next list has them. */
  put(plural: string, objects: readonly KubernetesObject[]): void;
  /** replace makes these the only ones of a kind. */
  replace(plural: string, objects: readonly KubernetesObject[]): void;
  /** change stores an object and sends it to the watch. */
  change(plural: string, object: KubernetesObject): void;
  /** expire ends the watch of a kind as one that is too old, so that a list follows. */
  expire(plural: string): void;
  /** listedMs is when the last list was received. */
  listedMs(): number;
}

/** createMemorySource returns a source without objects. */
export function createMemorySource(): MemorySource {
  const objects = new Map<string, Map<string, KubernetesObject>>();
  const keeps = new Map<string, (object: KubernetesObject) => KubernetesObject>();
  const watches = new Map<string, (event: WatchEvent<KubernetesObject> | 'Gone') => void>();
  let version = 1;
  let listedMs = 0;
  const put = (plural: string, items: readonly KubernetesObject[]): readonly KubernetesObject[] => {
    const known = objects.get(plural) ?? new Map<string, KubernetesObject>();
    objects.set(plural, known);
    return items.map((item) => {
      version += 1;
      const { name } = item.metadata;
      const stored = { ...item, metadata: { ...item.metadata, uid: name, resourceVersion: String(version) } };
      known.set(name, keeps.get(plural)?.(stored) ?? stored);
      return stored;
    });
  };
  return {
    put,
    replace: (plural, items) => {
      objects.delete(plural);
      put(plural, items);
    },
    change: (plural, object) => {
      for (const stored of put(plural, [object])) watches.get(plural)?.({ type: 'Modified', object: stored });
    },
    expire: (plural) => watches.get(plural)?.('Gone'),
    listedMs: () => listedMs,
    list: <T extends KubernetesObject>({ plural }: ResourceKind, { keep }: ListOptions<T> = {}) => {
      // Real lists come in pages, each of which is read in a turn of its own; here all is read before it is listed.
      if (keep !== undefined) keeps.set(plural, keep as unknown as (object: KubernetesObject) => KubernetesObject);
      const items = [...(objects.get(plural)?.values() ?? [])] as T[];
      const list: ObjectList<T> = { items, resourceVersion: `${version}` };
      listedMs = performance.now();
      return Promise.resolve(list);
    },
    watch: <T extends KubernetesObject>({ plural }: ResourceKind, { signal }: { readonly signal: AbortSignal }) => {
      const events = eventsUntil(signal);
      watches.set(plural, events.add);
      return events.read() as AsyncIterable<WatchEvent<T>>;
    },
  };
}

function eventsUntil(signal: AbortSignal) {
  let waiting: (WatchEvent<KubernetesObject> | 'Gone')[] = [];
  let wake = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => wake.resolve());
  return {
    add: (event: WatchEvent<KubernetesObject> | 'Gone'): void => {
      waiting.push(event);
      wake.resolve();
    },
    async *read(): AsyncGenerator<WatchEvent<KubernetesObject>> {
      while (!signal.aborted) {
        await wake.promise;
        wake = Promise.withResolvers();
        const events = waiting;
        waiting = [];
        for (const event of events) {
          if (event === 'Gone') throw new SluiceError('ApiGone', 'The version of the watch is too old.');
          yield event;
        }
      }
    },
  };
}
