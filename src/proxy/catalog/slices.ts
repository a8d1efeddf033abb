import { keyOf, type EndpointSlice, type ObjectKey } from '../../api/kubernetes.ts';
import type { Server } from '../configuration.ts';

/** SliceSet is the EndpointSlices of one Service at one time, with the servers that were read from them. */
export interface SliceSet {
  readonly slices: readonly EndpointSlice[];
  /** read is what was read last, and for what; many routes ask for the same, and hardly ever two ways. */
  read: { readonly use: string; readonly servers: readonly Server[] } | undefined;
}

/** noSlices returns the SliceSet of a Service without any. */
export function noSlices(): SliceSet {
  return { slices: [], read: undefined };
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
  const byService = new Map<ObjectKey, SliceSet>();
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
  return { put, of: (service) => byService.get(service) ?? noSlices() };
}

/** A new set, because what was read from the old one is not true any more. */
function replace(
  byService: Map<ObjectKey, SliceSet>,
  service: ObjectKey,
  { key, slice }: { readonly key: ObjectKey; readonly slice: EndpointSlice | undefined },
): void {
  const others = (byService.get(service)?.slices ?? []).filter((known) => keyOf(known) !== key);
  const slices = slice === undefined ? others : [...others, slice];
  if (slices.length === 0) byService.delete(service);
  else byService.set(service, { slices, read: undefined });
}

/** A slice says by a label whose endpoints it has; its own name is of no importance. */
function serviceKeyOf(key: ObjectKey, slice: EndpointSlice): ObjectKey | undefined {
  const name = slice.metadata.labels?.['kubernetes.io/service-name'];
  return name === undefined ? undefined : `${key.slice(0, key.indexOf('/'))}/${name}`;
}
