/** The object that Sluice writes weights into, whatever its kind: its lists of services, where they stand in it, who wrote them. */
import { keyOf, resources, type ManagedFieldsEntry, type ObjectKey } from '../api/kubernetes.ts';
import type { JsonPatchOperation } from '../api/object-store.ts';
import { ingressClassOf, type IngressRoute, type Route, type TraefikService } from '../api/traefik.ts';
import { pointerTo } from './service-diff.ts';

/** routeResources are the kinds of objects that Sluice writes weights into. */
export const routeResources = [
  resources.ingressRoutes,
  resources.traefikServices,
  resources.oldIngressRoutes,
  resources.oldTraefikServices,
] as const;

/** RouteResource is one of routeResources. */
export type RouteResource = (typeof routeResources)[number];

/** RouteId says where a route is read and written. */
export interface RouteId {
  readonly resource: RouteResource;
  readonly key: ObjectKey;
}

/** RouteSource is the object as the API server has it, or as much of it as is kept of it. */
export type RouteSource = IngressRoute | TraefikService;

/** RouteObject is such an object with its lists of services. */
export interface RouteObject extends RouteId {
  readonly object: RouteSource;
  /** routes are its lists of services, each with the rule that leads to it; the one of a TraefikService has an empty rule. */
  readonly routes: readonly Route[];
}

/** RouteShape says where a kind of object has its lists of services. */
interface RouteShape<T extends RouteSource> {
  readonly read: (object: T) => readonly Route[];
  /** write returns the object with other services in the same lists. */
  readonly write: (object: T, routes: readonly Route[]) => T;
  /** pathTo leads to the list number `index`. */
  readonly pathTo: (index: number) => readonly (string | number)[];
  /** testsOf pin which list stands at `index`. */
  readonly testsOf: (route: Route, index: number) => readonly JsonPatchOperation[];
  readonly classOf: (object: T) => string | undefined;
  /** hasCookie tells whether a cookie chooses among the services of a list. */
  readonly hasCookie: (object: T) => boolean;
  /** field is the path of the lists in managedFields. */
  readonly field: readonly string[];
}

const ingressRoute: RouteShape<IngressRoute> = {
  read: ({ spec }) => spec.routes ?? [],
  write: (object, routes) =>
    object.spec.routes === undefined ? object : { ...object, spec: { ...object.spec, routes } },
  pathTo: (index) => ['spec', 'routes', index, 'services'],
  testsOf: ({ match }, index) => [{ op: 'test', path: pointerTo('spec', 'routes', index, 'match'), value: match }],
  classOf: ingressClassOf,
  hasCookie: () => false,
  field: ['f:spec', 'f:routes'],
};

const traefikService: RouteShape<TraefikService> = {
  read: ({ spec }) => {
    const { weighted } = spec ?? {};
    if (weighted === undefined) return [];
    return [weighted.services === undefined ? { match: '' } : { match: '', services: weighted.services }];
  },
  write: (object, [route]) => {
    const services = route?.services;
    if (services === undefined) return object;
    return { ...object, spec: { ...object.spec, weighted: { ...object.spec?.weighted, services } } };
  },
  pathTo: () => ['spec', 'weighted', 'services'],
  testsOf: () => [],
  // What lists it has one.
  classOf: () => undefined,
  hasCookie: ({ spec }) => spec?.weighted?.sticky !== undefined,
  field: ['f:spec', 'f:weighted', 'f:services'],
};

/** shapeOf: an object is read under its own kind only, which the type of the two together cannot say. */
function shapeOf({ kind }: RouteResource): RouteShape<RouteSource> {
  return (kind === 'IngressRoute' ? ingressRoute : traefikService) as RouteShape<RouteSource>;
}

/** asRoute reads an object of the kind `resource`. */
export function asRoute(resource: RouteResource, object: RouteSource): RouteObject {
  return { resource, key: keyOf(object), object, routes: shapeOf(resource).read(object) };
}

/** ingressRouteIn returns the object where it is an IngressRoute. */
export function ingressRouteIn(route: RouteObject | undefined): IngressRoute | undefined {
  return route?.resource.kind === 'IngressRoute' ? (route.object as IngressRoute) : undefined;
}

/** withRoutes returns the object as it is with `routes` instead of its own. */
export function withRoutes({ resource, object }: RouteObject, routes: readonly Route[]): RouteSource {
  return shapeOf(resource).write(object, routes);
}

/** servicesPath leads to the services of a route, as parts of a JSON Pointer. */
export function servicesPath({ resource }: RouteId, index: number): readonly (string | number)[] {
  return shapeOf(resource).pathTo(index);
}

/** placeTests pin which route stands at `index`. */
export function placeTests({ resource }: RouteId, route: Route, index: number): readonly JsonPatchOperation[] {
  return shapeOf(resource).testsOf(route, index);
}

/** classOf returns the ingress class that the object asks for. */
export function classOf({ resource, object }: RouteObject): string | undefined {
  return shapeOf(resource).classOf(object);
}

/** isSticky tells whether cookies choose the service, or the pod: what was counted says nothing of the weights then. */
export function isSticky({ resource, object, routes }: RouteObject): boolean {
  const services = routes.flatMap(({ services = [] }) => services);
  return services.some(({ sticky }) => sticky !== undefined) || shapeOf(resource).hasCookie(object);
}

/** ownsServices tells whether a manager last wrote the lists of services; they are atomic in Traefik's CRDs, so one manager has them whole. */
export function ownsServices(resource: RouteResource, { fieldsV1 }: ManagedFieldsEntry): boolean {
  let value: unknown = fieldsV1;
  for (const name of shapeOf(resource).field) {
    if (typeof value !== 'object' || value === null || !(name in value)) return false;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return true;
}

/** servicesField is what ownsServices looks for. */
export function servicesField(resource: RouteResource): NonNullable<ManagedFieldsEntry['fieldsV1']> {
  return shapeOf(resource).field.reduceRight<Readonly<Record<string, unknown>>>(
    (inner, name) => ({ [name]: inner }),
    {},
  );
}

/** RouteName is how a Rollout names a route; what is left out is IngressRoute of traefik.io/v1alpha1. */
export interface RouteName {
  readonly apiVersion?: string | undefined;
  readonly kind?: string | undefined;
  readonly name: string;
}

/** routeIn returns the RouteId of a route that a Rollout of `namespace` names. */
export function routeIn(namespace: string, { apiVersion, kind, name }: RouteName): RouteId {
  const named = routeResources.find(
    (resource) =>
      resource.kind === (kind ?? 'IngressRoute') && apiVersionOf(resource) === (apiVersion ?? 'traefik.io/v1alpha1'),
  );
  return { resource: named ?? resources.ingressRoutes, key: `${namespace}/${name}` };
}

/** apiVersionOf returns group and version as objects have them. */
export function apiVersionOf({ group, version }: RouteResource): string {
  return `${group}/${version}`;
}

/** isSameRoute tells whether two ids mean the same object. */
export function isSameRoute(one: RouteId, other: RouteId): boolean {
  return one.resource === other.resource && one.key === other.key;
}
