/**
 * The few Kubernetes types that Sluice reads, as raw JSON: timestamps stay strings and unknown fields survive, because
 * typed client models drop every field that they do not know.
 */

/** ObjectMeta is the part of metav1.ObjectMeta that Sluice reads; times are RFC 3339 strings. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly managedFields?: readonly ManagedFieldsEntry[];
}

/** OwnerReference is metav1.OwnerReference. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
}

/** ManagedFieldsEntry says which manager last wrote which fields (metav1.ManagedFieldsEntry). */
export interface ManagedFieldsEntry {
  readonly manager?: string;
  readonly operation?: string;
  readonly time?: string;
  readonly subresource?: string;
  readonly fieldsV1?: Readonly<Record<string, unknown>>;
}

/** KubernetesObject is any namespaced or cluster-scoped object. */
export interface KubernetesObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

/** ResourceKind names a resource of the API server as URLs and manifests need it. */
export interface ResourceKind {
  /** group is empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  /** selector leaves out of lists and watches what has not these labels, as the API server reads a labelSelector. */
  readonly selector?: string;
}

/** ObjectKey is `namespace/name`; it is what queues and stores hold. */
export type ObjectKey = `${string}/${string}`;

/** keyOf returns the ObjectKey of a namespaced object. */
export function keyOf(object: KubernetesObject): ObjectKey {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}

/** splitKey returns the namespace and name of an ObjectKey. */
export function splitKey(key: ObjectKey): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** Service is the part of v1.Service that Sluice reads. */
export interface Service extends KubernetesObject {
  readonly spec?: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly externalName?: string;
    readonly externalIPs?: readonly string[];
    readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[];
  };
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[] };
  };
}

/** EndpointSlice is the part of discovery.k8s.io/v1 EndpointSlice that Sluice reads. */
export interface EndpointSlice extends KubernetesObject {
  readonly addressType?: string;
  readonly endpoints?:
    | readonly {
        readonly addresses: readonly string[];
        readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
        readonly targetRef?: { readonly kind?: string; readonly name?: string; readonly uid?: string };
      }[]
    | null;
  readonly ports?: readonly { readonly name?: string; readonly port?: number; readonly protocol?: string }[];
}

/** Secret is v1.Secret; the values of `data` are base64. */
export interface Secret extends KubernetesObject {
  readonly type?: string;
  readonly data?: Readonly<Record<string, string>>;
}

/** ConfigMap is v1.ConfigMap. */
export interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** Container is a container of a pod as far as it tells what runs. */
export interface Container {
  readonly name: string;
  readonly image?: string;
}

/** PodTemplate is the part of v1.PodTemplateSpec that Sluice reads. */
export interface PodTemplate {
  readonly spec?: { readonly containers?: readonly Container[]; readonly initContainers?: readonly Container[] };
}

/** Deployment is the part of apps/v1 Deployment that Sluice reads. */
export interface Deployment extends KubernetesObject {
  readonly spec?: { readonly replicas?: number; readonly paused?: boolean; readonly template?: PodTemplate };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly readyReplicas?: number;
    readonly availableReplicas?: number;
  };
}

/** StatefulSet is the part of apps/v1 StatefulSet that Sluice reads. */
export interface StatefulSet extends KubernetesObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly updateStrategy?: { readonly type?: string; readonly rollingUpdate?: { readonly partition?: number } };
    readonly template?: PodTemplate;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    /** updateRevision is the name of the newest ControllerRevision: that of the StatefulSet and a hash. */
    readonly updateRevision?: string;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly readyReplicas?: number;
  };
}

/** DaemonSet is the part of apps/v1 DaemonSet that Sluice reads. */
export interface DaemonSet extends KubernetesObject {
  readonly spec?: { readonly updateStrategy?: { readonly type?: string }; readonly template?: PodTemplate };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly desiredNumberScheduled?: number;
    readonly updatedNumberScheduled?: number;
    readonly numberReady?: number;
  };
}

/** ControllerRevision is the part of apps/v1 ControllerRevision that Sluice reads: which of them is the newest of its owner. */
export interface ControllerRevision extends KubernetesObject {
  readonly revision: number;
}

/** controllerRevisionHash is the label that a DaemonSet's ControllerRevisions and their pods have in common. */
export const controllerRevisionHash = 'controller-revision-hash';

/** HorizontalPodAutoscaler is the part of it that tells whether a workload may have more pods. */
export interface HorizontalPodAutoscaler extends KubernetesObject {
  readonly spec?: {
    readonly scaleTargetRef?: { readonly kind: string; readonly name: string };
    readonly maxReplicas?: number;
  };
  readonly status?: { readonly desiredReplicas?: number };
}

/** resources lists the kinds that Sluice reads or writes. */
export const resources = {
  rollouts: { group: 'sluice.dev', version: 'v1alpha1', plural: 'rollouts', kind: 'Rollout' },
  ingressRoutes: { group: 'traefik.io', version: 'v1alpha1', plural: 'ingressroutes', kind: 'IngressRoute' },
  middlewares: { group: 'traefik.io', version: 'v1alpha1', plural: 'middlewares', kind: 'Middleware' },
  traefikServices: { group: 'traefik.io', version: 'v1alpha1', plural: 'traefikservices', kind: 'TraefikService' },
  // Traefik 2 calls its group so; version 3 reads it no more.
  oldIngressRoutes: {
    group: 'traefik.containo.us',
    version: 'v1alpha1',
    plural: 'ingressroutes',
    kind: 'IngressRoute',
  },
  oldTraefikServices: {
    group: 'traefik.containo.us',
    version: 'v1alpha1',
    plural: 'traefikservices',
    kind: 'TraefikService',
  },
  services: { group: '', version: 'v1', plural: 'services', kind: 'Service' },
  endpointSlices: { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices', kind: 'EndpointSlice' },
  deployments: { group: 'apps', version: 'v1', plural: 'deployments', kind: 'Deployment' },
  statefulSets: { group: 'apps', version: 'v1', plural: 'statefulsets', kind: 'StatefulSet' },
  daemonSets: { group: 'apps', version: 'v1', plural: 'daemonsets', kind: 'DaemonSet' },
  /** A StatefulSet says its revision itself; the history of a thousand of them is not wanted. */
  controllerRevisions: {
    group: 'apps',
    version: 'v1',
    plural: 'controllerrevisions',
    kind: 'ControllerRevision',
    selector: controllerRevisionHash,
  },
  replicaSets: { group: 'apps', version: 'v1', plural: 'replicasets', kind: 'ReplicaSet' },
  autoscalers: {
    group: 'autoscaling',
    version: 'v2',
    plural: 'horizontalpodautoscalers',
    kind: 'HorizontalPodAutoscaler',
  },
  events: { group: 'events.k8s.io', version: 'v1', plural: 'events', kind: 'Event' },
  leases: { group: 'coordination.k8s.io', version: 'v1', plural: 'leases', kind: 'Lease' },
} as const satisfies Record<string, ResourceKind>;
