import type { Ingress, IngressClass } from '../../api/ingress.ts';
import type { EndpointSlice, KubernetesObject, ObjectKey } from '../../api/kubernetes.ts';
import { createIngressIndex, type IngressPlace } from './ingress-index.ts';
import { idOf, type ObjectChange, type ObjectId } from './object-kind.ts';
import { createSliceTable } from './slices.ts';

/** ObjectTable holds the present state of all objects. */
export interface ObjectTable {
  /** put stores a new state of any other object than an EndpointSlice and returns its id. */
  put(change: ObjectChange): ObjectId;
  /** putIngress stores a new state of an Ingress and returns the places where there is something else now. */
  putIngress(change: ObjectChange): readonly IngressPlace[];
  /** putSlice stores a new state of an EndpointSlice and returns the Services that it belongs or belonged to. */
  putSlice(change: ObjectChange): readonly ObjectKey[];
  get(id: ObjectId): KubernetesObject | undefined;
  slices(service: ObjectKey): readonly EndpointSlice[];
  ingresses(place: IngressPlace): readonly Ingress[];
  ingressClasses(): readonly IngressClass[];
}

/** createObjectTable returns an empty table. */
export function createObjectTable(): ObjectTable {
  const objects = new Map<ObjectId, KubernetesObject>();
  const classes = new Map<ObjectKey, IngressClass>();
  const slices = createSliceTable();
  const ingresses = createIngressIndex();
  return {
    put: ({ kind, key, object }) => {
      const id = idOf(kind, key);
      if (object === undefined) objects.delete(id);
      else objects.set(id, object);
      if (kind === 'IngressClass') {
        if (object === undefined) classes.delete(key);
        else classes.set(key, object);
      }
      return id;
    },
    putIngress: ({ key, object }) => ingresses.put(key, object),
    putSlice: ({ key, object }) => slices.put(key, object),
    get: (id) => objects.get(id),
    slices: (service) => slices.of(service),
    ingresses: (place) => ingresses.at(place),
    ingressClasses: () => [...classes.values()],
  };
}
