/** The part of Traefik's `traefik.io/v1alpha1` kinds that Sluice reads; every other field is carried along untouched. */
import type { KubernetesObject } from './kubernetes.ts';

/** RouteService is one entry of `spec.routes[].services[]` (Traefik's LoadBalancerSpec). A missing weight means 1. */
export interface RouteService {
  readonly name: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly port?: number | string;
  readonly weight?: number;
  readonly [field: string]: unknown;
}

/** Route is one entry of `spec.routes[]`. */
export interface Route {
  readonly match: string;
  readonly kind?: string;
  readonly services?: readonly RouteService[];
  readonly [field: string]: unknown;
}

/** IngressRoute is `traefik.io/v1alpha1` IngressRoute. */
export interface IngressRoute extends KubernetesObject {
  readonly spec: { readonly routes?: readonly Route[]; readonly [field: string]: unknown };
}
