import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ObjectKey, ResourceKind } from '../../src/api/kubernetes.ts';
import { systemClock } from '../../src/clock.ts';
import { loadKubeConfig } from '../../src/kube/config.ts';
import { createKubeObjectStore, type KubeObjectStore } from '../../src/kube/kube-object-store.ts';
import type { ReflectorSource } from '../../src/kube/reflector-options.ts';
import { Reflector } from '../../src/kube/reflector.ts';
import type { WatchEnd } from '../../src/kube/request.ts';
import { Store } from '../../src/kube/store.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { installWidgets, widget, widgets, type Widget } from '../support/widgets.ts';

let cluster: Cluster;
let store: KubeObjectStore;
const watchEnds: WatchEnd[] = [];
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  cluster = await startCluster({ controllerManager: false });
  await installWidgets(cluster);
  const connection = await loadKubeConfig({ kubeconfig: cluster.adminKubeconfigFile, env: {} });
  store = createKubeObjectStore(connection, {
    clock: systemClock,
    fieldManager: 'sluice',
    version: 'test',
    random: Math.random,
    observer: { onRequest: () => {}, onWatchEnd: (reason) => watchEnds.push(reason) },
  });
});

afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

afterAll(async () => {
  await store.close();
  await cluster.stop();
});

interface Observed {
  readonly cache: Store<Widget, 'bySize'>;
  readonly changes: string[];
  readonly errors: string[];
  readonly reflector: Reflector<Widget>;
  readonly stop: () => Promise<void>;
}

function reflect(namespace: string, kind: ResourceKind = widgets, source: ReflectorSource = store): Observed {
  const cache = new Store<Widget, 'bySize'>({
    indexes: { bySize: ({ spec }) => [String(spec.size)] },
    freeze: true,
  });
  const changes: string[] = [];
  const errors: string[] = [];
  const abort = new AbortController();
  const reflector = new Reflector<Widget>({
    source,
    kind,
    namespace,
    cache,
    clock: systemClock,
    random: Math.random,
    onChange: (key: ObjectKey, before, after) => {
      changes.push(`${key.split('/')[1] ?? ''} ${before?.spec.size ?? '-'} → ${after?.spec.size ?? '-'}`);
    },
    onError: ({ code }) => errors.push(code),
  });
  const stopped = reflector.start(abort.signal);
  const stop = (): Promise<void> => {
    abort.abort();
    return stopped;
  };
  stops.push(stop);
  return { cache, changes, errors, reflector, stop };
}

async function namespaceWith(name: string, ...objects: readonly string[]): Promise<void> {
  await cluster.api('POST', '/api/v1/namespaces', { metadata: { name } });
  for (const each of objects) {
    const outcome = await store.create(widgets, widget(name, each));
    expect(outcome.kind).toBe('Written');
  }
}

const resize = (namespace: string, name: string, size: number) =>
  store.patch(widgets, `${namespace}/${name}`, [{ op: 'replace', path: '/spec/size', value: size }]);

const remove = (namespace: string, name: string) =>
  cluster.api('DELETE', `/apis/test.sluice.dev/v1/namespaces/${namespace}/widgets/${name}`);

