/** What the caches keep of each kind: with ten thousand Rollouts every field counts. */
import type { EndpointSlice, KubernetesObject, ManagedFieldsEntry, Service } from '../api/kubernetes.ts';
import type { Rollout } from '../api/rollout.ts';
import { ingressClassAnnotation, type IngressRoute, type TraefikService } from '../api/traefik.ts';
import { compact } from '../rollout/status.ts';
import { ownsServices, servicesField, type RouteResource } from '../traffic/route-object.ts';

/** serviceNameLabel is how an EndpointSlice names its Service. */
export const serviceNameLabel = 'kubernetes.io/service-name';

/** Meta is the metadata of an object. */
export type Meta = KubernetesObject['metadata'];

/** keptRollout leaves out labels and the annotations of others, e.g. kubectl's copy of the whole object. */
export function keptRollout({ apiVersion, kind, metadata, spec, status }: Rollout): Rollout {
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([name]) => name.startsWith('sluice.dev/'));
  return compact<Rollout>({
    apiVersion,
    kind,
    metadata: {
      ...keptMeta(metadata),
      ...compact({
        generation: metadata.generation,
        creationTimestamp: metadata.creationTimestamp,
        deletionTimestamp: metadata.deletionTimestamp,
        finalizers: metadata.finalizers,
        annotations: annotations.length === 0 ? undefined : Object.fromEntries(annotations),
      }),
    },
    spec,
    status,
  });
}

/** keptIngressRoute keeps the spec whole, for which Traefik and which Rollout it is, and of managedFields who owns the rules. */
export function keptIngressRoute(resource: RouteResource, { metadata, spec }: IngressRoute): IngressRoute {
  const ingressClass = metadata.annotations?.[ingressClassAnnotation];
  const owners = (metadata.ownerReferences ?? []).filter(({ kind }) => kind === 'Rollout');
  return {
    metadata: {
      ...keptMeta(metadata),
      ...compact({
        annotations: ingressClass === undefined ? undefined : { [ingressClassAnnotation]: ingressClass },
        ownerReferences: owners.length === 0 ? undefined : owners,
      }),
      managedFields: ownersOf(resource, metadata),
    },
    spec,
  };
}

/** keptMiddleware keeps that it is there. */
export function keptMiddleware({ metadata }: KubernetesObject): KubernetesObject {
  return { metadata: keptMeta(metadata) };
}

/** keptTraefikService keeps the spec, and of managedFields who owns the weighted services. */
export function keptTraefikService(resource: RouteResource, { metadata, spec }: TraefikService): TraefikService {
  return {
    metadata: { ...keptMeta(metadata), managedFields: ownersOf(resource, metadata) },
    ...(spec === undefined ? {} : { spec }),
  };
}

function ownersOf(resource: RouteResource, { managedFields = [] }: Meta): readonly ManagedFieldsEntry[] {
  return managedFields
    .filter((entry) => ownsServices(resource, entry))
    .map(({ manager, time }) => ({ ...compact({ manager, time }), fieldsV1: servicesField(resource) }));
}

/** keptService keeps the ports. */
export function keptService({ metadata, spec }: Service): Service {
  const ports = (spec?.ports ?? []).map(({ name, port }) => (name === undefined ? { port } : { name, port }));
  return { metadata: keptMeta(metadata), spec: { ports } };
}

/** keptEndpointSlice keeps addresses with their conditions, and the ports. */
export function keptEndpointSlice({ metadata, endpoints, ports }: EndpointSlice): EndpointSlice {
  const service = metadata.labels?.[serviceNameLabel] ?? '';
  return {
    metadata: { ...keptMeta(metadata), labels: { [serviceNameLabel]: service } },
    endpoints: (endpoints ?? []).map(({ addresses, conditions }) => ({
      addresses,
      conditions: compact({ ready: conditions?.ready, terminating: conditions?.terminating }),
    })),
    ports: (ports ?? []).map(({ name, port }) => compact({ name, port })),
  };
}

/** keptMeta keeps what the caches themselves need of an object. */
export function keptMeta({ name, namespace, uid, resourceVersion }: Meta): Meta {
  return { name, ...compact({ namespace, uid, resourceVersion }) };
}
