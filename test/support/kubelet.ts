/** Plays scheduler and kubelet of a few machines: each pod gets an address and is ready at once, or is gone at once. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesObject } from '../../src/api/kubernetes.ts';
import type { ApiMethod } from './api-client.ts';
import type { Cluster } from './cluster.ts';

/** Pod is what is looked at of one. */
export interface Pod extends KubernetesObject {
  readonly spec?: {
    readonly nodeName?: string;
    /** affinity is how a DaemonSet says for which node a pod is. */
    readonly affinity?: {
      readonly nodeAffinity?: {
        readonly requiredDuringSchedulingIgnoredDuringExecution?: {
          readonly nodeSelectorTerms: readonly {
            readonly matchFields?: readonly { readonly values: readonly string[] }[];
          }[];
        };
      };
    };
  };
  readonly status?: { readonly podIP?: string };
}

type Labels = Readonly<Record<string, string>>;

/** Kubelet goes on until stopped. */
export interface Kubelet {
  stop(): Promise<void>;
}

/** AddressesFor returns the addresses that a pod may have; none for one that is not to become ready. */
export type AddressesFor = (pod: Pod) => readonly string[];

const nodes = ['machine-1', 'machine-2', 'machine-3'] as const;

/**
 * startKubelet looks at all pods a few times a second. A pod gets the first of its addresses that no other pod of its
 * namespace has, as soon as there is one. There are three nodes, because the EndpointSlice controller leaves out pods
 * without one; all but the first have the labels `nodeLabels`.
 */
export async function startKubelet(
  cluster: Cluster,
  { addressesFor, nodeLabels }: { readonly addressesFor: AddressesFor; readonly nodeLabels: Labels },
): Promise<Kubelet> {
  for (const name of nodes) {
    const labels = name === nodes[0] ? {} : nodeLabels;
    await send(cluster, 'POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } });
    // A new node is tainted until its kubelet reports.
    await send(cluster, 'PATCH', `/api/v1/nodes/${name}`, { spec: { taints: null } });
  }
  const stopped = new AbortController();
  const running = (async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await lookAtPods(cluster, addressesFor);
      await sleep(300, undefined, { signal: stopped.signal }).catch(() => {});
    }
  })();
  // Whoever waits for a pod says what is missing; stop says why.
  running.catch(() => {});
  return {
    stop: async () => {
      stopped.abort();
      await running;
    },
  };
}

async function lookAtPods(cluster: Cluster, addressesFor: AddressesFor): Promise<void> {
  const { items: pods } = (await send(cluster, 'GET', '/api/v1/pods')) as { readonly items: readonly Pod[] };
  const taken = new Set(pods.map(({ metadata, status }) => `${metadata.namespace} ${status?.podIP ?? ''}`));
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp !== undefined) {
      await send(cluster, 'DELETE', `${pathOf(pod)}?gracePeriodSeconds=0`);
    } else if (pod.status?.podIP === undefined) {
      const { namespace = '' } = pod.metadata;
      const address = addressesFor(pod).find((one) => !taken.has(`${namespace} ${one}`));
      if (address === undefined) continue;
      taken.add(`${namespace} ${address}`);
      await startPod(cluster, pod, address);
    }
  }
}

async function startPod(cluster: Cluster, pod: Pod, address: string): Promise<void> {
  if (pod.spec?.nodeName === undefined) {
    const target = { apiVersion: 'v1', kind: 'Node', name: nodeFor(pod) };
    const { name } = pod.metadata;
    await send(cluster, 'POST', `${pathOf(pod)}/binding`, {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name },
      target,
    });
  }
  const condition = { type: 'Ready', status: 'True', lastTransitionTime: new Date().toISOString() };
  const status = { phase: 'Running', podIP: address, podIPs: [{ ip: address }], conditions: [condition] };
  await send(cluster, 'PATCH', `${pathOf(pod)}/status`, { status });
}

function nodeFor({ spec }: Pod): string {
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  return terms[0]?.matchFields?.[0]?.values[0] ?? nodes[0];
}

function pathOf({ metadata }: Pod): string {
  return `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;
}

async function send(cluster: Cluster, method: ApiMethod, path: string, object?: object): Promise<unknown> {
  const answer = await cluster.api(
    method,
    path,
    object,
    method === 'PATCH' ? 'application/strategic-merge-patch+json' : undefined,
  );
  // A pod of an old revision may be gone in between.
  if (answer.status >= 400 && answer.status !== 404)
    throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}
