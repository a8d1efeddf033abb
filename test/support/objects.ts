/** Objects as a kubelet, a Service controller or a person would write them into a test cluster. */
import type { Deployment, KubernetesObject, ResourceKind } from '../../src/api/kubernetes.ts';
import { resources } from '../../src/api/kubernetes.ts';
import type { RouteService } from '../../src/api/traefik.ts';
import type { Cluster } from './cluster.ts';
import { eventually } from './eventually.ts';

/** Named is the namespace and name of an object. */
export interface Named {
  readonly namespace: string;
  readonly name: string;
}

/** Endpoint is one address of a Service; `ready` is true if absent. A terminating one is neither ready nor gone. */
export interface Endpoint {
  readonly address: string;
  readonly ready?: boolean;
  readonly terminating?: boolean;
}

const pods = { group: '', version: 'v1', plural: 'pods', kind: 'Pod' } as const satisfies ResourceKind;
const namespaces = {
  group: '',
  version: 'v1',
  plural: 'namespaces',
  kind: 'Namespace',
} as const satisfies ResourceKind;
const fieldManager = 'fieldManager=test&force=true';

/** apiPathOf returns the path of one object, or of a collection without `name`; cluster-scoped without `namespace`. */
export function apiPathOf(kind: ResourceKind, { namespace, name }: Partial<Named>): string {
  const base = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const scope = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return `${base}${scope}/${kind.plural}${name === undefined ? '' : `/${name}`}`;
}

/** applyObject applies an object server-side as field manager `test`, owning what it names; it throws the API's refusal. */
export async function applyObject<T extends KubernetesObject>(
  cluster: Cluster,
  kind: ResourceKind,
  object: T,
): Promise<T> {
  const path = `${apiPathOf(kind, object.metadata)}?${fieldManager}`;
  const typed = { apiVersion: kind.group === '' ? kind.version : `${kind.group}/${kind.version}`, kind: kind.kind };
  return (await send(cluster, 'PATCH', path, { ...typed, ...object })) as T;
}

/** readObject returns an object, or undefined where there is none. */
export async function readObject<T extends KubernetesObject>(
  cluster: Cluster,
  kind: ResourceKind,
  named: Partial<Named>,
): Promise<T | undefined> {
  const answer = await cluster.api('GET', apiPathOf(kind, named));
  if (answer.status === 404) return undefined;
  if (answer.status >= 400) throw new Error(`GET ${apiPathOf(kind, named)}: ${JSON.stringify(answer.body)}`);
  return answer.body as T;
}

/** deleteObject deletes an object in the background; one that is not there is fine. */
export async function deleteObject(cluster: Cluster, kind: ResourceKind, named: Named): Promise<void> {
  const answer = await cluster.api('DELETE', apiPathOf(kind, named));
  if (answer.status >= 400 && answer.status !== 404) throw new Error(JSON.stringify(answer.body));
}

/** putNamespace creates a namespace if it is missing. */
export async function putNamespace(cluster: Cluster, name: string): Promise<void> {
  await applyObject(cluster, namespaces, { metadata: { name } });
}

/**
 * putService creates a Service without a selector, so that the EndpointSlice controller leaves its slices to the test.
 * `port` (80 if absent) is the Service's own; the pods' port stands in the slice.
 */
export async function putService(cluster: Cluster, service: Named & { readonly port?: number }): Promise<void> {
  const { namespace, name, port = 80 } = service;
  await applyObject(cluster, resources.services, {
    metadata: { namespace, name },
    spec: { ports: [{ name: 'http', port }] },
  } as KubernetesObject);
}

/** putEndpoints makes `endpoints` all that the Service `name` has; none leaves an empty slice. `port` (8080) is the pods'. */
export async function putEndpoints(
  cluster: Cluster,
  service: Named & { readonly port?: number },
  endpoints: readonly Endpoint[],
): Promise<void> {
  const { namespace, name, port = 8080 } = service;
  const labels = { 'kubernetes.io/service-name': name, 'endpointslice.kubernetes.io/managed-by': 'test' };
  await applyObject(cluster, resources.endpointSlices, {
    metadata: { namespace, name: `${name}-test`, labels },
    addressType: 'IPv4',
    ports: [{ name: 'http', port, protocol: 'TCP' }],
    endpoints: endpoints.map(({ address, ready = true, terminating = false }) => ({
      addresses: [address],
      conditions: { ready: ready && !terminating, serving: ready, terminating },
    })),
  } as KubernetesObject);
}

/** removeEndpoints deletes the slice that putEndpoints made, as when a Service loses its last pod for good. */
export async function removeEndpoints(cluster: Cluster, { namespace, name }: Named): Promise<void> {
  await deleteObject(cluster, resources.endpointSlices, { namespace, name: `${name}-test` });
}

