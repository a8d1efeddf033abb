/** The part of `networking.k8s.io/v1` that Sluice reads. */
import type { KubernetesObject } from './kubernetes.ts';

/** Ingress is `networking.k8s.io/v1` Ingress. */
export interface Ingress extends KubernetesObject {
  readonly spec?: {
    readonly ingressClassName?: string;
    readonly defaultBackend?: IngressBackend;
    readonly tls?: readonly IngressTls[];
    readonly rules?: readonly IngressRule[];
  };
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly IngressAddress[] } };
}

/** IngressAddress is where an Ingress is served: an address or a name. */
export interface IngressAddress {
  readonly ip?: string;
  readonly hostname?: string;
}

/** IngressTls names the Secret with the certificate of some hosts. */
export interface IngressTls {
  readonly hosts?: readonly string[];
  readonly secretName?: string;
}

/** IngressRule is the paths of one host; without a host, of all. */
export interface IngressRule {
  readonly host?: string;
  readonly http?: { readonly paths?: readonly IngressPath[] };
}

/** IngressPath sends the requests of a path to a backend. */
export interface IngressPath {
  readonly path?: string;
  /** pathType is `Exact`, `Prefix` or `ImplementationSpecific`. */
  readonly pathType?: string;
  readonly backend: IngressBackend;
}

/** IngressBackend is a Service and its port, by number or by name. */
export interface IngressBackend {
  readonly service?: { readonly name: string; readonly port?: { readonly number?: number; readonly name?: string } };
  readonly resource?: object;
}

/** IngressClass is `networking.k8s.io/v1` IngressClass; it has no namespace. */
export interface IngressClass extends KubernetesObject {
  readonly spec?: { readonly controller?: string };
}

/** ingressController is what an IngressClass says whose Ingresses `sluice proxy` serves. */
export const ingressController = 'sluice.dev/proxy';

/** defaultClassAnnotation marks the IngressClass of Ingresses that name none. */
export const defaultClassAnnotation = 'ingressclass.kubernetes.io/is-default-class';
