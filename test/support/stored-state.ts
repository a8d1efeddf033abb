/** What the API server stores of many shops, as text that is the same for two shops to which the same has happened. */
import { type KubernetesObject, type ResourceKind, resources } from '../../src/api/kubernetes.ts';
import type { Rollout } from '../../src/api/rollout.ts';
import type { IngressRoute } from '../../src/api/traefik.ts';
import type { Cluster } from './cluster.ts';
import { readObject } from './objects.ts';
import { shopNamespace } from './stage.ts';

/** StoredState is what is stored of one shop; undefined is what does not exist. */
export interface StoredState {
  readonly route: string | undefined;
  readonly matchRoute: string | undefined;
  readonly rollout: string | undefined;
}

/** readStates returns a function that gives the state of a shop at this moment; two names of one length can be compared. */
export async function readStates(cluster: Cluster): Promise<(name: string) => StoredState> {
  const [routes, rollouts] = await Promise.all([
    readAll<IngressRoute>(cluster, resources.ingressRoutes),
    readAll<Rollout>(cluster, resources.rollouts),
  ]);
  return (name) => ({
    route: textOf(name, routes.get(name)),
    matchRoute: textOf(name, routes.get(`${name}-canary-match`)),
    rollout: textOf(name, rollouts.get(name)),
  });
}

async function readAll<T extends KubernetesObject>(
  cluster: Cluster,
  kind: ResourceKind,
): Promise<ReadonlyMap<string, T>> {
  const list = await readObject<KubernetesObject & { readonly items: readonly T[] }>(cluster, kind, {
    namespace: shopNamespace,
  });
  return new Map((list?.items ?? []).map((item) => [item.metadata.name, item]));
}

/** Who wrote what and when differs from shop to shop, and so do names. */
function textOf(name: string, object: (KubernetesObject & { readonly status?: object }) | undefined) {
  if (object === undefined) return undefined;
  const { labels, annotations = {}, finalizers, ownerReferences } = object.metadata;
  const { 'kubectl.kubernetes.io/last-applied-configuration': _applied, ...others } = annotations;
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...content } = object;
  return (
    JSON.stringify({ labels, annotations: others, finalizers, ownerReferences, ...content }, undefined, 1)
      .replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UID')
      // A Deployment's revision begins with its UID.
      .replaceAll(/"[0-9a-f]{8}-(\d+)"/g, '"UID-$1"')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
      .replaceAll(/("handledCommand": )"[^"]*"/g, '$1"COMMAND"')
      .replaceAll(name, 'NAME')
  );
}
