/** The objects that Traefik and Sluice serve from the same API server. */
import { setTimeout as sleep } from 'node:timers/promises';
import { resources, type KubernetesObject } from '../../src/api/kubernetes.ts';
import type { Cluster } from '../../test/support/cluster.ts';
import { applyObject, putEndpoints, putNamespace, putService } from '../../test/support/objects.ts';
import { upstreamAddress } from './upstream.ts';

const namespace = 'bench';
const services = ['stable', 'canary'] as const;
const atOnce = 16;

/** hostOf returns the host of a route; `main` is the one that most requests go to, `edited` the one that changes. */
export function hostOf(route: number | 'main' | 'edited'): string {
  return `${typeof route === 'number' ? `host-${route}` : route}.bench.test`;
}

/** putMainRoutes creates two Services with an endpoint and the routes that every scenario needs. */
export async function putMainRoutes(cluster: Cluster): Promise<void> {
  await putNamespace(cluster, namespace);
  for (const name of services) {
    await putService(cluster, { namespace, name });
    await putEndpoints(cluster, { namespace, name, port: upstreamAddress.port }, [{ address: upstreamAddress.host }]);
  }
  for (const route of ['main', 'edited'] as const) await putRoute(cluster, route, 1);
}

/** putManyRoutes creates `count` routes with a host of its own each. */
export async function putManyRoutes(cluster: Cluster, count: number): Promise<void> {
  const rest = Array.from({ length: count }, (_, index) => index).reverse();
  const work = async (): Promise<void> => {
    for (let index = rest.pop(); index !== undefined; index = rest.pop()) await putRoute(cluster, index, 1);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** editRoutes changes an unrelated route every second until the returned function is called. */
export function editRoutes(cluster: Cluster): () => Promise<void> {
  const over = new AbortController();
  const edit = async (): Promise<void> => {
    for (let weight = 2; !over.signal.aborted; weight += 1) {
      await putRoute(cluster, 'edited', (weight % 50) + 1);
      await sleep(1000, undefined, { signal: over.signal }).catch(() => undefined);
    }
  };
  const edited = edit();
  return () => {
    over.abort();
    return edited;
  };
}

/** A route of the main host is there over TLS too, which makes a router of its own. */
async function putRoute(cluster: Cluster, route: number | 'main' | 'edited', weight: number): Promise<void> {
  const name = hostOf(route).split('.')[0] ?? '';
  const [stable, canary] = services.map((service) => ({ name: service, port: 80 }));
  const routes = [
    {
      kind: 'Rule',
      match: `Host(\`${hostOf(route)}\`)`,
      services: [
        { ...stable, weight: 100 - weight },
        { ...canary, weight },
      ],
    },
  ];
  await applyObject(cluster, resources.ingressRoutes, {
    metadata: { namespace, name },
    spec: { entryPoints: ['web'], routes },
  } as KubernetesObject);
  if (typeof route === 'number') return;
  await applyObject(cluster, resources.ingressRoutes, {
    metadata: { namespace, name: `${name}-tls` },
    spec: { entryPoints: ['websecure'], routes, tls: {} },
  } as KubernetesObject);
}
