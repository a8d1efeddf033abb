/** Workloads of every kind in a test cluster with a controller manager, and the part of kubelet and of nodes that they need. */
import { resources, type KubernetesObject, type ResourceKind } from '../../src/api/kubernetes.ts';
import type { WorkloadKind } from '../../src/reconciler/workloads.ts';
import type { Cluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { apiPathOf, applyObject, readObject, setPodsReady, type Named } from './objects.ts';

const nodes = { group: '', version: 'v1', plural: 'nodes', kind: 'Node' } as const satisfies ResourceKind;

const kinds = {
  Deployment: resources.deployments,
  StatefulSet: resources.statefulSets,
  DaemonSet: resources.daemonSets,
} as const satisfies Record<WorkloadKind, ResourceKind>;

/** Written is a workload to apply: its pods carry the label `app: <name>`, and a new `image` or `restart` is a new revision. */
export interface Written extends Named {
  readonly kind: WorkloadKind;
  readonly image: string;
  /** replicas is 2 if absent; a DaemonSet has one pod on each node. */
  readonly replicas?: number;
  /** restart is what `kubectl rollout restart` writes into the template. */
  readonly restart?: string;
  /** strategy replaces the update strategy of a StatefulSet or DaemonSet. */
  readonly strategy?: object;
}

/** putWorkload applies a workload. */
export async function putWorkload(cluster: Cluster, written: Written): Promise<void> {
  const { kind, namespace, name, image, replicas = 2, restart, strategy } = written;
  const labels = { app: name };
  const annotations = restart === undefined ? {} : { 'kubectl.kubernetes.io/restartedAt': restart };
  await applyObject(cluster, kinds[kind], {
    metadata: { namespace, name },
    spec: {
      ...(kind === 'DaemonSet' ? {} : { replicas }),
      ...(kind === 'StatefulSet' ? { serviceName: name } : {}),
      ...(strategy === undefined ? {} : { updateStrategy: strategy }),
      selector: { matchLabels: labels },
      template: { metadata: { labels, annotations }, spec: { containers: [{ name: 'app', image }] } },
    },
  } as KubernetesObject);
}

/**
 * rollOutWorkload applies a workload, and makes every pod ready, as a kubelet would, until its controller reports that all
 * of them are new and ready.
 */
export async function rollOutWorkload(cluster: Cluster, written: Written): Promise<void> {
  await putWorkload(cluster, written);
  const named = { namespace: written.namespace, name: written.name };
  await eventually(
    async () => {
      await setPodsReady(cluster, named, true);
      const found = await readObject<AnyWorkload>(cluster, kinds[written.kind], named);
      return found !== undefined && isRolledOut(written, found);
    },
    { timeoutMs: 60_000, intervalMs: 200, describe: `${written.kind} ${written.name} to be rolled out` },
  );
}

/** updateRevisionOf returns the name of the ControllerRevision that a StatefulSet is updated to. */
export async function updateRevisionOf(cluster: Cluster, named: Named): Promise<string> {
  return (await readObject<AnyWorkload>(cluster, resources.statefulSets, named))?.status?.updateRevision ?? '';
}

/** putNode creates a node without a kubelet on which pods of DaemonSets are wanted. */
export async function putNode(cluster: Cluster, name: string): Promise<void> {
  await applyObject(cluster, nodes, { metadata: { name } });
  // Admission taints what is not ready, and nobody here would ever take that off (TaintNodesByCondition).
  const patch = [{ op: 'add', path: '/spec/taints', value: [] }];
  const answer = await cluster.api('PATCH', apiPathOf(nodes, { name }), patch, 'application/json-patch+json');
  if (answer.status >= 400) throw new Error(JSON.stringify(answer.body));
}

interface AnyWorkload extends KubernetesObject {
  readonly status?: {
    readonly observedGeneration?: number;
    readonly updateRevision?: string;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly readyReplicas?: number;
    readonly desiredNumberScheduled?: number;
    readonly updatedNumberScheduled?: number;
    readonly numberReady?: number;
  };
}

function isRolledOut({ kind, replicas = 2 }: Written, { metadata, status = {} }: AnyWorkload): boolean {
  if (status.observedGeneration !== metadata.generation) return false;
  if (kind !== 'DaemonSet')
    return [status.replicas, status.updatedReplicas, status.readyReplicas].every((count) => count === replicas);
  const { desiredNumberScheduled: wanted = 0, updatedNumberScheduled, numberReady } = status;
  return wanted > 0 && updatedNumberScheduled === wanted && numberReady === wanted;
}