/** putIngressRoute applies an IngressRoute on the entry point `web` with one route from `host` to `services`. */
export async function putIngressRoute(
  cluster: Cluster,
  route: Named & { readonly host: string; readonly services: readonly RouteService[] },
): Promise<void> {
  const { namespace, name, host, services } = route;
  await applyObject(cluster, resources.ingressRoutes, {
    metadata: { namespace, name },
    spec: { entryPoints: ['web'], routes: [{ kind: 'Rule', match: `Host(\`${host}\`)`, services }] },
  } as KubernetesObject);
}

/** putDeployment applies a Deployment whose pods carry the label `app: <name>`; a new `image` is a new revision. */
export async function putDeployment(
  cluster: Cluster,
  deployment: Named & { readonly image: string; readonly replicas?: number },
): Promise<void> {
  const { namespace, name, image, replicas = 1 } = deployment;
  const labels = { app: name };
  await applyObject(cluster, resources.deployments, {
    metadata: { namespace, name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'app', image }] } },
    },
  } as KubernetesObject);
}

/**
 * rollOutDeployment plays kubelet for a cluster with a controller manager: it makes every new pod ready until the
 * Deployment controller reports the rollout complete, and returns the Deployment with its revision annotation.
 */
export function rollOutDeployment(cluster: Cluster, named: Named, timeoutMs = 30_000): Promise<Deployment> {
  return eventually(
    async () => {
      await setPodsReady(cluster, named, true);
      const deployment = await readObject<Deployment>(cluster, resources.deployments, named);
      return deployment && isRolledOut(deployment) ? deployment : undefined;
    },
    { timeoutMs, intervalMs: 200, describe: `Deployment ${named.namespace}/${named.name} to be rolled out` },
  );
}

/** setPodsReady writes the status that a kubelet would into every pod with the label `app: <name>`. */
export async function setPodsReady(cluster: Cluster, { namespace, name }: Named, ready: boolean): Promise<void> {
  const collection = apiPathOf(pods, { namespace });
  const list = (await send(cluster, 'GET', `${collection}?labelSelector=app%3D${name}`)) as {
    readonly items: readonly Pod[];
  };
  const wanted = ready ? 'True' : 'False';
  for (const pod of list.items.filter((item) => readyCondition(item) !== wanted)) {
    const condition = { type: 'Ready', status: wanted, lastTransitionTime: new Date().toISOString() };
    const status = { phase: 'Running', conditions: [condition] };
    const path = `${collection}/${pod.metadata.name}/status`;
    const answer = await cluster.api('PATCH', path, { status }, 'application/strategic-merge-patch+json');
    // A pod of the old revision may be deleted in between.
    if (answer.status >= 400 && answer.status !== 404) throw new Error(JSON.stringify(answer.body));
  }
}

/**
 * setDeploymentStatus writes a status and a revision annotation itself, for a cluster without a controller manager
 * (with one, the Deployment controller takes both back). `observedGeneration` is the present generation if absent.
 */
export async function setDeploymentStatus(
  cluster: Cluster,
  named: Named & { readonly revision?: string },
  status: NonNullable<Deployment['status']>,
): Promise<void> {
  const path = apiPathOf(resources.deployments, named);
  const mergePatch = 'application/merge-patch+json';
  const annotations = { 'deployment.kubernetes.io/revision': named.revision ?? '1' };
  const annotated = (await send(cluster, 'PATCH', path, { metadata: { annotations } }, mergePatch)) as Deployment;
  const observedGeneration = annotated.metadata.generation;
  await send(cluster, 'PATCH', `${path}/status`, { status: { observedGeneration, ...status } }, mergePatch);
}

interface Pod extends KubernetesObject {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

function readyCondition(pod: Pod): string | undefined {
  return pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
}

function isRolledOut({ metadata, spec, status }: Deployment): boolean {
  const replicas = spec?.replicas ?? 1;
  const counts = [status?.replicas, status?.updatedReplicas, status?.readyReplicas, status?.availableReplicas];
  return status?.observedGeneration === metadata.generation && counts.every((count) => (count ?? 0) === replicas);
}

async function send(
  cluster: Cluster,
  method: 'GET' | 'PATCH',
  path: string,
  ...[body, contentType]: [body?: object, contentType?: string]
): Promise<unknown> {
  const answer = await cluster.api(method, path, body, contentType ?? 'application/apply-patch+yaml');
  if (answer.status < 400) return answer.body;
  throw new Error(`${method} ${path} was answered with ${answer.status}: ${JSON.stringify(answer.body)}`);
}
