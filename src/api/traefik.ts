/** The part of Traefik's `traefik.io/v1alpha1` kinds that Sluice reads; every other field is carried along untouched. */
import type { KubernetesObject } from './kubernetes.ts';

/** RouteService is one entry of `spec.routes[].services[]` (Traefik's LoadBalancerSpec). A missing weight means 1. */
export interface RouteService {
  readonly name: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly port?: number | string;
  readonly weight?: number;
  readonly scheme?: string;
  readonly strategy?: string;
  readonly passHostHeader?: boolean;
  readonly serversTransport?: string;
  readonly nativeLB?: boolean;
  readonly nodePortLB?: boolean;
  readonly sticky?: Sticky;
  readonly healthCheck?: object;
  readonly passiveHealthCheck?: { readonly failureWindow?: number | string; readonly maxFailedAttempts?: number };
  readonly responseForwarding?: { readonly flushInterval?: string };
  /** middlewares of one service are of Traefik 3.7. */
  readonly middlewares?: readonly ObjectReference[];
  readonly [field: string]: unknown;
}

/** Sticky is Traefik's `sticky`, of servers or of services. */
export interface Sticky {
  readonly cookie?: {
    readonly name?: string;
    readonly secure?: boolean;
    readonly httpOnly?: boolean;
    readonly sameSite?: string;
    /** maxAge is in seconds. */
    readonly maxAge?: number;
    readonly path?: string;
    readonly domain?: string;
  };
}

/** ObjectReference names a Middleware, TLSOption or IngressRoute; without a namespace it is that of the object. */
export interface ObjectReference {
  readonly name: string;
  readonly namespace?: string;
}

/** Route is one entry of `spec.routes[]`. */
export interface Route {
  readonly match: string;
  readonly kind?: string;
  readonly priority?: number;
  readonly syntax?: string;
  readonly services?: readonly RouteService[];
  readonly middlewares?: readonly ObjectReference[];
  readonly observability?: { readonly accessLogs?: boolean; readonly metrics?: boolean };
  readonly [field: string]: unknown;
}

/** IngressRoute is `traefik.io/v1alpha1` IngressRoute. */
export interface IngressRoute extends KubernetesObject {
  readonly spec: {
    readonly routes?: readonly Route[];
    readonly entryPoints?: readonly string[];
    /** ingressClassName is of Traefik 3.7. */
    readonly ingressClassName?: string;
    readonly parentRefs?: readonly ObjectReference[];
    readonly tls?: {
      readonly secretName?: string;
      readonly options?: ObjectReference;
      readonly certResolver?: string;
    };
    readonly [field: string]: unknown;
  };
}

/** ingressClassOf returns the class that an IngressRoute asks for: a field since Traefik 3.7, an annotation before. */
export function ingressClassOf({ metadata, spec }: IngressRoute): string | undefined {
  return spec.ingressClassName ?? metadata.annotations?.[ingressClassAnnotation];
}

/** ingressClassAnnotation names the class for Traefik before 3.7. */
export const ingressClassAnnotation = 'kubernetes.io/ingress.class';

/** TraefikService is `traefik.io/v1alpha1` TraefikService: one way of several to share requests out. */
export interface TraefikService extends KubernetesObject {
  readonly spec?: {
    readonly weighted?: { readonly services?: readonly RouteService[]; readonly sticky?: Sticky };
    readonly [way: string]: unknown;
  };
}

/** ServersTransport is `traefik.io/v1alpha1` ServersTransport. Durations are Go's, or numbers of seconds. */
export interface ServersTransport extends KubernetesObject {
  readonly spec?: {
    readonly serverName?: string;
    readonly insecureSkipVerify?: boolean;
    readonly rootCAs?: readonly { readonly secret?: string; readonly configMap?: string }[];
    readonly rootCAsSecrets?: readonly string[];
    readonly certificatesSecrets?: readonly string[];
    readonly maxIdleConnsPerHost?: number;
    readonly disableHTTP2?: boolean;
    readonly peerCertURI?: string;
    readonly spiffe?: object;
    readonly forwardingTimeouts?: {
      readonly dialTimeout?: number | string;
      readonly responseHeaderTimeout?: number | string;
      readonly idleConnTimeout?: number | string;
    };
  };
}

/** TlsStore is `traefik.io/v1alpha1` TLSStore. */
export interface TlsStore extends KubernetesObject {
  readonly spec?: {
    readonly defaultCertificate?: { readonly secretName?: string };
    readonly certificates?: readonly { readonly secretName: string }[];
    readonly [field: string]: unknown;
  };
}
