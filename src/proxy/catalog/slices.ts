import type { EndpointSlice, ObjectKey } from '../../api/kubernetes.ts';
import type { Server } from '../configuration.ts';

/** SliceSet is the EndpointSlices of one Service at one time, and the servers that were read from them already. */
export interface SliceSet {
  readonly slices: readonly EndpointSlice[];
  /** servers are by what they were read for; many routes may ask for the same. */
  readonly servers: Map<string, readonly Server[]>;
}

/** noSlices returns the SliceSet of a Service without any. */
export function noSlices(): SliceSet {
  return { slices: [], servers: new Map() };
}

/** SliceTable keeps EndpointSlices by the Service that they belong to. */
export interface SliceTable {
  /** put stores the state of a slice (undefined: gone) and returns the Services that it belongs or belonged to. */
  put(key: ObjectKey, slice: EndpointSlice | undefined): readonly ObjectKey[];
  of(service: ObjectKey): SliceSet;
}

/** createSliceTable returns an empty table. */
export function createSliceTable(): SliceTable {
  const serviceOf = new Map<ObjectKey, ObjectKey>();
  const bySlice = new Map<ObjectKey, Map<ObjectKey, EndpointSlice>>();
  const sets = new Map<ObjectKey, SliceSet>();
  const put = (key: ObjectKey, slice: EndpointSlice | undefined): readonly ObjectKey[] => {
    const before = serviceOf.get(key);
    const after = slice === undefined ? undefined : serviceKeyOf(key, slice);
    if (before !== undefined) remove(bySlice, before, key);
    if (after === undefined || slice === undefined) serviceOf.delete(key);
    else {
      serviceOf.set(key, after);
      const slices = bySlice.get(after);
      if (slices === undefined) bySlice.set(after, new Map([[key, slice]]));
      else slices.set(key, slice);
    }
    const touched = [before, after].filter((service) => service !== undefined);
    for (const service of touched) sets.delete(service);
    return touched;
  };
  const of = (service: ObjectKey): SliceSet => {
    const known = sets.get(service);
    if (known !== undefined) return known;
    const slices = bySlice.get(service);
    if (slices === undefined) return noSlices();
    const set = { slices: [...slices.values()], servers: new Map<string, readonly Server[]>() };
    sets.set(service, set);
    return set;
  };
  return { put, of };
}

function remove(bySlice: Map<ObjectKey, Map<ObjectKey, EndpointSlice>>, service: ObjectKey, key: ObjectKey): void {
  const slices = bySlice.get(service);
  slices?.delete(key);
  if (slices?.size === 0) bySlice.delete(service);
}

/** A slice says by a label whose endpoints it has; its own name is of no importance. */
function serviceKeyOf(key: ObjectKey, slice: EndpointSlice): ObjectKey | undefined {
  const name = slice.metadata.labels?.['kubernetes.io/service-name'];
  return name === undefined ? undefined : `${key.slice(0, key.indexOf('/'))}/${name}`;
}
