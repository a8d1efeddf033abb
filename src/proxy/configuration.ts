/**
 * What the data plane serves, as plain data that survives a structured clone: the primary compiles it from objects, workers
 * get it whole once and changes from then on. Its shape is that of Traefik's dynamic configuration, so that the names in
 * metrics, logs and `/api/http` are the same.
 */

/** ItemStatus is Traefik's: a disabled router serves nothing (404), one with a warning serves what it can. */
export type ItemStatus = 'enabled' | 'warning' | 'disabled';

/** Router is one route of an object. */
export interface Router {
  /** name as Traefik's provider names it, e.g. `web-shop-1a8fea506310d80b6f91@kubernetescrd`. */
  readonly name: string;
  /** entryPoints are names of entry points that exist. */
  readonly entryPoints: readonly string[];
  readonly rule: string;
  readonly syntax: 'v2' | 'v3';
  /** priority is resolved: what the route says, else the length of the rule in bytes. The greatest wins. */
  readonly priority: number;
  /** precedence decides among equal priorities, 0 without saying; the greatest wins. Routers of Ingresses have one: Kubernetes orders their paths. */
  readonly precedence?: number;
  /** createdAt (RFC 3339) and then the name decide among what is still equal: the older one wins. */
  readonly createdAt: string;
  /** isTls routers take requests that came over TLS, the others those that did not. */
  readonly isTls: boolean;
  /** service is the name of a Service. */
  readonly service: string;
  /** middlewares are names, in the order of execution. */
  readonly middlewares: readonly string[];
  readonly status: ItemStatus;
  /** errors say in sentences what is wrong, as Traefik's `error`. */
  readonly errors: readonly string[];
}

/** Service is where a router sends its requests. */
export type Service = LoadBalancer | WeightedService;

/** LoadBalancer shares requests out among the servers of one Kubernetes Service and port: a leaf, with metrics of its own. */
export interface LoadBalancer {
  readonly kind: 'LoadBalancer';
  readonly name: string;
  /** serverSet is the name of a ServerSet; undefined: there are no servers. */
  readonly serverSet: string | undefined;
  /** strategy among servers: in turn, or the less busy of two chosen at random. */
  readonly strategy: 'RoundRobin' | 'PowerOfTwo';
  readonly passHostHeader: boolean;
  readonly sticky: StickyCookie | undefined;
  /** transport is the name of a Transport; undefined: the default one. */
  readonly transport: string | undefined;
  readonly passiveHealth: PassiveHealth | undefined;
  readonly status: ItemStatus;
  readonly errors: readonly string[];
}

/**
 * ServerSet is the servers of one Kubernetes Service and port. It stands by itself because pods come and go more often
 * than anything else changes, and thousands of routes may lead to one Service.
 */
export interface ServerSet {
  readonly name: string;
  /** servers are in the order of their URLs. */
  readonly servers: readonly Server[];
}

/** Server is one endpoint. */
export interface Server {
  /** url identifies it, e.g. `http://10.0.0.7:8080`. */
  readonly url: string;
  readonly scheme: 'http' | 'https' | 'h2c';
  readonly host: string;
  readonly port: number;
  /** isFenced servers are terminating: requests that stick to one still go there, new ones do not. */
  readonly isFenced: boolean;
}

/** WeightedService shares requests out among services by weight; an entry of weight 0 is never chosen. */
export interface WeightedService {
  readonly kind: 'Weighted';
  readonly name: string;
  readonly services: readonly { readonly name: string; readonly weight: number }[];
  readonly sticky: StickyCookie | undefined;
  readonly status: ItemStatus;
  readonly errors: readonly string[];
}

/** StickyCookie is Traefik's `sticky.cookie`; the name is resolved. */
export interface StickyCookie {
  readonly name: string;
  readonly isSecure: boolean;
  readonly isHttpOnly: boolean;
  readonly sameSite: 'none' | 'lax' | 'strict' | undefined;
  /** maxAgeSeconds: 0 is a cookie of the session, less than 0 one that is deleted at once. */
  readonly maxAgeSeconds: number;
  readonly path: string;
  readonly domain: string | undefined;
}

/** PassiveHealth takes a server out for `failureWindowMs` after so many failures within it. */
export interface PassiveHealth {
  readonly failureWindowMs: number;
  readonly maxFailedAttempts: number;
}

/** Transport says how servers are reached (Traefik's ServersTransport). Durations of 0 are none. */
export interface Transport {
  readonly name: string;
  readonly serverName: string | undefined;
  readonly isInsecure: boolean;
  /** rootCas are PEM texts; none: those of the system. */
  readonly rootCas: readonly string[];
  readonly certificates: readonly { readonly certificate: string; readonly key: string }[];
  readonly maxIdlePerHost: number;
  readonly isHttp2Disabled: boolean;
  readonly dialTimeoutMs: number;
  readonly responseHeaderTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/** Certificate is presented to clients that ask for one of its hosts. The key is a secret: it is in no log and in no answer. */
export interface Certificate {
  /** name is the key of its Secret, or `defaultCertificate`. */
  readonly name: string;
  /** certificate and key are PEM texts, the certificate with its chain. */
  readonly certificate: string;
  readonly key: string;
  /** hosts are in lower case, `*.x` among them. */
  readonly hosts: readonly string[];
  /** createdAt (RFC 3339) and then the name decide among several for a host: the older one is presented. */
  readonly createdAt: string;
}

/** defaultCertificate is the name of the Certificate for clients that ask for no host that another is for. */
export const defaultCertificate = 'default';

/** Configuration is all of it, by name. */
export interface Configuration {
  readonly routers: ReadonlyMap<string, Router>;
  readonly services: ReadonlyMap<string, Service>;
  readonly serverSets: ReadonlyMap<string, ServerSet>;
  readonly transports: ReadonlyMap<string, Transport>;
  readonly certificates: ReadonlyMap<string, Certificate>;
}

/** ConfigurationChange turns one Configuration into the next. A whole one is a change of the empty one. */
export interface ConfigurationChange {
  readonly routers: ItemChanges<Router>;
  readonly services: ItemChanges<Service>;
  readonly serverSets: ItemChanges<ServerSet>;
  readonly transports: ItemChanges<Transport>;
  readonly certificates: ItemChanges<Certificate>;
}

/** ItemChanges: `set` are new or different, `removed` are names. */
export interface ItemChanges<T> {
  readonly set: readonly T[];
  readonly removed: readonly string[];
}
