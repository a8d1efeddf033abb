/** Reads what a replica is about to act on, once in each tenure: what the one before it wrote last may not be in the caches yet. */
import { keyOf, resources, type KubernetesObject, type ObjectKey } from '../api/kubernetes.ts';
import type { ObjectStore } from '../api/object-store.ts';
import type { Rollout } from '../api/rollout.ts';
import { isOlder } from '../kube/resource-version.ts';
import { isAtRest } from '../rollout/status.ts';
import { asRoute, type RouteSource } from '../traffic/route-object.ts';
import type { Caches } from './caches.ts';
import { routeIdOf } from './observe.ts';
import type { Grant, Tenure } from './ownership.ts';

/** FirstLook remembers under which tenure each Rollout was looked at. */
export interface FirstLook {
  /**
   * isDone reads a Rollout that is not at rest, and its route, into the caches, unless that was done under this tenure.
   * False where the caches have another object of the name than the server: the watch has to catch up first. It throws
   * what the reads throw.
   */
  isDone(rollout: Rollout, under: { readonly grant: Grant; readonly tenure: Tenure }): Promise<boolean>;
  /** skip takes a Rollout whose status and route were just written from what the caches had: they were current. */
  skip(key: ObjectKey, tenure: Tenure): void;
  forget(key: ObjectKey): void;
}

/** createFirstLook returns a FirstLook that has seen nothing. */
export function createFirstLook(parts: { readonly store: ObjectStore; readonly caches: Caches }): FirstLook {
  const seen = new Map<ObjectKey, Tenure>();
  return {
    isDone: async (rollout, { grant, tenure }) => {
      const key = keyOf(rollout);
      // A start from rest is a raise, which the server refuses where anything is not as it was read.
      if (seen.get(key) === tenure || isUntouched(rollout)) return true;
      const isCurrent = await look(parts, key, grant);
      if (isCurrent) seen.set(key, tenure);
      return isCurrent;
    },
    skip: (key, tenure) => void seen.set(key, tenure),
    forget: (key) => void seen.delete(key),
  };
}

function isUntouched({ status = {} }: Rollout): boolean {
  return status.target === undefined && isAtRest(status);
}

async function look(
  { store, caches }: { readonly store: ObjectStore; readonly caches: Caches },
  key: ObjectKey,
  { signal }: Grant,
): Promise<boolean> {
  const rollout = await store.get<Rollout>(resources.rollouts, key, { signal });
  if (rollout === undefined) return false;
  caches.remember({ rollout });
  const id = routeIdOf(rollout);
  const route = await store.get<RouteSource>(id.resource, id.key, { signal });
  if (route !== undefined) caches.remember({ route: asRoute(id.resource, route) });
  return isCurrent(caches.rollout(key), rollout) && isCurrent(caches.route(id)?.object, route);
}

function isCurrent(cached: KubernetesObject | undefined, read: KubernetesObject | undefined): boolean {
  if (cached === undefined || read === undefined) return cached === read;
  const { uid, resourceVersion } = cached.metadata;
  return uid === read.metadata.uid && !isOlder(resourceVersion, read.metadata.resourceVersion);
}
