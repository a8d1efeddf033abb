import type { Ingress, IngressClass } from '../../api/ingress.ts';
import type { ConfigMap, EndpointSlice, KubernetesObject, ObjectKey, Secret, Service } from '../../api/kubernetes.ts';
import type { IngressRoute, ServersTransport, TlsStore, TraefikService } from '../../api/traefik.ts';

/** Objects are the kinds that the catalog reads. */
export interface Objects {
  readonly IngressRoute: IngressRoute;
  readonly TraefikService: TraefikService;
  readonly ServersTransport: ServersTransport;
  readonly TLSStore: TlsStore;
  readonly Middleware: KubernetesObject;
  readonly Service: Service;
  readonly EndpointSlice: EndpointSlice;
  readonly Secret: Secret;
  readonly ConfigMap: ConfigMap;
  readonly Ingress: Ingress;
  readonly IngressClass: IngressClass;
}

/** ObjectKind is a kind that the catalog reads. */
export type ObjectKind = keyof Objects;

/** ObjectChange is the new state of one object; undefined: it is gone. */
export interface ObjectChange {
  readonly kind: ObjectKind;
  readonly key: ObjectKey;
  readonly object: KubernetesObject | undefined;
}

/** ObjectId is a kind and a key, e.g. `Service web/shop`; messages show it as it is. */
export type ObjectId = `${ObjectKind} ${ObjectKey}`;

/** idOf returns the ObjectId. */
export function idOf(kind: ObjectKind, key: ObjectKey): ObjectId {
  return `${kind} ${key}`;
}

/** kindOf returns what stands before the blank: the kind of an ObjectId. */
export function kindOf<K extends string>(id: `${K} ${string}`): K {
  return id.slice(0, id.indexOf(' ')) as K;
}
