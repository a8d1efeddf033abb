/** Reads the Rollout that a command names, and what else the command wants, from the API server of the kubeconfig. */
import { resources, type ObjectKey } from './api/kubernetes.ts';
import type { Rollout } from './api/rollout.ts';
import { systemClock, type Clock } from './clock.ts';
import type { ControllerSettings } from './config.ts';
import { loadKubeConfig } from './kube/config.ts';
import { createKubeObjectStore, type KubeObjectStore } from './kube/kube-object-store.ts';
import { version } from './version.ts';

/** NamedRollout is what a command line says of it; `settings` say which API server. */
export interface NamedRollout {
  readonly name: string | undefined;
  /** namespace is that of the kubeconfig where it is undefined. */
  readonly namespace: string | undefined;
  readonly settings: Pick<ControllerSettings, 'kubeconfig' | 'context'>;
}

/** NamedRolloutHost is what only the process knows. */
export interface NamedRolloutHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** readNamed returns what `read` makes of the Rollout, or that there is none. */
export async function readNamed<T>(
  { name = '', namespace, settings: { kubeconfig, context } }: NamedRollout,
  { env, signal, clock = systemClock }: NamedRolloutHost,
  read: (store: KubeObjectStore, rollout: Rollout) => Promise<T>,
): Promise<T | { readonly kind: 'Failed'; readonly message: string }> {
  const connection = await loadKubeConfig({ kubeconfig, context, env, clock });
  const store = createKubeObjectStore(connection, { clock, random: Math.random, version, fieldManager: 'sluice' });
  try {
    const key: ObjectKey = `${namespace ?? connection.namespace ?? 'default'}/${name}`;
    const rollout = await store.get<Rollout>(resources.rollouts, key, { signal });
    if (rollout !== undefined) return await read(store, rollout);
    return { kind: 'Failed', message: `Rollout ${key} does not exist; see kubectl get slr, or use -f FILE.` };
  } finally {
    await store.close();
  }
}
