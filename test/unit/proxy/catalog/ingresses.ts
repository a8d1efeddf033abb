/** Short ways to write Ingresses, and to ask where a request goes. */
import type { Catalog } from '../../../../src/proxy/catalog/catalog.ts';
import type { ObjectChange } from '../../../../src/proxy/catalog/object-kind.ts';
import { createRouteTable } from '../../../../src/proxy/routing/route-table.ts';
import { createRuleRequest } from '../../../../src/rule/rule-request.ts';
import { parseTarget } from '../../../../src/rule/target.ts';
import { object } from './objects.ts';

/** sluiceClass is the IngressClass of the overlay. */
export const sluiceClass = object('IngressClass', '/sluice', { spec: { controller: 'sluice.dev/proxy' } });

/** PathSpec is `host`, `type path`, and the Service that they go to. */
export type PathSpec = readonly [host: string, typeAndPath: string, service: string];

/** pathsOf makes rules of paths, one for each. */
export function pathsOf(paths: readonly PathSpec[]): readonly object[] {
  return paths.map(([host, typeAndPath, service]) => {
    const [pathType, path] = typeAndPath.split(' ');
    const backend = { service: { name: service, port: { number: 80 } } };
    return { ...(host !== '' && { host }), http: { paths: [{ path, pathType, backend }] } };
  });
}

/** IngressRest are further fields of an Ingress. */
export interface IngressRest {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly createdAt?: string;
  readonly spec?: object;
}

/** ingress is an Ingress of the class `sluice` in the namespace `web`. */
export function ingress(key: string, paths: readonly PathSpec[], rest: IngressRest = {}): ObjectChange {
  const { annotations = {}, createdAt = '2026-01-01T00:00:00Z', spec } = rest;
  return object('Ingress', key, {
    metadata: { annotations, creationTimestamp: createdAt },
    spec: { ingressClassName: 'sluice', rules: pathsOf(paths), ...spec },
  });
}

/** Asked is a request. */
export interface Asked {
  readonly entryPoint?: string;
  readonly isTls?: boolean;
  readonly headers?: readonly string[];
}

/** routerFor is the router that a request of `host/path` goes by; undefined: none. */
export function routerFor(catalog: Catalog, url: string, asked: Asked = {}) {
  const table = createRouteTable(({ name }) => name);
  for (const router of catalog.configuration.routers.values()) table.set(router);
  const slash = url.indexOf('/');
  const target = parseTarget(url.slice(slash));
  if (target === 'Bad') throw new Error(`${url} has no path`);
  const { entryPoint = 'web', isTls = false, headers = [] } = asked;
  const line = { authority: url.slice(0, slash), method: 'GET', clientIp: '10.0.0.9', headers };
  return table.find(entryPoint, isTls, createRuleRequest({ ...target, ...line }))?.router;
}

/** backendOf is what the Services are called that a request may reach, with their weights where they are several. */
export function backendOf(catalog: Catalog, url: string, asked: Asked = {}): string | undefined {
  const router = routerFor(catalog, url, asked);
  const service = catalog.configuration.services.get(router?.service ?? '');
  const nameOf = (name: string): string => /^web-(.*)-80@kubernetes$/.exec(name)?.[1] ?? name;
  if (service?.kind !== 'Weighted') return service === undefined ? undefined : nameOf(service.name);
  return service.services.map(({ name, weight }) => `${nameOf(name)}:${weight}`).join(' ');
}

/** messages are what is wrong with the objects. */
export function messages(catalog: Catalog): readonly string[] {
  return catalog.invalidObjects().map(({ message }) => message);
}
