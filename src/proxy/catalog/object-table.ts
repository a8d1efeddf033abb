import type { KubernetesObject, ObjectKey } from '../../api/kubernetes.ts';
import { idOf, type ObjectChange, type ObjectId } from './object-kind.ts';
import { createSliceTable, type SliceSet } from './slices.ts';

/** ObjectTable holds the present state of all objects. */
export interface ObjectTable {
  /** put stores a new state and returns under which ids it can be seen: a slice under that of its Service. */
  put(change: ObjectChange): readonly ObjectId[];
  get(id: ObjectId): KubernetesObject | undefined;
  slices(service: ObjectKey): SliceSet;
}

/** createObjectTable returns an empty table. */
export function createObjectTable(): ObjectTable {
  const objects = new Map<ObjectId, KubernetesObject>();
  const slices = createSliceTable();
  return {
    put: ({ kind, key, object }) => {
      if (kind === 'EndpointSlice') return slices.put(key, object).map((service) => idOf(kind, service));
      const id = idOf(kind, key);
      if (object === undefined) objects.delete(id);
      else objects.set(id, object);
      return [id];
    },
    get: (id) => objects.get(id),
    slices: (service) => slices.of(service),
  };
}
