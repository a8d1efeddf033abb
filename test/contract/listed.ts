/** What a real Traefik lists, and the objects of an API server as the catalog takes them. */
import { request } from 'undici';
import { keyOf, type KubernetesObject } from '../../src/api/kubernetes.ts';
import type { ObjectChange, ObjectKind } from '../../src/proxy/catalog/object-kind.ts';
import type { Cluster } from '../support/cluster.ts';
import type { Traefik } from '../support/traefik.ts';

/** Listed is a router or a service. */
export interface Listed {
  readonly name: string;
  readonly status: string;
  readonly service?: string;
  readonly [field: string]: unknown;
}

/** ListedByTraefik is all that a Traefik has of others, by name. */
export interface ListedByTraefik {
  readonly routers: ReadonlyMap<string, Listed>;
  readonly services: ReadonlyMap<string, Listed>;
}

/** readTraefik returns undefined until `isThere` says of the routers that all were read. */
export async function readTraefik(
  traefik: Traefik,
  isThere: (routers: ReadonlyMap<string, Listed>) => boolean,
): Promise<ListedByTraefik | undefined> {
  const routers = await readAll(traefik, '/http/routers');
  return isThere(routers) ? { routers, services: await readAll(traefik, '/http/services') } : undefined;
}

async function readAll({ apiUrl }: Traefik, path: string): Promise<ReadonlyMap<string, Listed>> {
  const answer = await request(`${apiUrl}${path}?per_page=1000`);
  const items = (await answer.body.json()) as readonly Listed[];
  return new Map(items.filter(({ name }) => !name.endsWith('@internal')).map((item) => [item.name, item]));
}

/** readObjects lists the kinds at their paths. */
export async function readObjects(
  cluster: Cluster,
  paths: readonly (readonly [ObjectKind, string])[],
): Promise<readonly ObjectChange[]> {
  const read = paths.map(async ([kind, path]) => {
    const { body } = await cluster.api('GET', path);
    const { items } = body as { readonly items: readonly KubernetesObject[] };
    return items.map((object) => ({ kind, key: keyOf(object), object }));
  });
  return (await Promise.all(read)).flat();
}
