import type { Ingress } from '../../api/ingress.ts';
import type { ObjectKey } from '../../api/kubernetes.ts';
import { isCanary } from './canary.ts';
import { hostsOf } from './ingress-entries.ts';

/** IngressRole: a canary takes a part of the requests of a main Ingress of the same namespace, host and path. */
export type IngressRole = 'Main' | 'Canary';

/** IngressIndex finds Ingresses by their host. It knows nothing of classes. */
export interface IngressIndex {
  /** put stores the state of an Ingress (undefined: gone) and returns the places where others may find something else now. */
  put(key: ObjectKey, ingress: Ingress | undefined): readonly IngressPlace[];
  /** at returns the Ingresses of a place, the oldest first. */
  at(place: IngressPlace): readonly Ingress[];
}

/** IngressPlace is a role, a namespace and a host. */
export type IngressPlace = `${IngressRole} ${string}/${string}`;

/** ingressPlace returns an IngressPlace. */
export function ingressPlace(role: IngressRole, namespace: string, host: string): IngressPlace {
  return `${role} ${namespace}/${host}`;
}

/** createIngressIndex returns an empty index. */
export function createIngressIndex(): IngressIndex {
  const placesOf = new Map<ObjectKey, readonly IngressPlace[]>();
  const byPlace = new Map<IngressPlace, Map<ObjectKey, Ingress>>();
  const remove = (place: IngressPlace, key: ObjectKey): void => {
    const ingresses = byPlace.get(place);
    ingresses?.delete(key);
    if (ingresses?.size === 0) byPlace.delete(place);
  };
  return {
    put: (key, ingress) => {
      const before = placesOf.get(key) ?? [];
      const after = ingress === undefined ? [] : placesIn(ingress);
      for (const place of before) remove(place, key);
      for (const place of after) {
        const ingresses = byPlace.get(place) ?? new Map<ObjectKey, Ingress>();
        byPlace.set(place, ingresses);
        if (ingress !== undefined) ingresses.set(key, ingress);
      }
      if (after.length === 0) placesOf.delete(key);
      else placesOf.set(key, after);
      return [...new Set([...before, ...after])];
    },
    at: (place) => [...(byPlace.get(place)?.values() ?? [])].sort(byAge),
  };
}

function placesIn(ingress: Ingress): readonly IngressPlace[] {
  const { namespace = '' } = ingress.metadata;
  const role = isCanary(ingress) ? 'Canary' : 'Main';
  return hostsOf(ingress).map((host) => ingressPlace(role, namespace, host));
}

function byAge({ metadata: one }: Ingress, { metadata: other }: Ingress): number {
  const [time = '', otherTime = ''] = [one.creationTimestamp, other.creationTimestamp];
  if (time === otherTime) return one.name < other.name ? -1 : 1;
  return time < otherTime ? -1 : 1;
}
