/** Short ways to write objects for the catalog, in the namespace `web`. */
import type { KubernetesObject, ObjectKey } from '../../../../src/api/kubernetes.ts';
import { createCatalog, type Catalog } from '../../../../src/proxy/catalog/catalog.ts';
import type { ObjectChange, ObjectKind } from '../../../../src/proxy/catalog/object-kind.ts';
import type { CatalogSettings } from '../../../../src/proxy/catalog/settings.ts';
import type { Router, Server, Service } from '../../../../src/proxy/configuration.ts';

export const settings: CatalogSettings = {
  entryPoints: [
    { name: 'web', tls: undefined },
    { name: 'websecure', tls: { certificate: '', key: '' } },
  ],
  ingressClass: '',
  allowsCrossNamespace: false,
  allowsExternalName: false,
  isStrict: false,
};

/** object is any object; `key` is `name` or `namespace/name`. */
export function object(kind: ObjectKind, key: string, rest: object = {}): ObjectChange {
  const [namespace, name] = key.includes('/') ? key.split('/') : ['web', key];
  const metadata = { namespace, name, creationTimestamp: '2026-01-01T00:00:00Z' };
  const { metadata: more, ...fields } = rest as { readonly metadata?: object };
  return {
    kind,
    key: `${namespace}/${name}` as ObjectKey,
    object: { metadata: { ...metadata, ...more }, ...fields } as KubernetesObject,
  };
}

/** service is a Service with the port 80, called http, and one pod for each address. */
export function service(key: string, ...addresses: readonly string[]): readonly ObjectChange[] {
  const name = key.slice(key.indexOf('/') + 1);
  return [
    object('Service', key, { spec: { clusterIP: '10.96.0.1', ports: [{ name: 'http', port: 80 }] } }),
    object('EndpointSlice', `${key}-1`, {
      metadata: { labels: { 'kubernetes.io/service-name': name } },
      ports: [{ name: 'http', port: 8080 }],
      endpoints: addresses.map((address) => ({ addresses: [address] })),
    }),
  ];
}

/** route is an IngressRoute on `web` with one route for the host `a.example`. */
export function route(services: readonly object[], rest: object = {}, spec: object = {}): ObjectChange {
  const routes = [{ match: 'Host(`a.example`)', services, ...rest }];
  return object('IngressRoute', 'shop', { spec: { entryPoints: ['web'], routes, ...spec } });
}

/** compiled is a catalog of objects. */
export function compiled(changes: readonly ObjectChange[], with_: Partial<CatalogSettings> = {}): Catalog {
  const catalog = createCatalog({ ...settings, ...with_ });
  catalog.apply(changes);
  return catalog;
}

/** onlyRouter is the router of a catalog that has just one. */
export function onlyRouter(catalog: Catalog): Router {
  const [router, ...others] = catalog.configuration.routers.values();
  if (router === undefined || others.length > 0) throw new Error(`there are ${others.length} routers besides one`);
  return router;
}

/** target is the service that the only router leads to. */
export function target(catalog: Catalog): Service | undefined {
  return catalog.configuration.services.get(onlyRouter(catalog).service);
}

/** servers are those of the service that the only router leads to. */
export function servers(catalog: Catalog): readonly Server[] {
  const found = target(catalog);
  const name = found?.kind === 'LoadBalancer' ? found.serverSet : undefined;
  return (name === undefined ? undefined : catalog.configuration.serverSets.get(name)?.servers) ?? [];
}

/** urls are the URLs of those servers. */
export function urls(catalog: Catalog): readonly string[] {
  return servers(catalog).map(({ url }) => url);
}

/** weights are the children of a weighted service. */
export function weights(found: Service | undefined): Readonly<Record<string, number>> {
  return found?.kind === 'Weighted' ? Object.fromEntries(found.services.map(({ name, weight }) => [name, weight])) : {};
}
