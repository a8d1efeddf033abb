import type { ObjectKey } from '../../api/kubernetes.ts';
import type { Ingress, IngressClass } from '../../api/ingress.ts';
import type { Certificate, Router, Service, Transport } from '../configuration.ts';
import type { IngressPlace } from './ingress-index.ts';
import type { ObjectKind, Objects } from './object-kind.ts';
import type { ServerSource } from './server-sets.ts';

/**
 * Compiler turns one object into what it contributes. It is pure: all that it looks at besides the object goes through
 * the Reader, which remembers it, so that the object is compiled again when any of that changes. A kind of routes is
 * added to the proxy by a compiler of its own.
 */
export type Compiler<K extends ObjectKind> = (object: Objects[K], reader: Reader) => Draft;

/** Compilers are those of the kinds that contribute something. */
export type Compilers = { readonly [K in ObjectKind]?: Compiler<K> };

/** Reader is how a compiler sees other objects. */
export interface Reader {
  /** object returns an object; undefined: there is none. */
  object<K extends ObjectKind>(kind: K, key: ObjectKey): Objects[K] | undefined;
  /** serverSet returns the name of the ServerSet of a source; what is in it is not looked at. */
  serverSet(source: ServerSource): string;
  /** isEmpty tells whether there is no server in a ServerSet. */
  isEmpty(source: ServerSource): boolean;
  /** draft returns what another object contributes; undefined: there is none. Two objects must not ask for each other. */
  draft(kind: ObjectKind, key: ObjectKey): Draft | undefined;
  /** ingressClass returns one, and ingressClasses all there are. */
  ingressClass(key: ObjectKey): IngressClass | undefined;
  ingressClasses(): readonly IngressClass[];
  /** ingresses returns those of a place, whatever their class is, the oldest first. */
  ingresses(place: IngressPlace): readonly Ingress[];
}

/** Draft is what one object contributes, before it is known which names others have taken. */
export interface Draft {
  readonly routers: readonly DraftRouter[];
  readonly services: readonly DraftService[];
  /** references are the services of other objects that are used here. */
  readonly references: readonly Reference[];
  readonly transports: readonly Transport[];
  /** certificates may be those of other objects too: the same Secret is the same certificate. */
  readonly certificates: readonly Certificate[];
  readonly problems: readonly Problem[];
  /** fault says why nothing can use this object; undefined when it can be used. */
  readonly fault: Fault | undefined;
}

/** DraftRouter is a Router of the route called `route`; one route has several routers if its entry points differ in TLS. */
export interface DraftRouter {
  readonly router: Router;
  readonly route: string;
}

/**
 * DraftService claims a name for a service. `identity` is what the service is in the cluster: different ones must not
 * share a name, or the requests of one would reach the other. `owner` is the route or service that shows what is wrong.
 */
export interface DraftService {
  readonly service: Service;
  readonly identity: string;
  readonly owner: string;
}

/** Reference is the name under which the service with this identity is expected; `owner` as in DraftService. */
export interface Reference {
  readonly name: string;
  readonly identity: string;
  readonly owner: string;
}

/** InvalidReason says what kind of thing is wrong with an object. */
export type InvalidReason =
  | 'InvalidRoute'
  | 'UnknownEntryPoint'
  | 'NotSupported'
  | 'BrokenReference'
  | 'NotAllowed'
  | 'DuplicateMatch'
  | 'NameConflict'
  | 'Unreadable';

/** Problem is something wrong with an object, in a sentence that names the field, what was found and what to do. */
export interface Problem {
  readonly reason: InvalidReason;
  readonly message: string;
}

/** Fault is why something cannot be used. Unsupported ones disable whatever would need them, Broken ones only lose their share. */
export interface Fault extends Problem {
  readonly kind: 'Broken' | 'Unsupported';
}

/** emptyDraft contributes nothing. */
export const emptyDraft: Draft = {
  routers: [],
  services: [],
  references: [],
  transports: [],
  certificates: [],
  problems: [],
  fault: undefined,
};
