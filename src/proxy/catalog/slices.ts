import { keyOf, type EndpointSlice, type ObjectKey } from '../../api/kubernetes.ts';

/** SliceTable keeps EndpointSlices by the Service that they belong to. */
export interface SliceTable {
  /** put stores the state of a slice (undefined: gone) and returns the Services that it belongs or belonged to. */
  put(key: ObjectKey, slice: EndpointSlice | undefined): readonly ObjectKey[];
  of(service: ObjectKey): readonly EndpointSlice[];
}

/** createSliceTable returns an empty table. */
export function createSliceTable(): SliceTable {
  const serviceOf = new Map<ObjectKey, ObjectKey>();
  const byService = new Map<ObjectKey, readonly EndpointSlice[]>();
  const put = (key: ObjectKey, slice: EndpointSlice | undefined): readonly ObjectKey[] => {
    const before = serviceOf.get(key);
    const after = slice === undefined ? undefined : serviceKeyOf(key, slice);
    if (before !== undefined) replace(byService, before, { key, slice: undefined });
    if (after === undefined) serviceOf.delete(key);
    else {
      serviceOf.set(key, after);
      replace(byService, after, { key, slice });
    }
    if (before === undefined || before === after) return after === undefined ? [] : [after];
    return after === undefined ? [before] : [before, after];
  };
  return { put, of: (service) => byService.get(service) ?? [] };
}

function replace(
  byService: Map<ObjectKey, readonly EndpointSlice[]>,
  service: ObjectKey,
  { key, slice }: { readonly key: ObjectKey; readonly slice: EndpointSlice | undefined },
): void {
  const others = (byService.get(service) ?? []).filter((known) => keyOf(known) !== key);
  const slices = slice === undefined ? others : [...others, slice];
  if (slices.length === 0) byService.delete(service);
  else byService.set(service, slices);
}

/** A slice says by a label whose endpoints it has; its own name is of no importance. */
function serviceKeyOf(key: ObjectKey, slice: EndpointSlice): ObjectKey | undefined {
  const name = slice.metadata.labels?.['kubernetes.io/service-name'];
  return name === undefined ? undefined : `${key.slice(0, key.indexOf('/'))}/${name}`;
}
