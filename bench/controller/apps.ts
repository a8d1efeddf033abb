/** The applications of the bench: their names, and the six objects that each of them is. */
import { resources, type KubernetesObject, type ResourceKind } from '../../src/api/kubernetes.ts';
import type { IngressRoute, RouteService } from '../../src/api/traefik.ts';
import { apiPathOf } from '../../test/support/objects.ts';
import type { Cluster } from '../../test/support/cluster.ts';

/** benchNamespace is where all of them live. */
export const benchNamespace = 'bench';

/** Version is a side of an application. */
export type Version = 'stable' | 'canary';

/** appName returns the name of an application; its Rollout and its IngressRoute are called like it. */
export function appName(index: number): string {
  return `app-${String(index).padStart(5, '0')}`;
}

/** indexOfApp returns the number in a name of appName, or undefined where it is none. */
export function indexOfApp(name: string): number | undefined {
  const digits = /^app-([0-9]{5})$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** serviceLabel is what Traefik writes into the label `service` of the metrics of a version. */
export function serviceLabel(index: number, version: Version): string {
  return `${benchNamespace}-${appName(index)}-${version}-80@kubernetescrd`;
}

/** readServiceLabel is the inverse of serviceLabel; undefined for the service of somebody else. */
export function readServiceLabel(label: string): { readonly index: number; readonly version: Version } | undefined {
  const [, index, version] = /^bench-app-([0-9]{5})-(stable|canary)-80@kubernetescrd$/.exec(label) ?? [];
  return index === undefined ? undefined : { index: Number(index), version: version as Version };
}

/**
 * createBackdrops creates all that a Rollout needs: the route, which lists stable, two Services and their endpoints. It
 * returns the UIDs of the routes.
 */
export async function createBackdrops(cluster: Cluster, count: number): Promise<readonly string[]> {
  const uids: string[] = [];
  await inParallel(count, async (index) => {
    for (const version of ['stable', 'canary'] as const) {
      await create(cluster, resources.services, service(index, version));
      await create(cluster, resources.endpointSlices, endpointSlice(index, version));
    }
    const { metadata } = await create(cluster, resources.ingressRoutes, ingressRoute(index));
    uids[index] = metadata.uid ?? '';
  });
  return uids;
}

/** createRollout creates the Rollout of an application; `spec` completes the route and the services. */
export async function createRollout(cluster: Cluster, index: number, spec: object): Promise<void> {
  const name = appName(index);
  await create(cluster, resources.rollouts, {
    metadata: { namespace: benchNamespace, name },
    spec: {
      route: { name },
      stable: { service: `${name}-stable`, port: 80 },
      canary: { service: `${name}-canary`, port: 80 },
      ...spec,
    },
  } as KubernetesObject);
}

/** listAll returns all objects of a kind in the namespace of the bench. */
export async function listAll<T extends KubernetesObject>(cluster: Cluster, kind: ResourceKind): Promise<readonly T[]> {
  const items: T[] = [];
  let next = '';
  do {
    const path = `${apiPathOf(kind, { namespace: benchNamespace })}?limit=500&continue=${encodeURIComponent(next)}`;
    const { status, body } = await cluster.api('GET', path);
    if (status !== 200) throw new Error(`GET ${path}: ${JSON.stringify(body)}`);
    const list = body as { readonly metadata: { readonly continue?: string }; readonly items: readonly T[] };
    items.push(...list.items);
    next = list.metadata.continue ?? '';
  } while (next !== '');
  return items;
}

const lanes = 24;

/** inParallel calls `task` with 0 to count - 1, some at a time, so that the API server is busy and nobody waits in it. */
export async function inParallel(count: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function create(cluster: Cluster, kind: ResourceKind, object: KubernetesObject): Promise<KubernetesObject> {
  const apiVersion = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
  const path = apiPathOf(kind, { namespace: benchNamespace });
  const { status, body } = await cluster.api('POST', path, { apiVersion, kind: kind.kind, ...object });
  if (status !== 201) throw new Error(`POST ${path} of ${object.metadata.name}: ${status} ${JSON.stringify(body)}`);
  return body as KubernetesObject;
}

/** Headless: an address from the service range would be one more object for each, and nobody here asks for it. */
function service(index: number, version: Version): KubernetesObject {
  const name = `${appName(index)}-${version}`;
  return {
    metadata: { namespace: benchNamespace, name, labels: { app: name } },
    spec: { clusterIP: 'None', ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }] },
  } as KubernetesObject;
}

function endpointSlice(index: number, version: Version): KubernetesObject {
  const name = `${appName(index)}-${version}`;
  const labels = { 'kubernetes.io/service-name': name, 'endpointslice.kubernetes.io/managed-by': 'bench' };
  const first = 4 * index + (version === 'stable' ? 0 : 2);
  return {
    metadata: { namespace: benchNamespace, name: `${name}-x7k2p`, labels },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: [first, first + 1].map((pod) => ({
      addresses: [`10.${128 + (pod >> 16)}.${(pod >> 8) & 255}.${pod & 255}`],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${pod % 50}`,
      targetRef: { kind: 'Pod', namespace: benchNamespace, name: `${name}-${pod}` },
    })),
  } as KubernetesObject;
}

/** ruleOf returns the only rule of an application's route. */
export function ruleOf(index: number): string {
  return `Host(\`${appName(index)}.example.com\`)`;
}

/** stableEntry is how the route lists stable as long as nothing has been rolled out. */
export function stableEntry(index: number): RouteService {
  // With sticky sessions nobody asks for the share of the weight, which the stand-ins of Traefik do not count by.
  return { name: `${appName(index)}-stable`, port: 80, sticky: { cookie: { name: 'shop' } } };
}

/** canaryPercent returns what a route gives the canary of its application. */
export function canaryPercent({ spec }: IngressRoute): number {
  const services = spec.routes?.[0]?.services ?? [];
  const weightOf = (version: Version): number =>
    services.filter(({ name }) => name.endsWith(`-${version}`)).reduce((sum, { weight }) => sum + (weight ?? 1), 0);
  const total = weightOf('stable') + weightOf('canary');
  return total === 0 ? 0 : (100 * weightOf('canary')) / total;
}

function ingressRoute(index: number): KubernetesObject {
  const name = appName(index);
  return {
    metadata: { namespace: benchNamespace, name, labels: { app: name } },
    spec: {
      entryPoints: ['websecure'],
      routes: [{ kind: 'Rule', match: ruleOf(index), services: [stableEntry(index)] }],
      tls: { secretName: 'wildcard' },
    },
  } as KubernetesObject;
}
