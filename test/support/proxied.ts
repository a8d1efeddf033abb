/** A real API server with Widgets, and before it fault proxies with stores and reflectors behind them, for one test file. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectKey } from '../../src/api/kubernetes.ts';
import { systemClock, type Clock } from '../../src/clock.ts';
import { loadKubeConfig } from '../../src/kube/config.ts';
import type { KubeConnection } from '../../src/kube/connection.ts';
import { createKubeObjectStore, type KubeObjectStore } from '../../src/kube/kube-object-store.ts';
import type { ReflectorOptions } from '../../src/kube/reflector-options.ts';
import { Reflector } from '../../src/kube/reflector.ts';
import { Store } from '../../src/kube/store.ts';
import { startCluster, type Cluster } from './cluster.ts';
import { startFaultProxy, type Certificate, type FaultProxy } from './fault-proxy.ts';
import type { ManualClock } from './manual-clock.ts';
import { installWidgets, widget, widgets, type Widget } from './widgets.ts';

/** Proxied is what the tests of one file share; what a test opened ends with `endTest`. */
export interface Proxied {
  readonly cluster: Cluster;
  /** direct is a store that no fault concerns. */
  readonly direct: KubeObjectStore;
  /** namespaceWith creates a namespace of its own with Widgets of size 1 and returns its name. */
  namespaceWith(...names: readonly string[]): Promise<string>;
  proxy(certificate?: Certificate): Promise<FaultProxy>;
  store(connection: KubeConnection, clock?: Clock): KubeObjectStore;
  reflect(options: ReflectOptions): Reflected;
  endTest(): Promise<void>;
  stop(): Promise<void>;
}

/** ReflectOptions: `random` is always 0 where left out, so that back-offs are the shortest. */
export interface ReflectOptions extends Partial<Pick<ReflectorOptions<Widget>, 'source' | 'random' | 'clock'>> {
  readonly store: KubeObjectStore;
  readonly namespace: string;
}

/** Reflected is a running reflector and what it has said; `stop` resolves when it has ended. */
export interface Reflected {
  readonly cache: Store<Widget>;
  readonly reflector: Reflector<Widget>;
  /** changes is one text a change, e.g. `a 1 → 2`. */
  readonly changes: string[];
  /** errors are the codes of what went wrong, e.g. `ApiThrottled`. */
  readonly errors: string[];
  readonly stop: () => Promise<void>;
}

/** startProxied starts the API server. */
export async function startProxied(): Promise<Proxied> {
  const cluster = await startCluster({ controllerManager: false });
  await installWidgets(cluster);
  const ends: (() => Promise<unknown>)[] = [];
  const open = (connection: KubeConnection, clock: Clock = systemClock): KubeObjectStore =>
    createKubeObjectStore(connection, { clock, fieldManager: 'sluice', version: 'test', random: Math.random });
  const direct = open(await loadKubeConfig({ kubeconfig: cluster.adminKubeconfigFile, env: {} }));
  let namespaces = 0;
  // In reverse: first what uses the connections, then the proxy.
  const endTest = async (): Promise<void> => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  return {
    cluster,
    direct,
    namespaceWith: async (...names) => {
      namespaces += 1;
      const namespace = `n${namespaces}`;
      await cluster.api('POST', '/api/v1/namespaces', { metadata: { name: namespace } });
      for (const name of names) await direct.create(widgets, widget(namespace, name));
      return namespace;
    },
    proxy: async (certificate) => {
      const proxy = await startFaultProxy(cluster, certificate);
      ends.push(() => proxy.stop());
      return proxy;
    },
    store: (connection, clock) => {
      const store = open(connection, clock);
      ends.push(() => store.close());
      return store;
    },
    reflect: (options) => {
      const reflected = reflect(options);
      ends.push(reflected.stop);
      return reflected;
    },
    endTest,
    stop: async () => {
      await endTest();
      await direct.close();
      await cluster.stop();
    },
  };
}

function reflect({
  store,
  namespace,
  clock = systemClock,
  random = () => 0,
  source = store,
}: ReflectOptions): Reflected {
  const cache = new Store<Widget>({ freeze: true });
  const changes: string[] = [];
  const errors: string[] = [];
  const abort = new AbortController();
  const reflector = new Reflector<Widget>({
    source,
    kind: widgets,
    namespace,
    cache,
    clock,
    random,
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
  return { cache, reflector, changes, errors, stop };
}

/** advanceUntil moves time on, a second at a time, until `check` holds, and returns how much went by; at most `limitMs`. */
export async function advanceUntil(
  clock: ManualClock,
  limitMs: number,
  check: () => boolean,
  stepMs = 1000,
): Promise<number> {
  const startMs = clock.monotonicMs();
  while (!check()) {
    if (clock.monotonicMs() - startMs >= limitMs) throw new Error(`It did not happen within ${limitMs / 1000} s.`);
    await clock.advance(stepMs);
    // What is under way in the real world must get its time, or deadlines would pass before an answer can come.
    await sleep(10);
  }
  return clock.monotonicMs() - startMs;
}
