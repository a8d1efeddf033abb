/** Two workloads of a shop as people make them, for rollouts that copy from one to the other. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type KubernetesObject, type ResourceKind, resources } from '../../src/api/kubernetes.ts';
import type { WorkloadRef } from '../../src/api/rollout.ts';
import { eventually } from './eventually.ts';
import { readObject, setPodsReady } from './objects.ts';
import type { Shop } from './shop.ts';
import { shopNamespace, type Stage } from './stage.ts';

/** Template is what a test says of a pod template; the labels are always those of its Deployment. */
export interface Template {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec: Readonly<Record<string, unknown>> & { readonly containers: readonly object[] };
}

/** StoredTemplate is a pod template as the API server has it, with all its defaults. */
export interface StoredTemplate {
  readonly metadata: { readonly labels: object; readonly annotations?: object };
  readonly spec: { readonly containers: readonly { readonly name: string; readonly image: string }[] };
}

interface Stored extends KubernetesObject {
  readonly spec: { readonly selector: object; readonly template: StoredTemplate };
  readonly status?: Readonly<Record<string, number>>;
}

/** app is a pod with one container. */
export function app(image: string): Template {
  return { spec: { containers: [{ name: 'app', image }] } };
}

/** Deployed is a workload of two pods with the label `track`; without a `kind` it is a Deployment. */
export interface Deployed {
  readonly name: string;
  readonly track: string;
  readonly template: Template;
  readonly kind?: Kind;
  /** manager applies it on the server's side; left out, a person applies it with kubectl. */
  readonly manager?: string;
}

type Kind = WorkloadRef['kind'];

const kinds = {
  Deployment: resources.deployments,
  StatefulSet: resources.statefulSets,
  DaemonSet: resources.daemonSets,
} as const satisfies Record<Kind, ResourceKind>;

/** deploy applies a workload. A DaemonSet has a pod for each node, for which putNodes is there. */
export async function deploy({ cluster }: Stage, deployed: Deployed): Promise<void> {
  const { name, track, template, kind = 'Deployment', manager } = deployed;
  const labels = { app: name, track };
  const counted = kind === 'DaemonSet' ? {} : { replicas: 2 };
  const named = kind === 'StatefulSet' ? { serviceName: name } : {};
  // Nodes without a kubelet are never ready, which pods have to bear.
  const borne = kind === 'DaemonSet' ? { tolerations: [{ operator: 'Exists' }] } : {};
  const object = {
    apiVersion: 'apps/v1',
    kind,
    metadata: { namespace: shopNamespace, name },
    spec: {
      ...counted,
      ...named,
      selector: { matchLabels: labels },
      template: { metadata: { labels, annotations: template.annotations ?? {} }, spec: { ...template.spec, ...borne } },
    },
  };
  const how = manager === undefined ? [] : ['--server-side', `--field-manager=${manager}`, '--force-conflicts'];
  await cluster.kubectl(['apply', ...how, '-f', '-'], { input: JSON.stringify(object) });
}

/** putNodes registers two nodes that no kubelet runs. */
export async function putNodes({ cluster }: Stage): Promise<void> {
  for (const name of ['node-1', 'node-2']) {
    const object = { apiVersion: 'v1', kind: 'Node', metadata: { name } };
    await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(object) });
  }
}

/** rollOut deploys and makes the pods ready. */
export async function rollOut(stage: Stage, deployed: Deployed): Promise<void> {
  await deploy(stage, deployed);
  await becomeReady(stage, deployed.name, deployed.kind);
}

/** becomeReady makes the pods of a workload ready, as kubelets would, until both are new and ready. */
export async function becomeReady(stage: Stage, name: string, kind: Kind = 'Deployment'): Promise<void> {
  const named = { namespace: shopNamespace, name };
  const isReady = async (): Promise<boolean> => {
    await setPodsReady(stage.cluster, named, true);
    const { metadata, status = {} } = await readWorkload(stage, name, kind);
    const { updatedReplicas, readyReplicas, replicas, updatedNumberScheduled, numberReady, desiredNumberScheduled } =
      status;
    const counts =
      kind === 'DaemonSet'
        ? [updatedNumberScheduled, numberReady, desiredNumberScheduled]
        : [updatedReplicas, readyReplicas, replicas];
    return status['observedGeneration'] === metadata.generation && counts.every((count) => count === 2);
  };
  await eventually(isReady, { timeoutMs: 60_000, intervalMs: 200, describe: `${kind} ${name} to be rolled out` });
}

/** readWorkload reads a workload with its pod template. */
export async function readWorkload({ cluster }: Stage, name: string, kind: Kind = 'Deployment'): Promise<Stored> {
  const found = await readObject<Stored>(cluster, kinds[kind], { namespace: shopNamespace, name });
  if (found === undefined) throw new Error(`${kind} ${name} is gone`);
  return found;
}

/** images are what the containers of a workload run. */
export async function images(stage: Stage, name: string, kind: Kind = 'Deployment'): Promise<readonly string[]> {
  return (await readWorkload(stage, name, kind)).spec.template.spec.containers.map(({ image }) => image);
}

/** pair is what the spec of a Rollout says of the two versions. */
export function pair(shop: Shop, kind: Kind = 'Deployment'): { readonly stable: object; readonly canary: object } {
  const arm = (version: string) => ({
    service: `${shop.name}-${version}`,
    port: 80,
    workload: { kind, name: `${shop.name}-${version}` },
  });
  return { stable: arm('stable'), canary: arm('canary') };
}

/** grantCopy applies the overlay with the rights for a Copy. */
export async function grantCopy({ cluster }: Stage): Promise<void> {
  const overlay = fileURLToPath(new URL('../../manifests/overlays/copy', import.meta.url));
  await cluster.kubectl(['apply', '--server-side', '-k', path.normalize(overlay)]);
}
