/** The object that Sluice writes weights into, whatever its kind: its lists of services, where they stand in it, who wrote them. */
import { keyOf, type resources, type ManagedFieldsEntry, type ObjectKey } from '../api/kubernetes.ts';
import type { JsonPatchOperation } from '../api/object-store.ts';
import type { IngressRoute, Route } from '../api/traefik.ts';
import { pointerTo } from './service-diff.ts';

/** RouteResource is a kind of object that Sluice writes weights into. */
export type RouteResource = typeof resources.ingressRoutes;

/** RouteId says where a route is read and written. */
export interface RouteId {
  readonly resource: RouteResource;
  readonly key: ObjectKey;
}

/** RouteSource is the object as the API server has it, or as much of it as is kept of it. */
export type RouteSource = IngressRoute;

/** RouteObject is such an object with its lists of services. */
export interface RouteObject extends RouteId {
  readonly object: RouteSource;
  /** routes are its lists of services, each with the rule that leads to it. */
  readonly routes: readonly Route[];
}

/** RouteShape says where a kind of object has its lists of services. */
interface RouteShape {
  readonly read: (object: RouteSource) => readonly Route[];
  /** write returns the object with other services in the same lists. */
  readonly write: (object: RouteSource, routes: readonly Route[]) => RouteSource;
  /** pathTo leads to the list number `index`. */
  readonly pathTo: (index: number) => readonly (string | number)[];
  /** testsOf pin which list stands at `index`. */
  readonly testsOf: (route: Route, index: number) => readonly JsonPatchOperation[];
  /** field is the path of the lists in managedFields. */
  readonly field: readonly string[];
}

const shapes: Readonly<Record<RouteResource['kind'], RouteShape>> = {
  IngressRoute: {
    read: ({ spec }) => spec.routes ?? [],
    write: (object, routes) =>
      object.spec.routes === undefined ? object : { ...object, spec: { ...object.spec, routes } },
    pathTo: (index) => ['spec', 'routes', index, 'services'],
    testsOf: ({ match }, index) => [{ op: 'test', path: pointerTo('spec', 'routes', index, 'match'), value: match }],
    field: ['f:spec', 'f:routes'],
  },
};

/** asRoute reads an object of the kind `resource`. */
export function asRoute(resource: RouteResource, object: RouteSource): RouteObject {
  return { resource, key: keyOf(object), object, routes: shapes[resource.kind].read(object) };
}

/** withRoutes returns the object as it is with `routes` instead of its own. */
export function withRoutes({ resource, object }: RouteObject, routes: readonly Route[]): RouteSource {
  return shapes[resource.kind].write(object, routes);
}

/** servicesPath leads to the services of a route, as parts of a JSON Pointer. */
export function servicesPath({ resource }: RouteId, index: number): readonly (string | number)[] {
  return shapes[resource.kind].pathTo(index);
}

/** placeTests pin which route stands at `index`. */
export function placeTests({ resource }: RouteId, route: Route, index: number): readonly JsonPatchOperation[] {
  return shapes[resource.kind].testsOf(route, index);
}

/** ownsServices tells whether a manager last wrote the lists of services; they are atomic in Traefik's CRDs, so one manager has them whole. */
export function ownsServices({ kind }: RouteResource, { fieldsV1 }: ManagedFieldsEntry): boolean {
  let value: unknown = fieldsV1;
  for (const name of shapes[kind].field) {
    if (typeof value !== 'object' || value === null || !(name in value)) return false;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return true;
}

/** servicesField is what ownsServices looks for. */
export function servicesField({ kind }: RouteResource): NonNullable<ManagedFieldsEntry['fieldsV1']> {
  return shapes[kind].field.reduceRight<Readonly<Record<string, unknown>>>((inner, name) => ({ [name]: inner }), {});
}
