import type { EndpointSlice, KubernetesObject, ObjectKey } from '../../api/kubernetes.ts';
import { idOf, type ObjectChange, type ObjectId } from './object-kind.ts';
import { createSliceTable } from './slices.ts';

/** ObjectTable holds the present state of all objects. */
export interface ObjectTable {
  /** put stores a new state of any other object than an EndpointSlice and returns its id. */
  put(change: ObjectChange): ObjectId;
  /** putSlice stores a new state of an EndpointSlice and returns the Services that it belongs or belonged to. */
  putSlice(change: ObjectChange): readonly ObjectKey[];
  get(id: ObjectId): KubernetesObject | undefined;
  slices(service: ObjectKey): readonly EndpointSlice[];
}

/** createObjectTable returns an empty table. */
export function createObjectTable(): ObjectTable {
  const objects = new Map<ObjectId, KubernetesObject>();
  const slices = createSliceTable();
  return {
    put: ({ kind, key, object }) => {
      const id = idOf(kind, key);
      if (object === undefined) objects.delete(id);
      else objects.set(id, object);
      return id;
    },
    putSlice: ({ key, object }) => slices.put(key, object),
    get: (id) => objects.get(id),
    slices: (service) => slices.of(service),
  };
}