/** equalsServer waits until the cache holds exactly what a fresh list holds. */
async function equalsServer({ cache }: Observed, namespace: string, timeoutMs = 10_000): Promise<void> {
  await eventually(
    async () => {
      const versions = (items: readonly Widget[]) =>
        items.map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion ?? ''}`).sort();
      const { items } = await store.list<Widget>(widgets, { namespace });
      expect(versions(cache.list())).toEqual(versions(items));
      return true;
    },
    { timeoutMs, describe: 'the cache to equal a fresh list' },
  );
}

describe('Reflector on a real API server', () => {
  it('delivers the first list and then each change, and its cache follows', async () => {
    await namespaceWith('first', 'a', 'b');
    const observed = reflect('first');
    await observed.reflector.synced;
    expect([...observed.changes].sort()).toEqual(['a - → 1', 'b - → 1']);
    observed.changes.length = 0;
    await resize('first', 'a', 2);
    await remove('first', 'b');
    await store.create(widgets, widget('first', 'c', 3));
    await eventually(() => observed.changes.length === 3);
    expect(observed.changes).toEqual(['a 1 → 2', 'b 1 → -', 'c - → 3']);
    expect(observed.cache.byIndex('bySize', '2').map((each) => each.metadata.name)).toEqual(['a']);
    expect(observed.cache.byIndex('bySize', '1')).toEqual([]);
    await equalsServer(observed, 'first');
    expect(observed.errors).toEqual([]);
  });

  it('keeps five caches equal to the server through a kill and a restart, and misses nothing that happened right after', async () => {
    await namespaceWith('restart', 'a', 'b');
    const all = Array.from({ length: 5 }, () => reflect('restart'));
    await Promise.all(all.map((each) => each.reflector.synced));
    await cluster.killApiServer();
    await eventually(() => all.every((each) => each.errors.includes('ApiUnreachable')));
    expect(all.map((each) => each.cache.size)).toEqual([2, 2, 2, 2, 2]);
    await cluster.restartApiServer();
    await resize('restart', 'a', 5);
    await remove('restart', 'b');
    await store.create(widgets, widget('restart', 'c'));
    await Promise.all(all.map((each) => equalsServer(each, 'restart', 60_000)));
    await resize('restart', 'c', 9);
    await Promise.all(all.map((each) => equalsServer(each, 'restart')));
    for (const each of all) expect(each.changes.at(-1)).toBe('c 1 → 9');
  });

  it('recovers from a version that is gone by a list of the truth', async () => {
    await namespaceWith('gone', 'a', 'b');
    // The first list says that it is older than the server remembers, as after a long time without a connection.
    let lists = 0;
    const observed = reflect('gone', widgets, {
      list: async (kind, options) => {
        lists += 1;
        const list = await store.list(kind, options);
        return lists === 1 ? { ...list, resourceVersion: '1' } : list;
      },
      watch: (kind, options) => store.watch(kind, options),
    });
    await observed.reflector.synced;
    await remove('gone', 'b');
    await eventually(() => lists === 2);
    await equalsServer(observed, 'gone');
    expect(observed.errors).toEqual(['ApiGone']);
    expect(observed.reflector.rollbacks).toBe(0);
    await resize('gone', 'a', 4);
    await equalsServer(observed, 'gone');
  });

  it('counts a kind that does not exist as synced and empty', async () => {
    const { cache, errors, reflector } = reflect('first', { ...widgets, plural: 'gadgets' });
    await reflector.synced;
    expect(reflector.isKindMissing).toBe(true);
    expect(cache.size).toBe(0);
    expect(errors).toEqual(['ApiNotFound']);
  });

  it('stops within a second, closes its watch and calls nothing back', async () => {
    await namespaceWith('stop', 'a');
    const { changes, reflector, stop } = reflect('stop');
    await reflector.synced;
    // A change that arrives proves that the watch is open.
    await resize('stop', 'a', 2);
    await eventually(() => changes.length === 2);
    watchEnds.length = 0;
    const startedMs = performance.now();
    await stop();
    expect(performance.now() - startedMs).toBeLessThan(1000);
    expect(watchEnds).toEqual(['Left']);
    const count = changes.length;
    await resize('stop', 'a', 3);
    const witness = reflect('stop');
    await witness.reflector.synced;
    await equalsServer(witness, 'stop');
    expect(changes.length).toBe(count);
  });

  it('keeps up with 2000 changes without losing one object', async () => {
    await namespaceWith('busy');
    const observed = reflect('busy');
    await observed.reflector.synced;
    for (let round = 0; round < 10; round += 1) {
      await Promise.all(
        Array.from({ length: 100 }, (_, index) => store.create(widgets, widget('busy', `w${round}-${index}`))),
      );
      await Promise.all(Array.from({ length: 100 }, (_, index) => resize('busy', `w${round}-${index}`, round)));
    }
    await equalsServer(observed, 'busy', 20_000);
    expect(observed.cache.size).toBe(1000);
    expect(observed.errors).toEqual([]);
  });
});
